//! Streams of operations: generators, traces and snapshot events.
