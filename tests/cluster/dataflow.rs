//! One dataflow over several processes. Here they are threads that talk over sockets: each has an engine, workers, lanes and rows of its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tests::Rng;
use threshflow::flow::example::{DIALS, Dials, Lab, Side, go_on, side, taster};
use threshflow::flow::{Engine, EngineOptions, Fed, Peers, Setting};
use threshflow::lane::Mode;
use threshflow::row::{ContentHash, Has, Image, PerceptualHash, Row, RowId, Score, With};
use threshflow::shard::ShardNames;

use crate::together::together;

/// Rows by number of shard and in it.
type Kept = BTreeSet<(u32, u32)>;

fn shard(number: u32, rows: u32, seed: u64) -> Vec<Image> {
    let mut rng = Rng(seed ^ (u64::from(number) << 20));
    let image = |member| {
        let side = rng.below(100) as u8;
        let id = RowId { shard: number, member };
        Image { id, content: ContentHash([side; 16]), width: 100, height: side.into() }
    };
    (0..rows).map(image).collect()
}

/// An engine that drops what is small, what looks like a better one, and what tastes bad: the last of them before or behind the other.
fn start(
    lab: &Lab,
    names: &ShardNames,
    (settings, asks_first): (&[Setting], bool),
    workers: usize,
    peers: Option<Arc<dyn Peers>>,
) -> Engine {
    fn hashed<R: Row + Has<Score<Side>, I>, I>(row: R) -> With<R, PerceptualHash> {
        // Pictures of one height look alike, and so do those of nearly the same.
        let side = Has::<Score<Side>, I>::get(&row).get() as u8;
        With::new(row, PerceptualHash([side / 2, 0, 0, 0, 0, 0, 0]))
    }
    let (names, taster) = (names.clone(), lab.stage(taster()));
    let options = EngineOptions { workers, peers, most_rows_an_epoch: 64, ..EngineOptions::default() };
    Engine::start(options, &DIALS, settings, move |images, maker| {
        let dial = Dials::make(maker);
        let large = images.each(side).gate(&dial.side);
        if asks_first {
            // Answers come out of the order of their epochs, and so do rows.
            let good = large.ask(&taster).gate(&dial.taste).each(hashed);
            return good.nearest_better(&names, Side).gate(&dial.nearest_better).finish();
        }
        let apart = large.each(hashed).nearest_better(&names, Side).gate(&dial.nearest_better);
        apart.ask(&taster).gate(&dial.taste).finish()
    })
    .expect("the engine starts")
}

fn feed(engine: &mut Engine, shard: &[Image]) {
    let number = shard[0].id.shard;
    engine.insert(number, shard.iter().cloned().map(Fed::Image), &mut go_on).expect("rows go in");
}

fn kept(engine: &Engine) -> Kept {
    engine.verdicts().kept().map(|id| (id.shard, id.member)).collect()
}

/// What one process keeps of all shards, and where its dials come to stand.
fn alone(shards: &[Vec<Image>], names: &ShardNames, settings: (&[Setting], bool)) -> [(Kept, Vec<f32>); 2] {
    let lab = Lab::new(Mode::Ask);
    let mut engine = start(&lab, names, settings, 1, None);
    shards.iter().for_each(|shard| feed(&mut engine, shard));
    settled_and_turned(&mut engine)
}

/// What an engine keeps, and where its dials come to stand; and again after a turn.
fn settled_and_turned(engine: &mut Engine) -> [(Kept, Vec<f32>); 2] {
    engine.settle(&mut go_on).expect("settles");
    let first = (kept(engine), engine.values());
    engine.turn(0, "top:20%".parse::<Setting>().expect("a share"), &mut go_on).expect("turns");
    engine.settle(&mut go_on).expect("settles");
    [first, (kept(engine), engine.values())]
}

/// Has some of the answers remembered, so that they come before others that were asked for earlier.
fn warm(lab: &Lab, settings: (&[Setting], bool), seed: u64) {
    let mut engine = start(lab, &ShardNames::default(), settings, 1, None);
    feed(&mut engine, &shard(99, 40, seed));
    engine.settle(&mut go_on).expect("settles");
    engine.into_verdicts();
}

