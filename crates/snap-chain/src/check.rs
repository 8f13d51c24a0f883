//! Whether what is stored is what the layers imply.
//!
//! Invariant: changes nothing. What a hidden layer holds is held against who sees it, an index against the layers.

use crate::layer::{Sight, look, sight, visit_blocks, visit_nodes, whole};
use crate::state::{Kin, State};
use crate::sweep::is_seen;
use crate::table::Entry;
use crate::{mapped, view};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use spinney_core::{DevId, Finding, Flow, Lba, LbaRange, PageRead, Pba, Place, Result};
use spinney_snap::Access;
use spinney_snap_tree::Tree;

/// Parts of an index that are held against the layers at a time.
const BATCH: usize = 1 << 16;

/// Chains, marks, sizes, ends and indexes.
pub(crate) fn check(state: &State, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
    state.table.check(pages, found);
    let next = state.next_dev(pages)?;
    if !state.catalogue.holds(next) {
        found(Finding { rule: "the next id can be issued", place: Place::Page(state.anchor.0) });
    }
    let mut layers = BTreeMap::new();
    state.catalogue.visit(pages, &mut |dev, record| {
        layers.insert(dev, Kin::of(dev, record)?);
        Ok(Flow::Continue)
    })?;
    keys(state, &layers, pages, found)?;
    let mapped = mapped::count(state, &layers, pages)?;
    for kin in layers.values() {
        Check { state, pages, kin, found }.layer(next, mapped.get(&kin.dev).copied())?;
    }
    state.zombies.visit(pages, &mut |dev, record| {
        Kin::of(dev, record)?;
        if dev >= next {
            found(Finding { rule: "an id is below the next one", place: Place::Version(dev) });
        }
        Ok(Flow::Continue)
    })
}

/// The table has the keys that the records imply, and as many as it says.
fn keys(
    state: &State,
    layers: &BTreeMap<DevId, Kin>,
    pages: &dyn PageRead,
    found: &mut dyn FnMut(Finding),
) -> Result<()> {
    let backs = layers.values().filter_map(|kin| Some((kin.layer.back?.0, kin.dev.0)));
    let right: BTreeSet<(u64, u64)> = backs.collect();
    let (mut fronts, mut jobs, mut entries, mut stray) = (BTreeSet::new(), 0, 0, false);
    let mut leaving = BTreeSet::new();
    state.zombies.visit(pages, &mut |_, _| {
        jobs += 1;
        Ok(Flow::Continue)
    })?;
    state.table.visit(pages, &mut |back, dev| {
        entries += 1;
        jobs += u64::from(!matches!(back, Entry::FrontOf(_)));
        match back {
            Entry::FrontOf(back) => drop(fronts.insert((back, dev))),
            Entry::Pending => stray |= !layers.contains_key(&DevId(dev)),
            Entry::Leaving => drop(leaving.insert(DevId(dev))),
        }
    })?;
    let goes: BTreeSet<DevId> = layers.values().filter(|kin| kin.layer.leaving).map(|kin| kin.dev).collect();
    let place = Place::Page(state.anchor.0);
    let rules = [
        (fronts != right, "what lies on a layer is as the records say"),
        (stray, "what is pending is a layer"),
        (leaving != goes, "what is on its way out of its chain says so"),
        (entries != state.table.entries(pages)?, "the number of keys is that of the table"),
        (jobs != state.jobs(pages)?, "the number of jobs is that of what is to be done"),
    ];
    let broken = rules.into_iter().filter(|(broken, _)| *broken);
    broken.for_each(|(_, rule)| found(Finding { rule, place }));
    Ok(())
}

struct Check<'a> {
    state: &'a State,
    pages: &'a dyn PageRead,
    kin: &'a Kin,
    found: &'a mut dyn FnMut(Finding),
}

