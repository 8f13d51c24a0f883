//! Random histories of volumes, snapshots and clones, told to back references and to a model.
//!
//! Invariant: a seed gives one history. A block that nobody refers to any more may be used again after a commit, as in a pool.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)] // shared by test files that each use a part

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spinney_backref::{BackReferences, BackrefOptions, Owner};
use spinney_core::{DevId, Extent, Lba, PageNo, Pba, Root};
use spinney_testkit::MemoryPages;
use std::collections::{BTreeMap, BTreeSet};

pub const UNIVERSE: Extent = Extent { start: Pba(16), blocks: 900 };
const VOLUME_BLOCKS: u64 = 120;

/// What a history is like: how likely each step is, and how long a write.
#[derive(Clone, Copy)]
pub struct Shape {
    snapshots: u32,
    clones: u32,
    deletes: u32,
    write_blocks_max: u64,
}

impl Shape {
    pub const SCATTERED: Shape = Shape { snapshots: 4, clones: 2, deletes: 5, write_blocks_max: 2 };
    pub const RUNS: Shape = Shape { snapshots: 4, clones: 2, deletes: 5, write_blocks_max: 70 };
    pub const CLONES: Shape = Shape { snapshots: 6, clones: 12, deletes: 14, write_blocks_max: 6 };
}

#[derive(Clone)]
struct Version {
    writable: bool,
    map: BTreeMap<u64, u64>,
}

pub struct Driver {
    seed: u64,
    chance: ChaCha8Rng,
    shape: Shape,
    options: BackrefOptions,
    pub references: BackReferences,
    pages: MemoryPages,
    versions: BTreeMap<DevId, Version>,
    next_dev: u64,
    /// Blocks that may be used; the others are referred to, or were since the last commit.
    free: BTreeSet<u64>,
}

impl Driver {
    pub fn new(seed: u64, shape: Shape, options: BackrefOptions) -> Driver {
        let mut pages = MemoryPages::new();
        let references = BackReferences::format(UNIVERSE, options, &mut pages).unwrap();
        let free = UNIVERSE.iter().map(|block| block.0).collect();
        let (chance, versions) = (ChaCha8Rng::seed_from_u64(seed), BTreeMap::new());
        Driver { seed, chance, shape, options, references, pages, versions, next_dev: 0, free }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.chance.random_range(0..limit)
    }

    fn pick(&mut self, writable: bool) -> Option<DevId> {
        let fit: Vec<DevId> = self
            .versions
            .iter()
            .filter(|(_, version)| version.writable || !writable)
            .map(|(dev, _)| *dev)
            .collect();
        (!fit.is_empty()).then(|| fit[self.below(fit.len() as u64) as usize])
    }

    fn new_dev(&mut self) -> DevId {
        self.next_dev += 1 + u64::from(self.chance.next_u32() % 3);
        DevId(self.next_dev)
    }

    pub fn step(&mut self) {
        let Shape { snapshots, clones, deletes, .. } = self.shape;
        let roll = self.below(100) as u32;
        let ends = [snapshots, clones, deletes, 12, 8].into_iter().scan(0, |end, share| {
            *end += share;
            Some(*end)
        });
        match ends.filter(|end| *end <= roll).count() {
            0 => self.take(false),
            1 => self.take(true),
            2 => self.delete(),
            3 => self.commit(),
            4 => self.discard(),
            _ => self.write(),
        }
        if self.below(25) == 0 {
            self.check_some();
        }
    }

    fn take(&mut self, writable: bool) {
        let Some(of) = self.pick(false).filter(|_| self.versions.len() < 14) else { return };
        let dev = self.new_dev();
        let copy = Version { writable, map: self.versions[&of].map.clone() };
        match writable {
            false => self.references.snapshot(of, dev).unwrap(),
            true => self.references.clone_of(of, dev).unwrap(),
        }
        if writable && !self.references.inherits() {
            for (at, on) in &copy.map {
                self.references.add(dev, Lba(*at), Extent::new(Pba(*on), 1)).unwrap();
            }
        }
        self.versions.insert(dev, copy);
    }

    fn delete(&mut self) {
        let Some(dev) = self.pick(false) else { return };
        self.references.delete(dev).unwrap();
        self.versions.remove(&dev);
    }

    pub fn delete_all(&mut self) {
        while !self.versions.is_empty() {
            self.delete();
        }
    }

