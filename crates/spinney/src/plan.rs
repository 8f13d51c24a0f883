//! `spinney plan`: the cases, and what they will cost.
//!
//! Invariant: nothing is run; the workloads are drained without a pool to count what they would write.

use crate::args;
use crate::exit::{Failure, say, versioned};
use spinney_lab::config::format_bytes;
use spinney_lab::estimate::{Estimate, estimate, memory_available_bytes};
use spinney_lab::{Case, Experiment, plan as plan_experiment};
use spinney_registry::Registry;
use std::process::ExitCode;

pub(crate) fn plan(args: &args::Plan) -> Result<ExitCode, Failure> {
    let experiment = Experiment::load(&args.config)?;
    let cases = plan_experiment(&experiment, &Registry::standard())?;
    let Estimate { written_bytes, core_seconds, memory_bytes, disk_bytes } =
        estimate(&cases).map_err(|error| Failure::Other(error.to_string()))?;
    if args.json {
        let case = |case: &Case| serde_json::json!({ "case": case.hash, "labels": case.labels, "resolved": case.resolved });
        let body = serde_json::json!({
            "cases": cases.iter().map(case).collect::<Vec<_>>(), "written_bytes": written_bytes,
            "core_seconds": core_seconds, "memory_bytes": memory_bytes, "disk_bytes": disk_bytes,
        });
        say(versioned("spinney plan", &body))?;
        return Ok(ExitCode::SUCCESS);
    }
    for case in &cases {
        say(format!("{}  {}", case.hash, case.name()))?;
    }
    let [written, memory, disk] = [written_bytes, memory_bytes, disk_bytes].map(format_bytes);
    say(format!("\n{} cases write and read {written} in all", cases.len()))?;
    say(format!(
        "about {core_seconds:.0} s of one core, at the rate of the machine this was tuned on; divide by --jobs"
    ))?;
    say(format!("up to {memory} of memory for each job, {disk} of disk for the results"))?;
    if memory_available_bytes().is_some_and(|available| available < memory_bytes) {
        say("that is more memory than there is now: give --backing DIR to hold the devices in files")?;
    }
    Ok(ExitCode::SUCCESS)
}
