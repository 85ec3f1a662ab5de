//! The demo's web shards: scenes as JPEG in tars, some with sidecars, some too small, a few broken on purpose.
//!
//! The broken ones are reported, so that the demo can say "planted 3, found 3". Everything is a function of the options: two runs write the
//! same bytes, and a file that already has them is left alone.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, io, thread};

use image::codecs::jpeg::JpegEncoder;
use threshflow::limits::side_by_side;
use threshflow::publish::PlainTar;
use threshflow::shard::DEMONSTRATION;

use super::dice::Dice;
use super::scene::Scene;

/// What is said in the file that marks a sample as one of the demo.
pub(super) const MARK: &[u8] = b"Drawn for the demo.\n";
/// JPEG quality of the pictures.
const QUALITY: u8 = 88;
/// The fewest scenes that leave room for all that is planted.
const LEAST_SCENES: usize = 24;
/// How many tars there are. The last but one is cut into pieces, the last has lost its tail.
const SHARDS: usize = 4;
const SPLIT_SHARD: usize = 2;
const PIECES: usize = 3;

/// Sizes above the dial's default of 1280 for the shorter side ...
const SIZES: [(u32, u32); 5] = [(1600, 1300), (1320, 1760), (1440, 1320), (1728, 1296), (1344, 1344)];
/// ... and sizes that it gates out; the last is just not above it.
const SMALL_SIZES: [(u32, u32); 4] = [(800, 600), (768, 1024), (1200, 900), (1280, 1280)];

/// How much to write.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// How many scenes; at least 24. Default 240.
    pub scenes: usize,
    /// Which scenes. Default [`DEMO_SEED`](super::DEMO_SEED).
    pub seed: u64,
    /// What sizes are divided by: 1 (the default) for the demo, more for quick tests.
    pub shrink: u32,
    /// Threads that draw; changes no byte. Default: one a core.
    pub threads: usize,
}

impl Default for DemoOptions {
    fn default() -> Self {
        let threads = thread::available_parallelism().map_or(2, usize::from);
        DemoOptions { scenes: 240, seed: super::DEMO_SEED, shrink: 1, threads }
    }
}

/// What was broken on purpose. Each entry is `shard/key`, as in `00001/000010004`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Planted {
    /// JPEGs that end in the middle. Their headers are whole: width and height can be read.
    pub cut_pictures: Vec<String>,
    /// Text files named `.jpg`.
    pub not_pictures: Vec<String>,
    /// Samples that have two members of one name.
    pub duplicates: Vec<String>,
    /// The sample that its tar ends in the middle of.
    pub damaged_tails: Vec<String>,
    /// JSON sidecars that do not parse. Their pictures are whole.
    pub bad_sidecars: Vec<String>,
}

