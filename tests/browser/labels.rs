//! Labels by keys, and what the page says of precision and recall, against arithmetic of the test's own.

use tests::program::Desk;

use crate::page::Page;
use crate::pictures::{is_good, number_of, samples, side};
use crate::visit;

const DIAL: f64 = 25.5;
const LABELS: usize = 40;

/// So few pictures that each side of the dial is one stratum: what is labelled of it is a simple random sample.
const ROWS: u64 = 80;

fn asked() -> Desk {
    let desk = Desk::new(env!("CARGO_BIN_EXE_ground"));
    desk.shard("a", &samples(0..ROWS));
    desk.done(&format!("--set short_side={DIAL}"));
    desk
}

/// The key of the picture that is to be labelled.
fn shown_key(page: &Page<'_>) -> Option<String> {
    page.text(".label-picture p.soft").filter(|key| key.contains('/'))
}

#[test]
fn labels_by_keys_lead_to_the_precision_and_the_recall_that_arithmetic_gives() {
    visit(asked, &format!("--set short_side={DIAL}"), |_, page| {
        page.click("#tab-labels");
        let mut labels: Vec<u64> = Vec::new();
        while labels.len() < LABELS {
            let key = page.until("picture that is not labelled yet", || {
                shown_key(page).filter(|key| !labels.contains(&number_of(key)))
            });
            let loaded = "const img = document.querySelector('.label-picture img'); return Boolean(img?.complete && img.naturalWidth)";
            page.until("picture", || (page.read(loaded) == true).then_some(()));
            page.press(&[if is_good(number_of(&key)) { 'g' } else { 'b' }]);
            labels.push(number_of(&key));
            // One is taken back, and labelled again.
            if labels.len() == 5 {
                page.press(&['u']);
                page.until("picture that was taken back", || shown_key(page).filter(|back| *back == key));
                page.press(&[if is_good(number_of(&key)) { 'g' } else { 'b' }]);
            }
        }
        page.until("count of the labels", || {
            page.text(".label-progress").filter(|text| text.contains(&format!("{LABELS} labelled")))
        });
        let table = page.session.get_bytes("/api/labels.csv?dial=short_side").1;
        assert_eq!(String::from_utf8(table).unwrap().lines().count(), LABELS + 1);

        let sides = [true, false].map(|passes| Side::of(passes, &labels));
        assert!(
            sides.iter().all(|it| it.good > 2.0 && it.good + 2.0 < it.labels && it.labels < it.rows),
            "{sides:?}"
        );
        let wanted: Vec<f64> =
            [precision(&sides), recall(&sides)].concat().iter().map(|share| 100.0 * share).collect();
        let mut last = Vec::new();
        page.until(&format!("precision and recall {wanted:?}"), || {
            last = percents(&page.text(".precision-at")?);
            let near = |(shown, wanted): (&f64, &f64)| (shown - wanted).abs() < 0.051;
            (last.len() == 7 && last[..6].iter().zip(&wanted).all(near)).then_some(())
        });
        let chart =
            page.read("return document.querySelectorAll('.label-chart .curves path.precision.line').length");
        assert_eq!(chart, 1, "the curves are drawn");
        // The story of a row tells what was said of it.
        page.click("#tab-at-the-cut");
        let tiles =
            page.until("pictures at the cut", || Some(page.tiles("pass")).filter(|tiles| tiles.len() == 12));
        let place = tiles
            .iter()
            .position(|tile| labels.contains(&number_of(&tile.key)))
            .expect("one of 12 is labelled");
        let number = number_of(&tiles[place].key);
        let css = format!(".cut-side.pass .tile:nth-child({})", place + 1);
        page.chrome.wait(page.find(&css).click());
        let said = page.until("what was said of the row", || page.text("#row-dialog .row-labels"));
        let wanted = format!("{} for short_side", if is_good(number) { "good" } else { "bad" });
        assert!(said.contains(&wanted), "{number}: {said}");
    });
}

/// The numbers before percent signs.
fn percents(text: &str) -> Vec<f64> {
    let is_number = |letter: char| letter.is_ascii_digit() || letter == '.';
    let number = |before: &str| {
        let digits = before.trim_end();
        digits[digits
            .rfind(|letter| !is_number(letter))
            .map_or(0, |at| at + digits[at..].chars().next().map_or(0, char::len_utf8))..]
            .parse()
            .ok()
    };
    text.split('%').filter_map(number).collect()
}

/// What is known of the pictures on one side of the dial: a simple random sample of them is labelled.
#[derive(Debug)]
struct Side {
    rows: f64,
    labels: f64,
    good: f64,
}

impl Side {
    fn of(passes: bool, labels: &[u64]) -> Self {
        let is_here = |n: &u64| (f64::from(side(*n)) > DIAL) == passes;
        let here: Vec<u64> = labels.iter().copied().filter(is_here).collect();
        Side {
            rows: (0..ROWS).filter(is_here).count() as f64,
            labels: here.len() as f64,
            good: here.iter().filter(|n| is_good(**n)).count() as f64,
        }
    }

