//! The text tower: tokens in, embeddings of length 1 out.

use crate::models::row_graph::{Filler, axis, last_axis, rows_of, unit_rows};
use crate::onnx::{Backend, Model, OnnxError, Port, Session, SessionDevice, TensorIn};

/// What stands behind a text's end. CLIP looks backwards only and takes the embedding at the first end token, which it
/// finds by its id or as the largest id, so any id that is smaller will do.
const PADDING: i64 = 0;

/// The graph of a text tower.
#[derive(Clone, Debug)]
pub(super) struct TextGraph {
    pub(super) model: Model,
    pub(super) ids: Port,
    /// The name of the attention mask, where the graph has one.
    pub(super) mask: Option<String>,
    pub(super) output: Port,
    pub(super) fillers: Vec<Filler>,
}

impl TextGraph {
    pub(super) fn dimension(&self) -> Option<usize> {
        last_axis(&self.output)
    }

    pub(super) fn batch(&self) -> Option<usize> {
        axis(&self.ids, 0)
    }

    pub(super) fn open(
        &self,
        backend: &Backend,
        place: SessionDevice,
        threads: usize,
    ) -> Result<TextTower, OnnxError> {
        let session = Session::open(&self.model, backend, place, threads)?;
        Ok(TextTower { graph: self.clone(), session })
    }
}

/// A loaded text tower.
pub struct TextTower {
    graph: TextGraph,
    session: Session,
}

impl TextTower {
    /// The embeddings of texts that [`Tokeniser::encode`](crate::models::tokens::Tokeniser::encode) made tokens of: one each, in order, of
    /// L2 norm 1.
    ///
    /// Any number of texts of any lengths is taken, all in one run unless the graph fixes its batch; they are padded to the
    /// longest, or to the length that the graph fixes, which leaves embeddings as they are. A text without tokens or with
    /// more than the graph takes is an error, and so is an embedding that is all zeros or holds a NaN or an infinity.
    pub fn embed(&mut self, tokens: &[Vec<i64>]) -> Result<Vec<Vec<f32>>, OnnxError> {
        let at_once = self.graph.batch().unwrap_or(tokens.len()).max(1);
        let mut numbers = Vec::new();
        for chunk in tokens.chunks(at_once) {
            let padded = self.pad(chunk, at_once)?;
            let shape = [at_once, padded.length];
            let mut feeds = vec![(&*self.graph.ids.name, TensorIn::I64 { shape: &shape, data: &padded.ids })];
            if let Some(mask) = &self.graph.mask {
                feeds.push((mask, TensorIn::I64 { shape: &shape, data: &padded.mask }));
            }
            feeds.extend(self.graph.fillers.iter().map(Filler::feed));
            let outputs = self.session.run(&feeds)?;
            let found = rows_of(&outputs, &self.graph.output.name, at_once, &self.graph.model.path)?;
            numbers.extend_from_slice(&found[..found.len() / at_once * chunk.len()]);
        }
        unit_rows(&numbers, tokens.len(), &self.graph.model.path)
    }

    /// Brings texts to one length, and their number to `rows` by repeating the last.
    fn pad(&self, texts: &[Vec<i64>], rows: usize) -> Result<Padded, OnnxError> {
        let longest = texts.iter().map(Vec::len).max().unwrap_or_default();
        let length = axis(&self.graph.ids, 1).unwrap_or(longest);
        if longest > length || texts.iter().any(Vec::is_empty) {
            let shortest = texts.iter().map(Vec::len).min().unwrap_or_default();
            let why =
                format!("texts of {shortest} to {longest} tokens; at least 1 and at most {length} are taken");
            return Err(OnnxError::Run { path: self.graph.model.path.clone(), why });
        }
        let mut padded = Padded { ids: Vec::new(), mask: Vec::new(), length };
        for row in 0..rows {
            let text = to_first_end(&texts[row.min(texts.len() - 1)]);
            padded.ids.extend_from_slice(text);
            padded.ids.resize((row + 1) * length, PADDING);
            padded.mask.resize(row * length + text.len(), 1);
            padded.mask.resize((row + 1) * length, 0);
        }
        Ok(padded)
    }
}

/// A text up to the first token that equals its last, the end. More than one is there where the words of a text spell the end
/// token. What follows the first has no say in the embedding; but of equal maxima ONNX's ArgMax takes the first, and rten's, which
/// is off the standard here, the last: with one end there is nothing to differ about.
fn to_first_end(text: &[i64]) -> &[i64] {
    let end = text.iter().position(|token| Some(token) == text.last());
    &text[..end.map_or(0, |end| end + 1)]
}

struct Padded {
    ids: Vec<i64>,
    mask: Vec<i64>,
    length: usize,
}
