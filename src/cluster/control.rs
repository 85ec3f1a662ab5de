//! The words between the processes: what each knows of the others, and the threads that read and write.
//!
//! All words go by way of process 0. A reader that hears nothing for [`SILENCE`], or comes to the end of its connection before the run is
//! done, has lost the other end: then the run ends everywhere. Each writer says that it is there once in [`BEAT`], from a thread of its own:
//! a process that works long is not taken for one that hangs.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{self, BufReader};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use super::hand_out::HandOut;
use super::message::{Host, Message, receive, send};
use super::{BEAT, GRACE, LOST_EXIT_CODE, Lost, SILENCE, Traffic, lock};
use crate::flow::Epoch;

/// What is said beside all else is said in parts of so many bytes.
const PART: usize = 4 << 20;

/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What is known of the others.
#[derive(Default)]
pub(super) struct State {
    /// The furthest epoch that another one has begun.
    pub(super) reached: Epoch,
    /// What all said, and this process has not taken yet.
    pub(super) heard: VecDeque<Vec<Vec<u8>>>,
    given: VecDeque<Option<u32>>,
    /// In process 0: what others said beside all else, by their numbers and its own.
    pub(super) beside: HashMap<(usize, u64), Vec<u8>>,
    /// Of it, what has not come to its end.
    begun: HashMap<(usize, u64), Vec<u8>>,
    /// The numbers that somebody waits for.
    expected: HashSet<u64>,
    pub(super) table: Option<Vec<Host>>,
    pub(super) lost: Option<Lost>,
    pub(super) done: bool,
    pub(super) wake: Option<Box<dyn Fn() + Send + Sync>>,
    /// In process 0.
    first: Option<First>,
    /// To process 0; in process 0, to each of the others.
    writers: Vec<(usize, Sender<Message>)>,
    /// Nothing is said any more.
    hung_up: bool,
}

/// What process 0 keeps for all.
struct First {
    hand_out: HandOut,
    /// What each said that not all have said by now, and whether it is for all.
    said: Vec<VecDeque<(Vec<u8>, bool)>>,
}

pub(super) struct Shared {
    state: Mutex<State>,
    /// Of anything in it.
    pub(super) changed: Condvar,
    pub(super) traffic: Traffic,
    /// Writers that have not written their last words.
    writing: Arc<Mutex<usize>>,
}

impl Shared {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            traffic: Traffic::default(),
            writing: Arc::default(),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Makes this the process that hands out these shards.
    pub(super) fn lead(&self, shards: &[String], processes: usize) {
        let said = vec![VecDeque::new(); processes];
        self.state().first = Some(First { hand_out: HandOut::new(shards, processes), said });
    }

