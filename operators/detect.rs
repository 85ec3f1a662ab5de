//! `detect`: the boxes of a picture's nouns, by an open-vocabulary detector, as ImgEdit found them.
//!
//! The model's arithmetic is in [`detect_model`](mod@crate::models::detect_model). This file makes it an operator. Its answer is the number
//! of regions that were found. The blob says what they are, each with its noun, its box and its score, best first. It contains all regions
//! that score above 0.005, so that a dial can cut anywhere above that without asking again.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use threshflow::flow::{Finds, Found, too_many_regions};
use threshflow::lane::{Key, Known, Limits, Operator, Question, Reply, Subject};
use threshflow::row::{ContentHash, Refusal, RegionKind, Score, Stamp, Unit};
use threshflow::shard::{Catalogue, Picture};

use crate::models::detect_model::{self, DetectModel, DetectSettings, Detector, Vocabulary};
use crate::models::labels::Labels;
use crate::models::texts::Texts;
use crate::onnx::{Backend, OnnxError, Pooled, SessionPlan, SessionPool};
use crate::pixels::decode::{Rgb, decode, decoded_bytes_of};
use crate::pixels::letterbox::Boxed;
use crate::plan::noun_list::{NounList, NounSource};
use crate::record::records::{Records, Released, value_of};

/// How sure the detector is of a region, 0 to 1. Real detectors of open vocabularies are seldom above 0.9.
pub struct Detection;
impl Unit for Detection {
    const NAME: &'static str = "score";
    const UNIT: &'static str = "detector's score, 0 to 1";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 1.0;
}

/// How many regions were found in a picture, before any dial.
pub struct FoundRegions;
impl Unit for FoundRegions {
    const NAME: &'static str = "found";
    const UNIT: &'static str = "regions";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 1000.0;
}

/// Raise this when the code changes what is found.
const VERSION: &[u8] = b"detect/2";

/// The number of a noun that nobody listed.
const NOT_LISTED: u16 = u16::MAX;

/// A region as it is remembered: a list of them, and behind it, where a released record told of them, the record's hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stored {
    background: bool,
    noun: u16,
    noun_text: String,
    bbox: [f32; 4],
    score: f32,
}

/// Looks for a picture's nouns in it.
pub struct Detect {
    model: DetectModel,
    pool: Arc<SessionPool<Detector>>,
    labels: Labels,
    /// `None` for a baked vocabulary.
    texts: Option<Arc<Texts>>,
    records: Records,
}

impl Detect {
    /// The detector in `folder`, on `cores` cores; `texts` embeds the nouns for one that takes text.
    pub fn open(
        folder: &Path,
        backend: &Backend,
        cores: usize,
        settings: DetectSettings,
        nouns: Arc<dyn NounSource>,
        texts: Option<Arc<Texts>>,
        records: Records,
    ) -> Result<Self, OnnxError> {
        let model = DetectModel::open(folder, backend, settings)?;
        let failed = |why: String| OnnxError::Folder { path: folder.to_path_buf(), why };
        match (model.kind(), &texts) {
            (Vocabulary::Asked { .. }, None) => {
                return Err(failed(
                    "this detector takes text, and there is no text tower: put text_model.onnx and tokenizer.json into its \
                     folder, or name a CLIP with --detector-text"
                        .to_owned(),
                ));
            }
            (Vocabulary::Asked { dimension }, Some(texts)) => {
                if let Some(found) = texts.dimension().filter(|found| found != dimension) {
                    let why = format!(
                        "it takes embeddings of {dimension} numbers, and the text tower gives {found}"
                    );
                    return Err(failed(why));
                }
            }
            (Vocabulary::Baked { .. }, _) => {}
        }
        let texts = texts.filter(|_| matches!(model.kind(), Vocabulary::Asked { .. }));
        let mut plan = SessionPlan::new(backend, model.bytes(), cores);
        // One on a CPU, as everywhere: what is found in a picture may not depend on which others it was asked with.
        plan.most_a_batch = model.fixed_batch().unwrap_or(if backend.on_gpu() { 16 } else { 1 });
        let opened = model.clone();
        let pool = SessionPool::open(
            plan,
            move |place, threads| opened.open_session(place, threads),
            |_, _| Ok(()),
        )?;
        let labels = Labels::new(model.kind(), nouns);
        Ok(Detect { model, pool: Arc::new(pool), labels, texts, records })
    }

