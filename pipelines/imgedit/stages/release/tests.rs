//! A published set, made by hand, released: what lies in the tars, and what is said where something is missing.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use image::{ImageDecoder, ImageFormat, Rgb, RgbImage};
use operators::pixels::mask::Mask;
use operators::plan::edit_plan::Operation;
use operators::plan::judgement::Judgement;
use operators::{editors::paint, pixels::rle};
use serde_json::{Value, json};
use tempfile::TempDir;
use threshflow::cli::Failure;
use threshflow::memo::{Inline, Written};
use threshflow::publish::{Nested, PublishedPieces, TableWriter};
use threshflow::row::RegionKind;
use threshflow::shard::{Origin, find};

use super::*;
use crate::subcommands;
use kit::edit_record::RecordedPass;
use kit::released::{PicturesIn, check, release};

const STAMP: &str = "00112233445566778899aabbccddeeff";

/// A desk with three shards: nothing was kept of `a`; `b` has edits; of `c` a picture was kept, and no edit.
struct Desk {
    folder: TempDir,
    manifest: Manifest,
    /// The edits of `b`, key and record.
    edits: Vec<EditRecord>,
    contents: BTreeMap<String, String>,
}

fn png(paint: impl Fn(u32, u32) -> [u8; 3]) -> Vec<u8> {
    let mut png = Cursor::new(Vec::new());
    let picture = RgbImage::from_fn(64, 48, |x, y| Rgb(paint(x, y)));
    picture.write_to(&mut png, ImageFormat::Png).unwrap();
    png.into_inner()
}

fn is_inside(x: u32, y: u32) -> bool {
    (20..44).contains(&x) && (12..36).contains(&y)
}

/// The source picture, its second frame, and what two passes made of it.
fn source() -> Vec<u8> {
    png(|x, y| if is_inside(x, y) { [220, 30, 30] } else { [3 * x as u8, 4 * y as u8, 90] })
}
fn end() -> Vec<u8> {
    png(|x, y| if is_inside(x + 9, y) { [220, 30, 30] } else { [3 * x as u8, 4 * y as u8, 90] })
}
fn emptied() -> Vec<u8> {
    png(|x, y| [3 * x as u8, 4 * y as u8, 90])
}
fn starred() -> Vec<u8> {
    png(|x, y| if is_inside(x, y) { [20, 30, 230] } else { [3 * x as u8, 4 * y as u8, 90] })
}

/// A picture that EXIF turns by a quarter, and how Pillow decodes it.
fn turned() -> Vec<u8> {
    std::fs::read(fixtures().join("pictures/exif_6.jpg")).unwrap()
}
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../operators/fixtures")
}

fn key_of(bytes: &[u8]) -> ContentHash {
    ContentHash::of(&[b"made ", bytes].concat())
}

fn pass(operation: Operation, made: &[u8]) -> RecordedPass {
    let key = key_of(made).to_string();
    let picture = Some(ContentHash::of(made).to_string());
    RecordedPass { operation, editor: "edit_embedded".to_owned(), stamp: STAMP.to_owned(), key, picture }
}

fn record(edit_type: EditType, operation: Operation, turn: (Shown, Shown)) -> EditRecord {
    let mut mask = Mask::empty(64, 48);
    for (bit, at) in mask.bits.iter_mut().zip(0_u32..) {
        *bit = u8::from(is_inside(at % 64, at / 64));
    }
    let object = RecordedObject {
        step: 0,
        number: 0,
        noun: "box".to_owned(),
        kind: RegionKind::Object,
        bbox: [20.0, 12.0, 44.0, 36.0],
        mask: rle::encode(&mask),
        scores: vec![("score".to_owned(), 0.875)],
    };
    let judgement = Judgement { follows: 5.0, natural: 4.0, matches: true, reason: "as asked".to_owned() };
    let prompt = format!("{} the box", operation.name());
    EditRecord {
        edit_type,
        shard: "b".to_owned(),
        key: "1/2".to_owned(),
        original_path: "1/2.png".to_owned(),
        origin: Origin::default(),
        width: 64,
        height: 48,
        turns: vec![RecordedTurn { prompt, input: turn.0, output: turn.1, judgement }],
        operations: vec![operation],
        results: vec![if operation.has_result() { "a blue star" } else { "" }.to_owned()],
        premise: None,
        reference: None,
        reference_picture: None,
        objects: if edit_type.objects() > 0 { vec![object] } else { Vec::new() },
        passes: Vec::new(),
        scores: vec![("judge".to_owned(), 4.5)],
        stamps: Vec::new(),
        judge_model: "pixels".to_owned(),
        as_stored: false,
    }
}

