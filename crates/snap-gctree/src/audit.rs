//! Looking at everything: what is owned, and whether ownership, lineage, queue and sums are what the roots imply.
//!
//! Invariant: changes nothing. The checker rebuilds who borrows what by comparing each version with its parent, pointer by
//! pointer (I1 to I5 of section 2.6 of the notes), and holds the stored tags against that.

use crate::lineage::{self, children};
use crate::member::{Member, Stage};
use crate::ownership::{Ownership, is_borrowed, is_counted, node_end, slot_end};
use crate::state::{Encoding, State};
use spinney_core::{DevId, Extent, Finding, Flow, PageNo, PageRead, Pba, Place, Result};
use spinney_snap_tree::tree::child;
use spinney_snap_tree::{Node, NumberRuns, Position, Slot};
use std::collections::{BTreeMap, BTreeSet};

/// Every version, hidden ones included.
fn members(state: &State, pages: &dyn PageRead) -> Result<BTreeMap<DevId, Member>> {
    let mut all = BTreeMap::new();
    state.catalogue.visit(pages, &mut |dev, record| {
        all.insert(dev, Member::decode(dev, &record)?);
        Ok(Flow::Continue)
    })?;
    Ok(all)
}

/// The nodes that a version owns, and the slots of its leaves that it owns.
struct Owned<'a> {
    state: &'a State,
    pages: &'a dyn PageRead,
    ownership: Ownership,
    /// Nodes and blocks that may have several owners and were met (`gct-c`).
    met: &'a mut [BTreeSet<u64>; 2],
    node: &'a mut dyn FnMut(PageNo),
    blocks: &'a mut dyn FnMut(Extent),
}

/// Whether what this slot owns was not met in another slot that owns it too.
fn is_first(state: &State, slot: Slot, met: &mut BTreeSet<u64>) -> bool {
    state.encoding != Encoding::Counted
        || !is_counted(slot)
        || slot.pointer().is_some_and(|at| met.insert(at))
}

impl Owned<'_> {
    fn visit(&mut self, at: Position, slot: Slot) -> Result<()> {
        let shape = self.state.shape;
        let Some(page) = slot.pointer().filter(|_| self.ownership.owns(slot, node_end(shape, at))) else {
            return Ok(());
        };
        if !is_first(self.state, slot, &mut self.met[0]) {
            return Ok(());
        }
        (self.node)(PageNo(page));
        let node = Node::read(self.pages, PageNo(page), shape, at)?;
        let mut runs = NumberRuns::new(|first, blocks| {
            (self.blocks)(Extent { start: Pba(first), blocks });
            Ok(())
        });
        for (index, slot) in (0..).zip(node.slots(0, shape.fanout() - 1)) {
            match slot.pointer() {
                Some(on)
                    if at.level == 0
                        && self.ownership.owns(slot, slot_end(shape, at, index))
                        && is_first(self.state, slot, &mut self.met[1]) =>
                {
                    runs.push(on)?;
                }
                _ => {}
            }
        }
        runs.finish()?;
        if at.level > 0 {
            for (index, slot) in (0..).zip(node.slots(0, shape.fanout() - 1)) {
                self.visit(child(shape, at, index), slot)?;
            }
        }
        Ok(())
    }
}

fn visit_owned(
    state: &State,
    pages: &dyn PageRead,
    node: &mut dyn FnMut(PageNo),
    blocks: &mut dyn FnMut(Extent),
) -> Result<()> {
    let mut met = Default::default();
    for member in members(state, pages)?.values() {
        let ownership = Ownership::of(state, member, pages)?;
        let mut owned = Owned { state, pages, ownership, met: &mut met, node, blocks };
        owned.visit(state.tree(member).root_position(), member.root)?;
    }
    Ok(())
}

/// Every data block that something owns, once.
pub(crate) fn visit_blocks(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
    visit_owned(state, pages, &mut |_| (), each)
}

/// Every page, once.
pub(crate) fn visit_pages(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
    each(state.anchor.0);
    state.catalogue.visit_pages(pages, each)?;
    state.nodes.visit_pages(pages, each)?;
    state.blocks.visit_pages(pages, each)?;
    visit_owned(state, pages, each, &mut |_| ())
}

