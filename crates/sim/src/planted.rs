//! Planted faults: known ways to lose data, wrapped round sound parts, to prove that the lives would see them.
//!
//! Invariant: a fault changes one rule of the design and nothing else, and no shipped code knows of it.

use crate::life::Pair;
use spinney_alloc::{Allocator, Change, Changes, Composed, FreeIndex, Grant, SpaceForm, SpaceStats, Want};
use spinney_core::{BlockDevice, Epoch, Extent, Finding, Flow, PageNo, PageRead, PageTxn, Pba, Result, Root};
use spinney_device::CrashDevice;
use spinney_registry::{AllocatorSpec, PoolSpec, Registry};
use spinney_volume::{Parts, SUPERBLOCK_SLOTS, Superblock};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A fault by name.
pub struct Fault {
    /// Its name.
    pub name: &'static str,
    /// What it does wrong.
    pub what: &'static str,
    /// Plant it in a sound pair.
    pub plant: fn(&mut Pair),
}

/// Every planted fault.
pub const FAULTS: &[Fault] = &[
    Fault {
        name: "reuse-at-once",
        what: "released blocks are issued again inside their own epoch",
        plant: |pair| pair.parts = reuse_at_once,
    },
    Fault {
        name: "form-drops-frees",
        what: "the persistent form forgets every tenth free",
        plant: |pair| pair.parts = form_drops_frees,
    },
    Fault {
        name: "form-drops-takes",
        what: "the persistent form forgets every tenth take",
        plant: |pair| pair.parts = form_drops_takes,
    },
    Fault {
        name: "no-flush-before-superblock",
        what: "the superblock is written before data and pages are flushed",
        plant: |pair| {
            pair.device = |device| Arc::new(LazyFlush { device, before: true, state: LazyState::default() })
        },
    },
    Fault {
        name: "no-flush-after-superblock",
        what: "blocks are reused before the superblock that let them go is flushed",
        plant: |pair| {
            pair.device = |device| Arc::new(LazyFlush { device, before: false, state: LazyState::default() })
        },
    },
    Fault {
        name: "one-superblock-slot",
        what: "every commit overwrites the only superblock",
        plant: |pair| pair.device = |device| Arc::new(OneSlot { device }),
    },
];

fn sound(registry: &Registry, spec: &PoolSpec) -> Parts {
    registry.parts(spec).expect("registered names build")
}

// ---- reuse at once ----

struct ReuseAtOnce {
    inner: Box<dyn Allocator>,
    spare: Vec<Extent>,
    spent_spare: u64,
}

fn reuse_at_once(registry: &Registry, spec: &PoolSpec) -> Parts {
    let parts = sound(registry, spec);
    Parts {
        allocator: Box::new(ReuseAtOnce { inner: parts.allocator, spare: Vec::new(), spent_spare: 0 }),
        ..parts
    }
}

