//! Put a fill before, snapshots into, and a scan behind any workload.
//!
//! Invariant: what is put round a workload never changes its operations or their order; handles are renamed so that no
//! two makers of versions collide. Knows no particular workload.

mod begin;
mod rotation;
mod scan;
mod stall;
mod sync_log;
mod teardown;

pub use begin::{Begin, Then};
pub use rotation::{Counted, Rotation};
pub use scan::Scan;
pub use stall::Stall;
pub use sync_log::SyncLog;
pub use teardown::Teardown;

use crate::error::{Result, WorkloadError};
use crate::generate::{self, choice, share_of};
use crate::workload::{Stream, Workload, WorkloadContext};
use spinney_core::{BLOCK_BYTES, Parameter, Settings};

pub(crate) const SNAPSHOT_EVERY: Parameter = Parameter::integer(
    "snapshot_every",
    0,
    "A snapshot after every so many of snapshot_unit (0: no snapshots). Few between two snapshots make each overwrite \
     share its neighbors with a snapshot, so nothing is freed when it is overwritten. Off by default, so that snapshots \
     are something a config asks for.",
);
pub(crate) const SNAPSHOT_UNIT: Parameter = Parameter::word(
    "snapshot_unit",
    "op",
    "What snapshot_every counts: `op` (one write, discard or zero), `flush` or `round`. Operations compare across \
     workloads; flushes are what papers on commits count; rounds keep rows and snapshots in step.",
);
pub(crate) const KEEP: Parameter = Parameter::integer(
    "keep",
    16,
    "How many of these snapshots stay; when one more was taken the oldest is deleted. 16 is near the usual schedule of \
     hourly and daily snapshots, and more than the depth at which schemes begin to differ.",
);
/// The most blocks of one read.
const SCAN_BLOCKS_MAX: u64 = 16_384;
pub(crate) const SCAN: Parameter = Parameter::switch(
    "scan",
    false,
    "Read the newest version from front to back at the end, 1 MiB a request, as a phase of its own: what the layout \
     costs a reader. Off because it takes time that a study of allocation alone need not spend.",
);

pub(crate) const SCAN_BLOCKS: Parameter = Parameter::integer(
    "scan_blocks",
    256,
    "Blocks that the scan asks for at once. A device orders what it is asked for together, so larger requests cross back and forth between \
     places less often. 256 (1 MiB) is what a backup program asks for.",
);

pub(crate) const READER_FROM: Parameter = Parameter::integer(
    "reader_from",
    0,
    "A reader opens the pool after this round and keeps it open (0: no reader). Everything that is freed while it stays can be \
     reached by it and waits. Off by default; the first rounds should be left out, so that there is something to compare with.",
);
pub(crate) const READER_ROUNDS: Parameter = Parameter::integer(
    "reader_rounds",
    4,
    "For how many rounds that reader stays. More let more space pile up, until writes are refused. 4 are enough to see a line.",
);

/// A workload of rounds with a reader, if the settings ask for one.
pub(crate) fn stalled(base: Box<dyn Workload>, settings: &Settings) -> Result<Box<dyn Workload>> {
    let (from, rounds) = (settings.integer(&READER_FROM), settings.integer(&READER_ROUNDS));
    if rounds == 0 {
        return Err(WorkloadError::bad_setting(
            READER_ROUNDS.name,
            rounds,
            "at least 1; reader_from = 0 turns the reader off",
        ));
    }
    Ok(if from == 0 { base } else { Box::new(Stall::new(base, from, rounds)) })
}

pub(crate) const LOG_BLOCKS: Parameter = Parameter::integer(
    "log_blocks",
    0,
    "Blocks of the log block that is written beside each write and discarded after the next flush (0: no log). Such blocks come and \
     go between data that stays, as an intent log without a place of its own does. Off by default, so that rows count the data alone.",
);