/// Who reports what is wrong, and where.
struct Report<'a>(&'a mut dyn FnMut(Finding));

impl Report<'_> {
    fn unless(&mut self, holds: bool, rule: &'static str, place: Place) {
        if !holds {
            (self.0)(Finding { rule, place });
        }
    }
}

/// All rules.
pub(crate) fn check(state: &State, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
    let mut report = Report(found);
    let all = members(state, pages)?;
    check_anchor(state, &all, pages, &mut report)?;
    check_lineage(state, &all, pages, &mut report)?;
    check_queue(state, &all, pages, &mut report)?;
    check_sizes(state, &all, pages, &mut report)?;
    for (dev, member) in &all {
        check_borrowed(state, *dev, member, pages, &mut report)?;
        check_pass(state, *dev, member, pages, &mut report)?;
    }
    if state.encoding == Encoding::Counted {
        return check_counts(state, &all, pages, &mut report);
    }
    check_owners(state, pages, &mut report)
}

fn check_anchor(
    state: &State,
    all: &BTreeMap<DevId, Member>,
    pages: &dyn PageRead,
    report: &mut Report<'_>,
) -> Result<()> {
    let (next, epoch, place) = (state.next_dev(pages)?, state.epoch(pages)?, Place::Page(state.anchor.0));
    let after = next.0.checked_add(1).map(DevId);
    report.unless(after.is_some_and(|dev| state.catalogue.holds(dev)), "the next ids can be issued", place);
    for (dev, member) in all {
        report.unless(*dev < next, "an id is below the next one", Place::Version(*dev));
        report.unless(
            member.frozen < epoch,
            "a version was frozen in an epoch that is over",
            Place::Version(*dev),
        );
        let tagged = member.root.tag() <= epoch;
        report.unless(tagged, "a root is not born in an epoch to come", Place::Version(*dev));
    }
    Ok(())
}

fn check_lineage(
    state: &State,
    all: &BTreeMap<DevId, Member>,
    pages: &dyn PageRead,
    report: &mut Report<'_>,
) -> Result<()> {
    let mut listed = BTreeSet::new();
    for (dev, member) in all {
        let found = children(state, *dev, member, pages)?;
        let place = Place::Version(*dev);
        report.unless(member.stage != Stage::Head || found.is_empty(), "a head has no children", place);
        let several = member.stage != Stage::Anchor || found.len() > 1;
        report.unless(several, "an anchor has several children", place);
        listed.extend(found.into_iter().map(|(child, _)| child));
    }
    for (dev, member) in all {
        let place = Place::Version(*dev);
        report.unless(
            listed.contains(dev) == member.parent.is_some(),
            "a child is in its parent's list",
            place,
        );
        let alone = member.previous.is_none() && member.next.is_none();
        report.unless(member.parent.is_some() || alone, "what has no parent has no siblings", place);
        let mut older = member.parent;
        for _ in 0..all.len() {
            older = older.and_then(|dev| all.get(&dev)).and_then(|member| member.parent);
        }
        report.unless(older.is_none(), "no version descends from itself", place);
    }
    Ok(())
}

fn check_queue(
    state: &State,
    all: &BTreeMap<DevId, Member>,
    pages: &dyn PageRead,
    report: &mut Report<'_>,
) -> Result<()> {
    let place = Place::Page(state.anchor.0);
    let (mut next, mut last, mut met, mut left) = (state.first_job(pages)?, None, BTreeSet::new(), 0u64);
    while let Some(dev) = next {
        let member = state.member(dev, pages)?;
        let begun = met.is_empty() || member.stage == Stage::Waiting;
        report.unless(
            begun && member.stage.is_queued(),
            "only the first of the queue is begun",
            Place::Version(dev),
        );
        report.unless(member.left > 0, "what is queued counts", Place::Version(dev));
        if !met.insert(dev) {
            break;
        }
        left = left.saturating_add(member.left);
        (last, next) = (Some(dev), member.next_job);
    }
    report.unless(last == state.last_job(pages)? && next.is_none(), "the queue ends with its last", place);
    let queued = all.iter().filter(|(_, member)| member.stage.is_queued()).map(|(dev, _)| dev);
    report.unless(queued.eq(met.iter()), "the queue holds what there is to do", place);
    report.unless(left == state.left(pages)?, "what is left is the sum over the queue", place);
    let idle = all.values().filter(|member| !member.stage.is_queued());
    report.unless(
        idle.into_iter().all(|member| member.left == 0),
        "what is not queued counts nothing",
        place,
    );
    Ok(())
}

