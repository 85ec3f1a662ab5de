//! Benchmarks of image editing. A benchmark is a definition, one file each: where its items come from, what a judge is asked about them,
//! how an answer is read, the formula of an item, and the groups and totals of its table.
//!
//! All of this is pure: nothing here asks a judge. [`Judged`] items, with the raw answers that a run collected, become a table.

mod agreement;
mod all;
mod ask;
mod bootstrap;
mod comparison;
mod complex_edit;
mod definition;
mod files;
mod gedit;
mod imgedit_basic;
mod imgedit_multiturn;
mod imgedit_uge;
mod item;
mod judged;
mod kris;
mod read;
mod render;
mod rise;
mod rubrics;
mod score;
mod sheets;
mod statistics;
mod table;
mod turns;
mod upstream_files;

pub use agreement::{Agreement, Graded, Measures, People, SheetError, graded};
pub use all::{all, by_name};
pub use ask::{Ask, Form, Part};
pub use bootstrap::{CONFIDENCE, Estimate, RESAMPLES};
pub use comparison::{Comparison, Differ, Pair, Paired};
pub use definition::{Benchmark, Formula, Script, Subset};
pub use imgedit_multiturn::CATEGORIES as MULTITURN_CATEGORIES;
pub use item::{Item, Items, ItemsError, Lacks, hash_of};
pub use judged::{Answer, Judged, Said};
pub use read::{Parser, Read, python_round, read};
pub use render::{Entry, Made, Tables};
pub use rubrics::{Rubrics, RubricsError};
pub use score::{Counting, ItemScore, Without, score};
pub use statistics::{cohen, fleiss, kendall, pairwise, pearson, spearman};
pub use table::{BY_GROUPS, BY_ITEMS, Part as TablePart, Passes, Row, Table};
pub use turns::{
    Chain, JUDGE, RatersAgree, Share, Turn, TurnTotals, Vote, empty_sheet, judge_agrees, opinions, turns,
    votes,
};
pub use upstream_files::UpstreamFiles;
