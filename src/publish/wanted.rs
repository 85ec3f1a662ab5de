//! The rows that are wanted, shard by shard: what each part is a function of, and the cells of its rows.
//!
//! A part's digest covers all that its bytes follow from: the format, the shard's name and fingerprint, what the
//! index says of each of its rows, and the row's verdict. A rejected row's threshold is part of that row; a kept
//! row names no dial, so that a turn which changes no kept row leaves every data part alone.

use super::export::TAR_FORMAT;
use super::manifest::{Part, PartKind};
use super::names::part_name;
use super::parquet::{Cell, Column, ColumnType, PartWriter, Presence, canonical};
use super::parts::{PartFile, Planned};
use super::source::OpenShard;
use super::{FORMAT, PublishError, Wanted, WantedShard};
use crate::row::{ContentHash, Refusal, Verdict};
use crate::shard::{Format, Member, Picture, Sample, ShardIndex, Sidecar};

/// Which part of which shard: `shard` is its place in [`Wanted::shards`].
pub(super) struct Recipe {
    pub shard: usize,
    pub kind: PartKind,
}

/// The columns of `data/`: the same for every part.
pub(super) fn data_columns(score_columns: &[&str]) -> Result<Vec<Column>, PublishError> {
    use ColumnType::{Float32, Int32, Int64, LongText, Text};
    use Presence::{Always, Nullable};
    let mut columns: Vec<Column> = [
        ("key", Text),
        ("shard", Text),
        ("picture", Text),
        ("offset", Int64),
        ("length", Int64),
        ("width", Int32),
        ("height", Int32),
        ("format", Text),
        ("content", Text),
    ]
    .into_iter()
    .map(|(name, holds)| Column::new(name, holds, Always))
    .collect();
    columns.extend(score_columns.iter().map(|name| Column::new(name, Float32, Always)));
    for (name, holds) in [("caption", LongText), ("sidecar", LongText), ("sidecar_error", Text)] {
        columns.push(Column::new(name, holds, Nullable));
    }
    for (place, column) in columns.iter().enumerate() {
        if columns[..place].iter().any(|other| other.name == column.name) {
            return Err(PublishError::Verdicts(format!("two columns would be named {}", column.name)));
        }
    }
    Ok(columns)
}

/// The columns of `rejected/`.
pub(super) fn rejected_columns() -> Vec<Column> {
    use ColumnType::{Float32, Text};
    use Presence::{Always, Nullable};
    [
        ("key", Text, Always),
        ("shard", Text, Always),
        ("stage", Text, Always),
        ("dial", Text, Nullable),
        ("score", Float32, Nullable),
        ("threshold", Float32, Nullable),
        ("class", Text, Nullable),
        ("message", Text, Nullable),
        ("sidecar_error", Text, Nullable),
    ]
    .into_iter()
    .map(|(name, holds, presence)| Column::new(name, holds, presence))
    .collect()
}

/// The parts of one shard that have rows, with their digests.
pub(super) fn plan(
    wanted: &Wanted<'_>,
    place: usize,
    index: &ShardIndex,
) -> Result<Vec<Planned<Recipe>>, PublishError> {
    let shard = &wanted.shards[place];
    if shard.verdicts.len() != index.samples.len() {
        let (verdicts, samples) = (shard.verdicts.len(), index.samples.len());
        return Err(PublishError::Verdicts(format!(
            "shard {}: {verdicts} verdicts for {samples} rows",
            shard.name
        )));
    }
    let mut planned = Vec::new();
    for (kind, folder) in [(PartKind::Data, "data"), (PartKind::Rejected, "rejected")] {
        let mut digest = Digest::of_part(kind, shard.name, index.fingerprint);
        if kind == PartKind::Data {
            wanted.score_columns.iter().for_each(|name| digest.text(name));
        }
        let mut rows = 0;
        for (number, sample, verdict) in rows_of(kind, shard, index) {
            rows += 1;
            if kind == PartKind::Data {
                picture_of(shard.name, sample)?;
            }
            digest.number(number as u64);
            digest.sample(sample);
            digest.verdict(wanted, verdict);
        }
        if rows > 0 {
            let digest = digest.finish();
            planned.push(Planned {
                part: Part {
                    shard: shard.name.to_owned(),
                    fingerprint: index.fingerprint.to_string(),
                    kind,
                    file: format!("{folder}/{}", part_name(shard.name, digest, "parquet")),
                    digest: digest.to_string(),
                    rows,
                    bytes: 0,
                    follows: None,
                },
                recipe: Recipe { shard: place, kind },
            });
        }
    }
    Ok(planned)
}

