//! The steps of a life that go by names: snapshot, clone, rename, rollback, promote, destroy of a set.
//!
//! Invariant: what is atomic is one state of the model. What loses its name goes in states of its own, the youngest first, since the
//! pool deletes it after the step; what of that a crash or a lack of room kept back goes with the next flush.

use crate::act::VERSIONS_MAX;
use crate::content::{Content, State, Unseen};
use crate::life::Life;
use crate::model::Model;
use spinney_core::{DevId, Error};
use spinney_volume::Name;
use std::sync::Arc;

/// Stands for an id that only the pool knows, until a version with its name is seen.
const UNKNOWN: DevId = DevId(u64::MAX);
/// All steps happen at once.
const CREATED_S: u64 = 0;

type Found = Result<(), Error>;

fn name_of(content: &Content) -> Option<Name> {
    content.name.as_ref().map(|name| name.parse().expect("the model's names are well formed"))
}

/// A version leaves a state: clones of it have no origin with a name any more.
fn lose_name(state: &mut State, dev: DevId) {
    if let Some(content) = state.get_mut(&dev) {
        (content.name, content.origin, content.doomed) = (None, None, Unseen(true));
    }
    state.values_mut().filter(|other| other.origin == Some(dev)).for_each(|other| other.origin = None);
}

impl Model {
    /// A state for each version that has lost its name and may go now.
    pub(crate) fn reap(&mut self) {
        let doomed = self.now().iter().filter(|(_, content)| content.doomed.0);
        let doomed: Vec<DevId> = doomed.map(|(dev, _)| *dev).rev().collect();
        doomed.into_iter().for_each(|dev| self.delete(dev));
    }

    /// The id that was not known, in every state, if `found` has a version of that name.
    pub(crate) fn learn(&mut self, found: &State) {
        for state in self.states_mut() {
            let Some(content) = state.remove(&UNKNOWN) else { continue };
            let known = found.iter().find(|(_, other)| other.name.is_some() && other.name == content.name);
            state.insert(known.map_or(UNKNOWN, |(dev, _)| *dev), content);
        }
    }
}

impl Life {
    /// Versions without a name.
    pub(crate) fn unnamed(&self) -> impl Iterator<Item = DevId> {
        self.model.now().iter().filter(|(_, content)| content.name.is_none()).map(|(dev, _)| *dev)
    }

    /// A name of some kind that a number means, and its version.
    fn named(&self, of: u8, wanted: impl Fn(&Name) -> bool) -> Option<(DevId, Name)> {
        let names = self.model.now().iter().filter_map(|(dev, content)| Some((*dev, name_of(content)?)));
        let names: Vec<(DevId, Name)> = names.filter(|(_, name)| wanted(name)).collect();
        names.get(usize::from(of) % names.len().max(1)).cloned()
    }

    fn has_room(&self) -> bool {
        self.model.now().len() < VERSIONS_MAX
    }

    /// A part of a name that was not there before.
    fn fresh(&mut self, letter: char) -> String {
        self.stamp += 1;
        format!("{letter}{}", self.stamp)
    }

    pub(crate) fn flush(&mut self) -> Found {
        let before = self.model.len();
        self.model.reap();
        let committed = self.flush_pool()?;
        self.settle_on_what_happened(before);
        if committed {
            self.model.flushed();
        } else {
            self.model.recorded();
        }
        Ok(())
    }

    /// Of the states that were noted, those up to the one that the pool is in. (If it is in none, the next audit says so.)
    fn settle_on_what_happened(&mut self, before: usize) {
        if self.model.len() > before {
            let _ = self.quietly(|model, pool| model.refused(before, pool));
        }
    }

    pub(crate) fn name(&mut self, blocks: u64) -> Found {
        if !self.has_room() {
            return Ok(());
        }
        let (text, blocks) = (self.fresh('v'), blocks * self.pair.geometry.stride);
        let dev = self.pool().create_named(&text.parse()?, blocks, CREATED_S)?;
        let content = Content::new(blocks).called(&text, None);
        self.model.change(|state| drop(state.insert(dev, content)));
        Ok(())
    }

    pub(crate) fn snapshot_as(&mut self, of: u8) -> Found {
        let Some((head, volume)) = self.named(of, |name| name.snapshot().is_none()) else { return Ok(()) };
        if !self.has_room() {
            return Ok(());
        }
        let name = volume.at(&self.fresh('s'))?;
        let dev = self.pool().snapshot_as(&name, CREATED_S)?;
        self.take_as(head, dev, false, &name.to_string(), None);
        Ok(())
    }

    pub(crate) fn clone_as(&mut self, of: u8) -> Found {
        let Some((origin, snapshot)) = self.named(of, |name| name.snapshot().is_some()) else {
            return Ok(());
        };
        if !self.has_room() {
            return Ok(());
        }
        let text = self.fresh('v');
        let dev = self.pool().clone_as(&snapshot, &text.parse()?, CREATED_S)?;
        self.take_as(origin, dev, true, &text, Some(origin));
        Ok(())
    }

    fn take_as(&mut self, of: DevId, dev: DevId, writable: bool, name: &str, origin: Option<DevId>) {
        self.model.change(|state| {
            state.insert(dev, state[&of].taken(writable).called(name, origin));
        });
    }

    /// A volume's snapshots go with it.
    pub(crate) fn rename(&mut self, of: u8) -> Found {
        let Some((dev, from)) = self.named(of, |_| true) else { return Ok(()) };
        let to: Name = match from.snapshot() {
            None => self.fresh('v').parse()?,
            Some(_) => from.at(&self.fresh('s'))?,
        };
        self.pool().rename(&from, &to)?;
        self.model.change(|state| {
            let renamed = |name: Name| match (name.snapshot(), from.snapshot()) {
                (Some(snapshot), None) if name.volume() == from.volume() => {
                    Some(format!("{}@{snapshot}", to.volume()))
                }
                _ => None,
            };
            for (other, content) in state {
                let text =
                    if *other == dev { Some(to.to_string()) } else { name_of(content).and_then(renamed) };
                if let Some(text) = text {
                    content.name = Some(text.into());
                }
            }
        });
        Ok(())
    }

