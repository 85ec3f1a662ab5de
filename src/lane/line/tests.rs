//! An operator with two lines, a quick one of two sessions and a slow one of one, over a tar of small pictures.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Condvar};

use super::*;
use crate::lane::in_flight::Flight;
use crate::lane::{
    AskLog, Completion, Endpoint, Key, LaneOptions, Lanes, Limits, Mailbox, Mode, Operator, Prepares, Reply,
    Stage, Subject, Watched,
};
use crate::memo::Remembered;
use crate::row::{Image, Refusal, RowId, Score, Stamp, Unit};
use crate::shard::{Catalogue, Picture, ReadOptions, ShardSource};

const QUICK: usize = 0;
const SLOW: usize = 1;
/// Of a picture, prepared.
const BYTES: u64 = 1000;
const DEADLINE: Duration = Duration::from_secs(60);

struct Worth;
impl Unit for Worth {
    const NAME: &'static str = "worth";
    const UNIT: &'static str = "points";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 1000.0;
}

/// What was done, and how many at once.
#[derive(Default)]
struct Done {
    /// The steps that were done, by question.
    steps: HashMap<ContentHash, usize>,
    /// Answers under way, and the most that were, by line.
    now: [usize; 2],
    most: [usize; 2],
    calls: [usize; 2],
    /// Whether the slow line's answers wait.
    held: bool,
}

#[derive(Default)]
struct Shared {
    done: Mutex<Done>,
    changed: Condvar,
}

impl Shared {
    fn hold(&self, held: bool) {
        lock(&self.done).held = held;
        self.changed.notify_all();
    }

    fn wait_until(&self, what: impl Fn(&Done) -> bool) {
        let done = lock(&self.done);
        let waited = self.changed.wait_timeout_while(done, Duration::from_secs(60), |done| !what(done));
        assert!(!waited.unwrap().1.timed_out(), "it never came to that");
    }
}

/// Every third question goes through the quick line, every third through the slow one, and every third through both.
struct TwoLines(Arc<Shared>);

impl TwoLines {
    fn way(member: u32) -> &'static [usize] {
        [&[QUICK][..], &[SLOW], &[QUICK, SLOW]][member as usize % 3]
    }
}

impl Operator for TwoLines {
    type Answer = Score<Worth>;
    type Prepared = Question;
    type Session = ();
    const KEY: Key = Key::Picture;
    const PREPARES: Prepares = Prepares::WhenTakenUp;

    fn name(&self) -> &'static str {
        "two_lines"
    }
    fn stamp(&self) -> Stamp {
        Stamp::of(&[("operator", b"two_lines/1")])
    }
    fn model(&self) -> String {
        "none".to_owned()
    }
    fn bytes_to_prepare(&self, _picture: &Picture, _bytes: &[u8]) -> u64 {
        BYTES
    }
    fn bytes_prepared(&self, _questions: usize) -> u64 {
        BYTES
    }
    fn prepare(&self, subject: &Subject<'_>) -> Result<Question, Refusal> {
        Ok(subject.questions[0].clone())
    }
    fn limits(&self) -> Limits {
        Limits { lines: vec![2, 1], in_flight: Some(1000), ..Limits::of_server(1, DEADLINE) }
    }
    fn line(&self, question: &Question) -> Result<usize, Refusal> {
        let done = lock(&self.0.done).steps.get(&question.content).copied().unwrap_or(0);
        Ok(TwoLines::way(question.id.member)[done])
    }
    fn open_session(&self) -> Result<(), String> {
        Ok(())
    }
    fn answer(&self, _: &mut (), _: &[Question]) -> Vec<Result<Reply<Score<Worth>>, Refusal>> {
        unreachable!("questions wait in lines")
    }
    fn answer_in_line(
        &self,
        line: usize,
        _: &mut (),
        question: &Question,
    ) -> Option<Result<Reply<Score<Worth>>, Refusal>> {
        let mut done = lock(&self.0.done);
        done.now[line] += 1;
        done.calls[line] += 1;
        done.most[line] = done.most[line].max(done.now[line]);
        self.0.changed.notify_all();
        while done.held && line == SLOW {
            done = self.0.changed.wait(done).unwrap();
        }
        drop(done);
        std::thread::yield_now();
        let mut done = lock(&self.0.done);
        done.now[line] -= 1;
        let steps = done.steps.entry(question.content).or_default();
        assert_eq!(TwoLines::way(question.id.member)[*steps], line, "a step out of its line");
        *steps += 1;
        let over = *steps == TwoLines::way(question.id.member).len();
        self.0.changed.notify_all();
        over.then(|| Ok(Score::of(question.id.member as f32).into()))
    }
}

struct Lane {
    lanes: Arc<Lanes>,
    stage: Arc<Stage<TwoLines>>,
    shared: Arc<Shared>,
    mailbox: Arc<Mailbox>,
    woken: crossbeam::channel::Receiver<()>,
    questions: Vec<Question>,
    log: AskLog,
    _folder: tempfile::TempDir,
}