impl Planted {
    /// How many samples must end refused: all of the above but the bad sidecars, which cost no picture.
    pub fn lost_pictures(&self) -> usize {
        [&self.cut_pictures, &self.not_pictures, &self.duplicates, &self.damaged_tails]
            .map(Vec::len)
            .iter()
            .sum()
    }
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DemoShards {
    /// The files, in order: `00000.tar`, ..., `00002.tar.split.000`, ...
    pub files: Vec<PathBuf>,
    /// The bytes of all files.
    pub bytes: u64,
    /// Samples in all shards, broken ones too.
    pub samples: usize,
    /// Whole pictures whose shorter side is not above 1280 pixels (when nothing is shrunk), as `shard/key`.
    pub too_small: Vec<String>,
    /// Samples whose JSON sidecar gives a score, `aes`, as `shard/key`.
    pub with_aes: Vec<String>,
    /// What was broken on purpose.
    pub planted: Planted,
}

/// Draws the scenes and writes the shards into `folder`, which is made if need be.
pub fn write_demo_shards(folder: &Path, options: &DemoOptions) -> io::Result<DemoShards> {
    let count = options.scenes.max(LEAST_SCENES);
    let plans: Vec<Plan> = (0..count).map(|i| Plan::of(i, count, options)).collect();
    let samples = draw_all(&plans, options)?;
    let mut written = DemoShards { samples: count, ..DemoShards::default() };
    fs::create_dir_all(folder)?;
    for shard in 0..SHARDS {
        let mut tar = Vec::new();
        let mut last_picture = 0;
        for (plan, sample) in plans.iter().zip(&samples).filter(|(plan, _)| plan.shard == shard) {
            written.note(plan, shard + 1 == SHARDS && plan.last_of_shard);
            for (extension, bytes) in sample {
                last_picture = if *extension == "jpg" { tar.len() } else { last_picture };
                append(&mut tar, &format!("{}.{extension}", plan.key), bytes)?;
            }
        }
        // A tar ends with two empty blocks.
        tar.resize(tar.len() + 1024, 0);
        let name = format!("{shard:05}.tar");
        if shard + 1 == SHARDS {
            tar.truncate(last_picture + (tar.len() - last_picture) / 2);
        }
        if shard == SPLIT_SHARD {
            // An uneven third: the cuts fall inside pictures and headers, not between blocks.
            for (i, piece) in tar.chunks(tar.len() / PIECES + 77).enumerate() {
                written.save(folder.join(format!("{name}.split.{i:03}")), piece)?;
            }
        } else {
            written.save(folder.join(name), &tar)?;
        }
    }
    Ok(written)
}

impl DemoShards {
    fn save(&mut self, path: PathBuf, bytes: &[u8]) -> io::Result<()> {
        if !fs::read(&path).is_ok_and(|old| old == bytes) {
            let unfinished = path.with_extension("part");
            fs::write(&unfinished, bytes)?;
            fs::rename(&unfinished, &path)?;
        }
        self.bytes += bytes.len() as u64;
        self.files.push(path);
        Ok(())
    }

