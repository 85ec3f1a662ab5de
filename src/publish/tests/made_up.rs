//! Regions made up for tests: where each stands, and a recorder that writes of all that it is given.

use serde_json::json;

use super::*;
use crate::flow::{PieceVerdict, Told, Verdicts};
use crate::row::{Place, Score};

pub(crate) const REGION_SCORES: [&str; 2] = ["detection", "agreement"];

/// The regions of a world, and the dial that holds some of them back.
#[derive(Clone)]
pub(crate) struct Regions {
    pub detection: f32,
    pub recorder: MadeUpRecorder,
    /// Regions whose agreement is not the one that was made up: by picture and number.
    pub moved: Vec<(String, u16, f32)>,
    /// Regions that ended with another content: by picture and number.
    pub told_otherwise: Vec<(String, u16)>,
    /// Whether verdicts are added up from the last to the first.
    pub backwards: bool,
}

impl Default for Regions {
    fn default() -> Self {
        let recorder = MadeUpRecorder { version: 1, odd: None, is_quiet: false };
        let (moved, told_otherwise) = (Vec::new(), Vec::new());
        Regions { detection: 0.3, recorder, moved, told_otherwise, backwards: false }
    }
}

impl Regions {
    /// The regions of a picture that came as far as the detector.
    pub(crate) fn of_picture(&self, key: &str) -> Vec<PieceVerdict> {
        let mut random = Random::of(&format!("regions of {key}"));
        let count = random.below(5) as u16;
        let made = |number: u16| {
            let score = random.below(1000) as f32 / 1000.0;
            let moved = self.moved.iter().find(|(of, at, _)| of == key && *at == number);
            let agreement = moved.map_or(random.below(100) as f32 / 64.0, |(.., score)| *score);
            if !passes(score, self.detection) {
                return PieceVerdict::Gated { dial: "detection", score };
            }
            if random.below(6) == 0 {
                let refusal = Refusal::permanent("no_mask", format!("region {number} of {key}"));
                return PieceVerdict::Refused(Box::new(Refused { stage: "segment".into(), refusal }));
            }
            let content = ContentHash::of(format!("{key} {number} {score}").as_bytes());
            PieceVerdict::Kept { content, scores: Box::new([score, agreement]) }
        };
        (0..count).map(made).collect()
    }

    /// What a region had been told when it was held back or refused: of those that have no mask, some no score.
    pub(crate) fn told(&self, key: &str, number: u16, verdict: &PieceVerdict) -> Option<Box<Told>> {
        let version = u8::from(self.told_otherwise.contains(&(key.to_owned(), number)));
        let content = ContentHash::of(format!("{key} {number} {version}").as_bytes());
        let scores = match verdict {
            PieceVerdict::Kept { .. } => return None,
            PieceVerdict::Gated { score, .. } => vec![Score::of(*score)],
            PieceVerdict::Refused(_) => Vec::new(),
        };
        Some(Box::new(Told { content, scores: scores.into() }))
    }

    /// Every region of the world; only pictures that passed the first gate were looked at.
    pub(crate) fn verdicts(&self, world: &World) -> Verdicts {
        let mut pictures = Vec::new();
        for shard in &world.shards {
            for (member, (sample, verdict)) in world.samples(shard).enumerate() {
                let looked_at = match &verdict {
                    Verdict::Kept(_) => true,
                    Verdict::Gated { dial, .. } => *dial == "aesthetic",
                    Verdict::Refused(_) => false,
                };
                if looked_at {
                    let id = RowId { shard: shard.seq, member: member as u32 };
                    pictures.push((id, &sample.key));
                }
            }
        }
        if self.backwards {
            pictures.reverse();
        }
        let mut verdicts = Verdicts::default();
        for (id, key) in pictures {
            let regions = self.of_picture(key);
            verdicts.add_found(id, (Of::Regions, regions.len() as u16), 1);
            for (number, verdict) in (0..).zip(regions) {
                let told = self.told(key, number, &verdict);
                verdicts.add_rejected_piece(Place::region(id, number), verdict, told, 1);
            }
        }
        verdicts
    }
}

