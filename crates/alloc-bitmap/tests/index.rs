//! The laws of a free index, for each way to fit.

use spinney_alloc::FreeIndex;
use spinney_alloc_bitmap::{BitmapIndex, Fit};

fn best() -> Box<dyn FreeIndex> {
    Box::new(BitmapIndex::default())
}

fn first() -> Box<dyn FreeIndex> {
    Box::new(BitmapIndex::new(Fit::First, 2, 512))
}

fn next() -> Box<dyn FreeIndex> {
    Box::new(BitmapIndex::new(Fit::Next, 0, 0))
}

fn near() -> Box<dyn FreeIndex> {
    Box::new(BitmapIndex::new(Fit::Near, 1, 4096))
}

spinney_testkit::index_laws!(near_goal, near);
spinney_testkit::index_laws!(best_fit, best);
spinney_testkit::index_laws!(first_fit, first);
spinney_testkit::index_laws!(next_fit, next);
