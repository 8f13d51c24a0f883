//! A mirror: every side has every block, and any side that is in sync may answer a read.
//!
//! Invariant: a flush returns only when every side that the labels call in sync has all that completed before; a side that failed is
//! marked out in the labels of the others, durably, before that. So a side that lacks something is never read, not after a restart
//! either. Before the first change of an opening all labels tell of it, so neither is one that was away and came back. It cannot tell a right
//! block from a wrong one: whoever keeps checksums asks for `heal`. Sides are asked one after the other.

mod roles;

use super::label::{Label, Role};
use crate::{bounds, sync};
use roles::{Roles, Side};
use spinney_core::{BlockDevice, Error, Extent, Healed, Pba, Result};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

/// Reads go round the sides in turns of so many blocks (1 MiB): long enough that each side sees sequential reads as such, short enough that
/// both work. Chosen by judgement.
const TURN_BLOCKS: u64 = 256;

/// What a side has met since the set was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SideCounts {
    /// Reads that failed; another side answered.
    pub read_errors: u64,
    /// Writes and flushes that failed; the first marks it out.
    pub write_errors: u64,
    /// Blocks that were not what was written there, where another side had that.
    pub checksum_errors: u64,
    /// Blocks stored anew from another side.
    pub repaired: u64,
    /// Blocks that it got while it was brought up to date.
    pub rebuilt: u64,
}

#[derive(Default)]
struct Counts {
    read_errors: AtomicU64,
    write_errors: AtomicU64,
    checksum_errors: AtomicU64,
    repaired: AtomicU64,
    rebuilt: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counts {
    fn read(&self) -> SideCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        SideCounts {
            read_errors: of(&self.read_errors),
            write_errors: of(&self.write_errors),
            checksum_errors: of(&self.checksum_errors),
            repaired: of(&self.repaired),
            rebuilt: of(&self.rebuilt),
        }
    }
}

/// How a side is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SideStatus {
    /// What the set knows of it.
    pub role: Role,
    /// Whether its device is there.
    pub present: bool,
    /// What it has met.
    pub counts: SideCounts,
}

/// Two devices or more with the same content.
pub struct Mirror {
    blocks: u64,
    /// Shared by whoever stores; a repair has it alone, so that it never puts an old block over a new one. Taken before `roles`.
    gate: RwLock<()>,
    roles: RwLock<Roles>,
}

impl Mirror {
    /// The mirror of a label: a device, or none, for each member. Members of `left_out` are marked out at once, durably. Errors: `Io`,
    /// `OutOfRange` if a device is too short, `Busy` if no side would be left.
    pub fn open(
        label: Label,
        devices: Vec<Option<Arc<dyn BlockDevice>>>,
        left_out: &[usize],
    ) -> Result<Mirror> {
        let blocks = label.blocks;
        let roles = Roles::new(label, devices)?;
        let mirror = Mirror { blocks, gate: RwLock::default(), roles: RwLock::new(roles) };
        mirror.leave_out(left_out)?;
        Ok(mirror)
    }
    /// Each side, in order.
    #[must_use]
    pub fn sides(&self) -> Vec<SideStatus> {
        sync::read(&self.roles).status()
    }
    /// Go on without a side, durably. Errors: `Busy` if it is the last that is in sync, `Io`.
    pub fn take_out(&self, side: usize) -> Result<()> {
        self.leave_out(&[side])
    }
    fn leave_out(&self, sides: &[usize]) -> Result<()> {
        let mut roles = sync::write(&self.roles);
        roles.mark_out(sides);
        if sides.iter().any(|side| roles.is_in_sync(*side)) {
            return Err(Error::Busy("no other side of the mirror is in sync; bring one up to date first"));
        }
        roles.save()
    }
    /// From now on a side that was out gets all that is written, and is brought up to date by whoever `heal`s what changed since. A device
    /// takes the place of the one that was there. `since` is the epoch up to which it has everything, 0 if it has nothing; a side that had
    /// begun before goes on from where it was. Errors: `Busy` if it is in sync; `NotFound`-like cases are programmer errors; `Io`, `OutOfRange`.
    pub fn begin_resilver(
        &self,
        side: usize,
        device: Option<Arc<dyn BlockDevice>>,
        since: u64,
    ) -> Result<()> {
        sync::write(&self.roles).begin_resilver(side, device, since)
    }
    /// A side has all: what was to be healed is, and the mirror was flushed since. Errors: `Busy` if it went out meanwhile, `Io`.
    pub fn finish_resilver(&self, side: usize) -> Result<()> {
        self.flush()?;
        sync::write(&self.roles).finish_resilver(side)
    }
    /// One more side, which has nothing yet: begin to bring it up to date. Returns its number. Errors: `Busy` for too many, `Io`, `OutOfRange`.
    pub fn attach(&self, device: Arc<dyn BlockDevice>) -> Result<usize> {
        sync::write(&self.roles).attach(device)
    }

