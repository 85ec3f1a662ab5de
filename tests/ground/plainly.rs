//! The ground pipeline as plain functions: what each question's answer is, and from there, without any engine, where every
//! picture and every region ends, what is published, and what has to be asked.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::path::Path;

use serde_json::Value;
use threshflow::flow::{Found, PieceVerdict};
use threshflow::publish::Table;
use threshflow::row::{
    ContentHash, Handle, Image, Of, Refusal, Region, RegionKind, Row, RowId, Verdict, With, WithHandle,
};

use super::Words;
use super::edits::choose;
use crate::shards::Sample;

/// The words that a sidecar tells; none where it tells of none, and refused where that is no list.
pub fn words(json: Option<&str>) -> Result<Vec<String>, Refusal> {
    let value: serde_json::Value = json.map(serde_json::from_str).and_then(Result::ok).unwrap_or_default();
    match value.get("tags") {
        None => Ok(Vec::new()),
        Some(tags) => serde_json::from_value(tags.clone())
            .map_err(|_| Refusal::permanent("bad_tags", "the sidecar's tags are no list")),
    }
}

/// How a word is spelled: what the book says of it.
pub fn spelled(word: &str) -> Vec<u8> {
    word.bytes().rev().chain(*b" backwards").collect()
}

/// A number of a hash: another one for every `at`.
fn number(content: ContentHash, at: usize) -> u32 {
    let bytes = &content.0[at * 3..at * 3 + 4];
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// From 0 to 12 regions (or `exactly` so many), of a picture and its words; one in 19 is refused.
pub fn find<W: AsRef<[u8]>>(
    picture: ContentHash,
    words: &[String],
    spelled: &[W],
    exactly: Option<usize>,
) -> Result<Vec<Found>, Refusal> {
    if words.is_empty() {
        return Ok(Vec::new());
    }
    let mut all = picture.0.to_vec();
    spelled.iter().for_each(|word| all.extend_from_slice(word.as_ref()));
    let seed = ContentHash::of(&all);
    if exactly.is_none() && number(seed, 0).is_multiple_of(19) {
        return Err(Refusal::permanent("lost", "nothing can be made out"));
    }
    let count = exactly.unwrap_or(number(seed, 1) as usize % 13);
    let mut found: Vec<Found> = Vec::new();
    for place in 0..count {
        let hash = ContentHash::of(&[&seed.0[..], &place.to_le_bytes()].concat());
        let noun = number(hash, 0) as usize % words.len();
        let [left, top, width, height] =
            [1, 2, 3, 4].map(|at| number(hash, at) >> 4).map(|n| (n % 17) as f32);
        let score = match number(hash, 0) >> 8 {
            n if n.is_multiple_of(15) => f32::NAN,
            n => (n % 9) as f32 / 8.0,
        };
        let again = number(hash, 2).is_multiple_of(7);
        found.push(match found.last() {
            // The same box under the same word once more: one question, two regions.
            Some(last) if again => Found { score, ..last.clone() },
            _ => Found {
                kind: if words[noun].starts_with('b') { RegionKind::Background } else { RegionKind::Object },
                noun: noun as u16,
                noun_text: words[noun].clone(),
                bbox: [left, top, left + width + 1.0, top + height + 1.0],
                score,
                told_by: None,
            },
        });
    }
    Ok(found)
}

type Stored = (bool, u16, String, [u32; 4], u32);

/// Regions as they are remembered.
pub fn body_of(found: &[Found]) -> Vec<u8> {
    let stored = |one: &Found| -> Stored {
        let background = one.kind == RegionKind::Background;
        (background, one.noun, one.noun_text.clone(), one.bbox.map(f32::to_bits), one.score.to_bits())
    };
    serde_json::to_vec(&found.iter().map(stored).collect::<Vec<_>>()).expect("regions are JSON")
}

pub fn found_in(blob: &[u8]) -> Result<Vec<Found>, Refusal> {
    let stored: Vec<Stored> = serde_json::from_slice(blob)
        .map_err(|error| Refusal::transient("foreign_answer", error.to_string()))?;
    let found = |(background, noun, noun_text, bbox, score): Stored| Found {
        kind: if background { RegionKind::Background } else { RegionKind::Object },
        noun,
        noun_text,
        bbox: bbox.map(f32::from_bits),
        score: f32::from_bits(score),
        told_by: None,
    };
    Ok(stored.into_iter().map(found).collect())
}

/// How good a region's mask is; one in 17 is refused.
pub fn quality(region: ContentHash) -> Result<f32, Refusal> {
    match number(region, 0) {
        n if n.is_multiple_of(17) => Err(Refusal::permanent("no_mask", "nothing is in the box")),
        n if n % 13 == 5 => Ok(f32::NAN),
        n => Ok((n % 5) as f32 / 4.0),
    }
}

/// Whether the mask of a region is refused.
pub fn has_no_mask(region: &ContentHash) -> bool {
    quality(*region).is_err()
}

/// A region's mask.
pub fn mask(region: ContentHash) -> Vec<u8> {
    format!("the mask of {region}").into_bytes()
}

/// How well a region shows its word, and how pleasing it is; one in 23 is refused.
pub fn judged(region: ContentHash) -> Result<(f32, f32), Refusal> {
    let n = number(region, 2);
    if n.is_multiple_of(23) {
        return Err(Refusal::permanent("blank", "there is nothing to judge"));
    }
    let clip = if n % 11 == 3 { f32::NAN } else { (n % 9) as f32 / 8.0 };
    let pleasing = if n % 29 == 7 { f32::NAN } else { (n / 16 % 11) as f32 };
    Ok((clip, pleasing))
}

/// How well an edit came out; one in 13 is refused.
pub fn made(edit: ContentHash) -> Result<f32, Refusal> {
    match number(edit, 1) {
        n if n.is_multiple_of(13) => Err(Refusal::permanent("unmade", "it cannot be made")),
        n if n % 11 == 4 => Ok(f32::NAN),
        n => Ok((n % 5) as f32 / 4.0),
    }
}

/// A picture's record.
pub fn record(words: &[String], regions: &[(u16, &str, String)]) -> String {
    let region = |(number, word, mask): &(u16, &str, String)| serde_json::json!({ "number": number, "word": word, "mask": mask });
    let regions: Vec<_> = regions.iter().map(region).collect();
    serde_json::json!({ "words": words, "segments": regions }).to_string()
}

fn kept(scores: &[f32]) -> String {
    format!("kept {scores:?}")
}

fn gated(dial: &str, score: f32) -> String {
    format!("held back by {dial} at {score:?}")
}

fn refused(stage: &str, class: &str) -> String {
    format!("refused by {stage}: {class}")
}

/// A verdict without its message, so that a test states what it must be and not how it is said.
pub fn of_picture(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Kept(scores) => kept(scores),
        Verdict::Gated { dial, score } => gated(dial, *score),
        Verdict::Refused(was) => refused(&was.stage, &was.refusal.class),
    }
}

