//! The laws of a free index: what `index_laws!` turns into one named test each.
//!
//! Invariant: a law compares *what* is free with [`FreeModel`], never which run was chosen. Each law takes a factory, so
//! that it can begin with as many fresh indexes as it needs. Knows no algorithm.

use crate::dice::Dice;
use crate::free_model::{FreeModel, visited};
use spinney_alloc::{FreeIndex, Want};
use spinney_core::{Extent, Flow, Pba};

/// Makes a new index.
pub type IndexFactory<'a> = &'a dyn Fn() -> Box<dyn FreeIndex>;

/// `index_laws!(factory)` makes a module `index_laws` with one test for each law; `index_laws!(name, factory)` calls the
/// module `name`. The factory is any expression that can be called: `fn() -> Box<dyn FreeIndex>`.
#[macro_export]
macro_rules! index_laws {
    ($factory:expr) => {
        $crate::index_laws!(index_laws, $factory);
    };
    ($module:ident, $factory:expr) => {
        $crate::laws!(
            $module,
            index_laws,
            [$factory],
            [
                it_agrees_with_a_set_model,
                a_pick_is_found_whenever_a_run_fits,
                all_blocks_can_be_taken_one_by_one_and_then_none,
                the_same_calls_give_the_same_answers,
                a_reset_index_behaves_as_a_new_one,
                everything_freed_returns_to_one_run,
                a_visit_is_clipped_and_stops_when_told,
                a_request_larger_than_the_largest_run_changes_nothing,
                a_wish_to_be_near_never_costs_a_pick,
                extreme_wants_do_not_overflow,
                runs_that_span_the_whole_universe_are_found,
            ]
        );
    };
}

/// Starts and sizes that sit on, before and across the edges of words, groups and pages.
const UNIVERSES: [(u64, u64); 9] = [
    (0, 1),
    (5, 63),
    (64, 64),
    (1, 130),
    (63, 1000),
    (4096, 4096),
    (1_000_003, 9001),
    ((1 << 40) + 7, 5000),
    (u64::MAX - 3000, 3000),
];

fn universes() -> impl Iterator<Item = Extent> {
    UNIVERSES.into_iter().map(|(start, blocks)| Extent::new(Pba(start), blocks))
}

fn fresh(make: IndexFactory, universe: Extent) -> Box<dyn FreeIndex> {
    let mut index = make();
    index.reset(universe);
    index
}

fn full(make: IndexFactory, universe: Extent) -> (Box<dyn FreeIndex>, FreeModel) {
    let mut index = fresh(make, universe);
    index.insert(universe);
    (index, FreeModel::full(universe))
}

/// A part of `run` that keeps neither, one or both of its ends.
fn part(dice: &mut Dice, run: Extent) -> Extent {
    let blocks = dice.log_uniform(run.blocks);
    let slack = run.blocks - blocks;
    let skip = *dice.one_of(&[0, slack, slack / 2]);
    Extent::new(Pba(run.start.0 + skip), blocks)
}

fn any_want(dice: &mut Dice, universe: Extent) -> Want {
    let blocks_max = dice.log_uniform(universe.blocks * 2);
    let blocks_min = *dice.one_of(&[1, blocks_max, blocks_max.div_ceil(2)]);
    let align = *dice.one_of(&[1, 1, 1, 2, 3, 8, 64, 100, 512]);
    let near = dice.one_in(3).then(|| Pba(universe.start.0 + dice.below(universe.blocks)));
    let stream = dice.below(3) as u32;
    Want { blocks_min, blocks_max, align, near, stream, ..Want::up_to(1) }
}

/// Pick, and hold the answer against the model. Returns the run.
fn pick(index: &mut dyn FreeIndex, model: &mut FreeModel, want: &Want) -> Option<Extent> {
    let run = index.pick(want);
    match run {
        Some(run) => {
            assert!(run.blocks >= want.blocks_min && run.blocks <= want.blocks_max, "{run:?} for {want:?}");
            assert_eq!(run.start.0 % want.align, 0, "{run:?} for {want:?}");
            model.remove(run);
        }
        None => assert!(!model.has(want), "no run found for {want:?} in {:?}", model.runs()),
    }
    run
}

