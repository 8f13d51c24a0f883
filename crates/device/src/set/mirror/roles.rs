//! Which sides of a mirror are read and written, and the labels that say so.
//!
//! Invariant: the last side that is in sync stays that. What has changed here and is not in the labels yet is `unsaved`; nothing that a
//! caller is told of may rest on it. Decides nothing about content.

use super::super::label::{LABEL_BLOCKS, Label, MEMBERS_MAX, Role};
use super::super::window::Window;
use super::{Counts, NO_SIDE, SideStatus, count};
use spinney_core::{BlockDevice, Error, Extent, Healed, Pba, Result};
use std::sync::Arc;

/// A side whose device is there.
pub(super) struct Side {
    /// With the label.
    whole: Arc<dyn BlockDevice>,
    pub(super) data: Window,
    pub(super) counts: Counts,
}

impl Side {
    fn new(whole: Arc<dyn BlockDevice>, blocks: u64) -> Result<Side> {
        let data = Window::new(whole.clone(), Extent::new(Pba(LABEL_BLOCKS), blocks))?;
        Ok(Side { whole, data, counts: Counts::default() })
    }
}

pub(super) struct Roles {
    label: Label,
    sides: Vec<Option<Side>>,
    unsaved: bool,
    /// Whether the labels tell of this opening.
    begun: bool,
}

impl Roles {
    pub(super) fn new(label: Label, devices: Vec<Option<Arc<dyn BlockDevice>>>) -> Result<Roles> {
        assert_eq!(devices.len(), label.roles.len(), "a device or none for each member");
        let side = |device: Option<Arc<dyn BlockDevice>>| {
            device.map(|device| Side::new(device, label.blocks)).transpose()
        };
        let sides = devices.into_iter().map(side).collect::<Result<_>>()?;
        Ok(Roles { label, sides, unsaved: false, begun: false })
    }

