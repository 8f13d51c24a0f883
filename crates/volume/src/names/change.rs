//! Making and changing names.
//!
//! Invariant: the scheme's change and the table's are one step of one epoch. Time comes in as an argument.

use super::Name;
use super::table::{Snapshot, Volume};
use crate::Pool;
use spinney_core::{DevId, Error, Result};
use spinney_snap::{Access, Work};

/// A volume and its snapshots up to one.
struct History {
    name: String,
    volume: Volume,
    older: Vec<(String, Snapshot)>,
}

impl Pool {
    /// A new volume of `blocks` blocks, all holes. Errors: `NameTaken`, `BadSetting` for a snapshot's name, `OutOfRange`.
    pub fn create_named(&mut self, name: &Name, blocks: u64, created_s: u64) -> Result<DevId> {
        self.alive()?;
        let text = self.unused_volume(name)?.to_owned();
        Pool::countable(blocks)?;
        self.admit_names(&[Work::Create(blocks)], 2, false)?;
        self.whole(|pool| {
            let head = pool.begin(blocks)?;
            pool.put_new_volume(&text, head, created_s, None)
        })
    }

    /// A snapshot of a volume as it is now, under a name as `volume@snapshot`. Errors: `NoSuchName` if there is no such
    /// volume, `NameTaken`, `BadSetting` for a volume's name.
    pub fn snapshot_as(&mut self, name: &Name, created_s: u64) -> Result<DevId> {
        self.alive()?;
        let (volume, text) = name.of_snapshot()?;
        let Volume { directory, head, .. } = self.volume_named(volume)?;
        if self.names.snapshot(directory, text, &self.pages)?.is_some() {
            return Err(Error::NameTaken);
        }
        self.admit_sharing(head)?;
        self.admit_names(&[Work::Snapshot(head)], 2, false)?;
        self.whole(|pool| {
            let dev = pool.begin_from(head, Access::ReadOnly)?;
            pool.names.put_snapshot(directory, text, Snapshot { dev, created_s }, &mut pool.pages)?;
            pool.names.note(dev, &mut pool.pages)?;
            Ok(dev)
        })
    }

    /// A writable clone of a snapshot, as a volume of its own. Errors: `NoSuchName`, `NameTaken`, `BadSetting`, `Unsupported` by the
    /// scheme.
    pub fn clone_as(&mut self, of: &Name, name: &Name, created_s: u64) -> Result<DevId> {
        self.alive()?;
        let (volume, snapshot) = of.of_snapshot()?;
        let origin = self.snapshot_named(volume, snapshot)?.1.dev;
        let text = self.unused_volume(name)?.to_owned();
        self.can_clone()?;
        self.admit_names(&[Work::Snapshot(origin)], 2, false)?;
        self.whole(|pool| {
            let head = pool.begin_from(origin, Access::Writable)?;
            pool.put_new_volume(&text, head, created_s, Some(origin))
        })
    }

    /// Give a volume (its snapshots go with it) or a snapshot another name. Errors: `NoSuchName`, `NameTaken`, `BadSetting` if one is a
    /// snapshot of another volume or none.
    pub fn rename(&mut self, from: &Name, to: &Name) -> Result<()> {
        self.alive()?;
        let Some(snapshot) = from.snapshot() else {
            let volume = self.volume_named(from.volume())?;
            let text = self.unused_volume(to)?.to_owned();
            self.admit_names(&[], 2, false)?;
            return self.whole(|pool| {
                pool.names.remove_volume(from.volume(), &mut pool.pages)?;
                pool.names.put_volume(&text, &volume, &mut pool.pages)
            });
        };
        let (volume, found) = self.snapshot_named(from.volume(), snapshot)?;
        let (other, text) = to.of_snapshot()?;
        if other != from.volume() {
            return Err(Error::BadSetting("name: a snapshot stays with its volume"));
        }
        if self.names.snapshot(volume.directory, text, &self.pages)?.is_some() {
            return Err(Error::NameTaken);
        }
        self.admit_names(&[], 2, false)?;
        self.whole(|pool| {
            pool.names.remove_snapshot(volume.directory, snapshot, &mut pool.pages)?;
            pool.names.put_snapshot(volume.directory, text, found, &mut pool.pages)
        })
    }

