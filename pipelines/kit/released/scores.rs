//! `all_dataset_gpt_score.json`: what the judge said, by the path of the output picture.
//!
//! One object; a turn that was judged is a member of it, in the order of types, parts and rows:
//!
//! ```json
//! { "results_remove_00012/000000123/result.png":
//!     { "score1": 5, "score2": 4, "match": true, "reason": "the car is gone" } }
//! ```
//!
//! `score1` says how well the instruction was followed, `score2` how natural it looks and how little else changed, both from
//! 1 to 5; `match` is null where the judge did not say. Of ImgEdit's own file only that it goes by path is known.

use std::io::{self, Write};

use serde_json::{Value, json};

/// Writes the file, a member at a time.
pub(crate) struct ScoresWriter<W: Write> {
    out: W,
    members: u64,
}

/// The columns of `Details/` that [`ScoresWriter::push`] takes.
pub(crate) const SCORE_COLUMNS: [&str; 2] = ["output_images", "judgements"];

impl<W: Write> ScoresWriter<W> {
    pub(crate) fn new(mut out: W) -> io::Result<Self> {
        out.write_all(b"{")?;
        Ok(ScoresWriter { out, members: 0 })
    }

    /// Adds the turns of a row of `Details/`.
    pub(crate) fn push(&mut self, row: &[Value]) -> io::Result<()> {
        let [images, judgements] = row else { return Ok(()) };
        let lists = images.as_array().into_iter().flatten().zip(judgements.as_array().into_iter().flatten());
        for (image, judgement) in lists.filter(|(_, judgement)| !judgement.is_null()) {
            let member = json!({
                "score1": number(&judgement["score1"]),
                "score2": number(&judgement["score2"]),
                "match": judgement["match"].as_i64().map(|it| it == 1),
                "reason": judgement["reason"],
            });
            let before = if self.members == 0 { "\n" } else { ",\n" };
            write!(self.out, "{before}{image}: {member}")?;
            self.members += 1;
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.out.write_all(b"\n}\n")?;
        Ok(self.out)
    }
}

/// Whole scores are written as whole numbers, as people and most parsers of theirs expect.
fn number(score: &Value) -> Value {
    match score.as_f64() {
        Some(score) if score.fract() == 0.0 && score.abs() < 1e6 => Value::from(score as i64),
        _ => score.clone(),
    }
}
