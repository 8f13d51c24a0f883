//! What a plan will cost, without running it.
//!
//! Invariant: an estimate, and called one: bytes are counted exactly by draining the workloads, seconds follow from them
//! by a rate that was measured once.

use crate::case::{Amount, CaseError, dry_run};
use crate::plan::Case;
use spinney_core::BLOCK_BYTES;
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

/// Workload bytes a second and core, measured over the quickstart's 12 cases (83 GB in 18 s of two virtual
/// cores, release build).
const BYTES_PER_SECOND: f64 = 4.5e9;
/// A row with its histogram and fullness lines.
const ROW_BYTES: u64 = 4_500;

/// Most memory that a case takes: the device's blocks that are kept, if all are written, and its page cache.
#[must_use]
pub fn memory_bytes(case: &Case) -> u64 {
    let kept = match case.options.layout(case.device_blocks) {
        Ok(layout) if !case.keep_data => layout.data.start.0,
        _ => case.device_blocks,
    };
    (kept + case.options.cache_pages as u64) * BLOCK_BYTES as u64
}

/// Memory that this machine can give now, where the system says (Linux).
#[must_use]
pub fn memory_available_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok()?.checked_mul(1024)
}

/// Drain each distinct workload once. Errors: what the first broken one says.
pub fn estimate(cases: &[Case]) -> Result<Estimate, CaseError> {
    let mut known: BTreeMap<String, Amount> = BTreeMap::new();
    let mut sum = Estimate::default();
    for case in cases {
        let about: Vec<_> = case
            .resolved
            .iter()
            .filter(|(key, _)| key.starts_with("workload") || key.starts_with("run"))
            .collect();
        let key = format!("{about:?} {}", case.volume_blocks);
        let amount = match known.get(&key) {
            Some(counted) => *counted,
            None => *known.entry(key).or_insert(dry_run(case)?),
        };
        sum.written_bytes = sum.written_bytes.saturating_add(amount.bytes);
        sum.disk_bytes = sum.disk_bytes.saturating_add(amount.rounds.saturating_mul(ROW_BYTES));
        sum.memory_bytes = sum.memory_bytes.max(memory_bytes(case));
    }
    sum.core_seconds = sum.written_bytes as f64 / BYTES_PER_SECOND;
    Ok(sum)
}
