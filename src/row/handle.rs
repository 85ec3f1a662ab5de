//! Handles: what a row carries of an answer that is too large for a row.

use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use super::ContentHash;
use super::marked::marked;

/// What an answer tells of: `nouns`, `caption`.
pub trait Topic: 'static {
    const NAME: &'static str;
}

/// The first 56 bits of the hash of an answer that lies in a memo. Enough, since it only ever tells apart the answers
/// about one picture.
pub struct Handle<T>([u8; 7], PhantomData<fn() -> T>);

impl<T> Handle<T> {
    /// The handle of an answer whose body is `body`.
    pub fn of(body: &[u8]) -> Self {
        let mut bytes = [0; 7];
        bytes.copy_from_slice(&ContentHash::of(body).0[..7]);
        Handle(bytes, PhantomData)
    }
    pub fn from_bytes(bytes: [u8; 7]) -> Self {
        Handle(bytes, PhantomData)
    }
    pub fn bytes(self) -> [u8; 7] {
        self.0
    }
}

marked!(Handle<T>: [u8; 7]);

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
