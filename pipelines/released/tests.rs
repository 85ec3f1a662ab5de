//! Released folders, written and checked.
