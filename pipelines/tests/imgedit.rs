//! `imgedit` with its embedded defaults, from the demo's scenes to published edits: all types, nothing asked twice, and what films
//! show.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;

use operators::plan::edit_plan::EditType;
use pipelines::demo::{DEMO_SEED, DemoFrames, DemoOptions, VOCABULARY, write_demo_frames, write_demo_shards};
use pipelines::edit_record::EditRecord;
use pipelines::imgedit::ImgEdit;
use pipelines::imgedit_stages::release::PublishedEdits;
use pipelines::released::{self, PicturesIn};
use tests::python::load_datasets;
use tests::tars::{file, tar_of, turned_png};
use threshflow::cli::{RunReport, invoke};
use threshflow::lane::AskLog;
use threshflow::publish::{PublishedStage, Table, read_manifest};
use threshflow::shard::ReadOptions;

/// What sizes are divided by.
const SHRINK: u32 = 5;
/// Of every type some, but for those that few pictures allow.
const EDITS: &str = "--edits=add=0.5,remove=0.5,replace=0.5,adjust=0.5,action,style=0.3,extract=0.5,visual=0.5,background,\
                     hybrid=0.5,content_memory=0.5,content_understanding=0.3,version_backtracking=0.3";

fn command(folder: &Path, subcommand: &str, more: &[&str]) -> Vec<String> {
    let path = |part: &str| folder.join(part).to_string_lossy().into_owned();
    let mut command: Vec<String> = [
        subcommand,
        "--backend=embedded",
        "--max-error-rate=1",
        "--pixels-apart=20",
        "--set=short_side=0",
        "--set=detection=0.4",
    ]
    .map(str::to_owned)
    .into();
    for (flag, model) in tests::demo_models() {
        command.extend([flag.to_owned(), model]);
    }
    let places =
        [("--shards", "shards"), ("--store", "store"), ("--out", "out"), ("--vocabulary", "vocabulary.txt")];
    for (flag, part) in places {
        command.extend([flag.to_owned(), path(part)]);
    }
    // All that is made is kept, where nothing else is said.
    for (dial, value) in [("follows", "1"), ("natural", "1"), ("no_op", "1")] {
        if !more.iter().any(|word| word.starts_with(&format!("--set={dial}="))) {
            command.push(format!("--set={dial}={value}"));
        }
    }
    command.extend(more.iter().map(|word| (*word).to_owned()));
    command
}

fn run(folder: &Path, more: &[&str]) -> RunReport {
    invoke::run::<ImgEdit>(&command(folder, "run", more)).expect("runs")
}

/// Runs again, and panics if anything is asked.
fn run_unasked(folder: &Path, more: &[&str]) -> RunReport {
    let log = AskLog::default();
    let report = invoke::run_logged::<ImgEdit>(&command(folder, "run", more), log.clone()).expect("runs");
    let asked = log.lock().expect("nobody panicked").clone();
    assert!(asked.is_empty(), "{more:?} asked {:?}", asked.first());
    report
}

/// Every published edit, as its record.
fn edits(folder: &Path) -> Vec<EditRecord> {
    let mut edits = Vec::new();
    for part in std::fs::read_dir(folder.join("out/edits")).expect("edits are published") {
        let table = Table::open(&part.expect("a file").path()).expect("a table");
        let stopped = table.read(&["record"], |_, row| {
            let text = row[0].as_str().expect("every edit has a record");
            edits.push(serde_json::from_str(text).expect("a record"));
            ControlFlow::<()>::Continue(())
        });
        assert!(stopped.expect("reads").is_none());
    }
    edits
}

/// What a page shows of edits.
fn of_edits(page: &str) -> &str {
    let (_, of_edits) = page.split_once("id=\"edit-pairs\"").expect("a section");
    of_edits.split_once("id=\"dials\"").expect("the next section").0
}

