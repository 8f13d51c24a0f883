//! The checker, and the list of all pages.
//!
//! Invariant: writes nothing; trusts no count and no filter. Whether the references are those of the maps only the owner of the maps
//! can tell.

use crate::BackReferences;
use crate::cursor::Cursor;
use crate::gather::Gathered;
use crate::journal::{Journal, Limits};
use crate::merge::Merge;
use crate::row::BLOCK_LIMIT;
use spinney_core::{Finding, PageNo, PageRead, Place, Result};

impl BackReferences {
    /// Every page, once.
    pub fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.journal.visit_pages(pages, each)?;
        self.runs.values().try_for_each(|run| run.visit_pages(pages, each))
    }

    /// Rules that do not hold. To be called with nothing told since the last commit, else the journal is not compared.
    /// Errors: `Corrupt` where the walk cannot go on.
    pub fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        let size = self.options.partition_blocks;
        let place = Place::Page(self.journal.root());
        if self.events.is_empty() {
            let limits = Limits { now: self.now, next_id: self.next_id, partitions: self.partitions() };
            let (_, stored) = Journal::open(self.journal.root(), &limits, pages)?;
            if stored != self.state() {
                found(Finding { rule: "the journal of back references is what is in memory", place });
            }
        }
        for run in self.runs.values() {
            let blocks = run.partition * size..(run.partition + 1).saturating_mul(size);
            let place = Place::Page(run.index.root);
            let (mut records, mut filtered) = (0, true);
            let mut cursor = Cursor::new(run, &(0..BLOCK_LIMIT), pages)?;
            let (mut inside, mut closed) = (true, true);
            while let Some(chunk) = cursor.next_chunk(pages)? {
                let mut gathered = Gathered::default();
                cursor.take(chunk, pages, &mut gathered)?;
                gathered.each_block(&mut |block, version| {
                    records += 1;
                    filtered &= run.filter.may_have(block);
                    inside &= blocks.contains(&block);
                    closed &= version < self.now;
                });
            }
            let rules = [
                ("a run has as many references as the journal says", records == run.records),
                ("a filter knows every block of its run", filtered),
                ("a run is of one partition", inside),
                ("a run is of closed versions", closed),
            ];
            rules.iter().filter(|(_, holds)| !holds).for_each(|(rule, _)| found(Finding { rule, place }));
        }
        let all = self.universe.start.0..self.universe.end().0;
        let mut merge = Merge::new(self.runs.values(), Some(&self.writes), &all, pages)?;
        while merge.next(pages)?.is_some() {}
        Ok(())
    }
}
