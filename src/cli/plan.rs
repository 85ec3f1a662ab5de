//! `plan`: what moved dials would cost and change. The dataflow itself computes this; nothing is asked.

mod of_all;
mod pieces;
mod published;
mod shares;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::run::{Opened, Unopened, open, settings_wanted, stopped, until_a_signal, with_unopened};
use super::{App, Failure, Output, RunOptions, ask_list, print_json, removed};
use crate::flow::{DialSpec, EditCount, RegionCount, Setting};
use crate::lane::{Mode, Question};
use crate::publish::{self, Removed};
use crate::row::{ContentHash, Of, RowId, Score, Unit, Verdict};
pub(super) use of_all::{effect_of_all, effect_share};
use pieces::OpenPieces;
pub use pieces::PieceEffect;
pub(super) use published::{Published, published_rows};
pub use shares::OpenShare;

/// What one change of the dials would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Effect {
    /// Rows that would be published and are not now.
    pub enter: u64,
    /// Rows that are published and would be no more.
    pub leave: u64,
    /// Rows that would have to be asked about before their verdict is known.
    pub undecided: u64,
    /// What would become of the regions, where the pipeline finds some. Where some are undecided their pictures are too, if a dial
    /// that counts regions may say otherwise then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<PieceEffect>,
    /// Likewise of the edits, where it makes some. Where regions are undecided, other edits may be chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edits: Option<PieceEffect>,
    /// Dials by share whose values are not known before rows are asked about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub open_shares: Vec<OpenShare>,
    /// Questions that would be asked, by stage. A later stage may ask about what passes an earlier one.
    pub asks: BTreeMap<&'static str, u64>,
    /// Of these, calls to servers that are paid for. An answer that does not parse is asked for once more, which nobody can
    /// foretell.
    pub calls: u64,
    /// What these calls would cost in USD, by what such calls cost in this store so far; absent where none was made yet.
    pub cost: Option<f64>,
    /// From the rates measured in this store; absent where a stage was never asked.
    pub seconds: Option<f64>,
}

/// One dial moved alone, against what is published. Groups of a dial that move from one value to one other move together, and bear the
/// dial's name.
#[derive(Clone, Debug, Serialize)]
pub struct Moved {
    pub dial: &'static str,
    pub from: f32,
    pub to: f32,
    /// The share that it is moved to, where it is by share: `top:30%`. `to` is the value that this comes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    #[serde(flatten)]
    pub effect: Effect,
}

/// What `plan` found.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    pub pipeline: &'static str,
    pub rows: u64,
    /// Where the dials stand in what is published; their defaults where nothing is.
    pub from: BTreeMap<&'static str, f32>,
    /// Where they stand when all are moved. What is by share may come to another value there than alone.
    pub to: BTreeMap<&'static str, f32>,
    pub moved: Vec<Moved>,
    /// All dials moved together, against what is published.
    pub total: Effect,
    /// Published rows that leave because their shards are gone, or hold them no more, where there are some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<Removed>,
    /// Why a run would publish nothing all the same, where it would not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stops: Option<String>,
    /// Where the pictures that would be asked about were written to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listed: Option<Listed>,
}

/// The table of what would be asked about.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    pub list: PathBuf,
    pub pictures: usize,
    /// Shards that these are in.
    pub shards: usize,
}

/// The dataflow at one setting of its dials.
#[derive(Default)]
pub(super) struct Settled {
    kept: HashSet<RowId>,
    unasked: BTreeMap<&'static str, HashSet<ContentHash>>,
    undecided: HashSet<RowId>,
    pieces: OpenPieces,
}

/// With `list`, also writes there what would be asked about.
pub(super) fn plan<P: App>(
    options: &RunOptions,
    list: Option<&Path>,
    app: &P::Args,
) -> Result<Plan, Failure> {
    with_unopened::<P, _>(options, app, |options, pipeline| plan_unopened(options, pipeline, list))
}

fn plan_unopened(
    options: &RunOptions,
    pipeline: &Unopened<'_>,
    list: Option<&Path>,
) -> Result<Plan, Failure> {
    let (options, looked) = options.to_look()?;
    plan_of(&options, pipeline, list).map_err(|failure| looked.told(failure))
}

