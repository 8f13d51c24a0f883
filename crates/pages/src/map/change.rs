//! Putting and removing: in place where the leaf has room, else by settling a run of cells into neighbouring pages.
//!
//! Invariant: `settle` is the only way in which a node grows, shrinks, splits or merges. It takes what a node should
//! hold, fits it into the node or into a window of siblings (one page more if they are full, fewer if they are empty),
//! and settles the parent in turn; the root's content moves, its page stays.

use super::OrderedMap;
use super::edit;
use super::node::{Node, corrupt};
use super::path::{Path, Step, Toward};
use super::run::Run;
use super::shape::{ENTRY_BYTES_MAX, LEVEL_MAX, Layout, Shape};
use core::ops::Range;
use spinney_core::{Error, PageNo, PageRead, PageTxn, Result};

/// At most so many siblings share out their cells before a page is added. A wider window fills better (splitting `w`
/// full pages into `w + 1` ends near `w ln((w + 1) / w)` full, 0.69 for 1 and 0.91 for 5) but rewrites more pages each
/// time. Measured on 3 M random puts of 8 + 16 bytes in batches of 10,000: fill 0.86 for 3, 0.89 for 4, 0.90 for 5,
/// 0.91 for 6, while the pages dirtied in a batch grew from 8,163 to 8,315 only, since most are dirty already.
pub(super) const WINDOW_PAGES: usize = 5;

/// A window is fuller than this, in percent, before a page is added to it. Higher fills better, but then each sharing
/// out frees so little that the next is soon due. With five pages 94 gave a fill of 0.89 and 96 gave 0.90, with 8,221
/// and 8,269 pages dirtied in a batch.
const FILL_MAX_PERCENT: usize = 96;

/// Pages that lost cells are merged only into pages no fuller than this, in percent, so that the next put does not
/// split them again.
const MERGE_FILL_PERCENT: usize = 75;

/// Pages that a merge looks at: the thin one and a neighbour on each side.
const MERGE_WINDOW_PAGES: usize = 3;

/// Pages that cells of this cost need if each is filled to `percent`.
fn pages_needed(shape: Shape, cost: usize, percent: usize) -> usize {
    (cost * 100).div_ceil(shape.capacity() * percent)
}

/// Siblings that share out their cells: children `children` of the parent, and the pages to make of them.
struct Window {
    children: Range<usize>,
    split: Split,
}

/// How to cut cells into pages.
#[derive(Clone, Copy)]
enum Split {
    /// Evenly, into at least so many pages.
    Even(usize),
    /// The last cell alone on a page of its own: rising keys leave full pages behind them.
    LastAlone,
}

impl Split {
    fn cuts(self, run: &Run) -> Vec<usize> {
        match self {
            Split::Even(pages) => run.cuts(pages),
            Split::LastAlone => vec![run.len() - 1, run.len()],
        }
    }
}

impl OrderedMap {
    /// Store `value` under `key`; whether there was a value before. Errors: `Unsupported` if the two together have more
    /// than [`ENTRY_BYTES_MAX`] bytes, `Corrupt`, `NoPages` (then abandon the transaction). Other widths than the
    /// fixed ones are a programmer error.
    pub fn put(&self, key: &[u8], value: &[u8], pages: &mut dyn PageTxn) -> Result<bool> {
        self.check_entry(key, value)?;
        let path = self.descend(Toward::Key(key), pages)?;
        let bytes = pages.edit(path.leaf, self.kind)?;
        let node = Node::parse_at(self.layout, 0, path.leaf, bytes)?;
        let (found, count) = (node.find(key)?, node.count);
        let done = match found {
            Ok(at) => edit::overwrite(bytes, self.layout, path.leaf, at, value)?,
            Err(at) => edit::insert(bytes, self.layout, path.leaf, at, key, value)?,
        };
        if !done {
            let (from, to) = found.map_or_else(|at| (at, at), |at| (at, at + 1));
            let mut run = Run::new(self.layout.at(0));
            let node = Node::parse_at(self.layout, 0, path.leaf, bytes)?;
            run.append_node(&node, 0..from)?;
            run.push(key, value);
            run.append_node(&node, to..count)?;
            let appending = found == Err(count) && path.is_rightmost();
            self.settle(&path, path.steps().len(), run, appending, pages)?;
        }
        Ok(found.is_ok())
    }

