//! L3: the only place that makes a process: find the shim, spawn it, talk to it.

pub mod attach;
pub mod client;
pub mod detach;
pub mod exec;
pub mod terminal;
