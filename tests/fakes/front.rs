//! A port in front of a server, which can die: then connections are refused, and those that there were break.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

/// Connections of the two sides.
type Open = Arc<Mutex<Vec<TcpStream>>>;

pub struct Front {
    address: SocketAddr,
    dead: Arc<AtomicBool>,
    open: Open,
    first: Arc<OnceLock<Instant>>,
}

impl Front {
    /// In front of `http://HOST:PORT`.
    pub fn before(url: &str) -> Self {
        let behind = url.strip_prefix("http://").expect("a server that speaks no TLS").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("bound");
        let (dead, open) = (Arc::new(AtomicBool::new(false)), Open::default());
        let first = Arc::new(OnceLock::new());
        let (is_dead, kept, came) = (dead.clone(), open.clone(), first.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mut kept = kept.lock().expect("no one panicked");
                if is_dead.load(SeqCst) {
                    return;
                }
                came.get_or_init(Instant::now);
                let Ok(server) = TcpStream::connect(&behind) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
                    std::thread::spawn(move || carry(from, to));
                }
                kept.extend([client, server]);
            }
        });
        Front { address, dead, open, first }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// When the first connection came.
    pub fn first(&self) -> Option<Instant> {
        self.first.get().copied()
    }

    pub fn die(&self) {
        self.dead.store(true, SeqCst);
        for stream in self.open.lock().expect("no one panicked").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the listener up, which ends with its thread.
        drop(TcpStream::connect(self.address));
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 1 << 14];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
