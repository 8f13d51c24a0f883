//! The intent log: a flush of writes and discards is one record and one flush of the device, and the commit comes later.
//!
//! Invariant: a record is written only where a replay on its commit is sure to fit, and is answered for only after the device flushed it and
//! all data that it maps. Each record stands on the last commit; a commit begins the log anew. What else happens in an epoch (a new
//! version, a delete, a name, background work, metadata that grows, an overwrite in place) is not in records: such an epoch is committed.

mod record;
mod replay;

pub use record::{LogEntry, LogRecord};
pub(crate) use replay::Tail;

use crate::versions::opportune;
use crate::{Pool, Superblock, copies};
use spinney_core::{BLOCK_BYTES, BlockDevice, Epoch, Error, Extent, Pba, Place, Result};

/// The log is blanked and read in pieces of this many blocks (1 MiB).
const PIECE_BLOCKS: u64 = 256;

/// The log of an open pool.
pub(crate) struct Log {
    area: Extent,
    base: Epoch,
    seal: u64,
    /// Records that stand on the last commit, and the blocks that they take.
    records: u64,
    used: u64,
    /// What happened since the last record.
    pending: Vec<LogEntry>,
    pending_bytes: usize,
    /// Whether that is more than the rest of the log holds: the next flush commits, and nothing more is noted.
    full: bool,
}

impl Log {
    /// The log on top of a commit.
    pub(crate) fn after(superblock: &Superblock) -> Log {
        let mut log = Log::new(superblock.layout.log);
        log.begin(superblock);
        log
    }

    /// The log of a pool that has no commit yet.
    pub(crate) fn new(area: Extent) -> Log {
        let (base, seal, pending) = (Epoch(0), 0, Vec::new());
        Log { area, base, seal, records: 0, used: 0, pending, pending_bytes: 0, full: area.blocks == 0 }
    }

    /// A commit is durable: records before it are of no more use.
    pub(crate) fn begin(&mut self, superblock: &Superblock) {
        if self.area.blocks > 0 {
            *self = Log { base: superblock.epoch, seal: superblock.seal(), ..Log::new(self.area) };
        }
    }

    /// It happened since the last record.
    pub(crate) fn note(&mut self, entry: LogEntry) {
        self.pending_bytes += entry.bytes();
        self.pending.push(entry);
        if self.used + LogRecord::blocks_for(self.pending_bytes) > self.area.blocks {
            (self.full, self.pending, self.pending_bytes) = (true, Vec::new(), 0);
        }
    }

    /// What is pending, as the next record; and where it goes.
    fn next_record(&mut self) -> (Pba, Vec<u8>) {
        let at = Pba(self.area.start.0 + self.used);
        let Log { base, seal, records: sequence, .. } = *self;
        let record = LogRecord { base, seal, sequence, entries: std::mem::take(&mut self.pending) };
        self.pending_bytes = 0;
        (at, record.encode(at))
    }
}

/// The pieces of a log.
fn pieces(area: Extent) -> impl Iterator<Item = Extent> {
    let piece =
        move |done| Extent { start: Pba(area.start.0 + done), blocks: PIECE_BLOCKS.min(area.blocks - done) };
    (0..area.blocks).step_by(PIECE_BLOCKS as usize).map(piece)
}

/// Leave no record of whatever pool was there: one made by the same calls would have the same seals.
pub(crate) fn blank(area: Extent, device: &dyn BlockDevice) -> Result<()> {
    pieces(area)
        .try_for_each(|piece| device.write(piece.start, &vec![0; piece.blocks as usize * BLOCK_BYTES]))
}

/// Errors: `Corrupt` if the device dropped what `blank` wrote.
pub(crate) fn verify_blank(area: Extent, device: &dyn BlockDevice) -> Result<()> {
    let what = "intent log (the device lost the blank one just written)";
    pieces(area).try_for_each(|piece| {
        let zeros = vec![0; piece.blocks as usize * BLOCK_BYTES];
        if copies::holds(device, piece.start, &zeros)? {
            Ok(())
        } else {
            Err(Error::Corrupt { what, place: Place::Block(piece.start) })
        }
    })
}

impl Pool {
    /// As [`Pool::flush`], and what the log holds is committed: before a pool is left alone. While records stand on the last commit, damage
    /// to the last one, or to its data, looks as if its flush had never been; after a commit it is `Corrupt`, and of one block. Errors: as `flush`.
    pub fn checkpoint(&mut self) -> Result<()> {
        self.alive()?;
        self.reap_if_possible()?;
        if self.dirty.any { self.commit() } else { self.flush() }
    }

    /// Whether what happens now is noted: else only a commit makes it durable.
    pub(crate) fn logs(&self) -> bool {
        !self.log.full && !self.dirty.beyond_log
    }

    /// Make durable what happened since the last record, if the log holds all of it; whether it did. Errors: `Io`, and the pool is closed.
    pub(crate) fn flush_to_log(&mut self) -> Result<bool> {
        if !self.dirty.any || !self.logs() {
            return Ok(false);
        }
        if self.log.pending.is_empty() {
            return self.has_nothing_to_do();
        }
        // What replays has as much room as there was after the commit, and needs what was needed until now; the reserve is for doubt.
        match self.fits(&[], 0, self.slop_pages()) {
            Err(Error::NoPages { .. }) => return Ok(false),
            fits => fits?,
        }
        let (at, record) = self.log.next_record();
        let stored = self.device.write(at, &record).and_then(|()| self.device.flush());
        self.closed |= stored.is_err();
        stored?;
        let blocks = (record.len() / BLOCK_BYTES) as u64;
        self.log.records += 1;
        self.log.used += blocks;
        self.log.full = self.log.used == self.log.area.blocks;
        self.stats.log_records += 1;
        self.stats.log_blocks_written += blocks;
        Ok(true)
    }

    /// All is durable. A flush that finds that may go on with background work; if there is none, it is done at once.
    fn has_nothing_to_do(&mut self) -> Result<bool> {
        let asked = self.ask_what_is_left();
        opportune(asked)?;
        Ok(self.tend_left == 0 && !self.allocator.is_draining(self.pages.oldest_view()))
    }
}
