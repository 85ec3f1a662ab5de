//! Pictures for the page: what the pipeline's illustrator draws of a row, wherever the row stands. The session gathers what is needed; it is
//! drawn on the thread that serves the request.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::order::Order;
use super::rows::Id;
use super::session::Session;
use super::together::Beside;
use super::{Problem, exact};
use crate::cli::run::settings;
use crate::flow::Verdicts;
use crate::lane::lock;
use crate::pipeline::OpenedPipeline;
use crate::publish::{
    DialSetting, StageDescription, Wanted, WantedPieces, WantedShard, edits_of_row, record_of_row,
};
use crate::report::{Illustration, Illustrator, Mark, Panel, Shown, ShownEdit, label_texts};
use crate::row::{Of, Place, Refusal, RegionKind};
use crate::shard::{Catalogue, EndFrame, Shard};

/// Drawings that are kept: a page asks for what it shows, and then for its pictures.
const MOST_KEPT: usize = 128;

/// A row, drawn.
#[derive(Serialize, Deserialize)]
pub(super) struct Drawing {
    panels: Vec<DrawnPanel>,
    words: Vec<(String, String)>,
    scores: Vec<(String, f32)>,
    notes: Vec<String>,
    problem: Option<String>,
}

/// One of its pictures.
#[derive(Serialize, Deserialize)]
struct DrawnPanel {
    caption: String,
    media_type: String,
    bytes: Vec<u8>,
    /// In pixels.
    width: u32,
    height: u32,
    /// What is marked in it, as JSON.
    marks: String,
}

impl From<Panel> for DrawnPanel {
    fn from(panel: Panel) -> Self {
        let Panel { caption, illustration: Illustration { media_type, bytes, width, height, marks } } = panel;
        let texts = label_texts(&marks, |_| true);
        let marks: Value = marks.iter().zip(texts).map(|(mark, text)| mark_view(mark, &text)).collect();
        let (media_type, marks) = (media_type.to_owned(), marks.to_string());
        DrawnPanel { caption, media_type, bytes, width, height, marks }
    }
}

/// All that is needed to draw a row.
pub(super) struct ToDraw {
    place: Place,
    catalogue: Arc<Catalogue>,
    pipeline: Arc<dyn OpenedPipeline>,
    name: &'static str,
    stages: Vec<StageDescription>,
    dials: Vec<DialSetting>,
    score_columns: Vec<&'static str>,
    sorts: Vec<(Of, Vec<&'static str>)>,
    shard: String,
    alone: Verdicts,
    /// The row's own scores, by name.
    scores: Vec<(String, f32)>,
}

/// Where a row is drawn.
pub(super) enum ToBeDrawn {
    Here(Box<ToDraw>),
    /// By the process of this number, unless the drawing that is there already is the same.
    There(usize, Beside),
}

impl Session<'_> {
    /// Who draws a row; and the key of what is drawn. `have` is that of the drawing that is there already.
    pub(super) fn draw(&mut self, place: Place, have: Option<u64>) -> Result<(ToBeDrawn, u64), Problem> {
        let answers = self.answers;
        let order = Order::Draw { place, answers, have };
        let (process, to_draw) =
            self.together(&order, |session| session.looking(|session| session.to_draw(place)))?;
        let key = to_draw.as_ref().map_or(0, |to_draw| answers ^ to_draw.fingerprint());
        let key = self.gather(key)?.get(process).copied().unwrap_or(key);
        match (to_draw, self.beside()) {
            (Some(to_draw), _) => Ok((ToBeDrawn::Here(Box::new(to_draw)), key)),
            (None, Some(beside)) => Ok((ToBeDrawn::There(process, beside), key)),
            (None, None) => Err(Problem::failed("nobody has the row".to_owned())),
        }
    }

    /// The same in another process: where it has the row, it draws it for the first.
    pub(super) fn draw_for_the_first(
        &mut self,
        place: Place,
        answers: u64,
        have: Option<u64>,
    ) -> Result<(), Problem> {
        let (_, to_draw) = self.looking(|session| session.to_draw(place))?;
        let key = to_draw.as_ref().map(|to_draw| answers ^ to_draw.fingerprint());
        self.gather(key.unwrap_or(0))?;
        if let (Some(to_draw), true) = (to_draw, key != have) {
            self.look_up_beside(move || to_draw.draw());
        }
        Ok(())
    }