/// Of every type, how many edits are published and how many were made, as the page says.
fn types_on(page: &str) -> [[u64; 2]; EditType::COUNT] {
    EditType::ALL.map(|edit_type| {
        let heading = format!("<h3 id=\"edits-{}\" class=\"sort\">{edit_type} ", edit_type.number());
        let (_, rest) = page.split_once(&heading).unwrap_or_else(|| panic!("the page shows no {edit_type}"));
        let (_, rest) = rest.split_once('(').expect("counts");
        let mut counts = rest.split(' ').filter_map(|word| word.replace(',', "").parse().ok());
        [counts.next(), counts.next()].map(|count| count.expect("a count"))
    })
}

fn published(folder: &Path) -> u64 {
    let summary = std::fs::read(folder.join("out/summary.json")).expect("a summary");
    let summary: serde_json::Value = serde_json::from_slice(&summary).expect("JSON");
    summary["edits"]["published"].as_u64().expect("a count")
}

fn scenes(count: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let options = DemoOptions { scenes: count, shrink: SHRINK, ..DemoOptions::default() };
    write_demo_shards(&folder.path().join("shards"), &options).expect("shards are written");
    std::fs::write(folder.path().join("vocabulary.txt"), VOCABULARY).expect("a vocabulary");
    folder
}

fn films(folder: &Path, count: usize) -> DemoFrames {
    write_demo_frames(&folder.join("shards"), DEMO_SEED, count, SHRINK).expect("films are written")
}

#[test]
fn every_type_is_made_and_nothing_is_asked_twice() {
    let folder = scenes(30);
    films(folder.path(), 3);
    let page = folder.path().join("report.html");
    let first = run(folder.path(), &[EDITS, "--report", &page.to_string_lossy()]);
    let page = std::fs::read_to_string(page).expect("a page");
    let of_types = types_on(&page);
    assert!(of_types.iter().all(|[published, made]| published == made && *made > 0), "{of_types:?}");
    assert!(!of_edits(&page).contains("cannot be shown"), "every edit is drawn");
    assert!(folder.path().join("report.png").is_file(), "and a sheet beside it");
    assert!(first.summary.asks["edit"].asked > 40, "{:?}", first.summary.asks);
    for stage in ["detect", "segment", "region_score", "caption", "instruct", "edit", "judge"] {
        assert!(first.summary.asks.contains_key(stage), "{stage}: {:?}", first.summary.asks);
    }
    let manifest = read_manifest(&folder.path().join("out")).expect("reads").expect("a manifest");
    let choose = PublishedStage::Choose { name: "choose".to_owned() };
    assert!(manifest.stages.contains(&choose), "{:?}", manifest.stages);
    let made = edits(folder.path());
    assert_eq!(made.len() as u64, published(folder.path()), "rows, and what the funnel says");
    let types: BTreeSet<EditType> = made.iter().map(|edit| edit.edit_type).collect();
    assert_eq!(types, EditType::ALL.into_iter().collect());
    for edit in &made {
        assert_eq!(edit.turns.len(), edit.edit_type.turns(), "{edit:?}");
        let judged = edit.turns.iter().map(|turn| &turn.judgement);
        for judgement in judged {
            let scores = [judgement.follows, judgement.natural];
            assert!(scores.iter().all(|score| (1.0..=5.0).contains(score)), "{judgement:?}");
        }
    }
    told_by_clip(&made);
    if let Some(loaded) = load_datasets(&folder.path().join("out")) {
        let rows = |name: &str| loaded[name]["rows"].as_array().expect("is loaded").len();
        assert_eq!((rows("edits"), rows("default") as u64), (made.len(), first.summary.kept));
        assert!(rows("rejected") > 0 && rows("regions_rejected") > 0 && rows("edits_rejected") > 0);
    }
    run_unasked(folder.path(), &[EDITS]);
    let page = folder.path().join("tighter.html").to_string_lossy().into_owned();
    let tighter = [EDITS, "--set=aesthetic=5.5", "--set=follows=4", "--set=natural=2", "--report", &page];
    run_unasked(folder.path(), &tighter);
    let left = edits(folder.path());
    let of_types = types_on(&std::fs::read_to_string(page).expect("a page"));
    assert_eq!(of_types.iter().map(|[published, _]| published).sum::<u64>(), left.len() as u64);
    let none = of_types.iter().filter(|[published, made]| *published == 0 && *made > 0).count();
    assert!(none > 0, "a type of which none is published is told of, too: {of_types:?}");
    assert_eq!(left.len() as u64, published(folder.path()));
    assert!(!left.is_empty() && left.len() < made.len(), "{} of {}", left.len(), made.len());
    let least = |edit: &EditRecord| edit.turns.iter().map(|turn| turn.judgement.follows).fold(9.0, f32::min);
    assert!(left.iter().all(|edit| least(edit) > 3.999));
    run_unasked(folder.path(), &[EDITS]);
    assert_eq!(edits(folder.path()).len(), made.len(), "back where they began");
}

