//! A directory tree whose files are maps of <offset, (block, length)>: the shape of every file system.
//!
//! Invariant: names and extents are two maps that change in one epoch, so a power cut leaves both as they were or both as
//! they are. The tree is in `tree`; this file shows it at work.
#![expect(clippy::print_stdout, reason = "an example prints what it shows")]

mod tree;

use spinney_core::{Extent, Pba, Result};
use spinney_device::MemoryDevice;
use spinney_pages::{PageStore, StoreOptions};
use std::sync::Arc;
use tree::{Kind, ROOT, Tree};

fn main() -> Result<()> {
    let area = [Extent::new(Pba(0), 4096)];
    let mut store = PageStore::format(Arc::new(MemoryDevice::new(4096)), &area, StoreOptions::default())?;
    let mut tree = Tree::create(&mut store)?;
    let src = tree.make(Kind::Directory, "/src", &mut store)?.unwrap_or(ROOT);
    tree.make(Kind::Directory, "/src/map", &mut store)?;
    let file = tree.make(Kind::File, "/src/lib.rs", &mut store)?.unwrap_or(ROOT);
    println!("/        {:?}\n/src     {:?}", tree.list(ROOT, &store)?, tree.list(src, &store)?);
    println!(
        "walk /src/lib.rs = {:?}, /src/main.rs = {:?}",
        tree.walk("/src/lib.rs", &store)?,
        tree.walk("/src/main.rs", &store)?
    );
    tree.write(file, 0, 4, &mut store)?;
    tree.write(file, 4, 6, &mut store)?;
    println!("two writes in a row merge:      {:?}", tree.extents(file, 0, u64::MAX, &store)?);
    let freed = tree.write(file, 3, 2, &mut store)?;
    println!("an overwrite splits:            {:?}", tree.extents(file, 0, u64::MAX, &store)?);
    println!("  and gives blocks up:          {freed:?}");
    println!(
        "block 4 is at {:?}, block 99 at {:?}",
        tree.read(file, 4, &store)?,
        tree.read(file, 99, &store)?
    );
    println!("removing /src (not empty):      {:?}", tree.remove("/src", &mut store)?);
    println!("removing /src/lib.rs gives up:  {:?}", tree.remove("/src/lib.rs", &mut store)?);
    Ok(())
}

#[cfg(test)]
mod tests;
