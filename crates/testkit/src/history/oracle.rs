//! What must be true in a history: a plain array for each version, and mark and sweep over all of them.
//!
//! Invariant: nothing is shared, counted or deferred. What is wrong is told in words. Knows no scheme.

use crate::{Dice, MemoryPages};
use spinney_core::{DevId, Extent, Lba, LbaRange, PageNo, Pba};
use spinney_snap::{Access, Delta, Run, SnapshotScheme, Usage};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// Data blocks there are: few, so that freed ones come back soon.
pub(super) const POOL_BLOCKS: u64 = 1024;

/// What is wrong, or what was asked for.
pub(super) type Told<T> = Result<T, String>;

/// An error of a call that must succeed, in words.
pub(super) fn told<T, E: Debug>(call: &str, outcome: Result<T, E>) -> Told<T> {
    outcome.map_err(|error| format!("{call}: {error:?}"))
}

pub(super) fn same<T: PartialEq + Debug>(what: &str, found: &T, right: &T) -> Told<()> {
    if found == right { Ok(()) } else { Err(format!("{what}: {found:?}, not {right:?}")) }
}

/// One version.
#[derive(Clone)]
pub(super) struct Image {
    pub(super) access: Access,
    /// Where each logical block lies.
    pub(super) on: Vec<Option<Pba>>,
}

/// Every version, and every data block that the scheme has and has not let go.
#[derive(Clone)]
pub(super) struct Oracle {
    pub(super) images: BTreeMap<DevId, Image>,
    /// By block, from `base` on.
    pub(super) held: Vec<bool>,
    pub(super) held_blocks: u64,
    base: u64,
}

impl Oracle {
    pub(super) fn new(base: u64) -> Oracle {
        let held = vec![false; POOL_BLOCKS as usize];
        Oracle { images: BTreeMap::new(), held, held_blocks: 0, base }
    }
    fn index(&self, on: Pba) -> Told<usize> {
        let index = on.0.checked_sub(self.base).filter(|index| *index < POOL_BLOCKS);
        index.map(|index| index as usize).ok_or(format!("{on:?} is no block of the pool"))
    }
    /// How many versions map each block.
    pub(super) fn owners(&self) -> Vec<u16> {
        let mut owners = vec![0; POOL_BLOCKS as usize];
        for image in self.images.values() {
            for on in image.on.iter().flatten() {
                owners[(on.0 - self.base) as usize] += 1;
            }
        }
        owners
    }
    /// A run of free blocks at or after a place, at most `most`; it is held from now on.
    pub(super) fn take(&mut self, from: u64, most: u64) -> Told<Extent> {
        let places = (from..POOL_BLOCKS).chain(0..from);
        let start = places.clone().find(|at| !self.held[*at as usize]).ok_or("no block is free")?;
        let end = (start + most).min(POOL_BLOCKS);
        let blocks = (start..end).take_while(|at| !self.held[*at as usize]).count() as u64;
        self.held[start as usize..][..blocks as usize].fill(true);
        self.held_blocks += blocks;
        Ok(Extent::new(Pba(self.base + start), blocks))
    }
    /// The scheme let go of these: it had them, and no version maps them.
    pub(super) fn let_go(&mut self, runs: impl Iterator<Item = Extent>) -> Told<()> {
        let mut owners = Vec::new();
        for block in runs.flat_map(|run| run.start.0..run.end().0).map(Pba) {
            let index = self.index(block)?;
            if !std::mem::take(&mut self.held[index]) {
                return Err(format!("{block:?} was let go but is not held"));
            }
            self.held_blocks -= 1;
            if owners.is_empty() {
                owners = self.owners();
            }
            if owners[index] > 0 {
                return Err(format!("{block:?} was let go but a version maps it"));
            }
        }
        Ok(())
    }
    /// Mark and sweep: blocks that are held for no version, and blocks that some version maps.
    pub(super) fn garbage_and_live(&self) -> Told<(u64, u64)> {
        let owners = self.owners();
        let live = owners.iter().filter(|owners| **owners > 0).count() as u64;
        let lost = owners.iter().zip(&self.held).any(|(owners, held)| *owners > 0 && !held);
        if lost { Err("a mapped block is not held".into()) } else { Ok((self.held_blocks - live, live)) }
    }
    /// Blocks that only these versions map.
    pub(super) fn freed_by_deleting(&self, doomed: &[DevId]) -> u64 {
        let mut rest = self.clone();
        rest.images.retain(|dev, _| !doomed.contains(dev));
        let pairs = self.owners().into_iter().zip(rest.owners());
        pairs.filter(|(before, after)| *before > 0 && *after == 0).count() as u64
    }

