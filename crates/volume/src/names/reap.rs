//! Destroying by name, and deleting what has lost its name.
//!
//! Invariant: losing the name and being doomed are one step; the delete and forgetting that it was due are one, too.

use super::Name;
use super::table::Volume;
use crate::versions::opportune;
use crate::{Pool, VolumeLimits};
use spinney_core::{DevId, Error, Result};
use spinney_snap::Work;
use std::collections::BTreeSet;

/// What a set of names leads to, in the order in which it can go.
struct Doomed {
    devs: Vec<DevId>,
    volumes: Vec<String>,
    /// Directory and name.
    snapshots: Vec<(u64, String)>,
}

impl Pool {
    /// The data blocks that destroying this set of names would give back, exactly, without destroying anything. Errors: as
    /// [`Pool::destroy`].
    pub fn freed_by_destroying(&self, names: &[Name]) -> Result<u64> {
        self.alive()?;
        self.freed_by_deleting(&self.doomed_by(names)?.devs)
    }

    /// Destroy volumes and snapshots: all of them or, after a crash before it is durable, none. Their space comes back over the next
    /// commits; works on a full pool. Errors: `NoSuchName`; `Busy` for a volume with snapshots outside the set, and where the scheme
    /// cannot delete what others were taken from; `NoPages`.
    pub fn destroy(&mut self, names: &[Name]) -> Result<()> {
        self.alive()?;
        let doomed = self.doomed_by(names)?;
        let entries = doomed.volumes.len() + doomed.snapshots.len();
        let limited = self.limits.count().min(doomed.volumes.len() as u64);
        self.admit_names(&[], 3 * entries as u64 + limited, true)?;
        self.whole(|pool| {
            for name in &doomed.volumes {
                let Volume { directory, head, .. } = pool.volume_named(name)?;
                pool.names.put_limits(directory, VolumeLimits::default(), &mut pool.pages)?;
                pool.limits.forget(head);
                pool.names.remove_volume(name, &mut pool.pages)?;
            }
            for (directory, name) in &doomed.snapshots {
                pool.names.remove_snapshot(*directory, name, &mut pool.pages)?;
            }
            pool.reaps = true; // until it is done: a flush goes on where this call could not
            doomed.devs.iter().try_for_each(|dev| pool.names.doom(*dev, &mut pool.pages))
        })?;
        self.reap()
    }

    /// Delete what has lost its name. Every change by name does it, and `flush` after a crash kept one from it.
    pub(crate) fn reap(&mut self) -> Result<()> {
        let mut doomed = Vec::new();
        self.names.visit_doomed(&self.pages, &mut |dev| doomed.push(dev))?;
        // The youngest first: nothing was taken from it, so that any scheme can delete it.
        for dev in doomed.into_iter().rev() {
            self.admit_names(&[Work::Delete(dev)], 1, true)?;
            self.whole(|pool| {
                pool.end(dev)?;
                pool.names.forget_doomed(dev, &mut pool.pages)
            })?;
            self.tend_left = u64::MAX;
            self.release_freed()?;
        }
        self.reaps = false;
        Ok(())
    }

    /// As [`Pool::reap`], where it is only opportune.
    pub(crate) fn reap_if_possible(&mut self) -> Result<()> {
        if std::mem::take(&mut self.reaps) {
            let reaped = opportune(self.reap());
            self.reaps = reaped.is_err(); // again with the next flush
            reaped?;
        }
        self.alive()
    }

