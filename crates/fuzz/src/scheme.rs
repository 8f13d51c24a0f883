//! A scheme with a few versions that share, one being dropped, damaged; then everything is asked and changed.
//!
//! Invariant: an answer stays inside the range asked for; if the checker passes what was opened, no operation finds damage.

use crate::bytes::Bytes;
use crate::sheet::Sheet;
use spinney_core::{DevId, Epoch, Error, Extent, Lba, LbaRange, Pba, Result};
use spinney_snap::{Access, Freed, SnapshotScheme, Work, WritePlan};
use spinney_snap_betree::{Betree, Settings};
use spinney_snap_caw::{Caw, Rule};
use spinney_snap_chain::Chain;
use spinney_snap_deadlist::DeadList;
use spinney_snap_eager::Eager;
use spinney_snap_flat::Flat;
use spinney_snap_gctree::{Encoding, GcTree};
use spinney_snap_keyver::KeyVersions;
use spinney_snap_refcount::{Keeping, RefCount};
use spinney_snap_snapmap::SnapMap;
use spinney_snap_time::Time;
use spinney_testkit::MemoryPages;
use std::collections::BTreeSet;
use std::sync::OnceLock;

const BLOCKS: u64 = 1200;

type Make = fn() -> Box<dyn SnapshotScheme>;

/// Where the next blocks go.
struct Next(u64);

impl Next {
    fn run(&mut self, blocks: u64) -> Extent {
        self.0 += blocks;
        Extent::new(Pba(self.0 - blocks), blocks)
    }
}

fn base(make: Make) -> Sheet {
    let (mut scheme, mut pages, mut freed, mut next) =
        (make(), MemoryPages::new(), Freed::default(), Next(50));
    let mut build = || -> Result<spinney_core::Root> {
        scheme.format(&mut pages)?;
        let dev = scheme.create(BLOCKS, &mut pages)?;
        let mut map = |scheme: &mut dyn SnapshotScheme, pages: &mut MemoryPages, dev, at, blocks| {
            scheme.map(dev, Lba(at), next.run(blocks), pages, &mut freed)
        };
        map(&mut *scheme, &mut pages, dev, 0, 40)?;
        map(&mut *scheme, &mut pages, dev, 1000, 9)?;
        let snapshot = scheme.snapshot(dev, Access::ReadOnly, &mut pages)?;
        map(&mut *scheme, &mut pages, dev, 3, 9)?;
        let clone = scheme.snapshot(snapshot, Access::Writable, &mut pages)?;
        map(&mut *scheme, &mut pages, clone, 600, 5)?;
        let gone = scheme.snapshot(dev, Access::ReadOnly, &mut pages)?;
        map(&mut *scheme, &mut pages, dev, 0, 24)?;
        scheme.delete(gone, &mut pages, &mut Freed::default())?;
        scheme.tend(2, &mut pages, &mut Freed::default())?;
        scheme.commit(Epoch(1), &mut pages)
    };
    let root = build().expect("room");
    Sheet::new(root.bytes(), pages)
}

pub(crate) fn flat(data: &[u8]) {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    let make: Make = || Box::new(Flat::new());
    run(make, BASE.get_or_init(|| base(make)), data);
}

pub(crate) fn refcount(data: &[u8]) {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    let make: Make = || Box::new(RefCount::new(8, true).expect("a lawful fanout"));
    run(make, BASE.get_or_init(|| base(make)), data);
}

/// With a log of so few changes that it has been folded, and has full pages besides.
pub(crate) fn refcount_log(data: &[u8]) {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    let make: Make = || {
        let scheme = RefCount::new(8, true).expect("a lawful fanout");
        Box::new(scheme.keeping(Keeping { log_changes: 7, range_steps: 0 }).expect("a lawful log"))
    };
    run(make, BASE.get_or_init(|| base(make)), data);
}

