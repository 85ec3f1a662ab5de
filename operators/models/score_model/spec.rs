//! `score.json`: what goes into a scorer of the user's own, which number comes out, and what that number means.
//!
//! The fields are read as they stand ([`ScoreSpec::parse`]) and then looked at together: all that is wrong is told at once.

use std::fmt;

use serde::{Deserialize, Serialize};
use threshflow::flow::Comparison;
use threshflow::row::Refusal;

use crate::pixels::clip_crop::Resample;
use crate::pixels::fit::{Bounds, Filter, Fit, Fitting, Place, Size};

/// The most pixels of an edge that a model is fed.
const MOST_PIXELS: u32 = 8192;

/// How much of the range a value may lie outside of it and still be the end of the range: what a softmax of single precision misses 1 by.
const ROUNDING: f32 = 1e-5;

/// All that a `score.json` says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreSpec {
    /// The model's file in the folder. `None`: the only `.onnx` file there is.
    pub model: Option<String>,
    pub input: InputSpec,
    #[serde(default)]
    pub output: OutputSpec,
    /// What a score counts, for people: `probability`, `share of the picture`.
    pub unit: String,
    /// A sentence for `dials` and the card.
    pub about: Option<String>,
    /// The least and the greatest value; what lies outside is refused.
    pub range: [f32; 2],
    pub direction: Direction,
    /// Where its dial stands. `None`: open.
    pub default: Option<f32>,
    #[serde(default)]
    pub looks_at: LooksAt,
}

/// Which pictures are scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LooksAt {
    #[default]
    Sources,
    /// What editors made.
    Results,
    Both,
}

/// Which scores are good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    HigherIsBetter,
    LowerIsBetter,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::HigherIsBetter => "higher_is_better",
            Direction::LowerIsBetter => "lower_is_better",
        })
    }
}

/// How a picture becomes the model's input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSpec {
    pub layout: Layout,
    pub channels: Channels,
    pub fit: FitName,
    /// Width and height of what the model is fed. `None`: as the model fixes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<[u32; 2]>,
    /// Of `squash_then_crop`: width and height before the centre is cut out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resize: Option<[u32; 2]>,
    /// Of `shortest_side_then_crop` and `keep_aspect`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shortest_side: Option<u32>,
    /// Of `keep_aspect`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub longest_side: Option<u32>,
    /// Of `keep_aspect`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiple_of: Option<u32>,
    /// Of `letterbox`: the value of what is around the picture, before `scale`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad: Option<u8>,
    /// Of `letterbox`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<PlaceName>,
    #[serde(default)]
    pub filter: FilterName,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jpeg_quality: Option<u8>,
    /// What is done to every value from 0 to 255, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scale: Vec<ScaleStep>,
}

/// The order of the axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    Nchw,
    Nhwc,
}

/// The order of the colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channels {
    Rgb,
    Bgr,
}

/// The ways of [`Fit`], as they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FitName {
    Squash,
    SquashThenCrop,
    ShortestSideThenCrop,
    Letterbox,
    KeepAspect,
}

/// The places of a letterbox, as they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaceName {
    Centre,
    TopLeft,
}

/// The filters, as they are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterName {
    #[default]
    Bilinear,
    Bicubic,
    Lanczos,
    OpencvLinear,
}

/// One step of the scale.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScaleStep {
    Subtract(Amount),
    Divide(Amount),
}

/// One number for all channels, or one each, in the order of `channels`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a number, or three numbers in the order of `channels`")]
pub enum Amount {
    One(f32),
    Three([f32; 3]),
}

/// Which number is the score.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputSpec {
    /// `None`: the only output there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// One entry an axis behind that of the batch: a place (below 0 from the end), or `null` for all places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub index: Vec<Option<i64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reduce: Option<Reduce>,
}

/// What is done to the output before a number is taken of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    Sigmoid,
    /// Over this axis of those behind the batch's; below 0 from the end.
    Softmax(i64),
}

/// How many numbers become one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduce {
    Mean,
    Max,
    /// The share of numbers above this, from 0 to 1.
    ShareAbove(f32),
    /// How many numbers are above this.
    CountAbove(f32),
    /// The sum of the numbers, each times its weight.
    WeightedSum(Vec<f32>),
}

impl ScoreSpec {
    /// Reads a `score.json`. The error says what was found, where, and what may stand there.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    /// How a score is held against its dial.
    pub fn comparison(&self) -> Comparison {
        match self.direction {
            Direction::HigherIsBetter => Comparison::AtLeast,
            Direction::LowerIsBetter => Comparison::AtMost,
        }
    }

