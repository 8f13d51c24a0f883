//! `spinney pool`: making, finding, looking at and checking pools.
//!
//! Invariant: a file that holds a pool is never formatted without being told to. What a pool is made of is chosen here once and
//! read back from the pool ever after.

use crate::args::{Output, PoolCommand};
use crate::control::{Desk, ask, at};
use crate::exit::{DAMAGED, Failure, log, say, say_to, versioned};
use crate::iostat::Meter;
use crate::known::Known;
use crate::members::{self, Members, Opened, Shared, shown};
use crate::sides::{self, sides};
use crate::table::{Cell, Listing};
use rustix::io::Errno;
use serde_json::{Value, json};
use spinney_core::{BLOCK_BYTES, BlockDevice, Error, Pba};
use spinney_device::set::{STRIPE_BLOCKS, SetKind};
use spinney_device::{FileDevice, MeterDevice};
use spinney_lab::config::{format_bytes, parse_bytes};
use spinney_registry::Registry;
use spinney_volume::{ChecksumKind, Name, Placement, Pool, PoolOptions, SUPERBLOCK_MAGIC, SUPERBLOCK_SLOTS};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

const BLOCK: u64 = BLOCK_BYTES as u64;
/// The label of a set's member, which is in the same places as a superblock (`FORMAT.md` of the devices).
const MEMBER_MAGIC: &[u8] = b"spinside";
/// A pool that nobody chose parts for: best fit over twin trees keeps free space whole and has a bound on memory; reference counts
/// delete and clone in any order; metadata that grows never ends a pool that has blocks left.
const ALLOCATOR: &str = "extent";
const SCHEME: &str = "refcount";
/// The intent log, unless asked for otherwise: a thousand flushes between commits, but no more than a share of a small device.
const LOG_BLOCKS: u64 = 1_024;
const LOG_DIVISOR: u64 = 64;

pub(crate) fn pool(command: &PoolCommand) -> Result<ExitCode, Failure> {
    match command {
        PoolCommand::Create { name, devices, layout, size, options, force } => {
            let kind = set_kind(layout.as_deref(), devices.len())?;
            create(name, devices, kind, size.as_deref(), options, *force)
        }
        PoolCommand::List { output } => list(output),
        PoolCommand::Status { pool, json } => {
            at(pool, |desk| status(desk, *json)).map(|()| ExitCode::SUCCESS)
        }
        PoolCommand::Check { pool, scrub, json } => check(pool, *scrub, *json),
        PoolCommand::Scrub { pool, json } => scrub(pool, *json).map(|()| ExitCode::SUCCESS),
        PoolCommand::Import { devices, name } => import(devices, name.as_deref()),
        PoolCommand::Export { pool } => Known::load()?.forget_known(pool),
        PoolCommand::Destroy { pool, yes } => destroy(pool, *yes),
        PoolCommand::Sides(command) => sides(command),
    }
}

/// What the pool's errors mean at the command line.
pub(crate) fn failed(what: &str, error: Error) -> Failure {
    let text = format!("{what}: {error}");
    match error {
        Error::Io { operation: "lock", .. } => {
            Failure::Busy(format!("{what} is in use by another process (a server?); stop that first"))
        }
        Error::Io { operation: "open", code, .. } if code == Errno::BUSY.raw_os_error() => {
            Failure::Busy(format!("{what} is in use (mounted, or part of another device)"))
        }
        Error::NoSpace { .. } | Error::OverQuota { .. } | Error::NoPages { .. } => Failure::OutOfSpace(text),
        Error::NoSuchName | Error::NameTaken | Error::BadSetting(_) | Error::Busy(_) => Failure::Usage(text),
        Error::Corrupt { .. } => Failure::Damaged(text),
        _ => Failure::Other(text),
    }
}

/// The pool of this name, open.
pub(crate) fn open(pool: &str) -> Result<Pool, Failure> {
    let known = Known::load()?;
    open_at(pool, known.paths(pool)?).map(|(pool, _)| pool)
}

