//! Which process gets which shard.
//!
//! Each shard has a first and a second choice among the processes, by rendezvous hashing of its name. A process takes its first choices as it comes to
//! them, and when it has none left and little to do, second choices that their first has not come to. So a slow process is helped, and yet each needs to know the answers
//! about two in N of the shards alone: memory does not grow with the number of processes. (The power of two choices: Mitzenmacher, "The Power
//! of Two Choices in Randomized Load Balancing", 2001.)

use std::collections::VecDeque;

use crate::row::ContentHash;

/// The process that a shard goes to, and the one that may take it instead; the same where there is only one.
///
/// ```
/// use threshflow::cluster::choices;
/// let [first, second] = choices("00012", 4);
/// assert!(first < 4 && second < 4 && first != second);
/// // One more process takes some, and moves no other.
/// let [now, _] = choices("00012", 5);
/// assert!(now == first || now == 4);
/// ```
pub fn choices(shard: &str, processes: usize) -> [usize; 2] {
    let hash = ContentHash::of(shard.as_bytes());
    let mut ranked: Vec<usize> = (0..processes.max(1)).collect();
    ranked.sort_by_cached_key(|process| {
        let of_process = [&hash.0[..], &(*process as u64).to_le_bytes()].concat();
        std::cmp::Reverse(ContentHash::of(&of_process).0)
    });
    [ranked[0], *ranked.get(1).unwrap_or(&ranked[0])]
}

/// What is left to hand out.
#[derive(Debug)]
pub(super) struct HandOut {
    given: Vec<bool>,
    /// By process, in the order of the shards.
    first: Vec<VecDeque<u32>>,
    second: Vec<VecDeque<u32>>,
}

impl HandOut {
    pub(super) fn new(shards: &[String], processes: usize) -> Self {
        let mut all = HandOut {
            given: vec![false; shards.len()],
            first: vec![VecDeque::new(); processes],
            second: vec![VecDeque::new(); processes],
        };
        for (place, shard) in shards.iter().enumerate() {
            let [first, second] = choices(shard, processes);
            all.first[first].push_back(place as u32);
            all.second[second].push_back(place as u32);
        }
        all
    }

    /// The next shard for a process; of those of others only where it helps them.
    pub(super) fn next(&mut self, process: usize, helps: bool) -> Option<u32> {
        let HandOut { given, first, second } = self;
        let is_free = |shard: &u32| !given[*shard as usize];
        let own = std::iter::from_fn(|| first[process].pop_front()).find(is_free);
        // From the end: their first begins at the beginning.
        let mut others = || std::iter::from_fn(|| second[process].pop_back()).find(is_free);
        let next = own.or_else(|| if helps { others() } else { None })?;
        given[next as usize] = true;
        Some(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("{number:05}")).collect()
    }

    #[test]
    fn each_shard_goes_to_one_of_its_two_choices_once() {
        let (names, processes) = (names(500), 5);
        let mut all = HandOut::new(&names, processes);
        let mut got = vec![Vec::new(); processes];
        // Process 0 is slow: it asks once where the others ask ten times.
        for turn in 0..2_000 {
            for (process, got) in got.iter_mut().enumerate().skip(1) {
                got.extend(all.next(process, true));
            }
            if turn % 10 == 0 {
                got[0].extend(all.next(0, false));
            }
        }
        let mut seen: Vec<u32> = got.iter().flatten().copied().collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..500).collect::<Vec<u32>>());
        for (process, shards) in got.iter().enumerate() {
            assert!(
                shards.iter().all(|shard| choices(&names[*shard as usize], processes).contains(&process))
            );
        }
        // A fifth of 500 would be its share, and it is given 11 to 40.
        assert!((11..60).contains(&got[0].len()), "{}", got[0].len());
    }

    #[test]
    fn a_process_that_never_asks_holds_nothing_up() {
        let (names, processes) = (names(200), 2);
        let mut all = HandOut::new(&names, processes);
        let own = std::iter::from_fn(|| all.next(1, false)).count();
        assert!((60..140).contains(&own), "{own}");
        assert_eq!(std::iter::from_fn(|| all.next(1, true)).count(), 200 - own);
        assert_eq!(all.next(0, true), None);
    }
}