pub fn of_piece(verdict: &PieceVerdict) -> String {
    match verdict {
        PieceVerdict::Kept { content, scores } => format!("{} {content}", kept(scores)),
        PieceVerdict::Gated { dial, score } => gated(dial, *score),
        PieceVerdict::Refused(was) => refused(&was.stage, &was.refusal.class),
    }
}

/// What the parts in `out` say of rejected pieces, as [`Plain::rejected`].
pub fn published_rejected(out: &Path) -> BTreeMap<String, Rejected> {
    let mut all = BTreeMap::new();
    for of in Of::PIECES {
        let folder = out.join(format!("{}_rejected", of.plural()));
        for part in std::fs::read_dir(folder).into_iter().flatten() {
            let table = Table::open(&part.expect("a part").path()).expect("a table");
            let mut columns = vec![
                "shard",
                "key",
                of.singular(),
                "stage",
                "dial",
                "score",
                "class",
                "rejected",
                "content",
                "scores",
            ];
            if of == Of::Regions {
                columns.extend(["word", "mask"]);
            }
            let stopped = table.read(&columns, |_, row| {
                let text = |at: usize| row.get(at).and_then(Value::as_str).map(str::to_owned);
                let number = |value: &Value| value.as_f64().map(|score| score as f32);
                let scores = score_names(of).iter().map(|name| number(&row[9][*name])).collect();
                let reason = match text(4) {
                    Some(dial) => gated(&dial, number(&row[5]).unwrap_or(f32::NAN)),
                    None => refused(&text(3).expect("a stage"), &text(6).expect("a class")),
                };
                let name = format!(
                    "{}/{}/{}/{}",
                    text(0).expect("a shard"),
                    text(1).expect("a key"),
                    of.singular(),
                    row[2]
                );
                let whose = text(7).expect("whose reason it is");
                let rejected =
                    Rejected { whose, reason, content: text(8), scores, word: text(10), mask: text(11) };
                assert!(all.insert(name, rejected).is_none(), "a piece is there twice");
                ControlFlow::<()>::Continue(())
            });
            assert!(stopped.expect("reads").is_none());
        }
    }
    all
}

