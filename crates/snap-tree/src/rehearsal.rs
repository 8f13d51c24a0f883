//! Work done on a copy, to see which pages it would touch.
//!
//! Invariant: the pages underneath are not changed. What is rehearsed and then done on the same pages touches the same ones,
//! so the number is the bound of the work whatever the work is. Costs what the work costs, and a copy of each page.

use spinney_core::{Error, PageBuf, PageKind, PageNo, PageRead, PageRef, PageTxn, Payload, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Numbers of pages that are only rehearsed begin here: past all that a store has, and still small enough for a slot.
const FIRST: u64 = 1 << 39;

/// Pages as they would be.
pub struct Rehearsal<'a> {
    base: &'a dyn PageRead,
    /// What was touched; `None` is given back.
    touched: BTreeMap<PageNo, Option<(PageKind, Arc<PageBuf>)>>,
    next: u64,
}

impl<'a> Rehearsal<'a> {
    /// Nothing is done so far.
    #[must_use]
    pub fn new(base: &'a dyn PageRead) -> Rehearsal<'a> {
        Rehearsal { base, touched: BTreeMap::new(), next: FIRST }
    }
    /// Distinct pages allocated, changed or given back.
    #[must_use]
    pub fn touched(&self) -> u64 {
        self.touched.len() as u64
    }
    fn find(&self, page: PageNo, kind: PageKind) -> Result<Option<&Arc<PageBuf>>> {
        match self.touched.get(&page) {
            None => Ok(None),
            Some(Some((found, buffer))) if *found == kind => Ok(Some(buffer)),
            Some(_) => Err(Error::corrupt_page("page number", page)),
        }
    }
    /// Have the page here.
    fn take(&mut self, page: PageNo, kind: PageKind) -> Result<()> {
        if self.find(page, kind)?.is_none() {
            let mut buffer = PageBuf::zeroed();
            *buffer.payload_mut() = *self.base.read(page, kind)?;
            self.touched.insert(page, Some((kind, Arc::new(buffer))));
        }
        Ok(())
    }
}

impl PageRead for Rehearsal<'_> {
    fn read(&self, page: PageNo, kind: PageKind) -> Result<PageRef> {
        match self.find(page, kind)? {
            Some(buffer) => Ok(PageRef::new(buffer.clone())),
            None => self.base.read(page, kind),
        }
    }
    fn show(&self, page: PageNo, kind: PageKind, see: &mut dyn FnMut(&Payload)) -> Result<()> {
        match self.find(page, kind)? {
            Some(buffer) => see(buffer.payload()),
            None => return self.base.show(page, kind, see),
        }
        Ok(())
    }
    fn prefetch(&self, pages: &[PageNo], kind: PageKind) {
        self.base.prefetch(pages, kind);
    }
}

impl PageTxn for Rehearsal<'_> {
    fn alloc(&mut self, kind: PageKind) -> Result<PageNo> {
        let page = PageNo(self.next);
        self.next += 1;
        self.touched.insert(page, Some((kind, Arc::new(PageBuf::zeroed()))));
        Ok(page)
    }
    fn edit(&mut self, page: PageNo, kind: PageKind) -> Result<&mut Payload> {
        self.take(page, kind)?;
        match self.touched.get_mut(&page) {
            Some(Some((_, buffer))) => Ok(Arc::make_mut(buffer).payload_mut()),
            _ => Err(Error::corrupt_page("page number", page)),
        }
    }
    fn free(&mut self, page: PageNo, kind: PageKind) -> Result<()> {
        self.take(page, kind)?;
        self.touched.insert(page, None);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinney_testkit::MemoryPages;

    #[test]
    fn what_is_rehearsed_is_counted_and_not_done() {
        let mut pages = MemoryPages::new();
        let kind = PageKind::OTHER;
        let (one, two) = (pages.alloc(kind).unwrap(), pages.alloc(kind).unwrap());
        pages.edit(one, kind).unwrap()[0] = 7;
        pages.seal();
        let mut rehearsal = Rehearsal::new(&pages);
        let new = rehearsal.alloc(kind).unwrap();
        rehearsal.edit(new, kind).unwrap()[0] = 1;
        rehearsal.edit(one, kind).unwrap()[1] = 8;
        rehearsal.free(two, kind).unwrap();
        assert_eq!(rehearsal.read(one, kind).unwrap()[..2], [7, 8]);
        assert!(rehearsal.read(two, kind).is_err() && rehearsal.free(two, kind).is_err());
        assert_eq!(rehearsal.touched(), 3);
        assert_eq!(pages.read(one, kind).unwrap()[..2], [7, 0]);
        assert!(pages.read(two, kind).is_ok() && pages.seal() == 0);
    }
}
