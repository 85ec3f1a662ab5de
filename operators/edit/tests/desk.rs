//! A picture with two objects and a background, all that is remembered of it, and an editor that notes what it is handed.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use image::{ImageFormat, Rgb};
use threshflow::flow::{Chosen, Found};
use threshflow::lane::{Answer, LaneOptions, Lanes, Mode, Stage};
use threshflow::memo::Written;
use threshflow::row::{Choice, Edit as EditRow, Image, RegionKind, Row, RowId, Score, With};
use threshflow::shard::{Catalogue, EndFrame, ReadOptions};

use super::*;
use crate::caption::CaptionSource;
use crate::detect::{Detect, FoundRegions};
use crate::editors::references::StoredReference;
use crate::editors::{Editor, Made, Means};
use crate::models::detect_model::DetectSettings;
use crate::onnx::{Backend, BackendChoice, Device};
use crate::pixels::mask::Mask;
use crate::pixels::rle;
use crate::plan::edit_plan::Instruction;
use crate::plan::noun_list::{NounList, NounSource};
use crate::record::records::Records;
use crate::segment::{MaskScore, Segment, StoredMask};

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// What an editor was handed.
#[derive(Debug)]
pub(crate) struct Handed {
    pub editor: &'static str,
    pub operation: Operation,
    pub picture: RgbImage,
    pub mask: Option<Mask>,
    pub reference: Option<RgbImage>,
    pub object: String,
    pub instruction: String,
    pub result: String,
    pub seed: u64,
}

/// How an editor is.
#[derive(Clone, Default)]
pub(crate) struct Stub {
    pub reads: bool,
    pub cannot: Option<Operation>,
    /// Whether a second editor stands behind it.
    pub second: bool,
    /// Whether what it makes is half as large.
    pub halves: bool,
    pub stamp: u8,
    /// Operations with a means of their own, and its stamp.
    pub means: Vec<(Operation, u8)>,
    /// The class of its refusals, and whether they are of the content.
    pub refuses: Option<(&'static str, bool)>,
}

#[derive(Default)]
struct Log {
    handed: Vec<Handed>,
    /// Each of one colour, by its number in the edit that is being made.
    made: usize,
}

struct Editing {
    name: &'static str,
    stub: Stub,
    log: Arc<Mutex<Log>>,
}

/// The colour of what an editor made as its `number`th picture.
fn colour(number: usize) -> Rgb<u8> {
    Rgb([number as u8, 77, 200])
}

impl Editor for Editing {
    fn stamp(&self) -> Stamp {
        let means = format!("{:?}", self.stub.means);
        let common = self.common_stamp();
        Stamp::of(&[("common", &common.0.0), ("means", means.as_bytes())])
    }
    fn common_stamp(&self) -> Stamp {
        Stamp::of(&[("editor", self.name.as_bytes()), ("stamp", &[self.stub.stamp])])
    }
    fn means(&self, operation: Operation, _result: &str, _seed: u64) -> Option<Means> {
        let (_, stamp) = self.stub.means.iter().find(|(known, _)| *known == operation)?;
        Some(Means { stamp: Stamp::of(&[("means", &[*stamp])]), reads_the_instruction: self.stub.reads })
    }
    fn name(&self) -> &'static str {
        self.name
    }
    fn reads_the_instruction(&self) -> bool {
        self.stub.reads
    }
    fn description(&self) -> String {
        self.name.to_owned()
    }
    fn can(&self, operation: Operation) -> bool {
        self.name != "stub" || self.stub.cannot != Some(operation)
    }
    fn at_once(&self) -> usize {
        1
    }
    fn edit(&self, pass: &Pass<'_>) -> Result<Made, Refusal> {
        let mut log = self.log.lock().unwrap();
        log.handed.push(Handed {
            editor: self.name,
            operation: pass.operation,
            picture: pass.picture.clone(),
            mask: pass.mask.cloned(),
            reference: pass.reference.cloned(),
            object: pass.object.to_owned(),
            instruction: pass.instruction.to_owned(),
            result: pass.result.to_owned(),
            seed: pass.seed,
        });
        match self.stub.refuses {
            Some((class, true)) => return Err(Refusal::permanent(class, "tested")),
            Some((class, false)) => return Err(Refusal::transient(class, "tested")),
            None => {}
        }
        let (width, height) = pass.picture.dimensions();
        let by = if self.stub.halves { 2 } else { 1 };
        let mut bytes = std::io::Cursor::new(Vec::new());
        let made = RgbImage::from_pixel(width / by, height / by, colour(log.made));
        made.write_to(&mut bytes, ImageFormat::Png).unwrap();
        log.made += 1;
        Ok(Made { bytes: bytes.into_inner() })
    }
}

