//! `nouns`, out of captions: the concrete things that a caption names, with objects and backgrounds separate. A chat model finds them, or a
//! fixed vocabulary does. If the sidecar (or a released record) lists nouns, those are taken and nothing is asked.

use std::sync::Arc;

use threshflow::lane::{Key, Known, Limits, Looks, Operator, Question, Reply, Stage, Subject};
use threshflow::row::{ContentHash, Handle, Refusal, Stamp};
use threshflow::shard::{Catalogue, Picture};

use crate::caption::CaptionSource;
use crate::nouns::{Nouns, NounsFromSidecar, reply};
use crate::plan::noun_list::{NounList, NounSource};
use crate::words::chat;
use crate::words::chat_cache::ChatCache;
use crate::words::plain::{self, Vocabulary};

/// Raise this when the code changes what a list is.
const VERSION: &[u8] = b"noun_finder/2";

/// Who finds nouns.
pub enum NounsBy {
    Plain(Vocabulary),
    Chat(Arc<ChatCache>),
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
        NounList::from_bytes(&self.blob(question)?)
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

    fn demonstration(&self) -> Option<String> {
        matches!(self.by, NounsBy::Plain(_)).then(|| "the embedded finder of nouns".to_owned())
    }

    fn model(&self) -> String {
        let by = match &self.by {
            NounsBy::Plain(_) => "a vocabulary, to the letter".to_owned(),
            NounsBy::Chat(chat) => chat.description(),
        };
        format!("{}, else {by}", self.sidecar.model())
    }

    fn known(&self, question: &Question, shards: &Catalogue) -> Known<Handle<Nouns>> {
        if let Some(known) = self.sidecar.known(question, shards)? {
            return Ok(Some(known));
        }
        let sidecar = shards.shard(question.id.shard)?.sidecar(question.id.member)?;
        Ok(match self.sidecar.listed(sidecar.json.as_deref()) {
            Ok(None) => None,
            Ok(Some(nouns)) => (!nouns.is_empty()).then(|| Ok(reply(&nouns))),
            Err(refusal) => Some(Err(refusal)),
        })
    }

    fn bytes_to_prepare(&self, _picture: &Picture, _bytes: &[u8]) -> u64 {
        0
    }
    fn bytes_prepared(&self, _questions: usize) -> u64 {
        0
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<String, Refusal> {
        let question = subject.questions.first();
        let question = question.ok_or_else(|| Refusal::permanent("no_question", "nothing was asked"))?;
        self.captions.caption(question)
    }

    fn limits(&self) -> Limits {
        match &self.by {
            NounsBy::Plain(_) => Limits::of_functions(1),
            NounsBy::Chat(chat) => chat.limits(1),
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ::tests::shards::{Sample, png, write};
    use threshflow::row::Image;
    use threshflow::shard::{ReadOptions, Unreadable, find};

    use super::*;
    use crate::record::records::Records;

    struct NoCaptions;
    impl CaptionSource for NoCaptions {
        fn stamp(&self) -> Stamp {
            Stamp::of(&[])
        }
        fn caption(&self, _question: &Question) -> Result<String, Refusal> {
            Ok("a dog".to_owned())
        }
    }

    /// What the finder knows of the one sample of a shard, after `change` was done to its file.
    fn known(json: &str, change: impl FnOnce(&Path)) -> Result<Option<Result<Vec<u8>, Refusal>>, Unreadable> {
        let folder = ::tests::scratch();
        let path = folder.path().join("x.tar");
        write(&path, &[Sample { key: "a".into(), picture: png(8, 8, 1), json: Some(json.into()) }]);
        let catalogue = Catalogue::open(folder.path(), ReadOptions::default(), false).unwrap();
        let shard = catalogue.load(&find(&[path.to_string_lossy().into_owned()]).unwrap()[0]).unwrap();
        let picture = shard.index.samples[0].picture.clone().unwrap();
        let id = threshflow::row::RowId { shard: shard.seq, member: 0 };
        let (content, width, height) = (picture.content, picture.width, picture.height);
        let image = Image { id, content, width, height };
        let nouns = NounsBy::Plain(Vocabulary::embedded().clone());
        let finder =
            NounFinder::new(nouns, Arc::new(NoCaptions), NounsFromSidecar::new("tags", Records::none()));
        change(&path);
        let known = finder.known(&Question::about(&image, Key::Sample), &catalogue)?;
        Ok(known.map(|said| said.map(|reply| reply.blob.unwrap_or_default())))
    }

    #[test]
    fn a_sidecar_that_cannot_be_read_is_not_one_without_nouns() {
        let cut =
            |path: &Path| std::fs::File::options().write(true).open(path).unwrap().set_len(600).unwrap();
        let listed = known(r#"{"tags": ["dog"], "x": NaN}"#, |_| {}).unwrap().unwrap().unwrap();
        assert_eq!(NounList::from_bytes(&listed).unwrap().objects, ["dog"]);
        assert_eq!(known("{}", |_| {}), Ok(None));
        for json in [r#"{"tags": ["dog"]}"#, "{}"] {
            assert_eq!(known(json, cut).unwrap_err().0.class, "cut_while_read");
            let gone = known(json, |path| std::fs::write(path, b"another").unwrap()).unwrap_err();
            assert!(matches!(&*gone.0.class, "cut_while_read" | "changed_while_read"), "{gone}");
        }
    }
}