    /// Where its dial stands by default: the worst end of the range where it is open.
    pub fn default_dial(&self) -> f32 {
        let [low, high] = self.range;
        self.default.unwrap_or(match self.direction {
            Direction::HigherIsBetter => low,
            Direction::LowerIsBetter => high,
        })
    }

    /// Whether every score passes the default.
    pub fn is_open(&self) -> bool {
        self.default_dial() == ScoreSpec { default: None, ..self.clone() }.default_dial()
    }

    /// All that shapes a score, always written in the same way: for the stamp. Neither the dial, nor its direction, nor words for people.
    pub fn shapes(&self) -> String {
        let parts = (&self.input, &self.output, self.range);
        serde_json::to_string(&parts)
            .unwrap_or_else(|error| unreachable!("numbers and words are JSON: {error}"))
    }

    /// A number that the model gave, as a score; refused where it is none (`not_a_number`), or none of the range (`out_of_range`).
    ///
    /// A number that misses the range by a rounding error (a hundred-thousandth of it) is the end of the range.
    pub fn score(&self, number: f32) -> Result<f32, Refusal> {
        let [low, high] = self.range;
        let slack = (high - low) * ROUNDING;
        let number = finite(number)?;
        if number < low - slack || number > high + slack {
            let message = format!(
                "the model answered {number}, and its score.json says that scores are from {low} to {high}; correct `range` there, or \
                 `output` where another number is meant"
            );
            return Err(Refusal::permanent("out_of_range", message));
        }
        Ok(number.clamp(low, high))
    }

    /// What is wrong with the file in itself, whatever the model: all of it.
    pub fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let [low, high] = self.range;
        let is_range = low.is_finite() && high.is_finite() && low < high;
        if !is_range {
            wrong.push(format!(
                "`range` is [{low}, {high}]; it is the least and the greatest score, such as [0, 1]"
            ));
        }
        if let Some(at) = self.default.filter(|at| is_range && !(low..=high).contains(at)) {
            wrong.push(format!(
                "`default` is {at}, outside of `range` [{low}, {high}]; leave it out for an open dial"
            ));
        }
        for (field, text) in [("unit", Some(&self.unit)), ("about", self.about.as_ref())] {
            if text.is_some_and(|text| text.trim().is_empty() || text.contains(char::is_control)) {
                wrong.push(format!("`{field}` is to be words on one line, such as \"probability, 0 to 1\""));
            }
        }
        wrong.extend(self.input.wrong());
        wrong.extend(self.output.wrong());
        wrong
    }
}

/// A number that a model gave, where it is one.
pub(crate) fn finite(number: f32) -> Result<f32, Refusal> {
    if number.is_finite() {
        return Ok(number);
    }
    let message = format!("the model answered {number}, which is no score; look at the model");
    Err(Refusal::permanent("not_a_number", message))
}

impl InputSpec {
    /// The fit, for a model whose input has this size where it fixes one. Only where nothing is [wrong](ScoreSpec::wrong).
    pub(super) fn fitting(&self, fixed: [Option<u32>; 2]) -> Fitting {
        let own = self.size.unwrap_or_default();
        let size: Size = (fixed[0].unwrap_or(own[0]), fixed[1].unwrap_or(own[1]));
        let fit = match self.fit {
            FitName::Squash => Fit::Squash { size },
            FitName::SquashThenCrop => {
                let [width, height] = self.resize.unwrap_or([size.0, size.1]);
                Fit::SquashThenCrop { resize: (width, height), size }
            }
            FitName::ShortestSideThenCrop => {
                let shortest_side = self.shortest_side.unwrap_or(size.0.max(size.1));
                Fit::ShortestSideThenCrop { shortest_side, size }
            }
            FitName::Letterbox => {
                let place = match self.place {
                    Some(PlaceName::TopLeft) => Place::TopLeft,
                    Some(PlaceName::Centre) | None => Place::Centre,
                };
                Fit::Letterbox { size, pad: self.pad.unwrap_or(0), place }
            }
            FitName::KeepAspect => Fit::KeepAspect(Bounds {
                shortest_side: self.shortest_side.unwrap_or(0),
                longest_side: self.longest_side.unwrap_or(MOST_PIXELS),
                multiple_of: self.multiple_of.unwrap_or(1),
            }),
        };
        let filter = match self.filter {
            FilterName::Bilinear => Filter::Pillow(Resample::Bilinear),
            FilterName::Bicubic => Filter::Pillow(Resample::Bicubic),
            FilterName::Lanczos => Filter::Pillow(Resample::Lanczos),
            FilterName::OpencvLinear => Filter::OpenCvLinear,
        };
        Fitting { fit, filter, jpeg_quality: self.jpeg_quality }
    }

