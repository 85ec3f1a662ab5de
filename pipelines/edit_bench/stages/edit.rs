//! `edit`: the picture that an item is judged by. An editor makes it, turn by turn, or it lies in a folder of results.

use std::sync::Arc;
use std::time::Duration;

use benchmarks::{Item, Lacks};
use image::RgbImage;
use operators::edit::Editors;
use operators::editors::Pass;
use operators::pixels::decode::{Purpose, decode_file, decoder_stamp};
use operators::pixels::full::{as_image, bytes_to_decode, pixels_of};
use operators::plan::edit_plan::Operation;
use serde::{Deserialize, Serialize};
use threshflow::lane::{Key, Known, Limits, Operator, Question, Reply, Stage, Subject};
use threshflow::row::{ContentHash, Handle, Refusal, RowId, Stamp, Topic};
use threshflow::shard::{Catalogue, Picture, Unreadable};

use crate::items::{self, ReadItems, item_of};
use crate::plan::{ItemPlan, ItemStep};
use crate::source;

/// The edited picture of an item.
pub struct Edited;
impl Topic for Edited {
    const NAME: &'static str = "edited";
}

/// Raise this when the code changes what is made of an item.
const VERSION: &[u8] = b"bench_edit/1";

/// For an editor without a bound of its own.
const DEADLINE: Duration = Duration::from_secs(600);

/// Who makes the pictures.
pub enum EditBy {
    /// Somebody did: they lie beside the items.
    Results,
    /// Nobody: each item is judged by its own picture.
    NoOp,
    /// An editor, told the prompt.
    Editors(Arc<Editors>),
    /// The embedded painter, told the plan: by its own steps, or by those about the wrong object.
    Painter { editors: Arc<Editors>, wrong: bool },
}

/// What is remembered of an item's edit: a picture a turn, or what it lacks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Made {
        pictures: Vec<MadePicture>,
        /// Of the item's reference picture, where it has one: the judge is shown that too.
        reference: Option<ContentHash>,
    },
    Lacks(Lacks),
}

/// An edited picture, and where its file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadePicture {
    /// Of the file's bytes.
    pub picture: ContentHash,
    pub lies: Lies,
}

/// Where a picture's file lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lies {
    /// It is the item's own picture.
    Original,
    /// In the folder of results, as that of this turn, from 0.
    Result(u32),
    /// It is the second frame of a film.
    Film,
    /// In an editor's cache.
    Cache { operation: Operation, key: ContentHash },
}

impl Outcome {
    /// What the row has of it: two items with the same picture before and after are asked about once, wherever the pictures lie.
    pub fn handle(&self) -> Handle<Edited> {
        let shaping = match self {
            Outcome::Made { pictures, reference } => {
                let hashes = pictures.iter().map(|made| made.picture).chain(*reference);
                let places = [pictures.len() as u8].into_iter();
                places.chain(hashes.flat_map(|hash| hash.0)).collect()
            }
            Outcome::Lacks(lacks) => [b"lacks ", lacks.class.as_bytes()].concat(),
        };
        Handle::of(&shaping)
    }

    fn reply(&self) -> Reply<Handle<Edited>> {
        Reply::with_blob(self.handle(), serde_json::to_vec(self).unwrap_or_default())
    }

    /// As it is remembered.
    pub fn from_bytes(blob: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(blob)
            .map_err(|error| Refusal::transient("foreign_answer", format!("not an edited picture: {error}")))
    }

    /// What an item lacks is counted with it, and what failed on the way is tried again.
    fn of(made: Result<(Vec<MadePicture>, Option<ContentHash>), Refusal>) -> Result<Self, Refusal> {
        let made = made.map(|(pictures, reference)| Outcome::Made { pictures, reference });
        made.or_else(|refusal| {
            let refusal = Unreadable::split(refusal).map_err(|Unreadable(refusal)| refusal)?;
            Ok(Outcome::Lacks(Lacks {
                class: refusal.class.to_string(),
                message: refusal.message.to_string(),
            }))
        })
    }
}

/// Makes or finds the edited pictures of items.
pub struct EditItems {
    by: EditBy,
    items: Arc<Stage<ReadItems>>,
    shards: Arc<Catalogue>,
}

/// An item made ready for an editor.
pub struct ToEdit {
    item: Item,
    content: ContentHash,
    picture: Option<RgbImage>,
    id: RowId,
}

impl EditItems {
    pub fn new(by: EditBy, items: Arc<Stage<ReadItems>>, shards: Arc<Catalogue>) -> Self {
        EditItems { by, items, shards }
    }

