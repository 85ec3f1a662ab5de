//! `judge`: what a judge says of an item's pictures, in as many passes as are wanted, and the item's score by it.
//!
//! The raw answers are what is paid for, and what is published. They lie in a cache a pass, by content. So another pass asks for that pass
//! alone, another parser asks nothing, and items with the same pictures and words are asked about once.

use std::sync::Arc;

use benchmarks::{
    Answer as Answered, Ask, Benchmark, Counting, Item, Judged, Part as AskPart, Rubrics, Said,
};
use operators::pixels::decode::{Purpose, decode_file, decoder_stamp};
use operators::pixels::full::{as_image, bytes_to_decode, pixels_of};
use operators::words::chat::{self, ChatRequest, Part, PixelRange};
use operators::words::chat_cache::DatedChatCache;
use serde::{Deserialize, Serialize};
use threshflow::lane::{Answer, Key, Limits, Operator, Question, Reply, Stage, Subject};
use threshflow::memo::Inline;
use threshflow::row::{ContentHash, Refusal, Row, Score, Scored, Stamp, Unit, With};
use threshflow::shard::{Format, Picture, ReadOptions, Unreadable, probe};

use crate::args::{EMBEDDED, Pixels};
use crate::edit::{EditItems, Outcome};
use crate::items::{ReadItems, item_of};
use crate::plan::{self, ItemPlan};

/// The score of an item: the mean over its passes that were read; none where none was.
pub struct ItemScore;
impl Unit for ItemScore {
    const NAME: &'static str = "item_score";
    const UNIT: &'static str = "on the benchmark's scale";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 10.0;
}

/// How many of the answers about an item could be read.
pub struct AnswersRead;
impl Unit for AnswersRead {
    const NAME: &'static str = "answers_read";
    const UNIT: &'static str = "answers";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 60.0;
}

/// Raise this when the code changes what is asked or what is kept of the answers.
const VERSION: &[u8] = b"bench_judge/1";

/// An answer, and the day on which it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatedAnswer {
    #[serde(flatten)]
    pub answer: Answered,
    /// By UTC: `2026-11-29`. What no server said has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    /// Of a refusal: what was asked. Where the cache no longer knows it, as with --retry, it is asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<ContentHash>,
}

/// What the basic benchmark calls the scores of an item, by its type: the embedded judge answers in the form that judges do.
fn labels_of(item: &Item) -> [&'static str; 3] {
    match item.rubric.as_str() {
        "add" => ["Prompt Compliance", "Visual Naturalness", "Physical & Detail Coherence"],
        "adjust" => ["Prompt Compliance", "Visual Seamlessness", "Physical & Detail Fidelity"],
        "style" => ["Style Fidelity", "Content Preservation", "Rendering Quality"],
        "action" => ["Action Fidelity", "Identity Preservation", "Visual & Anatomical Coherence"],
        "extract" => ["Object Identity", "Mask Precision", "Visual Quality"],
        "background" => ["Instruction Compliance", "Visual Seamlessness", "Physical Consistency"],
        "compose" => ["Instruction Compliance", "Visual Naturalness", "Physical Consistency & Fine Detail"],
        _ => ["Prompt Compliance", "Visual Naturalness", "Physical & Detail Integrity"],
    }
}

/// Raise this when the code changes what is read of an answer, or how an item's score is made of it.
const READING: &str = "reading/1";

/// Who judges.
pub enum JudgeBy {
    /// A chat model: a cache a pass.
    Chat(Vec<Arc<DatedChatCache>>),
    /// Pixels, by the item's plan. It says the same in every pass.
    Embedded { passes: u32 },
}

/// What the judge is asked by.
pub struct AskedBy {
    pub benchmark: &'static Benchmark,
    pub rubrics: Arc<Rubrics>,
    pub pixels: Pixels,
    /// Shapes the score alone.
    pub counting: Counting,
}

/// Judges items.
pub struct JudgeItems {
    by: JudgeBy,
    asked: AskedBy,
    items: Arc<Stage<ReadItems>>,
    edits: Arc<Stage<EditItems>>,
}

