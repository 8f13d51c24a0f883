//! What a pool promises, one behavior a test, over the bitmap allocator and the refcount scheme (`flat`: over that one).
//!
//! Invariant: no test looks inside; each acts as a user of the crate would. Other pairs are the simulator's business.
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod background;
mod bench;
mod checksums;
mod content;
mod damage;
mod durable;
mod faults;
mod flat;
mod forged;
mod import;
mod limits;
mod log;
mod mirror;
mod mirror_lives;
mod names;
mod options;
mod owners;
mod readers;
mod relocate;
mod segments;
mod space;
mod superblock;
mod versions;
