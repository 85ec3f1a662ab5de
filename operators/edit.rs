//! `edit`: the pictures of an edit. Its passes go one after the other to an [`Editor`](crate::editors::Editor). The answer cache of that
//! editor keeps the result of each pass. So passes that several edits share (the object taken out, for `add` and for `remove`) are made
//! once, and a run that is killed between two passes repeats neither.

mod editors;
mod pictures;
pub(crate) mod turns;

use std::sync::Arc;
use std::time::Duration;

use image::RgbImage;
use serde::{Deserialize, Serialize};
use threshflow::lane::{Key, Limits, Operator, Prepares, Question, Reply, Subject};
use threshflow::row::{ContentHash, Handle, Refusal, Stamp, Topic};
use threshflow::shard::Picture;

use crate::edit_source::{EditSource, Planned, of_step};
use crate::editors::Pass;
use crate::editors::made::{check_shape, pixels_of_file};
use crate::instruct::{InstructionSource, StoredInstruction};
use crate::pixels::decode::{Purpose, decoder_stamp};
use crate::pixels::full::{bytes_to_decode, pixels_of};
use crate::plan::edit_plan::passes::{Passes, PlannedPass, Shown, passes};
use crate::plan::edit_plan::{Changes, EditType, MadeBy, Operation, Telling};

pub use editors::Editors;
use editors::{Asked, EditorAndCache};
pub(crate) use pictures::PixelPair;
pub use pictures::{EditPicture, EditPictures, MadePass};

/// The pictures of an edit.
pub struct Edited;
impl Topic for Edited {
    const NAME: &'static str = "edited";
}

/// Raise this when the code changes what an edit is made of, or how it is remembered.
const VERSION: &[u8] = b"edit/3";

/// Raise this when the code changes what a pass makes.
const PASS_VERSION: &[u8] = b"edit/2";

/// How long the passes that one editor makes of an edit may take together, at least.
const DEADLINE: Duration = Duration::from_secs(1800);

/// Of an edit: one a step.
const MOST_PASSES: u32 = EditType::MOST_STEPS as u32;

/// Edits that may wait for their editors: a few kilobytes each, and so many that every editor finds work among them.
const MOST_IN_LINE: usize = 512;

/// An edit as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEdit {
    pub passes: Vec<StoredPass>,
}

/// A pass as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredPass {
    pub operation: Operation,
    /// Of what it made, in its editor's cache.
    pub key: [u8; 16],
    /// The hash of what it made. A pass that was lost and made again is another edit, about which others are asked anew.
    pub picture: [u8; 16],
}

impl StoredEdit {
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Refusal> {
        postcard::from_bytes(bytes)
            .map_err(|error| Refusal::transient("foreign_answer", format!("not an edit: {error}")))
    }
}

/// Makes edits.
pub struct Edit {
    editors: Arc<Editors>,
    source: EditSource,
    instructions: Arc<dyn InstructionSource>,
    /// Those that editors are asked for: those of the types that are tried.
    operations: Vec<Operation>,
}

/// An edit that is to be made.
pub struct ToEdit {
    original: Arc<RgbImage>,
    planned: Planned,
    stored: StoredInstruction,
    keyed: Keyed,
}

/// The passes of an edit, with their keys.
struct Keyed {
    passes: Passes,
    keys: Vec<ContentHash>,
    seeds: Vec<u64>,
}

impl Edit {
    pub fn new(editors: Arc<Editors>, source: EditSource, instructions: Arc<dyn InstructionSource>) -> Self {
        let operations = operations_of(EditType::ALL.into_iter());
        Edit { editors, source, instructions, operations }
    }

    /// Of a run that tries these types alone.
    pub fn trying(self, types: impl Iterator<Item = EditType>) -> Self {
        Edit { operations: operations_of(types), ..self }
    }

    /// The keys of the passes. Reads memos, and no picture.
    fn keyed(
        &self,
        question: &Question,
        planned: &Planned,
        stored: &StoredInstruction,
    ) -> Result<Keyed, Refusal> {
        let operations: Vec<Operation> = planned.plan.steps.iter().map(|step| step.operation).collect();
        let passes = passes(planned.plan.edit_type, &operations);
        let masks = planned.regions.iter().map(|region| self.source.stored_mask(&region.content));
        let masks: Vec<String> = masks.map(|mask| Ok(mask?.counts)).collect::<Result<_, Refusal>>()?;
        let reference = stored.reference.key();
        let (mut keys, mut seeds): (Vec<ContentHash>, Vec<u64>) = Default::default();
        for pass in &passes.passes {
            let from = match pass.from {
                Shown::Made(number) => keys[number],
                Shown::Original | Shown::EndFrame => question.image,
            };
            let (key, seed) = self.editors.key(&Asked {
                planned: *pass,
                from,
                mask: of_step(&masks, pass.step).map_or("", String::as_str),
                object: planned.region_of(pass.step).map_or("", |region| &region.object.noun),
                result: result_of(pass, stored),
                reference: &reference,
                instruction: instruction_of(pass, planned, stored),
            })?;
            keys.push(key);
            seeds.push(seed);
        }
        Ok(Keyed { passes, keys, seeds })
    }