/// Every region that was edited was held against its noun, and what was taken out is gone.
fn told_by_clip(made: &[EditRecord]) {
    let mut told: BTreeMap<EditType, [usize; 2]> = BTreeMap::new();
    for edit in made {
        let reasons = edit.turns.iter().map(|turn| &turn.judgement.reason);
        let [all, seen] = told.entry(edit.edit_type).or_default();
        for reason in reasons {
            assert!(reason.split_whitespace().count() <= 20, "{reason}");
            *all += 1;
            *seen += usize::from(reason.contains("CLIP: "));
        }
    }
    for (edit_type, [all, seen]) in told {
        // No region of an action is known; nothing need be sure in a picture whose style is changed.
        match edit_type {
            EditType::Action => assert_eq!(seen, 0),
            EditType::Style => assert!(seen * 2 > all, "{seen} of {all}"),
            _ => assert_eq!(seen, all, "{edit_type}"),
        }
    }
    // What the editor takes out is gone, says the CLIP of most; the demo's is a small one.
    let taken = made.iter().filter(|edit| edit.edit_type == EditType::Remove);
    let fell = |edit: &&EditRecord| {
        let (_, told) = edit.turns[0].judgement.reason.split_once("noun ").expect("it tells of the noun");
        let numbers: Vec<f32> =
            told.trim_end_matches('.').split(" to ").map(|text| text.parse().expect("a cosine")).collect();
        numbers[1] < numbers[0]
    };
    let (all, fell) = (taken.clone().count(), taken.filter(fell).count());
    assert!(all >= 3 && fell * 4 >= all * 3, "of {all} nouns that were taken out {fell} fell");
}

#[test]
fn references_are_the_users_own() {
    let folder = scenes(12);
    let pictures = folder.path().join("references");
    std::fs::create_dir(&pictures).expect("a folder");
    let names = ["purple_plate", "silver spoon"];
    for (name, colour) in names.iter().zip([[130, 20, 140], [190, 190, 200]]) {
        let mut picture = image::RgbImage::from_pixel(80, 60, image::Rgb([255; 3]));
        for (x, y) in (15..45).flat_map(|y| (20..60).map(move |x| (x, y))) {
            picture.put_pixel(x, y, image::Rgb(colour));
        }
        picture.save(pictures.join(format!("{name}.png"))).expect("a picture");
    }
    let origins = with_origins(&folder.path().join("shards"));
    let flag = format!("--references={}", pictures.to_string_lossy());
    let page = folder.path().join("report.html");
    run(folder.path(), &["--edits=visual", &flag, "--report", &page.to_string_lossy()]);
    let made = edits(folder.path());
    assert!(made.len() >= 3, "{} edits", made.len());
    let shown: BTreeSet<&str> = made.iter().filter_map(|edit| edit.reference.as_deref()).collect();
    assert!(shown.iter().all(|name| ["purple plate", "silver spoon"].contains(name)), "{shown:?}");
    for edit in &made {
        let (name, prompt) = (edit.reference.as_deref().expect("a name"), &edit.turns[0].prompt);
        assert!(prompt.contains(&format!("the {name} from the reference picture")), "{prompt}");
        assert!(edit.reference_picture.is_some() && edit.results[0].contains(name), "{edit:?}");
    }
    let page = std::fs::read_to_string(page).expect("a page");
    let shown = of_edits(&page);
    assert!(shown.contains("reference: ") && !shown.contains("cannot be shown"), "the page shows them");
    run_unasked(folder.path(), &["--edits=visual", &flag]);
    // Released from the store, also when the folder is gone.
    std::fs::remove_dir_all(&pictures).expect("removed");
    let [out, store, to] = ["out", "store", "released"].map(|part| folder.path().join(part));
    let published = PublishedEdits::open(&out, &store, ReadOptions::default()).expect("what was published");
    released::release(&to, &published, PicturesIn::TARS).expect("a release");
    let embedded = folder.path().join("embedded");
    released::release(&embedded, &published, PicturesIn::Rows).expect("a release");
    assert!(released::check(&embedded).is_empty(), "{}", released::report(&released::check(&embedded)));
    drop(published);
    origins_go_through(folder.path(), &origins, made.len());
    assert!(released::check(&to).is_empty(), "{}", released::report(&released::check(&to)));
    if let Some(loaded) = load_datasets(&to) {
        let [visual, details] =
            ["visual", "details"].map(|name| loaded[name]["rows"].as_array().expect("is loaded"));
        assert_eq!((visual.len(), details.len()), (made.len(), made.len()));
        assert!(
            visual.iter().all(|row| row["input_images"].as_array().map(Vec::len) == Some(2)),
            "{visual:?}"
        );
    }
    run(folder.path(), &["--edits=visual"]);
    let drawn = edits(folder.path());
    assert!(drawn.iter().all(|edit| edit.reference_picture.is_none()), "drawn again");
}