/// The rows of a part, in the order of the shard, each with its number in the index.
fn rows_of<'a>(
    kind: PartKind,
    shard: &'a WantedShard<'_>,
    index: &'a ShardIndex,
) -> impl Iterator<Item = (usize, &'a Sample, &'a Verdict)> {
    let rows = index.samples.iter().zip(shard.verdicts).enumerate();
    rows.map(|(number, (sample, verdict))| (number, sample, verdict))
        .filter(move |(_, _, verdict)| matches!(verdict, Verdict::Kept(_)) == (kind == PartKind::Data))
}

/// Writes a part's rows.
pub(super) fn write_part(
    wanted: &Wanted<'_>,
    recipe: &Recipe,
    open: &impl OpenShard,
    file: &mut PartFile,
) -> Result<(), PublishError> {
    let shard = &wanted.shards[recipe.shard];
    let index = open.index();
    let columns = match recipe.kind {
        PartKind::Data => data_columns(wanted.score_columns)?,
        _ => rejected_columns(),
    };
    let path = file.get_ref().path.clone();
    let failed = |error| super::parquet::failure("write", &path, error);
    let mut writer = PartWriter::new(file, &columns).map_err(failed)?;
    for (number, sample, verdict) in rows_of(recipe.kind, shard, index) {
        let sidecar_error = sample.sidecar_refusal.as_ref().map(Refusal::to_string);
        let pushed = match verdict {
            Verdict::Kept(scores) => {
                let (picture, member) = picture_of(shard.name, sample)?;
                let sidecar = open.sidecar(u32::try_from(number).expect("a shard has at most 2^32 rows"));
                let kept = KeptRow { sample, picture, member, scores, sidecar: &sidecar };
                writer.push(&kept.cells(shard.name, sidecar_error.as_deref(), &kept.texts()))
            }
            verdict => {
                writer.push(&rejected_cells(wanted, shard.name, sample, verdict, sidecar_error.as_deref()))
            }
        };
        pushed.map_err(failed)?;
    }
    writer.finish().map_err(failed)?;
    Ok(())
}

/// A kept row's picture and the member that holds it.
pub(super) fn picture_of<'a>(
    shard: &str,
    sample: &'a Sample,
) -> Result<(&'a Picture, &'a Member), PublishError> {
    let why = match &sample.picture {
        Ok(picture) => match sample.members.get(picture.member as usize) {
            Some(member) => return Ok((picture, member)),
            None => "its picture is none of its members".to_owned(),
        },
        Err(refusal) => format!("its picture was refused ({refusal})"),
    };
    Err(PublishError::Verdicts(format!("shard {shard}: {} is kept, but {why}", sample.key)))
}

/// The name that a member has in its tar.
pub(super) fn member_name(key: &str, member: &Member) -> String {
    if member.extension.is_empty() { key.to_owned() } else { format!("{key}.{}", member.extension) }
}

struct KeptRow<'a> {
    sample: &'a Sample,
    picture: &'a Picture,
    member: &'a Member,
    scores: &'a [f32],
    sidecar: &'a Sidecar,
}

impl KeptRow<'_> {
    /// The texts that are made for the row: the picture's file name, and its content in hex.
    fn texts(&self) -> [String; 2] {
        [member_name(&self.sample.key, self.member), self.picture.content.to_string()]
    }

    /// In the order of [`data_columns`].
    fn cells<'a>(
        &'a self,
        shard: &'a str,
        sidecar_error: Option<&'a str>,
        texts: &'a [String; 2],
    ) -> Vec<Cell<'a>> {
        let mut cells = vec![
            Cell::Text(&self.sample.key),
            Cell::Text(shard),
            Cell::Text(&texts[0]),
            Cell::Int64(self.member.offset as i64),
            Cell::Int64(self.member.len as i64),
            Cell::Int32(self.picture.width.into()),
            Cell::Int32(self.picture.height.into()),
            Cell::Text(format_name(self.picture.format)),
            Cell::Text(&texts[1]),
        ];
        cells.extend(self.scores.iter().map(|&score| Cell::Float32(score)));
        cells.push(self.sidecar.caption.as_deref().into());
        cells.push(self.sidecar.json.as_deref().into());
        cells.push(sidecar_error.into());
        cells
    }
}

