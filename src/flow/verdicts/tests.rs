//! Verdicts that come and leave in any order.

use super::*;
use crate::row::Refusal;

impl Verdicts {
    /// As the dataflow says it; dials are numbered as they are met.
    fn add(&mut self, id: RowId, verdict: Verdict, diff: isize) {
        match verdict {
            Verdict::Kept(scores) => self.add_kept(id, &scores, diff),
            Verdict::Refused(refused) => self.add_refused(id, *refused, diff),
            Verdict::Gated { dial, score } => {
                let known = self.dials.iter().position(|known| *known == dial);
                let number = known.unwrap_or_else(|| {
                    self.dials.push(dial);
                    self.dials.len() - 1
                });
                self.add_slot(id, Slot::gated(number as u16, score), 0, diff);
            }
        }
    }
}

fn gated(score: f32) -> Verdict {
    Verdict::Gated { dial: "tested", score }
}

#[test]
fn changes_meet_in_any_order() {
    let nan = gated(f32::NAN);
    let changes = [(gated(1.0), 1), (gated(1.0), -1), (nan.clone(), 1), (nan, -1), (gated(3.0), 1)];
    let id = RowId { shard: 3, member: 0 };
    let mut order: Vec<usize> = (0..changes.len()).collect();
    // All 120 orders, by Heap's algorithm.
    let mut counters = [0; 5];
    let mut at = 0;
    loop {
        let mut verdicts = Verdicts::default();
        verdicts.expect(3, 1);
        assert_eq!(verdicts.check(), Err(VerdictsError { rows: 1, first: id }));
        for n in &order {
            verdicts.add(id, changes[*n].0.clone(), changes[*n].1);
        }
        verdicts.complete();
        assert_eq!(verdicts.check(), Ok(()), "{order:?}");
        assert_eq!(verdicts.iter().collect::<Vec<_>>(), [(id, gated(3.0))]);
        while at < 5 && counters[at] >= at {
            counters[at] = 0;
            at += 1;
        }
        if at == 5 {
            break;
        }
        order.swap(if at % 2 == 0 { 0 } else { counters[at] }, at);
        counters[at] += 1;
        at = 0;
    }
}

#[test]
fn two_verdicts_at_once_are_seen() {
    let mut verdicts = Verdicts::default();
    verdicts.expect(0, 1);
    let id = RowId { shard: 0, member: 0 };
    verdicts.add(id, gated(1.0), 1);
    verdicts.add(id, gated(2.0), 1);
    verdicts.complete();
    assert_eq!(verdicts.check().unwrap_err(), VerdictsError { rows: 1, first: id });
    assert_eq!(verdicts.forget(0).unwrap_err(), VerdictsError { rows: 1, first: id }, "one still stands");
}

#[test]
fn a_row_whose_score_is_no_number_leaves_as_it_came() {
    let id = RowId { shard: 0, member: 0 };
    let mut verdicts = Verdicts::default();
    verdicts.expect(0, 1);
    verdicts.add(id, gated(f32::NAN), 1);
    verdicts.add(id, gated(f32::NAN), -1);
    verdicts.add_kept(id, &[f32::NAN], 1);
    verdicts.complete();
    assert_eq!(verdicts.check(), Ok(()));
    assert_eq!(
        verdicts.counts(),
        Counts { shards: 1, expected: 1, decided: 1, undecided: 0, ended: 1, kept: 1 }
    );
    verdicts.add_kept(id, &[f32::NAN], -1);
    verdicts.complete();
    assert_eq!((verdicts.forget(0), verdicts.check()), (Ok(()), Ok(())));
    assert_eq!(verdicts.counts(), Counts::default());
}

fn refused(message: &str) -> Verdict {
    let refusal = Refusal::permanent("tested", message);
    Verdict::Refused(Box::new(Refused { stage: "tested".into(), refusal }))
}

#[test]
fn of_two_refusals_the_one_that_comes_stands() {
    let id = RowId { shard: 0, member: 0 };
    let (a, b) = (refused("a"), refused("b"));
    // A was never seen standing; then A stands already.
    for stands in [false, true] {
        let changes = [(a.clone(), 1), (b.clone(), 1), (a.clone(), -1)];
        let changes = if stands { &changes[1..] } else { &changes[..] };
        for first in 0..changes.len() {
            for backwards in [false, true] {
                let mut verdicts = Verdicts::default();
                verdicts.expect(0, 1);
                if stands {
                    verdicts.add(id, a.clone(), 1);
                    verdicts.complete();
                }
                for n in 0..changes.len() {
                    let n = if backwards { changes.len() - 1 - n } else { n };
                    let (verdict, diff) = &changes[(first + n) % changes.len()];
                    verdicts.add(id, verdict.clone(), *diff);
                }
                verdicts.complete();
                assert_eq!(verdicts.check(), Ok(()));
                let stand: Vec<_> = verdicts.iter().collect();
                assert_eq!(stand, [(id, b.clone())], "{stands} {first} {backwards}");
            }
        }
    }
}

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % end as u64) as usize
    }
}

#[test]
fn batches_of_changes_in_any_order_leave_what_a_multiset_leaves() {
    let some = [
        refused("a"),
        refused("b"),
        refused("c"),
        Verdict::Kept([1.0, f32::NAN].into()),
        Verdict::Kept([1.0, 2.0].into()),
        Verdict::Kept([0.0, 2.0].into()),
        gated(1.0),
        gated(f32::NAN),
        Verdict::Gated { dial: "another", score: 1.0 },
    ];
    const ROWS: usize = 3;
    let id = |row: usize| RowId { shard: 1, member: row as u32 };
    for seed in 0..3000 {
        let mut dice = Dice(seed);
        let mut verdicts = Verdicts::default();
        verdicts.expect(1, ROWS);
        let mut stands: [Option<usize>; ROWS] = [None; ROWS];
        for _ in 0..4 {
            // Every row goes from verdict to verdict; what is told of it arrives in any order.
            let mut changes = Vec::new();
            for (row, stands) in stands.iter_mut().enumerate() {
                for _ in 0..dice.below(4) + usize::from(stands.is_none()) {
                    let next = dice.below(some.len());
                    changes.extend(stands.map(|before| (row, before, -1)));
                    changes.push((row, next, 1));
                    *stands = Some(next);
                }
            }
            while !changes.is_empty() {
                let (row, verdict, diff) = changes.swap_remove(dice.below(changes.len()));
                verdicts.add(id(row), some[verdict].clone(), diff);
            }
            verdicts.complete();
            assert_eq!(verdicts.check(), Ok(()), "seed {seed}");
            let is: Vec<_> = verdicts.iter().collect();
            let wanted: Vec<_> =
                stands.iter().enumerate().map(|(row, of)| (id(row), &some[of.unwrap()])).collect();
            for ((id, is), (_, wanted)) in is.iter().zip(&wanted) {
                assert_eq!(is, *wanted, "seed {seed}, {id:?}");
            }
            assert_eq!(is.len(), ROWS);
            let kept = wanted.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Kept(_))).count();
            assert_eq!(
                verdicts.counts(),
                Counts { shards: 1, expected: ROWS, decided: ROWS, undecided: 0, ended: ROWS, kept }
            );
        }
    }
}
