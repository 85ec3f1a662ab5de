//! Edits of drawn pictures: a red box on a gradient, and what editors might make of it.

use std::io::Cursor;
use std::path::Path;
use std::sync::Mutex;

use image::{ImageFormat, Rgb, RgbImage};
use operators::plan::edit_plan::passes::{Shown, passes};
use operators::plan::edit_plan::{EditType, Operation};
use operators::{pixels::mask::Mask, pixels::rle};
use threshflow::row::{ContentHash, RegionKind};
use threshflow::shard::Origin;

use super::super::*;

pub(crate) const WIDTH: u32 = 64;
pub(crate) const HEIGHT: u32 = 48;
pub(crate) const BOX: [u32; 4] = [20, 12, 44, 36];

/// Edits by shard, and which pictures were asked for.
pub(crate) struct MadeUp {
    pub shards: Vec<(String, Vec<ReleasedEdit>)>,
    /// Changes the bytes of a picture before they are handed out.
    pub spoil: fn(&ReleasedEdit, &PictureRef, &mut Vec<u8>),
    pub asked: Mutex<Vec<String>>,
}

pub(crate) const SINGLE: [(EditType, &[Operation]); 10] = [
    (EditType::Add, &[Operation::Add]),
    (EditType::Remove, &[Operation::Remove]),
    (EditType::Replace, &[Operation::Replace]),
    (EditType::Adjust, &[Operation::Adjust]),
    (EditType::Action, &[Operation::Action]),
    (EditType::Style, &[Operation::Style]),
    (EditType::Extract, &[Operation::Extract]),
    (EditType::Visual, &[Operation::Visual]),
    (EditType::Background, &[Operation::Background]),
    (EditType::Hybrid, &[Operation::Adjust, Operation::Add]),
];
pub(crate) const MULTI: [(EditType, &[Operation]); 3] = [
    (EditType::ContentMemory, &[Operation::Replace, Operation::Adjust]),
    (EditType::ContentUnderstanding, &[Operation::Add, Operation::Adjust, Operation::Remove]),
    (EditType::VersionBacktracking, &[Operation::Add, Operation::Replace, Operation::Adjust]),
];

impl MadeUp {
    /// Three shards: in the first and last, two pictures with all thirteen types each; nothing was kept of the second.
    pub(crate) fn new() -> Self {
        let edits = |shard: &str| -> Vec<ReleasedEdit> {
            let all = || SINGLE.into_iter().chain(MULTI);
            let of_key =
                |key| all().map(move |(edit_type, operations)| edit(shard, key, edit_type, operations));
            ["00/000/1", "00/000/2"].into_iter().flat_map(of_key).collect()
        };
        let shard = |name: &str| (name.to_owned(), edits(name));
        let shards = vec![shard("laion/00001"), ("laion/00002".to_owned(), Vec::new()), shard("laion/00003")];
        MadeUp { shards, spoil: |_, _, _| {}, asked: Mutex::default() }
    }

    /// The edit of that type of the first picture of the first shard, changed.
    pub(crate) fn change(&mut self, edit_type: EditType, change: impl FnOnce(&mut ReleasedEdit)) {
        let edits = &mut self.shards[0].1;
        let edit = edits.iter_mut().find(|edit| edit.edit_type == edit_type).unwrap();
        change(edit);
        edit.digest = ContentHash::of(format!("{edit:?}").as_bytes());
    }

    /// Drops the edits of all other types.
    pub(crate) fn keep(&mut self, types: &[EditType]) {
        self.shards.iter_mut().for_each(|(_, edits)| edits.retain(|edit| types.contains(&edit.edit_type)));
    }

    pub(crate) fn release_to(&self, to: &Path) -> Released {
        release(to, self, PicturesIn::TARS).unwrap()
    }
}

impl Release for MadeUp {
    fn shards(&self) -> Vec<ReleasedShard> {
        let listed = |edit: &ReleasedEdit| ListedEdit {
            edit_type: edit.edit_type,
            key: edit.key.clone(),
            digest: edit.digest,
        };
        let shard = |(name, edits): &(String, Vec<ReleasedEdit>)| ReleasedShard {
            name: name.clone(),
            edits: edits.iter().map(listed).collect(),
        };
        self.shards.iter().map(shard).collect()
    }

    fn edit(&self, shard: &str, listed: &ListedEdit) -> Result<ReleasedEdit, String> {
        let mut edits = self.shards.iter().filter(|(name, _)| name == shard).flat_map(|(_, edits)| edits);
        let same = |edit: &&ReleasedEdit| edit.edit_type == listed.edit_type && edit.key == listed.key;
        edits.find(same).cloned().ok_or_else(|| "is not there".to_owned())
    }

