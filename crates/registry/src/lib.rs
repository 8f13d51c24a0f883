//! Names to constructors: the one table of every allocator, scheme and device model.
