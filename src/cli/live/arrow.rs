//! Rows for a notebook: which rows stand where, with their scores, as an Arrow stream.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use super::Problem;
use super::rows::Id;
use super::session::Session;
use crate::publish::{StreamColumn, arrow_stream};
use crate::row::{Place, RowId, Verdict};
use crate::shard::Catalogue;

/// Which rows are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    All,
    Kept,
    Gated,
    Refused,
    Undecided,
    Enter,
    Leave,
}

impl FromStr for Which {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        Ok(match text {
            "all" => Which::All,
            "kept" => Which::Kept,
            "gated" => Which::Gated,
            "refused" => Which::Refused,
            "undecided" => Which::Undecided,
            "enter" => Which::Enter,
            "leave" => Which::Leave,
            _ => {
                return Err(Problem::bad(format!(
                    "which={text}: it takes all, kept, gated, refused, undecided, enter or leave"
                )));
            }
        })
    }
}

struct Row {
    id: RowId,
    published: bool,
    /// `None`: it is undecided, at that stage.
    stands: Result<Verdict, &'static str>,
}

/// Rows, before their keys are looked up.
pub(super) struct Rows {
    catalogue: Arc<Catalogue>,
    /// The shards' names, by number.
    names: BTreeMap<u32, String>,
    score_names: Vec<&'static str>,
    rows: Vec<Row>,
}

impl Session<'_> {
    /// The pictures that stand so; of those that are held back, where `dial` is given, those that this one holds back.
    pub(super) fn rows(&self, which: Which, dial: Option<&str>) -> Result<Rows, Problem> {
        if let Some(dial) = dial {
            self.dial(dial)?;
        }
        let verdicts = self.opened.engine.verdicts();
        let names: BTreeMap<u32, String> =
            self.opened.shards.iter().map(|(name, seq)| (*seq, name.clone())).collect();
        let mut rows = Vec::new();
        for id in verdicts.all() {
            let published = verdicts.is_published(id);
            let stands = match (verdicts.of(id), verdicts.undecided_at(id)) {
                (Some(verdict), _) => Ok(verdict),
                (None, Some(stage)) => Err(stage),
                (None, None) => continue,
            };
            let kept = matches!(stands, Ok(Verdict::Kept(_)));
            let wanted = match which {
                Which::All => true,
                Which::Kept => kept,
                Which::Gated => matches!(stands, Ok(Verdict::Gated { .. })),
                Which::Refused => matches!(stands, Ok(Verdict::Refused(_))),
                Which::Undecided => stands.is_err(),
                Which::Enter => kept && !published,
                Which::Leave => published && !kept && stands.is_ok(),
            };
            let by_dial = |dial: &str| matches!(&stands, Ok(Verdict::Gated { dial: at, .. }) if *at == dial);
            if wanted && dial.is_none_or(by_dial) {
                rows.push(Row { id, published, stands });
            }
        }
        let score_names = self.opened.engine.score_names().to_vec();
        Ok(Rows { catalogue: self.opened.catalogue.clone(), names, score_names, rows })
    }
}

impl Rows {
    /// As an Arrow stream. Shards that are closed are opened.
    pub(super) fn write(self) -> Result<Vec<u8>, String> {
        let (mut ids, mut shards, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        let mut texts: [Vec<Option<String>>; 4] = Default::default();
        let (mut held_back_at, mut published) = (Vec::new(), Vec::new());
        let mut scores: Vec<Vec<Option<f32>>> = vec![Vec::new(); self.score_names.len()];
        let mut open = None;
        for Row { id, published: is_published, stands } in self.rows {
            let shard = match &open {
                Some((seq, shard)) if *seq == id.shard => Arc::clone(shard),
                _ => self.catalogue.shard(id.shard).map_err(|error| error.to_string())?,
            };
            ids.push(Some(Id(Place::picture(id)).to_string()));
            shards.push(self.names.get(&id.shard).cloned());
            keys.push(shard.index.samples.get(id.member as usize).map(|sample| sample.key.clone()));
            open = Some((id.shard, shard));
            let (verdict, stage, dial, message) = match &stands {
                Ok(Verdict::Kept(_)) => ("kept", None, None, None),
                Ok(Verdict::Gated { dial, .. }) => ("gated", None, Some((*dial).to_owned()), None),
                Ok(Verdict::Refused(refused)) => {
                    ("refused", Some(refused.stage.to_string()), None, Some(refused.refusal.to_string()))
                }
                Err(stage) => ("undecided", Some((*stage).to_owned()), None, None),
            };
            for (column, value) in texts.iter_mut().zip([Some(verdict.to_owned()), stage, dial, message]) {
                column.push(value);
            }
            held_back_at.push(if let Ok(Verdict::Gated { score, .. }) = &stands {
                Some(*score)
            } else {
                None
            });
            published.push(is_published);
            for (place, column) in scores.iter_mut().enumerate() {
                let score =
                    if let Ok(Verdict::Kept(scores)) = &stands { scores.get(place).copied() } else { None };
                column.push(score.filter(|score| !score.is_nan()));
            }
        }
        let [verdicts, stages, dials, messages] = texts;
        let text = |name: &str, values| (name.to_owned(), StreamColumn::Text(values));
        let mut columns = vec![
            text("id", ids),
            text("shard", shards),
            text("key", keys),
            text("verdict", verdicts),
            text("stage", stages),
            text("dial", dials),
            text("message", messages),
            ("held_back_at".to_owned(), StreamColumn::Float(held_back_at)),
            ("published".to_owned(), StreamColumn::Bool(published)),
        ];
        let scores = self.score_names.iter().zip(scores);
        columns.extend(scores.map(|(name, values)| ((*name).to_owned(), StreamColumn::Float(values))));
        arrow_stream(columns)
    }
}
