//! What a run says of its shards beside their rows: files that were ignored, and sidecars that were not read exactly.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::shard::{Sample, Shard};

/// Counts over the shards of a run, each with its first example as `SHARD/KEY: what`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRemarks {
    /// Files in folders of pictures that are neither pictures nor beside one of the same key.
    pub left_aside: u64,
    /// Members of the shards that systems leave beside a user's files.
    pub passed_over: u64,
    /// Samples of whose sidecars something was lost or mended.
    pub sidecars: u64,
    pub sidecar: Option<String>,
    /// Fields of scores that sidecars have, with no number in them.
    pub no_numbers: u64,
    pub no_number: Option<String>,
}

impl InputRemarks {
    /// Takes in a shard. `fields`: those of the sidecar that stages take scores from.
    pub(super) fn see(&mut self, shard: &Shard, fields: &[String]) {
        self.passed_over += shard.index.passed_over;
        let named = |sample: &Sample, what: String| format!("{}/{}: {what}", shard.name, sample.key);
        for (member, sample) in shard.index.samples.iter().enumerate() {
            if let Some(refusal) = &sample.sidecar_refusal {
                self.sidecars += 1;
                self.sidecar.get_or_insert_with(|| named(sample, refusal.to_string()));
            }
            for value in fields.iter().filter_map(|field| no_number(shard, member, field)) {
                self.no_numbers += 1;
                self.no_number.get_or_insert_with(|| named(sample, value));
            }
        }
    }
}

/// The value that a sample's sidecar has in a field, where that is there and neither a number nor missing.
fn no_number(shard: &Shard, member: usize, field: &str) -> Option<String> {
    let sample = shard.index.samples.get(member)?;
    let is_known = sample.numbers.iter().any(|(name, _)| name == field);
    let has_json = sample.members.iter().any(|member| member.extension == "json");
    if is_known || !has_json || sample.picture.is_err() {
        return None;
    }
    // One that cannot be read now has no number either; whoever needs more of it will say so.
    let json = shard.sidecar(u32::try_from(member).ok()?).ok()?.json?;
    let fields: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(&json).ok()?;
    let value = fields.get(field)?.get();
    let start: String = value.chars().take(60).collect();
    (value != "null").then(|| format!("{field:?} is {start}"))
}
