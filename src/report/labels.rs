//! Labels on a picture: their words and their places. Each is at its box, and none covers another if this can be avoided.

use super::Mark;

/// Labels of this many marks have scores beside their nouns ...
const MOST_WITH_SCORES: usize = 8;
/// ... and those of this many at least their nouns: more would cover the picture, and are numbered.
const MOST_NOUNS: usize = 14;
/// Characters of a noun that a label shows.
const MOST_LETTERS: usize = 20;

/// What stands on the marks of one picture: `cat 0.93`, or only `cat` where there are many; the mark's number, counted from
/// 1, where there are more, and for a noun that cannot be written.
pub fn label_texts(marks: &[Mark], can_write: impl Fn(&str) -> bool) -> Vec<String> {
    let text = |(place, mark): (usize, &Mark)| {
        let noun = match can_write(&mark.noun) {
            _ if marks.len() > MOST_NOUNS => return (place + 1).to_string(),
            true => super::html::shortened(&mark.noun, MOST_LETTERS),
            false => format!("#{}", place + 1),
        };
        match mark.scores.first() {
            Some((_, score)) if marks.len() <= MOST_WITH_SCORES => format!("{noun} {score:.2}"),
            _ => noun,
        }
    };
    marks.iter().enumerate().map(text).collect()
}

/// A label that is to be placed: its box's left, top, right and bottom, and its own width and height, all in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placed {
    pub bbox: [f32; 4],
    pub size: [f32; 2],
}

/// The left upper corner of each label on a picture of `width` x `height`, in the order they were given.
///
/// ```
/// use threshflow::report::{Placed, place_labels};
/// let label = Placed { bbox: [10.0, 50.0, 90.0, 90.0], size: [40.0, 12.0] };
/// // On top of its box; one that comes second keeps clear of the first.
/// assert_eq!(place_labels(&[label, label], [100.0, 100.0]), [[10.0, 38.0], [10.0, 50.0]]);
/// ```
pub fn place_labels(labels: &[Placed], [width, height]: [f32; 2]) -> Vec<[f32; 2]> {
    let mut taken: Vec<[f32; 4]> = Vec::new();
    for label in labels {
        let [wide, high] = label.size;
        let within = |[x, y]: [f32; 2]| [x.min(width - wide).max(0.0), y.min(height - high).max(0.0)];
        let cost = |[x, y]: [f32; 2]| {
            let area = [x, y, x + wide, y + high];
            taken.iter().map(|other| overlap(&area, other)).sum::<f32>()
        };
        let mut best = ([0.0; 2], f32::INFINITY);
        for place in places(label).map(within) {
            // Later places are worse: only a smaller overlap makes up for that.
            let cost = cost(place);
            if cost < best.1 {
                best = (place, cost);
            }
        }
        let [x, y] = best.0;
        taken.push([x, y, x + wide, y + high]);
    }
    taken.iter().map(|[x, y, ..]| [*x, *y]).collect()
}

/// From the best to the worst.
fn places(label: &Placed) -> impl Iterator<Item = [f32; 2]> + use<> {
    let ([left, top, right, bottom], [wide, high]) = (label.bbox, label.size);
    let corners = [
        [left, top - high],
        [left, top],
        [right - wide, top - high],
        [right - wide, top],
        [left, bottom],
        [left, bottom - high],
        [right - wide, bottom],
        [right - wide, bottom - high],
    ];
    let down_the_side = (1..8).map(move |step| [left, top + step as f32 * high]);
    corners.into_iter().chain(down_the_side)
}

fn overlap(one: &[f32; 4], other: &[f32; 4]) -> f32 {
    let wide = one[2].min(other[2]) - one[0].max(other[0]);
    let high = one[3].min(other[3]) - one[1].max(other[1]);
    wide.max(0.0) * high.max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_labels_say_less() {
        let mark = Mark {
            noun: "cat".to_owned(),
            kind: crate::row::RegionKind::Object,
            scores: vec![("score".to_owned(), 0.934)],
            bbox: [0.0, 0.0, 1.0, 1.0],
            colour: [0; 3],
        };
        let last = |count| label_texts(&vec![mark.clone(); count], |_| true).pop().unwrap();
        assert_eq!([last(1), last(8), last(9), last(15)], ["cat 0.93", "cat 0.93", "cat", "15"]);
        assert_eq!(label_texts(&[mark.clone(), mark], |_| false), ["#1 0.93", "#2 0.93"]);
    }

    #[test]
    fn labels_stay_on_the_picture_and_apart() {
        let boxes = [[0.0, 0.0, 20.0, 20.0], [5.0, 5.0, 30.0, 30.0], [80.0, 80.0, 100.0, 100.0]];
        let labels = boxes.map(|bbox| Placed { bbox, size: [50.0, 10.0] });
        let placed = place_labels(&labels, [100.0, 100.0]);
        let areas: Vec<[f32; 4]> = placed.iter().map(|[x, y]| [*x, *y, x + 50.0, y + 10.0]).collect();
        for (place, area) in areas.iter().enumerate() {
            assert!(area[0] >= 0.0 && area[1] >= 0.0 && area[2] <= 100.0 && area[3] <= 100.0, "{area:?}");
            assert!(areas[..place].iter().all(|other| overlap(area, other) == 0.0), "{areas:?}");
        }
        // Wider than the picture: it starts at its edge.
        assert_eq!(
            place_labels(&[Placed { bbox: boxes[2], size: [500.0, 10.0] }], [100.0, 100.0])[0][0],
            0.0
        );
    }
}