/// An item's score, as it rides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ItemScores {
    score: f32,
    read: u16,
}

impl Answer for ItemScores {
    type Row<R: Row> = Scored<Scored<R, ItemScore>, AnswersRead>;

    fn attach<R: Row>(self, row: R) -> Self::Row<R> {
        With::new(With::new(row, Score::of(self.score)), Score::of(f32::from(self.read)))
    }
    fn to_inline(self) -> Inline {
        let ([a, b, c, d], [e, f]) = (self.score.to_le_bytes(), self.read.to_le_bytes());
        Inline::of([a, b, c, d, e, f])
    }
    fn from_inline(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, d, e, f] = *bytes else { return None };
        Some(ItemScores { score: f32::from_le_bytes([a, b, c, d]), read: u16::from_le_bytes([e, f]) })
    }
}

/// An item made ready: what is asked in every pass, or what is known already.
pub enum ToJudge {
    Ask {
        item: Item,
        requests: Vec<(&'static Ask, ChatRequest)>,
    },
    /// It lacks a picture: nobody is asked.
    Lacks(Item),
    Said {
        item: Item,
        text: String,
    },
}

impl JudgeItems {
    pub fn new(
        by: JudgeBy,
        asked: AskedBy,
        items: Arc<Stage<ReadItems>>,
        edits: Arc<Stage<EditItems>>,
    ) -> Self {
        JudgeItems { by, asked, items, edits }
    }

    /// What was said about an item, as it is remembered.
    pub fn answers(blob: &[u8]) -> Result<Vec<DatedAnswer>, Refusal> {
        serde_json::from_slice(blob)
            .map_err(|error| Refusal::transient("foreign_answer", format!("not a judge's answers: {error}")))
    }

    /// For people: who judges.
    pub fn judge(&self) -> String {
        match &self.by {
            JudgeBy::Chat(passes) => {
                passes.first().map_or(String::new(), |chat| chat.undated().description())
            }
            JudgeBy::Embedded { .. } => EMBEDDED.to_owned(),
        }
    }

    fn passes(&self) -> usize {
        match &self.by {
            JudgeBy::Chat(passes) => passes.len(),
            JudgeBy::Embedded { passes } => *passes as usize,
        }
    }

    /// The item's own picture, and those of its turns; `None` where it lacks one.
    fn pictures(&self, question: &Question, original: &[u8]) -> Result<Option<Vec<Vec<u8>>>, Refusal> {
        self.pictures_of(question, original, Outcome::from_bytes(&self.edits.blob(question)?)?)
    }

    fn pictures_of(
        &self,
        question: &Question,
        original: &[u8],
        outcome: Outcome,
    ) -> Result<Option<Vec<Vec<u8>>>, Refusal> {
        match outcome {
            Outcome::Lacks(_) => Ok(None),
            Outcome::Made { pictures, .. } => {
                let files =
                    pictures.iter().map(|made| self.edits.operator().file(question.id, made, original));
                std::iter::once(Ok(original.to_vec())).chain(files).collect::<Result<_, _>>().map(Some)
            }
        }
    }

    /// What is asked about an item in every pass.
    fn requests(
        &self,
        question: &Question,
        item: &Item,
        turns: &[Vec<u8>],
    ) -> Result<Vec<(&'static Ask, ChatRequest)>, Refusal> {
        let reference = self.edits.operator().reference(question.id)?;
        let request = |ask| Ok((ask, self.request(ask, item, turns, reference.as_deref())?));
        self.asked.benchmark.asks_of(item).map(request).collect()
    }

    /// The requests that were never answered; `None` where it is not known yet what would be asked.
    fn unanswered(
        &self,
        chats: &[Arc<DatedChatCache>],
        question: &Question,
    ) -> Option<Vec<(&'static str, ContentHash)>> {
        let edits = self.edits.operator();
        let (original, item) = (edits.original(question.id).ok()?, edits.item(question).ok()?);
        let outcome = match self.edits.blob(question) {
            Ok(blob) => Outcome::from_bytes(&blob).ok()?,
            Err(_) => edits.unasked(question, &item)?.ok()?,
        };
        let Some(turns) = self.pictures_of(question, &original, outcome).ok()? else {
            return Some(Vec::new());
        };
        let requests = self.requests(question, &item, &turns).ok()?;
        let asked = chats.iter().flat_map(|chat| requests.iter().map(move |(_, request)| (chat, request)));
        let unknown = asked.filter(|(chat, request)| !chat.undated().knows(request));
        Some(unknown.map(|(chat, request)| (chat.undated().name(), request.content())).collect())
    }

