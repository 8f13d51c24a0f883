//! All that a volume sees of free space.
//!
//! Invariant: nothing released is issued before its epoch is durable, nor while a reader can reach it; a refused `reserve` changes nothing; inside a
//! grant `allocate` cannot fail for lack of space.

use crate::Want;
use spinney_core::{Effort, Epoch, Extent, Finding, Flow, PageNo, PageRead, PageTxn, Result, Root};

/// Blocks set aside for one operation. Hand it back with `settle`; a dropped grant keeps its blocks reserved.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "settle the grant, or its blocks stay reserved"]
pub struct Grant {
    pub(crate) blocks: u64,
}

impl Grant {
    /// A grant of `blocks`. For those who implement [`Allocator`] whole.
    pub fn new(blocks: u64) -> Grant {
        Grant { blocks }
    }
    /// What is left of it.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks
    }
    /// Use up some of it; more than is left is a programmer error.
    pub fn spend(&mut self, blocks: u64) {
        self.blocks = self.blocks.checked_sub(blocks).expect("spent more than was granted");
    }
}

/// Where the blocks of the universe are, and what it cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SpaceStats {
    /// Blocks of the universe.
    pub total_blocks: u64,
    /// Allocatable now (reservations included).
    pub free_blocks: u64,
    /// Set aside by grants.
    pub reserved_blocks: u64,
    /// Released, not yet allocatable.
    pub deferred_blocks: u64,
    /// The index's work.
    pub effort: Effort,
    /// The index's memory.
    pub memory_bytes: u64,
    /// Regions that were read from pages to allocate from, for an allocator that keeps only some in memory.
    pub loads: u64,
}

/// A free-space allocator over one universe of blocks.
pub trait Allocator: Send {
    /// Begin anew with all of `universe` free.
    fn format(&mut self, universe: Extent, pages: &mut dyn PageTxn) -> Result<()>;
    /// Load what was committed under `root`. Everything read is untrusted.
    fn open(&mut self, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<()>;
    /// Set blocks aside. Errors: `NoSpace`, and then nothing changed.
    fn reserve(&mut self, blocks: u64) -> Result<Grant>;
    /// Take a run of `blocks_min..=min(blocks_max, grant)` blocks. Errors: `NoSpace` only if no run satisfies `blocks_min` and `align`;
    /// one that loads its map region by region reads it from `pages`, and passes on what that reading meets.
    fn allocate(&mut self, want: &Want, grant: &mut Grant, pages: &dyn PageRead) -> Result<Extent>;
    /// Take this very place (import, repair). Errors: `NoSpace` if any of it is not free.
    fn claim(&mut self, run: Extent, pages: &dyn PageRead) -> Result<()>;
    /// The last owner let go: allocatable once this epoch is durable, or later as policy and readers have it. Which blocks an owner
    /// has is read from a disk, so nothing here is the caller's word alone. Errors: `Corrupt`, and nothing changed, unless
    /// all of the run lies in the universe and is neither free nor released: the pool is damaged and must not commit.
    fn release(&mut self, run: Extent, pages: &dyn PageRead) -> Result<()>;
    /// Hand back what was not spent.
    fn settle(&mut self, grant: Grant);
    /// At most how many pages `commit` would allocate or change if `more` further blocks were taken or released before
    /// it, each perhaps a run of its own. Asked before every write.
    fn pages_bound(&self, more: u64) -> u64;
    /// Close the epoch: what may be recorded as free is, the form encodes. No `allocate` until `committed`.
    fn commit(&mut self, epoch: Epoch, pages: &mut dyn PageTxn) -> Result<Root>;
    /// The epoch is durable: what is due is allocatable, but nothing that a reader of `oldest_reader`, or of a later epoch, can
    /// reach. Nobody can begin to read an older epoch any more.
    fn committed(&mut self, epoch: Epoch, oldest_reader: Option<Epoch>);
    /// Somebody found no space: the next commits bring back all that lawfully can come back, in steps that each stay within
    /// `pages_bound`. Holds until `committed`.
    fn hurry(&mut self);
    /// Whether commits alone, without a change between them, would make more blocks allocatable. `oldest_reader` as above.
    fn is_draining(&self, oldest_reader: Option<Epoch>) -> bool;
    /// Maximal allocatable runs in address order; what is not in memory is read from `pages`.
    fn visit_free(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Extent) -> Flow) -> Result<()>;
    /// Released runs that are not allocatable yet, each block once, in any order.
    fn visit_deferred(&self, each: &mut dyn FnMut(Extent));
    /// Every page of the persistent structure, once.
    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()>;
    /// Rules of the structure that do not hold; also compares what is in memory with what the last commit stored.
    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()>;
    /// Counts.
    fn stats(&self) -> SpaceStats;
}
