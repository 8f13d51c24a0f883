//! The scheme laws over two bases, with units of a few blocks.

use spinney_snap::SnapshotScheme;
use spinney_snap_caw::{Caw, Rule};
use spinney_snap_gctree::{Encoding, GcTree};
use spinney_snap_refcount::RefCount;
use spinney_testkit::scheme_laws;

const RULE: Rule = Rule { unit_blocks: 7, deltas_max: 1, ..Rule::DEFAULT };

fn counts(rule: Rule) -> Box<dyn SnapshotScheme> {
    let base = RefCount::new(3, true).expect("a fanout that a page holds");
    Box::new(Caw::new(Box::new(base), rule).expect("a rule"))
}

fn epochs(rule: Rule) -> Box<dyn SnapshotScheme> {
    let base = GcTree::new(Encoding::Epochs, 3, 12).expect("a fanout that a page holds").offering_in_place();
    Box::new(Caw::new(Box::new(base), rule).expect("a rule"))
}

scheme_laws!(background_over_counts, || counts(RULE));
scheme_laws!(along_in_place_and_folded_over_counts, || {
    counts(Rule { along: true, in_place: true, fold: true, ..RULE })
});
scheme_laws!(background_over_epochs, || epochs(RULE));
scheme_laws!(by_reads_alone_over_epochs, || epochs(Rule { theta: 2.0, read_seeks: 2, ..RULE }));
