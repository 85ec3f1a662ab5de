//! The embedded editor: classical and deterministic. It needs no model and no server.
//!
//! It is plain. It takes things out by copying their surroundings, and puts pictograms in. It changes colours, paints grounds and filters
//! pictures. It knows a few words ([`COLOURS`], `drawable`, [`looks`], [`grounds`], [`styles`]), and refuses results that name none of
//! them. It cannot make an action at all. Its results show that a pipeline works. For data to train a model on, give the pipeline a better
//! editor.
//!
//! | operation | what is done | needs |
//! |---|---|---|
//! | remove | the region is filled from around it | a mask |
//! | replace | it is filled; then the reference is pasted, or a pictogram drawn | a mask; a reference, or a result of `drawable` |
//! | visual | as replace, always with the reference | a mask, a reference |
//! | add | the reference is pasted, or a pictogram drawn, where the mask is | as replace |
//! | adjust | the region is coloured anew, its light and shade stay | a mask; a result with a colour or one of [`looks`] |
//! | background | the region is painted with a ground | a mask; a result of [`grounds`] |
//! | style | the whole picture is filtered | a result of [`styles`] |
//! | extract | all but the region becomes white | a mask |
//!
//! If there is a mask, no pixel changes further from it than [`reach`] says (adjust keeps to the mask itself, background to one pixel
//! around it). Extract is the opposite: what is in the mask stays.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ImageEncoder, RgbImage, RgbaImage};
use threshflow::row::{Refusal, Stamp};

use crate::editors::{Editor, Made, Pass, Results};
use crate::pixels::mask::Mask;
use crate::plan::edit_plan::{MadeBy, Operation, Outcome};

mod backdrop;
mod dice;
pub mod fill;
mod filters;
pub mod names;
mod paste;
mod pictogram;
mod recolour;
mod zone;

pub(crate) use names::drawable;
pub use names::{COLOURS, grounds, looks, styles};
pub use zone::{reach, widened};

use zone::Zone;

/// Changes with every change of what any pass makes.
pub(crate) const VERSION: &[u8] = b"1";

/// The embedded editor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paint;

impl Editor for Paint {
    fn stamp(&self) -> Stamp {
        Stamp::of(&[("editor", b"paint"), ("version", VERSION)])
    }

    fn name(&self) -> &'static str {
        "edit_embedded"
    }

    fn reads_the_instruction(&self) -> bool {
        false
    }

    fn description(&self) -> String {
        "embedded, classical".to_owned()
    }

    fn demonstration(&self) -> Option<String> {
        Some("the embedded painter".to_owned())
    }

    fn can(&self, operation: Operation) -> bool {
        operation.made() != MadeBy::OnFilm
    }

    fn results(&self, operation: Operation) -> Option<Results> {
        let of = |what: &str, names: &'static [&'static str]| Results {
            told: format!("{what} of {}", names.join(", ")),
            makes: Box::new(move |result| names::name_in(names, result).is_some()),
        };
        match operation.outcome() {
            Outcome::Thing => {
                let colours: Vec<&str> = COLOURS.iter().map(|(name, _)| *name).collect();
                let things = of("a thing", drawable());
                Some(Results {
                    told: format!("{}, in a colour of {}", things.told, colours.join(", ")),
                    ..things
                })
            }
            Outcome::Look => Some(Results {
                told: recolour::Change::told(),
                makes: Box::new(|result| recolour::Change::of(result).is_ok()),
            }),
            Outcome::Ground => Some(of("one", grounds())),
            Outcome::Style => Some(of("one", styles())),
            Outcome::Nothing | Outcome::Reference => None,
        }
    }

    fn at_once(&self) -> usize {
        std::thread::available_parallelism().map_or(1, usize::from)
    }

    /// A PNG of the picture's size. Refusals: `cannot_paint`, `no_region`, `no_reference`, `foreign_mask`; all of them lie
    /// in the question.
    fn edit(&self, pass: &Pass<'_>) -> Result<Made, Refusal> {
        let picture = match pass.operation {
            Operation::Remove => removed(pass)?,
            Operation::Replace => replaced(pass, With::ReferenceOrPictogram)?,
            Operation::Visual => replaced(pass, With::Reference)?,
            Operation::Add => added(pass)?,
            Operation::Adjust => adjusted(pass)?,
            Operation::Background => grounded(pass)?,
            Operation::Style => styled(pass)?,
            Operation::Extract => paste::extracted(pass.picture, region(pass)?),
            Operation::Action => {
                let message = "the embedded editor moves nothing: an action is two frames of a film";
                return Err(Refusal::permanent("cannot_paint", message));
            }
        };
        Ok(Made { bytes: as_png(&picture)? })
    }
}

/// What `name` (`blue star`: a colour of [`COLOURS`] and a thing of `drawable`) looks like, on a clean ground: the reference picture
/// of a `visual`.
pub fn reference(name: &str, side: u32) -> Result<RgbImage, Refusal> {
    let thing = names::name_in(drawable(), name);
    let (_, colour) = names::colour_in(name).unwrap_or(COLOURS[0]);
    let drawn = thing.and_then(|thing| pictogram::draw(thing, colour, side));
    let drawn = drawn.ok_or_else(|| names::unknown("thing that it can draw", name, drawable()))?;
    let mut picture = RgbImage::from_pixel(side, side, paste::CLEAN);
    for (x, y, pixel) in drawn.enumerate_pixels() {
        let [r, g, b, alpha] = pixel.0;
        let share = f32::from(alpha) / 255.0;
        let ground = *picture.get_pixel(x, y);
        picture.put_pixel(x, y, zone::mixed(ground, image::Rgb([r, g, b]), share));
    }
    Ok(picture)
}

