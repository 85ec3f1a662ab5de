//! Compares one row and its sample: pictures, mask, task and instruction.

use std::borrow::Cow;

use operators::plan::edit_plan::{Changes, EditType, Operation, Telling};
use threshflow::row::{ContentHash, Refusal};

use super::pixels::{self, Shown};
use super::rows::{Row, TurnPaths};
use super::tars::Tars;
use super::task::Task;
use super::{Finding, Maker};
use crate::released::check::words;

/// Below this mean difference (levels of 255) the edited region shows what it showed before: a picture that was only stored
/// again differs by less.
const UNCHANGED: f64 = 0.5;

/// What [`check_sample`] found, and what is compared across samples.
pub(crate) struct Checked {
    pub findings: Vec<Finding>,
    /// Paths that neither the row nor a tar has.
    pub missing: Vec<String>,
    /// Of a single edit that is read: what it starts from and what comes of it.
    pub hashes: Option<[ContentHash; 2]>,
}

/// Checks a row; holds its pictures in memory, a turn at a time.
pub(crate) fn check_sample(tars: &Tars, row: &Row, maker: Maker) -> Checked {
    let mut sample = Sample {
        tars,
        row,
        folder: row.folder(),
        maker,
        outputs: Vec::new(),
        checked: Checked { findings: Vec::new(), missing: Vec::new(), hashes: None },
    };
    let task = sample.task();
    let mask = sample.mask(task.as_ref());
    let mut sizes = Vec::new();
    for (number, turn) in row.turns.iter().enumerate() {
        sample.turn(number, turn, task.as_ref(), mask.as_ref(), &mut sizes);
    }
    sample.sizes(task.as_ref(), mask.as_ref(), &sizes);
    sample.words(task.as_ref());
    sample.checked
}

struct Sample<'a> {
    tars: &'a Tars,
    row: &'a Row,
    folder: &'a str,
    maker: Maker,
    /// Of the pixels of the turns' outputs so far.
    outputs: Vec<ContentHash>,
    checked: Checked,
}

