//! Sparse tables, counts and the catalogue against plain maps, over small and very large numbers, inside their bounds.

use spinney_core::{DevId, Error, Flow, PageKind};
use spinney_snap::Access;
use spinney_snap_tree::counts::{COUNTS_PER_PAGE, Emptied};
use spinney_snap_tree::{Anchor, Catalogue, Counts, Record, Sparse};
use spinney_testkit::{Dice, MemoryPages};
use std::collections::{BTreeMap, BTreeSet};

/// First and last numbers of the tiers, and some between.
const EDGES: [u64; 10] = [0, 1, 507, 508, 509, 258_063, 258_064, 131_096_511, 131_096_512, 66_597_028_095];

fn sparse(pages: &mut MemoryPages) -> Sparse {
    let anchor = Anchor::create(pages).expect("a page");
    Sparse { anchor, word: 3, kind: PageKind::SHARE }
}

#[test]
fn a_sparse_table_keeps_what_was_put_and_gives_every_page_back() {
    let mut pages = MemoryPages::new();
    let table = sparse(&mut pages);
    for (index, value) in EDGES.into_iter().zip(1..) {
        pages.seal();
        table.edit(index, &mut pages).unwrap()[17] = value;
        let bound = Sparse::pages_bound(&[index].into()) + 1;
        assert!(pages.seal() <= bound, "leaf {index}");
    }
    let mut met = Vec::new();
    let each = &mut |index: u64, bytes: &[u8; 4064]| {
        met.push((index, bytes[17]));
        Ok(Flow::Continue)
    };
    table.visit(&pages, each).unwrap();
    assert_eq!(met, EDGES.into_iter().zip(1..).collect::<Vec<_>>());
    let mut visited = BTreeSet::from([table.anchor.0]);
    table.visit_pages(&pages, &mut |page| assert!(visited.insert(page))).unwrap();
    assert!(visited.into_iter().eq(pages.live().map(|(page, _)| page)));
    for index in EDGES.into_iter().rev() {
        table.remove(index, &mut pages).unwrap();
        assert!(table.read(index, &pages).unwrap().is_none());
    }
    assert!(table.is_empty(&pages).unwrap());
    assert_eq!(pages.live().count(), 1, "only the anchor is left");
}

#[test]
fn a_number_beyond_every_tier_is_absent_and_cannot_be_made() {
    let mut pages = MemoryPages::new();
    let table = sparse(&mut pages);
    for index in [66_597_028_096, u64::MAX] {
        assert!(table.read(index, &pages).unwrap().is_none());
        assert!(matches!(table.edit(index, &mut pages), Err(Error::Corrupt { .. })));
    }
}

#[test]
fn the_bound_of_one_leaf_is_that_of_a_set_of_one() {
    for index in EDGES.into_iter().chain([66_597_028_096, u64::MAX]) {
        assert_eq!(Sparse::pages_bound_of_one(index), Sparse::pages_bound(&[index].into()), "leaf {index}");
    }
}

#[test]
fn a_visit_stops_when_told_and_passes_errors_on() {
    let mut pages = MemoryPages::new();
    let table = sparse(&mut pages);
    for index in EDGES {
        table.edit(index, &mut pages).unwrap();
    }
    let mut calls = 0;
    let stop = &mut |_: u64, _: &[u8; 4064]| {
        calls += 1;
        Ok(if calls == 4 { Flow::Stop } else { Flow::Continue })
    };
    table.visit(&pages, stop).unwrap();
    assert_eq!(calls, 4);
    let fail = &mut |_: u64, _: &[u8; 4064]| Err(Error::Closed);
    assert_eq!(table.visit(&pages, fail), Err(Error::Closed));
}

