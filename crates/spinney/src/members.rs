//! The files and disks of a pool: one, or the members of a set, which their labels put in order.
//!
//! Invariant: a pool is never opened on less than what its labels say is needed; what is missing, foreign or out of date is told by its path,
//! with what to do. Knows nothing of what a pool holds.

use crate::exit::Failure;
use crate::pool::failed;
use rustix::io::Errno;
use serde_json::{Value, json};
use spinney_core::{BlockDevice, Error, Extent, Pba};
use spinney_device::FileDevice;
use spinney_device::set::{DeviceSet, LABEL_BLOCKS, Label, Mirror, Role, SetKind, Window, arrange};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) type Shared = Arc<dyn BlockDevice>;

/// The members of a set; of a pool on one device none.
#[derive(Default)]
pub(crate) struct Members {
    /// What the set was when it was opened.
    label: Option<Label>,
    pub(crate) mirror: Option<Arc<Mirror>>,
    /// Each member's path, if it is there.
    paths: Vec<Option<PathBuf>>,
    /// And its device, label and all.
    devices: Vec<Option<Shared>>,
}

/// A pool's device, and what it is made of.
pub(crate) struct Opened {
    pub(crate) device: Shared,
    pub(crate) members: Members,
}

impl Opened {
    /// The device in these files or disks. With `hold`, what is not flushed stays in this process. Sides of a mirror among `without`
    /// may be missing, and are left out from then on.
    pub(crate) fn at(paths: &[PathBuf], hold: bool, without: &[usize]) -> Result<Opened, Failure> {
        let mut there: Vec<(&PathBuf, Shared)> = Vec::new();
        for path in paths {
            match file(path, hold) {
                // One of several may be gone: the labels of the others say whether that matters.
                Err(Error::Io { operation: "open", code, .. }) if paths.len() > 1 && !is_there(code) => {}
                opened => there.push((path, opened.map_err(|error| failed(&shown(path), error))?)),
            }
        }
        let label = |(path, device): &(&PathBuf, Shared)| {
            Label::load(&**device).map_err(|error| failed(&shown(path), error))
        };
        let labels = there.iter().map(label).collect::<Result<Vec<_>, _>>()?;
        if let ([(_, device)], [None]) = (&there[..], &labels[..])
            && paths.len() == 1
        {
            return Ok(Opened { device: device.clone(), members: Members::default() });
        }
        let told = |misfit: spinney_device::set::Misfit| {
            Failure::Other(misfit.text(&|at| there.get(at).map_or_else(String::new, |(path, _)| shown(path))))
        };
        let arranged = arrange(&labels, !without.is_empty()).map_err(told)?;
        if let Some(other) = arranged.left_out.iter().find(|member| !without.contains(member)) {
            return Err(told(spinney_device::set::Misfit::Missing(*other)));
        }
        let devices: Vec<Shared> = there.iter().map(|(_, device)| device.clone()).collect();
        let set =
            DeviceSet::open(&arranged, &devices).map_err(|error| failed("the set of devices", error))?;
        let place = |place: &Option<usize>| place.and_then(|place| there.get(place));
        let paths = arranged.devices.iter().map(|at| place(at).map(|(path, _)| (*path).clone())).collect();
        let devices = arranged.devices.iter().map(|at| place(at).map(|(_, device)| device.clone())).collect();
        let members = Members { label: Some(set.label), mirror: set.mirror, paths, devices };
        Ok(Opened { device: set.device, members })
    }
}

