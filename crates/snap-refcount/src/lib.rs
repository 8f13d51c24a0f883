//! Hierarchical lazy reference counts (Rodeh 2006).
