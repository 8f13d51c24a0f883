//! A Bloom filter over the blocks of a run: whether the run may have anything of a block.
//!
//! Invariant: a block that was inserted is always found. Four bits a block; a filter has at least 8 bits for each block, so at
//! most 2.4 % of the others are found too: (1 - e^(-4/8))^4. Knows no page.
//!
//! Source: Backlog (FAST 2010): 4 hashes, 32 KiB for a run of 32,000 operations, at most 1 MiB.

use xxhash_rust::xxh3::xxh3_64;

const HASHES: u64 = 4;
const BITS_PER_BLOCK: u64 = 8;
/// 64 bytes: a line of the processor's cache.
const BITS_LOG2_MIN: u32 = 9;
/// 1 MiB.
pub(crate) const BITS_LOG2_MAX: u32 = 23;

/// A filter of a power of two bits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Filter {
    words: Vec<u64>,
}

/// Bits of a filter for so many blocks, as a power of two.
pub(crate) fn bits_log2_for(blocks: u64) -> u32 {
    let bits = blocks.saturating_mul(BITS_PER_BLOCK).min(1 << BITS_LOG2_MAX);
    bits.next_power_of_two().trailing_zeros().max(BITS_LOG2_MIN)
}

impl Filter {
    /// An empty filter for so many blocks.
    pub(crate) fn for_blocks(blocks: u64) -> Filter {
        Filter { words: vec![0; 1 << (bits_log2_for(blocks) - 6)] }
    }
    /// From stored bytes; `None` if they are not as many as a filter has.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Filter> {
        let bits = bytes.len() as u64 * 8;
        let sound =
            bits.is_power_of_two() && (BITS_LOG2_MIN..=BITS_LOG2_MAX).contains(&bits.trailing_zeros());
        let words = bytes.chunks_exact(8).map(|word| crate::leaf::u64_at(word, 0)).collect();
        sound.then_some(Filter { words })
    }
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }
    pub(crate) fn bytes(&self) -> usize {
        self.words.len() * 8
    }

    /// The bits of a block: one hash, its upper half the step.
    fn bits(&self, block: u64) -> impl Iterator<Item = u64> + use<> {
        let hash = xxh3_64(&block.to_le_bytes());
        let (step, mask) = (hash >> 32 | 1, self.words.len() as u64 * 64 - 1);
        (0..HASHES).map(move |turn| hash.wrapping_add(turn.wrapping_mul(step)) & mask)
    }
    pub(crate) fn insert(&mut self, block: u64) {
        let bits = self.bits(block);
        for bit in bits {
            self.words[(bit / 64) as usize] |= 1 << (bit % 64);
        }
    }
    /// Whether the block may have been inserted.
    pub(crate) fn may_have(&self, block: u64) -> bool {
        self.bits(block).all(|bit| self.words[(bit / 64) as usize] >> (bit % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_is_found_and_little_else() {
        // Backlog's case: 32,000 blocks in 32 KiB; the closed form is (1 - e^(-4 x 32000 / 262144))^4 = 2.22 %.
        let mut filter = Filter::for_blocks(32_000);
        assert_eq!(filter.bytes(), 32 << 10);
        (0..32_000).for_each(|block| filter.insert(block * 3));
        assert!((0..32_000).all(|block| filter.may_have(block * 3)));
        let wrong = (0..100_000u64).filter(|block| filter.may_have(block * 3 + 1)).count() as f64 / 1e5;
        assert!((wrong / 0.0222 - 1.0).abs() < 0.1, "{wrong}");
    }

    #[test]
    fn sizes_are_bounded_and_stored_bytes_give_the_same_filter() {
        assert_eq!(Filter::for_blocks(0).bytes(), 64);
        assert_eq!(Filter::for_blocks(u64::MAX).bytes(), 1 << 20);
        let mut filter = Filter::for_blocks(100);
        filter.insert(7);
        assert_eq!(Filter::from_bytes(&filter.to_bytes()), Some(filter));
        assert!([0, 8, 63, 96, 2 << 20].iter().all(|bytes| Filter::from_bytes(&vec![0; *bytes]).is_none()));
    }
}
