//! What was asked of object stores, what went over the wire, and what that costs.

use serde::{Deserialize, Serialize};

/// US dollars for a list or a write, and for a read or a look: Amazon's list price of S3 Standard in its region us-east-1 in 2026 ($0.005 and
/// $0.0004 for a thousand, <https://aws.amazon.com/s3/pricing/>). Google's for Standard storage in one region is the same.
const DEARER: f64 = 0.005 / 1000.0;
const CHEAPER: f64 = 0.0004 / 1000.0;

/// Requests and bytes, as a summary has them. A request counts as often as it was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    /// Pages of lists.
    pub lists: u64,
    /// Looks at single objects.
    pub heads: u64,
    /// Ranges of objects.
    pub gets: u64,
    /// Writes of objects, and of parts of objects.
    #[serde(default)]
    pub puts: u64,
    #[serde(default)]
    pub deletes: u64,
    /// For credentials.
    pub others: u64,
    /// Bytes of objects that came.
    pub bytes: u64,
    /// Bytes of objects that were sent.
    #[serde(default)]
    pub sent: u64,
    pub retries: u64,
    /// For how long whole objects were being fetched: one after the other it would have taken so long.
    pub seconds: f64,
    /// Objects that left the cache, for others or because they were damaged.
    pub evicted: u64,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { lists, heads, gets, puts, deletes, others: _, bytes, sent, retries, seconds, evicted } =
            *self;
        write!(
            f,
            "object stores: {lists} lists, {heads} looks, {gets} reads of {:.1} MB",
            bytes as f64 / 1e6
        )?;
        if puts + deletes > 0 {
            write!(f, ", {puts} writes of {:.1} MB, {deletes} deletions", sent as f64 / 1e6)?;
        }
        if seconds > 0.0 {
            write!(f, ", {seconds:.1} s for whole objects")?;
        }
        if retries > 0 {
            write!(f, ", {retries} requests tried again")?;
        }
        if evicted > 0 {
            write!(f, ", {evicted} objects left the cache")?;
        }
        match self.dollars() {
            0.0 => Ok(()),
            dollars => write!(f, "; about ${dollars:.4} for requests, by S3's list price"),
        }
    }
}

impl Counts {
    /// What the requests cost, in US dollars, if all of them went to Amazon S3. Deletions are free there. What bytes cost that leave the cloud,
    /// or its region, is not in it: that depends on where this machine is.
    pub fn dollars(&self) -> f64 {
        (self.lists + self.puts) as f64 * DEARER + (self.heads + self.gets) as f64 * CHEAPER
    }

    /// Whether nothing was asked of any server.
    pub fn is_empty(&self) -> bool {
        *self == Counts::default()
    }

    /// What came since `before`.
    pub fn since(&self, before: &Counts) -> Counts {
        Counts {
            lists: self.lists - before.lists,
            heads: self.heads - before.heads,
            gets: self.gets - before.gets,
            puts: self.puts - before.puts,
            deletes: self.deletes - before.deletes,
            others: self.others - before.others,
            bytes: self.bytes - before.bytes,
            sent: self.sent - before.sent,
            retries: self.retries - before.retries,
            seconds: self.seconds - before.seconds,
            evicted: self.evicted - before.evicted,
        }
    }

    /// Both together.
    pub fn and(&self, other: &Counts) -> Counts {
        Counts {
            lists: self.lists + other.lists,
            heads: self.heads + other.heads,
            gets: self.gets + other.gets,
            puts: self.puts + other.puts,
            deletes: self.deletes + other.deletes,
            others: self.others + other.others,
            bytes: self.bytes + other.bytes,
            sent: self.sent + other.sent,
            retries: self.retries + other.retries,
            seconds: self.seconds + other.seconds,
            evicted: self.evicted + other.evicted,
        }
    }
}
