//! Which copies serve the policy: full ones of units in which much was written or whose reads paid for one, packed deltas where there
//! are many.
//!
//! Invariant: a unit is looked at once for each time that it was noted. A wish that is fulfilled makes the unit's outside smaller, its
//! deltas fewer or its blocks one run, so wishes end.

use crate::Caw;
use crate::fault::{Fault, planted};
use crate::touched::Look;
use crate::unit::Unit;
use alloc::vec::Vec;
use core::ops::Range;
use spinney_core::{DevId, Error, Extent, Lba, LbaRange, PageRead, Pba, Result};
use spinney_snap::{Access, Relocation, Step, WritePlan};

/// The next wish.
pub(crate) fn next(caw: &mut Caw, pages: &dyn PageRead) -> Result<Option<Relocation>> {
    while let Some((key, look)) = caw.touched.pop() {
        let (dev, number) = key;
        let version = match caw.base.version(dev, pages) {
            Err(Error::NotFound(_)) => continue,
            version => version?,
        };
        let Some(range) = caw.rule.range(number, version.blocks) else { continue };
        if version.access == Access::ReadOnly {
            continue; // it was read, and keeps its places
        }
        let unit = Unit::read(&*caw.base, dev, range, pages)?;
        if let Some(plan) = wanted(caw, dev, &unit, look, pages)? {
            return Ok(Some(Relocation { dev, plan, to: None }));
        }
        if let Some((at, on, home)) = homeless(caw, dev, &unit, look.from, pages)? {
            caw.touched.go_on(key, look, Lba(at.0 + on.blocks));
            let plan = WritePlan([Step::Relocate { at, from: on }].into());
            return Ok(Some(Relocation { dev, plan, to: Some(home) }));
        }
        if look.from == Lba(0) {
            caw.touched.is_at_home(key);
        }
    }
    Ok(None)
}

/// The copy that a unit is due, if any: one that is shared by what was written of it, any by what was read of it.
fn wanted(caw: &Caw, dev: DevId, unit: &Unit, look: Look, pages: &dyn PageRead) -> Result<Option<WritePlan>> {
    if look.paid && unit.is_apart() {
        return Ok(Some(unit.whole()));
    }
    let is_due = abundance(caw, dev, unit, pages)? >= caw.rule.abundant(unit.range.blocks);
    let is_crowded = unit.deltas() > caw.rule.deltas_max;
    if !(is_due || is_crowded) || caw.rule.never() || is_alone(caw, dev, unit, pages)? {
        return Ok(None);
    }
    Ok(Some(if is_due { unit.whole() } else { unit.pack(caw.rule.deltas_max) }))
}

/// Blocks written since the last full copy.
fn abundance(caw: &Caw, dev: DevId, unit: &Unit, pages: &dyn PageRead) -> Result<u64> {
    if !planted(Fault::CountsSinceTheLastClone) {
        return Ok(unit.outside_blocks());
    }
    let owned = owned(caw, dev, unit.range, pages)?;
    let inside = owned.iter().filter_map(|on| on.intersect(unit.base)).map(|part| part.blocks).sum::<u64>();
    Ok(owned.iter().map(|on| on.blocks).sum::<u64>() - inside)
}

/// What the version owns alone, by the base's word.
pub(crate) fn owned(caw: &Caw, dev: DevId, range: LbaRange, pages: &dyn PageRead) -> Result<Vec<Extent>> {
    let mut plan = WritePlan::default();
    caw.base.plan_write(dev, range, pages, &mut plan)?;
    let offered = plan.0.into_iter().filter_map(|step| match step {
        Step::Overwrite { on, .. } => Some(on),
        Step::Place { .. } | Step::Relocate { .. } => None,
    });
    Ok(offered.collect())
}

/// Whether no other version has a block of the unit's base.
pub(crate) fn is_alone(caw: &Caw, dev: DevId, unit: &Unit, pages: &dyn PageRead) -> Result<bool> {
    let owned = owned(caw, dev, unit.range, pages)?;
    let alone: u64 = owned.iter().filter_map(|on| on.intersect(unit.base)).map(|part| part.blocks).sum();
    Ok(alone >= unit.inside_blocks())
}

/// Blocks of the unit, in its base or its deltas, that others own too.
fn shared_blocks(caw: &Caw, dev: DevId, unit: &Unit, pages: &dyn PageRead) -> Result<u64> {
    let alone: u64 = owned(caw, dev, unit.range, pages)?.iter().map(|on| on.blocks).sum();
    Ok((unit.inside_blocks() + unit.outside_blocks()).saturating_sub(alone))
}

/// The first stretch of an unshared unit, from a place on, that can be brought home.
fn homeless(
    caw: &Caw,
    dev: DevId,
    unit: &Unit,
    from: Lba,
    pages: &dyn PageRead,
) -> Result<Option<(Lba, Extent, Pba)>> {
    let found = if caw.rule.fold { unit.homeless(from) } else { None };
    if found.is_none() || !is_alone(caw, dev, unit, pages)? { Ok(None) } else { Ok(found) }
}

/// What full copies of all units with deltas would add to what the version owns.
pub(crate) fn latent_growth_blocks(caw: &Caw, dev: DevId, pages: &dyn PageRead) -> Result<u64> {
    let blocks = caw.base.version(dev, pages)?.blocks;
    if caw.rule.never() && caw.rule.read_seeks == 0 {
        return Ok(0);
    }
    let mut mapped: Vec<Range<u64>> = Vec::new();
    caw.base.lookup(dev, LbaRange::new(Lba(0), blocks), pages, &mut |run| {
        if run.on.is_some() {
            join(&mut mapped, caw.rule.tiles(LbaRange::new(run.at, run.blocks)));
        }
    })?;
    let mut growth = 0u64;
    for range in mapped.into_iter().flatten().filter_map(|unit| caw.rule.range(unit, blocks)) {
        let unit = Unit::read(&*caw.base, dev, range, pages)?;
        if unit.deltas() > 0 {
            growth = growth.saturating_add(shared_blocks(caw, dev, &unit, pages)?);
        }
    }
    Ok(growth)
}

/// Add units to others, in order.
fn join(units: &mut Vec<Range<u64>>, more: Range<u64>) {
    match units.last_mut() {
        Some(last) if last.end >= more.start => last.end = last.end.max(more.end),
        _ => units.push(more),
    }
}
