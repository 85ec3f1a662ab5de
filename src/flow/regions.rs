//! From pictures to their regions and back: `regions` makes a row of every region that was found, `with` counts those
//! that are left and publishes them with their picture.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use differential_dataflow::AsCollection;
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::{OutputBuilder, builder_rc::OperatorBuilder};

use super::complete::{Changes, at_complete_epochs};
use super::edits::Candidates;
use super::finish::assert_one_of_each;
use super::{Collection, Ended, Epoch, Flow, KeptPiece, Pieces, Why, scores_of};
use crate::lane::{Mailbox, Operator, Question, Recalled, Stage};
use crate::row::{
    ContentHash, Image, Of, Place, Refusal, Region, RegionKind, Row, RowId, Score, Scored, Unit, With,
};

/// An operator whose answers are regions: their number rides, and the body says what they are.
pub trait Finds: Operator {
    /// What the regions are scored in.
    type Score: Unit;
    /// What a body says, in the order of the regions' numbers.
    fn found(&self, body: &[u8]) -> Result<Vec<Found>, Refusal>;
}

/// Most regions that a picture may have: a number is 16 bits long, and the last one means none.
pub const MOST_REGIONS: usize = u16::MAX as usize;

/// The refusal of more regions than can be told apart, where there are more.
///
/// ```
/// use threshflow::flow::{MOST_REGIONS, too_many_regions};
///
/// assert!(too_many_regions(MOST_REGIONS).is_none());
/// assert!(too_many_regions(MOST_REGIONS + 1).is_some_and(|refusal| refusal.is_permanent()));
/// ```
pub fn too_many_regions(regions: usize) -> Option<Refusal> {
    let message = || {
        format!(
            "{regions} regions are said to be in the picture, at most {MOST_REGIONS} can be told apart; name fewer"
        )
    };
    (regions > MOST_REGIONS).then(|| Refusal::permanent("too_many_regions", message()))
}

/// A region as it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    pub kind: RegionKind,
    /// The place of its noun in the vocabulary.
    pub noun: u16,
    pub noun_text: String,
    /// Left, top, right, bottom, in pixels of the picture as shown.
    pub bbox: [f32; 4],
    pub score: f32,
    /// Where not the picture tells of it but something beside it, such as a released record: the hash of what is told. Another
    /// sample with the same picture and without it has another region, in the same place.
    pub told_by: Option<ContentHash>,
}

impl Found {
    /// Region `number` of `image`, in which `found` was found; `None` where there are fewer.
    ///
    /// ```
    /// use threshflow::flow::Found;
    /// use threshflow::flow::example::{found, pictures};
    ///
    /// let all = [found(0), found(1)];
    /// let picture = &pictures([20])[0];
    /// assert_eq!(Found::region_of(&all, picture, 1), Some(found(1).region(picture, 1)));
    /// assert_eq!(Found::region_of(&all, picture, 2), None);
    /// ```
    pub fn region_of(found: &[Found], image: &Image, number: u16) -> Option<Region> {
        found.get(usize::from(number)).map(|one| one.region(image, number))
    }

    /// Its row: region `number` of `image`. All that a region's [key](Row::content) is made of comes from here.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    ///
    /// let picture = &pictures([20])[0];
    /// let region = found(1).region(picture, 1);
    /// assert_eq!((region.image.id, region.number, region.bbox()), (picture.id, 1, [0.0, 0.0, 10.0, 11.0]));
    /// ```
    pub fn region(&self, image: &Image, number: u16) -> Region {
        let noun = (self.noun, self.noun_text.as_str());
        let region = Region::new(image.clone(), number, self.kind, noun, self.bbox);
        match self.told_by {
            Some(own) => region.told_by(own),
            None => region,
        }
    }
}

/// The unit of how many regions of a picture are left.
pub struct RegionCount;
impl Unit for RegionCount {
    const NAME: &'static str = "regions";
    const UNIT: &'static str = "regions";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 1000.0;
}

type Updates<D> = Vec<(D, Epoch, isize)>;
type Builder<D> = CapacityContainerBuilder<Updates<D>>;

impl<'s, R: Row> Flow<'s, R> {
    /// The pictures as they are, and a flow of the regions that `stage`, which was asked about them, found in them.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::lane::Mode;
    /// use threshflow::row::Of;
    ///
    /// let lab = Lab::new(Mode::Ask);
    /// let finder = lab.stage(finder());
    /// let engine = run(pictures([5, 30]), move |images, dial| {
    ///     let (pictures, regions) = images.ask(&finder).regions(&finder);
    ///     pictures.with(regions.gate(&dial.sure)).finish()
    /// });
    /// let id = |member| threshflow::row::RowId { shard: 0, member };
    /// assert_eq!(engine.verdicts().found_in(Of::Regions, id(0)), 0);
    /// assert_eq!(engine.verdicts().found_in(Of::Regions, id(1)), 3);
    /// ```
    pub fn regions<O: Finds>(self, stage: &Arc<Stage<O>>) -> (Self, Flow<'s, Scored<Region, O::Score>>) {
        let (rows, ended) = fan_out(self.rows.clone(), stage.clone());
        let regions = self.beside(rows, ended);
        (self, regions)
    }

