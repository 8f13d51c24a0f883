//! Back references of a pool: told of each block that a version begins or ceases to map, asked who maps a block.
//!
//! Invariant: what is told is what the scheme is about to do, so that at any moment the answers are those of a walk over the maps of all
//! live versions; the checker makes that walk. Optional: without them nothing here costs anything.

use crate::Pool;
use spinney_backref::{BackReferences, Owner, QueryCost};
use spinney_core::{DevId, Error, Extent, Finding, Lba, LbaRange, Pba, Place, Result};
use spinney_snap::{Access, Work};

/// Owners that the checker holds at once, some 100 MB (twice as many while it gathers): a pool with more of them is compared in so many stretches of blocks, each
/// of which takes a walk of all maps.
const OWNERS_MAX: usize = 1 << 22;
/// Differences that are reported; there may be one for every block.
const WRONG_MAX: usize = 1000;

impl Pool {
    /// Which live versions map the blocks `on`, and where, by block. Errors: `Unsupported` without
    /// [`PoolOptions::back_references`](crate::PoolOptions), `OutOfRange` outside the data, `Corrupt`.
    pub fn owners(&self, on: Extent, each: &mut dyn FnMut(Owner)) -> Result<QueryCost> {
        self.alive()?;
        let none = Error::Unsupported("owners of a block: the pool was formatted without back references");
        self.back_references().ok_or(none)?.owners(on, &self.pages, each)
    }

    /// The back references, if the pool has them, to look at.
    #[must_use]
    pub fn back_references(&self) -> Option<&BackReferences> {
        self.back_references.as_ref()
    }

    /// The range is about to be mapped elsewhere, or to become a hole.
    pub(crate) fn tell_unmap(&mut self, dev: DevId, range: LbaRange) -> Result<()> {
        let Some(references) = &mut self.back_references else { return Ok(()) };
        let mut gone = Vec::new();
        self.scheme.lookup(dev, range, &self.pages, &mut |run| {
            gone.extend(run.on.and_then(|on| Extent::checked(on.0, run.blocks)).map(|on| (run.at, on)));
        })?;
        gone.into_iter().try_for_each(|(at, on)| references.remove(dev, at, on))
    }

    /// The blocks `on` are about to be mapped at `at`.
    pub(crate) fn tell_map(&mut self, dev: DevId, at: Lba, on: Extent) -> Result<()> {
        self.tell_unmap(dev, LbaRange { start: at, blocks: on.blocks })?;
        self.back_references.as_mut().map_or(Ok(()), |references| references.add(dev, at, on))
    }

    /// A new, empty version.
    pub(crate) fn begin(&mut self, blocks: u64) -> Result<DevId> {
        let dev = self.scheme.create(blocks, &mut self.pages)?;
        self.back_references.as_mut().map_or(Ok(()), |references| references.create(dev))?;
        Ok(dev)
    }

    /// A new version with the content of another.
    pub(crate) fn begin_from(&mut self, of: DevId, access: Access) -> Result<DevId> {
        let dev = self.scheme.snapshot(of, access, &mut self.pages)?;
        self.limits.shared(of);
        self.tell_taken(of, dev, access)?;
        Ok(dev)
    }

    /// A version is gone.
    pub(crate) fn end(&mut self, dev: DevId) -> Result<()> {
        self.scheme.delete(dev, &mut self.pages, &mut self.freed)?;
        self.back_references.as_mut().map_or(Ok(()), |references| references.delete(dev))
    }

    fn tell_taken(&mut self, of: DevId, dev: DevId, access: Access) -> Result<()> {
        let Some(references) = &mut self.back_references else { return Ok(()) };
        if access == Access::ReadOnly {
            return references.snapshot(of, dev);
        }
        references.clone_of(of, dev)?;
        if references.inherits() {
            return Ok(());
        }
        let whole = LbaRange { start: Lba(0), blocks: self.scheme.version(dev, &self.pages)?.blocks };
        let mut told = Ok(());
        self.scheme.lookup(dev, whole, &self.pages, &mut |run| {
            let on = run.on.and_then(|on| Extent::checked(on.0, run.blocks));
            if let (Some(on), Ok(())) = (on, told) {
                told = references.add(dev, run.at, on);
            }
        })?;
        told
    }

