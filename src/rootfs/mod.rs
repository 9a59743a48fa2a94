//! L2: the root file system of a container.

use crate::container::dir::ContainerDir;
use crate::settings::Settings;
use std::os::fd::OwnedFd;

/// The root of a container that does not run, as a detached mount to read and write.
///
/// The process is inside P already.
pub fn mount_for_read_write(_: &Settings, dir: &ContainerDir) -> anyhow::Result<OwnedFd> {
    anyhow::bail!("container {}: its root file system cannot be mounted yet", dir.id())
}
