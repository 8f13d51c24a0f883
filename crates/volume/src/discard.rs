//! Giving blocks back without deleting a version: discard and write-zeroes.
//!
//! Invariant: a discarded range reads as zeros. Ragged ends of a discard are kept (a hint may be ignored); those of
//! `zero` are written.

use crate::{LogEntry, Pool};
use spinney_core::{BLOCK_BYTES, DevId, Error, Lba, LbaRange, Result};
use spinney_snap::Access;

const BLOCK: u64 = BLOCK_BYTES as u64;
/// Blocks unmapped as one piece.
pub(crate) const PIECE_BLOCKS: u64 = 4096;

impl Pool {
    /// The whole blocks inside the range become holes. Works on a pool full of data. Errors: `NoPages` (the pieces before
    /// the refused one are holes) if the metadata area is full and what is discarded is shared, `ReadOnly`, `OutOfRange`.
    pub fn discard(&mut self, dev: DevId, offset: u64, length: u64) -> Result<()> {
        self.alive()?;
        self.in_range(&self.pages, dev, offset, length)?;
        self.writable(dev)?;
        let (first, end) = (offset.div_ceil(BLOCK), (offset + length) / BLOCK);
        let mut at = first;
        let mut piece = PIECE_BLOCKS;
        while at < end {
            let range = LbaRange::new(Lba(at), piece.min(end - at));
            match self.admit_discard(dev, range) {
                Err(Error::NoPages { .. }) if range.blocks > 1 && !self.closed => piece = range.blocks / 2,
                admitted => {
                    admitted?;
                    self.unmap(dev, range)?;
                    if self.logs() {
                        self.log.note(LogEntry::Unmap { dev, range });
                    }
                    at += range.blocks;
                }
            }
        }
        Ok(())
    }

    /// The range becomes a hole.
    pub(crate) fn unmap(&mut self, dev: DevId, range: LbaRange) -> Result<()> {
        self.shrinks(dev, range)?;
        self.loggable(|pool| {
            pool.tell_unmap(dev, range)?;
            pool.scheme.unmap(dev, range, &mut pool.pages, &mut pool.freed)
        })?;
        self.release_freed()
    }

    /// The range reads as zeros: whole blocks become holes, ragged ends are written.
    pub fn zero(&mut self, dev: DevId, offset: u64, length: u64) -> Result<()> {
        self.alive()?;
        self.in_range(&self.pages, dev, offset, length)?;
        let end = offset + length;
        let (inner, inner_end) = (offset.next_multiple_of(BLOCK), end / BLOCK * BLOCK);
        if inner > inner_end {
            return self.write(dev, offset, &vec![0; length as usize]);
        }
        self.write(dev, offset, &vec![0; (inner - offset) as usize])?;
        self.discard(dev, inner, inner_end - inner)?;
        self.write(dev, inner_end, &vec![0; (end - inner_end) as usize])
    }

    fn writable(&self, dev: DevId) -> Result<()> {
        match self.scheme.version(dev, &self.pages)?.access {
            Access::Writable => Ok(()),
            Access::ReadOnly => Err(Error::ReadOnly(dev)),
        }
    }
}
