//! Copies of data that was not written: neighbors that a write takes along, and what the scheme wishes for in the background.
//!
//! Invariant: a copy is verified before it is placed, and changes no content. Nobody asked for it, so it never keeps a write or a commit
//! from its own work: what cannot be read, or does not fit with room to spare, stays where it is. Knows not why a scheme wishes it.

use crate::Pool;
use crate::pieces::Pieces;
use crate::versions::opportune;
use crate::write::{part, want};
use spinney_alloc::{Grant, Want};
use spinney_core::{BLOCK_BYTES, DevId, Error, Extent, Lba, LbaRange, Pba, Result};
use spinney_snap::{Relocation, Step, Work, WritePlan};

const BLOCK: u64 = BLOCK_BYTES as u64;
/// One block of this many must be free beyond a copy: copies of what is shared take space for good, which writes may need.
const SPARE_PART: u64 = 16;

/// Fresh blocks that are to lie together: their content, and where they belong.
#[derive(Default)]
struct Together {
    pieces: Vec<LbaRange>,
    bytes: Vec<u8>,
}

impl Together {
    fn push(&mut self, at: Lba, bytes: &[u8]) {
        let blocks = bytes.len() as u64 / BLOCK;
        match self.pieces.last_mut() {
            Some(last) if last.end() == at => last.blocks += blocks,
            _ => self.pieces.push(LbaRange { start: at, blocks }),
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// The copies of a plan, and nothing else.
    fn copies(plan: &WritePlan, bytes: &[u8]) -> Together {
        let (mut together, mut rest) = (Together::default(), bytes);
        for (at, from) in plan.copies() {
            let (now, later) = rest.split_at((from.blocks * BLOCK) as usize);
            together.push(at, now);
            rest = later;
        }
        together
    }
}

impl Pool {
    /// Whether copies over `span`, which take `takes` blocks, leave room to spare.
    pub(crate) fn spares(&self, dev: DevId, span: LbaRange, takes: u64) -> Result<bool> {
        let free = self.unreserved().saturating_sub(self.kept_from(None));
        let roomy = free >= takes.saturating_add(self.layout.data.blocks / SPARE_PART);
        let reserve = self.reserve_pages();
        let fits = || self.fits(&[Work::Map(dev, span)], takes, reserve?);
        if roomy { opportune(fits().map(|()| true)) } else { Ok(false) }
    }

    /// The bytes that a plan copies, in order. Errors: `Corrupt`, `Io`.
    fn read_copies(&self, plan: &WritePlan) -> Result<Vec<u8>> {
        let blocks: u64 = plan.copies().map(|(_, from)| from.blocks).sum();
        plan.copies().try_for_each(|(_, from)| self.inside(from))?;
        let mut bytes = vec![0; (blocks * BLOCK) as usize];
        let (mut reads, mut rest): (Vec<(Pba, &mut [u8])>, _) = (Vec::new(), &mut bytes[..]);
        for (_, from) in plan.copies() {
            let (now, later) = rest.split_at_mut((from.blocks * BLOCK) as usize);
            reads.push((from.start, now));
            rest = later;
        }
        self.device.read_many(&mut reads)?;
        let device = &*self.device;
        reads
            .iter_mut()
            .try_for_each(|(at, bytes)| self.checksums.verify_or_heal(*at, bytes, device, &self.pages))?;
        Ok(bytes)
    }

    /// A write that takes neighbors along: all that gets fresh blocks lies together, if there is such a run.
    pub(crate) fn write_along(
        &mut self,
        dev: DevId,
        mut plan: WritePlan,
        range: LbaRange,
        data: &[u8],
        grant: &mut Grant,
    ) -> Result<()> {
        let Ok(copies) = self.read_copies(&plan) else {
            plan.drop_copies(); // whoever reads the neighbor is told
            return self.carry_out_all(dev, plan, range, data, grant);
        };
        let (mut together, mut rest, mut wish) = (Together::default(), &copies[..], None);
        for step in plan.0 {
            match step {
                Step::Overwrite { at, on } if self.options.overwrites() => {
                    self.overwrite(on, part(data, range, at, on.blocks))?;
                }
                Step::Overwrite { at, on } => together.push(at, part(data, range, at, on.blocks)),
                Step::Place { at, blocks, near } => {
                    together.push(at, part(data, range, at, blocks));
                    wish = wish.or(near);
                }
                Step::Relocate { at, from } => {
                    let (now, later) = rest.split_at((from.blocks * BLOCK) as usize);
                    together.push(at, now);
                    rest = later;
                }
            }
        }
        self.place(dev, &together.pieces, &together.bytes, want(dev, wish), grant)?;
        self.stats.relocated_blocks += copies.len() as u64 / BLOCK;
        Ok(())
    }

    /// Make the copies that the scheme wishes for, while there is budget and room.
    pub(crate) fn relocate_if_possible(&mut self) -> Result<()> {
        let mut budget = self.options.copy_budget;
        self.jumps.take().into_iter().for_each(|(dev, before, after)| self.scheme.jumped(dev, before, after));
        while budget > 0 {
            let wish = self.scheme.next_relocation(&self.pages);
            let Some(wish) = opportune(wish)? else { break };
            budget = budget.saturating_sub(wish.plan.blocks_bound().max(1));
            self.relocate(wish)?;
        }
        Ok(())
    }

    /// One copy, or nothing. Errors: `Io` of a write.
    fn relocate(&mut self, Relocation { dev, plan, to }: Relocation) -> Result<()> {
        let blocks = plan.blocks_bound();
        let Some((first, _)) = plan.copies().next() else { return Ok(()) };
        let span = plan.span(LbaRange { start: first, blocks: 0 });
        if !self.spares(dev, span, blocks)? {
            return Ok(());
        }
        let Ok(bytes) = self.read_copies(&plan) else { return Ok(()) };
        let together = Together::copies(&plan, &bytes);
        let done = match to {
            Some(to) => self.fill_at(dev, &together, Extent { start: to, blocks }),
            None => self.place_together(dev, &together, blocks),
        };
        match self.release_freed().and(done) {
            Err(Error::NoSpace { .. }) => Ok(()), // no such run
            done => {
                self.stats.relocated_blocks += if done.is_ok() { blocks } else { 0 };
                done
            }
        }
    }

    /// Errors: `NoSpace`, and nothing changed, if there is no run for all of it.
    fn place_together(&mut self, dev: DevId, together: &Together, blocks: u64) -> Result<()> {
        let mut grant = self.allocator.reserve(blocks)?;
        let want = Want { blocks_min: blocks, blocks_max: blocks, ..want(dev, None) };
        let done = self.place(dev, &together.pieces, &together.bytes, want, &mut grant);
        self.allocator.settle(grant);
        done
    }

    /// Errors: `NoSpace`, and nothing changed, if not all of `on` is free.
    fn fill_at(&mut self, dev: DevId, together: &Together, on: Extent) -> Result<()> {
        self.allocator.claim(on, &self.pages)?;
        self.fill(dev, &mut Pieces::new(&together.pieces), on, &together.bytes)
    }
}
