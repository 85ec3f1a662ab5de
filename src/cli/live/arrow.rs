//! Rows for a notebook: which rows stand where, with their scores, as an Arrow stream.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Problem;
use super::order::Order;
use super::rows::Id;
use super::session::Session;
use super::together::Beside;
use crate::publish::{StreamColumn, arrow_stream};
use crate::row::{Place, RowId, Verdict};
use crate::shard::Catalogue;

/// Which rows are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Those of the other processes.
    others: Option<Beside>,
}

/// Columns by name, of one length.
pub(super) type Columns = Vec<(String, StreamColumn)>;

impl Session<'_> {
    /// The pictures that stand so; of those that are held back, where `dial` is given, those that this one holds back.
    pub(super) fn rows(&mut self, which: Which, dial: Option<String>) -> Result<Rows, Problem> {
        dial.as_ref().map(|dial| self.dial(dial)).transpose()?;
        let order = Order::Rows { which, dial: dial.clone() };
        self.together(&order, |session| session.rows_here(which, dial.as_deref()))
    }

    pub(super) fn rows_here(&mut self, which: Which, dial: Option<&str>) -> Result<Rows, Problem> {
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
        let others = self.beside();
        Ok(Rows { catalogue: self.opened.catalogue.clone(), names, score_names, rows, others })
    }
}

impl Rows {
    /// As an Arrow stream.
    pub(super) fn write(mut self) -> Result<Vec<u8>, Problem> {
        let others = self.others.take().map_or(Ok(Vec::new()), |others| others.all::<Columns>())?;
        let mut columns = self.columns().map_err(Problem::failed)?;
        for other in others {
            for ((_, column), (_, more)) in columns.iter_mut().zip(other) {
                column.append(more).map_err(Problem::failed)?;
            }
        }
        arrow_stream(columns).map_err(Problem::failed)
    }

    /// Shards that are closed are opened.
    pub(super) fn columns(self) -> Result<Columns, String> {
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
        Ok(columns)
    }
}
