//! Back references of some versions over a few commits, merged and not, damaged; then asked and changed.
//!
//! Invariant: an answer stays inside the blocks asked for; if the checker passes what was opened, no operation finds damage.

use crate::bytes::Bytes;
use crate::sheet::Sheet;
use spinney_backref::{BackReferences, BackrefOptions};
use spinney_core::{DevId, Error, Extent, Lba, Pba, Result};
use spinney_testkit::MemoryPages;
use std::collections::BTreeSet;
use std::sync::OnceLock;

const UNIVERSE: Extent = Extent { start: Pba(40), blocks: 9000 };
const OPTIONS: BackrefOptions = BackrefOptions { compact_commits: 3, partition_blocks: 4096, inherit: true };

fn base() -> &'static Sheet {
    static BASE: OnceLock<Sheet> = OnceLock::new();
    BASE.get_or_init(|| {
        let mut pages = MemoryPages::new();
        let mut build = || -> Result<spinney_core::Root> {
            let mut references = BackReferences::format(UNIVERSE, OPTIONS, &mut pages)?;
            references.create(DevId(0))?;
            let on = |at: u64| Extent::new(Pba(40 + at * 37 % 9000), 1);
            let mut root = references.commit(u64::MAX, &mut pages)?;
            for commit in 0..4u64 {
                for at in commit * 200..commit * 200 + 300 {
                    references.add(DevId(0), Lba(at), on(at))?;
                }
                references.add(DevId(0), Lba(5000), Extent::new(Pba(8000), 100 + commit))?;
                references.snapshot(DevId(0), DevId(10 + commit))?;
                references.clone_of(DevId(10 + commit), DevId(20 + commit))?;
                for at in commit * 200 + 200..commit * 200 + 300 {
                    references.remove(DevId(0), Lba(at), on(at))?;
                    references.remove(DevId(20 + commit), Lba(at), on(at))?;
                }
                references.remove(DevId(0), Lba(5000), Extent::new(Pba(8000), 100 + commit))?;
                root = references.commit(u64::MAX, &mut pages)?;
            }
            references.delete(DevId(12))?;
            Ok(references.commit(0, &mut pages).unwrap_or(root))
        };
        let root = build().expect("room");
        Sheet::new(root.bytes(), pages)
    })
}

pub(crate) fn run(data: &[u8]) {
    let mut input = Bytes(data);
    let mut sheet = base().damaged(&mut input);
    let (root, pages) = (sheet.root(), &mut sheet.pages);
    let Ok(mut references) = BackReferences::open(UNIVERSE, &root, OPTIONS, pages) else { return };
    let sound = is_sound(&references, pages);
    for turn in 0..12 {
        // A place that nothing has been at, so that what is told is what a pool could tell.
        let fresh = Lba(0x3fff_1230 + turn * 1000);
        if let Err(error @ Error::Corrupt { .. }) = operate(&mut references, &mut input, fresh, pages) {
            assert!(!sound, "the checker passed it, and then: {error}");
        }
    }
    let committed = references.commit(u64::MAX, pages);
    if sound {
        let root = committed.expect("the checker passed it");
        let opened = BackReferences::open(UNIVERSE, &root, OPTIONS, pages).expect("just written");
        assert!(is_sound(&opened, pages), "what a commit wrote is sound");
    }
}

fn is_sound(references: &BackReferences, pages: &MemoryPages) -> bool {
    let (mut met, mut once, mut findings) = (BTreeSet::new(), true, 0);
    let walked = references.visit_pages(pages, &mut |page| once &= met.insert(page));
    let checked = references.check(pages, &mut |_| findings += 1);
    walked.is_ok() && checked.is_ok() && once && findings == 0
}

fn operate(
    references: &mut BackReferences,
    input: &mut Bytes<'_>,
    fresh: Lba,
    pages: &mut MemoryPages,
) -> Result<()> {
    let dev = DevId([0, 10, 11, 12, 13, 20, 21, 22, 23, 30][input.below(10)]);
    let start = UNIVERSE.start.0 + input.below(9000) as u64;
    let blocks = (1 + u64::from(input.byte())).min(UNIVERSE.end().0 - start);
    let on = Extent::new(Pba(start), blocks);
    match input.byte() % 10 {
        0..=2 => ask(references, on, pages),
        3 => ask(references, UNIVERSE, pages),
        4 => references.add(dev, fresh, on),
        5 => references.snapshot(dev, DevId(100 + u64::from(input.byte()))),
        6 => references.clone_of(dev, DevId(400 + u64::from(input.byte()))),
        7 => references.delete(dev),
        _ => {
            let _ = references.pages_bound(u64::from(input.short()), 1);
            references.commit(u64::from(input.byte()) * 8, pages).map(drop)
        }
    }
}

fn ask(references: &BackReferences, on: Extent, pages: &MemoryPages) -> Result<()> {
    let mut last = None;
    let each = &mut |owner: spinney_backref::Owner| {
        assert!(on.contains(Extent::new(owner.on, 1)), "{owner:?} in {on:?}");
        assert!(last.replace(owner).is_none_or(|last| last < owner), "owners in order, each once");
    };
    references.owners(on, pages, each).map(drop)
}
