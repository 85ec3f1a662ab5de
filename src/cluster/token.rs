//! The token of a run, and the proof that both ends of a connection know it.
//!
//! The one who connects sends what it wants and a nonce; the one who accepts answers with a nonce of its own and a keyed hash (BLAKE3, the key is
//! the token) of all that was said so far; the first answers with such a hash, too. So neither can be had by repeating what was said before,
//! and the token is never sent. What follows is as open as the network is.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A stranger has so long for all that it has to say.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

const MAGIC: &[u8; 8] = b"tflow/1\n";
const NONCE: usize = 32;
const GREETING: usize = MAGIC.len() + 1 + 2 + NONCE;

/// Known to the processes of one run.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Token([u8; 32]);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Words.
    Words,
    /// What the dataflow exchanges.
    Rows,
}

/// A connection whose other end knows the token.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) stream: TcpStream,
    pub(super) purpose: Purpose,
    pub(super) process: usize,
}

impl Token {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Token(random()?))
    }

    pub(super) fn to_hex(&self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }

    pub(super) fn from_hex(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(|hash| Token(*hash.as_bytes()))
    }

    fn proof(&self, side: u8, greeting: &[u8; GREETING], nonce: &[u8; NONCE]) -> blake3::Hash {
        let said = [&[side][..], greeting, nonce].concat();
        blake3::keyed_hash(&self.0, &said)
    }

    /// Proves itself to a process that listens, as the process of this number, and has it prove itself.
    pub(super) fn connect(&self, stream: &mut TcpStream, purpose: Purpose, process: usize) -> io::Result<()> {
        let deadline = patient(stream)?;
        let mut greeting = [0; GREETING];
        let (magic, rest) = greeting.split_at_mut(MAGIC.len());
        magic.copy_from_slice(MAGIC);
        rest[0] = purpose as u8;
        rest[1..3].copy_from_slice(&(process as u16).to_le_bytes());
        rest[3..].copy_from_slice(&random::<NONCE>()?);
        stream.write_all(&greeting)?;
        let (nonce, proof) = (take::<NONCE>(stream, deadline)?, take::<32>(stream, deadline)?);
        if self.proof(b's', &greeting, &nonce) != proof {
            return Err(stranger());
        }
        stream.write_all(self.proof(b'c', &greeting, &nonce).as_bytes())?;
        let [_accepted] = take::<1>(stream, deadline)?;
        impatient(stream)
    }

    /// Has a process that connects prove itself, and proves itself to it.
    pub(super) fn accept(&self, mut stream: TcpStream) -> io::Result<Known> {
        let deadline = patient(&stream)?;
        let greeting = take::<GREETING>(&mut stream, deadline)?;
        let (magic, rest) = greeting.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(stranger());
        }
        let purpose = if rest[0] == Purpose::Words as u8 { Purpose::Words } else { Purpose::Rows };
        let process = usize::from(u16::from_le_bytes([rest[1], rest[2]]));
        let nonce = random::<NONCE>()?;
        stream.write_all(&nonce)?;
        stream.write_all(self.proof(b's', &greeting, &nonce).as_bytes())?;
        let proof = take::<32>(&mut stream, deadline)?;
        if self.proof(b'c', &greeting, &nonce) != proof {
            return Err(stranger());
        }
        stream.write_all(&[1])?;
        impatient(&stream)?;
        Ok(Known { stream, purpose, process })
    }
}

fn stranger() -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, "its proof is wrong")
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(bytes)
}

/// Reads so many bytes, until then.
fn take<const N: usize>(from: &mut TcpStream, deadline: Instant) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let mut filled = 0;
    while filled < N {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        from.set_read_timeout(Some(left))?;
        match from.read(&mut bytes[filled..]) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// Until when the other end may take.
fn patient(stream: &TcpStream) -> io::Result<Instant> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(Instant::now() + PATIENCE)
}

fn impatient(stream: &TcpStream) -> io::Result<()> {
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(None)
}

#[cfg(test)]
mod tests {
    use std::net::{SocketAddr, TcpListener};
    use std::thread::JoinHandle;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + PATIENCE
    }

    /// Someone who accepts one connection.
    fn accepting(token: &Token) -> (SocketAddr, JoinHandle<io::Result<Known>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, token) = (listener.local_addr().unwrap(), token.clone());
        (address, std::thread::spawn(move || token.accept(listener.accept()?.0)))
    }

    #[test]
    fn both_ends_know_the_token_or_there_is_no_connection() {
        let (token, other) = (Token::new().unwrap(), Token::new().unwrap());
        assert!(token != other && Token::from_hex(&token.to_hex()).is_some_and(|it| it == token));
        assert!(Token::from_hex("12").is_none());
        for (purpose, process) in [(Purpose::Words, 3), (Purpose::Rows, 1_000)] {
            let (address, accepting) = accepting(&token);
            let mut stream = TcpStream::connect(address).unwrap();
            token.connect(&mut stream, purpose, process).unwrap();
            let known = accepting.join().unwrap().unwrap();
            assert_eq!((known.purpose, known.process), (purpose, process));
        }
        let (address, accepting) = accepting(&token);
        let mut stream = TcpStream::connect(address).unwrap();
        let error = other.connect(&mut stream, Purpose::Words, 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        drop(stream);
        assert!(accepting.join().unwrap().is_err());
    }

    #[test]
    fn what_was_said_before_proves_nothing() {
        let token = Token::new().unwrap();
        // What one says that is let in, ...
        let (address, accepted) = accepting(&token);
        let recorder = TcpListener::bind("127.0.0.1:0").unwrap();
        let between = recorder.local_addr().unwrap();
        let relay = std::thread::spawn(move || {
            let (mut one, _) = recorder.accept().unwrap();
            let mut other = TcpStream::connect(address).unwrap();
            let greeting = take::<GREETING>(&mut one, soon()).unwrap();
            other.write_all(&greeting).unwrap();
            one.write_all(&take::<{ NONCE + 32 }>(&mut other, soon()).unwrap()).unwrap();
            let proof = take::<32>(&mut one, soon()).unwrap();
            other.write_all(&proof).unwrap();
            one.write_all(&take::<1>(&mut other, soon()).unwrap()).unwrap();
            (greeting, proof)
        });
        let mut stream = TcpStream::connect(between).unwrap();
        token.connect(&mut stream, Purpose::Rows, 2).unwrap();
        assert!(accepted.join().unwrap().is_ok());
        let (greeting, proof) = relay.join().unwrap();
        // ... lets nobody in again.
        let (address, accepted) = accepting(&token);
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(&greeting).unwrap();
        take::<{ NONCE + 32 }>(&mut stream, soon()).unwrap();
        stream.write_all(&proof).unwrap();
        assert_eq!(accepted.join().unwrap().unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }
}
