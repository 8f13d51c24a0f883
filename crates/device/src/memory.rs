//! A sparse device in memory: what was never written costs nothing and reads as zeros.
//!
//! Invariant: a clone shares chunks until one side writes, and neither ever sees the other's writes. Durable at once: a flush
//! does nothing. Requests on different chunks do not wait for each other; a request over several chunks is not atomic.

use crate::{bounds, sync};
use spinney_core::{BLOCK_BYTES, BlockDevice, Extent, Pba, Result};
use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasherDefault, Hasher},
    sync::{Arc, RwLock},
};

/// Blocks in a chunk, the unit of allocation and of sharing between clones. 64 KiB is below malloc's mmap threshold, so
/// that the many short-lived images of crash tests reuse warm memory, and large enough that a full gigabyte is 16,384 entries.
const CHUNK_BLOCKS: u64 = 16;
const CHUNK_BYTES: usize = CHUNK_BLOCKS as usize * BLOCK_BYTES;
/// Locks over which chunks are dealt round. Clones of small pools pay for each, so there are no more than a machine's
/// few writers can use.
const SHARDS: usize = 16;

/// Chunks by number. Iterated only where the order does not matter.
type Chunks = HashMap<u64, Arc<[u8]>, BuildHasherDefault<Spread>>;

/// The hash of a chunk's number: both ends of the product are used by the table, so it is folded.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0 ^ u64::from(*byte)));
    }
    fn write_u64(&mut self, number: u64) {
        let product = u128::from(number ^ 0x9E37_79B9_7F4A_7C15) * 0xD6E8_FEB8_6659_FD93;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

/// A sparse block device in memory. Cloning is cheap (copy on write).
pub struct MemoryDevice {
    blocks: u64,
    shards: [RwLock<Chunks>; SHARDS],
}

impl MemoryDevice {
    /// A device of `blocks` blocks of zeros.
    #[must_use]
    pub fn new(blocks: u64) -> MemoryDevice {
        MemoryDevice { blocks, shards: Default::default() }
    }
    /// Bytes of chunks that exist (shared ones count in each clone).
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        self.shards.iter().map(|shard| sync::read(shard).len() as u64).sum::<u64>() * CHUNK_BYTES as u64
    }
    /// The first block whose content differs from `other`'s, if any; devices of different sizes differ at the shorter end.
    #[must_use]
    pub fn first_difference(&self, other: &MemoryDevice) -> Option<Pba> {
        let zeros = [0; CHUNK_BYTES];
        let mut first = (self.blocks != other.blocks).then(|| self.blocks.min(other.blocks));
        for (mine, theirs) in self.shards.iter().zip(&other.shards) {
            let (mine, theirs) = (sync::read(mine).clone(), sync::read(theirs).clone());
            for (&index, _) in mine.iter().chain(theirs.iter()) {
                let (a, b) = (mine.get(&index), theirs.get(&index));
                if a.zip(b).is_some_and(|(a, b)| Arc::ptr_eq(a, b)) {
                    continue;
                }
                let (a, b) = (a.map_or(&zeros[..], |a| a), b.map_or(&zeros[..], |b| b));
                let pairs = a.chunks_exact(BLOCK_BYTES).zip(b.chunks_exact(BLOCK_BYTES));
                if let Some(block) = pairs.into_iter().position(|(a, b)| a != b) {
                    let at = index * CHUNK_BLOCKS + block as u64;
                    first = Some(first.map_or(at, |first| first.min(at)));
                }
            }
        }
        first.map(Pba)
    }
    fn shard(&self, index: u64) -> &RwLock<Chunks> {
        &self.shards[(index % SHARDS as u64) as usize]
    }
    fn zero_part(&self, index: u64, part: std::ops::Range<usize>) {
        if let Some(chunk) = sync::write(self.shard(index)).get_mut(&index) {
            Arc::make_mut(chunk)[part].fill(0);
        }
    }
    /// Drop the chunks of `first..end`, looking only at chunks that exist: a discard of a terabyte may come.
    fn drop_chunks(&self, first: u64, end: u64) {
        for shard in &self.shards {
            let mut chunks = sync::write(shard);
            if end - first < chunks.len() as u64 {
                (first..end).for_each(|index| drop(chunks.remove(&index)));
            } else {
                chunks.retain(|index, _| !(first..end).contains(index));
            }
        }
    }
}

/// Cut `blocks` blocks from `start` at chunk borders: `each(chunk, bytes inside it, bytes inside the request)`.
fn pieces(
    start: u64,
    blocks: u64,
    mut each: impl FnMut(u64, std::ops::Range<usize>, std::ops::Range<usize>),
) {
    let (mut at, end, mut done) = (start, start + blocks, 0);
    while at < end {
        let inside = (at % CHUNK_BLOCKS) as usize * BLOCK_BYTES;
        let length = (CHUNK_BYTES - inside).min((end - at) as usize * BLOCK_BYTES);
        each(at / CHUNK_BLOCKS, inside..inside + length, done..done + length);
        at += (length / BLOCK_BYTES) as u64;
        done += length;
    }
}

