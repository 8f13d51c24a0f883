//! Damaged maps: whatever the bytes say, every operation ends soon, in an answer or in `Corrupt`.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use spinney_core::{Error, Flow, PageKind, PageNo, PageTxn, Result};
use spinney_pages::{Layout, OrderedMap};
use spinney_testkit::MemoryPages;
use std::ops::Bound;

const KIND: PageKind = PageKind::TREE;
const ALL: (Bound<&[u8]>, Bound<&[u8]>) = (Bound::Unbounded, Bound::Unbounded);

struct Small {
    map: OrderedMap,
    pages: MemoryPages,
    keys: Vec<Vec<u8>>,
    value: Vec<u8>,
}

/// A map of `entries` entries, some of its first ones removed again (so that slotted pages have holes).
fn small(layout: Layout, key_bytes: usize, value_bytes: usize, entries: usize) -> Small {
    let (mut pages, value) = (MemoryPages::new(), vec![0xa5; value_bytes]);
    let map = OrderedMap::create(KIND, layout, &mut pages).unwrap();
    let key = |number: usize| {
        // The number comes late, so that separators are long.
        let mut key = vec![7; key_bytes];
        key[key_bytes - 2..].copy_from_slice(&[(number * 37 % 251) as u8, (number % 256) as u8]);
        key
    };
    let keys: Vec<_> = (0..entries).map(key).collect();
    keys.iter().for_each(|key| assert!(!map.put(key, &value, &mut pages).unwrap()));
    keys[..entries / 8].iter().for_each(|key| assert!(map.remove(key, &mut pages).unwrap()));
    Small { map, pages, keys, value }
}

/// A panic would fail the test; this catches an error that is neither `Corrupt` nor plausible.
fn tolerate<T>(result: Result<T>, refused: &mut bool) {
    match result {
        Ok(_) => (),
        Err(Error::Corrupt { .. }) => *refused = true,
        Err(other) => panic!("{other}"),
    }
}

/// Every operation on damaged pages; whether any refused or found anything.
fn exercise(small: &Small, damaged: &MemoryPages) -> bool {
    let mut seen = false;
    let map = match OrderedMap::open(small.map.root(), KIND, damaged) {
        // A flip in the root's widths may make another, empty-looking layout; the owner knows which it made.
        Ok(map) if map.layout() == small.map.layout() => map,
        _ => return true,
    };
    let mut entries = 0;
    let mut count = |_: &[u8], _: &[u8]| {
        entries += 1;
        Flow::Continue
    };
    tolerate(map.range(ALL, damaged, &mut count), &mut seen);
    tolerate(map.range_reverse(ALL, damaged, &mut count), &mut seen);
    let keys = [&small.keys[0], &small.keys[small.keys.len() / 2], &small.keys[small.keys.len() - 1]];
    for key in keys {
        tolerate(map.get(key, damaged), &mut seen);
        tolerate(map.next(key, damaged), &mut seen);
        tolerate(map.prev(key, damaged), &mut seen);
        tolerate(map.range((Bound::Excluded(key), Bound::Included(key)), damaged, &mut count), &mut seen);
    }
    assert!(entries <= 8 * small.keys.len(), "{entries} entries out of {}", small.keys.len());
    tolerate(map.first(damaged), &mut seen);
    tolerate(map.last(damaged), &mut seen);
    tolerate(map.visit_pages(damaged, &mut |_| ()), &mut seen);
    map.check(damaged, &mut |_finding| seen = true);
    seen
}

/// Changes too must end without a panic, and leave a map whose reads do.
fn exercise_changes(small: &Small, damaged: &MemoryPages) {
    let Ok(map) = OrderedMap::open(small.map.root(), KIND, damaged) else { return };
    if map.layout() != small.map.layout() {
        return;
    }
    let (mut changed, mut refused) = (damaged.clone(), false);
    for key in small.keys.iter().step_by(5) {
        tolerate(map.put(key, &small.value, &mut changed), &mut refused);
    }
    for key in small.keys.iter().step_by(3) {
        tolerate(map.remove(key, &mut changed), &mut refused);
    }
    exercise(small, &changed);
    tolerate(map.destroy(&mut changed), &mut refused);
}

/// Flip every bit of `pages_of`, one at a time.
fn flip_every_bit(small: &Small, pages_of: impl Fn(&MemoryPages) -> Vec<PageNo>) {
    assert!(!exercise(small, &small.pages), "an undamaged map is sound");
    let (mut flips, mut seen) = (0, 0);
    for page in pages_of(&small.pages) {
        for bit in 0..spinney_core::PAYLOAD_BYTES * 8 {
            let mut damaged = small.pages.clone();
            damaged.edit(page, KIND).unwrap()[bit / 8] ^= 1 << (bit % 8);
            seen += usize::from(exercise(small, &damaged));
            if bit < 64 * 8 || bit % 211 == 0 {
                exercise_changes(small, &damaged);
            }
            flips += 1;
        }
    }
    // Values and unused bytes are most of a page, and only the store's checksum can tell those.
    assert!(seen * 100 > flips, "only {seen} of {flips} flips were seen");
}

fn everything(pages: &MemoryPages) -> Vec<PageNo> {
    pages.live().map(|(page, _)| page).collect()
}

/// Pages above the leaves.
fn interior(pages: &MemoryPages) -> Vec<PageNo> {
    let level = |page: &PageNo| spinney_core::PageRead::read(pages, *page, KIND).unwrap()[6];
    everything(pages).into_iter().filter(|page| level(page) > 0).collect()
}

