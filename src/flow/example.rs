//! A small dataflow for examples, and for tests of a wiring: pictures that no shard holds, and operators that answer from the row alone.
//!
//! A picture is known by its shorter side: pictures of one side have one content. [`taster`] gives it a tenth of its side, [`finder`] finds
//! a region in it for every ten pixels.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Chooser, Chosen, Comparison, Dial, DialBy, DialMaker, DialSpec, EditCount, Engine, EngineOptions, Fed,
    Finds, Finished, Flow, Found, NearestBetter, Progress, RegionCount, Verdicts,
};
use crate::lane::{Answer, LaneOptions, Lanes, Limits, Looks, Mode, Operator, Reply, Stage, Subject};
use crate::row::{
    Choice, ContentHash, Group, Image, In, Refusal, Region, RegionKind, Row, RowId, Score, Scored, Stamp,
    Unit, With,
};
use crate::shard::{Catalogue, Picture, ReadOptions};

macro_rules! units {
    ($($(#[$about:meta])* $unit:ident = $name:literal, $of:literal, up to $high:literal;)*) => {$(
        $(#[$about])*
        pub struct $unit;

        impl Unit for $unit {
            const NAME: &'static str = $name;
            const UNIT: &'static str = $of;
            const LOW: f32 = 0.0;
            const HIGH: f32 = $high;
        }
    )*};
}

units! {
    /// The shorter side of a picture.
    Side = "side", "px", up to 100.0;
    /// What [`taster`] answers.
    Taste = "taste", "0 to 10", up to 10.0;
    /// How many regions [`finder`] found.
    Boxes = "boxes", "regions", up to 100.0;
    /// How sure a region is: the first of a picture is at 1, the next at 1/2, then 1/3.
    Sure = "sure", "0 to 1", up to 1.0;
}

const fn spec<U: Unit>(comparison: Comparison, default: f32) -> DialSpec {
    let (low, high) = (U::LOW, U::HIGH);
    DialSpec { name: U::NAME, group: None, unit: U::UNIT, comparison, default, low, high, about: "" }
}

/// Whether a side is even or odd.
pub struct Parity;

impl Group for Parity {
    const NAME: &'static str = "parity";
    const NAMES: &'static [&'static str] = &["even", "odd"];
}

const fn of_parity(name: &'static str, group: &'static str) -> DialSpec {
    DialSpec { name, group: Some(group), ..spec::<Side>(Comparison::Above, 10.0) }
}

/// What [`Dials`] are made of, in their order.
pub static DIALS: [DialSpec; 8] = [
    spec::<Side>(Comparison::Above, 10.0),
    spec::<Taste>(Comparison::AtLeast, 5.0),
    spec::<NearestBetter>(Comparison::Above, 3.0),
    spec::<Sure>(Comparison::AtLeast, 0.5),
    spec::<RegionCount>(Comparison::AtLeast, 1.0),
    spec::<EditCount>(Comparison::AtLeast, 1.0),
    of_parity("side_by_parity[even]", "even"),
    of_parity("side_by_parity[odd]", "odd"),
];

/// Dials of scorers with these names, of which each is to say so much at least. They are never freed.
pub fn named_dials(names: &[&'static str], default: f32) -> &'static [DialSpec] {
    let spec = |name: &&'static str| DialSpec { name, default, ..DIALS[1] };
    Vec::leak(names.iter().map(spec).collect())
}

/// The number of the dial of this name. Panics where there is none.
pub fn dial_named(name: &str) -> usize {
    DIALS.iter().position(|spec| spec.name == name).expect("a dial of the example")
}

/// The dials of a wiring, by their units.
pub struct Dials<'s> {
    /// Number 0: above 10.
    pub side: Dial<'s, Side>,
    /// Number 1: at least 5.
    pub taste: Dial<'s, Taste>,
    /// Number 2: above 3.
    pub nearest_better: Dial<'s, NearestBetter>,
    /// Number 3: at least 0.5.
    pub sure: Dial<'s, Sure>,
    /// Number 4: at least 1.
    pub regions: Dial<'s, RegionCount>,
    /// Number 5: at least 1.
    pub edits: Dial<'s, EditCount>,
    /// Numbers 6 and 7: above 10, for even and for odd sides.
    pub side_by_parity: DialBy<'s, Side, Parity>,
}

impl<'s> Dials<'s> {
    pub fn make(maker: &mut DialMaker<'s>) -> Self {
        Dials {
            side: maker.dial(&DIALS[0]),
            taste: maker.dial(&DIALS[1]),
            nearest_better: maker.dial(&DIALS[2]),
            sure: maker.dial(&DIALS[3]),
            regions: maker.dial(&DIALS[4]),
            edits: maker.dial(&DIALS[5]),
            side_by_parity: maker.dial_by(&DIALS[6..]),
        }
    }
}

/// Pictures of a shard, numbered from 0, with these shorter sides in pixels.
pub fn pictures<const N: usize>(sides: [u8; N]) -> Vec<Image> {
    let picture = |(member, side): (usize, u8)| Image {
        id: RowId { shard: 0, member: member as u32 },
        content: ContentHash([side; 16]),
        width: 100,
        height: side.into(),
    };
    sides.into_iter().enumerate().map(picture).collect()
}

/// Scores a picture by its shorter side.
pub fn side(image: Image) -> Scored<Image, Side> {
    let side = Score::of(image.short_side().into());
    With::new(image, side)
}

/// Groups a row by its picture's shorter side.
pub fn parity<R: Row>(row: R) -> With<R, In<Parity>> {
    let parity = In::number(usize::from(row.image().short_side() % 2));
    With::new(row, parity)
}

/// The engine on this wiring, with the dials at their defaults, when every picture has its verdict.
///
/// Panics where the engine does not start or stops: an example shows what works.
pub fn run(
    images: Vec<Image>,
    wire: impl for<'s> Fn(Flow<'s, Image>, &Dials<'s>) -> Finished<'s> + Send + Sync + 'static,
) -> Engine {
    run_with(&DIALS, images, move |images, maker| wire(images, &Dials::make(maker)))
}

/// As [`run`], with [`named_dials`] in the place of those of the example.
pub fn run_named(
    dials: &'static [DialSpec],
    images: Vec<Image>,
    wire: impl for<'s> Fn(Flow<'s, Image>) -> Finished<'s> + Send + Sync + 'static,
) -> Engine {
    run_with(dials, images, move |images, maker| wire(images.with_named_dials(maker.named(dials))))
}

fn run_with(
    dials: &'static [DialSpec],
    images: Vec<Image>,
    wire: impl for<'s> Fn(Flow<'s, Image>, &mut DialMaker<'s>) -> Finished<'s> + Send + Sync + 'static,
) -> Engine {
    let values: Vec<f32> = dials.iter().map(|dial| dial.default).collect();
    let mut engine =
        Engine::start(EngineOptions::default(), dials, &values, wire).expect("the engine starts");
    engine.insert(0, images.into_iter().map(Fed::Image), &mut go_on).expect("pictures go in");
    engine.settle(&mut go_on).expect("every picture has its verdict");
    engine
}

/// The [`Tick`](super::Tick) that stops nothing.
pub fn go_on(_: &Progress, _: &Verdicts) -> Result<(), String> {
    Ok(())
}

/// The numbers of the pictures that are kept.
pub fn kept(engine: &Engine) -> Vec<u32> {
    engine.verdicts().kept().map(|id| id.member).collect()
}

/// Lanes for stages, with their memos in a folder that goes with it. Keep it until the engine is dropped.
pub struct Lab {
    lanes: Arc<Lanes>,
    _folder: tempfile::TempDir,
}

impl Lab {
    /// Lanes that ask; or, in plan mode, that say what they would ask. Panics where no folder can be made.
    pub fn new(mode: Mode) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let catalogue = Catalogue::open(folder.path(), ReadOptions::default(), false);
        let options = LaneOptions {
            mode,
            pool_threads: 1,
            pool_queue: 64,
            decoded_bytes: 1 << 20,
            deadline: Duration::from_secs(60),
            memos: crate::memo::Places::alone(&folder.path().join("memo"), 0),
            log: None,
        };
        let lanes = Lanes::open(options, Arc::new(catalogue.expect("a catalogue opens")));
        Lab { lanes, _folder: folder }
    }

    /// The lanes themselves.
    pub fn lanes(&self) -> &Arc<Lanes> {
        &self.lanes
    }

    /// The stage of this operator. Panics where its memo does not open.
    pub fn stage<O: Operator>(&self, operator: O) -> Arc<Stage<O>> {
        Stage::open(operator, &self.lanes).expect("a memo opens")
    }
}

