//! Compares files of all kinds, complete and broken, with what Pillow sees in them. `tests/pictures` makes the files and says what must
//! become of each.
//!
//! This is a seeded sample of them. For more, or others:
//! `THRESHFLOW_PICTURES=3000 THRESHFLOW_PICTURES_SEED=7 cargo test -p operators --lib against_pillow -- --nocapture`.

use std::collections::BTreeMap;
use std::path::Path;

use threshflow::row::Refusal;
use threshflow::shard::{Catalogue, ReadOptions, Shard, find};

use super::{Purpose, Rgb, decode};

/// What README states: levels of 255.
const MOST_LEVELS: u8 = 2;

/// What became of the files of a kind.
#[derive(Default)]
struct Tally {
    kept: u64,
    refused: u64,
    /// Of these, what Pillow opens.
    pillow_opens: u64,
    most_levels: u8,
    classes: BTreeMap<String, u64>,
    /// How often a half or a quarter of its size was decoded, and compared with Pillow's, bit for bit.
    scaled: u64,
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect("a number"))
}

fn shown(shard: &Shard, member: u32, purpose: Purpose) -> Result<Rgb, Refusal> {
    let picture = shard.index.samples[member as usize].picture.clone()?;
    let bytes = shard.picture_bytes(member)?;
    let rgb = decode(&bytes, picture.format, picture.orientation, purpose)?;
    let told = (u32::from(picture.width), u32::from(picture.height));
    assert_eq!((rgb.full_width, rgb.full_height), told, "the header is read otherwise than the picture");
    Ok(rgb)
}

/// Holds what is decoded at a half and at a quarter of its size against Pillow's, and against what became of the whole. How many of the
/// two were compared with Pillow's; or what is wrong.
fn scaled(
    (shard, member): (&Shard, u32),
    full: &Result<Rgb, Refusal>,
    damaged: bool,
    pillow: impl Fn(u32) -> Option<Vec<u8>>,
) -> Result<u64, String> {
    let mut compared = 0;
    for divisor in [2, 4] {
        let shorter = full.as_ref().map_or(64, |rgb| rgb.width.min(rgb.height));
        match (full, shown(shard, member, Purpose::ShortSideAtLeast(shorter / divisor))) {
            (Err(full), Err(scaled)) if full.class == scaled.class => {}
            (Err(full), scaled) => {
                let scaled = scaled.map(|rgb| (rgb.width, rgb.height));
                return Err(format!("1/{divisor}: {scaled:?}, and in full refused: {full}"));
            }
            (Ok(_), Err(refusal)) => return Err(format!("1/{divisor} refused, and in full kept: {refusal}")),
            (Ok(full), Ok(rgb)) if rgb.window == full.window => {
                if rgb != *full {
                    return Err(format!("1/{divisor} came in full, with other pixels"));
                }
            }
            (Ok(_), Ok(rgb)) => {
                match pillow(divisor) {
                    Some(pillow) if pillow == rgb.pixels => compared += 1,
                    Some(_) => return Err(format!("1/{divisor}: not Pillow's pixels")),
                    // Pillow scales nothing that is smaller; of damage it may think otherwise.
                    None if shorter < 8 || damaged => {}
                    None => return Err(format!("1/{divisor}: Pillow made nothing of it")),
                }
            }
        }
    }
    Ok(compared)
}

/// Largest difference; `None` where the sizes differ.
fn levels(rgb: &Rgb, folder: &Path, number: &str, size: (u32, u32)) -> Option<u8> {
    let pillow = std::fs::read(folder.join(format!("{number}.rgb"))).expect("Pillow's pixels");
    let is_size = (rgb.width, rgb.height) == size && pillow.len() == rgb.pixels.len();
    is_size.then(|| rgb.pixels.iter().zip(&pillow).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0))
}