/// Where the dials of the ground pipeline stand, in the order of their declaration.
#[derive(Clone, Copy, Debug)]
pub struct At<'a>(pub &'a [f32]);

/// A region or an edit that is published among the rejected ones.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejected {
    /// `region`, `edit` or `picture`.
    pub whose: String,
    /// As a verdict.
    pub reason: String,
    pub content: Option<String>,
    /// None where it is not known, or no number.
    pub scores: Vec<Option<f32>>,
    pub word: Option<String>,
    pub mask: Option<String>,
}

/// A region or an edit and how far it came.
#[derive(Clone, Debug)]
struct Piece {
    of: Of,
    number: u16,
    verdict: String,
    content: Option<ContentHash>,
    scores: Vec<f32>,
    word: Option<String>,
}

/// In the order in which pieces are told them.
fn score_names(of: Of) -> &'static [&'static str] {
    if of == Of::Regions { &["sure", "area", "quality", "clip", "pleasing"] } else { &["made"] }
}

impl Piece {
    /// How it is published where its picture ended so; `None` where it is published with it.
    fn rejected(self, picture: &str) -> Option<Rejected> {
        let is_kept = self.verdict.starts_with("kept");
        if is_kept && picture.starts_with("kept") {
            return None;
        }
        // Sure, the area, the mask's quality.
        let masked = self.of == Of::Regions && self.scores.len() > 2;
        let finite = |score: &f32| Some(*score).filter(|score| score.is_finite());
        let mut scores: Vec<Option<f32>> = self.scores.iter().map(finite).collect();
        scores.resize(score_names(self.of).len(), None);
        Some(Rejected {
            whose: if is_kept { "picture".into() } else { self.of.singular().into() },
            reason: if is_kept { picture.to_owned() } else { self.verdict },
            content: self.content.map(|content| content.to_string()),
            scores,
            word: self.word,
            mask: self
                .content
                .filter(|_| masked)
                .map(|content| String::from_utf8(mask(content)).expect("text")),
        })
    }
}

/// All that a run comes to.
#[derive(Clone, Debug, Default)]
pub struct Plain {
    /// By `shard/key#place`.
    pub pictures: BTreeMap<String, String>,
    /// By `shard/key#place/number`.
    pub regions: BTreeMap<String, String>,
    /// Likewise, of edits.
    pub edits: BTreeMap<String, String>,
    /// What is published of the regions and the edits that are in no kept picture, by `shard/key/region/number`.
    pub rejected: BTreeMap<String, Rejected>,
    /// Of the picture at hand.
    pieces: Vec<Piece>,
    /// The records of what is published, by `shard/key`.
    pub records: BTreeMap<String, String>,
    /// What has to be asked, by stage. Of `words`, something that stands for every sample.
    pub asks: BTreeMap<&'static str, BTreeSet<ContentHash>>,
}

