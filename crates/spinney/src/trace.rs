//! `spinney trace info|convert`.
//!
//! Invariant: traces are streamed; memory does not follow their size.

use crate::args::{self, TraceCommand};
use crate::exit::{Failure, say, versioned};
use spinney_workload::{TraceInfo, TraceReader, convert};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub(crate) fn trace(args: &args::Trace) -> Result<ExitCode, Failure> {
    match &args.command {
        TraceCommand::Info { file, json } => info(file, *json),
        TraceCommand::Convert { file, out, force } => {
            let to = out.clone().unwrap_or_else(|| default_name(file));
            let read = TraceReader::open(file).and_then(|mut reader| convert(&mut reader, &to, *force));
            let info = read.map_err(|error| Failure::Other(error.to_string()))?;
            say(format!("{}: {} requests", to.display(), info.requests))?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn info(file: &Path, json: bool) -> Result<ExitCode, Failure> {
    let read = TraceReader::open(file).and_then(|mut reader| TraceInfo::gather(&mut reader));
    let info = read.map_err(|error| Failure::Other(error.to_string()))?;
    if json {
        let body = serde_json::to_value(&info).map_err(|error| Failure::Other(error.to_string()))?;
        say(versioned("spinney trace info", &body))?;
    } else {
        say(info)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn default_name(file: &Path) -> PathBuf {
    let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let stem = name.split('.').next().unwrap_or("trace");
    file.with_file_name(format!("{stem}.plain.csv.zst"))
}