/// Answers from a picture's side, by a function.
pub struct FromSide<A> {
    name: &'static str,
    answer: fn(u8) -> Reply<A>,
}

/// Gives a picture a tenth of its side.
pub fn taster() -> FromSide<Score<Taste>> {
    FromSide { name: "taster", answer: |side| Score::of(f32::from(side) / 10.0).into() }
}

/// As [`taster`], by a name that flags gave.
pub fn named_taster(name: &'static str) -> FromSide<Score<Taste>> {
    FromSide { name, ..taster() }
}

/// Finds a region for every ten pixels of a picture's side.
pub fn finder() -> FromSide<Score<Boxes>> {
    let answer = |side| Reply::with_blob(Score::of(f32::from(side / 10)), vec![side / 10]);
    FromSide { name: "finder", answer }
}

impl<A: Answer> Operator for FromSide<A> {
    type Answer = A;
    type Prepared = u8;
    type Session = ();

    const LOOKS: Looks = Looks::AtTheRow;

    fn name(&self) -> &'static str {
        self.name
    }

    fn stamp(&self) -> Stamp {
        Stamp::of(&[("operator", self.name.as_bytes())])
    }

    fn model(&self) -> String {
        "a function of the side".to_owned()
    }

    fn bytes_to_prepare(&self, _: &Picture, _: &[u8]) -> u64 {
        0
    }

    fn bytes_prepared(&self, _: usize) -> u64 {
        0
    }

    fn prepare(&self, subject: &Subject<'_>) -> Result<u8, Refusal> {
        Ok(subject.content().0[0])
    }

    fn limits(&self) -> Limits {
        Limits::of_functions(16)
    }

    fn open_session(&self) -> Result<(), String> {
        Ok(())
    }

    fn answer(&self, _: &mut (), sides: &[u8]) -> Vec<Result<Reply<A>, Refusal>> {
        sides.iter().map(|side| Ok((self.answer)(*side))).collect()
    }
}

impl Finds for FromSide<Score<Boxes>> {
    type Score = Sure;

    fn found(&self, body: &[u8]) -> Result<Vec<Found>, Refusal> {
        let count = body.first().copied().unwrap_or_default();
        Ok((0..count).map(found).collect())
    }
}

/// The region of this number, as [`finder`] finds it.
pub fn found(number: u8) -> Found {
    Found {
        kind: RegionKind::Object,
        noun: 0,
        noun_text: "thing".to_owned(),
        bbox: [0.0, 0.0, 10.0, 10.0 + f32::from(number)],
        score: 1.0 / (1.0 + f32::from(number)),
        told_by: None,
    }
}

/// Chooses one edit a picture, of its first candidate.
pub struct TakeFirst;

impl Chooser for TakeFirst {
    fn name(&self) -> &'static str {
        "take_first"
    }

    fn choose(&self, _: &Image, regions: &[Region]) -> Vec<Chosen> {
        let choice = |region: &Region| Choice { regions: [region.number, Choice::NONE], ..Choice::default() };
        let none = || Refusal::permanent("no_region", "there is nothing to choose from");
        vec![Chosen { number: 0, choice: regions.first().map(choice).ok_or_else(none) }]
    }
}
