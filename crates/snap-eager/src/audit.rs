//! Looking at everything: usage, what is owned, and whether counts and flags are those that the roots imply.
//!
//! Invariant: changes nothing. A table that several versions have is walked for each of them, since each is counted.

use crate::state::{CURSOR, State, is_copied};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use spinney_core::{DevId, Error, Extent, Finding, Flow, PageNo, PageRead, Pba, Place, Result};
use spinney_snap::Usage;
use spinney_snap_tree::tree::child;
use spinney_snap_tree::{Node, NumberRuns, Position, Record, Slot};

/// Space of one version: what it maps and nobody else.
pub(crate) fn usage(state: &State, dev: DevId, pages: &dyn PageRead) -> Result<Usage> {
    let record = state.catalogue.get(dev, pages)?;
    let (mut exclusive_blocks, mut counts) = (0, state.blocks.reader(pages));
    visit(state, &record, 0, pages, &mut |met| {
        if let Met::Block(slot, on) = met {
            exclusive_blocks += u64::from(is_copied(slot) || counts.extra(on)? == 0);
        }
        Ok(())
    })?;
    let referenced_blocks = record.referenced_blocks;
    let shared_blocks = referenced_blocks.saturating_sub(exclusive_blocks);
    Ok(Usage { referenced_blocks, exclusive_blocks, shared_blocks })
}

/// What a walk of a version meets.
enum Met {
    /// A node above the tables.
    First(PageNo),
    /// A table, and the slot that points at it.
    Table(Slot, PageNo),
    /// A block, and the slot that points at it.
    Block(Slot, u64),
}

/// Everything that a version owns; of its first table the blocks from `cursor` on.
fn visit(
    state: &State,
    record: &Record,
    cursor: u64,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(Met) -> Result<()>,
) -> Result<()> {
    // The root's slot is in no node, and says nothing.
    Visit { state, cursor, pages, each }
        .node(state.tree(record).root_position(), state.tree(record).root_slot())
}

struct Visit<'a> {
    state: &'a State,
    cursor: u64,
    pages: &'a dyn PageRead,
    each: &'a mut dyn FnMut(Met) -> Result<()>,
}

impl Visit<'_> {
    fn node(&mut self, at: Position, slot: Slot) -> Result<()> {
        let Some(page) = slot.pointer().map(PageNo) else { return Ok(()) };
        let node = Node::read(self.pages, page, self.state.shape, at)?;
        let low = if at.level == 0 { core::mem::take(&mut self.cursor) } else { 0 };
        (self.each)(if at.level == 0 { Met::Table(slot, page) } else { Met::First(page) })?;
        let slots =
            (0..).zip(node.slots(0, self.state.shape.fanout() - 1)).skip_while(|(index, _)| *index < low);
        for (index, slot) in slots {
            match slot.pointer() {
                Some(on) if at.level == 0 => (self.each)(Met::Block(slot, on))?,
                _ if at.level == 0 => {}
                _ => self.node(child(self.state.shape, at, index), slot)?,
            }
        }
        Ok(())
    }
}

/// Every root: live versions, then what is still to be counted down, with its cursor.
fn visit_roots(
    state: &State,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(DevId, &Record, bool, u64) -> Result<()>,
) -> Result<()> {
    state.catalogue.visit(pages, &mut |dev, record| {
        each(dev, &record, true, 0)?;
        Ok(Flow::Continue)
    })?;
    state.zombies.visit(pages, &mut |dev, record| {
        each(dev, &record, false, record.own[CURSOR])?;
        Ok(Flow::Continue)
    })
}

/// Every data block that something owns, once.
pub(crate) fn visit_blocks(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
    let (mut shared, mut counts) = (BTreeSet::new(), state.blocks.reader(pages));
    visit_roots(state, pages, &mut |_, record, _, cursor| {
        let mut runs = NumberRuns::new(|first, blocks| {
            each(Extent { start: Pba(first), blocks });
            Ok(())
        });
        visit(state, record, cursor, pages, &mut |met| match met {
            Met::Block(_, on) if counts.extra(on)? == 0 || shared.insert(on) => runs.push(on),
            _ => Ok(()),
        })?;
        runs.finish()
    })
}

/// Every page, once.
pub(crate) fn visit_pages(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
    each(state.anchor.0);
    state.catalogue.visit_pages(pages, each)?;
    state.zombies.visit_pages(pages, each)?;
    state.tables.visit_pages(pages, each)?;
    state.blocks.visit_pages(pages, each)?;
    let mut tables = BTreeSet::new();
    visit_roots(state, pages, &mut |_, record, _, _| {
        visit(state, record, 0, pages, &mut |met| {
            match met {
                Met::First(page) => each(page),
                Met::Table(_, page) if tables.insert(page) => each(page),
                _ => {}
            }
            Ok(())
        })
    })
}

/// Counts, flags, sizes and ends.
pub(crate) fn check(state: &State, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
    let (mut tables, mut blocks, mut firsts) = (Vec::new(), Vec::new(), BTreeSet::new());
    let (mut flagged, mut jobs) = ([Vec::new(), Vec::new()], 0);
    let next = state.next_dev(pages)?;
    if !state.catalogue.holds(next) {
        found(Finding { rule: "the next id can be issued", place: Place::Page(state.anchor.0) });
    }
    visit_roots(state, pages, &mut |dev, record, live, cursor| {
        let mut mapped = 0;
        visit(state, record, cursor, pages, &mut |met| {
            match met {
                // Whoever walks a shared first level walks all below it for each of its owners.
                Met::First(page) if !firsts.insert(page) => {
                    return Err(Error::corrupt_page("a first level of two versions", page));
                }
                Met::First(_) => {}
                Met::Table(slot, page) => {
                    tables.push(page.0);
                    flagged[0].extend(is_copied(slot).then_some(page.0));
                }
                Met::Block(slot, on) => {
                    mapped += 1;
                    blocks.push(on);
                    flagged[1].extend(is_copied(slot).then_some(on));
                }
            }
            Ok(())
        })?;
        let mut report = |rule| found(Finding { rule, place: Place::Version(dev) });
        if live && mapped != record.referenced_blocks {
            report("a version's count of mapped blocks is that of its tables");
        }
        if dev >= next {
            report("an id is below the next one");
        }
        if cursor > state.shape.fanout() {
            report("a cursor is inside a table");
        }
        jobs += u64::from(!live);
        state
            .tree(record)
            .visit_past_end(pages, &mut || report("nothing is mapped past the end of a version"))
    })?;
    if jobs != state.jobs(pages)? {
        found(Finding { rule: "the number of jobs is that of the deleted versions", place: Place::Pool });
    }
    flags(state, flagged, pages, found)?;
    state.tables.compare(tables, |at| Place::Page(PageNo(at)), pages, found)?;
    state.blocks.compare(blocks, |at| Place::Block(Pba(at)), pages, found)
}

/// What a flag says to have one owner has one.
fn flags(
    state: &State,
    [tables, blocks]: [Vec<u64>; 2],
    pages: &dyn PageRead,
    found: &mut dyn FnMut(Finding),
) -> Result<()> {
    let rule = "a slot says that what it points at has one owner only if it has";
    for page in tables {
        if state.tables.extra(page, pages)? > 0 {
            found(Finding { rule, place: Place::Page(PageNo(page)) });
        }
    }
    let mut counts = state.blocks.reader(pages);
    for on in blocks {
        if counts.extra(on)? > 0 {
            found(Finding { rule, place: Place::Block(Pba(on)) });
        }
    }
    Ok(())
}