/// With ranges that have been cut.
pub(crate) fn refcount_ranges(data: &[u8]) {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    let make: Make = || {
        let scheme = RefCount::new(8, true).expect("a lawful fanout");
        Box::new(scheme.keeping(Keeping { log_changes: 0, range_steps: 5 }).expect("lawful ranges"))
    };
    run(make, BASE.get_or_init(|| base(make)), data);
}

/// As [`base`], but with a hidden anchor, clones of clones, and a deleted branch half gone through.
fn lineage(make: Make, tend: u64) -> Sheet {
    let (mut scheme, mut pages, mut freed, mut next) =
        (make(), MemoryPages::new(), Freed::default(), Next(50));
    let mut build = || -> Result<spinney_core::Root> {
        scheme.format(&mut pages)?;
        let dev = scheme.create(BLOCKS, &mut pages)?;
        let mut map = |scheme: &mut dyn SnapshotScheme, pages: &mut MemoryPages, dev, at, blocks| {
            scheme.map(dev, Lba(at), next.run(blocks), pages, &mut freed)
        };
        map(&mut *scheme, &mut pages, dev, 0, 40)?;
        let clone = scheme.snapshot(dev, Access::Writable, &mut pages)?;
        while scheme.tend(50, &mut pages, &mut Freed::default())?.left > 0 {}
        map(&mut *scheme, &mut pages, dev, 3, 9)?;
        map(&mut *scheme, &mut pages, clone, 600, 5)?;
        let gone = scheme.snapshot(clone, Access::ReadOnly, &mut pages)?;
        let branch = scheme.snapshot(gone, Access::Writable, &mut pages)?;
        map(&mut *scheme, &mut pages, branch, 602, 2)?;
        map(&mut *scheme, &mut pages, clone, 1, 30)?;
        scheme.snapshot(dev, Access::ReadOnly, &mut pages)?;
        map(&mut *scheme, &mut pages, dev, 1000, 9)?;
        scheme.delete(gone, &mut pages, &mut Freed::default())?;
        scheme.tend(tend, &mut pages, &mut Freed::default())?;
        scheme.commit(Epoch(1), &mut pages)
    };
    let root = build().expect("room");
    Sheet::new(root.bytes(), pages)
}

pub(crate) fn gct_e(data: &[u8]) {
    static BASE: OnceLock<[Sheet; 3]> = OnceLock::new();
    let make: Make = || Box::new(GcTree::new(Encoding::Epochs, 8, 12).expect("a lawful fanout"));
    run_lineage(make, BASE.get_or_init(|| [0, 5, 1000].map(|tend| lineage(make, tend))), data);
}

pub(crate) fn gct(data: &[u8]) {
    static BASE: OnceLock<[Sheet; 3]> = OnceLock::new();
    let make: Make = || Box::new(GcTree::new(Encoding::Bits, 8, 12).expect("a lawful fanout"));
    run_lineage(make, BASE.get_or_init(|| [0, 5, 1000].map(|tend| lineage(make, tend))), data);
}

pub(crate) fn gct_c(data: &[u8]) {
    static BASE: OnceLock<[Sheet; 3]> = OnceLock::new();
    let make: Make = || Box::new(GcTree::new(Encoding::Counted, 8, 0).expect("a lawful fanout"));
    run_lineage(make, BASE.get_or_init(|| [0, 5, 1000].map(|tend| lineage(make, tend))), data);
}

/// The first byte chooses how far the delete has come.
fn run_lineage(make: Make, bases: &[Sheet; 3], data: &[u8]) {
    let (first, rest) = data.split_first().unwrap_or((&0, &[]));
    run(make, &bases[usize::from(*first) % bases.len()], rest);
}

pub(crate) fn deadlist(data: &[u8]) {
    static BASE: OnceLock<[Sheet; 3]> = OnceLock::new();
    let make: Make = || Box::new(DeadList::new(8, true).expect("a lawful fanout"));
    run_lineage(make, BASE.get_or_init(|| [0, 5, 1000].map(|tend| lineage(make, tend))), data);
}

pub(crate) fn time(data: &[u8]) {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    let make: Make = || Box::new(Time::new(8, true).expect("a lawful fanout"));
    run(make, BASE.get_or_init(|| base(make)), data);
}