impl Members {
    /// The number of a member that is named by number or path. Errors: what there is.
    pub(crate) fn number(&self, named: &str) -> Result<usize, Failure> {
        let whole = std::fs::canonicalize(named).ok();
        let by_path = self.paths.iter().position(|path| path.is_some() && *path == whole);
        let by_number = named.parse().ok().filter(|number| *number < self.paths.len());
        by_path.or(by_number).ok_or_else(|| {
            let last = self.paths.len().saturating_sub(1);
            Failure::Usage(format!(
                "`{named}` is no member of this pool: name it by its path, or by its number (0 to {last}, `spinney pool status`)"
            ))
        })
    }
    /// A member's path; of one that is not there, the only path of those known that is no other member's.
    pub(crate) fn path_or_lost<'a>(&'a self, member: usize, known: &'a [PathBuf]) -> Option<&'a Path> {
        let mut lost = known.iter().filter(|path| !self.paths.iter().flatten().any(|other| other == *path));
        let only = lost.next().filter(|_| lost.next().is_none());
        self.paths.get(member)?.as_ref().or(only).map(PathBuf::as_path)
    }
    /// A member that was replaced is none any more, if it is there.
    pub(crate) fn erase(&self, member: usize) -> Result<(), Error> {
        self.devices.get(member).and_then(Option::as_ref).map_or(Ok(()), |device| Label::erase(&**device))
    }
    /// The mirror. Errors: that it is none.
    pub(crate) fn mirror(&self) -> Result<&Arc<Mirror>, Failure> {
        self.mirror.as_ref().ok_or_else(|| Failure::Usage("this pool is not on a mirror".into()))
    }
    /// A member's data, without its label, if it is there.
    pub(crate) fn data(&self, member: usize) -> Option<Window> {
        let blocks = self.label.as_ref()?.blocks;
        let device = self.devices.get(member)?.clone()?;
        Window::new(device, Extent { start: Pba(LABEL_BLOCKS), blocks }).ok()
    }
    /// Blocks that a new side must have.
    pub(crate) fn side_blocks(&self) -> u64 {
        self.label.as_ref().map_or(0, |label| label.blocks + LABEL_BLOCKS)
    }
    /// `mirror`, `stripe`, `concat` or `single`.
    pub(crate) fn layout(&self) -> &'static str {
        self.label.as_ref().map_or("single", |label| label.kind.name())
    }
    /// A line for each member.
    pub(crate) fn lines(&self) -> Vec<String> {
        let sides = self.mirror.as_ref().map(|mirror| mirror.sides()).unwrap_or_default();
        let line = |(member, path): (usize, &Option<PathBuf>)| {
            let name = path.as_ref().map_or_else(|| "not there".into(), |path| shown(path));
            let Some(side) = sides.get(member) else { return format!("  {member}  {name}") };
            let counts = side.counts;
            format!(
                "  {member}  {}  {name}  errors: {} read, {} write, {} checksum; {} repaired, {} rebuilt",
                state(side.role),
                counts.read_errors,
                counts.write_errors,
                counts.checksum_errors,
                counts.repaired,
                counts.rebuilt
            )
        };
        self.paths.iter().enumerate().map(line).collect()
    }
    /// The same as JSON.
    pub(crate) fn json(&self) -> Value {
        let sides = self.mirror.as_ref().map(|mirror| mirror.sides()).unwrap_or_default();
        let member = |(member, path): (usize, &Option<PathBuf>)| {
            let path = path.as_ref().map(|path| path.to_string_lossy());
            match sides.get(member) {
                None => json!({ "member": member, "device": path, "state": "in sync" }),
                Some(side) => json!({
                    "member": member, "device": path, "state": state(side.role),
                    "read_errors": side.counts.read_errors, "write_errors": side.counts.write_errors,
                    "checksum_errors": side.counts.checksum_errors, "repaired_blocks": side.counts.repaired,
                    "rebuilt_blocks": side.counts.rebuilt,
                }),
            }
        };
        self.paths.iter().enumerate().map(member).collect()
    }
}

fn state(role: Role) -> &'static str {
    match role {
        Role::InSync => "in sync",
        Role::Out { .. } => "out",
        Role::Resilvering { .. } => "resilvering",
    }
}

/// A new set over these devices, with a number of its own. Errors: those of [`DeviceSet::create`].
pub(crate) fn create(kind: SetKind, stripe_blocks: u64, devices: Vec<Shared>) -> Result<Shared, Failure> {
    let mut set = [0; 16];
    let drawn = std::fs::File::open("/dev/urandom")
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut set));
    drawn.map_err(|error| Failure::Other(format!("/dev/urandom: {error}")))?;
    let made = DeviceSet::create(kind, stripe_blocks, devices, set);
    made.map(|set| set.device).map_err(|error| failed("the set of devices", error))
}

/// Whether a device that did not open is there all the same: in use, or somebody else's.
fn is_there(code: i32) -> bool {
    [Errno::BUSY, Errno::ACCESS, Errno::PERM].iter().any(|error| error.raw_os_error() == code)
}

fn file(path: &Path, hold: bool) -> Result<Shared, Error> {
    Ok(if hold { Arc::new(FileDevice::open_holding(path)?) } else { Arc::new(FileDevice::open(path)?) })
}

pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}
