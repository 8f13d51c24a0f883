//! Buffers that direct I/O accepts: they start at a multiple of a block.
//!
//! Invariant: `bytes` has the length asked for and is aligned to a block, wherever the buffer is moved (the bytes stay on the
//! heap). Over-allocates by one block, which needs no unsafe code.

use spinney_core::BLOCK_BYTES;

/// Whether direct I/O can use the slice as it is.
pub(crate) fn is_aligned(bytes: &[u8]) -> bool {
    bytes.as_ptr().addr().is_multiple_of(BLOCK_BYTES)
}

/// An aligned buffer of zeros.
pub(crate) struct AlignedBuffer {
    raw: Vec<u8>,
    offset: usize,
    length: usize,
}

impl AlignedBuffer {
    pub(crate) fn new(length: usize) -> AlignedBuffer {
        let raw = vec![0; length + BLOCK_BYTES];
        let offset = raw.as_ptr().addr().next_multiple_of(BLOCK_BYTES) - raw.as_ptr().addr();
        AlignedBuffer { raw, offset, length }
    }
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        &mut self.raw[self.offset..self.offset + self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_aligned_when_moved() {
        for length in [1, BLOCK_BYTES, 100_000] {
            let mut moved = vec![AlignedBuffer::new(length)];
            moved.insert(0, AlignedBuffer::new(1));
            assert!(moved.iter_mut().all(|buffer| is_aligned(buffer.bytes())));
            assert_eq!(moved[1].bytes().len(), length);
        }
    }
}
