//! Walks over many entries, and over the map's pages.
//!
//! Invariant: a scan sees leaves in strictly rising (or falling) key order or ends as `Corrupt`, and a page walk sees
//! separators that nest; so a damaged tree in which many pointers name one page costs no more than its real pages.

use super::OrderedMap;
use super::node::{Node, corrupt};
use core::ops::Bound;
use spinney_core::{Flow, PageNo, PageRead, PageTxn, Result};

/// The ends of a range of keys, as `(Bound::Included(..), Bound::Excluded(..))`.
pub type KeyBounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// What a scan carries along.
struct Scan<'a> {
    bounds: KeyBounds<'a>,
    forward: bool,
    /// The key at the far side of the leaf before.
    passed: Option<Vec<u8>>,
    each: &'a mut dyn FnMut(&[u8], &[u8]) -> Flow,
}

impl OrderedMap {
    /// The entries between `bounds`, smallest key first. Errors: `Corrupt`, after the entries before the damage.
    pub fn range(
        &self,
        bounds: KeyBounds<'_>,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(&[u8], &[u8]) -> Flow,
    ) -> Result<()> {
        self.scan(Scan { bounds, forward: true, passed: None, each }, pages)
    }

    /// The entries between `bounds`, largest key first. Errors: `Corrupt`, after the entries behind the damage.
    pub fn range_reverse(
        &self,
        bounds: KeyBounds<'_>,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(&[u8], &[u8]) -> Flow,
    ) -> Result<()> {
        self.scan(Scan { bounds, forward: false, passed: None, each }, pages)
    }

    fn scan(&self, mut scan: Scan<'_>, pages: &dyn PageRead) -> Result<()> {
        let held = pages.read(self.root, self.kind)?;
        let node = Node::parse(self.layout, self.root, &held)?;
        self.scan_node(&node, &mut scan, pages).map(|_flow| ())
    }

    fn scan_node(&self, node: &Node<'_>, scan: &mut Scan<'_>, pages: &dyn PageRead) -> Result<Flow> {
        if node.level() == 0 {
            return self.scan_leaf(node, scan);
        }
        let from = match scan.bounds.0 {
            Bound::Included(key) | Bound::Excluded(key) => node.child_index(key)?,
            Bound::Unbounded => 0,
        };
        let to = match scan.bounds.1 {
            Bound::Included(key) | Bound::Excluded(key) => node.child_index(key)?,
            Bound::Unbounded => node.count - 1,
        };
        for step in 0..(to + 1).saturating_sub(from) {
            let page = node.child(if scan.forward { from + step } else { to - step })?;
            let held = pages.read(page, self.kind)?;
            let child = Node::parse_at(self.layout, node.level() - 1, page, &held)?;
            if self.scan_node(&child, scan, pages)? == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Continue)
    }

    fn scan_leaf(&self, node: &Node<'_>, scan: &mut Scan<'_>) -> Result<Flow> {
        if node.count > 0 {
            let (first, last) = (node.key(0)?, node.key(node.count - 1)?);
            let (near, far) = if scan.forward { (first, last) } else { (last, first) };
            let rises =
                scan.passed.as_deref().is_none_or(|key| if scan.forward { key < near } else { key > near });
            if !rises || first > last {
                return Err(corrupt(node.page));
            }
            let passed = scan.passed.get_or_insert_default();
            passed.clear();
            passed.extend_from_slice(far);
        } else if node.page != self.root {
            return Err(corrupt(node.page));
        }
        let from = match scan.bounds.0 {
            Bound::Included(key) => node.rank(key, false)?,
            Bound::Excluded(key) => node.rank(key, true)?,
            Bound::Unbounded => 0,
        };
        let to = match scan.bounds.1 {
            Bound::Included(key) => node.rank(key, true)?,
            Bound::Excluded(key) => node.rank(key, false)?,
            Bound::Unbounded => node.count,
        };
        for step in 0..to.saturating_sub(from) {
            let (key, value) = node.cell(if scan.forward { from + step } else { to - 1 - step })?;
            if (scan.each)(key, value) == Flow::Stop {
                return Ok(Flow::Stop);
            }
        }
        Ok(Flow::Continue)
    }

    /// Every page of the map, once, parents first. Leaves are not read. Errors: `Corrupt`.
    pub fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        each(self.root);
        let held = pages.read(self.root, self.kind)?;
        self.visit_below(&Node::parse(self.layout, self.root, &held)?, None, None, pages, each)
    }

    fn visit_below(
        &self,
        node: &Node<'_>,
        lower: Option<&[u8]>,
        upper: Option<&[u8]>,
        pages: &dyn PageRead,
        each: &mut dyn FnMut(PageNo),
    ) -> Result<()> {
        let mut below = lower;
        for index in (0..node.count).take_while(|_| node.level() > 0) {
            let above = if index + 1 < node.count { Some(node.key(index + 1)?) } else { upper };
            let nests = below.is_none_or(|low| above.is_none_or(|high| low < high));
            if !nests || upper.is_some_and(|upper| above.is_none_or(|high| high > upper)) {
                return Err(corrupt(node.page));
            }
            let page = node.child(index)?;
            each(page);
            if node.level() > 1 {
                let held = pages.read(page, self.kind)?;
                let child = Node::parse_at(self.layout, node.level() - 1, page, &held)?;
                self.visit_below(&child, below, above, pages, each)?;
            }
            below = above;
        }
        Ok(())
    }

    /// Free every page, the root too; every copy of the handle is dead.
    pub fn destroy(self, pages: &mut dyn PageTxn) -> Result<()> {
        let mut all = Vec::new();
        self.visit_pages(pages, &mut |page| all.push(page))?;
        all.into_iter().try_for_each(|page| pages.free(page, self.kind))
    }
}
