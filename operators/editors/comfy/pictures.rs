//! The pictures that go to a server, as PNG files named by their content; and the check that a picture which came back is sound.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, RgbImage};
use threshflow::row::Refusal;

use super::binding::{Binding, MaskTo};
use crate::editors::Pass;
use crate::editors::made;
use crate::pixels::mask::Mask;

/// A PNG file to be uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Upload {
    /// By content: the same file has the same name in every run.
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// The files of a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Uploads {
    pub(super) picture: Upload,
    pub(super) mask: Option<Upload>,
    pub(super) reference: Option<Upload>,
}

impl Uploads {
    /// The files that the workflow asks for, of this pass.
    pub(super) fn of(pass: &Pass<'_>, binding: &Binding) -> Result<Self, Refusal> {
        if let Some(mask) = pass.mask
            && (mask.width, mask.height) != pass.picture.dimensions()
        {
            let (width, height) = pass.picture.dimensions();
            let message =
                format!("{} x {} pixels for a picture of {width} x {height}", mask.width, mask.height);
            return Err(Refusal::permanent("bad_mask", message));
        }
        let (picture, mask) = match &binding.mask {
            None => (rgb(pass.picture)?, None),
            Some(MaskTo::Alpha) => (with_alpha(pass.picture, pass.mask)?, None),
            Some(MaskTo::Picture(_)) => {
                (rgb(pass.picture)?, Some(grey(pass.picture.dimensions(), pass.mask)?))
            }
        };
        let reference = match (&binding.reference, pass.reference) {
            (None, _) => None,
            (Some(_), Some(reference)) => Some(rgb(reference)?),
            (Some(_), None) => {
                let message = "the workflow wants a reference picture, and the pass has none";
                return Err(Refusal::permanent("no_reference", message));
            }
        };
        Ok(Uploads { picture, mask, reference })
    }
}

/// 255 inside, and everywhere where there is no mask: the pass is about the whole picture.
fn white(mask: Option<&Mask>, pixels: usize) -> Vec<u8> {
    match mask {
        Some(mask) => mask.bits.iter().map(|&bit| if bit == 0 { 0 } else { 255 }).collect(),
        None => vec![255; pixels],
    }
}

fn with_alpha(picture: &RgbImage, mask: Option<&Mask>) -> Result<Upload, Refusal> {
    let white = white(mask, picture.pixels().len());
    let pixels = picture.pixels().zip(&white);
    let pixels: Vec<u8> =
        pixels.flat_map(|(pixel, white)| [pixel[0], pixel[1], pixel[2], 255 - white]).collect();
    png(&pixels, picture.dimensions(), ExtendedColorType::Rgba8)
}

fn grey(size: (u32, u32), mask: Option<&Mask>) -> Result<Upload, Refusal> {
    png(&white(mask, size.0 as usize * size.1 as usize), size, ExtendedColorType::L8)
}

fn rgb(picture: &RgbImage) -> Result<Upload, Refusal> {
    png(picture.as_raw(), picture.dimensions(), ExtendedColorType::Rgb8)
}

fn png(pixels: &[u8], (width, height): (u32, u32), colour: ExtendedColorType) -> Result<Upload, Refusal> {
    let mut bytes = Vec::new();
    // They are read once, over a short wire.
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
        .write_image(pixels, width, height, colour)
        .map_err(|error| Refusal::permanent("bad_picture", format!("{width} x {height} as PNG: {error}")))?;
    let name = format!("{}.png", &blake3::hash(&bytes).to_hex()[..32]);
    Ok(Upload { name, bytes })
}

/// A picture that can be published: PNG, JPEG or WebP, decoded once to its last pixel. ComfyUI writes workflow and prompts into it,
/// which go.
pub(super) fn taken(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    made::taken(bytes).map_err(|what| format!("it is {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mask_is_the_alpha_turned_round_and_colours_stay_beneath() {
        let picture = RgbImage::from_fn(3, 2, |x, y| image::Rgb([x as u8, y as u8, 200]));
        let mut mask = Mask::empty(3, 2);
        mask.bits[4] = 1;
        let upload = with_alpha(&picture, Some(&mask)).unwrap();
        let read = image::load_from_memory(&upload.bytes).unwrap().to_rgba8();
        assert_eq!(read.get_pixel(1, 1).0, [1, 1, 200, 0]);
        assert_eq!(read.get_pixel(0, 1).0, [0, 1, 200, 255]);
        assert!(with_alpha(&picture, None).is_ok_and(|whole| whole != upload));
        let mask = image::load_from_memory(&grey((3, 2), Some(&mask)).unwrap().bytes).unwrap().to_luma8();
        assert_eq!((mask.get_pixel(1, 1).0, mask.get_pixel(0, 0).0), ([255], [0]));
        assert_eq!(with_alpha(&picture, None).unwrap().name, with_alpha(&picture, None).unwrap().name);
    }

    #[test]
    fn only_whole_pictures_are_sound() {
        let upload = rgb(&RgbImage::from_pixel(40, 30, image::Rgb([9, 8, 7]))).unwrap();
        assert_eq!(taken(upload.bytes.clone()), Ok(upload.bytes.clone()));
        assert!(taken(upload.bytes[..upload.bytes.len() / 2].to_vec()).is_err());
        assert!(taken(b"<html>no</html>".to_vec()).unwrap_err().contains("PNG, JPEG and WebP"));
        assert!(taken(Vec::new()).is_err());
    }
}
