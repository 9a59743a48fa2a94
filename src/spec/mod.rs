//! spec

pub mod caps;
pub mod seccomp;
