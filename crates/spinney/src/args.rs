//! What can be asked, and the help that says so.
//!
//! Invariant: every command has an example. Parsing only: nothing is opened or run here.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes: 0 fine; 1 failed; 2 usage or config; 3 a check found damage; 5 memory, a disk or
a pool is too small; 75 the results folder is in use; 130 interrupted (results kept).";

/// Compare free-space allocators and snapshot schemes inside one real, crash-safe volume.
#[derive(Parser)]
#[command(name = "spinney", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run experiments: config in, rows, plots and a report out.
    #[command(after_help = "Example: spinney run configs/quickstart.toml --jobs 2")]
    Run(Run),
    /// Show the cases of an experiment and what they will cost, without running.
    #[command(after_help = "Example: spinney plan configs/quickstart.toml")]
    Plan(Plan),
    /// Draw the figures and the report again from a results folder.
    #[command(after_help = "Example: spinney plot results/quickstart")]
    Plot(Plot),
    /// Find the allocator for a load on a device: all are run on it and ranked, with the reasons.
    #[command(after_help = "Example: spinney advise --workload zipf --device hdd --fullness 80%")]
    Advise(Advise),
    /// List what this build knows.
    #[command(after_help = "Example: spinney list allocators --json")]
    List(List),
    /// Look at a config without running it.
    #[command(after_help = "Example: spinney config check configs/quickstart.toml")]
    Config(Config),
    /// Look at a block trace, or write it in the plain format.
    #[command(after_help = "Example: spinney trace info configs/traces/cargo-xfs.csv.zst")]
    Trace(Trace),
    /// See how fast a device model is, or fit one to a fio run.
    #[command(after_help = "Example: spinney device predict ssd-nvme")]
    Device(Device),
}

#[derive(Args)]
pub(crate) struct Run {
    /// Experiment configs.
    #[arg(required = true)]
    pub(crate) configs: Vec<PathBuf>,
    /// Cases run at once; 0 is one for each core. Never changes a row.
    #[arg(long, short, default_value_t = 0)]
    pub(crate) jobs: usize,
    /// Use this seed instead of those of the config.
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Results folder [default: results/NAME].
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Run cases again that are done.
    #[arg(long)]
    pub(crate) force: bool,
    /// Hold the modelled devices' bytes in files of this folder instead of memory. Never changes a row.
    #[arg(long, value_name = "DIR")]
    pub(crate) backing: Option<PathBuf>,
    /// The outcome as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Plan {
    /// Experiment config.
    pub(crate) config: PathBuf,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Plot {
    /// Results folder.
    pub(crate) results: PathBuf,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Advise {
    /// A workload: a part of configs/workload, or a name of `spinney list workloads`.
    #[arg(long, required_unless_present = "trace", conflicts_with = "trace")]
    pub(crate) workload: Option<String>,
    /// A block trace (`spinney trace info` reads it); its first 100,000 requests are replayed.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// The modelled device: one of `spinney list devices`, or a part of configs/device.
    #[arg(long)]
    pub(crate) device: String,
    /// Share of the pool that live data takes.
    #[arg(long, default_value = "80%")]
    pub(crate) fullness: String,
    /// Size of the volume.
    #[arg(long, default_value = "256 MiB")]
    pub(crate) size: String,
    /// Cases run at once; 0 is one for each core.
    #[arg(long, short, default_value_t = 0)]
    pub(crate) jobs: usize,
    /// Results folder [default: results/advise].
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// The ranking as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Listed {
    Allocators,
    Schemes,
    Workloads,
    Devices,
    Checksums,
    Metrics,
}

#[derive(Args)]
pub(crate) struct List {
    /// What to list.
    pub(crate) what: Listed,
    /// As JSON, with every parameter's default and reason.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Read a config strictly and say what is wrong with it.
    #[command(after_help = "Example: spinney config check configs/quickstart.toml --json")]
    Check {
        /// Experiment config.
        config: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
pub(crate) struct Trace {
    #[command(subcommand)]
    pub(crate) command: TraceCommand,
}

#[derive(Subcommand)]
pub(crate) enum TraceCommand {
    /// What is in a trace.
    #[command(after_help = "Example: spinney trace info configs/traces/cargo-xfs.csv.zst --json")]
    Info {
        /// The trace.
        file: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write a trace in the plain format; a name that ends in .zst is compressed.
    #[command(after_help = "Example: spinney trace convert msr/prxy_0.csv --out prxy.csv.zst")]
    Convert {
        /// The trace.
        file: PathBuf,
        /// The new file [default: FILE with the ending .plain.csv.zst].
        #[arg(long)]
        out: Option<PathBuf>,
        /// Replace a file that is there.
        #[arg(long)]
        force: bool,
    },
}

#[derive(Args)]
pub(crate) struct Device {
    #[command(subcommand)]
    pub(crate) command: DeviceCommand,
}

#[derive(Subcommand)]
pub(crate) enum DeviceCommand {
    /// IOPS and MB/s of a model in virtual time, and how far it is from its data sheet.
    #[command(after_help = "Example: spinney device predict hdd --json")]
    Predict {
        /// A device that comes with spinney (`spinney list devices`), or a file with a `[device]` table.
        device: PathBuf,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Fit the flash model to the JSON of a fio run of configs/device/fit.fio; without --out the part is printed.
    #[command(after_help = "Example: spinney device fit fio.json --out configs/device/my-disk.toml")]
    Fit {
        /// Output of `fio --output-format=json`.
        result: PathBuf,
        /// The new device part.
        #[arg(long)]
        out: Option<PathBuf>,
        /// Replace a file that is there.
        #[arg(long)]
        force: bool,
        /// Predicted and measured as JSON.
        #[arg(long)]
        json: bool,
    },
}
