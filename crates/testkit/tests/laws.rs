//! The laws, tried on parts that are obviously right: a law that fails here is itself wrong.

use spinney_alloc::FreeIndex;
use spinney_testkit::FirstFit;

fn first_fit() -> Box<dyn FreeIndex> {
    Box::new(FirstFit::default())
}

spinney_testkit::index_laws!(first_fit);
