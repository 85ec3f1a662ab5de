//! `edit_bench` as its users run it: results and editors of their own, a judge behind an address, tables.

mod counts;
mod demo;
mod desk;
mod editors;
mod kills;
mod recorded;
mod reuse;
mod serve;
mod tables;
mod turns;