impl BlockDevice for MemoryDevice {
    fn blocks(&self) -> u64 {
        self.blocks
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        let blocks = bounds::request(self.blocks, at, buffer.len())?;
        pieces(at.0, blocks, |index, inside, outside| match sync::read(self.shard(index)).get(&index) {
            Some(chunk) => buffer[outside].copy_from_slice(&chunk[inside]),
            None => buffer[outside].fill(0),
        });
        Ok(())
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        let blocks = bounds::request(self.blocks, at, data.len())?;
        pieces(at.0, blocks, |index, inside, outside| {
            let mut chunks = sync::write(self.shard(index));
            if let Some(own) = chunks.get_mut(&index).and_then(Arc::get_mut) {
                own[inside].copy_from_slice(&data[outside]);
            } else if inside.len() == CHUNK_BYTES {
                chunks.insert(index, Arc::from(&data[outside]));
            } else {
                let chunk = chunks.entry(index).or_insert_with(|| vec![0; CHUNK_BYTES].into());
                Arc::make_mut(chunk)[inside].copy_from_slice(&data[outside]);
            }
        });
        Ok(())
    }
    fn flush(&self) -> Result<()> {
        Ok(())
    }
    fn discard(&self, run: Extent) -> Result<()> {
        bounds::run(self.blocks, run)?;
        let (start, end) = (run.start.0, run.end().0);
        let (first, last) = (start.div_ceil(CHUNK_BLOCKS), end / CHUNK_BLOCKS);
        if first < last {
            self.drop_chunks(first, last);
            pieces(start, first * CHUNK_BLOCKS - start, |index, inside, _| self.zero_part(index, inside));
            let tail = last * CHUNK_BLOCKS;
            pieces(tail, end - tail, |index, inside, _| self.zero_part(index, inside));
        } else {
            pieces(start, run.blocks, |index, inside, _| self.zero_part(index, inside));
        }
        Ok(())
    }
}

impl Clone for MemoryDevice {
    fn clone(&self) -> MemoryDevice {
        let shards = std::array::from_fn(|shard| RwLock::new(sync::read(&self.shards[shard]).clone()));
        MemoryDevice { blocks: self.blocks, shards }
    }
}

impl fmt::Debug for MemoryDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryDevice({} blocks, {} bytes resident)", self.blocks, self.resident_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{block, conforms, read_block};

    #[test]
    fn agrees_with_an_array_model() {
        for seed in 0..20 {
            conforms(&MemoryDevice::new(100), seed, 400);
        }
    }

    #[test]
    fn a_tebibyte_costs_what_is_written() {
        let device = MemoryDevice::new(1 << 28);
        device.write(Pba((1 << 28) - 1), &block(7)).unwrap();
        assert_eq!(device.resident_bytes(), CHUNK_BYTES as u64);
        device.discard(Extent::new(Pba(0), 1 << 28)).unwrap();
        assert_eq!(device.resident_bytes(), 0);
        assert_eq!(read_block(&device, (1 << 28) - 1), vec![0; BLOCK_BYTES]);
    }

    #[test]
    fn a_discard_zeroes_its_blocks_and_no_others() {
        let device = MemoryDevice::new(64);
        device.write(Pba(0), &[9; 64 * BLOCK_BYTES]).unwrap();
        device.discard(Extent::new(Pba(15), 34)).unwrap();
        for at in 0..64 {
            let wanted = if (15..49).contains(&at) { 0 } else { 9 };
            assert_eq!(read_block(&device, at), vec![wanted; BLOCK_BYTES], "block {at}");
        }
        assert_eq!(device.resident_bytes(), 2 * CHUNK_BYTES as u64);
    }

    #[test]
    fn clones_do_not_see_each_other() {
        let device = MemoryDevice::new(32);
        device.write(Pba(3), &block(1)).unwrap();
        let copy = device.clone();
        assert_eq!(device.first_difference(&copy), None);
        copy.write(Pba(4), &block(2)).unwrap();
        device.write(Pba(3), &block(3)).unwrap();
        assert_eq!(read_block(&copy, 3), block(1));
        assert_eq!(read_block(&device, 4), vec![0; BLOCK_BYTES]);
        assert_eq!(device.first_difference(&copy), Some(Pba(3)));
    }

    #[test]
    fn threads_on_different_blocks_do_not_disturb_each_other() {
        let device = MemoryDevice::new(64);
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let device = &device;
                scope.spawn(move || {
                    for round in 0..200u64 {
                        let at = (round % 16) * 4 + thread;
                        device.write(Pba(at), &block(at)).unwrap();
                        assert_eq!(read_block(device, at), block(at));
                    }
                });
            }
        });
        assert!((0..64).all(|at| read_block(&device, at) == block(at)));
    }
}
