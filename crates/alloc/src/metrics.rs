//! Free-space metrics over a list of free runs; see `papers/allocation.md` section 8 for the formulas.
