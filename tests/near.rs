//! Near duplicates: distances to the nearest better row are what a plain function over all pairs gives, whatever the
//! history, the number of workers, and the numbers that shards were given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use tests::Rng;
use tests::live::go_on;
use threshflow::dial::DialSet;
use threshflow::dials;
use threshflow::flow::{Engine, EngineOptions, Fed, NearestBetter};
use threshflow::lane::Answer;
use threshflow::row::{ContentHash, Image, PerceptualHash, RowId, Score, Unit, Verdict, With};
use threshflow::shard::ShardNames;

/// A score that rows bring along: few values, so that there are ties, and sometimes none.
struct Worth;
impl Unit for Worth {
    const NAME: &'static str = "worth";
    const UNIT: &'static str = "0 to 3";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 3.0;
}

dials! {
    /// Before and behind the search for neighbours.
    struct Dials {
        /// What a row must be worth.
        worth: Worth > -0.5,
        /// How far a row must be from the nearest better one.
        duplicate_distance: NearestBetter > 3,
    }
}

/// A row as the oracle sees it.
#[derive(Clone, Debug)]
struct Plain {
    shard: String,
    member: u32,
    content: ContentHash,
    hash: PerceptualHash,
    worth: f32,
}

/// Hashes around a few centres, and all over: a function of the content, as an answer would be.
fn hash_of(content: ContentHash) -> PerceptualHash {
    let seed = u64::from_le_bytes(content.0[..8].try_into().expect("eight bytes"));
    let mut rng = Rng(seed);
    let centre = Rng(1 + rng.below(5) as u64).next();
    let flips = rng.below(11);
    let near = (0..flips).fold(centre, |bits, _| bits ^ 1 << rng.below(PerceptualHash::BITS as usize));
    PerceptualHash::of_bits(if rng.below(6) == 0 { rng.next() } else { near })
}

/// The rows of a version of a shard. Shards share contents, so that identical pictures lie in several.
fn rows(seed: u64, shard: &str, version: u64) -> Vec<Plain> {
    let mut rng = Rng(seed ^ ContentHash::of(shard.as_bytes()).0[0] as u64 ^ version << 8);
    let count = 6 + rng.below(30);
    let row = |member: usize| {
        let content = ContentHash::of(&[seed as u8, rng.below(60) as u8]);
        let worth = if rng.below(9) == 0 { f32::NAN } else { rng.below(4) as f32 };
        Plain { shard: shard.to_owned(), member: member as u32, content, hash: hash_of(content), worth }
    };
    (0..count).map(row).collect()
}

/// Whether a row is better than another: the rule in plain words, with names for numbers.
fn better(one: &Plain, other: &Plain) -> bool {
    let worth = |row: &Plain| if row.worth.is_nan() { f32::NEG_INFINITY } else { row.worth };
    if worth(one) != worth(other) {
        return worth(one) > worth(other);
    }
    (one.content, &one.shard, one.member) < (other.content, &other.shard, other.member)
}

type Key = (String, u32);

/// Where every row must end, worked out from all pairs.
fn wanted(all: &[Plain], worth_at: f32, distance_at: f32) -> BTreeMap<Key, String> {
    let in_flow: Vec<&Plain> = all.iter().filter(|row| row.worth > worth_at).collect();
    let verdict = |row: &Plain| {
        if row.worth.is_nan() || row.worth <= worth_at {
            return Verdict::Gated { dial: "worth", score: row.worth };
        }
        let betters = in_flow.iter().filter(|other| better(other, row));
        let nearest = betters.map(|other| other.hash.distance(row.hash)).min();
        let distance = nearest.filter(|nearest| *nearest <= 7).map_or(8.0, |nearest| nearest as f32);
        match distance > distance_at {
            true => Verdict::Kept([row.worth, distance].into()),
            false => Verdict::Gated { dial: "duplicate_distance", score: distance },
        }
    };
    all.iter().map(|row| ((row.shard.clone(), row.member), format!("{:?}", verdict(row)))).collect()
}

/// The engine on rows that were made up, under numbers that say nothing of the names.
type Worths = Arc<Mutex<BTreeMap<RowId, f32>>>;

struct Run {
    engine: Engine,
    names: ShardNames,
    /// What each row is worth.
    worths: Worths,
    numbers: BTreeMap<u32, (String, Vec<Plain>)>,
    next: u32,
}

impl Run {
    fn start(workers: usize, rng: &mut Rng, values: &[f32]) -> Self {
        let names = ShardNames::default();
        let known = names.clone();
        let worths = Worths::default();
        let of_rows = Arc::clone(&worths);
        let options = EngineOptions {
            workers,
            window: 1 + rng.below(5),
            most_rows_an_epoch: 1 + rng.below(40),
            most_rows: 1 + rng.below(200),
            peers: None,
        };
        let engine = Engine::start(options, Dials::specs(), values, move |images, maker| {
            let dials = Dials::make(maker);
            let of_rows = Arc::clone(&of_rows);
            let worth = move |image: Image| {
                let worth = Score::<Worth>::of(of_rows.lock().expect("nobody panicked")[&image.id]);
                With::new(image, worth)
            };
            let hashed = images.each(worth).gate(&dials.worth);
            let hashed = hashed.each(|row| hash_of(row.row.content).attach(row));
            hashed.nearest_better(&known, Worth).gate(&dials.duplicate_distance).finish()
        });
        Run {
            engine: engine.expect("starts"),
            names,
            worths,
            numbers: BTreeMap::new(),
            next: rng.below(3) as u32,
        }
    }