    /// What regions' numbers of nouns mean.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// What neither the detector's folder nor its graph says and was guessed, for people.
    pub fn guesses(&self) -> &[String] {
        self.model.guesses()
    }

    /// The nouns that are looked for; none are, where the detector has labels of its own.
    fn looked_for(&self, question: &Question) -> Result<NounList, Refusal> {
        if self.labels.are_baked() { Ok(NounList::default()) } else { self.labels.nouns(question) }
    }

    fn reply(&self, found: Vec<Stored>) -> Reply<Score<FoundRegions>> {
        let blob = postcard::to_stdvec(&found).unwrap_or_default();
        Reply::with_blob(Score::of(found.len() as f32), blob)
    }

    /// The picture made ready to be looked at, decoded in full, for these nouns; none are looked for where the detector has labels of
    /// its own.
    pub(crate) fn ask_for(&self, picture: &Rgb, nouns: NounList) -> Result<Asked, Refusal> {
        let picture = self.model.letterbox().fit(picture)?;
        let embeddings = match &self.texts {
            Some(texts) => {
                let words: Vec<&str> = nouns.iter().collect();
                texts.embed(&words).into_iter().collect::<Result<_, _>>()?
            }
            None => Vec::new(),
        };
        let nouns = if self.labels.are_baked() { NounList::default() } else { nouns };
        Ok(Asked { picture, nouns, embeddings })
    }

    /// What is found in each picture, in order, best first.
    pub(crate) fn look(
        &self,
        session: &mut Pooled<Detector>,
        batch: &[&Asked],
    ) -> Vec<Result<Vec<Spotted>, Refusal>> {
        let found = self.detections(session, batch);
        let spotted =
            |stored: Stored| Spotted { noun: stored.noun_text, bbox: stored.bbox, score: stored.score };
        let of_one = |(asked, found): (&&Asked, Result<Vec<_>, Refusal>)| {
            found.map(|found| self.stored(asked, found).into_iter().map(spotted).collect())
        };
        batch.iter().zip(found).map(of_one).collect()
    }

    /// Whether this noun can be found: by a detector with labels of its own, if it is one of them.
    pub(crate) fn can_find(&self, noun: &str) -> bool {
        !self.labels.are_baked() || self.labels.has_label(noun)
    }

    /// The embeddings of these nouns that were never asked.
    pub(crate) fn unknown_nouns<'a>(
        &self,
        nouns: impl Iterator<Item = &'a str>,
    ) -> Vec<(&'static str, ContentHash)> {
        self.texts.as_ref().map(|texts| texts.unknown(nouns)).unwrap_or_default()
    }

    /// All that shapes what is found in a picture, but for the nouns; by name.
    pub(crate) fn stamp_parts_of_looking(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut parts = vec![("detect", VERSION.to_vec())];
        parts.extend(self.model.stamp_parts());
        parts.extend(self.texts.as_ref().map(|texts| ("texts", texts.stamp().0.0.to_vec())));
        parts
    }

    /// The detector alone, for people.
    pub(crate) fn description(&self) -> String {
        format!("ONNX detector {}", &self.model.content_hash().to_string()[..8])
    }

    fn detections(
        &self,
        session: &mut Pooled<Detector>,
        batch: &[&Asked],
    ) -> Vec<Result<Vec<detect_model::Detection>, Refusal>> {
        let rows: Vec<Vec<&[f32]>> =
            batch.iter().map(|asked| asked.embeddings.iter().map(Vec::as_slice).collect()).collect();
        let questions: Vec<detect_model::Question<'_>> = batch
            .iter()
            .zip(&rows)
            .map(|(asked, nouns)| detect_model::Question { picture: &asked.picture, nouns })
            .collect();
        let found = self.pool.run(session, &questions, |detector, questions| detector.detect(questions));
        found.into_iter().map(|found| found.and_then(|found| found)).collect()
    }

    fn stored(&self, asked: &Asked, found: Vec<detect_model::Detection>) -> Vec<Stored> {
        let stored = |one: detect_model::Detection| {
            let class = one.class as usize;
            let (noun, kind) = self.labels.of_class(class).or_else(|| asked.nouns.get(class))?;
            Some(Stored {
                background: kind == RegionKind::Background,
                noun: one.class as u16,
                noun_text: noun.to_owned(),
                bbox: one.bbox,
                score: one.score,
            })
        };
        found.into_iter().filter_map(stored).collect()
    }
}