    /// Waits until there is something, or the run ended elsewhere.
    pub(super) fn wait<T>(&self, mut there: impl FnMut(&mut State) -> Option<T>) -> Result<T, Lost> {
        let mut state = self.state();
        loop {
            if let Some(something) = there(&mut state) {
                return Ok(something);
            }
            if let Some(lost) = &state.lost {
                return Err(lost.clone());
            }
            state = self.changed.wait(state).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// As [`wait`](Shared::wait), for a moment.
    pub(super) fn wait_a_moment(&self, moment: Duration) {
        let state = self.state();
        drop(self.changed.wait_timeout(state, moment));
    }

    pub(super) fn ask_for_a_shard(&self, process: usize, helps: bool) -> Result<Option<usize>, Lost> {
        let mut state = self.state();
        let lost = state.lost.clone();
        if let Some(first) = &mut state.first {
            let next = first.hand_out.next(process, helps);
            return lost.map_or(Ok(next.map(|shard| shard as usize)), Err);
        }
        state.tell_all(&Message::Ask { helps });
        drop(state);
        let given = self.wait(|state| state.given.pop_front())?;
        Ok(given.map(|shard| shard as usize))
    }

    /// This process began an epoch.
    pub(super) fn reach(&self, epoch: Epoch) {
        self.state().tell_all(&Message::Reached(epoch));
    }

    pub(super) fn say(&self, process: usize, said: Vec<u8>, to_all: bool) {
        let mut state = self.state();
        match &mut state.first {
            Some(first) => {
                first.said[process].push_back((said, to_all));
                state.complete_rounds();
                self.changed.notify_all();
                state.wake();
            }
            None => state.tell_all(&Message::Said { said, to_all }),
        }
    }

    /// Says something to process 0 that nobody else waits for.
    pub(super) fn say_beside(&self, number: u64, said: &[u8]) {
        let state = self.state();
        let mut parts = said.chunks(PART).peekable();
        loop {
            let said = parts.next().unwrap_or_default().to_vec();
            let more = parts.peek().is_some();
            state.tell_all(&Message::Beside { number, said, more });
            if !more {
                return;
            }
        }
    }

    pub(super) fn say_done(&self) {
        let mut state = self.state();
        state.done = true;
        state.tell_all(&Message::Done);
    }

    /// The run cannot go on: all others are told, once.
    pub(super) fn lose(&self, lost: Lost) {
        let mut state = self.state();
        if state.lost.is_some() || state.done {
            return;
        }
        state.tell_all(&Message::Failed(lost.clone()));
        state.lost = Some(lost);
        self.changed.notify_all();
        state.wake();
    }

    /// Says its last words, and nothing more.
    pub(super) fn hang_up(&self) {
        let mut state = self.state();
        state.hung_up = true;
        state.writers.clear();
        self.changed.notify_all();
        drop(state);
        let begin = Instant::now();
        while *lock(&self.writing) > 0 && begin.elapsed() < LAST_WORDS {
            self.wait_a_moment(Duration::from_millis(5));
        }
    }

    /// From now on, where the run ends elsewhere and this process does not end in time by itself, it says why, and is ended.
    pub(super) fn end_the_process_when_lost(self: &Arc<Self>) {
        let shared = self.clone();
        let watch = move || {
            let is_done = |state: &mut State| (state.hung_up && state.lost.is_none()).then_some(());
            let Err(lost) = shared.wait(is_done) else { return };
            // One that ended in order leaves the others time for what they have in hand.
            if !lost.again {
                return;
            }
            #[expect(clippy::disallowed_methods, reason = "a thread of its own, which does nothing else")]
            std::thread::sleep(GRACE);
            crate::note!("error: {lost}");
            // SAFETY: ends the process without running anything of it; a model that hangs could hold up an `exit`.
            unsafe { libc::_exit(LOST_EXIT_CODE.into()) };
        };
        // Where no thread can be had, processes end when they look.
        drop(std::thread::Builder::new().name("cluster:watch".into()).spawn(watch));
    }

    /// Threads that read and write a connection to the process of this number, which runs there.
    pub(super) fn talk(self: &Arc<Self>, stream: &TcpStream, other: usize, host: String) -> io::Result<()> {
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
        let (sender, receiver) = unbounded();
        let (reading, writing) = (stream.try_clone()?, stream.try_clone()?);
        let lost = move |why: String| Lost { process: other, host: host.clone(), why, again: true };
        let (shared, lost_to_read) = (self.clone(), lost.clone());
        *lock(&self.writing) += 1;
        self.state().writers.push((other, sender));
        let write = move || {
            if let Err(error) = write(writing, &receiver) {
                shared.lose(lost(ended(&error)));
            }
            *lock(&shared.writing) -= 1;
            shared.changed.notify_all();
        };
        std::thread::Builder::new().name(format!("cluster:write-{other}")).spawn(write)?;
        let shared = self.clone();
        let read = move || {
            let mut from = BufReader::new(reading);
            let error = loop {
                match receive(&mut from) {
                    Ok(message) => shared.hear(other, message),
                    Err(error) => break error,
                }
            };
            let _ = from.get_ref().shutdown(Shutdown::Both);
            shared.lose(lost_to_read(ended(&error)));
        };
        std::thread::Builder::new().name(format!("cluster:read-{other}")).spawn(read)?;
        Ok(())
    }

    fn hear(&self, from: usize, message: Message) {
        let mut state = self.state();
        match message {
            Message::Beat => return,
            Message::Reached(epoch) if epoch > state.reached => {
                state.reached = epoch;
                state.tell_all_but(from, &Message::Reached(epoch));
            }
            Message::Said { said, to_all } => {
                if let Some(of) = state.first.as_mut().and_then(|first| first.said.get_mut(from)) {
                    of.push_back((said, to_all));
                    state.complete_rounds();
                }
            }
            Message::Heard(said) => state.heard.push_back(said),
            Message::Ask { helps } => {
                let next = state.first.as_mut().and_then(|first| first.hand_out.next(from, helps));
                state.tell(from, Message::Given(next));
            }
            Message::Given(shard) => state.given.push_back(shard),
            Message::Beside { number, said, more } if state.expected.contains(&number) => {
                let all = state.begun.entry((from, number)).or_default();
                all.extend(said);
                if more {
                    return;
                }
                let all = state.begun.remove(&(from, number)).unwrap_or_default();
                state.beside.insert((from, number), all);
            }
            Message::Table(table) => state.table = Some(table),
            Message::Failed(lost) if state.lost.is_none() && !state.done => {
                state.tell_all_but(from, &Message::Failed(lost.clone()));
                state.lost = Some(lost);
            }
            Message::Done => state.done = true,
            Message::Hello(_) | Message::Reached(_) | Message::Failed(_) | Message::Beside { .. } => return,
        }
        state.wake();
        drop(state);
        self.changed.notify_all();
    }
}

impl State {
    /// What others say under this number is waited for from now on, or is not any more.
    pub(super) fn expect(&mut self, number: u64, is_expected: bool) {
        if is_expected {
            self.expected.insert(number);
        } else {
            self.expected.remove(&number);
            self.beside.retain(|(_, known), _| *known != number);
            self.begun.retain(|(_, known), _| *known != number);
        }
    }

    /// Nothing more is said, or heard.
    pub(super) fn is_over(&self) -> bool {
        self.hung_up || self.done
    }

    fn wake(&self) {
        if let Some(wake) = &self.wake {
            wake();
        }
    }

    fn tell(&self, other: usize, message: Message) {
        if let Some((_, writer)) = self.writers.iter().find(|(number, _)| *number == other) {
            // One that is gone is told of by its reader.
            let _ = writer.send(message);
        }
    }

    pub(super) fn tell_all(&self, message: &Message) {
        self.tell_all_but(usize::MAX, message);
    }

    fn tell_all_but(&self, but: usize, message: &Message) {
        for (_, writer) in self.writers.iter().filter(|(number, _)| *number != but) {
            let _ = writer.send(message.clone());
        }
    }

    /// In process 0: what all have said goes to all.
    fn complete_rounds(&mut self) {
        while let Some(first) = &mut self.first
            && first.said.iter().all(|of| !of.is_empty())
        {
            let round: Vec<(Vec<u8>, bool)> = first.said.iter_mut().filter_map(VecDeque::pop_front).collect();
            let to_all = round.iter().any(|(_, to_all)| *to_all);
            let said: Vec<Vec<u8>> = round.into_iter().map(|(said, _)| said).collect();
            self.tell_all(&Message::Heard(if to_all { said.clone() } else { Vec::new() }));
            self.heard.push_back(said);
        }
    }
}

fn write(mut stream: TcpStream, messages: &Receiver<Message>) -> io::Result<()> {
    loop {
        match messages.recv_timeout(BEAT) {
            Ok(message) => send(&mut stream, &message)?,
            Err(RecvTimeoutError::Timeout) => send(&mut stream, &Message::Beat)?,
            Err(RecvTimeoutError::Disconnected) => return stream.shutdown(Shutdown::Write),
        }
    }
}

/// What is said of a connection that ended.
pub(super) fn ended(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            format!("it said nothing for {} s: it hangs, or the network to it is cut", SILENCE.as_secs())
        }
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "its connection ended: it was killed, or its machine went down".to_owned()
        }
        _ => format!("its connection failed: {error}"),
    }
}
