//! A radix array of a few leaves, damaged, then read and changed.
//!
//! Invariant: a walk that ends well met each page once.

use crate::bytes::Bytes;
use crate::sheet::Sheet;
use spinney_core::{Flow, PageKind, PageNo, PageTxn};
use spinney_pages::RadixArray;
use spinney_testkit::MemoryPages;
use std::collections::BTreeSet;
use std::sync::OnceLock;

const KIND: PageKind = PageKind::SPACE;
const LEAVES: u64 = 200_000_000;

fn base() -> &'static Sheet {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    BASE.get_or_init(|| {
        let mut pages = MemoryPages::new();
        let array = RadixArray::create(KIND, LEAVES, &mut pages).expect("room");
        for index in (0..12).chain([508, 509, 300_000, 131_096_512, LEAVES - 1]) {
            array.edit(index, &mut pages).expect("room")[0] = index as u8;
        }
        Sheet::new(&array.root().0.to_le_bytes(), pages)
    })
}

pub(crate) fn run(data: &[u8]) {
    let mut input = Bytes(data);
    let mut sheet = base().damaged(&mut input);
    let (root, pages) = (sheet.page(0), &mut sheet.pages);
    let Ok(array) = RadixArray::open(root, KIND, LEAVES, pages) else { return };
    for _ in 0..12 {
        operate(array, &mut input, pages);
    }
    let _ = array.destroy(pages);
}

fn operate(array: RadixArray, input: &mut Bytes<'_>, pages: &mut MemoryPages) {
    let index = match input.byte() % 4 {
        0 => u64::from(input.short()) % 600,
        1 => LEAVES - 1,
        2 => input.word() % LEAVES,
        _ => [508, 300_000, 131_096_512, u64::MAX][input.below(4)],
    };
    match input.byte() % 5 {
        0 => drop(array.read(index, pages)),
        1 => drop(array.edit(index, pages).map(|bytes| bytes[7] = 1)),
        2 => drop(array.remove(index, pages)),
        3 => {
            let mut met = BTreeSet::new();
            let walked =
                array.visit_pages(pages, &mut |page| assert!(met.insert(page), "{page} is met twice"));
            let live: BTreeSet<PageNo> = pages.live().map(|(page, _)| page).collect();
            assert!(
                walked.is_err()
                    || met.is_superset(&BTreeSet::from([array.root()])) && live.contains(&array.root())
            );
        }
        _ => {
            let mut next = 0;
            let each = &mut |at: u64, _: PageNo| {
                assert!(at >= next && at < LEAVES, "leaf {at} after {next}");
                next = at + 1;
                Flow::Continue
            };
            let _ = array.visit(index.min(LEAVES)..u64::MAX, pages, &mut |at, page| {
                if at >= index { each(at, page) } else { Flow::Continue }
            });
        }
    }
    let _ = pages.alloc(PageKind::TREE);
}
