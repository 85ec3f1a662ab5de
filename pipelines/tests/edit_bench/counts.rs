//! All 737 items, by a judge that refuses some, answers some badly, and turns away every third request: nothing is lost, and the table
//! counts exactly what happened.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use benchmarks::{Counting, Table};
use pipelines::edit_bench_stages::bench::load;
use tests::fakes::http::{Action, FakeServer};

use crate::desk::{Desk, Judge, asked, filtered, lines, said, scores, text_of};

/// Requests that are turned away wait: many under way keep the test short.
const MANY: &str = "--results @mine --in-flight=64";

/// What becomes of an item, by its prompt alone.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Refused,
    Badly,
    Scored([u64; 3]),
}

fn fate(prompt: &str) -> Fate {
    // FNV-1a.
    let hash = prompt
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    match hash % 20 {
        0 => Fate::Refused,
        1 => Fate::Badly,
        _ => Fate::Scored(scores(hash / 20)),
    }
}

#[test]
fn seven_hundred_items_are_counted_exactly_whatever_the_judge_does() {
    let desk = Desk::of(1);
    let items = Desk::items(1);
    assert_eq!(items.len(), 737);
    desk.write_results("mine", 1, |number| 5000 + number as u32);
    let injected = Arc::new(AtomicUsize::new(0));
    let counted = injected.clone();
    let judge = Judge::from(FakeServer::start(move |asked| {
        // Three of ten are turned away, and may come again at once.
        if asked.number % 10 < 3 {
            counted.fetch_add(1, Relaxed);
            return Action::text(429, "too many").with("retry-after", "0");
        }
        let text = text_of(asked);
        let prompt = text.rsplit("The instruction is: ").next().unwrap_or_default();
        match fate(prompt) {
            Fate::Refused => filtered(),
            Fate::Badly => said("It looks all right to me."),
            Fate::Scored(scores) => said(&lines(scores)),
        }
    }));
    let report = desk.run(&judge, MANY);
    assert_eq!(asked(&report).values().sum::<u64>(), 737);
    let calls = judge.server().asked().len() - injected.load(Relaxed);
    assert!(calls as f64 <= 737.0 * 1.05, "{calls} calls for 737 answers");
    let again = desk.run(&judge, MANY);
    assert_eq!(asked(&again).len(), 0, "refusals and answers that cannot be read are remembered");

    let run = load(&desk.path("bench/imgedit-basic/mine")).expect("is read back");
    let benchmark = run.benchmark().expect("is known");
    let table = Table::of(benchmark, &run.judged, Counting::default());
    let mut by_type: BTreeMap<&str, Vec<Fate>> = BTreeMap::new();
    for item in &items {
        by_type.entry(item.edit_type).or_default().push(fate(&item.prompt));
    }
    let mut all = Vec::new();
    for (edit_type, fates) in by_type {
        let row = &table.groups["type"][edit_type];
        let of = |wanted: fn(&Fate) -> bool| fates.iter().filter(|fate| wanted(fate)).count();
        let refused = of(|fate| *fate == Fate::Refused);
        let badly = of(|fate| *fate == Fate::Badly);
        assert_eq!((row.n, row.refused, row.unread), (fates.len(), refused, badly), "{edit_type}");
        let means = fates.iter().filter_map(|fate| match fate {
            Fate::Scored(scores) => Some(scores.iter().sum::<u64>() as f64 / 3.0),
            _ => None,
        });
        let means: Vec<f64> = means.collect();
        let mean = row.mean.map(|mean| mean.value);
        assert_eq!(row.scored, means.len());
        assert!((mean.unwrap() - means.iter().sum::<f64>() / means.len() as f64).abs() < 1e-9, "{edit_type}");
        all.extend(means);
    }
    let overall = table.all.by_items.expect("some are scored").value;
    assert!((overall - all.iter().sum::<f64>() / all.len() as f64).abs() < 1e-9);
    assert!(all.len() > 600 && all.len() < 737, "{} of 737 have a score", all.len());
}