fn edits() -> Vec<EditRecord> {
    use Shown::{EndFrame, Made, Original};
    let add = EditRecord {
        passes: vec![pass(Operation::Remove, &emptied())],
        ..record(EditType::Add, Operation::Add, (Made(0), Original))
    };
    let action = record(EditType::Action, Operation::Action, (Original, EndFrame));
    let visual = EditRecord {
        reference: Some("blue star".to_owned()),
        passes: vec![pass(Operation::Visual, &starred())],
        ..record(EditType::Visual, Operation::Visual, (Original, Made(0)))
    };
    let style = EditRecord {
        key: "turned".to_owned(),
        original_path: "turned.jpg".to_owned(),
        passes: vec![pass(Operation::Style, &starred())],
        ..record(EditType::Style, Operation::Style, (Original, Made(0)))
    };
    vec![add, action, visual, style]
}

impl Desk {
    fn new() -> Self {
        Desk::of(&end())
    }

    /// With this second frame.
    fn of(end: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut tar = tar::Builder::new(File::create(folder.path().join("b.tar")).unwrap());
        for (name, bytes) in [("1/2.png", source()), ("1/2.end.png", end.to_vec()), ("turned.jpg", turned())]
        {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, bytes.as_slice()).unwrap();
        }
        tar.finish().unwrap();
        let manifest = serde_json::from_value(json!({
            "format": "threshflow published set", "version": 1, "pipeline": "imgedit", "score_columns": [],
            "dials": [], "stages": [], "parts": [],
        }));
        let manifest = Manifest { edits: Some(pieces()), ..manifest.unwrap() };
        let mut desk = Desk { folder, manifest, edits: edits(), contents: BTreeMap::new() };
        desk.remember(&[emptied(), starred()]);
        desk.publish();
        desk
    }

    fn path(&self, below: &str) -> PathBuf {
        self.folder.path().join(below)
    }

    fn remember(&self, made: &[Vec<u8>]) {
        let stamp = Stamp(hash_of_hex(STAMP).unwrap());
        let memo = Memo::open(&self.path("store/memo"), stamp, 0, Access::ReadWrite).unwrap();
        for bytes in made {
            let written = Written { inline: Inline::of([]), blob: Some(bytes.clone()) };
            memo.put(&[(key_of(bytes), Ok(written))]).unwrap();
        }
    }

    fn publish(&mut self) {
        self.publish_with(ReadOptions::default());
    }

    /// Indexes the shard and publishes what there is.
    fn publish_with(&mut self, options: ReadOptions) {
        let catalogue = Catalogue::open(&self.path("store"), options, false).unwrap();
        let source = find(&[self.path("b.tar").display().to_string()]).unwrap();
        let shard = catalogue.load(&source[0]).unwrap();
        let contents = shard.index.samples.iter();
        let contents = contents.map(|it| (it.key.clone(), it.picture.as_ref().unwrap().content.to_string()));
        self.contents = contents.collect();
        let fingerprint = shard.index.fingerprint.to_string();
        let part = |shard: &str, kind, file: &str| Part {
            shard: shard.to_owned(),
            fingerprint: fingerprint.clone(),
            kind,
            file: file.to_owned(),
            digest: String::new(),
            rows: 1,
            bytes: 0,
            hash: None,
            follows: None,
            origins: None,
        };
        self.manifest.parts = vec![
            part("a", PartKind::Rejected, "rejected/a.parquet"),
            part("b", PartKind::Data, "b.parquet"),
            part("b", PartKind::Edits, "edits.parquet"),
            part("c", PartKind::Data, "c.parquet"),
        ];
        std::fs::create_dir_all(self.path("out")).unwrap();
        let data: Vec<_> =
            self.contents.iter().map(|(key, content)| vec![json!(key), json!(content)]).collect();
        self.table("out/b.parquet", &["key", "content"], &data);
        let row = |edit: &EditRecord| {
            vec![json!(edit.key), json!("b"), json!("more"), json!(serde_json::to_string(edit).unwrap())]
        };
        let edits: Vec<_> = self.edits.iter().map(row).collect();
        self.table("out/edits.parquet", &["key", "shard", "other", "record"], &edits);
        std::fs::write(self.path("out/manifest.json"), serde_json::to_vec(&self.manifest).unwrap()).unwrap();
    }

    fn table(&self, path: &str, columns: &[&'static str], rows: &[Vec<Value>]) {
        let columns: Vec<_> = columns.iter().map(|name| (*name, Nested::Text)).collect();
        let mut table = TableWriter::new(File::create(self.path(path)).unwrap(), &columns).unwrap();
        rows.iter().for_each(|row| table.push(row).unwrap());
        table.finish().unwrap();
    }

    fn open(&self) -> Result<PublishedEdits, OpenError> {
        PublishedEdits::open(&self.path("out"), &self.path("store"), ReadOptions::default())
    }

    #[track_caller]
    fn refuses(&self, words: &[&str]) {
        let error = match self.open() {
            Ok(published) => release(&self.path("to"), &published, PicturesIn::TARS).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert!(words.iter().all(|words| error.contains(words)), "{error}");
    }

    fn release(&self) -> kit::released::Released {
        release(&self.path("to"), &self.open().unwrap(), PicturesIn::TARS).unwrap()
    }

    /// The members of a released tar.
    fn members(&self, part: &str) -> BTreeMap<String, Vec<u8>> {
        let path = self.path("to/Singleturn").join(format!("{part}.tar.split.000"));
        let mut tar = tar::Archive::new(File::open(path).unwrap());
        let members = tar.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.path().unwrap().file_name().unwrap().to_str().unwrap().to_owned(), bytes)
        });
        members.collect()
    }
}