#[test]
fn several_processes_keep_what_one_keeps() {
    for seed in 0..40_u64 {
        let mut rng = Rng(seed);
        let names = ShardNames::default();
        let shards: Vec<Vec<Image>> = (0..3 + rng.below(5) as u32)
            .map(|number| shard(number, 5 + rng.below(300) as u32, seed))
            .collect();
        // Their names are in another order than their numbers.
        for shard in &shards {
            let number = shard[0].id.shard;
            names.insert(number, &format!("{}", (number * 5 + 3) % 8));
        }
        let mut settings: Vec<Setting> = DIALS.iter().map(|dial| Setting::At(dial.default)).collect();
        let texts = ["10", "35", "top:30%", "top:7", "top:100%"];
        settings[0] = texts[rng.below(texts.len())].parse().expect("a setting");
        settings[1] = ["5", "2.5", "top:50%"][rng.below(3)].parse().expect("a setting");
        let settings = (settings.as_slice(), rng.below(2) == 0);
        let wanted = alone(&shards, &names, settings);
        let (processes, workers) = (1 + rng.below(4), 1 + rng.below(2));
        let pauses: Vec<u64> = (0..processes).map(|_| rng.below(20) as u64).collect();
        let list: Vec<String> =
            shards.iter().map(|shard| names.name(shard[0].id.shard).to_string()).collect();
        let done: Vec<[(Kept, Vec<f32>); 2]> = together(processes, &list, |cluster| {
            let lab = Lab::new(Mode::Ask);
            // Each knows the names of those shards alone that it is given.
            let own = ShardNames::default();
            let index = cluster.place().index;
            warm(&lab, settings, seed ^ index as u64);
            let mut engine = start(&lab, &own, settings, workers, Some(cluster.clone()));
            // Not all begin at once.
            std::thread::sleep(Duration::from_millis(pauses[index]));
            while let Some(place) = cluster.next_shard(true).expect("a shard or none") {
                let number = shards[place][0].id.shard;
                own.insert(number, &names.name(number));
                feed(&mut engine, &shards[place]);
            }
            let all = settled_and_turned(&mut engine);
            engine.into_verdicts();
            cluster.finish().expect("ends");
            all
        });
        for (turn, wanted) in wanted.iter().enumerate() {
            let all: Kept = done.iter().flat_map(|turns| turns[turn].0.iter().copied()).collect();
            let context = format!("seed {seed}, turn {turn}: {processes} processes of {workers} workers");
            assert_eq!(all, wanted.0, "{context}");
            assert!(done.iter().all(|turns| turns[turn].1 == wanted.1), "{context}: {done:?}");
            assert!(!all.is_empty(), "{context}");
        }
    }
}

#[test]
fn what_is_said_beside_all_else_comes_whole_however_long_it_is() {
    let long =
        |seed: u8, length: usize| -> Vec<u8> { (0..length).map(|n| (n as u8).wrapping_mul(seed)).collect() };
    // In one part, in many, at the edge of one, and nothing at all.
    let lengths = [5, 9 << 20, 4 << 20, 0];
    together(3, &[], |cluster| {
        let place = cluster.place().index;
        if cluster.leads() {
            (0..5).for_each(|number| cluster.expect_beside(number, number < 4));
        }
        cluster.meet(Vec::new()).expect("all are there");
        if place > 0 {
            // One that nobody waits for is let go of.
            cluster.say_beside(4, vec![1; 1000]);
            for (number, length) in lengths.iter().enumerate() {
                cluster.say_beside(number as u64, long(place as u8, *length));
            }
        } else {
            for (number, length) in lengths.iter().enumerate().rev() {
                for process in [2, 1] {
                    let said =
                        cluster.beside(process, number as u64).expect("all are there").expect("is said");
                    assert!(said == long(process as u8, *length), "{length} bytes of process {process}");
                }
            }
        }
        cluster.meet(Vec::new()).expect("all are there");
        cluster.finish().expect("all are done");
        if cluster.leads() {
            assert_eq!(cluster.beside(1, 9).expect("all were done"), None, "nothing is waited for any more");
        }
    });
}
