//! Editors. An editor makes one pass of an edit: picture in, picture out. There are one trait and four kinds: classical and embedded, ONNX
//! inpainting, ComfyUI, an HTTP model.

pub mod comfy;
pub mod http_edit;
pub mod limits;
pub mod made;
pub mod onnx_inpaint;
pub mod paint;
pub mod references;

use std::fmt;
use std::time::Duration;

use image::RgbImage;
use threshflow::row::{Refusal, Stamp};

use crate::pixels::mask::Mask;
use crate::plan::edit_plan::Operation;

/// One pass: what is to be done to a picture.
pub struct Pass<'a> {
    pub operation: Operation,
    /// As shown, at its full size.
    pub picture: &'a RgbImage,
    /// The region that the pass is about, of the picture's size, not widened; `None` where it is about the whole picture
    /// (style). For `Background` it covers the background that is to be changed.
    pub mask: Option<&'a Mask>,
    /// The object to be shown, on its own ground, for `Visual`; where there is one for `Replace`, it may be used.
    pub reference: Option<&'a RgbImage>,
    /// What the region shows: `red car`. Empty where there is none.
    pub object: &'a str,
    /// The instruction in words, as it will be published.
    pub instruction: &'a str,
    /// What must come of it: a noun phrase, a style's name; empty where the operation has none.
    pub result: &'a str,
    /// Of the pass: the same for the same question in every run.
    pub seed: u64,
}

/// What a pass made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// A picture file (PNG, JPEG or WebP) that was decoded once and is sound. Kept and published as it is.
    pub bytes: Vec<u8>,
}

/// The results that an editor can make of an operation.
pub struct Results {
    /// For a writer: `one of star, heart`.
    pub told: String,
    /// Whether these words name one of them.
    pub makes: Box<dyn Fn(&str) -> bool + Send + Sync>,
}

impl fmt::Debug for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told)
    }
}

/// One of several things that an editor makes passes by: a workflow. A pass is remembered under its stamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Means {
    pub stamp: Stamp,
    /// See [`Editor::reads_the_instruction`].
    pub reads_the_instruction: bool,
}

/// Makes passes. Blocks: called on threads of a lane that are its own, [`Editor::at_once`] of them, which no other editor keeps busy.
pub trait Editor: Send + Sync + 'static {
    /// Of all that shapes a picture: code version, model bytes, workflow files, endpoint's model name, parameters.
    fn stamp(&self) -> Stamp;
    /// Of what shapes every picture: the same, but for what [`Editor::means`] says of each pass. The cache is kept under it, so that
    /// pictures outlive a change of what did not make them.
    fn common_stamp(&self) -> Stamp {
        self.stamp()
    }
    /// What makes a pass with this operation, result and seed; `None` where the editor has one means for all.
    fn means(&self, _operation: Operation, _result: &str, _seed: u64) -> Option<Means> {
        None
    }
    /// The name of the cache that its passes are kept in, as summaries show it: `edit_embedded`.
    fn name(&self) -> &'static str;
    /// Whether the instruction's words shape what it makes by one means at least, even where a pass has an object or a result; else
    /// passes that differ in them alone are one pass.
    fn reads_the_instruction(&self) -> bool;
    /// For people, and published: what makes the pictures, `embedded`, `ComfyUI, 3 workflows`; not where it is reached, nor how
    /// many there are of it.
    fn description(&self) -> String;
    /// What of it is there to demonstrate, and makes nothing to train on; `None` where nothing is.
    fn demonstration(&self) -> Option<String> {
        None
    }
    /// Whether it can do this; what it can't is refused before anything is asked.
    fn can(&self, operation: Operation) -> bool;
    /// What it can make of an operation, where that is not anything that words can say.
    fn results(&self, _operation: Operation) -> Option<Results> {
        None
    }
    /// How many passes it makes side by side.
    fn at_once(&self) -> usize;
    /// How long one pass may take at most, where that is bounded; retries and all.
    fn deadline(&self) -> Option<Duration> {
        None
    }
    /// Makes one pass. A refusal says what failed, and whether it [says something of the pass](Refusal::is_permanent).
    fn edit(&self, pass: &Pass<'_>) -> Result<Made, Refusal>;
}
