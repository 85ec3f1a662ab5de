//! The four questions of the ground pipeline. Each looks at what it is shown, not at the row's word for it: a lane that
//! mixed pictures, sidecars or masks up would be seen.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use threshflow::flow::{Finds, Found};
use threshflow::lane::{
    Answer, AnswerCache, Key, Known, Limits, Looks, Operator, Question, Reply, Scores, Stage, Subject,
    Together,
};
use threshflow::memo::Inline;
use threshflow::prelude::*;
use threshflow::row::{ContentHash, Handle, Refusal, Stamp, Topic, With};
use threshflow::shard::{Catalogue, Picture};

use super::Args;
use super::plainly;

macro_rules! unit {
    ($(#[$doc:meta])* $unit:ident, $name:literal, $high:literal) => {
        $(#[$doc])*
        pub struct $unit;
        impl Unit for $unit {
            const NAME: &'static str = $name;
            const UNIT: &'static str = "points";
            const LOW: f32 = 0.0;
            const HIGH: f32 = $high;
        }
    };
}
unit!(/** How sure a region is, 0 to 1. */ Sure, "sure", 1.0);
unit!(/** How many regions were found. */ FoundRegions, "found", 1000.0);
unit!(/** How good a mask is, 0 to 1. */ Quality, "quality", 1.0);
unit!(/** How well a region shows its word, 0 to 1. */ Clip, "clip", 1.0);
unit!(/** How pleasing a region is, 0 to 10. */ Pleasing, "pleasing", 10.0);

/// In an `impl Operator`: that so many threads answer, without a model.
macro_rules! needs_no_model {
    (batch: $batch:literal, threads: $threads:literal) => {
        type Session = ();

        fn limits(&self) -> Limits {
            Limits::of_pool($threads, $batch)
        }
        fn open_session(&self) -> Result<(), String> {
            Ok(())
        }
    };
}

/// The words of a sidecar.
pub struct Words;
impl Topic for Words {
    const NAME: &'static str = "words";
}

/// A file with a line for every question that was taken up.
#[derive(Clone)]
pub struct AskFile(Option<Arc<File>>);

impl AskFile {
    pub fn open(path: Option<&Path>) -> std::io::Result<Self> {
        let open = |path| File::options().create(true).append(true).open(path).map(Arc::new);
        path.map(open).transpose().map(AskFile)
    }

    fn note(&self, stage: &str, contents: impl Iterator<Item = ContentHash>) {
        if let Some(mut file) = self.0.as_deref() {
            let lines: String = contents.map(|content| format!("{stage} {content}\n")).collect();
            file.write_all(lines.as_bytes()).expect("the log of asks can be written");
        }
    }
}

fn contents<'a>(questions: &'a [Question]) -> impl Iterator<Item = ContentHash> + 'a {
    questions.iter().map(|question| question.content)
}

/// What the picture's bytes hash to; refused where the row says that it is another.
fn seen(subject: &Subject<'_>) -> Result<ContentHash, Refusal> {
    let (_, bytes) = subject.picture.ok_or_else(|| Refusal::permanent("no_bytes", "nothing to look at"))?;
    let content = ContentHash::of(bytes);
    match subject.questions.iter().all(|question| question.image == content) {
        true => Ok(content),
        false => Err(Refusal::permanent("mixed_up", "this is another picture")),
    }
}

/// Reads the words out of sidecars.
pub struct ReadWords {
    pub args: Args,
    pub log: AskFile,
}

impl ReadWords {
    /// Waits where it was told to.
    fn hold(&self, questions: &[Question]) {
        let (Some(held), Some(log)) = (&self.args.hold_words, &self.args.log_asks) else { return };
        if questions.iter().any(|question| question.image.to_string().starts_with(held)) {
            let since = std::time::Instant::now();
            while !log.with_file_name("released").exists() && since.elapsed() < Duration::from_secs(60) {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
    }
}

impl Operator for ReadWords {
    type Answer = Handle<Words>;
    type Prepared = Vec<String>;
    const LOOKS: Looks = Looks::AtTheSidecar;
    const KEY: Key = Key::Sample;
    const QUESTIONS_A_JOB: usize = 4;
    needs_no_model!(batch: 16, threads: 1);

    fn name(&self) -> &'static str {
        "words"
    }
    fn stamp(&self) -> Stamp {
        Stamp::of(&[("operator", b"words/1")])
    }
    fn model(&self) -> String {
        "sidecars".into()
    }
    fn bytes_to_prepare(&self, _picture: &Picture, _bytes: &[u8]) -> u64 {
        0
    }
    fn bytes_prepared(&self, _questions: usize) -> u64 {
        0
    }
    fn prepare(&self, subject: &Subject<'_>) -> Result<Vec<String>, Refusal> {
        self.log.note("words", contents(subject.questions));
        self.hold(subject.questions);
        plainly::words(subject.sidecar.and_then(|sidecar| sidecar.json.as_deref()))
    }
    fn answer(&self, _: &mut (), batch: &[Vec<String>]) -> Vec<Result<Reply<Handle<Words>>, Refusal>> {
        let reply = |words: &Vec<String>| {
            let blob = serde_json::to_vec(words).expect("words are JSON");
            Ok(Reply::with_blob(Handle::of(&blob), blob))
        };
        batch.iter().map(reply).collect()
    }
}

/// Finds the regions that a picture's words tell of; looks every word up in a cache.
pub struct Find {
    args: Args,
    words: Arc<Stage<ReadWords>>,
    cache: Arc<AnswerCache>,
    log: AskFile,
}

impl Find {
    pub fn new(args: Args, words: Arc<Stage<ReadWords>>, cache: Arc<AnswerCache>, log: AskFile) -> Self {
        Find { args, words, cache, log }
    }

