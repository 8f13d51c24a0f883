//! Page bounds where the pool says how many blocks there are: the laws do not.

use spinney_core::{Extent, Lba, LbaRange, PageKind, PageTxn, Pba};
use spinney_snap::{Freed, SnapshotScheme, Work};
use spinney_snap_snapmap::SnapMap;
use spinney_testkit::MemoryPages;

/// Blocks on a page of bits.
const BITS: u64 = 4056 * 8;
const PAGES: u64 = 40;

/// Each block of the volume is the only one on its page of bits, and moves to the next place there.
#[test]
fn a_page_of_bits_that_goes_and_comes_back_is_within_the_bound() {
    let (mut scheme, mut pages, mut freed) =
        (SnapMap::new(64).unwrap(), MemoryPages::new(), Freed::default());
    // Low numbers, free again before the write: what comes back comes back under another number.
    let low: Vec<_> = (0..2 * PAGES).map(|_| pages.alloc(PageKind::OTHER).unwrap()).collect();
    scheme.blocks_end(Pba(PAGES * BITS));
    scheme.format(&mut pages).unwrap();
    let volume = scheme.create(PAGES, &mut pages).unwrap();
    let mut write = |by: u64, scheme: &mut SnapMap, pages: &mut MemoryPages| {
        for at in 0..PAGES {
            let on = Extent::new(Pba(at * BITS + by), 1);
            scheme.map(volume, Lba(at), on, pages, &mut freed).unwrap();
        }
    };
    write(0, &mut scheme, &mut pages);
    low.into_iter().for_each(|page| pages.free(page, PageKind::OTHER).unwrap());
    let bound = scheme.pages_bound(Work::Map(volume, LbaRange::new(Lba(0), PAGES)), &pages).unwrap();
    pages.seal();
    write(1, &mut scheme, &mut pages);
    let touched = pages.seal();
    assert!(touched <= bound, "{touched} pages, the bound was {bound}");
}