    /// What every byte becomes, by channel in the order that the model takes them.
    pub(super) fn table(&self) -> [[f32; 256]; 3] {
        let value = |channel: usize, byte: usize| {
            self.scale.iter().fold(byte as f32, |value, step| match step {
                ScaleStep::Subtract(amount) => value - amount.of(channel),
                ScaleStep::Divide(amount) => value / amount.of(channel),
            })
        };
        std::array::from_fn(|channel| std::array::from_fn(|byte| value(channel, byte)))
    }

    fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let fit = serde_json::to_string(&self.fit).unwrap_or_default();
        use FitName::{KeepAspect, Letterbox, ShortestSideThenCrop, Squash, SquashThenCrop};
        let all = [Squash, SquashThenCrop, ShortestSideThenCrop, Letterbox];
        // Each with the fits that it belongs to, and those that cannot be without it.
        let fields: [(&str, bool, &[FitName], &[FitName]); 7] = [
            ("size", self.size.is_some(), &all, &[]),
            ("resize", self.resize.is_some(), &[SquashThenCrop], &[SquashThenCrop]),
            (
                "shortest_side",
                self.shortest_side.is_some(),
                &[ShortestSideThenCrop, KeepAspect],
                &[ShortestSideThenCrop],
            ),
            ("longest_side", self.longest_side.is_some(), &[KeepAspect], &[KeepAspect]),
            ("multiple_of", self.multiple_of.is_some(), &[KeepAspect], &[]),
            ("pad", self.pad.is_some(), &[Letterbox], &[Letterbox]),
            ("place", self.place.is_some(), &[Letterbox], &[]),
        ];
        for (field, given, of, needed_by) in fields {
            if given && !of.contains(&self.fit) {
                let of = of.iter().map(|fit| serde_json::to_string(fit).unwrap_or_default());
                let of = of.collect::<Vec<_>>().join(" or ");
                wrong.push(format!(
                    "`input.{field}` belongs to the fit {of}, and `input.fit` is {fit}; leave it out"
                ));
            }
            if !given && needed_by.contains(&self.fit) {
                wrong.push(format!("`input.{field}` is missing; the fit {fit} needs it"));
            }
        }
        let sides = [self.shortest_side, self.longest_side, self.multiple_of].into_iter().flatten();
        let edges = [self.size, self.resize].into_iter().flatten().flatten();
        if let Some(edge) = edges.chain(sides).find(|edge| !(1..=MOST_PIXELS).contains(edge)) {
            wrong.push(format!("an edge of `input` is {edge} pixels; from 1 to {MOST_PIXELS} are taken"));
        }
        if let (Some(longest), Some(other)) = (self.longest_side, self.shortest_side.max(self.multiple_of))
            && other > longest
        {
            wrong.push(format!(
                "`input.longest_side` is {longest}, below another side of {other}; make it larger"
            ));
        }
        if let Some(quality) = self.jpeg_quality.filter(|quality| !(1..=100).contains(quality)) {
            wrong.push(format!("`input.jpeg_quality` is {quality}; it is from 1 to 100, or is left out"));
        }
        let amounts = self.scale.iter().map(|step| match step {
            ScaleStep::Subtract(amount) => (amount, false),
            ScaleStep::Divide(amount) => (amount, true),
        });
        for (amount, divides) in amounts {
            let numbers: [f32; 3] = std::array::from_fn(|channel| amount.of(channel));
            if numbers.iter().any(|number| !number.is_finite() || divides && *number == 0.0) {
                wrong.push(format!(
                    "`input.scale` has {numbers:?}; numbers are finite, and none divides by 0"
                ));
            }
        }
        wrong
    }
}

impl Amount {
    fn of(&self, channel: usize) -> f32 {
        match self {
            Amount::One(number) => *number,
            Amount::Three(numbers) => numbers[channel],
        }
    }
}

impl OutputSpec {
    fn wrong(&self) -> Vec<String> {
        let numbers: &[f32] = match &self.reduce {
            Some(Reduce::ShareAbove(threshold) | Reduce::CountAbove(threshold)) => &[*threshold],
            Some(Reduce::WeightedSum(weights)) => weights,
            _ => &[],
        };
        let other = numbers.iter().find(|number| !number.is_finite());
        other.map(|other| format!("`output.reduce` has {other}; numbers are finite")).into_iter().collect()
    }
}
