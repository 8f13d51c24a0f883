//! `OrderedMap` against `BTreeMap` over seeded histories, in both layouts, with its rules and its page bound checked.
#![expect(clippy::unwrap_used, reason = "a helper of a test may panic as the test may")]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spinney_core::{Error, Flow, PageKind, PageNo, PageTxn};
use spinney_pages::{Layout, OrderedMap};
use spinney_testkit::MemoryPages;
use std::collections::BTreeMap;
use std::ops::Bound;

const KIND: PageKind = PageKind::TREE;
type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// What a history puts: a layout, and keys and values for it from a small or a large space.
#[derive(Clone, Copy, Debug)]
enum Width {
    Fixed {
        key_bytes: u16,
        value_bytes: u16,
    },
    /// At most so many bytes of key and of value.
    Variable {
        key: usize,
        value: usize,
    },
}

impl Width {
    fn layout(self) -> Layout {
        match self {
            Width::Fixed { key_bytes, value_bytes } => Layout::Fixed { key_bytes, value_bytes },
            Width::Variable { .. } => Layout::Variable,
        }
    }
    /// The key that stands for `number`, always the same, in no relation to the number's order.
    fn key(self, number: u32) -> Vec<u8> {
        let mut random = ChaCha8Rng::seed_from_u64(u64::from(number));
        let length = match self {
            Width::Fixed { key_bytes, .. } => usize::from(key_bytes),
            Width::Variable { key, .. } => random.random_range(0..=key),
        };
        // Few distinct bytes: long common prefixes.
        (0..length).map(|at| random.random_range(0..if at % 2 == 0 { 3 } else { 255u8 })).collect()
    }
    fn value(self, random: &mut ChaCha8Rng) -> Vec<u8> {
        let length = match self {
            Width::Fixed { value_bytes, .. } => usize::from(value_bytes),
            Width::Variable { value, .. } => random.random_range(0..=value),
        };
        (0..length).map(|_| random.random()).collect()
    }
}

const WIDTHS: [Width; 8] = [
    Width::Fixed { key_bytes: 8, value_bytes: 16 },
    Width::Fixed { key_bytes: 16, value_bytes: 8 },
    Width::Fixed { key_bytes: 3, value_bytes: 0 },
    Width::Fixed { key_bytes: 500, value_bytes: 500 },
    Width::Variable { key: 20, value: 20 },
    Width::Variable { key: 120, value: 400 },
    Width::Variable { key: 1000, value: 0 },
    Width::Variable { key: 8, value: 990 },
];

fn assert_sound(map: &OrderedMap, pages: &MemoryPages, context: &str) {
    map.check(pages, &mut |finding| panic!("{context}: {finding}"));
    let mut reached = Vec::new();
    map.visit_pages(pages, &mut |page| reached.push(page)).unwrap();
    reached.sort_unstable();
    assert_eq!(reached, pages.live().map(|(page, _)| page).collect::<Vec<_>>(), "{context}");
}

fn all(map: &OrderedMap, pages: &MemoryPages) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    map.range((Bound::Unbounded, Bound::Unbounded), pages, &mut |key, value| {
        found.push((key.to_vec(), value.to_vec()));
        Flow::Continue
    })
    .unwrap();
    found
}

fn assert_equal(map: &OrderedMap, pages: &MemoryPages, model: &Model, context: &str) {
    let expected: Vec<_> = model.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    assert!(all(map, pages) == expected, "{context}: content differs");
    assert_eq!(map.is_empty(pages).unwrap(), model.is_empty(), "{context}");
}

fn bounds(random: &mut ChaCha8Rng, key: Vec<u8>) -> Bound<Vec<u8>> {
    match random.random_range(0..3) {
        0 => Bound::Included(key),
        1 => Bound::Excluded(key),
        _ => Bound::Unbounded,
    }
}

