//! Which record belongs to which picture: by the parts of their names, counted from the end.
//!
//! A picture is SHARD/KEY, its shard's name and its key; a record is its `path` up to the first dot of the last part
//! (so that extensions don't count), without empty parts and parts `.`. Two names *agree* where the shorter one is
//! the end of the longer one, part by part, letter by letter. Then:
//!
//! 1. The record with the picture's whole name is the picture's.
//! 2. Else, of the records that agree, the one that agrees in most parts. If several agree in as many, which happens
//!    where their paths go on above the shard's name, the picture is refused (`ambiguous_record`).
//! 3. A record that is a file name only is not enough for a picture whose key has folders: `1.jpg` may be `cats/1` or
//!    `dogs/1`. If nothing else agrees, the picture is refused (`short_record_path`).
//! 4. Records with the same name are no one's: whoever asks for them is refused (`duplicate_record`).
//!
//! So the record `00095/00019/000197953.jpg` belongs to the key `000197953` of a shard `00095/00019` or `00019`, to
//! `00019/000197953` of `00095` or `laion/00095`, and to `00095/00019/000197953` of any shard; the path
//! `000197953.jpg` to the key `000197953` of any shard.

use std::ops::Range;

/// What the rule says of a picture; records by their places in the order of [`Names::sort`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Joined {
    None,
    One(usize),
    /// These have the same name.
    Twice(Range<usize>),
    /// These agree in as many parts.
    Ambiguous(Range<usize>),
    /// A file name only.
    Short(usize),
}

/// The names of all records, last part first (`000197953/00019/00095`), so that agreeing names stand side by side.
///
/// Costs the bytes of a name and eight more a record.
#[derive(Default)]
pub(super) struct Names {
    text: String,
    ends: Vec<u64>,
}

impl Names {
    /// Adds a record by its path; says whether the path names anything.
    pub(super) fn push(&mut self, path: &str) -> bool {
        let (folder, last) = path.rsplit_once('/').unwrap_or(("", path));
        let stem = last.split('.').next().unwrap_or_default();
        if stem.is_empty() {
            return false;
        }
        let mut name = stem.to_owned();
        push_reversed(&mut name, folder);
        self.text.push_str(&name);
        self.ends.push(self.text.len() as u64);
        true
    }

    /// Puts the names in order; gives the place that each had before. Names that are the same keep their order.
    pub(super) fn sort(&mut self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.len() as u32).collect();
        order.sort_by(|&one, &other| self.get(one as usize).cmp(self.get(other as usize)));
        let mut sorted =
            Names { text: String::with_capacity(self.text.len()), ends: Vec::with_capacity(self.len()) };
        for &place in &order {
            sorted.text.push_str(self.get(place as usize));
            sorted.ends.push(sorted.text.len() as u64);
        }
        *self = sorted;
        order
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The bytes that this holds.
    #[cfg(test)]
    pub(super) fn state_bytes(&self) -> usize {
        self.text.capacity() + self.ends.capacity() * size_of::<u64>()
    }

    /// A record's name, in the order in which paths are read.
    pub(super) fn shown(&self, at: usize) -> String {
        self.get(at).rsplit('/').collect::<Vec<_>>().join("/")
    }

    /// Whether a record of this path has this name.
    pub(super) fn is_named(&self, at: usize, path: &str) -> bool {
        let mut own = Names::default();
        own.push(path) && own.get(0) == self.get(at)
    }

    /// The places of records whose names others have too.
    pub(super) fn repeated(&self) -> impl Iterator<Item = Range<usize>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            while at < self.len() {
                let same = self.same_as(at);
                at = same.end;
                if same.len() > 1 {
                    return Some(same);
                }
            }
            None
        })
    }

    /// Finds a picture's record; the names have to be sorted.
    pub(super) fn find(&self, shard: &str, key: &str) -> Joined {
        let mut wanted = String::new();
        push_reversed(&mut wanted, key);
        let folders_in_key = wanted.contains('/');
        push_reversed(&mut wanted, shard);
        if let Some(found) = self.named(&wanted) {
            return found;
        }
        // Those that go on above the shard's name: they begin with `wanted/`, and `0` follows on `/`.
        let above = self.from(&format!("{wanted}/"))..self.from(&format!("{wanted}0"));
        if !above.is_empty() {
            let same = self.same_as(above.start);
            return match (same.end == above.end, same.len()) {
                (true, 1) => Joined::One(same.start),
                (true, _) => Joined::Twice(same),
                (false, _) => Joined::Ambiguous(above),
            };
        }
        while let Some(end) = wanted.rfind('/') {
            wanted.truncate(end);
            match self.named(&wanted) {
                Some(Joined::One(at)) if folders_in_key && !wanted.contains('/') => return Joined::Short(at),
                Some(found) => return found,
                None => {}
            }
        }
        Joined::None
    }

    /// The records of exactly this name.
    fn named(&self, name: &str) -> Option<Joined> {
        let at = self.from(name);
        (at < self.len() && self.get(at) == name).then(|| match self.same_as(at) {
            same if same.len() == 1 => Joined::One(at),
            same => Joined::Twice(same),
        })
    }

    /// The record at `at` and those after it with its name.
    fn same_as(&self, at: usize) -> Range<usize> {
        let name = self.get(at);
        let mut end = at + 1;
        while end < self.len() && self.get(end) == name {
            end += 1;
        }
        at..end
    }

    /// The first name that is not before `name`.
    fn from(&self, name: &str) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.get(middle) < name { low = middle + 1 } else { high = middle }
        }
        low
    }

    fn get(&self, at: usize) -> &str {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start as usize..self.ends[at] as usize]
    }
}

/// Adds the parts of `path`, last part first, to what is there.
fn push_reversed(out: &mut String, path: &str) {
    for part in path.rsplit('/').filter(|part| !matches!(*part, "" | ".")) {
        if !out.is_empty() {
            out.push('/');
        }
        out.push_str(part);
    }
}
