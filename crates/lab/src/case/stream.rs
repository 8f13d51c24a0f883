//! The workload of a case, made and, for an estimate, drained.
//!
//! Invariant: draining ends, whatever the config says: what is not drained is extrapolated.

use super::CaseError;
use crate::plan::Case;
use spinney_core::Setting;
use spinney_workload::{Op, Result, Workload, WorkloadContext, WorkloadError};
use std::path::PathBuf;

/// Operations that are counted one by one: some seconds.
const COUNTED_MAX: u64 = 50_000_000;

/// The stream of a case.
pub(crate) fn build_workload(case: &Case) -> Result<Box<dyn Workload>> {
    let entry = spinney_workload::ENTRIES.iter().find(|entry| entry.name == case.workload.name);
    let entry =
        entry.ok_or_else(|| WorkloadError::bad_setting("name", &case.workload.name, "a known workload"))?;
    let mut settings = case.workload.settings.clone();
    if let Some(path) = &case.trace {
        settings.0.insert("file".into(), Setting::Word(path.to_string_lossy().into_owned()));
    }
    let context =
        WorkloadContext { volume_blocks: case.volume_blocks, seed: case.seed, folder: PathBuf::new() };
    (entry.build)(&context, &settings)
}

/// What a workload asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    /// Bytes written and read.
    pub(crate) bytes: u64,
    /// Rounds, so rows.
    pub(crate) rounds: u64,
}

/// Counted without a pool.
pub(crate) fn dry_run(case: &Case) -> std::result::Result<Amount, CaseError> {
    let failed = |error: WorkloadError| CaseError::Workload(error.to_string());
    let mut workload = build_workload(case).map_err(failed)?;
    let mut amount = Amount::default();
    let mut counted = 0;
    while let Some(op) = workload.next().map_err(failed)? {
        match op {
            Op::Write { bytes, .. } | Op::Read { bytes, .. } => {
                amount.bytes = amount.bytes.saturating_add(bytes.length);
            }
            Op::Round(_) => amount.rounds += 1,
            _ => {}
        }
        counted += 1;
        if counted == COUNTED_MAX {
            let scale = 1.0 / workload.progress().max(1e-9);
            let scaled = |value: u64| (value as f64 * scale) as u64;
            return Ok(Amount { bytes: scaled(amount.bytes), rounds: scaled(amount.rounds) });
        }
    }
    Ok(amount)
}