    /// Makes the passes of an edit that this editor makes, up to the first that another has to make: then `None`.
    fn make(&self, edit: &ToEdit, editor: Option<usize>) -> Result<Option<StoredEdit>, Refusal> {
        let masks = self.source.masks(&edit.planned)?;
        let reference = self.source.reference_picture(&edit.stored.reference)?;
        let mut stored = StoredEdit { passes: Vec::new() };
        for (pass, key) in edit.keyed.passes.passes.iter().zip(&edit.keyed.keys) {
            let place = self.editors.place_of(pass.operation)?;
            let kept = &self.editors.kept[place];
            if editor.is_some_and(|editor| editor != place) && !kept.cache.knows(key) {
                return Ok(None);
            }
            let make = || {
                let picture = match pass.from {
                    Shown::Made(number) => Arc::new(self.picture(&stored, number, &edit.original)?),
                    Shown::Original | Shown::EndFrame => edit.original.clone(),
                };
                let made = kept.editor.edit(&Pass {
                    operation: pass.operation,
                    picture: &picture,
                    mask: of_step(&masks, pass.step).filter(|_| pass.operation.changes() != Changes::Picture),
                    reference: reference.as_ref(),
                    object: edit.planned.region_of(pass.step).map_or("", |region| &region.object.noun),
                    instruction: instruction_of(pass, &edit.planned, &edit.stored),
                    result: result_of(pass, &edit.stored),
                    seed: edit.keyed.seeds[stored.passes.len()],
                });
                made.map(|made| made.bytes)
            };
            let of = edit.original.dimensions();
            let make = || make().and_then(|made| check_shape(&made, of).map(|()| made));
            // What was kept before there was such a check is looked at as well.
            let made = kept.cache.look_up_one(*key, make)?;
            check_shape(&made, of)?;
            let picture = ContentHash::of(&made).0;
            stored.passes.push(StoredPass { operation: pass.operation, key: key.0, picture });
        }
        Ok(Some(stored))
    }

    fn planned_and_keyed(&self, question: &Question) -> Result<(Planned, StoredInstruction, Keyed), Refusal> {
        let planned = self.source.planned(question)?;
        let stored = self.instructions.instruction(question)?;
        let keyed = self.keyed(question, &planned, &stored)?;
        Ok((planned, stored, keyed))
    }

    /// What pass `number` made, at the original's size: an editor may give another.
    fn picture(&self, stored: &StoredEdit, number: usize, original: &RgbImage) -> Result<RgbImage, Refusal> {
        let StoredPass { operation, key, .. } = stored.passes[number];
        let picture = pixels_of_file(&self.editors.made(operation, &ContentHash(key))?)?;
        Ok(at_size_of(original, picture))
    }
}

/// The picture at another's size.
pub(crate) fn at_size_of(wanted: &RgbImage, picture: RgbImage) -> RgbImage {
    let (width, height) = wanted.dimensions();
    if picture.dimensions() == (width, height) {
        return picture;
    }
    image::imageops::resize(&picture, width, height, image::imageops::FilterType::CatmullRom)
}

/// The same of one that is shared: not copied where it has the size.
pub(crate) fn shared_at_size_of(wanted: &RgbImage, picture: Arc<RgbImage>) -> Arc<RgbImage> {
    if picture.dimensions() == wanted.dimensions() {
        picture
    } else {
        Arc::new(at_size_of(wanted, (*picture).clone()))
    }
}

/// What must come of a pass. An object that is taken out for `add` leaves nothing.
fn result_of<'a>(pass: &PlannedPass, stored: &'a StoredInstruction) -> &'a str {
    let result = stored.instruction.results.get(pass.step).map_or("", String::as_str);
    if pass.operation.has_result() { result } else { "" }
}

