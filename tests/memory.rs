//! The memory that a row takes in a run is a bound, and a number: gate, question and gate over more and more rows, each
//! number in a process of its own, so that the most that it ever held can be read off.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use tests::live::go_on;
use threshflow::flow::{Comparison, DialSpec, Engine, EngineOptions, Fed};
use threshflow::lane::{LaneOptions, Lanes, Looks, Mode, Operator, Reply, Stage, Subject};
use threshflow::row::{ContentHash, Image, Refusal, RowId, Score, Scored, Stamp, Unit};
use threshflow::shard::{Catalogue, Picture, ReadOptions};

/// Set for the processes that do the work.
const TOLD: &str = "THRESHFLOW_TEST_MEMORY_ROWS";
const ROWS: [u32; 2] = [100_000, 1_000_000];
/// Bytes for every row more, with room for what the allocator leaves unused.
const MOST: u64 = 130;

struct Taste;
impl Unit for Taste {
    const NAME: &'static str = "taste";
    const UNIT: &'static str = "0 to 10";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 10.0;
}

struct Charm;
impl Unit for Charm {
    const NAME: &'static str = "charm";
    const UNIT: &'static str = "0 to 10";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 10.0;
}

const fn dial(name: &'static str) -> DialSpec {
    let (unit, comparison, about) = ("0 to 10", Comparison::Above, "");
    DialSpec { name, unit, comparison, default: 5.0, low: 0.0, high: 10.0, about }
}

static DIALS: [DialSpec; 2] = [dial(Taste::NAME), dial(Charm::NAME)];

/// Answers by the content's first bytes.
struct Plain;

impl Operator for Plain {
    type Answer = Score<Charm>;
    type Prepared = ContentHash;
    type Session = ();

    const LOOKS: Looks = Looks::AtTheRow;
    const QUESTIONS_A_JOB: usize = 256;

    fn name(&self) -> &'static str {
        "plain"
    }
    fn stamp(&self) -> Stamp {
        Stamp::of(&[("operator", b"plain/1")])
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
    fn most_a_batch(&self) -> usize {
        1024
    }
    fn sessions(&self) -> usize {
        1
    }
    fn open_session(&self) -> Result<(), String> {
        Ok(())
    }
    fn answer(&self, _session: &mut (), batch: &[ContentHash]) -> Vec<Result<Reply<Score<Charm>>, Refusal>> {
        let charm =
            |content: &ContentHash| f32::from(u16::from_le_bytes([content.0[0], content.0[1]])) / 6554.0;
        batch.iter().map(|content| Ok(Score::of(charm(content)).into())).collect()
    }
}

/// Every row passes both gates and is asked.
#[test]
fn a_row_more_takes_so_many_bytes_at_most() {
    if let Ok(rows) = std::env::var(TOLD) {
        return run(rows.parse().unwrap());
    }
    let [less, more] = ROWS.map(peak_of_a_run);
    let a_row = more.saturating_sub(less) / u64::from(ROWS[1] - ROWS[0]);
    assert!((40..=MOST).contains(&a_row), "{a_row} bytes for every row more: {less}, then {more} at most");
}

fn peak_of_a_run(rows: u32) -> u64 {
    let mut program = Command::new(std::env::current_exe().unwrap());
    let ran = program.arg("--nocapture").env(TOLD, rows.to_string()).output().unwrap();
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{text}{}", String::from_utf8_lossy(&ran.stderr));
    let peak = text.lines().find_map(|line| line.split_once("at most: ")).expect("it says").1;
    peak.trim().parse().expect("a number of bytes")
}

fn run(rows: u32) {
    let folder = tests::scratch();
    let catalogue = Catalogue::open(folder.path(), ReadOptions::default(), false).unwrap();
    let lanes = LaneOptions {
        mode: Mode::Ask,
        pool_threads: 1,
        pool_queue: 4096,
        decoded_bytes: 1 << 20,
        deadline: Duration::from_secs(600),
        generation: 0,
        memos: folder.path().join("memo"),
        log: None,
    };
    let lanes = Lanes::open(lanes, Arc::new(catalogue));
    let stage = Stage::open(Plain, &lanes).unwrap();
    let asked = stage.clone();
    let mut engine = Engine::start(EngineOptions::default(), &DIALS, &[-1.0, -1.0], move |images, maker| {
        let (taste, charm) = (maker.dial::<Taste>(&DIALS[0]), maker.dial::<Charm>(&DIALS[1]));
        let scored = images.each(|image| Scored { score: Score::of(image.given.get()), row: image });
        scored.gate(&taste).ask(&asked).gate(&charm)
    })
    .unwrap();
    let fed = (0..rows as usize).map(|member| {
        let content = ContentHash::of(&member.to_le_bytes());
        let id = RowId { shard: 0, member: member as u32 };
        let given = Score::of(f32::from(u16::from_le_bytes([content.0[2], content.0[3]])) / 6554.0);
        Fed::Image(Image { id, content, width: 1600, height: 1200, given })
    });
    engine.insert(0, fed, &mut go_on).unwrap();
    engine.settle(&mut go_on).unwrap();
    assert_eq!((stage.memo().len(), engine.verdicts().counts().kept), (rows as usize, rows as usize));
    let status = std::fs::read_to_string("/proc/self/status").expect("this test needs Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux writes it");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
    println!("at most: {}", kilobytes * 1024);
}
