//! What can be asked of a session over HTTP: methods, paths and parameters, and what answers each. `openapi.json` describes the same; a test holds it to
//! this table.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::labels::Said;
use super::rows::Id;
use super::site::{Answer, LiveSite};
use super::{Problem, exact, page, view};
use crate::label::By;
use crate::web::{Method, Request, Response};

/// Rows that are shown where nobody says how many.
const SOME_ROWS: usize = 12;

/// One kind of request.
pub(super) struct Route {
    pub(super) method: Method,
    /// A part in braces stands for any one part of a path.
    pub(super) path: &'static str,
    /// Of the query. There are no others.
    pub(super) parameters: &'static [&'static str],
    pub(super) answer: fn(&LiveSite, &Asked<'_>) -> Answer,
}

/// A request that a route was found for.
pub(super) struct Asked<'a> {
    pub(super) request: &'a Request,
    /// The parts of the path that stand for braces, by the name in them.
    named: BTreeMap<&'static str, &'a str>,
}

const fn get(
    path: &'static str,
    parameters: &'static [&'static str],
    answer: fn(&LiveSite, &Asked<'_>) -> Answer,
) -> Route {
    Route { method: Method::Get, path, parameters, answer }
}

const fn post(path: &'static str, answer: fn(&LiveSite, &Asked<'_>) -> Answer) -> Route {
    Route { method: Method::Post, path, parameters: &[], answer }
}

