//! Tests of the whole room.

mod simulation;
