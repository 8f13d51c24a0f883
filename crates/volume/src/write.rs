//! The way of a write: plan, admit, allocate, checksum, store, map.
//!
//! Invariant: blocks are mapped only after the device took them; a write that is refused changed nothing. Two visits to
//! the scheme, one to the allocator, no call between the two.

use crate::pieces::Pieces;
use crate::{LogEntry, Pool};
use spinney_alloc::{Grant, Want};
use spinney_core::{BLOCK_BYTES, DevId, Error, Extent, Lba, LbaRange, PageRead, Pba, Result};
use spinney_snap::{Step, WritePlan};

const BLOCK: u64 = BLOCK_BYTES as u64;
/// The most blocks of a version: its bytes can be counted, and rounded up, in 64 bits.
pub(crate) const VERSION_BLOCKS_MAX: u64 = u64::MAX / BLOCK - 1;

impl Pool {
    /// Write `data` at byte `offset` of a volume. Durable at the next `flush`. Ragged ends read, change and write
    /// their block. Errors: `NoSpace`, `OverQuota`, `NoPages` (the pieces of `piece_blocks` before the refused one are written), `ReadOnly`,
    /// `NotFound`, `OutOfRange`, `Corrupt` or `Io`.
    pub fn write(&mut self, dev: DevId, offset: u64, data: &[u8]) -> Result<()> {
        self.alive()?;
        let length = data.len() as u64;
        let one_piece = offset.is_multiple_of(BLOCK)
            && length.is_multiple_of(BLOCK)
            && length / BLOCK <= self.options.piece_blocks;
        if !one_piece || data.is_empty() {
            self.in_range(&self.pages, dev, offset, length)?; // else the plan sees to it, before anything is written
        }
        let mut at = offset;
        let mut rest = data;
        while !rest.is_empty() {
            let skew = (at % BLOCK) as usize;
            let taken = if skew != 0 || rest.len() < BLOCK_BYTES {
                let taken = rest.len().min(BLOCK_BYTES - skew);
                let mut block = [0; BLOCK_BYTES];
                self.read(dev, at - skew as u64, &mut block)?;
                block[skew..skew + taken].copy_from_slice(&rest[..taken]);
                self.write_blocks(dev, Lba(at / BLOCK), &block)?;
                taken
            } else {
                let taken = rest.len() - rest.len() % BLOCK_BYTES;
                let done = self.write_blocks(dev, Lba(at / BLOCK), &rest[..taken]);
                done.map_err(|error| self.in_bytes(&self.pages, dev, offset, length, error))?;
                taken
            };
            at += taken as u64;
            rest = &rest[taken..];
        }
        self.stats.user_bytes_written += data.len() as u64;
        self.commit_if_due()
    }

    /// Whole blocks, piece by piece; a piece that finds no pages is tried in halves.
    fn write_blocks(&mut self, dev: DevId, at: Lba, data: &[u8]) -> Result<()> {
        let mut at = at;
        let mut rest = data;
        let mut piece = self.options.piece_blocks.max(1);
        while !rest.is_empty() {
            let blocks = piece.min(rest.len() as u64 / BLOCK);
            match self.write_piece(dev, LbaRange::new(at, blocks), &rest[..(blocks * BLOCK) as usize]) {
                Err(Error::NoPages { .. }) if blocks > 1 && !self.closed => piece = blocks / 2,
                done => {
                    done?;
                    at.0 += blocks;
                    rest = &rest[(blocks * BLOCK) as usize..];
                    self.commit_if_due()?;
                }
            }
        }
        Ok(())
    }

    fn write_piece(&mut self, dev: DevId, range: LbaRange, data: &[u8]) -> Result<()> {
        let holes = self.growth(dev, range)?;
        let (plan, mut grant) = self.admit_write(dev, range)?;
        let alone = plan.copies().next().is_none();
        let done = match alone {
            true => self.carry_out_all(dev, plan, range, data, &mut grant),
            false => self.write_along(dev, plan, range, data, &mut grant),
        };
        self.allocator.settle(grant);
        self.limits.wrote(dev, holes, done.is_ok());
        self.release_freed().and(done)
    }

    /// The steps of a plan without copies, one by one.
    pub(crate) fn carry_out_all(
        &mut self,
        dev: DevId,
        plan: WritePlan,
        range: LbaRange,
        data: &[u8],
        grant: &mut Grant,
    ) -> Result<()> {
        let mut place = |pool: &mut Pool, at: Lba, blocks: u64, near| {
            let (piece, data) = (LbaRange { start: at, blocks }, part(data, range, at, blocks));
            pool.place(dev, &[piece], data, want(dev, near), grant)
        };
        plan.0.into_iter().try_for_each(|step| match step {
            Step::Overwrite { at, on } if self.options.overwrites() => {
                self.overwrite(on, part(data, range, at, on.blocks))
            }
            Step::Overwrite { at, on } => place(self, at, on.blocks, Some(on.end())),
            Step::Place { at, blocks, near } => place(self, at, blocks, near),
            Step::Relocate { .. } => unreachable!("a plan with copies is carried out by `write_along`"),
        })
    }