/// All of them, but for `/api/events`, which the server answers itself.
pub(super) static ROUTES: &[Route] = &[
    get("/", &[], |site, asked| site.index(asked.request)),
    get("/page/{file}", &[], |_, asked| {
        let name = asked.named("file");
        let file = page::file(name).map(|(kind, text)| Response::bytes(kind, text.as_bytes().to_vec()));
        file.ok_or_else(|| Problem::unknown(format!("there is no file {name:?} of the page")))
    }),
    get("/healthz", &[], |_, _| Ok(Response::text("ok\n"))),
    get("/metrics", &[], |site, _| site.metrics()),
    get("/api/openapi.json", &[], |_, _| {
        Ok(Response::bytes("application/json", include_bytes!("openapi.json").to_vec()))
    }),
    get("/api/state", &[], |site, _| site.value(|session| Ok(exact(&session.state()?)))),
    get("/api/plan", &[], |site, _| site.value(|session| Ok(exact(&session.plan()?)))),
    get("/api/lanes", &[], |site, _| site.value(|session| Ok(session.lanes_view()))),
    get("/api/histogram/{dial}", &[], |site, asked| {
        let name = asked.named("dial").to_owned();
        site.value(move |session| session.histogram(session.dial(&name)?))
    }),
    get("/api/cut", &["dial", "most"], |site, asked| {
        let (dial, most) = (asked.required("dial")?, asked.number("most", SOME_ROWS)?);
        site.listed(move |session| session.cut(session.dial(&dial)?, most))
    }),
    get("/api/changes", &["side", "most"], |site, asked| {
        let most = asked.number("most", SOME_ROWS)?;
        let enter = match asked.required("side")?.as_str() {
            "enter" => true,
            "leave" => false,
            other => return Err(Problem::bad(format!("side={other}: it takes enter or leave"))),
        };
        site.listed(move |session| session.changes(enter, most))
    }),
    get("/api/row/{id}", &[], |site, asked| {
        let Id(place) = asked.named("id").parse()?;
        site.value(move |session| session.story(place))
    }),
    get("/api/drawing/{id}", &[], |site, asked| {
        let id: Id = asked.named("id").parse()?;
        Ok(Response::json(&site.draw(id)?.view(id.0)))
    }),
    get("/api/image/{id}/{panel}", &[], |site, asked| {
        site.image(asked.named("id").parse()?, asked.named("panel"))
    }),
    get("/api/rows", &["which", "dial"], |site, asked| {
        let which = asked.request.value("which").unwrap_or("kept").parse()?;
        site.rows(which, asked.request.value("dial").map(str::to_owned))
    }),
    get("/api/compare", &["a", "b"], |site, asked| {
        let (a, b) = (asked.required("a")?, asked.required("b")?);
        site.listed(move |session| session.compare(&a, &b))
    }),
    get("/api/labels", &["dial", "draw", "seed"], |site, asked| {
        let (dial, most) = (asked.required("dial")?, asked.number("draw", SOME_ROWS)?);
        let seed = asked.number("seed", 1)? as u64;
        site.listed(move |session| session.labels(session.dial(&dial)?, most, seed))
    }),
    get("/api/precision", &["dial"], |site, asked| {
        let dial = asked.required("dial")?;
        site.value(move |session| session.precision(session.dial(&dial)?))
    }),
    get("/api/loosest", &["dial", "precision", "by"], |site, asked| {
        let (dial, precision) = (asked.required("dial")?, asked.required("precision")?);
        let wrong = || Problem::bad(format!("precision={precision}: it takes a number above 0 and up to 1"));
        let target = precision.parse().ok().filter(|target| *target > 0.0 && *target <= 1.0);
        let target: f64 = target.ok_or_else(wrong)?;
        let by = match asked.request.value("by").unwrap_or("estimate") {
            "estimate" => By::Estimate,
            "low" => By::LowEnd,
            other => return Err(Problem::bad(format!("by={other}: it takes estimate or low"))),
        };
        site.value(move |session| session.loosest(session.dial(&dial)?, target, by))
    }),
    get("/api/labels.csv", &["dial"], |site, asked| {
        let dial = asked.request.value("dial").map(str::to_owned);
        site.labels_table(dial)
    }),
    post("/api/turn", |site, asked| site.turn(asked.body(r#"{"dials": {"aesthetic": "5.1"}}"#)?)),
    post("/api/undo", |site, _| site.counts(|session| session.go(true))),
    post("/api/redo", |site, _| site.counts(|session| session.go(false))),
    post("/api/apply", |site, _| {
        let answer = site.value(|session| {
            session.apply()?;
            Ok(exact(&view::progress(session, &session.all())))
        });
        answer.map(|response| response.with_status(202))
    }),
    post("/api/stop", |site, _| {
        let stopped = site.counts(|session| session.stop_asking());
        stopped.map(|response| response.with_status(202))
    }),
    post("/api/publish", |site, _| site.value(|session| session.publish())),
    post("/api/labels", |site, asked| {
        let said: Said = asked.body(r#"{"dial": "aesthetic", "row": "0-17", "good": true}"#)?;
        site.value(move |session| session.label(&said))
    }),
    post("/api/labels.csv", |site, asked| {
        let table = String::from_utf8(asked.request.body.clone());
        let table = table.map_err(|error| Problem::bad(format!("the table is not in UTF-8: {error}")))?;
        site.value(move |session| session.import_labels(&table))
    }),
];

/// The route of a request, if there is one.
pub(super) fn of(request: &Request) -> Result<(&'static Route, Asked<'_>), Problem> {
    let fitting = |route: &'static Route| {
        let named = fits(route.path, &request.path).filter(|_| route.method == request.method)?;
        Some((route, Asked { request, named }))
    };
    let verb = if request.method == Method::Get { "get" } else { "post" };
    let (route, asked) = ROUTES.iter().find_map(fitting).ok_or_else(|| {
        Problem::unknown(format!(
            "{}: there is nothing to {verb} here; /api/openapi.json lists what there is",
            request.path
        ))
    })?;
    // Of the page's own addresses, which browsers and editors may write something of theirs behind, nothing is read.
    let is_strict = route.path.starts_with("/api/");
    let unknown =
        request.query.iter().find(|(name, _)| is_strict && !route.parameters.contains(&name.as_str()));
    match unknown {
        None => Ok((route, asked)),
        Some((name, _)) => Err(Problem::bad(match route.parameters {
            [] => format!("{} takes no parameters, and so no {name}", request.path),
            known => format!("{} takes no parameter {name}; it takes {}", request.path, known.join(", ")),
        })),
    }
}

/// What stands for the braces of `pattern` in a path of that kind.
fn fits<'a>(pattern: &'static str, path: &'a str) -> Option<BTreeMap<&'static str, &'a str>> {
    let (mut wanted, mut parts, mut named) = (pattern.split('/'), path.split('/'), BTreeMap::new());
    loop {
        match (wanted.next(), parts.next()) {
            (None, None) => return Some(named),
            (Some(wanted), Some(part)) => {
                match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                    Some(name) if !part.is_empty() => drop(named.insert(name, part)),
                    None if wanted == part => {}
                    _ => return None,
                }
            }
            _ => return None,
        }
    }
}

impl Asked<'_> {
    /// The part of the path that stands for this name in braces.
    fn named(&self, name: &str) -> &str {
        self.named.get(name).copied().unwrap_or_default()
    }

    fn required(&self, name: &str) -> Result<String, Problem> {
        let value = self.request.value(name).map(str::to_owned);
        value.ok_or_else(|| Problem::bad(format!("{} takes ?{name}=...", self.request.path)))
    }

    fn number(&self, name: &str, default: usize) -> Result<usize, Problem> {
        match self.request.value(name) {
            None => Ok(default),
            Some(text) => {
                text.parse().map_err(|_| Problem::bad(format!("{name}={text}: it takes a whole number")))
            }
        }
    }

    fn body<T: for<'de> Deserialize<'de>>(&self, example: &str) -> Result<T, Problem> {
        serde_json::from_slice(&self.request.body).map_err(|error| {
            let path = &self.request.path;
            Problem::bad(format!("{path}: the body is not what is wanted: {error}; an example: {example}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use serde_json::Value;

    use super::*;

    #[test]
    fn paths_fit_their_patterns() {
        assert_eq!(fits("/", "/"), Some(BTreeMap::new()));
        assert_eq!(fits("/api/state", "/api/state"), Some(BTreeMap::new()));
        let both = BTreeMap::from([("id", "0-17"), ("panel", "1")]);
        assert_eq!(fits("/api/image/{id}/{panel}", "/api/image/0-17/1"), Some(both));
        for path in [
            "/api/image/0-17",
            "/api/image/0-17/",
            "/api/image//1",
            "/api/image/0-17/1/",
            "/api/images/0-17/1",
        ] {
            assert_eq!(fits("/api/image/{id}/{panel}", path), None, "{path}");
        }
    }

    #[test]
    fn what_is_described_is_what_is_there() {
        let file: Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
        let mut described = BTreeMap::new();
        for (path, operations) in file["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                let of_query = operation["parameters"].as_array().into_iter().flatten();
                let of_query = of_query.filter(|parameter| parameter["in"] == "query");
                let names: BTreeSet<String> =
                    of_query.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect();
                described.insert((method.clone(), path.clone()), names);
            }
        }
        let there = ROUTES.iter().map(|route| {
            let method = if route.method == Method::Get { "get" } else { "post" };
            let names = route.parameters.iter().map(|name| (*name).to_owned()).collect();
            ((method.to_owned(), route.path.to_owned()), names)
        });
        let mut there: BTreeMap<_, BTreeSet<String>> = there.collect();
        // The server's own.
        there.insert(("get".to_owned(), "/api/events".to_owned()), BTreeSet::new());
        assert_eq!(described, there);
    }
}
