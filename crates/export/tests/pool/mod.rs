//! A small pool to serve.
//!
//! Invariant: volume `a` has 64 blocks, of which the first eight hold 7; `a@1` is a snapshot of that, and both are flushed.

use spinney_alloc::{Composed, reclaim::AtCommit};
use spinney_alloc_bitmap::{BitmapForm, BitmapIndex};
use spinney_device::MemoryDevice;
use spinney_snap_refcount::RefCount;
use spinney_volume::{Name, Parts, Pool, PoolOptions};
use std::sync::Arc;

fn parts() -> Parts {
    let (index, form) = (Box::new(BitmapIndex::default()), Box::new(BitmapForm::default()));
    let allocator = Box::new(Composed::new(index, form, Box::new(AtCommit)));
    let scheme = Box::new(RefCount::new(506, false).unwrap());
    Parts { allocator, scheme, description: String::new() }
}

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn formatted(device: Arc<MemoryDevice>) -> Pool {
    let mut pool = Pool::format(device, parts(), PoolOptions::default()).unwrap();
    let volume = pool.create_named(&name("a"), 64, 0).unwrap();
    pool.write(volume, 0, &[7; 8 * 4096]).unwrap();
    pool.snapshot_as(&name("a@1"), 0).unwrap();
    pool.flush().unwrap();
    pool
}

/// The pool as it would be if the power went now.
pub(crate) fn after_a_power_cut(device: &MemoryDevice) -> (Arc<MemoryDevice>, Pool) {
    let copy = Arc::new(device.clone());
    let pool = Pool::open(copy.clone(), PoolOptions::default(), &|_| Ok(parts())).unwrap();
    (copy, pool)
}
