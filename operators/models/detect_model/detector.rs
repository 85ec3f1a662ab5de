//! A loaded detector: makes runs of questions, and gives the results of the runs back to the questions.
//!
//! In a run of several pictures (a CPU is given one at a time) the vocabularies have different lengths. The shorter ones are filled up with
//! repetitions of the picture's own last noun. The graph's neck mixes the words by taking the best match, which a repetition does not
//! change, and the repetition's scores are left out. (Zero rows or another picture's nouns would change it.) If the graph has a text_mask,
//! repetitions are masked as well. If the graph fixes the number of nouns, longer vocabularies take several runs, and each run mixes only
//! its own nouns.

use std::path::PathBuf;

use threshflow::row::Refusal;

use super::candidates::{BoxForm, Gathered, Seen};
use super::shape::{Output, Ports};
use super::{DetectModel, DetectSettings, Detection, Vocabulary};
use crate::onnx::{Backend, OnnxError, Session, SessionDevice, TensorIn, TensorOut};
use crate::pixels::letterbox::{Boxed, Letterbox};

/// One picture, and what is looked for in it.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// By [`DetectModel::letterbox`].
    pub picture: &'a Boxed,
    /// The embedding of each noun, L2-normalised. Empty for a baked vocabulary.
    pub nouns: &'a [&'a [f32]],
}

/// The most pictures of one run: 79 MB of input at 640 pixels.
const MOST_AT_ONCE: usize = 16;
/// The most bytes of scores that one run may give: 16 pictures of 300 nouns and 8400 anchors.
const MOST_SCORE_BYTES: usize = 162 << 20;

/// A loaded detector.
pub struct Detector {
    session: Session,
    /// Of the graph, for errors.
    path: PathBuf,
    ports: Ports,
    labels: Option<usize>,
    letterbox: Letterbox,
    settings: DetectSettings,
    /// The inputs of one run, kept between runs.
    slots: Vec<f32>,
    text: Vec<f32>,
    mask: Vec<f32>,
}

/// What one picture asks of one run: so many of its nouns, from the first on.
#[derive(Clone, Copy)]
struct Job {
    question: usize,
    first: usize,
    count: usize,
}

impl Detector {
    pub(super) fn open(
        model: &DetectModel,
        backend: &Backend,
        place: SessionDevice,
        threads: usize,
    ) -> Result<Self, OnnxError> {
        Ok(Detector {
            session: Session::open(&model.model, backend, place, threads)?,
            path: model.model.path.clone(),
            ports: model.ports.clone(),
            labels: match &model.vocabulary {
                Vocabulary::Asked { .. } => None,
                Vocabulary::Baked { labels } => Some(labels.len()),
            },
            letterbox: model.letterbox,
            settings: model.settings.clone(),
            slots: Vec::new(),
            text: Vec::new(),
            mask: Vec::new(),
        })
    }

