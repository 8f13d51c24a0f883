//! Versions that come, stay and go: the laws of every stream hold for them too.
//!
//! Invariant: seeds are fixed. Knows only the public face of the crate.

use crate::common::{check_laws, integer, ops_of, word};
use spinney_core::Setting::{Real, Switch};

#[test]
fn every_stream_of_versions_keeps_the_laws() {
    let clones = vec![
        ("rounds", integer(5)),
        ("round_writes", integer(40)),
        ("take", integer(3)),
        ("keep", integer(4)),
        ("clones", Switch(true)),
        ("delete_from", integer(3)),
        ("delete_order", word("random")),
        ("read_share", Real(0.3)),
        ("scan", Switch(true)),
        ("settle", Switch(true)),
    ];
    let aged = vec![
        ("rounds", integer(3)),
        ("quiet", integer(1)),
        ("version_writes", integer(9)),
        ("spots", integer(4)),
        ("age", integer(2)),
        ("holes", integer(90)),
    ];
    let star = vec![
        ("rounds", integer(3)),
        ("clones", Switch(true)),
        ("from_origin", Switch(true)),
        ("fill", Real(0.0)),
    ];
    for pairs in [clones, aged, star] {
        for seed in 1..4 {
            check_laws(
                &ops_of("snapshots", 16_384, seed, &pairs),
                16_384 * 4096,
                &format!("{pairs:?}, seed {seed}"),
            );
        }
    }
}
