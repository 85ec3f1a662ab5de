//! Shards made up for tests, a pipeline of two dials over them, and the tests of the whole room.

mod commit;
mod content;
mod crash;
mod damage;
mod explain;
mod export;
mod lost;
mod made_up;
mod nested;
mod records;
mod regions;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::source::{OpenShard, Shards};
use super::*;
use crate::flow::Verdicts;
use crate::row::{ContentHash, Of, Refusal, Refused};
use crate::shard::{Format, Member, Picture, Sample, ShardError, ShardIndex, Sidecar, Unreadable};

/// A shard in memory: its index, and its bytes as a tar would hold them.
#[derive(Clone)]
pub(crate) struct FakeShard {
    pub index: ShardIndex,
    pub bytes: Vec<u8>,
    pub sidecars: Vec<Sidecar>,
}

impl OpenShard for FakeShard {
    fn index(&self) -> &ShardIndex {
        &self.index
    }
    fn sidecar(&self, sample: u32) -> Result<Sidecar, Unreadable> {
        let sidecar = self.sidecars.get(sample as usize).cloned();
        sidecar.ok_or_else(|| Unreadable(Refusal::transient("unreadable", "the disk failed")))
    }
    fn member_bytes(&self, member: &Member) -> Result<Cow<'_, [u8]>, Refusal> {
        let range = member.offset as usize..(member.offset + member.len) as usize;
        self.bytes
            .get(range)
            .map(Cow::Borrowed)
            .ok_or_else(|| Refusal::permanent("cut_shard", "the shard ends before it"))
    }
}

/// How a made-up sample fares: `(short side, aesthetic)`, or why it is refused.
#[derive(Clone)]
pub(crate) struct Fate {
    pub short_side: f32,
    pub aesthetic: Result<f32, Refused>,
}

#[derive(Clone)]
pub(crate) struct WorldShard {
    pub seq: u32,
    pub name: String,
    pub open: Arc<FakeShard>,
    pub fates: Vec<Fate>,
}

/// The shards of an input, and where the dials stand.
#[derive(Clone)]
pub(crate) struct World {
    pub shards: Vec<WorldShard>,
    pub short_side: f32,
    pub aesthetic: f32,
    pub columns: [&'static str; 2],
    pub demonstration: Vec<Demonstration>,
    /// A pipeline without regions unless a test gives some.
    pub regions: Option<made_up::Regions>,
}

impl Shards for World {
    type Open = FakeShard;
    fn numbered(&self, seq: u32) -> Result<Arc<FakeShard>, ShardError> {
        Ok(self.shards.iter().find(|shard| shard.seq == seq).expect("a shard of this world").open.clone())
    }
    fn named(&self, name: &str, fingerprint: ContentHash) -> Result<Arc<FakeShard>, ShardError> {
        let found = self
            .shards
            .iter()
            .find(|shard| shard.name == name && shard.open.index.fingerprint == fingerprint);
        found
            .map(|shard| shard.open.clone())
            .ok_or_else(|| ShardError::Usage(format!("shard {name} is gone")))
    }
}

impl World {
    pub(crate) fn new(names: &[&str], samples: u32) -> Self {
        let made = |(seq, name): (usize, &&str)| made_up_shard(name, 0, samples, seq as u32 + 1);
        World {
            shards: names.iter().enumerate().map(made).collect(),
            short_side: 1280.0,
            aesthetic: 4.75,
            columns: ["short_side", "aesthetic"],
            demonstration: Vec::new(),
            regions: None,
        }
    }

    pub(crate) fn with_regions(self) -> Self {
        World { regions: Some(made_up::Regions::default()), ..self }
    }

    pub(crate) fn dials(&self) -> Vec<DialSetting> {
        let mut dials = vec![
            dial("short_side", "px", self.short_side, 1280.0),
            dial("aesthetic", "0 to 10", self.aesthetic, 4.75),
        ];
        dials.extend(self.regions.iter().map(|it| dial("detection", "0 to 1", it.detection, 0.3)));
        dials
    }

    /// Every row of a shard, and where it ended.
    fn samples<'a>(&'a self, shard: &'a WorldShard) -> impl Iterator<Item = (&'a Sample, Verdict)> {
        shard.open.index.samples.iter().zip(self.verdicts(shard))
    }

