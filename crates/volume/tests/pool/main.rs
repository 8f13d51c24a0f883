//! What a pool promises, one behavior a test, over the bitmap allocator and the refcount scheme.
//!
//! Invariant: no test looks inside; each acts as a user of the crate would. Other pairs are the simulator's business.

mod bench;
mod content;
mod damage;
mod durable;
mod options;
mod space;
mod versions;