    fn words(&self, question: &Question) -> Result<Vec<String>, Refusal> {
        let blob = self.words.blob(question)?;
        serde_json::from_slice(&blob).map_err(|error| Refusal::transient("foreign_answer", error.to_string()))
    }
}

/// Which finder it is.
pub fn finder(args: &Args) -> [u8; 8] {
    args.exactly.map_or(0, |count| count as u64 + 1).to_le_bytes()
}

impl Finds for Find {
    type Score = Sure;
    fn found(&self, blob: &[u8]) -> Result<Vec<Found>, Refusal> {
        plainly::found_in(blob)
    }
}

impl Operator for Find {
    type Answer = Score<FoundRegions>;
    type Prepared = (ContentHash, Vec<String>, Vec<Arc<[u8]>>);
    const KEY: Key = Key::Row;
    needs_no_model!(batch: 4, threads: 2);

    fn name(&self) -> &'static str {
        "find"
    }
    fn stamp(&self) -> Stamp {
        Stamp::of(&[("operator", b"find/1"), ("exactly", &finder(&self.args))])
    }
    fn model(&self) -> String {
        "finder".into()
    }
    fn known(&self, question: &Question, _: &Catalogue) -> Known<Self::Answer> {
        Ok(match self.words(question) {
            Ok(words) if words.is_empty() => Some(Ok(Reply::with_blob(Score::of(0.0), b"[]".to_vec()))),
            Ok(_) => None,
            Err(refusal) => Some(Err(refusal)),
        })
    }
    fn bytes_to_prepare(&self, _picture: &Picture, _bytes: &[u8]) -> u64 {
        1000
    }
    fn bytes_prepared(&self, _questions: usize) -> u64 {
        100
    }
    fn prepare(&self, subject: &Subject<'_>) -> Result<Self::Prepared, Refusal> {
        self.log.note("find", contents(subject.questions));
        let words = self.words(&subject.questions[0])?;
        let asked: Vec<ContentHash> = words.iter().map(|word| ContentHash::of(word.as_bytes())).collect();
        let spelled = self.cache.look_up(&asked, |missing| {
            missing.iter().map(|place| Ok(plainly::spelled(&words[*place]))).collect()
        });
        Ok((seen(subject)?, words, spelled.into_iter().collect::<Result<_, _>>()?))
    }
    fn answer(&self, _: &mut (), batch: &[Self::Prepared]) -> Vec<Result<Reply<Self::Answer>, Refusal>> {
        std::thread::sleep(Duration::from_millis(self.args.slow));
        let reply = |(picture, words, spelled): &Self::Prepared| {
            let found = plainly::find(*picture, words, spelled, self.args.exactly)?;
            Ok(Reply::with_blob(Score::of(found.len() as f32), plainly::body_of(&found)))
        };
        batch.iter().map(reply).collect()
    }
    fn asks_in_turn(&self, questions: &[Question]) -> Vec<(&'static str, ContentHash)> {
        let words = questions.iter().flat_map(|question| self.words(question).unwrap_or_default());
        let contents = words.map(|word| ContentHash::of(word.as_bytes()));
        contents.filter(|word| !self.cache.knows(word)).map(|word| (self.cache.name(), word)).collect()
    }
}

/// What was prepared: which picture, and about how many of its regions.
type Preparations = Mutex<Vec<(ContentHash, usize)>>;

/// Masks regions, those of a picture together.
pub struct Mask {
    args: Args,
    log: AskFile,
    pub prepared: Preparations,
}

impl Mask {
    pub fn new(args: Args, log: AskFile) -> Self {
        Mask { args, log, prepared: Preparations::default() }
    }
}

fn starts(content: ContentHash, with: &Option<String>) -> bool {
    with.as_ref().is_some_and(|with| content.to_string().starts_with(with))
}

impl Operator for Mask {
    type Answer = Score<Quality>;
    type Prepared = (ContentHash, Vec<ContentHash>);
    const KEY: Key = Key::Row;
    const TOGETHER: Together = Together::ByPicture;
    needs_no_model!(batch: 3, threads: 2);

