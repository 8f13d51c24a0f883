//! Space maps: extents by address and by size with dynamic fit, and an append-only condensed log.
