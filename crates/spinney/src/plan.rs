//! `spinney plan`: the cases, and what they will cost.
//!
//! Invariant: nothing is run; the workloads are drained without a pool to count what they would write.

use crate::args;
use crate::exit::{Failure, versioned};
use spinney_lab::config::format_bytes;
use spinney_lab::estimate::{Estimate, estimate};
use spinney_lab::{Experiment, plan as plan_experiment};
use spinney_registry::Registry;
use std::process::ExitCode;

pub(crate) fn plan(args: &args::Plan) -> Result<ExitCode, Failure> {
    let experiment = Experiment::load(&args.config)?;
    let cases = plan_experiment(&experiment, &Registry::standard())?;
    let Estimate { written_bytes, core_seconds, memory_bytes, disk_bytes } =
        estimate(&cases).map_err(|error| Failure::Other(error.to_string()))?;
    if args.json {
        let cases: Vec<_> = cases.iter().map(|case| serde_json::json!({ "case": case.hash, "labels": case.labels, "resolved": case.resolved })).collect();
        let body = serde_json::json!({
            "cases": cases, "written_bytes": written_bytes, "core_seconds": core_seconds,
            "memory_bytes": memory_bytes, "disk_bytes": disk_bytes,
        });
        println!("{}", versioned("spinney plan", body));
        return Ok(ExitCode::SUCCESS);
    }
    for case in &cases {
        println!("{}  {}", case.hash, case.name());
    }
    println!("\n{} cases write {} in all", cases.len(), format_bytes(written_bytes));
    println!(
        "about {core_seconds:.0} s of one core, at the rate of the machine this was tuned on; divide by --jobs"
    );
    println!(
        "up to {} of memory for each job, {} of disk for the results",
        format_bytes(memory_bytes),
        format_bytes(disk_bytes)
    );
    Ok(ExitCode::SUCCESS)
}
