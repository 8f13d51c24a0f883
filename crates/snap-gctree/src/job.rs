//! Background work: what becomes of deleted versions, in steps as small as asked for.
//!
//! Invariant: the queue's first is the only version that is half done, and every step leaves all others valid. A version
//! from which several children borrow one thing becomes a hidden anchor; any other goes, and its children move to its
//! parent.

use crate::counted::Release;
use crate::fault::{self, Fault};
use crate::lineage::{self, adopt, orphan};
use crate::member::{Member, Stage};
use crate::ownership::Ownership;
use crate::ownership::{COUNTED, is_borrowed};
use crate::sharing::Sharing;
use crate::state::{Encoding, State};
use crate::walk::{Beside, End, Purpose, Walk};
use spinney_core::{DevId, Error, PageTxn, Place, Result};
use spinney_snap::{Freed, Progress};
use spinney_snap_tree::{Position, Slot};

/// Do at most `budget` slots of work.
pub(crate) fn tend(
    state: &State,
    budget: u64,
    pages: &mut dyn PageTxn,
    sharing: &mut Sharing,
    freed: &mut Freed,
) -> Result<Progress> {
    let mut left = budget;
    while left > 0 {
        let Some(dev) = next(state, pages)? else { break };
        let member = state.member(dev, pages)?;
        let mut job = Job { state: *state, dev, member, budget: &mut left, pages, sharing, freed };
        job.step()?;
    }
    Ok(Progress { done: budget - left, left: state.left(pages)? })
}

/// The version to work on.
fn next(state: &State, pages: &mut dyn PageTxn) -> Result<Option<DevId>> {
    let first = state.first_job(pages)?;
    #[cfg(test)]
    if let Some(first) = first {
        return crate::planted::unguarded(state, first, pages).map(Some);
    }
    Ok(first)
}

struct Job<'a> {
    state: State,
    dev: DevId,
    member: Member,
    budget: &'a mut u64,
    pages: &'a mut dyn PageTxn,
    sharing: &'a mut Sharing,
    freed: &'a mut Freed,
}

