//! Input bytes taken from the front, as numbers.
//!
//! Invariant: past the end there are only zeros, so any input is a whole one. Knows no target.

/// What is left of an input.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl Bytes<'_> {
    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }
    pub(crate) fn short(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }
    pub(crate) fn word(&mut self) -> u64 {
        let mut word = [0; 8];
        word.iter_mut().for_each(|byte| *byte = self.byte());
        u64::from_le_bytes(word)
    }
    /// One of `0..limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::from(self.short()) % limit
    }
}
