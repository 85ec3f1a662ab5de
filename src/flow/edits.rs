//! From pictures to their edits and back: `edits` makes a row of every edit that was chosen for a picture, `with_edits` counts
//! those that are left and publishes them with their picture.
//!
//! A choice is a function of the picture and of the regions that stand as candidates when an epoch is complete: not of the
//! way there, and of no other picture.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::complete::{Changes, at_complete_epochs};
use super::{Collection, Ended, Flow, Why, Wired};
use crate::row::{
    Choice, ContentHash, Edit, Image, Of, Place, Refusal, Refused, Region, Row, RowId, Scored, Unit,
};

/// Chooses the edits of a picture. Pure: the same for the same picture and regions, always.
pub trait Chooser: Send + Sync + 'static {
    /// The name that refusals of edits which could not be chosen bear.
    fn name(&self) -> &'static str;
    /// What becomes of every edit that is tried: the same numbers for every picture, whatever its regions; each once.
    /// `regions` are in the order of their numbers.
    fn choose(&self, picture: &Image, regions: &[Region]) -> Vec<Chosen>;
}

/// An edit of that number, or why there can be none.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    pub number: u16,
    pub choice: Result<Choice, Refusal>,
}

impl Chosen {
    /// The row of the edit, where there is one: of the picture's row, whose [`Row::content`] is `picture`, and of the contents of the
    /// chosen regions, in their order. All that an edit's [key](Row::content) is made of comes from here.
    ///
    /// # Errors
    /// What the choice was refused with; `foreign_choice` where a chosen region is none of `candidates`.
    ///
    /// ```
    /// use threshflow::flow::Chooser;
    /// use threshflow::flow::example::{TakeFirst, found, pictures};
    /// use threshflow::row::Row;
    ///
    /// let picture = &pictures([20])[0];
    /// let regions = [found(0).region(picture, 0)];
    /// let chosen = TakeFirst.choose(picture, &regions).remove(0);
    /// let edit = chosen.clone().edit(picture, picture.content(), &regions)?;
    /// assert_eq!(edit.choice.regions().collect::<Vec<_>>(), [0]);
    /// let foreign = chosen.edit(picture, picture.content(), &[]).unwrap_err();
    /// assert_eq!(foreign.class, "foreign_choice");
    /// # Ok::<(), threshflow::row::Refusal>(())
    /// ```
    pub fn edit(self, image: &Image, picture: ContentHash, candidates: &[Region]) -> Result<Edit, Refusal> {
        self.choice.and_then(|choice| Edit::chosen(image, picture, (self.number, choice), candidates))
    }
}

/// The unit of how many edits of a picture are left.
pub struct EditCount;
impl Unit for EditCount {
    const NAME: &'static str = "edits";
    const UNIT: &'static str = "edits";
    const LOW: f32 = 0.0;
    const HIGH: f32 = 100.0;
}

/// Regions that edits may be chosen from: see [`Flow::candidates`].
pub struct Candidates<'s>(pub(super) Collection<'s, Region>);

/// What comes or leaves.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Considered {
    Picture(Image, ContentHash),
    Candidate(Region),
}

/// What becomes of an edit that is tried.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Tried {
    Chosen(Edit),
    Ended(Ended),
}

/// A picture and its candidates, as of the last complete epoch.
#[derive(Default)]
struct PictureAndCandidates {
    picture: Option<(Image, ContentHash)>,
    candidates: BTreeMap<u16, Region>,
}

impl<'s, R: Row> Flow<'s, R> {
    /// The pictures as they are, and a flow of the edits that `chooser` chooses for them among the candidates.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::lane::Mode;
    /// use threshflow::flow::PieceVerdict;
    /// use threshflow::row::Of;
    ///
    /// let lab = Lab::new(Mode::Ask);
    /// let finder = lab.stage(finder());
    /// let engine = run(pictures([5, 30]), move |images, _| {
    ///     let (pictures, regions) = images.ask(&finder).regions(&finder);
    ///     let (pictures, edits) = pictures.edits(regions.candidates(), &std::sync::Arc::new(TakeFirst));
    ///     pictures.with(regions).with_edits(edits).finish()
    /// });
    /// let edits: Vec<&PieceVerdict> = engine.verdicts().pieces(Of::Edits).map(|(_, edit)| edit).collect();
    /// let refused = |edit: &&&PieceVerdict| matches!(edit, PieceVerdict::Refused(_));
    /// assert_eq!(edits.len(), 2);
    /// assert_eq!(edits.iter().filter(refused).count(), 1, "the picture without a region has nothing to edit");
    /// ```
    pub fn edits(self, candidates: Candidates<'s>, chooser: &Arc<impl Chooser>) -> (Self, Flow<'s, Edit>) {
        let pictures = self.rows.clone().map(|row| Considered::Picture(row.image().clone(), row.content()));
        let considered = pictures.concat(candidates.0.map(Considered::Candidate));
        let (name, chooser, mut standing) = (chooser.name(), chooser.clone(), HashMap::new());
        let tried = at_complete_epochs("Choose", considered, move |changes, said| {
            reconsider(&*chooser, &mut standing, changes, said);
        });
        let rows = tried.clone().flat_map(|tried| match tried {
            Tried::Chosen(edit) => Some(edit),
            Tried::Ended(_) => None,
        });
        let ended = tried.flat_map(|tried| match tried {
            Tried::Ended(ended) => Some(ended),
            Tried::Chosen(_) => None,
        });
        self.wired.borrow_mut().push(Wired::Choose { stage: name });
        let edits = self.beside(rows, ended);
        (self, edits)
    }

