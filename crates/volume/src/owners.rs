//! Back references of a pool: told of each block that a version begins or ceases to map, asked who maps a block.
//!
//! Invariant: what is told is what the scheme is about to do, so that at any moment the answers are those of a walk over the maps of all
//! live versions; the checker makes that walk. Optional: without them nothing here costs anything.

use crate::Pool;
use spinney_backref::{BackReferences, Owner, QueryCost};
use spinney_core::{DevId, Error, Extent, Finding, Lba, LbaRange, Place, Result};
use spinney_snap::{Access, Work};

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
        let mut walked = self.walk_owners()?.into_iter().peekable();
        let mut wrong = Vec::new();
        let mut find = |rule, owner: Owner| {
            if wrong.len() < WRONG_MAX {
                wrong.push(Finding { rule, place: Place::Block(owner.on) });
            }
        };
        self.owners(self.layout.data, &mut |owner| {
            while let Some(missed) = walked.next_if(|walked| *walked < owner) {
                find("a block that a version maps has it as an owner", missed);
            }
            if walked.next_if_eq(&owner).is_none() {
                find("an owner maps its block", owner);
            }
        })?;
        walked.for_each(|missed| find("a block that a version maps has it as an owner", missed));
        findings.extend(wrong);
        Ok(())
    }

    /// Every owner of every block, from the maps.
    fn walk_owners(&self) -> Result<Vec<Owner>> {
        let mut owners = Vec::new();
        for version in self.versions()? {
            let whole = LbaRange { start: Lba(0), blocks: version.blocks };
            self.scheme.lookup(version.dev, whole, &self.pages, &mut |run| {
                // A forged map may lead outside the data; the tiling of the checker finds that.
                let on = run.on.and_then(|on| Extent::checked(on.0, run.blocks));
                let blocks = on.filter(|on| self.layout.data.contains(*on)).into_iter();
                let owner = |(at, on)| Owner { on, dev: version.dev, at: Lba(at) };
                owners.extend(blocks.flat_map(|on| (run.at.0..).zip(on.iter())).map(owner));
            })?;
        }
        owners.sort_unstable();
        Ok(owners)
    }
}
