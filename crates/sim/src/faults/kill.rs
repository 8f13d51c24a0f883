//! Power really cut: a process that writes to a pool in a file, told of by a pipe, and killed at a random moment.
//!
//! Invariant: the writer's unflushed writes live in its own memory only, so SIGKILL loses them as a power cut would. Its history
//! is that of its seed: whoever knows how many flushes it told of knows every byte that the pool must hold.

use super::oracle::Agreement;
use super::script::{self, DEVICE_BLOCKS, History, OPTIONS};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spinney_core::{BlockDevice, Extent, Pba, Result};
use spinney_device::{FileDevice, HoldingDevice, MemoryDevice};
use spinney_registry::Registry;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The argument by which the command becomes a writer.
pub const WRITER: &str = "--writer";
/// Changes between flushes, at most.
const CHANGES_MAX: u64 = 6;
/// The parent kills within so many lines of the writer, and so much later.
const LINES_MAX: u64 = 60;
const DELAY_US_MAX: u64 = 1500;

/// What the writer's device does wrong, to prove that a kill would show it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Planted {
    /// Nothing.
    Nothing,
    /// After the first commits, flushes succeed and do nothing.
    FlushLies,
    /// The flush before the superblock is left out.
    OneFlush,
}

impl Planted {
    const ALL: [(&'static str, Planted); 3] =
        [("sound", Planted::Nothing), ("flush-lies", Planted::FlushLies), ("one-flush", Planted::OneFlush)];

    fn name(self) -> &'static str {
        Planted::ALL.iter().find(|(_, planted)| *planted == self).map_or("", |(name, _)| name)
    }
}

/// The device of the writer: it holds what is not flushed, and does what was planted.
struct WriterDevice {
    below: HoldingDevice<FileDevice>,
    planted: Planted,
    flushes: AtomicU64,
}

impl BlockDevice for WriterDevice {
    fn blocks(&self) -> u64 {
        self.below.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.below.read(at, buffer)
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        self.below.write(at, data)
    }
    fn flush(&self) -> Result<()> {
        let number = self.flushes.fetch_add(1, Ordering::Relaxed);
        let skipped = match self.planted {
            Planted::Nothing => false,
            Planted::FlushLies => number > 6,
            Planted::OneFlush => number % 2 == 1, // formatting flushes once, each commit twice
        };
        if skipped { Ok(()) } else { self.below.flush() }
    }
    fn discard(&self, run: Extent) -> Result<()> {
        self.below.discard(run)
    }
}

/// Be the writer, until killed: `PATH ALLOCATOR SCHEME SEED PLANTED`. Errors: the pool's or the pipe's, in words.
pub fn writer(args: &[String]) -> Result<(), String> {
    let [path, allocator, scheme, seed, planted] = args else { return Err("five arguments".into()) };
    let planted = Planted::ALL.iter().find(|(name, _)| name == planted).ok_or("no such planted fault")?.1;
    let seed: u64 = seed.parse().map_err(|error| format!("seed: {error}"))?;
    let below = FileDevice::open_holding(Path::new(path)).map_err(|error| error.to_string())?;
    let device = Arc::new(WriterDevice { below, planted, flushes: AtomicU64::new(0) });
    let mut pipe = std::io::stdout();
    let mut tell = |line: String| pipe.write_all(line.as_bytes()).map_err(|error| error.to_string());
    let pool = script::format(&Registry::standard(), [allocator, scheme], OPTIONS, device);
    let mut pool = pool.map_err(|error| error.to_string())?;
    let mut history = History::new(seed, &pool);
    let mut pace = Pace::new(seed);
    tell("formatted 0\n".into())?;
    for number in 1u64.. {
        advance(&mut history, &mut pool, &mut pace)?;
        tell(format!("about {number}\n"))?;
        history.flush(&mut pool).map_err(|error| error.to_string())?;
        tell(format!("flushed {number}\n"))?;
    }
    Ok(())
}

/// How many changes go between two flushes.
struct Pace(ChaCha8Rng);

impl Pace {
    fn new(seed: u64) -> Pace {
        Pace(ChaCha8Rng::seed_from_u64(!seed))
    }
}

fn advance(history: &mut History, pool: &mut spinney_volume::Pool, pace: &mut Pace) -> Result<(), String> {
    let epoch = pool.epoch();
    for _ in 0..pace.0.random_range(1..=CHANGES_MAX) {
        let change = history.draw();
        history.apply(pool, change)?.map_err(|error| format!("{change:?}: {error}"))?;
    }
    if pool.epoch() == epoch { Ok(()) } else { Err("a commit outside a flush".into()) }
}

/// What the writer told of before it died.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Told {
    /// The last flush that was to begin.
    pub about: u64,
    /// The last flush that had returned.
    pub flushed: u64,
}

