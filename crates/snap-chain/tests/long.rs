//! Long chains of hidden layers: who sees what is still told rightly.

use spinney_core::{Extent, Lba, Pba};
use spinney_snap::{Access, Freed, SnapshotScheme};
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
