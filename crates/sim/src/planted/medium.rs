//! Devices that put blocks in the wrong place, in part, or too late.
//!
//! Invariant: what is not named in a fault passes unchanged; what is held back is read as if it were there.

use spinney_core::{BLOCK_BYTES, BlockDevice, Extent, Pba, Result};
use spinney_volume::{SUPERBLOCK_SLOTS, Superblock};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Twist {
    /// Data is sent to the device only after the superblock.
    DataAfterSuperblock,
    /// A superblock is sent with the next one.
    SuperblockLate,
    /// Map pages have one slot.
    OneMapSlot,
    /// One write in forty lands a block further on.
    Misdirects,
    /// Of one write in forty, only the first sector is stored.
    Tears,
    /// One read in forty brings what was there before.
    ReadsStale,
}

/// Map pages of the first chunk of the page store's area, whose second slots follow the first.
const MAP_SLOTS: u64 = 6;
const AREA_START: u64 = 16;
const SECTOR_BYTES: usize = 512;

#[derive(Default)]
struct State {
    held: BTreeMap<Pba, Vec<u8>>,
    before: BTreeMap<Pba, Vec<u8>>,
    /// Where data begins, once a superblock has told.
    data: Option<Pba>,
    after_superblock: bool,
    requests: u64,
}

pub(super) struct Medium {
    device: Arc<dyn BlockDevice>,
    twist: Twist,
    state: Mutex<State>,
}

impl Medium {
    pub(super) fn plant(device: Arc<dyn BlockDevice>, twist: Twist) -> Arc<dyn BlockDevice> {
        Arc::new(Medium { device, twist, state: Mutex::default() })
    }
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Every fortieth time.
    fn fortieth(&self) -> bool {
        let mut state = self.state();
        state.requests += 1;
        state.requests.is_multiple_of(40)
    }
    fn place(&self, at: Pba) -> Pba {
        let second = AREA_START + MAP_SLOTS..AREA_START + 2 * MAP_SLOTS;
        let moved = self.twist == Twist::OneMapSlot && second.contains(&at.0);
        if moved { Pba(at.0 - MAP_SLOTS) } else { at }
    }
    /// Send what was held back.
    fn send_held(&self) -> Result<()> {
        let held = std::mem::take(&mut self.state().held);
        held.iter().try_for_each(|(at, block)| self.device.write(*at, block))
    }
    /// Whether the write is held back.
    fn holds(&self, at: Pba, data: &[u8]) -> Result<bool> {
        let superblock = SUPERBLOCK_SLOTS.iter().position(|slot| *slot == at);
        if let Some(slot) = superblock {
            let found = Superblock::decode(data, slot).ok().map(|found| found.layout.data.start);
            let mut state = self.state();
            state.data = found.or(state.data);
        }
        let held = match self.twist {
            Twist::DataAfterSuperblock => self.state().data.is_some_and(|data| at >= data),
            Twist::SuperblockLate if superblock.is_some() => {
                self.send_held()?;
                true
            }
            _ => false,
        };
        let mut state = self.state();
        state.after_superblock = superblock.is_some();
        if held {
            let blocks = (at.0..).map(Pba).zip(data.chunks_exact(BLOCK_BYTES));
            state.held.extend(blocks.map(|(at, block)| (at, block.to_vec())));
        }
        Ok(held)
    }
    fn remember(&self, at: Pba, data: &[u8]) -> Result<()> {
        let mut old = vec![0; data.len()];
        self.device.read(at, &mut old)?;
        let blocks = (at.0..).map(Pba).zip(old.chunks_exact(BLOCK_BYTES));
        self.state().before.extend(blocks.map(|(at, block)| (at, block.to_vec())));
        Ok(())
    }
}

fn fill(at: Pba, buffer: &mut [u8], from: &BTreeMap<Pba, Vec<u8>>) {
    for (at, block) in (at.0..).map(Pba).zip(buffer.chunks_exact_mut(BLOCK_BYTES)) {
        if let Some(other) = from.get(&at) {
            block.copy_from_slice(other);
        }
    }
}

impl BlockDevice for Medium {
    fn blocks(&self) -> u64 {
        self.device.blocks()
    }
    fn read(&self, at: Pba, buffer: &mut [u8]) -> Result<()> {
        self.device.read(self.place(at), buffer)?;
        if self.twist == Twist::ReadsStale && self.fortieth() {
            fill(at, buffer, &self.state().before);
        }
        fill(at, buffer, &self.state().held);
        Ok(())
    }
    fn write(&self, at: Pba, data: &[u8]) -> Result<()> {
        if self.holds(at, data)? {
            return Ok(());
        }
        match self.twist {
            Twist::Misdirects
                if self.fortieth() && at.0 + 1 + (data.len() / BLOCK_BYTES) as u64 <= self.blocks() =>
            {
                self.device.write(Pba(at.0 + 1), data)
            }
            Twist::Tears if self.fortieth() => {
                let mut torn = vec![0; data.len()];
                self.device.read(at, &mut torn)?;
                torn[..SECTOR_BYTES].copy_from_slice(&data[..SECTOR_BYTES]);
                self.device.write(at, &torn)
            }
            Twist::ReadsStale => {
                self.remember(at, data)?;
                self.device.write(at, data)
            }
            _ => self.device.write(self.place(at), data),
        }
    }
    fn flush(&self) -> Result<()> {
        if self.twist == Twist::DataAfterSuperblock && self.state().after_superblock {
            self.send_held()?;
        }
        self.device.flush()
    }
    fn discard(&self, run: Extent) -> Result<()> {
        self.device.discard(run)
    }
}