/// Blocks mapped below, each node counted once.
fn mapped(
    state: &State,
    at: Position,
    slot: Slot,
    met: &mut BTreeMap<u64, u64>,
    pages: &dyn PageRead,
) -> Result<u64> {
    let Some(page) = slot.pointer() else { return Ok(0) };
    if let Some(blocks) = met.get(&page) {
        return Ok(*blocks);
    }
    let node = Node::read(pages, PageNo(page), state.shape, at)?;
    let mut blocks = 0;
    for (index, slot) in (0..).zip(node.slots(0, state.shape.fanout() - 1)) {
        blocks += match at.level {
            0 => u64::from(!slot.is_empty()),
            _ => mapped(state, child(state.shape, at, index), slot, met, pages)?,
        };
    }
    met.insert(page, blocks);
    Ok(blocks)
}

fn check_sizes(
    state: &State,
    all: &BTreeMap<DevId, Member>,
    pages: &dyn PageRead,
    report: &mut Report<'_>,
) -> Result<()> {
    let mut met = BTreeMap::new();
    for (dev, member) in all {
        let (tree, place) = (state.tree(member), Place::Version(*dev));
        let blocks = mapped(state, tree.root_position(), member.root, &mut met, pages)?;
        let right = !member.stage.is_live() || blocks == member.referenced_blocks;
        report.unless(right, "a version's count of mapped blocks is that of its tree", place);
        let each = &mut || report.unless(false, "nothing is mapped past the end of a version", place);
        tree.visit_past_end(pages, each)?;
        if member.stage == Stage::Anchor {
            let owned = blocks_owned(state, member, pages)?;
            report.unless(
                member.owned_blocks <= owned,
                "an anchor is not booked for more than it owns",
                place,
            );
        }
    }
    Ok(())
}

/// Data blocks that the version owns.
fn blocks_owned(state: &State, member: &Member, pages: &dyn PageRead) -> Result<i64> {
    let (mut met, mut blocks) = (Default::default(), 0i64);
    let ownership = Ownership::of(state, member, pages)?;
    let each = &mut |run: Extent| blocks = blocks.saturating_add_unsigned(run.blocks);
    let mut owned = Owned { state, pages, ownership, met: &mut met, node: &mut |_| (), blocks: each };
    owned.visit(state.tree(member).root_position(), member.root)?;
    Ok(blocks)
}

/// I2: borrowed is what the parent (where a dissolving one has passed, its parent) holds at the same place.
fn check_borrowed(
    state: &State,
    dev: DevId,
    member: &Member,
    pages: &dyn PageRead,
    report: &mut Report<'_>,
) -> Result<()> {
    let parent = lineage::parent(state, member, pages)?.map(|(_, parent)| parent);
    let passing = parent.filter(|parent| parent.stage.is_dissolving());
    let older = match &passing {
        Some(parent) => lineage::parent(state, parent, pages)?.map(|(_, older)| older.root),
        None => None,
    };
    let cursor = passing.map_or(0, |parent| parent.cursor);
    let (ownership, epoch) = (Ownership::of(state, member, pages)?, state.epoch(pages)?);
    let mut rule = Borrowed { state, pages, ownership, cursor, epoch, dev, report };
    let beside = [parent.map_or(Slot::EMPTY, |parent| parent.root), older.unwrap_or(Slot::EMPTY)];
    let at = state.tree(member).root_position();
    rule.slot(at, node_end(state.shape, at), member.root, beside)
}

