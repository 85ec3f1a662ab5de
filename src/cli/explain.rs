//! `explain`: the history of one row, read from what is published.

use std::collections::BTreeMap;
use std::path::Path;

use super::buckets::look_for_now;
use super::{Failure, ObjectOptions, Output, print_json};
use crate::publish::{self, Ended, Explained, ExplainedPiece, PieceEnded, PublishedDial, PublishedStage};
use crate::row::Of;

pub(super) fn explain(
    (place, store): (&Path, Option<&Path>),
    shard: Option<&str>,
    key: &str,
    output: Output,
) -> Result<(), Failure> {
    // A folder's files say everything. Of a bucket the store may have a mirror; what it has not is fetched for the time being.
    let store = store.unwrap_or(Path::new("store"));
    let looked = look_for_now(place, store, &ObjectOptions::default().reader())?;
    explain_in(&looked.folder, shard, key, output).map_err(|failure| looked.told(failure))
}

fn explain_in(out: &Path, shard: Option<&str>, key: &str, output: Output) -> Result<(), Failure> {
    let found = match shard {
        Some(shard) => publish::find_verdict_in(out, shard, key)?,
        None => publish::find_verdict(out, key)?,
    };
    let Some(explained) = found else {
        let whole = shard.map_or(key.to_owned(), |shard| format!("{shard}/{key}"));
        let near = publish::near_keys(out, &whole)?;
        let hint = if near.is_empty() { String::new() } else { format!("; near it: {}", near.join(", ")) };
        return Err(Failure::Usage(format!(
            "{whole}: no row of that key is published in {}{hint}. A key is written SHARD/KEY, as in the columns \
             `shard` and `key`, or --shard SHARD KEY",
            out.display()
        )));
    };
    match output {
        Output::Json => print_json(&as_json(&explained)),
        Output::Text => {
            crate::say!("{}", story(&explained).trim_end());
            Ok(())
        }
    }
}

fn as_json(explained: &Explained) -> serde_json::Value {
    let mut told = serde_json::json!({
        "shard": explained.shard, "key": explained.key, "ended": end_as_json(&explained.ended),
        "sidecar_error": explained.sidecar_error,
    });
    for (of, pieces) in pieces(explained) {
        if pieces.is_empty() {
            continue;
        }
        let piece = |piece: &ExplainedPiece| {
            let mut ended = match &piece.ended {
                PieceEnded::Kept => serde_json::json!({ "verdict": "kept" }),
                PieceEnded::WithPicture => serde_json::json!({ "verdict": "picture_rejected" }),
                PieceEnded::Rejected(ended) => end_as_json(ended),
            };
            if matches!(piece.ended, PieceEnded::Kept) || !piece.scores.is_empty() {
                ended["scores"] = serde_json::json!(by_name(&piece.scores));
            }
            serde_json::json!({ of.singular(): piece.number, "ended": ended })
        };
        told[of.plural()] = pieces.iter().map(piece).collect::<Vec<_>>().into();
    }
    told
}

fn pieces(explained: &Explained) -> [(Of, &[ExplainedPiece]); 2] {
    [(Of::Regions, &explained.regions), (Of::Edits, &explained.edits)]
}

fn by_name(scores: &[(String, f32)]) -> BTreeMap<String, f32> {
    scores.iter().cloned().collect()
}

fn end_as_json(ended: &Ended) -> serde_json::Value {
    match ended {
        Ended::Kept(kept) => serde_json::json!({
            "verdict": "kept", "picture": kept.picture, "offset": kept.offset, "length": kept.length,
            "width": kept.width, "height": kept.height, "caption": kept.caption,
            "scores": by_name(&kept.scores),
        }),
        Ended::Gated { dial, score, threshold } => {
            serde_json::json!({ "verdict": "gated", "dial": dial, "score": score, "threshold": threshold })
        }
        Ended::Refused { stage, class, message } => {
            serde_json::json!({ "verdict": "refused", "stage": stage, "class": class, "message": message })
        }
    }
}

