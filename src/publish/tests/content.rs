//! What the files say: every cell read back, odd values, one schema, the counts, and the card.

use std::ops::ControlFlow;

use super::super::manifest::PartKind;
use super::super::parquet::{Cell, Column, ColumnType, Rows, read};
use super::super::wanted::{data_columns, rejected_columns};
use super::*;

const SCORES: [&str; 2] = ["short_side", "aesthetic"];

/// Every row of every part of a kind, each cell as text.
fn rows(out: &Path, kind: PartKind, columns: &[Column]) -> Vec<Vec<String>> {
    let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let mut rows = Vec::new();
    for part in read_manifest(out).unwrap().unwrap().parts.iter().filter(|part| part.kind == kind) {
        let before = rows.len();
        let see = |_: usize, cells: &[Cell<'_>]| {
            rows.push(cells.iter().map(shown).collect());
            ControlFlow::<()>::Continue(())
        };
        read(&out.join(&part.file), &names, Rows::All, see).unwrap();
        assert_eq!((rows.len() - before) as u64, part.rows);
    }
    rows
}

fn shown(cell: &Cell<'_>) -> String {
    match cell {
        Cell::Missing => "-".to_owned(),
        Cell::Text(text) => (*text).to_owned(),
        Cell::Int32(value) => value.to_string(),
        Cell::Int64(value) => value.to_string(),
        Cell::Float32(value) => format!("{value:?}"),
        Cell::Json(value) => value.to_string(),
    }
}

fn expected(world: &World) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    let (mut kept, mut rejected) = (Vec::new(), Vec::new());
    let text = |text: Option<String>| text.unwrap_or("-".to_owned());
    for shard in &world.shards {
        let samples = shard.open.index.samples.iter().zip(&shard.open.sidecars);
        for ((sample, sidecar), verdict) in samples.zip(world.verdicts(shard)) {
            let (key, name) = (sample.key.clone(), shard.name.clone());
            let sidecar_error = text(sample.sidecar_refusal.as_deref().map(Refusal::to_string));
            let row = match verdict {
                Verdict::Kept(scores) => {
                    let picture = sample.picture.as_ref().unwrap();
                    let member = &sample.members[picture.member as usize];
                    let mut row = vec![key.clone(), name, format!("{key}.jpg")];
                    row.extend([member.offset, member.len].map(|it| it.to_string()));
                    row.extend([picture.width, picture.height].map(|it| it.to_string()));
                    row.extend(["jpeg".to_owned(), picture.content.to_string()]);
                    row.extend(scores.iter().map(|score| format!("{score:?}")));
                    row.extend([text(sidecar.caption.clone()), text(sidecar.json.clone()), sidecar_error]);
                    // The sidecars here have a URL, and nothing else that is asked for.
                    let url = format!("https://example.org/{key}");
                    let known = sidecar.json.as_ref().map(|_| url);
                    row.extend([known, None, None, None].map(text));
                    kept.push(row);
                    continue;
                }
                Verdict::Gated { dial, score } => {
                    let threshold = if dial == "aesthetic" { world.aesthetic } else { world.short_side };
                    let [score, threshold] = [score, threshold].map(|it| format!("{it:?}"));
                    vec![
                        key,
                        name,
                        dial.into(),
                        dial.into(),
                        score,
                        threshold,
                        "-".into(),
                        "-".into(),
                        sidecar_error,
                    ]
                }
                Verdict::Refused(refused) => {
                    let (class, message) = (refused.refusal.class.to_string(), refused.refusal.message);
                    let stage = refused.stage.to_string();
                    vec![key, name, stage, "-".into(), "-".into(), "-".into(), class, message, sidecar_error]
                }
            };
            rejected.push(row);
        }
    }
    (kept, rejected)
}

#[test]
fn every_cell_reads_back() {
    let (folder, world) = (scratch(), World::new(&["a", "b/c", "d"], 200));
    world.commit(folder.path()).unwrap();
    let (kept, rejected) = expected(&world);
    assert!(kept.len() > 50 && rejected.len() > 50);
    assert_eq!(rows(folder.path(), PartKind::Data, &data_columns(&SCORES).unwrap()), kept);
    assert_eq!(rows(folder.path(), PartKind::Rejected, &rejected_columns()), rejected);
    let sources = kept.iter().filter(|row| row[row.len() - 4] != "-").count();
    let counted = format!("Of {} pictures 0 have an author, and {sources} a source or its URL.", kept.len());
    let card = fs::read_to_string(folder.path().join("README.md")).unwrap();
    assert!(sources > 0 && sources < kept.len() && card.contains(&counted), "{counted} in\n{card}");
    // Parts that stay are counted, too.
    fs::remove_file(folder.path().join("README.md")).unwrap();
    assert_eq!(world.commit(folder.path()).unwrap().parts_written, 0);
    assert_eq!(fs::read_to_string(folder.path().join("README.md")).unwrap(), card);
}

