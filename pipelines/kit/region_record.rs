//! What `recap_mask` publishes of a picture: ImgEdit's original-data record, as JSON and as nested columns.
//!
//! A record that came in (a released one, or the sidecar if it has that form) keeps all its unknown fields. What was found, masked and
//! scored here replaces the old values. `score` is the detector's; the mask's own quality is `mask_score`.

use std::sync::Arc;

use operators::caption::{CaptionSource, Captioned};
use operators::plan::noun_list::{NounList, NounSource};
use operators::record::records::Records;
use operators::record::{Number, Record, RecordParts, Region, RegionParts};
use operators::segment::StoredMask;
use operators::words::chat::reader::said;
use operators::{Detect, Nouns, Segment};
use serde_json::{Map, Value, json};
use threshflow::flow::{Finds, Found};
use threshflow::lane::{Key, Operator, Question, Stage};
use threshflow::publish::{KeptPicture, Nested, PublishedPiece, Recorder, RejectedPiece};
use threshflow::row::{ContentHash, Handle, Image, Of, RegionKind, Row, Stamp, With};

/// Raise this when the code changes what a record is.
const VERSION: &[u8] = b"recap_record/2";

/// Writes records out of what the stages remember.
pub struct RegionRecorder {
    /// Where a captioner's words are remembered; `None` where nobody captions.
    captions: Option<Arc<dyn CaptionSource>>,
    nouns: Arc<dyn NounSource>,
    detect: Arc<Stage<Detect>>,
    segment: Arc<Stage<Segment>>,
    records: Records,
}

impl RegionRecorder {
    pub fn new(
        captions: Option<Arc<dyn CaptionSource>>,
        nouns: Arc<dyn NounSource>,
        detect: Arc<Stage<Detect>>,
        segment: Arc<Stage<Segment>>,
        records: Records,
    ) -> Self {
        RegionRecorder { captions, nouns, detect, segment, records }
    }

    /// The record that came in with the picture: the released one, else the sidecar, if it has that form.
    fn base(&self, picture: &KeptPicture<'_>) -> Result<Record, String> {
        let released = self.records.named(picture.shard, &picture.sample.key);
        let released = released.map_err(|unreadable| unreadable.to_string())?.transpose();
        let sidecar = || Record::parse(picture.sidecar.json.as_deref()?.as_bytes()).ok();
        Ok(released.map_err(|refusal| refusal.to_string())?.or_else(sidecar).unwrap_or_default())
    }

    /// The caption that the sample brought along, without the thinking and the control tokens of whatever model wrote it.
    fn own_caption(&self, picture: &KeptPicture<'_>) -> Option<String> {
        said(picture.sidecar.caption.as_deref()?).ok()
    }

    /// What is remembered of a picture.
    pub fn looked(&self, picture: &KeptPicture<'_>) -> Result<Looked, String> {
        let image = Image {
            id: picture.id,
            content: picture.picture.content,
            width: picture.picture.width,
            height: picture.picture.height,
        };
        let said = |refusal: threshflow::row::Refusal| refusal.to_string();
        let question = Question::about(&image, Key::Sample);
        let caption = self.captions.as_ref().map(|captions| captions.caption(&question)).transpose();
        let caption = caption.map_err(said)?;
        let nouns = self.nouns.nouns(&question).map_err(said)?;
        let handle = Handle::<Nouns>::of(&nouns.to_bytes());
        let content = match &caption {
            Some(caption) => {
                let captioned = With::new(image.clone(), Handle::<Captioned>::of(caption.as_bytes()));
                With::new(captioned, handle).content()
            }
            None => With::new(image.clone(), handle).content(),
        };
        let mut asked = question;
        asked.row = content;
        let found = self.detect.blob(&asked).map_err(said)?;
        let found = self.detect.operator().found(&found).map_err(said)?;
        Ok(Looked { image, content, caption, nouns, found })
    }