impl Sample<'_> {
    fn fault(&mut self, class: &'static str, path: &str, message: impl Into<String>) {
        let message = format!("{} ({})", message.into(), self.row.place);
        self.checked.findings.push(Finding::fault(class, path, message));
    }

    /// The bytes of a file that the row has, or a tar.
    fn file(&self, path: &str) -> Option<Result<Cow<'_, [u8]>, Refusal>> {
        match self.row.files.get(path) {
            Some(bytes) => Some(Ok(Cow::Borrowed(bytes))),
            None => self.tars.bytes(path).map(|bytes| bytes.map(Cow::Owned)),
        }
    }

    fn task(&mut self) -> Option<Task> {
        let path = format!("{}/result.json", self.folder);
        let task = match self.file(&path)? {
            Ok(bytes) => Task::parse(&bytes),
            Err(refusal) => {
                self.fault("unreadable", &path, refusal.message);
                return None;
            }
        };
        let Some(task) = task else {
            self.fault("bad_task", &path, "is no JSON object: export it again");
            return None;
        };
        for (_, object) in &task.objects {
            for (class, message) in task.size.map_or(Vec::new(), |size| object.misfits(size)) {
                self.fault(class, &path, message);
            }
        }
        Some(task)
    }

    fn mask(&mut self, task: Option<&Task>) -> Option<Shown> {
        let path = format!("{}/mask.png", self.folder);
        let has_region =
            task.is_some_and(|task| task.objects.iter().any(|(_, object)| object.mask.is_some()));
        if !self.row.files.contains_key(&path) && !self.tars.has(&path) {
            if has_region && self.maker == Maker::Us {
                self.fault(
                    "missing_mask",
                    &path,
                    "is in no tar and in no row, and result.json has a region: export it again",
                );
            }
            return None;
        }
        let mask = self.picture(&path)?;
        if pixels::area(&mask) == 0 {
            self.fault("empty_mask", &path, "covers nothing: drop the sample, or find its mask again");
        }
        Some(mask)
    }

    /// A picture that decodes; what keeps it from that is a finding.
    fn picture(&mut self, path: &str) -> Option<Shown> {
        let Some(bytes) = self.file(path) else {
            self.checked.missing.push(path.to_owned());
            return None;
        };
        match bytes.and_then(|bytes| pixels::open(&bytes)) {
            Ok(shown) => Some(shown),
            Err(refusal) => {
                let message = format!(
                    "does not decode: {}; fetch or make it again, or drop the sample",
                    refusal.message
                );
                self.fault("broken_picture", path, message);
                None
            }
        }
    }

    fn turn(
        &mut self,
        number: usize,
        turn: &TurnPaths,
        task: Option<&Task>,
        mask: Option<&Shown>,
        sizes: &mut Vec<[u32; 2]>,
    ) {
        for path in turn.inputs.iter().skip(1).chain(turn.outputs.iter().skip(1)) {
            drop(self.picture(path));
        }
        let (input_path, output_path) = (&turn.inputs[0], &turn.outputs[0]);
        let (input, output) = (self.picture(input_path), self.picture(output_path));
        sizes.extend(input.iter().chain(&output).map(Shown::size));
        let (Some(input), Some(output)) = (input, output) else { return };
        if pixels::are_same(&input, &output) {
            let message = format!("shows the same as {input_path}: nothing was edited, drop the sample");
            self.fault("same_pictures", output_path, message);
        } else if let Some(mask) = mask
            && self.row.edit_type.is_some_and(changes_its_region)
            && let Some(difference) = pixels::difference_inside(&input, &output, mask)
            && difference < UNCHANGED
        {
            let message = format!(
                "differs from {input_path} outside the mask only ({difference:.2} of 255 inside): the wrong region was \
                 edited, or this is another sample's mask"
            );
            self.fault("unchanged_object", output_path, message);
        }
        self.chain(number, turn, &input);
        self.outputs.push(ContentHash::of(&output.rgb.pixels));
        let hashes = [input.hash, output.hash];
        if number == 0 {
            self.swapped(turn, task, hashes);
            self.checked.hashes = (self.row.turns.len() == 1).then_some(hashes);
        }
    }

    /// A later turn starts from what an earlier one came to.
    fn chain(&mut self, number: usize, turn: &TurnPaths, input: &Shown) {
        // A turn that could not be read has said so.
        if number == 0 || self.outputs.len() < number {
            return;
        }
        if !self.outputs.contains(&ContentHash::of(&input.rgb.pixels)) {
            let path = &turn.inputs[0];
            let message = "is not what an earlier turn came to, which is what a later turn starts from: fetch or export it again";
            match self.maker {
                Maker::Us => self.fault("broken_chain", path, message),
                // Whether others stored it twice with loss, nobody can tell.
                Maker::Others => self.checked.findings.push(Finding::note("broken_chain", path, message)),
            }
        }
    }

    /// An add ends with the source picture, everything else starts from it.
    fn swapped(&mut self, turn: &TurnPaths, task: Option<&Task>, [input, output]: [ContentHash; 2]) {
        let Some(task) = task else { return };
        let Some(original) = &task.original_hash else { return };
        let is_add = task.operations.first().is_some_and(|operation| operation == "add");
        let [here, there] = if is_add { [output, input] } else { [input, output] };
        if here.to_string() == *original {
            return;
        }
        let (wrong, role, other) = match is_add {
            true => (&turn.outputs[0], "comes out of an add", "input"),
            false => (&turn.inputs[0], "the edit starts from", "output"),
        };
        if there.to_string() == *original {
            let message =
                format!("is not the source picture, which is what {role}; the {other} is: they are swapped");
            self.fault("swapped", wrong, message);
        } else {
            let message = format!(
                "is not the source picture, which is what {role} (original_hash in result.json): fetch or export it again"
            );
            self.fault("not_the_original", wrong, message);
        }
    }

    fn sizes(&mut self, task: Option<&Task>, mask: Option<&Shown>, sizes: &[[u32; 2]]) {
        let Some([width, height]) = mask.map(Shown::size) else { return };
        let path = format!("{}/mask.png", self.folder);
        if !sizes.is_empty() && !sizes.contains(&[width, height]) {
            let message = format!(
                "is of {width} x {height}, and the pictures are of {}: find the mask again, or scale it",
                sizes
                    .iter()
                    .map(|[width, height]| format!("{width} x {height}"))
                    .collect::<Vec<_>>()
                    .join(", ")
            );
            self.fault("mask_misfit", &path, message);
        } else if let Some(size) = task.and_then(|task| task.size).filter(|size| *size != [width, height]) {
            let message =
                format!("is of {width} x {height}, and result.json speaks of {} x {}", size[0], size[1]);
            self.fault("mask_misfit", &path, message);
        }
    }

    fn words(&mut self, task: Option<&Task>) {
        let row = self.row;
        for turn in row.turns.iter().filter(|turn| turn.prompt.trim().is_empty()) {
            self.fault(
                "empty_instruction",
                &turn.outputs[0],
                "has no instruction: drop the sample, or write one",
            );
        }
        let Some(task) = task else { return };
        let prompts: Vec<&str> = row.turns.iter().map(|turn| turn.prompt.as_str()).collect();
        if !task.prompts.is_empty() && task.prompts != prompts {
            let message =
                format!("says {:?}, and the parquet file {prompts:?}: export it again", task.prompts);
            self.fault("prompt_differs", &format!("{}/result.json", self.folder), message);
        }
        for (step, object) in &task.objects {
            let mut said: Vec<&str> = match row.edit_type {
                // A turn an object; elsewhere later turns may say `it`.
                Some(edit_type) if edit_type.told() == Telling::UnderPremise => {
                    prompts.get(*step).copied().into_iter().collect()
                }
                _ => prompts.clone(),
            };
            said.extend(task.premise.as_deref());
            if !words::names(&said.join(" "), &object.noun) {
                let output =
                    row.turns.get(*step).or(row.turns.first()).map_or("", |turn| turn.outputs[0].as_str());
                let message = format!(
                    "the instruction {:?} does not name {:?}, which is what was edited: write it anew, or drop the sample",
                    said.join(" / "),
                    object.noun
                );
                self.fault("unnamed_object", output, message);
            }
        }
    }
}

/// Whether the pixels inside the mask must differ: not where the object is moved to another ground, or nothing is masked.
fn changes_its_region(edit_type: EditType) -> bool {
    let changes = |operation: Operation| match operation.changes() {
        Changes::Object | Changes::Background => true,
        Changes::Surroundings | Changes::Picture | Changes::Motion => false,
    };
    edit_type.told() == Telling::Single && edit_type.may(changes)
}
