//! `TypedMap`: keys come in their own order, ranges are those of the standard library.

use proptest::prelude::*;
use spinney_core::{Error, Flow, PageKind};
use spinney_pages::{Layout, OrderedMap, TypedMap};
use spinney_testkit::MemoryPages;
use std::collections::BTreeMap;
use std::ops::{Bound, RangeBounds};

const KIND: PageKind = PageKind::OTHER;

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0..4u64, Just(u64::MAX), (0..8u32).prop_map(|byte| 1 << (8 * byte))]
}

fn bound() -> impl Strategy<Value = Bound<(u64, u64)>> {
    prop_oneof![
        Just(Bound::Unbounded),
        (number(), number()).prop_map(Bound::Included),
        (number(), number()).prop_map(Bound::Excluded)
    ]
}

proptest! {
    #[test]
    fn pairs_sort_as_pairs_do(
        entries in prop::collection::vec(((number(), number()), number()), 0..600),
        range in (bound(), bound()),
    ) {
        let (mut pages, mut model) = (MemoryPages::new(), BTreeMap::new());
        let map = TypedMap::<(u64, u64), u64>::create(KIND, &mut pages).unwrap();
        for (key, value) in entries {
            let replaced = map.put(&key, &value, &mut pages).unwrap();
            prop_assert_eq!(replaced, model.insert(key, value).is_some());
        }
        let expected: Vec<_> =
            model.iter().filter(|(key, _)| range.contains(key)).map(|(key, value)| (*key, *value)).collect();
        let (mut forward, mut backward) = (Vec::new(), Vec::new());
        map.range(range, &pages, &mut |key, value| { forward.push((key, value)); Flow::Continue }).unwrap();
        map.range_reverse(range, &pages, &mut |key, value| { backward.push((key, value)); Flow::Continue }).unwrap();
        backward.reverse();
        prop_assert_eq!(&forward, &expected);
        prop_assert_eq!(&backward, &expected);
        prop_assert_eq!(map.first(&pages).unwrap(), model.first_key_value().map(|(key, value)| (*key, *value)));
        prop_assert_eq!(map.last(&pages).unwrap(), model.last_key_value().map(|(key, value)| (*key, *value)));
    }
}

#[test]
fn next_and_prev_step_through_numbers() {
    let mut pages = MemoryPages::new();
    let map = TypedMap::<u64, (u64, u64)>::create(KIND, &mut pages).unwrap();
    let keys = [0, 1, 255, 256, 65_536, u64::MAX - 1, u64::MAX];
    keys.iter().for_each(|key| assert!(!map.put(key, &(*key, !*key), &mut pages).unwrap()));
    for pair in keys.windows(2) {
        assert_eq!(map.next(&pair[0], &pages).unwrap(), Some((pair[1], (pair[1], !pair[1]))));
        assert_eq!(map.prev(&pair[1], &pages).unwrap().map(|(key, _)| key), Some(pair[0]));
    }
    assert_eq!(map.next(&u64::MAX, &pages).unwrap(), None);
    assert_eq!(map.prev(&0, &pages).unwrap(), None);
    assert_eq!(map.get(&256, &pages).unwrap(), Some((256, !256)));
    assert!(map.remove(&256, &mut pages).unwrap());
    assert_eq!(map.get(&256, &pages).unwrap(), None);
}

#[test]
fn a_set_has_no_values() {
    let mut pages = MemoryPages::new();
    let set = TypedMap::<u64, ()>::create(KIND, &mut pages).unwrap();
    for key in (0..5000).rev() {
        assert!(!set.put(&key, &(), &mut pages).unwrap());
    }
    assert!(set.put(&77, &(), &mut pages).unwrap());
    set.check(&pages, &mut |finding| panic!("{finding}"));
    assert_eq!(set.get(&4999, &pages).unwrap(), Some(()));
}

#[test]
fn open_refuses_other_widths() {
    let mut pages = MemoryPages::new();
    let map = TypedMap::<u64, u64>::create(KIND, &mut pages).unwrap();
    assert!(TypedMap::<u64, u64>::open(map.root(), KIND, &pages).is_ok());
    let other = TypedMap::<u64, (u64, u64)>::open(map.root(), KIND, &pages);
    assert!(matches!(other, Err(Error::Corrupt { .. })));
    let unread = TypedMap::<u64, (u64, u64)>::at(map.root(), KIND);
    assert!(matches!(unread.get(&1, &pages), Err(Error::Corrupt { .. })));
    assert_eq!(TypedMap::<u64, u64>::at(map.root(), KIND).get(&1, &pages).unwrap(), None);
    let bytes = OrderedMap::create(KIND, Layout::Variable, &mut pages).unwrap();
    assert!(matches!(TypedMap::<u64, u64>::open(bytes.root(), KIND, &pages), Err(Error::Corrupt { .. })));
}
