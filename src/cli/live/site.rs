//! The session over HTTP: paths, their parameters, and what answers each.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use serde_json::{Value, json};

use super::drawing::{Drawing, Drawings};
use super::labels::Said;
use super::rows::Id;
use super::session::{Desk, Ended};
use super::turns::{Turn, Turns};
use super::{Problem, page, view};
use crate::label::By;
use crate::lane::lock;
use crate::web::{Method, Request, Response, Site};

/// Rows that are shown where nobody says how many.
const SOME_ROWS: usize = 12;

/// The session's site.
pub(super) struct LiveSite {
    desk: Desk,
    drawings: Drawings,
    /// Turns that came while one was worked off: the last value of each dial counts.
    turns: Arc<Mutex<Turns>>,
    has_metrics: bool,
}

/// What is asked of `/api/turn`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedTurn {
    dials: BTreeMap<String, Value>,
    #[serde(default)]
    gesture: Option<String>,
}

type Answer = Result<Response, Problem>;

impl From<Ended> for Problem {
    fn from(ended: Ended) -> Self {
        Problem { status: 503, text: ended.to_string() }
    }
}

impl LiveSite {
    pub(super) fn new(desk: Desk, cores: usize, has_metrics: bool) -> Self {
        LiveSite { desk, drawings: Drawings::new(cores), turns: Arc::default(), has_metrics }
    }

    fn get(&self, request: &Request) -> Answer {
        let path = request.path.as_str();
        let named = |prefix: &str| path.strip_prefix(prefix).filter(|name| !name.is_empty());
        if let Some(name) = named("/page/") {
            let file = page::file(name)
                .map(|(media_type, text)| Response::bytes(media_type, text.as_bytes().to_vec()));
            return file.ok_or_else(|| Problem::unknown(format!("there is no file {name:?} of the page")));
        }
        if let Some(name) = named("/api/histogram/") {
            let name = name.to_owned();
            return self.value(move |session| Ok(session.histogram(session.dial(&name)?)));
        }
        if let Some(id) = named("/api/row/") {
            let Id(place) = id.parse()?;
            return self.value(move |session| session.looking(|session| session.story(place)));
        }
        if let Some(id) = named("/api/drawing/") {
            let id: Id = id.parse()?;
            return Ok(Response::json(&self.draw(id)?.view(id.0)));
        }
        if let Some((id, panel)) = named("/api/image/").and_then(|rest| rest.split_once('/')) {
            return self.image(id.parse()?, panel);
        }
        match path {
            "/" => self.index(request),
            "/healthz" => Ok(Response::text("ok\n")),
            "/api/state" => self.value(|session| Ok(json!(view::state(session)))),
            "/api/plan" => self.value(|session| Ok(json!(view::plan(session)))),
            "/api/cut" => {
                let (dial, most) = (required(request, "dial")?, number(request, "most", SOME_ROWS)?);
                self.value(move |session| session.cut(session.dial(&dial)?, most))
            }
            "/api/changes" => {
                let most = number(request, "most", SOME_ROWS)?;
                let enter = match required(request, "side")?.as_str() {
                    "enter" => true,
                    "leave" => false,
                    other => return Err(Problem::bad(format!("side={other}: it takes enter or leave"))),
                };
                self.value(move |session| session.changes(enter, most))
            }
            "/api/labels" => {
                let (dial, most) = (required(request, "dial")?, number(request, "draw", SOME_ROWS)?);
                let seed = number(request, "seed", 1)? as u64;
                self.value(move |session| session.labels(session.dial(&dial)?, most, seed))
            }
            "/api/precision" => {
                let dial = required(request, "dial")?;
                self.value(move |session| session.precision(session.dial(&dial)?))
            }
            "/api/loosest" => {
                let (dial, precision) = (required(request, "dial")?, required(request, "precision")?);
                let wrong =
                    || Problem::bad(format!("precision={precision}: it takes a number above 0 and up to 1"));
                let target = precision.parse().ok().filter(|target| *target > 0.0 && *target <= 1.0);
                let target: f64 = target.ok_or_else(wrong)?;
                let by = match request.value("by").unwrap_or("estimate") {
                    "estimate" => By::Estimate,
                    "low" => By::LowEnd,
                    other => return Err(Problem::bad(format!("by={other}: it takes estimate or low"))),
                };
                self.value(move |session| session.loosest(session.dial(&dial)?, target, by))
            }
            "/api/labels.csv" => {
                let dial = request.value("dial").map(str::to_owned);
                let table = self.desk.ask(move |session| {
                    let dial = dial.map(|dial| session.dial(&dial)).transpose()?;
                    session.labels_table(dial)
                })??;
                Ok(Response::bytes("text/csv; charset=utf-8", table.into_bytes()))
            }
            "/api/compare" => {
                let (a, b) = (required(request, "a")?, required(request, "b")?);
                self.value(move |session| session.compare(&a, &b))
            }
            "/api/rows" => {
                let which = request.value("which").unwrap_or("kept").parse()?;
                let dial = request.value("dial").map(str::to_owned);
                let rows = self.desk.ask(move |session| session.rows(which, dial.as_deref()))??;
                let bytes = rows.write().map_err(|error| Problem::failed(error.to_string()))?;
                Ok(Response::bytes("application/vnd.apache.arrow.stream", bytes))
            }
            "/metrics" if self.has_metrics => {
                let text = self.desk.ask(|session| super::metrics::text(session))?;
                Ok(Response::bytes("text/plain; version=0.0.4; charset=utf-8", text.into_bytes()))
            }
            "/api/lanes" => self.value(|session| Ok(session.lanes_view())),
            _ => Err(Problem::unknown(format!(
                "{path}: there is nothing to get here; docs/live.md lists what there is"
            ))),
        }
    }