fn plan_of(options: &RunOptions, pipeline: &Unopened<'_>, list: Option<&Path>) -> Result<Plan, Failure> {
    let specs = pipeline.dials;
    let wanted = settings_wanted(specs, options)?;
    let published = publish::dials_of(&options.out)?;
    let stands =
        |name: &str| published.iter().flatten().find(|dial| dial.name == name).map(|dial| dial.value);
    let from: Vec<f32> = specs.iter().map(|spec| stands(spec.name).unwrap_or(spec.default)).collect();
    let first: Vec<Setting> = from.iter().map(|value| Setting::At(*value)).collect();
    let mut opened = open(options, pipeline, Mode::Plan, &first, None)?;
    let mut tick = until_a_signal;
    opened.insert_all(&mut tick)?;
    opened.engine.settle(&mut tick).map_err(stopped)?;
    let before =
        if published.is_some() { published_rows(&options.out, &opened)? } else { Published::default() };
    let mut moved = Vec::new();
    let turned: Vec<usize> = (0..specs.len()).filter(|n| first[*n] != wanted[*n]).collect();
    let turn =
        |opened: &mut Opened, dial: usize, to: Setting| opened.engine.turn(dial, to, &mut |_, _| Ok(()));
    let shares = |opened: &Opened, settings: &[Setting]| shares::open(opened, specs, settings);
    for dials in together(specs, &turned, &first, &wanted) {
        for &dial in &dials {
            turn(&mut opened, dial, wanted[dial]).map_err(stopped)?;
        }
        opened.engine.settle(&mut tick).map_err(stopped)?;
        let dial = dials[0];
        let values = opened.engine.values();
        let share = wanted[dial].share_text();
        if values[dial] != from[dial] || share.is_none() {
            let mut settings = first.clone();
            dials.iter().for_each(|dial| settings[*dial] = wanted[*dial]);
            let open_shares = shares(&opened, &settings);
            let effect =
                Effect { open_shares, ..effect(&before, &standing(&opened, specs, &values), &opened) };
            let name = if dials.len() > 1 { specs[dial].dial() } else { specs[dial].name };
            moved.push(Moved { dial: name, from: from[dial], to: values[dial], share, effect });
        }
        for &dial in &dials {
            turn(&mut opened, dial, first[dial]).map_err(stopped)?;
        }
    }
    for &dial in &turned {
        turn(&mut opened, dial, wanted[dial]).map_err(stopped)?;
    }
    opened.engine.settle(&mut tick).map_err(stopped)?;
    let values = opened.engine.values();
    let total = effect(&before, &standing(&opened, specs, &values), &opened);
    let total = Effect { open_shares: shares(&opened, &wanted), ..total };
    let listed = list.map(|path| ask_list::write(path, &opened, options, specs)).transpose()?;
    let listed =
        list.zip(listed).map(|(path, (pictures, shards))| Listed { list: path.to_owned(), pictures, shards });
    let rows = opened.engine.verdicts().counts().expected;
    let named = |values: &[f32]| specs.iter().zip(values).map(|(spec, value)| (spec.name, *value)).collect();
    let (from, to) = (named(&from), named(&values));
    let removed = removed::of(options, &opened)?;
    let stops = removed::check(options, &removed).err().map(|failure| failure.to_string());
    let removed = (removed.rows > 0).then_some(removed);
    Ok(Plan { pipeline: pipeline.name, rows: rows as u64, from, to, moved, total, removed, stops, listed })
}

/// The dials that are turned, those that move together in one list. What a share comes to is another value for each group.
fn together(specs: &[DialSpec], turned: &[usize], first: &[Setting], wanted: &[Setting]) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = Vec::new();
    for &dial in turned {
        let alike = |with: &&mut Vec<usize>| {
            let other = with[0];
            let at_values = matches!(wanted[dial], Setting::At(_));
            at_values
                && specs[other].dial() == specs[dial].dial()
                && (first[other], wanted[other]) == (first[dial], wanted[dial])
        };
        match all.iter_mut().find(alike) {
            Some(with) => with.push(dial),
            None => all.push(vec![dial]),
        }
    }
    all
}