pub(crate) fn open_at(name: &str, paths: &[PathBuf]) -> Result<(Pool, Members), Failure> {
    let (pool, _, members) = open_to_serve(name, paths, false)?;
    Ok((pool, members))
}

/// The pool, the meter of its device, and the devices that it is made of. With `hold`, what is not flushed stays in this process and is lost with it.
pub(crate) fn open_to_serve(
    name: &str,
    paths: &[PathBuf],
    hold: bool,
) -> Result<(Pool, Meter, Members), Failure> {
    let Opened { device, members } = Opened::at(paths, hold, &[])?;
    let meter: Meter = Arc::new(MeterDevice::new(device));
    Ok((open_on(name, meter.clone())?, meter, members))
}

/// The pool on this device.
pub(crate) fn open_on(name: &str, device: Shared) -> Result<Pool, Failure> {
    let registry = Registry::standard();
    let unknown = |_| Error::BadSetting("the pool was made with parts that this build does not know");
    let build = |text: &str| registry.parts_of(text).map_err(unknown);
    Pool::open(device, PoolOptions::default(), &build)
        .map_err(|error| failed(&format!("pool `{name}`"), error))
}

/// `key=value` pairs: which parts, where metadata lives, which checksums.
struct Choice {
    allocator: String,
    scheme: String,
    options: PoolOptions,
    /// As asked; by default as long as the device makes sensible.
    log_blocks: Option<u64>,
    stripe_blocks: u64,
}

fn choice(pairs: &[String]) -> Result<Choice, Failure> {
    let options = PoolOptions { placement: Placement::Segments, ..PoolOptions::default() };
    let (allocator, scheme) = (ALLOCATOR.into(), SCHEME.into());
    let mut choice = Choice { allocator, scheme, options, log_blocks: None, stripe_blocks: STRIPE_BLOCKS };
    for pair in pairs {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| Failure::Usage(format!("-o {pair}: write KEY=VALUE")))?;
        match (key, value) {
            ("allocator", name) => choice.allocator = name.into(),
            ("scheme", name) => choice.scheme = name.into(),
            ("metadata", "segments") => choice.options.placement = Placement::Segments,
            ("metadata", "area") => choice.options.placement = Placement::Area,
            ("log" | "stripe", size) => {
                let wrong = |error| Failure::Usage(format!("-o {key}: {error}"));
                let blocks = parse_bytes(size).map_err(wrong)? / BLOCK;
                if key == "log" { choice.log_blocks = Some(blocks) } else { choice.stripe_blocks = blocks }
            }
            ("checksums", name) => {
                let unknown =
                    || Failure::Usage(format!("-o checksums={name}: `spinney list checksums` has them"));
                choice.options.checksums = ChecksumKind::named(name).ok_or_else(unknown)?;
            }
            _ => {
                let known = "allocator, scheme, metadata=segments|area, log=SIZE, checksums, stripe=SIZE";
                return Err(Failure::Usage(format!("-o {pair}: not an option; there are {known}")));
            }
        }
    }
    Ok(choice)
}

/// How several devices make one; `None` for one device.
fn set_kind(layout: Option<&str>, devices: usize) -> Result<Option<SetKind>, Failure> {
    let usage = |what: &str| Err(Failure::Usage(what.into()));
    match (layout, layout.and_then(SetKind::named), devices) {
        (None, _, 1) => Ok(None),
        (None, ..) => usage("several devices: say --layout concat, stripe or mirror"),
        (Some(_), None, _) => usage("--layout: concat, stripe or mirror"),
        (_, Some(_), 1) => usage("--layout: a set has at least two devices"),
        (_, kind, _) => Ok(kind),
    }
}

