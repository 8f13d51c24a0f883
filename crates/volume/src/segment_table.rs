//! The list of runs by which the metadata area has grown, and its form on the device.
//!
//! Invariant: the table that a durable superblock names is never overwritten: a changed one goes to the other home, and what does
//! not fit stands in data blocks that are written once. Byte diagram: `FORMAT.md` section 2a. Chooses no run and knows no page.

use crate::Layout;
use spinney_core::{BLOCK_BYTES, BlockDevice, Error, Extent, Healed, Pba, Place, Result};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The homes of the table's last block: behind the superblock slots, 32 KiB apart.
pub(crate) const TABLE_HOMES: [Pba; 2] = [Pba(1), Pba(9)];
/// Runs in a block of the table.
pub(crate) const RUNS_MAX: usize = (BLOCK_BYTES - HEADER_BYTES) / 16;
const HEADER_BYTES: usize = 40;
const MAGIC: &[u8; 8] = b"spinsegs";
const VERSION: u32 = 1;
const WHAT: &str = "table of metadata segments";

/// How a superblock names the table. All zeros: there is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SegmentTable {
    /// The last block of the table.
    pub at: Pba,
    /// Runs in the whole table.
    pub runs: u64,
    /// Of that block.
    pub checksum: u64,
}

/// A block of the table that is full and never changes: it is a data block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Full {
    at: Pba,
    checksum: u64,
}

impl Full {
    fn is_in(&self, block: &[u8]) -> bool {
        xxh3_64_with_seed(block, self.at.0) == self.checksum
    }
    /// Look at every copy of it.
    fn heal(&self, block: &mut [u8], device: &dyn BlockDevice) -> Result<Healed> {
        device.heal(self.at, block, &mut |copy| self.is_in(copy))
    }
}

/// The runs, in the order of area space.
#[derive(Default)]
pub(crate) struct Segments {
    runs: Vec<Extent>,
    full: Vec<Full>,
    stored: SegmentTable,
    /// The full blocks that `stored` leads to; `full` differs from them once runs came or went since.
    stored_full: Vec<Full>,
    changed: bool,
}

