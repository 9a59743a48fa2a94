//! One file a step of a container's start, in the order of [`bolt_shim::report::Step`].

pub(crate) mod accounts;
pub(crate) mod binds;
pub(crate) mod copy_up;
pub(crate) mod dev;
pub(crate) mod exec;
pub(crate) mod ids;
pub(crate) mod limits;
pub(crate) mod masks;
pub(crate) mod mounts;
pub(crate) mod root;
pub(crate) mod target;
pub(crate) mod tty;
pub(crate) mod user;
pub(crate) mod usual;
