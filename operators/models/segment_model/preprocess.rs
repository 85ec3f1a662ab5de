//! SAM 2's preprocessing: the whole picture is squashed to a square, whatever its shape, and the boxes with it.
//!
//! It is bilinear with antialiasing, rescaled to 0..1, and normalised by ImageNet's channels. Sources: facebookresearch/sam2
//! `utils/transforms.py`, transformers `image_processing_sam2_fast.py`. As in the former, which ImgEdit ran, and unlike in the latter, the
//! resized picture is not rounded to bytes: half a level can move a mask that was in doubt.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::F32x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use serde_json::Value;
use threshflow::row::Refusal;

use crate::pixels::clip_crop::config::{channels, must_be_on, number, unsupported};
use crate::pixels::clip_crop::{Family, Preprocess, PreprocessError, Resample};
use crate::pixels::decode::{MAX_PIXELS, Rgb};

/// How pictures become the encoder's input, decided once.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Squash {
    /// CLIP's preprocessing, for a filter and channels of its own.
    values: Preprocess,
}

impl Squash {
    /// By a folder's `preprocessor_config.json`, where there is one, for the edge that the graph fixes, where it does.
    /// `Err` says in words what is wrong.
    pub(super) fn decide(config: Option<&[u8]>, graph_edge: Option<u32>) -> Result<Self, String> {
        let config = config.map(parse).transpose().map_err(|error| error.to_string())?;
        let config_edge = config.as_ref().map(square).transpose().map_err(|error| error.to_string())?;
        let edge = match (graph_edge, config_edge.flatten()) {
            (Some(graph), Some(config)) if graph != config => {
                return Err(format!(
                    "preprocessor_config.json says {config} x {config} pixels, and the encoder takes {graph} x {graph}; \
                     take the config of this very export"
                ));
            }
            (Some(edge), _) | (None, Some(edge)) => edge,
            (None, None) => {
                let why = "the encoder leaves its picture's size open, and there is no preprocessor_config.json with a `size`";
                return Err(format!("{why}; export with a fixed size, or put the config beside the graphs"));
            }
        };
        let config = config.unwrap_or(Value::Null);
        let values = |error: PreprocessError| error.to_string();
        let squash = Squash {
            values: Preprocess {
                size: edge,
                crop: edge,
                resample: Resample::Bilinear,
                rescale: number(&config, "rescale_factor").map_err(values)?.unwrap_or(1.0 / 255.0),
                mean: channels(&config, "image_mean").map_err(values)?.unwrap_or(IMAGENET_MEAN),
                std: channels(&config, "image_std").map_err(values)?.unwrap_or(IMAGENET_STD),
                family: Family::Squash,
            },
        };
        squash.values.check().map_err(values)?;
        Ok(squash)
    }

    /// The square's edge in pixels.
    pub(super) fn edge(&self) -> u32 {
        self.values.size
    }

    /// What shapes the values, for the stamp.
    pub(super) fn stamp(&self) -> String {
        let Preprocess { size, rescale, mean, std, .. } = &self.values;
        format!("squash/2 bilinear edge={size} rescale={rescale} mean={mean:?} std={std:?}")
    }

