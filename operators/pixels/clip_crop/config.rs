//! From `preprocessor_config.json`, as transformers writes it, to a [`Preprocess`].

use serde_json::Value;

use super::{Family, Preprocess, Resample};

/// What is wrong with a `preprocessor_config.json`.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum PreprocessError {
    #[error(
        "preprocessor_config.json is not a JSON object: {0}; export the model again, or take the file away for the usual preprocessing"
    )]
    NotJson(String),
    #[error(
        "preprocessor_config.json: `{field}` is {found}, and only {allowed} is supported; export the model with that"
    )]
    Unsupported { field: &'static str, found: String, allowed: &'static str },
    /// Each number by itself could be, but not together.
    #[error("preprocessor_config.json can't be meant: {found}; {allowed}")]
    Meaningless { found: String, allowed: String },
}

pub(crate) fn unsupported(field: &'static str, found: &Value, allowed: &'static str) -> PreprocessError {
    PreprocessError::Unsupported { field, found: found.to_string(), allowed }
}

impl Preprocess {
    /// Parses a `preprocessor_config.json`. Fields that it lacks have CLIP's values; the crop is transformers' but where
    /// a field `"family": "openai"` says otherwise. With `"do_center_crop": false` and a square `size` (`height` and `width`)
    /// pictures are squashed.
    ///
    /// ```
    /// use operators::pixels::clip_crop::{Family, Preprocess};
    /// let parsed = Preprocess::from_json(br#"{"size": {"shortest_edge": 336}, "crop_size": 336}"#).unwrap();
    /// assert_eq!((parsed.size, parsed.crop, parsed.family), (336, 336, Family::HuggingFace));
    /// assert!(Preprocess::from_json(br#"{"resample": 0}"#).is_err());
    /// ```
    pub fn from_json(text: &[u8]) -> Result<Self, PreprocessError> {
        let config: Value =
            serde_json::from_slice(text).map_err(|error| PreprocessError::NotJson(error.to_string()))?;
        if !config.is_object() {
            return Err(PreprocessError::NotJson(config.to_string().chars().take(40).collect()));
        }
        must_be_on(&config, &["do_resize"])?;
        let usual = Preprocess::default();
        let (size, crop, family) = square(&config, &usual)?;
        let is_off = |field: &str| config.get(field) == Some(&Value::Bool(false));
        let normalised = !is_off("do_normalize");
        let values = Preprocess {
            size,
            crop,
            resample: resample(&config)?,
            rescale: if is_off("do_rescale") {
                1.0
            } else {
                number(&config, "rescale_factor")?.unwrap_or(usual.rescale)
            },
            mean: if normalised { channels(&config, "image_mean")?.unwrap_or(usual.mean) } else { [0.0; 3] },
            std: if normalised { channels(&config, "image_std")?.unwrap_or(usual.std) } else { [1.0; 3] },
            family,
        };
        values.check()?;
        Ok(values)
    }

    /// Whether rescaling, means and deviations can be meant together: means within what pixels range over, deviations that bring them
    /// to numbers that a model takes.
    pub(crate) fn check(&self) -> Result<(), PreprocessError> {
        let wrong = |found: String, allowed: String| Err(PreprocessError::Meaningless { found, allowed });
        // What a byte of 255 becomes.
        let most = 255.0 * self.rescale;
        let is_known = RANGES.iter().any(|range| (most / range - 1.0).abs() < 0.02);
        if !is_known {
            let allowed = "1/255 (pixels of 0 to 1), 1/127.5 (0 to 2) and 1 (0 to 255, or \"do_rescale\": false) are allowed";
            return wrong(format!("`rescale_factor` is {}", self.rescale), allowed.to_string());
        }
        let Preprocess { mean, std, .. } = self;
        let outside = mean.iter().any(|mean| !(0.0..=most).contains(mean));
        // Means and deviations of pixels of 0 to 1, for pixels of 0 to 255.
        let unscaled =
            most > 100.0 && mean.iter().any(|mean| *mean > 0.0) && mean.iter().all(|mean| *mean <= 1.0);
        if outside || unscaled {
            let allowed = format!(
                "pixels range from 0 to {most} after rescaling, and a mean lies there, on that scale; set \"do_rescale\" and \
                 \"rescale_factor\" as the model was trained, or the means"
            );
            return wrong(format!("`image_mean` is {mean:?}"), allowed);
        }
        let spread = std.iter().any(|std| !(most / MOST_SPREAD..=most * 1.02).contains(std));
        if spread {
            let allowed = format!(
                "pixels range from 0 to {most} after rescaling, and a deviation of {} to {most} is allowed",
                most / MOST_SPREAD
            );
            return wrong(format!("`image_std` is {std:?}"), allowed);
        }
        Ok(())
    }
}

