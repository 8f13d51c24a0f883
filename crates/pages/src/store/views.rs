//! Views: the pages as of the last commit, for readers that must not wait for the writer.
//!
//! Invariant: while a view is open, every page and map page that it can reach stays readable: places are not reused,
//! and a map page is kept in memory before its slot is overwritten. Knows nothing of how a commit is made.

use super::format::MapRoot;
use super::shared::{Shared, Snapshot};
use spinney_core::{Epoch, PageBuf, PageKind, PageNo, PageRead, PageRef, Payload, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The open views, and what is kept for them.
#[derive(Default)]
pub(super) struct Views {
    /// The last committed epoch: what a new view sees.
    pub(super) committed: MapRoot,
    /// Open views by epoch.
    open: BTreeMap<u64, u64>,
    /// Old map pages by (level, index, epoch), each with the epoch that replaced it.
    retained: BTreeMap<(u8, u64, u64), (u64, Arc<PageBuf>)>,
    /// Places of replaced pages that a view sees.
    held: Vec<Replaced>,
    /// Places that were held; the writer may fetch and reuse them.
    released: Vec<u64>,
}

/// The place of a page that a commit replaced or freed.
#[derive(Clone, Copy)]
pub(super) struct Replaced {
    pub(super) place: u64,
    /// The epoch that wrote it.
    pub(super) from: u64,
    /// The epoch that replaced it.
    pub(super) until: u64,
}

impl Views {
    /// The oldest epoch that a view is open on.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.open.keys().next().copied()
    }
    /// Whether a view sees what was written in `from` and replaced in `until`.
    pub(super) fn sees(&self, from: u64, until: u64) -> bool {
        from < until && self.open.range(from..until).next().is_some()
    }
    /// Keep an old map page, if a view sees it.
    pub(super) fn retain(&mut self, level: u8, index: u64, epochs: (u64, u64), page: PageBuf) {
        if self.sees(epochs.0, epochs.1) {
            self.retained.insert((level, index, epochs.0), (epochs.1, Arc::new(page)));
        }
    }
    /// What was kept.
    pub(super) fn retained(&self, level: u8, index: u64, epoch: u64) -> Option<Arc<PageBuf>> {
        self.retained.get(&(level, index, epoch)).map(|(_, page)| page.clone())
    }
    /// Keep the place of a replaced page if a view sees it; false if it is reusable at once.
    pub(super) fn hold(&mut self, page: Replaced) -> bool {
        let seen = self.sees(page.from, page.until);
        if seen {
            self.held.push(page);
        }
        seen
    }
    /// The places that are held.
    pub(super) fn held(&self) -> impl Iterator<Item = u64> + '_ {
        self.held.iter().map(|page| page.place)
    }
    /// The places that no view sees any more.
    pub(super) fn released(&mut self) -> &mut Vec<u64> {
        &mut self.released
    }
    /// How many views are open, and how many map pages are kept for them.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.open.values().sum(), self.retained.len() as u64)
    }
    fn enter(&mut self) -> MapRoot {
        *self.open.entry(self.committed.epoch).or_default() += 1;
        self.committed
    }
    fn leave(&mut self, epoch: u64) {
        let Some(count) = self.open.get_mut(&epoch) else { return };
        *count -= 1;
        if *count == 0 {
            self.open.remove(&epoch);
            self.let_go();
        }
    }
    /// Let go of what no view sees any more.
    fn let_go(&mut self) {
        let (open, released) = (&self.open, &mut self.released);
        let seen = |from: u64, until: u64| open.range(from..until).next().is_some();
        self.retained.retain(|(_, _, from), (until, _)| seen(*from, *until));
        self.held.retain(|page| {
            let stays = seen(page.from, page.until);
            if !stays {
                released.push(page.place);
            }
            stays
        });
    }
}

/// Opens views without the writer: clone it, and give it to each reader thread.
#[derive(Clone)]
pub struct Viewer(pub(super) Arc<Shared>);

impl Viewer {
    /// The pages as of the last commit.
    #[must_use]
    pub fn view(&self) -> PageView {
        let root = self.0.views().enter();
        PageView(Arc::new(Open { shared: self.0.clone(), root }))
    }
}

/// The pages as of one commit. Cheap to clone and to send; stays right through any number of later commits, at the
/// price that places of pages that it sees are not reused while it is held.
#[derive(Clone)]
pub struct PageView(Arc<Open>);

struct Open {
    shared: Arc<Shared>,
    root: MapRoot,
}

impl PageView {
    /// The epoch that it shows.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        Epoch(self.0.root.epoch)
    }
}

impl PageRead for PageView {
    fn read(&self, page: PageNo, kind: PageKind) -> Result<PageRef> {
        let snapshot = Snapshot { shared: &self.0.shared, root: &self.0.root };
        snapshot.read(page, kind).map(PageRef::new)
    }
    fn show(&self, page: PageNo, kind: PageKind, see: &mut dyn FnMut(&Payload)) -> Result<()> {
        Snapshot { shared: &self.0.shared, root: &self.0.root }.show(page, kind, see)
    }
    fn prefetch(&self, pages: &[PageNo], kind: PageKind) {
        let snapshot = Snapshot { shared: &self.0.shared, root: &self.0.root };
        snapshot.prefetch(pages.iter().copied(), kind);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.views().leave(self.root.epoch);
    }
}