    /// What is needed to draw a row.
    fn to_draw(&self, place: Place) -> Result<ToDraw, Problem> {
        let engine = &self.opened.engine;
        let (shard, _) = self.sample(place.id)?;
        self.verdict(place)?;
        let rows = self
            .opened
            .catalogue
            .shard(place.id.shard)
            .map_err(super::rows::Failed::from)?
            .index
            .samples
            .len();
        let verdicts = engine.verdicts();
        let undecided = verdicts.piece_undecided_at(place).and_then(|_| {
            engine.unasked().find(|(_, question)| question.place() == place).map(|(_, question)| question.row)
        });
        let columns = (engine.score_names().len(), |of| self.piece_score_names(of).len());
        let alone = verdicts.as_if_kept(place, rows, columns, undecided);
        let scores = match place.of {
            Of::Pictures => Vec::new(),
            of => {
                let told =
                    alone.pieces_of(of, place.id).into_iter().find(|(number, _)| *number == place.number);
                let scores = told.and_then(|(_, verdict)| match verdict {
                    crate::flow::PieceVerdict::Kept { scores, .. } => Some(scores.to_vec()),
                    _ => None,
                });
                let names = self.piece_score_names(of).iter().map(|name| (*name).to_owned());
                names.zip(scores.unwrap_or_default()).filter(|(_, score)| !score.is_nan()).collect()
            }
        };
        Ok(ToDraw {
            place,
            catalogue: self.opened.catalogue.clone(),
            pipeline: self.opened.pipeline.clone(),
            name: self.pipeline.name,
            stages: self.opened.stages(),
            dials: settings(self.pipeline.dials, &self.settings, &engine.values()),
            score_columns: engine.score_names().to_vec(),
            sorts: engine.piece_score_names().to_vec(),
            shard,
            alone,
            scores,
        })
    }
}

impl ToDraw {
    /// Of all that the session knows of what is drawn, but for what stages answered.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = blake3::Hasher::new();
        let id = self.place.id;
        if let Some(crate::row::Verdict::Kept(scores)) = self.alone.of(id) {
            for score in scores {
                hasher.update(&score.to_le_bytes());
            }
        }
        for of in Of::PIECES {
            for (number, verdict) in self.alone.pieces_of(of, id) {
                hasher.update(&number.to_le_bytes());
                if let crate::flow::PieceVerdict::Kept { content, scores } = verdict {
                    hasher.update(&content.0);
                    for score in scores {
                        hasher.update(&score.to_le_bytes());
                    }
                }
            }
        }
        hasher.finalize().as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }

    pub(super) fn draw(&self) -> Result<Drawing, Problem> {
        let failed = |error: &dyn std::fmt::Display| Problem::failed(error.to_string());
        let open = self.catalogue.shard(self.place.id.shard).map_err(|error| failed(&error))?;
        let Some(illustrator) = self.pipeline.its_illustrator() else {
            return Ok(Drawing::nothing("this pipeline draws no pictures"));
        };
        let verdicts = self.alone.of_its_shard(self.place.id, open.index.samples.len());
        let pieces = self.pipeline.its_recorder();
        let pieces =
            pieces.map(|recorder| WantedPieces { verdicts: &self.alone, sorts: &self.sorts, recorder });
        let shard = WantedShard { seq: self.place.id.shard, name: &self.shard, verdicts: &verdicts };
        let wanted = Wanted {
            pipeline: self.name,
            stages: &self.stages,
            dials: &self.dials,
            score_columns: &self.score_columns,
            shards: vec![shard],
            pieces,
            demonstration: &[],
        };
        let drawn = match self.place.of {
            Of::Edits => self.edit(illustrator, &wanted, &open),
            _ => None,
        };
        let drawn = drawn.unwrap_or_else(|| self.picture(illustrator, &wanted, &open));
        Ok(drawn.unwrap_or_else(|refusal| Drawing::nothing(&refusal.message)))
    }

    /// The edit, where its answers are there; `None` where they are not, and the picture is all there is to show.
    fn edit(
        &self,
        illustrator: &dyn Illustrator,
        wanted: &Wanted<'_>,
        open: &Shard,
    ) -> Option<Result<Drawing, Refusal>> {
        let member = self.place.id.member;
        let sample = open.index.samples.get(member as usize)?;
        let picture = sample.picture.as_ref().ok()?;
        let rows = edits_of_row(wanted, &wanted.shards[0], open, member).ok()?;
        let row: &Map<String, Value> =
            rows.iter().find(|(number, _)| *number == self.place.number).map(|(_, row)| row)?;
        let draw = || {
            let bytes = open.picture_bytes(member)?;
            let end_frame = sample.end_frame().map(|member| open.member_bytes(member)).transpose()?;
            let end_frame = end_frame.as_deref().map(|bytes| EndFrame::of(bytes, self.catalogue.options()));
            illustrator.edit(&ShownEdit { picture, bytes: &bytes, end_frame: end_frame.as_ref(), row })
        };
        let drawn = catch_unwind(AssertUnwindSafe(draw)).ok()?.ok()?;
        Some(Ok(Drawing {
            panels: drawn.panels.into_iter().map(DrawnPanel::from).collect(),
            words: drawn.words,
            scores: drawn.scores,
            notes: drawn.notes,
            problem: None,
        }))
    }

    fn picture(
        &self,
        illustrator: &dyn Illustrator,
        wanted: &Wanted<'_>,
        open: &Shard,
    ) -> Result<Drawing, Refusal> {
        let member = self.place.id.member;
        let gone = || Refusal::transient("gone", "the row is no picture of its shard any more");
        let sample = open.index.samples.get(member as usize).ok_or_else(gone)?;
        let picture = sample.picture.as_ref().map_err(Clone::clone)?;
        let bytes = open.picture_bytes(member)?;
        // What is asked later about the picture may not be there yet: it is shown without.
        let record = record_of_row(wanted, &wanted.shards[0], open, member).ok().flatten();
        let draw = |record: Option<&str>| {
            let shown = Shown { picture, bytes: &bytes, record };
            let drawn = catch_unwind(AssertUnwindSafe(|| illustrator.illustrate(&shown)));
            let gave_up = |_| Err(Refusal::permanent("not_drawn", "what draws it gave up on this picture"));
            drawn.unwrap_or_else(gave_up)
        };
        let illustration = draw(record.as_deref()).or_else(|_| draw(None))?;
        let panels = vec![DrawnPanel::from(Panel { caption: String::new(), illustration })];
        let scores = self.scores.clone();
        Ok(Drawing { panels, words: Vec::new(), scores, notes: Vec::new(), problem: None })
    }
}