/// One random call. Returns what a pick answered.
fn step(dice: &mut Dice, index: &mut dyn FreeIndex, model: &mut FreeModel) -> Option<Extent> {
    let choice = dice.below(20);
    let free = choice >= 9;
    if choice >= 11 {
        let want = any_want(dice, model.universe);
        return pick(index, model, &want);
    }
    let runs = model.runs_within(model.universe, free);
    if runs.is_empty() {
        return None;
    }
    let run = *dice.one_of(&runs);
    let run = part(dice, run);
    if free {
        index.remove(run);
        model.remove(run);
    } else {
        index.insert(run);
        model.insert(run);
    }
    None
}

fn agrees(dice: &mut Dice, index: &dyn FreeIndex, model: &FreeModel) {
    let runs = model.runs();
    assert_eq!(visited(index, model.universe), runs, "free runs");
    assert_eq!(index.free_blocks(), model.blocks(), "free blocks");
    assert_eq!(index.free_runs(), runs.len() as u64, "number of free runs");
    for _ in 0..4 {
        let run = part(dice, model.universe);
        assert_eq!(visited(index, run), model.runs_within(run, true), "free runs inside {run:?}");
        let free = run.iter().all(|at| model.is_free(at));
        assert_eq!(index.is_free(run), free, "is_free({run:?})");
    }
    if let Some(run) = runs.first() {
        assert!(index.is_free(part(dice, *run)), "part of {run:?} is free");
    }
}

/// Insert, remove and pick in any order give the set that the model holds.
pub fn it_agrees_with_a_set_model(make: IndexFactory) {
    for (seed, universe) in universes().enumerate() {
        let mut dice = Dice::new("it_agrees_with_a_set_model", seed as u64);
        let (mut index, mut model) = (fresh(make, universe), FreeModel::empty(universe));
        let every = 1 + universe.blocks / 256;
        for turn in 0..1500 {
            step(&mut dice, &mut *index, &mut model);
            if turn % every == 0 {
                agrees(&mut dice, &*index, &model);
            }
        }
        agrees(&mut dice, &*index, &model);
    }
}

/// In a fragmented set every size and alignment is served as long as some run fits.
pub fn a_pick_is_found_whenever_a_run_fits(make: IndexFactory) {
    let universe = Extent::new(Pba(4093), 20_000);
    for seed in 0..RUN_MAX.len() as u64 {
        let mut dice = Dice::new("a_pick_is_found_whenever_a_run_fits", seed);
        let (mut index, mut model) = fragmented(&mut dice, make, universe, RUN_MAX[seed as usize]);
        let largest = model.runs().iter().map(|run| run.blocks).max().unwrap_or(0);
        for align in [1, 2, 7, 64, 512, 4096] {
            for blocks in [1, 2, 3, 31, 63, 64, 65, 127, 128, 200, largest - 1, largest, largest + 1] {
                let want = Want { align, ..Want::exactly(blocks.max(1)) };
                if let Some(run) = pick(&mut *index, &mut model, &want) {
                    index.insert(run);
                    model.insert(run);
                }
            }
        }
        agrees(&mut dice, &*index, &model);
    }
}

/// The longest run of a fragmented set: inside a word, a group, and longer.
const RUN_MAX: [u64; 6] = [2, 8, 70, 300, 1200, 9000];

/// Free runs of up to `run_max` blocks with gaps of one to eight blocks between them.
fn fragmented(
    dice: &mut Dice,
    make: IndexFactory,
    universe: Extent,
    run_max: u64,
) -> (Box<dyn FreeIndex>, FreeModel) {
    let (mut index, mut model) = (fresh(make, universe), FreeModel::empty(universe));
    let mut at = universe.start.0 + dice.below(3);
    while at < universe.end().0 {
        let run = Extent::new(Pba(at), dice.log_uniform(run_max).min(universe.end().0 - at));
        index.insert(run);
        model.insert(run);
        at = run.end().0 + dice.between(1, 8);
    }
    (index, model)
}

