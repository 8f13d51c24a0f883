//! `RadixArray` against a set model, its page bound, and what it does with damaged pages.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spinney_core::{Error, Flow, PageKind, PageNo, PageRead, PageTxn};
use spinney_pages::RadixArray;
use spinney_testkit::MemoryPages;
use std::collections::BTreeMap;

const KIND: PageKind = PageKind::SPACE;

/// One leaf, a full root, one more level, two more levels, the largest.
const SIZES: [u64; 7] = [0, 1, 508, 509, 300_000, 200_000_000, u64::MAX];

fn indexes(array: &RadixArray, pages: &MemoryPages) -> Vec<u64> {
    let mut found = Vec::new();
    array
        .visit(0..u64::MAX, pages, &mut |index, _| {
            found.push(index);
            Flow::Continue
        })
        .unwrap();
    found
}

fn assert_pages_are_reached_once(array: &RadixArray, pages: &MemoryPages) {
    let mut reached = Vec::new();
    array.visit_pages(pages, &mut |page| reached.push(page)).unwrap();
    reached.sort_unstable();
    assert_eq!(reached, pages.live().map(|(page, _)| page).collect::<Vec<_>>());
}

#[test]
fn agrees_with_a_map_model_over_random_histories() {
    for (seed, leaves) in SIZES.iter().enumerate().skip(1) {
        let mut random = ChaCha8Rng::seed_from_u64(seed as u64);
        let (mut pages, mut model) = (MemoryPages::new(), BTreeMap::new());
        let array = RadixArray::create(KIND, *leaves, &mut pages).unwrap();
        for step in 0..600u64 {
            let near = random.random_range(0..3u64) * (leaves / 3);
            let index = (near + random.random_range(0..40)) % leaves;
            pages.seal();
            if random.random_bool(0.6) {
                array.edit(index, &mut pages).unwrap()[7] = step as u8;
                model.insert(index, step as u8);
            } else {
                array.remove(index, &mut pages).unwrap();
                model.remove(&index);
            }
            assert!(pages.seal() <= array.pages_bound(1), "seed {seed} step {step}: over the bound");
            let found = array.read(index, &pages).unwrap().map(|page| page[7]);
            assert_eq!(found, model.get(&index).copied(), "seed {seed} step {step}");
        }
        assert_eq!(indexes(&array, &pages), model.keys().copied().collect::<Vec<_>>(), "seed {seed}");
        assert_pages_are_reached_once(&array, &pages);
        let again = RadixArray::open(array.root(), KIND, *leaves, &pages).unwrap();
        assert_eq!(again, array);
        for index in model.keys() {
            array.remove(*index, &mut pages).unwrap();
        }
        assert_eq!(pages.live().count(), 1, "seed {seed}: only the root is left");
        array.destroy(&mut pages).unwrap();
        assert_eq!(pages.live().count(), 0);
    }
}

#[test]
fn a_visit_is_clipped_to_its_range_and_stops_when_told() {
    let mut pages = MemoryPages::new();
    let array = RadixArray::create(KIND, 1 << 20, &mut pages).unwrap();
    for index in [0, 507, 508, 258_063, 258_064, 600_000] {
        array.edit(index, &mut pages).unwrap();
    }
    let within = |range| {
        let mut found = Vec::new();
        array
            .visit(range, &pages, &mut |index, _| {
                found.push(index);
                Flow::Continue
            })
            .unwrap();
        found
    };
    assert_eq!(within(1..508), [507]);
    assert_eq!(within(508..258_064), [508, 258_063]);
    assert_eq!(within(258_064..600_000), [258_064]);
    assert_eq!(within(600_001..u64::MAX), []);
    let mut seen = 0;
    array
        .visit(0..u64::MAX, &pages, &mut |_, _| {
            seen += 1;
            Flow::Stop
        })
        .unwrap();
    assert_eq!(seen, 1);
}

#[test]
fn touching_many_leaves_stays_within_the_bound() {
    for leaves in [300u64, 5_000, 400_000] {
        let mut pages = MemoryPages::new();
        let array = RadixArray::create(KIND, leaves, &mut pages).unwrap();
        pages.seal();
        for touched in [1u64, 10, 250] {
            for step in 0..touched {
                array.edit(step * (leaves / touched), &mut pages).unwrap();
            }
            assert!(pages.seal() <= array.pages_bound(touched), "{touched} of {leaves}");
        }
        assert_eq!(array.pages_bound(0), 0);
    }
}

