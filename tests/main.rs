//! The integration tests: one binary, real parts.

#[macro_use]
mod harness;
mod docs;
mod house;
mod image;
mod run;