    pub(crate) fn rollback(&mut self, of: u8) -> Found {
        let Some((snapshot, to)) = self.named(of, |name| name.snapshot().is_some()) else { return Ok(()) };
        let volume: Arc<str> = to.volume().into();
        let heads = self.model.now().iter();
        let Some(head) =
            heads.filter(|(_, content)| content.name.as_ref() == Some(&volume)).map(|(dev, _)| *dev).next()
        else {
            return Ok(());
        };
        let before = self.model.len();
        self.model.change(|state| {
            let origin = state[&head].origin;
            let rolled = state[&snapshot].taken(true).called(&volume, origin);
            lose_name(state, head);
            state.insert(UNKNOWN, rolled);
        });
        self.model.reap();
        let done = self.pool().rollback(&to).map(drop);
        if done.is_ok() {
            self.settle_on_what_happened(before);
        }
        done
    }

    /// The snapshots up to the one that the clone was taken from change their volume, and the two origins their places.
    pub(crate) fn promote(&mut self, of: u8) -> Found {
        let Some((dev, clone)) = self.named(of, |name| name.snapshot().is_none()) else { return Ok(()) };
        let origin = self.model.now()[&dev].origin;
        let moved = match self.pool().promote(&clone) {
            Err(Error::Unsupported(_)) if origin.is_none() => return Ok(()),
            moved => moved?,
        };
        let before = self.model.now().values().filter_map(name_of).count() as u64;
        let origin = origin.ok_or(Error::Unsupported("a clone without an origin was promoted"))?;
        self.model.change(|state| promoted(state, dev, origin, &clone));
        if moved <= before { Ok(()) } else { Err(Error::Unsupported("more snapshots moved than there are")) }
    }

    /// A set of names. Snapshots of a volume in it are in it too, unless the set's highest bit says otherwise: then the pool refuses.
    pub(crate) fn destroy(&mut self, set: u32) -> Found {
        let names = self.model.now().iter().filter_map(|(dev, content)| Some((*dev, name_of(content)?)));
        let names: Vec<(DevId, Name)> = names.collect();
        let chosen = |at: usize| set >> (at % 31) & 1 == 1;
        let whole = set >> 31 == 0;
        let volumes: Vec<&str> = (names.iter().enumerate())
            .filter(|(at, (_, name))| chosen(*at) && name.snapshot().is_none())
            .map(|(_, (_, name))| name.volume())
            .collect();
        let doomed = names
            .iter()
            .enumerate()
            .filter(|(at, (_, name))| chosen(*at) || whole && volumes.contains(&name.volume()));
        let doomed: Vec<(DevId, Name)> = doomed.map(|(_, named)| named.clone()).collect();
        let left = |(dev, name): &(DevId, Name)| {
            volumes.contains(&name.volume()) && !doomed.iter().any(|(other, _)| other == dev)
        };
        let refused = names.iter().any(left);
        let done = self.destroy_these(&doomed);
        match done {
            Ok(()) if refused => Err(Error::Unsupported("a volume was destroyed without its snapshots")),
            done => done,
        }
    }

    fn destroy_these(&mut self, doomed: &[(DevId, Name)]) -> Found {
        let names: Vec<Name> = doomed.iter().map(|(_, name)| name.clone()).collect();
        let before = self.model.len();
        self.model.change(|state| doomed.iter().for_each(|(dev, _)| lose_name(state, *dev)));
        self.model.reap();
        let done = self.pool().destroy(&names);
        if done.is_ok() {
            self.settle_on_what_happened(before);
        }
        done
    }

    /// At the end of a life. Errors: in words.
    pub(crate) fn destroy_all(&mut self) -> Result<(), String> {
        let names = self.model.now().iter().filter_map(|(dev, content)| Some((*dev, name_of(content)?)));
        let all: Vec<(DevId, Name)> = names.collect();
        let before = self.model.len();
        if all.is_empty() || self.destroy_these(&all).is_ok() {
            return Ok(());
        }
        // A set may be too large for the pages that are left; one by one, snapshots first, it must work.
        self.quietly(|model, pool| model.refused(before, pool))?;
        let (snapshots, volumes): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(_, name)| name.snapshot().is_some());
        for (dev, name) in snapshots.into_iter().rev().chain(volumes.into_iter().rev()) {
            if self.quietly(|_, pool| pool.named(&name)) == Ok(dev) {
                let done = self.destroy_these(&[(dev, name)]);
                done.map_err(|error| format!("destroy at the end: {error}"))?;
            }
        }
        Ok(())
    }
}

fn promoted(state: &mut State, dev: DevId, origin: DevId, clone: &Name) {
    let Some(from) = state[&origin].name.as_ref().and_then(|name| name.parse::<Name>().ok()) else { return };
    let mut other = None;
    for (found, content) in state.iter_mut() {
        let Some(name) = name_of(content).filter(|name| name.volume() == from.volume()) else { continue };
        match name.snapshot() {
            None => other = Some(*found),
            Some(snapshot) if *found <= origin => {
                content.name = Some(format!("{}@{snapshot}", clone.volume()).into());
            }
            Some(_) => {}
        }
    }
    if let Some(other) = other {
        let earlier = state[&other].origin;
        state.get_mut(&other).expect("just found").origin = Some(origin);
        state.get_mut(&dev).expect("the clone").origin = earlier;
    }
}