fn write_tar(path: &Path, pictures: u8) {
    let mut tar = tar::Builder::new(std::fs::File::create(path).unwrap());
    for number in 0..pictures {
        let mut picture = std::io::Cursor::new(Vec::new());
        let pixels = image::GrayImage::from_pixel(2, 2, image::Luma([number]));
        pixels.write_to(&mut picture, image::ImageFormat::Png).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(picture.get_ref().len() as u64);
        tar.append_data(&mut header, format!("{number:03}.png"), &picture.get_ref()[..]).unwrap();
    }
    tar.finish().unwrap();
}

impl Lane {
    fn open(pictures: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tar");
        write_tar(&path, pictures);
        let store = folder.path().join("store");
        let catalogue = Arc::new(Catalogue::open(&store, ReadOptions::default(), false).unwrap());
        let source = ShardSource::of_tar("x", vec![Ok(path)]);
        let shard = catalogue.load(&source).unwrap();
        let log = AskLog::default();
        let options = LaneOptions {
            mode: Mode::Ask,
            pool_threads: 1,
            pool_queue: 1000,
            // Room for a few: what waits may hold none of it.
            decoded_bytes: 4 * BYTES,
            deadline: Duration::from_secs(1),
            memos: crate::memo::Places::alone(&folder.path().join("memo"), 0),
            log: Some(log.clone()),
        };
        let lanes = Lanes::open(options, catalogue);
        let shared = Arc::<Shared>::default();
        let stage = Stage::open(TwoLines(shared.clone()), &lanes).unwrap();
        let question = |(member, sample): (usize, &crate::shard::Sample)| {
            let picture = sample.picture.as_ref().unwrap();
            let id = RowId { shard: shard.seq, member: member as u32 };
            let (width, height) = (picture.width, picture.height);
            let image = Image { id, content: picture.content, width, height };
            Question::about(&image, Key::Picture)
        };
        let questions = shard.index.samples.iter().enumerate().map(question).collect();
        let (sender, woken) = crossbeam::channel::unbounded();
        let mailbox = Mailbox::new(Arc::new(move || {
            let _ = sender.send(());
        }));
        Lane { lanes, stage, shared, mailbox, woken, questions, log, _folder: folder }
    }

    fn ask(&self) {
        let mut questions = VecDeque::from(self.questions.clone());
        self.stage.try_ask(&mut questions, &self.mailbox);
        assert!(questions.is_empty());
    }

    /// So many answers, as they come.
    fn completions(&self, wanted: usize) -> Vec<Completion> {
        let mut completions = Vec::new();
        while completions.len() < wanted {
            self.woken.recv_timeout(Duration::from_secs(60)).expect("answers come");
            completions.extend(self.mailbox.take());
        }
        assert_eq!(completions.len(), wanted);
        completions
    }

    /// Until all that were asked wait in their lines, but for those in hand.
    fn wait_for_lines(&self, waiting: usize) {
        while self.stage.status().waiting_for_a_batch != waiting || self.lanes.queued() > 0 {
            std::thread::yield_now();
        }
    }

    fn of_way(&self, way: &[usize]) -> usize {
        self.questions.iter().filter(|question| TwoLines::way(question.id.member) == way).count()
    }
}

#[test]
fn each_line_is_its_own_bound_and_a_question_goes_from_line_to_line() {
    let lane = Lane::open(60);
    lane.ask();
    let completions = lane.completions(60);
    assert!(completions.iter().all(|completion| matches!(completion.said, Remembered::Answer(_))));
    let done = lock(&lane.shared.done);
    assert_eq!(done.calls, [40, 40], "each step once");
    assert_eq!((done.most[QUICK] <= 2, done.most[SLOW]), (true, 1));
    let mut asked: Vec<ContentHash> = lock(&lane.log).iter().map(|(_, content)| *content).collect();
    asked.sort();
    asked.dedup();
    assert_eq!(
        (asked.len(), lock(&lane.log).len()),
        (60, 60),
        "a question is asked once, however many lines"
    );
    let status = lane.stage.status();
    assert_eq!((status.asked.asked, status.asked.answered, status.in_flight), (60, 60, 0));
}

#[test]
fn what_waits_for_a_slow_line_holds_no_pixels_and_holds_up_no_other() {
    let lane = Lane::open(60);
    lane.shared.hold(true);
    lane.ask();
    // All that the quick line does is done while the slow one is at its first.
    lane.completions(lane.of_way(&[QUICK]));
    lane.shared.wait_until(|done| done.calls == [40, 1]);
    lane.wait_for_lines(39);
    assert_eq!(lane.lanes.budget().used(), BYTES, "of the one in hand");
    lane.shared.hold(false);
    lane.completions(lane.of_way(&[SLOW]) + lane.of_way(&[QUICK, SLOW]));
    assert_eq!(lane.lanes.budget().used(), 0);
}