/// `values` are where the dials stand.
pub(super) fn standing(opened: &Opened, specs: &[DialSpec], values: &[f32]) -> Settled {
    let mut standing = Settled { kept: opened.engine.verdicts().kept().collect(), ..Settled::default() };
    let mut questions: BTreeMap<&'static str, Vec<Question>> = BTreeMap::new();
    let before_regions = pieces::asked_before_regions(opened.engine.wired());
    for (stage, question) in opened.engine.unasked() {
        questions.entry(stage).or_default().push(question.clone());
        let place = question.place();
        if place.of == Of::Pictures {
            standing.undecided.insert(question.id);
            standing.pieces.unseen.extend(before_regions.contains(&stage).then_some(question.id));
        } else {
            standing.pieces.add(place);
        }
    }
    let verdicts = opened.engine.verdicts();
    let undecided = verdicts.iter().filter_map(|(id, verdict)| {
        let open = |of| standing.pieces.of(of, id).len();
        let tried = verdicts.found_in(Of::Edits, id) as usize;
        let of_edits = match open(Of::Regions) {
            0 => Open::More(open(Of::Edits)),
            // Among other regions other edits may be chosen.
            _ => Open::Any(tried),
        };
        let names = opened.engine.score_names();
        let changes = [(Of::Regions, Open::More(open(Of::Regions))), (Of::Edits, of_edits)];
        changes
            .iter()
            .any(|(of, open)| may_change((*of, open), &verdict, names, (specs, values)))
            .then_some(id)
    });
    let undecided: Vec<RowId> = undecided.collect();
    standing.undecided.extend(undecided);
    standing.kept.retain(|id| !standing.undecided.contains(id));
    for (stage, questions) in questions {
        let questions = opened.lanes.without_the_known(stage, questions);
        if questions.is_empty() {
            continue;
        }
        // The same content is asked once, however many rows ask.
        let contents = questions.iter().map(|question| question.content);
        standing.unasked.entry(stage).or_default().extend(contents);
        for (other, content) in opened.lanes.asks_in_turn(stage, &questions) {
            standing.unasked.entry(other).or_default().insert(content);
        }
    }
    standing
}

/// What may become of the count of a picture's pieces.
enum Open {
    /// Up to so many more.
    More(usize),
    /// Any number up to this.
    Any(usize),
}

/// Whether a picture's verdict may be another one when pieces that are open were looked at: a dial that counts them may then
/// say otherwise.
fn may_change(
    (of, open): (Of, &Open),
    verdict: &Verdict,
    score_names: &[&str],
    (specs, values): (&[DialSpec], &[f32]),
) -> bool {
    let (name, unit) = match of {
        Of::Edits => (EditCount::NAME, EditCount::UNIT),
        Of::Regions | Of::Pictures => (RegionCount::NAME, RegionCount::UNIT),
    };
    let count = match verdict {
        Verdict::Kept(scores) => {
            let place = score_names.iter().position(|known| *known == name);
            place.and_then(|place| scores.get(place).copied())
        }
        Verdict::Gated { dial, score } => {
            let counts = |spec: &&DialSpec| spec.name == *dial && spec.unit == unit;
            specs.iter().find(counts).map(|_| *score)
        }
        Verdict::Refused(_) => None,
    };
    let Some(count) = count else { return false };
    let dials = specs.iter().zip(values).filter(|(spec, _)| spec.unit == unit);
    let passes = |count: f32| {
        let score = |value| Score::<RegionCount>::of(value);
        dials.clone().all(|(spec, at)| spec.comparison.passes(score(count), score(*at)))
    };
    // Every count on the way, since two dials may leave a gap between them.
    let counts = match open {
        Open::More(more) => (1..=*more).map(|more| count + more as f32).collect::<Vec<_>>(),
        Open::Any(most) => (0..=*most).map(|count| count as f32).collect(),
    };
    counts.into_iter().any(|other| passes(other) != passes(count))
}

/// What questions take.
struct Price {
    /// Calls to servers that are paid for.
    calls: u64,
    /// What these calls cost in USD.
    cost: Option<f64>,
    seconds: Option<f64>,
}

/// Where all are known. (That of the standard library is -0 where there are none.)
fn sum(numbers: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    numbers.into_iter().try_fold(0.0, |sum, number| Some(sum + number?))
}

/// By the rates and the costs that this store has seen; of calls that are paid for nothing where it has seen none.
fn price(asks: &BTreeMap<&'static str, u64>, opened: &Opened) -> Price {
    let record = |stage: &str| {
        let records = opened.store.stamps();
        let records = records.filter(|record| record.stage == stage && record.asked > 0);
        records.max_by_key(|record| !record.used_by.is_empty())
    };
    let seconds = asks
        .iter()
        .map(|(stage, asks)| record(stage).map(|record| record.seconds / record.asked as f64 * *asks as f64));
    let seconds = sum(seconds);
    let paid: Vec<&str> =
        opened.lanes.status().iter().filter(|stage| stage.cost.is_some()).map(|stage| stage.name).collect();
    let calls = asks.iter().filter(|(stage, _)| paid.contains(stage));
    let cost = calls.clone().map(|(stage, asks)| {
        let record = record(stage)?;
        Some(record.cost? / record.asked as f64 * *asks as f64)
    });
    let (calls, cost) = (calls.clone().map(|(_, asks)| asks).sum(), sum(cost));
    Price { calls, cost: if paid.is_empty() { None } else { cost }, seconds }
}