impl Told {
    /// Whether it died inside a flush.
    #[must_use]
    pub fn in_flush(self) -> bool {
        self.about > self.flushed
    }

    fn note(&mut self, line: &str) -> Result<(), String> {
        let (what, number) = line.split_once(' ').ok_or(format!("the writer said {line:?}"))?;
        let number: u64 = number.parse().map_err(|_| format!("the writer said {line:?}"))?;
        match what {
            "about" => self.about = number,
            "flushed" => self.flushed = number,
            _ => {}
        }
        Ok(())
    }
}

/// One kill: start `program` as a writer of this seed in `folder`, kill it, open what it left, compare. Errors: what was lost
/// or invented, with the seed.
pub fn kill_once(
    program: &Path,
    folder: &Path,
    pair: [&str; 2],
    seed: u64,
    planted: Planted,
) -> Result<Told, String> {
    let fail = |what: String| format!("kill of seed {seed}, {} x {}: {what}", pair[0], pair[1]);
    let path = folder.join(format!("{}-{seed}.pool", planted.name()));
    drop(FileDevice::create(&path, DEVICE_BLOCKS).map_err(|error| fail(error.to_string()))?);
    let told = live_and_die(program, &path, pair, seed, planted).map_err(fail)?;
    let verdict = verify(&path, pair, seed, told).map_err(|what| fail(format!("{told:?}: {what}")));
    std::fs::remove_file(&path).map_err(|error| fail(error.to_string()))?;
    verdict.map(|()| told)
}

fn live_and_die(
    program: &Path,
    path: &Path,
    pair: [&str; 2],
    seed: u64,
    planted: Planted,
) -> Result<Told, String> {
    let mut command = Command::new(program);
    command.arg(WRITER).arg(path).args(pair).args([&seed.to_string(), planted.name()]);
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
    let pipe = child.stdout.take().ok_or("no pipe")?;
    let told = listen_and_kill(&mut child, BufReader::new(pipe).lines(), seed);
    child.kill().and_then(|()| child.wait()).map_err(|error| error.to_string())?;
    told
}

fn listen_and_kill(
    child: &mut Child,
    mut lines: Lines<BufReader<ChildStdout>>,
    seed: u64,
) -> Result<Told, String> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed ^ 0x6B69_6C6C);
    let mut told = Told::default();
    for _ in 0..chance.random_range(1..=LINES_MAX) {
        let line = lines.next().ok_or("the writer ended by itself")?.map_err(|error| error.to_string())?;
        told.note(&line)?;
    }
    std::thread::sleep(Duration::from_micros(chance.random_range(0..=DELAY_US_MAX)));
    child.kill().map_err(|error| error.to_string())?;
    for line in lines {
        told.note(&line.map_err(|error| error.to_string())?)?;
    }
    Ok(told)
}

/// Follow the history in memory as far as the writer can have come; the pool in the file must be at the flush that was told
/// last, or at the one under way, and wholly so.
fn verify(path: &Path, pair: [&str; 2], seed: u64, told: Told) -> Result<(), String> {
    let registry = Registry::standard();
    let text = |error: spinney_core::Error| error.to_string();
    let mut followed =
        script::format(&registry, pair, OPTIONS, Arc::new(MemoryDevice::new(DEVICE_BLOCKS))).map_err(text)?;
    let (mut history, mut pace) = (History::new(seed, &followed), Pace::new(seed));
    let mut epochs = vec![followed.epoch().0 - 1];
    for _ in 0..told.about {
        advance(&mut history, &mut followed, &mut pace)?;
        history.flush(&mut followed).map_err(text)?;
        epochs.push(followed.epoch().0 - 1);
    }
    let pool = script::open(&registry, OPTIONS, Arc::new(FileDevice::open(path).map_err(text)?));
    let pool = pool.map_err(|error| format!("open: {error}"))?;
    let epoch =
        history.resume(&pool).ok_or_else(|| format!("epoch {} was never under way", pool.epoch().0 - 1))?;
    let (least, most) = (epochs[told.flushed as usize], epochs[told.about as usize]);
    if epoch < least || epoch > most {
        return Err(format!("epoch {epoch}, but {least} was flushed and {most} under way"));
    }
    match history.state.compare(&pool)? {
        Agreement::Whole => {}
        Agreement::Partly(error) => return Err(format!("epoch {epoch}: {error}")),
    }
    let report = pool.check(true).map_err(|error| format!("check: {error}"))?;
    report.findings.first().map_or(Ok(()), |first| Err(format!("epoch {epoch}: check found {first}")))
}
