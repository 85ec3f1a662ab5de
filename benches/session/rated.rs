//! The program that is measured: a million pictures with a score of their own, and one that is asked for and remembered.

use std::path::Path;
use std::sync::Arc;

use pipelines::illustrate::Illustrate;
use tests::curate::{ShortSide, short_side};
use tests::questions::Empty;
use tests::rows::{Charm, Taste};
use threshflow::cli::{App, Entry, Failure, Program, Workbench};
use threshflow::prelude::*;
use threshflow::publish::PlainTar;
use threshflow::report::Illustrator;

/// As wide as a photo of the bench is; all others are smaller.
pub const PHOTO: u32 = 1024;
/// About where the photos' tastes lie, and no other picture's.
pub const PHOTOS_AT: f32 = 9.0;
const SHARDS: u32 = 100;
/// Photos in each shard.
const PHOTOS: u32 = 10;

pub static PROGRAM: Program =
    Program { name: "rated", about: "What the bench of sessions serves", pipelines: &[&ENTRY] };
static ENTRY: Entry = Entry::of::<Rated>();

/// By the last digit of the content's hash.
pub struct Kind;
impl Group for Kind {
    const NAME: &'static str = "kind";
    const NAMES: &'static [&'static str] = &["a", "b", "c", "d", "e", "f", "g", "h"];
}

dials! {
    /// Of the bench's pipeline.
    pub struct Dials {
        /// The shorter side.
        short_side: ShortSide > 10,
        /// Of each picture, by its bytes.
        taste: Taste > 5,
        /// That is asked for.
        charm: Charm > 1,
        /// The same by kind.
        charm_of: Charm > 2 by Kind,
    }
}

pub struct Rated {
    charm: Arc<Stage<Empty>>,
}

/// Evenly spread from 0 to 10; of photos, all within a hundredth of one value.
fn taste(row: Scored<Image, ShortSide>) -> Scored<Scored<Image, ShortSide>, Taste> {
    let image = &row.row;
    let spread =
        u32::from_le_bytes(image.content.0[..4].try_into().expect("four bytes")) as f32 / u32::MAX as f32;
    let score = match u32::from(image.width) {
        PHOTO => PHOTOS_AT + (spread - 0.5) / 50.0,
        _ if spread < 0.9 => spread / 0.9 * (PHOTOS_AT - 0.01),
        _ => PHOTOS_AT + 0.01 + (spread - 0.9) / 0.1 * (9.99 - PHOTOS_AT),
    };
    With::new(row, Score::of(score))
}

impl Pipeline for Rated {
    const NAME: &'static str = "rated";
    type Dials<'s> = Dials<'s>;

    fn wire<'s>(&self, images: Flow<'s, Image>, dial: &Dials<'s>) -> Flow<'s, impl Row> {
        let kind = |row: Scored<Scored<Scored<Image, ShortSide>, Taste>, Charm>| {
            let of = usize::from(row.row.row.row.content.0[15]) % Kind::NAMES.len();
            With::new(row, In::<Kind>::number(of))
        };
        let rated = images.each(short_side).gate(&dial.short_side).each(taste).gate(&dial.taste);
        rated.ask(&self.charm).gate(&dial.charm).each(kind).gate_by(&dial.charm_of)
    }

    fn illustrator(&self) -> Option<&dyn Illustrator> {
        Some(&Illustrate)
    }
}

impl App for Rated {
    const ABOUT: &'static str = "A pipeline for a bench";
    type Args = NoArgs;

    fn open(_: &NoArgs, workbench: &Workbench) -> Result<Self, Failure> {
        Ok(Rated { charm: Stage::open(Empty, &workbench.lanes)? })
    }
}

#[derive(clap::Args, Clone, Debug, Default)]
#[group(id = "rated")]
pub struct NoArgs {}

/// Shards with so many pictures in all: small ones, no two the same, and a few photos.
pub fn write_shards(folder: &Path, rows: u32) {
    let photo = image::imageops::thumbnail(&benches::photos::photo(0), PHOTO, 768);
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 90).encode_image(&photo).expect("encodes");
    let each = rows / SHARDS;
    let small: Vec<Vec<u8>> = (0..64).map(|n| tests::shards::png(8 + n % 16, 16, n.into())).collect();
    for shard in 0..SHARDS {
        let path = folder.join(format!("{shard:05}.tar"));
        let file = std::io::BufWriter::new(std::fs::File::create(path).expect("creates"));
        let mut tar = PlainTar::new(file);
        for n in shard * each..(shard + 1) * each {
            let (name, picture) = match n % each < PHOTOS {
                true => (format!("{n:08}.jpg"), &jpeg),
                false => (format!("{n:08}.png"), &small[n as usize % small.len()]),
            };
            // What stands behind the picture's end makes its content another one.
            tar.append(&name, &[picture.as_slice(), &n.to_le_bytes()].concat()).expect("appends");
        }
        tar.finish().expect("finishes");
    }
}