/// Every way of reading, around `low` and `high`.
fn assert_reads(
    map: &OrderedMap,
    pages: &MemoryPages,
    model: &Model,
    low: &[u8],
    random: &mut ChaCha8Rng,
    high: &[u8],
) {
    let own = |found: Option<(&Vec<u8>, &Vec<u8>)>| found.map(|(key, value)| (key.clone(), value.clone()));
    assert_eq!(map.get(low, pages).unwrap(), model.get(low).cloned());
    assert_eq!(map.first(pages).unwrap(), own(model.first_key_value()));
    assert_eq!(map.last(pages).unwrap(), own(model.last_key_value()));
    let above = model.range::<[u8], _>((Bound::Excluded(low), Bound::Unbounded)).next();
    assert_eq!(map.next(low, pages).unwrap(), own(above));
    let below = model.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(low))).next_back();
    assert_eq!(map.prev(low, pages).unwrap(), own(below));
    let (low, high) = (bounds(random, low.min(high).to_vec()), bounds(random, low.max(high).to_vec()));
    let ends = (low.as_ref().map(Vec::as_slice), high.as_ref().map(Vec::as_slice));
    let stop_after = random.random_range(1..400);
    let mut forward = Vec::new();
    map.range(ends, pages, &mut |key, _| {
        forward.push(key.to_vec());
        if forward.len() == stop_after { Flow::Stop } else { Flow::Continue }
    })
    .unwrap();
    let mut backward = Vec::new();
    map.range_reverse(ends, pages, &mut |key, _| {
        backward.push(key.to_vec());
        if backward.len() == stop_after { Flow::Stop } else { Flow::Continue }
    })
    .unwrap();
    // The model panics on an empty range with both ends excluded; filtering does not.
    let inside = || model.keys().filter(|key| contains(&low, &high, key));
    assert!(forward.iter().eq(inside().take(stop_after)), "forward {ends:?}");
    assert!(backward.iter().eq(inside().rev().take(stop_after)), "backward {ends:?}");
}

fn contains(low: &Bound<Vec<u8>>, high: &Bound<Vec<u8>>, key: &Vec<u8>) -> bool {
    let above = match low {
        Bound::Included(low) => key >= low,
        Bound::Excluded(low) => key > low,
        Bound::Unbounded => true,
    };
    above
        && match high {
            Bound::Included(high) => key <= high,
            Bound::Excluded(high) => key < high,
            Bound::Unbounded => true,
        }
}

#[test]
fn agrees_with_a_model_while_it_grows_and_shrinks() {
    for (seed, width) in WIDTHS.into_iter().enumerate() {
        let mut random = ChaCha8Rng::seed_from_u64(seed as u64);
        let (mut pages, mut model) = (MemoryPages::new(), Model::new());
        let map = OrderedMap::create(KIND, width.layout(), &mut pages).unwrap();
        for (phase, put_share) in [0.9, 0.4, 0.95, 0.1, 0.5, 0.02].into_iter().enumerate() {
            for step in 0..1500 {
                let context = format!("seed {seed} {width:?} phase {phase} step {step}");
                let key = width.key(random.random_range(0..2500));
                pages.seal();
                if random.random_bool(put_share) {
                    let mut value = width.value(&mut random);
                    if map.layout() == Layout::Variable {
                        value.truncate(1000 - key.len());
                    }
                    let replaced = map.put(&key, &value, &mut pages).unwrap();
                    assert_eq!(replaced, model.insert(key.clone(), value).is_some(), "{context}");
                } else {
                    let there = map.remove(&key, &mut pages).unwrap();
                    assert_eq!(there, model.remove(&key).is_some(), "{context}");
                }
                let bound = map.pages_bound(1, model.len() as u64 + 1);
                let touched = pages.seal();
                assert!(touched <= bound, "{context}: touched {touched}, bound {bound}");
                if step % 50 == 0 {
                    let (low, high) = (width.key(random.random_range(0..2500)), width.key(step));
                    assert_reads(&map, &pages, &model, &low, &mut random, &high);
                    assert_sound(&map, &pages, &context);
                }
            }
            assert_equal(&map, &pages, &model, &format!("seed {seed} {width:?} phase {phase}"));
        }
        let keys: Vec<_> = model.keys().cloned().collect();
        keys.iter().for_each(|key| assert!(map.remove(key, &mut pages).unwrap()));
        assert_eq!(pages.live().map(|(page, _)| page).collect::<Vec<_>>(), [map.root()], "{width:?}");
        assert!(map.is_empty(&pages).unwrap());
    }
}

/// From the step to the key.
type Order = fn(u64) -> u64;

#[test]
fn rising_falling_and_clustered_keys_keep_every_rule() {
    let layout = Layout::Fixed { key_bytes: 8, value_bytes: 16 };
    let order: [(&str, Order); 4] = [
        ("rising", |step| step),
        ("falling", |step| u64::MAX - step),
        ("four clusters", |step| (step % 4) << 40 | step),
        ("inward", |step| if step % 2 == 0 { step } else { u64::MAX - step }),
    ];
    for (name, key) in order {
        let (mut pages, mut model) = (MemoryPages::new(), Model::new());
        let map = OrderedMap::create(KIND, layout, &mut pages).unwrap();
        for step in 0..60_000u64 {
            let (key, value) = (spinney_key(key(step)), [step as u8; 16]);
            map.put(&key, &value, &mut pages).unwrap();
            model.insert(key.to_vec(), value.to_vec());
        }
        assert_sound(&map, &pages, name);
        assert_equal(&map, &pages, &model, name);
        let again = OrderedMap::open(map.root(), KIND, &pages).unwrap();
        assert_eq!(again, map);
        again.destroy(&mut pages).unwrap();
        assert_eq!(pages.live().count(), 0, "{name}");
    }
}

