//! Reuse, by the exact log of asks: every question once, and of regions only those that newly pass.

use std::path::Path;

use tests::Rng;
use tests::ground::{Args, At, Ground, Plain, pictures, plain};
use tests::live::{Live, Options};
use tests::shards::{Sample, write};
use threshflow::lane::AskLog;

use crate::{Asks, DEFAULTS, SURE, learn, settle_and_compare, some_value, take};

struct Session {
    live: Live<Ground>,
    log: AskLog,
    samples: Vec<Sample>,
    known: Asks,
}

impl Session {
    fn start(folder: &Path, values: &[f32], workers: usize, known: Asks) -> Self {
        // The second half: the same pictures with other words, and some with the same.
        let mut samples = pictures(3, 0..150, 0);
        for (place, mut sample) in pictures(3, 0..60, 1).into_iter().enumerate() {
            if place % 3 == 0 {
                sample = samples[place].clone();
            }
            samples.push(Sample { key: format!("again-{}", sample.key), ..sample });
        }
        write(&folder.join("a.tar"), &samples);
        let log = AskLog::default();
        let options = Options { workers, ..Options::default() };
        let mut live =
            Live::open(&folder.join("store"), &options, &Args::default(), values, Some(log.clone()));
        live.insert(&folder.join("a.tar"));
        Session { live, log, samples, known }
    }

    /// Settles; gives what was asked, which must be exactly what was never asked before and is needed now.
    fn settled(&mut self, context: &str) -> Asks {
        let plain = plain([("a", self.samples.as_slice())], At(&self.live.engine.values()), None);
        settle_and_compare(&mut self.live, &plain, context);
        let asked = take(&self.log);
        self.compare(&plain, &asked, context);
        learn(&mut self.known, &plain.asks);
        asked
    }

    fn compare(&self, plain: &Plain, asked: &Asks, context: &str) {
        for stage in ["words", "spelling", "find", "mask", "judge"] {
            let asked = asked.get(stage).cloned().unwrap_or_default();
            assert_eq!(asked.len() as u64, plain.fresh(stage, &self.known), "{context}: {stage}");
            // What samples are asked about is known by their shards' numbers, which a plain function does not know.
            if stage != "words" {
                let wanted = plain.asks.get(stage).cloned().unwrap_or_default();
                assert!(asked.is_subset(&wanted), "{context}: {stage}");
            }
        }
    }

    fn turn(&mut self, dial: usize, value: f32) -> Asks {
        self.live.turn(dial, value);
        self.settled(&format!("dial {dial} to {value}"))
    }
}

#[test]
fn every_question_is_asked_once_whatever_the_dials_do() {
    for workers in [1, 3] {
        let folder = tests::scratch();
        let mut session = Session::start(folder.path(), &DEFAULTS, workers, Asks::new());
        let first = session.settled("the first run");
        let count = |asks: &Asks, stage: &str| asks.get(stage).map_or(0, |asks| asks.len());
        assert!(count(&first, "find") > 80 && count(&first, "mask") > 200, "too few to tell anything");
        assert!(count(&first, "judge") < count(&first, "mask"), "what has no mask is not judged");
        assert!((10..=21).contains(&count(&first, "spelling")), "a word is asked once over all pictures");

        let nothing = Asks::new();
        let tighter = session.turn(SURE, 0.75);
        // Where the object of an edit leaves, another is chosen: the one question that tightening asks.
        assert!(tighter.keys().all(|stage| *stage == "make"), "tightening asks nothing, not {tighter:?}");
        let wider = session.turn(SURE, 0.0);
        assert_eq!(wider.keys().collect::<Vec<_>>(), ["judge", "make", "mask"].iter().collect::<Vec<_>>());
        assert_eq!(session.turn(SURE, 0.25), nothing);

        let mut rng = Rng(workers as u64);
        for _ in 0..20 {
            let dial = rng.below(DEFAULTS.len());
            session.turn(dial, some_value(dial, &mut rng));
            // And back to where it began, which was answered.
            assert_eq!(session.turn(dial, DEFAULTS[dial]), nothing);
        }
        let known = std::mem::take(&mut session.known);
        drop(session);
        let mut again = Session::start(folder.path(), &DEFAULTS, workers, known);
        assert_eq!(again.settled("the same run again"), nothing);
    }
}
