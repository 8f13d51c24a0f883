//! Sets: several devices as one, each with a label ahead of its data that says what it is of.
//!
//! Invariant: a set is put together by its labels, never by the order or the names of devices. Knows nothing of what the blocks hold.

mod arrange;
mod label;
mod mirror;
mod spread;
mod window;

pub use arrange::{Arrangement, Misfit, arrange};
pub use label::{LABEL_BLOCKS, Label, MEMBERS_MAX, Role, SetKind};
pub use mirror::{Mirror, SideCounts, SideStatus};
pub use spread::Spread;
pub use window::Window;

use spinney_core::{BlockDevice, Error, Extent, Pba, Result};
use std::sync::Arc;

/// Blocks of a turn, unless asked for otherwise (512 KiB): members are asked one after the other, so a request that more of them share
/// takes longer, not shorter; this keeps most requests on one member, and still deals a long file over all. As Linux's md has it.
pub const STRIPE_BLOCKS: u64 = 128;

/// A set in use.
pub struct DeviceSet {
    /// All of it as one device.
    pub device: Arc<dyn BlockDevice>,
    /// The same if it is a mirror, for what only mirrors do.
    pub mirror: Option<Arc<Mirror>>,
    /// What its labels say of it.
    pub label: Label,
}

impl DeviceSet {
    /// A new set over whole devices: whatever they hold is lost. A mirror is as large as its smallest side. `set` is its number, which no other set may have.
    /// `stripe_blocks` counts for a stripe only. Errors: `BadSetting` for too few or too many devices, or none large enough; `Io`.
    pub fn create(
        kind: SetKind,
        stripe_blocks: u64,
        devices: Vec<Arc<dyn BlockDevice>>,
        set: [u8; 16],
    ) -> Result<DeviceSet> {
        if !(2..=MEMBERS_MAX).contains(&devices.len()) {
            return Err(Error::BadSetting("a set has 2 to 16 devices"));
        }
        let stripe_blocks = if kind == SetKind::Stripe { stripe_blocks.max(1) } else { 0 };
        let room = |device: &Arc<dyn BlockDevice>| device.blocks().saturating_sub(LABEL_BLOCKS);
        let smallest = devices.iter().map(room).min().unwrap_or(0);
        let (roles, mut newest) = (vec![Role::InSync; devices.len()], None);
        for (member, device) in devices.iter().enumerate() {
            let blocks = match kind {
                SetKind::Concat => room(device),
                SetKind::Stripe => smallest / stripe_blocks * stripe_blocks,
                SetKind::Mirror => smallest,
            };
            if blocks == 0 {
                return Err(Error::BadSetting("a device of the set is too small"));
            }
            let label =
                Label { kind, set, generation: 1, member, blocks, stripe_blocks, roles: roles.clone() };
            label.store(&**device)?;
            newest = newest.or(Some(label));
        }
        let label = newest.ok_or(Error::BadSetting("a set has 2 to 16 devices"))?;
        let places = (0..devices.len()).map(Some).collect();
        DeviceSet::open(&Arrangement { label, devices: places, left_out: Vec::new() }, &devices)
    }

    /// The set that [`arrange`] made of the labels of these devices. Errors: `Io`, `OutOfRange` if a device is shorter than its label says.
    pub fn open(arranged: &Arrangement, devices: &[Arc<dyn BlockDevice>]) -> Result<DeviceSet> {
        let label = arranged.label.clone();
        let given = arranged.devices.iter().map(|place| place.and_then(|place| devices.get(place).cloned()));
        if label.kind == SetKind::Mirror {
            let mirror = Arc::new(Mirror::open(label.clone(), given.collect(), &arranged.left_out)?);
            return Ok(DeviceSet { device: mirror.clone(), mirror: Some(mirror), label });
        }
        let members = given.map(|device| {
            let device = device.ok_or(Error::Busy("a member of the set is missing"))?;
            let its = Label::load(&*device)?.ok_or(Error::Busy("a member of the set has lost its label"))?;
            let data = Window::new(device, Extent { start: Pba(LABEL_BLOCKS), blocks: its.blocks })?;
            Ok(Arc::new(data) as Arc<dyn BlockDevice>)
        });
        let members = members.collect::<Result<Vec<_>>>()?;
        let spread = match label.kind {
            SetKind::Stripe => Spread::stripe(members, label.stripe_blocks),
            _ => Spread::concat(members),
        };
        Ok(DeviceSet { device: Arc::new(spread), mirror: None, label })
    }
}

#[cfg(test)]
mod tests;
