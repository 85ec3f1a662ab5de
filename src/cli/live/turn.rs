//! Turns of the dials: they show at once, and nothing is asked for them.

use super::Problem;
use super::order::{Dials, Order};
use super::session::Session;
use crate::cli::Failure;
use crate::cli::refusals;
use crate::dial;
use crate::flow::Setting;

impl Session<'_> {
    /// Puts dials where these texts say, each as after `--set`, and settles. Turns of one gesture are one step that can be taken back.
    pub(super) fn turn(&mut self, texts: &[String], gesture: Option<String>) -> Result<(), Problem> {
        let wanted = self.check_turn(texts)?;
        self.history.step(wanted.clone(), gesture);
        self.put(wanted)
    }

    /// Where the dials would stand; or why they cannot be put there.
    pub(super) fn check_turn(&self, texts: &[String]) -> Result<Vec<Setting>, Problem> {
        let wanted = dial::settings_from(self.pipeline.dials, &self.settings, texts)
            .map_err(|error| Problem::bad(error.to_string()))?;
        let refused = |failure: Failure| Problem::bad(failure.to_string());
        refusals::refuse_open_dials(&self.opened.engine, self.pipeline.dials, &wanted).map_err(refused)?;
        refusals::refuse_unclear_shares(&self.opened.engine, self.pipeline.dials, &wanted)
            .map_err(refused)?;
        Ok(wanted)
    }

    /// Takes a step back, or takes it again.
    pub(super) fn go(&mut self, back: bool) -> Result<(), Problem> {
        let nothing = if back { "no step to take back" } else { "no step to take again" };
        let wanted = self.history.go(back).ok_or_else(|| Problem::not_now(format!("there is {nothing}")))?;
        self.put(wanted)
    }

    /// Turns the dials that stand elsewhere. Where questions are asked, they are held back meanwhile.
    fn put(&mut self, wanted: Vec<Setting>) -> Result<(), Problem> {
        self.together(&Order::Put(Dials::of(&wanted)), |session| session.put_here(wanted))
    }

    pub(super) fn put_here(&mut self, wanted: Vec<Setting>) -> Result<(), Problem> {
        self.turn_to(&wanted)?;
        self.changed = true;
        Ok(self.tell()?)
    }

    /// The same, and nobody is told.
    pub(super) fn turn_to(&mut self, wanted: &[Setting]) -> Result<(), Failure> {
        self.pause()?;
        for (dial, to) in wanted.iter().enumerate() {
            if self.settings[dial] != *to {
                let mut tick = self.ticking();
                let turned = self.opened.engine.turn(dial, *to, &mut tick);
                self.waited(turned)?;
                self.settings[dial] = *to;
            }
        }
        self.settle()
    }
}