impl Drawing {
    fn nothing(why: &str) -> Self {
        let problem = Some(why.to_owned());
        Drawing { panels: Vec::new(), words: Vec::new(), scores: Vec::new(), notes: Vec::new(), problem }
    }

    /// What is drawn, without the pictures themselves.
    pub(super) fn view(&self, place: Place) -> Value {
        let panel = |(number, panel): (usize, &DrawnPanel)| {
            let marks: Value = serde_json::from_str(&panel.marks).unwrap_or_default();
            json!({
                "caption": panel.caption, "image": format!("/api/image/{}/{number}", Id(place)),
                "width": panel.width, "height": panel.height, "marks": marks,
            })
        };
        json!({
            "panels": self.panels.iter().enumerate().map(panel).collect::<Vec<_>>(),
            "words": self.words, "scores": exact(&self.scores), "notes": self.notes, "problem": self.problem,
        })
    }

    /// One of its pictures: its media type and its bytes.
    pub(super) fn image(&self, panel: usize) -> Option<(String, Vec<u8>)> {
        let panel = self.panels.get(panel)?;
        Some((panel.media_type.clone(), panel.bytes.clone()))
    }
}

fn mark_view(mark: &Mark, text: &str) -> Value {
    let [red, green, blue] = mark.colour;
    json!({
        "box": exact(&mark.bbox), "text": text, "colour": format!("#{red:02x}{green:02x}{blue:02x}"), "background": mark.kind == RegionKind::Background,
    })
}

/// Draws, a few at a time, and keeps what was drawn last.
pub(super) struct Drawings {
    kept: Mutex<VecDeque<(Id, u64, Arc<Drawing>)>>,
    /// How many more may be drawn side by side.
    free: Mutex<usize>,
    freed: Condvar,
}

impl Drawings {
    pub(super) fn new(at_once: usize) -> Self {
        Drawings { kept: Mutex::default(), free: Mutex::new(at_once.max(1)), freed: Condvar::new() }
    }

    /// What was drawn of the row, under this key where one is given.
    pub(super) fn kept(&self, id: Id, key: Option<u64>) -> Option<Arc<Drawing>> {
        let kept = lock(&self.kept);
        let is_it = |(known, at, _): &&(Id, u64, _)| *known == id && key.is_none_or(|key| key == *at);
        kept.iter().find(is_it).map(|(.., drawing)| drawing.clone())
    }

    /// The key of what was drawn of the row.
    pub(super) fn key_of(&self, id: Id) -> Option<u64> {
        lock(&self.kept).iter().find(|(known, ..)| *known == id).map(|(_, key, _)| *key)
    }

    /// Draws it. Waits while as many as may are being drawn.
    pub(super) fn draw(
        &self,
        id: Id,
        key: u64,
        draw: impl FnOnce() -> Result<Drawing, Problem>,
    ) -> Result<Arc<Drawing>, Problem> {
        let mut free = lock(&self.free);
        while *free == 0 {
            free = self.freed.wait(free).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        *free -= 1;
        drop(free);
        let drawn = draw();
        *lock(&self.free) += 1;
        self.freed.notify_one();
        let drawing = Arc::new(drawn?);
        let mut kept = lock(&self.kept);
        kept.retain(|(known, ..)| *known != id);
        kept.push_back((id, key, drawing.clone()));
        if kept.len() > MOST_KEPT {
            kept.pop_front();
        }
        Ok(drawing)
    }
}
