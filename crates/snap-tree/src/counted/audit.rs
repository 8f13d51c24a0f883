//! Looking at everything: usage, what is owned, and whether the counts are those that the roots imply.
//!
//! Invariant: changes nothing, and enters a shared node once.

use super::state::{State, ZOMBIE_LEFT};
use crate::owners::OwnerReader;
use crate::tree::child;
use crate::{Node, NumberRuns, Position, Record, Slot};
use spinney_core::{DevId, Extent, Finding, Flow, PageNo, PageRead, Pba, Place, Result};
use spinney_snap::Usage;
use std::collections::{BTreeMap, BTreeSet};

/// Space of one version: only nodes that it owns alone are entered.
pub(crate) fn usage(state: &State, dev: DevId, pages: &dyn PageRead) -> Result<Usage> {
    let record = state.catalogue.get(dev, pages)?;
    let referenced_blocks = record.referenced_blocks;
    let exclusive_blocks = if state.shares_nothing(pages)? {
        referenced_blocks
    } else {
        let tree = state.tree(&record);
        let mut walk = Alone { state: *state, pages, counts: state.blocks.reader(pages), blocks: 0 };
        walk.node(tree.root_position(), tree.root_slot())?;
        walk.blocks
    };
    let shared_blocks = referenced_blocks.saturating_sub(exclusive_blocks);
    Ok(Usage { referenced_blocks, exclusive_blocks, shared_blocks })
}

struct Alone<'a> {
    state: State,
    pages: &'a dyn PageRead,
    counts: OwnerReader<'a>,
    blocks: u64,
}

impl Alone<'_> {
    fn node(&mut self, at: Position, slot: Slot) -> Result<()> {
        let Some(page) = slot.pointer() else { return Ok(()) };
        if self.state.nodes.extra(page, self.pages)? > 0 {
            return Ok(());
        }
        let shape = self.state.shape;
        let node = Node::read(self.pages, PageNo(page), shape, at)?;
        for (index, slot) in (0..).zip(node.slots(0, shape.fanout() - 1)) {
            match slot.pointer() {
                Some(on) if at.level == 0 => self.blocks += u64::from(self.counts.extra(on)? == 0),
                Some(_) => self.node(child(shape, at, index), slot)?,
                None => {}
            }
        }
        Ok(())
    }
}

/// Every root: live versions, then what is still to be dropped.
fn visit_roots(
    state: &State,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(DevId, &Record, bool) -> Result<()>,
) -> Result<()> {
    for (table, live) in [(state.catalogue, true), (state.zombies, false)] {
        table.visit(pages, &mut |dev, record| each(dev, &record, live).map(|()| Flow::Continue))?;
    }
    Ok(())
}

/// Every node once, with its position and content.
struct Nodes<'a> {
    state: State,
    pages: &'a dyn PageRead,
    /// Nodes met, and how many blocks each maps.
    met: BTreeMap<u64, u64>,
    each: &'a mut dyn FnMut(Position, PageNo, &Node) -> Result<()>,
}

impl Nodes<'_> {
    /// How many blocks the subtree maps.
    fn node(&mut self, at: Position, slot: Slot) -> Result<u64> {
        let Some(page) = slot.pointer() else { return Ok(0) };
        if let Some(blocks) = self.met.get(&page) {
            return Ok(*blocks);
        }
        let shape = self.state.shape;
        let node = Node::read(self.pages, PageNo(page), shape, at)?;
        (self.each)(at, PageNo(page), &node)?;
        let mut blocks = 0;
        for (index, slot) in (0..).zip(node.slots(0, shape.fanout() - 1)) {
            blocks += match at.level {
                0 => u64::from(!slot.is_empty()),
                _ => self.node(child(shape, at, index), slot)?,
            };
        }
        self.met.insert(page, blocks);
        Ok(blocks)
    }
}

fn visit_nodes(
    state: &State,
    pages: &dyn PageRead,
    each: &mut dyn FnMut(Position, PageNo, &Node) -> Result<()>,
) -> Result<()> {
    let mut nodes = Nodes { state: *state, pages, met: BTreeMap::new(), each };
    visit_roots(state, pages, &mut |_, record, _| {
        let tree = state.tree(record);
        nodes.node(tree.root_position(), tree.root_slot()).map(|_| ())
    })
}

/// Every data block that something owns, once.
pub(crate) fn visit_blocks(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
    let mut shared = BTreeSet::new();
    let mut counts = state.blocks.reader(pages);
    visit_nodes(state, pages, &mut |at, _, node| {
        if at.level > 0 {
            return Ok(());
        }
        let mut runs = NumberRuns::new(|first, blocks| {
            each(Extent { start: Pba(first), blocks });
            Ok(())
        });
        for on in node.slots(0, state.shape.fanout() - 1).filter_map(Slot::pointer) {
            if counts.extra(on)? == 0 || shared.insert(on) {
                runs.push(on)?;
            }
        }
        runs.finish()
    })
}

/// Every page, once.
pub(crate) fn visit_pages(state: &State, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
    each(state.anchor.0);
    state.catalogue.visit_pages(pages, each)?;
    state.zombies.visit_pages(pages, each)?;
    state.nodes.visit_pages(pages, each)?;
    state.blocks.visit_pages(pages, each)?;
    visit_nodes(state, pages, &mut |_, page, _| {
        each(page);
        Ok(())
    })
}

/// The counts, sizes and ends that the roots imply, against those that are stored.
pub(crate) fn check(state: &State, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
    let fanout = state.shape.fanout();
    let (mut node_owners, mut block_owners) = (Vec::new(), Vec::new());
    let mut each = |at: Position, _: PageNo, node: &Node| {
        let owners = if at.level == 0 { &mut block_owners } else { &mut node_owners };
        owners.extend(node.slots(0, fanout - 1).filter_map(Slot::pointer));
        Ok(())
    };
    let mut nodes = Nodes { state: *state, pages, met: BTreeMap::new(), each: &mut each };
    let (mut roots, mut left) = (Vec::new(), 0u64);
    let next = state.next_dev(pages)?;
    if !state.catalogue.holds(next) {
        found(Finding { rule: "the next id can be issued", place: Place::Page(state.anchor.0) });
    }
    visit_roots(state, pages, &mut |dev, record, live| {
        let tree = state.tree(record);
        let mapped = nodes.node(tree.root_position(), tree.root_slot())?;
        let mut report = |rule| found(Finding { rule, place: Place::Version(dev) });
        if live && mapped != record.referenced_blocks {
            report("a version's count of mapped blocks is that of its tree");
        }
        if dev >= next {
            report("an id is below the next one");
        }
        if !live {
            left = left.saturating_add(record.own[ZOMBIE_LEFT]);
        }
        tree.visit_past_end(pages, &mut || report("nothing is mapped past the end of a version"))?;
        roots.extend(record.root.map(|page| page.0));
        Ok(())
    })?;
    if left != state.left(pages)? {
        found(Finding { rule: "the sum of what is left to drop is that of the dropped", place: Place::Pool });
    }
    node_owners.extend(roots);
    state.nodes.compare(node_owners, |at| Place::Page(PageNo(at)), pages, found)?;
    state.blocks.compare(block_owners, |at| Place::Block(Pba(at)), pages, found)
}