pub(super) fn effect(before: &Published, after: &Settled, opened: &Opened) -> Effect {
    let asks: BTreeMap<&'static str, u64> =
        after.unasked.iter().map(|(stage, contents)| (*stage, contents.len() as u64)).collect();
    let Price { calls, cost, seconds } = price(&asks, opened);
    let pieces = |of| {
        let sorts = opened.engine.piece_score_names().iter();
        let has_some = sorts.map(|(sort, _)| *sort).any(|sort| sort == of);
        has_some.then(|| pieces::effect(of, &before.pieces, after, opened.engine.verdicts()))
    };
    Effect {
        enter: after.kept.difference(&before.kept).count() as u64,
        leave: before.gone
            + before
                .kept
                .iter()
                .filter(|id| !after.kept.contains(id) && !after.undecided.contains(id))
                .count() as u64,
        undecided: after.undecided.len() as u64,
        regions: pieces(Of::Regions),
        edits: pieces(Of::Edits),
        open_shares: Vec::new(),
        calls,
        cost,
        asks,
        seconds,
    }
}

impl Effect {
    /// What is said of pieces, sort by sort.
    fn pieces(&self) -> impl Iterator<Item = (Of, &PieceEffect)> {
        let sorts = [(Of::Regions, &self.regions), (Of::Edits, &self.edits)];
        sorts.into_iter().filter_map(|(of, pieces)| Some((of, pieces.as_ref()?)))
    }

    /// Whether all is known: the rows and pieces that enter and leave, and what is asked.
    pub fn is_decided(&self) -> bool {
        self.undecided == 0
            && self.open_shares.is_empty()
            && self.pieces().all(|(_, pieces)| pieces.undecided == 0)
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows enter, {} leave", self.enter, self.leave)?;
        if self.undecided > 0 {
            write!(f, ", {} are undecided until asked", self.undecided)?;
        }
        for (of, pieces) in self.pieces() {
            write!(f, "; {}", pieces.words(of))?;
        }
        for share in &self.open_shares {
            write!(f, "; {share}")?;
        }
        let undecided: u64 = self.pieces().map(|(_, pieces)| pieces.undecided).sum();
        if self.asks.is_empty() && self.undecided + undecided == 0 {
            return write!(f, ", nothing is asked");
        }
        let asks: Vec<_> = self.asks.iter().map(|(stage, asks)| format!("{asks} of {stage}")).collect();
        if asks.is_empty() {
            return write!(f, "; their answers come with the samples, nothing is asked");
        }
        write!(f, "; would ask {}", asks.join(", "))?;
        match self.seconds {
            Some(seconds) => write!(f, ", about {seconds:.1} s")?,
            None => write!(f, " (how long that takes was never measured in this store)")?,
        }
        match (self.calls, self.cost) {
            (0, _) => Ok(()),
            (calls, Some(cost)) => write!(f, "; {calls} calls are paid for, about {cost:.4} USD"),
            (calls, None) => {
                write!(f, "; {calls} calls are paid for (what such calls cost was never seen in this store)")
            }
        }
    }
}

impl Plan {
    /// The plan for people, or as JSON.
    pub fn print(&self, output: Output) -> Result<(), Failure> {
        if output == Output::Json {
            return print_json(self);
        }
        crate::say!("{} rows", self.rows);
        for moved in &self.moved {
            let share = moved.share.as_ref().map_or_else(String::new, |share| format!(" ({share})"));
            crate::say!("{} from {} to {}{share}: {}", moved.dial, moved.from, moved.to, moved.effect);
        }
        crate::say!("in total: {}", self.total);
        if let Some(removed) = &self.removed {
            crate::say!("gone from the shards: {removed}");
        }
        if let Some(why) = &self.stops {
            crate::say!("a run would stop: {why}");
        }
        match &self.listed {
            None => crate::say!("nothing was asked and nothing was written"),
            Some(Listed { list, pictures, shards }) => {
                let list = list.display();
                crate::say!(
                    "{list}: {pictures} pictures to ask about, in {shards} shards; nothing was asked and nothing else was written"
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dial::by_group;
    use crate::flow::example::DIALS;

    #[test]
    fn groups_that_move_alike_move_together() {
        let mut specs = by_group(&["add", "remove", "style"], DIALS[0]);
        specs.push(DIALS[1]);
        let at = |value: f32| Setting::At(value);
        let first = vec![at(1.0); 4];
        let move_to = |wanted: &[Setting; 4]| together(&specs, &[0, 1, 2, 3], &first, wanted);
        assert_eq!(move_to(&[at(2.0); 4]), [vec![0, 1, 2], vec![3]], "another dial is another move");
        assert_eq!(move_to(&[at(2.0), at(3.0), at(2.0), at(2.0)]), [vec![0, 2], vec![1], vec![3]]);
        let share: Setting = "top:3".parse().unwrap();
        assert_eq!(move_to(&[share; 4]).len(), 4, "what it comes to is another value for each");
    }
}