    fn verdicts(&self, shard: &WorldShard) -> Vec<Verdict> {
        let verdict = |fate: &Fate| match &fate.aesthetic {
            Err(refused) if refused.stage == "probe" => Verdict::Refused(Box::new(refused.clone())),
            _ if !passes(fate.short_side, self.short_side) => {
                Verdict::Gated { dial: "short_side", score: fate.short_side }
            }
            Err(refused) => Verdict::Refused(Box::new(refused.clone())),
            Ok(score) if !passes(*score, self.aesthetic) => {
                Verdict::Gated { dial: "aesthetic", score: *score }
            }
            Ok(score) => Verdict::Kept(Box::new([fate.short_side, *score])),
        };
        shard.fates.iter().map(verdict).collect()
    }

    pub(crate) fn commit(&self, out: &Path) -> Result<Committed, PublishError> {
        self.commit_as(out, |_| {})
    }

    /// Commits what `change` makes of the verdicts.
    pub(crate) fn commit_as(
        &self,
        out: &Path,
        change: impl FnOnce(&mut Vec<Vec<Verdict>>),
    ) -> Result<Committed, PublishError> {
        self.commit_with(out, change, |_| {})
    }

    /// Commits what the two make of the verdicts, and of those of the regions.
    pub(crate) fn commit_with(
        &self,
        out: &Path,
        change: impl FnOnce(&mut Vec<Vec<Verdict>>),
        change_regions: impl FnOnce(&mut Verdicts),
    ) -> Result<Committed, PublishError> {
        self.want(change, change_regions, |wanted| commit_from(out, wanted, self))
    }

