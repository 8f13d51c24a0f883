//! The summaries say what the bits say, after any calls.

use super::*;
use spinney_testkit::Dice;

fn summaries_equal_a_fresh_look(leaves: &Leaves) {
    for leaf in 0..leaves.count() {
        let mut longest = 0;
        leaves.bits.runs(leaf, |_, blocks| longest = longest.max(blocks));
        assert_eq!(leaves.tops.level(leaf), level_of(longest), "level of leaf {leaf}, longest run {longest}");
        assert!(leaves.bound >= longest, "a run of {longest} above the bound {}", leaves.bound);
        let start = leaf * LEAF_BLOCKS;
        let full = leaves.bits.ones_end(start, start + LEAF_BLOCKS) == start + LEAF_BLOCKS;
        assert_eq!(leaves.full.stretch(leaf) > 0, full, "leaf {leaf} is full");
    }
}

fn tops_equal_a_scan(leaves: &Leaves) {
    let highest = (0..leaves.count()).map(|leaf| leaves.tops.level(leaf)).max();
    assert_eq!(Some(leaves.tops.highest()), highest, "highest level");
    for level in 1..=level_of(LONG_BLOCKS) {
        for from in (0..leaves.count()).step_by(13) {
            let scan = (from..leaves.count()).find(|leaf| leaves.tops.level(*leaf) >= level);
            assert_eq!(leaves.tops.next(level, from), scan, "level {level} from {from}");
        }
        for group in 0..leaves.tops.groups() {
            let members = group * 64..leaves.count().min((group + 1) * 64);
            let serving =
                members.map(|leaf| (leaves.tops.level(leaf), leaf)).filter(|(has, _)| *has >= level);
            assert_eq!(leaves.tops.tightest(group, level), serving.min(), "level {level} in group {group}");
        }
    }
}

fn any_taken_or_free(dice: &mut Dice, leaves: &Leaves, blocks: usize) -> (usize, usize, bool) {
    let at = dice.below(blocks as u64) as usize;
    let free = leaves.bits.get(at);
    let most = (at + dice.log_uniform(2000) as usize).min(blocks);
    let end = (at..most).find(|at| leaves.bits.get(*at) != free).unwrap_or(most);
    (at, end, free)
}

#[test]
fn summaries_follow_the_bits() {
    for (seed, blocks) in [1, 511, 512, 1025, 70 * 512, 130 * 512 + 7].into_iter().enumerate() {
        let mut dice = Dice::new("summaries_follow_the_bits", seed as u64);
        let mut leaves = Leaves::new(blocks, true);
        for turn in 0..400 {
            let (start, end, free) = any_taken_or_free(&mut dice, &leaves, blocks);
            if free {
                leaves.remove(start, end)
            } else {
                leaves.insert(start, end)
            }
            let size = dice.log_uniform(LONG_BLOCKS as u64) as usize;
            if let Some(leaf) = leaves.tops.next(level_of(size), 0).filter(|leaf| leaves.holds(*leaf, size)) {
                leaves.take(leaf, size);
            }
            leaves.take_recent(dice.log_uniform(256) as usize);
            if turn % 10 == 0 {
                summaries_equal_a_fresh_look(&leaves);
            }
        }
        tops_equal_a_scan(&leaves);
    }
}
