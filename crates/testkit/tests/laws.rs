//! The laws, tried on parts that are obviously right: a law that fails here is itself wrong.

use spinney_alloc::reclaim::AtCommit;
use spinney_alloc::{Allocator, Composed, FreeIndex, SpaceForm};
use spinney_snap::SnapshotScheme;
use spinney_testkit::{DumpForm, FirstFit, ListScheme};

fn first_fit() -> Box<dyn FreeIndex> {
    Box::new(FirstFit::default())
}

fn dump() -> Box<dyn SpaceForm> {
    Box::new(DumpForm::default())
}

fn composed() -> Box<dyn Allocator> {
    Box::new(Composed::new(first_fit(), dump(), Box::new(AtCommit)))
}

fn list() -> Box<dyn SnapshotScheme> {
    Box::new(ListScheme::default())
}

spinney_testkit::index_laws!(first_fit);
spinney_testkit::form_laws!(dump, first_fit);
spinney_testkit::allocator_laws!(composed);
spinney_testkit::scheme_laws!(list);
