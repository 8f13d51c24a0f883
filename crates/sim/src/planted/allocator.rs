//! Allocators that break one law.
//!
//! Invariant: with the fault left out they are the allocator inside.

use super::sound;
use spinney_alloc::{Allocator, Grant, SpaceStats, Want};
use spinney_core::{Epoch, Extent, Finding, Flow, PageNo, PageRead, PageTxn, Result, Root};
use spinney_registry::{PoolSpec, Registry};
use spinney_volume::Parts;

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Twist {
    ReusesAtOnce,
    ForgetsReleases,
    IssuesTwice,
    KeepsReservations,
    LosesARunAtOpen,
    ForgetsReaders,
}

struct Twisted {
    inner: Box<dyn Allocator>,
    twist: Twist,
    calls: u64,
    last: Option<Extent>,
    spare: Vec<Extent>,
    spent_spare: u64,
}

fn twisted(registry: &Registry, spec: &PoolSpec, twist: Twist) -> Parts {
    let parts = sound(registry, spec);
    let inner = parts.allocator;
    let allocator = Twisted { inner, twist, calls: 0, last: None, spare: Vec::new(), spent_spare: 0 };
    Parts { allocator: Box::new(allocator), ..parts }
}

pub(super) fn reuses_at_once(registry: &Registry, spec: &PoolSpec) -> Parts {
    twisted(registry, spec, Twist::ReusesAtOnce)
}

pub(super) fn forgets_releases(registry: &Registry, spec: &PoolSpec) -> Parts {
    twisted(registry, spec, Twist::ForgetsReleases)
}

pub(super) fn issues_twice(registry: &Registry, spec: &PoolSpec) -> Parts {
    twisted(registry, spec, Twist::IssuesTwice)
}

pub(super) fn keeps_reservations(registry: &Registry, spec: &PoolSpec) -> Parts {
    twisted(registry, spec, Twist::KeepsReservations)
}

pub(super) fn loses_a_run_at_open(registry: &Registry, spec: &PoolSpec) -> Parts {
    twisted(registry, spec, Twist::LosesARunAtOpen)
}

pub(super) fn forgets_readers(registry: &Registry, spec: &PoolSpec) -> Parts {
    twisted(registry, spec, Twist::ForgetsReaders)
}

impl Twisted {
    /// The oldest reader, if it may be known.
    fn known(&self, oldest_reader: Option<Epoch>) -> Option<Epoch> {
        oldest_reader.filter(|_| self.twist != Twist::ForgetsReaders)
    }
    /// Take the first free block and tell nobody.
    fn lose_a_block(&mut self, pages: &dyn PageRead) -> Result<()> {
        let mut first = None;
        self.inner.visit_free(pages, &mut |run| {
            first = Some(Extent { blocks: 1, ..run });
            Flow::Stop
        })?;
        first.map_or(Ok(()), |block| self.inner.claim(block, pages))
    }
    /// Every tenth call.
    fn tenth(&mut self) -> bool {
        self.calls += 1;
        self.calls.is_multiple_of(10)
    }
}

impl Allocator for Twisted {
    fn format(&mut self, universe: Extent, pages: &mut dyn PageTxn) -> Result<()> {
        self.inner.format(universe, pages)
    }
    fn open(&mut self, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<()> {
        self.inner.open(universe, root, pages)?;
        if self.twist == Twist::LosesARunAtOpen { self.lose_a_block(pages) } else { Ok(()) }
    }
    fn reserve(&mut self, blocks: u64) -> Result<Grant> {
        if self.twist == Twist::KeepsReservations && self.tenth() {
            let _kept = self.inner.reserve(1)?;
        }
        self.inner.reserve(blocks)
    }
    fn allocate(&mut self, want: &Want, grant: &mut Grant, pages: &dyn PageRead) -> Result<Extent> {
        let limit = want.blocks_max.min(grant.blocks());
        let fits = |run: &Extent| run.blocks <= limit && run.blocks >= want.blocks_min && want.align == 1;
        let tenth = self.tenth();
        let stale = match self.twist {
            Twist::ReusesAtOnce => self.spare.pop_if(|run| fits(run)),
            Twist::IssuesTwice if tenth => self.last.take().filter(fits),
            _ => None,
        };
        if let Some(run) = stale {
            grant.spend(run.blocks);
            self.spent_spare += run.blocks;
            return Ok(run);
        }
        let run = self.inner.allocate(want, grant, pages)?;
        self.last = Some(run);
        Ok(run)
    }
    fn claim(&mut self, run: Extent, pages: &dyn PageRead) -> Result<()> {
        self.inner.claim(run, pages)
    }
    fn release(&mut self, run: Extent, pages: &dyn PageRead) -> Result<()> {
        let tenth = self.tenth();
        match self.twist {
            Twist::ReusesAtOnce => self.spare.push(run),
            Twist::ForgetsReleases if tenth => {}
            _ => return self.inner.release(run, pages),
        }
        Ok(())
    }
    fn settle(&mut self, grant: Grant) {
        let unspent = grant.blocks() + std::mem::take(&mut self.spent_spare);
        self.inner.settle(Grant::new(unspent));
    }
    fn pages_bound(&self, more: u64) -> u64 {
        self.inner.pages_bound(more + self.spare.iter().map(|run| run.blocks).sum::<u64>())
    }
    fn commit(&mut self, epoch: Epoch, pages: &mut dyn PageTxn) -> Result<Root> {
        for run in self.spare.drain(..) {
            self.inner.release(run, pages)?;
        }
        self.inner.commit(epoch, pages)
    }
    fn committed(&mut self, epoch: Epoch, oldest_reader: Option<Epoch>) {
        self.inner.committed(epoch, self.known(oldest_reader));
    }
    fn hurry(&mut self) {
        self.inner.hurry();
    }
    fn is_draining(&self, oldest_reader: Option<Epoch>) -> bool {
        self.inner.is_draining(self.known(oldest_reader))
    }
    fn visit_free(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Extent) -> Flow) -> Result<()> {
        self.inner.visit_free(pages, each)
    }
    fn visit_deferred(&self, each: &mut dyn FnMut(Extent)) {
        self.spare.iter().for_each(|run| each(*run));
        self.inner.visit_deferred(each);
    }
    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.inner.visit_pages(pages, each)
    }
    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        self.inner.check(pages, found)
    }
    fn stats(&self) -> SpaceStats {
        let stats = self.inner.stats();
        let spare: u64 = self.spare.iter().map(|run| run.blocks).sum();
        SpaceStats { deferred_blocks: stats.deferred_blocks + spare, ..stats }
    }
}
