//! Server-sent events: one hub, many listeners, and none that can hold up whoever sends.
//!
//! The format is that of the HTML standard, section 9.2 (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::borrow::Cow;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame};
use tokio::time::{Instant, Sleep};

use super::lock;

/// So many events wait for one listener at most. One that falls further behind is cut off; a browser then connects again.
const MOST_WAITING: usize = 1024;
/// The first line of every stream: the answer's head goes out at once, and a browser that lost us tries again after a second.
const GREETING: &[u8] = b"retry: 1000\n\n";
/// A comment, which browsers pass over.
const HEARTBEAT: &[u8] = b": still here\n\n";

/// Where events are sent, for everybody who listens at `GET /api/events`.
///
/// A listener that is slow gets of each name only the newest event: an event takes the place of one of its name that still waits, and
/// goes to the end of the line. Names that were given to [`new`](Hub::new) are exempt: each of their events is delivered. An event that is
/// sent before somebody listens is not kept for them: a page asks for the state once its stream is open.
///
/// Over HTTP/1.1 a browser opens six connections to a host, for all tabs together. So pages in many tabs have to share a stream (by a
/// `BroadcastChannel` or a `SharedWorker`), or to close theirs while nobody sees them.
pub struct Hub {
    each: Vec<&'static str>,
    listeners: Mutex<Vec<Weak<Mutex<Waiting>>>>,
}

/// What waits for one listener.
#[derive(Default)]
struct Waiting {
    events: VecDeque<(&'static str, Bytes)>,
    waker: Option<Waker>,
    ended: bool,
}

impl Hub {
    /// A hub without listeners. Of the names in `each`, every event is delivered; of all others a slow listener gets the newest.
    ///
    /// ```
    /// use threshflow::web::Hub;
    /// let hub = Hub::new(&["published"]);
    /// hub.send("counts", r#"{"version":41}"#.to_owned());
    /// assert_eq!(hub.listeners(), 0);
    /// ```
    pub fn new(each: &[&'static str]) -> Self {
        Hub { each: each.to_vec(), listeners: Mutex::default() }
    }

    /// Sends an event to everybody who listens now. It never blocks, and may be called on any thread. The name is one line of text.
    pub fn send(&self, event: &'static str, data: String) {
        let bytes = written(event, &data);
        let coalesced = !self.each.contains(&event);
        let mut woken = Vec::new();
        lock(&self.listeners).retain(|listener| {
            let Some(listener) = listener.upgrade() else { return false };
            let mut waiting = lock(&listener);
            if coalesced {
                waiting.events.retain(|(name, _)| *name != event);
            }
            if waiting.events.len() < MOST_WAITING {
                waiting.events.push_back((event, bytes.clone()));
            } else {
                waiting.events.clear();
                waiting.ended = true;
            }
            woken.extend(waiting.waker.take());
            !waiting.ended
        });
        woken.into_iter().for_each(Waker::wake);
    }

    /// How many listen now.
    pub fn listeners(&self) -> usize {
        lock(&self.listeners).iter().filter(|listener| listener.strong_count() > 0).count()
    }

    /// Ends the streams of all who listen now, once what waits for them is delivered.
    pub(super) fn end_streams(&self) {
        for listener in lock(&self.listeners).drain(..).filter_map(|listener| listener.upgrade()) {
            let mut waiting = lock(&listener);
            waiting.ended = true;
            let waker = waiting.waker.take();
            drop(waiting);
            waker.into_iter().for_each(Waker::wake);
        }
    }

    /// The stream of a new listener, with a sign of life after so much silence; `None` where `most` listen already.
    pub(super) fn listen(&self, most: usize, heartbeat: Duration) -> Option<Events> {
        let mut listeners = lock(&self.listeners);
        listeners.retain(|listener| listener.strong_count() > 0);
        if listeners.len() >= most {
            return None;
        }
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        listeners.push(Arc::downgrade(&waiting));
        let silence = Box::pin(tokio::time::sleep(heartbeat));
        Some(Events { waiting, greeted: false, heartbeat, silence })
    }
}

/// An event as it is sent. Each line of the data is one of the event; the reader puts them together again.
fn written(event: &str, data: &str) -> Bytes {
    let mut text = format!("event: {event}\n");
    // JSON has none of them.
    let plain = if data.contains('\r') {
        Cow::Owned(data.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(data)
    };
    for line in plain.split('\n') {
        text.push_str("data: ");
        text.push_str(line);
        text.push('\n');
    }
    text.push('\n');
    Bytes::from(text)
}

/// The body of a response: the events for one listener. The hub forgets the listener once this is dropped.
pub(super) struct Events {
    waiting: Arc<Mutex<Waiting>>,
    greeted: bool,
    heartbeat: Duration,
    silence: Pin<Box<Sleep>>,
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        let next = if !std::mem::replace(&mut this.greeted, true) {
            Some(Bytes::from_static(GREETING))
        } else {
            let mut waiting = lock(&this.waiting);
            let next = waiting.events.pop_front().map(|(_, bytes)| bytes);
            if next.is_none() {
                if waiting.ended {
                    return Poll::Ready(None);
                }
                waiting.waker = Some(context.waker().clone());
            }
            next
        };
        let next = match next {
            Some(bytes) => bytes,
            None if this.silence.as_mut().poll(context).is_ready() => Bytes::from_static(HEARTBEAT),
            None => return Poll::Pending,
        };
        this.silence.as_mut().reset(Instant::now() + this.heartbeat);
        Poll::Ready(Some(Ok(Frame::data(next))))
    }
}