    /// At most how many pages of back references the next commit needs after this work.
    pub(crate) fn references_bound(&self, work: &[Work]) -> Result<u64> {
        let Some(references) = &self.back_references else { return Ok(0) };
        let (mut operations, mut versions) = (0u64, 0u64);
        for work in work {
            operations = operations.saturating_add(match *work {
                Work::Map(_, range) => range.blocks.saturating_mul(2),
                Work::Unmap(_, range) => range.blocks,
                Work::Snapshot(dev) if !references.inherits() => {
                    self.scheme.version(dev, &self.pages)?.blocks
                }
                _ => 0,
            });
            versions += u64::from(matches!(work, Work::Create(_) | Work::Snapshot(_) | Work::Delete(_)));
        }
        Ok(references.pages_bound(operations, versions))
    }

    /// Rules of back references that do not hold: their own, and that they name what the maps do.
    pub(crate) fn check_owners(&self, findings: &mut Vec<Finding>) -> Result<()> {
        let Some(references) = &self.back_references else { return Ok(()) };
        references.check(&self.pages, &mut |finding| findings.push(finding))?;
        let mut wrong = Vec::new();
        let data = self.layout.data;
        let mut at = data.start;
        while at < data.end() && wrong.len() < WRONG_MAX {
            let (walked, on) = self.walk_owners(at, OWNERS_MAX)?;
            self.compare_owners(walked, on, &mut wrong)?;
            at = on.end();
        }
        findings.extend(wrong);
        Ok(())
    }

    /// What the maps and the references say of these blocks.
    fn compare_owners(&self, walked: Vec<Owner>, on: Extent, wrong: &mut Vec<Finding>) -> Result<()> {
        let mut walked = walked.into_iter().peekable();
        let mut find = |rule, owner: Owner| {
            if wrong.len() < WRONG_MAX {
                wrong.push(Finding { rule, place: Place::Block(owner.on) });
            }
        };
        self.owners(on, &mut |owner| {
            while let Some(missed) = walked.next_if(|walked| *walked < owner) {
                find("a block that a version maps has it as an owner", missed);
            }
            if walked.next_if_eq(&owner).is_none() {
                find("an owner maps its block", owner);
            }
        })?;
        walked.for_each(|missed| find("a block that a version maps has it as an owner", missed));
        Ok(())
    }

    /// Every owner, from the maps, of the blocks from `first` on, as far as there are at most so many (of one block: all); and which blocks these are.
    /// The maps are walked once for each such stretch.
    fn walk_owners(&self, first: Pba, owners_max: usize) -> Result<(Vec<Owner>, Extent)> {
        let (mut owners, mut end) = (Vec::new(), self.layout.data.end());
        for version in self.versions()? {
            let whole = LbaRange { start: Lba(0), blocks: version.blocks };
            self.scheme.lookup(version.dev, whole, &self.pages, &mut |run| {
                // A forged map may lead outside the data; the tiling of the checker finds that.
                let on = run.on.and_then(|on| Extent::checked(on.0, run.blocks));
                let Some(on) = on.filter(|on| self.layout.data.contains(*on)) else { return };
                let owner = |(at, on)| Owner { on, dev: version.dev, at: Lba(at) };
                for owner in (run.at.0..).zip(on.iter()).map(owner) {
                    if owner.on >= first && owner.on < end {
                        owners.push(owner);
                    }
                    if owners.len() > owners_max.saturating_mul(2) {
                        end = keep_lowest(&mut owners, owners_max).unwrap_or(end);
                    }
                }
            })?;
        }
        if owners.len() > owners_max {
            end = keep_lowest(&mut owners, owners_max).unwrap_or(end);
        }
        owners.sort_unstable();
        Ok((owners, Extent { start: first, blocks: end.0 - first.0 }))
    }
}

/// Keep about so many owners, those of the lowest blocks, each block's all or none. The first block that was let go of, if any was.
fn keep_lowest(owners: &mut Vec<Owner>, owners_max: usize) -> Option<Pba> {
    owners.sort_unstable();
    let first = owners.first()?.on;
    let cut = owners.get(owners_max)?.on;
    // The block at the cut goes wholly, unless it is the only one.
    let end = if cut > first { cut } else { Pba(first.0 + 1) };
    let kept = owners.partition_point(|owner| owner.on < end);
    if kept == owners.len() {
        return None;
    }
    owners.truncate(kept);
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_owners_whole_blocks_are_kept() {
        let owner = |on, dev| Owner { on: Pba(on), dev: DevId(dev), at: Lba(0) };
        let mut owners = vec![owner(3, 1), owner(1, 1), owner(2, 2), owner(2, 1), owner(1, 2)];
        assert_eq!(keep_lowest(&mut owners.clone(), 5), None);
        assert_eq!(keep_lowest(&mut owners, 3), Some(Pba(2)));
        assert_eq!(owners, [owner(1, 1), owner(1, 2)]);
        assert_eq!(keep_lowest(&mut owners, 1), None, "one block's owners stay together");
    }
}