    fn with_role<'a>(
        &'a self,
        has: impl Fn(Role) -> bool + 'a,
    ) -> impl Iterator<Item = (usize, &'a Side)> + 'a {
        let sides = self.sides.iter().zip(&self.label.roles).enumerate();
        sides.filter_map(move |(index, (side, role))| {
            side.as_ref().filter(|_| has(*role)).map(|side| (index, side))
        })
    }
    pub(super) fn in_sync(&self) -> impl Iterator<Item = (usize, &Side)> {
        self.with_role(|role| role == Role::InSync)
    }
    pub(super) fn written(&self) -> impl Iterator<Item = (usize, &Side)> {
        self.with_role(|role| !matches!(role, Role::Out { .. }))
    }
    pub(super) fn is_in_sync(&self, side: usize) -> bool {
        self.label.roles.get(side) == Some(&Role::InSync)
    }
    pub(super) fn is_saved(&self) -> bool {
        !self.unsaved
    }
    pub(super) fn status(&self) -> Vec<SideStatus> {
        let status = |(side, role): (&Option<Side>, &Role)| SideStatus {
            role: *role,
            present: side.is_some(),
            counts: side.as_ref().map_or_else(Default::default, |side| side.counts.read()),
        };
        self.sides.iter().zip(&self.label.roles).map(status).collect()
    }

    /// These sides lack something from now on; but not the last one in sync. In memory: `save` makes it durable.
    pub(super) fn mark_out(&mut self, sides: &[usize]) {
        let left = self.label.generation + 1;
        for side in sides {
            let alone = self.in_sync().all(|(other, _)| sides.contains(&other));
            let Some(role) = self.label.roles.get_mut(*side) else { continue };
            let since = match *role {
                Role::InSync if alone => continue,
                Role::InSync => None,
                Role::Resilvering { since } => Some(since),
                Role::Out { .. } => continue,
            };
            *role = Role::Out { left, since };
            self.unsaved = true;
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.begun
    }
    /// Before the first change of an opening: every side that is written has the newest label, two generations on from the last opening's, so
    /// that one which was not there is told from one that a cut inside a store left behind by one. Errors: those of `save`.
    pub(super) fn begin(&mut self) -> Result<()> {
        self.unsaved |= !self.begun;
        self.save()
    }

    /// Store the labels of all sides that are written, in sync ones first; twice if it is the first time. A side that fails is marked out, and
    /// the others are told. Errors: the failure, if no side in sync has the labels; `Corrupt` if no generation is left.
    pub(super) fn save(&mut self) -> Result<()> {
        let first = self.unsaved && !self.begun;
        self.save_once()?;
        if first {
            self.unsaved = true;
            self.save_once()?;
            self.begun = true;
        }
        Ok(())
    }

    fn save_once(&mut self) -> Result<()> {
        while self.unsaved {
            self.label.generation = self.label.next_generation()?;
            self.unsaved = false;
            let (mut failed, mut error) = (Vec::new(), None);
            let mut order: Vec<(usize, &Side)> = self.written().collect();
            order.sort_by_key(|(index, _)| !self.is_in_sync(*index));
            let in_sync = self.in_sync().count();
            for (index, side) in order {
                // No other side is to have a newer label than those that are in sync.
                if failed.len() == in_sync && !self.is_in_sync(index) {
                    break;
                }
                let label = Label { member: index, ..self.label.clone() };
                if let Err(failure) = label.store(&*side.whole) {
                    count(&side.counts.write_errors);
                    failed.push(index);
                    error = Some(failure);
                }
            }
            if self.in_sync().all(|(index, _)| failed.contains(&index)) {
                self.unsaved = true;
                return Err(error.unwrap_or(NO_SIDE));
            }
            self.mark_out(&failed);
        }
        Ok(())
    }

    /// A change of roles that is durable on return, or did not happen.
    fn change(&mut self, change: impl FnOnce(&mut Label)) -> Result<()> {
        change(&mut self.label);
        self.unsaved = true;
        self.save()
    }

    pub(super) fn begin_resilver(
        &mut self,
        side: usize,
        device: Option<Arc<dyn BlockDevice>>,
        since: u64,
    ) -> Result<()> {
        let since = match self.label.roles[side] {
            Role::InSync => return Err(Error::Busy("that side is in sync; take it out first")),
            // Another device has nothing, whatever the one before it had.
            _ if device.is_some() => since,
            Role::Out { since: Some(begun), .. } | Role::Resilvering { since: begun } => begun,
            Role::Out { since: None, .. } => since,
        };
        if let Some(device) = device {
            self.sides[side] = Some(Side::new(device, self.label.blocks)?);
        }
        if self.sides[side].is_none() {
            return Err(Error::Busy("that side's device is not there"));
        }
        self.change(|label| label.roles[side] = Role::Resilvering { since })
    }

    pub(super) fn finish_resilver(&mut self, side: usize) -> Result<()> {
        match self.label.roles[side] {
            Role::Resilvering { .. } => self.change(|label| label.roles[side] = Role::InSync),
            Role::InSync => Ok(()),
            Role::Out { .. } => Err(Error::Busy("that side failed while it was brought up to date")),
        }
    }

    pub(super) fn attach(&mut self, device: Arc<dyn BlockDevice>) -> Result<usize> {
        if self.sides.len() == MEMBERS_MAX {
            return Err(Error::Busy("a set has at most 16 members"));
        }
        let side = Side::new(device, self.label.blocks)?;
        self.sides.push(Some(side));
        self.change(|label| label.roles.push(Role::Resilvering { since: 0 }))?;
        Ok(self.sides.len() - 1)
    }

    /// As `BlockDevice::heal`; the sides that could not be written are added to `failed`.
    pub(super) fn heal(
        &self,
        at: Pba,
        buffer: &mut [u8],
        is_sound: &mut dyn FnMut(&[u8]) -> bool,
        failed: &mut Vec<usize>,
    ) -> Result<Healed> {
        let (mut healed, mut bad, mut error, mut unread) = (Healed::default(), Vec::new(), None, 0);
        let mut copy = vec![0; buffer.len()];
        for (index, side) in self.in_sync() {
            match side.data.read(at, &mut copy) {
                Ok(()) if is_sound(&copy) => {
                    if healed.sound == 0 {
                        buffer.copy_from_slice(&copy);
                    }
                    healed.sound += 1;
                }
                Ok(()) => bad.push((index, side, &side.counts.checksum_errors)),
                Err(failure) => {
                    (error, unread) = (Some(failure), unread + 1);
                    bad.push((index, side, &side.counts.read_errors));
                }
            }
        }
        healed.bad = bad.len() as u64;
        if healed.sound == 0 {
            return error.filter(|_| unread == healed.bad).map_or(Ok(healed), Err);
        }
        for (index, side, counter) in bad {
            count(counter);
            match side.data.write(at, buffer) {
                Ok(()) => {
                    healed.repaired += 1;
                    count(&side.counts.repaired);
                }
                Err(_) => {
                    count(&side.counts.write_errors);
                    failed.push(index);
                }
            }
        }
        self.rebuild(at, buffer, is_sound, &mut healed, failed);
        Ok(healed)
    }

    /// Give a sound block to the sides that are brought up to date, where they lack it.
    fn rebuild(
        &self,
        at: Pba,
        block: &[u8],
        is_sound: &mut dyn FnMut(&[u8]) -> bool,
        healed: &mut Healed,
        failed: &mut Vec<usize>,
    ) {
        let mut copy = vec![0; block.len()];
        for (index, side) in self.with_role(|role| matches!(role, Role::Resilvering { .. })) {
            // What has nothing need not be looked at.
            let begins = self.label.roles[index] == Role::Resilvering { since: 0 };
            if !begins && side.data.read(at, &mut copy).is_ok() && is_sound(&copy) {
                continue;
            }
            match side.data.write(at, block) {
                Ok(()) => {
                    healed.rebuilt += 1;
                    count(&side.counts.rebuilt);
                }
                Err(_) => {
                    count(&side.counts.write_errors);
                    failed.push(index);
                }
            }
        }
    }
}
