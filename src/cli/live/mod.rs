//! `live`: a run that stays. Dials turn in a page or over HTTP, and show at once; what would have to be asked is asked when the user says so,
//! and published when the user says so.
//!
//! One thread owns the [session](session::Session) and does one thing after the other. The threads that serve requests ask it by a desk.

mod apply;
mod arrow;
mod clock;
mod compare;
mod drawing;
mod history;
mod labels;
mod listed;
mod looks;
mod metrics;
mod noted;
mod order;
mod page;
mod publish;
mod routes;
mod rows;
mod session;
mod share;
mod site;
mod together;
mod turn;
mod turns;
mod view;
mod watch;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use clap::Args;
use serde::Serialize;
use serde_json::Value;

use super::run::{Unopened, with_unopened};
use super::{App, Failure, RunOptions};
use crate::web::{self, Hub, Token};
use session::{Desk, Session};
use site::LiveSite;
use watch::Watch;

/// Where a session is served.
#[derive(Args, Clone, Debug)]
pub struct LiveOptions {
    /// The port of 127.0.0.1 that the page and the API are served at; 0 takes a free one
    #[arg(long, default_value_t = 7317)]
    pub port: u16,
    /// Serve at this address and not at 127.0.0.1: whoever reaches it and has the token sees the pictures and spends the money. What is
    /// sent is not encrypted. Needs --token-file
    #[arg(long, value_name = "ADDRESS", requires = "token_file")]
    pub listen: Option<IpAddr>,
    /// The file whose first line is the token that every request must bear, 16 characters or more; nobody but its owner may read it. Without
    /// it, each session has a new one, which stands in the URL that it prints
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Watch the files that --shards and --pictures name: shards that appear, change or vanish come and leave. A shard that is being written
    /// is left until its files rest and, of a tar, its end is there
    #[arg(long)]
    pub watch: bool,
    /// Apply and publish by itself so often, if something changed: 90s, 10m, 2h
    #[arg(long, value_name = "TIME", value_parser = clock::time)]
    pub publish_every: Option<Duration>,
    /// Serve no /metrics
    #[arg(long)]
    pub no_metrics: bool,
    /// A name that the server goes by, where a proxy or a tunnel stands before it, with its port if that is not the usual one; may be given
    /// several times
    #[arg(long, value_name = "HOST[:PORT]")]
    pub host_name: Vec<String>,
}

/// Opens a session and serves it until a signal ends it. `ready` is told the URL of the page.
pub(super) fn live<P: App>(
    options: &RunOptions,
    live: &LiveOptions,
    app: &P::Args,
    ready: impl FnOnce(&str),
) -> Result<(), Failure> {
    with_unopened::<P, _>(options, app, |options, pipeline| session(options, pipeline, live, ready))
}

/// A session that is served by this process; or by process 0, where several are in it.
pub(super) fn session(
    options: &RunOptions,
    pipeline: &Unopened<'_>,
    live: &LiveOptions,
    ready: impl FnOnce(&str),
) -> Result<(), Failure> {
    if pipeline.place().index > 0 {
        return Session::open(options, pipeline, live, Arc::new(Nobody))?.0.follow();
    }
    let begin = Instant::now();
    let hub = Arc::new(Hub::new(&["published", "shards", "trouble"]));
    // A port that is taken is told before the shards are read.
    let (desk, jobs) = Desk::new();
    let site = Arc::new(LiveSite::new(desk.clone(), options.cores(), !live.no_metrics));
    let server = serve(live, site, hub.clone())?;
    let (session, looks) = Session::open(options, pipeline, live, Arc::new(Told(hub)))?;
    session.say(begin.elapsed());
    let source = || options.source.clone();
    let watch = live.watch.then(|| Watch::start(source(), looks, desk));
    let watch = watch.transpose()?;
    ready(&server.url());
    let ended = session.serve(&jobs);
    // Nobody is answered any more, so that who waits for an answer is told.
    drop(jobs);
    server.stop();
    drop(watch);
    ended
}

/// What process 0 tells, no other need tell.
struct Nobody;

impl Events for Nobody {
    fn tell(&self, _: &'static str, _: &Value) {}
}

fn serve(live: &LiveOptions, site: Arc<LiveSite>, hub: Arc<Hub>) -> Result<web::Server, Failure> {
    let failed = |error: web::WebError| Failure::Failed(error.to_string());
    let token = match &live.token_file {
        Some(path) => Token::from_file(path),
        None => Token::random(),
    };
    let address = live.listen.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let options = web::Options {
        listen: SocketAddr::new(address, live.port),
        beyond_loopback: live.listen.is_some(),
        names: live.host_name.clone(),
        ..web::Options::new(token.map_err(failed)?)
    };
    web::serve(options, site, hub).map_err(|error| match error {
        web::WebError::Listen { .. } => Failure::Failed(format!("{error} (--port 0 takes a free one)")),
        error => failed(error),
    })
}

/// Those who listen to the session's events.
struct Told(Arc<Hub>);

impl Events for Told {
    fn tell(&self, event: &'static str, data: &Value) {
        // Where nobody listens, nothing need be written.
        if self.0.listeners() > 0 {
            self.0.send(event, data.to_string());
        }
    }
}

/// Who is told of what happens in a session.
pub(in crate::cli) trait Events: Send + Sync {
    fn tell(&self, event: &'static str, data: &Value);
}

/// Why a request is not done: an HTTP status, and what failed, what is allowed, and the next step.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: u16,
    pub(super) text: String,
}

impl Problem {
    /// The request cannot be meant like this.
    pub(super) fn bad(text: String) -> Self {
        Problem { status: 400, text }
    }

    /// There is no such thing.
    pub(super) fn unknown(text: String) -> Self {
        Problem { status: 404, text }
    }

    /// It is not possible as things stand.
    pub(super) fn not_now(text: String) -> Self {
        Problem { status: 409, text }
    }

    pub(super) fn failed(text: String) -> Self {
        Problem { status: 500, text }
    }

    /// The session ended meanwhile.
    pub(super) fn ended(text: String) -> Self {
        Problem { status: 503, text }
    }

    /// As a reason for the session to end.
    pub(super) fn into_failure(self) -> Failure {
        match self.status {
            409 => Failure::NotNow(self.text),
            400 | 404 => Failure::Usage(self.text),
            _ => Failure::Failed(self.text),
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Usage(text) => Problem::bad(text),
            Failure::Failed(text) | Failure::Lost(text) => Problem::failed(text),
            Failure::NotNow(text) => Problem::not_now(text),
        }
    }
}

/// As JSON, with every number as short as its type lets it be: `json!` makes 27.299999237060547 of 27.3 as a float of 32 bits, and a notebook would
/// find that it is not 27.3.
pub(super) fn exact(value: &(impl Serialize + ?Sized)) -> Value {
    let text = serde_json::to_vec(value).expect("what is shown can be written as JSON");
    serde_json::from_slice(&text).expect("and be read again")
}

/// As RFC 3339 writes it, in UTC.
pub(super) fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    chrono::DateTime::from_timestamp(seconds as i64, 0)
        .map_or(String::new(), |time| time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
}
