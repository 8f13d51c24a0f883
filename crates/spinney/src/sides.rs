//! `spinney pool scrub`, and what is done with the sides of a mirror: offline, online, replace, attach.
//!
//! Invariant: a side is called in sync only after all that it lacked was written to it and flushed. A scrub looks at the pool in short steps, so
//! that a server's clients get in between.

use crate::exit::{Failure, log, say_to, versioned};
use crate::known::Known;
use crate::members::{Members, Opened};
use crate::pool::{failed, new_device, open_on};
use clap::Subcommand;
use serde_json::{Value, json};
use spinney_core::{Epoch, Error, Finding};
use spinney_device::set::{Mirror, Role};
use spinney_volume::{Pool, Scrub, ScrubProgress, Superblock};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Blocks of a step: some ten milliseconds of a disk, for which nobody else gets at the pool.
const STEP_BLOCKS: u64 = 256;
/// A scrub that repaired all that it found.
const REPAIRED: u8 = 4;
/// And one that could not.
const LOST: u8 = 8;

#[derive(Subcommand)]
pub(crate) enum SideCommand {
    /// Go on without a side of a mirror, which may be gone already.
    #[command(after_help = "Example: spinney pool offline tank 1")]
    Offline {
        /// The pool.
        pool: String,
        /// The side, by its path or its number in `pool status`.
        side: String,
    },
    /// Take a side back that was out: it gets what changed since.
    #[command(after_help = "Example: spinney pool online tank disk2.img")]
    Online {
        /// The pool.
        pool: String,
        /// The side, by its path or its number in `pool status`.
        side: String,
        /// As JSON, a line each.
        #[arg(short = 'j', long)]
        json: bool,
    },
    /// Put a new file or disk in the place of a side: it gets what is allocated.
    #[command(after_help = "Example: spinney pool replace tank 1 new.img")]
    Replace {
        /// The pool.
        pool: String,
        /// The side, by its path or its number in `pool status`.
        side: String,
        /// The file or disk; a file that is not there is made as large as it must be.
        device: PathBuf,
        /// Take the device although it holds a pool, which is lost.
        #[arg(long)]
        force: bool,
        /// As JSON, a line each.
        #[arg(short = 'j', long)]
        json: bool,
    },
    /// Give a mirror one more side.
    #[command(after_help = "Example: spinney pool attach tank disk3.img")]
    Attach {
        /// The pool.
        pool: String,
        /// The file or disk; a file that is not there is made as large as it must be.
        device: PathBuf,
        /// Take the device although it holds a pool, which is lost.
        #[arg(long)]
        force: bool,
        /// As JSON, a line each.
        #[arg(short = 'j', long)]
        json: bool,
    },
}

pub(crate) fn sides(command: &SideCommand) -> Result<ExitCode, Failure> {
    match command {
        SideCommand::Offline { pool, side } => offline(pool, side),
        SideCommand::Online { pool, side, json } => online(pool, side, *json),
        SideCommand::Replace { pool, side, device, force, json } => {
            replace(pool, side, device, *force, *json)
        }
        SideCommand::Attach { pool, device, force, json } => attach(pool, device, *force, *json),
    }
}

fn offline(pool: &str, side: &str) -> Result<ExitCode, Failure> {
    let known = Known::load()?;
    let paths = known.paths(pool)?;
    // A side that is gone is known by its number only, which is needed before the others can be used without it.
    let missing: Vec<usize> = side.parse().ok().into_iter().collect();
    let opened = Opened::at(paths, false, &missing)?;
    let member = opened.members.number(side)?;
    opened.members.mirror()?.take_out(member).map_err(|error| failed(pool, error))?;
    log(&format!(
        "pool `{pool}` goes on without side {member}; `spinney pool online` or `replace` ends that"
    ));
    Ok(ExitCode::SUCCESS)
}

fn online(pool: &str, side: &str, json: bool) -> Result<ExitCode, Failure> {
    let known = Known::load()?;
    let opened = Opened::at(known.paths(pool)?, false, &[])?;
    let mirror = opened.members.mirror()?.clone();
    let member = opened.members.number(side)?;
    let gone = || {
        Failure::Other(format!(
            "side {member} is not there; `spinney pool replace` puts another one in its place"
        ))
    };
    let role = mirror.sides()[member].role;
    let since = match role {
        Role::InSync => return Ok(ExitCode::SUCCESS),
        Role::Out { since: Some(since), .. } | Role::Resilvering { since } => since,
        Role::Out { since: None, .. } => {
            Superblock::shared_until(&opened.members.data(member).ok_or_else(gone)?).0
        }
    };
    let mut open = open_on(pool, opened.device.clone())?;
    mirror.begin_resilver(member, None, since).map_err(|error| failed(pool, error))?;
    resilver(pool, &mut open, &mirror, member, since, json)
}