    fn note(&mut self, plan: &Plan, at_lost_tail: bool) {
        let name = format!("{:05}/{}", plan.shard, plan.key);
        let whole = !at_lost_tail && matches!(plan.fault, None | Some(Fault::BadSidecar));
        if plan.small && whole {
            self.too_small.push(name.clone());
        }
        if plan.aes && !at_lost_tail {
            self.with_aes.push(name.clone());
        }
        match plan.fault {
            _ if at_lost_tail => self.planted.damaged_tails.push(name),
            Some(Fault::Cut) => self.planted.cut_pictures.push(name),
            Some(Fault::NotAPicture) => self.planted.not_pictures.push(name),
            Some(Fault::Duplicate) => self.planted.duplicates.push(name),
            Some(Fault::BadSidecar) => self.planted.bad_sidecars.push(name),
            None => {}
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Cut,
    NotAPicture,
    Duplicate,
    BadSidecar,
}

/// Which faults, and where: in 24ths of all scenes. The very last sample is kept for the lost tail.
const FAULTS: [(usize, Fault); 9] = [
    (1, Fault::Cut),
    (4, Fault::NotAPicture),
    (5, Fault::BadSidecar),
    (8, Fault::Duplicate),
    (10, Fault::Cut),
    (13, Fault::BadSidecar),
    (15, Fault::NotAPicture),
    (17, Fault::BadSidecar),
    (20, Fault::Cut),
];

/// One sample, decided but not drawn.
struct Plan {
    scene: u64,
    shard: usize,
    key: String,
    size: (u32, u32),
    small: bool,
    sidecar: Option<&'static str>,
    aes: bool,
    fault: Option<Fault>,
    last_of_shard: bool,
}

impl Plan {
    fn of(i: usize, count: usize, options: &DemoOptions) -> Plan {
        let shard = i * SHARDS / count;
        let first = (shard * count).div_ceil(SHARDS);
        let fault = FAULTS.iter().find(|(part, _)| part * count / LEAST_SCENES == i).map(|(_, fault)| *fault);
        // Not the scene's own stream, so that a size says nothing about a palette.
        let mut dice = Dice::of(options.seed ^ 0x5123, i as u64);
        // A broken picture must get past the gate on its size, to be found where it is decoded.
        let small = fault.is_none() && dice.chance(0.15);
        let (width, height) = if small { dice.pick(&SMALL_SIZES) } else { dice.pick(&SIZES) };
        let sidecar = match (fault, i % 6) {
            (Some(Fault::BadSidecar), _) | (_, 0 | 2 | 3 | 5) => Some("json"),
            (_, 1) => Some("txt"),
            _ => None,
        };
        Plan {
            scene: i as u64,
            shard,
            key: format!("{shard:05}{:04}", i - first),
            size: (width / options.shrink, height / options.shrink),
            small,
            sidecar,
            aes: fault.is_none() && i.is_multiple_of(12),
            fault,
            last_of_shard: (i + 1) * SHARDS / count > shard,
        }
    }

    /// The sample's members: extension and bytes.
    fn members(&self, seed: u64) -> io::Result<Vec<(&'static str, Vec<u8>)>> {
        let scene = Scene::number(seed, self.scene);
        let mut picture = jpeg(&scene, self.size)?;
        match self.fault {
            Some(Fault::Cut) => picture.truncate(picture.len() * 2 / 5),
            Some(Fault::NotAPicture) => picture = b"<html>404 Not Found</html>\n".to_vec(),
            _ => {}
        }
        let mut members = vec![(DEMONSTRATION, MARK.to_vec()), ("jpg", picture)];
        if self.fault == Some(Fault::Duplicate) {
            members.push(("jpg", jpeg(&Scene::number(seed, self.scene + 1_000_000), self.size)?));
        }
        match self.sidecar {
            Some("json") => {
                let tags = serde_json::json!({ "object": scene.nouns(), "background": scene.background });
                let mut fields =
                    serde_json::json!({ "caption": scene.caption(), "scene": self.scene, "tags": tags });
                if self.aes {
                    // Two decimals, as such columns have them.
                    fields["aes"] = (f64::from((scene.harmony() * 100.0).round()) / 100.0).into();
                }
                let mut text = fields.to_string();
                if self.fault == Some(Fault::BadSidecar) {
                    text.truncate(text.len() - 9);
                }
                members.push(("json", text.into_bytes()));
            }
            Some(extension) => members.push((extension, scene.caption().into_bytes())),
            None => {}
        }
        Ok(members)
    }
}

pub(super) fn jpeg(scene: &Scene, (width, height): (u32, u32)) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
    scene.draw(width, height).write_with_encoder(encoder).map_err(io::Error::other)?;
    Ok(bytes)
}

type Members = Vec<(&'static str, Vec<u8>)>;

/// Draws on several threads; the answer is in the order of the plans.
fn draw_all(plans: &[Plan], options: &DemoOptions) -> io::Result<Vec<Members>> {
    let next = AtomicUsize::new(0);
    let work = || -> io::Result<Vec<(usize, Members)>> {
        let mut done = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(plan) = plans.get(i) else { return Ok(done) };
            done.push((i, plan.members(options.seed)?));
        }
    };
    let all = side_by_side(options.threads.max(1), work).into_iter().collect::<io::Result<Vec<_>>>();
    let mut all = all?.concat();
    all.sort_unstable_by_key(|(i, _)| *i);
    Ok(all.into_iter().map(|(_, members)| members).collect())
}

/// Appends a file to a tar, with a header that says nothing about this machine or this moment.
pub(super) fn append(tar: &mut Vec<u8>, path: &str, bytes: &[u8]) -> io::Result<()> {
    PlainTar::new(tar).append(path, bytes).map(drop)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn small(threads: usize) -> DemoOptions {
        DemoOptions { scenes: 48, shrink: 16, threads, ..DemoOptions::default() }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("threshflow-demo-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    /// Shard by shard, its bytes with the pieces joined.
    fn joined(shards: &DemoShards) -> Vec<Vec<u8>> {
        let mut joined: Vec<(String, Vec<u8>)> = Vec::new();
        for file in &shards.files {
            let name = file.file_name().unwrap().to_str().unwrap()[..5].to_string();
            let bytes = fs::read(file).unwrap();
            match joined.last_mut() {
                Some((last, all)) if *last == name => all.extend(bytes),
                _ => joined.push((name, bytes)),
            }
        }
        joined.into_iter().map(|(_, bytes)| bytes).collect()
    }

    /// The members of all shards by `shard/path`, and how many tars end too soon.
    fn members(shards: &DemoShards) -> (HashMap<String, Vec<Vec<u8>>>, usize) {
        let (mut members, mut cut_short) = (HashMap::<String, Vec<Vec<u8>>>::new(), 0);
        for (shard, bytes) in joined(shards).iter().enumerate() {
            for entry in tar::Archive::new(&bytes[..]).entries().unwrap() {
                let Ok(mut entry) = entry else { break };
                let name = format!("{shard:05}/{}", entry.path().unwrap().display());
                let mut content = Vec::new();
                match io::Read::read_to_end(&mut entry, &mut content) {
                    Ok(read) if read as u64 == entry.size() => members.entry(name).or_default().push(content),
                    _ => cut_short += 1,
                }
            }
        }
        (members, cut_short)
    }

    #[test]
    fn the_same_bytes_whatever_the_threads_and_a_second_run_touches_nothing() {
        let (one, three) = (folder("one"), folder("three"));
        let first = write_demo_shards(&one, &small(1)).unwrap();
        let second = write_demo_shards(&three, &small(3)).unwrap();
        assert_eq!(joined(&first), joined(&second));
        assert_eq!(first.files.len(), SHARDS - 1 + PIECES);
        let when = |shards: &DemoShards| -> Vec<_> {
            shards.files.iter().map(|file| fs::metadata(file).unwrap().modified().unwrap()).collect()
        };
        let before = when(&first);
        assert_eq!(write_demo_shards(&one, &small(2)).unwrap(), first);
        assert_eq!(when(&first), before);
        for folder in [one, three] {
            fs::remove_dir_all(folder).unwrap();
        }
    }

    #[test]
    fn what_was_planted_is_found_and_nothing_else_is_broken() {
        let folder = folder("planted");
        let shards = write_demo_shards(&folder, &small(2)).unwrap();
        let (members, cut_short) = members(&shards);
        let planted = &shards.planted;
        assert_eq!(planted.lost_pictures(), 3 + 2 + 1 + 1);
        assert_eq!((planted.bad_sidecars.len(), cut_short), (3, planted.damaged_tails.len()));
        let mut found = Planted { damaged_tails: planted.damaged_tails.clone(), ..Planted::default() };
        let mut names: Vec<&String> = members.keys().collect();
        names.sort_unstable();
        let mut pictures = 0;
        for name in names {
            let (key, extension) = name.split_once('.').unwrap();
            let (content, key) = (&members[name], key.to_string());
            if content.len() > 1 {
                found.duplicates.push(key);
            } else if extension == "json" && serde_json::from_slice::<serde_json::Value>(&content[0]).is_err()
            {
                found.bad_sidecars.push(key);
            } else if extension == "jpg" && image::guess_format(&content[0]).is_err() {
                found.not_pictures.push(key);
            } else if extension == "jpg" && !content[0].ends_with(&[0xFF, 0xD9]) {
                found.cut_pictures.push(key);
            } else if extension == "jpg" {
                image::load_from_memory(&content[0]).unwrap();
                pictures += 1;
            }
        }
        assert_eq!(&found, planted);
        assert_eq!(pictures + planted.lost_pictures(), shards.samples);
        assert!(!shards.too_small.is_empty() && !shards.with_aes.is_empty());
        fs::remove_dir_all(folder).unwrap();
    }
}
