//! Dials by group and by share, and scorers that come and go: random histories, each held against a plain function of all samples, against the exact log of what was
//! asked, and, byte for byte, against a fresh run.

use std::collections::BTreeSet;
use std::sync::Mutex;

use tests::curate::{self, plainly};
use tests::grouped::{Args, Grouped, SCORERS, Shape, plain, specs};
use tests::history::{History, play_all};
use tests::live::{Live, Options};
use tests::shards::{Sample, corpus};
use threshflow::flow::{DialSpec, Setting, touched_records};
use threshflow::lane::AskLog;
use threshflow::pipeline::dial_specs;
use threshflow::row::{ContentHash, Group};

/// The rows that gates look at are counted for the whole process.
static ALONE: Mutex<()> = Mutex::new(());

const SEQUENCES: u64 = 300;
const STEPS: usize = 8;

fn samples(seed: u64, shard: usize, version: u64) -> Vec<Sample> {
    let start = shard as u64 * 9 + version * 2;
    corpus(seed % 5, start..start + 8 + (shard as u64 + version) % 7)
}

/// A place for this dial: a value, a percentage, or a number of rows.
fn any_setting(history: &mut History<Setting>, spec: &DialSpec) -> Setting {
    let rng = &mut history.rng;
    match rng.below(3) {
        0 if spec.unit == "px" => Setting::At(rng.below(24) as f32),
        0 => Setting::At(rng.below(spec.high as usize * 2 + 1) as f32 / 2.0),
        1 => format!("top:{}%", 1 + rng.below(100)).parse().expect("a share"),
        _ => format!("top:{}", 1 + rng.below(12)).parse().expect("a share"),
    }
}

struct Played {
    history: History<Setting>,
    live: Live<Grouped>,
    log: AskLog,
    /// Who is asked beside the judge, in this order.
    scorers: Vec<String>,
    /// All that had to be asked so far.
    asked: BTreeSet<(&'static str, ContentHash)>,
}

fn args(scorers: &[String]) -> Args {
    let judge = curate::Args { bytes: 1000, ..curate::Args::default() };
    Args { judge, scorers: scorers.to_vec() }
}

fn start(history: &mut History<Setting>, scorers: &[String], log: &AskLog) -> Live<Grouped> {
    let workers = [1, 2, 4][history.rng.below(3)];
    let rows_an_epoch = 1 + history.rng.below(12);
    let options = Options { workers, rows_an_epoch, window: 1 + history.rng.below(6), ..Options::default() };
    let (store, args) = (history.store(), args(scorers));
    let mut live = Live::open(&store, &options, &args, &history.values, Some(log.clone()));
    history.insert_into(&mut live);
    live
}

impl Played {
    fn new(seed: u64) -> Self {
        let defaults = dial_specs::<Grouped>().iter().map(|spec| Setting::At(spec.default));
        let mut history = History::new(seed, &defaults.collect::<Vec<_>>(), samples);
        let log = AskLog::default();
        let live = start(&mut history, &[], &log);
        Played { history, live, log, scorers: Vec::new(), asked: BTreeSet::new() }
    }

    /// Settles, and holds everything against the oracle.
    fn check(&mut self, what: &str) {
        self.live.settle();
        let shards: Vec<_> = self.history.shards().collect();
        let wanted = plain(&shards, &self.scorers, &self.history.values);
        let standing: Vec<_> =
            self.live.verdicts().iter().map(|(name, verdict)| (name.clone(), plainly(verdict))).collect();
        assert_eq!(standing, wanted.verdicts.into_iter().collect::<Vec<_>>(), "{what}");
        let values = self.live.engine.values();
        for ((at, wanted), spec) in values.iter().zip(wanted.values).zip(self.live.dials) {
            assert!(
                wanted.is_none_or(|wanted| wanted == *at),
                "{what}: {} is at {at}, not {wanted:?}",
                spec.name
            );
        }
        // Nothing is asked about a row that a share holds back, not even on the way there.
        self.asked.extend(wanted.asked);
        let log = self.log.lock().expect("nobody panicked");
        let asked: BTreeSet<_> = log.iter().copied().collect();
        assert_eq!(log.len(), asked.len(), "{what}: each once");
        assert_eq!(asked, self.asked, "{what}");
    }