/// Stage by stage, up to where the row ended.
fn story(explained: &Explained) -> String {
    let mut story = format!("{}/{}", explained.shard, explained.key);
    if explained.shard.contains('/') || explained.key.contains('/') {
        story.push_str(&format!(" (shard {:?}, key {:?})", explained.shard, explained.key));
    }
    story.push('\n');
    let mut say = |line: String| story.extend(["  ", &line, "\n"]);
    if let Some(error) = &explained.sidecar_error {
        say(format!("not all of its sidecars could be used: {error}"));
    }
    for stage in explained.stages.iter().filter(|stage| is_of_pictures(stage)) {
        let name = match stage {
            PublishedStage::Probe => "probe",
            PublishedStage::Ask { name, .. } | PublishedStage::Choose { name } => name.as_str(),
            PublishedStage::Gate { dial, .. } => dial.as_str(),
            PublishedStage::Absent { columns, .. } => {
                say(format!("nobody was asked for {}", columns.join(", ")));
                continue;
            }
        };
        match (&explained.ended, stage) {
            (Ended::Refused { stage, class, message }, _) if stage == name => {
                say(format!("{name}: refused, {class}: {message}"));
                break;
            }
            (Ended::Gated { dial, score, threshold }, PublishedStage::Gate { open: false, .. })
                if dial == name =>
            {
                say(format!(
                    "{name}: {score} does not pass {}: held back here",
                    at(explained, dial, *threshold)
                ));
                break;
            }
            (_, PublishedStage::Gate { open: true, .. }) => {
                say(format!("{name}: passed, since a score is absent and the gate is open"));
            }
            (Ended::Kept(kept), PublishedStage::Gate { dial, .. }) => {
                let dial = explained.dials.iter().find(|known| known.name == *dial);
                let score =
                    kept.scores.iter().find(|(column, _)| dial.is_some_and(|dial| dial.name == *column));
                match (dial, score) {
                    (Some(dial), Some((_, score))) => {
                        let labels = dial.labels.as_ref().map_or(String::new(), |said| format!(" ({said})"));
                        say(format!("{name}: {score} passes {} {}{labels}", dial.comparison, dial.value));
                    }
                    _ => say(format!("{name}: passed")),
                }
            }
            (Ended::Kept(kept), PublishedStage::Probe) => {
                let (width, height) = (kept.width, kept.height);
                say(format!("{name}: {} of {width} x {height} pixels, {} bytes", kept.format, kept.length));
            }
            (_, PublishedStage::Ask { model, .. }) => say(format!("{name}: answered, by {model}")),
            _ => say(format!("{name}: passed")),
        }
    }
    match &explained.ended {
        Ended::Kept(kept) => say(format!("kept: published as {}", kept.picture)),
        _ => say("not published".to_owned()),
    }
    for (of, pieces) in pieces(explained) {
        for piece in pieces {
            let ended = piece_story(explained, piece);
            say(format!("{} {}: {ended}", of.singular(), piece.number));
        }
    }
    for other in &explained.also {
        say(format!("another row of this key ended too: {other:?}"));
    }
    story
}

/// What pieces went through is told of each piece.
fn is_of_pictures(stage: &PublishedStage) -> bool {
    match stage {
        PublishedStage::Probe => true,
        PublishedStage::Choose { .. } => false,
        PublishedStage::Ask { of, .. }
        | PublishedStage::Gate { of, .. }
        | PublishedStage::Absent { of, .. } => *of == Of::Pictures,
    }
}

fn piece_story(explained: &Explained, piece: &ExplainedPiece) -> String {
    let mut story = match &piece.ended {
        PieceEnded::Kept | PieceEnded::Rejected(Ended::Kept(_)) => "kept".to_owned(),
        PieceEnded::WithPicture => "passed everything, and its picture is not published".to_owned(),
        PieceEnded::Rejected(Ended::Gated { dial, score, threshold }) => {
            format!("held back by {dial}: {score} does not pass {}", at(explained, dial, *threshold))
        }
        PieceEnded::Rejected(Ended::Refused { stage, class, message }) => {
            format!("refused by {stage}, {class}: {message}")
        }
    };
    // Behind a semicolon where a sentence stands before them.
    let mut before = if matches!(piece.ended, PieceEnded::Kept) { ", " } else { "; it had " };
    for (name, score) in &piece.scores {
        story.push_str(&format!("{before}{name} {score}"));
        before = ", ";
    }
    story
}