impl Check<'_> {
    fn report(&mut self, broken: bool, rule: &'static str) {
        if broken {
            (self.found)(Finding { rule, place: Place::Version(self.kin.dev) });
        }
    }

    /// `mapped`: what is seen from it.
    fn layer(&mut self, next: DevId, mapped: Option<u64>) -> Result<()> {
        let Kin { dev, record, layer } = *self.kin;
        let (state, pages) = (self.state, self.pages);
        state.back(self.kin, pages)?;
        let fronts = state.fronts(self.kin, pages)?;
        let writable = record.access == Access::Writable;
        let pending = state.table.is_pending(dev, pages)?;
        let marks = self.has_marks(&state.tree(self.kin))?;
        let indexed = layer.index.is_some() || layer.index_whole;
        self.report(
            dev >= next || layer.number >= next.0,
            "an id and a layer's number are below the next id",
        );
        self.report(layer.leaving && !writable, "only what can be written leaves its chain");
        self.report(writable && layer.hidden, "a hidden layer cannot be written");
        self.report(writable && !fronts.is_empty(), "nothing lies on a version that can be written");
        self.report(marks && !layer.marked, "a layer with marks says so");
        self.report(indexed && !(writable && state.indexed), "what has an index can be written");
        let rest = !layer.hidden && layer.back.is_none() && layer.marked;
        self.report(rest && !pending, "marks with nothing behind them are pending");
        for tree in [state.tree(self.kin), state.index(self.kin)] {
            let mut past = false;
            tree.visit_past_end(pages, &mut || past = true)?;
            self.report(past, "nothing is mapped past the end of a version");
        }
        if layer.hidden {
            // What is to be done for one layer may make more to do behind it.
            return if state.jobs(pages)? > 0 { Ok(()) } else { self.hidden(&fronts) };
        }
        let all = LbaRange { start: Lba(0), blocks: record.blocks };
        self.report(
            mapped != Some(record.referenced_blocks),
            "a version's count of mapped blocks is that of its layers",
        );
        let wrong = indexed && record.blocks > 0 && !self.index_is_right(all)?;
        self.report(wrong, "an index says what the layers say");
        Ok(())
    }

    fn has_marks(&self, tree: &Tree) -> Result<bool> {
        let mut marks = false;
        visit_nodes(tree, whole(tree), self.pages, &mut |_, _, node| {
            marks |= node.slots(0, tree.shape.fanout() - 1).any(|slot| sight(slot) == Sight::Zero);
            Ok(())
        })?;
        Ok(marks)
    }

    fn hidden(&mut self, fronts: &[Kin]) -> Result<()> {
        self.report(fronts.len() < 2, "a hidden layer on which one lies is to be merged");
        let (state, pages, mut unseen) = (self.state, self.pages, false);
        visit_blocks(&state.tree(self.kin), pages, &mut |lba, _| {
            unseen =
                unseen || lba >= self.kin.record.blocks || !is_seen(state, fronts, (0, lba), None, pages)?;
            Ok(())
        })?;
        self.report(unseen, "a version sees what a hidden layer has");
        Ok(())
    }

    fn index_is_right(&self, all: LbaRange) -> Result<bool> {
        let (state, kin) = (self.state, self.kin);
        let (mut said, mut right) = (Vec::new(), true);
        look(&[state.index(kin)], all, self.pages, &mut |part, seen| {
            let on = match seen {
                Sight::Through if !kin.layer.index_whole => return Ok(()),
                Sight::On(block) => Some(Pba(block)),
                Sight::Through | Sight::Zero => None,
            };
            said.push((part, on));
            if said.len() == BATCH {
                right &= self.layers_say(&core::mem::take(&mut said))?;
            }
            Ok(())
        })?;
        Ok(right && self.layers_say(&said)?)
    }

    /// Whether the layers say the same. All layers of the chain are read side by side, once for all parts: block by block each of these
    /// would be a walk.
    fn layers_say(&self, parts: &[(LbaRange, Option<Pba>)]) -> Result<bool> {
        let (Some((first, _)), Some((last, _))) = (parts.first(), parts.last()) else { return Ok(true) };
        let (mut next, mut right) = (0, true);
        let span = LbaRange::new(first.start, last.end().0 - first.start.0);
        view::layers(self.state, self.kin, span, self.pages, &mut |seen, on| {
            while let Some((part, said)) = parts.get(next).filter(|(part, _)| part.start < seen.end()) {
                right &= part.end() <= seen.start || *said == on;
                if part.end() > seen.end() {
                    break;
                }
                next += 1;
            }
            Ok(())
        })?;
        Ok(right)
    }
}
