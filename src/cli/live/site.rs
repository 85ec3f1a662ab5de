//! The session over HTTP: how requests come to its thread, and answers back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use serde_json::Value;

use super::arrow::Which;
use super::drawing::{Drawing, Drawings, ToBeDrawn};
use super::listed::WithRows;
use super::rows::Id;
use super::session::{Desk, Ended};
use super::turns::{Turn, Turns};
use super::{Problem, exact, page, routes, view};
use crate::lane::lock;
use crate::web::{Request, Response, Site};

/// The session's site.
pub(super) struct LiveSite {
    desk: Desk,
    drawings: Drawings,
    /// Turns that came while one was worked off: the last value of each dial counts.
    turns: Arc<Mutex<Turns>>,
    /// For one request.
    cores: usize,
    has_metrics: bool,
}

/// What is asked of `/api/turn`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedTurn {
    dials: BTreeMap<String, Value>,
    #[serde(default)]
    gesture: Option<String>,
}

pub(super) type Answer = Result<Response, Problem>;

impl From<Ended> for Problem {
    fn from(ended: Ended) -> Self {
        Problem { status: 503, text: ended.to_string() }
    }
}

impl LiveSite {
    pub(super) fn new(desk: Desk, cores: usize, has_metrics: bool) -> Self {
        LiveSite { desk, drawings: Drawings::new(cores), turns: Arc::default(), cores, has_metrics }
    }

    /// What `work` comes to on the session's thread.
    pub(super) fn value(
        &self,
        work: impl for<'s, 'a> FnOnce(&'s mut super::session::Session<'a>) -> Result<Value, Problem>
        + Send
        + 'static,
    ) -> Answer {
        Ok(Response::json(&self.desk.ask(work)??))
    }

    /// Likewise of an answer with rows in it, whose shards are looked into on this thread.
    pub(super) fn listed(
        &self,
        work: impl for<'s, 'a> FnOnce(&'s mut super::session::Session<'a>) -> Result<WithRows, Problem>
        + Send
        + 'static,
    ) -> Answer {
        Ok(Response::json(&self.desk.ask(work)??.look_up(self.cores)?))
    }

    /// The counts, when `work` is done.
    pub(super) fn counts(
        &self,
        work: impl for<'s, 'a> FnOnce(&'s mut super::session::Session<'a>) -> Result<(), Problem> + Send + 'static,
    ) -> Answer {
        self.value(|session| {
            work(session)?;
            Ok(exact(&view::counts(session)))
        })
    }

    /// The page is no secret; how things stand is.
    pub(super) fn index(&self, request: &Request) -> Answer {
        let page = match request.has_token {
            true => self.desk.ask(|session| page::html(Some(&view::start(session))))?,
            false => page::html(None),
        };
        Ok(Response::html(page))
    }

    pub(super) fn turn(&self, turn: WantedTurn) -> Answer {
        let text = |(name, value): (String, Value)| match value {
            Value::String(text) => Ok((name, text)),
            Value::Number(number) => Ok((name, number.to_string())),
            other => {
                Err(Problem::bad(format!("{name}={other}: it takes a number, or a text such as \"top:30%\"")))
            }
        };
        let dials = turn.dials.into_iter().map(text).collect::<Result<BTreeMap<_, _>, _>>()?;
        let number = lock(&self.turns).add(Turn { dials, gesture: turn.gesture });
        let turns = self.turns.clone();
        self.counts(move |session| session.work_off(&turns, number))
    }

    /// Rows as an Arrow stream.
    pub(super) fn rows(&self, which: Which, dial: Option<String>) -> Answer {
        let rows = self.desk.ask(move |session| session.rows(which, dial))??;
        Ok(Response::bytes("application/vnd.apache.arrow.stream", rows.write()?))
    }

    pub(super) fn labels_table(&self, dial: Option<String>) -> Answer {
        let table = self.desk.ask(move |session| {
            let dial = dial.map(|dial| session.dial(&dial)).transpose()?;
            session.labels_table(dial)
        })??;
        Ok(Response::bytes("text/csv; charset=utf-8", table.into_bytes()))
    }

    pub(super) fn metrics(&self) -> Answer {
        if !self.has_metrics {
            return Err(Problem::unknown("/metrics: it was left out by --no-metrics".to_owned()));
        }
        let text = self.desk.ask(|session| super::metrics::text(session))?;
        Ok(Response::bytes("text/plain; version=0.0.4; charset=utf-8", text.into_bytes()))
    }

    pub(super) fn draw(&self, id: Id) -> Result<Arc<Drawing>, Problem> {
        let have = self.drawings.key_of(id);
        let (to_draw, key) = self.desk.ask(move |session| session.draw(id.0, have))??;
        if let Some(drawing) = self.drawings.kept(id, Some(key)) {
            return Ok(drawing);
        }
        match to_draw {
            ToBeDrawn::Here(to_draw) => self.drawings.draw(id, key, || to_draw.draw()),
            ToBeDrawn::There(process, beside) if have != Some(key) => {
                self.drawings.draw(id, key, || beside.of(process))
            }
            // It was let go of meanwhile.
            ToBeDrawn::There(..) => self.draw(id),
        }
    }

    pub(super) fn image(&self, id: Id, panel: &str) -> Answer {
        let panel =
            panel.parse().map_err(|_| Problem::unknown(format!("there is no picture {panel:?} of {id}")))?;
        let drawing = match self.drawings.kept(id, None) {
            Some(drawing) => drawing,
            None => self.draw(id)?,
        };
        let image = drawing.image(panel);
        let (media_type, bytes) =
            image.ok_or_else(|| Problem::unknown(format!("there is no picture {panel} of {id}")))?;
        Ok(Response::bytes(media_type, bytes))
    }
}

impl Site for LiveSite {
    fn answer(&self, request: &Request) -> Response {
        let answer = routes::of(request).and_then(|(route, asked)| (route.answer)(self, &asked));
        answer.unwrap_or_else(|Problem { status, text }| Response::error(status, text))
    }

    fn needs_token(&self, path: &str) -> bool {
        path != "/" && path != "/healthz" && !path.starts_with("/page/")
    }
}
