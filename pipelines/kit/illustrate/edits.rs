//! How reports show edits: the picture, what the steps are about, and the result of each turn.

use image::{DynamicImage, RgbImage};
use operators::edit::EditPictures;
use operators::editors::paint;
use operators::editors::references::StoredReference;
use operators::pixels::decode::{Purpose, decode_beside, decode_file, decode_frame_beside};
use operators::plan::edit_plan::EditType;
use operators::plan::edit_plan::passes::Shown;
use serde_json::Value;
use threshflow::report::{DrawnEdit, Illustration, Illustrator, Mark, OnSheet, Panel, ShownEdit};
use threshflow::row::{ContentHash, Group as _, Refusal, RegionKind};

use super::{Illustrate, as_jpeg, colours, edit_sheet, make_small, masks};
use crate::edit_record::{EditRecord, RecordedObject};

/// The longer side of a small picture, in pixels.
const SIDE: u32 = 300;

/// Shows pictures as [`Illustrate`] does, and the edits of them.
#[derive(Clone)]
pub struct IllustrateEdits {
    pub pictures: EditPictures,
}

impl Illustrator for IllustrateEdits {
    fn illustrate(&self, shown: &threshflow::report::Shown<'_>) -> Result<Illustration, Refusal> {
        Illustrate.illustrate(shown)
    }

    fn sheet(&self, pictures: &[OnSheet<'_>]) -> Option<Result<Vec<u8>, String>> {
        Illustrate.sheet(pictures)
    }

    fn shows_edits(&self) -> bool {
        true
    }

    /// What the judge says, from 1 to 5.
    fn edits_rank_by(&self) -> &'static [&'static str] {
        &["follows", "natural"]
    }

    fn edit_sorts(&self) -> &'static [&'static str] {
        EditType::NAMES
    }

    fn edit(&self, edit: &ShownEdit<'_>) -> Result<DrawnEdit, Refusal> {
        let foreign =
            |why: String| Refusal::transient("foreign_answer", format!("not an edit's record: {why}"));
        let text = edit.row.get("record").and_then(Value::as_str);
        let text = text.ok_or_else(|| foreign("the row has none".to_owned()))?;
        let record: EditRecord = serde_json::from_str(text).map_err(|error| foreign(error.to_string()))?;
        let mut panels = Vec::new();
        if let Some(first) = record.turns.first() {
            let before = self.small(edit, &record, first.input)?;
            panels.push(panel("before", &before, Vec::new())?);
            if !record.objects.is_empty() {
                panels.push(about(before, &record)?);
            }
        }
        if let Some(reference) = &record.reference {
            let drawn = match &record.reference_picture {
                None => paint::reference(reference, SIDE)?,
                Some(kept) => self.of_the_user(reference, &kept.key)?,
            };
            panels.push(panel(&format!("reference: {reference}"), &drawn, Vec::new())?);
        }
        for (turn, number) in record.turns.iter().zip(1..) {
            let caption =
                if record.turns.len() == 1 { "after".to_owned() } else { format!("after turn {number}") };
            panels.push(panel(&caption, &self.small(edit, &record, turn.output)?, Vec::new())?);
        }
        // What they are ranked by stands first.
        let mut scores = record.scores.clone();
        scores.sort_by_key(|(name, _)| !self.edits_rank_by().contains(&name.as_str()));
        Ok(DrawnEdit {
            sort: record.edit_type.name().to_owned(),
            panels,
            words: words(&record),
            scores,
            notes: record.turns.iter().map(|turn| turn.judgement.reason.clone()).collect(),
        })
    }

    fn edit_sheet(&self, edits: &[&DrawnEdit]) -> Option<Result<Vec<u8>, String>> {
        let sorts = EditType::ALL.map(EditType::name);
        Some(
            edit_sheet::edit_sheet(edits, &sorts, self.edits_rank_by())
                .and_then(|sheet| super::as_png(&sheet)),
        )
    }
}

