//! The limits: what is left of a write or a read if nothing but a checksum and a copy of 4 KiB had to be done, to plain
//! memory and by the memory device.
//!
//! Invariant: the far side of the copy is a random block of 1 GiB, as it is for the pool, so both miss the caches alike. The
//! checksum is the pool's own, at the same address.

use crate::clock::{Windows, timed, windows};
use crate::pool::{BLOCK, BLOCKS_OF_A_GIB};
use spinney_core::{BlockDevice, Pba};
use spinney_device::MemoryDevice;
use spinney_testkit::Dice;
use spinney_volume::{ChecksumKey, ChecksumKind};
use std::hint::black_box;

const OPERATIONS: u64 = 50_000;

/// Of writes and of reads.
pub(crate) struct Limits {
    pub(crate) write: Windows,
    pub(crate) read: Windows,
}

/// `access` copies a block there (`true`) or from there.
fn limits(kind: ChecksumKind, mut access: impl FnMut(u64, &mut [u8], bool)) -> Limits {
    let mut dice = Dice::new("limit", 1);
    let (key, mut near) = (ChecksumKey::PUBLIC, vec![2u8; BLOCK]);
    let mut side = |writes: bool| {
        windows(9, || {
            let order: Vec<u64> = (0..OPERATIONS).map(|_| dice.below(BLOCKS_OF_A_GIB)).collect();
            let time = timed(|| {
                for at in &order {
                    if writes {
                        near[0] = near[0].wrapping_add(1);
                        black_box(kind.sum(&key, Pba(*at), &near));
                    }
                    access(*at, &mut near, writes);
                    if !writes {
                        black_box(kind.sum(&key, Pba(*at), &near));
                    }
                }
            });
            (OPERATIONS, time)
        })
    };
    Limits { write: side(true), read: side(false) }
}

/// Plain memory.
pub(crate) fn of_memory(kind: ChecksumKind) -> Limits {
    let mut memory = vec![1u8; BLOCKS_OF_A_GIB as usize * BLOCK];
    limits(kind, |at, near, writes| {
        let far = &mut memory[at as usize * BLOCK..][..BLOCK];
        if writes { far.copy_from_slice(near) } else { near.copy_from_slice(far) }
    })
}

/// The memory device.
pub(crate) fn of_device(kind: ChecksumKind) -> Limits {
    let device = MemoryDevice::new(BLOCKS_OF_A_GIB);
    let piece = vec![1u8; 256 * BLOCK];
    for at in (0..BLOCKS_OF_A_GIB).step_by(256) {
        device.write(Pba(at), &piece).expect("write");
    }
    limits(kind, |at, near, writes| {
        let done = if writes { device.write(Pba(at), near) } else { device.read(Pba(at), near) };
        done.expect("in memory");
    })
}
