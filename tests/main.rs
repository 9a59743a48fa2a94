//! The integration tests: one binary, real parts.

// What is tested goes by the name of its program here.
extern crate bolt_engine as bolt;

#[macro_use]
mod harness;
mod chaos;
mod docs;
mod drift;
mod fuzz;
mod house;
mod image;
mod library;
mod publish;
mod pull;
mod rules;
mod run;
mod soak;
mod steam;
mod supervise;