/// The mask that a region's pass needs: of the picture's size, and of some pixels.
fn region<'a>(pass: &Pass<'a>) -> Result<&'a Mask, Refusal> {
    let (width, height) = pass.picture.dimensions();
    let name = pass.operation.name();
    let mask = pass
        .mask
        .ok_or_else(|| Refusal::permanent("no_region", format!("{name} needs a mask, and there is none")))?;
    let pixels = width as usize * height as usize;
    if (mask.width, mask.height) != (width, height) || mask.bits.len() != pixels {
        let message = format!(
            "a mask of {} x {} pixels ({} bytes) for a picture of {width} x {height}: they must be of one size",
            mask.width,
            mask.height,
            mask.bits.len()
        );
        return Err(Refusal::permanent("foreign_mask", message));
    }
    if mask.area() == 0 {
        return Err(Refusal::permanent(
            "no_region",
            format!("{name}: the mask is empty, at least one pixel must be inside"),
        ));
    }
    Ok(mask)
}

fn removed(pass: &Pass<'_>) -> Result<RgbImage, Refusal> {
    let mask = region(pass)?;
    let area = mask.area();
    if area * 100 > u64::from(mask.width) * u64::from(mask.height) * 95 {
        let message = "the mask covers more than 95 % of the picture: too little is left to fill it from";
        return Err(Refusal::permanent("no_region", message));
    }
    let margin = ((area as f64).sqrt() * 0.8) as u32 + 48;
    let zone = zone(mask, reach(area), margin)?;
    let mut part = zone.cut(pass.picture);
    fill::fill(&mut part, &zone.hole(), pass.seed);
    let mut picture = pass.picture.clone();
    zone.lay(&mut picture, &part);
    Ok(picture)
}

/// What a region is replaced with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum With {
    Reference,
    ReferenceOrPictogram,
}

/// What is to stand in the region.
fn thing(pass: &Pass<'_>, mask: &Mask, with: With) -> Result<RgbaImage, Refusal> {
    match pass.reference {
        Some(reference) if reference.width() > 0 && reference.height() > 0 => {
            return Ok(paste::cut_out(reference));
        }
        _ if with == With::Reference => {
            let message = format!("{} needs a picture of the object to be shown", pass.operation.name());
            return Err(Refusal::permanent("no_reference", message));
        }
        _ => {}
    }
    let found = names::name_in(drawable(), pass.result).and_then(|name| {
        // Without a colour any will do, so that it be the same in every run.
        let any = COLOURS[(pass.seed % COLOURS.len() as u64) as usize];
        let (_, colour) = names::colour_in(pass.result).unwrap_or(any);
        let side = mask.bounds().map_or(16, |[left, top, right, bottom]| (right - left).max(bottom - top));
        pictogram::draw(name, colour, side.clamp(16, 512))
    });
    found.ok_or_else(|| names::unknown("thing that it can draw", pass.result, drawable()))
}

fn replaced(pass: &Pass<'_>, with: With) -> Result<RgbImage, Refusal> {
    let mask = region(pass)?;
    let thing = thing(pass, mask, with)?;
    let mut picture = removed(pass)?;
    put(&mut picture, mask, &thing)?;
    Ok(picture)
}

fn added(pass: &Pass<'_>) -> Result<RgbImage, Refusal> {
    let mask = region(pass)?;
    let thing = thing(pass, mask, With::ReferenceOrPictogram)?;
    let mut picture = pass.picture.clone();
    put(&mut picture, mask, &thing)?;
    Ok(picture)
}

fn put(picture: &mut RgbImage, mask: &Mask, thing: &RgbaImage) -> Result<(), Refusal> {
    let zone = zone(mask, reach(mask.area()), 0)?;
    paste::lay(picture, &zone, thing, paste::place(&zone, thing));
    Ok(())
}

fn adjusted(pass: &Pass<'_>) -> Result<RgbImage, Refusal> {
    let mask = region(pass)?;
    let change = recolour::Change::of(pass.result)?;
    let mut picture = pass.picture.clone();
    recolour::recolour(&mut picture, mask, change, pass.seed);
    Ok(picture)
}

fn grounded(pass: &Pass<'_>) -> Result<RgbImage, Refusal> {
    let mask = region(pass)?;
    let name = names::name_in(grounds(), pass.result);
    let name = name.ok_or_else(|| names::unknown("ground", pass.result, grounds()))?;
    let zone = zone(mask, 1, 0)?;
    let mut picture = pass.picture.clone();
    zone.lay(&mut picture, &backdrop::paint(name, zone.width(), zone.height(), pass.seed));
    Ok(picture)
}

fn styled(pass: &Pass<'_>) -> Result<RgbImage, Refusal> {
    let name = names::name_in(styles(), pass.result);
    let name = name.ok_or_else(|| names::unknown("style", pass.result, styles()))?;
    Ok(filters::apply(name, pass.picture, pass.seed))
}

fn zone(mask: &Mask, radius: u32, margin: u32) -> Result<Zone, Refusal> {
    Zone::around(mask, radius, margin).ok_or_else(|| Refusal::permanent("no_region", "the mask is empty"))
}

fn as_png(picture: &RgbImage) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
        .write_image(picture, picture.width(), picture.height(), image::ExtendedColorType::Rgb8)
        .map_err(|error| {
            Refusal::permanent("cannot_paint", format!("the picture could not be written as PNG: {error}"))
        })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
