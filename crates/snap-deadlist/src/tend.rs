//! Background work: dissolving hidden versions, and dropping what deleted ones own.
//!
//! Invariant: each unit of work leaves lists and trees that say the same of who holds what; an entry leaves a list in the
//! step that deals with it, and a slot its tree, so a crash between any two steps loses and repeats nothing.

use crate::held::Held;
use crate::let_go::{Holder, all_dead, forget_dead, free, let_go};
use crate::lineage::{ZOMBIE_BIRTH, ZOMBIE_FLOOR, ZOMBIE_LIST, ZOMBIE_LISTED, detach, settle, splice, waits};
use crate::planted::{Fault, planted};
use crate::state::{Line, State, root_slot};
use crate::table::List;
use alloc::vec::Vec;
use core::ops::Range;
use spinney_core::{DevId, Error, Extent, PageKind, PageNo, PageRead, PageTxn, Pba, Place, Result};
use spinney_snap::{Freed, Progress};
use spinney_snap_tree::node::set_slot;
use spinney_snap_tree::tree::child;
use spinney_snap_tree::{Ahead, Node, Position, Record, Slot};

/// At most `budget` entries, slots and nodes.
pub(crate) fn tend(
    state: &State,
    budget: u64,
    pages: &mut dyn PageTxn,
    freed: &mut Freed,
) -> Result<Progress> {
    if state.jobs(pages)? == 0 {
        return Ok(Progress::default()); // as the bound has it, whatever else a damaged table says
    }
    let mut work = Work { state: *state, budget, whole: budget, pages, freed };
    while work.budget > 0 {
        let Some((dev, record)) = state.zombies.first(work.pages)? else { break };
        work.zombie(dev, record)?;
    }
    // What leaves the lineage now is dropped by the next call: this one's bound knows only the trees that it began with.
    while work.budget > 0 {
        let Some(dev) = state.table.pending(1, work.pages)?.first().copied() else { break };
        work.hidden(dev)?;
    }
    let done = budget - work.budget;
    Ok(Progress { done, left: state.jobs(pages)? })
}

/// Have those leaves in memory that were born after `floor`, and so go.
pub(crate) fn prefetch(group: Range<u64>, slots: &[Slot], floor: u32, pages: &dyn PageRead) {
    let slots = slots.iter().skip(group.start as usize).take((group.end - group.start) as usize);
    let gone = slots.filter(|slot| slot.tag() > floor).filter_map(|slot| slot.pointer().map(PageNo));
    pages.prefetch(&gone.collect::<Vec<PageNo>>(), PageKind::TREE);
}

struct Work<'a> {
    state: State,
    budget: u64,
    /// What it was at first.
    whole: u64,
    pages: &'a mut dyn PageTxn,
    freed: &'a mut Freed,
}

