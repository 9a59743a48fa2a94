//! Mounts that `bolt` itself makes, in a mount namespace of its own: for `cp` and its kin on a
//! container that does not run.

use anyhow::Context;
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, OpenTreeFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount_change,
    open_tree, unmount,
};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

/// A mount namespace for this process; nothing it mounts is seen outside. One thread only.
pub fn isolate() -> io::Result<()> {
    // SAFETY: plain system call of a process with one thread.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?)
}

/// A directory and what is mounted below it, as a detached tree.
pub fn clone_tree(path: &str) -> anyhow::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    Ok(open_tree(CWD, path, flags)?)
}

/// An overlay of `lower` (uppermost first) under an upper and a work directory, detached.
pub fn overlay(lower: &[String], upper: Option<&(String, String)>) -> io::Result<OwnedFd> {
    let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let fs = fs.as_fd();
    for layer in lower {
        fsconfig_set_string(fs, "lowerdir+", layer.as_str())?;
    }
    if let Some((upper, work)) = upper {
        fsconfig_set_string(fs, "upperdir", upper.as_str())?;
        fsconfig_set_string(fs, "workdir", work.as_str())?;
    }
    fsconfig_set_flag(fs, "userxattr")?;
    fsconfig_create(fs)?;
    Ok(fsmount(fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?)
}

/// The same by fuse-overlayfs(1), which goes to the background once the mount answers, and ends
/// when the last descriptor of the tree is closed. What it complains about goes to standard error.
pub fn fuse_overlay(
    program: &str,
    lower: &[String],
    (upper, work): &(String, String),
    mountpoint: &str,
) -> anyhow::Result<OwnedFd> {
    let options = format!("lowerdir={},upperdir={upper},workdir={work}", lower.join(":"));
    let status = Command::new(program)
        .args(["-o", &options, mountpoint])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("start {program}"))?;
    anyhow::ensure!(status.success(), "{program} could not mount the container's root ({status})");
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, mountpoint, flags).with_context(|| format!("open {mountpoint}"));
    unmount(mountpoint, UnmountFlags::DETACH).with_context(|| format!("unmount {mountpoint}"))?;
    tree
}
