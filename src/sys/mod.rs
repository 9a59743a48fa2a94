//! L0: the kernel and the disk, as small safe functions. The only folder with `unsafe`.

pub mod accounts;
pub mod apart;
mod at_start;
pub mod atomic;
pub mod beneath;
pub mod descriptor;
pub mod dirs;
pub mod exec;
pub mod heap;
pub mod ioprio;
pub mod lock;
pub mod machine;
pub mod memfd;
pub mod mount;
pub mod pages;
pub mod parent;
pub mod passed;
pub mod probe;
pub mod reader;
pub mod rlimit;
pub mod scm;
#[cfg(test)]
pub(crate) mod scratch;
pub mod secret;
pub mod signals;
pub mod small;
pub mod spawn;
pub mod tree;
pub mod userns;
