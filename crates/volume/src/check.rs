//! The checker: proves that everything on the device is accounted for, exactly once.
//!
//! Invariant: it writes nothing, and a sound pool yields no finding. It trusts no count: blocks and pages are walked.

use crate::Pool;
use spinney_core::{BLOCK_BYTES, Extent, Finding, Flow, PageNo, Place, Result};
use std::collections::BTreeSet;

/// Pages with two owners that are reported; a forged pool may name one page as often as it has room for.
const TWICE_MAX: usize = 1000;

/// What the checker saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Every rule that does not hold; empty is sound.
    pub findings: Vec<Finding>,
    /// Allocatable blocks.
    pub free_blocks: u64,
    /// Released blocks that are not allocatable yet.
    pub deferred_blocks: u64,
    /// Blocks that a version (or a pending delete) owns.
    pub owned_blocks: u64,
    /// Blocks that the metadata area took from the data.
    pub segment_blocks: u64,
    /// Metadata pages in use.
    pub pages: u64,
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

impl Pool {
    /// Check everything: each data block free, deferred or owned, exactly one of them; each page reachable once; the
    /// plug-ins' own rules; and, with `scrub`, every owned block against its checksum. Damage is reported as findings;
    /// an error means that the walk itself could not go on (it names the damaged page).
    pub fn check(&self, scrub: bool) -> Result<Report> {
        self.alive()?;
        let mut report = Report::default();
        let owned = self.check_blocks(&mut report)?;
        self.check_pages(&mut report)?;
        let findings = &mut report.findings;
        self.scheme.check(&self.pages, &mut |finding| findings.push(finding))?;
        self.allocator.check(&self.pages, &mut |finding| findings.push(finding))?;
        self.check_owners(findings)?;
        self.pages.check(&mut |finding| findings.push(finding))?;
        self.check_names(&mut |finding| findings.push(finding))?;
        if scrub {
            let mut block = vec![0; BLOCK_BYTES];
            for run in owned {
                self.checksums.scrub(run, &mut block, &*self.device, &self.pages, &mut |finding| {
                    findings.push(finding)
                });
            }
        }
        Ok(report)
    }

    fn check_blocks(&self, report: &mut Report) -> Result<Vec<Extent>> {
        let (mut free, mut deferred, mut owned) = (Vec::new(), Vec::new(), Vec::new());
        self.visit_free(&mut |run| {
            free.push(run);
            Flow::Continue
        })?;
        self.allocator.visit_deferred(&mut |run| deferred.push(run));
        self.scheme.visit_blocks(&self.pages, &mut |run| owned.push(run))?;
        let blocks = |runs: &[Extent]| runs.iter().map(|run| run.blocks).sum();
        report.free_blocks = blocks(&free);
        report.deferred_blocks = blocks(&deferred);
        report.owned_blocks = blocks(&owned);
        let tables = self.segments.table_blocks().map(|start| Extent { start, blocks: 1 });
        let segments: Vec<Extent> = self.segments.runs().iter().copied().chain(tables).collect();
        report.segment_blocks = self.segment_blocks();
        owned.sort_unstable();
        let mut all: Vec<Extent> = [&free[..], &deferred, &owned, &segments].concat();
        all.sort_unstable();
        cover_once(self.layout.data, &all, &mut report.findings);
        Ok(owned)
    }

    fn check_pages(&self, report: &mut Report) -> Result<()> {
        let mut seen = BTreeSet::new();
        let mut twice = Vec::new();
        let mut each = |page: PageNo| {
            if !seen.insert(page) && twice.len() < TWICE_MAX {
                twice.push(page);
            }
        };
        self.scheme.visit_pages(&self.pages, &mut each)?;
        self.allocator.visit_pages(&self.pages, &mut each)?;
        self.checksums.visit_pages(&self.pages, &mut each)?;
        self.names.visit_pages(&self.pages, &mut each)?;
        if let Some(references) = &self.back_references {
            references.visit_pages(&self.pages, &mut each)?;
        }
        let findings = &mut report.findings;
        let mut find = |rule, page| findings.push(Finding { rule, place: Place::Page(page) });
        twice.into_iter().for_each(|page| find("a page has one owner", page));
        self.pages.visit_live(&mut |page, _| {
            report.pages += 1;
            if !seen.remove(&page) {
                find("a live page is reachable", page);
            }
        })?;
        seen.into_iter().for_each(|page| find("a reachable page is live", page));
        Ok(())
    }
}

/// Sorted runs must tile `data`: no gap, no overlap.
fn cover_once(data: Extent, runs: &[Extent], findings: &mut Vec<Finding>) {
    let mut at = data.start;
    for run in runs {
        if run.start > at {
            findings.push(Finding {
                rule: "a block is free, deferred, owned or metadata's (this one is lost)",
                place: Place::Block(at),
            });
        }
        if run.start < at {
            findings.push(Finding {
                rule: "a block is only one of free, deferred, owned and metadata's, once",
                place: Place::Block(run.start),
            });
        }
        at = at.max(run.end());
    }
    if at != data.end() {
        findings.push(Finding {
            rule: "blocks are accounted for up to the end of the data, and no further",
            place: Place::Block(at),
        });
    }
}
