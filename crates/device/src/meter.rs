//! Counts what passes: requests, blocks, and how many requests went on where the last one ended.
//!
//! Invariant: counters only grow, and count requests as they are issued, whether or not the device below then fails them. Costs are
//! observed here, at the seam, so that no algorithm reports its own. Knows no time.

use crate::sync;
use spinney_core::{BLOCK_BYTES, BlockDevice, Extent, Healed, Pba, Result};
use std::{ops::Sub, sync::Mutex};

/// Counters of a [`MeterDevice`]; subtract an earlier snapshot to get what happened since.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct IoCounts {
    /// Read requests (each of a batch).
    pub reads: u64,
    /// Blocks read.
    pub read_blocks: u64,
    /// Reads that began where the read before them ended.
    pub reads_sequential: u64,
    /// Write requests (each of a batch).
    pub writes: u64,
    /// Blocks written.
    pub write_blocks: u64,
    /// Writes that began where the write before them ended.
    pub writes_sequential: u64,
    /// Flushes.
    pub flushes: u64,
    /// Discards.
    pub discards: u64,
    /// Blocks discarded.
    pub discard_blocks: u64,
}

impl IoCounts {
    /// Bytes read.
    #[must_use]
    pub fn read_bytes(&self) -> u64 {
        self.read_blocks * BLOCK_BYTES as u64
    }
    /// Bytes written.
    #[must_use]
    pub fn write_bytes(&self) -> u64 {
        self.write_blocks * BLOCK_BYTES as u64
    }
    /// Runs that the writes form when each sequential one goes on with the run before it.
    #[must_use]
    pub fn write_runs(&self) -> u64 {
        self.writes - self.writes_sequential
    }
    /// Runs that the reads form.
    #[must_use]
    pub fn read_runs(&self) -> u64 {
        self.reads - self.reads_sequential
    }
}

impl Sub for IoCounts {
    type Output = IoCounts;
    fn sub(self, earlier: IoCounts) -> IoCounts {
        IoCounts {
            reads: self.reads - earlier.reads,
            read_blocks: self.read_blocks - earlier.read_blocks,
            reads_sequential: self.reads_sequential - earlier.reads_sequential,
            writes: self.writes - earlier.writes,
            write_blocks: self.write_blocks - earlier.write_blocks,
            writes_sequential: self.writes_sequential - earlier.writes_sequential,
            flushes: self.flushes - earlier.flushes,
            discards: self.discards - earlier.discards,
            discard_blocks: self.discard_blocks - earlier.discard_blocks,
        }
    }
}

#[derive(Default)]
struct State {
    counts: IoCounts,
    read_end: Option<Pba>,
    write_end: Option<Pba>,
}

impl State {
    fn read(&mut self, at: Pba, bytes: usize) {
        let blocks = (bytes / BLOCK_BYTES) as u64;
        self.counts.reads += 1;
        self.counts.read_blocks += blocks;
        self.counts.reads_sequential += u64::from(self.read_end == Some(at));
        self.read_end = Some(Pba(at.0.saturating_add(blocks)));
    }
    fn write(&mut self, at: Pba, bytes: usize) {
        let blocks = (bytes / BLOCK_BYTES) as u64;
        self.counts.writes += 1;
        self.counts.write_blocks += blocks;
        self.counts.writes_sequential += u64::from(self.write_end == Some(at));
        self.write_end = Some(Pba(at.0.saturating_add(blocks)));
    }
}

/// A device that counts.
pub struct MeterDevice<D> {
    below: D,
    state: Mutex<State>,
}

impl<D: BlockDevice> MeterDevice<D> {
    /// Count what reaches `below`, from zero.
    #[must_use]
    pub fn new(below: D) -> MeterDevice<D> {
        MeterDevice { below, state: Mutex::default() }
    }
    /// The counters now.
    #[must_use]
    pub fn counts(&self) -> IoCounts {
        sync::lock(&self.state).counts
    }
    /// The device below.
    pub fn below(&self) -> &D {
        &self.below
    }
}

impl<D: BlockDevice> BlockDevice for MeterDevice<D> {
    fn blocks(&self) -> u64 {
        self.below.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        sync::lock(&self.state).read(at, buffer.len());
        self.below.read(at, buffer)
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        sync::lock(&self.state).write(at, data.len());
        self.below.write(at, data)
    }
    fn flush(&self) -> Result<()> {
        sync::lock(&self.state).counts.flushes += 1;
        self.below.flush()
    }
    fn discard(&self, run: Extent) -> Result<()> {
        let counts = &mut sync::lock(&self.state).counts;
        counts.discards += 1;
        counts.discard_blocks += run.blocks;
        self.below.discard(run)
    }
    fn read_many(&self, reads: &mut [(Pba, &mut [u8])]) -> Result<()> {
        let mut state = sync::lock(&self.state);
        reads.iter().for_each(|(at, buffer)| state.read(*at, buffer.len()));
        drop(state);
        self.below.read_many(reads)
    }
    fn write_many(&self, writes: &[(Pba, &[u8])]) -> Result<()> {
        let mut state = sync::lock(&self.state);
        writes.iter().for_each(|(at, data)| state.write(*at, data.len()));
        drop(state);
        self.below.write_many(writes)
    }
    fn copies(&self) -> usize {
        self.below.copies()
    }
    fn read_copy(&self, copy: usize, at: Pba, buffer: &mut [u8]) -> Result<()> {
        sync::lock(&self.state).read(at, buffer.len());
        self.below.read_copy(copy, at, buffer)
    }
    fn heal(&self, at: Pba, buffer: &mut [u8], is_sound: &mut dyn FnMut(&[u8]) -> bool) -> Result<Healed> {
        sync::lock(&self.state).read(at, buffer.len());
        self.below.heal(at, buffer, is_sound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryDevice, tests::block};

    #[test]
    fn counts_requests_blocks_and_continuations() {
        let device = MeterDevice::new(MemoryDevice::new(32));
        device.write(Pba(0), &block(0).repeat(2)).unwrap();
        device.write_many(&[(Pba(2), &block(0)), (Pba(9), &block(0))]).unwrap();
        device.read(Pba(4), &mut block(0)).unwrap();
        device.read(Pba(5), &mut block(0).repeat(3)).unwrap();
        device.flush().unwrap();
        device.discard(Extent::new(Pba(0), 7)).unwrap();
        let counts = device.counts();
        let wanted = IoCounts {
            reads: 2,
            read_blocks: 4,
            reads_sequential: 1,
            writes: 3,
            write_blocks: 4,
            writes_sequential: 1,
            flushes: 1,
            discards: 1,
            discard_blocks: 7,
        };
        assert_eq!(counts, wanted);
        assert_eq!((counts.write_runs(), counts.read_runs()), (2, 1));
        assert_eq!((counts.write_bytes(), counts.read_bytes()), (4 << 12, 4 << 12));
    }

    #[test]
    fn the_difference_of_two_snapshots_is_what_happened_between() {
        let device = MeterDevice::new(MemoryDevice::new(8));
        device.write(Pba(0), &block(0)).unwrap();
        let before = device.counts();
        device.write(Pba(1), &block(0)).unwrap();
        device.flush().unwrap();
        let wanted =
            IoCounts { writes: 1, write_blocks: 1, writes_sequential: 1, flushes: 1, ..IoCounts::default() };
        assert_eq!(device.counts() - before, wanted);
    }

    #[test]
    fn changes_nothing_that_passes() {
        crate::tests::conforms(&MeterDevice::new(MemoryDevice::new(64)), 1, 300);
    }
}
