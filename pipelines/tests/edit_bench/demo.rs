//! The demo: of three editors, the embedded judge likes the one best that does what is asked, in every type.

use benchmarks::{Counting, Table};
use pipelines::edit_bench_stages::bench::load_all;
use pipelines::edit_bench_stages::demo_items::TYPES;
use tests::program::ended;

use crate::desk::Desk;

#[test]
fn the_demo_ranks_its_three_editors_right_in_every_type() {
    let desk = Desk::of(100);
    let demo = ended(&mut desk.program(&["demo".to_owned(), "--folder=demo".to_owned()])).expect(0, &[]);
    assert!(demo.stdout.contains("overall (mean over items)"), "{}", demo.stdout);
    assert!(desk.path("demo/bench.html").is_file());
    let runs = load_all(&desk.path("demo/bench")).expect("are read");
    let table = |name: &str| {
        let run =
            runs.iter().find(|run| run.about.name == name).unwrap_or_else(|| panic!("{name} was not run"));
        Table::of(run.benchmark().expect("is known"), &run.judged, Counting::default())
    };
    let [right, wrong, nothing] = ["embedded", "wrong-object", "no-op"].map(table);
    for edit_type in TYPES {
        let mean = |table: &Table| table.groups["type"][edit_type].mean.expect("is scored").value;
        let [right, wrong, nothing] = [&right, &wrong, &nothing].map(mean);
        // By a point of five, that is, by what one item of three cannot make by chance.
        assert!(right >= wrong + 1.0 && right >= nothing + 1.0, "{edit_type}: {right}, {wrong}, {nothing}");
    }
    for table in [&right, &wrong, &nothing] {
        assert_eq!((table.all.row.n, table.all.row.scored, table.all.row.rule_breaking), (27, 27, 0));
    }
}