fn create(
    name: &str,
    paths: &[PathBuf],
    kind: Option<SetKind>,
    size: Option<&str>,
    pairs: &[String],
    force: bool,
) -> Result<ExitCode, Failure> {
    let mut known = Known::load()?;
    pool_name(name)?;
    if known.pools().contains_key(name) {
        return Err(Failure::Usage(format!(
            "a pool `{name}` is known already (`spinney pool export {name}` forgets it)"
        )));
    }
    let choice = choice(pairs)?;
    let registry = Registry::standard();
    let spec = registry
        .spec(&choice.allocator, &choice.scheme)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let parts = registry.parts(&spec).map_err(|error| Failure::Usage(error.to_string()))?;
    if kind == Some(SetKind::Mirror) && choice.options.checksums == ChecksumKind::None {
        return Err(Failure::Usage(
            "a mirror needs checksums: without them nobody knows which side is right".into(),
        ));
    }
    let devices = paths.iter().map(|path| device(path, size, force).map(|device| Arc::new(device) as Shared));
    let mut devices = devices.collect::<Result<Vec<_>, _>>()?;
    let device = match kind {
        Some(kind) => members::create(kind, choice.stripe_blocks, devices)?,
        None => devices.remove(0),
    };
    let bytes = device.blocks() * BLOCK;
    let log_blocks = choice.log_blocks.unwrap_or((device.blocks() / LOG_DIVISOR).min(LOG_BLOCKS));
    let options = PoolOptions { log_blocks, ..choice.options };
    Pool::format(device, parts, options).map_err(|error| failed(name, error))?;
    known.add(name, paths)?;
    log(&format!(
        "pool `{name}`: {} on {}, allocator {}, scheme {}",
        format_bytes(bytes),
        paths.iter().map(|path| shown(path)).collect::<Vec<_>>().join(", "),
        choice.allocator,
        choice.scheme
    ));
    Ok(ExitCode::SUCCESS)
}

fn pool_name(name: &str) -> Result<(), Failure> {
    let parsed: Result<Name, Error> = name.parse();
    match parsed {
        Ok(parsed) if parsed.snapshot().is_none() => Ok(()),
        _ => Err(Failure::Usage(format!(
            "`{name}` is no name for a pool: a letter or digit, then letters, digits, _ - . :"
        ))),
    }
}

/// A new file, or one (or a disk) that is there and holds no pool.
fn device(path: &Path, size: Option<&str>, force: bool) -> Result<FileDevice, Failure> {
    let shown = path.display().to_string();
    if !path.exists() {
        let size = size.ok_or_else(|| {
            Failure::Usage(format!("{shown} is not there: say how large it shall be, with --size"))
        })?;
        let bytes = parse_bytes(size).map_err(|error| Failure::Usage(format!("--size: {error}")))?;
        return FileDevice::create(path, bytes / BLOCK).map_err(|error| failed(&shown, error));
    }
    if size.is_some() {
        return Err(Failure::Usage(format!("{shown} is there already and has its size; leave --size out")));
    }
    unused(path, force)
}

/// A device for a set: a new file of so many blocks, or one that is there, has as many, and holds no pool.
pub(crate) fn new_device(path: &Path, blocks: u64, force: bool) -> Result<FileDevice, Failure> {
    let shown = path.display().to_string();
    if !path.exists() {
        return FileDevice::create(path, blocks).map_err(|error| failed(&shown, error));
    }
    let device = unused(path, force)?;
    let (has, needs) = (device.blocks() * BLOCK, blocks * BLOCK);
    if has < needs {
        return Err(Failure::Usage(format!("{shown} has {has} bytes, and {needs} are needed")));
    }
    Ok(device)
}

/// A device that holds no pool and is no member of a set.
fn unused(path: &Path, force: bool) -> Result<FileDevice, Failure> {
    let shown = path.display().to_string();
    let device = FileDevice::open(path).map_err(|error| failed(&shown, error))?;
    // A pool that does not open (another version, a device that shrank, damage) is somebody's, too; a slot that cannot be read may be one's.
    if !force && SUPERBLOCK_SLOTS.iter().any(|slot| has_magic(&device, *slot).unwrap_or(true)) {
        return Err(Failure::Usage(format!(
            "{shown} holds a pool, or may; `spinney pool import {shown}` finds it, --force destroys it"
        )));
    }
    Ok(device)
}