/// Single blocks until none is left; the last answer is `None`.
pub fn all_blocks_can_be_taken_one_by_one_and_then_none(make: IndexFactory) {
    for universe in universes() {
        let (mut index, mut model) = full(make, universe);
        for left in (0..universe.blocks).rev() {
            let run = index.pick(&Want::up_to(1)).expect("a block is left");
            model.remove(run);
            assert_eq!(index.free_blocks(), left);
        }
        assert_eq!(index.pick(&Want::up_to(1)), None, "{universe:?} is all taken");
        assert_eq!((index.free_runs(), visited(&*index, universe)), (0, Vec::new()));
    }
}

type Answers = Vec<(Option<Extent>, spinney_core::Effort, u64)>;

fn answers(index: &mut dyn FreeIndex, universe: Extent, seed: u64) -> Answers {
    let mut dice = Dice::new("the same calls", seed);
    let mut model = FreeModel::empty(universe);
    index.reset(universe);
    let mut answers = Answers::new();
    for _ in 0..1000 {
        let run = step(&mut dice, index, &mut model);
        answers.push((run, index.effort(), index.memory_bytes()));
    }
    answers
}

/// Two indexes that are given the same calls choose alike, work alike and hold as much memory.
pub fn the_same_calls_give_the_same_answers(make: IndexFactory) {
    for (seed, universe) in universes().enumerate() {
        let one = answers(&mut *make(), universe, seed as u64);
        let other = answers(&mut *make(), universe, seed as u64);
        assert_eq!(one, other, "seed {seed}");
        assert!(
            one.windows(2).all(|pair| pair[0].1.steps <= pair[1].1.steps),
            "effort never falls, seed {seed}"
        );
    }
}

/// `reset` forgets cursors and counters too.
pub fn a_reset_index_behaves_as_a_new_one(make: IndexFactory) {
    let (small, large) = (Extent::new(Pba(63), 1000), Extent::new(Pba(4096), 4096));
    let mut used = make();
    answers(&mut *used, large, 1);
    let choices = |answers: Answers| answers.into_iter().map(|(run, ..)| run).collect::<Vec<_>>();
    assert_eq!(choices(answers(&mut *used, small, 2)), choices(answers(&mut *make(), small, 2)));
}

/// After any life, freeing everything gives one run, and a request for all of it is served (I7).
pub fn everything_freed_returns_to_one_run(make: IndexFactory) {
    for (seed, universe) in universes().enumerate() {
        let mut dice = Dice::new("everything_freed_returns_to_one_run", seed as u64);
        let (mut index, mut model) = full(make, universe);
        for _ in 0..500 {
            step(&mut dice, &mut *index, &mut model);
        }
        let mut held: Vec<Extent> = Vec::new();
        for run in model.runs_within(universe, false) {
            let cut = dice.between(1, run.blocks);
            held.push(Extent::new(run.start, cut));
            held.extend(Extent::checked(run.start.0 + cut, run.blocks - cut));
        }
        dice.shuffle(&mut held);
        held.into_iter().for_each(|run| index.insert(run));
        assert_eq!((index.free_blocks(), index.free_runs()), (universe.blocks, 1));
        assert_eq!(index.pick(&Want::exactly(universe.blocks)), Some(universe));
    }
}

