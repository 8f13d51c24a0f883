#![doc = include_str!("../README.md")]
//!
//! Invariant: a stream depends on its settings, the volume's size, the seed and a trace's bytes, and on nothing else.
//! Knows no volume, no allocator and no clock.

pub mod chance;
pub mod compose;
pub mod error;
pub mod generate;
pub mod op;
pub mod trace;
pub mod workload;

pub use error::{Result, WorkloadError};
pub use op::{Bytes, Handle, Op, Phase};
pub use trace::{TraceInfo, TraceReader, TraceWriter, convert};
pub use workload::{Account, Workload, WorkloadContext, WorkloadEntry};

/// Every workload that a config can name.
pub const ENTRIES: &[WorkloadEntry] = &[
    generate::fill::ENTRY,
    generate::overwrite::ENTRY,
    generate::clones::ENTRY,
    generate::snapshots::ENTRY,
    generate::discard::ENTRY,
    generate::spread::ENTRY,
    generate::grow::ENTRY,
    generate::comb::ENTRY,
    generate::fsperf::ENTRY,
    generate::bluestore::ENTRY,
    generate::geriatrix::ENTRY,
    generate::history::ENTRY,
    generate::spike::ENTRY,
    trace::ENTRY,
];
