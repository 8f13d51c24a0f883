//! The space form of a beginner: every commit writes the whole list of free runs into a chain of pages.
//!
//! Invariant: the chain holds the free runs in address order, as many as the root says. Laws are tried on it, and an index
//! can be tested inside a `Composed` with it. Its commits cost the size of the set: never use it for anything else.

use spinney_alloc::{Changes, FreeView, SpaceForm};
use spinney_core::{
    Error, Extent, Finding, Flow, PAYLOAD_BYTES, PageKind, PageNo, PageRead, PageTxn, Payload, Pba, Place,
    Result, Root,
};

/// A page is the next page's number, then runs of a start and a length; unused places are 0.
const RUNS_PER_PAGE: usize = (PAYLOAD_BYTES - 8) / 16;
const SPACE: PageKind = PageKind::SPACE;

/// A list of free runs.
#[derive(Debug, Default)]
pub struct DumpForm {
    universe: Option<Extent>,
    pages: Vec<PageNo>,
    runs: u64,
}

fn word(page: &Payload, at: usize) -> u64 {
    u64::from_le_bytes(*page[at..].first_chunk().expect("inside the page"))
}

fn set_word(page: &mut Payload, at: usize, value: u64) {
    page[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn pages_for(runs: u64) -> u64 {
    runs.div_ceil(RUNS_PER_PAGE as u64)
}

impl DumpForm {
    fn write(&mut self, free: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<Root> {
        let universe = self.universe.expect("format or open comes first");
        let mut runs = Vec::new();
        free.visit(universe, &mut |run| {
            runs.push(run);
            Flow::Continue
        });
        self.resize(pages_for(runs.len() as u64) as usize, pages)?;
        for (place, list) in runs.chunks(RUNS_PER_PAGE).enumerate() {
            let next = self.pages.get(place + 1).map_or(0, |page| page.0);
            let page = pages.edit(self.pages[place], SPACE)?;
            page.fill(0);
            set_word(page, 0, next);
            for (slot, run) in list.iter().enumerate() {
                set_word(page, 8 + slot * 16, run.start.0);
                set_word(page, 16 + slot * 16, run.blocks);
            }
        }
        self.runs = runs.len() as u64;
        let first = self.pages.first().map_or(0, |page| page.0);
        Ok(Root::from_words(&[universe.start.0, universe.blocks, first, self.runs]))
    }
    fn resize(&mut self, count: usize, pages: &mut dyn PageTxn) -> Result<()> {
        while self.pages.len() < count {
            self.pages.push(pages.alloc(SPACE)?);
        }
        self.pages.drain(count..).try_for_each(|page| pages.free(page, SPACE))
    }
    /// Every run of the chain; each must follow the one before it, with a gap.
    fn read(&self, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
        let universe = self.universe.expect("format or open comes first");
        let (mut left, mut from) = (self.runs, universe.start.0);
        for page in &self.pages {
            let payload = pages.read(*page, SPACE)?;
            for slot in 0..left.min(RUNS_PER_PAGE as u64) as usize {
                let run = Extent::checked(word(&payload, 8 + slot * 16), word(&payload, 16 + slot * 16))
                    .filter(|run| run.start.0 >= from && universe.contains(*run))
                    .ok_or(Error::corrupt_page("free run", *page))?;
                from = run.end().0.saturating_add(1);
                left -= 1;
                each(run);
            }
        }
        Ok(())
    }
}

impl SpaceForm for DumpForm {
    fn format(&mut self, universe: Extent, free: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<Root> {
        *self = DumpForm { universe: Some(universe), ..DumpForm::default() };
        self.write(free, pages)
    }
    fn open(&mut self, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<()> {
        let [start, blocks, first, runs] = root.words("dump root")?;
        if (Pba(start), blocks) != (universe.start, universe.blocks) || runs > universe.blocks {
            return Err(Error::Corrupt { what: "dump root", place: Place::Pool });
        }
        *self = DumpForm { universe: Some(universe), pages: Vec::new(), runs };
        let mut next = first;
        while (self.pages.len() as u64) < pages_for(runs) {
            self.pages.push(PageNo(next));
            next = word(&*pages.read(PageNo(next), SPACE)?, 0);
        }
        Ok(())
    }
    fn load(&self, within: Extent, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
        self.read(pages, &mut |run| {
            if let Some(run) = run.intersect(within) {
                each(run);
            }
        })
    }
    fn pages_bound(&self, _: u64, _: u64, runs: u64) -> u64 {
        self.pages.len() as u64 + pages_for(runs)
    }
    fn commit(&mut self, _: &Changes, free: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<Root> {
        self.write(free, pages)
    }
    fn visit_pages(&self, _: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.pages.iter().for_each(|page| each(*page));
        Ok(())
    }
    fn check(&self, pages: &dyn PageRead, _: &mut dyn FnMut(Finding)) -> Result<()> {
        self.read(pages, &mut |_| {})
    }
}
