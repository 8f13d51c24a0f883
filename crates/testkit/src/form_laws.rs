//! The laws of a space form: what `form_laws!` turns into one named test each.
//!
//! Invariant: a form is judged by what it loads, against the flags of [`FreeModel`], and by the pages that it touched. The
//! index beside it is any lawful one. Knows no encoding.

use crate::dice::Dice;
use crate::form_life::{FormLife, loaded};
use crate::index_laws::IndexFactory;
use spinney_alloc::SpaceForm;
use spinney_core::{Extent, PageKind, PageNo, PageTxn, Pba, Root};

/// Makes a new form.
pub type FormFactory<'a> = &'a dyn Fn() -> Box<dyn SpaceForm>;

/// `form_laws!(form_factory, index_factory)` makes a module `form_laws` with one test for each law;
/// `form_laws!(name, form_factory, index_factory)` calls the module `name`.
#[macro_export]
macro_rules! form_laws {
    ($form:expr, $index:expr) => {
        $crate::form_laws!(form_laws, $form, $index);
    };
    ($module:ident, $form:expr, $index:expr) => {
        $crate::laws!(
            $module,
            form_laws,
            [$form, $index],
            [
                what_was_committed_is_loaded,
                the_previous_root_loads_from_the_previous_pages,
                a_commit_stays_within_its_bound,
                a_scattered_commit_stays_within_its_bound,
                the_pages_visited_are_the_live_pages,
                a_sound_form_has_no_findings,
                a_region_loads_alone,
                the_same_commits_give_the_same_pages,
                a_format_keeps_any_set,
                every_flipped_bit_of_a_page_is_corrupt_or_harmless,
                every_flipped_bit_of_the_root_is_corrupt_or_harmless,
                garbage_pages_are_corrupt_or_harmless,
                misplaced_pages_are_corrupt_or_harmless,
                a_strange_root_is_refused,
                the_root_of_another_universe_is_corrupt_or_harmless,
            ]
        );
    };
}

const UNIVERSES: [(u64, u64); 6] =
    [(0, 1), (5, 63), (63, 1000), (4096, 4096), (1_000_003, 70_001), ((1 << 40) + 7, 5000)];

fn universes() -> impl Iterator<Item = (u64, Extent)> {
    UNIVERSES
        .into_iter()
        .enumerate()
        .map(|(seed, (start, blocks))| (seed as u64, Extent::new(Pba(start), blocks)))
}

fn lives(
    law: &'static str,
    form: FormFactory,
    index: IndexFactory,
    each: &mut dyn FnMut(&mut FormLife, &mut Dice),
) {
    for (seed, universe) in universes() {
        let mut dice = Dice::new(law, seed);
        each(&mut FormLife::new(universe, form, index), &mut dice);
    }
}

/// After each of many commits, by the form that made it and by one that was just opened.
pub fn what_was_committed_is_loaded(form: FormFactory, index: IndexFactory) {
    lives("what_was_committed_is_loaded", form, index, &mut |life, dice| {
        for turn in 0..30 {
            life.churn(dice);
            life.commit();
            life.loads_what_the_model_has();
            if turn % 3 == 0 {
                life.reopen(form);
                life.loads_what_the_model_has();
            }
        }
    });
}

/// Until the next epoch is durable, a crash may go back to it.
pub fn the_previous_root_loads_from_the_previous_pages(form: FormFactory, index: IndexFactory) {
    lives("the_previous_root_loads_from_the_previous_pages", form, index, &mut |life, dice| {
        for _ in 0..15 {
            let (root, pages, runs) = (life.root, life.pages.view(), life.model.runs());
            life.churn(dice);
            life.commit();
            let mut old = form();
            old.open(life.universe, &root, &pages).expect("the previous root opens");
            assert_eq!(loaded(&*old, life.universe, life.universe, &pages), Ok(runs));
        }
    });
}

/// [`FormLife::commit`] holds each commit against `pages_bound`; this life has many commits of every size.
pub fn a_commit_stays_within_its_bound(form: FormFactory, index: IndexFactory) {
    lives("a_commit_stays_within_its_bound", form, index, &mut |life, dice| {
        for turn in 0..60 {
            for _ in 0..dice.below(4) {
                life.churn(dice);
            }
            life.commit();
            if turn % 10 == 9 {
                life.reopen(form);
            }
        }
    });
}

