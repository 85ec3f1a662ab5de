//! Sidecars and tars as others write them: against Python's `json` and webdataset, and as a run tells of them.

mod python;
mod runs;