/// A picture, and what is looked for in it.
pub struct Asked {
    pub(crate) picture: Boxed,
    nouns: NounList,
    /// One a noun; none for a baked vocabulary.
    embeddings: Vec<Vec<f32>>,
}

/// Something that was found in a picture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spotted {
    pub(crate) noun: String,
    /// Left, top, right, bottom, in pixels.
    pub(crate) bbox: [f32; 4],
    /// 0 to 1.
    pub(crate) score: f32,
}

impl Finds for Detect {
    type Score = Detection;

    fn found(&self, blob: &[u8]) -> Result<Vec<Found>, Refusal> {
        let foreign =
            |why: String| Refusal::transient("foreign_answer", format!("not a list of regions: {why}"));
        let (stored, rest) =
            postcard::take_from_bytes::<Vec<Stored>>(blob).map_err(|error| foreign(error.to_string()))?;
        let record = match rest {
            [] => None,
            rest => {
                let hash = rest.try_into().map_err(|_| foreign(format!("{} bytes too many", rest.len())))?;
                Some(ContentHash(hash))
            }
        };
        let found = |(number, one): (usize, Stored)| Found {
            kind: if one.background { RegionKind::Background } else { RegionKind::Object },
            noun: one.noun,
            noun_text: one.noun_text,
            bbox: one.bbox,
            score: one.score,
            told_by: record.map(|record| Released::tells(record, number as u16)),
        };
        Ok(stored.into_iter().enumerate().map(found).collect())
    }
}

impl Operator for Detect {
    type Answer = Score<FoundRegions>;
    type Prepared = Asked;
    type Session = Pooled<Detector>;

    const KEY: Key = Key::Row;

    fn name(&self) -> &'static str {
        "detect"
    }

    fn stamp(&self) -> Stamp {
        let parts = self.model.stamp_parts();
        let (texts, records) = (self.texts.as_ref().map(|texts| texts.stamp()), self.records.stamp());
        let nouns = self.labels.stamp();
        let mut all: Vec<(&str, &[u8])> =
            vec![("operator", VERSION), ("nouns", &nouns.0.0), ("records", &records)];
        all.extend(parts.iter().map(|(name, value)| (*name, value.as_slice())));
        if let Some(texts) = &texts {
            all.push(("texts", &texts.0.0));
        }
        Stamp::of(&all)
    }

    fn demonstration(&self) -> Option<String> {
        self.model.demonstration().or_else(|| self.texts.as_ref()?.demonstration())
    }

    fn model(&self) -> String {
        let records = if self.records.is_some() { "released records, else " } else { "" };
        let words = match self.model.kind() {
            Vocabulary::Asked { .. } => "the picture's nouns".to_owned(),
            Vocabulary::Baked { labels } => format!("{} labels", labels.len()),
        };
        format!("{records}{} for {words}", self.description())
    }

    fn known(&self, question: &Question, shards: &Catalogue) -> Known<Score<FoundRegions>> {
        let nouns = match self.labels.nouns(question) {
            Ok(nouns) => nouns,
            // Whoever only counts questions may know no nouns yet.
            Err(refusal) if refusal.class == "not_remembered" => return Ok(None),
            // Who has labels needs none, but to read a record by.
            Err(_) if self.labels.are_baked() && !self.records.is_some() => return Ok(None),
            Err(refusal) => return Ok(Some(Err(refusal))),
        };
        // A record answers where the question says that it does: one that says no more than that there is this picture, and these
        // nouns, is asked by others too.
        if let Some(hash) = &nouns.record {
            let record = match self.records.of(question, shards)? {
                Some(Ok(record)) if record.hash().to_string() == *hash => record,
                Some(Err(refusal)) => return Ok(Some(Err(refusal))),
                _ => {
                    let lost = "the record that the picture's nouns are of is lost";
                    return Ok(Some(Err(Refusal::transient("not_remembered", lost))));
                }
            };
            if let Err(refusal) = record.fits(question, shards)? {
                return Ok(Some(Err(refusal)));
            }
            let found = of_record(&record, &nouns, &self.labels).map(|found| {
                let Reply { answer, blob } = self.reply(found);
                Reply { answer, blob: blob.map(|blob| [blob, record.hash().0.to_vec()].concat()) }
            });
            return Ok(Some(found));
        }
        // Nothing to look for: nothing is found, and nothing decoded.
        Ok((nouns.is_empty() && !self.labels.are_baked()).then(|| Ok(self.reply(Vec::new()))))
    }

    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64 {
        let (width, height) = (picture.width.into(), picture.height.into());
        decoded_bytes_of(bytes, width, height, picture.format, self.model.purpose()) + self.bytes_prepared(1)
    }

    fn bytes_prepared(&self, _questions: usize) -> u64 {
        self.model.letterbox().boxed_bytes() as u64
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<Asked, Refusal> {
        let (Some((picture, bytes)), Some(question)) = (subject.picture, subject.questions.first()) else {
            return Err(Refusal::transient("no_picture", "there is nothing to look at"));
        };
        let nouns = self.looked_for(question)?;
        let rgb = decode(bytes, picture.format, picture.orientation, self.model.purpose())?;
        self.ask_for(&rgb, nouns)
    }

    fn limits(&self) -> Limits {
        self.pool.limits()
    }

    fn open_session(&self) -> Result<Self::Session, String> {
        self.pool.open_session()
    }

    fn answer(
        &self,
        session: &mut Self::Session,
        batch: &[Asked],
    ) -> Vec<Result<Reply<Score<FoundRegions>>, Refusal>> {
        let found = self.detections(session, &batch.iter().collect::<Vec<_>>());
        let reply = |(asked, found): (&Asked, Result<Vec<_>, Refusal>)| {
            found.map(|found| self.reply(self.stored(asked, found)))
        };
        batch.iter().zip(found).map(reply).collect()
    }

    fn asks_in_turn(&self, questions: &[Question]) -> Vec<(&'static str, ContentHash)> {
        let unknown = |question: &Question| {
            let nouns = self.labels.nouns(question).unwrap_or_default();
            self.unknown_nouns(nouns.iter())
        };
        questions.iter().flat_map(unknown).collect()
    }
}

