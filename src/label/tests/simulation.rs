//! The estimates against known truths: populations whose every row is known to be good or bad, drawn from again and again.

use super::super::*;

/// A small generator of numbers (SplitMix64), so that every run draws the same.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, end: usize) -> usize {
        (self.part() * end as f64) as usize
    }
}

/// How good depends on the score, from 0 to 1.
struct Shape {
    name: &'static str,
    /// Of uniform numbers.
    score: fn(f64) -> f64,
    good: fn(f64) -> f64,
    /// Where the dial stands.
    at: f32,
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

const SHAPES: [Shape; 9] = [
    Shape { name: "steep", score: |u| u, good: |x| logistic(20.0 * (x - 0.5)), at: 0.6 },
    Shape { name: "shallow", score: |u| u, good: |x| logistic(4.0 * (x - 0.3)), at: 0.5 },
    Shape { name: "a step", score: |u| u, good: |x| f64::from(x > 0.55), at: 0.5 },
    Shape { name: "no relation", score: |u| u, good: |_| 0.5, at: 0.5 },
    Shape { name: "nearly all good", score: |u| u.sqrt(), good: |_| 0.97, at: 0.4 },
    Shape { name: "few good, few pass", score: |u| u * u * u, good: |x| 0.9 * x, at: 0.8 },
    Shape { name: "few good anywhere", score: |u| u, good: |_| 0.05, at: 0.5 },
    Shape { name: "best in the middle", score: |u| u, good: |x| 1.0 - (2.0 * x - 1.0).powi(2), at: 0.6 },
    Shape { name: "eleven values", score: |u| (u * u * 11.0).floor() / 10.0, good: |x| 0.2 + 0.7 * x, at: 0.5 },
];

struct World {
    scores: Vec<f32>,
    good: Vec<bool>,
    population: Population,
    /// Rows by bucket, and where each bucket's begin.
    sorted: Vec<usize>,
    starts: Vec<usize>,
}

impl World {
    fn new(shape: &Shape, rows: usize, random: &mut Random) -> Self {
        let scale = Scale::new(0.0, 1.0, Passing::AtLeast).unwrap();
        let scores: Vec<f32> = (0..rows).map(|_| (shape.score)(random.part()) as f32).collect();
        let good = scores.iter().map(|score| random.part() < (shape.good)(f64::from(*score))).collect();
        let mut sorted: Vec<usize> = (0..rows).collect();
        let bucket = |row: usize| scale.bucket(scores[row]).unwrap();
        sorted.sort_by_key(|row| bucket(*row));
        let mut buckets = vec![0_u64; usize::from(BUCKETS)];
        (0..rows).for_each(|row| buckets[usize::from(bucket(row))] += 1);
        let mut starts = vec![0];
        buckets.iter().for_each(|rows| starts.push(starts[starts.len() - 1] + *rows as usize));
        World { population: Population::new(scale, &buckets).unwrap(), scores, good, sorted, starts }
    }

    fn truth(&self, at: f32) -> (f64, f64) {
        let (mut pass, mut good, mut both) = (0.0, 0.0, 0.0);
        for (score, is_good) in self.scores.iter().zip(&self.good) {
            let passes = *score >= at;
            pass += f64::from(passes);
            good += f64::from(*is_good);
            both += f64::from(passes && *is_good);
        }
        (both / pass, both / good)
    }

    /// A simple random sample of each stratum.
    fn sample(&self, draw: &Draw, labels: usize, random: &mut Random) -> Vec<Labelled> {
        let mut labelled = Vec::new();
        for (stratum, take) in draw.strata.iter().zip(draw.takes(labels)) {
            let at = |bucket: u16| self.starts[usize::from(bucket)];
            let rows = &self.sorted[at(stratum.buckets.start)..at(stratum.buckets.end)];
            let mut drawn = std::collections::BTreeSet::new();
            while drawn.len() < take {
                drawn.insert(random.below(rows.len()));
            }
            labelled.extend(drawn.into_iter().map(|row| Labelled {
                score: self.scores[rows[row]],
                rows: 1,
                good: self.good[rows[row]],
                drawn: draw.drawn(&self.population, self.scores[rows[row]]).unwrap(),
            }));
        }
        labelled
    }
}

/// What came of many draws for one number.
#[derive(Default)]
struct Tally {
    times: usize,
    none: usize,
    covered: usize,
    error: f64,
    squares: f64,
    width: f64,
}

impl Tally {
    fn add(&mut self, estimate: Option<Estimate>, truth: f64) {
        let Some(estimate) = estimate else {
            self.none += 1;
            return;
        };
        let error = estimate.value - truth;
        self.times += 1;
        self.covered += usize::from(estimate.low <= truth && truth <= estimate.high);
        self.error += error;
        self.squares += error * error;
        self.width += estimate.high - estimate.low;
        assert!(estimate.low <= estimate.value && estimate.value <= estimate.high, "{estimate:?}");
    }

    fn bias(&self) -> f64 {
        self.error / self.times as f64
    }

    /// The standard error of the bias.
    fn doubt(&self) -> f64 {
        let times = self.times as f64;
        ((self.squares / times - self.bias().powi(2)).max(0.0) / times).sqrt()
    }

    fn coverage(&self) -> f64 {
        self.covered as f64 / self.times as f64
    }
}

#[test]
fn estimates_are_unbiased_and_intervals_cover() {
    let times = std::env::var("TIMES").map_or(200, |it| it.parse().unwrap());
    let mut bad=0;
    println!("{:<20} {:>6} {:>4} {:>5} | {:>7} {:>8} {:>6} {:>6} {:>5} | recall", "shape", "rows", "n", "at", "truth", "bias", "2 se", "cover", "width");
    for shape in &SHAPES {
        for rows in [2_000, 20_000, 100_000] {
            let mut random = Random(rows as u64 + 1);
            let world = World::new(shape, rows, &mut random);
            let draw = |labels| Draw::new("dial", &world.population, shape.at, 1, labels);
            for labels in [30, 60, 100] {
                let draw = draw(labels);
                for at in [shape.at - 0.1, shape.at, shape.at + 0.05] {
                    let truth = world.truth(at);
                    let mut tallies = [Tally::default(), Tally::default()];
                    for _ in 0..times {
                        let sample = world.sample(&draw, labels, &mut random);
                        let said = Estimates::new(world.population.clone(), sample).at(at);
                        tallies[0].add(said.precision, truth.0);
                        tallies[1].add(said.recall, truth.1);
                    }
                    let cell = |tally: &Tally, truth: f64| format!("{truth:7.4} {:8.4} {:6.4} {:6.3} {:5.3} {}", tally.bias(), 2.0 * tally.doubt(), tally.coverage(), tally.width / tally.times as f64, tally.none);
                    let flag = |t: &Tally| if t.coverage() < 0.93 { bad+=1; "LOW" } else { "" };
                    println!("{:<20} {rows:>6} {labels:>4} {at:>5.2} | {} | {} {}{}", shape.name, cell(&tallies[0], truth.0), cell(&tallies[1], truth.1), {let mut f=flag; [f(&tallies[0]), f(&tallies[1])].join(",")}, if tallies.iter().any(|t| t.bias().abs()>3.0*t.doubt()) {" BIAS"} else {""});
                }
            }
        }
    }
    println!("low: {bad}");
}
