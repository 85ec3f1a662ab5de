//! Released folders of made-up edits, written, written again, and checked.

mod croissant;
mod embedded;
mod faults;
mod made_up;
mod python;
mod writing;
