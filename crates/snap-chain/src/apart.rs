//! Detaching by copying: a volume gets blocks of its own for what it sees of the layers behind it, and then leaves them.
//!
//! Invariant: nothing that a version maps changes but where it lies. The cursor of a layer on its way is behind all that it still sees of
//! others: its own layer only ever says more. The scheme sees no data, so it wishes for copies; who leaves early loses nothing. Knows not
//! whether a wish was fulfilled, but by looking again.

use crate::layer::{Sight, sight, sight_at};
use crate::lineage::{again, pend};
use crate::planted::{Fault, planted};
use crate::state::{Kin, State};
use alloc::vec::Vec;
use spinney_core::{DevId, Error, Extent, Flow, Lba, PageNo, PageRead, PageTxn, Pba, Result};
use spinney_snap::{Access, Relocation, Step, WritePlan};
use spinney_snap_tree::tree::child;
use spinney_snap_tree::{Node, Position, Shape, Slot, Tree};

/// The most that is copied as one: 1 MiB, so that it fits where a volume has room in pieces, and is read and written in one go.
const WISH_BLOCKS: u64 = 256;
/// A wish is for blocks that lie no farther apart: a volume asks for the pages of all between them.
const SPAN_BLOCKS: u64 = 16 * WISH_BLOCKS;
/// Slots that are looked at for one wish.
const LOOK_SLOTS: u64 = 1 << 16;

/// Begin. Errors: `NotFound`, `ReadOnly`.
pub(crate) fn begin(state: &State, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
    let mut kin = state.live(dev, pages)?;
    if kin.record.access == Access::ReadOnly {
        return Err(Error::ReadOnly(dev));
    }
    if kin.layer.back.is_none() || kin.layer.leaving {
        return Ok(());
    }
    (kin.layer.leaving, kin.layer.cursor) = (true, 0);
    kin.put(state, pages)?;
    state.table.put_leaving(dev, pages)?;
    state.add_job(pages)
}

/// It is done, or the version goes.
pub(crate) fn end(state: &State, dev: DevId, pages: &mut dyn PageTxn) -> Result<()> {
    if state.table.remove_leaving(dev, pages)? { state.remove_job(pages) } else { Ok(()) }
}

/// Move the cursor over what needs no copy, and leave the chain at the end. Looks at `budget` slots at most. Returns how many.
pub(crate) fn advance(state: &State, mut kin: Kin, budget: u64, pages: &mut dyn PageTxn) -> Result<u64> {
    let mut looked = 0;
    if kin.layer.back.is_some() {
        let before = kin.layer.cursor;
        (kin.layer.cursor, looked) = Walk::run(state, &kin, before, budget, pages, &mut |_, _| Flow::Stop)?;
        if kin.layer.cursor == before && before < kin.record.blocks {
            return Ok(0); // it waits for a copy: a look at its cursor is no work done
        }
        kin.put(state, pages)?;
        let is_early = kin.layer.cursor < kin.record.blocks && !planted(Fault::LeavesTooEarly);
        if is_early || looked >= budget {
            return Ok(looked);
        }
    }
    leave(state, kin, pages)?;
    Ok(looked + 1)
}

/// Nothing of the layers behind is seen any more.
fn leave(state: &State, mut kin: Kin, pages: &mut dyn PageTxn) -> Result<()> {
    end(state, kin.dev, pages)?;
    let back = state.back(&kin, pages)?;
    kin.layer.leaving = false;
    if back.is_some() {
        (kin.layer.back, kin.layer.cursor) = (None, 0);
    }
    kin.put(state, pages)?;
    let Some(back) = back else { return Ok(()) };
    state.table.remove_front(back.dev, kin.dev, pages)?;
    if kin.layer.marked {
        pend(state, kin.dev, pages)?; // with nothing behind them, marks say nothing
    }
    again(state, back, pages)
}

/// How far wishes came. In memory only: after a crash they begin at the cursor again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes {
    dev: DevId,
    from: u64,
    /// So many blocks are wished for at once: half as many after a wish that found no room.
    blocks: u64,
    /// The first block of the last wish, and its blocks.
    last: Option<(DevId, Lba, u64)>,
}

impl Default for Wishes {
    fn default() -> Wishes {
        Wishes { dev: DevId(0), from: 0, blocks: WISH_BLOCKS, last: None }
    }
}

impl Wishes {
    /// The next copy of a run that a version on its way out sees of others; none ends a round, and the next begins anew.
    pub(crate) fn next(&mut self, state: &State, pages: &dyn PageRead) -> Result<Option<Relocation>> {
        self.learn(state, pages)?;
        while let Some(dev) = state.table.next_leaving(self.dev, pages)? {
            let kin = state.kin(dev, pages)?;
            let from = if dev == self.dev { self.from } else { 0 }.max(kin.layer.cursor);
            self.dev = dev;
            let (plan, place) = self.plan(state, &kin, from, pages)?;
            self.from = place;
            if let Some(Step::Relocate { at, .. }) = plan.0.first() {
                self.last = Some((dev, *at, plan.blocks_bound()));
                return Ok(Some(Relocation { dev, plan, to: None }));
            }
            if place < kin.record.blocks {
                return Ok(None); // looked far enough for now
            }
            self.dev = DevId(dev.0.saturating_add(1));
        }
        (self.dev, self.from) = (DevId(0), 0);
        Ok(None)
    }

