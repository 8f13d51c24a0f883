//! Buddies: free pieces of 2^k blocks at multiples of 2^k, split in halves and merged with their buddies.
//!
//! Invariant: the pieces are the largest aligned powers of two that are wholly free, so they follow from the free set and nothing is
//! kept for what was handed out: no block is lost to rounding. Orders below a leaf's are found in the leaf, those above have a
//! bit a piece.

use crate::index::{Policy, PowerIndex};
use crate::leaf::{self, BLOCKS, ORDER};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use spinney_alloc::bit_space::PlaceSet;
use spinney_alloc::{BitSpace, IndexEntry, Want};
use spinney_core::{Error, Extent, Parameter, Pba, Result, Settings};

/// What a request whose size is no power of two gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Pieces {
    /// The largest power of two in it; the caller comes back for the rest.
    #[default]
    Whole,
    /// All of it, from the start of the next power of two; the tail is free again at once.
    Trimmed,
    /// All of it from a run that holds it, wherever that starts: the request is not rounded.
    Exact,
}

/// The policy.
#[derive(Clone, Debug, Default)]
pub struct Buddy {
    pieces: Pieces,
    base: u64,
    /// For each order: below a leaf's the leaves that have a piece, else the pieces.
    orders: Vec<PlaceSet>,
    /// Leaves that are wholly free, and so part of a piece of a leaf or more.
    full: PlaceSet,
}

/// The index.
pub type BuddyIndex = PowerIndex<Buddy>;

impl Buddy {
    /// The policy with these pieces.
    #[must_use]
    pub fn new(pieces: Pieces) -> Buddy {
        Buddy { pieces, ..Buddy::default() }
    }
    /// The place of a leaf's number (from block 0 of the device) in the set of `order`.
    fn place(&self, leaf: u64, order: u32) -> usize {
        ((leaf >> (order - ORDER)) - (self.base >> order)) as usize
    }
    /// A leaf became wholly free: merge it upward.
    fn merge(&mut self, leaf: u64) {
        let mut order = ORDER;
        while order + 1 < self.orders.len() as u32 {
            let buddy = leaf ^ (1 << (order - ORDER));
            if buddy >> (order - ORDER) < self.base >> order {
                break;
            }
            let place = self.place(buddy, order);
            if !self.orders[order as usize].contains(place) {
                break;
            }
            self.orders[order as usize].remove(place);
            order += 1;
        }
        let place = self.place(leaf, order);
        self.orders[order as usize].insert(place);
    }
    /// A leaf is no longer wholly free: split the piece that holds it down to its leaf.
    fn split(&mut self, leaf: u64) {
        let orders = self.orders.len() as u32;
        let holds = |order: &u32| self.orders[*order as usize].contains(self.place(leaf, *order));
        let mut order = (ORDER..orders).find(holds).expect("a free leaf is part of a piece");
        let place = self.place(leaf, order);
        self.orders[order as usize].remove(place);
        while order > ORDER {
            order -= 1;
            let place = self.place(leaf ^ (1 << (order - ORDER)), order);
            self.orders[order as usize].insert(place);
        }
    }
    /// All of the request from a run of its own class, if the first one there holds it, else from the first class where all do.
    fn exact(space: &mut BitSpace, want: &Want) -> Option<Extent> {
        let padded = want.blocks_max.saturating_add(want.align - 1);
        let whole = Want { blocks_min: want.blocks_max, ..*want };
        let own = space.head(space.class_of(padded)).and_then(|run| whole.fit(run));
        own.or_else(|| {
            let class = space.class_from(padded.checked_next_power_of_two()?.ilog2())?;
            whole.fit(space.head(class)?)
        })
    }
    /// The lowest piece of an order.
    fn first(&self, space: &mut BitSpace, order: u32) -> Option<Pba> {
        let place = self.orders.get(order as usize)?.next(0)?;
        space.looked_at(1);
        if order >= ORDER {
            return Some(Pba(((self.base >> order) + place as u64) << order));
        }
        let at = leaf::buddy(space.leaf(place), order)?;
        Some(Pba(self.base + (place * BLOCKS + at) as u64))
    }
}

