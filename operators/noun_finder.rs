//! `nouns`, out of captions: which concrete things a caption names, objects and backgrounds apart. By a chat model, or by a fixed
//! vocabulary to the letter. Where the sidecar (or a released record) lists nouns, those are taken and nothing is asked.

use std::sync::Arc;
use std::time::Duration;

use threshflow::lane::{Key, Looks, Operator, Question, Reply, Stage, Subject};
use threshflow::row::{ContentHash, Handle, Refusal, Stamp};
use threshflow::shard::{Catalogue, Picture};

use crate::caption::CaptionSource;
use crate::chat;
use crate::chat_book::ChatBook;
use crate::nouns::{NounList, NounSource, Nouns, NounsFromSidecar, reply};
use crate::passing::tells_of_the_question;
use crate::plain::{self, Vocabulary};

/// Raise this when the code changes what a list is.
const VERSION: &[u8] = b"noun_finder/2";

/// Who finds nouns.
pub enum NounsBy {
    Plain(Vocabulary),
    Chat(Arc<ChatBook>),
}

/// Finds the nouns of captions.
pub struct NounFinder {
    by: NounsBy,
    captions: Arc<dyn CaptionSource>,
    /// What samples bring along.
    sidecar: NounsFromSidecar,
}

impl NounFinder {
    pub fn new(by: NounsBy, captions: Arc<dyn CaptionSource>, sidecar: NounsFromSidecar) -> Self {
        NounFinder { by, captions, sidecar }
    }
}

impl NounSource for Stage<NounFinder> {
    fn stamp(&self) -> Stamp {
        self.memo().stamp()
    }
    fn nouns(&self, question: &Question) -> Result<NounList, Refusal> {
        NounList::from_bytes(&self.body(question)?)
    }
}

fn list(objects: &[String], backgrounds: &[String], summary: &str) -> Result<NounList, Refusal> {
    let texts = |list: &[String]| -> Vec<String> { list.to_vec() };
    let (objects, backgrounds) = (texts(objects), texts(backgrounds));
    let list = NounList::of(objects.iter().map(String::as_str), backgrounds.iter().map(String::as_str))?;
    Ok(NounList { summary: summary.to_owned(), ..list })
}

impl Operator for NounFinder {
    type Answer = Handle<Nouns>;
    /// The caption.
    type Prepared = String;
    type Session = ();

    const LOOKS: Looks = Looks::AtTheRow;
    const KEY: Key = Key::Sample;

    fn name(&self) -> &'static str {
        "nouns"
    }

    fn stamp(&self) -> Stamp {
        let (captions, sidecar) = (self.captions.stamp(), self.sidecar.stamp());
        let mut parts: Vec<(&str, Vec<u8>)> = vec![
            ("operator", VERSION.to_vec()),
            ("captions", captions.0.0.to_vec()),
            ("sidecar", sidecar.0.0.to_vec()),
        ];
        match &self.by {
            NounsBy::Plain(vocabulary) => {
                parts.extend([("plain", plain::VERSION.to_vec()), ("vocabulary", vocabulary.to_bytes())]);
            }
            NounsBy::Chat(chat) => {
                parts.push(("chat", chat.stamp().0.0.to_vec()));
                parts.extend(chat::noun_finder::stamp_parts());
            }
        }
        Stamp::of_gathered(&parts)
    }

    fn model(&self) -> String {
        let by = match &self.by {
            NounsBy::Plain(_) => "a vocabulary, to the letter".to_owned(),
            NounsBy::Chat(chat) => chat.description(),
        };
        format!("{}, else {by}", self.sidecar.model())
    }

    fn known(
        &self,
        question: &Question,
        shards: &Catalogue,
    ) -> Option<Result<Reply<Handle<Nouns>>, Refusal>> {
        if let Some(known) = self.sidecar.known(question, shards) {
            return Some(known);
        }
        let shard = shards.shard(question.id.shard).ok()?;
        let listed = self.sidecar.listed(shard.sidecar(question.id.member).json.as_deref());
        match listed {
            Ok(None) => None,
            Ok(Some(nouns)) => (!nouns.is_empty()).then(|| Ok(reply(&nouns))),
            Err(refusal) => Some(Err(refusal)),
        }
    }

    fn is_of_the_content(&self, refusal: &Refusal) -> bool {
        tells_of_the_question(refusal)
    }

    fn bytes_to_prepare(&self, _picture: &Picture, _bytes: &[u8]) -> u64 {
        0
    }
    fn bytes_prepared(&self, _questions: usize) -> u64 {
        0
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<String, Refusal> {
        let question = subject.questions.first();
        let question = question.ok_or_else(|| Refusal::new("no_question", "nothing was asked"))?;
        self.captions.caption(question)
    }

    fn most_a_batch(&self) -> usize {
        1
    }

    fn sessions(&self) -> usize {
        match &self.by {
            NounsBy::Plain(_) => 1,
            NounsBy::Chat(chat) => chat.at_once(),
        }
    }

    fn most_in_flight(&self) -> Option<usize> {
        match &self.by {
            NounsBy::Plain(_) => None,
            NounsBy::Chat(chat) => Some(chat.at_once() * 2),
        }
    }

    fn deadline(&self) -> Option<Duration> {
        match &self.by {
            NounsBy::Plain(_) => None,
            NounsBy::Chat(chat) => Some(chat.deadline()),
        }
    }

    fn open_session(&self) -> Result<(), String> {
        Ok(())
    }

    fn answer(&self, _session: &mut (), batch: &[String]) -> Vec<Result<Reply<Handle<Nouns>>, Refusal>> {
        let one = |caption: &String| {
            let nouns = match &self.by {
                NounsBy::Plain(vocabulary) => {
                    let found = plain::nouns(caption, vocabulary);
                    list(&found.objects, &found.backgrounds, &found.summary)?
                }
                NounsBy::Chat(chat) => {
                    let request = chat::noun_finder::request(caption);
                    let parse = |answer: &str| chat::noun_finder::parse(answer, caption);
                    let found = chat::ask(&**chat, &request, parse)?;
                    NounList { summary: found.summary, ..found.nouns }
                }
            };
            Ok(reply(&nouns))
        };
        batch.iter().map(one).collect()
    }

    fn asks_in_turn(&self, questions: &[Question]) -> Vec<(&'static str, ContentHash)> {
        let NounsBy::Chat(chat) = &self.by else { return Vec::new() };
        let request = |question: &Question| match self.captions.caption(question) {
            Ok(caption) => {
                let request = chat::noun_finder::request(&caption);
                (!chat.knows(&request)).then(|| (chat.name(), request.content()))
            }
            // Which caption there will be is not known yet.
            Err(_) => Some((chat.name(), question.content)),
        };
        questions.iter().filter_map(request).collect()
    }
}
