//! L0: the kernel and the disk, as small safe functions. The only folder with `unsafe`.

pub mod atomic;
pub mod beneath;
pub mod dirs;
pub mod lock;
pub mod memfd;
pub mod rlimit;
pub mod spawn;
pub mod scm;
#[cfg(test)]
pub(crate) mod scratch;
pub mod signals;
pub mod tree;
pub mod userns;
pub mod machine;
pub mod secret;
