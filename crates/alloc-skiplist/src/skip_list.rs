//! An ordered map as a skip list (Pugh, "Skip lists: a probabilistic alternative to balanced trees", CACM 1990).
//!
//! Invariant: each level is a sorted sublist of the one below. Heights come from a generator inside the list, so the same calls
//! make the same list. One arena, freed nodes are used again: nothing is left behind, however often it is scanned. Knows no extents.

use alloc::vec::Vec;

/// Levels: enough for 4^16 entries, of which one in four reaches the next level.
const LEVELS: usize = 16;
/// No node.
const NIL: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Node<K, V> {
    key: K,
    value: V,
    /// Its links are `links[links_at..links_at + height]`, by level.
    links_at: u32,
    height: u8,
}

/// The map. Keys and values are copied; at most 2^32 - 2 entries.
#[derive(Clone, Debug)]
pub struct SkipList<K, V> {
    head: [u32; LEVELS],
    nodes: Vec<Node<K, V>>,
    links: Vec<u32>,
    /// Nodes to use again, by height.
    spare: [Vec<u32>; LEVELS],
    length: u64,
    chance: u64,
    steps: u64,
}

impl<K: Ord + Copy, V: Copy> Default for SkipList<K, V> {
    fn default() -> SkipList<K, V> {
        SkipList {
            head: [NIL; LEVELS],
            nodes: Vec::new(),
            links: Vec::new(),
            spare: [const { Vec::new() }; LEVELS],
            length: 0,
            chance: 0x9E37_79B9_7F4A_7C15,
            steps: 0,
        }
    }
}

/// Where a search went down: the node before the key on each level.
type Path = [u32; LEVELS];