/// A window may reach past the universe; a visitor that says `Stop` is not called again.
pub fn a_visit_is_clipped_and_stops_when_told(make: IndexFactory) {
    let universe = Extent::new(Pba(1000), 300);
    let mut index = fresh(make, universe);
    for start in [1000, 1100, 1298] {
        index.insert(Extent::new(Pba(start), 2));
    }
    let wide = visited(&*index, Extent::new(Pba(0), 5000));
    assert_eq!(wide, [1000, 1100, 1298].map(|start| Extent::new(Pba(start), 2)));
    assert_eq!(visited(&*index, Extent::new(Pba(1001), 100)), [1001, 1100].map(|at| Extent::new(Pba(at), 1)));
    assert!(!index.is_free(Extent::new(Pba(1298), 3)) && !index.is_free(Extent::new(Pba(999), 2)));
    assert!(!index.is_free(Extent::new(Pba(0), 1)) && index.is_free(Extent::new(Pba(1298), 2)));
    let mut calls = 0;
    index.visit(universe, &mut |_| {
        calls += 1;
        if calls == 2 { Flow::Stop } else { Flow::Continue }
    });
    assert_eq!(calls, 2, "calls of a visitor that stops at the second");
}

/// `None`, and the set is as before; with a smaller minimum the same request is served in part.
pub fn a_request_larger_than_the_largest_run_changes_nothing(make: IndexFactory) {
    let universe = Extent::new(Pba(3), 5000);
    let mut dice = Dice::new("a_request_larger_than_the_largest_run_changes_nothing", 0);
    let (mut index, mut model) = fragmented(&mut dice, make, universe, 100);
    let largest = model.runs().iter().map(|run| run.blocks).max().expect("some runs");
    for blocks in [largest + 1, largest * 2, universe.blocks + 1] {
        assert_eq!(index.pick(&Want::exactly(blocks)), None, "{blocks} blocks");
        agrees(&mut dice, &*index, &model);
        assert!(pick(&mut *index, &mut model, &Want::up_to(blocks)).is_some(), "up to {blocks} blocks");
    }
    agrees(&mut dice, &*index, &model);
}

/// Wherever the wish points (outside too), a run that fits is found.
pub fn a_wish_to_be_near_never_costs_a_pick(make: IndexFactory) {
    let universe = Extent::new(Pba(1000), 3000);
    let mut dice = Dice::new("a_wish_to_be_near_never_costs_a_pick", 0);
    let (mut index, mut model) = fragmented(&mut dice, make, universe, 40);
    for near in [0, 999, 1000, 1001, 2500, 3998, 3999, 4000, 1 << 50, u64::MAX] {
        for blocks in [1, 5, 30] {
            let run = pick(&mut *index, &mut model, &Want::exactly(blocks).near(Pba(near)));
            if let Some(run) = run {
                index.insert(run);
                model.insert(run);
            }
        }
    }
    while pick(&mut *index, &mut model, &Want::up_to(7).near(Pba(2000))).is_some() {}
    assert_eq!(index.free_blocks(), 0);
}

/// The largest numbers that a want can hold are answered, not overflowed.
pub fn extreme_wants_do_not_overflow(make: IndexFactory) {
    for universe in universes() {
        let (mut index, mut model) = full(make, universe);
        for align in [1, 3, 1 << 20, 1 << 63, u64::MAX] {
            for (blocks_min, blocks_max) in [(1, u64::MAX), (u64::MAX, u64::MAX), (1 << 63, u64::MAX), (1, 1)]
            {
                let want = Want { blocks_min, blocks_max, align, ..Want::up_to(1) };
                if let Some(run) = pick(&mut *index, &mut model, &want) {
                    index.insert(run);
                    model.insert(run);
                }
            }
        }
    }
}

/// One run across many words, groups and summary levels: exact requests of every power of two and its neighbors.
pub fn runs_that_span_the_whole_universe_are_found(make: IndexFactory) {
    let universe = Extent::new(Pba(77), 200_000);
    for offset in [0, 1, 63, 4095, 70_001] {
        let mut index = fresh(make, universe);
        for power in 0..17 {
            for blocks in [(1 << power) - 1, 1 << power, (1 << power) + 1] {
                let Some(run) = Extent::checked(universe.start.0 + offset, blocks) else { continue };
                index.insert(run);
                assert_eq!(index.pick(&Want::exactly(blocks + 1)), None, "{run:?}");
                assert_eq!(index.pick(&Want::exactly(blocks)), Some(run));
                assert_eq!((index.free_blocks(), index.free_runs()), (0, 0), "{run:?}");
            }
        }
    }
}
