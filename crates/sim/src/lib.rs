//! Whole-volume crash lives: seeded histories on a pool whose power is cut at any moment, checked against a model.
//!
//! Invariant: a life is a geometry and a list of [`Step`]s and nothing else, so a failing one can be shrunk and replayed from
//! text. The pairs that it runs over come from the registry; no allocator or scheme is named here.

mod act;
mod audit;
mod bench;
pub mod case;
mod choice;
pub mod command;
pub mod content;
pub mod draw;
pub mod enumerate;
pub mod faults;
pub mod geometry;
pub mod histories;
pub mod life;
pub mod model;
mod named;
pub mod pair;
pub mod planted;
mod progress;
mod readers;
pub mod shrink;
pub mod stats;
pub mod step;

pub use case::Case;
pub use draw::draw;
pub use geometry::Geometry;
pub use life::{Failure, Life};
pub use model::Model;
pub use pair::Pair;
pub use shrink::shrink;
pub use stats::LifeStats;
pub use step::Step;
