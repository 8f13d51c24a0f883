//! The field: every index and whole allocator of the registry, some of their other settings, and what an engineer would take instead.
//!
//! Invariant: the first entrant is the pair of B-trees with best fit, which all ratios are to. What is registered is entered
//! without being named here. Knows no index's type.

#[cfg(feature = "alloc")]
use crate::crates;
use crate::{plain, whole::Whole};
use spinney_alloc::{FreeIndex, Want};
use spinney_core::{Extent, Pba, Setting, Settings};
use spinney_registry::{AllocatorSpec, Choice, ONE_GROUP, Registry};
use spinney_testkit::aging::{Entrant, Floor, Place, Space, TreePair};

/// Settings beside the defaults, as index, setting, word.
const VARIANTS: &[(&str, &str, &str)] = &[
    ("bitmap", "fit", "first"),
    ("bitmap", "fit", "near"),
    ("areas", "within", "whole"),
    ("range", "policy", "ff"),
    ("range", "policy", "cf"),
    ("range", "policy", "ndf"),
];

/// A registered index over a space, all of it free.
struct Index(Box<dyn FreeIndex>);

impl Index {
    fn new(groups: &Choice, index: &Choice, blocks: u64) -> Index {
        let mut index = Registry::standard().index(groups, index).expect("a registered index builds");
        let universe = Extent::new(Pba(0), blocks);
        index.reset(universe);
        index.insert(universe);
        Index(index)
    }
    fn entrant(name: &str, groups: Choice, index: Choice) -> Entrant {
        Entrant::new(name, move |blocks| Index::new(&groups, &index, blocks))
    }
}

impl Space for Index {
    fn take(&mut self, blocks: u64) -> Option<Place> {
        self.0.pick(&Want::exactly(blocks)).map(|run| run.start.0.into())
    }
    fn give(&mut self, place: Place, blocks: u64) {
        self.0.insert(Extent::new(Pba(place.start), blocks));
    }
    fn memory_bytes(&self) -> Option<u64> {
        Some(self.0.memory_bytes())
    }
}

/// What this project has.
fn ours() -> Vec<Entrant> {
    let registry = Registry::standard();
    let mut all = Vec::new();
    for entry in &registry.indexes {
        all.push(Index::entrant(entry.name, Choice::named(ONE_GROUP), Choice::named(entry.name)));
        for (index, setting, word) in VARIANTS.iter().filter(|(index, ..)| *index == entry.name) {
            let settings = Settings::new().with(setting, Setting::Word((*word).into()));
            let choice = Choice { name: (*index).into(), settings };
            all.push(Index::entrant(&format!("{index}, {word}"), Choice::named(ONE_GROUP), choice));
        }
    }
    for preset in registry.presets.iter().filter(|preset| preset.groups != ONE_GROUP) {
        let (groups, index) = (Choice::named(preset.groups), Choice::named(preset.index));
        all.push(Index::entrant(&format!("{} (groups)", preset.name), groups, index));
    }
    for entry in &registry.allocators {
        let spec = AllocatorSpec::Whole(Choice::named(entry.name));
        let name = format!("{} (with commits)", entry.name);
        all.push(Entrant::new(&name, move |blocks| Whole::new(&spec, blocks)).whole());
    }
    all
}

/// Everybody whose name contains one of `only`, or is one of them if `exact`; all if that is empty. The pair of B-trees always.
pub(crate) fn entrants(only: &[String], exact: bool) -> Vec<Entrant> {
    let mut all = vec![Entrant::new("pair of B-trees, best fit", TreePair::new)];
    all.extend(ours());
    all.extend([
        Entrant::new("floor of a bitmap", Floor::new).floor(),
        Entrant::new("floor of stacks", plain::Stacks::new).floor(),
        Entrant::new("pair of B-trees, dynamic fit", plain::DynamicPair::new),
        Entrant::new("one B-tree, first fit", plain::OneTree::first_fit),
        Entrant::new("one B-tree, next fit", plain::OneTree::next_fit),
        Entrant::new("plain bitmap, next fit", plain::PlainBitmap::new),
    ]);
    #[cfg(feature = "alloc")]
    all.extend(crates::entrants());
    let is = |name: &str, part: &String| if exact { name == part } else { name.contains(part.as_str()) };
    let wanted = |name: &str| only.is_empty() || only.iter().any(|part| is(name, part));
    let mut first = true;
    all.retain(|entrant| std::mem::take(&mut first) || wanted(&entrant.name));
    all
}
