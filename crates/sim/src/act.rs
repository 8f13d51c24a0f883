//! Carrying a step out, on the model and on the pool.
//!
//! Invariant: the model is told first of what may happen in part (writes, discards, deletes), afterwards of what happens whole or
//! not at all (new versions), whose id only the pool knows.

use crate::life::Life;
use crate::step::Step;
use spinney_core::{BLOCK_BYTES, DevId, Error};

const BLOCK: u64 = BLOCK_BYTES as u64;
/// More versions than this are not made.
pub(crate) const VERSIONS_MAX: usize = 12;

impl Life {
    pub(crate) fn change(&mut self, step: Step) -> Result<(), Error> {
        match step {
            Step::Create { blocks } => self.create(u64::from(blocks)),
            Step::Flush => self.flush(),
            Step::Name { blocks } => self.name(u64::from(blocks)),
            Step::SnapshotAs { of } => self.snapshot_as(of),
            Step::CloneAs { of } => self.clone_as(of),
            Step::Rename { of } => self.rename(of),
            Step::Rollback { of } => self.rollback(of),
            Step::Promote { of } => self.promote(of),
            Step::Destroy { set } => self.destroy(set),
            Step::Tend { budget } => self.tend(budget),
            Step::Snapshot { of } => self.take(of, false),
            Step::Clone { of } => self.take(of, true),
            Step::Delete { of } => self.delete(of),
            Step::Write { of, at, blocks } => self.write_blocks(of, u64::from(at), u64::from(blocks)),
            Step::Ragged { of, offset, bytes } => {
                self.write(of, self.place(u64::from(offset)), u64::from(bytes))
            }
            Step::Discard { of, at, blocks } => {
                self.discard(of, self.place(u64::from(at) * BLOCK), self.place(u64::from(blocks) * BLOCK))
            }
            Step::Zero { of, offset, bytes } => {
                self.zero(of, self.place(u64::from(offset)), u64::from(bytes))
            }
            Step::Audit | Step::Pin | Step::Unpin | Step::Reopen | Step::Fail { .. } | Step::Crash { .. } => {
                Ok(())
            }
        }
    }

    /// A byte's place, spread out.
    fn place(&self, offset: u64) -> u64 {
        offset / BLOCK * self.pair.geometry.stride * BLOCK + offset % BLOCK
    }

    fn create(&mut self, blocks: u64) -> Result<(), Error> {
        if self.model.now().len() < VERSIONS_MAX {
            let blocks = blocks * self.pair.geometry.stride;
            let dev = self.pool().create(blocks)?;
            self.model.create(dev, blocks);
        }
        Ok(())
    }

    /// Background work; of some budgets, after a volume was told to detach.
    fn tend(&mut self, budget: u8) -> Result<(), Error> {
        if budget % 4 == 3
            && let Some((dev, _)) = self.version(budget / 4, true)
        {
            match self.pool().detach(dev) {
                Err(Error::Unsupported(_)) => {}
                done => done?,
            }
        }
        self.pool().tend(u64::from(budget)).map(drop)
    }

    fn take(&mut self, of: u8, writable: bool) -> Result<(), Error> {
        let Some((of, _)) = self.version(of, false) else { return Ok(()) };
        if self.model.now().len() < VERSIONS_MAX {
            let dev = if writable { self.pool().clone_of(of) } else { self.pool().snapshot(of) }?;
            self.model.take(of, dev, writable);
        }
        Ok(())
    }

    fn delete(&mut self, of: u8) -> Result<(), Error> {
        let unnamed: Vec<_> = self.unnamed().collect();
        let Some(dev) = unnamed.get(usize::from(of) % unnamed.len().max(1)).copied() else { return Ok(()) };
        self.model.delete(dev);
        self.pool().delete(dev)
    }

    /// The version that a number names, and its bytes.
    fn version(&self, of: u8, writable: bool) -> Option<(DevId, u64)> {
        let alive = self.model.now().iter().filter(|(_, content)| content.writable || !writable);
        let alive: Vec<_> = alive.map(|(dev, content)| (*dev, content.blocks * BLOCK)).collect();
        alive.get(usize::from(of) % alive.len().max(1)).copied()
    }

    /// A writable version, and the range moved and clipped into it.
    fn target(&self, of: u8, offset: u64, bytes: u64) -> Option<(DevId, u64, u64)> {
        let (dev, limit) = self.version(of, true)?;
        let offset = offset % limit;
        Some((dev, offset, bytes.min(limit - offset)))
    }

    /// In one piece if blocks lie side by side, else one by one.
    fn write_blocks(&mut self, of: u8, at: u64, blocks: u64) -> Result<(), Error> {
        match self.pair.geometry.stride {
            1 => self.write(of, at * BLOCK, blocks * BLOCK),
            _ => (at..at + blocks).try_for_each(|at| self.write(of, self.place(at * BLOCK), BLOCK)),
        }
    }

    fn write(&mut self, of: u8, offset: u64, bytes: u64) -> Result<(), Error> {
        let Some((dev, offset, bytes)) = self.target(of, offset, bytes) else { return Ok(()) };
        self.stamp += 1;
        let data: Vec<u8> =
            (0..bytes).map(|at| (self.stamp.wrapping_mul(0x9E37_79B9) >> (at % 4 * 8)) as u8 | 1).collect();
        self.model.write(dev, offset, &data);
        self.pool().write(dev, offset, &data)
    }

    fn discard(&mut self, of: u8, offset: u64, bytes: u64) -> Result<(), Error> {
        let Some((dev, offset, bytes)) = self.target(of, offset, bytes) else { return Ok(()) };
        self.model.discard(dev, offset / BLOCK, (offset + bytes) / BLOCK);
        self.pool().discard(dev, offset, bytes)
    }

    fn zero(&mut self, of: u8, offset: u64, bytes: u64) -> Result<(), Error> {
        let Some((dev, offset, bytes)) = self.target(of, offset, bytes) else { return Ok(()) };
        let end = offset + bytes;
        let (inner, inner_end) = (offset.next_multiple_of(BLOCK), end / BLOCK * BLOCK);
        if inner > inner_end {
            self.model.write(dev, offset, &vec![0; bytes as usize]);
        } else {
            self.model.write(dev, offset, &vec![0; (inner - offset) as usize]);
            self.model.discard(dev, inner / BLOCK, inner_end / BLOCK);
            self.model.write(dev, inner_end, &vec![0; (end - inner_end) as usize]);
        }
        self.pool().zero(dev, offset, bytes)
    }
}