fn at(explained: &Explained, dial: &str, threshold: f32) -> String {
    let known = explained.dials.iter().find(|known: &&PublishedDial| known.name == dial);
    match known {
        Some(known) => format!("{} {threshold} ({})", known.comparison, known.unit),
        None => threshold.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained() -> Explained {
        let gate = |dial: &str, of| PublishedStage::Gate { dial: dial.to_owned(), of, open: false };
        let scores = |scores: &[(&str, f32)]| {
            scores.iter().map(|(name, score)| ((*name).to_owned(), *score)).collect::<Vec<_>>()
        };
        let rejected =
            |number, ended, scores| ExplainedPiece { number, ended: PieceEnded::Rejected(ended), scores };
        let refused = Ended::Refused {
            stage: "segment".to_owned(),
            class: "no_mask".to_owned(),
            message: "nothing is in the box".to_owned(),
        };
        Explained {
            shard: "00012".to_owned(),
            key: "cat".to_owned(),
            ended: Ended::Gated { dial: "regions".to_owned(), score: 1.0, threshold: 2.0 },
            edits: Vec::new(),
            regions: vec![
                ExplainedPiece {
                    number: 0,
                    ended: PieceEnded::WithPicture,
                    scores: scores(&[("detection", 0.5), ("agreement", 0.75)]),
                },
                rejected(
                    1,
                    Ended::Gated { dial: "detection".to_owned(), score: 0.125, threshold: 0.25 },
                    scores(&[("detection", 0.125)]),
                ),
                rejected(2, refused, Vec::new()),
                ExplainedPiece {
                    number: 3,
                    ended: PieceEnded::Kept,
                    scores: scores(&[("detection", 0.75), ("agreement", 0.5)]),
                },
            ],
            also: Vec::new(),
            sidecar_error: None,
            dials: vec![PublishedDial {
                name: "detection".to_owned(),
                unit: "0 to 1".to_owned(),
                comparison: ">".to_owned(),
                value: 0.25,
                share: None,
                labels: None,
                default: 0.25,
                about: String::new(),
            }],
            stages: vec![
                PublishedStage::Probe,
                gate("detection", Of::Regions),
                gate("regions", Of::Pictures),
            ],
        }
    }

    #[test]
    fn regions_are_told_after_their_picture() {
        let told = "00012/cat\n  probe: passed\n  regions: 1 does not pass 2: held back here\n  not published\n  \
                    region 0: passed everything, and its picture is not published; it had detection 0.5, agreement 0.75\n  \
                    region 1: held back by detection: 0.125 does not pass > 0.25 (0 to 1); it had detection 0.125\n  \
                    region 2: refused by segment, no_mask: nothing is in the box\n  \
                    region 3: kept, detection 0.75, agreement 0.5\n";
        assert_eq!(story(&explained()), told);
    }

    #[test]
    fn json_has_regions_where_there_are_some() {
        let json = as_json(&explained());
        assert_eq!(json["regions"][0]["ended"]["scores"]["agreement"], 0.75);
        assert_eq!(json["regions"][0]["ended"]["verdict"], "picture_rejected");
        assert_eq!(json["regions"][1]["ended"]["dial"], "detection");
        assert_eq!(json["regions"][1]["ended"]["scores"]["detection"], 0.125);
        assert_eq!(json["regions"][2]["ended"].get("scores"), None);
        assert_eq!(json["regions"][2]["ended"]["class"], "no_mask");
        let none = as_json(&Explained { regions: Vec::new(), ..explained() });
        assert_eq!(none.get("regions"), None);
    }
}
