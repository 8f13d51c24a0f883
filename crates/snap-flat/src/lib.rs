//! Flat reference counts: a whole map a version; slow, obviously right.
