//! What can be asked, and the help that says so.
//!
//! Invariant: every command has an example. Parsing only: nothing is opened or run here.

mod vol;

pub(crate) use vol::VolCommand;

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

const EXIT_CODES: &str = "\
Exit codes: 0 fine; 1 failed; 2 usage or config; 3 a check found damage; 5 memory, a disk or
a pool is too small; 75 in use, try again; 130 interrupted (results kept).";

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
    /// Make, find, look at and check pools.
    #[command(after_help = "Example: spinney pool create tank tank.img --size 10G")]
    Pool {
        #[command(subcommand)]
        command: PoolCommand,
    },
    /// Volumes, snapshots and clones of a pool, as POOL/VOLUME and POOL/VOLUME@SNAPSHOT.
    #[command(after_help = "Example: spinney vol snapshot tank/home@monday")]
    Vol {
        #[command(subcommand)]
        command: VolCommand,
    },
    /// Serve every volume and snapshot of a pool as a network block device or a file, until interrupted.
    #[command(
        after_help = "Example: spinney serve tank --fuse /mnt/tank --nbd unix:/run/user/1000/tank.sock"
    )]
    Serve(Serve),
    /// What the clients of a served pool ask, how long they wait, and how full and broken up it is.
    #[command(after_help = "Example: spinney iostat tank 5")]
    Iostat(Iostat),
    /// See how fast a device model is, or fit one to a fio run.
    #[command(after_help = "Example: spinney device predict ssd-nvme")]
    Device(Device),
    /// Write manual pages, one for each command.
    #[command(after_help = "Example: spinney man /usr/local/share/man/man1")]
    Man {
        /// The folder for them; made if it is not there.
        folder: PathBuf,
    },
    /// Print completions for a shell.
    #[command(after_help = "Example: spinney completions bash > /etc/bash_completion.d/spinney")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
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

/// How a list is printed.
#[derive(Args)]
pub(crate) struct Output {
    /// No header, tabs between columns.
    #[arg(short = 'H')]
    pub(crate) script: bool,
    /// Exact numbers: bytes, and seconds since 1970.
    #[arg(short = 'p')]
    pub(crate) parsable: bool,
    /// These columns, in this order.
    #[arg(short = 'o', value_name = "COLUMN,...", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// As JSON.
    #[arg(short = 'j', long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum PoolCommand {
    /// Make a pool in a file or on a disk.
    #[command(after_help = "Example: spinney pool create tank tank.img --size 10G -o allocator=xfs")]
    Create {
        /// The pool's name, for this user.
        name: String,
        /// A new file, or a file or disk that is there and holds no pool; several with --layout.
        #[arg(required = true)]
        devices: Vec<PathBuf>,
        /// What several devices make: concat (one behind the other), stripe (in turns) or mirror (each has all).
        #[arg(long)]
        layout: Option<String>,
        /// Size of a new file, each.
        #[arg(long)]
        size: Option<String>,
        /// allocator=NAME, scheme=NAME, metadata=segments|area, log=SIZE (intent log; 0: none), checksums=NAME, stripe=SIZE (a stripe's turns); for the life of the pool.
        #[arg(short = 'o', value_name = "KEY=VALUE,...", value_delimiter = ',')]
        options: Vec<String>,
        /// Format although there is a pool, which is lost.
        #[arg(long)]
        force: bool,
    },
    /// The pools that this user knows.
    #[command(after_help = "Example: spinney pool list -H -p -o name,free")]
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Space, content and parts of a pool.
    #[command(after_help = "Example: spinney pool status tank --json")]
    Status {
        /// The pool.
        pool: String,
        /// As JSON.
        #[arg(short = 'j', long)]
        json: bool,
    },
    /// Prove that every block and page is accounted for, once; writes nothing.
    #[command(after_help = "Example: spinney pool check tank")]
    Check {
        /// The pool.
        pool: String,
        /// Read every block of data and verify its checksum, too.
        #[arg(long)]
        scrub: bool,
        /// As JSON.
        #[arg(short = 'j', long)]
        json: bool,
    },
    /// Check, and read and verify every copy of every block; repair those that another copy is right for.
    #[command(after_help = "Example: spinney pool scrub tank")]
    Scrub {
        /// The pool.
        pool: String,
        /// As JSON.
        #[arg(short = 'j', long)]
        json: bool,
    },
    /// Learn of a pool by its file or disk.
    #[command(after_help = "Example: spinney pool import /mnt/usb/tank.img")]
    Import {
        /// The file or disk, or all of a set in any order.
        #[arg(required = true)]
        devices: Vec<PathBuf>,
        /// The pool's name [default: the first file's without its ending].
        #[arg(long)]
        name: Option<String>,
    },
    /// Forget a pool's name; the pool stays as it is.
    #[command(after_help = "Example: spinney pool export tank")]
    Export {
        /// The pool.
        pool: String,
    },
    /// Make everything in a pool unreadable, and forget its name.
    #[command(after_help = "Example: spinney pool destroy tank --yes")]
    Destroy {
        /// The pool.
        pool: String,
        /// Do it.
        #[arg(long)]
        yes: bool,
    },
    #[command(flatten)]
    Sides(crate::sides::SideCommand),
}

#[derive(Args)]
pub(crate) struct Serve {
    /// The pool.
    pub(crate) pool: String,
    /// As network block devices, at unix:PATH or ADDRESS:PORT. Whoever can reach it can write the volumes. Not needed, and refused, if a service manager
    /// hands a socket over (LISTEN_FDS).
    #[arg(long, value_name = "WHERE")]
    pub(crate) nbd: Option<String>,
    /// Allow an address that is not this machine's own.
    #[arg(long)]
    pub(crate) public: bool,
    /// As files in this empty folder, for losetup and mount or for a virtual machine.
    #[arg(long, value_name = "DIR")]
    pub(crate) fuse: Option<PathBuf>,
    /// Let root use the files too, if the server is not root's; needs user_allow_other in /etc/fuse.conf.
    #[arg(long, requires = "fuse")]
    pub(crate) allow_root: bool,
    /// Counters, latencies and space for Prometheus, as http://ADDRESS:PORT/metrics or at unix:PATH.
    #[arg(long, value_name = "WHERE")]
    pub(crate) metrics: Option<String>,
    /// Record what clients do with one volume as a trace that `replay` reads, snapshots included; a name that ends in .zst is compressed.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
    /// Which volume is recorded [default: the only one].
    #[arg(long, value_name = "VOLUME", requires = "record")]
    pub(crate) record_volume: Option<String>,
    /// For tests: keep what is not flushed in this process's memory, so that killing it is a power cut.
    #[arg(long, hide = true)]
    pub(crate) hold_unflushed: bool,
}

#[derive(Args)]
pub(crate) struct Iostat {
    /// The pool.
    pub(crate) pool: String,
    /// Seconds between two looks.
    #[arg(default_value_t = 1.0, value_parser = seconds)]
    pub(crate) interval: f64,
    /// So many looks [default: until interrupted].
    #[arg(short = 'n', long)]
    pub(crate) count: Option<u64>,
    /// The sums since the server began, once, as JSON.
    #[arg(long)]
    pub(crate) totals: bool,
    /// A line of JSON for each look.
    #[arg(short = 'j', long)]
    pub(crate) json: bool,
}

/// A wait that ends.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds".to_owned())?;
    if (0.01..=86_400.0).contains(&seconds) { Ok(seconds) } else { Err("0.01 to 86400 seconds".into()) }
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