/// The sorts of pieces that are published.
pub(crate) fn sorts() -> Vec<(Of, Vec<&'static str>)> {
    vec![(Of::Regions, REGION_SCORES.to_vec())]
}

pub(crate) fn region_stages() -> [StageDescription; 2] {
    let stamp = Stamp::of(&[("operator", b"segment/1")]);
    [
        StageDescription::Gate { dial: "detection", of: Of::Regions, open: false },
        StageDescription::Ask { name: "segment", of: Of::Regions, stamp, model: "another".to_owned() },
    ]
}

/// Writes records of every type that a column can have.
#[derive(Clone)]
pub(crate) struct MadeUpRecorder {
    pub version: u8,
    /// What stands in the place of each record, if anything.
    pub odd: Option<Result<String, String>>,
    /// Whether it tells nothing of rejected regions.
    pub is_quiet: bool,
}

impl Recorder for MadeUpRecorder {
    fn stamp(&self) -> Stamp {
        Stamp::of(&[("recorder", &[self.version])])
    }

    fn columns(&self) -> Vec<(&'static str, Nested)> {
        let object = Nested::Struct(vec![
            ("label", Nested::Text),
            ("box", Nested::List(Box::new(Nested::Float64))),
            ("score", Nested::Float32),
        ]);
        vec![
            ("path", Nested::Text),
            ("resolution", Nested::Struct(vec![("height", Nested::Int64), ("width", Nested::Int64)])),
            ("objects", Nested::List(Box::new(object))),
            ("words", Nested::Entries(Box::new(Nested::List(Box::new(Nested::Float32))))),
            ("note", Nested::Text),
        ]
    }

    fn record(&self, picture: &KeptPicture<'_>) -> Result<String, String> {
        if let Some(odd) = &self.odd {
            return odd.clone();
        }
        let object = |region: &PublishedPiece<'_>| {
            json!({
                "label": format!("thing {}", region.number), "mask": "left out of the columns",
                "box": [0.1, f64::from(region.number) / 3.0], "score": region.scores[1],
                "content": region.content.to_string(),
            })
        };
        assert_eq!(picture.region_score_names, REGION_SCORES);
        let mut record = json!({
            "path": format!("{}/{}", picture.shard, picture.file),
            "resolution": { "height": picture.picture.height, "width": picture.picture.width },
            "objects": picture.regions.iter().map(object).collect::<Vec<_>>(),
            "words": { picture.scores[0].0: [picture.scores[0].1], "è \"q\"": [], picture.scores[1].0: null },
        });
        match picture.picture.width % 3 {
            0 => record["note"] = picture.sidecar.caption.clone().into(),
            1 => record["objects"] = json!(null),
            _ => drop(record.as_object_mut().and_then(|fields| fields.remove("resolution"))),
        }
        Ok(record.to_string())
    }

    fn rejected_columns(&self, of: Of) -> Vec<(&'static str, Nested)> {
        match of {
            Of::Regions if !self.is_quiet => {
                vec![("label", Nested::Text), ("of", Nested::Text), ("mask", Nested::Int64)]
            }
            _ => Vec::new(),
        }
    }

    fn rejected(
        &self,
        _of: Of,
        picture: &KeptPicture<'_>,
        rejected: &[RejectedPiece<'_>],
    ) -> Result<Vec<serde_json::Map<String, serde_json::Value>>, String> {
        let row = |region: &RejectedPiece<'_>| {
            let row = json!({
                "label": format!("thing {}", region.number), "of": format!("{}/{}", picture.shard, picture.file),
                "mask": region.is_answered("segment").then_some(region.number),
            });
            row.as_object().cloned().unwrap_or_default()
        };
        Ok(rejected.iter().map(row).collect())
    }
}