impl Job<'_> {
    /// Work until the stage or the budget is through; at least one unit of it is used.
    fn step(&mut self) -> Result<()> {
        let before = *self.budget;
        match self.member.stage {
            Stage::Waiting => self.begin()?,
            Stage::Scan => self.pass(Purpose::Scan)?,
            Stage::Dissolve if self.state.encoding == Encoding::Counted => self.release()?,
            Stage::Dissolve => self.pass(Purpose::Dissolve)?,
            Stage::Trim => self.pass(Purpose::Trim)?,
            Stage::HandOver => return self.hand_over(),
            Stage::Head | Stage::Snapshot | Stage::Anchor => {
                let place = Place::Version(self.dev);
                return Err(Error::Corrupt { what: "version in the queue", place });
            }
        }
        if *self.budget == before {
            *self.budget -= 1;
        }
        let left = self.member.left.saturating_sub(before - *self.budget).max(1);
        if self.member.stage != Stage::Anchor {
            self.state.set_left(&mut self.member, left, self.pages)?;
        }
        self.state.put(self.dev, &self.member, self.pages)
    }

    /// With one child or none nothing has to be kept; else look.
    fn begin(&mut self) -> Result<()> {
        let first = match self.member.first_child {
            Some(child) => self.state.member(child, self.pages)?.next,
            None => None,
        };
        let heirless = fault::is(Fault::HeirAbove)
            || fault::is(Fault::HeirAndGrandparent)
            || fault::is(Fault::EveryBorrower);
        let single = first.is_none() || heirless || self.state.encoding == Encoding::Counted;
        self.enter(if single { Stage::Dissolve } else { Stage::Scan });
        Ok(())
    }

    fn enter(&mut self, stage: Stage) {
        self.member.stage = stage;
        self.member.cursor = 0;
        if stage == Stage::Trim {
            (self.member.dropped_blocks, self.member.gave_up) = (0, false);
            self.member.owned_blocks = 0; // counted anew on the way
        }
    }

    /// The children's roots; for a trim also those behind hidden children.
    fn beside(&self, purpose: Purpose) -> Result<Vec<Beside>> {
        self.roots_of(self.dev, &self.member, purpose)
    }

    fn roots_of(&self, dev: DevId, member: &Member, purpose: Purpose) -> Result<Vec<Beside>> {
        let mut beside = Vec::new();
        for (child, other) in lineage::children(&self.state, dev, member, self.pages)? {
            let looked_through =
                purpose == Purpose::Trim && !other.stage.is_live() && other.first_child.is_some();
            if looked_through && other.frozen <= member.frozen {
                // Each version was frozen before those below it, so no walk downward can go in a circle.
                let what = "a version that was frozen before it was made";
                return Err(Error::Corrupt { what, place: Place::Version(child) });
            }
            let behind = if looked_through { self.roots_of(child, &other, purpose)? } else { Vec::new() };
            beside.push(Beside { child, page: None, index: 0, slot: other.root, behind });
        }
        Ok(beside)
    }

    /// With counts nothing has to be kept: pass everything on.
    fn release(&mut self) -> Result<()> {
        let beside = self.beside(Purpose::Dissolve)?;
        let root_at = self.state.tree(&self.member).root_position();
        let above = Position { level: root_at.level + 1, first: 0 };
        let root = self.member.root;
        let mut release = Release {
            state: self.state,
            budget: self.budget,
            pages: self.pages,
            sharing: self.sharing,
            freed: self.freed,
            roots: Vec::new(),
        };
        let through = is_borrowed(root) || release.slot(above, 0, root, &beside)?;
        let roots = release.roots;
        for (child, together) in roots {
            let tag = if together { COUNTED } else { 0 };
            self.state.update(child, self.pages, |child| child.root = child.root.tagged(tag))?;
        }
        if through {
            if !is_borrowed(root) {
                self.member.root = Slot::EMPTY;
            }
            self.enter(Stage::HandOver);
            self.member.cursor = u64::MAX;
        }
        Ok(())
    }

    fn pass(&mut self, purpose: Purpose) -> Result<()> {
        let beside = self.beside(purpose)?;
        let ownership = Ownership::of(&self.state, &self.member, self.pages)?;
        let mut walk = Walk {
            state: self.state,
            purpose,
            ownership,
            cursor: self.member.cursor,
            budget: self.budget,
            pages: self.pages,
            freed: self.freed,
            freed_blocks: 0,
            moved: Vec::new(),
            roots: Vec::new(),
            kept_blocks: 0,
            gave_up: false,
        };
        let at = self.state.tree(&self.member).root_position();
        let (root, end) = walk.tree(at, self.member.root, &beside)?;
        let Walk { cursor, freed_blocks, moved, roots, kept_blocks, gave_up, .. } = walk;
        self.member.root = root;
        self.member.cursor = cursor;
        self.member.gave_up |= gave_up;
        self.member.owned_blocks = match purpose {
            Purpose::Trim => self.member.owned_blocks.wrapping_add_unsigned(kept_blocks),
            _ => self.member.owned_blocks.wrapping_sub_unsigned(freed_blocks),
        };
        for (child, blocks) in moved {
            self.book(child, blocks as i64)?;
            self.resolve(Some(child))?;
        }
        for child in roots {
            let encoding = self.state.encoding;
            self.state.update(child, self.pages, |child| child.root = encoding.owned(child.root))?;
        }
        match (end, purpose) {
            (End::Paused, _) => {}
            (End::MustKeep, _) => self.enter(Stage::Trim),
            (End::Through, Purpose::Scan) => self.enter(Stage::Dissolve),
            (End::Through, Purpose::Dissolve) => {
                self.enter(Stage::HandOver);
                self.member.cursor = u64::MAX;
            }
            (End::Through, Purpose::Trim) => self.anchored()?,
        }
        Ok(())
    }

    fn book(&mut self, child: DevId, blocks: i64) -> Result<()> {
        self.state.update(child, self.pages, |child| {
            child.owned_blocks = child.owned_blocks.wrapping_add(blocks);
        })
    }

    /// A trim is through.
    fn anchored(&mut self) -> Result<()> {
        self.state.dequeue(&mut self.member, self.pages)?;
        self.member.stage = Stage::Anchor;
        self.member.cursor = 0;
        let again = is_due(&self.state, &self.member).then_some(self.dev);
        let above = self.member.parent.filter(|_| self.member.gave_up);
        self.resolve(again)?;
        self.resolve(above)
    }

    /// The record is stored first and read again: the queue is linked in records, and this one may be its last.
    fn resolve(&mut self, dev: Option<DevId>) -> Result<()> {
        self.state.put(self.dev, &self.member, self.pages)?;
        resolve_anchor(&self.state, dev, self.pages)?;
        self.member = self.state.member(self.dev, self.pages)?;
        Ok(())
    }

    /// Move a child to the parent; without children, go.
    fn hand_over(&mut self) -> Result<()> {
        *self.budget -= 1;
        let Some(child) = self.member.first_child else { return self.go() };
        if self.member.owned_blocks != 0 {
            // Not on an anchor, which counts for itself: with too many it would be swept too late.
            if self.state.member(child, self.pages)?.stage != Stage::Anchor {
                self.book(child, self.member.owned_blocks)?;
            }
            self.member.owned_blocks = 0;
            self.state.put(self.dev, &self.member, self.pages)?;
        }
        let parent = self.member.parent;
        #[cfg(test)]
        let parent = crate::planted::other_parent(self.dev, child, parent);
        orphan(&self.state, child, self.pages)?;
        adopt(&self.state, child, parent, self.pages)?;
        resolve_anchor(&self.state, Some(child), self.pages)
    }

    fn go(&mut self) -> Result<()> {
        self.state.dequeue(&mut self.member, self.pages)?;
        orphan(&self.state, self.dev, self.pages)?;
        self.state.catalogue.remove(self.dev, self.pages)?;
        resolve_anchor(&self.state, self.member.parent, self.pages)
    }
}