fn replace(pool: &str, side: &str, path: &Path, force: bool, json: bool) -> Result<ExitCode, Failure> {
    let mut known = Known::load()?;
    let missing: Vec<usize> = side.parse().ok().into_iter().collect();
    let opened = Opened::at(known.paths(pool)?, false, &missing)?;
    let mirror = opened.members.mirror()?.clone();
    let member = opened.members.number(side)?;
    let mut open = open_on(pool, opened.device.clone())?;
    let device = new_device(path, opened.members.side_blocks(), force)?;
    mirror.take_out(member).map_err(|error| failed(pool, error))?;
    mirror.begin_resilver(member, Some(Arc::new(device)), 0).map_err(|error| failed(pool, error))?;
    // Known before it is done: who breaks this off goes on with `online`.
    let old = opened.members.path_or_lost(member, known.paths(pool)?).map(Path::to_owned);
    known.replace(pool, old.as_deref(), path)?;
    let done = resilver(pool, &mut open, &mirror, member, 0, json)?;
    // The pool knows it no more, so its label is only untidy.
    if let Err(error) = opened.members.erase(member) {
        log(&format!("the label of the device that was replaced cannot be erased: {error}"));
    }
    Ok(done)
}

fn attach(pool: &str, path: &Path, force: bool, json: bool) -> Result<ExitCode, Failure> {
    let mut known = Known::load()?;
    let opened = Opened::at(known.paths(pool)?, false, &[])?;
    let mirror = opened.members.mirror()?.clone();
    let mut open = open_on(pool, opened.device.clone())?;
    let device = new_device(path, opened.members.side_blocks(), force)?;
    let member = mirror.attach(Arc::new(device)).map_err(|error| failed(pool, error))?;
    known.replace(pool, None, path)?;
    resilver(pool, &mut open, &mirror, member, 0, json)
}

/// Give a side what it lacks. Data that no side has is named, and the exit code says so; the side is in sync all the same, as its checksums
/// give that away on any side. Ends with an error, and the side is not in sync, if more than data is lost.
fn resilver(
    name: &str,
    pool: &mut Pool,
    mirror: &Mirror,
    member: usize,
    since: u64,
    json: bool,
) -> Result<ExitCode, Failure> {
    let mut out = std::io::stdout();
    let done = run(&mut |step| step(pool), &|pool| pool.resilver(Epoch(since)), json, &mut out)
        .map_err(|error| failed(name, error))??;
    let ScrubProgress { healed, lost_blocks, .. } = done.progress();
    if !done.lost_only_data() {
        return Err(Failure::Damaged(format!(
            "{lost_blocks} blocks have no sound copy on any side, metadata among them, so side {member} cannot be brought up to date; `spinney pool scrub {name}` names them",
        )));
    }
    mirror.finish_resilver(member).map_err(|error| failed(name, error))?;
    let findings: Vec<String> = done.lost().iter().map(ToString::to_string).collect();
    let text = if json {
        let body = json!({ "pool": name, "member": member, "state": "in sync", "rebuilt_blocks": healed.rebuilt, "lost_blocks": lost_blocks, "findings": findings });
        compact("spinney pool online", &body)
    } else {
        let lost = findings.iter().map(|finding| format!("no side holds: {finding}\n")).collect::<String>();
        format!("{lost}{name}: side {member} is in sync; {} blocks written to it", healed.rebuilt)
    };
    say_to(&mut out, text + "\n")?;
    if lost_blocks == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    log(&format!("{name}: {lost_blocks} blocks of data have no sound copy on any side"));
    Ok(ExitCode::from(LOST))
}

/// Who gets a step's turn at the pool.
type Turn<'a> = dyn FnMut(&mut dyn FnMut(&mut Pool) -> Result<bool, Error>) -> Result<bool, Error> + 'a;

