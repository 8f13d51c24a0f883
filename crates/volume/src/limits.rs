//! Limits of volumes: the most that one may reference, and free space that is kept for one alone.
//!
//! Invariant: a write of one volume, or a snapshot, leaves free what the reservations of the others still want. What is counted between two looks at the
//! scheme is exact for quotas, and for reservations too low if anything, so that too much is kept; before anything is refused for that, it is
//! counted anew. A volume without limits costs nothing here. Knows no bytes of the table that keeps limits.

use crate::names::Name;
use crate::{Placement, Pool};
use spinney_core::{DevId, Error, LbaRange, Result};
use spinney_snap::Run;
use std::collections::BTreeMap;

/// Where metadata grows by data blocks, one of so many blocks is kept for it beside the others: maps and checksums of full leaves take one in 250.
const METADATA_DIVISOR: u64 = 64;

/// What a volume may take, and what is kept for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct VolumeLimits {
    /// The most blocks that the volume may map; `None` is its size. Snapshots of it do not count.
    pub quota_blocks: Option<u64>,
    /// So many blocks the volume can come to own alone, whatever others write: what it does not own alone yet is kept free for it.
    pub reservation_blocks: u64,
}

/// As of the last look at the scheme, and what happened since.
#[derive(Clone, Copy)]
struct Counts {
    referenced: u64,
    /// Blocks that no other version maps, at least.
    exclusive: u64,
    /// The pool's change at which both were asked for.
    at_change: u64,
}

struct Limited {
    limits: VolumeLimits,
    /// Unknown until somebody needs it.
    counts: Option<Counts>,
}

/// The volumes that have limits, by the version behind the name.
#[derive(Default)]
pub(crate) struct Limits {
    volumes: BTreeMap<DevId, Limited>,
    /// Counts changes of any version: what was counted before the last one may be more by now.
    changes: u64,
}

impl Limits {
    pub(crate) fn count(&self) -> u64 {
        self.volumes.len() as u64
    }
    pub(crate) fn changed(&mut self) {
        self.changes = self.changes.wrapping_add(1);
    }
    fn set(&mut self, head: DevId, limits: VolumeLimits) {
        self.volumes.remove(&head);
        if limits != VolumeLimits::default() {
            self.volumes.insert(head, Limited { limits, counts: None });
        }
    }
    /// A rollback put another version under the name.
    pub(crate) fn moved(&mut self, from: DevId, to: DevId) {
        if let Some(Limited { limits, .. }) = self.volumes.remove(&from) {
            self.set(to, limits);
        }
    }
    pub(crate) fn forget(&mut self, head: DevId) {
        self.volumes.remove(&head);
    }
    /// Another version shares all of it now.
    pub(crate) fn shared(&mut self, dev: DevId) {
        self.recount(dev, |counts| counts.exclusive = 0);
    }
    /// A write filled so many holes; or it failed, and nobody knows.
    pub(crate) fn wrote(&mut self, dev: DevId, holes: u64, succeeded: bool) {
        self.recount(dev, |counts| {
            counts.referenced += holes;
            counts.exclusive += holes;
        });
        if let (false, Some(limited)) = (succeeded, self.volumes.get_mut(&dev)) {
            limited.counts = None;
        }
    }
    fn unmapped(&mut self, dev: DevId, blocks: u64) {
        self.recount(dev, |counts| {
            counts.referenced = counts.referenced.saturating_sub(blocks);
            counts.exclusive = counts.exclusive.saturating_sub(blocks);
        });
    }
    fn recount(&mut self, dev: DevId, change: impl FnOnce(&mut Counts)) {
        if let Some(counts) = self.volumes.get_mut(&dev).and_then(|limited| limited.counts.as_mut()) {
            change(counts);
        }
    }
}

impl Pool {
    /// What limits the volume of this name. Errors: `NoSuchName`, `BadSetting` for a snapshot's name.
    pub fn limits(&self, name: &Name) -> Result<VolumeLimits> {
        self.alive()?;
        Ok(self.limits_of(self.volume_named(name.of_volume()?)?.head))
    }

    /// The same, of the version behind a volume's name; others have none.
    #[must_use]
    pub fn limits_of(&self, dev: DevId) -> VolumeLimits {
        self.limits.volumes.get(&dev).map(|limited| limited.limits).unwrap_or_default()
    }

    /// Limit a volume; without limits again by the default. They stay with the name, through rename and rollback. Durable at the next `flush`.
    /// Errors: `NoSuchName`; `BadSetting` for a quota below what the volume references, or a reservation above quota or size; `NoSpace` if so much
    /// is not free beside what others have reserved.
    pub fn set_limits(&mut self, name: &Name, limits: VolumeLimits) -> Result<()> {
        self.alive()?;
        let volume = self.volume_named(name.of_volume()?)?;
        let usage = self.scheme.usage(volume.head, &self.pages)?;
        let size = self.scheme.version(volume.head, &self.pages)?.blocks;
        if limits.quota_blocks.is_some_and(|quota| quota < usage.referenced_blocks) {
            return Err(Error::BadSetting(
                "quota: the volume references more than that; discard something in it first",
            ));
        }
        if limits.reservation_blocks > limits.quota_blocks.unwrap_or(size).min(size) {
            return Err(Error::BadSetting("reservation: at most the volume's quota, and its size"));
        }
        let wanted = limits.reservation_blocks.saturating_sub(usage.exclusive_blocks);
        self.admit_reservation(volume.head, wanted)?;
        self.admit_names(&[], 1, false)?;
        self.whole(|pool| pool.names.put_limits(volume.directory, limits, &mut pool.pages))?;
        self.limits.set(volume.head, limits);
        Ok(())
    }

