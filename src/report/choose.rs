//! Chooses the pictures that are shown: evenly spread over the set, and, of those that were not kept, some for every reason.

use std::collections::BTreeMap;

use crate::publish::{StageDescription, Wanted};
use crate::row::Verdict;

/// A row by the place of its shard in [`Wanted::shards`], and its own in that shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Chosen {
    pub shard: usize,
    pub member: u32,
}

/// Why rows are not kept.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    Gated { dial: &'static str },
    Refused { stage: String, class: String },
}

/// Rows that were not kept for the same reason.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub reason: Reason,
    /// All such rows.
    pub rows: u64,
    /// Those that are shown.
    pub chosen: Vec<Chosen>,
}

/// `most` of the kept rows, or all of them, in the order of the shards' names.
pub(super) fn kept(wanted: &Wanted<'_>, most: usize) -> Vec<Chosen> {
    let is_kept = |verdict: &Verdict| matches!(verdict, Verdict::Kept(_));
    let all = rows(wanted).filter(|(_, verdict)| is_kept(verdict)).count() as u64;
    let mut spread = Spread::new(most, all);
    rows(wanted).filter(|(_, verdict)| is_kept(verdict)).filter_map(|(row, _)| spread.take(row)).collect()
}

/// The rows that were not kept by their reasons, in the order of the stages; at most `most` of them are chosen.
pub(super) fn dropped(wanted: &Wanted<'_>, most: usize) -> Vec<Group> {
    let mut counts: BTreeMap<(usize, Reason), u64> = BTreeMap::new();
    let key = |verdict: &Verdict| reason(verdict).map(|reason| (place(wanted, &reason), reason));
    for (_, verdict) in rows(wanted) {
        if let Some(key) = key(verdict) {
            *counts.entry(key).or_default() += 1;
        }
    }
    let shares = shares(&counts.values().copied().collect::<Vec<_>>(), most);
    let mut groups: BTreeMap<(usize, Reason), (Spread, Vec<Chosen>)> = counts
        .iter()
        .zip(shares)
        .map(|((key, all), share)| (key.clone(), (Spread::new(share, *all), Vec::new())))
        .collect();
    for (row, verdict) in rows(wanted) {
        if let Some((spread, chosen)) = key(verdict).and_then(|key| groups.get_mut(&key)) {
            chosen.extend(spread.take(row));
        }
    }
    let group = |((key, (_, chosen)), rows)| {
        let (_, reason): (usize, Reason) = key;
        Group { reason, rows, chosen }
    };
    groups.into_iter().zip(counts.into_values()).map(group).collect()
}

/// Every row in the order of the shards' names.
fn rows<'a>(wanted: &'a Wanted<'_>) -> impl Iterator<Item = (Chosen, &'a Verdict)> {
    let mut order: Vec<usize> = (0..wanted.shards.len()).collect();
    order.sort_by_key(|&shard| wanted.shards[shard].name);
    order.into_iter().flat_map(move |shard| {
        let row = move |(member, verdict)| (Chosen { shard, member: member as u32 }, verdict);
        wanted.shards[shard].verdicts.iter().enumerate().map(row)
    })
}

fn reason(verdict: &Verdict) -> Option<Reason> {
    match verdict {
        Verdict::Kept(_) => None,
        Verdict::Gated { dial, .. } => Some(Reason::Gated { dial }),
        Verdict::Refused(refused) => Some(Reason::Refused {
            stage: refused.stage.to_string(),
            class: refused.refusal.class.to_string(),
        }),
    }
}

/// The stage that rows ended at.
fn place(wanted: &Wanted<'_>, reason: &Reason) -> usize {
    let name = match reason {
        Reason::Gated { dial } => dial,
        Reason::Refused { stage, .. } => stage.as_str(),
    };
    let is_it = |stage: &StageDescription| match stage {
        StageDescription::Probe => name == "probe",
        StageDescription::Ask { name: ask, .. } | StageDescription::Choose { name: ask } => *ask == name,
        StageDescription::Gate { dial, .. } => *dial == name,
        StageDescription::Absent { .. } => false,
    };
    wanted.stages.iter().position(is_it).unwrap_or(usize::MAX)
}

/// How many of each group are shown: the same for all that have so many, and at most `most` together.
fn shares(counts: &[u64], most: usize) -> Vec<usize> {
    let mut shares = vec![0; counts.len()];
    let mut left = most;
    // One round gives each group one more; the rounds are few, since `most` is.
    loop {
        let before = left;
        for (share, &count) in shares.iter_mut().zip(counts) {
            if left > 0 && (*share as u64) < count {
                *share += 1;
                left -= 1;
            }
        }
        if left == 0 || left == before {
            return shares;
        }
    }
}

/// Takes `most` of `all` rows that pass by, evenly spread, the first among them.
struct Spread {
    most: u64,
    all: u64,
    seen: u64,
    taken: u64,
}

impl Spread {
    fn new(most: usize, all: u64) -> Self {
        Spread { most: (most as u64).min(all), all, seen: 0, taken: 0 }
    }

    fn take(&mut self, row: Chosen) -> Option<Chosen> {
        let next = self.taken * self.all / self.most.max(1);
        let takes = self.taken < self.most && self.seen == next;
        self.seen += 1;
        self.taken += u64::from(takes);
        takes.then_some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_even_and_full() {
        for (most, all) in [(0, 0), (3, 2), (4, 4), (3, 10), (60, 141), (60, 1_000_003)] {
            let mut spread = Spread::new(most, all);
            let row = |member| Chosen { shard: 0, member };
            let taken: Vec<u32> =
                (0..all as u32).filter_map(|member| spread.take(row(member))).map(|it| it.member).collect();
            assert_eq!(taken.len() as u64, all.min(most as u64), "{most} of {all}");
            let gaps: Vec<u32> = taken.windows(2).map(|pair| pair[1] - pair[0]).collect();
            let (least, widest) = (gaps.iter().min(), gaps.iter().max());
            assert!(least.zip(widest).is_none_or(|(least, widest)| widest - least <= 1), "{gaps:?}");
        }
    }

    #[test]
    fn small_groups_are_shown_whole_and_large_ones_share_the_rest() {
        assert_eq!(shares(&[2, 1000, 50, 0], 12), [2, 5, 5, 0]);
        assert_eq!(shares(&[1, 1], 60), [1, 1]);
        assert_eq!(shares(&[9, 9, 9], 2), [1, 1, 0]);
        assert_eq!(shares(&[], 5), [0; 0]);
    }
}
