//! The integration tests: one binary, real parts.

mod docs;
mod fuzz;
mod harness;
mod house;
mod image;
