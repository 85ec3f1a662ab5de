//! Two settings side by side: how many rows each keeps, and which rows differ. The dataflow is turned to the one and to the other, and back.

use std::collections::HashSet;

use serde_json::json;

use super::Problem;
use super::listed::{List, WithRows};
use super::order::{Dials, Order};
use super::session::Session;
use crate::dial;
use crate::flow::Setting;
use crate::publish;
use crate::row::{Place, RowId};

/// Rows that are shown of each side.
const SOME: usize = 24;

/// What a setting comes to.
struct Side {
    settings: Vec<Setting>,
    kept: HashSet<RowId>,
    undecided: HashSet<RowId>,
}

impl Session<'_> {
    /// `a` and `b` are settings: empty for what is published, `now` for where the dials stand, else `aesthetic=5;follows[remove]=0.3`, from
    /// where they stand.
    pub(super) fn compare(&mut self, a: &str, b: &str) -> Result<WithRows, Problem> {
        let (a, b) = (self.meant(a)?, self.meant(b)?);
        let order = Order::Compare { a: Dials::of(&a), b: Dials::of(&b) };
        self.together(&order, |session| session.compare_here(a, b))
    }

    pub(super) fn compare_here(&mut self, a: Vec<Setting>, b: Vec<Setting>) -> Result<WithRows, Problem> {
        let stood = self.settings.clone();
        let [a, b] = [self.side(a), self.side(b)];
        // Whatever was wrong, the dials go back.
        self.turn_to(&stood)?;
        let (a, b) = (a?, b?);
        let only = |one: &Side, other: &Side| {
            let is_other = |id: &&RowId| !other.kept.contains(id) && !other.undecided.contains(id);
            let mut rows: Vec<RowId> = one.kept.iter().filter(is_other).copied().collect();
            rows.sort_unstable();
            let every = rows.len().div_ceil(SOME).max(1);
            let shown =
                rows.iter().step_by(every).map(|id| Ok((0.0, self.listed(Place::picture(*id), None)?)));
            (rows.len(), shown.collect::<Result<Vec<_>, Problem>>())
        };
        let ((count_a, only_a), (count_b, only_b)) = (only(&a, &b), only(&b, &a));
        let undecided = a.undecided.union(&b.undecided).count();
        let counts =
            [a.kept.len(), a.undecided.len(), b.kept.len(), b.undecided.len(), undecided, count_a, count_b];
        let counts = self.sum(counts.map(|count| count as u64).to_vec())?;
        let flags = |side: &Side| super::view::flags(self.pipeline.dials, &side.settings);
        let answer = json!({
            "version": self.version, "undecided": counts[4],
            "a": { "kept": counts[0], "undecided": counts[1], "flags": flags(&a) },
            "b": { "kept": counts[2], "undecided": counts[3], "flags": flags(&b) },
            "only_a": { "count": counts[5], "rows": null }, "only_b": { "count": counts[6], "rows": null },
        });
        let list = |at, rows| List { at, rows, most: SOME, is_spread: true };
        Ok(self.with_rows(answer, vec![list("/only_a/rows", only_a?), list("/only_b/rows", only_b?)]))
    }

    fn meant(&self, text: &str) -> Result<Vec<Setting>, Problem> {
        match text.trim() {
            "now" => Ok(self.settings.clone()),
            "" => {
                let dials = publish::dials_of(&self.options.out).map_err(super::rows::Failed::from)?;
                let dials = dials.ok_or_else(|| {
                    Problem::not_now("nothing is published yet; name settings, or now".into())
                })?;
                let specs = self.pipeline.dials.iter();
                let at = |name: &str| dials.iter().find(|dial| dial.name == name).map(|dial| dial.value);
                Ok(specs.map(|spec| Setting::At(at(spec.name).unwrap_or(spec.default))).collect())
            }
            texts => {
                let texts: Vec<String> = texts.split(';').map(|text| text.trim().to_owned()).collect();
                dial::settings_from(self.pipeline.dials, &self.settings, &texts)
                    .map_err(|error| Problem::bad(error.to_string()))
            }
        }
    }

    fn side(&mut self, settings: Vec<Setting>) -> Result<Side, Problem> {
        self.turn_to(&settings)?;
        let verdicts = self.opened.engine.verdicts();
        let kept = verdicts.kept().collect();
        let undecided = self.opened.engine.undecided_pictures().into_iter().collect::<HashSet<_>>();
        Ok(Side { settings, kept, undecided })
    }
}