    /// Joins the regions to their pictures: they are published with them, and counted. What ended of them ends here.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::lane::Mode;
    /// use threshflow::row::Of;
    ///
    /// let lab = Lab::new(Mode::Ask);
    /// let finder = lab.stage(finder());
    /// let engine = run(pictures([5, 30]), move |images, dial| {
    ///     let (pictures, regions) = images.ask(&finder).regions(&finder);
    ///     pictures.with(regions).gate(&dial.regions).finish()
    /// });
    /// assert_eq!(kept(&engine), [1], "the other has no region");
    /// assert_eq!(engine.score_names(), ["boxes", "regions"]);
    /// assert_eq!(engine.piece_score_names(), [(Of::Regions, vec!["sure"])]);
    /// ```
    pub fn with<Q: Row>(self, regions: Flow<'s, Q>) -> Flow<'s, Scored<R, RegionCount>> {
        self.joined(regions)
    }

    /// Joins pieces to their pictures, and counts them.
    pub(super) fn joined<Q: Row, U: Unit>(self, pieces: Flow<'s, Q>) -> Flow<'s, Scored<R, U>> {
        assert_one_of_each::<Q>();
        let score_names = pieces.score_names();
        let kept = pieces.rows.clone().map(|row| KeptPiece {
            place: row.place(),
            content: row.content(),
            scores: scores_of(&row),
        });
        let rows = count(self.rows.clone(), pieces.rows.map(|row| row.image().id));
        let ended = self.ended.clone().concat(pieces.ended);
        let mut joined = self.of_rows_and_ends(rows, ended);
        joined.pieces.push(Pieces { of: Q::OF, kept, score_names });
        joined
    }

    /// The regions of this flow as what edits may be chosen from; the flow goes on.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::lane::Mode;
    /// use threshflow::row::Of;
    ///
    /// let lab = Lab::new(Mode::Ask);
    /// let finder = lab.stage(finder());
    /// let engine = run(pictures([5, 30]), move |images, _| {
    ///     let (pictures, regions) = images.ask(&finder).regions(&finder);
    ///     let candidates = regions.candidates();
    ///     let (pictures, edits) = pictures.with(regions).edits(candidates, &std::sync::Arc::new(TakeFirst));
    ///     pictures.with_edits(edits).finish()
    /// });
    /// let tried = |member| engine.verdicts().found_in(Of::Edits, threshflow::row::RowId { shard: 0, member });
    /// assert_eq!([tried(0), tried(1)], [1, 1], "one is tried for every picture");
    /// ```
    pub fn candidates(&self) -> Candidates<'s> {
        Candidates(self.rows.clone().flat_map(|row| row.region().cloned()))
    }
}

/// Pictures that wait until it is recalled what was found in them.
struct WaitingForBlob<R> {
    rows: Updates<R>,
}

/// The right to emit at a time, for as long as rows of that time wait.
struct HeldTime {
    regions: Capability<Epoch>,
    ended: Capability<Epoch>,
    waiting: usize,
}

type FannedOut<'s, U> = (Collection<'s, Scored<Region, U>>, Collection<'s, Ended>);

fn fan_out<'s, R: Row, O: Finds>(rows: Collection<'s, R>, stage: Arc<Stage<O>>) -> FannedOut<'s, O::Score> {
    let scope = rows.inner.scope();
    let mut builder = OperatorBuilder::new(format!("Regions {}", stage.operator().name()), scope);
    let mut input = builder.new_input(rows.inner, Pipeline);
    let (regions, regions_stream) = builder.new_output();
    let (ended, ended_stream) = builder.new_output();
    let mut regions = OutputBuilder::<_, Builder<Scored<Region, O::Score>>>::from(regions);
    let mut ended = OutputBuilder::<_, Builder<Ended>>::from(ended);
    let activator = scope.worker().sync_activator_for(builder.operator_info().address.to_vec());
    let mailbox: Arc<Mailbox<Recalled<Vec<Found>>>> = Mailbox::new(Arc::new(move || {
        // Fails only when the worker has ended, and then nobody needs waking.
        let _ = activator.activate();
    }));

    builder.build(move |capabilities| {
        drop(capabilities);
        let mut held: BTreeMap<Epoch, HeldTime> = BTreeMap::new();
        let mut waiting: HashMap<ContentHash, WaitingForBlob<R>> = HashMap::new();
        let mut to_recall: VecDeque<Question> = VecDeque::new();
        move |_frontiers| {
            input.for_each(|capability, rows| {
                for (row, time, diff) in rows.drain(..) {
                    let held = held.entry(time).or_insert_with(|| HeldTime {
                        regions: capability.delayed(&time, 0),
                        ended: capability.delayed(&time, 1),
                        waiting: 0,
                    });
                    held.waiting += 1;
                    let question = Question::about(&row, O::KEY);
                    let entry = waiting.entry(question.content);
                    if let std::collections::hash_map::Entry::Vacant(_) = entry {
                        to_recall.push_back(question);
                    }
                    entry.or_insert_with(|| WaitingForBlob { rows: Vec::new() }).rows.push((row, time, diff));
                }
            });
            let (mut regions, mut ended) = (regions.activate(), ended.activate());
            for (content, recalled) in mailbox.take() {
                let Some(there) = waiting.remove(&content) else { continue };
                let found = match recalled.and_then(|it| too_many_regions(it.len()).map_or(Ok(it), Err)) {
                    Ok(found) => found,
                    Err(refusal) => {
                        // The answer was there when the row came by: the store is failing. The epoch stays open, and
                        // the run stops.
                        stage.fail(&format!("what was found cannot be recalled: {refusal}"));
                        continue;
                    }
                };
                for (row, time, diff) in there.rows {
                    let Some(held) = held.get_mut(&time) else { continue };
                    held.waiting -= 1;
                    let mut ended = ended.session(&held.ended);
                    let place = Place::picture(row.image().id);
                    let why = Why::Found(Of::Regions, found.len() as u16);
                    ended.give((Ended::of(place, why), time, diff));
                    let mut regions = regions.session(&held.regions);
                    for (number, one) in found.iter().enumerate() {
                        let region = one.region(row.image(), number as u16);
                        regions.give((With::new(region, Score::of(one.score)), time, diff));
                    }
                }
            }
            held.retain(|_, held| held.waiting > 0);
            if !to_recall.is_empty() {
                stage.try_recall(&mut to_recall, &mailbox, O::found);
            }
        }
    });
    (regions_stream.as_collection(), ended_stream.as_collection())
}

