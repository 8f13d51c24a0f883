//! `spinney vol`: volumes, snapshots and clones by name.
//!
//! Invariant: every command is one change of one pool, flushed before it says that it is done; `-n` changes nothing. Knows not whether the
//! pool is being served.

use crate::args::{Output, VolCommand};
use crate::control::{Desk, at};
use crate::exit::{Failure, say_to, versioned};
use crate::pool::failed;
use crate::table::{Cell, Listing};
use serde_json::json;
use spinney_core::{BLOCK_BYTES, Error, Lba, LbaRange};
use spinney_lab::config::{format_bytes, parse_bytes};
use spinney_volume::{Name, Pool};
use std::io::Write;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

mod properties;

pub(crate) use properties::row;

const BLOCK: u64 = BLOCK_BYTES as u64;

pub(crate) fn vol(command: &VolCommand) -> Result<ExitCode, Failure> {
    at(pool_of(command)?, |desk| run(command, desk)).map(|()| ExitCode::SUCCESS)
}

/// The pool that a command is about.
pub(crate) fn pool_of(command: &VolCommand) -> Result<&str, Failure> {
    let name = match command {
        VolCommand::List { pool, .. } => return Ok(pool),
        VolCommand::Create { name, .. } | VolCommand::Snapshot { name } => name,
        VolCommand::Promote { name } | VolCommand::Rollback { name } | VolCommand::Set { name, .. } => name,
        VolCommand::Clone { of, .. } => of,
        VolCommand::Rename { from, .. } => from,
        VolCommand::Diff { old, .. } => old,
        VolCommand::Destroy { names, .. }
        | VolCommand::Space { names, .. }
        | VolCommand::Get { names, .. } => &names[0],
    };
    Ok(split(name)?.0)
}

/// Carry a command out.
pub(crate) fn run(command: &VolCommand, desk: &mut Desk<'_>) -> Result<(), Failure> {
    match command {
        VolCommand::Create { name, size } => create(desk, name, size),
        VolCommand::List { output, .. } => list(desk, output),
        VolCommand::Snapshot { name } => {
            change(desk, name, |pool, name| pool.snapshot_as(name, now_s()).map(drop))
        }
        VolCommand::Clone { of, name } => {
            let to = same_pool(of, name)?;
            change(desk, of, |pool, of| pool.clone_as(of, &to, now_s()).map(drop))
        }
        VolCommand::Promote { name } => change(desk, name, |pool, name| pool.promote(name).map(drop)),
        VolCommand::Rollback { name } => rollback(desk, name),
        VolCommand::Rename { from, to } => {
            let to = same_pool(from, to)?;
            change(desk, from, |pool, from| pool.rename(from, &to))
        }
        VolCommand::Set { name, properties } => properties::set(desk, name, properties),
        VolCommand::Get { properties, names, output } => properties::get(desk, properties, names, output),
        VolCommand::Destroy { names, recursive, dry_run, verbose, json } => {
            let names = set(desk, names, *recursive)?;
            destroy(desk, &names, *dry_run, *verbose, *json)
        }
        VolCommand::Space { names, if_destroyed, output } => space(desk, names, *if_destroyed, output),
        VolCommand::Diff { old, new, output } => diff(desk, old, new, output),
    }
}

/// Seconds since 1970; 0 if the clock is before that.
fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The two sides of the first slash.
fn split(text: &str) -> Result<(&str, &str), Failure> {
    text.split_once('/')
        .ok_or_else(|| Failure::Usage(format!("`{text}`: write POOL/VOLUME or POOL/VOLUME@SNAPSHOT")))
}

fn named(text: &str) -> Result<(&str, Name), Failure> {
    let (pool, name) = split(text)?;
    Ok((pool, name.parse().map_err(|error| failed(text, error))?))
}

/// The name in `other`, which must be of the same pool as `text`.
fn same_pool(text: &str, other: &str) -> Result<Name, Failure> {
    let ((pool, _), (other_pool, name)) = (named(text)?, named(other)?);
    if pool == other_pool {
        return Ok(name);
    }
    Err(Failure::Usage(format!("`{other}` is in another pool than `{text}`")))
}

