//! The integration tests: one binary, real parts.

mod docs;
mod harness;
mod house;
mod image;