impl Plain {
    fn ask(&mut self, stage: &'static str, content: ContentHash) {
        self.asks.entry(stage).or_default().insert(content);
    }

    /// How many questions of a stage were not asked before.
    pub fn fresh(&self, stage: &str, known: &BTreeMap<&'static str, BTreeSet<ContentHash>>) -> u64 {
        let nothing = BTreeSet::new();
        let known = known.get(stage).unwrap_or(&nothing);
        self.asks.get(stage).map_or(0, |asks| asks.difference(known).count() as u64)
    }
}

/// What a run over these shards comes to with the dials at `at`.
pub fn plain<'a>(
    shards: impl IntoIterator<Item = (&'a str, &'a [Sample])>,
    at: At<'_>,
    exactly: Option<usize>,
) -> Plain {
    let mut all = Plain::default();
    for (shard, samples) in shards {
        for (place, sample) in samples.iter().enumerate() {
            let name = format!("{shard}/{}#{place}", sample.key);
            let verdict = all.picture(shard, &name, sample, at, exactly).unwrap_or_else(|ended| ended);
            for piece in std::mem::take(&mut all.pieces) {
                let name = format!("{shard}/{}/{}/{}", sample.key, piece.of.singular(), piece.number);
                all.rejected.extend(piece.rejected(&verdict).map(|rejected| (name, rejected)));
            }
            all.pictures.insert(name, verdict);
        }
    }
    all
}

impl Plain {
    /// Where a picture ends; as an error, where that is before its regions are counted.
    fn picture(
        &mut self,
        shard: &str,
        name: &str,
        sample: &Sample,
        at: At<'_>,
        exactly: Option<usize>,
    ) -> Result<String, String> {
        let decoded =
            image::load_from_memory(&sample.picture).map_err(|_| refused("probe", "not_a_picture"))?;
        let (width, height) = (decoded.width() as u16, decoded.height() as u16);
        let side = f32::from(width.min(height));
        if side <= at.0[0] {
            return Err(gated("short_side", side));
        }
        let content = ContentHash::of(&sample.picture);
        let id = RowId { shard: 0, member: 0 };
        let image = Image { id, content, width, height };
        self.ask("words", ContentHash::of(&[name.as_bytes(), &content.0].concat()));
        let words = words(sample.json.as_deref()).map_err(|was| refused("words", &was.class))?;
        let blob = serde_json::to_vec(&words).expect("words are JSON");
        if !words.is_empty() {
            self.ask("find", With::new(image.clone(), Handle::<Words>::of(&blob)).content());
            words.iter().for_each(|word| self.ask("spelling", ContentHash::of(word.as_bytes())));
        }
        let spelling: Vec<Vec<u8>> = words.iter().map(|word| spelled(word)).collect();
        let found = find(content, &words, &spelling, exactly).map_err(|was| refused("find", &was.class))?;
        let (mut kept_regions, mut candidates) = (Vec::new(), Vec::new());
        for (number, one) in found.iter().enumerate() {
            let region = one.region(&image, number as u16);
            let (verdict, scores) = self.region(&region, one.score, at);
            self.pieces.push(Piece {
                of: Of::Regions,
                number: number as u16,
                verdict: verdict.0.clone(),
                content: Some(region.content()),
                scores,
                word: Some(one.noun_text.clone()),
            });
            if let Ok(content) = &verdict.1 {
                let mask = String::from_utf8(mask(*content)).expect("a mask is text");
                kept_regions.push((number as u16, one.noun_text.as_str(), mask));
                candidates.push(region.clone());
            }
            self.regions.insert(format!("{name}/{number}"), verdict.0);
        }
        let count = kept_regions.len() as f32;
        if count < at.0[10] {
            return Ok(gated("regions", count));
        }
        let told = With::new(image, Handle::<Words>::of(&blob));
        let edits = self.edits_of(name, &told, &candidates, at);
        if edits < at.0[12] {
            return Ok(gated("edits", edits));
        }
        self.records.insert(format!("{shard}/{}", sample.key), record(&words, &kept_regions));
        Ok(kept(&[side, found.len() as f32, count, edits]))
    }

