//! Publishing from a session: what `run` would publish with these dials.

use serde_json::{Value, json};

use super::Problem;
use super::order::Order;
use super::session::Session;
use crate::cli::Failure;
use crate::cli::cluster::publish_together;
use crate::cli::publishing::{Then, publish_settled};
use crate::flow::Setting;

impl Session<'_> {
    /// Publishes the set as it stands, by the rules of a run. Nothing may be undecided.
    pub(super) fn publish(&mut self) -> Result<Value, Problem> {
        if self.apply.is_some() {
            return Err(Problem::not_now("questions are being asked; wait for that, or stop it".into()));
        }
        self.together(&Order::Publish, |session| session.publish_here())
    }

    pub(super) fn publish_here(&mut self) -> Result<Value, Problem> {
        let options = self.options;
        let not_now = |failure: Failure| Problem::not_now(options.told(failure).to_string());
        // What could not be sent before is not what is published: what follows is judged by what is.
        let begun = if self.leads() { options.begin().map(drop) } else { Ok(()) };
        self.agree_on(begun.map_err(|error| not_now(error.into())))?;
        let undecided = self.opened.engine.undecided_pictures().len() as u64;
        let undecided: u64 = self.gather(undecided)?.into_iter().sum();
        if undecided > 0 {
            return Err(Problem::not_now(format!(
                "{undecided} pictures are undecided: questions about them, their regions or their edits were not asked; apply first, or move the \
                 dials back"
            )));
        }
        self.note()?;
        // What keeps a run from publishing keeps a session from it, too: it is no fault of the session.
        let gone = self.gone().map_err(not_now)?;
        let wanted: Vec<Setting> = self.settings.clone();
        let stages = self.lanes().status();
        let (options, pipeline, what) = (self.options, self.pipeline, (wanted.as_slice(), gone));
        let done = match self.cluster() {
            None => publish_settled(options, pipeline, &mut self.opened, what, &stages, Then::GoOn),
            Some(_) => {
                let done = publish_together(options, pipeline, &mut self.opened, what, &stages, Then::GoOn);
                let agreed = self.agree(done.as_ref().map(|_| ()).map_err(Failure::clone));
                agreed.and(done)
            }
        };
        let report = done.map_err(|failure| self.of_a_changed_shard(failure))?;
        // What was published stands, whatever failed behind it.
        self.look_at_what_is_published()?;
        self.tell()?;
        self.events.tell("published", &json!({ "rows": self.all().published }));
        report.check().map_err(not_now)?;
        let committed = report.committed.as_ref();
        let parts = |count: Option<usize>| count.unwrap_or(0);
        Ok(json!({
            "published": { "rows": report.summary.kept, "at": self.published_at.map(super::rfc3339) },
            "written": parts(committed.map(|done| done.parts_written)),
            "removed": parts(committed.map(|done| done.parts_removed)),
            "kept_parts": parts(committed.map(|done| done.parts_unchanged)),
            "summary": report.summary.to_string(),
        }))
    }

    /// A shard may change at any time while a session runs: it says what comes of that here.
    fn of_a_changed_shard(&self, failure: Failure) -> Problem {
        let Failure::NotNow(text) = failure else { return failure.into() };
        Problem::not_now(match self.opened.rows_in.is_some() {
            true => format!(
                "{text} (the session looks at a shard that changed by itself: publish again in a moment)"
            ),
            false => format!(
                "{text} (this session does not look at changes: end it, and start it again; --watch would have)"
            ),
        })
    }
}