    /// The file of an edited picture. `original` is that of the item's own.
    pub fn file(&self, id: RowId, made: &MadePicture, original: &[u8]) -> Result<Vec<u8>, Refusal> {
        let bytes = match made.lies {
            Lies::Original => original.to_vec(),
            Lies::Result(turn) => self.member(id, &source::result_extension(turn))?.ok_or_else(gone)?,
            Lies::Film => self.member(id, source::FILM)?.ok_or_else(gone)?,
            Lies::Cache { operation, key } => self.cached(operation, &key)?.to_vec(),
        };
        if ContentHash::of(&bytes) == made.picture { Ok(bytes) } else { Err(gone()) }
    }

    /// The file of the item's own picture.
    pub fn original(&self, id: RowId) -> Result<Vec<u8>, Refusal> {
        let shard = self.shards.shard(id.shard).map_err(|error| Unreadable::from(error).0)?;
        Ok(shard.picture_bytes(id.member)?.into_owned())
    }

    /// The item of a sample, whatever was remembered of it: for whoever plans.
    pub fn item(&self, question: &Question) -> Result<Item, Refusal> {
        if let Ok(item) = item_of(&self.items, question) {
            return Ok(item);
        }
        let shard = self.shards.shard(question.id.shard).map_err(|error| Unreadable::from(error).0)?;
        let sidecar = shard.sidecar(question.id.member).map_err(|Unreadable(refusal)| refusal)?;
        Ok(items::shaping(items::whole(&sidecar)?))
    }

    /// What an item's edit comes to where no editor is asked for it.
    pub fn unasked(&self, question: &Question, item: &Item) -> Option<Result<Outcome, Refusal>> {
        match &self.by {
            EditBy::NoOp => {
                let made = MadePicture { picture: question.image, lies: Lies::Original };
                let pictures = vec![made; item.prompts.len()];
                Some(self.reference_of(question.id).map(|reference| Outcome::Made { pictures, reference }))
            }
            EditBy::Results => Some(self.results(question, item)),
            EditBy::Editors(_) | EditBy::Painter { .. } => None,
        }
    }

    /// The file of a picture that an editor made.
    pub fn cached(&self, operation: Operation, key: &ContentHash) -> Result<Arc<[u8]>, Refusal> {
        self.editors()?.made(operation, key)
    }

    /// The file of the item's reference picture, where it has one.
    pub fn reference(&self, id: RowId) -> Result<Option<Vec<u8>>, Refusal> {
        self.member(id, source::REFERENCE)
    }

    fn reference_of(&self, id: RowId) -> Result<Option<ContentHash>, Refusal> {
        Ok(self.reference(id)?.map(|bytes| ContentHash::of(&bytes)))
    }

    fn editors(&self) -> Result<&Arc<Editors>, Refusal> {
        match &self.by {
            EditBy::Editors(editors) | EditBy::Painter { editors, .. } => Ok(editors),
            EditBy::Results | EditBy::NoOp => Err(Refusal::transient(
                "foreign_answer",
                "the picture was made by an editor that is not here",
            )),
        }
    }

    /// The bytes of a file that lies beside the item's picture.
    fn member(&self, id: RowId, extension: &str) -> Result<Option<Vec<u8>>, Refusal> {
        let shard = self.shards.shard(id.shard).map_err(|error| Unreadable::from(error).0)?;
        let sample = shard.index.samples.get(id.member as usize);
        let members = sample.map_or(&[][..], |sample| &sample.members);
        let member = members.iter().find(|member| member.extension == extension);
        member.map(|member| shard.member_bytes(member).map(std::borrow::Cow::into_owned)).transpose()
    }

    fn whole(&self, bytes: &[u8], lies: Lies) -> Result<MadePicture, Refusal> {
        // A judge that is sent half a picture invents the rest.
        decode_file(bytes)?;
        Ok(MadePicture { picture: ContentHash::of(bytes), lies })
    }

    /// The pictures that lie in a folder of results, one a turn.
    fn results(&self, question: &Question, item: &Item) -> Result<Outcome, Refusal> {
        let turn = |turn: u32| {
            let bytes = self.member(question.id, &source::result_extension(turn))?.ok_or_else(|| {
                let which =
                    if item.prompts.len() > 1 { format!(" of turn {}", turn + 1) } else { String::new() };
                Refusal::permanent("missing_result", format!("the folder of results has no picture{which}"))
            })?;
            let broken = |refusal: Refusal| match refusal.is_permanent() {
                true => Refusal::permanent("broken_result", refusal.to_string()),
                false => refusal,
            };
            self.whole(&bytes, Lies::Result(turn)).map_err(broken)
        };
        let pictures: Result<Vec<MadePicture>, Refusal> = (0..item.prompts.len() as u32).map(turn).collect();
        Outcome::of(pictures.and_then(|pictures| Ok((pictures, self.reference_of(question.id)?))))
    }