pub(crate) fn snapmap(data: &[u8]) {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    let make: Make = || Box::new(SnapMap::new(8).expect("a lawful fanout"));
    run(make, BASE.get_or_init(|| base(make)), data);
}

pub(crate) fn chain(data: &[u8]) {
    static BASE: OnceLock<[Sheet; 3]> = OnceLock::new();
    let make: Make = || Box::new(Chain::new(8, true, true).expect("a lawful fanout"));
    run_lineage(make, BASE.get_or_init(|| [0, 5, 1000].map(|tend| lineage(make, tend))), data);
}

/// All that the policy can do.
const RULE: Rule = Rule {
    unit_blocks: 16,
    theta: 0.25,
    deltas_max: 1,
    along: true,
    fold: true,
    read_seeks: 1,
    look_budget: 8,
    in_place: true,
};

pub(crate) fn caw(data: &[u8]) {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    let make: Make = || {
        let base = Box::new(RefCount::new(8, true).expect("a lawful fanout"));
        Box::new(Caw::new(base, RULE).expect("a lawful rule"))
    };
    run(make, BASE.get_or_init(|| base(make)), data);
}

pub(crate) fn caw_gct(data: &[u8]) {
    static BASE: OnceLock<[Sheet; 3]> = OnceLock::new();
    let make: Make = || {
        let base = GcTree::new(Encoding::Epochs, 8, 12).expect("a lawful fanout").offering_in_place();
        Box::new(Caw::new(Box::new(base), RULE).expect("a lawful rule"))
    };
    run_lineage(make, BASE.get_or_init(|| [0, 5, 1000].map(|tend| lineage(make, tend))), data);
}

pub(crate) fn keyver(data: &[u8]) {
    static BASE: OnceLock<[Sheet; 3]> = OnceLock::new();
    let make: Make = || Box::new(KeyVersions::new(true));
    run_lineage(make, BASE.get_or_init(|| [0, 5, 1000].map(|tend| lineage(make, tend))), data);
}

pub(crate) fn betree(data: &[u8]) {
    static BASE: OnceLock<[Sheet; 3]> = OnceLock::new();
    let make: Make = || {
        let settings = Settings { fanout: 20, goto_max: 3, hidden_percent: 10 };
        Box::new(Betree::new(settings).expect("lawful settings"))
    };
    run_lineage(make, BASE.get_or_init(|| [0, 5, 1000].map(|tend| lineage(make, tend))), data);
}

pub(crate) fn eager(data: &[u8]) {
    static BASE: OnceLock<[Sheet; 3]> = OnceLock::new();
    let make: Make = || Box::new(Eager::new(8, true).expect("a lawful fanout"));
    run_lineage(make, BASE.get_or_init(|| [0, 5, 1000].map(|tend| lineage(make, tend))), data);
}

fn run(make: Make, base: &Sheet, data: &[u8]) {
    let mut input = Bytes(data);
    let mut sheet = base.damaged(&mut input);
    let (root, pages) = (sheet.root(), &mut sheet.pages);
    let mut scheme = make();
    if scheme.open(&root, pages).is_err() {
        return;
    }
    let sound = is_sound(&*scheme, pages);
    let (mut freed, mut next) = (Freed::default(), Next(1 << 20));
    for _ in 0..20 {
        let done = operate(&mut *scheme, &mut input, pages, &mut freed, &mut next);
        if let Err(error @ Error::Corrupt { .. }) = done {
            assert!(!sound, "the checker passed it, and then: {error}");
        }
    }
    let committed = scheme.commit(Epoch(9), pages);
    assert!(!sound || committed.is_ok());
}

