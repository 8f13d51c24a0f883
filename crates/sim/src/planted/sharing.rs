//! Who shares what, found by asking a scheme, for faults that depend on it.
//!
//! Invariant: asks only; slow, as lives are small.

use spinney_core::{DevId, Extent, Lba, LbaRange, PageRead, Pba, Result};
use spinney_snap::SnapshotScheme;
use std::collections::{BTreeMap, BTreeSet};

/// The blocks that a range of a version lies on.
pub(super) fn blocks_of(
    scheme: &dyn SnapshotScheme,
    dev: DevId,
    range: LbaRange,
    pages: &dyn PageRead,
) -> Result<Vec<Extent>> {
    let mut blocks = Vec::new();
    scheme.lookup(dev, range, pages, &mut |run| {
        blocks.extend(run.on.map(|on| Extent { start: on, blocks: run.blocks }));
    })?;
    Ok(blocks)
}

/// A block of a version that at least so many versions map.
pub(super) fn shared_block(
    scheme: &dyn SnapshotScheme,
    dev: DevId,
    owners_min: u64,
    pages: &dyn PageRead,
) -> Result<Option<Extent>> {
    let mut versions = Vec::new();
    scheme.versions(pages, &mut |version| versions.push(version))?;
    let mut owners: BTreeMap<Pba, u64> = BTreeMap::new();
    let mut own = BTreeSet::new();
    for version in versions {
        let whole = LbaRange::new(Lba(0), version.blocks);
        for on in blocks_of(scheme, version.dev, whole, pages)?.into_iter().flat_map(Extent::iter) {
            *owners.entry(on).or_default() += 1;
            if version.dev == dev {
                own.insert(on);
            }
        }
    }
    let shared = own.into_iter().find(|on| owners[on] >= owners_min);
    Ok(shared.map(|start| Extent { start, blocks: 1 }))
}
