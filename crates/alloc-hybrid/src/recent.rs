//! Chunks of 1 to 15 blocks that were freed lately, by their exact size: up to 16 of each, the last one first.
//!
//! Invariant: none. A chunk is a hint that may be stale, and whoever takes one looks first whether it is free. In BlueStore a cached
//! chunk is kept out of the trees and so does not merge with its neighbors; here it is in them and merges, since an index is a set.

use spinney_core::Extent;

/// Sizes, of which the first is never used.
const SIZES: usize = 16;
/// Chunks of a size.
const CHUNKS: usize = 16;

/// The chunks.
#[derive(Clone, Debug)]
pub(crate) struct Recent {
    starts: [[u64; CHUNKS]; SIZES],
    counts: [u8; SIZES],
}

impl Default for Recent {
    fn default() -> Recent {
        Recent { starts: [[0; CHUNKS]; SIZES], counts: [0; SIZES] }
    }
}

impl Recent {
    /// Note a chunk, if its size is one of these and there is room.
    pub(crate) fn put(&mut self, run: Extent) {
        let size = run.blocks as usize;
        if run.blocks < SIZES as u64 && usize::from(self.counts[size]) < CHUNKS {
            self.starts[size][usize::from(self.counts[size])] = run.start.0;
            self.counts[size] += 1;
        }
    }
    /// The last chunk of exactly `blocks` blocks, which is forgotten.
    pub(crate) fn take(&mut self, blocks: u64) -> Option<Extent> {
        let size = usize::try_from(blocks).ok().filter(|size| *size < SIZES)?;
        self.counts[size] = self.counts[size].checked_sub(1)?;
        Extent::checked(self.starts[size][usize::from(self.counts[size])], blocks)
    }
}

/// The chunk of the wanted size that was freed last and is still free as `is_free` has it.
pub(crate) fn still_free(
    recent: &mut Recent,
    blocks: u64,
    is_free: impl Fn(Extent) -> bool,
) -> Option<Extent> {
    loop {
        let chunk = recent.take(blocks)?;
        if is_free(chunk) {
            return Some(chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinney_core::Pba;

    #[test]
    fn the_last_chunk_of_the_size_that_is_still_free_comes_first() {
        let mut recent = Recent::default();
        for (start, blocks) in [(10, 4), (20, 4), (30, 5), (40, 4), (50, 16)] {
            recent.put(Extent::new(Pba(start), blocks));
        }
        let free = |chunk: Extent| chunk.start != Pba(40);
        assert_eq!(still_free(&mut recent, 4, free), Some(Extent::new(Pba(20), 4)));
        assert_eq!(still_free(&mut recent, 16, free), None);
        assert_eq!(still_free(&mut recent, 4, free), Some(Extent::new(Pba(10), 4)));
        assert_eq!(still_free(&mut recent, 4, free), None);
    }
}
