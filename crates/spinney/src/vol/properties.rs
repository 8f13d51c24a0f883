//! Properties of volumes and snapshots: the columns of `vol list`, the lines of `vol get`, and what `vol set` changes.
//!
//! Invariant: all of a command's properties are set in one step, or none.

use super::{BLOCK, change, named};
use crate::args::Output;
use crate::control::Desk;
use crate::exit::Failure;
use crate::pool::failed;
use crate::table::{Cell, Listing};
use spinney_core::Error;
use spinney_lab::config::parse_bytes;
use spinney_volume::{Named, Pool, VolumeLimits};

/// A property of each is a cell of [`row`].
pub(super) const COLUMNS: [&str; 8] =
    ["name", "size", "referenced", "exclusive", "quota", "reservation", "origin", "created"];

/// The properties of a volume or snapshot, in the order of [`COLUMNS`].
pub(crate) fn row(pool: &Pool, pool_name: &str, named: &Named) -> Result<Vec<Cell>, Error> {
    let (usage, version) = (pool.usage(named.dev)?, pool.version(named.dev)?);
    let limits = pool.limits_of(named.dev);
    let bytes = |blocks: u64| Cell::Bytes(blocks * BLOCK);
    let origin = named.origin.as_ref();
    Ok(vec![
        Cell::Text(format!("{pool_name}/{}", named.name)),
        bytes(version.blocks),
        bytes(usage.referenced_blocks),
        bytes(usage.exclusive_blocks),
        limits.quota_blocks.map_or(Cell::None, bytes),
        if limits.reservation_blocks == 0 { Cell::None } else { bytes(limits.reservation_blocks) },
        origin.map_or(Cell::None, |origin| Cell::Text(format!("{pool_name}/{origin}"))),
        Cell::Time(named.created_s),
    ])
}

pub(super) fn get(
    desk: &mut Desk<'_>,
    properties: &str,
    names: &[String],
    output: &Output,
) -> Result<(), Failure> {
    let known = &COLUMNS[1..];
    let wanted: Vec<&str> =
        if properties == "all" { known.to_vec() } else { properties.split(',').collect() };
    if let Some(strange) = wanted.iter().find(|wanted| !known.contains(wanted)) {
        return Err(Failure::Usage(format!("no property `{strange}`; there are {}", known.join(", "))));
    }
    let all = desk.pool.names().map_err(|error| failed(desk.name, error))?;
    let mut rows = Vec::new();
    for text in names {
        let (pool, name) = named(text)?;
        let found = all.iter().find(|named| pool == desk.name && named.name == name);
        let cells = found.ok_or(Error::NoSuchName).and_then(|found| row(desk.pool, pool, found));
        let cells = cells.map_err(|error| failed(text, error))?;
        for property in &wanted {
            let at = COLUMNS.iter().position(|column| column == property).unwrap_or(0);
            rows.push(vec![cells[0].clone(), Cell::Text((*property).into()), cells[at].clone()]);
        }
    }
    Listing { columns: &["name", "property", "value"], rows }.print("spinney vol get", output, desk.out)
}

pub(super) fn set(desk: &mut Desk<'_>, text: &str, properties: &[String]) -> Result<(), Failure> {
    let (_, name) = named(text)?;
    let mut limits = desk.pool.limits(&name).map_err(|error| failed(text, error))?;
    properties.iter().try_for_each(|property| set_one(&mut limits, property))?;
    change(desk, text, |pool, name| pool.set_limits(name, limits))
}

fn set_one(limits: &mut VolumeLimits, property: &str) -> Result<(), Failure> {
    let (key, value) = property
        .split_once('=')
        .ok_or_else(|| Failure::Usage(format!("`{property}`: write quota=SIZE or reservation=SIZE")))?;
    if !["quota", "reservation"].contains(&key) {
        return Err(Failure::Usage(format!("no property `{key}` can be set; quota and reservation can")));
    }
    let wrong = |error: String| Failure::Usage(format!("{key}: {error}"));
    let bytes = if value == "none" { None } else { Some(parse_bytes(value).map_err(wrong)?) };
    // A block that is begun is one too many, or one too few.
    match key {
        "quota" => limits.quota_blocks = bytes.map(|bytes| bytes / BLOCK),
        _ => limits.reservation_blocks = bytes.map_or(0, |bytes| bytes.div_ceil(BLOCK)),
    }
    Ok(())
}
