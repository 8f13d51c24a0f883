//! The way from the root to a leaf.
//!
//! Invariant: each step's level is one below the step before it, so a path has at most `LEVEL_MAX + 1` steps whatever
//! the pages say. Reads pages, changes none.

use super::OrderedMap;
use super::node::Node;
use super::shape::LEVEL_MAX;
use spinney_core::{PageNo, PageRead, Result};

const STEPS_MAX: usize = LEVEL_MAX as usize + 1;

/// One interior node on the way: which child was taken, of how many.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) page: PageNo,
    pub(super) index: usize,
    pub(super) count: usize,
}

/// The interior nodes above a leaf, and the leaf.
pub(super) struct Path {
    steps: [Step; STEPS_MAX],
    depth: usize,
    pub(super) leaf: PageNo,
}

/// What a descent looks for.
#[derive(Clone, Copy)]
pub(super) enum Toward<'a> {
    Key(&'a [u8]),
    First,
    Last,
}

impl Path {
    pub(super) fn steps(&self) -> &[Step] {
        &self.steps[..self.depth]
    }

    fn push(&mut self, step: Step) {
        self.steps[self.depth] = step;
        self.depth += 1;
    }

    /// Whether the leaf is the last of all.
    pub(super) fn is_rightmost(&self) -> bool {
        self.steps().iter().all(|step| step.index + 1 == step.count)
    }
}

impl Toward<'_> {
    pub(super) fn choose(self, node: &Node<'_>) -> Result<usize> {
        match self {
            Toward::Key(key) => node.child_index(key),
            Toward::First => Ok(0),
            Toward::Last => Ok(node.count - 1),
        }
    }
}

impl OrderedMap {
    /// Go from the root to the leaf that covers what is sought. The leaf itself is not read (unless it is the root).
    pub(super) fn descend(&self, toward: Toward<'_>, pages: &dyn PageRead) -> Result<Path> {
        let mut path = Path {
            steps: [Step { page: self.root, index: 0, count: 0 }; STEPS_MAX],
            depth: 0,
            leaf: self.root,
        };
        let root = pages.read(self.root, self.kind)?;
        let node = Node::parse(self.layout, self.root, &root)?;
        let mut level = node.level();
        if level > 0 {
            self.step(toward, &node, &mut path)?;
        }
        while level > 1 {
            level -= 1;
            let page = path.leaf;
            let held = pages.read(page, self.kind)?;
            self.step(toward, &Node::parse_at(self.layout, level, page, &held)?, &mut path)?;
        }
        Ok(path)
    }

    fn step(&self, toward: Toward<'_>, node: &Node<'_>, path: &mut Path) -> Result<()> {
        let index = toward.choose(node)?;
        path.push(Step { page: node.page, index, count: node.count });
        path.leaf = node.child(index)?;
        Ok(())
    }

    /// The leaf after (or before) the path's own, and the path to it; `None` at the end.
    pub(super) fn neighbour(
        &self,
        path: &Path,
        forward: bool,
        pages: &dyn PageRead,
    ) -> Result<Option<PageNo>> {
        let steps = path.steps();
        let can_move = |step: &Step| if forward { step.index + 1 < step.count } else { step.index > 0 };
        let Some(fork) = steps.iter().rposition(can_move) else { return Ok(None) };
        let at = if forward { steps[fork].index + 1 } else { steps[fork].index - 1 };
        let held = pages.read(steps[fork].page, self.kind)?;
        let fork_node = Node::parse(self.layout, steps[fork].page, &held)?;
        let mut level = fork_node.level();
        let mut page = fork_node.child(at)?;
        let toward = if forward { Toward::First } else { Toward::Last };
        while level > 1 {
            level -= 1;
            let held = pages.read(page, self.kind)?;
            let node = Node::parse_at(self.layout, level, page, &held)?;
            page = node.child(toward.choose(&node)?)?;
        }
        Ok(Some(page))
    }
}
