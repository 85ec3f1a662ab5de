//! From a model's output to one number a picture: the activation, the index, the reduction.

use super::spec::{Activation, OutputSpec, Reduce};

/// The numbers of one picture, row-major, without the axis of the batch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Numbers {
    pub(super) shape: Vec<usize>,
    pub(super) data: Vec<f32>,
}

/// The one number that `output` says. An error says in words what does not fit the shape.
pub(super) fn number(output: &OutputSpec, mut numbers: Numbers) -> Result<f32, String> {
    match output.activation {
        None => {}
        Some(Activation::Sigmoid) => {
            numbers.data.iter_mut().for_each(|number| *number = 1.0 / (1.0 + (-*number).exp()));
        }
        Some(Activation::Softmax(axis)) => softmax(&mut numbers, axis)?,
    }
    match output.index.iter().all(Option::is_none) && output.index.len() <= numbers.shape.len() {
        true => reduced(output, &numbers.data),
        false => reduced(output, &taken(output, &numbers)?),
    }
}

/// `axis` of so many, counted from the end where it is below 0.
fn place(at: i64, length: usize) -> Option<usize> {
    let at = if at < 0 { at + i64::try_from(length).ok()? } else { at };
    usize::try_from(at).ok().filter(|at| *at < length)
}

/// The shape for people, with the batch.
pub(super) fn shown(shape: &[usize]) -> String {
    let axes: String = shape.iter().map(|axis| format!(",{axis}")).collect();
    format!("[N{axes}]")
}

fn softmax(numbers: &mut Numbers, axis: i64) -> Result<(), String> {
    let shape = &numbers.shape;
    let at = place(axis, shape.len()).ok_or_else(|| {
        format!(
            "`output.activation` is a softmax over axis {axis} of those behind N, and the output is {}; give one of them, 0 for the first",
            shown(shape)
        )
    })?;
    let (length, step): (usize, usize) = (shape[at], shape[at + 1..].iter().product());
    for outer in (0..numbers.data.len()).step_by((length * step).max(1)) {
        for inner in 0..step {
            let places = || (0..length).map(move |place| outer + place * step + inner);
            let most = places().map(|at| numbers.data[at]).fold(f32::NEG_INFINITY, f32::max);
            let mut sum = 0.0;
            for at in places() {
                numbers.data[at] = (numbers.data[at] - most).exp();
                sum += numbers.data[at];
            }
            places().for_each(|at| numbers.data[at] /= sum);
        }
    }
    Ok(())
}

/// The numbers that the index leaves.
fn taken(output: &OutputSpec, numbers: &Numbers) -> Result<Vec<f32>, String> {
    let shape = &numbers.shape;
    if output.index.len() > shape.len() {
        return Err(format!(
            "`output.index` has {} entries, and the output is {}; give at most {}, one for each axis behind N",
            output.index.len(),
            shown(shape),
            shape.len()
        ));
    }
    // Offsets into the data, axis by axis.
    let mut offsets = vec![0];
    for (axis, length) in shape.iter().enumerate() {
        let step: usize = shape[axis + 1..].iter().product();
        let places = match output.index.get(axis).copied().flatten() {
            None => 0..*length,
            Some(at) => {
                let at = place(at, *length).ok_or_else(|| {
                    format!(
                        "`output.index` is {} and its entry {} is {at}, and the output is {}; that axis goes from 0 to {}",
                        serde_json::to_string(&output.index).unwrap_or_default(),
                        axis + 1,
                        shown(shape),
                        length.saturating_sub(1)
                    )
                })?;
                at..at + 1
            }
        };
        offsets =
            offsets.iter().flat_map(|offset| places.clone().map(move |at| offset + at * step)).collect();
    }
    Ok(offsets.into_iter().map(|at| numbers.data[at]).collect())
}

fn reduced(output: &OutputSpec, numbers: &[f32]) -> Result<f32, String> {
    let above = |threshold: f32| numbers.iter().filter(|number| **number > threshold).count();
    // In double precision: a map has a million numbers.
    let mean = |sum: f64| (sum / numbers.len() as f64) as f32;
    Ok(match &output.reduce {
        None => match numbers {
            [number] => *number,
            _ => {
                return Err(format!(
                    "`output` leaves {} numbers; give an `index` that takes one of them, or `reduce` them: \"mean\", \"max\", \
                     {{\"share_above\": 0.5}}, {{\"count_above\": 0.5}} or {{\"weighted_sum\": [1, 2]}}",
                    numbers.len()
                ));
            }
        },
        Some(Reduce::Mean) => mean(numbers.iter().map(|number| f64::from(*number)).sum()),
        // A NaN is not passed over: it is no score.
        Some(Reduce::Max) => numbers.iter().fold(f32::NEG_INFINITY, |most, number| {
            if number.is_nan() || most.is_nan() { f32::NAN } else { most.max(*number) }
        }),
        Some(Reduce::ShareAbove(threshold)) if !has_nan(numbers) => mean(above(*threshold) as f64),
        Some(Reduce::CountAbove(threshold)) if !has_nan(numbers) => above(*threshold) as f32,
        Some(Reduce::ShareAbove(_) | Reduce::CountAbove(_)) => f32::NAN,
        Some(Reduce::WeightedSum(weights)) => {
            if weights.len() != numbers.len() {
                return Err(format!(
                    "`output.reduce` has {} weights for {} numbers; give as many, or an `index` that takes fewer numbers",
                    weights.len(),
                    numbers.len()
                ));
            }
            let products = weights.iter().zip(numbers).map(|(a, b)| f64::from(*a) * f64::from(*b));
            products.sum::<f64>() as f32
        }
    })
}

fn has_nan(numbers: &[f32]) -> bool {
    numbers.iter().any(|number| number.is_nan())
}