fn pieces() -> PublishedPieces {
    PublishedPieces { score_columns: Vec::new(), recorder: String::new() }
}

#[test]
fn pictures_are_the_shards_and_the_editors_own_bytes() {
    let desk = Desk::new();
    assert_eq!(desk.release().parts_written, 4);
    let (add, action) = (desk.members("add_part2"), desk.members("action_part2"));
    assert_eq!((&add["original.png"], &add["result.png"]), (&emptied(), &source()));
    assert_eq!((&action["original.png"], &action["result.png"]), (&source(), &end()));
    let visual = desk.members("visual_part2");
    assert_eq!((&visual["original.png"], &visual["result.png"]), (&source(), &starred()));
    let reference = image::load_from_memory(&visual["reference.png"]).unwrap().into_rgb8();
    assert_eq!(reference, paint::reference("blue star", 512).unwrap());
}

#[test]
fn a_picture_that_exif_turns_is_released_upright() {
    let desk = Desk::new();
    desk.release();
    let style = desk.members("style_part2");
    let upright = image::load_from_memory(&style["original.png"]).unwrap().into_rgb8();
    let pillow = image::open(fixtures().join("decoded/exif_6.png")).unwrap().into_rgb8();
    assert_eq!(upright.dimensions(), pillow.dimensions());
    let most = upright.as_raw().iter().zip(pillow.as_raw()).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!(most <= 8, "{most} levels of 255");
}

#[test]
fn where_exif_was_not_followed_no_reader_turns_the_picture() {
    let mut desk = Desk::new();
    desk.publish_with(ReadOptions { exif_orientation: false, ..ReadOptions::default() });
    desk.release();
    let original = &desk.members("style_part2")["original.png"];
    let mut shown =
        image::ImageReader::with_format(Cursor::new(original), ImageFormat::Png).into_decoder().unwrap();
    let pillow = image::open(fixtures().join("decoded/exif_6.png")).unwrap().into_rgb8();
    assert_eq!(shown.dimensions(), (pillow.height(), pillow.width()), "as it lies");
    assert_eq!(shown.orientation().unwrap(), image::metadata::Orientation::NoTransforms);
}

