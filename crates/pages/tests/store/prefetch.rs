//! Pages that are asked for ahead.
//!
//! Invariant: requests are counted at the device. A hint changes what is in memory, never what a read gives.

use crate::support::{commit, fill, filled};
use spinney_core::{BlockDevice, Extent, PageKind, PageNo, PageRead, PageTxn, Pba};
use spinney_device::{MemoryDevice, MeterDevice};
use spinney_pages::PageStore;
use std::sync::Arc;

const BLOCKS: u64 = 2_000;
const KIND: PageKind = PageKind::OTHER;
type Meter = Arc<MeterDevice<Arc<MemoryDevice>>>;

/// A store of 500 committed pages, none of them in memory, but for the map of the first.
fn cold() -> (Arc<MemoryDevice>, Meter, PageStore, Vec<PageNo>) {
    let memory = Arc::new(MemoryDevice::new(BLOCKS));
    let meter: Meter = Arc::new(MeterDevice::new(memory.clone()));
    let device: Arc<dyn BlockDevice> = meter.clone();
    let (store, pages, _) = filled(&device, &[Extent::new(Pba(0), BLOCKS)], 500);
    store.drop_clean();
    store.read(pages[0], KIND).unwrap();
    (memory, meter, store, pages)
}

#[test]
fn pages_that_were_asked_for_come_by_one_request_and_are_read_from_memory() {
    let (_, meter, store, pages) = cold();
    let (before, waits) = (meter.counts(), store.waits());
    store.prefetch(&pages[..9], KIND);
    store.prefetch(&pages[..9], KIND);
    store.prefetch(&[pages[3], pages[3]], KIND);
    let counted = meter.counts() - before;
    assert_eq!((counted.read_bytes(), store.waits() - waits), (8 * 4096, 1), "the first page was there");
    let one_by_one = store.view();
    for page in &pages[..9] {
        assert!(store.read(*page, KIND).unwrap()[..] == one_by_one.read(*page, KIND).unwrap()[..]);
    }
    assert_eq!(meter.counts().read_bytes(), before.read_bytes() + 8 * 4096);
}

#[test]
fn what_is_not_there_changed_or_of_another_kind_is_not_brought() {
    let (_, meter, mut store, pages) = cold();
    fill(store.edit(pages[1], KIND).unwrap(), 99);
    store.free(pages[2], KIND).unwrap();
    let before = meter.counts();
    store.prefetch(&[pages[1], pages[2], PageNo(1 << 60), PageNo(u64::MAX)], KIND);
    store.prefetch(&pages[3..9], PageKind::TREE);
    assert_eq!(meter.counts().read_bytes(), before.read_bytes());
    commit(&mut store);
    let mut filling = [0; spinney_core::PAYLOAD_BYTES];
    fill(&mut filling, 99);
    assert!(store.read(pages[1], KIND).unwrap()[..] == filling[..]);
}

#[test]
fn a_damaged_page_among_them_is_told_by_its_read_alone() {
    let (memory, _, store, pages) = cold();
    store.prefetch(&pages[1..2], KIND);
    let payload = store.read(pages[1], KIND).unwrap();
    let mut block = vec![0; 4096];
    let at = (0..BLOCKS).map(Pba).find(|at| {
        memory.read(*at, &mut block).unwrap();
        block[4096 - payload.len()..] == payload[..]
    });
    store.drop_clean();
    block[100] ^= 1;
    memory.write(at.expect("the page is on the device"), &block).unwrap();
    store.prefetch(&pages[..9], KIND);
    for page in &pages[..9] {
        assert_eq!(store.read(*page, KIND).is_err(), *page == pages[1]);
    }
}
