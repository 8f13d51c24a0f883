//! Long chains of hidden layers: who sees what is still told rightly.

use spinney_core::{Extent, Lba, LbaRange, Pba};
use spinney_snap::{Access, Freed, SnapshotScheme, Work};
use spinney_snap_chain::Chain;
use spinney_testkit::MemoryPages;

/// Clones of one volume, each of which lies on a hidden layer of its own.
const CLONES: u64 = 400;

#[test]
fn a_volume_with_hundreds_of_clones_is_written_and_let_go_of() {
    let mut scheme = Chain::new(506, false, false).expect("a fanout");
    let (mut pages, mut freed) = (MemoryPages::new(), Freed::default());
    scheme.format(&mut pages).expect("format");
    let volume = scheme.create(8, &mut pages).expect("create");
    let write = |scheme: &mut Chain, pages: &mut MemoryPages, freed: &mut Freed, dev, on| {
        scheme.map(dev, Lba(3), Extent::new(Pba(on), 1), pages, freed).expect("map");
    };
    write(&mut scheme, &mut pages, &mut freed, volume, 0);
    let clones: Vec<_> =
        (0..CLONES).map(|_| scheme.snapshot(volume, Access::Writable, &mut pages).expect("clone")).collect();
    for (clone, on) in clones.iter().zip(1..) {
        write(&mut scheme, &mut pages, &mut freed, *clone, on);
    }
    assert!(freed.runs().is_empty(), "the volume still sees it");
    write(&mut scheme, &mut pages, &mut freed, volume, CLONES + 1);
    assert_eq!(freed.runs(), [Extent::new(Pba(0), 1)], "the last that saw it sees another");
    assert_eq!(scheme.usage(volume, &pages).expect("usage").exclusive_blocks, 1);
}

#[test]
fn hidden_layers_that_have_nothing_there_count_for_nothing() {
    let bounds = |clones: u64| {
        let mut scheme = Chain::new(8, false, false).expect("a fanout");
        let (mut pages, mut freed) = (MemoryPages::new(), Freed::default());
        scheme.format(&mut pages).expect("format");
        let volume = scheme.create(64, &mut pages).expect("create");
        for clone in 0..clones {
            let on = Extent::new(Pba(clone), 1);
            scheme.map(volume, Lba(60), on, &mut pages, &mut freed).expect("map");
            scheme.snapshot(volume, Access::Writable, &mut pages).expect("clone");
        }
        let work = Work::Map(volume, LbaRange::new(Lba(0), 2));
        let frees = scheme.frees_bound(work, &pages).expect("a bound");
        (scheme.pages_bound(work, &pages).expect("a bound"), frees)
    };
    let (few, many) = (bounds(3), bounds(300));
    assert!(many.0 <= few.0 + 3, "{} pages with 3 layers behind, {} with 300", few.0, many.0);
    assert_eq!((few.1, many.1), (2, 2));
}