    /// Where the edits of a picture end; gives how many of them are left.
    fn edits_of(
        &mut self,
        name: &str,
        told: &WithHandle<Image, Words>,
        candidates: &[Region],
        at: At<'_>,
    ) -> f32 {
        let mut left = 0.0;
        for chosen in choose(candidates) {
            let number = chosen.number;
            let edit = chosen.edit(&told.row, told.content(), candidates);
            let (content, mut scores) = (edit.as_ref().ok().map(Row::content), Vec::new());
            let verdict = edit.map_err(|was| refused("choose", &was.class)).and_then(|edit| {
                self.ask("make", edit.content());
                let made = made(edit.content()).map_err(|was| refused("make", &was.class))?;
                scores.push(made);
                match made >= at.0[11] {
                    true => Ok(format!("{} {}", kept(&[made]), edit.content())),
                    false => Err(gated("made", made)),
                }
            });
            left += f32::from(u8::from(verdict.is_ok()));
            let verdict = verdict.unwrap_or_else(|ended| ended);
            self.edits.insert(format!("{name}/{number}"), verdict.clone());
            self.pieces.push(Piece { of: Of::Edits, number, verdict, content, scores, word: None });
        }
        left
    }

    /// Where a region ends, and its content, if that is with its picture; and the scores that it had by then.
    fn region(
        &mut self,
        region: &Region,
        sure: f32,
        at: At<'_>,
    ) -> ((String, Result<ContentHash, ()>), Vec<f32>) {
        let content = region.content();
        let ended = |verdict: String, scores: &[f32]| ((verdict, Err(())), scores.to_vec());
        let passes =
            |passes: bool, dial: &str, score: f32| if passes { Ok(()) } else { Err(gated(dial, score)) };
        if let Err(verdict) = passes(sure > at.0[1], "sure", sure) {
            return ended(verdict, &[sure]);
        }
        let area = super::area(region);
        let is_object = region.kind == RegionKind::Object;
        let by_area = match is_object {
            true => passes(area > at.0[2], "object_area", area)
                .and_then(|()| passes(area <= at.0[3], "object_area_most", area)),
            false => passes(area > at.0[4], "background_area", area),
        };
        if let Err(verdict) = by_area {
            return ended(verdict, &[sure, area]);
        }
        self.ask("mask", content);
        let quality = match quality(content) {
            Ok(quality) => quality,
            Err(was) => return ended(refused("mask", &was.class), &[sure, area]),
        };
        self.ask("judge", content);
        let (clip, pleasing) = match judged(content) {
            Ok(scores) => scores,
            Err(was) => return ended(refused("judge", &was.class), &[sure, area, quality]),
        };
        let scores = [sure, area, quality, clip, pleasing];
        let held_back = match is_object {
            true if clip >= at.0[5] || area >= at.0[6] && quality >= at.0[7] => None,
            true => Some(gated("object_clip", clip)),
            false if clip >= at.0[8] && quality >= at.0[7] || pleasing >= at.0[9] => None,
            false if clip >= at.0[8] => Some(gated("quality", quality)),
            false => Some(gated("background_clip", clip)),
        };
        match held_back {
            Some(verdict) => ended(verdict, &scores),
            None => ((format!("{} {content}", kept(&scores)), Ok(content)), scores.to_vec()),
        }
    }
}