/// One change of the pool, durable when this returns.
fn change(
    desk: &mut Desk<'_>,
    text: &str,
    act: impl FnOnce(&mut Pool, &Name) -> Result<(), Error>,
) -> Result<(), Failure> {
    let (_, name) = named(text)?;
    act(desk.pool, &name).and_then(|()| desk.pool.flush()).map_err(|error| failed(text, error))
}

fn create(desk: &mut Desk<'_>, text: &str, size: &str) -> Result<(), Failure> {
    let bytes = parse_bytes(size).map_err(|error| Failure::Usage(format!("--size: {error}")))?;
    if bytes == 0 {
        return Err(Failure::Usage("--size: a volume has at least one byte".into()));
    }
    change(desk, text, |pool, name| pool.create_named(name, bytes.div_ceil(BLOCK), now_s()).map(drop))
}

fn rollback(desk: &mut Desk<'_>, text: &str) -> Result<(), Failure> {
    let (pool, name) = named(text)?;
    if let Ok(volume) = name.volume().parse().and_then(|volume| desk.pool.named(&volume)) {
        desk.nobody_has(&format!("{pool}/{}", name.volume()), &[volume])?;
    }
    change(desk, text, |pool, name| pool.rollback(name).map(drop))
}

fn list(desk: &mut Desk<'_>, output: &Output) -> Result<(), Failure> {
    let failed = |error| failed(desk.name, error);
    let names = desk.pool.names().map_err(failed)?;
    let rows: Result<_, Error> = names.iter().map(|named| row(desk.pool, desk.name, named)).collect();
    print_list(rows.map_err(failed)?, output, desk.out)
}

/// What [`row`] made of each name.
pub(crate) fn print_list(rows: Vec<Vec<Cell>>, output: &Output, out: &mut dyn Write) -> Result<(), Failure> {
    Listing { columns: &properties::COLUMNS, rows }.print("spinney vol list", output, out)
}

/// The names that the words mean: single ones and ranges of snapshots.
fn set(desk: &Desk<'_>, texts: &[String], recursive: bool) -> Result<Vec<Name>, Failure> {
    let all = desk.pool.names().map_err(|error| failed(desk.name, error))?;
    let mut names = Vec::new();
    for text in texts {
        let (of, rest) = split(text)?;
        if of != desk.name {
            return Err(Failure::Usage(format!("`{text}` is in another pool than `{}`", texts[0])));
        }
        let (volume, range) = match rest.split_once('@') {
            Some((volume, range)) if range.contains('%') => (volume, Some(range)),
            _ => (rest, None),
        };
        let Some(range) = range else {
            let name: Name = rest.parse().map_err(|error| failed(text, error))?;
            let below = all.iter().map(|named| &named.name).filter(|other| {
                recursive
                    && name.snapshot().is_none()
                    && other.volume() == name.volume()
                    && other.snapshot().is_some()
            });
            names.extend(below.cloned());
            names.push(name);
            continue;
        };
        let snapshots: Vec<&Name> = all
            .iter()
            .map(|named| &named.name)
            .filter(|name| name.volume() == volume && name.snapshot().is_some())
            .collect();
        names.extend(between(&snapshots, range).ok_or_else(|| failed(text, Error::NoSuchName))?);
    }
    Ok(names)
}

/// Of snapshots, oldest first, those from one to another; no name before or behind the sign is the oldest or the newest.
fn between(snapshots: &[&Name], range: &str) -> Option<Vec<Name>> {
    let (from, to) = range.split_once('%')?;
    let at = |name: &str| snapshots.iter().position(|snapshot| snapshot.snapshot() == Some(name));
    let from = if from.is_empty() { 0 } else { at(from)? };
    let to = if to.is_empty() { snapshots.len().checked_sub(1)? } else { at(to)? };
    Some(snapshots.get(from..=to)?.iter().map(|name| (*name).clone()).collect())
}

