//! The laws of a space form and of the allocator that bitmap index and bitmap pages make.

use spinney_alloc::reclaim::AtCommit;
use spinney_alloc::{Allocator, Composed, FreeIndex, SpaceForm};
use spinney_alloc_bitmap::{BitmapForm, BitmapIndex};

fn index() -> Box<dyn FreeIndex> {
    Box::new(BitmapIndex::default())
}

fn form() -> Box<dyn SpaceForm> {
    Box::new(BitmapForm::new())
}

fn composed() -> Box<dyn Allocator> {
    Box::new(Composed::new(index(), form(), Box::new(AtCommit)))
}

spinney_testkit::form_laws!(form, index);
spinney_testkit::allocator_laws!(composed);
