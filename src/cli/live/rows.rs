//! Rows as the session shows them: at a dial's cut, entering and leaving, and one by one.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::listed::{self, List, WithRows};
use super::order::Order;
use super::session::Session;
use super::{Problem, exact};
use crate::flow::{PieceVerdict, Wired};
use crate::row::{Of, Place, RowId, Verdict};
use crate::shard::Sample;

/// While questions are asked, the rows at a cut are looked up this often: each look holds the questions back for a moment.
const LOOKS_WHILE_ASKING: Duration = Duration::from_secs(1);

/// The most rows that are shown at once.
pub(super) const MOST_ROWS: usize = 200;

/// A row by its numbers, as text: `0-17`, `0-17.r3` of a region, `0-17.e2` of an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id(pub Place);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { id, of, number } = self.0;
        write!(f, "{}-{}", id.shard, id.member)?;
        match of {
            Of::Pictures => Ok(()),
            Of::Regions => write!(f, ".r{number}"),
            Of::Edits => write!(f, ".e{number}"),
        }
    }
}

impl FromStr for Id {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let parse = || {
            let (picture, piece) = text.split_once('.').map_or((text, None), |(id, piece)| (id, Some(piece)));
            let (shard, member) = picture.split_once('-')?;
            let id = RowId { shard: number(shard)?, member: number(member)? };
            Some(match piece {
                None => Place::picture(id),
                Some(piece) if piece.starts_with('r') => Place::region(id, number(&piece[1..])?),
                Some(piece) if piece.starts_with('e') => Place::edit(id, number(&piece[1..])?),
                Some(_) => return None,
            })
        };
        let wrong = || Problem::bad(format!("{text:?} is no row: a row is written 0-17, 0-17.r3 or 0-17.e2"));
        parse().map(Id).ok_or_else(wrong)
    }
}

/// Plain digits, as rows are written.
fn number<N: FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

