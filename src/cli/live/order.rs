//! What process 0 has the other processes of a session do.

use serde::{Deserialize, Serialize};

use super::Problem;
use super::arrow::Which;
use super::listed::WithRows;
use super::session::Session;
use super::watch::{Ready, Reshard};
use crate::flow::Setting;
use crate::row::Place;

/// What all do at once, each with its own rows.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Put the dials there.
    Put(Dials),
    /// Ask what is held back.
    Apply,
    /// Ask nothing more.
    Stop,
    /// Go on asking, after a pause.
    Resume,
    /// Nothing more can be asked before all is settled.
    EndRound,
    /// Ask nothing more, since that failed.
    GiveUp(String),
    /// What was under way is answered: see what came of it.
    Gather,
    /// Say how far the asking is.
    Look,
    /// Say how all stands.
    Tell,
    /// Say what ended at which stage.
    EndedAt,
    Plan,
    Histogram(usize),
    Cut {
        dial: usize,
        most: usize,
    },
    Changes {
        enter: bool,
        most: usize,
    },
    Compare {
        a: Dials,
        b: Dials,
    },
    Row(Place),
    /// Draw a row, unless what was drawn of it under this key still stands.
    Draw {
        place: Place,
        answers: u64,
        have: Option<u64>,
    },
    Rows {
        which: Which,
        dial: Option<String>,
    },
    Labels {
        dial: usize,
        most: usize,
        seed: u64,
    },
    /// Find a row at a dial's gate.
    Find {
        dial: usize,
        place: Place,
    },
    Estimates(usize),
    /// Say which labelled rows are there: of one dial, or of all.
    Labelled(Option<usize>),
    /// Load these shards, each in the process that has it or is to have it.
    Load(Vec<Ready>),
    /// Let rows come and leave with their shards.
    Reshard(Reshard),
    Publish,
    /// End, and remember what is under way.
    End,
}

/// Where dials are to stand, as they are written: that is exact.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Dials(Vec<String>);

impl Dials {
    pub(super) fn of(settings: &[Setting]) -> Self {
        Dials(settings.iter().map(Setting::to_string).collect())
    }

    fn settings(&self) -> Result<Vec<Setting>, Problem> {
        self.0.iter().map(|text| text.parse().map_err(Problem::failed)).collect()
    }
}

impl Session<'_> {
    /// Looks up this process's rows of a list, for the first.
    fn list_beside(&self, rows: Result<WithRows, Problem>) -> Result<(), Problem> {
        let cores = self.options.cores();
        self.look_up_beside(move || rows?.part(cores));
        Ok(())
    }

    /// Does what process 0 says and does, in another process.
    pub(super) fn perform(&mut self, order: Order) -> Result<(), Problem> {
        match order {
            Order::Put(dials) => self.put_here(dials.settings()?),
            Order::Apply => self.apply_here(),
            Order::Stop => self.stop_here(),
            Order::Resume => self.resume_here(),
            Order::EndRound => self.end_round_here(),
            Order::GiveUp(why) => self.give_up_here(&why),
            Order::Gather => self.gather_here(),
            Order::Look => self.look_here().map(drop),
            Order::Tell => Ok(self.tell()?),
            Order::EndedAt => self.ended_at_here().map(drop),
            Order::Plan => self.plan_here().map(drop),
            Order::Histogram(dial) => self.histogram_here(dial).map(drop),
            Order::Cut { dial, most } => {
                let rows = self.cut_here(dial, most);
                self.list_beside(rows)
            }
            Order::Changes { enter, most } => {
                let rows = self.changes_here(enter, most);
                self.list_beside(rows)
            }
            Order::Compare { a, b } => {
                let both = a.settings().and_then(|a| Ok((a, b.settings()?)));
                let rows = both.and_then(|(a, b)| self.compare_here(a, b));
                self.list_beside(rows)
            }
            Order::Row(place) => self.story_here(place).map(drop),
            Order::Draw { place, answers, have } => self.draw_for_the_first(place, answers, have),
            Order::Rows { which, dial } => {
                let rows = self.rows_here(which, dial.as_deref());
                self.look_up_beside(move || rows?.columns().map_err(Problem::failed));
                Ok(())
            }
            Order::Labels { dial, most, seed } => {
                let rows = self.labels_here(dial, most, seed);
                self.list_beside(rows)
            }
            Order::Find { dial, place } => self.find_here(dial, place).map(drop),
            Order::Estimates(dial) => self.estimates_here(dial).map(drop),
            Order::Labelled(dial) => self.labelled_here(dial).map(drop),
            Order::Load(names) => {
                let loading = self.load_here(names);
                self.look_up_beside(move || loading?.load(None));
                Ok(())
            }
            Order::Reshard(change) => Ok(self.reshard_here(change)?),
            Order::Publish => self.publish_here().map(drop),
            Order::End => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dials_cross_as_they_are() {
        let share = "top:12.5%".parse().unwrap();
        let settings =
            vec![Setting::At(0.1), Setting::At(f32::MIN_POSITIVE), Setting::At(16_777_217.0), share];
        let said = postcard::to_stdvec(&Order::Put(Dials::of(&settings))).unwrap();
        let Order::Put(dials) = postcard::from_bytes(&said).unwrap() else { panic!("another order") };
        assert_eq!(dials.settings().map_err(|problem| problem.text).unwrap(), settings);
    }
}