/// The words of an edit, unless nobody wrote them yet.
struct Words {
    words: Arc<Mutex<StoredInstruction>>,
    written: Arc<Mutex<bool>>,
}

impl InstructionSource for Words {
    fn stamp(&self) -> Stamp {
        Stamp::of(&[("words", b"tested")])
    }
    fn instruction(&self, question: &Question) -> Result<StoredInstruction, Refusal> {
        StoredInstruction::from_bytes(&self.instruction_bytes(question)?)
    }
    fn instruction_bytes(&self, _question: &Question) -> Result<Vec<u8>, Refusal> {
        match *self.written.lock().unwrap() {
            true => Ok(serde_json::to_vec(&*self.words.lock().unwrap()).unwrap()),
            false => Err(Refusal::transient("not_remembered", "not written yet")),
        }
    }
}

struct Nobody;

impl CaptionSource for Nobody {
    fn stamp(&self) -> Stamp {
        Stamp::of(&[("captions", b"none")])
    }
    fn caption(&self, _question: &Question) -> Result<String, Refusal> {
        Ok("a dog and a cat".to_owned())
    }
}

impl NounSource for Nobody {
    fn stamp(&self) -> Stamp {
        Stamp::of(&[("nouns", b"none")])
    }
    fn nouns(&self, _question: &Question) -> Result<NounList, Refusal> {
        Ok(NounList::default())
    }
}

fn end_png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let picture = RgbImage::from_fn(64, 48, |x, y| Rgb([2 * x as u8, y as u8, 200]));
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// A picture of an edit that was made, by its name: `original`, `end`, `made 1`.
pub(crate) fn picture_of(desk: &Desk, name: &str) -> RgbImage {
    match name {
        "original" => desk.original(),
        "end" => desk.end_pixels(),
        made => {
            let number = made.strip_prefix("made ").and_then(|number| number.parse().ok()).unwrap();
            let (width, height) = desk.original().dimensions();
            let by = if desk.stub.halves { 2 } else { 1 };
            RgbImage::from_pixel(width / by, height / by, colour(number))
        }
    }
}