impl Session<'_> {
    /// The number of the dial of this name.
    pub(super) fn dial(&self, name: &str) -> Result<usize, Problem> {
        let dials = self.pipeline.dials;
        dials.iter().position(|spec| spec.name == name).ok_or_else(|| {
            let names: Vec<&str> = dials.iter().map(|spec| spec.name).collect();
            Problem::unknown(format!("there is no dial {name:?}; the dials are: {}", names.join(", ")))
        })
    }

    pub(super) fn histogram(&mut self, dial: usize) -> Result<Value, Problem> {
        self.together(&Order::Histogram(dial), |session| session.histogram_here(dial))
    }

    pub(super) fn histogram_here(&mut self, dial: usize) -> Result<Value, Problem> {
        let spec = &self.pipeline.dials[dial];
        let histogram = &self.opened.engine.histograms()[dial];
        let mut buckets = histogram.buckets();
        buckets.push(histogram.not_numbers());
        let mut buckets = self.sum(buckets)?;
        let not_numbers = buckets.pop();
        Ok(json!({
            "version": self.version, "dial": spec.name, "low": exact(&spec.low), "high": exact(&spec.high),
            "comparison": spec.comparison.sign(), "value": exact(&self.opened.engine.values()[dial]),
            "buckets": buckets, "not_numbers": not_numbers,
        }))
    }

    /// The rows nearest to a dial's cut.
    pub(super) fn cut(&mut self, dial: usize, most: usize) -> Result<WithRows, Problem> {
        let most = most.min(MOST_ROWS);
        let asks = self.apply.is_some();
        if asks
            && let Some((at, seen)) = self.seen_cuts.get(&(dial, most))
            && at.elapsed() < LOOKS_WHILE_ASKING
        {
            return Ok(seen.clone());
        }
        let cut = self.together(&Order::Cut { dial, most }, |session| session.cut_here(dial, most))?;
        self.seen_cuts.clear();
        if asks {
            self.seen_cuts.insert((dial, most), (Instant::now(), cut.clone()));
        }
        Ok(cut)
    }

    pub(super) fn cut_here(&mut self, dial: usize, most: usize) -> Result<WithRows, Problem> {
        let sides = self.standing_still(|session| {
            let mut tick = session.ticking();
            let nearest = session.opened.engine.nearest(dial, most, &mut tick);
            Ok(session.waited(nearest)?)
        })?;
        let value = self.opened.engine.values()[dial];
        let [above, below] = sides.map(|rows| {
            let listed = rows
                .iter()
                .map(|row| Ok(((row.score - value).abs(), self.listed(row.place, Some(row.score))?)));
            listed.collect::<Result<Vec<_>, Problem>>()
        });
        let cut = json!({
            "version": self.version, "dial": self.pipeline.dials[dial].name,
            "value": exact(&value), "above": null, "below": null,
        });
        let list = |at, rows| List { at, rows, most, is_spread: false };
        Ok(self.with_rows(cut, vec![list("/above", above?), list("/below", below?)]))
    }

    /// Rows that would enter what is published, or leave it: some of them, evenly spread.
    pub(super) fn changes(&mut self, enter: bool, most: usize) -> Result<WithRows, Problem> {
        let most = most.clamp(1, MOST_ROWS);
        self.together(&Order::Changes { enter, most }, |session| session.changes_here(enter, most))
    }

    pub(super) fn changes_here(&mut self, enter: bool, most: usize) -> Result<WithRows, Problem> {
        let verdicts = self.opened.engine.verdicts();
        let moves = verdicts.moves();
        let count = if enter { moves.enter } else { moves.leave };
        let every = count.div_ceil(most).max(1);
        let rows = verdicts.moving(enter).step_by(every).take(most);
        let rows = rows.map(|id| Ok((0.0, self.listed(Place::picture(id), None)?)));
        let rows = rows.collect::<Result<Vec<_>, Problem>>();
        let all: u64 = self.gather(count as u64)?.into_iter().sum();
        let side = if enter { "enter" } else { "leave" };
        let gone = if enter { 0 } else { self.before.gone };
        let answer =
            json!({ "version": self.version, "side": side, "count": all + gone, "gone": gone, "rows": null });
        Ok(self.with_rows(answer, vec![List { at: "/rows", rows: rows?, most, is_spread: true }]))
    }

    /// The name of a row's shard.
    pub(super) fn shard_name(&self, id: RowId) -> Result<&str, Problem> {
        let shard = self.opened.shards.iter().find(|(_, seq)| *seq == id.shard);
        let gone =
            || Problem::unknown(format!("there is no row {}: its shard is not in", Id(Place::picture(id))));
        shard.map(|(name, _)| name.as_str()).ok_or_else(gone)
    }

    /// The shard's name, and what its index says of the sample.
    pub(super) fn sample(&self, id: RowId) -> Result<(String, Sample), Problem> {
        let name = self.shard_name(id)?;
        Ok((name.to_owned(), listed::sample(&self.opened.catalogue, Place::picture(id))?))
    }

    /// Where a row or a piece stands.
    pub(super) fn verdict(&self, place: Place) -> Result<Value, Problem> {
        let verdicts = self.opened.engine.verdicts();
        let undecided = |stage: &str| json!({ "verdict": "undecided", "stage": stage });
        if place.of == Of::Pictures {
            return match (verdicts.undecided_at(place.id), verdicts.of(place.id)) {
                (Some(stage), _) => Ok(undecided(stage)),
                (None, Some(verdict)) => Ok(of_picture(&verdict)),
                (None, None) => Err(Problem::unknown(format!("there is no row {}", Id(place)))),
            };
        }
        if let Some(stage) = verdicts.piece_undecided_at(place) {
            return Ok(undecided(stage));
        }
        let pieces = verdicts.pieces_of(place.of, place.id);
        let piece = pieces.iter().find(|(number, _)| *number == place.number);
        let verdict = piece.map(|(_, verdict)| of_piece(verdict));
        verdict.ok_or_else(|| Problem::unknown(format!("there is no row {}", Id(place))))
    }

    /// The whole story of a row: where it stands, stage by stage, and its pieces.
    pub(super) fn story(&mut self, place: Place) -> Result<Value, Problem> {
        self.together(&Order::Row(place), |session| session.story_here(place))
    }

    pub(super) fn story_here(&mut self, place: Place) -> Result<Value, Problem> {
        let (process, _) = self.looking(|session| session.verdict(place))?;
        let (labels, precisions) = self.said_of(place)?;
        let has_it = self.cluster().is_none_or(|cluster| cluster.place().index == process);
        let story = |session: &mut Self| match has_it {
            true => session.story_of(place, &labels, &precisions),
            false => Ok(Value::Null),
        };
        let own = story(self);
        // It may be asked about again since it was seen.
        let left = own.as_ref().is_err_and(|problem| problem.status == 404) && self.apply.is_some();
        let own = if self.gather(left)?.contains(&true) {
            self.standing_still(|session| Ok(story(session)))?
        } else {
            own
        };
        let mut all = self.agree_on(own.map(|story| story.to_string()))?;
        serde_json::from_str(&all.swap_remove(process)).map_err(Failed::from)
    }

    fn story_of(
        &self,
        place: Place,
        labels: &[Value],
        precisions: &HashMap<&'static str, String>,
    ) -> Result<Value, Problem> {
        let id = place.id;
        let (name, sample) = self.sample(id)?;
        let verdicts = self.opened.engine.verdicts();
        let verdict = self.verdict(place)?;
        let picture = self.verdict(Place::picture(id))?;
        let pieces = Of::PIECES.into_iter().flat_map(|of| {
            let score_names = self.piece_score_names(of);
            verdicts.pieces_told(of, id).into_iter().map(move |(number, verdict, told)| {
                let place = Place { id, of, number };
                let scores: Vec<f32> = match (verdict, told) {
                    (PieceVerdict::Kept { scores, .. }, _) => scores.to_vec(),
                    (_, Some(told)) => told.scores.iter().map(|score| score.get()).collect(),
                    _ => Vec::new(),
                };
                let scores = named(score_names, &scores);
                json!({ "id": Id(place).to_string(), "verdict": of_piece(verdict), "scores": scores })
            })
        });
        let pieces: Vec<Value> = pieces.collect();
        let of_this = |piece: &&Value| piece["id"] == Id(place).to_string().as_str();
        let scores = match (place.of, verdicts.of(id)) {
            (Of::Pictures, Some(Verdict::Kept(scores))) => named(self.opened.engine.score_names(), &scores),
            (Of::Pictures, _) => json!([]),
            _ => pieces.iter().find(of_this).map_or(json!([]), |piece| piece["scores"].clone()),
        };
        let shard = self.opened.catalogue.shard(id.shard).map_err(Failed::from)?;
        let rows = shard.index.samples.len();
        // What cannot be read is told by the stages.
        let caption = shard.sidecar(id.member).ok().and_then(|sidecar| sidecar.caption);
        let neighbour = |member: Option<u32>| {
            let member = member.filter(|member| (*member as usize) < rows)?;
            Some(Id(Place::picture(RowId { member, ..id })).to_string())
        };
        Ok(json!({
            "id": Id(place).to_string(), "of": place.of.plural(), "shard": name, "key": sample.key,
            "version": self.version, "story": self.stages_of(place, &verdict, precisions), "labels": labels,
            "size": sample.picture.as_ref().ok().map(|picture| [picture.width, picture.height]),
            "caption": caption, "verdict": verdict, "picture": picture, "published": verdicts.is_published(id),
            "scores": scores, "pieces": pieces,
            "neighbours": [neighbour(id.member.checked_sub(1)), neighbour(id.member.checked_add(1))],
        }))
    }

    pub(super) fn piece_score_names(&self, of: Of) -> &[&'static str] {
        let sorts = self.opened.engine.piece_score_names().iter();
        sorts.filter(|(sort, _)| *sort == of).map(|(_, names)| names.as_slice()).next().unwrap_or_default()
    }

    /// The stages that rows of this sort meet, in order, up to where the row ended: one line each.
    fn stages_of(&self, place: Place, verdict: &Value, precisions: &HashMap<&str, String>) -> Vec<String> {
        let values: BTreeMap<&str, f32> =
            self.pipeline.dials.iter().map(|spec| spec.name).zip(self.opened.engine.values()).collect();
        let comparison = |dial: &str| {
            let spec = self.pipeline.dials.iter().find(|spec| spec.name == dial);
            spec.map_or("", |spec| spec.comparison.sign())
        };
        let is_at = |name: &str| verdict["stage"] == name || verdict["dial"] == name;
        let end = |name: &str| match verdict["verdict"].as_str() {
            Some("gated") => format!(
                "{name}: {} is not {} {}: held back here",
                verdict["score"],
                comparison(name),
                values.get(name).copied().unwrap_or(f32::NAN)
            ),
            Some("refused") => {
                format!("{name}: refused, {}: {}", text(&verdict["class"]), text(&verdict["message"]))
            }
            _ => format!("{name}: not asked yet"),
        };
        let mut lines = Vec::new();
        if place.of == Of::Pictures {
            if is_at("probe") {
                return vec![end("probe")];
            }
            lines.push("probe: a picture".to_owned());
        }
        for step in self.opened.engine.wired() {
            let (name, of, line) = match step {
                Wired::Ask { stage, of, model, .. } => (*stage, *of, format!("{stage}: asked {model}")),
                Wired::Gate { dial, of, open: true, .. } => {
                    (*dial, *of, format!("{dial}: open, its score is absent"))
                }
                Wired::Gate { dial, of, .. } => {
                    let value = values.get(dial).copied().unwrap_or(f32::NAN);
                    let precision = precisions.get(dial).map_or(String::new(), |said| format!(" ({said})"));
                    (*dial, *of, format!("{dial}: passes {} {value}{precision}", comparison(dial)))
                }
                Wired::Absent { columns, of } => {
                    ("", *of, format!("nobody is asked for {}", columns.join(", ")))
                }
                Wired::Choose { stage } => (*stage, Of::Edits, format!("{stage}: chosen")),
            };
            if of != place.of {
                continue;
            }
            if !name.is_empty() && is_at(name) {
                lines.push(end(name));
                return lines;
            }
            // A dial of another group is met by other rows.
            let spec = self.pipeline.dials.iter().find(|spec| spec.name == name);
            if spec.is_none_or(|spec| spec.group.is_none()) {
                lines.push(line);
            }
        }
        lines.push(if verdict["verdict"] == "kept" { "kept".to_owned() } else { text(&verdict["verdict"]) });
        lines
    }
}