#[test]
fn a_second_frame_is_released_as_the_edit_was_shown_it() {
    // It lies on its side, and says so; the original has nothing to say of itself.
    let lies = image::load_from_memory(&end()).unwrap().rotate270();
    let mut png = Cursor::new(Vec::new());
    lies.write_to(&mut png, ImageFormat::Png).unwrap();
    let sideways = ::tests::tars::turned_png(png.get_ref(), 6);
    for as_stored in [false, true] {
        let mut desk = Desk::of(&sideways);
        desk.edits.iter_mut().for_each(|edit| edit.as_stored = as_stored);
        desk.publish_with(ReadOptions { exif_orientation: !as_stored, ..ReadOptions::default() });
        desk.release();
        let action = desk.members("action_part2");
        let released = image::load_from_memory(&action["result.png"]).unwrap();
        let wanted =
            if as_stored { lies.to_rgb8() } else { image::load_from_memory(&end()).unwrap().to_rgb8() };
        assert_eq!(released.to_rgb8(), wanted, "as stored: {as_stored}");
        assert_ne!(action["result.png"], sideways, "no reader turns it");
    }
}

/// What the program does when it is called so.
fn ask(words: &[&str]) -> Result<(), Failure> {
    let program = clap::Command::new("imgedit").subcommands(subcommands::subcommands());
    let matches = program.try_get_matches_from([&["imgedit"], words].concat());
    let matches = matches.map_err(|error| Failure::Usage(error.to_string()))?;
    let (name, own) = matches.subcommand().unwrap();
    subcommands::subcommand(name, own)
}

#[test]
fn the_verbs_release_and_check() {
    let mut desk = Desk::new();
    desk.edits.retain(|edit| edit.edit_type != EditType::Style);
    desk.publish();
    let [out, store, to] = ["out", "store", "to"].map(|name| desk.path(name).display().to_string());
    let release = ["release", "--out", &out, "--store", &store, "--to", &to];
    ask(&[&release[..], &["--piece-bytes", "4096", "--json"]].concat()).unwrap();
    let second = desk.path("to/Singleturn/visual_part2.tar.split.001");
    assert_eq!(std::fs::metadata(second.with_extension("000")).unwrap().len(), 4096);
    ask(&["check", &to]).unwrap();
    std::fs::remove_file(&second).unwrap();
    let told = ask(&["check", &to, "--json"]).unwrap_err();
    assert!(told.exit_code() == 1 && told.to_string().contains("faults"), "{told}");
    ask(&release).unwrap();
    ask(&["check", &to]).unwrap();
    ask(&[&release[..], &["--embed"]].concat()).unwrap();
    ask(&["check", &to]).unwrap();
    assert!(!desk.path("to/Singleturn").exists(), "the pictures are in the rows, and nowhere else");
    ask(&release).unwrap();
    for wrong in [
        &["check", "nowhere"][..],
        &[&release[..], &["--embed", "--piece-bytes", "4096"]].concat(),
        &[&release[..], &["--piece-bytes", "0"]].concat(),
        &["release", "--store", "nowhere", "--out", &out, "--to", &to],
        &["release", "--store", &store, "--out", &out],
        &["release", "--store", &store, "--out", &out, "--to", &out],
    ] {
        assert_eq!(ask(wrong).unwrap_err().exit_code(), 2, "{wrong:?}");
    }
    let foreign = desk.path("foreign").display().to_string();
    std::fs::create_dir(&foreign).unwrap();
    std::fs::write(desk.path("foreign/notes.txt"), "mine").unwrap();
    let taken = ask(&["release", "--store", &store, "--out", &out, "--to", &foreign]).unwrap_err();
    assert!(taken.exit_code() == 1 && taken.to_string().contains("choose an empty folder"), "{taken}");
}

