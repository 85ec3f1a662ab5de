//! Columns: the values that a row was given on its way. A row is an image, a region or an edit, with the columns that it was given. Columns
//! are found by their type.

use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{
    ContentHash, Edit, Handle, Image, Of, PerceptualHash, Region, Row, Score, Topic, Unit, WithoutImage,
    sealed::Sealed,
};

/// What a row can be given: a [`Score`], [scores by name](super::NamedScores), a [`Handle`] of an answer, a [group](super::In), or a
/// [`PerceptualHash`]. Sealed, as rows are.
pub trait Column:
    Sealed + Clone + Ord + Hash + fmt::Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
    /// The unit's name, or the topic's. A row has one column of a name.
    const NAME: &'static str;
    const KIND: ColumnKind = ColumnKind::Other;

    /// Shows `see` the numbers that are published of it.
    fn see_scores(&self, _see: &mut dyn FnMut(f32)) {}
    /// What questions about the row are keyed by from here on, where they were keyed by `content` before. Scores and perceptual
    /// hashes shape no question.
    fn mix(&self, content: ContentHash) -> ContentHash {
        content
    }
}

impl<U: Unit> Sealed for Score<U> {}
impl<U: Unit> Column for Score<U> {
    const NAME: &'static str = U::NAME;
    const KIND: ColumnKind = ColumnKind::Score;

    fn see_scores(&self, see: &mut dyn FnMut(f32)) {
        see(self.get());
    }
}

impl<T: Topic> Sealed for Handle<T> {}
impl<T: Topic> Column for Handle<T> {
    const NAME: &'static str = T::NAME;

    fn mix(&self, content: ContentHash) -> ContentHash {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&content.0).update(T::NAME.as_bytes()).update(&self.bytes());
        ContentHash::from_hasher(&hasher)
    }
}

impl Sealed for PerceptualHash {}
impl Column for PerceptualHash {
    const NAME: &'static str = "perceptual_hash";
}

/// A row and one column more.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(bound = "R: Row, C: Column")]
pub struct With<R, C> {
    pub row: R,
    pub column: C,
}

/// A row and the score it was given: what a gate takes.
pub type Scored<R, U> = With<R, Score<U>>;
/// A row and the handle of what an answer says of it. Questions about all that the row says are other questions than those
/// about the row before.
pub type WithHandle<R, T> = With<R, Handle<T>>;
/// A row and its picture's perceptual hash.
pub type Hashed<R> = With<R, PerceptualHash>;

impl<R, C> With<R, C> {
    pub fn new(row: R, column: C) -> Self {
        With { row, column }
    }
}

impl<R: fmt::Debug, C: Column> fmt::Debug for With<R, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}={:?}", self.row, C::NAME, self.column)
    }
}

impl<R: Row, C: Column> Sealed for With<R, C> {}
impl<R: Row, C: Column> Row for With<R, C> {
    const OF: Of = R::OF;
    type WithoutImage = With<R::WithoutImage, C>;

    fn image(&self) -> &Image {
        self.row.image()
    }
    fn region(&self) -> Option<&Region> {
        self.row.region()
    }
    fn edit(&self) -> Option<&Edit> {
        self.row.edit()
    }
    fn content(&self) -> ContentHash {
        self.column.mix(self.row.content())
    }
    fn see_scores(&self, see: &mut dyn FnMut(f32)) {
        self.row.see_scores(see);
        self.column.see_scores(see);
    }
    fn columns() -> Vec<ColumnName> {
        let mut columns = R::columns();
        columns.push(ColumnName { name: C::NAME, kind: C::KIND });
        columns
    }
    fn without_image(&self) -> Self::WithoutImage {
        With { row: self.row.without_image(), column: self.column.clone() }
    }
    fn with_image(without: &Self::WithoutImage, image: Image) -> Self {
        With { row: R::with_image(&without.row, image), column: without.column.clone() }
    }
}

impl<R: WithoutImage, C: Column> WithoutImage for With<R, C> {
    fn id(&self) -> super::RowId {
        self.row.id()
    }
}

/// A column of a type of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnName {
    pub name: &'static str,
    pub kind: ColumnKind,
}

/// What a column publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnKind {
    /// A number, under the column's name.
    Score,
    /// Numbers, each under a name that the flow knows.
    NamedScores,
    /// Nothing.
    Other,
}

/// The column that was given last.
pub struct Here;
/// A column that was given earlier.
pub struct Below<I>(PhantomData<I>);

/// A row that has the column `C`. The compiler finds where it stands, and that is `I`: leave it to be inferred.
///
/// A row that has no such column is an error of the compiler, and so is one that has two, since none of them is meant.
///
/// ```compile_fail,E0277
/// use threshflow::prelude::*;
/// use threshflow::row::Has;
/// # struct Sharp;
/// # impl Unit for Sharp {
/// #     const NAME: &'static str = "sharp";
/// #     const UNIT: &'static str = "0 to 1";
/// #     const LOW: f32 = 0.0;
/// #     const HIGH: f32 = 1.0;
/// # }
/// // Nothing has scored the images yet: "this row has no `Score<Sharp>` yet".
/// fn too_early<'s>(images: Flow<'s, Image>, dial: &Dial<'s, Sharp>) -> Flow<'s, Image> {
///     images.gate(dial)
/// }
/// ```
///
/// ```compile_fail,E0283
/// # use threshflow::prelude::*;
/// # use threshflow::row::{Has, Scored};
/// # struct Sharp;
/// # impl Unit for Sharp {
/// #     const NAME: &'static str = "sharp";
/// #     const UNIT: &'static str = "0 to 1";
/// #     const LOW: f32 = 0.0;
/// #     const HIGH: f32 = 1.0;
/// # }
/// type Twice = Scored<Scored<Image, Sharp>, Sharp>;
/// fn which<'s>(images: Flow<'s, Twice>, dial: &Dial<'s, Sharp>) -> Flow<'s, Twice> {
///     images.gate(dial)
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "this row has no `{C}` yet",
    label = "nothing has given the row a `{C}` before this line",
    note = "`ask` the stage that gives it, or take the step with `each` that does, further up in the flow"
)]
pub trait Has<C, I>: Row {
    fn get(&self) -> &C;
    /// The same of a row without its image.
    fn get_without_image(without: &Self::WithoutImage) -> &C;
}

impl<R: Row, C: Column> Has<C, Here> for With<R, C> {
    fn get(&self) -> &C {
        &self.column
    }
    fn get_without_image(without: &Self::WithoutImage) -> &C {
        &without.column
    }
}

impl<R: Has<C, I>, C, D: Column, I> Has<C, Below<I>> for With<R, D> {
    fn get(&self) -> &C {
        self.row.get()
    }
    fn get_without_image(without: &Self::WithoutImage) -> &C {
        R::get_without_image(&without.row)
    }
}