/// In the order of [`rejected_columns`].
fn rejected_cells<'a>(
    wanted: &Wanted<'_>,
    shard: &'a str,
    sample: &'a Sample,
    verdict: &'a Verdict,
    sidecar_error: Option<&'a str>,
) -> [Cell<'a>; 9] {
    use Cell::{Float32, Missing, Text};
    let (key, shard, sidecar_error) = (Text(&sample.key), Text(shard), sidecar_error.into());
    match verdict {
        Verdict::Gated { dial, score } => {
            let threshold = threshold(wanted, dial).map_or(Missing, Float32);
            [key, shard, Text(dial), Text(dial), Float32(*score), threshold, Missing, Missing, sidecar_error]
        }
        Verdict::Refused(refused) => {
            let (class, message) = (Text(&refused.refusal.class), Text(&refused.refusal.message));
            [key, shard, Text(&refused.stage), Missing, Missing, Missing, class, message, sidecar_error]
        }
        Verdict::Kept(_) => unreachable!("rows_of gives kept rows to data parts only"),
    }
}

fn threshold(wanted: &Wanted<'_>, name: &str) -> Option<f32> {
    wanted.dials.iter().find(|dial| dial.name == name).map(|dial| dial.value)
}

fn format_name(format: Format) -> &'static str {
    match format {
        Format::Jpeg => "jpeg",
        Format::Png => "png",
        Format::WebP => "webp",
        Format::Gif => "gif",
        Format::Bmp => "bmp",
        Format::Tiff => "tiff",
    }
}

/// The hash of what a part is a function of: every text after its length, every choice after a number.
pub(super) struct Digest(blake3::Hasher);

impl Digest {
    pub(super) fn of_part(kind: PartKind, shard: &str, fingerprint: ContentHash) -> Self {
        let mut digest = Digest(blake3::Hasher::new());
        digest.number(if kind == PartKind::Tar { TAR_FORMAT } else { FORMAT }.into());
        digest.number(kind as u64);
        digest.text(shard);
        digest.0.update(&fingerprint.0);
        digest
    }

    pub(super) fn number(&mut self, number: u64) {
        self.0.update(&number.to_le_bytes());
    }

    pub(super) fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.update(text.as_bytes());
    }

    fn score(&mut self, score: f32) {
        self.0.update(&canonical(score).to_le_bytes());
    }

    /// What the index says of a row: other read options may say other things of the same bytes.
    pub(super) fn sample(&mut self, sample: &Sample) {
        self.text(&sample.key);
        self.number(sample.members.len() as u64);
        for member in &sample.members {
            self.text(&member.extension);
            self.number(member.offset);
            self.number(member.len);
        }
        self.number(sample.picture.is_ok().into());
        if let Ok(picture) = &sample.picture {
            self.0.update(&picture.content.0);
            self.text(format_name(picture.format));
            for number in [picture.member, picture.width.into(), picture.height.into()] {
                self.number(number.into());
            }
        }
        let sidecar = sample.sidecar_refusal.as_ref().map_or(String::new(), Refusal::to_string);
        self.text(&sidecar);
    }

    fn verdict(&mut self, wanted: &Wanted<'_>, verdict: &Verdict) {
        match verdict {
            Verdict::Kept(scores) => {
                self.number(0);
                scores.iter().for_each(|&score| self.score(score));
            }
            Verdict::Gated { dial, score } => {
                self.number(1);
                self.text(dial);
                self.score(*score);
                self.score(threshold(wanted, dial).unwrap_or(f32::NAN));
            }
            Verdict::Refused(refused) => {
                self.number(2);
                self.text(&refused.stage);
                self.text(&refused.refusal.class);
                self.text(&refused.refusal.message);
            }
        }
    }

    pub(super) fn finish(&self) -> ContentHash {
        ContentHash::from_hasher(&self.0)
    }
}