impl IllustrateEdits {
    /// A picture of the edit, made small.
    fn small(&self, edit: &ShownEdit<'_>, record: &EditRecord, shown: Shown) -> Result<RgbImage, Refusal> {
        match shown {
            Shown::Original => {
                let purpose = Purpose::ShortSideAtLeast(SIDE);
                let decoded = decode_beside(edit.bytes, edit.picture, purpose)?;
                make_small(&decoded, SIDE)
            }
            Shown::EndFrame => {
                let lost = || Refusal::permanent("no_end_frame", "the second frame is not there");
                let frame = edit.end_frame.ok_or_else(lost)?;
                make_small(&decode_frame_beside(frame, Purpose::ShortSideAtLeast(SIDE))?, SIDE)
            }
            Shown::Made(number) => {
                let lost = || Refusal::transient("not_remembered", "a pass of the edit is lost");
                let pass = record.passes.get(number).ok_or_else(lost)?;
                let key = hash_of(&pass.key).ok_or_else(lost)?;
                shrunk(&self.pictures.made_by(pass.operation, &key)?)
            }
        }
    }
}

impl IllustrateEdits {
    /// A reference picture that the user brought along, made small.
    fn of_the_user(&self, name: &str, content: &str) -> Result<RgbImage, Refusal> {
        let stored = StoredReference { shows: Some(name.to_owned()), content: Some(content.to_owned()) };
        let lost = || Refusal::transient("lost_reference", "the reference picture is lost");
        let picture = self.pictures.source().reference_picture(&stored)?.ok_or_else(lost)?;
        Ok(small(picture.into()))
    }
}

/// From 32 hex digits.
fn hash_of(text: &str) -> Option<ContentHash> {
    let mut bytes = [0; 16];
    let number = u128::from_str_radix(text, 16).ok().filter(|_| text.len() == 32)?;
    bytes.copy_from_slice(&number.to_be_bytes());
    Some(ContentHash(bytes))
}

/// A file, made small.
fn shrunk(bytes: &[u8]) -> Result<RgbImage, Refusal> {
    let rgb = decode_file(bytes)?;
    let lost = || Refusal::permanent("bad_picture", "it has other pixels than its size says");
    RgbImage::from_raw(rgb.width, rgb.height, rgb.pixels)
        .map(|picture| small(picture.into()))
        .ok_or_else(lost)
}

fn small(picture: DynamicImage) -> RgbImage {
    match picture.width().max(picture.height()) > SIDE {
        true => picture.thumbnail(SIDE, SIDE).into_rgb8(),
        false => picture.into_rgb8(),
    }
}

fn panel(caption: &str, picture: &RgbImage, marks: Vec<Mark>) -> Result<Panel, Refusal> {
    let illustration = Illustration {
        media_type: "image/jpeg",
        bytes: as_jpeg(picture)?,
        width: picture.width(),
        height: picture.height(),
        marks,
    };
    Ok(Panel { caption: caption.to_owned(), illustration })
}

/// What the steps are about: masks and boxes over the picture that the edit starts from.
fn about(mut picture: RgbImage, record: &EditRecord) -> Result<Panel, Refusal> {
    let full = [record.width, record.height];
    let mut different: Vec<&RecordedObject> = Vec::new();
    for object in &record.objects {
        if different.iter().all(|known| known.number != object.number) {
            different.push(object);
        }
    }
    for (place, object) in different.iter().enumerate() {
        masks::lay_over(&mut picture, &object.mask, full, colours::of(place));
    }
    let mark = |(place, object): (usize, &&RecordedObject)| {
        let sides = [full[0], full[1], full[0], full[1]].map(|side| side.max(1) as f32);
        let share = |edge: usize| (object.bbox[edge] / sides[edge]).clamp(0.0, 1.0);
        Mark {
            noun: object.noun.clone(),
            kind: object.kind,
            scores: Vec::new(),
            bbox: [share(0), share(1), share(2), share(3)],
            colour: colours::of(place),
        }
    };
    let marks = different.iter().enumerate().map(mark).collect();
    let caption = if record.objects.iter().any(|object| object.kind == RegionKind::Background) {
        "its background"
    } else if different.len() > 1 {
        "its objects"
    } else {
        "its object"
    };
    panel(caption, &picture, marks)
}

/// The premise, and what was said in each turn.
fn words(record: &EditRecord) -> Vec<(String, String)> {
    let premise = record.premise.iter().map(|premise| ("premise".to_owned(), premise.clone()));
    let label = |number: usize| match record.turns.len() {
        1 => String::new(),
        _ => format!("{number}."),
    };
    let turns = record.turns.iter().zip(1..).map(|(turn, number)| (label(number), turn.prompt.clone()));
    premise.chain(turns).collect()
}
