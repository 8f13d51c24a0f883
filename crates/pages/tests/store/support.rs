//! What the tests share: small stores, the model beside them, and filled pages.
//!
//! Invariant: the same calls make the same store. Asserts nothing but agreement with the model.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spinney_core::{
    BlockDevice, Epoch, Extent, PageKind, PageNo, PageRead, PageTxn, Payload, Pba, Root, look,
};
use spinney_device::MemoryDevice;
use spinney_pages::{PageStore, StoreOptions};
use spinney_testkit::MemoryPages;
use std::sync::Arc;

/// Kinds that a history uses.
pub(crate) const KINDS: [PageKind; 3] = [PageKind::TREE, PageKind::SPACE, PageKind::OTHER];

/// The chance of a seed.
pub(crate) fn chance(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

/// A device in memory and an area that is all of it.
pub(crate) fn area(blocks: u64) -> (Arc<dyn BlockDevice>, [Extent; 1]) {
    (Arc::new(MemoryDevice::new(blocks)), [Extent::new(Pba(0), blocks)])
}

/// Options with room for `pages` clean and as many dirty pages.
pub(crate) fn options(pages: usize) -> StoreOptions {
    StoreOptions { cache_pages: pages, dirty_pages: pages, ..StoreOptions::default() }
}

/// Fill a page so that no two fillings are alike.
pub(crate) fn fill(payload: &mut Payload, value: u64) {
    for (word, at) in payload.chunks_exact_mut(8).zip(0..) {
        word.copy_from_slice(&(value.wrapping_mul(0x1_0001) + at).to_le_bytes());
    }
}

/// Seal and commit as if the superblock were written.
pub(crate) fn commit(store: &mut PageStore) -> Root {
    let epoch = store.epoch().next();
    let root = store.seal(epoch).expect("seal");
    store.committed(epoch);
    root
}

/// A store and its model, changed together. The model knows other numbers, so pairs are kept.
pub(crate) struct Pair {
    pub(crate) store: PageStore,
    pub(crate) model: MemoryPages,
    pub(crate) pages: Vec<(PageNo, PageNo, PageKind)>,
}

impl Pair {
    pub(crate) fn new(store: PageStore) -> Pair {
        Pair { store, model: MemoryPages::new(), pages: Vec::new() }
    }
    /// One random change of both; nothing if there is no room for it.
    pub(crate) fn step(&mut self, chance: &mut ChaCha8Rng) {
        let (choice, value) = (chance.random_range(0..10), chance.random());
        let room = self.store.room() > 0;
        if (choice < 4 || self.pages.is_empty()) && room {
            let kind = KINDS[chance.random_range(0..KINDS.len())];
            let pair = (self.store.alloc(kind).unwrap(), self.model.alloc(kind).unwrap(), kind);
            self.pages.push(pair);
            if chance.random() {
                self.write(pair, value);
            }
        } else if choice < 7 && room {
            let at = chance.random_range(0..self.pages.len());
            self.write(self.pages[at], value);
        } else if choice < 9 && !self.pages.is_empty() {
            let (ours, theirs, kind) = self.pages.swap_remove(chance.random_range(0..self.pages.len()));
            self.store.free(ours, kind).unwrap();
            self.model.free(theirs, kind).unwrap();
        } else if !self.pages.is_empty() {
            let at = chance.random_range(0..self.pages.len());
            self.compare(self.pages[at]);
        }
    }
    pub(crate) fn write(&mut self, (ours, theirs, kind): (PageNo, PageNo, PageKind), value: u64) {
        fill(self.store.edit(ours, kind).unwrap(), value);
        fill(self.model.edit(theirs, kind).unwrap(), value);
    }
    fn compare(&self, (ours, theirs, kind): (PageNo, PageNo, PageKind)) {
        let (found, expected) = (self.store.read(ours, kind), self.model.read(theirs, kind));
        let expected = expected.expect("a model page");
        assert!(found.expect("a live page")[..] == expected[..], "page {ours}");
        assert_eq!(look(&self.store, ours, kind, |shown| shown[..] == expected[..]), Ok(true), "page {ours}");
        for other in KINDS.into_iter().filter(|other| *other != kind) {
            assert!(look(&self.store, ours, other, |_| ()).is_err(), "page {ours} as {other:?}");
        }
    }
    /// Every page reads as the model's, and nothing else lives.
    pub(crate) fn check(&self) {
        self.pages.iter().for_each(|pair| self.compare(*pair));
        let mut expected: Vec<_> = self.pages.iter().map(|(ours, _, kind)| (*ours, *kind)).collect();
        let mut live = Vec::new();
        self.store.visit_live(&mut |page, kind| live.push((page, kind))).unwrap();
        live.sort_unstable();
        expected.sort_unstable();
        assert_eq!(live, expected);
        assert_eq!(self.store.pages_live(), live.len() as u64);
        self.store.check(&mut |finding| panic!("{finding}")).unwrap();
    }
}

/// Pages `0..count` of a new store, filled with their order, committed.
pub(crate) fn filled(
    device: &Arc<dyn BlockDevice>,
    area: &[Extent],
    count: u64,
) -> (PageStore, Vec<PageNo>, Root) {
    let mut store = PageStore::format(device.clone(), area, StoreOptions::default()).unwrap();
    let mut pages = Vec::new();
    for value in 0..count {
        let page = store.alloc(PageKind::OTHER).unwrap();
        fill(store.edit(page, PageKind::OTHER).unwrap(), value);
        pages.push(page);
    }
    let root = commit(&mut store);
    (store, pages, root)
}

/// Whether a page is filled with `value`.
pub(crate) fn holds(pages: &dyn PageRead, page: PageNo, value: u64) -> bool {
    let mut expected = [0; spinney_core::PAYLOAD_BYTES];
    fill(&mut expected, value);
    let read = pages.read(page, PageKind::OTHER).unwrap()[..] == expected[..];
    let shown = look(pages, page, PageKind::OTHER, |shown| shown[..] == expected[..]).unwrap();
    assert_eq!(read, shown, "page {page} is shown as it is read");
    read
}

/// The epoch after the store's.
pub(crate) fn next(store: &PageStore) -> Epoch {
    store.epoch().next()
}
