//! The map's own rules, checked over all its pages.
//!
//! Invariant: a map that only `put` and `remove` have changed gives no finding. A page that cannot be read is a finding
//! too, and what hangs below it is skipped.

use super::OrderedMap;
use super::node::Node;
use super::shape::{HEADER_BYTES, LENGTHS_BYTES, Layout, SLOT_BYTES};
use crate::fields::u16_at;
use spinney_core::{Finding, PageNo, PageRead, Place};

/// What a parent says of a child: its level, the keys that it may hold, and whether it is the last of its level.
#[derive(Clone, Copy)]
struct Expect<'a> {
    level: Option<u8>,
    lower: Option<&'a [u8]>,
    upper: Option<&'a [u8]>,
    rightmost: bool,
}

impl OrderedMap {
    /// Report each rule that does not hold: order, separators, depth, occupancy, pages that cannot be read.
    pub fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) {
        let expect = Expect { level: None, lower: None, upper: None, rightmost: true };
        self.check_page(self.root, expect, pages, found);
    }

    fn check_page(
        &self,
        page: PageNo,
        expect: Expect<'_>,
        pages: &dyn PageRead,
        found: &mut dyn FnMut(Finding),
    ) {
        let mut broken = |rule| found(Finding { rule, place: Place::Page(page) });
        let Ok(held) = pages.read(page, self.kind) else { return broken("every page of a map can be read") };
        let Ok(node) = Node::parse(self.layout, page, &held) else {
            return broken("a map page is a map node");
        };
        if expect.level.is_some_and(|level| level != node.level()) {
            return broken("all leaves of a map are equally deep");
        }
        if !is_ordered(&node, expect) {
            return broken("keys rise, and lie between their separators");
        }
        if !is_accounted(&node) {
            broken("a map page's cells lie apart, and it knows how many bytes they take");
        }
        if page != self.root && !is_filled(&node, expect.rightmost) {
            broken("a map page is at least about a third full");
        }
        if page == self.root && node.level() > 0 && node.count == 1 {
            broken("a map's root has not one child only");
        }
        if node.level() > 0 {
            self.check_children(&node, expect, pages, found);
        }
    }

    fn check_children(
        &self,
        node: &Node<'_>,
        expect: Expect<'_>,
        pages: &dyn PageRead,
        found: &mut dyn FnMut(Finding),
    ) {
        for index in 0..node.count {
            let last = index + 1 == node.count;
            let (Ok(child), Ok(key), Ok(next)) =
                (node.child(index), node.key(index), node.key(index + usize::from(!last)))
            else {
                return found(Finding {
                    rule: "a map page's cells lie on it",
                    place: Place::Page(node.page),
                });
            };
            let expect = Expect {
                level: Some(node.level() - 1),
                lower: if index == 0 { expect.lower } else { Some(key) },
                upper: if last { expect.upper } else { Some(next) },
                rightmost: expect.rightmost && last,
            };
            self.check_page(child, expect, pages, found);
        }
    }
}

/// Keys strictly rise, and all lie between the parent's separators. A cell that leaves its page counts as out of order.
fn is_ordered(node: &Node<'_>, expect: Expect<'_>) -> bool {
    let from = usize::from(node.level() > 0);
    let mut before = None;
    for index in from..node.count {
        let Ok(key) = node.key(index) else { return false };
        let above_lower = match before {
            None if from == 0 => expect.lower.is_none_or(|lower| lower <= key),
            None => expect.lower.is_none_or(|lower| lower < key),
            Some(before) => before < key,
        };
        if !above_lower || expect.upper.is_some_and(|upper| key >= upper) {
            return false;
        }
        before = Some(key);
    }
    true
}

/// Cells of variable width do not overlap and take as many bytes as the page says: whoever changes it relies on both.
fn is_accounted(node: &Node<'_>) -> bool {
    if node.shape.widths().is_some() {
        return true;
    }
    let mut cells = Vec::with_capacity(node.count);
    for index in 0..node.count {
        let Ok((key, value)) = node.cell(index) else { return false };
        let at = usize::from(u16_at(node.bytes, HEADER_BYTES + index * SLOT_BYTES));
        cells.push((at, at + LENGTHS_BYTES + key.len() + value.len()));
    }
    cells.sort_unstable();
    let apart = cells.windows(2).all(|pair| pair[0].1 <= pair[1].0);
    let bytes: usize = cells.iter().map(|(from, to)| to - from).sum();
    apart && node.cost() == bytes + node.count * SLOT_BYTES
}

/// Appending leaves the last page of a level as thin as one cell; wide cells cannot be shared out evenly, and an interior
/// node of variable width loses its first key.
fn is_filled(node: &Node<'_>, rightmost: bool) -> bool {
    match node.shape.layout {
        _ if rightmost => node.count > 0,
        Layout::Fixed { .. } => node.count >= node.shape.capacity() / 3,
        Layout::Variable if node.level() > 0 => node.count > 0,
        Layout::Variable => node.cost() * 5 >= node.shape.capacity(),
    }
}
