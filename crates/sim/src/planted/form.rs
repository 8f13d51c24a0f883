//! Forms that forget a part of what they are told.
//!
//! Invariant: what they do not forget they keep as the form inside does.

use super::sound;
use spinney_alloc::{Change, Changes, Composed, FreeIndex, FreeView, SpaceForm};
use spinney_core::{Extent, Finding, PageNo, PageRead, PageTxn, Result, Root};
use spinney_registry::{AllocatorSpec, PoolSpec, Registry};
use spinney_volume::Parts;

struct Forgetful {
    inner: Box<dyn SpaceForm>,
    forgets: fn(&Change) -> bool,
    seen: u64,
}

type Composition = (Box<dyn FreeIndex>, Box<dyn SpaceForm>);

/// The parts with another index and form in a composed allocator; a whole one stays as it is.
pub(super) fn recomposed(
    registry: &Registry,
    spec: &PoolSpec,
    change: impl FnOnce(Box<dyn FreeIndex>, Box<dyn SpaceForm>) -> Composition,
) -> Parts {
    let parts = sound(registry, spec);
    let AllocatorSpec::Composed { groups, index, form, reclaim } = &spec.allocator else { return parts };
    let index = registry.index(groups, index);
    let form = registry
        .forms
        .iter()
        .find(|entry| entry.name == form.name)
        .map(|entry| (entry.build)(&form.settings));
    let reclaim = registry
        .reclaims
        .iter()
        .find(|entry| entry.name == reclaim.name)
        .map(|entry| (entry.build)(&reclaim.settings));
    match (index, form, reclaim) {
        (Ok(index), Some(Ok(form)), Some(Ok(reclaim))) => {
            let (index, form) = change(index, form);
            Parts { allocator: Box::new(Composed::new(index, form, reclaim)), ..parts }
        }
        _ => parts,
    }
}

fn forgetful(registry: &Registry, spec: &PoolSpec, forgets: fn(&Change) -> bool) -> Parts {
    recomposed(registry, spec, |index, inner| (index, Box::new(Forgetful { inner, forgets, seen: 0 })))
}

pub(super) fn form_drops_frees(registry: &Registry, spec: &PoolSpec) -> Parts {
    forgetful(registry, spec, |change| matches!(change, Change::Free(_)))
}

pub(super) fn form_drops_takes(registry: &Registry, spec: &PoolSpec) -> Parts {
    forgetful(registry, spec, |change| matches!(change, Change::Take(_)))
}

impl SpaceForm for Forgetful {
    fn format(&mut self, universe: Extent, free: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<Root> {
        self.inner.format(universe, free, pages)
    }
    fn open(&mut self, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<()> {
        self.inner.open(universe, root, pages)
    }
    fn load(&self, within: Extent, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
        self.inner.load(within, pages, each)
    }
    fn pages_bound(&self, changes: u64, blocks: u64, runs: u64) -> u64 {
        self.inner.pages_bound(changes, blocks, runs)
    }
    fn commit(&mut self, changes: &Changes, free: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<Root> {
        let mut kept = Changes::default();
        for change in changes.netted() {
            self.seen += 1;
            if !((self.forgets)(&change) && self.seen.is_multiple_of(10)) {
                kept.push(change);
            }
        }
        self.inner.commit(&kept, free, pages)
    }
    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.inner.visit_pages(pages, each)
    }
    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        self.inner.check(pages, found)
    }
}
