//! Whether what is stored is what the roots imply: the dead lists above all.
//!
//! Invariant: changes nothing. A version's dead lists are what the one above holds and it does not (Z1 of the notes): by a
//! walk of both trees in lock step where both have one, and by sets around hidden versions.

use crate::held::{BIRTH_LIMIT, Held};
use crate::let_go::Holder;
use crate::lineage::{ZOMBIE_FLOOR, ZOMBIE_LIST, ZOMBIE_LISTED};
use crate::state::{Line, State};
use crate::table::List;
use crate::walk;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use spinney_core::{DevId, Finding, Flow, PageRead, Place, Result};
use spinney_snap_tree::Record;

type Set = BTreeSet<Held>;

/// Lists, lineage, sizes and ends.
pub(crate) fn check(state: &State, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
    state.table.check(pages, found);
    let next = state.next_dev(pages)?;
    if !state.catalogue.holds(next) {
        found(Finding { rule: "the next id can be issued", place: Place::Page(state.anchor.0) });
    }
    let mut versions = BTreeMap::new();
    state.catalogue.visit(pages, &mut |dev, record| {
        versions.insert(dev, (record, Line::of(dev, &record)?));
        Ok(Flow::Continue)
    })?;
    keys(state, &versions, pages, found)?;
    let epoch = state.epoch(pages)?;
    let mut check = Check { state, pages, versions: &versions, held: BTreeMap::new(), found };
    check.hidden_first()?;
    for dev in versions.keys() {
        check.version(*dev, next, epoch)?;
    }
    state.zombies.visit(pages, &mut |dev, record| {
        let sound = record.own[ZOMBIE_FLOOR] < u64::from(BIRTH_LIMIT)
            && List::of(record.own[ZOMBIE_LIST], false).is_some()
            && (record.own[ZOMBIE_LISTED] == 0 || record.own[ZOMBIE_LISTED] == 1 && record.root.is_none())
            && dev < next;
        if !sound {
            (check.found)(Finding {
                rule: "a deleted version's record makes sense",
                place: Place::Version(dev),
            });
        }
        Ok(Flow::Continue)
    })
}

/// The table has the keys that the lineage implies, besides those of dead lists, and as many as it says.
fn keys(
    state: &State,
    versions: &BTreeMap<DevId, (Record, Line)>,
    pages: &dyn PageRead,
    found: &mut dyn FnMut(Finding),
) -> Result<()> {
    let prevs = versions.iter().filter_map(|(dev, (_, line))| Some((line.prev?.0, dev.0)));
    let right: BTreeSet<(u64, u64)> = prevs.collect();
    let mut lists: BTreeSet<u64> = versions.values().map(|(_, line)| line.list).collect();
    let distinct = lists.len() == versions.len();
    let mut zombies = 0;
    state.zombies.visit(pages, &mut |_, record| {
        lists.insert(record.own[ZOMBIE_LIST]);
        zombies += 1;
        Ok(Flow::Continue)
    })?;
    let (mut children, mut pending, mut entries, mut stray) = (BTreeSet::new(), 0, 0, !distinct);
    state.table.visit(pages, &mut |front, back| {
        entries += 1;
        match front >> 62 {
            0 => drop(children.insert((front, back))),
            1 => {
                pending += 1;
                stray |= !versions.get(&DevId(back)).is_some_and(|(_, line)| line.hidden);
            }
            _ => stray |= !lists.contains(&((front & !(3 << 62)) >> 1)),
        }
    })?;
    let place = Place::Page(state.anchor.0);
    let rules = [
        (children != right, "who is below a version is as the records say"),
        (stray, "a key of the table belongs to a version, and each has lists of its own"),
        (entries != state.table.entries(pages)?, "the number of keys is that of the table"),
        (pending + zombies != state.jobs(pages)?, "the number of jobs is that of what is to be done"),
    ];
    let broken = rules.into_iter().filter(|(broken, _)| *broken);
    broken.for_each(|(_, rule)| found(Finding { rule, place }));
    Ok(())
}