/// All that stands around an editor.
pub(crate) struct Desk {
    /// Of the picture's bytes, as rows have it.
    pub content: ContentHash,
    /// One a region, in the order of the regions.
    pub masks: [Mask; 3],
    pub nouns: [&'static str; 3],
    pub words: Arc<Mutex<StoredInstruction>>,
    pub written: Arc<Mutex<bool>>,
    pub seed: u64,
    pub stub: Stub,
    pub editors: Arc<Editors>,
    bytes: Vec<u8>,
    picture: Picture,
    log: Arc<Mutex<Log>>,
    detect: Arc<Stage<Detect>>,
    segment: Arc<Stage<Segment>>,
    lanes: Arc<Lanes>,
    end: Vec<u8>,
    _folder: Option<tempfile::TempDir>,
}

fn words() -> StoredInstruction {
    let instruction = Instruction {
        prompts: (0..3).map(|turn| format!("prompt {turn}")).collect(),
        results: (0..3).map(|step| format!("result {step}")).collect(),
        premise: None,
    };
    StoredInstruction { instruction, reference: StoredReference::default() }
}

fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    RgbImage::from_fn(64, 48, |x, y| Rgb([x as u8, y as u8, 9]))
        .write_to(&mut bytes, ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

impl Desk {
    /// Of the regions: two objects and a background.
    pub(crate) const BOXES: [[f32; 4]; 3] =
        [[2.0, 4.0, 20.0, 30.0], [30.0, 6.0, 44.0, 28.0], [0.0, 0.0, 48.0, 8.0]];

    pub(crate) fn with(stub: Stub) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut desk = Desk::of_png(folder.path(), stub);
        desk._folder = Some(folder);
        desk
    }

    pub(crate) fn of_png(folder: &Path, stub: Stub) -> Self {
        Desk::in_folder(folder, stub, &png(), ReadOptions::default(), Mode::Ask)
    }

    pub(crate) fn of_picture(folder: &Path, bytes: &[u8]) -> Self {
        Desk::in_folder(folder, Stub::default(), bytes, ReadOptions::default(), Mode::Ask)
    }

    /// A desk whose store lies in `folder`, before this picture.
    pub(crate) fn in_folder(
        folder: &Path,
        stub: Stub,
        bytes: &[u8],
        options: ReadOptions,
        mode: Mode,
    ) -> Self {
        let looked = EndFrame::of(bytes, &options).looked.unwrap();
        let lanes = Lanes::open(
            LaneOptions {
                mode,
                pool_threads: 1,
                pool_queue: 1,
                decoded_bytes: 1 << 20,
                deadline: Duration::from_secs(60),
                memos: threshflow::memo::Places::alone(&folder.join("memo"), 0),
                log: None,
            },
            Arc::new(Catalogue::open(folder, options, false).unwrap()),
        );
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let backend = Backend::find(BackendChoice::Embedded, Device::Cpu).unwrap();
        let (settings, records) = (DetectSettings::default(), Records::none());
        let detector = models.join("tests/fixtures/detect/models/baked");
        let detect = Detect::open(&detector, &backend, 1, settings, Arc::new(Nobody), None, records.clone());
        let segment = Segment::open(&models.join("models/demo/segment"), &backend, 1, records);
        let (width, height) = (u32::from(looked.width), u32::from(looked.height));
        let masks = Desk::BOXES.map(|[left, top, right, bottom]| {
            let mut mask = Mask::empty(width, height);
            for (at, bit) in mask.bits.iter_mut().enumerate() {
                let (x, y) = ((at as u32 % width) as f32, (at as u32 / width) as f32);
                *bit = u8::from(x >= left && x < right && y >= top && y < bottom);
            }
            mask
        });
        let log = Arc::default();
        let content = ContentHash::of(bytes);
        let mut desk = Desk {
            content,
            masks,
            nouns: ["dog", "cat", "sky"],
            words: Arc::new(Mutex::new(words())),
            written: Arc::new(Mutex::new(true)),
            seed: 7,
            stub,
            editors: Editors::open(Vec::new(), 7, &lanes).unwrap(),
            bytes: bytes.to_vec(),
            picture: Picture {
                member: 0,
                content,
                format: looked.format,
                width: looked.width,
                height: looked.height,
                orientation: looked.orientation,
            },
            log,
            detect: Stage::open(detect.unwrap(), &lanes).unwrap(),
            segment: Stage::open(segment.unwrap(), &lanes).unwrap(),
            lanes,
            end: end_png(),
            _folder: None,
        };
        desk.open_editors();
        desk
    }

    /// Before another picture, and with what was set put back: models take their time to open.
    pub(crate) fn anew(&mut self, number: usize) {
        self.content = ContentHash::of(format!("picture {number}").as_bytes());
        (self.nouns, self.seed) = (["dog", "cat", "sky"], 7);
        self.stub.stamp = 0;
        *self.words.lock().unwrap() = words();
        self.open_editors();
        self.take();
    }

    pub(crate) fn open_editors(&mut self) {
        let editor = |name| -> Arc<dyn Editor> {
            Arc::new(Editing { name, stub: self.stub.clone(), log: self.log.clone() })
        };
        let mut editors = vec![editor("stub")];
        editors.extend(self.stub.second.then(|| editor("second")));
        self.editors = Editors::open(editors, self.seed, &self.lanes).unwrap();
    }

    /// The picture as it is shown.
    pub(crate) fn original(&self) -> RgbImage {
        pixels_of(&self.picture, &self.bytes).unwrap()
    }

    /// The number of the picture that an editor made, by its colour.
    pub(crate) fn made_by(&self, picture: &RgbImage) -> Option<usize> {
        (0..8).find(|number| picture.pixels().all(|pixel| *pixel == colour(*number)))
    }

    /// The region whose mask it is.
    pub(crate) fn region_of(&self, mask: &Mask) -> usize {
        self.masks.iter().position(|known| known == mask).expect("a mask of a region")
    }

    /// What editors were handed since the last look; what is made next is number 0 again.
    pub(crate) fn take(&self) -> Vec<Handed> {
        std::mem::take(&mut *self.log.lock().unwrap()).handed
    }

    pub(crate) fn source(&self) -> EditSource {
        EditSource {
            captions: Arc::new(Nobody),
            detect: self.detect.clone(),
            masks: self.segment.clone(),
            seed: self.seed,
            references: None,
        }
    }

    pub(crate) fn lanes(&self) -> &Arc<Lanes> {
        &self.lanes
    }

    /// The sample's second frame.
    pub(crate) fn end_frame(&self) -> EndFrame<'_> {
        EndFrame::of(&self.end, &ReadOptions::default())
    }

    pub(crate) fn end_pixels(&self) -> RgbImage {
        pixels_of_file(&self.end).unwrap()
    }

    /// Prepares a question as a lane would.
    pub(crate) fn prepare<O: Operator>(
        &self,
        operator: &O,
        question: &Question,
        end_frame: Option<&EndFrame<'_>>,
    ) -> Result<O::Prepared, Refusal> {
        let picture = Some((&self.picture, self.bytes.as_slice()));
        operator.prepare(&Subject {
            questions: std::slice::from_ref(question),
            picture,
            end_frame,
            sidecar: None,
        })
    }

