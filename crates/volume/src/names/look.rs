//! Looking names up, listing them, and checking that they lead somewhere.
//!
//! Invariant: changes nothing. Knows no bytes; those are `table.rs`'s.

use super::Name;
use super::table::{Snapshot, Volume};
use crate::{Pool, VolumeLimits};
use spinney_core::{DevId, Error, Finding, Place, Result};
use std::collections::{BTreeMap, BTreeSet};

/// A name and what it leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Named {
    /// The name.
    pub name: Name,
    /// The version that it leads to.
    pub dev: DevId,
    /// When it was made, in seconds since 1970, by the caller's word.
    pub created_s: u64,
    /// The snapshot that a clone was taken from, if that still has a name.
    pub origin: Option<Name>,
}

impl Pool {
    /// The version behind a name. Errors: `NoSuchName`.
    pub fn named(&self, name: &Name) -> Result<DevId> {
        self.alive()?;
        match name.snapshot() {
            None => Ok(self.volume_named(name.volume())?.head),
            Some(snapshot) => Ok(self.snapshot_named(name.volume(), snapshot)?.1.dev),
        }
    }

    pub(crate) fn volume_named(&self, name: &str) -> Result<Volume> {
        self.names.volume(name, &self.pages)?.ok_or(Error::NoSuchName)
    }

    /// The volume, and its snapshot of that name.
    pub(super) fn snapshot_named(&self, volume: &str, snapshot: &str) -> Result<(Volume, Snapshot)> {
        let volume = self.volume_named(volume)?;
        let found = self.names.snapshot(volume.directory, snapshot, &self.pages)?;
        Ok((volume, found.ok_or(Error::NoSuchName)?))
    }

    /// Every name: volumes in order, each followed by its snapshots, oldest first.
    pub fn names(&self) -> Result<Vec<Named>> {
        self.alive()?;
        let (mut names, mut origins) = (Vec::new(), Vec::new());
        self.names.visit_volumes(&self.pages, &mut |text, volume| {
            let name: Name = text.parse().map_err(|_| unreadable())?;
            origins.push(volume.origin);
            let of_volume = names.len();
            names.push(Named { name, dev: volume.head, created_s: volume.created_s, origin: None });
            self.names.visit_snapshots(volume.directory, &self.pages, &mut |snapshot, found| {
                let name = names[of_volume].name.at(&snapshot).map_err(|_| unreadable())?;
                origins.push(None);
                names.push(Named { name, dev: found.dev, created_s: found.created_s, origin: None });
                Ok(())
            })?;
            names[of_volume + 1..].sort_by_key(|named| named.dev);
            Ok(())
        })?;
        let by_dev: BTreeMap<DevId, Name> =
            names.iter().map(|named| (named.dev, named.name.clone())).collect();
        for (named, origin) in names.iter_mut().zip(origins) {
            named.origin = origin.and_then(|dev| by_dev.get(&dev).cloned());
        }
        Ok(names)
    }

    /// Each name and each doomed version leads to a version of its own that is alive; the entries are as many as counted.
    pub(crate) fn check_names(&self, found: &mut dyn FnMut(Finding)) -> Result<()> {
        self.names.check_map(&self.pages, found);
        let (mut devs, mut directories) = (Vec::new(), BTreeSet::new());
        self.names.visit_volumes(&self.pages, &mut |_, volume| {
            devs.push(volume.head);
            if !directories.insert(volume.directory) {
                found(Finding { rule: "a volume has a directory of its own", place: Place::Pool });
            }
            Ok(())
        })?;
        let mut limited = 0;
        for directory in directories {
            limited += u64::from(self.names.limits(directory, &self.pages)? != VolumeLimits::default());
            self.names.visit_snapshots(directory, &self.pages, &mut |_, snapshot| {
                devs.push(snapshot.dev);
                Ok(())
            })?;
        }
        let named = devs.len();
        self.names.visit_doomed(&self.pages, &mut |dev| devs.push(dev))?;
        // A name has two entries: itself, and the note that its version has one; a volume with limits has one more.
        if self.names.entries(&self.pages)? != (named + devs.len()) as u64 + limited {
            found(Finding {
                rule: "every entry of the table of names belongs to a volume",
                place: Place::Pool,
            });
        }
        let mut met = BTreeSet::new();
        for (index, dev) in devs.into_iter().enumerate() {
            let alive = match self.scheme.version(dev, &self.pages) {
                Err(Error::NotFound(_)) => false,
                other => other.map(|_| true)?,
            };
            let noted = self.names.has(dev, &self.pages)? == (index < named);
            if !alive || !noted || !met.insert(dev) {
                found(Finding { rule: "a name leads to a version of its own", place: Place::Version(dev) });
            }
        }
        Ok(())
    }
}

fn unreadable() -> Error {
    Error::Corrupt { what: "name in the table of names", place: Place::Pool }
}
