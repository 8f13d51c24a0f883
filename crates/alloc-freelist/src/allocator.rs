//! The allocator: reclaimed runs, records that wait for their turn or for a reader, and the space that was never used.
//!
//! Invariant: reclaimed + ready + held + released + never used + owned = universe. A record is ready once its epoch is below the
//! oldest that anybody can read, which is at most the last durable one (LMDB, `mdb_page_alloc` and `mdb_find_oldest`).

use crate::records::{NEVER_USED, Records};
use crate::tree::{Header, Tree};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use spinney_alloc::{Allocator, AllocatorEntry, ExtentSet, Grant, RunSet, SpaceStats, Want};
use spinney_core::{
    Effort, Epoch, Error, Extent, Finding, Flow, PageNo, PageRead, PageTxn, Parameter, Pba, Place, Result,
    Root,
};

/// Runs by the epoch that freed them.
type ByEpoch = BTreeMap<u64, Vec<Extent>>;

/// LMDB's free list.
#[derive(Debug)]
pub struct FreeList {
    tree: Option<Tree>,
    universe: Extent,
    records: Records,
    /// LMDB's `pghead`: what was taken over from records, sorted.
    reclaimed: ExtentSet,
    /// May be reclaimed; oldest first.
    ready: ByEpoch,
    ready_blocks: u64,
    /// A reader, or the last durable epoch, may still see them.
    held: ByEpoch,
    held_blocks: u64,
    /// Freed in the open epoch.
    released: RunSet,
    /// Blocks from here on were never used.
    mark: Pba,
    epoch: Epoch,
    reserved_blocks: u64,
    tries_a_block: u64,
    effort: Effort,
}

impl FreeList {
    /// An allocator that looks at `tries_a_block` runs for each block of a request before it extends; then `format` or `open`.
    #[must_use]
    pub fn new(tries_a_block: u64) -> FreeList {
        FreeList {
            tree: None,
            universe: Extent { start: Pba(0), blocks: 0 },
            records: Records::default(),
            reclaimed: ExtentSet::default(),
            ready: ByEpoch::new(),
            ready_blocks: 0,
            held: ByEpoch::new(),
            held_blocks: 0,
            released: RunSet::default(),
            mark: Pba(0),
            epoch: Epoch(0),
            reserved_blocks: 0,
            tries_a_block,
            effort: Effort::default(),
        }
    }
    /// Blocks below the high-water mark, which a file would have.
    #[must_use]
    pub fn used_blocks(&self) -> u64 {
        self.mark.0 - self.universe.start.0
    }
    fn tree(&self) -> &Tree {
        self.tree.as_ref().expect("an allocator is formatted or opened before it is used")
    }
    fn start(&mut self, tree: Tree, header: Header, records: Records) {
        let universe = tree.universe;
        *self = FreeList {
            records,
            universe,
            mark: header.mark,
            epoch: header.epoch,
            ..FreeList::new(self.tries_a_block)
        };
        self.tree = Some(tree);
        self.reclaimed = ExtentSet::new(universe);
    }
    fn tail(&self) -> Extent {
        Extent { start: self.mark, blocks: self.universe.end().0 - self.mark.0 }
    }
    fn free_blocks(&self) -> u64 {
        self.reclaimed.blocks() + self.ready_blocks + self.tail().blocks
    }
    fn unreserved(&self) -> u64 {
        self.free_blocks().saturating_sub(self.reserved_blocks)
    }

