//! What a pool says about its versions, against what it maps: exact usage, and diffs.
//!
//! Invariant: the truth is computed from the mapping alone, by counting; nothing is asked twice of the same code.

use spinney_core::{DevId, Lba, LbaRange, Pba};
use spinney_volume::Pool;
use std::collections::BTreeMap;

/// Where a version's blocks are.
type Map = BTreeMap<u64, Pba>;

fn text(error: spinney_core::Error) -> String {
    error.to_string()
}

fn map_of(pool: &Pool, dev: DevId, blocks: u64) -> Result<Map, String> {
    let mut map = Map::new();
    let each = &mut |run: spinney_snap::Run| {
        if let Some(on) = run.on {
            map.extend((run.at.0..run.at.0 + run.blocks).zip((on.0..).map(Pba)));
        }
    };
    pool.runs(dev, LbaRange::new(Lba(0), blocks), each).map_err(text)?;
    Ok(map)
}

/// Compare. `idle`: no deleted version holds anything, so that exclusive blocks are exact too.
pub(crate) fn audit(pool: &Pool, idle: bool) -> Result<(), String> {
    let mut maps = BTreeMap::new();
    for version in pool.versions().map_err(text)? {
        maps.insert(version.dev, map_of(pool, version.dev, version.blocks)?);
    }
    let mut owners: BTreeMap<Pba, u64> = BTreeMap::new();
    maps.values().flat_map(Map::values).for_each(|on| *owners.entry(*on).or_default() += 1);
    for (dev, map) in &maps {
        usage(pool, *dev, map, &owners, idle)?;
    }
    let devs: Vec<DevId> = maps.keys().copied().collect();
    let next = devs.iter().cycle().skip(1);
    devs.iter().zip(next).try_for_each(|(old, new)| diff(pool, (*old, &maps[old]), (*new, &maps[new])))
}

fn usage(pool: &Pool, dev: DevId, map: &Map, owners: &BTreeMap<Pba, u64>, idle: bool) -> Result<(), String> {
    let usage = pool.usage(dev).map_err(text)?;
    let alone = map.values().filter(|on| owners[on] == 1).count() as u64;
    let sum = usage.exclusive_blocks + usage.shared_blocks;
    let exclusive = if idle { usage.exclusive_blocks == alone } else { usage.exclusive_blocks <= alone };
    let right = usage.referenced_blocks == map.len() as u64 && sum == usage.referenced_blocks && exclusive;
    let mapped = map.len();
    if right { Ok(()) } else { Err(format!("usage of {dev}: {usage:?}, but {mapped} mapped, {alone} alone")) }
}

fn diff(pool: &Pool, old: (DevId, &Map), new: (DevId, &Map)) -> Result<(), String> {
    let blocks = |dev| pool.version(dev).map(|version| version.blocks).map_err(text);
    let end = blocks(old.0)?.min(blocks(new.0)?);
    let mut found = BTreeMap::new();
    let each = &mut |delta: spinney_snap::Delta| {
        let on = |start: Option<Pba>, by| start.map(|on| Pba(on.0 + by));
        found.extend((0..delta.blocks).map(|by| (delta.at.0 + by, (on(delta.old, by), on(delta.new, by)))));
    };
    pool.diff(old.0, new.0, LbaRange::new(Lba(0), end), each).map_err(text)?;
    let places = old.1.keys().chain(new.1.keys()).filter(|at| **at < end);
    let right: BTreeMap<_, _> = places
        .map(|at| (*at, (old.1.get(at).copied(), new.1.get(at).copied())))
        .filter(|(_, (old, new))| old != new)
        .collect();
    if found == right {
        Ok(())
    } else {
        Err(format!("diff of {} and {} is not that of their maps", old.0, new.0))
    }
}