/// A workload of at most `between` writes between two flushes, with a log beside it if the settings ask for one.
pub(crate) fn logged(
    base: Box<dyn Workload>,
    context: &WorkloadContext,
    settings: &Settings,
    fill: f64,
    between: u64,
) -> Result<Box<dyn Workload>> {
    let blocks = settings.integer(&LOG_BLOCKS);
    Ok(if blocks == 0 { base } else { Box::new(SyncLog::new(base, context, fill, between, blocks)?) })
}

pub(crate) const TEARDOWN_ROUNDS: Parameter = Parameter::integer(
    "teardown_rounds",
    0,
    "At the end all that is live is discarded from front to back in so many parts, a flush and a row each: what it costs to drop a large \
     object, young or aged, at once or in slices (0: it stays). More parts make shorter commits. Off by default.",
);

/// A workload whose data, the first `blocks` blocks, are discarded at its end, if the settings ask for it.
pub(crate) fn torn_down(base: Box<dyn Workload>, settings: &Settings, blocks: u64) -> Box<dyn Workload> {
    match settings.integer(&TEARDOWN_ROUNDS) {
        0 => base,
        parts => Box::new(Teardown::new(base, blocks, parts)),
    }
}

/// All of it, as the settings ask.
pub(crate) fn around(
    base: Box<dyn Workload>,
    context: &WorkloadContext,
    settings: &Settings,
    fill: f64,
) -> Result<Box<dyn Workload>> {
    begin_and_scan(rotate(base, settings)?, context, settings, fill)
}

/// Without snapshots.
pub(crate) fn begin_and_scan(
    base: Box<dyn Workload>,
    context: &WorkloadContext,
    settings: &Settings,
    fill: f64,
) -> Result<Box<dyn Workload>> {
    let begun = Begin::new(filled(context, fill)?, base);
    scanned(begun, context, settings, fill)
}

/// The same, and behind the fill `age`, which belongs to it and makes no versions.
pub(crate) fn age_and_scan(
    age: Box<dyn Workload>,
    base: Box<dyn Workload>,
    context: &WorkloadContext,
    settings: &Settings,
    fill: f64,
) -> Result<Box<dyn Workload>> {
    let first = Box::new(Then::new(filled(context, fill)?, age));
    scanned(Begin::new(Some(first), base), context, settings, fill)
}

fn filled(context: &WorkloadContext, fill: f64) -> Result<Option<Box<dyn Workload>>> {
    Ok(match share_of(context.volume_blocks, fill) {
        0 => None,
        _ => Some(Box::new(Stream::new(generate::fill::before(context, fill)?))),
    })
}

fn scanned(
    begun: Begin,
    context: &WorkloadContext,
    settings: &Settings,
    fill: f64,
) -> Result<Box<dyn Workload>> {
    let begun = Box::new(begun);
    if !settings.switch(&SCAN) {
        return Ok(begun);
    }
    let blocks = if fill > 0.0 { share_of(context.volume_blocks, fill) } else { context.volume_blocks };
    let read_blocks = settings.integer(&SCAN_BLOCKS);
    if !(1..=SCAN_BLOCKS_MAX).contains(&read_blocks) {
        return Err(WorkloadError::bad_setting(SCAN_BLOCKS.name, read_blocks, "1 to 16384 (64 MiB)"));
    }
    Ok(Box::new(Scan::new(begun, blocks * BLOCK_BYTES as u64, read_blocks * BLOCK_BYTES as u64)))
}

fn rotate(base: Box<dyn Workload>, settings: &Settings) -> Result<Box<dyn Workload>> {
    let words = ["op", "flush", "round"];
    let counted = match choice(settings, &SNAPSHOT_UNIT, &words, "op, flush or round")? {
        0 => Counted::Op,
        1 => Counted::Flush,
        _ => Counted::Round,
    };
    let (every, keep) = (settings.integer(&SNAPSHOT_EVERY), settings.integer(&KEEP));
    if keep == 0 {
        return Err(WorkloadError::bad_setting(
            KEEP.name,
            keep,
            "at least 1; snapshot_every = 0 turns snapshots off",
        ));
    }
    Ok(if every == 0 { base } else { Box::new(Rotation::new(base, counted, every, keep)) })
}