    /// Finds what is asked for: one list a question, in order, best first. Without nouns the list is empty, and nothing runs.
    ///
    /// Any number of questions is taken, and run by 16 at most, or by fewer where their scores would take more than 162 MiB
    /// (16 pictures of 300 nouns fit). What is found in a picture does not depend on the others, but for a back-end's rounding.
    ///
    /// Refusal classes: `not_a_number` (the model gave NaN for this picture), `wrong_question` (a picture of another size, an
    /// embedding of another length, or nouns for a baked vocabulary). `OnnxError` where the whole run failed.
    pub fn detect(
        &mut self,
        batch: &[Question<'_>],
    ) -> Result<Vec<Result<Vec<Detection>, Refusal>>, OnnxError> {
        let mut answers: Vec<Result<Gathered, Refusal>> = Vec::with_capacity(batch.len());
        let mut jobs = Vec::new();
        for (question, asked) in batch.iter().enumerate() {
            let classes = self.labels.unwrap_or(asked.nouns.len());
            answers.push(self.check(asked).map(|()| Gathered::new(classes)));
            if answers[question].is_ok() {
                let a_run = self.ports.nouns().filter(|_| self.labels.is_none()).unwrap_or(classes).max(1);
                let firsts = (0..classes).step_by(a_run);
                jobs.extend(firsts.map(|first| Job { question, first, count: a_run.min(classes - first) }));
            }
        }
        let mut rest = &jobs[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(self.how_many(rest));
            self.run(batch, now, &mut answers)?;
            rest = later;
        }
        let found = |(gathered, asked): (Result<Gathered, Refusal>, &Question<'_>)| {
            Ok(gathered?.found(&asked.picture.to_source, &self.settings))
        };
        Ok(answers.into_iter().zip(batch).map(found).collect())
    }

    fn check(&self, asked: &Question<'_>) -> Result<(), Refusal> {
        let wrong = |message| Err(Refusal::transient("wrong_question", message));
        let (given, wanted) = (asked.picture.pixels.len(), self.letterbox.boxed_bytes());
        if given != wanted {
            return wrong(format!(
                "a picture of {given} bytes, and {wanted} are wanted; fit it by the detector's letterbox"
            ));
        }
        let Some(text) = &self.ports.text else {
            return match asked.nouns.len() {
                0 => Ok(()),
                nouns => {
                    wrong(format!("{nouns} nouns for a detector whose vocabulary is baked in; ask without"))
                }
            };
        };
        match asked.nouns.iter().find(|noun| noun.len() != text.dimension) {
            Some(noun) => wrong(format!(
                "an embedding of {} numbers, and the detector takes {}; embed nouns with the text model it was made for",
                noun.len(),
                text.dimension
            )),
            None => Ok(()),
        }
    }

    /// How many of the jobs go into the next run: at least one.
    fn how_many(&self, jobs: &[Job]) -> usize {
        let most = self.ports.batch().unwrap_or(MOST_AT_ONCE).clamp(1, jobs.len());
        if self.ports.batch().is_some() {
            return most;
        }
        let a_noun = self.ports.anchors(self.letterbox.size) * size_of::<f32>();
        let mut widest = 0;
        let mut fits = |(at, job): (usize, &Job)| {
            widest = widest.max(job.count);
            a_noun.saturating_mul(widest).saturating_mul(at + 1) <= MOST_SCORE_BYTES
        };
        jobs[..most].iter().enumerate().take_while(|job| fits(*job)).count().max(1)
    }

    /// Runs `jobs` at once and adds what they give to `answers`.
    fn run(
        &mut self,
        batch: &[Question<'_>],
        jobs: &[Job],
        answers: &mut [Result<Gathered, Refusal>],
    ) -> Result<(), OnnxError> {
        let rows = self.ports.batch().unwrap_or(jobs.len()).max(1);
        let widest = jobs.iter().map(|job| job.count).max().unwrap_or(0);
        let columns = self.labels.or(self.ports.nouns()).unwrap_or(widest);
        // A graph that fixes its batch is filled up with repetitions of the last job.
        let filled: Vec<Job> = (0..rows).map(|row| jobs[row.min(jobs.len() - 1)]).collect();
        self.lay_out(batch, &filled, columns);
        let outputs = self.ask(rows, columns)?;
        let views = Views::of(&self.ports.output, &outputs, rows, columns)
            .map_err(|why| OnnxError::Run { path: self.path.clone(), why })?;
        for (row, job) in jobs.iter().enumerate() {
            let answer = &mut answers[job.question];
            if let Ok(gathered) = answer
                && let Err(refusal) = gathered.add(&views.row(row), (job.first, job.count), &self.settings)
            {
                *answer = Err(refusal);
            }
        }
        Ok(())
    }

    /// Writes the inputs of one run: pictures and, where they are asked, nouns and their mask.
    fn lay_out(&mut self, batch: &[Question<'_>], jobs: &[Job], columns: usize) {
        let slot = self.letterbox.boxed_bytes();
        self.slots.resize(jobs.len() * slot, 0.0);
        for (job, slot) in jobs.iter().zip(self.slots.chunks_exact_mut(slot)) {
            batch[job.question].picture.write_tensor(slot);
        }
        self.text.clear();
        self.mask.clear();
        for job in jobs.iter().filter(|_| self.ports.text.is_some()) {
            let nouns = &batch[job.question].nouns[job.first..job.first + job.count];
            for column in 0..columns {
                self.text.extend_from_slice(nouns[column.min(nouns.len() - 1)]);
                self.mask.push(if column < nouns.len() { 1.0 } else { 0.0 });
            }
        }
    }

    /// Runs the graph on what was laid out.
    fn ask(&mut self, rows: usize, columns: usize) -> Result<Vec<TensorOut>, OnnxError> {
        let edge = self.letterbox.size as usize;
        let images = [rows, 3, edge, edge];
        let embeds = [rows, columns, self.ports.dimension().unwrap_or(0)];
        let mut feeds =
            vec![(self.ports.images.name.as_str(), TensorIn::F32 { shape: &images, data: &self.slots })];
        if let Some(text) = &self.ports.text {
            feeds.push((&text.embeds.name, TensorIn::F32 { shape: &embeds, data: &self.text }));
            if let Some(mask) = &text.mask {
                feeds.push((&mask.name, TensorIn::F32 { shape: &embeds[..2], data: &self.mask }));
            }
        }
        self.session.run(&feeds)
    }
}

/// The outputs of one run, checked: each row is what was seen in one picture.
struct Views<'a> {
    boxes: &'a [f32],
    scores: &'a [f32],
    anchors: usize,
    classes: usize,
    output: &'a Output,
}

impl<'a> Views<'a> {
    fn of(output: &'a Output, outputs: &'a [TensorOut], rows: usize, classes: usize) -> Result<Self, String> {
        let floats = |name: &str| {
            let found = outputs.iter().find(|tensor| tensor.name == name);
            let found = found.and_then(|tensor| Some((&tensor.shape[..], tensor.as_f32()?)));
            found
                .filter(|(shape, data)| shape.iter().product::<usize>() == data.len())
                .ok_or_else(|| format!("there is no output `{name}` of floats"))
        };
        match output {
            Output::Apart { boxes, scores } => {
                let ((box_shape, boxes), (score_shape, scores)) =
                    (floats(&boxes.name)?, floats(&scores.name)?);
                let anchors = box_shape.get(1).copied().unwrap_or(0);
                if box_shape != [rows, anchors, 4] || score_shape != [rows, anchors, classes] {
                    return Err(format!(
                        "boxes {box_shape:?} and scores {score_shape:?} for {rows} pictures and {classes} classes: wanted \
                         [{rows}, A, 4] and [{rows}, A, {classes}]"
                    ));
                }
                Ok(Views { boxes, scores, anchors, classes, output })
            }
            Output::Together(both) => {
                let (shape, both) = floats(&both.name)?;
                let anchors = shape.get(2).copied().unwrap_or(0);
                if shape != [rows, 4 + classes, anchors] {
                    return Err(format!(
                        "an output {shape:?} for {rows} pictures and {classes} classes: wanted [{rows}, {}, A]",
                        4 + classes
                    ));
                }
                Ok(Views { boxes: both, scores: both, anchors, classes, output })
            }
        }
    }

    fn row(&self, row: usize) -> Seen<'a> {
        let (anchors, classes) = (self.anchors, self.classes);
        match self.output {
            Output::Apart { .. } => Seen {
                boxes: &self.boxes[row * anchors * 4..][..anchors * 4],
                box_steps: (4, 1),
                form: BoxForm::Corners,
                scores: &self.scores[row * anchors * classes..][..anchors * classes],
                score_steps: (classes, 1),
                anchors,
            },
            Output::Together(_) => {
                let both = &self.boxes[row * anchors * (4 + classes)..][..anchors * (4 + classes)];
                Seen {
                    boxes: &both[..anchors * 4],
                    box_steps: (1, anchors),
                    form: BoxForm::CentreAndSize,
                    scores: &both[anchors * 4..],
                    score_steps: (1, anchors),
                    anchors,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::onnx::{Element, Port, TensorData};

    /// An output of three pictures, two anchors and three classes, whose numbers say where they lie.
    fn output(name: &str, shape: [usize; 3], number: impl Fn(usize) -> f32) -> (Port, TensorOut) {
        let numbers: Vec<f32> = (0..shape.iter().product()).map(number).collect();
        let port = Port { name: name.to_owned(), element: Element::F32, shape: None };
        (port, TensorOut { name: name.to_owned(), shape: shape.to_vec(), data: TensorData::F32(numbers) })
    }

    #[test]
    fn each_row_of_a_run_is_shown_its_own_boxes_and_scores() {
        let (rows, anchors, classes) = (3, 2, 3);
        let (boxes, box_tensor) = output("boxes", [rows, anchors, 4], |at| at as f32);
        let (scores, score_tensor) = output("scores", [rows, anchors, classes], |at| 100.0 + at as f32);
        let (both, both_tensor) = output("both", [rows, 4 + classes, anchors], |at| at as f32);
        let (apart, together) = (Output::Apart { boxes, scores }, Output::Together(both));
        let (apart_tensors, together_tensors) = ([box_tensor, score_tensor], [both_tensor]);
        let apart = Views::of(&apart, &apart_tensors, rows, classes).unwrap();
        let together = Views::of(&together, &together_tensors, rows, classes).unwrap();
        for row in 0..rows {
            let seen = apart.row(row);
            assert_eq!((seen.boxes[0], seen.boxes.len()), ((row * 8) as f32, 8));
            assert_eq!((seen.scores[0], seen.scores.len()), (100.0 + (row * 6) as f32, 6));
            let seen = together.row(row);
            assert_eq!((seen.boxes[0], seen.boxes.len()), ((row * 14) as f32, 8));
            assert_eq!((seen.scores[0], seen.scores.len()), ((row * 14 + 8) as f32, 6));
            // Both anchors' third score: the last two numbers of the row.
            let score = |anchor: usize| seen.scores[anchor * seen.score_steps.0 + 2 * seen.score_steps.1];
            assert_eq!([score(0), score(1)], [(row * 14 + 12) as f32, (row * 14 + 13) as f32]);
        }
    }
}
