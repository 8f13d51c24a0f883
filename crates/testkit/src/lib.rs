//! Models and law suites for everything below the volume, and a page store in memory.
//!
//! Invariant: nothing here is used by shipped code; a model is the slowest thing that is obviously right. Knows no
//! registry and no volume (whole-volume lives are in `spinney-sim`).

pub mod aging;
pub mod allocator_damage;
pub mod allocator_laws;
pub mod allocator_life;
pub mod dice;
pub mod dump_form;
pub mod first_fit;
pub mod form_laws;
pub mod form_life;
pub mod free_model;
pub mod history;
pub mod index_laws;
pub mod laws;
pub mod list_scheme;
mod list_state;
pub mod meddled;
pub mod memory_pages;
pub mod newcomers;
pub mod planted;
pub mod scheme_damage;
pub mod scheme_laws;
pub mod scheme_life;
pub mod scheme_model;

pub use dice::Dice;
pub use dump_form::DumpForm;
pub use first_fit::FirstFit;
pub use free_model::FreeModel;
pub use list_scheme::ListScheme;
pub use memory_pages::MemoryPages;
