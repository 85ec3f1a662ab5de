//! CLIP's tokeniser: from a text to the numbers that a text tower takes, by a model folder's `tokenizer.json`.
//!
//! The file defines everything: normalising, splitting, byte-pair merges, the tokens for start and end. The `tokenizers` crate runs it, as
//! transformers does. So the numbers are those of transformers' fast tokeniser (openai/CLIP's own differs if a text has HTML entities,
//! typographic quotes or the name of a special token). This file adds only what CLIP adds: a context length.

use std::fmt;
use std::sync::Arc;

use threshflow::row::{ContentHash, Refusal};
use tokenizers::Tokenizer;

use crate::onnx::{ModelFolder, OnnxError};

/// Tokens that a text tower takes, start and end included, unless something says otherwise.
pub(crate) const CONTEXT: usize = 77;

/// A folder's tokeniser. Cheap to clone.
#[derive(Clone)]
pub struct Tokeniser {
    rules: Arc<Tokenizer>,
    content: ContentHash,
    start: i64,
    end: i64,
    context: usize,
}

impl Tokeniser {
    /// Reads the folder's `tokenizer.json`. It must put one token before a text and one behind it.
    ///
    /// Truncation and padding that the file sets are not taken: texts are cut to `CONTEXT` tokens, or to what
    /// [`Tokeniser::with_context`] says, and never padded.
    pub fn open(folder: &ModelFolder) -> Result<Self, OnnxError> {
        let failed = |why: String| OnnxError::Folder { path: folder.root().to_path_buf(), why };
        let bytes = std::fs::read(folder.root().join("tokenizer.json")).map_err(|error| {
            failed(format!("tokenizer.json: {error}; a text tower needs the one that it was trained with"))
        })?;
        let unsound = |why: String| failed(format!("tokenizer.json is no sound tokeniser: {why}"));
        let mut rules = Tokenizer::from_bytes(&bytes).map_err(|error| unsound(error.to_string()))?;
        rules.with_truncation(None).map_err(|error| unsound(error.to_string()))?;
        rules.with_padding(None);
        let empty = rules.encode_fast("", true).map_err(|error| unsound(error.to_string()))?;
        let &[start, end] = empty.get_ids() else {
            return Err(failed(format!(
                "tokenizer.json makes the tokens {:?} of an empty text; wanted two, a start and an end, as CLIP's post_processor \
                 gives them",
                empty.get_ids()
            )));
        };
        let content = ContentHash::of(&bytes);
        let (start, end) = (start.into(), end.into());
        Ok(Tokeniser { rules: Arc::new(rules), content, start, end, context: CONTEXT })
    }

    /// Cuts texts to `tokens` tokens instead, start and end included; at least these two.
    pub fn with_context(mut self, tokens: usize) -> Self {
        self.context = tokens.max(2);
        self
    }

    /// The most tokens that a text becomes.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Of `tokenizer.json`, byte by byte.
    pub(crate) fn content_hash(&self) -> ContentHash {
        self.content
    }

    /// The tokens of `text`: the start, at most `context - 2` of its own, the end. What is too long is cut off at the end, in front
    /// of the end token. An empty text, or one of blanks only, is the start and the end.
    ///
    /// Refusal class: `bad_text` (the tokeniser's rules have no answer; CLIP's own always have one).
    pub fn encode(&self, text: &str) -> Result<Vec<i64>, Refusal> {
        let encoded = self.rules.encode_fast(text, true).map_err(|error| {
            Refusal::permanent("bad_text", format!("a text of {} bytes has no tokens: {error}", text.len()))
        })?;
        let mut tokens: Vec<i64> = encoded.get_ids().iter().map(|&id| id.into()).collect();
        if tokens.len() > self.context {
            tokens.truncate(self.context - 1);
            tokens.push(self.end);
        }
        Ok(tokens)
    }
}

impl fmt::Debug for Tokeniser {
    /// Without its tens of thousands of words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tokeniser { content, start, end, context, .. } = self;
        write!(f, "Tokeniser {{ {content}, start {start}, end {end}, at most {context} }}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::clip_model::tests::{expected, fixtures, strings};

    fn open(folder: &std::path::Path) -> Result<Tokeniser, OnnxError> {
        Tokeniser::open(&ModelFolder::open(folder).unwrap())
    }

    fn tokeniser() -> Tokeniser {
        open(&fixtures().join("split")).unwrap()
    }

    #[test]
    fn tokens_are_those_of_transformers() {
        let tokeniser = tokeniser();
        let (all, lists) = (expected(), expected()["tokens"].clone());
        let (texts, lists) = (strings(&all["texts"]), lists.as_array().unwrap().clone());
        assert!(texts.len() == lists.len() && texts.len() > 10);
        for (text, list) in texts.iter().zip(&lists) {
            let list: Vec<i64> = list.as_array().unwrap().iter().map(|id| id.as_i64().unwrap()).collect();
            assert_eq!(tokeniser.encode(text).unwrap(), list, "{text:?}");
        }
    }

    #[test]
    fn long_and_empty_texts_have_a_start_and_an_end() {
        let tokeniser = tokeniser();
        let empty = tokeniser.encode("").unwrap();
        assert_eq!(tokeniser.encode(" \t\n").unwrap(), empty);
        let &[start, end] = &empty[..] else { panic!("{empty:?}") };
        for text in ["x".repeat(500), "风".repeat(500), "\0".repeat(500), "a cat ".repeat(40)] {
            let tokens = tokeniser.encode(&text).unwrap();
            assert_eq!((tokens.len(), tokens[0], tokens[CONTEXT - 1]), (CONTEXT, start, end));
            let short = tokeniser.clone().with_context(16).encode(&text).unwrap();
            assert_eq!((&short[..15], short[15]), (&tokens[..15], end));
        }
        assert_eq!(tokeniser.with_context(0).encode("a cat").unwrap(), empty);
    }

    #[test]
    fn a_file_that_is_no_tokeniser_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("tokenizer.json: ") && error.contains("a text tower needs"), "{error}");
        let text = std::fs::read_to_string(fixtures().join("split/tokenizer.json")).unwrap();
        let mut rules: serde_json::Value = serde_json::from_str(&text).unwrap();
        rules["post_processor"] = serde_json::Value::Null;
        let cases = [
            ("{}".to_string(), "no sound tokeniser"),
            (text[..text.len() / 2].to_string(), "no sound tokeniser"),
            (rules.to_string(), "the tokens [] of an empty text"),
        ];
        for (content, words) in cases {
            std::fs::write(folder.path().join("tokenizer.json"), content).unwrap();
            let error = open(folder.path()).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn truncation_and_padding_of_the_file_are_not_taken_but_change_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let text = std::fs::read_to_string(fixtures().join("split/tokenizer.json")).unwrap();
        let mut rules: serde_json::Value = serde_json::from_str(&text).unwrap();
        rules["truncation"] = serde_json::json!({"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0});
        rules["padding"] = serde_json::json!({"strategy": {"Fixed": 77}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "!"});
        std::fs::write(folder.path().join("tokenizer.json"), rules.to_string()).unwrap();
        let (set, plain) = (open(folder.path()).unwrap(), tokeniser());
        for text in ["cat", "the old man's boat is not a stone, and we've painted it red"] {
            assert_eq!(set.encode(text).unwrap(), plain.encode(text).unwrap());
        }
        assert_ne!(set.content_hash(), plain.content_hash());
    }
}
