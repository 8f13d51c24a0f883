//! A page store with a map of two levels: map pages, page headers and the root damaged, checksums made right.
//!
//! Invariant: if the checker passes what was opened, every page can be read, changed and found again after a commit.

use crate::bytes::Bytes;
use crate::patch::{self, Regions};
use crate::seal;
use spinney_core::{BLOCK_BYTES, BlockDevice, Epoch, Extent, PageKind, PageNo, PageRead, PageTxn, Pba, Root};
use spinney_device::MemoryDevice;
use spinney_pages::{PageStore, StoreOptions};
use std::sync::{Arc, OnceLock};

const AREA: [Extent; 1] = [Extent { start: Pba(0), blocks: 300 }];

#[derive(Clone)]
struct Stored {
    device: MemoryDevice,
    root: Vec<u8>,
    written: Vec<Pba>,
}

fn base() -> &'static Stored {
    static BASE: OnceLock<Stored> = OnceLock::new();
    BASE.get_or_init(|| {
        let device = Arc::new(MemoryDevice::new(AREA[0].blocks));
        let mut store = PageStore::format(device.clone(), &AREA, options()).expect("room");
        let pages: Vec<PageNo> = (0..175).map(|_| store.alloc(PageKind::TREE).expect("room")).collect();
        store.seal(Epoch(1)).expect("memory");
        store.committed(Epoch(1));
        for page in pages.iter().step_by(3) {
            store.free(*page, PageKind::TREE).expect("a page");
        }
        let root = store.seal(Epoch(2)).expect("memory");
        let written = seal::written(&*device, 0..AREA[0].blocks);
        Stored { device: (*device).clone(), root: root.bytes().to_vec(), written }
    })
}

fn options() -> StoreOptions {
    StoreOptions { cache_pages: 32, ..StoreOptions::default() }
}

/// Region 0 is the root, the others are blocks.
impl Regions for Stored {
    fn count(&self) -> usize {
        self.written.len() + 1
    }
    fn change(&mut self, region: usize, how: &mut dyn FnMut(&mut [u8])) {
        let Some(region) = region.checked_sub(1) else { return how(&mut self.root) };
        let (at, mut block) = (self.written[region], [0; BLOCK_BYTES]);
        self.device.read(at, &mut block).expect("inside");
        how(&mut block);
        self.device.write(at, &block).expect("inside");
    }
    fn name(&self, region: usize) -> u64 {
        region.checked_sub(1).map_or(0, |region| self.written[region].0)
    }
}

pub(crate) fn run(data: &[u8]) {
    let mut input = Bytes(data);
    let mut stored = base().clone();
    patch::apply(&mut stored, &mut input);
    let root = seal::store(&stored.device, 0, &Root::new(&stored.root));
    let device: Arc<dyn BlockDevice> = Arc::new(stored.device);
    let Ok(mut store) = PageStore::open(device.clone(), &AREA, &root, options()) else { return };
    let mut findings = 0;
    let checked = store.check(&mut |_| findings += 1);
    let sound = checked.is_ok() && findings == 0;
    let mut live = Vec::new();
    let listed = store.visit_live(&mut |page, kind| live.push((page, kind)));
    let read = live.iter().try_for_each(|(page, kind)| store.read(*page, *kind).map(drop));
    assert!(!sound || listed.and(read).is_ok(), "the checker passed what cannot be read");
    let epoch = store.epoch().next();
    let changed = (0..10).try_for_each(|_| change(&mut store, &live, &mut input));
    let _ = store.view().read(PageNo(input.word()), PageKind::TREE);
    let Ok(root) = store.seal(epoch) else {
        assert!(!sound || changed.is_err(), "the checker passed what cannot be sealed");
        return;
    };
    store.committed(epoch);
    let again = PageStore::open(device, &AREA, &root, options()).map(|again| again.pages_live());
    assert!(!sound || again == Ok(store.pages_live()), "{again:?}");
}

fn change(
    store: &mut PageStore,
    live: &[(PageNo, PageKind)],
    input: &mut Bytes<'_>,
) -> spinney_core::Result<()> {
    let (page, kind) = match live.is_empty() {
        true => (PageNo(1), PageKind::TREE),
        false => live[input.below(live.len())],
    };
    // A page may be chosen again after it was freed: that is the caller's fault, and an error.
    match input.byte() % 4 {
        0 => store.alloc(PageKind::SPACE).map(drop),
        1 => store.edit(page, kind).map(|bytes| bytes[3] = 1),
        2 => store.free(page, kind).or(Ok(())),
        _ => store.read(page, kind).map(drop).or(Ok(())),
    }
}