/// The worst case: every other block changes, then the blocks between, then all at once.
pub fn a_scattered_commit_stays_within_its_bound(form: FormFactory, index: IndexFactory) {
    lives("a_scattered_commit_stays_within_its_bound", form, index, &mut |life, _| {
        let every_other = |first| (first..life_blocks(life.universe)).step_by(2).map(move |at| (at, 1));
        let (even, odd): (Vec<_>, Vec<_>) = (every_other(0).collect(), every_other(1).collect());
        for (free, runs) in [(false, &even), (false, &odd), (true, &odd), (true, &even)] {
            for (at, blocks) in runs {
                let run = Extent::new(Pba(life.universe.start.0 + at), *blocks);
                if free { life.free(run) } else { life.take(run) }
            }
            life.commit();
            life.loads_what_the_model_has();
        }
        life.take(life.universe);
        life.commit();
        life.loads_what_the_model_has();
    });
}

fn life_blocks(universe: Extent) -> u64 {
    universe.blocks.min(9000)
}

/// No page is leaked, none is named twice, and all are of kind `SPACE`.
pub fn the_pages_visited_are_the_live_pages(form: FormFactory, index: IndexFactory) {
    lives("the_pages_visited_are_the_live_pages", form, index, &mut |life, dice| {
        for turn in 0..20 {
            life.churn(dice);
            life.commit();
            if turn % 4 == 0 {
                life.reopen(form);
            }
            let mut visited = Vec::new();
            life.form.visit_pages(&life.pages, &mut |page| visited.push(page)).expect("sound pages");
            visited.sort_unstable();
            let live: Vec<PageNo> = life.pages.live().map(|(page, _)| page).collect();
            assert_eq!(visited, live, "pages visited, pages live");
            assert!(life.pages.live().all(|(_, kind)| kind == PageKind::SPACE));
        }
    });
}

/// `check` is silent on what the form itself wrote.
pub fn a_sound_form_has_no_findings(form: FormFactory, index: IndexFactory) {
    lives("a_sound_form_has_no_findings", form, index, &mut |life, dice| {
        for turn in 0..20 {
            life.form.check(&life.pages, &mut |found| panic!("{found}")).expect("sound pages");
            life.churn(dice);
            life.commit();
            if turn % 4 == 0 {
                life.reopen(form);
            }
        }
    });
}

/// The runs of a window are those of the whole, clipped.
pub fn a_region_loads_alone(form: FormFactory, index: IndexFactory) {
    lives("a_region_loads_alone", form, index, &mut |life, dice| {
        for _ in 0..6 {
            life.churn(dice);
            life.commit();
            for _ in 0..10 {
                let start = life.universe.start.0 + dice.below(life.universe.blocks);
                let blocks = dice.log_uniform(life.universe.end().0 - start);
                let within = Extent::new(Pba(start), blocks);
                let runs = loaded(&*life.form, life.universe, within, &life.pages);
                assert_eq!(runs, Ok(life.model.runs_within(within, true)), "inside {within:?}");
            }
        }
    });
}

/// Roots and bytes: an experiment is repeatable to the byte.
pub fn the_same_commits_give_the_same_pages(form: FormFactory, index: IndexFactory) {
    let run = |seed, universe| {
        let mut dice = Dice::new("the_same_commits_give_the_same_pages", seed);
        let mut life = FormLife::new(universe, form, index);
        for _ in 0..10 {
            life.churn(&mut dice);
            life.commit();
        }
        (life.root, life.bytes())
    };
    for (seed, universe) in universes() {
        assert!(run(seed, universe) == run(seed, universe), "two equal lives differ, seed {seed}");
    }
}

/// `format` writes the set that the index holds, be it empty, full or in pieces.
pub fn a_format_keeps_any_set(form: FormFactory, index: IndexFactory) {
    lives("a_format_keeps_any_set", form, index, &mut |life, dice| {
        for turn in 0..4 {
            if turn == 3 {
                for run in life.model.runs() {
                    life.take(run);
                }
            } else if turn > 0 {
                (0..20).for_each(|_| life.churn(dice));
            }
            life.format(form);
            life.loads_what_the_model_has();
            life.reopen(form);
            life.loads_what_the_model_has();
        }
    });
}

/// A small fragmented life, to be damaged.
fn small_life(law: &'static str, form: FormFactory, index: IndexFactory) -> (FormLife, Dice) {
    let mut dice = Dice::new(law, 7);
    let mut life = FormLife::new(Extent::new(Pba(4097), 600), form, index);
    for _ in 0..6 {
        life.churn(&mut dice);
        life.commit();
    }
    (life, dice)
}

