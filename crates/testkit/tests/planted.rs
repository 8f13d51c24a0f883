//! The laws can fail: each planted fault in an obviously right part is caught by the law named beside it.

use spinney_alloc::reclaim::Moment;
use spinney_alloc::{Changes, Composed, FreeIndex, FreeLog, FreeView, Reclaim, SpaceForm, Want};
use spinney_core::{
    Effort, Epoch, Extent, Finding, Flow, PageKind, PageNo, PageRead, PageTxn, Pba, Result, Root,
};
use spinney_testkit::{DumpForm, FirstFit, allocator_laws, form_laws, index_laws};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn caught(fault: &str, law: impl FnOnce()) {
    assert!(catch_unwind(AssertUnwindSafe(law)).is_err(), "the law did not catch: {fault}");
}

/// A first fit that is wrong in one way.
#[derive(Default)]
struct WrongIndex {
    inner: FirstFit,
    fault: &'static str,
    picks: u64,
}

impl WrongIndex {
    fn is(&self, fault: &str) -> bool {
        self.fault == fault
    }
}

impl FreeIndex for WrongIndex {
    fn reset(&mut self, universe: Extent) {
        self.inner.reset(universe);
        if !self.is("reset keeps the cursor") {
            self.picks = 0;
        }
    }
    fn insert(&mut self, run: Extent) {
        let lost = u64::from(self.is("an insert loses a block") && run.blocks == 6);
        self.inner.insert(Extent::new(run.start, run.blocks - lost));
    }
    fn remove(&mut self, run: Extent) {
        self.inner.remove(run);
    }
    fn pick(&mut self, want: &Want) -> Option<Extent> {
        self.picks += 1;
        let given_up = self.is("a search gives up") && want.blocks_min > 60 && self.free_runs() > 3;
        let shifted = self.is("reset keeps the cursor") && self.picks.is_multiple_of(7);
        match self.fault {
            _ if given_up => None,
            "alignment is ignored" => self.inner.pick(&Want { align: 1, ..*want }),
            "the minimum is ignored" => self.inner.pick(&Want { blocks_min: 1, ..*want }),
            "a pick stays in the set" => {
                let run = self.inner.pick(want)?;
                if run.blocks == 3 {
                    self.inner.insert(run);
                }
                Some(run)
            }
            _ if shifted => self.inner.pick(&Want { blocks_max: want.blocks_min, ..*want }),
            _ => self.inner.pick(want),
        }
    }
    fn is_free(&self, run: Extent) -> bool {
        if self.is("is_free asks the first block") {
            return self.inner.is_free(Extent::new(run.start, 1));
        }
        self.inner.is_free(run)
    }
    fn visit(&self, within: Extent, each: &mut dyn FnMut(Extent) -> Flow) {
        if self.is("a visit does not stop") {
            return self.inner.visit(within, &mut |run| {
                each(run);
                Flow::Continue
            });
        }
        self.inner.visit(within, each);
    }
    fn free_blocks(&self) -> u64 {
        self.inner.free_blocks()
    }
    fn free_runs(&self) -> u64 {
        self.inner.free_runs() + u64::from(self.is("runs are miscounted") && self.inner.free_runs() == 4)
    }
    fn effort(&self) -> Effort {
        self.inner.effort()
    }
    fn memory_bytes(&self) -> u64 {
        self.inner.memory_bytes()
    }
}

