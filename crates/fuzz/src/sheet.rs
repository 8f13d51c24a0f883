//! A structure on pages in memory: a root and pages, all of which can be damaged.
//!
//! Invariant: pages have no checksums here, so every change is a forgery. Knows no structure.

use crate::bytes::Bytes;
use crate::patch::{self, Regions};
use spinney_core::{PageKind, PageNo, PageTxn, Root};
use spinney_testkit::MemoryPages;

/// Pages that a structure may have at most: none here needs a tenth of it.
const PAGES_MAX: u64 = 4000;

/// A root and pages.
#[derive(Clone)]
pub(crate) struct Sheet {
    pub(crate) root: Vec<u8>,
    pub(crate) pages: MemoryPages,
    live: Vec<(PageNo, PageKind)>,
}

impl Sheet {
    pub(crate) fn new(root: &[u8], mut pages: MemoryPages) -> Sheet {
        pages.limit = Some(PAGES_MAX);
        let live = pages.live().collect();
        Sheet { root: root.to_vec(), pages, live }
    }
    /// A copy with the damage that the input asks for.
    pub(crate) fn damaged(&self, input: &mut Bytes<'_>) -> Sheet {
        let mut sheet = self.clone();
        patch::apply(&mut sheet, input);
        sheet
    }
    pub(crate) fn root(&self) -> Root {
        Root::new(&self.root)
    }
    /// The page that the root names in word `at`.
    pub(crate) fn page(&self, at: usize) -> PageNo {
        PageNo(u64::from_le_bytes(self.root[at * 8..at * 8 + 8].try_into().expect("eight bytes")))
    }
}

/// Region 0 is the root, the others are the pages.
impl Regions for Sheet {
    fn count(&self) -> usize {
        self.live.len() + 1
    }
    fn change(&mut self, region: usize, how: &mut dyn FnMut(&mut [u8])) {
        match region.checked_sub(1) {
            None => how(&mut self.root),
            Some(at) => {
                let (page, kind) = self.live[at];
                how(&mut self.pages.edit(page, kind).expect("a live page")[..]);
            }
        }
    }
    fn name(&self, region: usize) -> u64 {
        region.checked_sub(1).map_or(0, |at| self.live[at].0.0)
    }
}
