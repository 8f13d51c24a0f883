//! The pool: superblock, epochs, reads and writes, data checksums, checker.