    fn write(&mut self) {
        let Some(dev) = self.pick(true) else {
            let dev = self.new_dev();
            self.references.create(dev).unwrap();
            self.versions.insert(dev, Version { writable: true, map: BTreeMap::new() });
            return;
        };
        let at = self.below(VOLUME_BLOCKS);
        let blocks = (1 + self.below(self.shape.write_blocks_max)).min(VOLUME_BLOCKS - at);
        // The first free run that is long enough, from some place on.
        let from = UNIVERSE.start.0 + self.below(UNIVERSE.blocks);
        let fits = |start: &u64| (*start..start + blocks).all(|block| self.free.contains(&block));
        let Some(start) = self.free.range(from..).copied().find(fits) else { return };
        self.unmap(dev, at, blocks);
        self.references.add(dev, Lba(at), Extent::new(Pba(start), blocks)).unwrap();
        let map = &mut self.versions.get_mut(&dev).unwrap().map;
        for by in 0..blocks {
            self.free.remove(&(start + by));
            map.insert(at + by, start + by);
        }
    }

    fn discard(&mut self) {
        let Some(dev) = self.pick(true) else { return };
        let at = self.below(VOLUME_BLOCKS);
        let blocks = 1 + self.below(VOLUME_BLOCKS - at);
        self.unmap(dev, at, blocks.min(20));
    }

    fn unmap(&mut self, dev: DevId, at: u64, blocks: u64) {
        let map = &mut self.versions.get_mut(&dev).unwrap().map;
        let gone: Vec<(u64, u64)> = map.range(at..at + blocks).map(|(at, on)| (*at, *on)).collect();
        for (at, on) in gone {
            map.remove(&at);
            self.references.remove(dev, Lba(at), Extent::new(Pba(on), 1)).unwrap();
        }
    }

    /// Within the bound, and the same after opening it again.
    fn commit(&mut self) {
        let spare = [0, 40, u64::MAX][self.below(3) as usize];
        self.commit_with(spare);
    }

    pub fn commit_with(&mut self, spare: u64) -> Root {
        let bound = self.references.pages_bound(0, 0);
        let live = |pages: &MemoryPages| pages.live().map(|(page, _)| page).collect::<BTreeSet<_>>();
        let before = live(&self.pages);
        self.pages.seal();
        let root = self.references.commit(spare, &mut self.pages).unwrap();
        let freed = before.difference(&live(&self.pages)).count() as u64;
        let (used, allowed) = (self.pages.seal() - freed, bound.saturating_add(spare));
        assert!(used <= allowed, "seed {}: {used} pages of {allowed}", self.seed);
        self.reopen(root);
        let used: BTreeSet<u64> =
            self.versions.values().flat_map(|version| version.map.values().copied()).collect();
        self.free = UNIVERSE.iter().map(|block| block.0).filter(|block| !used.contains(block)).collect();
        root
    }

    pub fn view(&self) -> MemoryPages {
        self.pages.view()
    }

    fn reopen(&mut self, root: Root) {
        let opened = BackReferences::open(UNIVERSE, &root, self.options, &self.pages).unwrap();
        assert_eq!(opened.filter_bytes(), self.references.filter_bytes(), "seed {}", self.seed);
        self.references = opened;
        let mut findings = Vec::new();
        self.references.check(&self.pages, &mut |finding| findings.push(finding)).unwrap();
        assert_eq!(findings, [], "seed {}", self.seed);
    }

    /// Owners by a walk over all maps.
    fn walked(&self, on: Extent) -> Vec<Owner> {
        let owners = self.versions.iter().flat_map(|(dev, version)| {
            let inside = version.map.iter().filter(|(_, block)| on.contains(Extent::new(Pba(**block), 1)));
            inside.map(|(at, block)| Owner { on: Pba(*block), dev: *dev, at: Lba(*at) })
        });
        let mut owners: Vec<Owner> = owners.collect();
        owners.sort_unstable();
        owners
    }

    fn check_range(&self, on: Extent) {
        let mut owners = Vec::new();
        self.references.owners(on, &self.pages, &mut |owner| owners.push(owner)).unwrap();
        assert_eq!(owners, self.walked(on), "seed {}: owners of {on:?}", self.seed);
    }

    fn check_some(&mut self) {
        let start = self.below(UNIVERSE.blocks);
        let blocks = 1 + self.below(UNIVERSE.blocks - start);
        self.check_range(Extent::new(Pba(UNIVERSE.start.0 + start), blocks));
    }

    /// Every block by itself, and all at once.
    pub fn check_all(&self) {
        UNIVERSE.iter().for_each(|block| self.check_range(Extent::new(block, 1)));
        self.check_range(UNIVERSE);
        let (mut reached, mut live) = (BTreeSet::new(), BTreeSet::new());
        self.references.visit_pages(&self.pages, &mut |page: PageNo| assert!(reached.insert(page))).unwrap();
        self.pages.live().for_each(|(page, _)| assert!(live.insert(page)));
        assert_eq!(reached, live, "seed {}: pages", self.seed);
    }

    pub fn live_pages(&self) -> usize {
        self.pages.live().count()
    }
}