impl Work<'_> {
    /// What can be done for a pending version.
    fn hidden(&mut self, dev: DevId) -> Result<()> {
        let (record, line) = self.state.kin(dev, self.pages)?;
        let children = self.state.table.children(dev, 2, self.pages)?;
        match *children {
            [] if waits(&self.state, line, self.pages)? => {
                let above = line.prev.expect("what waits has one above");
                self.dissolve(above, dev)
            }
            [] => {
                self.budget -= 1;
                detach(&self.state, dev, record, line, self.pages)?;
                settle(&self.state, dev, self.pages)
            }
            [only] => self.dissolve(dev, only),
            _ => self.compare(dev, record, line),
        }
    }

    /// One version is left below the hidden `dev`: what that does not hold, `dev` lets go of.
    fn dissolve(&mut self, dev: DevId, only: DevId) -> Result<()> {
        let (_, line) = self.state.kin(dev, self.pages)?;
        let holder = Holder::new(&self.state, dev, line, self.pages)?;
        let (_, below) = self.state.kin(only, self.pages)?;
        let twice = Error::Corrupt { what: "two versions with one dead list", place: Place::Version(only) };
        if below.list == line.list {
            return Err(twice);
        }
        for list in [below.dead(true), below.dead(false)] {
            let mut last = None;
            while let Some(held) = self.state.table.next_held(list, 0, self.pages)? {
                if self.budget == 0 {
                    return Ok(());
                }
                // It was put back: some version further up has this list, too.
                if last.replace(held) == Some(held) {
                    return Err(twice);
                }
                self.budget -= 1;
                self.state.table.remove_held(list, held, self.pages)?;
                let_go(&self.state, &holder, held, self.pages, self.freed)?;
            }
        }
        if self.join_live((dev, line), only)? && self.budget > 0 {
            self.budget -= 1;
            splice(&self.state, dev, only, self.pages)?;
        }
        Ok(())
    }

    /// What the one version below made joins what `dev` made, if both are listed: all in this step, so that no change comes in between. If
    /// that does not fit into a call, or either keeps no lists, nobody knows all that both made, and the lists go. Whether that is
    /// done; if not, the budget is.
    fn join_live(&mut self, (dev, line): (DevId, Line), only: DevId) -> Result<bool> {
        if !self.state.livelists || planted(Fault::DissolvesWithoutJoining) {
            return Ok(true);
        }
        let (record, below) = self.state.kin(only, self.pages)?;
        if line.listed && below.listed {
            let moves = self.on_lists([below.live(true), below.live(false)])?;
            if (moves.len() as u64) < self.budget {
                self.budget -= moves.len() as u64;
                for held in moves {
                    self.state.table.remove_held(below.live(held.node), held, self.pages)?;
                    self.state.table.put_held(line.live(held.node), held, self.pages)?;
                }
                return Ok(true);
            }
            if (moves.len() as u64) < self.whole {
                self.budget = 0; // the next call has room for them
                return Ok(false);
            }
        }
        if line.listed || below.listed {
            // First of all: from now on nobody looks for anything on a list that is going.
            self.state.put(only, record, Line { listed: false, ..below }, self.pages)?;
            let (above, _) = self.state.kin(dev, self.pages)?;
            self.state.put(dev, above, Line { listed: false, ..line }, self.pages)?;
        }
        for list in [below, line].into_iter().flat_map(|line| [line.live(true), line.live(false)]) {
            while let Some(held) = self.state.table.next_held(list, 0, self.pages)? {
                if self.budget == 0 {
                    return Ok(false);
                }
                self.budget -= 1;
                self.state.table.remove_held(list, held, self.pages)?;
            }
        }
        Ok(true)
    }

    /// What is on the lists, as far as a call could deal with it.
    fn on_lists(&self, lists: [List; 2]) -> Result<Vec<Held>> {
        let mut found = Vec::new();
        for list in lists {
            let mut after = 0;
            while let Some(held) = self.state.table.next_held(list, after, self.pages)? {
                if found.len() as u64 >= self.whole {
                    break;
                }
                after = held.word();
                found.push(held);
            }
        }
        Ok(found)
    }

    /// Several are left below the hidden `dev`: what none of them holds is on the lists of all.
    fn compare(&mut self, dev: DevId, record: Record, line: Line) -> Result<()> {
        let holder = Holder::new(&self.state, dev, line, self.pages)?;
        let below = self.state.below(dev, self.pages)?;
        let lines: Vec<Line> = below.into_iter().map(|(_, line)| line).collect();
        let mut line = line;
        if !lines.iter().any(|below| below.list == line.scan >> 1) {
            (line.scan, line.birth_or_cursor) = (lines[0].list << 1, 0);
        }
        while self.budget > 0 {
            self.budget -= 1;
            let list = List::of(line.scan >> 1, line.scan & 1 == 1).expect("the list of one below");
            match self.state.table.next_held(list, line.birth_or_cursor, self.pages)? {
                Some(held) => {
                    line.birth_or_cursor = held.word();
                    if all_dead(&self.state, &lines, held, self.pages)? {
                        forget_dead(&self.state, &lines, held, self.pages)?;
                        let_go(&self.state, &holder, held, self.pages, self.freed)?;
                    }
                }
                None if line.scan & 1 == 0 => (line.scan, line.birth_or_cursor) = (line.scan | 1, 0),
                None => {
                    (line.scan, line.birth_or_cursor) = (0, 0);
                    settle(&self.state, dev, self.pages)?;
                    break;
                }
            }
        }
        self.state.put(dev, record, line, self.pages)
    }

    /// What a version that left the lineage owned, then its lists.
    fn zombie(&mut self, dev: DevId, mut record: Record) -> Result<()> {
        let corrupt = || Error::Corrupt { what: "record of a deleted version", place: Place::Version(dev) };
        let floor = u32::try_from(record.own[ZOMBIE_FLOOR]).map_err(|_| corrupt())?;
        let root = root_slot(&record, record.own[ZOMBIE_BIRTH]);
        if root.tag() > floor
            && let Some(page) = root.pointer()
        {
            let at = self.state.tree(&record).root_position();
            if !self.node(at, PageNo(page), floor)? {
                return Ok(());
            }
        }
        record.root = None;
        for node in [true, false] {
            let list = List::of(record.own[ZOMBIE_LIST], node).ok_or_else(corrupt)?;
            while let Some(held) = self.own(&record, list)? {
                if self.budget == 0 {
                    return self.state.zombies.put(dev, &record, self.pages);
                }
                self.budget -= 1;
                self.state.table.remove_held(list.live(), held, self.pages)?;
                free(held, self.pages, self.freed)?;
            }
            while let Some(held) = self.state.table.next_held(list, 0, self.pages)? {
                if self.budget == 0 {
                    return self.state.zombies.put(dev, &record, self.pages);
                }
                self.budget -= 1;
                self.state.table.remove_held(list, held, self.pages)?;
            }
        }
        if self.budget == 0 {
            return self.state.zombies.put(dev, &record, self.pages);
        }
        self.budget -= 1;
        self.state.zombies.remove(dev, self.pages)?;
        self.state.remove_job(self.pages)
    }

    /// Something that a deleted version made, if it has lists that tell.
    fn own(&self, record: &Record, list: List) -> Result<Option<Held>> {
        let is_listed = record.own[ZOMBIE_LISTED] != 0;
        if is_listed { self.state.table.next_held(list.live(), 0, self.pages) } else { Ok(None) }
    }

    /// Let go what a node holds of its version's own, then the node. Whether it is gone; if not, the budget is.
    fn node(&mut self, at: Position, page: PageNo, floor: u32) -> Result<bool> {
        let fanout = self.state.shape.fanout();
        let node = Node::read(self.pages, page, self.state.shape, at)?;
        let slots: Vec<Slot> = node.slots(0, fanout - 1).collect();
        drop(node);
        let (mut handled, mut ahead) = (0, Ahead::default());
        for (index, slot) in (0..).zip(&slots) {
            if let Some(group) = ahead.group(at, index) {
                prefetch(group, &slots, floor, self.pages);
            }
            if !self.slot(at, index, *slot, floor)? {
                break;
            }
            handled += 1;
        }
        if handled == slots.len() && self.budget > 0 {
            self.budget -= 1;
            self.pages.free(page, PageKind::TREE)?;
            return Ok(true);
        }
        if slots[..handled].iter().any(|slot| !slot.is_empty()) {
            let bytes = self.pages.edit(page, PageKind::TREE)?;
            (0..handled as u64).for_each(|index| set_slot(bytes, index, Slot::EMPTY));
        }
        Ok(false)
    }

    /// Whether the slot is done with.
    fn slot(&mut self, at: Position, index: u64, slot: Slot, floor: u32) -> Result<bool> {
        let Some(number) = slot.pointer().filter(|_| slot.tag() > floor) else { return Ok(true) };
        if self.budget == 0 {
            return Ok(false);
        }
        if at.level > 0 {
            return self.node(child(self.state.shape, at, index), PageNo(number), floor);
        }
        self.budget -= 1;
        self.freed.push(Extent { start: Pba(number), blocks: 1 });
        Ok(true)
    }
}
