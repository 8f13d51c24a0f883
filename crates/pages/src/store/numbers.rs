//! Which page numbers are in use, and which is given out next.
//!
//! Invariant: number 0 is never given out, and a number is given out only while it is free. Knows no place.

use super::bits::Bits;
use super::layout::Layout;
use spinney_core::PageKind;

/// Where an area is to be cut one day, this part of the numbers is kept for tables: one in eight, where tables (checksums and free
/// space: 0.3 % of the data) are some tenth of the metadata.
const TABLES_DIVISOR: u64 = 8;

/// The numbers of an area.
pub(super) struct Numbers {
    bits: Bits,
    /// No free number from where its class begins is below this: of tables, and of others.
    hints: [u64; 2],
    /// Whether tables, which live as long as the pool, are kept together at the low numbers: the highest number in use decides how short an area can be cut.
    apart: bool,
}

impl Numbers {
    /// All numbers of `layout` free, but for 0.
    pub(super) fn new(layout: &Layout, apart: bool) -> Numbers {
        let mut numbers = Numbers { bits: Bits::all_set(0), hints: [0; 2], apart };
        numbers.grow(1, layout);
        numbers
    }
    /// Make the numbers from `from` on available.
    pub(super) fn grow(&mut self, from: u64, layout: &Layout) {
        let end = layout.numbers_end();
        self.bits.grow(end);
        self.bits.unset_run(from, end.saturating_sub(from));
    }
    /// Forget the numbers that a shorter layout lacks. None of them is in use.
    pub(super) fn truncate(&mut self, layout: &Layout) {
        self.bits.truncate(layout.numbers_end());
        self.hints = [0; 2];
    }
    /// The highest number in use.
    pub(super) fn last(&self) -> Option<u64> {
        self.bits.last_set()
    }
    /// Whether a number is in use.
    pub(super) fn is_taken(&self, number: u64) -> bool {
        self.bits.get(number)
    }
    /// Take a certain number; false if it is taken already.
    #[must_use]
    pub(super) fn claim(&mut self, number: u64) -> bool {
        self.bits.set(number)
    }
    /// Take the lowest free number for a page of `kind`; `None` if there is none.
    pub(super) fn take(&mut self, kind: PageKind) -> Option<u64> {
        let table = matches!(kind, PageKind::SPACE | PageKind::CATALOGUE | PageKind::CHECKSUM);
        let other = self.apart && !table;
        let first = if other { self.bits.length() / TABLES_DIVISOR } else { 0 };
        let hint = &mut self.hints[usize::from(other)];
        let found = self.bits.next_clear(first.max(*hint));
        if let Some(number) = found {
            *hint = number + 1;
        }
        let number = found.or_else(|| self.bits.next_clear(0))?;
        assert!(self.bits.set(number), "number {number} was free");
        Some(number)
    }
    /// Give a number back.
    pub(super) fn release(&mut self, number: u64) {
        self.bits.unset(number);
        self.hints.iter_mut().for_each(|hint| *hint = number.min(*hint));
    }
}
