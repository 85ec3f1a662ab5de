//! What timely's threads that send and receive read from and write to: a connection to another process, as the room of the cluster makes it.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use timely::communication::allocator::zero_copy::stream::Stream;

/// A connection to another process. It is used by two threads that do nothing else: one reads, one writes.
///
/// Timely's threads panic where a connection ends before its time. So such an end is not told them: [`Read::read`] and [`Write::write`] then
/// wait for ever, and whoever made the link ends the process, with a reason. Only behind timely's own last word ([`LastWord`]) an end is an end.
pub trait Link: Read + Write + Send + Sync {
    /// Another handle of the same connection.
    ///
    /// # Errors
    /// Where the system has no more of them.
    fn another(&self) -> io::Result<Box<dyn Link>>;
    /// Ends what is written: the other end reads it, and then an end.
    ///
    /// # Errors
    /// Where there is no connection any more.
    fn end(&self) -> io::Result<()>;
}

/// Follows timely's messages, to know whether the last one came: a header without a body.
///
/// A header is six numbers of eight bytes, the highest byte first; the fifth is the length of the body.
///
/// ```
/// use threshflow::flow::LastWord;
/// let header = |length: u64| [0, 0, 0, 1, length, 7].map(u64::to_be_bytes).concat();
/// let mut last = LastWord::default();
/// for byte in [header(3), vec![1, 2, 3], header(0)].concat() {
///     assert!(!last.came());
///     last.follow(&[byte]);
/// }
/// assert!(last.came());
/// ```
#[derive(Clone, Debug, Default)]
pub struct LastWord {
    header: Vec<u8>,
    /// Of the body.
    left: u64,
    came: bool,
}

impl LastWord {
    const HEADER: usize = 48;
    const LENGTH: std::ops::Range<usize> = 32..40;

    /// Takes in what was read.
    ///
    /// ```
    /// let mut last = threshflow::flow::LastWord::default();
    /// last.follow(&[0; 48]);
    /// assert!(last.came());
    /// ```
    pub fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.came {
            if self.left > 0 {
                let passed = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= passed as u64;
                bytes = &bytes[passed..];
                continue;
            }
            let (more, rest) = bytes.split_at(bytes.len().min(Self::HEADER - self.header.len()));
            self.header.extend_from_slice(more);
            bytes = rest;
            if self.header.len() == Self::HEADER {
                let length = self.header[Self::LENGTH].try_into().map_or(0, u64::from_be_bytes);
                self.header.clear();
                (self.left, self.came) = (length, length == 0);
            }
        }
    }

    /// Whether nothing more is to come.
    ///
    /// ```
    /// assert!(!threshflow::flow::LastWord::default().came());
    /// ```
    pub fn came(&self) -> bool {
        self.came
    }
}

/// A link as timely wants it.
pub(super) struct Linked(pub(super) Box<dyn Link>);

impl Read for Linked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Linked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Stream for Linked {
    fn try_clone(&self) -> io::Result<Self> {
        self.0.another().map(Linked)
    }

    /// Links block.
    fn set_nonblocking(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    /// Timely ends the half that it writes, and reads the other half to its end.
    fn shutdown(&self, _: Shutdown) -> io::Result<()> {
        self.0.end()
    }
}
