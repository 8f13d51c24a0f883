//! Maps that a hostile hand made: every checksum is right, and what they say is not.
//!
//! Invariant: such a map is `Corrupt` at opening. Knows the format from inside; damage by chance is tested from outside.

use super::super::format::{self, Entry, Identity, MapRoot};
use super::super::layout::Layout;
use super::super::{PageStore, StoreOptions};
use spinney_core::{BlockDevice, Epoch, Error, Extent, PageBuf, PageKind, PageTxn, Pba, Root};
use spinney_device::MemoryDevice;
use std::sync::Arc;

const BLOCKS: u64 = 400;
const AREA: [Extent; 1] = [Extent { start: Pba(0), blocks: BLOCKS }];

/// A sound store of `pages` pages, and its root.
fn sound(pages: u64) -> (Arc<dyn BlockDevice>, MapRoot) {
    let device: Arc<dyn BlockDevice> = Arc::new(MemoryDevice::new(BLOCKS));
    let mut store = PageStore::format(device.clone(), &AREA, StoreOptions::default()).unwrap();
    (0..pages).for_each(|_| assert!(store.alloc(PageKind::TREE).is_ok()));
    store.seal(Epoch(5)).unwrap();
    (device, store.sealed)
}

fn opens(device: &Arc<dyn BlockDevice>, root: &Root) -> Result<u64, Error> {
    PageStore::open(device.clone(), &AREA, root, StoreOptions::default()).map(|store| store.pages_live())
}

/// Change the top map page, and the root's checksum of it with it.
fn forge(pages: u64, change: impl Fn(&mut PageBuf, &mut MapRoot)) -> Result<u64, Error> {
    let (device, mut root) = sound(pages);
    let mut page = PageBuf::zeroed();
    device.read(Pba(root.top.unwrap().place), page.bytes_mut()).unwrap();
    change(&mut page, &mut root);
    let mut top = root.top.unwrap();
    let level = format::identity(&page).unwrap().level;
    let is = Identity { kind: PageKind::MAP, level, number: 0, epoch: top.epoch };
    top.checksum = format::seal_page(&mut page, is);
    root.top = Some(top);
    device.write(Pba(top.place), page.bytes()).unwrap();
    opens(&device, &root.encode())
}

/// Change one entry of the top map page.
fn forge_entry(pages: u64, slot: u64, change: impl Fn(&mut Entry)) -> Result<u64, Error> {
    forge(pages, |page, _| {
        let mut entry = format::entry(page, slot).unwrap();
        change(&mut entry);
        format::put_entry(page, slot, Some(entry));
    })
}

fn is_corrupt(opened: Result<u64, Error>) -> bool {
    matches!(opened, Err(Error::Corrupt { .. }))
}

#[test]
fn a_forgery_that_changes_nothing_opens() {
    assert_eq!(forge(3, |_, _| ()), Ok(3));
    assert_eq!(forge(200, |_, _| ()), Ok(200));
}

#[test]
fn impossible_leaf_entries_are_corrupt() {
    let first_place = Layout::new(BLOCKS).place_runs().next().unwrap().0;
    assert!(is_corrupt(forge_entry(3, 1, |entry| entry.place = 0)), "a slot");
    assert!(is_corrupt(forge_entry(3, 1, |entry| entry.place = first_place - 1)), "a slot");
    assert!(is_corrupt(forge_entry(3, 1, |entry| entry.place = BLOCKS)), "past the area");
    assert!(is_corrupt(forge_entry(3, 1, |entry| entry.place = (1 << 56) - 1)), "past any area");
    assert!(is_corrupt(forge_entry(3, 1, |entry| entry.epoch = 6)), "from the future");
    assert!(is_corrupt(forge_entry(3, 1, |entry| entry.epoch = 0)), "before the first epoch");
    assert!(is_corrupt(forge_entry(3, 1, |entry| entry.kind = PageKind::MAP)), "a map page");
    assert!(is_corrupt(forge_entry(3, 1, |entry| entry.kind = PageKind(0))), "no kind");
}

#[test]
fn a_place_with_two_owners_is_corrupt() {
    let twice = |page: &mut PageBuf, _: &mut MapRoot| {
        let entry = format::entry(page, 1);
        format::put_entry(page, 2, entry);
    };
    assert!(is_corrupt(forge(3, twice)));
}

#[test]
fn page_zero_and_a_wrong_count_are_corrupt() {
    let moved = |page: &mut PageBuf, _: &mut MapRoot| {
        let entry = format::entry(page, 1);
        format::put_entry(page, 0, entry);
        format::put_entry(page, 1, None);
    };
    assert!(is_corrupt(forge(3, moved)), "number 0");
    assert!(is_corrupt(forge(3, |page, _| format::put_entry(page, 3, None))), "a page is missing");
    assert!(is_corrupt(forge(3, |_, root| root.live = 2)), "the root counts fewer");
}

#[test]
fn impossible_upper_entries_are_corrupt() {
    assert!(is_corrupt(forge_entry(200, 1, |entry| entry.place += 2)), "another place");
    assert!(is_corrupt(forge_entry(200, 1, |entry| entry.place = 0)), "another map page's slot");
    assert!(is_corrupt(forge_entry(200, 1, |entry| entry.kind = PageKind::TREE)), "not a map page");
    assert!(is_corrupt(forge_entry(200, 1, |entry| entry.epoch = 6)), "from the future");
    let beyond = |page: &mut PageBuf, _: &mut MapRoot| {
        let entry = format::entry(page, 1);
        format::put_entry(page, 168, entry);
    };
    assert!(is_corrupt(forge(200, beyond)), "a leaf that the area does not have");
    let alias = |page: &mut PageBuf, _: &mut MapRoot| {
        let entry = format::entry(page, 0);
        format::put_entry(page, 1, entry);
    };
    assert!(is_corrupt(forge(200, alias)), "two parents of one leaf");
}

#[test]
fn impossible_roots_are_corrupt() {
    let (device, root) = sound(3);
    let with = |change: fn(&mut MapRoot)| {
        let mut forged = root;
        change(&mut forged);
        is_corrupt(opens(&device, &forged.encode()))
    };
    assert!(with(|root| root.levels = 2), "the top is not at that level");
    assert!(with(|root| root.levels = 7), "too many levels");
    assert!(with(|root| root.levels = 255), "too many levels");
    assert!(with(|root| root.levels = 0), "no map, and pages");
    assert!(with(|root| root.top.as_mut().unwrap().place = 300), "the top is in no slot");
    assert!(with(|root| root.top.as_mut().unwrap().epoch = 6), "the top is from the future");
    assert!(with(|root| root.live = u64::MAX), "more pages than places");
    assert!(with(|root| root.epoch = u64::MAX), "no epoch can follow");
    assert!(!with(|_| ()));
}
