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
    index: u16,
    count: u16,
}

impl Step {
    /// Which child was taken.
    pub(super) fn index(self) -> usize {
        usize::from(self.index)
    }
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
    /// Go from the root to the leaf that covers what is sought, and say which way. The leaf itself is not read (unless
    /// it is the root).
    pub(super) fn descend(&self, toward: Toward<'_>, pages: &dyn PageRead) -> Result<Path> {
        let none = Step { page: self.root, index: 0, count: 0 };
        let mut path = Path { steps: [none; STEPS_MAX], depth: 0, leaf: self.root };
        path.leaf = self.walk_down(toward, pages, |step| path.push(step))?;
        Ok(path)
    }

    /// Only the leaf.
    pub(super) fn leaf(&self, toward: Toward<'_>, pages: &dyn PageRead) -> Result<PageNo> {
        self.walk_down(toward, pages, |_step| ())
    }

    fn walk_down(
        &self,
        toward: Toward<'_>,
        pages: &dyn PageRead,
        mut each: impl FnMut(Step),
    ) -> Result<PageNo> {
        let held = pages.read(self.root, self.kind)?;
        let root = Node::parse(self.layout, self.root, &held)?;
        let (mut level, mut page) = (root.level(), self.root);
        if level > 0 {
            page = take(toward, &root, &mut each)?;
        }
        while level > 1 {
            level -= 1;
            let held = pages.read(page, self.kind)?;
            page = take(toward, &Node::parse_at(self.layout, level, page, &held)?, &mut each)?;
        }
        Ok(page)
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
        let at = if forward { steps[fork].index() + 1 } else { steps[fork].index() - 1 };
        let held = pages.read(steps[fork].page, self.kind)?;
        let node = Node::parse(self.layout, steps[fork].page, &held)?;
        let (mut level, mut page) = (node.level(), node.child(at)?);
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

fn take(toward: Toward<'_>, node: &Node<'_>, each: &mut impl FnMut(Step)) -> Result<PageNo> {
    let index = toward.choose(node)?;
    // A node has fewer cells than a page has bytes.
    each(Step { page: node.page, index: index as u16, count: node.count as u16 });
    node.child(index)
}