    fn name(&self) -> &'static str {
        "mask"
    }
    fn stamp(&self) -> Stamp {
        Stamp::of(&[("operator", b"mask/1")])
    }
    fn model(&self) -> String {
        "masker".into()
    }
    fn bytes_to_prepare(&self, _picture: &Picture, _bytes: &[u8]) -> u64 {
        2000
    }
    fn bytes_prepared(&self, questions: usize) -> u64 {
        100 + questions as u64
    }
    fn prepare(&self, subject: &Subject<'_>) -> Result<Self::Prepared, Refusal> {
        self.log.note("mask", contents(subject.questions));
        let picture = seen(subject)?;
        self.prepared.lock().unwrap().push((picture, subject.questions.len()));
        if starts(picture, &self.args.refuse_preparing) {
            return Err(Refusal::permanent("torn", "the picture is torn"));
        }
        Ok((picture, contents(subject.questions).collect()))
    }
    fn answer(&self, _: &mut (), batch: &[Self::Prepared]) -> Vec<Result<Reply<Self::Answer>, Refusal>> {
        std::thread::sleep(Duration::from_millis(self.args.slow + self.args.slow_masks));
        let panics = batch.iter().any(|(picture, _)| starts(*picture, &self.args.panic_answering));
        assert!(!panics, "the masker drops the batch");
        let reply = |region: &ContentHash| {
            let quality = plainly::quality(*region)?;
            Ok(Reply::with_blob(Score::of(quality), plainly::mask(*region)))
        };
        batch.iter().flat_map(|(_, regions)| regions).map(reply).collect()
    }
}

/// Both scores of a region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Both {
    pub clip: f32,
    pub pleasing: f32,
}

impl Scores for Both {
    fn without_answer<R: Row>(row: R) -> Self::Row<R> {
        With::new(With::new(row, Score::NAN), Score::NAN)
    }
}

impl Answer for Both {
    type Row<R: Row> = Scored<Scored<R, Clip>, Pleasing>;

    fn attach<R: Row>(self, row: R) -> Self::Row<R> {
        With::new(With::new(row, Score::of(self.clip)), Score::of(self.pleasing))
    }
    fn to_inline(self) -> Inline {
        let eighths = if self.clip.is_nan() { 255 } else { (self.clip * 8.0) as u8 };
        let [a, b, c, d] = self.pleasing.to_le_bytes();
        Inline::of([eighths, a, b, c, d])
    }
    fn from_inline(bytes: &[u8]) -> Option<Self> {
        let [eighths, a, b, c, d] = *bytes else { return None };
        let clip = if eighths == 255 { f32::NAN } else { f32::from(eighths) / 8.0 };
        Some(Both { clip, pleasing: f32::from_le_bytes([a, b, c, d]) })
    }
}

/// Scores regions by their masks.
pub struct Judge {
    args: Args,
    masks: Arc<Stage<Mask>>,
    log: AskFile,
    pub prepared: Preparations,
}

impl Judge {
    pub fn new(args: Args, masks: Arc<Stage<Mask>>, log: AskFile) -> Self {
        Judge { args, masks, log, prepared: Preparations::default() }
    }
}

impl Operator for Judge {
    type Answer = Both;
    type Prepared = Vec<Result<ContentHash, Refusal>>;
    const KEY: Key = Key::Row;
    const TOGETHER: Together = Together::ByPicture;
    needs_no_model!(batch: 2, threads: 1);

    fn name(&self) -> &'static str {
        "judge"
    }
    fn stamp(&self) -> Stamp {
        Stamp::of(&[("operator", b"judge/1")])
    }
    fn model(&self) -> String {
        "judge".into()
    }
    fn bytes_to_prepare(&self, _picture: &Picture, _bytes: &[u8]) -> u64 {
        1500
    }
    fn bytes_prepared(&self, questions: usize) -> u64 {
        10 * questions as u64
    }
    fn prepare(&self, subject: &Subject<'_>) -> Result<Self::Prepared, Refusal> {
        self.log.note("judge", contents(subject.questions));
        self.prepared.lock().unwrap().push((seen(subject)?, subject.questions.len()));
        let one = |question: &Question| {
            let mask = self.masks.blob(question)?;
            match mask == plainly::mask(question.content) {
                true => Ok(question.content),
                false => Err(Refusal::permanent("mixed_up", "this is another region's mask")),
            }
        };
        Ok(subject.questions.iter().map(one).collect())
    }
    fn answer(&self, _: &mut (), batch: &[Self::Prepared]) -> Vec<Result<Reply<Both>, Refusal>> {
        std::thread::sleep(Duration::from_millis(self.args.slow));
        let reply = |region: &Result<ContentHash, Refusal>| {
            region.clone().and_then(plainly::judged).map(|(clip, pleasing)| Both { clip, pleasing }.into())
        };
        batch.iter().flatten().map(reply).collect()
    }
}
