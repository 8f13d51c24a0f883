//! Tests of the figures through the public interface, as one program. Invariant: no test writes a file. It only
//! names the parts.

mod common;
mod figures;
mod odd_data;