    fn make(&self, asked: &ToEdit) -> Result<Outcome, Refusal> {
        let made = match &self.by {
            EditBy::Results | EditBy::NoOp => Ok(Vec::new()),
            EditBy::Editors(editors) => self.by_prompts(editors, asked),
            EditBy::Painter { editors, wrong } => self.by_plan(editors, asked, *wrong),
        };
        Outcome::of(made.and_then(|pictures| Ok((pictures, self.reference_of(asked.id)?))))
    }

    fn by_prompts(&self, editors: &Arc<Editors>, asked: &ToEdit) -> Result<Vec<MadePicture>, Refusal> {
        let mut made: Vec<MadePicture> = Vec::new();
        let (mut from, mut picture) = (asked.content, None);
        let operation = operation_of(&asked.item, editors);
        for prompt in &asked.item.prompts {
            let before = picture.as_ref().or(asked.picture.as_ref()).ok_or_else(no_picture)?;
            let pass = pass(operation, before, None, prompt, ["", ""]);
            let (key, bytes) = editors.make_one(from, "", &pass)?;
            let last = self.whole(&bytes, Lies::Cache { operation, key })?;
            // A later turn starts from what this one made.
            if made.len() + 1 < asked.item.prompts.len() {
                picture = Some(as_image(decode_file(&bytes)?)?);
            }
            from = last.picture;
            made.push(last);
        }
        Ok(made)
    }

    fn by_plan(
        &self,
        editors: &Arc<Editors>,
        asked: &ToEdit,
        wrong: bool,
    ) -> Result<Vec<MadePicture>, Refusal> {
        let plan = ItemPlan::of(&asked.item)?;
        if plan.film && !wrong {
            let bytes = self.member(asked.id, source::FILM)?.ok_or_else(gone)?;
            return Ok(vec![self.whole(&bytes, Lies::Film)?]);
        }
        let (mut from, mut last, mut picture) = (asked.content, None, None);
        for step in if wrong { &plan.wrong } else { &plan.steps } {
            let before = picture.as_ref().or(asked.picture.as_ref()).ok_or_else(no_picture)?;
            let made = self.paint(editors, step, before, from)?;
            picture = Some(as_image(decode_file(&made.1)?)?);
            from = made.0.picture;
            last = Some(made.0);
        }
        let message = "the item's plan has no steps";
        last.map(|made| vec![made]).ok_or_else(|| Refusal::permanent("no_plan", message))
    }

    fn paint(
        &self,
        editors: &Arc<Editors>,
        step: &ItemStep,
        before: &RgbImage,
        from: ContentHash,
    ) -> Result<(MadePicture, Arc<[u8]>), Refusal> {
        let mask = step.mask(before.dimensions())?;
        let pass = pass(step.operation, before, mask.as_ref(), "", [&step.object, &step.result]);
        let (key, bytes) = editors.make_one(from, step.mask.as_deref().unwrap_or_default(), &pass)?;
        Ok((self.whole(&bytes, Lies::Cache { operation: step.operation, key })?, bytes))
    }

    /// What the editors would be asked for this item: of several turns each counts, since nobody knows what the first makes.
    fn unmade(&self, question: &Question) -> Option<Vec<(&'static str, ContentHash)>> {
        let EditBy::Editors(editors) = &self.by else { return Some(Vec::new()) };
        let item = self.item(question).ok()?;
        let (operation, nothing) = (operation_of(&item, editors), RgbImage::new(1, 1));
        let first = item.prompts.first()?;
        let pass = pass(operation, &nothing, None, first, ["", ""]);
        let unmade = editors.unmade_one(question.image, "", &pass);
        let turns = item.prompts.iter().skip(1).enumerate();
        let later = |(cache, key): (&'static str, ContentHash)| {
            let of_turn = |(turn, _)| (cache, ContentHash::of(&[&key.0[..], &[turn as u8]].concat()));
            std::iter::once((cache, key)).chain(turns.clone().map(of_turn)).collect()
        };
        Some(unmade.map(later).unwrap_or_default())
    }
}

fn gone() -> Refusal {
    Refusal::transient(
        "changed_while_read",
        "the edited picture changed or went since it was looked at; run again",
    )
}

fn no_picture() -> Refusal {
    Refusal::transient("no_picture", "there is nothing to edit")
}

/// The operation that an editor is asked for: that of the item's type, if the editor makes passes of it. Any other, such as `action` and
/// `compose`, is asked for as `adjust`, which has no region here: the prompt says it all.
fn operation_of(item: &Item, editors: &Editors) -> Operation {
    let named = Operation::ALL.into_iter().find(|operation| operation.name() == item.rubric);
    // What is put in by `visual` is a picture of its own, which no item has.
    named.filter(|it| *it != Operation::Visual && editors.can(*it)).unwrap_or(Operation::Adjust)
}