/// An error of the shards, told to who asked.
pub(super) struct Failed;

impl Failed {
    pub(super) fn from(error: impl fmt::Display) -> Problem {
        Problem::failed(error.to_string())
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Pairs of name and value; a value that is no number is null.
pub(super) fn named(names: &[&str], scores: &[f32]) -> Value {
    names.iter().zip(scores).map(|(name, score)| json!([name, exact(score)])).collect()
}

fn of_picture(verdict: &Verdict) -> Value {
    match verdict {
        Verdict::Kept(_) => json!({ "verdict": "kept" }),
        Verdict::Gated { dial, score } => json!({ "verdict": "gated", "dial": dial, "score": exact(score) }),
        Verdict::Refused(refused) => of_refused(refused),
    }
}

fn of_piece(verdict: &PieceVerdict) -> Value {
    match verdict {
        PieceVerdict::Kept { .. } => json!({ "verdict": "kept" }),
        PieceVerdict::Gated { dial, score } => {
            json!({ "verdict": "gated", "dial": dial, "score": exact(score) })
        }
        PieceVerdict::Refused(refused) => of_refused(refused),
    }
}

fn of_refused(refused: &crate::row::Refused) -> Value {
    json!({
        "verdict": "refused", "stage": refused.stage, "class": refused.refusal.class, "message": refused.refusal.message,
        "for_now": !refused.refusal.is_permanent(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_they_are_written() {
        let id = RowId { shard: 3, member: 17 };
        for (text, place) in [
            ("3-17", Place::picture(id)),
            ("3-17.r4", Place::region(id, 4)),
            ("3-17.e65535", Place::edit(id, 65535)),
        ] {
            assert_eq!(text.parse::<Id>().map_err(|error| error.text).unwrap(), Id(place));
            assert_eq!(Id(place).to_string(), text);
        }
        for text in [
            "",
            "3",
            "3-",
            "-1-2",
            "+3-17",
            "3-17.",
            "3-17.x1",
            "3-17.r",
            "3-17.r65536",
            "3-17.é",
            "3-17/../x",
        ] {
            assert!(text.parse::<Id>().is_err(), "{text}");
        }
    }
}
