//! What a version maps: of each logical block what the nearest node says that is its own or above it.
//!
//! Invariant: a scan passes all keys of its range, those of other versions too. Changes nothing.

use crate::keys::{Group, Key, Said};
use crate::state::{Head, State};
use alloc::collections::VecDeque;
use spinney_core::{Flow, Lba, LbaRange, PageRead, Pba, Result};
use spinney_snap::{Delta, Run, WritePlan};
use spinney_snap_tree::plan::Steps;
use spinney_snap_tree::{Deltas, Runs};

/// The range's runs in order, holes included. Errors: `Corrupt`, `OutOfRange`.
pub(crate) fn lookup(
    state: &State,
    head: &Head,
    range: LbaRange,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(Run),
) -> Result<()> {
    head.contains(range)?;
    if range.blocks == 1 {
        each(Run { at: range.start, blocks: 1, on: one(state, head, range.start, pages)?.map(Pba) });
        return Ok(());
    }
    let (mut runs, mut next) = (Runs::new(each), range.start.0);
    visit(state, head, range, pages, &mut |lba, said| {
        if let Some(on) = said.on {
            if lba > next {
                runs.push(Lba(next), lba - next, None);
            }
            runs.push(Lba(lba), 1, Some(Pba(on)));
            next = lba + 1;
        }
        Flow::Continue
    })?;
    if next < range.end().0 {
        runs.push(Lba(next), range.end().0 - next, None);
    }
    runs.finish();
    Ok(())
}

/// Where one block is: keys are read from its own node backwards, until one is above it.
pub(crate) fn one(state: &State, head: &Head, at: Lba, pages: &dyn PageRead) -> Result<Option<u64>> {
    let (key, mut found) = (Key { inode: head.inode, lba: at.0, node: head.node }, None);
    let nodes = state.nodes.reader(pages);
    state.keys.visit_down(key, pages, &mut |said| {
        if !nodes.is_above(said.node, head.node)? {
            return Ok(Flow::Continue);
        }
        found = said.on;
        Ok(Flow::Stop)
    })?;
    Ok(found)
}

/// Everything that the version sees in the range, whiteouts too, until told to stop.
fn visit(
    state: &State,
    head: &Head,
    range: LbaRange,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(u64, Said) -> Flow,
) -> Result<()> {
    let nodes = state.nodes.reader(pages);
    state.keys.visit(head.inode, range, pages, &mut |lba, group| {
        Ok(nodes.seen_by(head.node, group)?.map_or(Flow::Continue, |said| each(lba, said)))
    })
}

/// Where a write goes: in place, if that is wanted, where the version's own node says it, for then nobody else sees it.
pub(crate) fn plan(
    state: &State,
    head: &Head,
    range: LbaRange,
    in_place: bool,
    pages: &dyn PageRead,
    plan: &mut WritePlan,
) -> Result<()> {
    if range.blocks == 0 {
        return Ok(());
    }
    let near = match range.start.0.checked_sub(1) {
        Some(before) => one(state, head, Lba(before), pages)?.map(|on| Pba(on + 1)),
        None => None,
    };
    let (mut steps, mut next) = (Steps { near, plan }, range.start.0);
    let own = |group: &Group| group.of(head.node).and_then(|own| own.on);
    if in_place {
        state.keys.visit(head.inode, range, pages, &mut |lba, group| {
            if let Some(on) = own(group) {
                if lba > next {
                    steps.place(Lba(next), lba - next, None);
                }
                steps.overwrite(Lba(lba), Pba(on));
                next = lba + 1;
            }
            Ok(Flow::Continue)
        })?;
    }
    if next < range.end().0 {
        steps.place(Lba(next), range.end().0 - next, None);
    }
    Ok(())
}

/// Where two versions differ: both are read. Errors: `Corrupt`, `OutOfRange` (past the end of both).
pub(crate) fn diff(
    state: &State,
    [old, new]: [&Head; 2],
    range: LbaRange,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(Delta),
) -> Result<()> {
    let larger = if old.record.blocks > new.record.blocks { old } else { new };
    larger.contains(range)?;
    let mut deltas = Deltas::new(each);
    let mut sides = [old, new].map(|head| Reader { state, head, pages, left: range, ready: VecDeque::new() });
    loop {
        let [old, new] = [sides[0].peek()?, sides[1].peek()?];
        let Some(at) = old.into_iter().chain(new).map(|(lba, _)| lba).min() else { break };
        let mut on = [None; 2];
        for (side, on) in sides.iter_mut().zip(&mut on) {
            if side.ready.front().is_some_and(|(lba, _)| *lba == at) {
                *on = side.ready.pop_front().map(|(_, on)| Pba(on));
            }
        }
        deltas.push(Lba(at), on[0], on[1]);
    }
    deltas.finish();
    Ok(())
}

/// Mapped blocks read at a time: bounds the memory.
const READ_BLOCKS: usize = 1024;

/// Reads what a version maps, in order.
struct Reader<'a> {
    state: &'a State,
    head: &'a Head,
    pages: &'a dyn PageRead,
    left: LbaRange,
    ready: VecDeque<(u64, u64)>,
}

impl Reader<'_> {
    fn peek(&mut self) -> Result<Option<(u64, u64)>> {
        if self.ready.is_empty() && self.left.blocks > 0 {
            let (left, ready) = (self.left, &mut self.ready);
            self.left = LbaRange { start: left.end(), blocks: 0 };
            visit(self.state, self.head, left, self.pages, &mut |lba, said| {
                ready.extend(said.on.map(|on| (lba, on)));
                if ready.len() < READ_BLOCKS {
                    return Flow::Continue;
                }
                self.left = LbaRange { start: Lba(lba + 1), blocks: left.end().0 - lba - 1 };
                Flow::Stop
            })?;
        }
        Ok(self.ready.front().copied())
    }
}