/// Pages whose bits are flipped one by one; a form with more has them of the same few sorts.
const DAMAGED_PAGES_MAX: usize = 6;

/// What the page store's checksum should have caught is still no panic, no hang and no block outside.
pub fn every_flipped_bit_of_a_page_is_corrupt_or_harmless(form: FormFactory, index: IndexFactory) {
    let (life, _) = small_life("every_flipped_bit_of_a_page_is_corrupt_or_harmless", form, index);
    let mut pages = life.pages.view();
    let live: Vec<_> = pages.live().take(DAMAGED_PAGES_MAX).collect();
    for (page, kind) in live {
        for bit in 0..spinney_core::PAYLOAD_BYTES * 8 {
            let flip = 1u8 << (bit % 8);
            pages.edit(page, kind).expect("a live page")[bit / 8] ^= flip;
            life.survives(form, &life.root, &pages, &format!("bit {bit} of page {page} flipped"));
            pages.edit(page, kind).expect("a live page")[bit / 8] ^= flip;
        }
    }
}

/// The same for the root.
pub fn every_flipped_bit_of_the_root_is_corrupt_or_harmless(form: FormFactory, index: IndexFactory) {
    let (life, _) = small_life("every_flipped_bit_of_the_root_is_corrupt_or_harmless", form, index);
    for bit in 0..life.root.bytes().len() * 8 {
        let mut bytes = life.root.bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        life.survives(form, &Root::new(&bytes), &life.pages, &format!("bit {bit} of the root flipped"));
    }
}

/// Whole pages and parts of pages filled with noise.
pub fn garbage_pages_are_corrupt_or_harmless(form: FormFactory, index: IndexFactory) {
    let (life, mut dice) = small_life("garbage_pages_are_corrupt_or_harmless", form, index);
    let live: Vec<_> = life.pages.live().collect();
    for turn in 0..400 {
        let mut pages = life.pages.view();
        let (page, kind) = *dice.one_of(&live);
        let payload = pages.edit(page, kind).expect("a live page");
        let from = dice.below(payload.len() as u64) as usize * usize::from(turn % 4 != 0);
        let length = dice.log_uniform((payload.len() - from) as u64) as usize;
        let fill = *dice.one_of(&[0, 0xff, 1]);
        for byte in &mut payload[from..from + length] {
            *byte = if fill == 1 { dice.any() as u8 } else { fill };
        }
        life.survives(form, &life.root, &pages, &format!("bytes {from}+{length} of page {page} overwritten"));
    }
}

/// A page that holds what another should, and pages of an older commit among newer ones.
pub fn misplaced_pages_are_corrupt_or_harmless(form: FormFactory, index: IndexFactory) {
    let (mut life, mut dice) = small_life("misplaced_pages_are_corrupt_or_harmless", form, index);
    let older = life.pages.view();
    for _ in 0..3 {
        life.churn(&mut dice);
        life.commit();
    }
    let live: Vec<_> = life.pages.live().collect();
    for (to, kind) in &live {
        for from in older.live().chain(live.iter().copied()) {
            for source in [&older, &life.pages] {
                let Ok(bytes) = spinney_core::PageRead::read(source, from.0, from.1) else { continue };
                let mut pages = life.pages.view();
                *pages.edit(*to, *kind).expect("a live page") = *bytes;
                life.survives(form, &life.root, &pages, &format!("page {to} holds what {} held", from.0));
            }
        }
    }
}

/// Roots that no commit made: empty, of other lengths, all ones.
pub fn a_strange_root_is_refused(form: FormFactory, index: IndexFactory) {
    let (life, _) = small_life("a_strange_root_is_refused", form, index);
    for length in 0..=spinney_core::ROOT_BYTES_MAX {
        for fill in [0, 0xff] {
            let root = Root::new(&vec![fill; length]);
            let what = format!("a root of {length} bytes {fill:#x}");
            assert!(!life.survives(form, &root, &life.pages, &what), "{what} was taken");
        }
    }
}

/// A root that belongs to a pool of another size or place.
pub fn the_root_of_another_universe_is_corrupt_or_harmless(form: FormFactory, index: IndexFactory) {
    let (mut life, _) = small_life("the_root_of_another_universe_is_corrupt_or_harmless", form, index);
    for (start, blocks) in [(4097, 599), (4097, 601), (4096, 600), (0, 1), (0, 1 << 20), (u64::MAX - 9, 9)] {
        life.universe = Extent::new(Pba(start), blocks);
        life.survives(form, &life.root, &life.pages, &format!("opened as {:?}", life.universe));
    }
}
