//! L2: what a container is made of, out of image config and flags: mounts, limits, rights.

pub mod caps;
pub mod defaults;
pub mod devices;
pub mod env;
pub mod mounts;
pub mod seccomp;
pub mod secrets;
pub mod signals;
pub mod ulimit;
