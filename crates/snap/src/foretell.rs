//! What deleting a set of versions would give back, told from lookups alone.
//!
//! Invariant: exact wherever versions share a block at one logical place only, as all schemes here do. Changes nothing. Knows
//! no scheme: one that keeps counts of owners can tell the same for the cost of what would go.

use crate::{Run, SnapshotScheme, Version};
use alloc::{collections::BTreeSet, vec, vec::Vec};
use spinney_core::{DevId, Lba, LbaRange, PageRead, Pba, Result};

/// Blocks compared at a time: bounds the memory whatever a run's length is.
const PIECE_BLOCKS: u64 = 4096;

/// As [`SnapshotScheme::freed_by_deleting`]: of each doomed version the blocks that none of the others maps at the same place,
/// and no doomed one before it. Reads every map where a doomed version maps something.
pub fn freed_by_deleting<S: SnapshotScheme + ?Sized>(
    scheme: &S,
    doomed: &[DevId],
    pages: &dyn PageRead,
) -> Result<u64> {
    let doomed: BTreeSet<DevId> = doomed.iter().copied().collect();
    let mut others = Vec::new();
    scheme.versions(pages, &mut |version| {
        if !doomed.contains(&version.dev) {
            others.push(version);
        }
    })?;
    let mut blocks = 0;
    for dev in doomed {
        let version = scheme.version(dev, pages)?;
        blocks += alone(scheme, &version, &others, pages)?;
        others.push(version);
    }
    Ok(blocks)
}

/// Blocks of `version` that none of the others maps.
fn alone<S: SnapshotScheme + ?Sized>(
    scheme: &S,
    version: &Version,
    others: &[Version],
    pages: &dyn PageRead,
) -> Result<u64> {
    let mut runs = Vec::new();
    let whole = LbaRange::new(Lba(0), version.blocks);
    scheme.lookup(version.dev, whole, pages, &mut |run| {
        runs.extend(run.on.map(|on| (run.at, run.blocks, on)));
    })?;
    let mut blocks = 0;
    for (at, length, on) in runs {
        for done in (0..length).step_by(PIECE_BLOCKS as usize) {
            let piece = LbaRange::new(Lba(at.0 + done), PIECE_BLOCKS.min(length - done));
            blocks += alone_in(scheme, piece, Pba(on.0 + done), others, pages)?;
        }
    }
    Ok(blocks)
}

/// Of the piece, which lies on `on` and what follows it, the blocks that none of the others maps there.
fn alone_in<S: SnapshotScheme + ?Sized>(
    scheme: &S,
    piece: LbaRange,
    on: Pba,
    others: &[Version],
    pages: &dyn PageRead,
) -> Result<u64> {
    let mut owned = vec![false; piece.blocks as usize];
    for other in others {
        let end = piece.end().0.min(other.blocks);
        if piece.start.0 >= end {
            continue;
        }
        let range = LbaRange::new(piece.start, end - piece.start.0);
        scheme.lookup(other.dev, range, pages, &mut |run: Run| {
            let from = run.at.0 - piece.start.0;
            if run.on == Some(Pba(on.0 + from)) {
                owned[from as usize..][..run.blocks as usize].fill(true);
            }
        })?;
    }
    Ok(owned.iter().filter(|owned| !**owned).count() as u64)
}
