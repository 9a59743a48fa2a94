//! The only `unsafe` of the shim: what neither nix nor rustix offers.

pub(crate) mod clone;
pub(crate) mod lo;
pub(crate) mod memory;
pub(crate) mod mount;
pub(crate) mod netns;
pub(crate) mod process;
pub(crate) mod seccomp;
pub(crate) mod socket;