    /// The volume has the content of its snapshot again; every snapshot stays, later ones too. Returns the version that is the volume from
    /// now on: the one before is deleted. Errors: `NoSuchName`, `BadSetting`, `Unsupported` by the scheme; `Busy` if it cannot delete
    /// a version that others were taken from, and some were.
    pub fn rollback(&mut self, to: &Name) -> Result<DevId> {
        self.alive()?;
        let (name, snapshot) = to.of_snapshot()?;
        let (volume, found) = self.snapshot_named(name, snapshot)?;
        self.can_clone()?;
        if !self.scheme.limits().delete_any_order {
            self.leaves_no_orphan(&[volume.head])?;
        }
        self.admit_names(&[Work::Snapshot(found.dev)], 4, false)?;
        let head = self.whole(|pool| {
            let head = pool.begin_from(found.dev, Access::Writable)?;
            pool.names.put_volume(name, &Volume { head, ..volume }, &mut pool.pages)?;
            pool.names.note(head, &mut pool.pages)?;
            pool.names.doom(volume.head, &mut pool.pages)?;
            pool.reaps = true; // until it is done: a flush goes on where this call could not
            // What its reservation still wants comes free with the version that goes.
            pool.limits.moved(volume.head, head);
            Ok(head)
        })?;
        self.reap()?;
        Ok(head)
    }

    /// Turn a clone and the volume that it came from round: the snapshot it was taken from, and every older one of that volume,
    /// belong to the clone from now on, and the other volume is a clone of that snapshot. So the other one can be destroyed and
    /// the clone kept. Returns how many snapshots moved. Errors: `NoSuchName`; `Unsupported` if it is no clone of a snapshot that
    /// still has a name; `NameTaken` if both have a snapshot of one name.
    pub fn promote(&mut self, clone: &Name) -> Result<u64> {
        self.alive()?;
        let text = clone.of_volume()?;
        let volume = self.volume_named(text)?;
        let Some(History { name: other_name, volume: other, older: moved }) = self.history_of(&volume)?
        else {
            return Err(Error::Unsupported("promoting what is no clone of a snapshot with a name"));
        };
        for (name, _) in &moved {
            if self.names.snapshot(volume.directory, name, &self.pages)?.is_some() {
                return Err(Error::NameTaken);
            }
        }
        self.admit_names(&[], 2 + 2 * moved.len() as u64, false)?;
        self.whole(|pool| {
            for (name, snapshot) in &moved {
                pool.names.remove_snapshot(other.directory, name, &mut pool.pages)?;
                pool.names.put_snapshot(volume.directory, name, *snapshot, &mut pool.pages)?;
            }
            let (origin, turned) = (other.origin, volume.origin);
            pool.names.put_volume(text, &Volume { origin, ..volume }, &mut pool.pages)?;
            pool.names.put_volume(&other_name, &Volume { origin: turned, ..other }, &mut pool.pages)
        })?;
        Ok(moved.len() as u64)
    }

    /// The volume that has the snapshot that `clone` was taken from, and that snapshot with all older ones.
    fn history_of(&self, clone: &Volume) -> Result<Option<History>> {
        let Some(origin) = clone.origin else { return Ok(None) };
        let mut found = None;
        self.names.visit_volumes(&self.pages, &mut |name, volume| {
            let mut older = Vec::new();
            self.names.visit_snapshots(volume.directory, &self.pages, &mut |text, snapshot| {
                if snapshot.dev <= origin {
                    older.push((text, snapshot));
                }
                Ok(())
            })?;
            if older.iter().any(|(_, snapshot)| snapshot.dev == origin) {
                found = Some(History { name, volume, older });
            }
            Ok(())
        })?;
        Ok(found)
    }

    fn put_new_volume(
        &mut self,
        name: &str,
        head: DevId,
        created_s: u64,
        origin: Option<DevId>,
    ) -> Result<DevId> {
        let directory = self.names.new_directory(&mut self.pages)?;
        let volume = Volume { directory, head, created_s, origin };
        self.names.put_volume(name, &volume, &mut self.pages)?;
        self.names.note(head, &mut self.pages)?;
        Ok(head)
    }

    fn unused_volume<'a>(&self, name: &'a Name) -> Result<&'a str> {
        let text = name.of_volume()?;
        let taken = self.names.volume(text, &self.pages)?.is_some();
        if taken { Err(Error::NameTaken) } else { Ok(text) }
    }

    fn can_clone(&self) -> Result<()> {
        let can = self.scheme.limits().clones;
        if can { Ok(()) } else { Err(Error::Unsupported("writable clones, which this needs")) }
    }

    /// Admit `work` and so many changed entries of the table; what gives space back may use the reserve.
    pub(crate) fn admit_names(&mut self, work: &[Work], changes: u64, gives_back: bool) -> Result<()> {
        let pages = self.names.pages_bound(changes, gives_back, &self.pages)?;
        if gives_back {
            return self.admit_giving_back(work, pages);
        }
        self.admit_with(work, 0, self.reserve_pages()?.saturating_add(pages))
    }
}