    fn request(
        &self,
        ask: &'static Ask,
        item: &Item,
        turns: &[Vec<u8>],
        reference: Option<&[u8]>,
    ) -> Result<ChatRequest, Refusal> {
        let text = || {
            let said = self.asked.rubrics.text(ask, item);
            said.map_err(|error| Refusal::permanent("no_rubric", error.to_string()))
        };
        let no_turn = || Refusal::permanent("no_turn", format!("there is no picture of turn {}", ask.turn));
        let part = |part: &AskPart| match part {
            AskPart::Rubric => Ok(Some(Part::Text(text()?))),
            AskPart::Before => {
                self.sent(turns.get(ask.turn.saturating_sub(1)).ok_or_else(no_turn)?).map(Some)
            }
            AskPart::After => self.sent(turns.get(ask.turn).ok_or_else(no_turn)?).map(Some),
            AskPart::Reference => reference.map(|reference| self.sent(reference)).transpose(),
        };
        let parts = ask.parts.iter().filter_map(|it| part(it).transpose()).collect::<Result<_, Refusal>>()?;
        Ok(ChatRequest { system: String::new(), parts, schema: None, again: None })
    }

    /// A picture as it is sent.
    fn sent(&self, file: &[u8]) -> Result<Part, Refusal> {
        let range = match self.asked.pixels {
            Pixels::Within(range) => range,
            Pixels::AsTheyAre => {
                let mime = match probe(file, &ReadOptions::default())?.format {
                    Format::Jpeg => "image/jpeg",
                    Format::Png => "image/png",
                    Format::WebP => "image/webp",
                    // No server takes these; nothing is lost but the format.
                    Format::Gif | Format::Bmp | Format::Tiff => "",
                };
                if !mime.is_empty() {
                    return Ok(Part::Picture { bytes: file.to_vec(), mime });
                }
                PixelRange { least: 1, most: u32::MAX }
            }
        };
        chat::encode(&as_image(decode_file(file)?)?, range)
    }

    /// The embedded judge's word, in the form that a judge's answers have.
    fn embedded(&self, subject: &Subject<'_>, item: &Item, turns: &[Vec<u8>]) -> Result<String, Refusal> {
        let (picture, original) = subject.look()?;
        let plan = ItemPlan::of(item)?;
        let before = pixels_of(picture, original)?;
        let last = turns.last().ok_or_else(|| Refusal::permanent("no_turn", "there is no edited picture"))?;
        let mut after = as_image(decode_file(last)?)?;
        if after.dimensions() != before.dimensions() {
            let (width, height) = before.dimensions();
            after = image::imageops::resize(&after, width, height, image::imageops::FilterType::CatmullRom);
        }
        let judged = plan::judged(&plan, [&before, &after])?;
        let whole = |score: f32| score.round().clamp(1.0, 5.0) as u8;
        let follows = whole(judged.follows);
        let scores = [follows, whole(judged.natural).min(follows), whole(judged.natural).min(follows)];
        let labels = labels_of(item);
        let lines = labels.iter().zip(scores).map(|(label, score)| format!("\n{label}: {score}"));
        Ok(format!("Brief reasoning: {}", judged.reason) + &lines.collect::<String>())
    }