    /// Everything that can be asked of a scheme, against this. `idle`: no deleted version holds anything.
    pub(super) fn audit(
        &self,
        scheme: &dyn SnapshotScheme,
        pages: &MemoryPages,
        idle: bool,
        dice: &mut Dice,
    ) -> Told<()> {
        let mut listed = Vec::new();
        told("versions", scheme.versions(pages, &mut |version| listed.push(version)))?;
        same("versions", &listed.iter().map(|version| version.dev).collect(), &self.devs())?;
        let owners = self.owners();
        for version in listed {
            let image = &self.images[&version.dev];
            let (blocks, access) = (image.on.len() as u64, image.access);
            same("version", &(version.blocks, version.access), &(blocks, access))?;
            let found = content(scheme, pages, version.dev, blocks)?;
            same("content", &found, &image.on)?;
            let usage = told("usage", scheme.usage(version.dev, pages))?;
            self.audit_usage(usage, image, &owners, idle)?;
        }
        self.audit_diff(scheme, pages, dice)?;
        self.audit_ownership(scheme, pages)
    }

    pub(super) fn devs(&self) -> Vec<DevId> {
        self.images.keys().copied().collect()
    }

    fn audit_usage(&self, usage: Usage, image: &Image, owners: &[u16], idle: bool) -> Told<()> {
        let mapped = || image.on.iter().flatten();
        let alone = mapped().filter(|on| owners[(on.0 - self.base) as usize] == 1).count() as u64;
        same("referenced", &usage.referenced_blocks, &(mapped().count() as u64))?;
        let sum = usage.exclusive_blocks + usage.shared_blocks;
        same("exclusive and shared", &sum, &usage.referenced_blocks)?;
        if idle { same("exclusive", &usage.exclusive_blocks, &alone) } else { Ok(()) }
    }

    fn audit_diff(&self, scheme: &dyn SnapshotScheme, pages: &MemoryPages, dice: &mut Dice) -> Told<()> {
        let devs = self.devs();
        if devs.is_empty() {
            return Ok(());
        }
        let (old, new) = (*dice.one_of(&devs), *dice.one_of(&devs));
        let (before, after) = (&self.images[&old].on, &self.images[&new].on);
        let blocks = before.len().min(after.len());
        let mut found = before[..blocks].to_vec();
        let mut right = true;
        let each = &mut |delta: Delta| {
            for by in 0..delta.blocks {
                let slot = &mut found[(delta.at.0 + by) as usize];
                let shift = |on: Option<Pba>| on.map(|on| Pba(on.0 + by));
                right &= *slot == shift(delta.old) && delta.old != delta.new;
                *slot = shift(delta.new);
            }
        };
        told("diff", scheme.diff(old, new, LbaRange::new(Lba(0), blocks as u64), pages, each))?;
        same("an old version with its difference", &(right, &found[..]), &(true, &after[..blocks]))
    }

    /// Blocks and pages: each once, none else; and the scheme's own rules.
    fn audit_ownership(&self, scheme: &dyn SnapshotScheme, pages: &MemoryPages) -> Told<()> {
        let (mut visited, mut twice) = (vec![false; POOL_BLOCKS as usize], None);
        let each = &mut |run: Extent| {
            for block in (run.start.0..run.end().0).map(Pba) {
                match self.index(block) {
                    Ok(index) if !visited[index] => visited[index] = true,
                    _ => twice = Some(block),
                }
            }
        };
        told("visit_blocks", scheme.visit_blocks(pages, each))?;
        same("a block that is visited twice", &twice, &None)?;
        same("visited blocks are the held ones", &(visited == self.held), &true)?;
        let (mut found, mut twice) = (BTreeSet::new(), None);
        let each = &mut |page: PageNo| {
            if !found.insert(page) {
                twice = Some(page);
            }
        };
        told("visit_pages", scheme.visit_pages(pages, each))?;
        same("a page that is visited twice", &twice, &None)?;
        same("visited pages", &found, &pages.live().map(|(page, _)| page).collect())?;
        let mut finding = None;
        told("check", scheme.check(pages, &mut |found| finding = finding.or(Some(found))))?;
        same("finding", &finding, &None)
    }
}

/// A version's content as the scheme tells it.
fn content(
    scheme: &dyn SnapshotScheme,
    pages: &MemoryPages,
    dev: DevId,
    blocks: u64,
) -> Told<Vec<Option<Pba>>> {
    let (mut found, mut in_order) = (Vec::with_capacity(blocks as usize), true);
    let each = &mut |run: Run| {
        in_order &= run.at.0 == found.len() as u64 && run.blocks <= blocks;
        if in_order {
            found.extend((0..run.blocks).map(|by| run.on.map(|on| Pba(on.0 + by))));
        }
    };
    told("lookup", scheme.lookup(dev, LbaRange::new(Lba(0), blocks), pages, each))?;
    if in_order { Ok(found) } else { Err(format!("the runs of {dev:?} are not in order")) }
}