/// Has the sidecars that are JSON say where their pictures come from: URL, licence and author, by key.
fn with_origins(shards: &Path) -> BTreeMap<String, [String; 3]> {
    let mut origins = BTreeMap::new();
    for entry in std::fs::read_dir(shards).expect("shards") {
        let path = entry.expect("a file").path();
        // One tar breaks off, on purpose: it stays as it is.
        let Ok(members) = members(&path) else { continue };
        let said = |(name, bytes): (String, Vec<u8>)| {
            // One sidecar is broken, too, and says nothing.
            let fields = serde_json::from_slice::<serde_json::Value>(&bytes);
            let (Some(key), Ok(mut fields)) = (name.strip_suffix(".json"), fields) else {
                return file(name, bytes);
            };
            let license = if origins.len() % 3 == 0 { "CC0" } else { "CC BY-SA 4.0" };
            let said = [format!("https://example.org/{key}.jpg"), license.to_owned(), format!("Ms {key}")];
            for (field, text) in ["URL", "licence", "Author"].into_iter().zip(&said) {
                fields[field] = text.as_str().into();
            }
            origins.insert(key.to_owned(), said);
            file(name, fields.to_string())
        };
        let members: Vec<_> = members.into_iter().map(said).collect();
        std::fs::write(&path, tar_of(&members)).expect("writes");
    }
    origins
}

fn members(path: &Path) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut members = Vec::new();
    for entry in tar::Archive::new(std::fs::File::open(path)?).entries()? {
        let mut entry = entry?;
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes)?;
        members.push((entry.path()?.to_string_lossy().into_owned(), bytes));
    }
    Ok(members)
}

