//! `[volume] free_space`: the disk that a case begins with.
//!
//! Invariant: a disk leaves here only if it lies in the data area and the pool has no checksums to give to what is on it.

use super::planner::Planner;
use super::volume::DEVICE_BLOCKS_MAX;
use crate::case::free_space;
use crate::config::{Origin, format_bytes};
use spinney_core::BLOCK_BYTES;
use spinney_import::FreeState;
use spinney_volume::{ChecksumKind, PoolOptions};
use std::sync::Arc;

const BLOCK: u64 = BLOCK_BYTES as u64;

impl Planner<'_> {
    /// The free space in a file of the library. Each is read once for each seed, or once if the seed does not matter.
    pub(super) fn free_space(
        &mut self,
        name: &str,
        seed: u64,
        options: &PoolOptions,
        origin: Option<Origin>,
    ) -> Option<Arc<FreeState>> {
        if options.checksums != ChecksumKind::None {
            let message = "`volume.free_space` cannot go with data checksums: what the blocks of that disk hold is not known".to_owned();
            self.complain(message, origin, Some("add `checksums = \"none\"` to [volume]".to_owned()));
            return None;
        }
        if options.placement != PoolOptions::default().placement {
            let message = "`volume.free_space` needs the metadata in its own area: it must not lie where that disk was in use".to_owned();
            self.complain(message, origin, Some("remove `metadata` from [volume]".to_owned()));
            return None;
        }
        if let Some(known) = self.free_spaces.get(&(name.to_owned(), seed)) {
            return Some(known.clone());
        }
        let read = self.experiment.library.find(name).and_then(|path| free_space(&path, seed));
        match read {
            Ok(state) => {
                let state = Arc::new(state);
                self.free_spaces.insert((name.to_owned(), seed), state.clone());
                Some(state)
            }
            Err(message) => {
                let help = "a text of dumpe2fs, e2freefrag, xfs_db or xfs_spaceman freesp, btrfs dump-tree -t 10 or BlueStore's allocator \
                            dump, or a raw image of ext4, XFS or BTRFS, below the config's folder or configs/";
                self.complain(message, origin, Some(help.to_owned()));
                None
            }
        }
    }

    /// The imported disk must lie in the data area; what the area has beyond it counts as in use.
    pub(super) fn fit_imported(
        &mut self,
        state: &FreeState,
        device_blocks: u64,
        options: &PoolOptions,
        origin: Option<Origin>,
    ) -> Option<()> {
        let data = options.layout(device_blocks).map_or(0, |layout| layout.data.blocks);
        if state.total_blocks <= data {
            return Some(());
        }
        let [disk, room] =
            [state.total_blocks, data].map(|blocks| format_bytes(blocks.saturating_mul(BLOCK)));
        let message = format!("the disk of `volume.free_space` has {disk}, the device {room} for data");
        self.complain(message, origin, Some("raise `device_size`, or leave it out".to_owned()));
        None
    }
}

/// The smallest device that has so many blocks for data.
pub(super) fn device_for(data_blocks: u64, options: &PoolOptions) -> u64 {
    let mut device_blocks = data_blocks;
    while device_blocks <= DEVICE_BLOCKS_MAX {
        let data = options.layout(device_blocks).map_or(0, |layout| layout.data.blocks);
        match data_blocks.checked_sub(data) {
            None | Some(0) => break,
            Some(missing) => device_blocks += missing,
        }
    }
    device_blocks
}
