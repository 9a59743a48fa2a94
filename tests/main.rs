//! The integration tests: one binary, real parts.

#[macro_use]
mod harness;
mod chaos;
mod docs;
mod drift;
mod fuzz;
mod house;
mod image;
mod publish;
mod run;
mod steam;
mod supervise;