    /// Write in place.
    pub(crate) fn overwrite(&mut self, on: Extent, data: &[u8]) -> Result<()> {
        self.inside(on)?;
        (self.dirty.any, self.dirty.beyond_log) = (true, true);
        self.note_fresh(on);
        self.device.write(on.start, data)
    }

    /// Give `data` fresh blocks, as few runs as the allocator can, none shorter than `want` has it. It belongs at `pieces`, in order.
    pub(crate) fn place(
        &mut self,
        dev: DevId,
        pieces: &[LbaRange],
        data: &[u8],
        want: Want,
        grant: &mut Grant,
    ) -> Result<()> {
        let (mut pieces, mut rest, mut near) = (Pieces::new(pieces), data, want.near);
        while !rest.is_empty() {
            let want = Want { near, blocks_max: rest.len() as u64 / BLOCK, ..want };
            let on = self.allocator.allocate(&want, grant, &self.pages)?;
            let (now, later) = rest.split_at((on.blocks * BLOCK) as usize);
            self.fill(dev, &mut pieces, on, now)?;
            near = Some(on.end());
            rest = later;
        }
        Ok(())
    }

    /// Write to blocks that were just taken, and map them where they belong.
    pub(crate) fn fill(
        &mut self,
        dev: DevId,
        pieces: &mut Pieces<'_>,
        on: Extent,
        data: &[u8],
    ) -> Result<()> {
        if let Err(error) = self.device.write(on.start, data) {
            (self.dirty.any, self.dirty.beyond_log) = (true, true);
            return self.allocator.release(on, &self.pages).and(Err(error));
        }
        self.note_fresh(on);
        let sums = self.logs().then(|| self.checksums.sums(on.start, data).collect::<Vec<u64>>());
        self.loggable(|pool| {
            match &sums {
                Some(sums) => pool.checksums.put(on.start, sums.iter().copied(), &mut pool.pages)?,
                None => pool.checksums.set(on.start, data, &mut pool.pages)?,
            }
            pieces.take(on, |at, piece| {
                pool.map_fresh(dev, at, piece)?;
                if let Some(sums) = &sums {
                    let of_piece = &sums[(piece.start.0 - on.start.0) as usize..][..piece.blocks as usize];
                    pool.log.note(LogEntry::Map { dev, at, on: piece, sums: of_piece.to_vec() });
                }
                Ok(())
            })
        })
    }

    /// Blocks that nobody owns and that have their data are the version's from now on.
    pub(crate) fn map_fresh(&mut self, dev: DevId, at: Lba, on: Extent) -> Result<()> {
        self.tell_map(dev, at, on)?;
        self.scheme.map(dev, at, on, &mut self.pages, &mut self.freed)
    }

    fn note_fresh(&mut self, on: Extent) {
        self.dirty.blocks += on.blocks;
        match self.dirty.fresh.last_mut() {
            Some(last) if last.end() == on.start => last.blocks += on.blocks,
            _ => self.dirty.fresh.push(on),
        }
    }

    /// The error of a request, which if it is past the end is so in bytes, as the request was.
    pub(crate) fn in_bytes(
        &self,
        pages: &dyn PageRead,
        dev: DevId,
        offset: u64,
        length: u64,
        error: Error,
    ) -> Error {
        match error {
            Error::OutOfRange { .. } => self.in_range(pages, dev, offset, length).err().unwrap_or(error),
            other => other,
        }
    }

    /// Errors: `OutOfRange` if the bytes pass the end of the version.
    pub(crate) fn in_range(&self, pages: &dyn PageRead, dev: DevId, offset: u64, length: u64) -> Result<()> {
        let limit = self.scheme.version(dev, pages)?.blocks.min(VERSION_BLOCKS_MAX) * BLOCK;
        let inside = offset.checked_add(length).is_some_and(|end| end <= limit);
        if inside { Ok(()) } else { Err(Error::OutOfRange { start: offset, length, limit }) }
    }
}

/// The part of a request's bytes that belongs at `at`.
pub(crate) fn part(data: &[u8], range: LbaRange, at: Lba, blocks: u64) -> &[u8] {
    let from = ((at.0 - range.start.0) * BLOCK) as usize;
    &data[from..from + (blocks * BLOCK) as usize]
}

/// Any blocks. Versions are numbered as they are made, so each is a stream of its own.
pub(crate) fn want(dev: DevId, near: Option<Pba>) -> Want {
    Want { near, stream: dev.0 as u32, ..Want::up_to(1) }
}