impl Policy for Buddy {
    fn reset(&mut self, space: &BitSpace) {
        self.base = space.base();
        let last_leaf = (space.leaves() as u64).saturating_sub(1) + (space.base() >> ORDER);
        let top = (space.universe().blocks.max(1)).ilog2().max(ORDER);
        self.orders = vec![PlaceSet::new(space.leaves()); ORDER as usize];
        let places = |order: u32| ((last_leaf >> (order - ORDER)) - (space.base() >> order) + 1) as usize;
        self.orders.extend((ORDER..=top).map(|order| PlaceSet::new(places(order))));
        self.full = PlaceSet::new(space.leaves());
    }
    fn changed(&mut self, space: &BitSpace, leaves: RangeInclusive<usize>) {
        for at in leaves {
            let mask = leaf::buddies(space.leaf(at));
            let full = mask >> ORDER & 1 == 1;
            if full != self.full.contains(at) {
                self.full.put(at, full);
                let number = (self.base >> ORDER) + at as u64;
                if full { self.merge(number) } else { self.split(number) }
            }
            for order in 0..ORDER {
                self.orders[order as usize].put(at, mask >> order & 1 == 1);
            }
        }
    }
    fn choose(&mut self, space: &mut BitSpace, want: &Want, spilled: &mut bool) -> Option<Extent> {
        if self.pieces == Pieces::Exact {
            return Buddy::exact(space, want); // else the exact search, from the longest run down
        }
        if !want.align.is_power_of_two() {
            return None;
        }
        // A piece starts at a multiple of its size.
        let aligned = want.align.ilog2();
        let floor = want.blocks_max.ilog2();
        let whole = self.pieces == Pieces::Whole && 1 << floor >= want.blocks_min;
        let order = if whole { floor } else { want.blocks_max.checked_next_power_of_two()?.ilog2() };
        let blocks = if whole { 1 << floor } else { want.blocks_max };
        for up in order.max(aligned)..self.orders.len() as u32 {
            if let Some(start) = self.first(space, up) {
                return Some(Extent::new(start, blocks));
            }
        }
        *spilled = true;
        let enough = want.blocks_min.checked_next_power_of_two()?.ilog2().max(aligned);
        for down in (enough..order).rev() {
            if let Some(start) = self.first(space, down) {
                return Some(Extent::new(start, (1 << down).min(want.blocks_max)));
            }
        }
        None
    }
    fn memory_bytes(&self) -> u64 {
        self.orders.iter().map(PlaceSet::memory_bytes).sum::<u64>() + self.full.memory_bytes()
    }
}

const PIECES: Parameter = Parameter::word(
    "pieces",
    "whole",
    "What a request whose size is no power of two gets. `whole` gives the largest power of two in it, so that every piece is a buddy \
     and merges as soon as its half is freed, for up to as many pieces as the size has ones in binary. `trimmed` gives all of it in one \
     run from the start of the next power of two and leaves the tail as smaller pieces: one run a request, and pieces that come \
     back together late. The default is the classical system's, which allots whole pieces only, but without its rounding up.",
);

/// The row of the registry.
pub const BUDDY: IndexEntry = IndexEntry {
    name: "buddy",
    summary: "free pieces of powers of two, split in halves and merged with their buddies",
    paper: "Knowlton (1965); ext4 mballoc; ZFS's power-of-two allocator of old",
    parameters: &[PIECES],
    build: |settings| Ok(Box::new(BuddyIndex::with(Buddy::new(pieces(settings)?)))),
};