    fn doomed_by(&self, names: &[Name]) -> Result<Doomed> {
        let mut doomed = Doomed { devs: Vec::new(), volumes: Vec::new(), snapshots: Vec::new() };
        let names: BTreeSet<&Name> = names.iter().collect();
        for name in &names {
            match name.snapshot() {
                Some(snapshot) => {
                    let (volume, found) = self.snapshot_named(name.volume(), snapshot)?;
                    doomed.devs.push(found.dev);
                    doomed.snapshots.push((volume.directory, snapshot.to_owned()));
                }
                None => {
                    let volume = self.volume_named(name.volume())?;
                    self.names.visit_snapshots(volume.directory, &self.pages, &mut |snapshot, _| {
                        let alone = names.contains(&name.at(&snapshot)?);
                        if alone {
                            Ok(())
                        } else {
                            Err(Error::Busy("the volume has snapshots: destroy them with it"))
                        }
                    })?;
                    doomed.devs.push(volume.head);
                    doomed.volumes.push(name.volume().to_owned());
                }
            }
        }
        if !self.scheme.limits().delete_any_order {
            self.leaves_no_orphan(&doomed.devs)?;
        }
        Ok(doomed)
    }

    /// Errors: `Busy` if a version outside the set was taken from one in it.
    pub(super) fn leaves_no_orphan(&self, devs: &[DevId]) -> Result<()> {
        let devs: BTreeSet<DevId> = devs.iter().copied().collect();
        let mut orphans = false;
        self.scheme.versions(&self.pages, &mut |version| {
            let taken_from_it = version.parent.is_some_and(|parent| devs.contains(&parent));
            orphans |= taken_from_it && !devs.contains(&version.dev);
        })?;
        let busy = Error::Busy("others were taken from it, and this scheme can only delete it after them");
        if orphans { Err(busy) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Name, Parts, Pool, PoolOptions};
    use spinney_alloc::{Composed, reclaim::AtCommit};
    use spinney_alloc_bitmap::{BitmapForm, BitmapIndex};
    use spinney_device::MemoryDevice;
    use spinney_snap_refcount::RefCount;
    use std::sync::Arc;

    fn parts() -> Parts {
        let (index, form) = (Box::new(BitmapIndex::default()), Box::new(BitmapForm::default()));
        let allocator = Box::new(Composed::new(index, form, Box::new(AtCommit)));
        Parts { allocator, scheme: Box::new(RefCount::new(8, false).unwrap()), description: String::new() }
    }

    #[test]
    fn what_a_crash_left_doomed_is_deleted_by_the_next_flush() {
        let device = Arc::new(MemoryDevice::new(600));
        let mut pool = Pool::format(device.clone(), parts(), PoolOptions::default()).unwrap();
        let name: Name = "a".parse().unwrap();
        let dev = pool.create_named(&name, 60, 0).unwrap();
        // The first half of a destroy, durable without the second.
        pool.names.remove_volume("a", &mut pool.pages).unwrap();
        pool.names.doom(dev, &mut pool.pages).unwrap();
        pool.dirty.any = true;
        pool.commit().unwrap();
        drop(pool);
        let mut pool = Pool::open(device, PoolOptions::default(), &|_| Ok(parts())).unwrap();
        assert_eq!((pool.versions().unwrap().len(), pool.names().unwrap().len()), (1, 0));
        assert!(pool.check(true).unwrap().is_sound());
        pool.flush().unwrap();
        assert_eq!(pool.versions().unwrap().len(), 0);
        assert!(pool.check(true).unwrap().is_sound());
    }

    #[test]
    fn what_a_crash_left_doomed_can_be_deleted_by_hand() {
        let device = Arc::new(MemoryDevice::new(600));
        let mut pool = Pool::format(device.clone(), parts(), PoolOptions::default()).unwrap();
        let (name, other): (Name, Name) = ("a".parse().unwrap(), "b".parse().unwrap());
        let dev = pool.create_named(&name, 60, 0).unwrap();
        pool.create_named(&other, 60, 0).unwrap();
        pool.names.remove_volume("a", &mut pool.pages).unwrap();
        pool.names.doom(dev, &mut pool.pages).unwrap();
        pool.dirty.any = true;
        pool.commit().unwrap();
        drop(pool);
        let mut pool = Pool::open(device, PoolOptions::default(), &|_| Ok(parts())).unwrap();
        pool.delete(dev).unwrap();
        assert!(pool.check(true).unwrap().is_sound());
        pool.destroy(&[other]).unwrap();
        pool.flush().unwrap();
        assert_eq!(pool.versions().unwrap().len(), 0);
    }
}
