//! Where the writes of clones go.
//!
//! Invariant: seeds are fixed. Knows only the public face of the crate.

use crate::common::{integer, ops_of};
use spinney_core::BLOCK_BYTES;
use spinney_core::Setting::{Real, Switch};
use spinney_workload::{Op, Phase};

const VOLUME_BLOCKS: u64 = 16_384;
const STRETCH_BLOCKS: u64 = 32;

#[test]
fn dealt_writes_of_a_clone_reach_every_stretch_once_and_in_order() {
    let dealt = [("dealt", Switch(true)), ("unit_blocks", integer(1)), ("fill", Real(1.0))];
    let round = [("rounds", integer(2)), ("clone_writes", Real(0.03125)), ("flush_every", integer(0))];
    let ops = ops_of("clones", VOLUME_BLOCKS, 13, &[dealt.as_slice(), &round].concat());
    let start = ops.iter().position(|op| *op == Op::Phase(Phase::Measure)).unwrap();
    let stretches: Vec<u64> = ops[start..]
        .iter()
        .filter_map(|op| op.changes())
        .map(|(_, bytes)| bytes.offset / (STRETCH_BLOCKS * BLOCK_BYTES as u64))
        .collect();
    let once: Vec<u64> = (0..VOLUME_BLOCKS / STRETCH_BLOCKS).collect();
    assert_eq!(stretches, [once.clone(), once].concat());
}