/// A scrub from begin to end, with its progress told each tenth. Errors: the pool's; inside, that nobody reads.
fn run(
    turn: &mut Turn<'_>,
    begin: &dyn Fn(&mut Pool) -> Result<Scrub, Error>,
    json: bool,
    out: &mut dyn Write,
) -> Result<Result<Scrub, Failure>, Error> {
    let (mut scrub, mut tenth) = (None, 0);
    while !turn(&mut |pool| match &mut scrub {
        None => {
            scrub = Some(begin(pool)?);
            Ok(false)
        }
        Some(scrub) => pool.scrub_step(scrub, STEP_BLOCKS),
    })? {
        let ScrubProgress { blocks_done, blocks_total, healed, lost_blocks } =
            scrub.as_ref().map(Scrub::progress).unwrap_or_default();
        if blocks_done * 10 / blocks_total.max(1) > tenth {
            tenth = blocks_done * 10 / blocks_total.max(1);
            if json {
                let line = json!({ "blocks_done": blocks_done, "blocks_total": blocks_total, "repaired_copies": healed.repaired, "rebuilt_blocks": healed.rebuilt, "lost_blocks": lost_blocks });
                if let Err(failure) = say_to(out, format!("{line}\n")) {
                    return Ok(Err(failure));
                }
            } else {
                log(&format!("{blocks_done} of {blocks_total} blocks"));
            }
        }
    }
    Ok(scrub.ok_or(Failure::Other("the scrub did not begin".into())))
}

/// Check the pool and read every copy of everything, repairing what another copy is right for. Errors: with its own exit code, that
/// there was damage.
pub(crate) fn scrub(
    name: &str,
    turn: &mut Turn<'_>,
    members: &Members,
    json: bool,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let scrub = run(turn, &Pool::scrub, json, out).map_err(|error| failed(name, error))??;
    let mut report = None;
    turn(&mut |pool| {
        report = Some(pool.check(false)?);
        Ok(true)
    })
    .map_err(|error| failed(name, error))?;
    let report = report.unwrap_or_default();
    let ScrubProgress { healed, lost_blocks, .. } = scrub.progress();
    let findings: Vec<&Finding> = report.findings.iter().chain(scrub.lost()).collect();
    let left = healed.bad - healed.repaired;
    let code = match (findings.is_empty() && left == 0, healed.repaired) {
        (false, _) => LOST,
        (true, 0) => 0,
        (true, _) => REPAIRED,
    };
    if json {
        let texts: Vec<String> = findings.iter().map(ToString::to_string).collect();
        let body = json!({
            "pool": name, "scrub": true, "sound": code == 0 || code == REPAIRED, "findings": texts, "owned_blocks": report.owned_blocks,
            "free_blocks": report.free_blocks, "pages": report.pages, "copies_sound": healed.sound, "copies_bad": healed.bad,
            "copies_repaired": healed.repaired, "lost_blocks": lost_blocks, "members": members.json(),
        });
        say_to(out, compact("spinney pool scrub", &body) + "\n")?;
        return ended(name, code);
    }
    findings.iter().try_for_each(|finding| say_to(out, format!("{finding}\n")))?;
    let verdict = match code {
        0 => "sound".into(),
        REPAIRED => format!("sound now; {} copies were bad, all repaired", healed.bad),
        _ => format!(
            "{} findings; {} copies were bad, {} repaired",
            findings.len(),
            healed.bad,
            healed.repaired
        ),
    };
    say_to(
        out,
        format!(
            "{name}: {verdict}; {} blocks in use, {} metadata pages; every copy of every block read and verified\n",
            report.owned_blocks, report.pages
        ),
    )?;
    members.lines().iter().try_for_each(|line| say_to(out, format!("{line}\n")))?;
    ended(name, code)
}

fn ended(name: &str, code: u8) -> Result<(), Failure> {
    let words = |what| format!("{name}: {what}");
    match code {
        0 => Ok(()),
        REPAIRED => Err(Failure::Told { code, words: words("the scrub repaired all that was damaged") }),
        _ => Err(Failure::Told { code, words: words("the scrub found damage that it cannot repair") }),
    }
}

/// JSON with its header on one line, as progress comes in lines.
fn compact(command: &str, body: &Value) -> String {
    serde_json::from_str::<Value>(&versioned(command, body))
        .map_or_else(|_| body.to_string(), |value| value.to_string())
}
