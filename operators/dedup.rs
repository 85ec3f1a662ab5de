//! `dedup`: a picture's perceptual hash, by which the engine finds near duplicates
//! ([`nearest_better`](threshflow::flow::Flow::nearest_better)). It uses no model; the picture is hashed where it is decoded.
//!
//! The hash is `image_hasher`'s gradient hash of 8 by 7 bits: the picture in grey, shrunk to 9 by 7, and one bit for every pixel that is
//! brighter than its left neighbour. It has 56 bits, so that it is the inline part of an answer. The crate's other hashes do not fit. The
//! double gradient has no size of 56 bits. Mean and median take the demo's scenes for one another. The median of a cosine transform uses
//! floating-point code that the processor chooses at run time, and it moves further when a picture is cropped: by 2 % at each edge, a
//! median of 6 bits and 12 at most over 100 scenes, where the gradient moves 4 and 9. By either hash, two scenes were at least 12 bits
//! apart.

use image::RgbImage;
use image::imageops::{self, FilterType};
use image_hasher::{HashAlg, HasherConfig};
use threshflow::lane::{Limits, Operator, Reply, Subject};
use threshflow::row::{PerceptualHash, Refusal, Stamp};
use threshflow::shard::Picture;

use crate::pixels::decode::{Decoding, Purpose, Rgb, decode, decoded_bytes_of, decoder_stamp};

/// Raise this when the code, or the version of `image_hasher` or `image`, changes what a hash is.
const VERSION: &[u8] = b"dedup/1 image_hasher-3.1 gradient 8x7 lanczos3 lsb image-0.25";

/// Shrunk to 9 by 7, a picture whose shorter side has so many pixels is averaged over 18 and more for each.
const SHORT_SIDE: u32 = 128;

/// Asks for the perceptual hash of pictures.
#[derive(Clone, Copy, Debug, Default)]
pub struct PictureHasher {
    pub decoding: Decoding,
}

impl PictureHasher {
    fn purpose(self) -> Purpose {
        self.decoding.for_short_side(SHORT_SIDE)
    }
}

/// The perceptual hash of a decoded picture. Pictures of one colour have the hash 0.
pub fn perceptual_hash(picture: Rgb) -> Result<PerceptualHash, Refusal> {
    let Rgb { width, height, pixels, window, .. } = picture;
    let bytes = pixels.len();
    let grid =
        RgbImage::from_raw(width, height, pixels).filter(|_| width > 0 && height > 0).ok_or_else(|| {
            Refusal::permanent("bad_picture", format!("{bytes} bytes of pixels for {width} x {height} RGB"))
        })?;
    // A row or column of a scaled picture that is not all its own may lie at either edge: it is left out.
    let (left, top) = (window.left.ceil() as u32, window.top.ceil() as u32);
    let last = |from: f64, length: f64| (from + length).floor() as u32;
    let wide = last(window.left, window.width).saturating_sub(left);
    let high = last(window.top, window.height).saturating_sub(top);
    let is_whole = (wide, high) == (width, height) || wide == 0 || high == 0;
    let grid = if is_whole { grid } else { imageops::crop_imm(&grid, left, top, wide, high).to_image() };
    let config = HasherConfig::with_bytes_type::<Vec<u8>>().hash_size(8, 7).hash_alg(HashAlg::Gradient);
    let hash = config.resize_filter(FilterType::Lanczos3).to_hasher().hash_image(&grid);
    let bytes = hash.as_bytes().try_into().map_err(|_| {
        let message = format!("the hash has {} bytes instead of 7", hash.as_bytes().len());
        Refusal::permanent("bad_hash", message)
    })?;
    Ok(PerceptualHash(bytes))
}

impl Operator for PictureHasher {
    type Answer = PerceptualHash;
    type Prepared = PerceptualHash;
    type Session = ();

    fn name(&self) -> &'static str {
        "dedup"
    }

    fn stamp(&self) -> Stamp {
        Stamp::of(&[("operator", VERSION), ("decoder", decoder_stamp(self.purpose()).as_bytes())])
    }

    fn model(&self) -> String {
        "gradient hash of 56 bits".to_owned()
    }

    fn bytes_to_prepare(&self, picture: &Picture, bytes: &[u8]) -> u64 {
        let (width, height) = (picture.width.into(), picture.height.into());
        // And once more in grey.
        decoded_bytes_of(bytes, width, height, picture.format, self.purpose())
            + u64::from(width) * u64::from(height)
    }

    fn bytes_prepared(&self, questions: usize) -> u64 {
        (questions * size_of::<PerceptualHash>()) as u64
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<PerceptualHash, Refusal> {
        let (picture, bytes) = subject.look()?;
        perceptual_hash(decode(bytes, picture.format, picture.orientation, self.purpose())?)
    }

    fn limits(&self) -> Limits {
        Limits::of_functions(256)
    }

    fn open_session(&self) -> Result<(), String> {
        Ok(())
    }

    fn answer(
        &self,
        _session: &mut (),
        batch: &[PerceptualHash],
    ) -> Vec<Result<Reply<PerceptualHash>, Refusal>> {
        batch.iter().map(|hash| Ok((*hash).into())).collect()
    }
}

#[cfg(test)]
mod tests;
