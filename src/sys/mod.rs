//! L0: the kernel and the disk, as small safe functions. The only folder with `unsafe`.

pub mod atomic;
pub mod beneath;
pub mod dirs;
pub mod lock;
pub mod probe;