struct Borrowed<'a, 'r> {
    state: &'a State,
    pages: &'a dyn PageRead,
    ownership: Ownership,
    cursor: u64,
    epoch: u32,
    dev: DevId,
    report: &'a mut Report<'r>,
}

impl Borrowed<'_, '_> {
    /// `at`: where the node that the slot points at stands. `beside`: the slots of the parent and of its parent.
    fn slot(&mut self, at: Position, end: u64, slot: Slot, beside: [Slot; 2]) -> Result<()> {
        let Some(page) = slot.pointer() else { return Ok(()) };
        let owned_too = self.state.encoding == Encoding::Counted && beside[0].pointer() == Some(page);
        if !self.compare(slot, end, beside) || owned_too {
            return Ok(()); // what is below stands in one node
        }
        let shape = self.state.shape;
        let node = Node::read(self.pages, PageNo(page), shape, at)?;
        let read = |slot: Slot| match slot.pointer() {
            Some(page) => Node::read(self.pages, PageNo(page), shape, at).map(Some),
            None => Ok(None),
        };
        let others = [read(beside[0])?, read(beside[1])?];
        for (index, slot) in (0..).zip(node.slots(0, shape.fanout() - 1)).filter(|(_, slot)| !slot.is_empty())
        {
            let end = slot_end(shape, at, index);
            let beside =
                others.each_ref().map(|node| node.as_ref().map_or(Slot::EMPTY, |node| node.slot(index)));
            if at.level == 0 {
                self.compare(slot, end, beside);
            } else {
                self.slot(child(shape, at, index), end, slot, beside)?;
            }
        }
        Ok(())
    }
    /// Whether the slot is the version's own.
    fn compare(&mut self, slot: Slot, end: u64, beside: [Slot; 2]) -> bool {
        let mine = self.ownership.owns(slot, end);
        let held = beside[usize::from(end <= self.cursor)].pointer() == slot.pointer();
        let place = Place::Version(self.dev);
        let right = match self.state.encoding {
            Encoding::Epochs | Encoding::Bits => mine != held,
            // What a dissolving parent passed on is gone from it, and what others own too it may hold as well.
            Encoding::Counted if mine => !held || is_counted(slot),
            Encoding::Counted => beside.iter().any(|other| other.pointer() == slot.pointer()),
        };
        self.report.unless(right, "borrowed is what the parent holds at the same place", place);
        self.report.unless(self.state.encoding.is_tag(slot.tag(), self.epoch), "a tag that can be", place);
        mine
    }
}

/// I1: each block and each node has one owner.
fn check_owners(state: &State, pages: &dyn PageRead, report: &mut Report<'_>) -> Result<()> {
    let (mut nodes, mut runs) = (Vec::new(), Vec::new());
    visit_owned(state, pages, &mut |page| nodes.push(page), &mut |run| runs.push(run))?;
    nodes.sort_unstable();
    runs.sort_unstable();
    for pair in nodes.windows(2) {
        report.unless(pair[0] != pair[1], "a node has one owner", Place::Page(pair[0]));
    }
    for pair in runs.windows(2) {
        let apart = pair[0].end().0 <= pair[1].start.0;
        report.unless(apart, "a block has one owner", Place::Block(pair[1].start));
    }
    Ok(())
}

/// Every slot that owns something, of nodes that are owned together only once.
struct Owners<'a> {
    state: &'a State,
    pages: &'a dyn PageRead,
    met: BTreeSet<u64>,
    /// Of nodes and of blocks: what is owned, and whether the slot says that it is counted.
    owned: [Vec<(u64, bool)>; 2],
}