impl Allocator for ReuseAtOnce {
    fn format(&mut self, universe: Extent, pages: &mut dyn PageTxn) -> Result<()> {
        self.inner.format(universe, pages)
    }
    fn open(&mut self, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<()> {
        self.inner.open(universe, root, pages)
    }
    fn reserve(&mut self, blocks: u64) -> Result<Grant> {
        self.inner.reserve(blocks)
    }
    fn allocate(&mut self, want: &Want, grant: &mut Grant) -> Result<Extent> {
        let limit = want.blocks_max.min(grant.blocks());
        match self.spare.pop() {
            Some(run) if run.blocks <= limit && run.blocks >= want.blocks_min && want.align == 1 => {
                grant.spend(run.blocks);
                self.spent_spare += run.blocks;
                Ok(run)
            }
            other => {
                self.spare.extend(other);
                self.inner.allocate(want, grant)
            }
        }
    }
    fn claim(&mut self, run: Extent) -> Result<()> {
        self.inner.claim(run)
    }
    fn release(&mut self, run: Extent) {
        self.spare.push(run);
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
            self.inner.release(run);
        }
        self.inner.commit(epoch, pages)
    }
    fn committed(&mut self, epoch: Epoch) {
        self.inner.committed(epoch);
    }
    fn visit_free(&self, each: &mut dyn FnMut(Extent) -> Flow) {
        self.inner.visit_free(each);
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

// ---- a form that forgets ----

struct Forgetful {
    inner: Box<dyn SpaceForm>,
    forgets: fn(&Change) -> bool,
    seen: u64,
}

fn forgetful(registry: &Registry, spec: &PoolSpec, forgets: fn(&Change) -> bool) -> Parts {
    let parts = sound(registry, spec);
    let AllocatorSpec::Composed { index, form, reclaim } = &spec.allocator else { return parts };
    let index = registry
        .indexes
        .iter()
        .find(|entry| entry.name == index.name)
        .map(|entry| (entry.build)(&index.settings));
    let form = registry
        .forms
        .iter()
        .find(|entry| entry.name == form.name)
        .map(|entry| (entry.build)(&form.settings));
    let reclaim = registry
        .reclaims
        .iter()
        .find(|entry| entry.name == reclaim.name)
        .map(|entry| (entry.build)(&reclaim.settings));
    match (index, form, reclaim) {
        (Some(Ok(index)), Some(Ok(inner)), Some(Ok(reclaim))) => {
            let form = Box::new(Forgetful { inner, forgets, seen: 0 });
            Parts { allocator: Box::new(Composed::new(index, form, reclaim)), ..parts }
        }
        _ => parts,
    }
}

fn form_drops_frees(registry: &Registry, spec: &PoolSpec) -> Parts {
    forgetful(registry, spec, |change| matches!(change, Change::Free(_)))
}

fn form_drops_takes(registry: &Registry, spec: &PoolSpec) -> Parts {
    forgetful(registry, spec, |change| matches!(change, Change::Take(_)))
}

impl SpaceForm for Forgetful {
    fn format(&mut self, universe: Extent, index: &dyn FreeIndex, pages: &mut dyn PageTxn) -> Result<Root> {
        self.inner.format(universe, index, pages)
    }
    fn open(&mut self, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<()> {
        self.inner.open(universe, root, pages)
    }
    fn load(&self, within: Extent, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
        self.inner.load(within, pages, each)
    }
    fn pages_bound(&self, changes: u64, blocks: u64, runs: u64) -> u64 {
        self.inner.pages_bound(changes, blocks, runs)
    }
    fn commit(&mut self, changes: &Changes, index: &dyn FreeIndex, pages: &mut dyn PageTxn) -> Result<Root> {
        let mut kept = Changes::default();
        for change in changes.netted() {
            self.seen += 1;
            if !((self.forgets)(&change) && self.seen.is_multiple_of(10)) {
                kept.push(change);
            }
        }
        self.inner.commit(&kept, index, pages)
    }
    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.inner.visit_pages(pages, each)
    }
    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        self.inner.check(pages, found)
    }
}

// ---- a commit without one of its flushes ----

#[derive(Default)]
struct LazyState {
    /// A flush that was asked for and not yet made.
    held: AtomicBool,
    /// The last write was a superblock.
    superblock: AtomicBool,
}

struct LazyFlush {
    device: Arc<CrashDevice>,
    /// Leave out the flush before the superblock, or the one after it.
    before: bool,
    state: LazyState,
}

impl LazyFlush {
    /// Make the flush that was put off, unless what comes now is a superblock.
    fn catch_up(&self, superblock: bool) -> Result<()> {
        let held = self.state.held.swap(false, Ordering::Relaxed);
        if held && !superblock { self.device.flush() } else { Ok(()) }
    }
}

impl BlockDevice for LazyFlush {
    fn blocks(&self) -> u64 {
        self.device.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.device.read(at, buffer)
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        let superblock = SUPERBLOCK_SLOTS.contains(&at);
        if self.before {
            self.catch_up(superblock)?;
        }
        self.state.superblock.store(superblock, Ordering::Relaxed);
        self.device.write(at, data)
    }
    fn flush(&self) -> Result<()> {
        let after_superblock = self.state.superblock.swap(false, Ordering::Relaxed);
        match (self.before, after_superblock) {
            (true, false) => {
                self.state.held.store(true, Ordering::Relaxed);
                Ok(())
            }
            (false, true) => Ok(()),
            _ => self.device.flush(),
        }
    }
    fn discard(&self, run: Extent) -> Result<()> {
        self.device.discard(run)
    }
}

// ---- one superblock slot ----

struct OneSlot {
    device: Arc<CrashDevice>,
}

impl BlockDevice for OneSlot {
    fn blocks(&self) -> u64 {
        self.device.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.device.read(at, buffer)
    }
    /// What was meant for the second slot goes to the first, sealed for it.
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        match Superblock::decode(data, 1) {
            Ok(superblock) if at == SUPERBLOCK_SLOTS[1] => {
                self.device.write(SUPERBLOCK_SLOTS[0], &superblock.encode(0))
            }
            _ => self.device.write(at, data),
        }
    }
    fn flush(&self) -> Result<()> {
        self.device.flush()
    }
    fn discard(&self, run: Extent) -> Result<()> {
        self.device.discard(run)
    }
}
