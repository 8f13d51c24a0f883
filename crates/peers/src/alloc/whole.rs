//! A whole allocator as a candidate: takes are reserved and allocated, gives are released, and a commit comes every so many gives.
//!
//! Invariant: commits lie between two pairs, so that their time is a column of its own; pages are in memory. Who is refused a single
//! block commits until one is there, as a volume does. Knows no allocator's type.

use spinney_alloc::{Allocator, Want};
use spinney_core::{Epoch, Extent, Pba};
use spinney_registry::{AllocatorSpec, Choice, PoolSpec, Registry};
use spinney_testkit::MemoryPages;
use spinney_testkit::aging::{Place, Space};

/// An allocator of the registry by its parts, and its pages.
pub(crate) struct Whole {
    pub(crate) allocator: Box<dyn Allocator>,
    pub(crate) pages: MemoryPages,
    epoch: Epoch,
    gives: u64,
    gives_a_commit: u64,
}

/// Blocks of the space for each give between two commits: those that wait are 0.14 % of the space.
const BLOCKS_A_GIVE: u64 = 1 << 15;
/// Commits that a freed block may take to come back.
const COMMITS_MAX: u32 = 8;

impl Whole {
    /// All of `blocks` free.
    pub(crate) fn new(spec: &AllocatorSpec, blocks: u64) -> Whole {
        let spec = PoolSpec { allocator: spec.clone(), scheme: Choice::named("flat") };
        let parts = Registry::standard().parts(&spec).expect("a registered allocator builds");
        let mut whole = Whole {
            allocator: parts.allocator,
            pages: MemoryPages::new(),
            epoch: Epoch(0),
            gives: 0,
            gives_a_commit: (blocks / BLOCKS_A_GIVE).max(1),
        };
        whole.allocator.format(Extent::new(Pba(0), blocks), &mut whole.pages).expect("a new space is sound");
        whole
    }
    /// Commit; returns the pages changed.
    pub(crate) fn commit(&mut self) -> (spinney_core::Root, u64) {
        self.epoch = self.epoch.next();
        self.pages.seal();
        let root = self.allocator.commit(self.epoch, &mut self.pages).expect("pages in memory do not fail");
        self.allocator.committed(self.epoch, None);
        self.gives = 0;
        (root, self.pages.seal())
    }
    fn request(&mut self, blocks: u64) -> Option<Place> {
        let mut grant = self.allocator.reserve(blocks).ok()?;
        let run = self.allocator.allocate(&Want::exactly(blocks), &mut grant, &self.pages);
        self.allocator.settle(grant);
        run.ok().map(|run| run.start.0.into())
    }
}

impl Space for Whole {
    fn take(&mut self, blocks: u64) -> Option<Place> {
        let mut found = self.request(blocks);
        for _ in 0..COMMITS_MAX {
            if found.is_some() || blocks > 1 {
                break;
            }
            self.allocator.hurry();
            self.commit();
            found = self.request(blocks);
        }
        found
    }
    fn give(&mut self, place: Place, blocks: u64) {
        let run = Extent::new(Pba(place.start), blocks);
        self.allocator.release(run, &self.pages).expect("what was allocated can be released");
        self.gives += 1;
    }
    fn settle(&mut self) -> bool {
        let due = self.gives >= self.gives_a_commit;
        if due {
            self.commit();
        }
        due
    }
    fn memory_bytes(&self) -> Option<u64> {
        Some(self.allocator.stats().memory_bytes)
    }
}