impl Segments {
    /// The runs by which the area has grown.
    pub(crate) fn runs(&self) -> &[Extent] {
        &self.runs
    }
    /// The data blocks that full parts of the table take.
    pub(crate) fn table_blocks(&self) -> impl Iterator<Item = Pba> + '_ {
        self.full.iter().map(|full| full.at)
    }
    /// Look at every copy of the stored table, whatever changed since, repairing those that differ from a sound one. `each` is told of each
    /// block.
    pub(crate) fn scrub(&self, device: &dyn BlockDevice, each: &mut dyn FnMut(Pba, Result<Healed>)) {
        let SegmentTable { at, checksum, .. } = self.stored;
        let last = (self.stored != SegmentTable::default()).then_some(Full { at, checksum });
        for part in self.stored_full.iter().copied().chain(last) {
            each(part.at, part.heal(&mut [0; BLOCK_BYTES], device));
        }
    }
    /// Whether the next run needs a data block for the part of the table that is full.
    pub(crate) fn is_full(&self) -> bool {
        self.runs.len() == (self.full.len() + 1) * RUNS_MAX
    }
    /// Store the full part in a data block that nothing durable reaches.
    pub(crate) fn store_full(&mut self, at: Pba, device: &dyn BlockDevice) -> Result<()> {
        let block = self.encode_last();
        device.write(at, &block)?;
        self.full.push(Full { at, checksum: xxh3_64_with_seed(&block, at.0) });
        Ok(())
    }
    /// One more run, at the end.
    pub(crate) fn push(&mut self, run: Extent) {
        assert!(!self.is_full(), "the full part of the table has a block of its own");
        self.runs.push(run);
        self.changed = true;
    }
    /// The last run goes, and with it the data block of the table that is the last part again.
    pub(crate) fn pop(&mut self) -> (Option<Extent>, Option<Pba>) {
        let run = self.runs.pop();
        self.changed |= run.is_some();
        let reopened = self.runs.len() == self.full.len() * RUNS_MAX;
        (run, self.full.pop_if(|_| reopened).map(|full| full.at))
    }
    /// Write what changed, and tell how a superblock names the table. Not durable until the device is flushed.
    pub(crate) fn store(&mut self, device: &dyn BlockDevice) -> Result<SegmentTable> {
        if self.changed {
            let at = TABLE_HOMES[usize::from(self.stored.at == TABLE_HOMES[0])];
            let block = self.encode_last();
            device.write(at, &block)?;
            let (runs, checksum) = (self.runs.len() as u64, xxh3_64_with_seed(&block, at.0));
            self.stored = SegmentTable { at, runs, checksum };
            self.stored_full.clone_from(&self.full);
            self.changed = false;
        }
        Ok(self.stored)
    }

    fn encode_last(&self) -> Vec<u8> {
        let last = &self.runs[self.full.len() * RUNS_MAX..];
        let next = self.full.last().map_or((0, 0), |full| (full.at.0, full.checksum));
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        block.extend_from_slice(MAGIC);
        block.extend_from_slice(&VERSION.to_le_bytes());
        block.extend_from_slice(&(last.len() as u32).to_le_bytes());
        for word in [next.0, next.1, self.full.len() as u64] {
            block.extend_from_slice(&word.to_le_bytes());
        }
        for word in last.iter().flat_map(|run| [run.start.0, run.blocks]) {
            block.extend_from_slice(&word.to_le_bytes());
        }
        block.resize(BLOCK_BYTES, 0);
        block
    }

    /// Read the table that a superblock names. Nothing in it is trusted. Errors: `Corrupt`, `Io`.
    pub(crate) fn load(table: SegmentTable, layout: &Layout, device: &dyn BlockDevice) -> Result<Segments> {
        if table == SegmentTable::default() {
            return Ok(Segments::default());
        }
        let corrupt = Error::Corrupt { what: WHAT, place: Place::Block(table.at) };
        if !TABLE_HOMES.contains(&table.at) || table.runs > layout.data.blocks {
            return Err(corrupt);
        }
        let (mut parts, mut full) = (Vec::new(), Vec::new());
        let mut next = Full { at: table.at, checksum: table.checksum };
        let mut left = table.runs;
        loop {
            let part = Part::read(next, device)?;
            let below = left.checked_sub(part.runs.len() as u64).ok_or(corrupt)?;
            // Every block but the last is full, so how many come is known at each, and a chain cannot turn back.
            if Some(below) != part.blocks_below.checked_mul(RUNS_MAX as u64) {
                return Err(corrupt);
            }
            parts.push(part.runs);
            (next, left) = (part.next, below);
            if below == 0 {
                break;
            }
            full.push(next);
        }
        full.reverse();
        let runs: Vec<Extent> = parts.into_iter().rev().flatten().collect();
        let stored_full = full.clone();
        let segments = Segments { runs, full, stored: table, stored_full, changed: false };
        segments.verify(layout).then_some(segments).ok_or(corrupt)
    }

    /// Whether all lies in the data, each block once.
    fn verify(&self, layout: &Layout) -> bool {
        let tables = self.table_blocks().map(|at| Extent { start: at, blocks: 1 });
        let mut all: Vec<Extent> = self.runs.iter().copied().chain(tables).collect();
        all.sort_unstable();
        all.iter().all(|run| run.blocks > 0 && layout.data.contains(*run))
            && all.windows(2).all(|pair| pair[0].end() <= pair[1].start)
    }
}

/// One decoded block of the table.
struct Part {
    runs: Vec<Extent>,
    next: Full,
    blocks_below: u64,
}

impl Part {
    fn read(from: Full, device: &dyn BlockDevice) -> Result<Part> {
        let corrupt = Error::Corrupt { what: WHAT, place: Place::Block(from.at) };
        let mut block = vec![0; BLOCK_BYTES];
        device.read(from.at, &mut block)?;
        let differs = !from.is_in(&block);
        if differs && (device.copies() == 1 || from.heal(&mut block, device)?.sound == 0) {
            return Err(corrupt);
        }
        Part::decode(&block).ok_or(corrupt)
    }

    fn decode(block: &[u8]) -> Option<Part> {
        let half = |at: usize| Some(u32::from_le_bytes(block.get(at..at + 4)?.try_into().ok()?));
        let word = |at: usize| Some(u64::from_le_bytes(block.get(at..at + 8)?.try_into().ok()?));
        let count = half(12)? as usize;
        if block.get(..8)? != MAGIC || half(8)? != VERSION || count > RUNS_MAX {
            return None;
        }
        let run =
            |at: usize| Extent::checked(word(HEADER_BYTES + 16 * at)?, word(HEADER_BYTES + 16 * at + 8)?);
        let runs = (0..count).map(run).collect::<Option<Vec<Extent>>>()?;
        let next = Full { at: Pba(word(16)?), checksum: word(24)? };
        Some(Part { runs, next, blocks_below: word(32)? })
    }
}

#[cfg(test)]
mod tests;