fn pieces(settings: &Settings) -> Result<Pieces> {
    match settings.word(&PIECES) {
        "whole" => Ok(Pieces::Whole),
        "trimmed" => Ok(Pieces::Trimmed),
        "exact" => Ok(Pieces::Exact),
        _ => Err(Error::BadSetting("pieces must be whole, trimmed or exact")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinney_alloc::FreeIndex;

    fn build(pieces: Pieces) -> Box<dyn FreeIndex> {
        Box::new(BuddyIndex::with(Buddy::new(pieces)))
    }
    spinney_testkit::index_laws!(whole, || build(Pieces::Whole));
    spinney_testkit::index_laws!(trimmed, || build(Pieces::Trimmed));
    spinney_testkit::index_laws!(exact, || build(Pieces::Exact));

    fn picks(pieces: Pieces, sizes: &[u64]) -> Vec<(u64, u64)> {
        let mut index = build(pieces);
        index.reset(Extent::new(Pba(0), 4096));
        index.insert(Extent::new(Pba(0), 4096));
        let mut pick =
            |blocks: &u64| index.pick(&Want::up_to(*blocks)).map(|run| (run.start.0, run.blocks)).unwrap();
        sizes.iter().map(&mut pick).collect()
    }

    #[test]
    fn a_size_that_is_no_power_of_two_comes_in_powers_of_two_or_trimmed() {
        assert_eq!(picks(Pieces::Whole, &[13, 5, 1]), [(0, 8), (8, 4), (12, 1)]);
        assert_eq!(picks(Pieces::Trimmed, &[13, 5, 1]), [(0, 13), (16, 5), (13, 1)]);
        assert_eq!(picks(Pieces::Exact, &[13, 5, 1]), [(0, 13), (13, 5), (18, 1)]);
    }

    /// R52 in small: rounded requests leave a tail behind each, requests as they are leave free space in one run.
    #[test]
    fn rounding_leaves_tails_where_exact_requests_leave_one_run() {
        let runs_left = |pieces| {
            let mut index = build(pieces);
            index.reset(Extent::new(Pba(0), 1 << 16));
            index.insert(Extent::new(Pba(0), 1 << 16));
            (0..40).for_each(|_| assert_eq!(index.pick(&Want::exactly(600)).unwrap().blocks, 600));
            index.free_runs()
        };
        assert_eq!([Pieces::Trimmed, Pieces::Exact].map(runs_left), [40, 1]);
    }

    #[test]
    fn a_piece_is_cut_from_the_smallest_that_holds_it() {
        let mut index = build(Pieces::Whole);
        index.reset(Extent::new(Pba(0), 1 << 14));
        for (start, blocks) in [(0, 4096), (8192, 1024), (10_000, 64), (12_288, 32)] {
            index.insert(Extent::new(Pba(start), blocks));
        }
        // 10,000 is a multiple of 16 only: its 64 blocks are pieces of 16, 32 and 16.
        let starts = [32, 32, 32, 2048].map(|blocks| index.pick(&Want::exactly(blocks)).unwrap().start.0);
        assert_eq!(starts, [10_016, 12_288, 8192, 0]);
    }

    #[test]
    fn memory_does_not_depend_on_what_is_free() {
        let mut index = build(Pieces::Whole);
        index.reset(Extent::new(Pba(0), 1 << 20));
        let empty = index.memory_bytes();
        (0..1 << 19).for_each(|at| index.insert(Extent::new(Pba(at * 2), 1)));
        assert_eq!((index.free_runs(), index.memory_bytes()), (1 << 19, empty));
        index.reset(Extent::new(Pba(0), 1 << 32));
        assert!(index.memory_bytes() < 600 << 20, "{} bytes for 2^32 blocks", index.memory_bytes());
    }

    #[test]
    fn freed_halves_merge_into_the_largest_piece() {
        let mut index = build(Pieces::Whole);
        index.reset(Extent::new(Pba(512), 1 << 16));
        index.insert(Extent::new(Pba(512), 1 << 16));
        let taken: Vec<Extent> = (0..600).map(|_| index.pick(&Want::exactly(64)).unwrap()).collect();
        taken.into_iter().for_each(|run| index.insert(run));
        assert_eq!(index.pick(&Want::exactly(1 << 15)), Some(Extent::new(Pba(1 << 15), 1 << 15)));
        assert_eq!(index.effort().fallbacks, 0);
    }
}