fn is_sound(scheme: &dyn SnapshotScheme, pages: &MemoryPages) -> bool {
    let (mut met, mut once, mut blocks, mut findings) = (BTreeSet::new(), true, Vec::new(), 0);
    let walked = scheme.visit_pages(pages, &mut |page| once &= met.insert(page));
    let owned = scheme.visit_blocks(pages, &mut |run| blocks.push(run));
    let checked = scheme.check(pages, &mut |_| findings += 1);
    blocks.sort_unstable();
    let disjoint = blocks.windows(2).all(|pair| pair[0].end() <= pair[1].start);
    walked.is_ok() && owned.is_ok() && checked.is_ok() && once && findings == 0 && disjoint
}

/// A version: one that there is, or one that there may not be.
fn choose(scheme: &dyn SnapshotScheme, input: &mut Bytes<'_>, pages: &MemoryPages) -> (DevId, u64) {
    let mut all = vec![(DevId(u64::from(input.byte() % 7)), BLOCKS)];
    let _ = scheme.versions(pages, &mut |version| all.push((version.dev, version.blocks)));
    all[input.below(all.len())]
}

fn range(input: &mut Bytes<'_>, blocks: u64) -> LbaRange {
    let start = match input.byte() % 4 {
        0 => 0,
        1 => blocks.saturating_sub(1 + u64::from(input.byte())),
        _ => u64::from(input.short()) % blocks.clamp(1, 1100),
    };
    LbaRange::new(Lba(start), (1 + u64::from(input.byte())).min(blocks.saturating_sub(start)))
}

fn operate(
    scheme: &mut dyn SnapshotScheme,
    input: &mut Bytes<'_>,
    pages: &mut MemoryPages,
    freed: &mut Freed,
    next: &mut Next,
) -> Result<()> {
    let (dev, blocks) = choose(scheme, input, pages);
    let range = range(input, blocks);
    match input.byte() % 12 {
        0 => lookup(scheme, dev, range, pages),
        1 => {
            let (other, _) = choose(scheme, input, pages);
            let inside = |at: Lba, blocks: u64| at >= range.start && at.0 + blocks <= range.end().0;
            let each = &mut |delta: spinney_snap::Delta| assert!(inside(delta.at, delta.blocks), "{delta:?}");
            scheme.diff(dev, other, range, pages, each)
        }
        2 => {
            scheme.latent_growth_blocks(dev, pages)?;
            scheme.usage(dev, pages)?;
            scheme.freed_by_deleting(&[dev], pages).map(drop)
        }
        3 => scheme.plan_write(dev, range, pages, &mut WritePlan::default()),
        4 | 5 if range.blocks > 0 => {
            scheme.pages_bound(Work::Map(dev, range), pages)?;
            scheme.map(dev, range.start, next.run(range.blocks), pages, freed)
        }
        6 => {
            scheme.pages_bound(Work::Unmap(dev, range), pages)?;
            scheme.unmap(dev, range, pages, freed)
        }
        7 => {
            scheme.pages_bound(Work::Snapshot(dev), pages)?;
            scheme
                .snapshot(dev, if blocks % 2 == 0 { Access::Writable } else { Access::ReadOnly }, pages)
                .map(drop)
        }
        8 => {
            scheme.pages_bound(Work::Delete(dev), pages)?;
            scheme.frees_bound(Work::Delete(dev), pages)?;
            scheme.delete(dev, pages, freed)
        }
        9 => {
            let budget = u64::from(input.byte());
            scheme.pages_bound(Work::Tend(budget), pages)?;
            scheme.frees_bound(Work::Tend(budget), pages)?;
            scheme.tend(budget, pages, freed)?;
            scheme.next_relocation(pages).map(drop)
        }
        10 => scheme.create(u64::from(input.short()), pages).map(drop),
        _ => scheme.commit(Epoch(8), pages).map(drop),
    }
}

fn lookup(scheme: &dyn SnapshotScheme, dev: DevId, range: LbaRange, pages: &MemoryPages) -> Result<()> {
    let mut next = range.start.0;
    scheme.lookup(dev, range, pages, &mut |run| {
        assert!(run.at.0 == next && next + run.blocks <= range.end().0, "{run:?} in {range:?}");
        next += run.blocks;
    })?;
    assert_eq!(next, range.end().0, "a lookup covers its range");
    Ok(())
}
