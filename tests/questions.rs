//! A question that costs nothing: what is left is the cost of asking.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use threshflow::flow::{Engine, EngineOptions};
use threshflow::lane::{LaneOptions, Lanes, Limits, Looks, Mode, Operator, Reply, Stage, Subject};
use threshflow::row::{ContentHash, Refusal, Score, Stamp};
use threshflow::shard::{Catalogue, Picture, ReadOptions};

use crate::rows::{Charm, DIALS, Taste, taste};

/// Answers by a number of the content's hash.
pub struct Empty;

/// What [`Empty`] answers.
pub fn charm(content: ContentHash) -> Score<Charm> {
    Score::of(f32::from(u16::from_le_bytes([content.0[8], content.0[9]])) / 6554.0)
}

impl Operator for Empty {
    type Answer = Score<Charm>;
    type Prepared = ContentHash;
    type Session = ();

    const LOOKS: Looks = Looks::AtTheRow;
    const QUESTIONS_A_JOB: usize = 256;

    fn name(&self) -> &'static str {
        "empty"
    }
    fn stamp(&self) -> Stamp {
        Stamp::of(&[("operator", b"empty/1")])
    }
    fn model(&self) -> String {
        "none".to_owned()
    }
    fn bytes_to_prepare(&self, _picture: &Picture, _bytes: &[u8]) -> u64 {
        0
    }
    fn bytes_prepared(&self, _questions: usize) -> u64 {
        0
    }
    fn prepare(&self, subject: &Subject<'_>) -> Result<ContentHash, Refusal> {
        Ok(subject.content())
    }
    fn limits(&self) -> Limits {
        Limits::of_functions(1024)
    }
    fn open_session(&self) -> Result<(), String> {
        Ok(())
    }
    fn answer(&self, _session: &mut (), batch: &[ContentHash]) -> Vec<Result<Reply<Score<Charm>>, Refusal>> {
        batch.iter().map(|content| Ok(charm(*content).into())).collect()
    }
}

/// Lanes over an empty catalogue, with the stage that asks [`Empty`]; the memo lies in `folder`.
pub fn lanes(folder: &Path) -> (Arc<Lanes>, Arc<Stage<Empty>>) {
    let catalogue = Catalogue::open(folder, ReadOptions::default(), false).expect("a catalogue opens");
    let options = LaneOptions {
        mode: Mode::Ask,
        pool_threads: 1,
        pool_queue: 4096,
        decoded_bytes: 1 << 20,
        deadline: Duration::from_secs(60),
        memos: threshflow::memo::Places::alone(&folder.join("memo"), 0),
        log: None,
    };
    let lanes = Lanes::open(options, Arc::new(catalogue));
    let stage = Stage::open(Empty, &lanes).expect("a memo opens");
    (lanes, stage)
}

/// One worker that asks about every row and gates nothing.
pub fn asking(stage: &Arc<Stage<Empty>>) -> Engine {
    let stage = stage.clone();
    Engine::start(EngineOptions::default(), &[], &[0.0; 0], move |images, _maker| images.ask(&stage).finish())
        .expect("the engine starts")
}

/// One worker wired as `prepare` is: a gate on what rows bring along, a question, a gate on its answer.
pub fn preparing(stage: &Arc<Stage<Empty>>, values: [f32; 2]) -> Engine {
    let stage = stage.clone();
    Engine::start(EngineOptions::default(), &DIALS, &values, move |images, maker| {
        let (taste_at, charm_at) = (maker.dial::<Taste>(&DIALS[0]), maker.dial::<Charm>(&DIALS[1]));
        images.each(taste).gate(&taste_at).ask(&stage).gate(&charm_at).finish()
    })
    .expect("the engine starts")
}