/// Whether this slot has a superblock, or the label of a set's member, whole or not. Errors: the device's.
fn has_magic(device: &FileDevice, slot: Pba) -> Result<bool, Error> {
    let mut block = vec![0; BLOCK_BYTES];
    if slot.0 < device.blocks() {
        device.read(slot, &mut block)?;
    }
    Ok(block.starts_with(SUPERBLOCK_MAGIC) || block.starts_with(MEMBER_MAGIC))
}

fn import(paths: &[PathBuf], name: Option<&str>) -> Result<ExitCode, Failure> {
    let mut known = Known::load()?;
    let path = paths.first().map(PathBuf::as_path).unwrap_or(Path::new(""));
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let name = name.unwrap_or(&stem);
    pool_name(name)?;
    if known.pools().contains_key(name) {
        return Err(Failure::Usage(format!(
            "a pool `{name}` is known already; give this one another name with --name"
        )));
    }
    open_at(name, paths)?;
    known.add(name, paths)?;
    log(&format!("pool `{name}` on {}", path.display()));
    Ok(ExitCode::SUCCESS)
}

fn list(output: &Output) -> Result<ExitCode, Failure> {
    let mut rows = Vec::new();
    for (name, paths) in Known::load()?.pools() {
        let text = |text: &str| Cell::Text(text.into());
        let row = match space_of(name, paths) {
            Ok(([size, used, free], state)) => {
                vec![text(name), Cell::Bytes(size), Cell::Bytes(used), Cell::Bytes(free), text(state)]
            }
            Err(failure) => vec![text(name), Cell::None, Cell::None, Cell::None, text(failure.state())],
        };
        let paths = paths.iter().map(|path| shown(path)).collect::<Vec<_>>().join(",");
        rows.push([row, vec![Cell::Text(paths)]].concat());
    }
    let columns = &["name", "size", "used", "free", "state", "device"];
    Listing { columns, rows }.print("spinney pool list", output, &mut io::stdout())?;
    Ok(ExitCode::SUCCESS)
}

/// Bytes in all, used and free, and in a word how the pool is; by its server if it has one.
fn space_of(name: &str, paths: &[PathBuf]) -> Result<([u64; 3], &'static str), Failure> {
    let words = ["pool", "status", name, "--json"].map(str::to_owned);
    if let Some(answer) = ask(&paths[0], &words)? {
        let strange = |_| Failure::Other(format!("the server of `{name}` gave no status"));
        let status: Value = serde_json::from_str(&answer.out).map_err(strange)?;
        let bytes = ["size_bytes", "used_bytes", "free_bytes"].map(|key| status[key].as_u64().unwrap_or(0));
        return Ok((bytes, "served"));
    }
    let space = open_at(name, paths)?.0.space();
    let [total, free] = [space.total_blocks, space.free_blocks].map(|blocks| blocks * BLOCK);
    Ok(([total, total - free, free], "ok"))
}

