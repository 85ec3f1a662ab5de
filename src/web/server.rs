//! A server: what it is told, how it starts, and how it stops.

use std::convert::Infallible;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, bounded};
use tokio::sync::watch;

use super::admission::Admission;
use super::connection;
use super::exchange::Shared;
use super::pool::{Pool, Threads};
use super::{Hub, Site, Token, WebError};
use crate::limits;

/// How long [`Server::stop`] waits at most.
const STOPS_WITHIN: Duration = Duration::from_secs(2);

/// How a server is to be.
#[derive(Debug)]
pub struct Options {
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether [`listen`](Options::listen) may be an address that other machines reach. What is sent is not encrypted.
    pub beyond_loopback: bool,
    /// The token.
    pub token: Token,
    /// Names by which the server goes in `Host`, beside 127.0.0.1, localhost, `[::1]` and the address that it listens on: of a proxy or a
    /// tunnel. A name without a port goes with every port.
    pub names: Vec<String>,
    /// The largest body that is taken, in bytes.
    pub most_body: usize,
    /// How many connections may be open at once, 1 or more; never more than a quarter of the files that the process may have open
    /// (`ulimit -n`). Three quarters of them may listen to events.
    pub most_connections: u32,
    /// How many requests are answered at once, each on a thread.
    pub threads: usize,
    /// How long a client may take to send the head of a request, and then its body; and so, how long a connection may be idle. A client
    /// that takes nothing of an answer for three times as long is cut off.
    pub patience: Duration,
    /// After so much silence, a stream of events has a comment.
    pub heartbeat: Duration,
}

impl Options {
    /// A free port of 127.0.0.1; bodies up to 4 MiB; 256 connections; 16 threads; 10 s of patience; a heartbeat after 15 s.
    pub fn new(token: Token) -> Self {
        Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            beyond_loopback: false,
            token,
            names: Vec::new(),
            most_body: 4 << 20,
            most_connections: 256,
            threads: 16,
            patience: Duration::from_secs(10),
            heartbeat: Duration::from_secs(15),
        }
    }
}

/// A server that runs. It stops when it is dropped.
pub struct Server {
    address: SocketAddr,
    url: String,
    stop: watch::Sender<bool>,
    /// Says when the thread of the connections has ended.
    ended: Receiver<Infallible>,
    threads: Threads,
}

/// Starts a server. When this returns, it listens; requests are answered on threads of its own.
///
/// ```
/// use std::sync::Arc;
/// use threshflow::web::{Hub, Options, Request, Response, Site, Token, serve};
///
/// struct Hello;
/// impl Site for Hello {
///     fn answer(&self, request: &Request) -> Response {
///         Response::text(format!("hello {}", request.path))
///     }
/// }
///
/// let server = serve(Options::new(Token::random()?), Arc::new(Hello), Arc::new(Hub::new(&[])))?;
/// assert!(server.url().starts_with(&format!("http://127.0.0.1:{}/?token=", server.address().port())));
/// server.stop();
/// # Ok::<(), threshflow::web::WebError>(())
/// ```
///
/// # Errors
///
/// The address cannot be listened on, or reaches beyond this machine without being told to; a name is none; a thread cannot be started.
pub fn serve(options: Options, site: Arc<dyn Site>, hub: Arc<Hub>) -> Result<Server, WebError> {
    let listen = options.listen;
    if !options.beyond_loopback && !listen.ip().is_loopback() {
        return Err(WebError::BeyondLoopback(listen));
    }
    let cannot_listen = |source| WebError::Listen { address: listen, source };
    let cannot_start = |error: std::io::Error| WebError::Start(error.to_string());
    let listener = TcpListener::bind(listen).map_err(cannot_listen)?;
    listener.set_nonblocking(true).map_err(cannot_listen)?;
    let address = listener.local_addr().map_err(cannot_listen)?;
    let admission = Admission::new(options.token, address, &options.names)?;
    let url = format!(
        "http://{}/?token={}",
        reachable(address, options.names.first().map(String::as_str)),
        admission.token().in_query()
    );
    // Everything on this one thread; only a site has others.
    let events = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
    let events = events.map_err(cannot_start)?;
    let (pool, threads) = Pool::start(options.threads, &site)?;
    let files = limits::open_files().map_or(u32::MAX, |most| u32::try_from(most / 4).unwrap_or(u32::MAX));
    let most = options.most_connections.min(files).max(1);
    let shared = Arc::new(Shared {
        admission,
        site,
        pool,
        hub,
        most_body: options.most_body,
        most_listeners: (most as usize * 3).div_ceil(4),
        patience: options.patience,
        heartbeat: options.heartbeat,
    });
    let (stop, stopped) = watch::channel(false);
    let (end, ended) = bounded::<Infallible>(0);
    let (ready, is_ready) = bounded(1);
    let serving = move || {
        events.block_on(async move {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => {
                    let _ = ready.send(Ok(()));
                    connection::accept(listener, shared, most, stopped).await;
                }
                Err(error) => {
                    let _ = ready.send(Err(error));
                }
            }
        });
        // What is still open is cut off here.
        drop(events);
        drop(end);
    };
    let thread = thread::Builder::new().name("web".to_owned()).spawn(serving);
    thread.map_err(|error| WebError::Start(limits::no_thread("to serve on", &error)))?;
    #[expect(clippy::disallowed_methods, reason = "the thread says at once whether it can listen")]
    is_ready
        .recv()
        .map_err(|_| WebError::Start("its thread ended at once; report this".to_owned()))?
        .map_err(cannot_start)?;
    Ok(Server { address, url, stop, ended, threads })
}

/// The host and port of a URL that leads here.
fn reachable(address: SocketAddr, name: Option<&str>) -> String {
    if !address.ip().is_unspecified() {
        return address.to_string();
    }
    match name {
        Some(name) if name.parse::<hyper::http::uri::Authority>().is_ok_and(|it| it.port().is_some()) => {
            name.to_owned()
        }
        Some(name) => format!("{name}:{}", address.port()),
        None => format!("127.0.0.1:{}", address.port()),
    }
}

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of the page, with the token. It is the one place that shows the token: for whoever started the server.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Stops it: no more connections, streams of events end, and requests that are being answered may go on for at most 2 s. Then what is
    /// still open is cut off. A site that blocks for longer keeps its thread until it returns.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let until = Instant::now() + STOPS_WITHIN;
        let _ = self.stop.send(true);
        let _ = self.ended.recv_timeout(STOPS_WITHIN);
        self.threads.wait(until);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}