    fn fed(number: u32, rows: &[Plain]) -> impl ExactSizeIterator<Item = Fed> + '_ {
        rows.iter().map(move |row| {
            let id = RowId { shard: number, member: row.member };
            Fed::Image(Image { id, content: row.content, width: 1, height: 1 })
        })
    }

    fn insert(&mut self, name: &str, rows: Vec<Plain>) {
        let number = self.next;
        self.next += 1;
        self.names.insert(number, name);
        let id = |row: &Plain| RowId { shard: number, member: row.member };
        let mut worths = self.worths.lock().expect("nobody panicked");
        worths.extend(rows.iter().map(|row| (id(row), row.worth)));
        drop(worths);
        self.engine.insert(number, Run::fed(number, &rows), &mut go_on).expect("goes in");
        self.numbers.insert(number, (name.to_owned(), rows));
    }

    fn remove(&mut self, name: &str) {
        let number = *self.numbers.iter().find(|(_, (known, _))| known == name).expect("is in").0;
        let (_, rows) = self.numbers.remove(&number).expect("is in");
        self.engine.retract(number, Run::fed(number, &rows), &mut go_on).expect("goes out");
    }

    fn verdicts(&mut self) -> BTreeMap<Key, String> {
        self.engine.settle(&mut go_on).expect("settles");
        let verdicts = self.engine.verdicts().iter();
        verdicts.map(|(id, v)| ((self.numbers[&id.shard].0.clone(), id.member), format!("{v:?}"))).collect()
    }
}

fn play(seed: u64) {
    let mut rng = Rng(seed);
    let mut values = [-0.5, 3.0];
    let mut run = Run::start([1, 2, 4][rng.below(3)], &mut rng, &values);
    let mut shards: BTreeMap<String, u64> = BTreeMap::new();
    for step in 0..14 {
        match rng.below(7) {
            0 => {
                values[1] = rng.below(9) as f32 - 1.0;
                run.engine.turn(1, values[1], &mut go_on).expect("turns");
            }
            1 => {
                values[0] = rng.below(4) as f32 - 0.5;
                run.engine.turn(0, values[0], &mut go_on).expect("turns");
            }
            2 => run.engine.settle(&mut go_on).expect("settles"),
            _ => {
                let name = ["ant", "bee", "cat", "dog"][rng.below(4)].to_owned();
                if shards.remove(&name).is_some() {
                    run.remove(&name);
                }
                if rng.below(4) > 0 {
                    let version = rng.next() % 4;
                    run.insert(&name, rows(seed, &name, version));
                    shards.insert(name, version);
                }
            }
        }
        if rng.below(3) == 0 || step == 13 {
            let all: Vec<Plain> =
                shards.iter().flat_map(|(name, version)| rows(seed, name, *version)).collect();
            assert_eq!(run.verdicts(), wanted(&all, values[0], values[1]), "seed {seed}, step {step}");
        }
    }
}

#[test]
fn any_history_gives_what_comparing_all_pairs_gives() {
    let threads = 4;
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || (0..300).filter(|seed| seed % threads == thread).for_each(play));
        }
    });
}

#[test]
fn the_oracle_meets_every_distance_and_every_tie() {
    let (mut distances, mut ties) = (BTreeSet::new(), [0; 3]);
    for seed in 0..20 {
        let all: Vec<Plain> = ["ant", "bee", "cat"].iter().flat_map(|shard| rows(seed, shard, 0)).collect();
        for (at, one) in all.iter().enumerate() {
            for other in &all[..at] {
                distances.insert(one.hash.distance(other.hash));
                if one.worth.total_cmp(&other.worth).is_eq() {
                    let same = one.content == other.content;
                    ties[usize::from(same) + usize::from(same && one.shard != other.shard)] += 1;
                }
            }
        }
    }
    assert!((0..=10).all(|distance| distances.contains(&distance)), "{distances:?}");
    assert!(ties.iter().all(|count| *count > 20), "{ties:?}");
}

/// Which of identical pictures stays may not tell in which order a store came to know its shards.
#[test]
fn the_numbers_of_shards_leave_no_trace() {
    let names = ["ant", "bee", "cat"];
    let mut seen = BTreeSet::new();
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let mut run = Run::start(2, &mut Rng(5), &[-0.5, 0.0]);
        for n in order {
            let content = ContentHash([7; 16]);
            let row = |member| {
                let shard = names[n].to_owned();
                Plain { shard, member, content, hash: hash_of(content), worth: 1.0 }
            };
            run.insert(names[n], (0..3).map(row).collect());
        }
        seen.insert(run.verdicts());
    }
    assert_eq!(seen.len(), 1, "{seen:#?}");
    let verdicts = seen.pop_first().expect("one");
    let kept: Vec<&Key> =
        verdicts.iter().filter(|(_, v)| v.starts_with("Kept")).map(|(key, _)| key).collect();
    assert_eq!(kept, [&("ant".to_owned(), 0)]);
}

/// Twenty thousand white pictures, each better than those before it. In the engine's unit tests the records are counted.
#[test]
fn many_rows_of_one_hash_go_through() {
    const ROWS: u32 = 20_000;
    let mut run = Run::start(2, &mut Rng(5), &[-0.5, 0.0]);
    let content = ContentHash([7; 16]);
    let row =
        |member| Plain { shard: "ant".into(), member, content, hash: hash_of(content), worth: member as f32 };
    run.insert("ant", (0..ROWS).map(row).collect());
    let kept = |run: &mut Run| run.verdicts().iter().filter(|(_, v)| v.starts_with("Kept")).count();
    assert_eq!(kept(&mut run), 1);
    run.engine.turn(1, -1.0, &mut go_on).expect("turns");
    assert_eq!(kept(&mut run), ROWS as usize);
    run.remove("ant");
    assert_eq!(kept(&mut run), 0);
}