pub(crate) fn status(desk: &mut Desk<'_>, json: bool) -> Result<(), Failure> {
    let name = desk.name;
    let reserved = desk.pool.reserved_blocks().map_err(|error| failed(name, error))? * BLOCK;
    let pool = &desk.pool;
    let (space, pages) = (pool.space(), pool.pages().pages_live());
    let used = (space.total_blocks - space.free_blocks) * BLOCK;
    let parts: Vec<&str> = pool.description().lines().collect();
    let volumes = pool.names().map_err(|error| failed(name, error))?;
    let snapshots = volumes.iter().filter(|named| named.name.snapshot().is_some()).count();
    let served = desk.users.is_some();
    if json {
        let body = json!({
            "pool": name, "size_bytes": space.total_blocks * BLOCK, "used_bytes": used, "free_bytes": space.free_blocks * BLOCK,
            "reserved_bytes": reserved,
            "metadata_pages": pages, "epoch": pool.epoch().0, "volumes": volumes.len() - snapshots, "snapshots": snapshots,
            "served": served, "parts": parts, "layout": desk.members.layout(), "members": desk.members.json(),
        });
        return say_to(desk.out, versioned("spinney pool status", &body) + "\n");
    }
    let mut line = |text: String| say_to(desk.out, text + "\n");
    line(format!("pool       {name}{}", if served { ", being served" } else { "" }))?;
    line(format!(
        "space      {} used of {}, {} free",
        format_bytes(used),
        format_bytes(space.total_blocks * BLOCK),
        format_bytes(space.free_blocks * BLOCK)
    ))?;
    if reserved > 0 {
        line(format!(
            "reserved   {} of what is free, for volumes with a reservation",
            format_bytes(reserved)
        ))?;
    }
    line(format!("content    {} volumes, {snapshots} snapshots", volumes.len() - snapshots))?;
    line(format!("metadata   {pages} pages in use, epoch {}", pool.epoch().0))?;
    line(format!("parts      {}", parts.join("; ")))?;
    line(format!("layout     {}", desk.members.layout()))?;
    desk.members.lines().into_iter().try_for_each(line)
}

fn scrub(name: &str, json: bool) -> Result<(), Failure> {
    at(name, |desk| {
        let pool = &mut *desk.pool;
        sides::scrub(desk.name, &mut |step| step(pool), desk.members, json, desk.out)
    })
}

fn check(name: &str, scrub: bool, json: bool) -> Result<ExitCode, Failure> {
    let pool = open(name)?;
    let report = pool.check(scrub).map_err(|error| failed(name, error))?;
    let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    if json {
        let body = json!({
            "pool": name, "scrub": scrub, "sound": report.is_sound(), "findings": findings,
            "owned_blocks": report.owned_blocks, "free_blocks": report.free_blocks, "pages": report.pages,
        });
        say(versioned("spinney pool check", &body))?;
    } else {
        findings.iter().try_for_each(say)?;
        let what = if scrub {
            "every block read and verified"
        } else {
            "data not read (that is `spinney pool scrub`)"
        };
        let verdict = if report.is_sound() { "sound".into() } else { format!("{} findings", findings.len()) };
        say(format!(
            "{name}: {verdict}; {} blocks in use, {} metadata pages; {what}",
            report.owned_blocks, report.pages
        ))?;
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::from(DAMAGED) })
}

impl Known {
    fn forget_known(mut self, pool: &str) -> Result<ExitCode, Failure> {
        self.path(pool)?;
        self.forget(pool)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn destroy(name: &str, yes: bool) -> Result<ExitCode, Failure> {
    let known = Known::load()?;
    let paths = known.paths(name)?.to_vec();
    let listed = paths.iter().map(|path| shown(path)).collect::<Vec<_>>().join(", ");
    if !yes {
        return Err(Failure::Usage(format!(
            "this makes everything in `{name}` ({listed}) unreadable: add --yes"
        )));
    }
    paths.iter().try_for_each(|path| wipe(name, path))?;
    log(&format!("{listed} holds no pool any more; the file itself is still there"));
    known.forget_known(name)
}

fn wipe(name: &str, path: &Path) -> Result<(), Failure> {
    let device = FileDevice::open(path).map_err(|error| failed(name, error))?;
    if !SUPERBLOCK_SLOTS.iter().any(|slot| has_magic(&device, *slot).unwrap_or(false)) {
        return Err(Failure::Usage(format!(
            "{} holds no pool, so nothing is destroyed (`spinney pool export {name}` forgets the name)",
            path.display()
        )));
    }
    for slot in SUPERBLOCK_SLOTS {
        device.write(slot, &[0; BLOCK_BYTES]).map_err(|error| failed(name, error))?;
    }
    device.flush().map_err(|error| failed(name, error))
}