#[test]
fn odd_values_survive() {
    let mut world = World::new(&["odd"], 6);
    let mut shard = (*world.shards[0].open).clone();
    let texts = ["", "a \"quoted\"\r\nline\ttab", "ünï✓ \u{1F600}", "nul \0 inside", "| # ---", "-"];
    let scores = [f32::NAN, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::MIN_POSITIVE, 4.75];
    let megabyte = format!("{{\"long\":\"{}\"}}", "x\\n\\\"".repeat(250_000));
    let fine =
        World::new(&["fine"], 60).shards[0].open.index.samples.iter().find_map(|it| it.picture.clone().ok());
    for (place, sample) in shard.index.samples.iter_mut().enumerate() {
        sample.picture = Ok(fine.clone().unwrap());
        sample.key = format!("{}{place}", texts[place]);
        sample.sidecar_refusal = Some(Box::new(Refusal::permanent("bad_json", texts[place])));
        shard.sidecars[place] = Sidecar {
            json: (place != 2).then(|| megabyte.clone()),
            caption: (place != 3).then(|| texts[place].to_owned()),
        };
    }
    world.shards[0].open = Arc::new(shard.clone());
    let folder = scratch();
    let verdicts = |scores: &[f32; 6]| scores.map(|score| Verdict::Kept(Box::new([score, score]))).to_vec();
    world.commit_as(folder.path(), |all| all[0] = verdicts(&scores)).unwrap();
    let found = rows(folder.path(), PartKind::Data, &data_columns(&SCORES).unwrap());
    for (place, row) in found.iter().enumerate() {
        // A minus zero is published as the zero that it equals.
        let score = format!("{:?}", if place == 1 { 0.0 } else { scores[place] });
        assert_eq!(row[9..11], [score.clone(), score]);
        assert_eq!(row[0], format!("{}{place}", texts[place]));
        assert_eq!(row[11], if place == 3 { "-" } else { texts[place] });
        assert!(row[12] == if place == 2 { "-" } else { &megabyte });
        assert_eq!(row[13], format!("bad_json: {}", texts[place]));
    }
    // NaNs of other bits, and the other zero, are the same set.
    let same = [f32::from_bits(0xffc0_0001), 0.0, scores[2], scores[3], scores[4], scores[5]];
    let again = world.commit_as(folder.path(), |all| all[0] = verdicts(&same)).unwrap();
    assert_eq!((again.parts_written, again.parts_unchanged), (0, 1));
}

#[test]
fn what_the_index_says_is_part_of_a_row() {
    // Other read options show other sizes of the same bytes: the fingerprint stays, the row does not.
    let (folder, mut world) = (scratch(), World::new(&["one"], 30));
    world.commit(folder.path()).unwrap();
    let mut shard = (*world.shards[0].open).clone();
    for picture in shard.index.samples.iter_mut().filter_map(|sample| sample.picture.as_mut().ok()) {
        std::mem::swap(&mut picture.width, &mut picture.height);
    }
    world.shards[0].open = Arc::new(shard);
    let committed = world.commit(folder.path()).unwrap();
    assert!(committed.parts_written >= 1);
    assert_same(&tree(folder.path()), &world.fresh_bytes());
}

#[test]
fn a_column_named_twice_is_an_error() {
    assert!(data_columns(&["aesthetic", "aesthetic"]).is_err());
    let error = data_columns(&["width"]).unwrap_err().to_string();
    assert!(error.contains("two columns would be named width"), "{error}");
    let floats = data_columns(&SCORES).unwrap().iter().filter(|it| it.holds == ColumnType::Float32).count();
    assert_eq!(floats, 2);
}

#[test]
fn the_summary_adds_up() {
    let (folder, world) = (scratch(), World::new(&["a", "b"], 300));
    world.commit(folder.path()).unwrap();
    let text = fs::read_to_string(folder.path().join("summary.json")).unwrap();
    let summary: Summary = serde_json::from_str(&text).unwrap();
    let (kept, rejected) = expected(&world);
    assert_eq!((summary.rows, summary.kept), (600, kept.len() as u64));
    let gated: u64 = summary.gated.values().sum();
    let refused: u64 = summary.refused.values().flat_map(BTreeMap::values).sum();
    assert_eq!(gated + refused, rejected.len() as u64);
    assert_eq!(summary.dials, [("aesthetic".to_owned(), 4.75), ("short_side".to_owned(), 1280.0)].into());
    let of_aesthetic = rejected.iter().filter(|row| row[3] == "aesthetic").count() as u64;
    assert_eq!(summary.gated["aesthetic"], of_aesthetic);
    let timeouts = rejected.iter().filter(|row| row[6] == "timeout").count() as u64;
    assert_eq!(summary.refused["aesthetic"]["timeout"], timeouts);
}

