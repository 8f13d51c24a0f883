//! Where things lie on a pool's device.
//!
//! Invariant: superblock slots, metadata area and data are disjoint and inside the device. Knows no content.

use spinney_core::{Error, Extent, Pba, Place, Result};

/// Blocks at the start that belong to the superblock slots and to what may yet come beside them.
pub(crate) const RESERVED_BLOCKS: u64 = 16;

/// The three parts of a device, in blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Blocks of the whole device.
    pub device_blocks: u64,
    /// The metadata area of the page store.
    pub area: Extent,
    /// What the allocator manages.
    pub data: Extent,
}

/// Blocks of the largest device: 2^40 - 1 (4 PiB), which is what a slot of an index node can address.
pub(crate) const DEVICE_BLOCKS_MAX: u64 = (1 << 40) - 1;

impl Layout {
    /// The layout of a device with a metadata area of `metadata_blocks`. Errors: `NoSpace` if nothing is left for data,
    /// `OutOfRange` beyond 4 PiB.
    pub fn new(device_blocks: u64, metadata_blocks: u64) -> Result<Layout> {
        if device_blocks > DEVICE_BLOCKS_MAX {
            return Err(Error::OutOfRange { start: 0, length: device_blocks, limit: DEVICE_BLOCKS_MAX });
        }
        let needed = metadata_blocks.saturating_add(RESERVED_BLOCKS + 1);
        let refused = Error::NoSpace { needed, free: device_blocks };
        let data_start = RESERVED_BLOCKS.checked_add(metadata_blocks).ok_or(refused)?;
        let data_blocks = device_blocks.checked_sub(data_start).ok_or(refused)?;
        let area = Extent::checked(RESERVED_BLOCKS, metadata_blocks).ok_or(refused)?;
        let data = Extent::checked(data_start, data_blocks).ok_or(refused)?;
        Ok(Layout { device_blocks, area, data })
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
            && !self.area.overlaps(self.data);
        sound.then_some(self).ok_or(Error::Corrupt { what: "layout", place: Place::Pool })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_beyond_what_a_slot_can_address_is_refused() {
        assert!(Layout::new(DEVICE_BLOCKS_MAX, 1000).is_ok());
        assert!(matches!(Layout::new(DEVICE_BLOCKS_MAX + 1, 1000), Err(Error::OutOfRange { .. })));
    }
}