    /// Store something on every side that is written. Errors: the first one's, if no side that is in sync has it now.
    fn on_each(&self, store: &dyn Fn(&dyn BlockDevice) -> Result<()>) -> Result<()> {
        let (mut failed, mut stored, mut error) = (Vec::new(), false, None);
        // Until the marks are made: no repair is to take a side that lacks this for one in sync.
        let _shared = sync::read(&self.gate);
        {
            let roles = sync::read(&self.roles);
            for (index, side) in roles.written() {
                match store(&side.data) {
                    Ok(()) => stored |= roles.is_in_sync(index),
                    Err(failure) => {
                        count(&side.counts.write_errors);
                        failed.push(index);
                        error = error.or(Some(failure));
                    }
                }
            }
        }
        if !stored {
            return Err(error.unwrap_or(NO_SIDE));
        }
        if !failed.is_empty() {
            let mut roles = sync::write(&self.roles);
            roles.mark_out(&failed);
            // The side that had it went out meanwhile, and one that lacks it is the last.
            if failed.iter().any(|side| roles.is_in_sync(*side)) {
                return Err(error.unwrap_or(NO_SIDE));
            }
        }
        Ok(())
    }

    /// As `on_each`, for what changes content.
    fn change_each(&self, change: &dyn Fn(&dyn BlockDevice) -> Result<()>) -> Result<()> {
        let begun = sync::read(&self.roles).has_begun();
        if !begun {
            sync::write(&self.roles).begin()?;
        }
        self.on_each(change)
    }

    /// The answer of the first side that gives one, beginning with the one whose turn it is.
    fn on_one(&self, at: Pba, read: &mut dyn FnMut(&dyn BlockDevice) -> Result<()>) -> Result<()> {
        let roles = sync::read(&self.roles);
        let sides: Vec<&Side> = roles.in_sync().map(|(_, side)| side).collect();
        let first = (at.0 / TURN_BLOCKS) as usize % sides.len().max(1);
        let mut outcome = Err(NO_SIDE);
        for side in sides.iter().cycle().skip(first).take(sides.len()) {
            outcome = read(&side.data);
            if outcome.is_ok() {
                break;
            }
            count(&side.counts.read_errors);
        }
        outcome
    }
}

/// Cannot happen while one side is in sync, which the last one stays.
const NO_SIDE: Error = Error::Io { operation: "mirror (no side is left)", at: Pba(0), code: 0 };

impl BlockDevice for Mirror {
    fn blocks(&self) -> u64 {
        self.blocks
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        bounds::request(self.blocks, at, buffer.len())?;
        self.on_one(at, &mut |side| side.read(at, buffer))
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        bounds::request(self.blocks, at, data.len())?;
        self.change_each(&|side| side.write(at, data))
    }
    fn flush(&self) -> Result<()> {
        self.on_each(&|side| side.flush())?;
        if sync::read(&self.roles).is_saved() { Ok(()) } else { sync::write(&self.roles).save() }
    }
    fn discard(&self, run: Extent) -> Result<()> {
        bounds::run(self.blocks, run)?;
        // A hint: a side that does not take it lacks nothing.
        let _shared = sync::read(&self.gate);
        let roles = sync::read(&self.roles);
        let outcomes: Vec<Result<()>> = roles.written().map(|(_, side)| side.data.discard(run)).collect();
        outcomes.iter().find(|outcome| outcome.is_ok()).or(outcomes.first()).cloned().unwrap_or(Err(NO_SIDE))
    }
    fn read_many(&self, reads: &mut [(Pba, &mut [u8])]) -> Result<()> {
        reads
            .iter()
            .try_for_each(|(at, buffer)| bounds::request(self.blocks, *at, buffer.len()).map(drop))?;
        let first = reads.first().map_or(Pba(0), |(at, _)| *at);
        self.on_one(first, &mut |side| side.read_many(reads))
            .or_else(|_| reads.iter_mut().try_for_each(|(at, buffer)| self.read(*at, buffer)))
    }
    fn write_many(&self, writes: &[(Pba, &[u8])]) -> Result<()> {
        writes.iter().try_for_each(|(at, data)| bounds::request(self.blocks, *at, data.len()).map(drop))?;
        self.change_each(&|side| side.write_many(writes))
    }
    fn copies(&self) -> usize {
        sync::read(&self.roles).in_sync().count()
    }
    fn read_copy(&self, copy: usize, at: Pba, buffer: &mut [u8]) -> Result<()> {
        bounds::request(self.blocks, at, buffer.len())?;
        let roles = sync::read(&self.roles);
        let (mut last, mut sides) = (None, roles.in_sync());
        for _ in 0..=copy {
            last = sides.next().or(last);
        }
        let (_, side) = last.ok_or(NO_SIDE)?;
        side.data.read(at, buffer).inspect_err(|_| count(&side.counts.read_errors))
    }
    fn heal(&self, at: Pba, buffer: &mut [u8], is_sound: &mut dyn FnMut(&[u8]) -> bool) -> Result<Healed> {
        bounds::request(self.blocks, at, buffer.len())?;
        let mut failed = Vec::new();
        let _alone = sync::write(&self.gate);
        let healed = sync::read(&self.roles).heal(at, buffer, is_sound, &mut failed);
        if !failed.is_empty() {
            sync::write(&self.roles).mark_out(&failed);
        }
        healed
    }
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mirror({} blocks, {:?})", self.blocks, self.sides())
    }
}

#[cfg(test)]
mod label_tests;
#[cfg(test)]
mod tests;
