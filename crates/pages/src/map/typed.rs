//! `TypedMap`: an ordered map whose keys and values are numbers, pairs of numbers or byte arrays.
//!
//! Invariant: keys compare as their bytes do (`order`), so entries come in the keys' own order. Knows no page.

use super::order::{u64_bytes, u64_from};
use super::{Layout, OrderedMap};
use core::marker::PhantomData;
use core::ops::{Bound, RangeBounds};
use spinney_core::{Finding, Flow, PageKind, PageNo, PageRead, PageTxn, Result};

/// A value of fixed width. `Bytes` is an array type, `[u8; N]`.
pub trait Fixed: Sized {
    /// Its bytes.
    type Bytes: AsRef<[u8]> + for<'a> TryFrom<&'a [u8]>;
    /// How many there are.
    const WIDTH: u16;
    /// To bytes.
    fn to_bytes(&self) -> Self::Bytes;
    /// From bytes. Any bytes of that width are a value.
    fn from_bytes(bytes: &Self::Bytes) -> Self;
}

/// A key: like [`Fixed`], but in bytes whose order is the order of the type.
pub trait OrderedFixed: Sized + Ord {
    /// Its bytes.
    type Bytes: AsRef<[u8]> + for<'a> TryFrom<&'a [u8]>;
    /// How many there are.
    const WIDTH: u16;
    /// To bytes: `a < b` exactly when `a.to_ordered() < b.to_ordered()`.
    fn to_ordered(&self) -> Self::Bytes;
    /// From bytes.
    fn from_ordered(bytes: &Self::Bytes) -> Self;
}

impl OrderedFixed for u64 {
    type Bytes = [u8; 8];
    const WIDTH: u16 = 8;
    fn to_ordered(&self) -> [u8; 8] {
        u64_bytes(*self)
    }
    fn from_ordered(bytes: &[u8; 8]) -> u64 {
        u64_from(*bytes)
    }
}

impl OrderedFixed for (u64, u64) {
    type Bytes = [u8; 16];
    const WIDTH: u16 = 16;
    fn to_ordered(&self) -> [u8; 16] {
        join(u64_bytes(self.0), u64_bytes(self.1))
    }
    fn from_ordered(bytes: &[u8; 16]) -> (u64, u64) {
        let (first, second) = halves(bytes);
        (u64_from(first), u64_from(second))
    }
}

impl Fixed for u64 {
    type Bytes = [u8; 8];
    const WIDTH: u16 = 8;
    fn to_bytes(&self) -> [u8; 8] {
        self.to_le_bytes()
    }
    fn from_bytes(bytes: &[u8; 8]) -> u64 {
        u64::from_le_bytes(*bytes)
    }
}

impl Fixed for (u64, u64) {
    type Bytes = [u8; 16];
    const WIDTH: u16 = 16;
    fn to_bytes(&self) -> [u8; 16] {
        join(self.0.to_le_bytes(), self.1.to_le_bytes())
    }
    fn from_bytes(bytes: &[u8; 16]) -> (u64, u64) {
        let (first, second) = halves(bytes);
        (u64::from_le_bytes(first), u64::from_le_bytes(second))
    }
}

impl Fixed for () {
    type Bytes = [u8; 0];
    const WIDTH: u16 = 0;
    fn to_bytes(&self) -> [u8; 0] {
        []
    }
    fn from_bytes(_bytes: &[u8; 0]) {}
}

impl<const N: usize> Fixed for [u8; N] {
    type Bytes = [u8; N];
    const WIDTH: u16 = N as u16;
    fn to_bytes(&self) -> [u8; N] {
        *self
    }
    fn from_bytes(bytes: &[u8; N]) -> [u8; N] {
        *bytes
    }
}

fn join(first: [u8; 8], second: [u8; 8]) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&first);
    bytes[8..].copy_from_slice(&second);
    bytes
}

fn halves(bytes: &[u8; 16]) -> ([u8; 8], [u8; 8]) {
    let half = |at: usize| bytes[at..at + 8].try_into().expect("eight of sixteen");
    (half(0), half(8))
}

/// A map from `K` to `V` in the fixed layout. A handle: copies name the same map.
pub struct TypedMap<K, V> {
    map: OrderedMap,
    types: PhantomData<fn(K) -> V>,
}

impl<K, V> Clone for TypedMap<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V> Copy for TypedMap<K, V> {}

impl<K, V> core::fmt::Debug for TypedMap<K, V> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.map.fmt(f)
    }
}

impl<K: OrderedFixed, V: Fixed> TypedMap<K, V> {
    const LAYOUT: Layout = Layout::Fixed { key_bytes: K::WIDTH, value_bytes: V::WIDTH };

    fn wrap(map: OrderedMap) -> TypedMap<K, V> {
        TypedMap { map, types: PhantomData }
    }

    /// A new, empty map on one page.
    pub fn create(kind: PageKind, pages: &mut dyn PageTxn) -> Result<TypedMap<K, V>> {
        OrderedMap::create(kind, Self::LAYOUT, pages).map(Self::wrap)
    }

