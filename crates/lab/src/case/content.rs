//! The bytes that a run writes: cheap to make, different for every write, so that no block is mistaken for another.
//!
//! Invariant: content depends on the count of writes so far and nothing else.

/// Makes content.
#[derive(Default)]
pub(crate) struct Content {
    buffer: Vec<u8>,
    writes: u64,
}

impl Content {
    /// `length` bytes that no earlier call returned (in each block of 512 bytes).
    pub(crate) fn make(&mut self, length: usize) -> &[u8] {
        if self.buffer.len() < length {
            self.buffer.resize(length.next_multiple_of(512), 0x5A);
        }
        self.writes += 1;
        let stamp = self.writes.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes();
        for sector in self.buffer[..length].chunks_mut(512) {
            let part = sector.len().min(8);
            sector[..part].copy_from_slice(&stamp[..part]);
        }
        &self.buffer[..length]
    }
}