/// Every row says what the sidecar of its picture said, and nothing where that said nothing; the card counts them.
fn origins_go_through(folder: &Path, origins: &BTreeMap<String, [String; 3]>, edits: usize) {
    let mut licenses: BTreeMap<String, usize> = BTreeMap::new();
    let (mut unknown, mut kept) = (0, BTreeMap::new());
    for (below, key) in [("out/data", "key"), ("out/edits", "key"), ("released/Details", "source_key")] {
        let (mut known, mut silent) = (0, 0);
        for part in std::fs::read_dir(folder.join(below)).expect("parts") {
            let table = Table::open(&part.expect("a file").path()).expect("a table");
            let columns = [key, "source_url", "license", "author", "source"];
            let stopped = table.read(&columns, |_, row| {
                let told = origins.get(row[0].as_str().expect("a key"));
                let told = told.map_or([None; 3], |told| told.each_ref().map(|text| Some(text.as_str())));
                assert_eq!([&row[1], &row[2], &row[3]].map(|cell| cell.as_str()), told, "{below} {row:?}");
                assert!(row[4].is_null(), "{below} {row:?}");
                if below.starts_with("released") {
                    match told[1] {
                        Some(license) => *licenses.entry(license.to_owned()).or_default() += 1,
                        None => unknown += 1,
                    }
                }
                if below == "out/data" {
                    let license = told[1].map_or("*none*".to_owned(), |license| format!("`{license}`"));
                    *kept.entry(license).or_insert(0) += 1;
                }
                known += usize::from(told[1].is_some());
                silent += usize::from(told[1].is_none());
                ControlFlow::<()>::Continue(())
            });
            assert!(stopped.expect("reads").is_none());
        }
        assert!(known > 0 && (silent > 0 || below != "out/data"), "{below}: {known} and {silent}");
    }
    assert_eq!(licenses.values().sum::<usize>() + unknown, edits);
    let card = std::fs::read_to_string(folder.join("out/README.md")).expect("a card");
    for (license, count) in &kept {
        assert!(card.contains(&format!("| {license} | {count} |\n")), "{license}: {count} in\n{card}");
    }
    let card = std::fs::read_to_string(folder.join("released/README.md")).expect("a card");
    for (license, count) in &licenses {
        assert!(card.contains(&format!("| `{license}` | {count} |\n")), "{license}: {count} in\n{card}");
    }
    assert!(card.contains(&format!("| `example.org` | {} |\n", edits - unknown)), "{card}");
}

/// Stores the second frames of films as they were held: on their side, with an orientation that says so.
fn lay_on_their_side(films: &DemoFrames) {
    let mut turned = Vec::new();
    for (name, bytes) in members(&films.file).expect("a tar") {
        turned.push(match name.strip_suffix(".end.jpg") {
            Some(key) => {
                let mut png = std::io::Cursor::new(Vec::new());
                let upright = image::load_from_memory(&bytes).expect("decodes");
                upright.rotate270().write_to(&mut png, image::ImageFormat::Png).expect("encodes");
                file(format!("{key}.end.png"), turned_png(png.get_ref(), 6))
            }
            None => file(name, bytes),
        });
    }
    std::fs::write(&films.file, tar_of(&turned)).expect("writes");
}

#[test]
fn an_action_says_what_moved_and_where_to() {
    action(12, false);
}

#[test]
fn a_second_frame_is_turned_as_the_first_one_is() {
    action(6, true);
}

#[expect(clippy::print_stdout, reason = "a part of tests, whose words are captured")]
fn action(count: usize, on_their_side: bool) {
    let folder = scenes(2 * count);
    let films = films(folder.path(), count);
    if on_their_side {
        lay_on_their_side(&films);
    }
    run(folder.path(), &["--edits=action"]);
    let made: BTreeMap<String, EditRecord> =
        edits(folder.path()).into_iter().map(|edit| (edit.key.clone(), edit)).collect();
    let (mut named, mut true_ways) = (0, 0);
    for film in &films.pairs {
        let Some(edit) = made.get(&film.key) else { continue };
        let said = &edit.turns[0].prompt;
        let way = match film.by {
            by if by.zoom > 1.0 => "closer",
            by if by.dx < 0.0 => "to the left",
            by if by.dx > 0.0 => "to the right",
            by if by.dy < 0.0 => "up",
            _ => "down",
        };
        println!("{}: {} moves {way}: {said}", film.key, film.noun);
        named += usize::from(said.contains(&format!("the {} ", film.noun)));
        true_ways += usize::from(said.contains(way));
    }
    assert!(
        made.len() * 4 >= films.pairs.len() * 3,
        "{} of {} films tell a motion",
        made.len(),
        films.pairs.len()
    );
    assert!(true_ways * 10 >= made.len() * 9, "{true_ways} of {} ways are true", made.len());
    assert!(named * 10 >= made.len() * 7, "{named} of {} things are named", made.len());
}