#[test]
fn counts_agree_with_a_plain_map() {
    for seed in 0..40 {
        let mut dice = Dice::new("counts_agree_with_a_plain_map", seed);
        let mut pages = MemoryPages::new();
        let counts = Counts::at(Anchor::create(&mut pages).unwrap(), 0);
        let base = *dice.one_of(&[0, 508 * COUNTS_PER_PAGE - 700, (1 << 40) - 5000]);
        let mut model: BTreeMap<u64, u32> = BTreeMap::new();
        let mut emptied = Emptied::new();
        for _ in 0..200 {
            let (start, length) = (base + dice.below(3000), dice.log_uniform(1500));
            pages.seal();
            if dice.one_in(2) {
                counts.raise(start, length, &mut pages).unwrap();
                (start..start + length).for_each(|number| *model.entry(number).or_default() += 1);
            } else {
                let mut last = Vec::new();
                let each = &mut |first: u64, length| last.extend(first..first + length);
                counts.release(start, length, &mut pages, &mut emptied, each).unwrap();
                let mut right = Vec::new();
                for number in start..start + length {
                    match model.get_mut(&number).filter(|count| **count > 0) {
                        Some(count) => *count -= 1,
                        None => right.push(number),
                    }
                }
                assert_eq!(last, right, "numbers that have no owner left");
            }
            let touched = (start..start + length).map(Counts::leaf_of).collect();
            assert!(pages.seal() <= Counts::pages_bound(&touched) + 1, "the bound of {start}+{length}");
            model.retain(|_, count| *count > 0);
        }
        let mut stored = BTreeMap::new();
        let each = &mut |number, count| assert!(stored.insert(number, count).is_none());
        counts.visit(&pages, each, &mut |rule| panic!("{rule}")).unwrap();
        assert_eq!(stored, model);
        let mut reader = counts.reader(&pages);
        for number in base..base + 4500 {
            let right = model.get(&number).copied().unwrap_or(0);
            assert_eq!(counts.extra(number, &pages), Ok(right));
            assert_eq!(reader.extra(number), Ok(right));
        }
        for (number, count) in model {
            (0..count).for_each(|_| {
                counts
                    .release(number, 1, &mut pages, &mut emptied, &mut |_, _| panic!("an owner is left"))
                    .unwrap();
            });
        }
        counts.trim(&mut emptied, &mut pages).unwrap();
        assert_eq!(pages.live().count(), 1, "only the anchor is left");
    }
}

fn record(number: u64) -> Record {
    Record {
        access: if number.is_multiple_of(2) { Access::ReadOnly } else { Access::Writable },
        blocks: number * 3,
        root: (!number.is_multiple_of(3)).then_some(spinney_core::PageNo(number + 1)),
        parent: (!number.is_multiple_of(5)).then(|| DevId(number - 1)),
        referenced_blocks: number * 7,
        own: [number, 0, 1, u64::MAX, number + 2],
    }
}

#[test]
fn the_catalogue_keeps_records_in_the_order_of_their_ids() {
    let mut pages = MemoryPages::new();
    let catalogue = Catalogue::at(Anchor::create(&mut pages).unwrap(), 8);
    let ids: Vec<u64> = (1..300).step_by(7).chain([25_400, 25_401, 12_903_200, 1 << 39]).collect();
    let mut order = ids.clone();
    Dice::new("the_catalogue_keeps_records", 0).shuffle(&mut order);
    for id in &order {
        pages.seal();
        catalogue.put(DevId(*id), &record(*id), &mut pages).unwrap();
        assert!(pages.seal() <= catalogue.pages_bound(DevId(*id)) + 1);
    }
    let mut met = Vec::new();
    let each = &mut |dev: DevId, found: Record| {
        assert_eq!(found, record(dev.0));
        met.push(dev.0);
        Ok(Flow::Continue)
    };
    catalogue.visit(&pages, each).unwrap();
    assert_eq!(met, ids);
    assert_eq!(catalogue.get(DevId(2), &pages), Err(Error::NotFound(DevId(2))));
    assert_eq!(catalogue.writable(DevId(8), &pages), Err(Error::ReadOnly(DevId(8))));
    for id in ids {
        assert_eq!(catalogue.first(&pages).unwrap(), Some((DevId(id), record(id))));
        catalogue.remove(DevId(id), &mut pages).unwrap();
    }
    assert_eq!(catalogue.first(&pages), Ok(None));
    assert_eq!(pages.live().count(), 1, "only the anchor is left");
}

#[test]
fn a_record_whose_tree_no_slot_could_name_is_corrupt() {
    let mut pages = MemoryPages::new();
    let catalogue = Catalogue::at(Anchor::create(&mut pages).unwrap(), 1);
    let dev = DevId(5);
    for root in [(1 << 40) - 1, 1 << 40, u64::MAX] {
        let forged = Record { root: Some(spinney_core::PageNo(root)), ..record(1) };
        catalogue.put(dev, &forged, &mut pages).unwrap();
        let what = "version record";
        let place = spinney_core::Place::Version(dev);
        assert_eq!(catalogue.get(dev, &pages), Err(Error::Corrupt { what, place }), "root {root}");
    }
}