    /// Joins the edits to their pictures: they are published with them, and counted. What ended of them ends here.
    ///
    /// ```
    /// use threshflow::flow::example::*;
    /// use threshflow::lane::Mode;
    ///
    /// let lab = Lab::new(Mode::Ask);
    /// let finder = lab.stage(finder());
    /// let engine = run(pictures([5, 30]), move |images, dial| {
    ///     let (pictures, regions) = images.ask(&finder).regions(&finder);
    ///     let (pictures, edits) = pictures.edits(regions.candidates(), &std::sync::Arc::new(TakeFirst));
    ///     pictures.with(regions).with_edits(edits).gate(&dial.edits).finish()
    /// });
    /// assert_eq!(kept(&engine), [1]);
    /// assert_eq!(engine.score_names(), ["boxes", "regions", "edits"]);
    /// ```
    pub fn with_edits<Q: Row>(self, edits: Flow<'s, Q>) -> Flow<'s, Scored<R, EditCount>> {
        self.joined(edits)
    }
}

/// Works off an epoch: every picture that was touched takes back what was chosen for it, and is chosen for anew.
fn reconsider(
    chooser: &impl Chooser,
    standing: &mut HashMap<RowId, PictureAndCandidates>,
    mut changes: Changes<Considered>,
    said: &mut Changes<Tried>,
) {
    let id = |considered: &Considered| match considered {
        Considered::Picture(image, _) => image.id,
        Considered::Candidate(region) => region.image.id,
    };
    let touched: BTreeSet<RowId> = changes.iter().map(|(considered, _)| id(considered)).collect();
    for id in &touched {
        if let Some(standing) = standing.get(id) {
            standing.say(chooser, -1, said);
        }
    }
    // What leaves first: a picture may come back in the same epoch with another answer.
    changes.sort_by_key(|(_, diff)| *diff);
    for (considered, diff) in changes {
        let standing = standing.entry(id(&considered)).or_default();
        match (considered, diff > 0) {
            (Considered::Picture(image, content), true) => standing.picture = Some((image, content)),
            (Considered::Picture(..), false) => standing.picture = None,
            (Considered::Candidate(region), true) => drop(standing.candidates.insert(region.number, region)),
            (Considered::Candidate(region), false) => drop(standing.candidates.remove(&region.number)),
        }
    }
    for id in touched {
        let Some(stands) = standing.get(&id) else { continue };
        stands.say(chooser, 1, said);
        if stands.picture.is_none() && stands.candidates.is_empty() {
            standing.remove(&id);
        }
    }
}

impl PictureAndCandidates {
    fn say(&self, chooser: &impl Chooser, diff: isize, said: &mut Changes<Tried>) {
        let Some((image, picture)) = &self.picture else { return };
        let regions: Vec<Region> = self.candidates.values().cloned().collect();
        let chosen = chooser.choose(image, &regions);
        let found = Why::Found(Of::Edits, chosen.len() as u16);
        said.push((Tried::Ended(Ended::of(Place::picture(image.id), found)), diff));
        for chosen in chosen {
            let number = chosen.number;
            let tried = match chosen.edit(image, *picture, &regions) {
                Ok(edit) => Tried::Chosen(edit),
                Err(refusal) => {
                    let why = Why::Refused(Box::new(Refused { stage: chooser.name().into(), refusal }));
                    Tried::Ended(Ended::of(Place::edit(image.id, number), why))
                }
            };
            said.push((tried, diff));
        }
    }
}

#[cfg(test)]
mod tests;