    /// Whether the last wish was fulfilled tells how much to wish for. Half of one that was not is wished for at once.
    fn learn(&mut self, state: &State, pages: &dyn PageRead) -> Result<()> {
        let Some((dev, at, blocks)) = self.last.take() else { return Ok(()) };
        let Some(record) = state.catalogue.find(dev, pages)?.filter(|record| at.0 < record.blocks) else {
            return Ok(());
        };
        if sight_at(&state.tree(&Kin::of(dev, record)?), 0, at.0, pages)? != Sight::Through {
            self.blocks = (self.blocks * 2).min(WISH_BLOCKS);
        } else if blocks > 1 {
            (self.blocks, self.dev, self.from) = (blocks / 2, dev, at.0);
        }
        Ok(())
    }

    fn plan(&self, state: &State, kin: &Kin, from: u64, pages: &dyn PageRead) -> Result<(WritePlan, u64)> {
        let (mut runs, mut blocks) = (Vec::<(Lba, Extent)>::new(), 0);
        let (place, _) = Walk::run(state, kin, from, LOOK_SLOTS, pages, &mut |at, on| {
            if blocks == self.blocks || runs.first().is_some_and(|(first, _)| at.0 - first.0 >= SPAN_BLOCKS) {
                return Flow::Stop;
            }
            blocks += 1;
            match runs.last_mut() {
                Some((start, run)) if start.0 + run.blocks == at.0 && run.end() == on => run.blocks += 1,
                _ => runs.push((at, Extent { start: on, blocks: 1 })),
            }
            Flow::Continue
        })?;
        Ok((WritePlan(runs.into_iter().map(|(at, from)| Step::Relocate { at, from }).collect()), place))
    }
}

/// What a version sees of the layers behind its own, from some block on.
struct Walk<'a> {
    shape: Shape,
    from: u64,
    blocks: u64,
    budget: u64,
    pages: &'a dyn PageRead,
    each: &'a mut dyn FnMut(Lba, Pba) -> Flow,
}

impl Walk<'_> {
    /// Calls `each` with every block that is seen of others, in order, until that says stop or so many slots were looked at. Returns the
    /// first block that was not dealt with (the end, if all were), and the slots.
    fn run(
        state: &State,
        kin: &Kin,
        from: u64,
        budget: u64,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(Lba, Pba) -> Flow,
    ) -> Result<(u64, u64)> {
        let chain: Vec<Tree> = state.chain(kin, pages)?;
        let slots: Vec<Slot> = chain.iter().map(Tree::root_slot).collect();
        let blocks = kin.record.blocks;
        let mut walk = Walk { shape: state.shape, from, blocks, budget, pages, each };
        let place = walk.node(chain[0].root_position(), &slots)?.unwrap_or(blocks);
        Ok((place, budget - walk.budget))
    }

    /// `slots`: what each layer has here, the version's own first. Where it stopped, if it did.
    fn node(&mut self, at: Position, slots: &[Slot]) -> Result<Option<u64>> {
        let end = at.first.saturating_add(self.shape.node_span(at.level)).min(self.blocks);
        if end <= self.from || nothing_behind(slots) {
            return Ok(None);
        }
        let nodes = slots.iter().map(|slot| match sight(*slot) {
            Sight::On(page) => Node::read(self.pages, PageNo(page), self.shape, at).map(Some),
            Sight::Through | Sight::Zero => Ok(None),
        });
        let nodes = nodes.collect::<Result<Vec<_>>>()?;
        let first = self.from.max(at.first);
        let low = (first - at.first) / self.shape.slot_span(at.level);
        for index in low..self.shape.fanout() {
            let place = self.shape.slot_first(at.level, at.first, index).max(first);
            if place >= end {
                break;
            }
            let below: Vec<Slot> = slots
                .iter()
                .zip(&nodes)
                .map(|(slot, node)| node.as_ref().map_or(*slot, |node| node.slot(index)))
                .collect();
            if nothing_behind(&below) {
                continue;
            }
            if self.budget == 0 {
                return Ok(Some(place));
            }
            if at.level > 0 {
                if let Some(place) = self.node(child(self.shape, at, index), &below)? {
                    return Ok(Some(place));
                }
                continue;
            }
            self.budget -= 1;
            let seen = below.iter().map(|slot| sight(*slot)).find(|seen| *seen != Sight::Through);
            if let Some(Sight::On(block)) = seen.filter(|_| sight(below[0]) == Sight::Through)
                && (self.each)(Lba(place), Pba(block)) == Flow::Stop
            {
                return Ok(Some(place));
            }
        }
        self.budget = self.budget.saturating_sub(1);
        Ok(None)
    }
}

/// Whether it is plain that the version sees nothing of others under these slots.
fn nothing_behind(slots: &[Slot]) -> bool {
    let mut behind = slots[1..].iter().map(|slot| sight(*slot)).filter(|seen| *seen != Sight::Through);
    sight(slots[0]) == Sight::Zero || !matches!(behind.next(), Some(Sight::On(_)))
}