#[test]
fn what_was_given_up_is_not_worked_off() {
    let lane = Lane::open(60);
    lane.shared.hold(true);
    lane.ask();
    lane.completions(20);
    lane.wait_for_lines(39);
    // The one in hand is at its work: given up before, it would not be worked off either.
    lane.shared.wait_until(|done| done.calls == [40, 1]);
    lane.stage.give_up_the_late(Instant::now());
    assert!(lane.mailbox.take().is_empty(), "it is not late yet");
    lane.stage.give_up_the_late(Instant::now() + DEADLINE + Duration::from_secs(1));
    let given_up = lane.completions(40);
    let is_late = |completion: &Completion| matches!(&completion.said, Remembered::Refused(refusal) if refusal.class == "deadline");
    assert!(given_up.iter().all(is_late), "the line did not move");
    lane.shared.hold(false);
    lane.wait_for_lines(0);
    while lane.stage.status().at_work > 0 {
        std::thread::yield_now();
    }
    assert_eq!(lock(&lane.shared.done).calls, [40, 1]);
}

#[test]
fn what_waits_in_line_can_be_withdrawn() {
    let lane = Lane::open(30);
    lane.shared.hold(true);
    lane.ask();
    lane.completions(10);
    lane.wait_for_lines(19);
    for question in &lane.questions {
        lane.stage.cancel(&question.content, &lane.mailbox);
    }
    lane.shared.hold(false);
    // The one in hand, and those that the quick line had done its part for.
    lane.wait_for_lines(0);
    while lane.stage.status().at_work > 0 || lane.stage.status().in_flight > 0 {
        std::thread::yield_now();
    }
    let calls = lock(&lane.shared.done).calls[SLOW];
    assert!((10..=11).contains(&calls), "{calls} calls");
    assert_eq!(lock(&lane.log).len(), 20 + calls - 10, "what was withdrawn was never asked");
}

/// A server with so many requests under way that come to nothing.
struct Server(AtomicUsize);

impl Endpoint for Server {
    fn name(&self) -> String {
        "server".to_owned()
    }
    fn stop(&self) {}
    fn report(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
    fn line(&self) -> String {
        String::new()
    }
    fn in_vain(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// The servers are done with it: it is with its operator, which decodes it.
#[test]
fn an_answer_that_has_come_is_waited_for_until_it_is_remembered() {
    let lane = Lane::open(3);
    let server = Arc::new(Server(AtomicUsize::new(0)));
    lane.lanes.watch(server.clone());
    lane.shared.hold(true);
    lane.ask();
    lane.completions(1);
    lane.shared.wait_until(|done| done.calls == [2, 1]);
    lane.wait_for_lines(1);
    // The one that has its answer is put down a moment after it was given.
    while lane.stage.status().at_work > 1 || lane.stage.status().in_flight > 2 {
        std::thread::yield_now();
    }
    lane.lanes.stop();
    assert_eq!(lane.lanes.under_way(), ["1 of two_lines"]);
    server.0.store(1, SeqCst);
    assert_eq!(lane.lanes.under_way(), [""; 0], "what waits for a dead server is not waited for");
    server.0.store(0, SeqCst);
    std::thread::scope(|threads| {
        let waits = threads.spawn(|| lane.lanes.wait_for_answers(Duration::from_secs(60)));
        lane.shared.hold(false);
        waits.join().unwrap();
    });
    assert_eq!(lane.stage.memo().len(), 2, "it was remembered");
}

#[test]
fn a_clock_runs_while_somebody_works_or_while_a_line_stands_still() {
    let base = Instant::now();
    let after = |seconds| base + Duration::from_secs(seconds);
    let lines = vec![Line::<()>::new(1, 1), Line::<()>::new(1, 1)];
    *lock(&lines[QUICK].moved) = base;
    *lock(&lines[SLOW].moved) = after(5);
    let states = [
        State::Asked,
        State::Taken,
        State::AtWork(base),
        State::InLine { line: QUICK, since: base, open: true },
        State::InLine { line: SLOW, since: base, open: true },
        State::InLine { line: QUICK, since: after(3), open: false },
    ];
    let content = |number: usize| ContentHash::of(&[number as u8]);
    let flight = |state| Flight { mailboxes: Vec::new(), state, shard: 0 };
    let in_flight: InFlight =
        states.into_iter().enumerate().map(|(number, state)| (content(number), flight(state))).collect();
    let late_at = |seconds| {
        let late = late(&in_flight, &lines, after(seconds), Duration::from_secs(4));
        (0..states.len()).filter(|number| late.contains(&content(*number))).collect::<Vec<_>>()
    };
    assert_eq!(late_at(4), [0; 0]);
    assert_eq!(late_at(6), [2, 3]);
    assert_eq!(late_at(8), [2, 3, 5]);
    assert_eq!(late_at(60), [2, 3, 4, 5]);
}
