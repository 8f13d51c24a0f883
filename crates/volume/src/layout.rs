//! Where things lie on a pool's device.
//!
//! Invariant: superblock slots, metadata area, log and data are disjoint and inside the device. Knows no content.

use spinney_core::{Error, Extent, Pba, Place, Result};

/// Blocks at the start that belong to the superblock slots and to what may yet come beside them.
pub(crate) const RESERVED_BLOCKS: u64 = 16;

/// The most blocks of an intent log (64 MiB): opening reads all of it into memory.
pub(crate) const LOG_BLOCKS_MAX: u64 = 1 << 14;

/// The parts of a device, in blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Blocks of the whole device.
    pub device_blocks: u64,
    /// The metadata area of the page store.
    pub area: Extent,
    /// The intent log; no blocks at block 0 if the pool has none.
    pub log: Extent,
    /// What the allocator manages.
    pub data: Extent,
}

/// Blocks of the largest device: 2^40 - 1 (4 PiB), which is what a slot of an index node can address.
pub(crate) const DEVICE_BLOCKS_MAX: u64 = (1 << 40) - 1;

/// How a pool without a log says so.
pub(crate) const NO_LOG: Extent = Extent { start: Pba(0), blocks: 0 };

impl Layout {
    /// The layout of a device with a metadata area of `metadata_blocks` and behind it a log of `log_blocks`, perhaps none. Errors:
    /// `NoSpace` if nothing is left for data, `OutOfRange` beyond 4 PiB, `BadSetting` for a log of more than 64 MiB.
    pub fn new(device_blocks: u64, metadata_blocks: u64, log_blocks: u64) -> Result<Layout> {
        if log_blocks > LOG_BLOCKS_MAX {
            return Err(Error::BadSetting("log_blocks: at most 16,384 (64 MiB)"));
        }
        if device_blocks > DEVICE_BLOCKS_MAX {
            return Err(Error::OutOfRange { start: 0, length: device_blocks, limit: DEVICE_BLOCKS_MAX });
        }
        let needed = metadata_blocks.saturating_add(RESERVED_BLOCKS + 1 + log_blocks);
        let refused = Error::NoSpace { needed, free: device_blocks };
        let log_start = RESERVED_BLOCKS.checked_add(metadata_blocks).ok_or(refused)?;
        let data_start = log_start.checked_add(log_blocks).ok_or(refused)?;
        let data_blocks = device_blocks.checked_sub(data_start).ok_or(refused)?;
        let area = Extent::checked(RESERVED_BLOCKS, metadata_blocks).ok_or(refused)?;
        let log = match log_blocks {
            0 => NO_LOG,
            blocks => Extent::checked(log_start, blocks).ok_or(refused)?,
        };
        let data = Extent::checked(data_start, data_blocks).ok_or(refused)?;
        Ok(Layout { device_blocks, area, log, data })
    }

    /// A layout as read from a superblock: it must fit the device and itself.
    pub(crate) fn verify(self, device_blocks: u64) -> Result<Layout> {
        if self.device_blocks > device_blocks {
            let what = "device (smaller than the pool was formatted on: is it the right one, and whole?)";
            return Err(Error::Corrupt { what, place: Place::Pool });
        }
        let whole =
            Extent { start: Pba(RESERVED_BLOCKS), blocks: device_blocks.saturating_sub(RESERVED_BLOCKS) };
        let sound = self.device_blocks <= DEVICE_BLOCKS_MAX
            && whole.contains(self.area)
            && whole.contains(self.data)
            && !self.area.overlaps(self.data)
            && self.has_sound_log(whole);
        sound.then_some(self).ok_or(Error::Corrupt { what: "layout", place: Place::Pool })
    }

    fn has_sound_log(&self, whole: Extent) -> bool {
        self.log == NO_LOG
            || (1..=LOG_BLOCKS_MAX).contains(&self.log.blocks)
                && whole.contains(self.log)
                && !self.log.overlaps(self.area)
                && !self.log.overlaps(self.data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_beyond_what_a_slot_can_address_is_refused() {
        assert!(Layout::new(DEVICE_BLOCKS_MAX, 1000, 0).is_ok());
        assert!(matches!(Layout::new(DEVICE_BLOCKS_MAX + 1, 1000, 0), Err(Error::OutOfRange { .. })));
    }
}
