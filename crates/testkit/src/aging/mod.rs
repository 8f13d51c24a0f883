//! The aging program for allocators: fill, turn over, then free one and allocate one for ever; and a race of candidates.
//!
//! Invariant: what is asked for and what is freed depends on the seed and on the answers alone, so every candidate gets
//! the same program. It reads the clock, and so is for benches only. Knows no peer by name.

mod aged;
mod patience;
mod race;
mod referee;
mod row;
mod space;

pub use aged::{Aged, Times, clock_ns};
pub use patience::Patience;
pub use race::{Entrant, Race};
pub use referee::Refereed;
pub use row::Row;
pub use space::{Floor, Place, Space, TreePair, all_free};