/// The words of a pass: its turn's, of an edit of one turn the only ones. An object that is taken out for `add` is no part of the
/// instruction: what is published is its opposite.
fn instruction_of<'a>(pass: &PlannedPass, planned: &Planned, stored: &'a StoredInstruction) -> &'a str {
    let prompts = &stored.instruction.prompts;
    let turn = if prompts.len() == planned.plan.steps.len() { pass.step } else { 0 };
    if is_added(pass, planned) { "" } else { prompts.get(turn).map_or("", String::as_str) }
}

fn is_added(pass: &PlannedPass, planned: &Planned) -> bool {
    planned.plan.steps.get(pass.step).is_some_and(|step| step.operation.made() == MadeBy::ByRemoval)
}

impl Operator for Edit {
    type Answer = Handle<Edited>;
    type Prepared = ToEdit;
    type Session = ();

    const KEY: Key = Key::Row;
    // An original is decoded when an editor has time for it: edits that wait for a slow one hold no pixels.
    const PREPARES: Prepares = Prepares::WhenTakenUp;

    fn name(&self) -> &'static str {
        "edit"
    }

    fn rests_on_caches(&self) -> bool {
        true
    }

    /// Not where the picture of a pass is lost, or was made again since. Later passes may have started from it: what they made is
    /// forgotten with it, unless it was made again, too.
    fn stands(&self, blob: &[u8]) -> bool {
        let Ok(stored) = StoredEdit::from_bytes(blob) else { return true };
        let mut stands = true;
        for pass in &stored.passes {
            let Ok(kept) = self.editors.who_can(pass.operation) else { continue };
            let key = ContentHash(pass.key);
            let is_kept = kept.cache.keeps(&key, ContentHash(pass.picture));
            if is_kept && !stands {
                // On a full disk the stage can't forget the edit either, and says so.
                let _ = kept.cache.forget(&key);
            }
            stands &= is_kept;
        }
        stands
    }

    fn stamp(&self) -> Stamp {
        self.stamp_with(|kept| kept.whole)
    }

    fn demonstration(&self) -> Option<String> {
        self.editors.demonstration(&self.operations)
    }

    fn model(&self) -> String {
        let editors: Vec<String> = self.editors.kept.iter().map(|kept| kept.editor.description()).collect();
        editors.join(", else ")
    }

    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64 {
        bytes_to_decode(picture, bytes)
    }

    fn bytes_prepared(&self, _questions: usize) -> u64 {
        // Pictures of ten megapixels; what an editor needs beside them is bounded by how many it edits at once.
        32 << 20
    }

    fn bytes_held(&self, prepared: &ToEdit, questions: usize) -> u64 {
        // The original, and one as large that a pass made of it.
        (prepared.original.as_raw().len() as u64 * 2).max(self.bytes_prepared(questions))
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<ToEdit, Refusal> {
        let (Some(question), Some((picture, bytes))) = (subject.questions.first(), subject.picture) else {
            return Err(Refusal::transient("no_picture", "there is nothing to look at"));
        };
        let (planned, stored, keyed) = self.planned_and_keyed(question)?;
        let original = Arc::new(pixels_of(picture, bytes)?);
        Ok(ToEdit { original, planned, stored, keyed })
    }

    /// A line for each editor, with as many threads as it makes passes side by side.
    fn limits(&self) -> Limits {
        let editors = self.editors.kept.iter().map(|kept| &kept.editor);
        let lines: Vec<usize> = editors.clone().map(|editor| editor.at_once().max(1)).collect();
        let pass = editors.filter_map(|editor| editor.deadline()).max();
        Limits {
            batch: 1,
            in_flight: Some((lines.iter().sum::<usize>() * 2).max(MOST_IN_LINE)),
            deadline: pass.map(|pass| pass * MOST_PASSES).max(Some(DEADLINE)),
            lines,
        }
    }

    /// That of the editor which makes the first pass that nobody made yet.
    fn line(&self, question: &Question) -> Result<usize, Refusal> {
        let (.., keyed) = self.planned_and_keyed(question)?;
        for (pass, key) in keyed.passes.passes.iter().zip(&keyed.keys) {
            let place = self.editors.place_of(pass.operation)?;
            if !self.editors.kept[place].cache.knows(key) {
                return Ok(place);
            }
        }
        // Nothing is to be made. The last editor is asked for what no other can do: the quickest, as a rule.
        Ok(self.editors.kept.len().saturating_sub(1))
    }

    fn open_session(&self) -> Result<(), String> {
        Ok(())
    }

    fn answer(&self, _session: &mut (), batch: &[ToEdit]) -> Vec<Result<Reply<Handle<Edited>>, Refusal>> {
        batch.iter().filter_map(|edit| self.reply(edit, None)).collect()
    }

    fn answer_in_line(
        &self,
        line: usize,
        _session: &mut (),
        edit: &ToEdit,
    ) -> Option<Result<Reply<Handle<Edited>>, Refusal>> {
        self.reply(edit, Some(line))
    }

    fn asks_in_turn(&self, questions: &[Question]) -> Vec<(&'static str, ContentHash)> {
        questions.iter().flat_map(|question| self.unmade(question).unwrap_or_default()).collect()
    }
}

