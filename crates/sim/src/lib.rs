//! Whole-volume crash lives: seeded histories on a pool whose power is cut at any moment, checked against a model.
//!
//! Invariant: a life is a list of [`Step`]s and nothing else, so a failing one can be shrunk and replayed from text. The
//! pairs that it runs over come from the registry; no allocator or scheme is named here.

pub mod enumerate;
pub mod life;
pub mod model;
pub mod planted;
pub mod shrink;
pub mod step;

pub use life::{Failure, Life, LifeStats, Pair};
pub use model::Model;
pub use shrink::shrink;
pub use step::{Step, draw};
