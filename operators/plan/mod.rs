//! Plans: what is to be done to a picture and why this and not that, as data and pure functions. Asks nothing.

pub mod choice;
pub mod choose;
pub mod edit_plan;
pub mod edit_type;
pub mod judgement;
pub mod noun_list;