    fn mask(&self, number: u16, region: &ContentHash) -> Result<StoredMask, String> {
        match self.segment.memo().read(region) {
            Ok(Some(Ok(body))) => StoredMask::from_bytes(&body).map_err(|refusal| refusal.to_string()),
            Ok(Some(Err(refusal))) => Err(refusal.to_string()),
            Ok(None) => Err(format!("the mask of region {number} is not remembered")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The row of a region that is not published, with the fields of [`Recorder::rejected_columns`].
    fn rejected_region(
        &self,
        found: &[Found],
        region: &RejectedPiece<'_>,
    ) -> Result<Map<String, Value>, String> {
        let number = region.number;
        let found = found.get(usize::from(number));
        let found = found.ok_or_else(|| format!("region {number} is not remembered"))?;
        let content = region.content.filter(|_| region.is_answered(self.segment.operator().name()));
        let mask = content.map(|content| self.mask(number, &content)).transpose()?;
        let fields = [
            ("class_name", json!(found.noun_text)),
            ("kind", json!(found.kind.to_string())),
            ("bbox", json!(found.bbox.map(as_in_records))),
            ("mask", json!(mask.map(|mask| mask.counts))),
        ];
        Ok(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    fn region(
        &self,
        found: &Found,
        region: &PublishedPiece<'_>,
        score_names: &[&'static str],
    ) -> Result<RegionParts, String> {
        let score = |name: &str| {
            let place = score_names.iter().position(|known| *known == name)?;
            region.scores.get(place).copied().filter(|score| score.is_finite())
        };
        let mask = self.mask(region.number, &region.content)?;
        Ok(RegionParts {
            class_name: found.noun_text.clone(),
            kind: Some(found.kind),
            bbox: found.bbox,
            mask: Some(mask.counts),
            score: score("score"),
            clip_score: score("clip_score"),
            aes_score: score("aes_score"),
            mask_score: score("mask_score"),
            number: Some(region.number.into()),
        })
    }
}

/// An edge of a box as a record has it: the shortest decimal that is this float.
fn as_in_records(edge: f32) -> Option<f64> {
    Number::of(edge)?.text().parse().ok()
}

/// A picture as it came to its regions.
pub struct Looked {
    pub image: Image,
    /// The content of its row.
    pub content: ContentHash,
    pub caption: Option<String>,
    pub nouns: NounList,
    pub found: Vec<Found>,
}

/// The regions of a record that came in keep the fields that this program does not know.
fn keep_unknown_keys(mine: &mut Option<Vec<Region>>, theirs: Option<&Vec<Region>>) {
    for region in mine.iter_mut().flatten() {
        let same = |other: &&Region| other.bbox == region.bbox && other.class_name == region.class_name;
        if let Some(other) = theirs.into_iter().flatten().find(same) {
            region.keys = other.keys.clone();
        }
    }
}

impl Recorder for RegionRecorder {
    fn stamp(&self) -> Stamp {
        let stamps = [self.nouns.stamp(), self.detect.memo().stamp(), self.segment.memo().stamp()];
        let records = self.records.stamp();
        let mut parts: Vec<(&str, &[u8])> = vec![("recorder", VERSION), ("records", &records)];
        parts.extend(stamps.iter().map(|stamp| ("stage", stamp.0.0.as_slice())));
        let captions = self.captions.as_ref().map(|captions| captions.stamp());
        parts.extend(captions.iter().map(|stamp| ("captions", stamp.0.0.as_slice())));
        Stamp::of(&parts)
    }

    fn columns(&self) -> Vec<(&'static str, Nested)> {
        let texts = || Nested::List(Box::new(Nested::Text));
        let region = Nested::Struct(vec![
            ("class_name", Nested::Text),
            ("bbox", Nested::List(Box::new(Nested::Float64))),
            ("mask", Nested::Text),
            ("score", Nested::Float64),
            ("clip_score", Nested::Float64),
            ("aes_score", Nested::Float64),
            ("mask_score", Nested::Float64),
            ("number", Nested::Int64),
        ]);
        let regions = || Nested::List(Box::new(region.clone()));
        let counts = || Nested::Entries(Box::new(Nested::Int64));
        vec![
            ("path", Nested::Text),
            ("cap", texts()),
            ("resolution", Nested::Struct(vec![("height", Nested::Int64), ("width", Nested::Int64)])),
            ("aes", Nested::Float64),
            (
                "tags",
                Nested::Struct(vec![("background", texts()), ("object", texts()), ("summary", Nested::Text)]),
            ),
            (
                "segmentation",
                Nested::Struct(vec![
                    ("background", regions()),
                    ("object", regions()),
                    ("box_format", Nested::Text),
                ]),
            ),
            ("bg_count", counts()),
            ("obj_count", counts()),
        ]
    }

    fn record(&self, picture: &KeptPicture<'_>) -> Result<String, String> {
        let Looked { caption, nouns, found, .. } = self.looked(picture)?;
        let region = |region: &PublishedPiece<'_>| {
            let found = found.get(usize::from(region.number));
            let found = found.ok_or_else(|| format!("region {} is not remembered", region.number))?;
            self.region(found, region, picture.region_score_names)
        };
        let regions: Vec<RegionParts> = picture.regions.iter().map(region).collect::<Result<_, _>>()?;
        // A detector with labels of its own finds what nobody looked for.
        let listed = |kind: RegionKind, nouns: &[String]| {
            let mut listed = nouns.to_vec();
            for region in regions.iter().filter(|region| region.kind == Some(kind)) {
                if !listed.contains(&region.class_name) {
                    listed.push(region.class_name.clone());
                }
            }
            listed
        };
        let aes = picture.scores.iter().find(|(name, _)| *name == "aesthetic").map(|(_, score)| *score);
        let built = RecordParts {
            path: format!("{}/{}", picture.shard, picture.file),
            captions: caption.or_else(|| self.own_caption(picture)).into_iter().collect(),
            height: picture.picture.height.into(),
            width: picture.picture.width.into(),
            aes,
            background_nouns: listed(RegionKind::Background, &nouns.backgrounds),
            object_nouns: listed(RegionKind::Object, &nouns.objects),
            summary: Some(nouns.summary.clone()).filter(|summary| !summary.is_empty()),
            regions,
        };
        let built = built.build().map_err(|error| error.to_string())?;
        let base = self.base(picture)?;
        let mut segmentation = built.segmentation;
        if let (Some(mine), Some(theirs)) = (&mut segmentation, &base.segmentation) {
            keep_unknown_keys(&mut mine.object, theirs.object.as_ref());
            keep_unknown_keys(&mut mine.background, theirs.background.as_ref());
            mine.keys = theirs.keys.clone();
        }
        let record = Record {
            path: base.path.or(built.path),
            cap: base.cap.or(built.cap),
            border: base.border,
            tags: base.tags.or(built.tags),
            segmentation,
            keys: base.keys,
            ..Record { border: None, ..Record::default() }
        };
        let record = Record {
            resolution: built.resolution,
            aes: built.aes,
            bg_count: built.bg_count,
            obj_count: built.obj_count,
            ..record
        };
        Ok(record.to_json())
    }

    /// Of regions what their record says of kept ones.
    fn rejected_columns(&self, of: Of) -> Vec<(&'static str, Nested)> {
        match of {
            Of::Pictures | Of::Edits => Vec::new(),
            Of::Regions => vec![
                ("class_name", Nested::Text),
                ("kind", Nested::Text),
                ("bbox", Nested::List(Box::new(Nested::Float64))),
                ("mask", Nested::Text),
            ],
        }
    }

    fn rejected(
        &self,
        of: Of,
        picture: &KeptPicture<'_>,
        rejected: &[RejectedPiece<'_>],
    ) -> Result<Vec<Map<String, Value>>, String> {
        if of != Of::Regions {
            return Ok(vec![Map::new(); rejected.len()]);
        }
        let Looked { found, .. } = self.looked(picture)?;
        rejected.iter().map(|region| self.rejected_region(&found, region)).collect()
    }
}