/// What pixels range up to, after rescaling: transformers' 1/255, 1/127.5 (ViViT) and none.
const RANGES: [f32; 3] = [1.0, 2.0, 255.0];

/// So far apart may the darkest and the brightest pixel be after all. Of ImageNet's and CLIP's they are 4 to 5, of pixels that are left
/// as they are 255.
const MOST_SPREAD: f32 = 255.0;

pub(crate) fn must_be_on(config: &Value, fields: &[&'static str]) -> Result<(), PreprocessError> {
    for &field in fields {
        match config.get(field) {
            None | Some(Value::Null | Value::Bool(true)) => {}
            Some(other) => return Err(unsupported(field, other, "true")),
        }
    }
    Ok(())
}

/// The shorter edge after the resize, the crop's edge, and how it comes about.
fn square(config: &Value, usual: &Preprocess) -> Result<(u32, u32, Family), PreprocessError> {
    let family = family(config)?;
    match config.get("do_center_crop") {
        None | Some(Value::Null | Value::Bool(true)) => {}
        Some(Value::Bool(false)) if config["size"].get("height").is_some() => {
            let edge = edge(config, "size", &[])?.unwrap_or(usual.size);
            return Ok((edge, edge, Family::Squash));
        }
        Some(other) => {
            let allowed = "true, or false beside a \"size\": {\"height\": n, \"width\": n},";
            return Err(unsupported("do_center_crop", other, allowed));
        }
    }
    let size = edge(config, "size", &["shortest_edge"])?.unwrap_or(usual.size);
    let crop = edge(config, "crop_size", &[])?.unwrap_or(size);
    if crop > size {
        let allowed = "a crop no larger than the resized shorter edge";
        return Err(unsupported("crop_size", &config["crop_size"], allowed));
    }
    Ok((size, crop, family))
}

/// A length in pixels: a number, `{"shortest_edge": n}` where allowed, or `{"height": n, "width": n}` of a square.
fn edge(config: &Value, field: &'static str, keys: &[&str]) -> Result<Option<u32>, PreprocessError> {
    const ALLOWED: &str = "a length of 1 to 4096 pixels (size: of the shortest edge; crop_size: of a square)";
    let Some(value) = config.get(field).filter(|value| !value.is_null()) else { return Ok(None) };
    let keyed = keys.iter().find_map(|key| value.get(key));
    let square = || match (value.get("height"), value.get("width")) {
        (Some(height), Some(width)) if keys.is_empty() && height == width => Some(height),
        _ => None,
    };
    let length = keyed.or_else(square).unwrap_or(value).as_u64();
    match length {
        Some(pixels @ 1..=4096) => Ok(Some(pixels as u32)),
        _ => Err(unsupported(field, value, ALLOWED)),
    }
}

fn resample(config: &Value) -> Result<Resample, PreprocessError> {
    match config.get("resample").filter(|value| !value.is_null()) {
        None => Ok(Resample::Bicubic),
        Some(value) => match value.as_u64() {
            Some(1) => Ok(Resample::Lanczos),
            Some(2) => Ok(Resample::Bilinear),
            Some(3) => Ok(Resample::Bicubic),
            _ => Err(unsupported("resample", value, "1 (Lanczos), 2 (bilinear) or 3 (bicubic)")),
        },
    }
}

pub(crate) fn number(config: &Value, field: &'static str) -> Result<Option<f32>, PreprocessError> {
    let Some(value) = config.get(field).filter(|value| !value.is_null()) else { return Ok(None) };
    match value.as_f64() {
        Some(number) if number > 0.0 => Ok(Some(number as f32)),
        _ => Err(unsupported(field, value, "a number above 0")),
    }
}

pub(crate) fn channels(config: &Value, field: &'static str) -> Result<Option<[f32; 3]>, PreprocessError> {
    let Some(value) = config.get(field).filter(|value| !value.is_null()) else { return Ok(None) };
    let numbers: Option<Vec<f32>> =
        value.as_array().and_then(|list| list.iter().map(|v| v.as_f64().map(|v| v as f32)).collect());
    let parsed = numbers.and_then(|numbers| <[f32; 3]>::try_from(numbers).ok());
    match parsed {
        Some(parsed) if field != "image_std" || parsed.iter().all(|&v| v > 0.0) => Ok(Some(parsed)),
        _ => Err(unsupported(field, value, "three numbers, of R, G and B (of image_std, above 0)")),
    }
}

fn family(config: &Value) -> Result<Family, PreprocessError> {
    match config.get("family").and_then(Value::as_str) {
        None | Some("huggingface") => Ok(Family::HuggingFace),
        Some("openai") => Ok(Family::OpenAi),
        Some(_) => Err(unsupported("family", &config["family"], "\"huggingface\" or \"openai\"")),
    }
}