#[test]
fn any_flipped_bit_of_a_fixed_map_is_refused_or_harmless() {
    let layout = Layout::Fixed { key_bytes: 60, value_bytes: 40 };
    let small = small(layout, 60, 40, 60);
    assert_eq!(interior(&small.pages).len(), 1);
    flip_every_bit(&small, everything);
}

#[test]
fn any_flipped_bit_of_a_variable_map_is_refused_or_harmless() {
    let small = small(Layout::Variable, 120, 80, 26);
    assert_eq!(interior(&small.pages).len(), 1);
    flip_every_bit(&small, everything);
}

#[test]
fn any_flipped_bit_of_interior_pages_is_refused_or_harmless() {
    for layout in [Layout::Variable, Layout::Fixed { key_bytes: 600, value_bytes: 300 }] {
        let small = small(layout, 600, 300, 60);
        assert!(interior(&small.pages).len() > 2, "a tree of three levels");
        flip_every_bit(&small, |pages| interior(pages)[..2].to_vec());
    }
}

#[test]
fn a_page_in_another_pages_place_is_refused() {
    for layout in [Layout::Variable, Layout::Fixed { key_bytes: 600, value_bytes: 300 }] {
        let small = small(layout, 600, 300, 60);
        let all = everything(&small.pages);
        for (to, from) in all.iter().flat_map(|to| all.iter().map(move |from| (*to, *from))) {
            let mut damaged = small.pages.clone();
            let bytes = *damaged.edit(from, KIND).unwrap();
            *damaged.edit(to, KIND).unwrap() = bytes;
            let seen = exercise(&small, &damaged);
            // A child in the root's place is a sound, smaller map: only the store, which numbers pages, can tell.
            assert!(seen || to == from || to == small.map.root(), "page {from} in place of {to}: not seen");
            exercise_changes(&small, &damaged);
        }
    }
}

/// A node of 8-byte keys and 16-byte values as `FORMAT.md` has it.
fn forge(bytes: &mut [u8], level: u8, count: u16, child: PageNo) {
    bytes[..6].copy_from_slice(b"OMAP\x01\x01");
    bytes[6] = level;
    bytes[8..10].copy_from_slice(&count.to_le_bytes());
    bytes[10..14].copy_from_slice(&[8, 0, 16, 0]);
    for index in 0..usize::from(count) {
        // Rising keys, in the highest bytes.
        bytes[16 + index * 8 + 1] = index as u8;
        if level > 0 {
            bytes[16 + 253 * 8 + index * 8..][..8].copy_from_slice(&child.0.to_le_bytes());
        }
    }
}

#[test]
fn pointers_that_all_name_one_page_do_not_multiply_the_work() {
    // The first is small enough to end even if work does multiply, and then fails.
    for (level, cells) in [(3u8, 20u16), (31, 253), (31, 2), (8, 253)] {
        let mut pages = MemoryPages::new();
        let mut child = PageNo(0);
        for level in 0..=level {
            let page = pages.alloc(KIND).unwrap();
            forge(
                pages.edit(page, KIND).unwrap(),
                level,
                cells.min(if level == 0 { 100 } else { 253 }),
                child,
            );
            child = page;
        }
        let map = OrderedMap::open(child, KIND, &pages).unwrap();
        let mut entries = 0u64;
        let mut count = |_: &[u8], _: &[u8]| {
            entries += 1;
            Flow::Continue
        };
        assert!(map.range(ALL, &pages, &mut count).is_err());
        assert!(map.range_reverse(ALL, &pages, &mut count).is_err());
        assert!(entries <= 200);
        assert!(map.visit_pages(&pages, &mut |_| ()).is_err());
        let mut findings = 0;
        map.check(&pages, &mut |_| findings += 1);
        assert!((1..100_000).contains(&findings), "{findings} findings");
    }
}

/// A leaf all of whose slots name one large cell: its cells are more than a page holds.
#[test]
fn slots_that_all_name_one_cell_are_refused() {
    for (key, value) in [([9; 8], vec![1; 900]), ([1; 8], vec![1; 900]), ([7; 8], vec![2; 901])] {
        let mut pages = MemoryPages::new();
        let map = OrderedMap::create(KIND, Layout::Variable, &mut pages).unwrap();
        map.put(&[7; 8], &[1; 900], &mut pages).unwrap();
        let bytes = pages.edit(map.root(), KIND).unwrap();
        let slot = [bytes[16], bytes[17]];
        bytes[8..10].copy_from_slice(&200u16.to_le_bytes());
        bytes[12..14].copy_from_slice(&4000u16.to_le_bytes());
        bytes[16..416].as_chunks_mut().0.fill(slot);
        let put = map.put(&key, &value, &mut pages);
        assert_eq!(put, Err(Error::corrupt_page("map node", map.root())), "{key:?}");
    }
}

/// What is changed in place relies on the count of bytes in use; nothing that only reads would notice.
#[test]
fn a_page_that_miscounts_its_bytes_is_a_finding() {
    for wrong in [-1i16, 1, 40] {
        let mut pages = MemoryPages::new();
        let map = OrderedMap::create(KIND, Layout::Variable, &mut pages).unwrap();
        for key in 0..9u8 {
            map.put(&[key; 8], &[key; 90], &mut pages).unwrap();
        }
        map.check(&pages, &mut |finding| panic!("{finding}"));
        let bytes = pages.edit(map.root(), KIND).unwrap();
        let live = u16::from_le_bytes([bytes[12], bytes[13]]).wrapping_add_signed(wrong);
        bytes[12..14].copy_from_slice(&live.to_le_bytes());
        let mut findings = 0;
        map.check(&pages, &mut |_| findings += 1);
        assert_eq!(findings, 1, "{wrong} bytes more than there are");
    }
}
