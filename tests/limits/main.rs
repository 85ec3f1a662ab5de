//! Runs under low limits: threads, open files, memory, the size of files. Each ends soon, with the output of a run that has all it wants
//! or with an error that names the limit; and what was published before, or is published by the next run, is whole.
//!
//! A few dozen limits are met each time; `THRESHFLOW_TEST_LIMITS=all` meets every value in between.

mod sweep;
mod words;
