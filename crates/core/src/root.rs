//! A plug-in's root: the few opaque bytes from which it finds its structure again.
//!
//! Invariant: at most 64 bytes, kept in the superblock, so that one atomic superblock write switches every structure.

use crate::{Error, Place, Result};
use core::fmt;

/// The most bytes that a root may have.
pub const ROOT_BYTES_MAX: usize = 64;

/// Opaque bytes of one plug-in; the default is empty (nothing stored yet).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Root {
    length: u8,
    bytes: [u8; ROOT_BYTES_MAX],
}

impl Root {
    /// A root from at most [`ROOT_BYTES_MAX`] bytes (more is a programmer error).
    #[must_use]
    pub fn new(bytes: &[u8]) -> Root {
        assert!(bytes.len() <= ROOT_BYTES_MAX, "a root has at most {ROOT_BYTES_MAX} bytes");
        let mut root = Root { length: bytes.len() as u8, bytes: [0; ROOT_BYTES_MAX] };
        root.bytes[..bytes.len()].copy_from_slice(bytes);
        root
    }
    /// A root of little-endian words (at most eight).
    #[must_use]
    pub fn from_words(words: &[u64]) -> Root {
        let mut bytes = [0; ROOT_BYTES_MAX];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(words) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        Root::new(&bytes[..words.len() * 8])
    }
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
    /// Whether nothing is stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
    /// The words of [`Root::from_words`]. Errors: `Corrupt` if there are not exactly `N`.
    pub fn words<const N: usize>(&self, what: &'static str) -> Result<[u64; N]> {
        let bytes = self.bytes();
        if bytes.len() != N * 8 {
            return Err(Error::Corrupt { what, place: Place::Pool });
        }
        let mut words = [0; N];
        for (word, chunk) in words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = u64::from_le_bytes(chunk.try_into().expect("chunks of eight"));
        }
        Ok(words)
    }
}

impl Default for Root {
    fn default() -> Root {
        Root::new(&[])
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root({:02x?})", self.bytes())
    }
}