    /// Hands on what is wanted when the two have changed the verdicts, and those of the regions.
    pub(crate) fn want<T>(
        &self,
        change: impl FnOnce(&mut Vec<Vec<Verdict>>),
        change_regions: impl FnOnce(&mut Verdicts),
        take: impl FnOnce(&Wanted<'_>) -> T,
    ) -> T {
        let (dials, mut stages) = (self.dials(), stages());
        let mut of_regions = self.regions.as_ref().map_or_else(Verdicts::default, |it| it.verdicts(self));
        change_regions(&mut of_regions);
        let sorts = made_up::sorts();
        let pieces = self.regions.as_ref().map(|regions| WantedPieces {
            verdicts: &of_regions,
            sorts: &sorts,
            recorder: &regions.recorder,
        });
        if pieces.is_some() {
            stages.splice(3..3, made_up::region_stages());
        }
        let mut verdicts: Vec<_> = self.shards.iter().map(|shard| self.verdicts(shard)).collect();
        change(&mut verdicts);
        let shards = self.shards.iter().zip(&verdicts);
        let wanted = Wanted {
            pipeline: "prepare",
            stages: &stages,
            dials: &dials,
            score_columns: &self.columns,
            shards: shards
                .map(|(it, verdicts)| WantedShard { seq: it.seq, name: &it.name, verdicts })
                .collect(),
            pieces,
            demonstration: &self.demonstration,
        };
        take(&wanted)
    }

    /// What `out` must hold, by a commit into a folder that was never there.
    pub(crate) fn fresh_bytes(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let folder = scratch();
        self.commit(&folder.path().join("out")).unwrap();
        tree(&folder.path().join("out"))
    }
}

/// A NaN passes no gate.
fn passes(score: f32, dial: f32) -> bool {
    score > dial
}

fn dial(name: &'static str, unit: &'static str, value: f32, default: f32) -> DialSetting {
    DialSetting {
        name,
        group: None,
        unit,
        comparison: ">",
        value,
        share: None,
        default,
        labels: None,
        about: "What | it\nis about.",
    }
}

pub(crate) fn stages() -> Vec<StageDescription> {
    let stamp = Stamp::of(&[("operator", b"aesthetic/1")]);
    vec![
        StageDescription::Probe,
        StageDescription::Gate { dial: "short_side", of: Of::Pictures, open: false },
        StageDescription::Ask {
            name: "aesthetic",
            of: Of::Pictures,
            stamp,
            model: "a made-up model".to_owned(),
        },
        StageDescription::Gate { dial: "aesthetic", of: Of::Pictures, open: false },
    ]
}

/// A shard whose every byte follows from its name, version and length.
pub(crate) fn made_up_shard(name: &str, version: u32, samples: u32, seq: u32) -> WorldShard {
    let mut random = Random::of(&format!("{name} {version}"));
    let mut shard = FakeShard {
        index: ShardIndex {
            fingerprint: ContentHash::of(format!("{name}/{version}/{samples}").as_bytes()),
            samples: vec![],
            passed_over: 0,
        },
        bytes: Vec::new(),
        sidecars: Vec::new(),
    };
    let mut fates = Vec::new();
    for number in 0..samples {
        let sample = made_up_sample(&mut shard, &format!("{name}-{number:05}"), &mut random);
        let short_side =
            sample.picture.as_ref().map_or(0.0, |picture| picture.width.min(picture.height).into());
        let aesthetic = match &sample.picture {
            Err(refusal) => Err(Refused { stage: "probe".into(), refusal: refusal.clone() }),
            Ok(_) if random.below(10) == 0 => Err(Refused {
                stage: "aesthetic".into(),
                refusal: Refusal::transient("timeout", "30 s, at most 30 s"),
            }),
            Ok(_) => Ok(random.below(1000) as f32 / 100.0),
        };
        fates.push(Fate { short_side, aesthetic });
        shard.index.samples.push(sample);
    }
    WorldShard { seq, name: name.to_owned(), open: Arc::new(shard), fates }
}

fn made_up_sample(shard: &mut FakeShard, key: &str, random: &mut Random) -> Sample {
    let mut members = Vec::new();
    let mut add = |extension: &str, bytes: &[u8]| {
        shard.bytes.resize((shard.bytes.len() + 512) / 512 * 512, 0);
        members.push(Member {
            extension: extension.to_owned(),
            offset: shard.bytes.len() as u64,
            len: bytes.len() as u64,
        });
        shard.bytes.extend_from_slice(bytes);
    };
    let caption = (random.below(3) > 0).then(|| format!("a \"picture\" of\n{key}"));
    let json = format!("{{\"url\":\"https://example.org/{key}\"}}");
    let pixels = format!("the picture {key} {}", random.below(1 << 30)).repeat(1 + random.below(90) as usize);
    add("json", json.as_bytes());
    add("jpg", pixels.as_bytes());
    add("txt", caption.as_deref().unwrap_or("").as_bytes());
    let picture = if random.below(8) == 0 {
        Err(Refusal::permanent("cut_picture", "the picture ends after 12 bytes"))
    } else {
        Ok(Picture {
            member: 1,
            content: ContentHash::of(pixels.as_bytes()),
            format: Format::Jpeg,
            width: 1000 + random.below(1000) as u16,
            height: 1000 + random.below(1000) as u16,
            orientation: 1,
        })
    };
    let broken = random.below(9) == 0;
    shard.sidecars.push(Sidecar { json: (!broken).then_some(json), caption });
    let sidecar_refusal =
        broken.then(|| Box::new(Refusal::permanent("bad_json", "expected a value at line 1")));
    Sample { key: key.to_owned(), members, picture, numbers: vec![], sidecar_refusal }
}

/// A temporary folder, in memory where that can be had: these tests sync thousands of files.
pub(crate) fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Xorshift: the same numbers on every machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn of(seed: &str) -> Self {
        Random(u64::from_le_bytes(ContentHash::of(seed.as_bytes()).0[..8].try_into().unwrap()) | 1)
    }
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

/// Every file below `folder` but the dot-files of its root, with its bytes.
pub(crate) fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            if path.file_name().unwrap().to_str().unwrap().starts_with('.') {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                files.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    files
}

/// That two trees are one, told by name where they are not.
#[track_caller]
pub(crate) fn assert_same(found: &BTreeMap<PathBuf, Vec<u8>>, wanted: &BTreeMap<PathBuf, Vec<u8>>) {
    let names = |tree: &BTreeMap<PathBuf, Vec<u8>>| tree.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(wanted));
    for (path, bytes) in wanted {
        assert!(&found[path] == bytes, "{} differs", path.display());
    }
}
