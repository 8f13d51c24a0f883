//! Which 4 KiB blocks were touched: a sparse bitmap that stops growing.
//!
//! Invariant: never more than [`CHUNKS_MAX`] chunks of 512 bytes, whatever the addresses; beyond that the count is a
//! lower bound, and says so.

use super::Request;
use spinney_core::BLOCK_BYTES;
use std::collections::BTreeMap;

const CHUNK_BLOCKS: u64 = 4096;

/// Chunks held at most: 128 MiB of memory, 4 TiB of addresses if they are dense.
const CHUNKS_MAX: usize = 1 << 18;

/// A set of blocks.
#[derive(Default)]
pub(crate) struct Footprint {
    chunks: BTreeMap<u64, Box<[u64; 64]>>,
    blocks: u64,
    full: bool,
}

impl Footprint {
    /// Add the blocks that a request touches.
    pub(crate) fn add(&mut self, request: &Request) {
        if request.length == 0 {
            return;
        }
        let (mut block, last) =
            (request.offset / BLOCK_BYTES as u64, (request.end() - 1) / BLOCK_BYTES as u64);
        while block <= last {
            let chunk_last = last.min(block | (CHUNK_BLOCKS - 1));
            self.insert(block / CHUNK_BLOCKS, block % CHUNK_BLOCKS, chunk_last % CHUNK_BLOCKS);
            block = chunk_last + 1;
        }
    }
    /// Add blocks `first..=last` of a chunk, a word at a time.
    fn insert(&mut self, chunk: u64, first: u64, last: u64) {
        if self.chunks.len() >= CHUNKS_MAX && !self.chunks.contains_key(&chunk) {
            self.full = true;
            return;
        }
        let words = self.chunks.entry(chunk).or_insert_with(|| Box::new([0; 64]));
        for index in first / 64..=last / 64 {
            let low = if index == first / 64 { first % 64 } else { 0 };
            let high = if index == last / 64 { last % 64 } else { 63 };
            let mask = u64::MAX << low & u64::MAX >> (63 - high);
            let word = &mut words[index as usize];
            self.blocks += u64::from((mask & !*word).count_ones());
            *word |= mask;
        }
    }
    /// Distinct blocks.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks
    }
    /// Whether some were not counted.
    pub(crate) fn is_full(&self) -> bool {
        self.full
    }
}
