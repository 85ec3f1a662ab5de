//! What a summary says.

use super::*;
use crate::row::{Place, Refusal, RowId};

fn summary(wiring: &[StageDescription], verdicts: &Verdicts) -> Summary {
    let dial = |name| DialSetting {
        name,
        group: None,
        unit: "",
        comparison: ">",
        value: 0.25,
        share: None,
        default: 0.25,
        labels: None,
        about: "",
    };
    Summary::of("tested", &[dial("detection"), dial("aesthetic")], verdicts, wiring, &[])
}

fn gate(dial: &'static str, of: Of) -> StageDescription {
    StageDescription::Gate { dial, of, open: false }
}

#[test]
fn regions_are_counted_apart() {
    let id = RowId { shard: 0, member: 0 };
    let mut verdicts = Verdicts::default();
    verdicts.expect(0, 1);
    let refused =
        Refused { stage: "segment".into(), refusal: Refusal::permanent("no_mask", "nothing is in the box") };
    let regions =
        [PieceVerdict::Gated { dial: "detection", score: 0.1 }, PieceVerdict::Refused(Box::new(refused))];
    verdicts.add_found(id, (Of::Regions, 2), 1);
    for (number, region) in regions.into_iter().enumerate() {
        verdicts.add_piece(Place::region(id, number as u16), region, 1);
    }
    verdicts.add_kept(id, &[], 1);
    verdicts.complete();
    let wiring = [gate("detection", Of::Regions), gate("aesthetic", Of::Pictures)];
    let summary = summary(&wiring, &verdicts);
    let text = summary.to_string();
    for line in [
        "         1 kept (100.0 %)\n         2 regions found\n",
        "         1 regions held back by detection at 0.25 (50.0 %)\n",
        "         1 regions refused by segment: no_mask (50.0 %)\n           for example: nothing is in the box\n",
        "         0 regions kept (0.0 %), 0 of them in kept pictures\n",
    ] {
        assert!(text.contains(line), "{line}\nis not in\n{text}");
    }
    assert_eq!(summary.gated.keys().collect::<Vec<_>>(), [&"aesthetic"]);
    assert_eq!(serde_json::to_value(&summary).unwrap()["regions"]["found"], 2);
}

#[test]
fn what_is_none_of_is_told_to_machines_alone() {
    let mut verdicts = Verdicts::default();
    verdicts.expect(0, 1);
    verdicts.add_kept(RowId { shard: 0, member: 0 }, &[], 1);
    verdicts.complete();
    let wiring = [gate("detection", Of::Regions), gate("aesthetic", Of::Pictures)];
    let mut summary = summary(&wiring, &verdicts);
    let asks = |asked, remembered| Asks { asked, remembered, given: 0 };
    summary.asks = [("aesthetic", asks(0, 1)), ("caption", asks(1, 0)), ("detect", asks(0, 0))].into();
    summary.models = summary.asks.keys().map(|stage| (*stage, format!("the model of {stage}"))).collect();
    summary.measure(Duration::from_secs(40));
    let text = summary.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let (last, lines) = lines.split_last().unwrap();
    assert_eq!(
        lines,
        [
            "1 rows",
            "1 kept (100.0 %)",
            "0 regions found",
            "0 asked of aesthetic, 1 remembered",
            "1 asked of caption",
            "by the model of caption",
        ]
    );
    assert!(last.starts_with("40.0 s, 90 pictures an hour, at most "), "{last}");
    let told = serde_json::to_value(&summary).unwrap();
    assert_eq!((&told["gated"]["aesthetic"], &told["asks"]["detect"]["asked"]), (&0.into(), &0.into()));
    assert_eq!(told["regions"]["gated"]["detection"], 0);
}

#[test]
fn a_pipeline_without_regions_says_nothing_of_them() {
    let wiring = [gate("detection", Of::Pictures), gate("aesthetic", Of::Pictures)];
    let summary = summary(&wiring, &Verdicts::default());
    assert!(!summary.to_string().contains("region"));
    assert_eq!(serde_json::to_value(&summary).unwrap().get("regions"), None);
    assert_eq!(summary.gated.len(), 2);
}
