//! One life of a space form beside an index and a model: takes, frees, commits, reopening, damage.
//!
//! Invariant: index, model and the uncommitted changes always tell the same story, so that whatever the form loads can
//! only be right or wrong by itself. Knows no law.

use crate::dice::Dice;
use crate::form_laws::FormFactory;
use crate::free_model::FreeModel;
use crate::index_laws::IndexFactory;
use crate::memory_pages::MemoryPages;
use spinney_alloc::{Change, Changes, FreeIndex, FreeView, SpaceForm, Want};
use spinney_core::{Error, Extent, PageNo, PageRead, Pba, Result, Root};

/// The parts of a life.
pub struct FormLife {
    /// All blocks.
    pub universe: Extent,
    /// What is free.
    pub model: FreeModel,
    /// The same, as the form is shown it.
    pub index: Box<dyn FreeIndex>,
    /// The form on trial.
    pub form: Box<dyn SpaceForm>,
    /// Its pages.
    pub pages: MemoryPages,
    /// What the last commit returned.
    pub root: Root,
    changes: Changes,
}

impl FormLife {
    /// A formatted form; all of `universe` is free.
    #[must_use]
    pub fn new(universe: Extent, form: FormFactory, index: IndexFactory) -> FormLife {
        let mut index = index();
        index.reset(universe);
        index.insert(universe);
        let mut life = FormLife {
            universe,
            model: FreeModel::full(universe),
            index,
            form: form(),
            pages: MemoryPages::new(),
            root: Root::default(),
            changes: Changes::default(),
        };
        life.format(form);
        life
    }
    /// Begin anew on new pages, with the set as it is.
    pub fn format(&mut self, form: FormFactory) {
        self.changes.clear();
        (self.form, self.pages) = (form(), MemoryPages::new());
        self.root = self
            .form
            .format(self.universe, &FreeView::of(&*self.index), &mut self.pages)
            .expect("memory has room");
        self.pages.seal();
    }
    /// Take a run that is free.
    pub fn take(&mut self, run: Extent) {
        self.index.remove(run);
        self.model.remove(run);
        self.changes.push(Change::Take(run));
    }
    /// Free a run that is taken.
    pub fn free(&mut self, run: Extent) {
        self.index.insert(run);
        self.model.insert(run);
        self.changes.push(Change::Free(run));
    }
    /// Some picks, then some frees, as an epoch has them; blocks that were just taken may be freed again.
    pub fn churn(&mut self, dice: &mut Dice) {
        for _ in 0..dice.below(12) {
            let want = Want::up_to(dice.log_uniform(300));
            if let Some(run) = self.index.pick(&want) {
                self.model.remove(run);
                self.changes.push(Change::Take(run));
            }
        }
        for _ in 0..dice.below(10) {
            let taken = self.model.runs_within(self.universe, false);
            if !taken.is_empty() {
                let run = *dice.one_of(&taken);
                let skip = dice.below(run.blocks);
                self.free(Extent::new(Pba(run.start.0 + skip), dice.log_uniform(run.blocks - skip)));
            }
        }
    }
    /// Commit, and hold the pages touched against the bound.
    pub fn commit(&mut self) {
        let (changes, blocks, runs) =
            (self.changes.len() as u64, self.changes.blocks(), self.index.free_runs());
        let bound = self.form.pages_bound(changes, blocks, runs);
        self.root = self
            .form
            .commit(&self.changes, &FreeView::of(&*self.index), &mut self.pages)
            .expect("memory has room");
        self.changes.clear();
        let touched = self.pages.seal();
        assert!(
            touched <= bound,
            "{touched} pages touched, bound {bound}: {changes} changes of {blocks} blocks, {runs} runs, {:?}",
            self.universe
        );
    }
    /// Go on with a new form, opened from the root.
    pub fn reopen(&mut self, form: FormFactory) {
        self.form = form();
        self.form.open(self.universe, &self.root, &self.pages).expect("a sound root");
    }
    /// What is loaded is what the model has.
    pub fn loads_what_the_model_has(&self) {
        assert_eq!(loaded(&*self.form, self.universe, self.universe, &self.pages), Ok(self.model.runs()));
    }
    /// Every page's number and bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<(PageNo, Vec<u8>)> {
        let read = |(page, kind)| (page, self.pages.read(page, kind).expect("a live page").to_vec());
        self.pages.live().map(read).collect()
    }
    /// Open, load, check and walk `pages`, damaged as `what` says: each must end, well or with `Corrupt`.
    /// Returns whether it opened and loaded.
    pub fn survives(&self, form: FormFactory, root: &Root, pages: &MemoryPages, what: &str) -> bool {
        let mut form = form();
        if ended_badly(form.open(self.universe, root, pages), what) {
            return false;
        }
        let bad = ended_badly(loaded(&*form, self.universe, self.universe, pages), what);
        ended_badly(form.check(pages, &mut |_| {}), what);
        let mut left = VISITED_PAGES_MAX;
        let walked = form.visit_pages(pages, &mut |_| {
            assert!(left > 0, "endless walk: {what}");
            left -= 1;
        });
        ended_badly(walked, what);
        !bad
    }
}

/// More pages than any small life has.
const VISITED_PAGES_MAX: u64 = 1 << 16;

/// Whether it is an error; it may only be `Corrupt`.
fn ended_badly<T>(end: Result<T>, what: &str) -> bool {
    match end {
        Ok(_) => false,
        Err(Error::Corrupt { .. }) => true,
        Err(error) => panic!("{error:?}: {what}"),
    }
}

/// What `form` loads inside `within`: sorted, adjacent runs joined. Panics if a run lies outside or twice.
pub fn loaded(
    form: &dyn SpaceForm,
    universe: Extent,
    within: Extent,
    pages: &dyn PageRead,
) -> Result<Vec<Extent>> {
    let mut runs = Vec::new();
    form.load(within, pages, &mut |run| {
        assert!(
            run.blocks > 0 && run.start.0.checked_add(run.blocks).is_some(),
            "a bad run is loaded: {run:?}"
        );
        assert!(within.contains(run), "{run:?} is loaded outside {within:?}");
        assert!((runs.len() as u64) < universe.blocks, "more runs are loaded than there are blocks");
        runs.push(run);
    })?;
    runs.sort_unstable();
    let mut joined: Vec<Extent> = Vec::new();
    for run in runs {
        match joined.last_mut() {
            Some(last) if last.end() == run.start => last.blocks += run.blocks,
            Some(last) => {
                assert!(last.end() < run.start, "{run:?} is loaded twice");
                joined.push(run);
            }
            None => joined.push(run),
        }
    }
    Ok(joined)
}
