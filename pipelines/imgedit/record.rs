//! What `imgedit` publishes of a picture: the record of its regions, as `recap_mask` does, and a row for each of its edits.

use std::collections::BTreeMap;
use std::sync::Arc;

use operators::compare;
use operators::edit::EditPictures;
use operators::edit_source::{PlannedRegion, operations_text};
use operators::editors::references;
use operators::judge::{Judge, judgements};
use operators::plan::choose::Choose;
use operators::plan::judgement::Judgement;
use serde_json::{Map, Value, json};
use threshflow::flow::{Chooser, Found};
use threshflow::lane::{Key, Question, Stage};
use threshflow::publish::{KeptPicture, Nested, PublishedPiece, Recorder};
use threshflow::row::{ContentHash, Edit, Image, Refusal, Region, Stamp};

use crate::edit_record::{
    EditRecord, RecordedObject, RecordedPass, RecordedPicture, RecordedStamp, RecordedTurn,
};
use crate::recap_mask::record::RecapRecorder;

/// Raise this when the code changes what a row of an edit is.
const VERSION: &[u8] = b"imgedit_record/3";

/// Writes records of pictures and of their edits out of what the stages remember.
pub(crate) struct ImgEditRecorder {
    pub recap: RecapRecorder,
    pub choose: Arc<Choose>,
    pub pictures: EditPictures,
    pub judge: Arc<Stage<Judge>>,
    /// The stages that shape an edit, in their order.
    pub stamps: Vec<RecordedStamp>,
    pub judge_model: String,
    /// See [`EditRecord::as_stored`].
    pub as_stored: bool,
}

/// A picture's choices made again: a function of its content and of the regions that are kept.
fn chosen(choose: &Choose, image: &Image, picture: ContentHash, regions: &[Region]) -> BTreeMap<u16, Edit> {
    let chosen = choose.choose(image, regions).into_iter();
    chosen.filter_map(|chosen| Some((chosen.number, chosen.edit(image, picture, regions).ok()?))).collect()
}

