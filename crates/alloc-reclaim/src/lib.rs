#![doc = include_str!("../README.md")]
#![no_std]
extern crate alloc;

mod batched;
mod records;
mod threshold;

pub use batched::{BATCH_RUNS, BATCHED, Batched};
pub use threshold::{GROUP_BLOCKS, THRESHOLD, THRESHOLD_PERCENT, Threshold};

use spinney_core::Parameter;

/// How much one commit records.
pub const SLICE_RUNS: Parameter = Parameter::integer(
    "slice_runs",
    4096,
    "Runs that a commit records as free at most, or as many as it releases if that is more: so the queue is worked off as \
     fast as it fills. More shortens the queue, fewer keep a commit short after a large delete. 4,096 dirty no more pages of \
     the map than a commit of the default size writes data blocks for; chosen by judgement.",
);
