//! Servers that fail often.

use tests::fakes::models::Models;

use crate::desk::{Desk, asked};

#[test]
fn smoke() {
    let desk = Desk::new();
    let models = Models::start();
    let begin = std::time::Instant::now();
    let report = desk.run(&models, "");
    println!("{} {:?} {:?}", report.summary, asked(&report), begin.elapsed());
    println!("{} answers", models.answers());
    let begin = std::time::Instant::now();
    let report = desk.run(&models, "");
    println!("{:?} {:?}", asked(&report), begin.elapsed());
}
