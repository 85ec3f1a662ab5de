//! Connections: accepts them, bounds their number, and lets them end.

use std::future::{Future, poll_fn};
use std::io::{Read, Write};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::exchange::{self, Shared};
use super::response::{ALWAYS, Response};
use super::stalls::Stalls;

/// The bytes of the head of a request at most; and of a response, what waits for the client before its body is asked for more.
const BUFFER: usize = 64 * 1024;
const MOST_HEADERS: usize = 64;
/// How long open requests may go on once the server is to stop.
pub(super) const LAST_REQUESTS: Duration = Duration::from_millis(1800);
/// After an accept that failed, mostly for want of files.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until `stop` says so, and then waits for those that are open.
pub(super) async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    most: u32,
    stop: watch::Receiver<bool>,
) {
    let free = Arc::new(Semaphore::new(most as usize));
    let mut stopping = stop.clone();
    let mut stopped = pin!(stopping.wait_for(|stop| *stop));
    loop {
        let accepted = poll_fn(|context| {
            if stopped.as_mut().poll(context).is_ready() {
                return Poll::Ready(None);
            }
            listener.poll_accept(context).map(Some)
        });
        let stream = match accepted.await {
            None => break,
            Some(Ok((stream, _))) => stream,
            Some(Err(_)) => {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        match Arc::clone(&free).try_acquire_owned() {
            Ok(permit) => {
                let serving = serve(stream, Arc::clone(&shared), stop.clone());
                tokio::spawn(async move {
                    serving.await;
                    drop(permit);
                });
            }
            Err(_) => turn_away(stream, most),
        }
    }
    drop(listener);
    shared.hub.end_streams();
    let _ = tokio::time::timeout(LAST_REQUESTS, free.acquire_many(most)).await;
}

/// Serves one connection to its end.
async fn serve(stream: TcpStream, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    // Without it small answers wait for the acknowledgement of the ones before.
    let _ = stream.set_nodelay(true);
    let stream = Stalls::new(stream, 3 * shared.patience);
    let mut protocol = http1::Builder::new();
    protocol
        .timer(TokioTimer::new())
        .header_read_timeout(shared.patience)
        .max_buf_size(BUFFER)
        .max_header_size(BUFFER)
        .max_headers(MOST_HEADERS);
    let service = service_fn(|request| exchange::answer(Arc::clone(&shared), request));
    let mut connection = pin!(protocol.serve_connection(stream, service));
    let mut stopped = pin!(stop.wait_for(|stop| *stop));
    let mut ending = false;
    // An error is of a client that left, sent what is no HTTP, or was too slow.
    let _ = poll_fn(|context| {
        if !ending && stopped.as_mut().poll(context).is_ready() {
            ending = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(context)
    })
    .await;
}

/// Says that there are too many connections, without waiting for anything.
fn turn_away(stream: TcpStream, most: u32) {
    let Ok(mut stream) = stream.into_std() else { return };
    let text = format!(
        "{most} connections are open, which is the most; close pages that nobody looks at, and try again"
    );
    let Response { body, media_type, .. } = Response::error(503, text);
    let mut head = format!(
        "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\ncache-control: \
         no-store\r\n",
        body.len()
    );
    for (name, value) in ALWAYS {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let whole = [head.into_bytes(), body].concat();
    // It does not block. What came is read, since a connection that is closed with bytes unread is reset.
    let _ = stream.read(&mut [0; 4096]);
    let _ = stream.write(&whole);
    let _ = stream.shutdown(std::net::Shutdown::Write);
}