#[test]
fn a_wrong_index_is_caught() {
    type Law = fn(index_laws::IndexFactory);
    let cases: [(&'static str, Law); 9] = [
        ("an insert loses a block", index_laws::it_agrees_with_a_set_model),
        ("a search gives up", index_laws::a_pick_is_found_whenever_a_run_fits),
        ("alignment is ignored", index_laws::a_pick_is_found_whenever_a_run_fits),
        ("the minimum is ignored", index_laws::a_request_larger_than_the_largest_run_changes_nothing),
        ("a pick stays in the set", index_laws::it_agrees_with_a_set_model),
        ("is_free asks the first block", index_laws::it_agrees_with_a_set_model),
        ("a visit does not stop", index_laws::a_visit_is_clipped_and_stops_when_told),
        ("runs are miscounted", index_laws::it_agrees_with_a_set_model),
        ("reset keeps the cursor", index_laws::a_reset_index_behaves_as_a_new_one),
    ];
    for (fault, law) in cases {
        caught(fault, || law(&|| Box::new(WrongIndex { fault, ..WrongIndex::default() })));
    }
}

/// A dump that is wrong in one way.
struct WrongForm {
    inner: DumpForm,
    fault: &'static str,
}

impl SpaceForm for WrongForm {
    fn format(&mut self, universe: Extent, free: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<Root> {
        self.inner.format(universe, free, pages)
    }
    fn open(&mut self, universe: Extent, root: &Root, pages: &dyn PageRead) -> Result<()> {
        if self.fault == "any root is taken" && root.is_empty() {
            return Ok(());
        }
        self.inner.open(universe, root, pages)
    }
    fn load(&self, within: Extent, pages: &dyn PageRead, each: &mut dyn FnMut(Extent)) -> Result<()> {
        let whole = Extent::new(Pba(0), u64::MAX);
        let within = if self.fault == "the window is ignored" { whole } else { within };
        self.inner.load(within, pages, each)
    }
    fn pages_bound(&self, changes: u64, blocks: u64, runs: u64) -> u64 {
        match self.fault {
            "the bound is one page" => 1,
            _ => self.inner.pages_bound(changes, blocks, runs),
        }
    }
    fn commit(&mut self, changes: &Changes, free: &FreeView<'_>, pages: &mut dyn PageTxn) -> Result<Root> {
        let frees = changes.netted().iter().any(|change| matches!(change, spinney_alloc::Change::Free(_)));
        if self.fault == "frees are dropped" && frees {
            let mut without = FirstFit::default();
            let mut runs = Vec::new();
            free.visit(Extent::new(Pba(0), u64::MAX), &mut |run| {
                runs.push(run);
                Flow::Continue
            });
            without.reset(Extent::new(runs[0].start, runs[runs.len() - 1].end().0 - runs[0].start.0));
            runs.iter().skip(1).for_each(|run| without.insert(*run));
            return self.inner.commit(changes, &FreeView::of(&without), pages);
        }
        if self.fault == "a page is leaked" {
            pages.alloc(PageKind::SPACE)?;
        }
        self.inner.commit(changes, free, pages)
    }
    fn visit_pages(&self, pages: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        self.inner.visit_pages(pages, each)
    }
    fn check(&self, pages: &dyn PageRead, found: &mut dyn FnMut(Finding)) -> Result<()> {
        self.inner.check(pages, found)
    }
}

#[test]
fn a_wrong_form_is_caught() {
    type Law = fn(form_laws::FormFactory, index_laws::IndexFactory);
    let cases: [(&'static str, Law); 5] = [
        ("any root is taken", form_laws::a_strange_root_is_refused),
        ("the window is ignored", form_laws::a_region_loads_alone),
        ("the bound is one page", form_laws::a_scattered_commit_stays_within_its_bound),
        ("frees are dropped", form_laws::what_was_committed_is_loaded),
        ("a page is leaked", form_laws::the_pages_visited_are_the_live_pages),
    ];
    for (fault, law) in cases {
        let form: form_laws::FormFactory = &|| Box::new(WrongForm { inner: DumpForm::default(), fault });
        caught(fault, || law(form, &|| Box::new(FirstFit::default())));
    }
}

/// A policy with a log that is kept in memory only, and that forgets a run or hands one over twice.
#[derive(Default)]
struct WrongLog {
    queued: Vec<Extent>,
    page: PageNo,
    fault: &'static str,
}

impl Reclaim for WrongLog {
    fn due(&self, now: &Moment) -> Epoch {
        now.epoch
    }
    fn log(&self) -> Option<&dyn FreeLog> {
        Some(self)
    }
    fn log_mut(&mut self) -> Option<&mut dyn FreeLog> {
        Some(self)
    }
}

impl FreeLog for WrongLog {
    fn format(&mut self, _: Extent, pages: &mut dyn PageTxn) -> Result<PageNo> {
        self.page = pages.alloc(PageKind::SPACE)?;
        Ok(self.page)
    }
    fn open(&mut self, _: Extent, head: PageNo, _: &dyn PageRead) -> Result<()> {
        self.page = head;
        Ok(())
    }
    fn commit(
        &mut self,
        _: &Moment,
        released: &[Extent],
        pages: &mut dyn PageTxn,
        each: &mut dyn FnMut(Extent),
    ) -> Result<()> {
        pages.edit(self.page, PageKind::SPACE)?;
        for (at, run) in released.iter().enumerate() {
            match self.fault {
                "a release is forgotten" if at == 3 => {}
                "a release comes back twice" if at == 3 => (0..2).for_each(|_| each(*run)),
                "a release waits in memory only" => self.queued.push(*run),
                _ => each(*run),
            }
        }
        Ok(())
    }
    fn due_bound(&self, runs: u64, blocks: u64) -> (u64, u64) {
        (runs, blocks)
    }
    fn pages_bound(&self, _: u64) -> u64 {
        1
    }
    fn is_draining(&self, _: &Moment) -> bool {
        false
    }
    fn visit(&self, each: &mut dyn FnMut(Extent)) {
        self.queued.iter().for_each(|run| each(*run));
    }
    fn visit_pages(&self, _: &dyn PageRead, each: &mut dyn FnMut(PageNo)) -> Result<()> {
        each(self.page);
        Ok(())
    }
    fn check(&self, _: &dyn PageRead, _: &mut dyn FnMut(Finding)) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_wrong_reclaim_policy_is_caught() {
    for fault in ["a release is forgotten", "a release comes back twice", "a release waits in memory only"] {
        let reclaim = || Box::new(WrongLog { fault, ..WrongLog::default() });
        let part = || Composed::new(Box::new(FirstFit::default()), Box::new(DumpForm::default()), reclaim());
        caught(fault, || allocator_laws::each_block_is_free_deferred_or_held(&|| Box::new(part())));
    }
}