    fn provenance(&self) -> Provenance {
        Provenance {
            pipeline: "imgedit".to_owned(),
            asked: vec![("judge".to_owned(), "pixels".to_owned())],
            dials: vec!["follows >= 2.75".to_owned()],
        }
    }

    fn picture(&self, edit: &ReleasedEdit, picture: &PictureRef) -> Result<PictureFile, String> {
        self.asked.lock().unwrap().push(format!("{} {} {}", edit.shard, edit.key, edit.edit_type));
        let mut bytes = draw(edit, picture);
        (self.spoil)(edit, picture, &mut bytes);
        Ok(PictureFile { bytes, extension: "png" })
    }
}

fn draw(edit: &ReleasedEdit, picture: &PictureRef) -> Vec<u8> {
    let [left, top, right, bottom] = BOX;
    let tone = [edit.key.len() as u8, edit.key.as_bytes()[edit.key.len() - 1], edit.shard.as_bytes()[10]];
    let tone = tone.into_iter().fold(0, u8::wrapping_add);
    let made = edit.edit_type.number() as u8 * 9;
    let fill = match picture {
        PictureRef::Shown(Shown::Original) => [220, 30, 30],
        PictureRef::Shown(Shown::EndFrame) => [30, 220, 30],
        PictureRef::Shown(Shown::Made(pass)) => [made, 255 - made, 80 + 40 * *pass as u8],
        PictureRef::Reference => [1, 2, 3],
    };
    let whole = matches!(edit.edit_type, EditType::Style) && *picture == PictureRef::Shown(Shown::Made(0));
    let picture = RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        let inside = (left..right).contains(&x) && (top..bottom).contains(&y);
        if inside || whole { Rgb(fill) } else { Rgb([x as u8 * 3, y as u8 * 4, tone]) }
    });
    let mut png = Cursor::new(Vec::new());
    picture.write_to(&mut png, ImageFormat::Png).unwrap();
    png.into_inner()
}

fn edit(shard: &str, key: &str, edit_type: EditType, operations: &[Operation]) -> ReleasedEdit {
    let planned = passes(edit_type, operations);
    let words = |(number, (input, output)): (usize, &(Shown, Shown))| Turn {
        input: PictureRef::Shown(*input),
        output: PictureRef::Shown(*output),
        prompt: match number {
            0 => format!("{} the red box in the middle", operations[0].name()),
            1 => "make the red box shine".to_owned(),
            _ => "now go back on it".to_owned(),
        },
        judgement: Some(Judged {
            follows: 5.0,
            natural: 3.5,
            matches: Some(true),
            reason: "as asked".to_owned(),
        }),
    };
    let objects = (0..edit_type.objects()).map(|step| EditedObject { step, ..object() }).collect();
    let mut edit = ReleasedEdit {
        edit_type,
        shard: shard.to_owned(),
        key: key.to_owned(),
        digest: ContentHash::of(b""),
        original_path: format!("{key}.png"),
        origin: Origin {
            source_url: Some(format!("https://{}.example/{key}.png", &shard[6..])),
            source: None,
            license: Some(if key.ends_with('1') { "CC0" } else { "CC BY 4.0" }.to_owned()),
            author: (key.ends_with('1')).then(|| "A. | B.".to_owned()),
        },
        width: WIDTH,
        height: HEIGHT,
        turns: planned.turns.iter().enumerate().map(words).collect(),
        objects,
        operations: operations.to_vec(),
        results: operations
            .iter()
            .map(|it| if it.has_result() { "a blue box" } else { "" }.to_owned())
            .collect(),
        premise: (edit_type == EditType::ContentMemory).then(|| "everything must be blue".to_owned()),
        reference: (edit_type == EditType::Visual).then_some(PictureRef::Reference),
        scores: vec![("aesthetic".to_owned(), 5.25), ("follows".to_owned(), 0.1)],
        stamps: vec![StageStamp { stage: "judge".into(), stamp: "ab".repeat(16), model: "pixels".into() }],
        judge_model: "pixels".to_owned(),
    };
    edit.digest = ContentHash::of(format!("{edit:?}").as_bytes());
    edit
}

fn object() -> EditedObject {
    let [left, top, right, bottom] = BOX;
    let mut mask = Mask::empty(WIDTH, HEIGHT);
    for (at, bit) in mask.bits.iter_mut().enumerate() {
        let (x, y) = (at as u32 % WIDTH, at as u32 / WIDTH);
        *bit = u8::from((left..right).contains(&x) && (top..bottom).contains(&y));
    }
    EditedObject {
        step: 0,
        noun: "red box".to_owned(),
        kind: RegionKind::Object,
        bbox: BOX.map(|edge| edge as f32),
        mask: rle::encode(&mask),
        scores: vec![("score".to_owned(), 0.875), ("clip_score".to_owned(), 0.9)],
    }
}