    /// All that was said in all passes. A refusal of the judge is an answer too: it says something of the item, and is counted.
    fn ask(
        &self,
        chats: &[Arc<DatedChatCache>],
        requests: &[(&'static Ask, ChatRequest)],
    ) -> Result<Vec<DatedAnswer>, Refusal> {
        let mut answers = Vec::new();
        for (pass, chat) in (1..).zip(chats) {
            for (ask, request) in requests {
                let (said, day, question) = match chat.answer(request) {
                    Ok(dated) if chat::declined(&dated.text) => {
                        let class = "model_declined".to_owned();
                        (Said::Refused { class, message: dated.text }, Some(dated.day), None)
                    }
                    Ok(dated) => (Said::Text(dated.text), Some(dated.day), None),
                    Err(refusal) => {
                        let refusal = Unreadable::split(refusal).map_err(|Unreadable(refusal)| refusal)?;
                        let (class, message) = (refusal.class.to_string(), refusal.message.to_string());
                        (Said::Refused { class, message }, None, Some(request.content()))
                    }
                };
                let answer = Answered { ask: ask.name.to_owned(), pass, said };
                answers.push(DatedAnswer { answer, day, question });
            }
        }
        Ok(answers)
    }

    fn reply(&self, item: Item, answers: Vec<DatedAnswer>) -> Reply<ItemScores> {
        let blob = serde_json::to_vec(&answers).unwrap_or_default();
        let answers = answers.into_iter().map(|dated| dated.answer).collect();
        let judged = Judged { item, lacks: None, answers };
        let counted = benchmarks::score(self.asked.benchmark, &judged, self.asked.counting);
        let score = counted.score.map_or(f32::NAN, |score| score as f32);
        let read = counted.answers - counted.refusals.values().sum::<usize>() - counted.unread.len();
        Reply::with_blob(ItemScores { score, read: u16::try_from(read).unwrap_or(u16::MAX) }, blob)
    }

    /// The embedded judge says the same to every ask of every pass.
    fn same(&self, text: &str) -> Vec<DatedAnswer> {
        let asks = || self.asked.benchmark.asks.iter();
        let pass = |pass: u32| {
            asks().map(move |ask| {
                let (ask, said) = (ask.name.to_owned(), Said::Text(text.to_owned()));
                DatedAnswer { answer: Answered { ask, pass, said }, day: None, question: None }
            })
        };
        (1..=self.passes() as u32).flat_map(pass).collect()
    }
}

impl Operator for JudgeItems {
    type Answer = ItemScores;
    type Prepared = ToJudge;
    type Session = ();

    const KEY: Key = Key::Row;

    fn name(&self) -> &'static str {
        "judge"
    }

    fn stamp(&self) -> Stamp {
        let mut parts: Vec<(&str, Vec<u8>)> = vec![
            ("operator", VERSION.to_vec()),
            ("benchmark", self.asked.benchmark.name.as_bytes().to_vec()),
            ("decode", decoder_stamp(Purpose::Full).into_bytes()),
            ("pixels", format!("{:?}", self.asked.pixels).into_bytes()),
            // Of the code that reads answers, too: it shapes the score.
            ("counting", format!("{:?}, {READING}", self.asked.counting).into_bytes()),
        ];
        match &self.by {
            JudgeBy::Chat(passes) => {
                parts.push(("rubrics", self.asked.rubrics.whole_hash().into_bytes()));
                parts.extend(passes.iter().map(|chat| ("pass", chat.undated().stamp().0.0.to_vec())));
            }
            JudgeBy::Embedded { passes } => {
                parts.push(("embedded", operators::judge::pixels::VERSION.to_vec()));
                parts.push(("passes", passes.to_le_bytes().to_vec()));
            }
        }
        Stamp::of_gathered(&parts)
    }

    fn demonstration(&self) -> Option<String> {
        matches!(self.by, JudgeBy::Embedded { .. }).then(|| "the embedded judge".to_owned())
    }

    fn model(&self) -> String {
        match self.passes() {
            1 => self.judge(),
            passes => format!("{}, {passes} passes", self.judge()),
        }
    }

    fn rests_on_caches(&self) -> bool {
        matches!(self.by, JudgeBy::Chat(_))
    }

    /// Not where a refusal is to be asked about again.
    fn stands(&self, body: &[u8]) -> bool {
        let (JudgeBy::Chat(chats), Ok(answers)) = (&self.by, Self::answers(body)) else { return true };
        answers.iter().all(|dated| match (dated.question, chats.get(dated.answer.pass as usize - 1)) {
            (Some(question), Some(chat)) => chat.undated().knows_of(&question),
            _ => true,
        })
    }

    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64 {
        // As they are, files are copied, a few of about that size; else each is decoded and encoded anew.
        match (&self.by, self.asked.pixels) {
            (JudgeBy::Chat(_), Pixels::AsTheyAre) => bytes.len() as u64 * 8,
            _ => bytes_to_decode(picture, bytes) * 5,
        }
    }

    fn bytes_prepared(&self, _questions: usize) -> u64 {
        4 << 20
    }

    fn bytes_held(&self, prepared: &ToJudge, questions: usize) -> u64 {
        let ToJudge::Ask { requests, .. } = prepared else { return self.bytes_prepared(questions) };
        let bytes = |part: &Part| match part {
            Part::Text(text) => text.len() as u64,
            Part::Picture { bytes, .. } => bytes.len() as u64,
        };
        requests.iter().flat_map(|(_, request)| &request.parts).map(bytes).sum()
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<ToJudge, Refusal> {
        let no_question = || Refusal::transient("no_question", "there is no item to judge");
        let question = subject.questions.first().ok_or_else(no_question)?;
        let item = item_of(&self.items, question)?;
        let (_, original) = subject.look()?;
        let Some(turns) = self.pictures(question, original)? else { return Ok(ToJudge::Lacks(item)) };
        if let JudgeBy::Embedded { .. } = self.by {
            let text = self.embedded(subject, &item, &turns)?;
            return Ok(ToJudge::Said { item, text });
        }
        let requests = self.requests(question, &item, &turns)?;
        Ok(ToJudge::Ask { item, requests })
    }

    fn limits(&self) -> Limits {
        match &self.by {
            JudgeBy::Embedded { .. } => Limits::of_functions(1),
            JudgeBy::Chat(passes) => {
                let answers = (passes.len() * self.asked.benchmark.asks.len()) as u32;
                let chat = passes.first().map(|chat| chat.undated().limits(answers));
                chat.unwrap_or_else(|| Limits::of_functions(1))
            }
        }
    }

    fn open_session(&self) -> Result<(), String> {
        Ok(())
    }

    fn answer(&self, _session: &mut (), batch: &[ToJudge]) -> Vec<Result<Reply<ItemScores>, Refusal>> {
        let one = |asked: &ToJudge| match (asked, &self.by) {
            (ToJudge::Lacks(item), _) => Ok(self.reply(item.clone(), Vec::new())),
            (ToJudge::Said { item, text }, _) => Ok(self.reply(item.clone(), self.same(text))),
            (ToJudge::Ask { item, requests }, JudgeBy::Chat(chats)) => {
                self.ask(chats, requests).map(|answers| self.reply(item.clone(), answers))
            }
            (ToJudge::Ask { .. }, JudgeBy::Embedded { .. }) => {
                Err(Refusal::transient("wrong_session", "the question was made ready for a chat model"))
            }
        };
        batch.iter().map(one).collect()
    }

    /// A request for each ask of each pass that was never answered; all of them where it is not known yet what they are.
    fn asks_in_turn(&self, questions: &[Question]) -> Vec<(&'static str, ContentHash)> {
        let JudgeBy::Chat(chats) = &self.by else { return Vec::new() };
        let asks = self.asked.benchmark.asks.len() as u8;
        let all = |question: &Question| {
            let place = [question.id.shard.to_le_bytes(), question.id.member.to_le_bytes()].concat();
            let content = |ask| ContentHash::of(&[&question.content.0[..], &place, &[ask]].concat());
            let of_pass = |chat: &Arc<DatedChatCache>| {
                let name = chat.undated().name();
                (0..asks).map(move |ask| (name, content(ask))).collect::<Vec<_>>()
            };
            chats.iter().flat_map(of_pass).collect()
        };
        let of = |question: &Question| self.unanswered(chats, question).unwrap_or_else(|| all(question));
        questions.iter().flat_map(of).collect()
    }
}