/// A picture and how many pieces it has, as of the last complete epoch.
struct Counted<R> {
    row: Option<R>,
    pieces: isize,
}

/// What comes or leaves: a picture, or a piece of the picture of this id. Pieces are counted before pictures are.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Countable<R> {
    Piece(RowId),
    Picture(R),
}

/// Every picture with the number of its pieces.
fn count<'s, R: Row, U: Unit>(
    rows: Collection<'s, R>,
    pieces: Collection<'s, RowId>,
) -> Collection<'s, Scored<R, U>> {
    let countable = rows.map(Countable::Picture).concat(pieces.map(Countable::Piece));
    let mut standing: HashMap<RowId, Counted<R>> = HashMap::new();
    at_complete_epochs("Count", countable, move |changes, counted| recount(&mut standing, changes, counted))
}

/// Works off an epoch: says of every picture whose count changed that it leaves with one and comes with the other.
fn recount<R: Row, U: Unit>(
    standing: &mut HashMap<RowId, Counted<R>>,
    mut changes: Changes<Countable<R>>,
    say: &mut Changes<Scored<R, U>>,
) {
    let mut before: BTreeMap<RowId, Option<Scored<R, U>>> = BTreeMap::new();
    let scored = |counted: &Counted<R>| {
        let score = Score::of(counted.pieces as f32);
        counted.row.clone().map(|row| With::new(row, score))
    };
    // What leaves first: a picture may come back in the same epoch with another answer.
    changes.sort_by_key(|(_, diff)| *diff);
    for (change, diff) in changes {
        let id = match &change {
            Countable::Piece(id) => *id,
            Countable::Picture(row) => row.image().id,
        };
        let counted = standing.entry(id).or_insert(Counted { row: None, pieces: 0 });
        before.entry(id).or_insert_with(|| scored(counted));
        match change {
            Countable::Piece(_) => counted.pieces += diff,
            Countable::Picture(row) => counted.row = (diff > 0).then_some(row),
        }
    }
    for (id, was) in before {
        let Some(counted) = standing.get(&id) else { continue };
        let is = scored(counted);
        if was != is {
            say.extend(was.map(|row| (row, -1)));
            say.extend(is.map(|row| (row, 1)));
        }
        if counted.row.is_none() && counted.pieces == 0 {
            standing.remove(&id);
        }
    }
}
