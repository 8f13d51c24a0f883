//! Ordered maps of two and three levels, damaged, then read and changed.
//!
//! Invariant: what a scan gives rises, and is no more than the pages hold.

use crate::bytes::Bytes;
use crate::sheet::Sheet;
use core::ops::Bound;
use spinney_core::{Flow, PAYLOAD_BYTES, PageKind};
use spinney_pages::map::OrderedFixed;
use spinney_pages::{Layout, OrderedMap};
use spinney_testkit::MemoryPages;
use std::sync::OnceLock;

const KIND: PageKind = PageKind::TREE;
const FIXED: Layout = Layout::Fixed { key_bytes: 8, value_bytes: 100 };
const ENTRIES: u64 = 300;

fn key(layout: Layout, number: u64) -> Vec<u8> {
    match layout {
        Layout::Fixed { .. } => (number * 16).to_ordered().to_vec(),
        Layout::Variable => [&number.to_ordered()[6..], &vec![b'k'; (number % 300) as usize]].concat(),
    }
}

fn value(layout: Layout, number: u64) -> Vec<u8> {
    match layout {
        Layout::Fixed { value_bytes, .. } => vec![number as u8; usize::from(value_bytes)],
        Layout::Variable => vec![number as u8; (number * 7 % 600) as usize],
    }
}

fn make(layout: Layout) -> Sheet {
    let mut pages = MemoryPages::new();
    let map = OrderedMap::create(KIND, layout, &mut pages).expect("room");
    for number in 0..ENTRIES {
        let number = number * 7 % ENTRIES;
        map.put(&key(layout, number), &value(layout, number), &mut pages).expect("room");
    }
    Sheet::new(&map.root().0.to_le_bytes(), pages)
}

pub(crate) fn fixed(data: &[u8]) {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    run(FIXED, BASE.get_or_init(|| make(FIXED)), data);
}

pub(crate) fn variable(data: &[u8]) {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    run(Layout::Variable, BASE.get_or_init(|| make(Layout::Variable)), data);
}

fn run(layout: Layout, base: &Sheet, data: &[u8]) {
    let mut input = Bytes(data);
    let mut sheet = base.damaged(&mut input);
    let (root, pages) = (sheet.page(0), &mut sheet.pages);
    let Ok(map) = OrderedMap::open(root, KIND, pages) else { return };
    if map.layout() != layout {
        return;
    }
    let mut findings = 0;
    map.check(pages, &mut |_| findings += 1);
    let mut trouble = Ok(());
    for _ in 0..16 {
        let number = input.short();
        let (key, value) =
            (key(layout, u64::from(number) % (ENTRIES + 20)), value(layout, u64::from(number)));
        let done = match input.byte() % 8 {
            0 => map.get(&key, pages).map(drop),
            1 => map.next(&key, pages).map(drop),
            2 => map.prev(&key, pages).map(drop),
            3 => scan(&map, &key, pages),
            4 | 5 => map.put(&key, &value, pages).map(drop),
            6 => map.remove(&key, pages).map(drop),
            _ => map.visit_pages(pages, &mut |_| ()),
        };
        trouble = trouble.and(done);
    }
    assert!(findings > 0 || trouble.is_ok(), "the checker missed what hurt: {trouble:?}");
    let _ = map.destroy(pages);
}

fn scan(map: &OrderedMap, key: &[u8], pages: &MemoryPages) -> spinney_core::Result<()> {
    let held = pages.live().count() * PAYLOAD_BYTES;
    for reverse in [false, true] {
        let (mut last, mut bytes): (Option<Vec<u8>>, usize) = (None, 0);
        let mut each = |key: &[u8], value: &[u8]| {
            bytes += key.len() + value.len() + 1;
            last = Some(key.to_vec());
            Flow::Continue
        };
        match reverse {
            false => map.range((Bound::Unbounded, Bound::Unbounded), pages, &mut each)?,
            true => map.range_reverse((Bound::Excluded(key), Bound::Unbounded), pages, &mut each)?,
        }
        assert!(bytes <= 4 * held, "{bytes} bytes of entries on pages of {held}");
    }
    Ok(())
}