    /// Draws which scorers are asked from now on. The dial of one that stays stays where it is.
    fn other_scorers(&mut self) {
        let before = specs(&self.scorers);
        let rng = &mut self.history.rng;
        let mut names: Vec<String> = SCORERS.iter().map(|(name, _)| (*name).to_owned()).collect();
        names.retain(|_| rng.below(2) == 0);
        if rng.below(2) == 0 {
            names.reverse();
        }
        let stood = |spec: &DialSpec| {
            let known = before.iter().position(|known| known.name == spec.name);
            known.map_or(Setting::At(spec.default), |known| self.history.values[known])
        };
        self.history.values = specs(&names).iter().map(stood).collect();
        self.scorers = names;
    }

    fn step(&mut self) -> String {
        let specs = self.live.dials;
        match self.history.rng.below(8) {
            0..=4 => {
                let dial = self.history.rng.below(specs.len());
                let setting = any_setting(&mut self.history, &specs[dial]);
                self.history.values[dial] = setting;
                self.live.turn(dial, setting);
                format!("{}={setting}", specs[dial].name)
            }
            5 | 6 => {
                let shard = self.history.take_out(&mut self.live);
                self.check("without a shard");
                self.history.put_back(shard, &mut self.live);
                "a shard".to_owned()
            }
            // A restart: what is by share is resolved again. Scorers come, go, and change their order.
            _ => {
                self.other_scorers();
                self.live = start(&mut self.history, &self.scorers, &self.log);
                format!("a restart with {:?}", self.scorers)
            }
        }
    }
}

fn play(seed: u64) {
    let mut played = Played::new(seed);
    played.check(&format!("seed {seed}, at the start"));
    for number in 0..STEPS {
        let step = played.step();
        let settings: Vec<String> = played.history.values.iter().map(Setting::to_string).collect();
        played.check(&format!("seed {seed}, step {number}, {step}; the dials: {}", settings.join(" ")));
    }
    played.live.commit(&played.history.out());
    let Played { history, live, scorers, .. } = played;
    drop(live);
    history.assert_as_fresh::<Grouped>(&args(&scorers));
}

#[test]
fn any_history_of_groups_and_shares_publishes_what_a_fresh_run_publishes() {
    let _alone = ALONE.lock().expect("nobody panicked");
    play_all(SEQUENCES, play);
}

/// Of a large shard, whose rows are asked about once.
#[test]
fn a_turned_share_looks_at_its_band_and_at_the_bucket_of_its_boundary() {
    let _alone = ALONE.lock();
    let mut history = History::new(7, &settings_of(&[]), |_, _, _| corpus(3, 0..600));
    let log = AskLog::default();
    let mut live = start(&mut history, &[], &log);
    live.settle();
    let asked = log.lock().expect("nobody panicked").len();
    let wide = dial_specs::<Grouped>().iter().position(|spec| spec.name == "taste[wide]").expect("a dial");
    let mut touched = |setting: &str| {
        let before = touched_records();
        live.turn(wide, setting.parse::<Setting>().expect("a setting"));
        live.settle();
        touched_records() - before
    };
    // 21 values of taste: a bucket of one value is a twentieth of the rows of a group.
    touched("top:100%");
    let (half, same, next) = (touched("top:50%"), touched("top:50%"), touched("top:45%"));
    println!("{half} rows looked at for the upper half of them, {same} for the same again, {next} for 45 %");
    assert!(same * 4 < half && next * 2 < half, "{half} {same} {next}");
    assert_eq!(log.lock().expect("nobody panicked").len(), asked, "nothing is asked again");
}

fn settings_of(set: &[&str]) -> Vec<Setting> {
    let set: Vec<String> = set.iter().map(|setting| (*setting).to_owned()).collect();
    threshflow::dial::settings(dial_specs::<Grouped>(), &set).expect("settings")
}

#[test]
fn a_group_is_named_in_settings_and_in_specs() {
    let names: Vec<&str> = dial_specs::<Grouped>().iter().map(|spec| spec.name).collect();
    assert_eq!(names[..4], ["short_side", "taste[wide]", "taste[tall]", "taste[square]"]);
    assert_eq!(Shape::NAMES.len() * 2 + 2, names.len());
    let stand: Vec<String> =
        settings_of(&["taste=6", "taste[tall]=top:10%"]).iter().map(Setting::to_string).collect();
    assert_eq!(stand[1..4], ["6", "top:10%", "6"]);
}
