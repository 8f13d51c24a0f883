#![doc = include_str!("../README.md")]
//!
//! Invariant: the same config, seed and version give the same rows, whatever the number of threads and whatever holds
//! the bytes of the modelled device. Names no algorithm: parts come from the registry by name.

pub mod advise;
pub mod case;
pub mod claim;
pub mod columns;
pub mod config;
pub mod estimate;
pub mod experiment;
mod fold;
pub mod plan;
mod provenance;
pub mod report;
pub mod results;
pub mod run;
pub mod statistics;
pub mod table;

pub use config::ConfigError;
pub use experiment::Experiment;
pub use plan::{Case, plan};