    fn share(&self) -> f64 {
        self.good / self.labels
    }

    /// With half a good label and half a bad one more, as the variances have it.
    fn smoothed(&self) -> f64 {
        (self.good + 0.5) / (self.labels + 1.0)
    }

    /// What is left to be sampled (Cochran's finite population correction).
    fn rest(&self) -> f64 {
        1.0 - self.labels / self.rows
    }
}

/// The share of the good among those that pass. Of a simple random sample, as many labels count as there are, over what is left to sample.
fn precision([passing, _]: &[Side; 2]) -> [f64; 3] {
    let [low, high] = clopper_pearson(passing.share(), passing.labels / passing.rest());
    [passing.share(), low, high]
}

/// The share of the good rows that pass: Beale's ratio of two totals, with the interval of Korn and Graubard.
fn recall(sides: &[Side; 2]) -> [f64; 3] {
    let good = sides.each_ref().map(|it| it.rows * it.share());
    let plain = sides
        .each_ref()
        .map(|it| it.rows * it.rows * it.rest() * it.share() * (1.0 - it.share()) / (it.labels - 1.0));
    let all = good[0] + good[1];
    let value = (good[0] + plain[0] / all) / (all + (plain[0] + plain[1]) / all);
    let smoothed = sides.each_ref().map(|it| it.rows * it.smoothed());
    let variance = sides
        .each_ref()
        .map(|it| it.rows * it.rows * it.rest() * it.smoothed() * (1.0 - it.smoothed()) / it.labels);
    let ratio = smoothed[0] / (smoothed[0] + smoothed[1]);
    let of_ratio = ((1.0 - ratio).powi(2) * variance[0] + ratio.powi(2) * variance[1])
        / ((smoothed[0] + smoothed[1]) * all);
    let labels = sides[0].labels + sides[1].labels;
    let degrees = (student(labels - 1.0) / student(labels - 2.0)).powi(2);
    let [low, high] = clopper_pearson(value, ratio * (1.0 - ratio) / of_ratio * degrees);
    [value, low, high]
}

/// The chance that a variable of the beta distribution is below `x`; `a` and `b` at least 1/2. With t as the square of a sine, its density has no
/// pole: Simpson's rule over both parts.
fn beta_below(a: f64, b: f64, x: f64) -> f64 {
    let whole = std::f64::consts::FRAC_PI_2;
    let density = |angle: f64| angle.sin().powf(2.0 * a - 1.0) * angle.cos().max(0.0).powf(2.0 * b - 1.0);
    let area = |from: f64, to: f64| {
        const STEPS: usize = 2000;
        let step = (to - from) / STEPS as f64;
        let weight = |n: usize| {
            if n == 0 || n == STEPS {
                1.0
            } else if n % 2 == 1 {
                4.0
            } else {
                2.0
            }
        };
        (0..=STEPS).map(|n| weight(n) * density(from + n as f64 * step)).sum::<f64>() * step / 3.0
    };
    let at = x.sqrt().asin();
    let (below, above) = (area(0.0, at), area(at, whole));
    below / (below + above)
}

/// Where a rising function of a share comes to `wanted`.
fn halved(wanted: f64, of: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if of(middle) < wanted { low = middle } else { high = middle }
    }
    low
}

fn clopper_pearson(share: f64, trials: f64) -> [f64; 2] {
    let (good, bad) = (share * trials, (1.0 - share) * trials);
    [halved(0.025, |x| beta_below(good, bad + 1.0, x)), halved(0.975, |x| beta_below(good + 1.0, bad, x))]
}

/// Student's t at 95 %: t^2 is degrees (1 - x) / x, where x has the beta distribution of half the degrees and 1/2.
fn student(degrees: f64) -> f64 {
    let x = halved(0.05, |x| beta_below(degrees / 2.0, 0.5, x));
    (degrees * (1.0 - x) / x).sqrt()
}

#[test]
fn the_arithmetic_is_that_of_tables() {
    // scipy.stats.beta.ppf([0.025, 0.975], [9, 10], [2, 1]); scipy.stats.t.ppf(0.975, [10, 38]).
    let [low, high] = clopper_pearson(0.9, 10.0);
    assert!((low - 0.554_983_9).abs() < 1e-6 && (high - 0.997_471_4).abs() < 1e-6, "{low} {high}");
    assert!((student(10.0) - 2.228_138_9).abs() < 1e-5 && (student(38.0) - 2.024_394_2).abs() < 1e-5);
    assert_eq!(percents("At 25: 76.7\u{202f}% precision (60\u{202f}% to 90.5\u{202f}%)"), [76.7, 60.0, 90.5]);
}
