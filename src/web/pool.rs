//! The threads on which a site answers. There is a fixed number, so that a site that blocks holds up others like it, and not the server.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use tokio::sync::oneshot;

use super::{Method, Request, Response, Site, WebError};
use crate::limits;

/// What a client gets where a site panicked.
const PANICKED: &str =
    "the server failed at this request (its output on stderr says why); the session goes on. Report this";

struct Job {
    request: Request,
    reply: oneshot::Sender<Response>,
}

/// Takes requests to the threads of a site. The threads end when all of these are dropped.
#[derive(Clone)]
pub(super) struct Pool {
    jobs: Sender<Job>,
}

/// Tells when the threads have ended.
pub(super) struct Threads {
    ended: Receiver<Infallible>,
}

impl Pool {
    /// Starts up to `threads` threads: as many as can be started.
    ///
    /// # Errors
    ///
    /// Not one thread could be started.
    pub(super) fn start(threads: usize, site: &Arc<dyn Site>) -> Result<(Pool, Threads), WebError> {
        let (jobs, to_do) = unbounded();
        let (end, ended) = bounded(0);
        for started in 0..threads.max(1) {
            let (site, to_do, end) = (Arc::clone(site), to_do.clone(), end.clone());
            let thread = thread::Builder::new().name("web-site".to_owned());
            match thread.spawn(move || work(end, site, to_do)) {
                Ok(_) => {}
                Err(_) if started > 0 => break,
                Err(error) => return Err(WebError::Start(limits::no_thread("to answer on", &error))),
            }
        }
        Ok((Pool { jobs }, Threads { ended }))
    }

    /// The answer of the site.
    pub(super) async fn answer(&self, request: Request) -> Response {
        let (reply, answer) = oneshot::channel();
        let gone = || Response::error(503, "the server is stopping; start the session again");
        // As many wait here as there are connections, and those are bounded.
        if self.jobs.send(Job { request, reply }).is_err() {
            return gone();
        }
        answer.await.unwrap_or_else(|_| gone())
    }
}

impl Threads {
    /// Waits until the threads have ended, but not beyond that moment. A thread whose site still blocks then ends when that returns.
    pub(super) fn wait(&self, until: Instant) {
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match self.ended.recv_timeout(left) {
            Ok(never) => match never {},
            Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => {}
        }
    }
}

/// One thread. What was named first is dropped last: `_end`, when the thread holds nothing of the site any more.
#[expect(clippy::needless_pass_by_value, reason = "they are to be dropped here")]
fn work(_end: Sender<Infallible>, site: Arc<dyn Site>, jobs: Receiver<Job>) {
    #[expect(clippy::disallowed_methods, reason = "a thread of the web server, which waits for requests")]
    while let Ok(Job { request, reply }) = jobs.recv() {
        // Who left needs no answer. What they sent is done all the same.
        if reply.is_closed() && request.method == Method::Get {
            continue;
        }
        let answer = catch_unwind(AssertUnwindSafe(|| site.answer(&request)));
        let _ = reply.send(answer.unwrap_or_else(|_| Response::error(500, PANICKED)));
    }
}