struct Check<'a> {
    state: &'a State,
    pages: &'a dyn PageRead,
    versions: &'a BTreeMap<DevId, (Record, Line)>,
    /// All that a version holds, where sets are needed.
    held: BTreeMap<DevId, Set>,
    found: &'a mut dyn FnMut(Finding),
}

impl Check<'_> {
    fn report(&mut self, broken: bool, rule: &'static str, dev: DevId) {
        if broken {
            (self.found)(Finding { rule, place: Place::Version(dev) });
        }
    }

    fn version(&mut self, dev: DevId, next: DevId, epoch: u32) -> Result<()> {
        let (record, line) = self.versions[&dev];
        let holder = Holder::new(self.state, dev, line, self.pages)?;
        self.report(dev >= next, "an id is below the next one", dev);
        let below = self.below(dev)?;
        self.live_lists(dev, &record, holder)?;
        let frozen = line.frozen > 0;
        self.report(!frozen && !below.is_empty(), "a version that can be written has none below it", dev);
        let writable = record.access == spinney_snap::Access::Writable;
        self.report(frozen == writable, "a version is frozen unless it can be written", dev);
        self.report(line.frozen >= epoch, "a version was frozen before the epoch", dev);
        if line.hidden && !below.is_empty() {
            return self.hidden(dev, line, &below);
        }
        let (mut mapped, mut births) = (0, true);
        let each = &mut |held: Held| {
            mapped += u64::from(!held.node);
            births &= (1..=epoch).contains(&held.birth());
            Ok(())
        };
        walk::visit(self.state, &record, line.birth_or_cursor, None, self.pages, each)?;
        self.report(!births, "all was born in an epoch that was or is", dev);
        let rule = "a version's count of mapped blocks is that of its tree";
        self.report(mapped != record.referenced_blocks, rule, dev);
        let mut past = false;
        self.state.tree(&record).visit_past_end(self.pages, &mut || past = true)?;
        self.report(past, "nothing is mapped past the end of a version", dev);
        let sound = self.ages(holder, &record)?;
        self.report(!sound, "nothing below a node is younger than the version above that holds it", dev);
        for (below, (other, line)) in below {
            if self.has_tree(below)? {
                let mut lost = Set::new();
                let (old, new) = ((&record, self.versions[&dev].1), (&other, line));
                walk::lost(self.state, old, new, self.pages, &mut |held| {
                    lost.insert(held);
                    Ok(())
                })?;
                let right = lost == self.listed(line)?;
                self.report(!right, "dead lists are what the version above holds beyond this one", below);
            } else {
                let held = self.all(dev)?;
                self.below_by_sets(&held, below, line)?;
            }
        }
        Ok(())
    }

    /// Whether what the version above may hold has nothing below it that that one cannot hold.
    fn ages(&self, holder: Holder, record: &Record) -> Result<bool> {
        let mut whole = 0u64;
        let birth = holder.line.birth_or_cursor;
        walk::visit(self.state, record, birth, None, self.pages, &mut |held| {
            whole += u64::from(holder.owns(held.birth()));
            Ok(())
        })?;
        let mut own = 0u64;
        walk::visit(self.state, record, birth, Some(holder.frozen_above()), self.pages, &mut |_| {
            own += 1;
            Ok(())
        })?;
        Ok(whole == own)
    }

    fn below(&self, dev: DevId) -> Result<Vec<(DevId, (Record, Line))>> {
        let below = self.state.below(dev, self.pages)?;
        Ok(below.into_iter().filter_map(|(dev, _)| Some((dev, *self.versions.get(&dev)?))).collect())
    }

    fn has_tree(&self, dev: DevId) -> Result<bool> {
        let hidden = self.versions.get(&dev).is_some_and(|(_, line)| line.hidden);
        Ok(!hidden || self.state.table.children(dev, 1, self.pages)?.is_empty())
    }

    /// A version's live lists are what it made and holds. Where one keeps none, what is left of a list goes before a hidden version is
    /// dissolved.
    fn live_lists(&mut self, dev: DevId, record: &Record, holder: Holder) -> Result<()> {
        let line = holder.line;
        let stored = self.on_lists([line.live(false), line.live(true)])?;
        if !line.listed {
            let is_going =
                |dev| -> Result<bool> { Ok(self.state.table.children(dev, 2, self.pages)?.len() == 1) };
            let above = holder.above.filter(|above| above.hidden);
            let goes =
                line.hidden && is_going(dev)? || above.map_or(Ok(false), |above| is_going(above.dev))?;
            self.report(!stored.is_empty() && !goes, "what keeps no live lists has none", dev);
            return Ok(());
        }
        let mut own = Set::new();
        if self.has_tree(dev)? {
            let floor = Some(holder.frozen_above());
            walk::visit(self.state, record, line.birth_or_cursor, floor, self.pages, &mut |held| {
                own.insert(held);
                Ok(())
            })?;
        } else {
            own = self.all(dev)?.into_iter().filter(|held| holder.owns(held.birth())).collect();
        }
        self.report(stored != own, "live lists are what a version made and holds", dev);
        Ok(())
    }

    fn listed(&self, line: Line) -> Result<Set> {
        self.on_lists([line.dead(false), line.dead(true)])
    }

    fn on_lists(&self, lists: [List; 2]) -> Result<Set> {
        let mut listed = Set::new();
        for list in lists {
            self.state.table.visit_list(list, 0, self.pages, &mut |held| {
                listed.insert(held);
                Ok(())
            })?;
        }
        Ok(listed)
    }

    /// What the hidden versions hold, those below first: a chain of them may be longer than a stack is deep.
    fn hidden_first(&mut self) -> Result<()> {
        let hidden = self.versions.iter().filter(|(_, (_, line))| line.hidden);
        let mut hidden: Vec<(u32, DevId)> = hidden.map(|(dev, (_, line))| (line.frozen, *dev)).collect();
        hidden.sort_unstable();
        for (_, dev) in hidden.into_iter().rev() {
            if !self.has_tree(dev)? {
                self.all(dev)?;
            }
        }
        Ok(())
    }

    /// All that a version holds: of a hidden one, what those below it hold of its time, and what is on their lists.
    fn all(&mut self, dev: DevId) -> Result<Set> {
        if let Some(held) = self.held.get(&dev) {
            return Ok(held.clone());
        }
        let (record, line) = self.versions[&dev];
        let mut all = Set::new();
        if self.has_tree(dev)? {
            walk::visit(self.state, &record, line.birth_or_cursor, None, self.pages, &mut |held| {
                all.insert(held);
                Ok(())
            })?;
        } else {
            for (below, (_, other)) in self.below(dev)? {
                // Frozen later, by `Holder::new`, so this ends.
                Holder::new(self.state, below, other, self.pages)?;
                all.extend(self.all(below)?.into_iter().filter(|held| held.birth() <= line.frozen));
                all.extend(self.listed(other)?);
            }
        }
        self.held.insert(dev, all.clone());
        Ok(all)
    }

    fn below_by_sets(&mut self, held: &Set, below: DevId, line: Line) -> Result<()> {
        let own = self.all(below)?;
        let right = held.difference(&own).copied().collect::<Set>() == self.listed(line)?;
        self.report(!right, "dead lists are what the version above holds beyond this one", below);
        Ok(())
    }

    fn hidden(&mut self, dev: DevId, line: Line, below: &[(DevId, (Record, Line))]) -> Result<()> {
        let held = self.all(dev)?;
        for (below, (_, line)) in below {
            self.below_by_sets(&held, *below, *line)?;
        }
        let pending = self.state.table.is_pending(dev, self.pages)?;
        let mut garbage = held;
        for (_, (_, line)) in below {
            let listed = self.listed(*line)?;
            garbage.retain(|held| listed.contains(held));
        }
        self.report(
            !pending && !garbage.is_empty(),
            "a hidden version holds nothing that none below it holds",
            dev,
        );
        self.report(
            !pending && below.len() < 2,
            "a hidden version with one below it is to be dissolved",
            dev,
        );
        self.report(line.frozen == 0, "a version with others below it is frozen", dev);
        Ok(())
    }
}