    /// Take one more record over; false if none is ready.
    fn reclaim_one(&mut self) -> bool {
        let Some((_, runs)) = self.ready.pop_first() else { return false };
        for run in runs {
            self.ready_blocks -= run.blocks;
            self.reclaimed.insert(run);
        }
        true
    }
    /// The lowest reclaimed run that holds all of the request, or `None` after `left` runs.
    fn scan(&mut self, want: &Want, left: &mut u64) -> Option<Extent> {
        let mut found = None;
        self.reclaimed.visit(self.universe, &mut |run| {
            if *left == 0 {
                return Flow::Stop;
            }
            *left -= 1;
            self.effort.steps += 1;
            found = want.fit(run);
            if found.is_some() { Flow::Stop } else { Flow::Continue }
        });
        found
    }
    /// Where a request goes. LMDB wants all of it in one piece: from what is reclaimed, record after record, then from beyond the
    /// high-water mark. What LMDB has no answer to (its map is full) is served by best fit, in a shorter piece if need be.
    fn choose(&mut self, want: &Want) -> Option<Extent> {
        let whole = Want { blocks_min: want.blocks_max, ..*want };
        let mut left = self.tries_a_block.saturating_mul(want.blocks_max);
        loop {
            let found = self.scan(&whole, &mut left);
            if found.is_some() || left == 0 || !self.reclaim_one() {
                if let Some(found) = found.or_else(|| whole.fit(self.tail())) {
                    return Some(found);
                }
                break;
            }
        }
        while self.reclaim_one() {}
        self.effort.fallbacks += 1;
        self.best(want)
    }
    /// The smallest run that holds the request, else the longest; the run that touches the high-water mark goes on beyond it.
    fn best(&self, want: &Want) -> Option<Extent> {
        let (mut best, mut longest): (Option<(u64, Extent)>, Option<Extent>) = (None, None);
        let mut each = |run: Extent| {
            let Some(piece) = want.fit(run) else { return };
            if piece.blocks == want.blocks_max && best.is_none_or(|(blocks, _)| run.blocks < blocks) {
                best = Some((run.blocks, piece));
            }
            if longest.is_none_or(|longest| longest.blocks < piece.blocks) {
                longest = Some(piece);
            }
        };
        let mut last = self.tail();
        self.reclaimed.visit(self.universe, &mut |run| {
            if run.end() == last.start {
                last = Extent { start: run.start, blocks: run.blocks + last.blocks };
            } else {
                each(run);
            }
            Flow::Continue
        });
        each(last);
        best.map(|(_, piece)| piece).or(longest)
    }
    /// Take a run of which all is reclaimed or was never used.
    fn take(&mut self, run: Extent) {
        if run.start < self.mark {
            let below = Extent { blocks: run.blocks.min(self.mark.0 - run.start.0), ..run };
            self.reclaimed.remove(below);
            self.records.take(below);
        }
        if run.end() > self.mark {
            if let Some(gap) = run.start.0.checked_sub(self.mark.0).filter(|gap| *gap > 0) {
                let gap = Extent { start: self.mark, blocks: gap };
                self.reclaimed.insert(gap);
                self.records.put(NEVER_USED, gap);
            }
            self.mark = run.end();
        }
    }
    /// Whether all of `run` can be had; takes all records over.
    fn is_free(&mut self, run: Extent) -> bool {
        while self.reclaim_one() {}
        let below = run.blocks.min(self.mark.0.saturating_sub(run.start.0));
        self.universe.contains(run)
            && (below == 0 || self.reclaimed.contains(Extent { blocks: below, ..run }))
    }
}

