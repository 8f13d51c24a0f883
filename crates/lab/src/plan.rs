//! From an experiment to its cases: one for each combination of the sweep, each wholly resolved.
//!
//! Invariant: a case's hash covers everything that can change its rows (and the version of spinney), so equal hash means
//! equal rows; nothing about threads, folders or backing is in it. No two cases of a plan have the same hash or labels.

mod choose;
mod imported;
mod parts;
mod planner;
mod resolve;
mod volume;

use crate::columns;
use crate::config::{ConfigError, Origin, Problem, Scalar, Sources};
use crate::experiment::{Axis, Experiment};
use planner::Planner;
use spinney_device::DeviceParameters;
use spinney_import::FreeState;
use spinney_registry::{Choice, PoolSpec, Registry};
use spinney_volume::PoolOptions;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

/// The most cases that a sweep may have.
pub const CASES_MAX: usize = 10_000;
/// Version of the rows: a change of any metric's meaning raises it, so old rows are not taken for new ones.
pub const ROWS_VERSION: u32 = 3;
/// Axes whose values name a part or a registered entry.
const CHOICES: [&str; 4] = ["device", "allocator", "scheme", "workload"];
/// Planning ends after so many complaints: more would not be read.
const PROBLEMS_MAX: usize = 50;

/// One case, ready to run.
#[derive(Clone, Debug)]
pub struct Case {
    /// 16 hexadecimal digits over version and configuration.
    pub hash: String,
    /// Column and value of what tells the cases apart: always allocator, scheme, device, workload and seed.
    pub labels: Vec<(String, String)>,
    /// Seed of the workload.
    pub seed: u64,
    /// Size of the volume.
    pub volume_blocks: u64,
    /// Size of the device.
    pub device_blocks: u64,
    /// The pool's tunables.
    pub options: PoolOptions,
    /// Whether the bytes of data blocks are kept. If not, no row is another: only metadata is ever looked at.
    pub keep_data: bool,
    /// Whether a row tells what only a walk of every version's map can tell.
    pub survey: bool,
    /// Blocks of a question for owners, which each row asks of a pool with back references.
    pub query_blocks: u64,
    /// The device model.
    pub device: DeviceParameters,
    /// Allocator and scheme.
    pub pool: PoolSpec,
    /// The workload, and the file that it reads, if any.
    pub workload: Choice,
    /// Where the workload finds its trace.
    pub trace: Option<PathBuf>,
    /// The free space that the pool begins with, counted from its first data block; all else of its data is owned by one version.
    pub free_space: Option<Arc<FreeState>>,
    /// Everything that the hash covers, a line each.
    pub resolved: BTreeMap<String, String>,
}

impl Case {
    /// `allocator=bitmap scheme=flat ...`
    #[must_use]
    pub fn name(&self) -> String {
        self.labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
    }
}

/// Every case of an experiment, in the order of its rows. Errors: all problems of all cases, each once.
pub fn plan(experiment: &Experiment, registry: &Registry) -> Result<Vec<Case>, ConfigError> {
    plan_with_sources(experiment, registry).map(|(cases, _)| cases)
}

/// The same, with the text of every file that it was made from: the config first, then its parts.
pub(crate) fn plan_with_sources(
    experiment: &Experiment,
    registry: &Registry,
) -> Result<(Vec<Case>, Sources), ConfigError> {
    let mut planner = Planner::new(experiment, registry);
    let mut cases = Vec::new();
    for number in 0..planner.count() {
        cases.extend(planner.case(&pick(&experiment.axes, number)));
        if planner.problems.len() >= PROBLEMS_MAX {
            break;
        }
    }
    if planner.problems.is_empty() {
        check_whole(&mut planner, &cases);
    }
    let Planner { problems, sources, .. } = planner;
    if problems.is_empty() { Ok((cases, sources)) } else { Err(ConfigError { problems, sources }) }
}

/// What can be said of all cases together only.
fn check_whole(planner: &mut Planner<'_>, cases: &[Case]) {
    let origin = planner.experiment.axes.first().map(|axis| axis.origin.clone());
    let (mut hashes, mut labels) = (BTreeMap::new(), BTreeSet::new());
    for case in cases {
        if let Some(other) = hashes.insert(&case.hash, case) {
            let message = format!("two cases are the same: {} and {}", other.name(), case.name());
            planner.complain(message, origin.clone(), Some("name each value of an axis once".into()));
        } else if !labels.insert(&case.labels) {
            let message = format!("two cases are both called {}", case.name());
            planner.complain(message, origin.clone(), Some("rename one of the parts".into()));
        }
    }
    planner.check_exclusions();
    if planner.problems.is_empty() && cases.is_empty() {
        let help = Some("remove or narrow an [[exclude]]".to_owned());
        planner.complain("every case is excluded, so there is nothing to run".into(), origin, help);
    }
    if planner.problems.is_empty() {
        let found = columns::check(&planner.experiment.uses, cases);
        planner.problems.extend(found);
    }
}

/// The values of combination `number`, the last axis turning fastest.
fn pick(axes: &[Axis], number: usize) -> Vec<(&Axis, &(Scalar, Origin))> {
    let mut rest = number;
    let mut picks: Vec<_> = axes
        .iter()
        .rev()
        .map(|axis| {
            let value = &axis.values[rest % axis.values.len()];
            rest /= axis.values.len();
            (axis, value)
        })
        .collect();
    picks.reverse();
    picks
}

/// A complaint, made.
fn problem(message: String, origin: Option<Origin>, help: Option<String>) -> Problem {
    Problem { message, origin, help }
}