    /// Free blocks that reservations keep from whoever has none, exactly. Errors: of counting what volumes own.
    pub fn reserved_blocks(&mut self) -> Result<u64> {
        self.alive()?;
        self.count_reserved()?;
        Ok(self.kept_from(None))
    }

    /// Read the limits of all volumes, as opening does; if there are `any`.
    pub(crate) fn load_limits(&mut self, any: bool) -> Result<()> {
        if !any {
            return Ok(());
        }
        let mut found = Vec::new();
        self.names.visit_volumes(&self.pages, &mut |_, volume| {
            found.push((volume.head, self.names.limits(volume.directory, &self.pages)?));
            Ok(())
        })?;
        found.into_iter().for_each(|(head, limits)| self.limits.set(head, limits));
        Ok(())
    }

    /// Free blocks that this volume must leave to others; `None`: that anybody without a reservation must.
    pub(crate) fn kept_from(&self, dev: Option<DevId>) -> u64 {
        let others = self.limits.volumes.iter().filter(|(other, _)| Some(**other) != dev);
        let wanted = others.map(|(_, limited)| {
            let owned = limited.counts.map_or(0, |counts| counts.exclusive);
            limited.limits.reservation_blocks.saturating_sub(owned)
        });
        self.with_metadata(wanted.fold(0, u64::saturating_add))
    }

    fn with_metadata(&self, blocks: u64) -> u64 {
        let divisor = METADATA_DIVISOR;
        if self.options.placement == Placement::Area {
            blocks
        } else {
            blocks.saturating_add(blocks.div_ceil(divisor))
        }
    }

    /// Count anew what volumes with reservations own, where it may be more than is known; whether any was counted.
    pub(crate) fn count_reserved(&mut self) -> Result<bool> {
        let changes = self.limits.changes;
        let stale = |limited: &Limited| {
            limited.limits.reservation_blocks > 0
                && limited.counts.is_none_or(|counts| counts.at_change != changes)
        };
        let stale: Vec<DevId> =
            self.limits.volumes.iter().filter(|(_, limited)| stale(limited)).map(|(dev, _)| *dev).collect();
        stale.iter().try_for_each(|dev| self.count_limited(*dev).map(drop))?;
        Ok(!stale.is_empty())
    }

    fn count_limited(&mut self, dev: DevId) -> Result<Counts> {
        let usage = self.scheme.usage(dev, &self.pages)?;
        let (referenced, exclusive) = (usage.referenced_blocks, usage.exclusive_blocks);
        let counts = Counts { referenced, exclusive, at_change: self.limits.changes };
        if let Some(limited) = self.limits.volumes.get_mut(&dev) {
            limited.counts = Some(counts);
        }
        Ok(counts)
    }

    /// The holes that a write of this range fills; of a volume without limits nobody counts them. Errors: `OverQuota`.
    pub(crate) fn growth(&mut self, dev: DevId, range: LbaRange) -> Result<u64> {
        let Some(Limited { limits, counts }) = self.limits.volumes.get(&dev) else { return Ok(0) };
        let (limits, counts) = (*limits, *counts);
        let holes = range.blocks - self.mapped(dev, range)?;
        let referenced = counts.map_or_else(|| self.count_limited(dev), Ok)?.referenced;
        let free = limits.quota_blocks.map_or(u64::MAX, |quota| quota.saturating_sub(referenced));
        if holes > free { Err(Error::OverQuota { needed: holes, free }) } else { Ok(holes) }
    }

    /// The range is about to become holes.
    pub(crate) fn shrinks(&mut self, dev: DevId, range: LbaRange) -> Result<()> {
        if self.limits.volumes.contains_key(&dev) {
            let blocks = self.mapped(dev, range)?;
            self.limits.unmapped(dev, blocks);
        }
        Ok(())
    }

    fn mapped(&self, dev: DevId, range: LbaRange) -> Result<u64> {
        let mut blocks = 0;
        let mut each = |run: Run| blocks += if run.on.is_some() { run.blocks } else { 0 };
        self.scheme.lookup(dev, range, &self.pages, &mut each)?;
        Ok(blocks)
    }

    /// Admit a snapshot of a version: from then on it owns nothing alone, so all that is reserved for it must be free.
    pub(crate) fn admit_sharing(&mut self, of: DevId) -> Result<()> {
        self.admit_reservation(of, self.limits_of(of).reservation_blocks)
    }

    /// Errors: `NoSpace` unless so many blocks are free for this volume, beside what others have reserved.
    fn admit_reservation(&mut self, dev: DevId, wanted: u64) -> Result<()> {
        let needed = self.with_metadata(wanted);
        self.admit_free(needed, |pool| pool.unreserved().saturating_sub(pool.kept_from(Some(dev))))
    }
}