    fn post(&self, request: &Request) -> Answer {
        match request.path.as_str() {
            "/api/turn" => self.turn(request),
            "/api/undo" => self.counts(|session| session.go(true)),
            "/api/redo" => self.counts(|session| session.go(false)),
            "/api/apply" => {
                let answer = self.value(|session| {
                    session.apply()?;
                    Ok(json!(view::progress(session)))
                });
                answer.map(|response| response.with_status(202))
            }
            "/api/stop" => {
                let stopped = self.counts(|session| session.stop_asking());
                stopped.map(|response| response.with_status(202))
            }
            "/api/labels" => {
                let said: Said = body(request, r#"{"dial": "aesthetic", "row": "0-17", "good": true}"#)?;
                self.value(move |session| session.label(&said))
            }
            "/api/labels.csv" => {
                let table = String::from_utf8(request.body.clone());
                let table =
                    table.map_err(|error| Problem::bad(format!("the table is not in UTF-8: {error}")))?;
                self.value(move |session| session.import_labels(&table))
            }
            "/api/publish" => self.value(|session| session.publish()),
            path => Err(Problem::unknown(format!(
                "{path}: nothing can be posted here; docs/live.md lists what can"
            ))),
        }
    }

    /// What `work` comes to on the session's thread.
    fn value(
        &self,
        work: impl for<'s, 'a> FnOnce(&'s mut super::session::Session<'a>) -> Result<Value, Problem>
        + Send
        + 'static,
    ) -> Answer {
        Ok(Response::json(&self.desk.ask(work)??))
    }

    /// The counts, when `work` is done.
    fn counts(
        &self,
        work: impl for<'s, 'a> FnOnce(&'s mut super::session::Session<'a>) -> Result<(), Problem> + Send + 'static,
    ) -> Answer {
        self.value(|session| {
            work(session)?;
            Ok(json!(view::counts(session)))
        })
    }

    /// The page is no secret; how things stand is.
    fn index(&self, request: &Request) -> Answer {
        let page = match request.has_token {
            true => self.desk.ask(|session| page::html(Some(&view::start(session))))?,
            false => page::html(None),
        };
        Ok(Response::html(page))
    }

    fn turn(&self, request: &Request) -> Answer {
        let turn: WantedTurn = body(request, r#"{"dials": {"aesthetic": "5.1"}}"#)?;
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

    fn draw(&self, id: Id) -> Result<Arc<Drawing>, Problem> {
        let (to_draw, key) = self.desk.ask(move |session| {
            let to_draw = session.looking(|session| session.to_draw(id.0))?;
            let key = session.answers;
            Ok::<_, Problem>((to_draw, key))
        })??;
        let key = key ^ to_draw.fingerprint();
        match self.drawings.kept(id, Some(key)) {
            Some(drawing) => Ok(drawing),
            None => self.drawings.draw(id, key, &to_draw),
        }
    }

    fn image(&self, id: Id, panel: &str) -> Answer {
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
        let answer = match request.method {
            Method::Get => self.get(request),
            Method::Post => self.post(request),
        };
        answer.unwrap_or_else(|Problem { status, text }| Response::error(status, text))
    }

    fn needs_token(&self, path: &str) -> bool {
        path != "/" && path != "/healthz" && !path.starts_with("/page/")
    }
}

fn body<T: for<'de> Deserialize<'de>>(request: &Request, example: &str) -> Result<T, Problem> {
    serde_json::from_slice(&request.body).map_err(|error| {
        Problem::bad(format!(
            "{}: the body is not what is wanted: {error}; an example: {example}",
            request.path
        ))
    })
}

fn required(request: &Request, name: &str) -> Result<String, Problem> {
    let value = request.value(name).map(str::to_owned);
    value.ok_or_else(|| Problem::bad(format!("{} takes ?{name}=...", request.path)))
}

fn number(request: &Request, name: &str, default: usize) -> Result<usize, Problem> {
    match request.value(name) {
        None => Ok(default),
        Some(text) => {
            text.parse().map_err(|_| Problem::bad(format!("{name}={text}: it takes a whole number")))
        }
    }
}