    pub(crate) fn edit(&self) -> Edit {
        let words = Words { words: self.words.clone(), written: self.written.clone() };
        Edit::new(self.editors.clone(), self.source(), Arc::new(words))
    }

    /// The row of an edit, with all that it rests on remembered.
    fn row(&self, edit_type: EditType, operations: &[Operation], regions: &[u16]) -> EditRow {
        let (width, height) = (self.picture.width, self.picture.height);
        let id = RowId { shard: 0, member: 0 };
        let image = Image { id, content: self.content, width, height };
        let stored: Vec<(bool, u16, String, [f32; 4], f32)> = (0..3)
            .map(|number| {
                (number == 2, number as u16, self.nouns[number].to_owned(), Desk::BOXES[number], 0.5)
            })
            .collect();
        let picture = ContentHash::of(&[&self.content.0[..], self.nouns.concat().as_bytes()].concat());
        let put = |memo: &threshflow::memo::Memo, content, inline, blob| {
            memo.put(&[(content, Ok(Written { inline, blob: Some(blob) }))]).unwrap();
        };
        let blob = postcard::to_stdvec(&stored).unwrap();
        put(self.detect.memo(), picture, Score::<FoundRegions>::of(3.0).to_inline(), blob);
        let mut rows = Vec::new();
        for (number, mask) in self.masks.iter().enumerate() {
            let kind = if number == 2 { RegionKind::Background } else { RegionKind::Object };
            let (noun, noun_text) = (number as u16, self.nouns[number].to_owned());
            let found = Found { kind, noun, noun_text, bbox: Desk::BOXES[number], score: 0.5, told_by: None };
            let region = found.region(&image, number as u16);
            let blob = StoredMask { counts: rle::encode(mask), area: mask.area() };
            let blob = postcard::to_stdvec(&blob).unwrap();
            put(self.segment.memo(), region.content(), Score::<MaskScore>::of(0.9).to_inline(), blob);
            rows.push(region);
        }
        let mut choice = Choice { regions: [Choice::NONE; 2], operations: [u8::MAX; 3] };
        choice.regions.iter_mut().zip(regions).for_each(|(place, number)| *place = *number);
        choice.operations.iter_mut().zip(operations).for_each(|(place, operation)| *place = *operation as u8);
        let chosen = Chosen { number: edit_type.number(), choice: Ok(choice) };
        chosen.edit(&image, picture, &rows).unwrap()
    }

    pub(crate) fn question(
        &self,
        edit_type: EditType,
        operations: &[Operation],
        regions: &[u16],
    ) -> Question {
        let words = &mut *self.words.lock().unwrap();
        if edit_type == EditType::Visual {
            words.reference.shows.get_or_insert("blue star".to_owned());
        }
        // An edit of one turn has one instruction.
        words.instruction.prompts.truncate(edit_type.turns());
        for turn in words.instruction.prompts.len()..edit_type.turns() {
            words.instruction.prompts.push(format!("prompt {turn}"));
        }
        Question::about(&self.row(edit_type, operations, regions), Key::Row)
    }

    /// Makes an edit as a lane would.
    pub(crate) fn make(
        &self,
        edit_type: EditType,
        operations: &[Operation],
        regions: &[u16],
    ) -> Result<StoredEdit, Refusal> {
        let question = self.question(edit_type, operations, regions);
        self.answer(&question).map(|reply| StoredEdit::from_bytes(&reply.blob.unwrap()).unwrap())
    }

    fn answer(&self, question: &Question) -> Result<Reply<Handle<Edited>>, Refusal> {
        let edit = self.edit();
        let prepared = self.prepare(&edit, question, None)?;
        edit.answer(&mut (), &[prepared]).remove(0)
    }

    /// An edit that was made, as the stages remember it, and the question about it.
    pub(crate) fn remembered(
        &self,
        edit_type: EditType,
        operations: &[Operation],
        regions: &[u16],
    ) -> (EditPictures, Question) {
        let stage = Stage::open(self.edit(), &self.lanes).unwrap();
        let question = self.question(edit_type, operations, regions);
        let reply = self.answer(&question).unwrap();
        let words = serde_json::to_vec(&*self.words.lock().unwrap()).unwrap();
        let row = self.row(edit_type, operations, regions);
        let content = With::new(row, Handle::<crate::instruct::Instructed>::of(&words)).content();
        let written = Written { inline: reply.answer.to_inline(), blob: reply.blob };
        stage.memo().put(&[(content, Ok(written))]).unwrap();
        (EditPictures::new(stage, 1 << 20), question)
    }
}
