//! What processes say to each other in words: postcard behind its length.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use super::{Lost, Same};
use crate::flow::Epoch;

/// Longer ones are none of ours.
const MOST_BYTES: usize = 1 << 30;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Message {
    /// The first word of a process to process 0.
    Hello(Hello),
    /// Where each process runs, when all have said hello: now they link up.
    Table(Vec<Host>),
    /// I am there.
    Beat,
    /// This epoch was begun.
    Reached(Epoch),
    /// Something for all, or for process 0 alone.
    Said { said: Vec<u8>, to_all: bool },
    /// What all said; empty where it was for process 0 alone.
    Heard(Vec<Vec<u8>>),
    /// A shard, please; also of those that are another's first, where it helps.
    Ask { helps: bool },
    /// Its place in the list; none are left where it is `None`.
    Given(Option<u32>),
    /// What process 0 waits for beside all else, under the number that it is to know it by; or a part of it, and more follows.
    Beside { number: u64, said: Vec<u8>, more: bool },
    /// The run cannot go on.
    Failed(Lost),
    /// The run is done.
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) host: Host,
    /// How many processes it knows of.
    pub(super) of: usize,
    pub(super) same: Vec<Same>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Host {
    pub(super) name: String,
    /// Where it listens.
    pub(super) address: std::net::SocketAddr,
}

impl Host {
    pub(super) fn named(&self) -> String {
        format!("{} ({})", self.name, self.address)
    }
}

pub(super) fn send(to: &mut impl Write, message: &Message) -> io::Result<()> {
    let bytes = postcard::to_stdvec(message).map_err(io::Error::other)?;
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length as usize <= MOST_BYTES);
    let length = length.ok_or_else(|| io::Error::other(format!("a message of {} bytes", bytes.len())))?;
    let mut framed = length.to_le_bytes().to_vec();
    framed.extend(bytes);
    to.write_all(&framed)?;
    to.flush()
}

pub(super) fn receive(from: &mut impl Read) -> io::Result<Message> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MOST_BYTES {
        return Err(io::Error::other(format!("a message of {length} bytes")));
    }
    let mut bytes = Vec::new();
    from.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    postcard::from_bytes(&bytes).map_err(io::Error::other)
}
