//! Begin with somebody else's free space: what is not free there is taken, and owned by one version.
//!
//! Invariant: afterwards each block is free as the list says or owned by the imported version, so the checker's rule holds.
//! Nothing is read or written on the blocks: what they hold is whatever the device holds.

use crate::Pool;
use crate::kind::ChecksumKind;
use spinney_core::{DevId, Error, Extent, Lba, LbaRange, Pba, Result};
use spinney_snap::Work;

/// Blocks taken and mapped as one piece; one that finds no pages is tried in halves.
const PIECE_BLOCKS: u64 = 256;

impl Pool {
    /// Take every data block of a new pool that is not in `free`, for a new version that maps them in address order; durable
    /// on return. `free` is rising, disjoint, and counted from the first data block. Not atomic: a cut leaves a pool with some of it,
    /// to be formatted again. Errors: `Unsupported` with data checksums (the content is not known), `OutOfRange` for a list that is not
    /// such, `NoSpace` if the pool is not new, `NoPages` if its metadata area is too small.
    pub fn import(&mut self, free: &[Extent]) -> Result<DevId> {
        self.alive()?;
        if self.options.checksums != ChecksumKind::None {
            return Err(Error::Unsupported(
                "import into a pool with data checksums: what the blocks hold is not known",
            ));
        }
        let used = used_between(self.layout.data, free)?;
        let dev = self.create(used.iter().map(|run| run.blocks).sum::<u64>().max(1))?;
        let mut at = Lba(0);
        let mut most = PIECE_BLOCKS;
        for mut rest in used {
            while rest.blocks > 0 {
                let piece = Extent { blocks: rest.blocks.min(most), ..rest };
                match self.import_piece(dev, at, piece) {
                    Err(Error::NoPages { .. }) if piece.blocks > 1 && !self.closed => most = piece.blocks / 2,
                    done => {
                        done?;
                        at.0 += piece.blocks;
                        rest = Extent { start: piece.end(), blocks: rest.blocks - piece.blocks };
                    }
                }
            }
        }
        self.flush()?;
        Ok(dev)
    }

    fn import_piece(&mut self, dev: DevId, at: Lba, on: Extent) -> Result<()> {
        self.admit_fresh(Work::Map(dev, LbaRange::new(at, on.blocks)), on.blocks)?;
        self.allocator.claim(on, &self.pages)?;
        self.dirty.blocks += on.blocks;
        self.whole(|pool| {
            pool.tell_map(dev, at, on)?;
            pool.scheme.map(dev, at, on, &mut pool.pages, &mut pool.freed)
        })?;
        self.commit_if_due()
    }
}

/// What lies between free runs, as places on the device. Errors: `OutOfRange` where the list is not rising and disjoint inside.
fn used_between(data: Extent, free: &[Extent]) -> Result<Vec<Extent>> {
    let place = |from: u64, to: u64| Extent { start: Pba(data.start.0 + from), blocks: to - from };
    let (mut used, mut before) = (Vec::new(), 0);
    for run in free {
        let end =
            run.start.0.checked_add(run.blocks).filter(|end| run.start.0 >= before && *end <= data.blocks);
        let wrong = Error::OutOfRange { start: run.start.0, length: run.blocks, limit: data.blocks };
        let end = end.ok_or(wrong)?;
        used.push(place(before, run.start.0));
        before = end;
    }
    used.push(place(before, data.blocks));
    used.retain(|run| run.blocks > 0);
    Ok(used)
}