/// R8: whether so much was dropped that the anchor is worth a visit.
pub(crate) fn is_due(state: &State, member: &Member) -> bool {
    let owned = member.owned_blocks.max(0).unsigned_abs();
    let limit = u128::from(owned) * u128::from(state.sweep_percent) / 100;
    member.dropped_blocks > 0 && u128::from(member.dropped_blocks) >= limit
}

/// R7: a child of the version went or needs less, or it owns more than before, part of which maybe nobody needs: if it is an anchor,
/// it is resolved again.
fn resolve_anchor(state: &State, dev: Option<DevId>, pages: &mut dyn PageTxn) -> Result<()> {
    let Some(dev) = dev else { return Ok(()) };
    if state.member(dev, pages)?.stage == Stage::Anchor { state.enqueue(dev, pages) } else { Ok(()) }
}

/// A head with this parent dropped blocks that it had borrowed.
pub(crate) fn dropped(
    state: &State,
    parent: Option<DevId>,
    blocks: u64,
    pages: &mut dyn PageTxn,
) -> Result<()> {
    let Some(mut dev) = parent else { return Ok(()) };
    let mut member = state.member(dev, pages)?;
    if let (true, Some(older)) = (member.stage.is_dissolving(), member.parent) {
        (dev, member) = (older, state.member(older, pages)?);
    }
    if member.stage.is_live() {
        return Ok(());
    }
    member.dropped_blocks = member.dropped_blocks.saturating_add(blocks);
    state.put(dev, &member, pages)?;
    if member.stage == Stage::Anchor && is_due(state, &member) { state.enqueue(dev, pages) } else { Ok(()) }
}