fn pass<'a>(
    operation: Operation,
    picture: &'a RgbImage,
    mask: Option<&'a operators::pixels::mask::Mask>,
    instruction: &'a str,
    [object, result]: [&'a str; 2],
) -> Pass<'a> {
    Pass { operation, picture, mask, reference: None, object, instruction, result, seed: 0 }
}

impl Operator for EditItems {
    type Answer = Handle<Edited>;
    type Prepared = ToEdit;
    type Session = ();

    // What it makes of the sample is remembered with the sample; what is paid for is in the editors' caches, by content.
    const KEY: Key = Key::Sample;

    fn name(&self) -> &'static str {
        "edit"
    }

    fn stamp(&self) -> Stamp {
        let decode = decoder_stamp(Purpose::Full);
        let by: &[u8] = match &self.by {
            EditBy::Results => b"results",
            EditBy::NoOp => b"no-op",
            EditBy::Editors(_) => b"editors",
            EditBy::Painter { wrong: false, .. } => b"painter",
            EditBy::Painter { wrong: true, .. } => b"painter, wrong",
        };
        let mut parts: Vec<(&str, Vec<u8>)> =
            vec![("operator", VERSION.to_vec()), ("by", by.to_vec()), ("decode", decode.into_bytes())];
        if let Ok(editors) = self.editors() {
            parts.extend(editors.all_stamps().into_iter().map(|(name, stamp)| (name, stamp.0.to_vec())));
        }
        Stamp::of_gathered(&parts)
    }

    fn model(&self) -> String {
        match &self.by {
            EditBy::Results => "a folder of results".to_owned(),
            EditBy::NoOp => "nobody: each picture as it is".to_owned(),
            EditBy::Editors(editors) => {
                editors.described().map(|(_, what)| what).collect::<Vec<_>>().join(", else ")
            }
            EditBy::Painter { wrong: false, .. } => "the embedded painter".to_owned(),
            EditBy::Painter { wrong: true, .. } => "the embedded painter, about the wrong object".to_owned(),
        }
    }

    fn rests_on_caches(&self) -> bool {
        self.editors().is_ok()
    }

    fn stands(&self, body: &[u8]) -> bool {
        let (Ok(editors), Ok(Outcome::Made { pictures, .. })) = (self.editors(), Outcome::from_bytes(body))
        else {
            return true;
        };
        pictures.iter().all(|made| match made.lies {
            Lies::Cache { operation, key } => editors.keeps(operation, &key, made.picture),
            Lies::Original | Lies::Result(_) | Lies::Film => true,
        })
    }

    fn known(&self, question: &Question, _shards: &Catalogue) -> Known<Handle<Edited>> {
        let item = match item_of(&self.items, question) {
            Ok(item) => item,
            Err(refusal) => return Ok(Some(Err(refusal))),
        };
        Ok(self.unasked(question, &item).map(|outcome| outcome.map(|outcome| outcome.reply())))
    }

    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64 {
        bytes_to_decode(picture, bytes)
    }

    fn bytes_prepared(&self, _questions: usize) -> u64 {
        32 << 20
    }

    fn bytes_held(&self, prepared: &ToEdit, questions: usize) -> u64 {
        // The original, and one as large that an editor makes of it.
        let picture = prepared.picture.as_ref().map_or(0, |picture| picture.as_raw().len() as u64);
        (picture * 2).max(self.bytes_prepared(questions))
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<ToEdit, Refusal> {
        let question = subject.questions.first().ok_or_else(no_picture)?;
        let (picture, bytes) = subject.look()?;
        let picture = Some(pixels_of(picture, bytes)?);
        let item = item_of(&self.items, question)?;
        Ok(ToEdit { item, content: question.image, picture, id: question.id })
    }

    fn limits(&self) -> Limits {
        match &self.by {
            EditBy::Results | EditBy::NoOp => Limits::of_functions(1),
            EditBy::Painter { editors, .. } => Limits::of_pool(editors.at_once(), 1),
            EditBy::Editors(editors) => {
                // Three turns at most, one after the other.
                let deadline = editors.deadline().map_or(DEADLINE, |pass| (pass * 3).max(DEADLINE));
                Limits::of_server(editors.at_once(), deadline)
            }
        }
    }

    fn open_session(&self) -> Result<(), String> {
        Ok(())
    }

    fn answer(&self, _session: &mut (), batch: &[ToEdit]) -> Vec<Result<Reply<Handle<Edited>>, Refusal>> {
        batch.iter().map(|asked| self.make(asked).map(|outcome| outcome.reply())).collect()
    }

    fn asks_in_turn(&self, questions: &[Question]) -> Vec<(&'static str, ContentHash)> {
        questions.iter().filter_map(|question| self.unmade(question)).flatten().collect()
    }
}