/// The kept regions of a picture as rows.
fn rows(image: &Image, found: &[Found], kept: &[PublishedPiece<'_>]) -> Vec<Region> {
    kept.iter().filter_map(|piece| Found::region_of(found, image, piece.number)).collect()
}

fn by_name(names: &[&'static str], scores: &[f32]) -> Vec<(String, f32)> {
    let finite = names.iter().zip(scores).filter(|(_, score)| score.is_finite());
    finite.map(|(name, score)| ((*name).to_owned(), *score)).collect()
}

impl ImgEditRecorder {
    fn record_of(
        &self,
        picture: &KeptPicture<'_>,
        edit: &Edit,
        published: &PublishedPiece<'_>,
    ) -> Result<EditRecord, Refusal> {
        let question = Question::about(edit, Key::Row);
        let source = self.pictures.source();
        let planned = source.planned(&question)?;
        let stored = self.pictures.instruction(&question)?;
        let (turns, passes) = self.pictures.made(&question, &planned)?;
        let judged = judgements(&self.judge, &question)?;
        let object = |(step, region): (usize, &PlannedRegion)| {
            let kept = picture.regions.iter().find(|kept| kept.number == region.number);
            let scores = kept.map(|kept| by_name(picture.region_score_names, kept.scores));
            Ok(RecordedObject {
                step,
                number: region.number,
                noun: region.object.noun.clone(),
                kind: region.object.kind,
                bbox: region.object.bbox,
                mask: source.stored_mask(&region.content)?.counts,
                scores: scores.unwrap_or_default(),
            })
        };
        let steps = planned.plan.steps.iter().enumerate();
        let objects = steps.filter_map(|(step, _)| Some((step, planned.region_of(step)?)));
        let turn = |((prompt, (input, output)), judgement): ((&String, (_, _)), Judgement)| RecordedTurn {
            prompt: prompt.clone(),
            input,
            output,
            judgement,
        };
        Ok(EditRecord {
            edit_type: planned.plan.edit_type,
            shard: picture.shard.to_owned(),
            key: picture.sample.key.clone(),
            original_path: format!("{}/{}", picture.shard, picture.file),
            width: picture.picture.width.into(),
            height: picture.picture.height.into(),
            turns: stored.instruction.prompts.iter().zip(turns).zip(judged).map(turn).collect(),
            operations: planned.plan.steps.iter().map(|step| step.operation).collect(),
            results: stored.instruction.results.clone(),
            premise: stored.instruction.premise.clone(),
            reference: stored.reference.shows.clone(),
            reference_picture: stored.reference.content.as_ref().map(|content| RecordedPicture {
                stamp: references::cache_stamp().to_string(),
                key: content.clone(),
            }),
            objects: objects.map(object).collect::<Result<_, Refusal>>()?,
            passes: passes
                .into_iter()
                .map(|pass| RecordedPass {
                    operation: pass.operation,
                    editor: pass.editor.to_owned(),
                    stamp: pass.stamp.to_string(),
                    key: pass.key.to_string(),
                    picture: Some(pass.picture.to_string()),
                })
                .collect(),
            scores: by_name(picture.edit_score_names, published.scores),
            stamps: self.stamps.clone(),
            judge_model: self.judge_model.clone(),
            as_stored: self.as_stored,
        })
    }
}

/// The row of an edit, with the fields of [`Recorder::edit_columns`].
fn row(edit: &EditRecord) -> Result<Map<String, Value>, String> {
    let turns = |of: fn(&RecordedTurn) -> Value| edit.turns.iter().map(of).collect::<Vec<Value>>();
    let objects = edit.objects.iter().map(|object| {
        json!({
            "step": object.step, "number": object.number, "noun": object.noun, "kind": object.kind.to_string(),
            "bbox": object.bbox.map(f64::from), "mask": object.mask,
        })
    });
    let text = serde_json::to_string(edit).map_err(|error| error.to_string())?;
    let score = |name: &str| {
        let known = edit.scores.iter().find(|(known, _)| known == name);
        known.map_or(Value::Null, |(_, score)| json!(score))
    };
    let mut row = json!({
        "edit_type": edit.edit_type.name(),
        "picture": edit.original_path,
        "prompts": turns(|turn| json!(turn.prompt)),
        "premise": edit.premise,
        "operations": operations_text(&edit.operations),
        "results": edit.results,
        "objects": objects.collect::<Vec<_>>(),
        "follows": score("follows"),
        "natural": score("natural"),
        "object_match": score("object_match"),
        "reasons": turns(|turn| json!(turn.judgement.reason)),
        "judge": edit.judge_model,
        "record": text,
    });
    let measures = compare::COLUMNS.into_iter().map(|name| (name.to_owned(), score(name)));
    match &mut row {
        Value::Object(row) => {
            row.extend(measures);
            Ok(std::mem::take(row))
        }
        _ => Err("an edit's row is no object".to_owned()),
    }
}

impl Recorder for ImgEditRecorder {
    fn stamp(&self) -> Stamp {
        let recap = self.recap.stamp();
        let stamps: Vec<String> = self.stamps.iter().map(|stage| format!("{stage:?}")).collect();
        let choose = format!("{:?}", self.choose);
        let mut parts: Vec<(&str, &[u8])> = vec![
            ("recorder", VERSION),
            ("recap", &recap.0.0),
            ("choose", choose.as_bytes()),
            ("judge", self.judge_model.as_bytes()),
        ];
        parts.extend(stamps.iter().map(|stamp| ("stage", stamp.as_bytes())));
        Stamp::of(&parts)
    }

    fn columns(&self) -> Vec<(&'static str, Nested)> {
        self.recap.columns()
    }

    fn record(&self, picture: &KeptPicture<'_>) -> Result<String, String> {
        self.recap.record(picture)
    }

    fn edit_columns(&self) -> Vec<(&'static str, Nested)> {
        let texts = || Nested::List(Box::new(Nested::Text));
        let object = Nested::Struct(vec![
            ("step", Nested::Int64),
            ("number", Nested::Int64),
            ("noun", Nested::Text),
            ("kind", Nested::Text),
            ("bbox", Nested::List(Box::new(Nested::Float64))),
            ("mask", Nested::Text),
        ]);
        let mut columns = vec![
            ("edit_type", Nested::Text),
            ("picture", Nested::Text),
            ("prompts", texts()),
            ("premise", Nested::Text),
            ("operations", texts()),
            ("results", texts()),
            ("objects", Nested::List(Box::new(object))),
            ("follows", Nested::Float32),
            ("natural", Nested::Float32),
            ("object_match", Nested::Float32),
            ("reasons", texts()),
            ("judge", Nested::Text),
        ];
        columns.extend(compare::COLUMNS.map(|name| (name, Nested::Float32)));
        columns.push(("record", Nested::Text));
        columns
    }

    fn edits(&self, picture: &KeptPicture<'_>) -> Result<Vec<Map<String, Value>>, String> {
        let looked = self.recap.looked(picture)?;
        let regions = rows(&looked.image, &looked.found, &picture.regions);
        let chosen = chosen(&self.choose, &looked.image, looked.content, &regions);
        let one = |published: &PublishedPiece<'_>| {
            let edit = chosen.get(&published.number);
            let edit = edit.ok_or_else(|| format!("edit {} was not chosen", published.number))?;
            let record = self.record_of(picture, edit, published);
            row(&record.map_err(|refusal| format!("edit {}: {refusal}", published.number))?)
        };
        picture.edits.iter().map(one).collect()
    }
}
