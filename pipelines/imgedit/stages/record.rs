//! What `imgedit` publishes of a picture: the record of its regions, as `recap_mask` does, and a row for each of its edits.

use std::collections::BTreeMap;
use std::sync::Arc;

use operators::compare;
use operators::edit::EditPictures;
use operators::edit_source::{PlannedRegion, operations_text};
use operators::editors::references;
use operators::instruct::Instruct;
use operators::judge::{Judge, judgements};
use operators::plan::choose::Choose;
use operators::plan::edit_plan::passes::passes;
use operators::plan::edit_plan::{EditType, Operation};
use operators::plan::judgement::Judgement;
use serde_json::{Map, Value, json};
use threshflow::flow::{Chooser, Found};
use threshflow::lane::{Key, Operator, Question, Stage};
use threshflow::publish::{KeptPicture, Nested, PublishedPiece, Recorder, RejectedPiece};
use threshflow::row::{ContentHash, Edit, Image, Of, Refusal, Region, Stamp};
use threshflow::shard::{ORIGIN_VERSION, Origin};

use kit::edit_record::{
    EditRecord, RecordedObject, RecordedPass, RecordedPicture, RecordedStamp, RecordedTurn,
};
use kit::region_record::RegionRecorder;

/// Raise this when the code changes what a row of an edit is.
const VERSION: &[u8] = b"imgedit_record/4";

/// Writes records of pictures and of their edits out of what the stages remember.
pub struct ImgEditRecorder {
    pub recap: RegionRecorder,
    pub choose: Arc<Choose>,
    pub instruct: Arc<Stage<Instruct>>,
    pub pictures: EditPictures,
    pub judge: Arc<Stage<Judge>>,
    /// What flags name: measures by models, and scorers of results. A column each.
    pub named: Vec<&'static str>,
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

/// What of an edit is known: what its stages had said when it ended, and its scores.
struct Known {
    words: bool,
    made: bool,
    judged: bool,
    scores: Vec<(String, f32)>,
}

/// The record of an edit that may have ended before it was judged.
type OpenRecord = EditRecord<Option<Judgement>>;

impl ImgEditRecorder {
    /// The names of the stages that put edits in words, make them and judge them.
    fn names(&self) -> [&'static str; 3] {
        let edit = &self.pictures.edits;
        [self.instruct.operator().name(), edit.operator().name(), self.judge.operator().name()]
    }

    fn known(&self, picture: &KeptPicture<'_>, edit: &RejectedPiece<'_>) -> Known {
        let [words, made, judged] = self.names().map(|name| edit.is_answered(name));
        Known { words, made, judged, scores: by_name(picture.edit_score_names, &edit.scores) }
    }

    /// The stages that shaped an edit of which so much is known.
    fn stamps_of(&self, known: &Known) -> Vec<RecordedStamp> {
        let has = [known.words, known.made, known.judged];
        let open: Vec<&str> =
            self.names().into_iter().zip(has).filter(|(_, has)| !has).map(|(name, _)| name).collect();
        self.stamps.iter().filter(|stamp| !open.contains(&stamp.stage.as_str())).cloned().collect()
    }

    fn record_of(&self, picture: &KeptPicture<'_>, edit: &Edit, known: Known) -> Result<OpenRecord, Refusal> {
        let question = Question::about(edit, Key::Row);
        let source = self.pictures.source();
        let planned = source.planned(&question)?;
        let stored = if known.words { self.pictures.instruction(&question)? } else { Default::default() };
        let operations: Vec<Operation> = planned.plan.steps.iter().map(|step| step.operation).collect();
        let (shown, made) = match known.made {
            true => self.pictures.made(&question, &planned)?,
            false => (passes(planned.plan.edit_type, &operations).turns, Vec::new()),
        };
        let judged = match known.judged {
            true => judgements(&self.judge, &question)?.into_iter().map(Some).collect(),
            false => vec![None; shown.len()],
        };
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
        let turn = |((prompt, (input, output)), judgement): ((&String, (_, _)), _)| RecordedTurn {
            prompt: prompt.clone(),
            input,
            output,
            judgement,
        };
        Ok(EditRecord {
            edit_type: planned.plan.edit_type,
            shard: picture.shard.to_owned(),
            key: picture.sample.key.clone(),
            original_path: original_path(picture),
            origin: Origin::of(picture.sidecar),
            width: picture.picture.width.into(),
            height: picture.picture.height.into(),
            turns: stored.instruction.prompts.iter().zip(shown).zip(judged).map(turn).collect(),
            operations,
            results: stored.instruction.results.clone(),
            premise: stored.instruction.premise.clone(),
            reference: stored.reference.shows.clone(),
            reference_picture: stored.reference.content.as_ref().map(|content| RecordedPicture {
                stamp: references::cache_stamp().to_string(),
                key: content.clone(),
            }),
            objects: objects.map(object).collect::<Result<_, Refusal>>()?,
            passes: made
                .into_iter()
                .map(|pass| RecordedPass {
                    operation: pass.operation,
                    editor: pass.editor.to_owned(),
                    stamp: pass.stamp.to_string(),
                    key: pass.key.to_string(),
                    picture: Some(pass.picture.to_string()),
                })
                .collect(),
            stamps: self.stamps_of(&known),
            judge_model: if known.judged { self.judge_model.clone() } else { String::new() },
            scores: known.scores,
            as_stored: self.as_stored,
        })
    }

