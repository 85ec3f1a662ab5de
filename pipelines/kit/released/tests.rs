//! Released folders of made-up edits, written, written again, and checked.

mod bucket;
mod croissant;
mod embedded;
mod faults;
mod made_up;
mod python;
mod writing;
