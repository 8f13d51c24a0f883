//! Where a write goes: as the base has it, and, if so set, with the rest of each unit that the write makes abundant.
//!
//! Invariant: what is overwritten in place is what the base offers, so never a delta that others have too.

use crate::Caw;
use crate::fault::{Fault, planted};
use crate::unit::Unit;
use crate::wish::is_alone;
use alloc::vec::Vec;
use spinney_core::{DevId, Extent, Lba, LbaRange, PageRead, Pba, Result};
use spinney_snap::{Step, WritePlan};

pub(crate) fn plan(
    caw: &Caw,
    dev: DevId,
    range: LbaRange,
    pages: &dyn PageRead,
    plan: &mut WritePlan,
) -> Result<()> {
    let mut own = WritePlan::default();
    caw.base.plan_write(dev, range, pages, &mut own)?;
    if planted(Fault::OverwritesSharedDeltas) {
        own.0 = in_place(caw, dev, range, pages)?;
    } else if !caw.rule.in_place && range.blocks > 0 {
        let near = behind(caw, dev, range.start, pages)?;
        own.0 = [Step::Place { at: range.start, blocks: range.blocks, near }].into();
    }
    if !caw.rule.along {
        plan.0.append(&mut own.0);
        return Ok(());
    }
    let neighbors = neighbors(caw, dev, range, pages)?;
    let copy = |(at, from): &(Lba, Extent)| Step::Relocate { at: *at, from: *from };
    let first = neighbors.partition_point(|(at, _)| *at < range.start);
    plan.0.extend(neighbors[..first].iter().map(copy));
    plan.0.append(&mut own.0);
    plan.0.extend(neighbors[first..].iter().map(copy));
    Ok(())
}

/// The block after the one that comes before `at`, where a write that continues another would lie best.
fn behind(caw: &Caw, dev: DevId, at: Lba, pages: &dyn PageRead) -> Result<Option<Pba>> {
    let Some(before) = at.0.checked_sub(1) else { return Ok(None) };
    let mut near = None;
    caw.base.lookup(dev, LbaRange::new(Lba(before), 1), pages, &mut |run| {
        near = run.on.and_then(|on| on.0.checked_add(1)).map(Pba);
    })?;
    Ok(near)
}

/// The rest of the units that a write of `range` makes abundant, in order. Units in the middle of the range have no rest.
fn neighbors(caw: &Caw, dev: DevId, range: LbaRange, pages: &dyn PageRead) -> Result<Vec<(Lba, Extent)>> {
    let (units, blocks) = (caw.rule.units(range), caw.base.version(dev, pages)?.blocks);
    let last = units.end.saturating_sub(1);
    let ends = [units.start, last];
    let mut neighbors = Vec::new();
    for number in ends.into_iter().take(units.clone().take(2).count()) {
        let Some(range_of_unit) = caw.rule.range(number, blocks) else { continue };
        let unit = Unit::read(&*caw.base, dev, range_of_unit, pages)?;
        if becomes_abundant(caw, &unit, range) && !is_alone(caw, dev, &unit, pages)? {
            neighbors.extend(unit.beside(range));
        }
    }
    Ok(neighbors)
}

/// Whether a write of `range` makes the unit abundant.
fn becomes_abundant(caw: &Caw, unit: &Unit, range: LbaRange) -> bool {
    let start = range.start.max(unit.range.start);
    let written = range.end().min(unit.range.end()).0 - start.0;
    let inside = |on: Extent| on.intersect(unit.base).map_or(0, |part| part.blocks);
    let outside: u64 = unit.beside(range).map(|(_, on)| on.blocks - inside(on)).sum();
    outside + written >= caw.rule.abundant(unit.range.blocks)
}

/// The planted fault: all deltas are overwritten where they are, whoever has them.
fn in_place(caw: &Caw, dev: DevId, range: LbaRange, pages: &dyn PageRead) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    caw.base.lookup(dev, range, pages, &mut |run| {
        steps.push(match run.on.and_then(|on| Extent::checked(on.0, run.blocks)) {
            Some(on) => Step::Overwrite { at: run.at, on },
            None => Step::Place { at: run.at, blocks: run.blocks, near: None },
        });
    })?;
    Ok(steps)
}
