//! Released records as a source of answers: a user who downloaded ImgEdit's original data continues from it, and asks only what is missing.
//!
//! Each operator looks up a picture's record before it asks. What the record says is the answer, and is remembered like any other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use threshflow::flow::Found;
use threshflow::lane::Question;
use threshflow::row::{ContentHash, Refusal, Region as Row, RegionKind, Row as _, RowId};
use threshflow::shard::{Catalogue, ReadOptions, ShardError, Unreadable};

use crate::plan::noun_list::NounList;
use crate::record::tars::JsonsTars;
use crate::record::{Measure, Record, Region};

/// Records that were read lately are kept: a picture's regions ask for theirs one after another.
const MOST_KEPT: usize = 64;

/// The released records, or none.
#[derive(Clone, Default)]
pub struct Records(Option<Arc<Tars>>);

struct Tars {
    tars: JsonsTars,
    stamp: ContentHash,
    /// The records that were not read to the letter, each with what was mended.
    mended: Vec<String>,
    kept: Mutex<HashMap<RowId, Option<Looked>>>,
}

/// What looking a picture's record up gave.
type Looked = Result<Arc<Released>, Refusal>;

/// What a record says, as operators want it.
pub struct Released {
    pub record: Record,
    /// Of the record's text.
    hash: ContentHash,
}

/// Goes into the stamp of all that rests on records; raise it when the code changes what is made of one.
const VERSION: &[u8] = b"records/2";

impl Records {
    pub fn none() -> Self {
        Records(None)
    }

    /// Opens the tars of `jsons/` that the patterns name, and indexes their records.
    pub fn open(patterns: &[String], options: &ReadOptions) -> Result<Self, ShardError> {
        if patterns.is_empty() {
            return Ok(Records(None));
        }
        let tars = JsonsTars::open(patterns, options)?;
        // Which record a picture has follows from all of them: names that agree with two are refused.
        let mut hasher = blake3::Hasher::new();
        hasher.update(VERSION);
        let mut mended = Vec::new();
        for (name, record) in tars.records() {
            hasher.update(&(name.len() as u64).to_le_bytes()).update(name.as_bytes());
            // A record that cannot be read at this moment would count as none, or as a bad one.
            let record = record.map_err(|unreadable| ShardError::Io {
                path: name.clone().into(),
                source: std::io::Error::other(unreadable.to_string()),
                next: "run again with all records at hand",
            })?;
            if let Ok(Record { told: Some(told), .. }) = &record {
                mended.push(format!("{name}: {told}"));
            }
            let said = record.map(|record| record.to_json()).unwrap_or_else(|refusal| refusal.to_string());
            hasher.update(&(said.len() as u64).to_le_bytes()).update(said.as_bytes());
        }
        let stamp = ContentHash::from_hasher(&hasher);
        Ok(Records(Some(Arc::new(Tars { tars, stamp, mended, kept: Mutex::default() }))))
    }

    pub fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// How many records there are, and what of the tars could not be used.
    pub fn describe(&self) -> String {
        let Some(tars) = &self.0 else { return "none".to_owned() };
        let unusable = tars.tars.unusable();
        let first =
            unusable.first().map(|one| format!("; the first: {} {}: {}", one.tar, one.what, one.refusal));
        let mended = match &*tars.mended {
            [] => String::new(),
            [first, ..] => format!("; {} not read to the letter; the first: {first}", tars.mended.len()),
        };
        format!(
            "{} records, {} unusable{}{mended}",
            tars.tars.len(),
            unusable.len(),
            first.unwrap_or_default()
        )
    }

    /// Of all records: a part of the stamp of every answer that they may give. Empty without any.
    pub fn stamp(&self) -> Vec<u8> {
        self.0.as_ref().map(|tars| tars.stamp.0.to_vec()).unwrap_or_default()
    }

    /// The record of the picture with this key in the shard of this name, if there is one that is a record.
    pub fn named(&self, shard: &str, key: &str) -> Result<Option<Result<Record, Refusal>>, Unreadable> {
        self.0.as_ref().map_or(Ok(None), |tars| tars.tars.record_of(shard, key))
    }

    /// The record of the picture that the question is about, if there is one; an error where that cannot be told.
    pub fn of(&self, question: &Question, shards: &Catalogue) -> Result<Option<Looked>, Unreadable> {
        let Some(tars) = self.0.as_ref() else { return Ok(None) };
        let id = question.id;
        let lock = || tars.kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(known) = lock().get(&id) {
            return Ok(known.clone());
        }
        let shard = shards.shard(id.shard)?;
        let Some(sample) = shard.index.samples.get(id.member as usize) else { return Ok(None) };
        let found = tars.tars.record_of(&shard.name, &sample.key)?;
        let found = found.map(|record| record.map(|record| Arc::new(Released::new(record))));
        let mut kept = lock();
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(id, found.clone());
        Ok(found)
    }
}

impl Released {
    pub(crate) fn new(record: Record) -> Self {
        let hash = ContentHash::of(record.to_json().as_bytes());
        Released { record, hash }
    }

