//! The laws of a free index for each of the family, the hybrids with caps so low that most of their life is spilled.

use spinney_alloc::{FreeIndex, IndexEntry};
use spinney_alloc_hybrid::{AVL, BTREE2, HYBRID, STUPID};
use spinney_core::{Setting, Settings};

fn built(entry: &IndexEntry, settings: &[(&str, Setting)]) -> Box<dyn FreeIndex> {
    let settings = settings.iter().fold(Settings::new(), |all, (name, value)| all.with(name, value.clone()));
    (entry.build)(&settings).expect("lawful settings")
}

fn hybrid(tree: &str, cap_runs: u64) -> Box<dyn FreeIndex> {
    built(&HYBRID, &[("tree", Setting::Word(tree.into())), ("cap_runs", Setting::Integer(cap_runs))])
}

/// Bounds so small that walks end in vain.
fn short_walks(on_miss: &str) -> Box<dyn FreeIndex> {
    let number = Setting::Integer;
    let settings = [
        ("walk_runs_max", number(2)),
        ("walk_blocks_max", number(50)),
        ("run_blocks_min", number(1)),
        ("free_percent_min", number(0)),
        ("on_miss", Setting::Word(on_miss.into())),
    ];
    built(&AVL, &settings)
}

spinney_testkit::index_laws!(avl, || built(&AVL, &[]));
spinney_testkit::index_laws!(avl_short_walks, || short_walks("advance"));
spinney_testkit::index_laws!(avl_cursor_stays, || short_walks("stay"));
spinney_testkit::index_laws!(btree2, || built(&BTREE2, &[]));
spinney_testkit::index_laws!(btree2_left_heavy, || built(&BTREE2, &[("weight_factor", Setting::Real(0.0))]));
spinney_testkit::index_laws!(stupid, || built(&STUPID, &[]));
spinney_testkit::index_laws!(hybrid_of_3, || hybrid("avl", 3));
spinney_testkit::index_laws!(hybrid_of_none, || hybrid("avl", 0));
spinney_testkit::index_laws!(hybrid_btree2_of_5, || hybrid("btree2", 5));
