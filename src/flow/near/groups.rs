//! The best row of every hash, and those that are not.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::{At, Candidate};
use crate::flow::complete::Changes;
use crate::row::{AnyUnit, ContentHash, Score};
use crate::shard::ShardNames;

/// What is said of a row: it is the best of its hash, or another one of that hash is better.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Said {
    Best(u64, Candidate),
    SameAsBetter(At),
}

/// The rows of every hash that this worker looks after.
pub(super) struct Groups {
    names: ShardNames,
    groups: HashMap<u64, Group>,
}

/// Most hashes have one row, and a set of one takes ten times the memory.
enum Group {
    One(Ranked),
    Several(BTreeSet<Ranked>),
}

/// A candidate that sorts by what it is worth, the best first. Places come last and only part what is the same otherwise:
/// two versions of one shard, while the old one leaves.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ranked {
    score: Reverse<Score<AnyUnit>>,
    content: ContentHash,
    shard: Arc<str>,
    at: At,
}

impl Ranked {
    fn candidate(&self) -> Candidate {
        Candidate { score: self.score.0, content: self.content, at: self.at }
    }
}

/// Whether `one` is better than `other`: the order of the [`Groups`], between rows of two hashes.
pub(super) fn better(one: &Candidate, other: &Candidate, names: &ShardNames) -> bool {
    let order = other.score.cmp(&one.score).then(one.content.cmp(&other.content));
    let name = |candidate: &Candidate| names.name(candidate.at.place.id.shard);
    order.then_with(|| name(one).cmp(&name(other))).then(one.at.cmp(&other.at)).is_lt()
}

impl Groups {
    pub(super) fn new(names: ShardNames) -> Self {
        Groups { names, groups: HashMap::new() }
    }

    /// Says a few things about every row that comes or leaves, however many rows its hash has.
    pub(super) fn work_off(&mut self, mut changes: Changes<(u64, Candidate)>, say: &mut Changes<Said>) {
        changes.sort_by_key(|(_, diff)| *diff);
        let mut before: BTreeMap<u64, Option<Ranked>> = BTreeMap::new();
        for ((hash, candidate), diff) in changes {
            let was_best = before.entry(hash).or_insert_with(|| self.groups.get(&hash).and_then(Group::best));
            let Candidate { score, content, at } = candidate;
            let ranked =
                Ranked { score: Reverse(score), content, shard: self.names.name(at.place.id.shard), at };
            if diff > 0 {
                say.push((Said::SameAsBetter(at), 1));
                self.put_in(hash, ranked);
            } else {
                if was_best.as_ref() != Some(&ranked) {
                    say.push((Said::SameAsBetter(at), -1));
                }
                self.take_out(hash, &ranked);
            }
        }
        for (hash, was) in before {
            let group = self.groups.get(&hash);
            let is = group.and_then(Group::best);
            if was == is {
                continue;
            }
            if let Some(was) = was {
                say.push((Said::Best(hash, was.candidate()), -1));
                if group.is_some_and(|group| group.contains(&was)) {
                    say.push((Said::SameAsBetter(was.at), 1));
                }
            }
            if let Some(is) = is {
                say.push((Said::Best(hash, is.candidate()), 1));
                say.push((Said::SameAsBetter(is.at), -1));
            }
        }
    }

    fn put_in(&mut self, hash: u64, ranked: Ranked) {
        let Some(group) = self.groups.get_mut(&hash) else {
            self.groups.insert(hash, Group::One(ranked));
            return;
        };
        match group {
            Group::One(one) => *group = Group::Several([one.clone(), ranked].into()),
            Group::Several(several) => drop(several.insert(ranked)),
        }
    }

    fn take_out(&mut self, hash: u64, ranked: &Ranked) {
        let empty = match self.groups.get_mut(&hash) {
            None => return,
            Some(Group::One(one)) => one == ranked,
            Some(Group::Several(several)) => {
                several.remove(ranked);
                several.is_empty()
            }
        };
        if empty {
            self.groups.remove(&hash);
        }
    }
}

impl Group {
    fn best(&self) -> Option<Ranked> {
        match self {
            Group::One(one) => Some(one.clone()),
            Group::Several(several) => several.first().cloned(),
        }
    }

    fn contains(&self, ranked: &Ranked) -> bool {
        match self {
            Group::One(one) => one == ranked,
            Group::Several(several) => several.contains(ranked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::{Place, RowId};

    fn row(member: u32, score: f32) -> (u64, Candidate) {
        let place = Place::picture(RowId { shard: 0, member });
        (7, Candidate { score: Score::of(score), content: ContentHash([1; 16]), at: At { place, worker: 0 } })
    }

    #[test]
    fn twenty_thousand_rows_of_one_hash_are_spoken_of_a_few_times_each() {
        const ROWS: u32 = 20_000;
        // Each better than all before it: the best changes every time.
        let rows: Vec<_> = (0..ROWS).map(|n| row(n, n as f32)).collect();
        let (mut groups, mut said) = (Groups::new(ShardNames::default()), Vec::new());
        for row in &rows {
            groups.work_off(vec![(*row, 1)], &mut said);
        }
        for row in rows.iter().rev() {
            groups.work_off(vec![(*row, -1)], &mut said);
        }
        assert!(said.len() < 12 * ROWS as usize, "{} records of {ROWS} rows", said.len());
        differential_dataflow::consolidation::consolidate(&mut said);
        assert_eq!((said, groups.groups.len()), (vec![], 0));
    }

    #[test]
    fn ties_go_by_content_then_by_the_name_of_the_shard_then_by_the_place_in_it() {
        let names = ShardNames::default();
        for (shard, name) in [(0, "b"), (1, "a")] {
            names.insert(shard, name);
        }
        let of = |score, content, shard, member| Candidate {
            score: Score::of(score),
            content: ContentHash([content; 16]),
            at: At { place: Place::picture(RowId { shard, member }), worker: 0 },
        };
        let best_first = [
            of(2.0, 9, 0, 9),
            of(1.0, 1, 0, 9),
            of(1.0, 2, 1, 8),
            of(1.0, 2, 1, 9),
            of(1.0, 2, 0, 0),
            of(f32::NEG_INFINITY, 0, 0, 0),
            of(f32::NAN, 0, 0, 0),
        ];
        for (at, one) in best_first.iter().enumerate() {
            for (behind, other) in best_first.iter().enumerate() {
                assert_eq!(better(one, other, &names), at < behind, "{one:?} {other:?}");
            }
        }
        let mut groups = Groups::new(names);
        for rest in (0..best_first.len()).rev() {
            groups.work_off(vec![((0, best_first[rest]), 1)], &mut Vec::new());
            assert_eq!(groups.groups[&0].best().unwrap().candidate(), best_first[rest]);
        }
    }
}