    /// The hash of what the record says.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// Refused as `record_of_another_size` where the record is of another size than the picture as it is shown: its boxes and masks
    /// would lie elsewhere.
    pub fn fits(&self, question: &Question, shards: &Catalogue) -> Result<Result<(), Refusal>, Unreadable> {
        let shard = shards.shard(question.id.shard)?;
        let sample = shard.index.samples.get(question.id.member as usize);
        let (Some(Ok(picture)), Some(record)) =
            (sample.map(|sample| &sample.picture), self.record.resolution.as_ref())
        else {
            return Ok(Ok(()));
        };
        let (width, height) = (u32::from(picture.width), u32::from(picture.height));
        if (record.width, record.height) == (width, height) {
            return Ok(Ok(()));
        }
        let message = format!(
            "the released record is of {} x {} pixels, and the picture has {width} x {height} as it is shown: its boxes lie elsewhere; \
             give the picture that it was made of, or leave the record out",
            record.width, record.height
        );
        Ok(Err(Refusal::permanent("record_of_another_size", message)))
    }

    /// What the region of this number is told by: [`Found::told_by`].
    pub fn tells(record: ContentHash, number: u16) -> ContentHash {
        ContentHash::of(&[record.0.as_slice(), &number.to_le_bytes()].concat())
    }

    /// What the record says of the region that a row is about. `None` where the row's region is not one of this record: a detector
    /// found it, or another record tells of it.
    pub fn region_of(&self, row: &Row) -> Option<&Region> {
        let (region, kind) = self.regions().nth(row.number.into())?;
        let same = Found {
            kind,
            noun: row.noun,
            noun_text: region.class_name.as_str().trim().to_owned(),
            bbox: region.bbox_f32(),
            score: value_of(region.score.as_ref()),
            told_by: Some(Released::tells(self.hash, row.number)),
        };
        (same.region(&row.image, row.number).content() == row.content()).then_some(region)
    }

    /// The record's tags; without tags, the nouns that its regions bear.
    pub fn nouns(&self) -> Result<NounList, Refusal> {
        let texts = |list: &Option<Vec<crate::record::Text>>| -> Vec<String> {
            list.iter().flatten().map(|text| text.as_str().to_owned()).collect()
        };
        let (mut objects, mut backgrounds) = match &self.record.tags {
            Some(tags) => (texts(&tags.object), texts(&tags.background)),
            None => (Vec::new(), Vec::new()),
        };
        // A region's noun that stands in neither list was looked for all the same.
        for (region, kind) in self.regions() {
            let noun = region.class_name.as_str().to_owned();
            if objects.contains(&noun) || backgrounds.contains(&noun) {
                continue;
            }
            match kind {
                RegionKind::Object => objects.push(noun),
                RegionKind::Background => backgrounds.push(noun),
            }
        }
        let nouns = NounList::of(objects.iter().map(String::as_str), backgrounds.iter().map(String::as_str))?;
        Ok(NounList { record: self.has_regions().then(|| self.hash.to_string()), ..nouns })
    }

    /// Whether the record says what was found; where it does not, a detector has to be asked.
    pub(crate) fn has_regions(&self) -> bool {
        self.record.segmentation.is_some()
    }

    /// What was found: objects, then backgrounds, in the order of the record. A region's place here is its number.
    pub fn regions(&self) -> impl Iterator<Item = (&Region, RegionKind)> {
        let segmentation = self.record.segmentation.as_ref();
        let objects = segmentation.and_then(|it| it.object.as_ref()).into_iter().flatten();
        let backgrounds = segmentation.and_then(|it| it.background.as_ref()).into_iter().flatten();
        let objects = objects.map(|one| (one, RegionKind::Object));
        objects.chain(backgrounds.map(|one| (one, RegionKind::Background)))
    }
}

/// A measure as a score: NaN where it is missing.
pub fn value_of(measure: Option<&Measure>) -> f32 {
    measure.map_or(f32::NAN, |measure| measure.value.as_f32())
}

#[cfg(test)]
mod tests {
    use super::*;
    use threshflow::row::Image;

    #[test]
    fn a_record_speaks_of_its_own_regions_only() {
        let record = |score: f32| {
            let text = format!(
                r#"{{"path":"a.jpg","segmentation":{{"object":[{{"class_name":"cat","bbox":[1,2,3,4],"score":{score}}}]}}}}"#
            );
            Released::new(Record::parse(text.as_bytes()).unwrap())
        };
        let (mine, other) = (record(0.5), record(0.25));
        let id = RowId { shard: 0, member: 0 };
        let content = ContentHash::of(b"a picture");
        let image = Image { id, content, width: 9, height: 9 };
        let region = |number, bbox, told_by| {
            let (kind, noun_text) = (RegionKind::Object, "cat".to_owned());
            Found { kind, noun: 0, noun_text, bbox, score: 0.5, told_by }.region(&image, number)
        };
        let here = [1.0, 2.0, 3.0, 4.0];
        let of_mine = region(0, here, Some(Released::tells(mine.hash(), 0)));
        assert_eq!(mine.region_of(&of_mine).unwrap().class_name.as_str(), "cat");
        assert!(other.region_of(&of_mine).is_none(), "another record's");
        assert!(mine.region_of(&region(0, here, None)).is_none(), "a detector's, in the same place");
        let elsewhere = region(0, [1.0, 2.0, 3.0, 5.0], Some(Released::tells(mine.hash(), 0)));
        assert!(mine.region_of(&elsewhere).is_none());
        let another_number = region(1, here, Some(Released::tells(mine.hash(), 1)));
        assert!(mine.region_of(&another_number).is_none());
    }
}
