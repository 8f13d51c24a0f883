//! One stalled reader: the space grows by what each commit frees, until it leaves (LMDB's manual; claim R33).

use spinney_alloc::{Allocator, Want};
use spinney_alloc_freelist::FreeList;
use spinney_core::{Epoch, Extent, Pba, Result};
use spinney_device::MemoryDevice;
use spinney_pages::{PageStore, StoreOptions};
use std::sync::Arc;

fn main() -> Result<()> {
    let device = Arc::new(MemoryDevice::new(100_000));
    let mut pages = PageStore::format(device, &[Extent::new(Pba(0), 1000)], StoreOptions::default())?;
    let mut space = FreeList::new(60);
    space.format(Extent::new(Pba(1000), 99_000), &mut pages)?;
    let mut live: Option<Extent> = None;
    for round in 1..=12 {
        let mut grant = space.reserve(100)?;
        let fresh = space.allocate(&Want::exactly(100), &mut grant, &pages)?;
        space.settle(grant);
        live.replace(fresh).map_or(Ok(()), |old| space.release(old, &pages))?;
        let epoch = pages.epoch().next();
        space.commit(epoch, &mut pages)?;
        pages.seal(epoch)?;
        pages.committed(epoch);
        let reader = (4..9).contains(&round).then_some(Epoch(3));
        space.committed(epoch, reader);
        let note = if reader.is_some() { "a reader of epoch 3" } else { "" };
        eprintln!("commit {round:2}: {:5} blocks used {note}", space.used_blocks());
    }
    Ok(())
}