impl Edit {
    fn reply(&self, edit: &ToEdit, editor: Option<usize>) -> Option<Result<Reply<Handle<Edited>>, Refusal>> {
        let made = self.make(edit, editor).transpose()?;
        Some(made.map(|made| {
            let blob = postcard::to_stdvec(&made).unwrap_or_default();
            Reply::with_blob(Handle::of(&blob), blob)
        }))
    }

    fn stamp_with(&self, of: impl Fn(&EditorAndCache) -> Stamp) -> Stamp {
        let decode = decoder_stamp(Purpose::Full);
        let instructions = self.instructions.stamp();
        let mut parts: Vec<(&str, Vec<u8>)> = vec![
            ("operator", VERSION.to_vec()),
            ("decode", decode.into_bytes()),
            ("instructions", instructions.0.0.to_vec()),
        ];
        parts.extend(self.source.stamps().into_iter().map(|stamp| ("before", stamp.0.to_vec())));
        parts.extend(self.editors.stamps(of).into_iter().map(|(name, stamp)| (name, stamp.0.to_vec())));
        Stamp::of_gathered(&parts)
    }

    /// Of all that shapes the pictures of edits, beside the keys of their passes: for whoever is told these (by
    /// [`Edited`]'s handle) and looks at the pictures. What an editor made one pass by is in that pass's key.
    pub(crate) fn stamp_of_pictures(&self) -> Stamp {
        self.stamp_with(|kept| kept.stamp)
    }

    /// The passes of an edit that nobody made yet, by editor. A pass that is shaped by words which are not written yet is taken
    /// for one of its own.
    fn unmade(&self, question: &Question) -> Result<Vec<(&'static str, ContentHash)>, Refusal> {
        let planned = self.source.planned(question)?;
        let written = self.instructions.instruction(question).ok();
        let open = written.is_none();
        let keyed = self.keyed(question, &planned, &written.unwrap_or_default())?;
        let mut shaped = vec![false; keyed.keys.len()];
        let mut unmade = Vec::new();
        for (number, (pass, key)) in keyed.passes.passes.iter().zip(&keyed.keys).enumerate() {
            let kept = self.editors.who_can(pass.operation)?;
            let by_words = pass.operation.has_result()
                || kept.editor.reads_the_instruction() && !is_added(pass, &planned);
            let from_one = matches!(pass.from, Shown::Made(from) if shaped[from]);
            shaped[number] = open && (by_words || from_one);
            let own = || ContentHash::of(&[question.content.0.as_slice(), &number.to_le_bytes()].concat());
            match shaped[number] {
                true => unmade.push((kept.editor.name(), own())),
                false if !kept.cache.knows(key) => unmade.push((kept.editor.name(), *key)),
                false => {}
            }
        }
        Ok(unmade)
    }
}

/// What editors are asked for by edits of these types: what is added was taken out, and a film is made by nobody.
fn operations_of(types: impl Iterator<Item = EditType>) -> Vec<Operation> {
    let mut operations = Vec::new();
    for operation in types.flat_map(EditType::steps).copied().flatten() {
        let asked = match operation.made() {
            MadeBy::ByEditor => *operation,
            MadeBy::ByRemoval => Operation::Remove,
            MadeBy::OnFilm => continue,
        };
        if !operations.contains(&asked) {
            operations.push(asked);
        }
    }
    operations
}

/// The operations that turn `turn` of an edit shows: all of them where it has one turn.
pub(crate) fn operations_of_turn(planned: &Planned, turn: usize) -> Vec<(usize, Operation)> {
    let steps = planned.plan.steps.iter().map(|step| step.operation).enumerate();
    match planned.plan.edit_type.told() {
        Telling::Joined => steps.collect(),
        Telling::Single | Telling::UnderPremise | Telling::Chained | Telling::Withdrawing => {
            steps.filter(|(step, _)| *step == turn).collect()
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