/// Big-endian, as `TypedMap` does it.
fn spinney_key(number: u64) -> [u8; 8] {
    let mut bytes = number.to_le_bytes();
    bytes.reverse();
    bytes
}

/// Leaves of so many entries, as a share of what as many full pages would hold.
fn fill(entries: u64, pages: &MemoryPages) -> f64 {
    entries as f64 / (pages.live().count() as f64 * 168.0)
}

#[test]
fn random_puts_leave_pages_well_filled_and_rising_ones_full() {
    let layout = Layout::Fixed { key_bytes: 8, value_bytes: 16 };
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let (mut scattered, mut rising) = (MemoryPages::new(), MemoryPages::new());
    let scattered_map = OrderedMap::create(KIND, layout, &mut scattered).unwrap();
    let rising_map = OrderedMap::create(KIND, layout, &mut rising).unwrap();
    for step in 0..200_000u64 {
        scattered_map.put(&random.random::<[u8; 8]>(), &[0; 16], &mut scattered).unwrap();
        rising_map.put(&spinney_key(step), &[0; 16], &mut rising).unwrap();
    }
    let (scattered_fill, rising_fill) = (fill(200_000, &scattered), fill(200_000, &rising));
    assert!(scattered_fill > 0.88, "{scattered_fill}");
    assert!(rising_fill > 0.98, "{rising_fill}");
}

#[test]
fn many_operations_stay_within_the_bound() {
    for (seed, operations) in [10u64, 300, 5000].into_iter().enumerate() {
        let layout = Layout::Fixed { key_bytes: 8, value_bytes: 16 };
        let mut random = ChaCha8Rng::seed_from_u64(seed as u64);
        let mut pages = MemoryPages::new();
        let map = OrderedMap::create(KIND, layout, &mut pages).unwrap();
        let mut entries = 0;
        for round in 0..30 {
            pages.seal();
            let bound = map.pages_bound(operations, entries + operations);
            for _ in 0..operations {
                let key = spinney_key(random.random_range(0..20_000) << 32);
                if round % 6 < 3 {
                    entries += u64::from(!map.put(&key, &[0; 16], &mut pages).unwrap());
                } else {
                    entries -= u64::from(map.remove(&key, &mut pages).unwrap());
                }
            }
            let touched = pages.seal();
            assert!(touched <= bound, "seed {seed} round {round}: touched {touched}, bound {bound}");
        }
        assert_sound(&map, &pages, &format!("seed {seed}"));
    }
}

#[test]
fn an_entry_too_large_is_refused_and_nothing_changes() {
    let mut pages = MemoryPages::new();
    let map = OrderedMap::create(KIND, Layout::Variable, &mut pages).unwrap();
    map.put(&[1; 600], &[2; 400], &mut pages).unwrap();
    pages.seal();
    assert!(matches!(map.put(&[1; 601], &[2; 400], &mut pages), Err(Error::Unsupported(_))));
    assert!(matches!(map.put(&[], &[0; 70_000], &mut pages), Err(Error::Unsupported(_))));
    assert_eq!(pages.seal(), 0);
    assert_eq!(map.get(&[1; 700], &pages).unwrap(), None);
}

#[test]
fn the_empty_key_sorts_first() {
    let mut pages = MemoryPages::new();
    let map = OrderedMap::create(KIND, Layout::Variable, &mut pages).unwrap();
    map.put(&[0], b"zero", &mut pages).unwrap();
    map.put(&[], b"empty", &mut pages).unwrap();
    assert_eq!(map.first(&pages).unwrap(), Some((vec![], b"empty".to_vec())));
    assert_eq!(map.next(&[], &pages).unwrap(), Some((vec![0], b"zero".to_vec())));
    assert_eq!(map.prev(&[], &pages).unwrap(), None);
}

#[test]
fn open_refuses_what_is_no_map() {
    let mut pages = MemoryPages::new();
    let blank = pages.alloc(KIND).unwrap();
    assert!(matches!(OrderedMap::open(blank, KIND, &pages), Err(Error::Corrupt { .. })));
    assert!(matches!(OrderedMap::open(PageNo(99), KIND, &pages), Err(Error::Corrupt { .. })));
    let map = OrderedMap::create(KIND, Layout::Variable, &mut pages).unwrap();
    assert!(matches!(OrderedMap::open(map.root(), PageKind::SHARE, &pages), Err(Error::Corrupt { .. })));
}