    /// The map whose root is `root`. Errors: `Corrupt` if there is no map of these widths.
    pub fn open(root: PageNo, kind: PageKind, pages: &dyn PageRead) -> Result<TypedMap<K, V>> {
        let map = OrderedMap::open(root, kind, pages)?;
        match map.layout() == Self::LAYOUT {
            true => Ok(Self::wrap(map)),
            false => Err(super::corrupt(root)),
        }
    }

    /// The same without a look at the root; see [`OrderedMap::at`].
    #[must_use]
    pub fn at(root: PageNo, kind: PageKind) -> TypedMap<K, V> {
        Self::wrap(OrderedMap::at(root, kind, Self::LAYOUT))
    }

    /// The root page.
    #[must_use]
    pub fn root(&self) -> PageNo {
        self.map.root()
    }

    /// The map of byte strings behind it.
    #[must_use]
    pub fn untyped(&self) -> OrderedMap {
        self.map
    }

    /// Store `value` under `key`; whether there was a value before.
    pub fn put(&self, key: &K, value: &V, pages: &mut dyn PageTxn) -> Result<bool> {
        self.map.put(key.to_ordered().as_ref(), value.to_bytes().as_ref(), pages)
    }

    /// The value under `key`.
    pub fn get(&self, key: &K, pages: &dyn PageRead) -> Result<Option<V>> {
        self.map.get_with(key.to_ordered().as_ref(), pages, value_from)
    }

    /// Forget `key`; whether it was there.
    pub fn remove(&self, key: &K, pages: &mut dyn PageTxn) -> Result<bool> {
        self.map.remove(key.to_ordered().as_ref(), pages)
    }

    /// The entry with the smallest key.
    pub fn first(&self, pages: &dyn PageRead) -> Result<Option<(K, V)>> {
        self.map.first(pages).map(Self::entry)
    }

    /// The entry with the largest key.
    pub fn last(&self, pages: &dyn PageRead) -> Result<Option<(K, V)>> {
        self.map.last(pages).map(Self::entry)
    }

    /// The entry with the smallest key above `key`.
    pub fn next(&self, key: &K, pages: &dyn PageRead) -> Result<Option<(K, V)>> {
        self.map.next(key.to_ordered().as_ref(), pages).map(Self::entry)
    }

    /// The entry with the largest key below `key`.
    pub fn prev(&self, key: &K, pages: &dyn PageRead) -> Result<Option<(K, V)>> {
        self.map.prev(key.to_ordered().as_ref(), pages).map(Self::entry)
    }

    fn entry(found: Option<(Vec<u8>, Vec<u8>)>) -> Option<(K, V)> {
        found.map(|(key, value)| (key_from(&key), value_from(&value)))
    }

    /// The entries of a range of keys, smallest first.
    pub fn range(
        &self,
        range: impl RangeBounds<K>,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(K, V) -> Flow,
    ) -> Result<()> {
        self.with_bounds(range, |map, bounds| {
            map.range(bounds, pages, &mut |key, value| each(key_from(key), value_from(value)))
        })
    }

    /// The entries of a range of keys, largest first.
    pub fn range_reverse(
        &self,
        range: impl RangeBounds<K>,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(K, V) -> Flow,
    ) -> Result<()> {
        self.with_bounds(range, |map, bounds| {
            map.range_reverse(bounds, pages, &mut |key, value| each(key_from(key), value_from(value)))
        })
    }

    fn with_bounds<T>(
        &self,
        range: impl RangeBounds<K>,
        then: impl FnOnce(&OrderedMap, super::KeyBounds<'_>) -> T,
    ) -> T {
        let (lower, upper) = (range.start_bound().map(K::to_ordered), range.end_bound().map(K::to_ordered));
        let lower: Bound<&[u8]> = lower.as_ref().map(AsRef::as_ref);
        let upper: Bound<&[u8]> = upper.as_ref().map(AsRef::as_ref);
        then(&self.map, (lower, upper))
    }

    /// See [`OrderedMap::is_empty`].
    pub fn is_empty(&self, pages: &dyn PageRead) -> Result<bool> {
        self.map.is_empty(pages)
    }

    /// See [`OrderedMap::visit_pages`].
    pub fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.map.visit_pages(pages, each)
    }

    /// See [`OrderedMap::check`].
    pub fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) {
        self.map.check(pages, found);
    }

    /// See [`OrderedMap::pages_bound`].
    #[must_use]
    pub fn pages_bound(&self, operations: u64, entries_max: u64) -> u64 {
        self.map.pages_bound(operations, entries_max)
    }

    /// See [`OrderedMap::destroy`].
    pub fn destroy(self, pages: &mut dyn PageTxn) -> Result<()> {
        self.map.destroy(pages)
    }
}

/// The layout was compared with the types' widths when the map was made or opened, and nodes are parsed against it.
fn key_from<K: OrderedFixed>(bytes: &[u8]) -> K {
    let bytes = K::Bytes::try_from(bytes).ok().expect("a fixed map's keys have its width");
    K::from_ordered(&bytes)
}

fn value_from<V: Fixed>(bytes: &[u8]) -> V {
    let bytes = V::Bytes::try_from(bytes).ok().expect("a fixed map's values have its width");
    V::from_bytes(&bytes)
}