fn destroy(
    desk: &mut Desk<'_>,
    names: &[Name],
    dry_run: bool,
    verbose: bool,
    json: bool,
) -> Result<(), Failure> {
    let shown: Vec<String> = names.iter().map(|name| format!("{}/{name}", desk.name)).collect();
    let failed = |error| failed(&shown.join(" "), error);
    let bytes = desk.pool.freed_by_destroying(names).map_err(failed)? * BLOCK;
    if !dry_run {
        let devs: Result<Vec<_>, Error> = names.iter().map(|name| desk.pool.named(name)).collect();
        desk.nobody_has(&shown.join(" "), &devs.map_err(failed)?)?;
        desk.pool.destroy(names).map_err(failed)?;
        // With clients waiting, the space comes back over the next flushes.
        if desk.users.is_some() { desk.pool.flush() } else { desk.pool.settle() }.map_err(failed)?;
    }
    // Last, since nobody may be there to read it.
    if json {
        let body = json!({ "destroyed": shown, "freed_bytes": bytes, "dry_run": dry_run });
        say_to(desk.out, versioned("spinney vol destroy", &body) + "\n")?;
    } else if verbose || dry_run {
        let verb = if dry_run { "would destroy" } else { "destroy" };
        shown.iter().try_for_each(|name| say_to(desk.out, format!("{verb} {name}\n")))?;
        let gives = if dry_run { "would give back" } else { "gives back" };
        say_to(desk.out, format!("{gives} {}\n", format_bytes(bytes)))?;
    }
    Ok(())
}

fn space(desk: &mut Desk<'_>, texts: &[String], if_destroyed: bool, output: &Output) -> Result<(), Failure> {
    let names = set(desk, texts, false)?;
    let (pool, failed) = (&desk.pool, |error| failed(&texts.join(" "), error));
    if if_destroyed {
        let bytes = pool.freed_by_destroying(&names).map_err(failed)? * BLOCK;
        let rows = vec![vec![Cell::Text(texts.join(" ")), Cell::Bytes(bytes)]];
        return Listing { columns: &["set", "freed"], rows }.print("spinney vol space", output, desk.out);
    }
    let mut rows = Vec::new();
    for name in names {
        let usage = pool.named(&name).and_then(|dev| pool.usage(dev)).map_err(failed)?;
        let blocks = [usage.referenced_blocks, usage.exclusive_blocks, usage.shared_blocks];
        let cells = blocks.map(|blocks| Cell::Bytes(blocks * BLOCK));
        rows.push([Cell::Text(format!("{}/{name}", desk.name))].into_iter().chain(cells).collect());
    }
    let columns = &["name", "referenced", "exclusive", "shared"];
    Listing { columns, rows }.print("spinney vol space", output, desk.out)
}

fn diff(desk: &mut Desk<'_>, old_text: &str, new_text: &str, output: &Output) -> Result<(), Failure> {
    let new = same_pool(old_text, new_text)?;
    let (_, old) = named(old_text)?;
    let pool = &desk.pool;
    let failed = |error| failed(&format!("{old_text} {new_text}"), error);
    let (old, new) = (pool.named(&old).map_err(failed)?, pool.named(&new).map_err(failed)?);
    let blocks = |dev| pool.version(dev).map(|version| version.blocks);
    let range = LbaRange::new(Lba(0), blocks(old).map_err(failed)?.max(blocks(new).map_err(failed)?));
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    pool.diff(old, new, range, &mut |delta| {
        let kind = match (delta.old, delta.new) {
            (None, _) => "+",
            (_, None) => "-",
            _ => "M",
        };
        rows.push(vec![
            Cell::Bytes(delta.at.0 * BLOCK),
            Cell::Bytes(delta.blocks * BLOCK),
            Cell::Text(kind.into()),
        ]);
    })
    .map_err(failed)?;
    Listing { columns: &["offset", "length", "kind"], rows }.print("spinney vol diff", output, desk.out)
}
