//! [`CountedForm`]: the counted bitmap as a space form. An allocator here knows free and taken only, so its counts are 0 and 1.
//!
//! Invariant: under this form no count is above 1: one that is was not written by it, and is damage. Who wants counts uses
//! [`CountedBitmap`] itself. Chooses no blocks.

use super::{CountedBitmap, IndexKind};
use crate::pieces::{Joined, taken};
use alloc::boxed::Box;
use spinney_alloc::{Changes, FormEntry, FreeView, SpaceForm};
use spinney_core::{
    Error, Extent, Finding, PageNo, PageRead, PageTxn, Parameter, Pba, Place, Result, Root, Settings,
};

/// The form.
#[derive(Clone, Debug, Default)]
pub struct CountedForm {
    kind: IndexKind,
    map: Option<CountedBitmap>,
}

impl CountedForm {
    /// Not formatted and not open. `kind` is for `format`; an opened form keeps what it was formatted with.
    #[must_use]
    pub fn new(kind: IndexKind) -> CountedForm {
        CountedForm { kind, map: None }
    }
    fn map(&self) -> &CountedBitmap {
        self.map.as_ref().expect("format or open comes first")
    }
}

/// Counts go from 0 to 1 and back, and nowhere else.
const COUNT_MAX: u64 = 1;

impl SpaceForm for CountedForm {
    fn format(&mut self, universe: Extent, free: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<Root> {
        let mut map = CountedBitmap::create(universe, self.kind, pages)?;
        map.change(&taken(universe, free), COUNT_MAX, pages)?;
        self.map = Some(map);
        Ok(map.root())
    }
    fn open(&mut self, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<()> {
        self.map = Some(CountedBitmap::open(universe, root, pages)?);
        Ok(())
    }
    fn load(&self, within: Extent, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
        let mut joined = Joined::new(each);
        self.map().visit_free(within, pages, &mut |run| joined.push(run.start.0, run.blocks))?;
        joined.finish();
        Ok(())
    }
    fn pages_bound(&self, changes: u64, blocks: u64, _: u64) -> u64 {
        self.map().pages_bound(changes, blocks)
    }
    fn commit(&mut self, changes: &Changes, _: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<Root> {
        let mut map = *self.map();
        map.change(&changes.netted(), COUNT_MAX, pages)?;
        self.map = Some(map);
        Ok(map.root())
    }
    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.map().visit_pages(pages, each)
    }
    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        let map = self.map();
        map.check(pages, found)?;
        let mut shared = None;
        map.walk(map.universe, pages, &mut |start, _, counts| {
            if counts.is_some_and(|counts| counts.used().1 > 0) {
                shared.get_or_insert(Pba(start));
            }
        })?;
        if let Some(at) = shared {
            found(Finding { rule: "an allocator's block is counted once", place: Place::Block(at) });
        }
        Ok(())
    }
}

const INDEX: Parameter = Parameter::word(
    "index",
    "tree",
    "Where the pages of counts are noted. `block`: all in one page, dm-thin's metadata map: a commit writes one page more, and the \
     space ends at 4,096,576 blocks (15.6 GiB). `tree`: in an ordered map, dm-thin's data map: no bound, and a commit writes a \
     path of the tree for each group of pages touched. The default has no bound.",
);

/// The row of the registry.
pub const COUNTED: FormEntry = FormEntry {
    name: "counted-bitmap",
    summary: "two bits of count a block on pages, larger counts in a tree, an index of what is free",
    paper: "dm-thin space maps (Linux, persistent-data)",
    parameters: &[INDEX],
    build: |settings| Ok(Box::new(CountedForm::new(kind(settings)?))),
};

fn kind(settings: &Settings) -> Result<IndexKind> {
    match settings.word(&INDEX) {
        "block" => Ok(IndexKind::Block),
        "tree" => Ok(IndexKind::Tree),
        _ => Err(Error::BadSetting("index is `block` or `tree`")),
    }
}
