//! The preparing half of a stage: on a thread of the decode pool, a question's bytes are read and made ready for the model.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Instant;

use super::in_flight::State;
use super::line::{Ready, Waiting};
use super::stage::{asked_together, panicked};
use super::{Lanes, Looks, Operator, Prepares, Question, Reply, Stage, Subject, lock};
use crate::memo::Written;
use crate::row::{ContentHash, Refusal, RowId};
use crate::shard::{EndFrame, Sample, Sidecar, Unreadable};

/// Counts a thread as at work for as long as it lives.
struct AtWork<'a>(&'a AtomicUsize);

impl<'a> AtWork<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, SeqCst);
        AtWork(count)
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl<O: Operator> Stage<O> {
    /// On a thread of the pool: reads and prepares, then hands on to the batches.
    pub(super) fn prepare(self: Arc<Self>, mut questions: Vec<Question>) {
        let Some(lanes) = self.lanes.upgrade() else { return };
        let _at_work = AtWork::begin(&self.at_work);
        let start = Instant::now();
        {
            let mut in_flight = lock(&self.in_flight);
            questions.retain(|question| match in_flight.get_mut(&question.content) {
                Some(flight) if flight.state == State::Asked => {
                    flight.state = State::AtWork(start);
                    true
                }
                _ => false,
            });
        }
        let mut done = self.answer_what_is_known(&lanes, &mut questions);
        if O::PREPARES == Prepares::WhenTakenUp {
            for question in questions.drain(..) {
                if let Err(refusal) = self.get_in_line(&question, true) {
                    self.count_asked(&lanes, std::slice::from_ref(&question));
                    done.push((question.content, Err(refusal)));
                }
            }
        }
        self.count_asked(&lanes, &questions);
        let mut ready = Vec::with_capacity(questions.len());
        for asked in questions.chunk_by(asked_together::<O>) {
            let contents = || asked.iter().map(|question| question.content);
            let prepared = catch_unwind(AssertUnwindSafe(|| self.prepare_one(&lanes, asked)))
                .unwrap_or_else(|panic| Ok(Err(panicked("preparing", &*panic))));
            match prepared {
                // At once: what holds a permit may not wait for a neighbour that needs one.
                Ok(Ok(waiting)) if waiting.permit.is_some() => self.push(vec![waiting]),
                Ok(Ok(waiting)) => ready.push(waiting),
                Ok(Err(refusal)) => done.extend(contents().map(|content| (content, Err(refusal.clone())))),
                Err(unreadable) => self.could_not_read(contents(), asked[0].id, &unreadable),
            }
        }
        if !done.is_empty() {
            self.complete(done);
        }
        self.push(ready);
    }

    /// Lets what was prepared wait for a batch.
    fn push(&self, ready: Vec<Ready<O::Prepared>>) {
        let contents: Vec<ContentHash> =
            ready.iter().flat_map(|ready| ready.contents.iter().copied()).collect();
        self.note(&contents, State::InLine { line: 0, since: Instant::now(), open: false });
        self.lines[0].batches.push(ready.into_iter().map(Waiting::Ready).collect());
    }

    fn note(&self, contents: &[ContentHash], state: State) {
        let mut in_flight = lock(&self.in_flight);
        for content in contents {
            if let Some(flight) = in_flight.get_mut(content) {
                flight.state = state;
            }
        }
    }

    /// Lets a question wait for a session that prepares and answers it; `first` where no session had it before.
    pub(super) fn get_in_line(&self, question: &Question, first: bool) -> Result<(), Refusal> {
        let line = catch_unwind(AssertUnwindSafe(|| self.operator.line(question)))
            .unwrap_or_else(|panic| Err(panicked("sorting", &*panic)))?;
        match lock(&self.in_flight).get_mut(&question.content) {
            Some(flight) => flight.state = State::InLine { line, since: Instant::now(), open: first },
            // Given up on meanwhile.
            None => return Ok(()),
        }
        self.lines[line].batches.push_at_once(Waiting::Asked { question: Box::new(question.clone()), first });
        Ok(())
    }

    /// Notes questions that are really asked.
    pub(super) fn count_asked(&self, lanes: &Lanes, questions: &[Question]) {
        self.counters.asked.fetch_add(questions.len() as u64, Relaxed);
        if let Some(log) = &lanes.log {
            lock(log).extend(questions.iter().map(|question| (self.operator.name(), question.content)));
        }
    }

    /// Refuses questions whose bytes could not be had for as long as this process runs: a refusal of the row that was to be looked
    /// at, not of its content.
    pub(super) fn could_not_read(
        &self,
        contents: impl Iterator<Item = ContentHash>,
        id: RowId,
        unreadable: &Unreadable,
    ) {
        for content in contents.filter(|content| !self.forget_unless_awaited(content)) {
            self.refuse_there(content, id, unreadable.0.clone());
        }
    }

    /// Takes out the questions whose answer the sample brought along, and gives these answers; and those of which it
    /// cannot be told, which are refused.
    fn answer_what_is_known(
        &self,
        lanes: &Lanes,
        questions: &mut Vec<Question>,
    ) -> Vec<(ContentHash, Result<Written, Refusal>)> {
        let mut known = Vec::new();
        questions.retain(|question| {
            let said = catch_unwind(AssertUnwindSafe(|| self.operator.known(question, &lanes.catalogue)))
                .unwrap_or_else(|panic| Ok(Some(Err(panicked("looking up", &*panic)))));
            match said {
                // What lies beside this sample could not be had: that says nothing of another with the same picture.
                Ok(Some(Err(refusal))) if !refusal.is_permanent() => {
                    if !self.forget_unless_awaited(&question.content) {
                        self.counters.given.fetch_add(1, Relaxed);
                        self.refuse_there(question.content, question.id, refusal);
                    }
                    false
                }
                Ok(Some(reply)) => {
                    known.push((question.content, reply.map(Reply::written)));
                    false
                }
                Ok(None) => true,
                Err(unreadable) => {
                    self.could_not_read(std::iter::once(question.content), question.id, &unreadable);
                    false
                }
            }
        });
        self.counters.given.fetch_add(known.len() as u64, Relaxed);
        known
    }

    /// What the operator makes of the question, or that its bytes could not be had, which says nothing of it.
    pub(super) fn prepare_one(
        &self,
        lanes: &Lanes,
        questions: &[Question],
    ) -> Result<Result<Ready<O::Prepared>, Refusal>, Unreadable> {
        let contents: Vec<ContentHash> = questions.iter().map(|question| question.content).collect();
        let ready = |prepared, permit| Ready { contents: contents.clone(), prepared, permit };
        // Timed here, where nothing waits for the budget or for room in the batches.
        let prepare = |picture, end_frame: Option<&EndFrame<'_>>, sidecar: Option<&Sidecar>| {
            let begin = Instant::now();
            let prepared = self.operator.prepare(&Subject { questions, picture, end_frame, sidecar });
            self.counters.prepare_nanos.fetch_add(begin.elapsed().as_nanos() as u64, Relaxed);
            prepared
        };
        let id = questions[0].id;
        if O::LOOKS == Looks::AtTheRow {
            return Ok(prepare(None, None, None).map(|prepared| ready(prepared, None)));
        }
        let unreadable = |message| Unreadable(Refusal::transient("unreadable_shard", message));
        let shard = lanes.catalogue.shard(id.shard)?;
        if O::LOOKS == Looks::AtTheSidecar {
            let sidecar = shard.sidecar(id.member)?;
            let prepared = prepare(None, None, Some(&sidecar));
            return Ok(prepared.map(|prepared| ready(prepared, None)));
        }
        let sample = shard.index.samples.get(id.member as usize);
        let Some(Ok(picture)) = sample.map(|sample| &sample.picture) else {
            return Err(unreadable(format!("{id:?} is no picture of its shard any more")));
        };
        let bytes = shard.picture_bytes(id.member).map_err(Unreadable)?;
        let end_frame = sample.and_then(Sample::end_frame).filter(|_| O::LOOKS == Looks::AtBothFrames);
        let end_frame = end_frame.map(|member| shard.member_bytes(member)).transpose().map_err(Unreadable)?;
        // What one question holds when it is prepared is part of the first; the others' is not.
        let others =
            self.operator.bytes_prepared(questions.len()).saturating_sub(self.operator.bytes_prepared(1));
        // Who waits for bytes to hold it in is not at work.
        self.note(&contents, State::Taken);
        let mut permit = lanes.budget.take(self.operator.bytes_to_prepare(picture, &bytes) + others);
        self.note(&contents, State::AtWork(Instant::now()));
        let end_frame = end_frame.as_deref().map(|bytes| EndFrame::of(bytes, lanes.catalogue.options()));
        let prepared = prepare(Some((picture, &*bytes)), end_frame.as_ref(), None);
        // What was made of other bytes must not be remembered as an answer about these.
        shard.check_unchanged().map_err(Unreadable)?;
        Ok(prepared.map(|prepared| {
            permit.shrink_to(self.operator.bytes_held(&prepared, questions.len()));
            ready(prepared, Some(permit))
        }))
    }

    /// Takes a question that nobody waits for any more out of the in-flight table, as one that was never asked; whether it did.
    fn forget_unless_awaited(&self, content: &ContentHash) -> bool {
        let in_flight = lock(&self.in_flight);
        let awaited = in_flight.get(content).is_some_and(|flight| !flight.mailboxes.is_empty());
        if !awaited {
            self.take_off(in_flight, content);
        }
        !awaited
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::path::Path;
    use std::time::Duration;

    use super::*;
    use crate::lane::{Key, Known, LaneOptions, Limits, Mailbox, Mode};
    use crate::memo::Remembered;
    use crate::row::{Handle, Image, Stamp, Topic};
    use crate::shard::{Catalogue, Picture, ReadOptions, ShardSource};

    struct Captioned;
    impl Topic for Captioned {
        const NAME: &'static str = "caption";
    }

    /// Takes the sample's caption; where there is none, asks a model.
    struct TakeCaption;

    impl Operator for TakeCaption {
        type Answer = Handle<Captioned>;
        type Prepared = ();
        type Session = ();
        const LOOKS: Looks = Looks::AtTheRow;
        const KEY: Key = Key::Sample;

        fn name(&self) -> &'static str {
            "caption"
        }
        fn stamp(&self) -> Stamp {
            Stamp::of(&[("operator", b"take_caption/1")])
        }
        fn model(&self) -> String {
            "none".to_owned()
        }
        fn known(&self, question: &Question, shards: &Catalogue) -> Known<Self::Answer> {
            let caption = shards.shard(question.id.shard)?.sidecar(question.id.member)?.caption;
            Ok(caption
                .map(|caption| Ok(Reply::with_blob(Handle::of(caption.as_bytes()), caption.into_bytes()))))
        }
        fn bytes_to_prepare(&self, _picture: &Picture, _bytes: &[u8]) -> u64 {
            0
        }
        fn bytes_prepared(&self, _questions: usize) -> u64 {
            0
        }
        fn prepare(&self, _subject: &Subject<'_>) -> Result<(), Refusal> {
            Ok(())
        }
        fn limits(&self) -> Limits {
            Limits::of_functions(1)
        }
        fn open_session(&self) -> Result<(), String> {
            Ok(())
        }
        fn answer(&self, _: &mut (), batch: &[()]) -> Vec<Result<Reply<Self::Answer>, Refusal>> {
            batch.iter().map(|()| Ok(Reply::with_blob(Handle::of(b"model"), b"model".to_vec()))).collect()
        }
    }

    /// A tar of one small picture and this caption, padded to the same length whatever the caption.
    fn write_tar(path: &Path, caption: &str) {
        let mut picture = std::io::Cursor::new(Vec::new());
        image::GrayImage::new(2, 2).write_to(&mut picture, image::ImageFormat::Png).unwrap();
        let mut tar = tar::Builder::new(std::fs::File::create(path).unwrap());
        for (name, bytes) in [("a.png", &picture.into_inner()[..]), ("a.txt", caption.as_bytes())] {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            tar.append_data(&mut header, name, bytes).unwrap();
        }
        tar.finish().unwrap();
    }

    /// Asks for the caption of the one sample, after `change` was done to the shard; and what was asked of the model.
    fn asked_after(folder: &Path, change: impl FnOnce(&Path)) -> (Result<Vec<u8>, String>, u64) {
        let path = folder.join("x.tar");
        let catalogue =
            Arc::new(Catalogue::open(&folder.join("store"), ReadOptions::default(), false).unwrap());
        let shard = catalogue.load(&ShardSource::of_tar("x", vec![Ok(path.clone())])).unwrap();
        let picture = shard.index.samples[0].picture.clone().unwrap();
        let options = LaneOptions {
            mode: Mode::Ask,
            pool_threads: 1,
            pool_queue: 4,
            decoded_bytes: 1 << 20,
            deadline: Duration::from_secs(60),
            memos: crate::memo::Places::alone(&folder.join("memo"), 0),
            log: None,
        };
        let lanes = Lanes::open(options, catalogue);
        let stage = Stage::open(TakeCaption, &lanes).unwrap();
        change(&path);
        let image = Image {
            id: crate::row::RowId { shard: shard.seq, member: 0 },
            content: picture.content,
            width: picture.width,
            height: picture.height,
        };
        let question = Question::about(&image, Key::Sample);
        let (sender, receiver) = crossbeam::channel::unbounded();
        let mailbox = Mailbox::new(Arc::new(move || sender.send(()).expect("somebody waits")));
        stage.try_ask(&mut VecDeque::from([question.clone()]), &mailbox);
        let mut completions = Vec::new();
        while completions.is_empty() {
            receiver.recv_timeout(Duration::from_secs(60)).expect("an answer comes");
            completions = mailbox.take();
        }
        let said = match &completions[0].said {
            Remembered::Answer(_) => Ok(stage.blob(&question).unwrap()),
            Remembered::Refused(refusal) => Err(refusal.class.to_string()),
        };
        let asked = lanes.status()[0].asked.asked;
        lanes.sync().unwrap();
        lanes.close();
        (said, asked)
    }

    #[test]
    fn what_the_sample_brought_along_is_neither_asked_nor_remembered_where_it_cannot_be_read() {
        let cut =
            |path: &Path| std::fs::File::options().write(true).open(path).unwrap().set_len(1536).unwrap();
        type Change = fn(&Path);
        let changes: [(&str, Change); 3] = [
            ("cut_while_read", cut),
            // Written over.
            ("changed_while_read", |path| {
                std::fs::write(path, vec![0; std::fs::metadata(path).unwrap().len() as usize]).unwrap();
            }),
            // Still being written.
            ("changed_while_read", |path| {
                let file = std::fs::File::options().append(true).open(path).unwrap();
                file.set_len(file.metadata().unwrap().len() + 512).unwrap();
            }),
        ];
        for (class, change) in changes {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("x.tar");
            write_tar(&path, "a dog");
            assert_eq!(asked_after(folder.path(), change), (Err(class.to_owned()), 0));
            // The next run finds it as it was, and remembers nothing of the last.
            write_tar(&path, "a dog");
            assert_eq!(asked_after(folder.path(), |_| {}), (Ok(b"a dog".to_vec()), 0));
        }
        // Where there is none, a model is asked.
        let folder = tempfile::tempdir().unwrap();
        write_tar(&folder.path().join("x.tar"), " ");
        assert_eq!(asked_after(folder.path(), |_| {}), (Ok(b"model".to_vec()), 1));
    }
}