    /// A row for each of these edits of a picture, in their order; of one that could not be chosen its type is known.
    fn rows(
        &self,
        picture: &KeptPicture<'_>,
        edits: impl Iterator<Item = (u16, Option<Known>)>,
    ) -> Result<Vec<Map<String, Value>>, String> {
        let looked = self.recap.looked(picture)?;
        let regions = rows(&looked.image, &looked.found, &picture.regions);
        let chosen = chosen(&self.choose, &looked.image, looked.content, &regions);
        let one = |(number, known): (u16, Option<Known>)| {
            let Some(known) = known else { return unchosen(picture, number) };
            let edit = chosen.get(&number).ok_or_else(|| format!("edit {number} was not chosen"))?;
            let record = self.record_of(picture, edit, known);
            row(&record.map_err(|refusal| format!("edit {number}: {refusal}"))?, &self.named)
        };
        edits.map(one).collect()
    }
}

fn original_path(picture: &KeptPicture<'_>) -> String {
    format!("{}/{}", picture.shard, picture.file)
}

/// The row of an edit that could not be chosen.
fn unchosen(picture: &KeptPicture<'_>, number: u16) -> Result<Map<String, Value>, String> {
    let edit_type =
        EditType::from_number(number).ok_or_else(|| format!("no type of edits is numbered {number}"))?;
    let known = [("edit_type", json!(edit_type.name())), ("picture", json!(original_path(picture)))];
    let origin = Origin::of(picture.sidecar);
    let origin = Origin::COLUMNS.into_iter().zip(origin.texts().map(|text| json!(text)));
    Ok(known.into_iter().chain(origin).map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The row of an edit, with the fields of [`Recorder::edit_columns`]. What is not known of it is null.
fn row(edit: &OpenRecord, named: &[&'static str]) -> Result<Map<String, Value>, String> {
    let (is_told, is_judged) =
        (!edit.turns.is_empty(), edit.turns.iter().any(|turn| turn.judgement.is_some()));
    let prompts = edit.turns.iter().map(|turn| json!(turn.prompt)).collect::<Vec<_>>();
    let reasons = edit.turns.iter().map(|turn| json!(turn.judgement.as_ref().map(|it| &it.reason)));
    let reasons = reasons.collect::<Vec<_>>();
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
        "prompts": is_told.then_some(prompts),
        "premise": edit.premise,
        "operations": operations_text(&edit.operations),
        "results": is_told.then_some(&edit.results),
        "objects": objects.collect::<Vec<_>>(),
        "follows": score("follows"),
        "natural": score("natural"),
        "object_match": score("object_match"),
        "reasons": is_judged.then_some(reasons),
        "judge": is_judged.then_some(&edit.judge_model),
        "record": text,
    });
    let origin = Origin::COLUMNS.into_iter().zip(edit.origin.texts());
    let origin = origin.map(|(name, text)| (name.to_owned(), json!(text)));
    let measures = compare::COLUMNS.iter().chain(named).map(|name| ((*name).to_owned(), score(name)));
    match &mut row {
        Value::Object(row) => {
            row.extend(origin.chain(measures));
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
            ("origin", ORIGIN_VERSION.as_bytes()),
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
        columns.extend(Origin::COLUMNS.map(|name| (name, Nested::Text)));
        columns.extend(compare::COLUMNS.map(|name| (name, Nested::Float32)));
        columns.extend(self.named.iter().map(|name| (*name, Nested::Float32)));
        columns.push(("record", Nested::Text));
        columns
    }

    fn edits(&self, picture: &KeptPicture<'_>) -> Result<Vec<Map<String, Value>>, String> {
        let known = |edit: &PublishedPiece<'_>| Known {
            words: true,
            made: true,
            judged: true,
            scores: by_name(picture.edit_score_names, edit.scores),
        };
        self.rows(picture, picture.edits.iter().map(|edit| (edit.number, Some(known(edit)))))
    }

    /// Of edits the columns of the published ones; of regions those that `recap_mask` tells.
    fn rejected_columns(&self, of: Of) -> Vec<(&'static str, Nested)> {
        if of == Of::Edits { self.edit_columns() } else { self.recap.rejected_columns(of) }
    }

    fn rejected(
        &self,
        of: Of,
        picture: &KeptPicture<'_>,
        rejected: &[RejectedPiece<'_>],
    ) -> Result<Vec<Map<String, Value>>, String> {
        if of != Of::Edits {
            return self.recap.rejected(of, picture, rejected);
        }
        // One without a content was never a row: it could not be chosen.
        let known = |edit: &RejectedPiece<'_>| edit.content.map(|_| self.known(picture, edit));
        self.rows(picture, rejected.iter().map(|edit| (edit.number, known(edit))))
    }
}