    fn check_entry(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.check_key(key);
        match self.layout {
            Layout::Fixed { value_bytes, .. } => {
                assert!(
                    value.len() == usize::from(value_bytes),
                    "this map's values have {value_bytes} bytes"
                );
                Ok(())
            }
            Layout::Variable if key.len() + value.len() <= ENTRY_BYTES_MAX => Ok(()),
            Layout::Variable => {
                Err(Error::Unsupported("a map entry's key and value have at most 1000 bytes together"))
            }
        }
    }

    /// Forget `key`; whether it was there. Errors: `Corrupt`, `NoPages`.
    pub fn remove(&self, key: &[u8], pages: &mut dyn PageTxn) -> Result<bool> {
        self.check_key(key);
        let path = self.descend(Toward::Key(key), pages)?;
        let held = pages.read(path.leaf, self.kind)?;
        let Ok(at) = Node::parse_at(self.layout, 0, path.leaf, &held)?.find(key)? else { return Ok(false) };
        drop(held);
        let bytes = pages.edit(path.leaf, self.kind)?;
        edit::remove(bytes, self.layout, path.leaf, at)?;
        let node = Node::parse_at(self.layout, 0, path.leaf, bytes)?;
        if !path.steps().is_empty() && node.shape.is_underfull(node.cost()) {
            let mut run = Run::new(node.shape);
            run.append_node(&node, 0..node.count)?;
            self.settle(&path, path.steps().len(), run, false, pages)?;
        }
        Ok(true)
    }

    /// Make the node at `depth` of `path` hold `run`. `appending`: its last cell is new and is the last of all.
    fn settle(
        &self,
        path: &Path,
        depth: usize,
        run: Run,
        appending: bool,
        pages: &mut dyn PageTxn,
    ) -> Result<()> {
        let Some((parent, above)) = path.steps()[..depth].split_last() else {
            return self.settle_root(&run, appending, pages);
        };
        let (shape, cost) = (run.shape(), run.cost());
        let overflows = cost > shape.capacity();
        if !overflows && (appending || !shape.is_underfull(cost)) {
            let page = path.steps().get(depth).map_or(path.leaf, |step| step.page);
            run.write(0..run.len(), pages.edit(page, self.kind)?);
            return Ok(());
        }
        let window = match overflows && appending {
            true => Window { children: parent.index()..parent.index() + 1, split: Split::LastAlone },
            false => self.window(parent, shape, cost, overflows, pages)?,
        };
        let up = self.share_out(parent, window, run, pages)?;
        self.settle(path, above.len(), up, appending, pages)
    }

    /// Choose the siblings to share out with, by what they say of their own fill.
    fn window(
        &self,
        parent: &Step,
        shape: Shape,
        cost: usize,
        overflows: bool,
        pages: &dyn PageRead,
    ) -> Result<Window> {
        let held = pages.read(parent.page, self.kind)?;
        let node = Node::parse_at(self.layout, shape.level + 1, parent.page, &held)?;
        let cost_at = |index: usize| self.cost_of_page(node.child(index)?, shape, pages);
        let (most, percent) = match overflows {
            true => (WINDOW_PAGES, FILL_MAX_PERCENT),
            false => (MERGE_WINDOW_PAGES, MERGE_FILL_PERCENT),
        };
        let (mut children, mut total) = (parent.index()..parent.index() + 1, cost);
        loop {
            let wanted = pages_needed(shape, total, percent);
            let enough = if overflows { wanted <= children.len() } else { wanted < children.len() };
            let left = children.start.checked_sub(1).map(cost_at).transpose()?;
            let right = (children.end < node.count).then(|| cost_at(children.end)).transpose()?;
            let Some(more) = left.into_iter().chain(right).min().filter(|_| !enough && children.len() < most)
            else {
                let pages = if overflows { wanted.max(children.len()) } else { wanted.min(children.len()) };
                return Ok(Window { children, split: Split::Even(pages) });
            };
            if left == Some(more) {
                children.start -= 1
            } else {
                children.end += 1
            }
            total += more;
        }
    }

    fn cost_of_page(&self, page: PageNo, shape: Shape, pages: &dyn PageRead) -> Result<usize> {
        let held = pages.read(page, self.kind)?;
        Node::parse_at(self.layout, shape.level, page, &held).map(|node| node.cost())
    }