impl Owners<'_> {
    fn visit(&mut self, at: Position, slot: Slot) -> Result<()> {
        let Some(page) = slot.pointer().filter(|_| !is_borrowed(slot)) else { return Ok(()) };
        self.owned[0].push((page, is_counted(slot)));
        if !self.met.insert(page) {
            return Ok(());
        }
        let node = Node::read(self.pages, PageNo(page), self.state.shape, at)?;
        for (index, slot) in (0..).zip(node.slots(0, self.state.shape.fanout() - 1)) {
            match slot.pointer() {
                Some(on) if at.level == 0 && !is_borrowed(slot) => self.owned[1].push((on, is_counted(slot))),
                Some(_) if at.level > 0 => self.visit(child(self.state.shape, at, index), slot)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// What has several owners is counted, and every one of them says so.
fn check_counts(
    state: &State,
    all: &BTreeMap<DevId, Member>,
    pages: &dyn PageRead,
    report: &mut Report<'_>,
) -> Result<()> {
    let mut owners = Owners { state, pages, met: BTreeSet::new(), owned: Default::default() };
    for member in all.values() {
        owners.visit(state.tree(member).root_position(), member.root)?;
    }
    let [nodes, blocks] = owners.owned;
    for mut owned in [nodes.clone(), blocks.clone()] {
        owned.sort_unstable();
        for same in owned.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
            report.unless(same.iter().all(|(_, counted)| *counted), "several owners all say so", Place::Pool);
        }
    }
    let numbers = |owned: Vec<(u64, bool)>| owned.into_iter().map(|(number, _)| number).collect();
    state.nodes.compare(numbers(nodes), |at| Place::Page(PageNo(at)), pages, report.0)?;
    state.blocks.compare(numbers(blocks), |at| Place::Block(Pba(at)), pages, report.0)
}

/// What a pass left behind its cursor is what it leaves there.
fn check_pass(
    state: &State,
    dev: DevId,
    member: &Member,
    pages: &dyn PageRead,
    report: &mut Report<'_>,
) -> Result<()> {
    let place = Place::Version(dev);
    let passed_all = member.stage != Stage::HandOver || member.cursor == u64::MAX;
    report.unless(passed_all, "a version that hands over has let go of all", place);
    if !matches!(member.stage, Stage::Scan | Stage::Dissolve | Stage::HandOver) {
        return Ok(());
    }
    if state.encoding == Encoding::Counted {
        let gone = member.stage != Stage::HandOver || member.root.is_empty() || is_borrowed(member.root);
        report.unless(gone, "a version that hands over has let go of all", place);
        return Ok(());
    }
    let others: Vec<Slot> =
        children(state, dev, member, pages)?.iter().map(|(_, child)| child.root).collect();
    let ownership = Ownership::of(state, member, pages)?;
    let mut rule = Passed { state, pages, ownership, member, right: true };
    let above = Position { level: state.tree(member).root_position().level + 1, first: 0 };
    rule.slot(above, 0, member.root, &others)?;
    report.unless(rule.right, "a pass has dealt with what is behind its cursor", place);
    Ok(())
}

struct Passed<'a> {
    state: &'a State,
    pages: &'a dyn PageRead,
    ownership: Ownership,
    member: &'a Member,
    right: bool,
}

impl Passed<'_> {
    fn slot(&mut self, at: Position, index: u64, slot: Slot, others: &[Slot]) -> Result<()> {
        let shape = self.state.shape;
        let end = slot_end(shape, at, index);
        let Some(page) = slot.pointer().filter(|_| self.ownership.owns(slot, end)) else { return Ok(()) };
        let (dissolves, passed) = (self.member.stage.is_dissolving(), end <= self.member.cursor);
        let borrowers = others.iter().filter(|other| other.pointer() == Some(page)).count();
        // Ahead of a scan anything may be; and a sibling that began here after it has a node that borrows nothing.
        self.right &= if dissolves { !passed && borrowers < 2 } else { !passed || borrowers < 2 };
        if at.level == 0 || borrowers > 0 {
            return Ok(());
        }
        let at = child(shape, at, index);
        let node = Node::read(self.pages, PageNo(page), shape, at)?;
        let mut beside = Vec::new();
        for page in others.iter().filter_map(|other| other.pointer()) {
            beside.push(Node::read(self.pages, PageNo(page), shape, at)?);
        }
        for (index, slot) in (0..).zip(node.slots(0, shape.fanout() - 1)) {
            let theirs: Vec<Slot> = beside.iter().map(|node| node.slot(index)).collect();
            self.slot(at, index, slot, &theirs)?;
        }
        Ok(())
    }
}