/// What a released record says was found.
fn of_record(record: &Released, nouns: &NounList, labels: &Labels) -> Result<Vec<Stored>, Refusal> {
    too_many_regions(record.regions().count()).map_or(Ok(()), Err)?;
    let stored = |(region, kind): (&crate::record::Region, RegionKind)| {
        let noun_text = region.class_name.as_str().trim().to_owned();
        let noun = labels.number_of(&noun_text, nouns).unwrap_or(NOT_LISTED);
        Stored {
            background: kind == RegionKind::Background,
            noun,
            noun_text,
            bbox: region.bbox_f32(),
            score: value_of(region.score.as_ref()),
        }
    };
    Ok(record.regions().map(stored).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caption::FixedVocabulary;
    use crate::record::Record;
    use crate::record::records::Released;

    #[test]
    fn a_record_with_more_regions_than_there_are_numbers_is_refused() {
        let of_record = |objects: usize, backgrounds: usize| {
            let regions = |count| vec![r#"{"class_name":"cat","bbox":[0,0,1,1]}"#; count].join(",");
            let (objects, backgrounds) = (regions(objects), regions(backgrounds));
            let text = format!(
                r#"{{"path":"a.jpg","segmentation":{{"object":[{objects}],"background":[{backgrounds}]}}}}"#
            );
            let record = Released::new(Record::parse(text.as_bytes()).unwrap());
            let nouns = NounList::of(["cat"], []).unwrap();
            let asked = Vocabulary::Asked { dimension: 1 };
            of_record(&record, &nouns, &Labels::new(&asked, Arc::new(FixedVocabulary(nouns.clone()))))
        };
        assert_eq!(of_record(65_535, 0).unwrap().len(), 65_535);
        for (objects, backgrounds) in [(65_536, 0), (40_000, 25_536)] {
            let refusal = of_record(objects, backgrounds).unwrap_err();
            assert_eq!(refusal.class, "too_many_regions");
            assert!(refusal.message.contains(&(objects + backgrounds).to_string()), "{refusal}");
        }
    }
}