impl<K: Ord + Copy, V: Copy> SkipList<K, V> {
    /// Entries.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
    /// Links followed by changes so far; a lookup cannot count, but costs what a change of the same key does.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps
    }
    /// Bytes held.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        let spare: usize = self.spare.iter().map(Vec::len).sum();
        (self.nodes.len() * size_of::<Node<K, V>>() + (self.links.len() + spare) * size_of::<u32>()) as u64
    }

    fn next(&self, node: u32, level: usize) -> u32 {
        match self.nodes.get(node as usize) {
            None => self.head[level],
            Some(node) => self.links[node.links_at as usize + level],
        }
    }
    fn link(&mut self, node: u32, level: usize, to: u32) {
        match self.nodes.get(node as usize) {
            None => self.head[level] = to,
            Some(node) => self.links[node.links_at as usize + level] = to,
        }
    }
    /// The last node before `key` on each level, and how many links were followed.
    fn path(&self, key: &K) -> (Path, u64) {
        let (mut path, mut at, mut steps) = ([NIL; LEVELS], NIL, 0);
        for level in (0..LEVELS).rev() {
            loop {
                let next = self.next(at, level);
                match self.nodes.get(next as usize).filter(|node| node.key < *key) {
                    None => break,
                    Some(_) => at = next,
                }
                steps += 1;
            }
            path[level] = at;
        }
        (path, steps)
    }
    fn entry(&self, node: u32) -> Option<(K, V)> {
        self.nodes.get(node as usize).map(|node| (node.key, node.value))
    }

    /// Put an entry in; the value before, if the key was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (path, steps) = self.path(&key);
        self.steps += steps;
        let at = self.next(path[0], 0);
        if let Some(node) = self.nodes.get_mut(at as usize).filter(|node| node.key == key) {
            return Some(core::mem::replace(&mut node.value, value));
        }
        let fresh = self.node(key, value);
        let height = usize::from(self.nodes[fresh as usize].height);
        for (level, before) in path.into_iter().enumerate().take(height) {
            let next = self.next(before, level);
            self.link(fresh, level, next);
            self.link(before, level, fresh);
        }
        self.length += 1;
        None
    }
    /// Take an entry out.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (path, steps) = self.path(key);
        self.steps += steps;
        let at = self.next(path[0], 0);
        let Node { value, height, .. } = *self.nodes.get(at as usize).filter(|node| node.key == *key)?;
        for (level, before) in path.iter().enumerate().take(usize::from(height)) {
            let next = self.next(at, level);
            self.link(*before, level, next);
        }
        self.spare[usize::from(height) - 1].push(at);
        self.length -= 1;
        Some(value)
    }
    fn node(&mut self, key: K, value: V) -> u32 {
        let height = self.height();
        if let Some(at) = self.spare[height - 1].pop() {
            let node = &mut self.nodes[at as usize];
            (node.key, node.value) = (key, value);
            return at;
        }
        let at =
            u32::try_from(self.nodes.len()).ok().filter(|at| *at < NIL).expect("at most 2^32 - 2 entries");
        let links_at = u32::try_from(self.links.len()).expect("fewer than 2^32 links");
        self.links.resize(self.links.len() + height, NIL);
        self.nodes.push(Node { key, value, links_at, height: height as u8 });
        at
    }
    /// Two bits decide each further level (xorshift64).
    fn height(&mut self) -> usize {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        ((self.chance.trailing_zeros() / 2) as usize + 1).min(LEVELS)
    }

    /// The first entry at or after `key`.
    #[must_use]
    pub fn at_or_after(&self, key: &K) -> Option<(K, V)> {
        self.entry(self.next(self.path(key).0[0], 0))
    }
    /// The last entry before `key`.
    #[must_use]
    pub fn before(&self, key: &K) -> Option<(K, V)> {
        self.entry(self.path(key).0[0])
    }
    /// The last entry.
    #[must_use]
    pub fn last(&self) -> Option<(K, V)> {
        let mut at = NIL;
        for level in (0..LEVELS).rev() {
            while self.next(at, level) != NIL {
                at = self.next(at, level);
            }
        }
        self.entry(at)
    }
    /// Entries from `key` on, in order.
    pub fn iter_from(&self, key: &K) -> impl Iterator<Item = (K, V)> + '_ {
        let mut at = self.next(self.path(key).0[0], 0);
        core::iter::from_fn(move || {
            let entry = self.entry(at)?;
            at = self.next(at, 0);
            Some(entry)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinney_testkit::Dice;
    use std::collections::BTreeMap;

    #[test]
    fn agrees_with_a_tree_map_and_uses_its_nodes_again() {
        for seed in 0..8 {
            let (mut dice, mut list, mut model) =
                (Dice::new("skip", seed), SkipList::default(), BTreeMap::new());
            for step in 0..20_000 {
                let key = dice.below(500);
                if dice.below(2) == 0 {
                    assert_eq!(list.insert(key, step), model.insert(key, step), "seed {seed} step {step}");
                } else {
                    assert_eq!(list.remove(&key), model.remove(&key), "seed {seed} step {step}");
                }
                let pair = |(key, value): (&u64, &u64)| (*key, *value);
                assert_eq!(
                    list.at_or_after(&key),
                    model.range(key..).next().map(pair),
                    "seed {seed} step {step}"
                );
                assert_eq!(
                    list.before(&key),
                    model.range(..key).next_back().map(pair),
                    "seed {seed} step {step}"
                );
                assert_eq!(list.last(), model.last_key_value().map(pair), "seed {seed} step {step}");
            }
            assert!(list.iter_from(&0).eq(model.iter().map(|(key, value)| (*key, *value))), "seed {seed}");
            // Of each height the most that were ever there at once: little more than the 500 keys, after 10,000 insertions.
            assert!(list.nodes.len() < 1_000, "seed {seed}: {} nodes for 500 keys", list.nodes.len());
        }
    }

    #[test]
    fn a_search_is_logarithmic() {
        let mut list = SkipList::default();
        (0..100_000u64).for_each(|key| _ = list.insert(key.wrapping_mul(0x9E37_79B9_7F4A_7C15), ()));
        let before = list.steps();
        (0..1_000u64).for_each(|key| _ = list.remove(&key.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
        let mean = (list.steps() - before) / 1_000;
        assert!(mean < 40, "{mean} links for 100,000 entries; 1.5 log2 are 25");
    }
}
