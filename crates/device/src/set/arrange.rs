//! Which devices are which members, in whatever order they were given, and whether the set may be used as it is.
//!
//! Invariant: a member that lacks what another one has is never taken for one that is in sync: the newest label decides, and where none
//! can, nothing is taken. Reads nothing; knows labels only.

use super::label::{Label, Role, SetKind};
use std::fmt;

/// Why devices are no set that can be used. Numbers are positions among the devices given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Misfit {
    /// No device was given.
    Nothing,
    /// A device without a label.
    NoMember(usize),
    /// A member of another set than the first.
    OtherSet(usize),
    /// Two devices that are the same member: one is a copy of the other.
    Twice(usize, usize),
    /// Two sides of a mirror that were each used without the other.
    Split(usize, usize),
    /// This member (its number in the set) is not there, and was in sync when the others last knew of it.
    Missing(usize),
    /// All that are there lack something.
    Stale,
}

impl Misfit {
    /// What is wrong and what to do, with the devices under the names that the caller gives.
    #[must_use]
    pub fn text(&self, name: &dyn Fn(usize) -> String) -> String {
        match *self {
            Misfit::Nothing => "no device given".into(),
            Misfit::NoMember(one) => format!(
                "{} is not a member of a set (a new disk takes a lost one's place with `spinney pool replace`)",
                name(one)
            ),
            Misfit::OtherSet(one) => {
                format!("{} is a member of another set than {}; leave one out", name(one), name(0))
            }
            Misfit::Twice(one, other) => format!(
                "{} and {} are the same member of the set, so one is a copy of the other; leave that one out",
                name(one),
                name(other)
            ),
            Misfit::Split(one, other) => format!(
                "{} and {} were each used without the other and have both changed; keep the one whose content is wanted, and \
                 bring the other back with `spinney pool replace`",
                name(one),
                name(other)
            ),
            Misfit::Missing(member) => format!(
                "member {member} of the set is missing and may have what the others lack; bring it back, or, if it is a lost side of a \
                 mirror, `spinney pool offline POOL {member}` goes on without it"
            ),
            Misfit::Stale => {
                "the only sides given lack what was written to the others; bring one of those back".into()
            }
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&|device| format!("device {}", device + 1)))
    }
}

/// A set that may be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Arrangement {
    /// What the set last knew.
    pub label: Label,
    /// For each member the position of its device among those given.
    pub devices: Vec<Option<usize>>,
    /// Members that are missing and were in sync: the set goes on without them, as the caller said.
    pub left_out: Vec<usize>,
}

/// Put the devices with these labels in their places. With `degraded`, a mirror goes on without sides that are missing: whatever only they
/// have is lost. Errors: see [`Misfit`].
pub fn arrange(labels: &[Option<Label>], degraded: bool) -> Result<Arrangement, Misfit> {
    let labels: Vec<&Label> = (0..)
        .zip(labels)
        .map(|(at, label)| label.as_ref().ok_or(Misfit::NoMember(at)))
        .collect::<Result<_, _>>()?;
    let newest = (0..labels.len()).rev().max_by_key(|at| labels[*at].generation).ok_or(Misfit::Nothing)?;
    let mut label = labels[newest].clone();
    let (mut devices, mut behind) = (vec![None; label.roles.len()], Vec::new());
    for (at, its) in labels.iter().enumerate() {
        let same_set = its.set == label.set && its.kind == label.kind && its.member < devices.len();
        if !same_set {
            return Err(Misfit::OtherSet(if at == 0 { newest } else { at }));
        }
        if let Some(other) = devices[its.member].replace(at) {
            return Err(Misfit::Twice(other, at));
        }
        let lacks = lacks_an_opening(its, &label);
        let split = its.generation == label.generation && its.roles != label.roles
            || matches!(label.roles[its.member], Role::Out { left, .. } if its.generation >= left)
            || lacks && matches!(its.roles.get(label.member), Some(Role::Out { .. }));
        if split {
            return Err(Misfit::Split(newest, at));
        }
        if lacks {
            behind.push((its.member, its.generation + 1));
        }
    }
    // What such a side has is not known, so it begins with nothing.
    behind.iter().for_each(|(member, left)| label.roles[*member] = Role::Out { left: *left, since: Some(0) });
    let in_sync = |member: &usize| label.roles[*member] == Role::InSync;
    let (found, left_out): (Vec<usize>, Vec<usize>) =
        (0..devices.len()).filter(in_sync).partition(|member| devices[*member].is_some());
    match left_out.first() {
        Some(member) if !degraded || label.kind != SetKind::Mirror => Err(Misfit::Missing(*member)),
        _ if found.is_empty() => Err(Misfit::Stale),
        _ => Ok(Arrangement { label, devices, left_out }),
    }
}

/// Whether a side that the newest label calls in sync was not there for a whole opening that changed something, as a disk that was put back
/// or restored was not. Each such opening makes two generations, and a cut inside a store leaves a side behind by one.
fn lacks_an_opening(its: &Label, newest: &Label) -> bool {
    newest.kind == SetKind::Mirror
        && newest.roles[its.member] == Role::InSync
        && its.generation + 1 < newest.generation
}
