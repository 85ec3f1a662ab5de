//! Reads the pictures of edits back, for judges, records and releases.

use std::sync::Arc;

use image::RgbImage;
use threshflow::lane::{Question, Stage, Subject};
use threshflow::row::{ContentHash, Handle, Refusal, Row, Stamp, With};

use super::{Edit, Edited, StoredEdit, StoredPass, shared_at_size_of};
use crate::edit_source::{EditSource, Planned, end_frame};
use crate::editors::made::pixels_of_file;
use crate::instruct::{Instructed, StoredInstruction};
use crate::pixels::decoded::Decoded;
use crate::pixels::full::pixels_of;
use crate::plan::edit_plan::Operation;
use crate::plan::edit_plan::passes::{Shown, passes};

/// What each turn starts from, and what came of it.
pub(crate) type Turns = Vec<(Shown, Shown)>;

/// The pictures of edits, read back.
#[derive(Clone)]
pub struct EditPictures {
    pub edits: Arc<Stage<Edit>>,
    decoded: Arc<Decoded>,
}

/// A pass, and where what it made is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadePass {
    pub operation: Operation,
    /// The editor's [name](crate::editors::Editor::name).
    pub editor: &'static str,
    /// The memo's.
    pub stamp: Stamp,
    pub key: ContentHash,
    /// The hash of the picture's file.
    pub picture: ContentHash,
}

/// A turn's pictures before and after, at the original's size.
pub(crate) struct PixelPair {
    pub(crate) pictures: [Arc<RgbImage>; 2],
    /// How long the sides of the smaller one were as it came, as a factor of the original's: the root of the ratio of pixels.
    pub(crate) resized: f32,
}

/// A picture of an edit as it is published.
pub enum EditPicture {
    /// The sample's own file.
    Original,
    /// The sample's second frame.
    EndFrame,
    /// A file that an editor made.
    Made(Arc<[u8]>),
}

impl EditPictures {
    /// Of these edits. All that share it decode a picture once, as long as it is among the last `decoded` bytes of pixels.
    pub fn new(edits: Arc<Stage<Edit>>, decoded: u64) -> Self {
        EditPictures { edits, decoded: Decoded::new(decoded) }
    }

    /// A picture of the edit as pixels, as shown. For whoever is asked about the edit: it is shown the sample.
    pub(crate) fn pixels(
        &self,
        subject: &Subject<'_>,
        shown: &EditPicture,
    ) -> Result<Arc<RgbImage>, Refusal> {
        match shown {
            EditPicture::Original => {
                let (picture, bytes) = subject.look()?;
                self.decoded.look(bytes, picture.orientation, || pixels_of(picture, bytes))
            }
            EditPicture::EndFrame => match subject.end_frame {
                None => end_frame(None).map(Arc::new),
                Some(frame) => {
                    let orientation = frame.looked.clone()?.orientation;
                    self.decoded.look(frame.bytes, orientation, || end_frame(Some(frame)))
                }
            },
            // Its file says itself how it is shown.
            EditPicture::Made(bytes) => self.decoded.look(bytes, 0, || pixels_of_file(bytes)),
        }
    }

    /// Both pictures of a turn as pixels, the first at the original's size.
    pub(crate) fn pair(
        &self,
        subject: &Subject<'_>,
        [before, after]: &[EditPicture; 2],
    ) -> Result<PixelPair, Refusal> {
        let original = self.pixels(subject, &EditPicture::Original)?;
        let (before, after) = (self.pixels(subject, before)?, self.pixels(subject, after)?);
        let pixels = |picture: &RgbImage| f64::from(picture.width()) * f64::from(picture.height());
        let resized = (pixels(&before).min(pixels(&after)) / pixels(&original)).sqrt() as f32;
        let pictures = [before, after].map(|picture| shared_at_size_of(&original, picture));
        Ok(PixelPair { pictures, resized })
    }

    /// The bytes of pixels that are kept now, and how many pictures were decoded in all.
    pub fn decoded(&self) -> (u64, u64) {
        self.decoded.counts()
    }

    /// What the turns of the edit show, with the pictures that were made for them. `edit_type` and `operations` are those of
    /// the edit's plan.
    pub fn of(&self, question: &Question, planned: &Planned) -> Result<Vec<[EditPicture; 2]>, Refusal> {
        let operator = self.edits.operator();
        let stored = StoredEdit::from_bytes(&self.blobs(question)?.1)?;
        let operations: Vec<Operation> = planned.plan.steps.iter().map(|step| step.operation).collect();
        let picture = |shown: Shown| match shown {
            Shown::Original => Ok(EditPicture::Original),
            Shown::EndFrame => Ok(EditPicture::EndFrame),
            Shown::Made(number) => {
                let lost = || Refusal::transient("not_remembered", "a pass of the edit is lost");
                let pass = stored.passes.get(number).ok_or_else(lost)?;
                operator.editors.made(pass.operation, &ContentHash(pass.key)).map(EditPicture::Made)
            }
        };
        let turns = passes(planned.plan.edit_type, &operations).turns;
        turns.into_iter().map(|(before, after)| Ok([picture(before)?, picture(after)?])).collect()
    }

    /// What the turns of the edit show, as numbers of passes, and where what each pass made is remembered.
    pub fn made(&self, question: &Question, planned: &Planned) -> Result<(Turns, Vec<MadePass>), Refusal> {
        let editors = &self.edits.operator().editors;
        let stored = StoredEdit::from_bytes(&self.blobs(question)?.1)?;
        let made = |pass: &StoredPass| {
            let kept = editors.who_can(pass.operation)?;
            Ok(MadePass {
                operation: pass.operation,
                editor: kept.editor.name(),
                stamp: kept.stamp,
                key: ContentHash(pass.key),
                picture: ContentHash(pass.picture),
            })
        };
        let made = stored.passes.iter().map(made).collect::<Result<_, Refusal>>()?;
        let operations: Vec<Operation> = planned.plan.steps.iter().map(|step| step.operation).collect();
        Ok((passes(planned.plan.edit_type, &operations).turns, made))
    }

    /// The file that a pass made, by its [key](MadePass::key).
    pub fn made_by(&self, operation: Operation, key: &ContentHash) -> Result<Arc<[u8]>, Refusal> {
        self.edits.operator().editors.made(operation, key)
    }

    /// What is remembered of the edit's instruction and of its pictures.
    fn blobs(&self, question: &Question) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
        let no_edit = || Refusal::permanent("no_edit", "only edits have pictures");
        let edit = question.edit.as_ref().ok_or_else(no_edit)?;
        let words = self.edits.operator().instructions.instruction_bytes(question)?;
        let mut asked = question.clone();
        asked.row = With::new((**edit).clone(), Handle::<Instructed>::of(&words)).content();
        let edited = self.edits.blob(&asked)?;
        Ok((words, edited))
    }

    /// The handles that the edit's row was told.
    pub(crate) fn handles(
        &self,
        question: &Question,
    ) -> Result<(Handle<Instructed>, Handle<Edited>), Refusal> {
        let (words, edited) = self.blobs(question)?;
        Ok((Handle::of(&words), Handle::of(&edited)))
    }

    /// See [`InstructionSource`](crate::instruct::InstructionSource).
    pub fn instruction(&self, question: &Question) -> Result<StoredInstruction, Refusal> {
        self.edits.operator().instructions.instruction(question)
    }

    /// The source of plans that the edits were made by.
    pub fn source(&self) -> &EditSource {
        &self.edits.operator().source
    }
}