#[test]
fn no_file_is_kept_with_other_pixels_than_pillows() {
    let Some(mut python) = tests::python::python_with(&["PIL", "numpy"]) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let count = number("THRESHFLOW_PICTURES", 600);
    let maker = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/pictures");
    python.arg(maker).arg(folder.path()).args(["--count", &count.to_string()]);
    python.args(["--seed", &number("THRESHFLOW_PICTURES_SEED", 1).to_string()]);
    if let Ok(kinds) = std::env::var("THRESHFLOW_PICTURES_KINDS") {
        python.args(["--kinds", &kinds]);
    }
    assert!(python.status().expect("python runs").success());

    let store = folder.path().join("store");
    let catalogue = Catalogue::open(&store, ReadOptions::default(), false).expect("a catalogue");
    let sources = find(&[folder.path().join("pictures.tar").display().to_string()]).expect("a tar");
    let shard = catalogue.load(&sources[0]).expect("a shard");
    let members: BTreeMap<&str, u32> =
        shard.index.samples.iter().zip(0..).map(|(sample, place)| (sample.key.as_str(), place)).collect();
    let list = std::fs::read_to_string(folder.path().join("list.tsv")).expect("a list");
    let (mut tallies, mut wrong) = (BTreeMap::<&str, Tally>::new(), Vec::new());
    for line in list.lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        let [number, kind, becomes, width, height] = parts[..] else { panic!("{line}") };
        let size = (width.parse().expect("a width"), height.parse().expect("a height"));
        let pillow_opens = size != (0, 0);
        let tally = tallies.entry(kind).or_default();
        let seen = shown(&shard, members[number], Purpose::Full);
        let pillow = |divisor: u32| std::fs::read(folder.path().join(format!("{number}.{divisor}.rgb"))).ok();
        match scaled((&shard, members[number]), &seen, becomes == "damaged", pillow) {
            Ok(compared) => tally.scaled += compared,
            Err(why) => wrong.push(format!("{number} {kind}: {why}")),
        }
        let why = match seen {
            Err(refusal) => {
                tally.refused += 1;
                tally.pillow_opens += u64::from(pillow_opens);
                *tally.classes.entry(refusal.class.to_string()).or_default() += 1;
                let known = [
                    "bad_picture",
                    "cut_picture",
                    "unsupported_picture",
                    "broken_picture",
                    "no_size",
                    "too_many_pixels",
                    "not_a_picture",
                ];
                let is_known = known.contains(&&*refusal.class) || becomes == "damaged";
                (!is_known || (becomes == "kept" && pillow_opens)).then(|| format!("refused: {refusal}"))
            }
            Ok(rgb) => {
                tally.kept += 1;
                let levels = if pillow_opens { levels(&rgb, folder.path(), number, size) } else { None };
                tally.most_levels = tally.most_levels.max(levels.unwrap_or(0));
                match becomes {
                    "damaged" => None,
                    "refused" => Some(format!("kept, where Pillow has {levels:?} levels")),
                    _ => levels
                        .is_none_or(|levels| levels > MOST_LEVELS)
                        .then(|| format!("kept: {levels:?} levels from Pillow's {size:?}")),
                }
            }
        };
        wrong.extend(why.map(|why| format!("{number} {kind}: {why}")));
    }
    for (kind, tally) in &tallies {
        let Tally { kept, refused, pillow_opens, most_levels, classes, scaled } = tally;
        println!(
            "{kind}: {kept} kept (up to {most_levels} levels off), {refused} refused ({pillow_opens} of them opened by Pillow) {classes:?}, \
             {scaled} scaled"
        );
    }
    let scaled: u64 = tallies.values().map(|tally| tally.scaled).sum();
    if std::env::var_os("THRESHFLOW_PICTURES_KINDS").is_none() {
        assert!(scaled >= count / 8, "{scaled} pictures of {count} files were compared scaled");
    }
    if !wrong.is_empty() {
        let kept = folder.keep();
        let shown = wrong.iter().take(60).cloned().collect::<Vec<_>>().join("\n");
        panic!("{} of {count} wrong; the files are in {}\n{shown}", wrong.len(), kept.display());
    }
}