impl Allocator for FreeList {
    fn format(&mut self, universe: Extent, pages: &mut dyn PageTxn) -> Result<()> {
        let header = Header { mark: universe.start, epoch: Epoch(0) };
        self.start(Tree::create(universe, pages)?, header, Records::default());
        Ok(())
    }
    fn open(&mut self, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<()> {
        let (tree, header, records) = Tree::open(universe, root, pages)?;
        self.start(tree, header, records);
        let entries: Vec<_> = self.records.iter().collect();
        for ((freed, start), blocks) in entries {
            let run = Extent { start: Pba(start), blocks };
            let (into, count) = match freed < header.epoch.0 {
                true => (&mut self.ready, &mut self.ready_blocks),
                false => (&mut self.held, &mut self.held_blocks),
            };
            into.entry(freed).or_default().push(run);
            *count += blocks;
        }
        Ok(())
    }
    fn reserve(&mut self, blocks: u64) -> Result<Grant> {
        let free = self.unreserved();
        if blocks > free {
            return Err(Error::NoSpace { needed: blocks, free });
        }
        self.reserved_blocks += blocks;
        Ok(Grant::new(blocks))
    }
    fn allocate(&mut self, want: &Want, grant: &mut Grant, _: &dyn PageRead) -> Result<Extent> {
        want.check();
        let want = Want { blocks_max: want.blocks_max.min(grant.blocks()), ..*want };
        let refused = Error::NoSpace { needed: want.blocks_min, free: self.free_blocks() };
        if want.blocks_max < want.blocks_min {
            return Err(refused);
        }
        let run = self.choose(&want).ok_or(refused)?;
        self.take(run);
        grant.spend(run.blocks);
        self.reserved_blocks -= run.blocks;
        Ok(run)
    }
    fn claim(&mut self, run: Extent, _: &dyn PageRead) -> Result<()> {
        let free = self.unreserved();
        if run.blocks > free || !self.is_free(run) {
            return Err(Error::NoSpace { needed: run.blocks, free });
        }
        self.take(run);
        Ok(())
    }
    fn release(&mut self, run: Extent, _: &dyn PageRead) -> Result<()> {
        let corrupt = |what, at| Err(Error::Corrupt { what, place: Place::Block(at) });
        if !self.universe.contains(run) {
            return corrupt("release of blocks outside the data", run.start);
        }
        if run.end() > self.mark || self.records.overlap(run).is_some() {
            return corrupt("release of a free block", run.start);
        }
        match self.released.insert(run) {
            Ok(()) => Ok(()),
            Err(at) => corrupt("second release of a block", at),
        }
    }
    fn settle(&mut self, grant: Grant) {
        self.reserved_blocks -= grant.blocks();
    }
    fn pages_bound(&self, more: u64) -> u64 {
        // A block that is taken removes at most one entry and leaves two; one that is released makes one.
        let operations = self.records.ops() + self.released.runs() + more.saturating_mul(3);
        let entries = self.records.len() + self.records.ops() + self.released.runs() + more.saturating_mul(2);
        self.tree().pages_bound(operations, entries)
    }
    fn commit(&mut self, epoch: Epoch, pages: &mut dyn PageTxn) -> Result<Root> {
        let runs: Vec<Extent> = self.released.iter().collect();
        self.held_blocks += self.released.blocks();
        self.released.clear();
        runs.iter().for_each(|run| self.records.put(epoch.0, *run));
        if !runs.is_empty() {
            self.held.insert(epoch.0, runs);
        }
        let tree = *self.tree();
        tree.apply(&mut self.records, pages)?;
        Ok(tree.root(Header { mark: self.mark, epoch }, self.records.len()))
    }
    fn committed(&mut self, epoch: Epoch, oldest_reader: Option<Epoch>) {
        self.epoch = epoch;
        let oldest = oldest_reader.map_or(epoch, |reader| reader.min(epoch));
        while let Some(record) = self.held.first_entry().filter(|record| *record.key() < oldest.0) {
            let (freed, runs) = record.remove_entry();
            let blocks: u64 = runs.iter().map(|run| run.blocks).sum();
            self.held_blocks -= blocks;
            self.ready_blocks += blocks;
            self.ready.insert(freed, runs);
        }
    }
    /// The rule of the oldest reader has no exception: near full, the next commits free what they free.
    fn hurry(&mut self) {}
    fn is_draining(&self, oldest_reader: Option<Epoch>) -> bool {
        let next = self.held.keys().next().copied();
        let next = next.or((!self.released.is_empty()).then_some(self.epoch.0 + 1));
        next.is_some_and(|freed| oldest_reader.is_none_or(|reader| freed < reader.0))
    }
    fn visit_free(&self, _: &dyn PageRead, each: &mut dyn FnMut(Extent) -> Flow) -> Result<()> {
        let mut all: Vec<Extent> = self.ready.values().flatten().copied().collect();
        self.reclaimed.visit(self.universe, &mut |run| {
            all.push(run);
            Flow::Continue
        });
        all.extend(Some(self.tail()).filter(|tail| tail.blocks > 0));
        all.sort_unstable();
        for run in all.chunk_by(|one, other| one.end() == other.start) {
            let blocks = run.iter().map(|part| part.blocks).sum();
            if each(Extent { start: run[0].start, blocks }) == Flow::Stop {
                break;
            }
        }
        Ok(())
    }
    fn visit_deferred(&self, each: &mut dyn FnMut(Extent)) {
        self.held.values().flatten().copied().chain(self.released.iter()).for_each(each);
    }
    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.tree().visit_pages(pages, each)
    }
    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        self.tree().check(&self.records, pages, found)
    }
    fn stats(&self) -> SpaceStats {
        SpaceStats {
            total_blocks: self.universe.blocks,
            free_blocks: self.free_blocks(),
            reserved_blocks: self.reserved_blocks,
            deferred_blocks: self.held_blocks + self.released.blocks(),
            effort: self.effort,
            memory_bytes: self.records.memory_bytes() + self.reclaimed.memory_bytes(),
            loads: 0,
        }
    }
}

const TRIES: Parameter = Parameter::integer(
    "tries_a_block",
    60,
    "How many reclaimed runs are looked at for each block of a request before it goes beyond the high-water mark. More reuses more and keeps \
     what is used compact; fewer bounds the search, which for requests of many blocks in fragmented space goes over everything. 60 is LMDB's.",
);

/// The row of the registry.
pub const ALLOCATOR: AllocatorEntry = AllocatorEntry {
    name: "lmdb",
    summary: "what each epoch freed, kept by epoch and reused when no reader can see it; else beyond a high-water mark",
    paper: "LMDB (2011), freelist database",
    parameters: &[TRIES],
    build: |settings| Ok(Box::new(FreeList::new(settings.integer(&TRIES)))),
};

#[cfg(test)]
mod tests;