    /// Share the window's cells out over its pages (more or fewer of them); the answer is what the parent should hold.
    fn share_out(&self, parent: &Step, window: Window, run: Run, pages: &mut dyn PageTxn) -> Result<Run> {
        let held = pages.read(parent.page, self.kind)?;
        let above = Node::parse_at(self.layout, run.shape().level + 1, parent.page, &held)?;
        let (all, mut numbers) = self.gather(&above, parent.index(), &window.children, run, pages)?;
        let cuts = window.split.cuts(&all);
        while numbers.len() < cuts.len() {
            numbers.push(pages.alloc(self.kind)?);
        }
        for unused in numbers.drain(cuts.len()..) {
            pages.free(unused, self.kind)?;
        }
        let mut up = Run::new(above.shape);
        up.append_node(&above, 0..window.children.start)?;
        let mut from = 0;
        for (page, cut) in numbers.iter().zip(&cuts) {
            all.write(from..*cut, pages.edit(*page, self.kind)?);
            let key = if from == 0 { above.key(window.children.start)? } else { all.separator(from) };
            up.push(key, &page.0.to_le_bytes());
            from = *cut;
        }
        up.append_node(&above, window.children.end..above.count)?;
        Ok(up)
    }

    /// The cells of children `children`, with `run` in place of number `own`, and the children's pages.
    fn gather(
        &self,
        above: &Node<'_>,
        own: usize,
        children: &Range<usize>,
        mut run: Run,
        pages: &dyn PageRead,
    ) -> Result<(Run, Vec<PageNo>)> {
        let (mut all, mut numbers) = (Run::new(run.shape()), Vec::with_capacity(children.len() + 1));
        for index in children.clone() {
            let (page, first) = (above.child(index)?, all.len());
            numbers.push(page);
            if index == own {
                all.append_run(&run);
                run = Run::new(run.shape());
            } else {
                let held = pages.read(page, self.kind)?;
                let node = Node::parse_at(self.layout, run.shape().level, page, &held)?;
                all.append_node(&node, 0..node.count)?;
            }
            if run.shape().level > 0 && first > 0 && all.len() > first {
                all.set_key(first, above.key(index)?);
            }
        }
        Ok((all, numbers))
    }

    /// Make the root hold `run`: on its page, or one level higher over new pages; or lower, over its only child's content.
    fn settle_root(&self, run: &Run, appending: bool, pages: &mut dyn PageTxn) -> Result<()> {
        let shape = run.shape();
        if shape.level > 0 && run.len() == 0 {
            edit::init(pages.edit(self.root, self.kind)?, self.layout.at(0));
            return Ok(());
        }
        if shape.level > 0 && run.len() == 1 {
            return self.pull_up(run.child(0), shape.level, pages);
        }
        if run.cost() <= shape.capacity() {
            run.write(0..run.len(), pages.edit(self.root, self.kind)?);
            return Ok(());
        }
        if shape.level >= LEVEL_MAX {
            return Err(corrupt(self.root));
        }
        let split = if appending { Split::LastAlone } else { Split::Even(2) };
        let mut up = Run::new(self.layout.at(shape.level + 1));
        let mut from = 0;
        for cut in split.cuts(run) {
            let page = pages.alloc(self.kind)?;
            run.write(from..cut, pages.edit(page, self.kind)?);
            // The first child's key is blank wherever it is written; any key of the right width will do here.
            up.push(run.separator(from.max(1)), &page.0.to_le_bytes());
            from = cut;
        }
        up.write(0..up.len(), pages.edit(self.root, self.kind)?);
        Ok(())
    }

    /// The root has one child left: take its content, and so on down.
    fn pull_up(&self, child: PageNo, level: u8, pages: &mut dyn PageTxn) -> Result<()> {
        let (mut child, mut level) = (child, level);
        loop {
            level -= 1;
            let held = pages.read(child, self.kind)?;
            let node = Node::parse_at(self.layout, level, child, &held)?;
            let only = (level > 0 && node.count == 1).then(|| node.child(0)).transpose()?;
            *pages.edit(self.root, self.kind)? = *held;
            drop(held);
            pages.free(child, self.kind)?;
            match only {
                Some(next) => child = next,
                None => return Ok(()),
            }
        }
    }
}