#[test]
fn what_is_released_is_clean_and_nothing_is_written_twice() {
    let mut desk = Desk::new();
    // Its picture is of another size than those that were made by hand.
    desk.edits.retain(|edit| edit.edit_type != EditType::Style);
    desk.publish();
    desk.release();
    assert_eq!(check(&desk.path("to")), []);
    assert_eq!((desk.release().parts_written, desk.release().parts_unchanged), (0, 3));
    desk.edits[2].turns[0].prompt = "let a star stand where the box is".to_owned();
    desk.publish();
    let again = desk.release();
    assert_eq!((again.parts_written, again.parts_unchanged), (1, 2));
    desk.edits.remove(0);
    desk.publish();
    assert_eq!(desk.release().parts_removed, 1);
    assert_eq!(check(&desk.path("to")), []);
}

#[test]
fn the_store_and_the_published_set_stay_as_they_are() {
    let desk = Desk::new();
    let before = (::tests::trees::read(&desk.path("out")), ::tests::trees::read(&desk.path("store")));
    desk.release();
    assert_eq!(before, (::tests::trees::read(&desk.path("out")), ::tests::trees::read(&desk.path("store"))));
}

#[test]
fn another_source_picture_is_another_edit_even_if_its_record_is_the_same() {
    let desk = Desk::new();
    let digest = |desk: &Desk| desk.open().unwrap().listed[1].edits[1].digest;
    let before = digest(&desk);
    desk.table(
        "out/b.parquet",
        &["key", "content"],
        &[vec![json!("1/2"), json!("00")], vec![json!("turned"), json!("00")]],
    );
    assert_ne!(digest(&desk), before);
}

#[test]
fn what_is_missing_is_named() {
    let mut desk = Desk::new();
    // Of several that lack something, whichever is met first is told.
    desk.edits.truncate(1);
    desk.publish();
    std::fs::remove_file(desk.path("store/memo").join(format!("{STAMP}.memo"))).unwrap();
    desk.refuses(&[
        "shard b, 1/2, add",
        "remembers no picture of pass 0",
        "edit_embedded",
        STAMP,
        "run the pipeline again",
    ]);
    desk.remember(&[b"no picture at all".to_vec()]);
    desk.edits[0].passes = vec![pass(Operation::Remove, b"no picture at all")];
    desk.publish();
    desk.refuses(&["edit_embedded made of pass 0", "\"no picture a\"", "are no picture"]);
    assert!(!desk.path("to/manifest.json").exists());
}

#[test]
fn a_shard_that_changed_is_told() {
    let desk = Desk::new();
    let tar = std::fs::read(desk.path("b.tar")).unwrap();
    std::fs::write(desk.path("b.tar"), tar.repeat(2)).unwrap();
    desk.refuses(&["\"b\" is not what was published"]);
    // Of the same length and age too: by its time of change, and by a sample of its bytes.
    let desk = Desk::new();
    let age = std::fs::metadata(desk.path("b.tar")).unwrap().modified().unwrap();
    let mut tar = std::fs::read(desk.path("b.tar")).unwrap();
    tar[512 + 60] ^= 1;
    std::fs::write(desk.path("b.tar"), tar).unwrap();
    File::options().append(true).open(desk.path("b.tar")).unwrap().set_modified(age).unwrap();
    desk.refuses(&["\"b\" is not what was published", "run again"]);
}

#[test]
fn a_folder_without_edits_is_told_with_what_to_do() {
    let mut desk = Desk::new();
    let nowhere =
        PublishedEdits::open(&desk.path("out"), &desk.path("nowhere"), ReadOptions::default()).err().unwrap();
    assert!(nowhere.to_string().contains("no store at"), "{nowhere}");
    let nothing =
        PublishedEdits::open(&desk.path("store"), &desk.path("store"), ReadOptions::default()).err().unwrap();
    assert!(nothing.to_string().contains("holds no published set"), "{nothing}");
    desk.table("out/edits.parquet", &["key", "record"], &[vec![json!("1/2"), json!("{}")]]);
    desk.refuses(&["edits.parquet", "no sound edit in row 0", "edit_type"]);
    desk.manifest.edits = None;
    desk.publish();
    desk.refuses(&["makes no edits", "--out"]);
}
