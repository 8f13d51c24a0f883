//! The law of damaged pages: single flipped bits under a scheme, without a store's checksums in between.
//!
//! Invariant: each bit is flipped in a copy; the answer may be an error or wrong content inside the asked range, never a
//! panic, a hang or an answer outside the range. Knows no scheme's format.

use crate::MemoryPages;
use crate::scheme_life::{SchemeFactory, SchemeLife};
use spinney_core::{
    DevId, Epoch, Extent, Lba, LbaRange, PAYLOAD_BYTES, PageKind, PageNo, PageRead, PageTxn, Pba, Root,
};
use spinney_snap::{Access, Freed, SnapshotScheme, Work, WritePlan};

const BLOCKS: u64 = 24;

/// A few versions that share, one being dropped.
fn pool(make: SchemeFactory) -> (SchemeLife, Root) {
    let mut life = SchemeLife::new(make, "a_flipped_bit_is_an_error_or_harmless", 0);
    let dev = life.create(BLOCKS);
    life.write(dev, LbaRange::new(Lba(0), 20));
    let snapshot = life.snapshot(dev, Access::ReadOnly);
    life.write(dev, LbaRange::new(Lba(3), 9));
    let other = life
        .snapshot(snapshot, if life.scheme.limits().clones { Access::Writable } else { Access::ReadOnly });
    life.write(dev, LbaRange::new(Lba(8), 9));
    let gone = life.snapshot(dev, Access::ReadOnly);
    life.write(dev, LbaRange::new(Lba(0), 24));
    life.delete(gone);
    life.tend(2);
    life.audit();
    let root = life.commit();
    assert!(other > snapshot);
    (life, root)
}

/// Ask everything. What it answers is not looked at, except that it stays inside the range.
fn ask(scheme: &dyn SnapshotScheme, pages: &MemoryPages, devs: &[DevId]) {
    let range = LbaRange::new(Lba(2), BLOCKS - 4);
    let inside = |at: Lba, blocks: u64| at >= range.start && at.0 + blocks <= range.end().0;
    for dev in devs {
        let mut next = range.start.0;
        let done = scheme.lookup(*dev, range, pages, &mut |run| {
            assert!(run.at.0 == next && inside(run.at, run.blocks), "{run:?} outside {range:?}");
            next += run.blocks;
        });
        assert!(done.is_err() || next == range.end().0, "a lookup that succeeds covers its range");
        let _ = scheme.usage(*dev, pages);
        let _ = scheme.latent_growth_blocks(*dev, pages);
        let _ = scheme.version(*dev, pages);
        let _ = scheme.plan_write(*dev, range, pages, &mut WritePlan::default());
        for other in devs {
            let each = &mut |delta: spinney_snap::Delta| assert!(inside(delta.at, delta.blocks), "{delta:?}");
            let _ = scheme.diff(*dev, *other, range, pages, each);
        }
    }
    let _ = scheme.versions(pages, &mut |_| ());
    let _ = scheme.visit_blocks(pages, &mut |_| ());
    let _ = scheme.visit_pages(pages, &mut |_| ());
    let _ = scheme.check(pages, &mut |_| ());
}

/// Change everything, in copies.
fn act(scheme: &mut dyn SnapshotScheme, damaged: &MemoryPages, devs: &[DevId]) {
    let mut freed = Freed::default();
    let mut pages = damaged.clone();
    pages.limit = Some(2000);
    for dev in devs {
        let _ = scheme.pages_bound(Work::Map(*dev, LbaRange::new(Lba(4), 6)), &pages);
        let _ = scheme.map(*dev, Lba(4), Extent::new(Pba(900), 6), &mut pages, &mut freed);
        let _ = scheme.unmap(*dev, LbaRange::new(Lba(1), 5), &mut pages, &mut freed);
        let _ = scheme.snapshot(*dev, Access::ReadOnly, &mut pages);
    }
    let _ = scheme.create(10, &mut pages);
    let _ = scheme.next_relocation(&pages);
    for dev in devs {
        let _ = scheme.pages_bound(Work::Delete(*dev), &pages);
        let _ = scheme.delete(*dev, &mut pages, &mut freed);
    }
    let _ = scheme.pages_bound(Work::Tend(30), &pages);
    for _ in 0..4 {
        let _ = scheme.tend(30, &mut pages, &mut freed);
    }
    let _ = scheme.commit(Epoch(9), &mut pages);
}

/// Bytes to damage: all that are used, some beyond.
fn places(bytes: &[u8; PAYLOAD_BYTES]) -> Vec<usize> {
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 9).min(PAYLOAD_BYTES);
    (0..PAYLOAD_BYTES)
        .filter(|at| at % 509 == 0 || *at < used && (bytes[*at] != 0 || at % 8 < 2 || at % 37 == 0))
        .collect()
}

fn flip(pages: &MemoryPages, (page, kind): (PageNo, PageKind), at: usize, bit: u32) -> MemoryPages {
    let mut damaged = pages.view();
    damaged.edit(page, kind).expect("a live page")[at] ^= 1 << bit;
    damaged
}

/// Each bit of what the pages hold.
pub fn a_flipped_bit_is_an_error_or_harmless(make: SchemeFactory) {
    let (life, root) = pool(make);
    let devs: Vec<DevId> = life.model.versions.keys().copied().collect();
    for place in life.pages.live() {
        let bytes = life.pages.read(place.0, place.1).expect("a live page");
        for at in places(&bytes) {
            for bit in 0..8 {
                let damaged = flip(&life.pages, place, at, bit);
                let mut scheme = make();
                if scheme.open(&root, &damaged).is_ok() {
                    ask(scheme.as_ref(), &damaged, &devs);
                    act(scheme.as_mut(), &damaged, &devs);
                }
            }
        }
    }
    for bit in 0..root.bytes().len() * 8 {
        let mut bytes = root.bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let mut scheme = make();
        if scheme.open(&Root::new(&bytes), &life.pages).is_ok() {
            ask(scheme.as_ref(), &life.pages, &devs);
        }
    }
}
