//! `item`: what an item asks for, from the sample's sidecar. Everything that is asked later is asked about the picture and these words.

use std::sync::Arc;

use benchmarks::Item;
use threshflow::lane::{Key, Limits, Looks, Operator, Question, Reply, Stage, Subject};
use threshflow::row::{Handle, Refusal, Stamp, Topic};
use threshflow::shard::{Picture, Sidecar};

/// What an item asks for.
pub struct Asked;
impl Topic for Asked {
    const NAME: &'static str = "item";
}

/// Raise this when the code changes what is kept of an item.
const VERSION: &[u8] = b"bench_item/1";

/// Reads items.
pub struct ReadItems;

/// The item that a sidecar is, key and groups and all.
pub(crate) fn whole(sidecar: &Sidecar) -> Result<Item, Refusal> {
    let json = sidecar.json.as_deref().unwrap_or_default();
    serde_json::from_str(json).map_err(|error| {
        let message = format!("the sample's sidecar is no item ({error}); run by the items again");
        Refusal::permanent("no_item", message)
    })
}

/// What of an item shapes a picture or an answer: two items that differ in key, groups and places alone are asked
/// about once.
pub(crate) fn shaping(item: Item) -> Item {
    Item { key: String::new(), groups: Default::default(), places: Vec::new(), ..item }
}

/// What is remembered of an item, and the handle that its row has.
pub(crate) fn kept(item: Item) -> (Handle<Asked>, Vec<u8>) {
    let blob = serde_json::to_vec(&shaping(item)).unwrap_or_default();
    (Handle::of(&blob), blob)
}

/// The item that a question is about, without its key and groups.
pub(crate) fn item_of(items: &Arc<Stage<ReadItems>>, question: &Question) -> Result<Item, Refusal> {
    serde_json::from_slice(&items.blob(question)?)
        .map_err(|error| Refusal::transient("foreign_answer", format!("not an item: {error}")))
}

impl Operator for ReadItems {
    type Answer = Handle<Asked>;
    type Prepared = Item;
    type Session = ();

    const LOOKS: Looks = Looks::AtTheSidecar;
    const KEY: Key = Key::Sample;

    fn name(&self) -> &'static str {
        "item"
    }

    fn stamp(&self) -> Stamp {
        Stamp::of(&[("operator", VERSION)])
    }

    fn model(&self) -> String {
        "the item's own words".to_owned()
    }

    fn bytes_to_prepare(&self, _picture: &Picture, _bytes: &[u8]) -> u64 {
        0
    }

    fn bytes_prepared(&self, questions: usize) -> u64 {
        4096 * questions as u64
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<Item, Refusal> {
        let no_item = || Refusal::permanent("no_item", "the sample has no sidecar that says what is asked");
        whole(subject.sidecar.ok_or_else(no_item)?)
    }

    fn limits(&self) -> Limits {
        Limits::of_functions(64)
    }

    fn open_session(&self) -> Result<(), String> {
        Ok(())
    }

    fn answer(&self, _session: &mut (), batch: &[Item]) -> Vec<Result<Reply<Handle<Asked>>, Refusal>> {
        let reply = |item: &Item| {
            let (handle, blob) = kept(item.clone());
            Ok(Reply::with_blob(handle, blob))
        };
        batch.iter().map(reply).collect()
    }
}