#[test]
fn the_manifest_says_where_the_dials_stood() {
    let (folder, mut world) = (scratch(), World::new(&["a"], 10));
    assert_eq!(dials_of(folder.path()).unwrap(), None);
    world.aesthetic = 5.1;
    world.commit(folder.path()).unwrap();
    let manifest = read_manifest(folder.path()).unwrap().unwrap();
    let dial = manifest.dial("aesthetic").unwrap();
    assert_eq!((dial.value, dial.default, dial.comparison.as_str()), (5.1, 4.75, ">"));
    assert_eq!(dials_of(folder.path()).unwrap().unwrap(), manifest.dials);
    assert_eq!(manifest.stages.len(), 4);
}

#[test]
fn the_card_tells_the_funnel() {
    let (folder, mut world) = (scratch(), World::new(&["a"], 4));
    let fates = [(900.0, Ok(9.0)), (2000.0, Ok(4.0)), (2000.0, Ok(6.0)), (2000.0, Ok(f32::NAN))];
    let mut shard = (*world.shards[0].open).clone();
    let fine =
        World::new(&["fine"], 60).shards[0].open.index.samples.iter().find_map(|it| it.picture.clone().ok());
    shard.index.samples.iter_mut().for_each(|sample| sample.picture = Ok(fine.clone().unwrap()));
    world.shards[0].open = Arc::new(shard);
    world.shards[0].fates = fates.map(|(short_side, aesthetic)| Fate { short_side, aesthetic }).to_vec();
    world.commit(folder.path()).unwrap();
    let card = fs::read_to_string(folder.path().join("README.md")).unwrap();
    for line in [
        "---\nconfigs:\n- config_name: default\n  data_files: data/*.parquet\n- config_name: rejected\n",
        "# prepare: 1 of 4 rows kept\n",
        "| probe | 4 | 0 | 0 | 4 |\n| gate short_side | 4 | 1 | 0 | 3 |\n| ask aesthetic | 3 | 0 | 0 | 3 |\n\
         | gate aesthetic | 3 | 2 | 0 | 1 |\n",
        "| `aesthetic` | > 4.75 | 0 to 10 | 4.75 | What \\| it is about. |",
        "a made-up model",
    ] {
        assert!(card.contains(line), "{line}\nis not in\n{card}");
    }
    world.aesthetic = 10.0;
    world.commit(folder.path()).unwrap();
    let card = fs::read_to_string(folder.path().join("README.md")).unwrap();
    assert!(!card.contains("config_name: default") && card.contains("config_name: rejected"), "{card}");
}

#[test]
fn a_sidecar_that_cannot_be_read_publishes_nothing_and_leaves_what_is_published() {
    let (folder, mut world) = (scratch(), World::new(&["a", "b"], 40));
    world.commit(folder.path()).unwrap();
    let before = tree(folder.path());
    // Another set is wanted, and the shard's sidecars are gone.
    let mut shard = (*world.shards[1].open).clone();
    shard.sidecars.clear();
    shard.index.fingerprint = ContentHash::of(b"another");
    world.shards[1].open = Arc::new(shard);
    let error = world.commit(folder.path()).unwrap_err();
    assert!(matches!(&error, PublishError::Sidecar { shard, .. } if shard == "b"), "{error}");
    assert!(error.to_string().contains("what was published before is still whole"), "{error}");
    assert_eq!(tree(folder.path()), before);
}

#[test]
fn what_was_there_to_demonstrate_is_said_beside_the_parts_and_changes_none() {
    let (folder, mut world) = (scratch(), World::new(&["one"], 12));
    world.commit(folder.path()).unwrap();
    let plain = tree(folder.path());
    let of = |stage: &str, what: &str| Demonstration { stage: stage.to_owned(), what: what.to_owned() };
    world.demonstration = vec![of("aesthetic", "a model of the demo"), of("judge", "the <embedded> judge")];
    assert_eq!(world.commit(folder.path()).unwrap().parts_written, 0);
    let told = tree(folder.path());
    for (path, bytes) in &told {
        let is_note = ["README.md", "manifest.json", "summary.json"].iter().any(|note| path.ends_with(note));
        assert_eq!(plain[path] != *bytes, is_note, "{}", path.display());
    }
    assert_eq!(read_manifest(folder.path()).unwrap().unwrap().demonstration, world.demonstration);
    let card = String::from_utf8(told[Path::new("README.md")].clone()).unwrap();
    let sentence = "**Made with demonstration models: not for training. There to demonstrate: a model of the demo \
                    (aesthetic), the <embedded> judge (judge).**";
    assert!(card.contains(sentence), "{card}");
    world.demonstration.clear();
    world.commit(folder.path()).unwrap();
    assert_same(&tree(folder.path()), &plain);
}
