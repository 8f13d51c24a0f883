//! One case: a pool on a modelled device, driven by a workload, sampled at the end of every round.
//!
//! Invariant: what is sampled is a function of the case alone. The case is void unless the checker finds the pool sound
//! at the end.

mod buckets;
mod content;
mod hollow;
mod import;
mod latency;
mod layout;
mod load;
mod meter;
mod metric;
mod owners;
mod places;
mod runner;
mod sampler;
mod scheme_columns;
mod scheme_meter;
mod stream;
mod work;

pub(crate) use import::free_space;
pub(crate) use metric::weight_column;
pub use metric::{METRICS, Metric, base_columns};
pub(crate) use runner::is_full;
pub use runner::{Backing, CaseError, CaseOutput, Progress, Timed, run_case};
pub(crate) use stream::{Amount, build_workload, dry_run};
