//! The demo's own data: drawn scenes whose truth is known, and web shards full of them, some broken on purpose.
//!
//! Everything here is a function of a seed: the same pixels, the same JPEGs and the same tars on every
//! machine. Sums are done in integers or in plain `f32` (`+ - * /` and `sqrt`, which IEEE 754 rounds the
//! same everywhere); sines, powers and fused operations are not used.
//!
//! - [`Scene`] says what stands where, in which colours; it draws itself at any size, and knows each
//!   object's noun, colour, box and exact mask, and those of each part of the background (but for a colour).
//! - [`Palette`] is where good and bad taste come from; [`Scene::harmony`] puts it in a number, which the
//!   demo's scorer in `models/demo/aesthetic` learns to read from the pixels.
//! - [`write_demo_shards`] draws a few hundred scenes into tars and reports what it planted in them; [`write_demo_frames`]
//!   draws films of two frames, and says what moves in them.

mod colour;
mod dice;
mod draw;
mod frames;
mod palette;
mod places;
mod scene;
mod shards;
mod sheet;
mod things;

pub use colour::Rgb;
pub use frames::{DemoFrames, Film, FramePair, Move, films, write_demo_frames};
pub use palette::Palette;
pub use scene::{Ground, Object, Scene, Truth};
pub use shards::{DemoOptions, DemoShards, Planted, write_demo_shards};
pub use sheet::contact_sheet;

/// The seed of the scenes in the demo's shards.
pub const DEMO_SEED: u64 = 1;
/// The seed of the scenes that measure the models: neither training (seed 1001, see models/demo/demo_scenes.py) nor any choice made
/// for them saw them.
pub const HELD_OUT_SEED: u64 = 2002;

/// Every noun of the scenes, as the plain captioner takes it: `--vocabulary`.
pub const VOCABULARY: &str = "\
# What the demo draws.
[objects]
apple
ball
boat
car
cup
house
kite
lamp
lighthouse
moon
sun
tree
vase
[backgrounds]
beach
hills
meadow
mountains
sea
sky
street
table
wall
window
";