    /// The picture as edge x edge pixels, normalised, channel by channel.
    pub(super) fn squash(&self, picture: &Rgb) -> Result<Vec<f32>, Refusal> {
        let (width, height) = (picture.width, picture.height);
        let failed =
            |why: String| Refusal::permanent("bad_picture", format!("resizing {width} x {height}: {why}"));
        let pixels: Vec<F32x3> = picture
            .pixels
            .chunks_exact(3)
            .map(|p| F32x3::new([p[0].into(), p[1].into(), p[2].into()]))
            .collect();
        let source = TypedImageRef::new(width, height, &pixels).map_err(|error| failed(error.to_string()))?;
        let mut square = TypedImage::<F32x3>::new(self.edge(), self.edge());
        let window = &picture.window;
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).crop(
            window.left,
            window.top,
            window.width,
            window.height,
        );
        Resizer::new()
            .resize_typed(&source, &mut square, &options)
            .map_err(|error| failed(error.to_string()))?;
        let Preprocess { rescale, mean, std, .. } = self.values;
        let channel = |channel: usize| {
            let value = move |pixel: &F32x3| (pixel.0[channel] * rescale - mean[channel]) / std[channel];
            square.pixels().iter().map(value).collect::<Vec<f32>>()
        };
        Ok([channel(0), channel(1), channel(2)].concat())
    }

    /// An upper bound of the bytes held on the way, for a decoded picture of these sides in pixels.
    pub(super) fn bytes_on_the_way(&self, width: u32, height: u32) -> u64 {
        // The picture in floats, and the same with one side resized.
        12 * u64::from(height) * (u64::from(width) + u64::from(self.edge()))
    }

    /// A box (left, top, right, bottom, in pixels of a picture of this size) on the square. It may reach over the picture's edge, and
    /// isn't cut there: the models are asked just so by their own code.
    pub(super) fn box_on_square(
        &self,
        (width, height): (u32, u32),
        edges: &[f32; 4],
    ) -> Result<[f32; 4], Refusal> {
        let bad = |why: &str| {
            let [left, top, right, bottom] = edges;
            let message = format!(
                "box left {left}, top {top}, right {right}, bottom {bottom} of a picture of {width} x {height}: {why}"
            );
            Err(Refusal::permanent("bad_box", message))
        };
        let [left, top, right, bottom] = *edges;
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            let message = format!("a mask of {width} x {height} pixels: at most {MAX_PIXELS} are made");
            return Err(Refusal::permanent("too_many_pixels", message));
        }
        if !edges.iter().all(|edge| edge.is_finite()) {
            return bad("only finite numbers are edges");
        }
        if left >= right || top >= bottom {
            return bad("it holds nothing; right must be above left, and bottom above top");
        }
        if right <= 0.0 || bottom <= 0.0 || left >= width as f32 || top >= height as f32 {
            return bad("it lies outside; some of it must be in the picture");
        }
        let edge = self.edge() as f32;
        let (across, down) = (edge / width as f32, edge / height as f32);
        Ok([left * across, top * down, right * across, bottom * down])
    }
}

const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// The config, if nothing in it is against squashing.
fn parse(text: &[u8]) -> Result<Value, PreprocessError> {
    let config: Value =
        serde_json::from_slice(text).map_err(|error| PreprocessError::NotJson(error.to_string()))?;
    if !config.is_object() {
        return Err(PreprocessError::NotJson(config.to_string().chars().take(40).collect()));
    }
    must_be_on(&config, &["do_resize", "do_rescale", "do_normalize"])?;
    for field in ["do_center_crop", "do_pad"] {
        if config.get(field) == Some(&Value::Bool(true)) {
            return Err(unsupported(field, &config[field], "false, as SAM 2 has it,"));
        }
    }
    match config.get("resample").filter(|value| !value.is_null()) {
        Some(filter) if filter.as_u64() != Some(2) => Err(unsupported("resample", filter, "2 (bilinear)")),
        _ => Ok(config),
    }
}

/// The `size` of a config: a number, or `height` and `width` that are the same.
fn square(config: &Value) -> Result<Option<u32>, PreprocessError> {
    let Some(size) = config.get("size").filter(|value| !value.is_null()) else { return Ok(None) };
    let length = match (size.get("height"), size.get("width")) {
        (Some(height), Some(width)) if height == width => height.as_u64(),
        _ => size.as_u64(),
    };
    match length {
        Some(pixels @ 1..=8192) => Ok(Some(pixels as u32)),
        _ => Err(unsupported("size", size, "a square of 1 to 8192 pixels, {\"height\": n, \"width\": n},")),
    }
}
