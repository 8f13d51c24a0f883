//! A page store in memory, for tests of what stands on pages.
//!
//! Invariant: `read` after `free`, a wrong kind, or a page that was never allocated is `Corrupt`, as in the real store.
//! Counts what was touched since `seal`, so that page bounds can be tested. Knows no device and no crash.

use spinney_core::{Error, PageBuf, PageKind, PageNo, PageRead, PageRef, PageTxn, Payload, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Pages by number.
#[derive(Clone, Default)]
pub struct MemoryPages {
    pages: BTreeMap<PageNo, (PageKind, Arc<PageBuf>)>,
    free: BTreeSet<PageNo>,
    touched: BTreeSet<PageNo>,
    next: u64,
    showing: Showing,
    /// Allocation fails with `NoPages` beyond this many live pages.
    pub limit: Option<u64>,
}

/// Whether a page is being shown. The real store holds a lock then, so whoever reads meanwhile is told so here.
#[derive(Default)]
struct Showing(AtomicBool);

impl Clone for Showing {
    fn clone(&self) -> Showing {
        Showing::default()
    }
}

impl Showing {
    fn check(&self) {
        assert!(!self.0.load(Ordering::Relaxed), "a page is read while another is shown");
    }
}

impl MemoryPages {
    /// An empty store.
    #[must_use]
    pub fn new() -> MemoryPages {
        MemoryPages::default()
    }
    /// Live pages with their kinds.
    pub fn live(&self) -> impl Iterator<Item = (PageNo, PageKind)> + '_ {
        self.pages.iter().map(|(page, (kind, _))| (*page, *kind))
    }
    /// Distinct pages allocated, edited or freed since the last call.
    pub fn seal(&mut self) -> u64 {
        std::mem::take(&mut self.touched).len() as u64
    }
    /// A copy as of now, for reading (and for damage: it can be edited).
    #[must_use]
    pub fn view(&self) -> MemoryPages {
        self.clone()
    }
    fn find(&self, page: PageNo, kind: PageKind) -> Result<&Arc<PageBuf>> {
        match self.pages.get(&page) {
            Some((found, buffer)) if *found == kind => Ok(buffer),
            Some(_) => Err(Error::corrupt_page("page kind", page)),
            None => Err(Error::corrupt_page("page number", page)),
        }
    }
}

impl PageRead for MemoryPages {
    fn read(&self, page: PageNo, kind: PageKind) -> Result<PageRef> {
        self.showing.check();
        self.find(page, kind).map(|found| PageRef::new(found.clone()))
    }
    fn show(&self, page: PageNo, kind: PageKind, see: &mut dyn FnMut(&Payload)) -> Result<()> {
        self.showing.check();
        let found = self.find(page, kind)?;
        self.showing.0.store(true, Ordering::Relaxed);
        see(found.payload());
        self.showing.0.store(false, Ordering::Relaxed);
        Ok(())
    }
}

impl PageTxn for MemoryPages {
    fn alloc(&mut self, kind: PageKind) -> Result<PageNo> {
        if let Some(limit) = self.limit
            && self.pages.len() as u64 >= limit
        {
            return Err(Error::NoPages { needed: 1, free: 0 });
        }
        let page = self.free.pop_first().unwrap_or_else(|| {
            self.next += 1;
            PageNo(self.next)
        });
        self.pages.insert(page, (kind, Arc::new(PageBuf::zeroed())));
        self.touched.insert(page);
        Ok(page)
    }
    fn edit(&mut self, page: PageNo, kind: PageKind) -> Result<&mut Payload> {
        self.find(page, kind)?;
        self.touched.insert(page);
        let (_, buffer) = self.pages.get_mut(&page).ok_or(Error::corrupt_page("page number", page))?;
        Ok(Arc::make_mut(buffer).payload_mut())
    }
    fn free(&mut self, page: PageNo, kind: PageKind) -> Result<()> {
        self.find(page, kind)?;
        self.pages.remove(&page);
        self.free.insert(page);
        self.touched.insert(page);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spinney_core::look;

    #[test]
    #[should_panic(expected = "while another is shown")]
    fn whoever_reads_while_a_page_is_shown_is_told_so() {
        let mut pages = MemoryPages::new();
        let page = pages.alloc(PageKind::OTHER).unwrap();
        let _ = look(&pages, page, PageKind::OTHER, |_| pages.read(page, PageKind::OTHER).is_ok());
    }
}
