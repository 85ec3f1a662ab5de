//! A connection between two processes for what the dataflow exchanges.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::control::{Shared, ended};
use super::{BEAT, Lost, SILENCE};
use crate::flow::{LastWord, Link};

/// Ends where timely's last word came. Before that, an end is a loss, which is told by [`Shared::lose`], and whoever reads or writes waits for ever.
pub(super) struct RowsLink {
    stream: TcpStream,
    last: LastWord,
    shared: Arc<Shared>,
    process: usize,
    host: String,
}

impl RowsLink {
    pub(super) fn new(
        stream: TcpStream,
        shared: Arc<Shared>,
        process: usize,
        host: String,
    ) -> io::Result<Self> {
        notice_cuts(&stream)?;
        Ok(RowsLink { stream, last: LastWord::default(), shared, process, host })
    }

    /// Tells of the loss, and does not come back: this thread has nothing to do any more, and the process ends.
    fn failed(&self, error: &io::Error) -> ! {
        if error.kind() != io::ErrorKind::TimedOut {
            // Who ended in order said so by the connection for words, which may be heard a little later.
            let begin = Instant::now();
            while begin.elapsed() < 2 * BEAT && self.shared.state().lost.is_none() {
                self.shared.wait_a_moment(BEAT / 10);
            }
        }
        let (process, host, why) = (self.process, self.host.clone(), ended(error));
        self.shared.lose(Lost { process, host, why, again: true });
        loop {
            self.shared.wait_a_moment(Duration::from_secs(60));
        }
    }
}

impl Read for RowsLink {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.stream.read(buffer) {
            Ok(0) if !buffer.is_empty() && !self.last.came() => {
                self.failed(&io::ErrorKind::UnexpectedEof.into())
            }
            Ok(read) => {
                self.last.follow(&buffer[..read]);
                self.shared.traffic.received.fetch_add(read as u64, Ordering::Relaxed);
                Ok(read)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            // All was said: the other end may be gone.
            Err(_) if self.last.came() => Ok(0),
            Err(error) => self.failed(&error),
        }
    }
}

impl Write for RowsLink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.stream.write(bytes) {
            Ok(written) => {
                self.shared.traffic.sent.fetch_add(written as u64, Ordering::Relaxed);
                Ok(written)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => self.failed(&error),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Link for RowsLink {
    fn another(&self) -> io::Result<Box<dyn Link>> {
        Ok(Box::new(RowsLink {
            stream: self.stream.try_clone()?,
            last: self.last.clone(),
            shared: self.shared.clone(),
            process: self.process,
            host: self.host.clone(),
        }))
    }

    fn end(&self) -> io::Result<()> {
        match self.stream.shutdown(Shutdown::Write) {
            // The other end is gone already.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            done => done,
        }
    }
}

/// Where the network to the other end is cut, reading and writing fail in a few seconds.
fn notice_cuts(stream: &TcpStream) -> io::Result<()> {
    let milliseconds = SILENCE.as_millis() as libc::c_int;
    let options = [
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1),
        (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE, 2),
        (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, 1),
        (libc::IPPROTO_TCP, libc::TCP_KEEPCNT, 3),
        (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT, milliseconds),
    ];
    for (level, option, value) in options {
        // SAFETY: the option's value is a `c_int`, whose place and length are given.
        let set = unsafe {
            libc::setsockopt(
                stream.as_raw_fd(),
                level,
                option,
                (&raw const value).cast(),
                size_of::<libc::c_int>() as libc::socklen_t,
            )
        };
        if set != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}