#[test]
fn an_index_past_the_end_is_out_of_range() {
    let mut pages = MemoryPages::new();
    let array = RadixArray::create(KIND, 10, &mut pages).unwrap();
    let past =
        |result: Result<(), Error>| assert!(matches!(result, Err(Error::OutOfRange { limit: 10, .. })));
    past(array.edit(10, &mut pages).map(drop));
    past(array.leaf(u64::MAX, &pages).map(drop));
    past(array.remove(10, &mut pages));
    assert_eq!(indexes(&array, &pages), []);
}

#[test]
fn wild_pointers_are_corrupt_and_a_cycle_ends() {
    let mut pages = MemoryPages::new();
    let array = RadixArray::create(KIND, 1000, &mut pages).unwrap();
    array.edit(3, &mut pages).unwrap();
    let other = pages.alloc(PageKind::TREE).unwrap();
    for wild in [PageNo(u64::MAX), other] {
        pages.edit(array.root(), KIND).unwrap()[..8].copy_from_slice(&wild.0.to_le_bytes());
        assert!(matches!(array.read(3, &pages), Err(Error::Corrupt { .. })));
        assert!(matches!(array.edit(3, &mut pages), Err(Error::Corrupt { .. })));
        assert!(matches!(array.visit_pages(&pages, &mut |_| ()), Err(Error::Corrupt { .. })));
    }
    pages.edit(array.root(), KIND).unwrap()[..8].copy_from_slice(&array.root().0.to_le_bytes());
    assert!(matches!(array.visit_pages(&pages, &mut |_| ()), Err(Error::Corrupt { .. })));
    assert_eq!(array.leaf(0, &pages).unwrap(), Some(array.root()));
}

#[test]
fn open_refuses_a_root_that_points_past_the_last_leaf() {
    let mut pages = MemoryPages::new();
    let array = RadixArray::create(KIND, 5, &mut pages).unwrap();
    pages.edit(array.root(), KIND).unwrap()[40] = 1;
    assert!(matches!(RadixArray::open(array.root(), KIND, 5, &pages), Err(Error::Corrupt { .. })));
    assert!(RadixArray::open(array.root(), KIND, 6, &pages).is_ok());
    assert!(pages.read(array.root(), PageKind::TREE).is_err());
}

/// Every slot of each page points at the one page below: as many ways as there are indexes.
#[test]
fn pages_that_form_no_tree_are_corrupt_and_do_not_multiply_the_work() {
    // The smallest is small enough to end even if the work does multiply, and then fails.
    for leaves in [508 * 508, 508 * 508 * 508 * 508, u64::MAX] {
        let mut pages = MemoryPages::new();
        let array = RadixArray::create(KIND, leaves, &mut pages).unwrap();
        array.edit(0, &mut pages).unwrap();
        let all: Vec<PageNo> = pages.live().map(|(page, _)| page).collect();
        for page in all {
            let bytes = pages.edit(page, KIND).unwrap();
            let child = bytes[..8].to_vec();
            bytes.chunks_exact_mut(8).for_each(|slot| slot.copy_from_slice(&child));
        }
        let (mut visited, mut reached) = (0, 0);
        let mut visit = |_: u64, _: PageNo| {
            visited += 1;
            Flow::Continue
        };
        let walked = array.visit(0..u64::MAX, &pages, &mut visit);
        assert!(matches!(walked, Err(Error::Corrupt { .. })), "{leaves} leaves: {walked:?}");
        let walked = array.visit_pages(&pages, &mut |_| reached += 1);
        assert!(matches!(walked, Err(Error::Corrupt { .. })), "{leaves} leaves: {walked:?}");
        assert!(visited <= 508 && reached <= 1000, "{visited} leaves and {reached} pages");
        assert!(array.destroy(&mut pages).is_err());
    }
}

#[test]
fn a_page_of_two_arrays_is_corrupt_when_both_are_walked_as_one() {
    let mut pages = MemoryPages::new();
    let [one, other] = [(); 2].map(|()| RadixArray::create(KIND, 2000, &mut pages).unwrap());
    one.edit(700, &mut pages).unwrap();
    let shared = pages.read(one.root(), KIND).unwrap();
    *pages.edit(other.root(), KIND).unwrap() = *shared;
    let mut met = std::collections::BTreeSet::new();
    one.visit_new_pages(&mut met, &pages, &mut |_| ()).unwrap();
    other.visit_pages(&pages, &mut |_| ()).unwrap();
    let walked = other.visit_new_pages(&mut met, &pages, &mut |_| ());
    assert!(matches!(walked, Err(Error::Corrupt { .. })), "{walked:?}");
}
