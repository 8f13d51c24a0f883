//! What a plan will cost, without running it.
//!
//! Invariant: an estimate, and called one: bytes are counted exactly by draining the workloads, seconds follow from them
//! by a rate that was measured once.

use crate::case::{CaseError, dry_run};
use crate::plan::Case;
use std::collections::BTreeMap;

/// Cost of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Bytes that the workloads write and read, over all cases.
    pub written_bytes: u64,
    /// Seconds of one core.
    pub core_seconds: f64,
    /// Most memory that one case takes.
    pub memory_bytes: u64,
    /// Disk for the results.
    pub disk_bytes: u64,
}

/// Workload bytes a second and core, measured over the quickstart: a release build, two cores of a server of 2024.
const BYTES_PER_SECOND: f64 = 1.0e9;
/// A row with its histogram and fullness lines.
const ROW_BYTES: u64 = 4_500;

/// Drain each distinct workload once. Errors: what the first broken one says.
pub fn estimate(cases: &[Case]) -> Result<Estimate, CaseError> {
    let mut known: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut sum = Estimate::default();
    for case in cases {
        let about: Vec<_> = case
            .resolved
            .iter()
            .filter(|(key, _)| key.starts_with("workload") || key.starts_with("run"))
            .collect();
        let key = format!("{about:?} {}", case.volume_blocks);
        let (bytes, rounds) = match known.get(&key) {
            Some(counted) => *counted,
            None => *known.entry(key).or_insert(dry_run(case)?),
        };
        sum.written_bytes += bytes;
        sum.disk_bytes += rounds * ROW_BYTES;
        sum.memory_bytes =
            sum.memory_bytes.max(case.device_blocks * 4096 + case.options.cache_pages as u64 * 4096);
    }
    sum.core_seconds = sum.written_bytes as f64 / BYTES_PER_SECOND;
    Ok(sum)
}
