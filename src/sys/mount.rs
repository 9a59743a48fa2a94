//! Mounts that `bolt` itself makes, in a mount namespace of its own: for `cp` and its kin on a
//! container that does not run.

use anyhow::Context;
use rustix::fs::{CWD, symlinkat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, OpenTreeFlags,
    UnmountFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount,
    mount_change, open_tree, unmount,
};
use std::ffi::CString;
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

/// An overlay of `lower` (uppermost first) under an upper and a work directory, detached; on
/// `dir` for a moment where the kernel is older than 6.5, and knows no `lowerdir+`.
pub fn overlay(
    lower: &[String],
    upper: Option<&(String, String)>,
    dir: &str,
) -> anyhow::Result<OwnedFd> {
    let mut paths = lower.iter().chain(upper.iter().flat_map(|(upper, work)| [upper, work]));
    if paths.any(|path| path.contains('\\')) {
        // The kernel takes a backslash away from some of these options, and not from others.
        return overlay_by_string(lower, upper, dir);
    }
    match overlay_by_fd(lower, upper) {
        // 6.1 says so only when the mount is made.
        Err(Errno::INVAL | Errno::NOSYS) => overlay_by_string(lower, upper, dir),
        other => Ok(other?),
    }
}

/// mount(2) takes one page of options, so each layer is named by a short link in a tmpfs that is
/// the working directory meanwhile.
fn overlay_by_string(
    lower: &[String],
    upper: Option<&(String, String)>,
    dir: &str,
) -> anyhow::Result<OwnedFd> {
    let before = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(fs.as_fd())?;
    let links = fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?;
    let mut names = Vec::new();
    for (n, layer) in lower.iter().enumerate() {
        let name = n.to_string();
        symlinkat(layer.as_str(), &links, name.as_str())?;
        names.push(name);
    }
    let mut options = format!("lowerdir={},userxattr", names.join(":"));
    if let Some((upper, work)) = upper {
        symlinkat(upper.as_str(), &links, "u")?;
        symlinkat(work.as_str(), &links, "w")?;
        options.push_str(",upperdir=u,workdir=w");
    }
    let options = CString::new(options)?;
    rustix::process::fchdir(&links)?;
    let mounted = mount("overlay", dir, "overlay", MountFlags::empty(), options.as_c_str());
    std::env::set_current_dir(&before)?;
    mounted?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, dir, flags);
    unmount(dir, UnmountFlags::DETACH).with_context(|| format!("unmount {dir}"))?;
    Ok(tree?)
}

fn overlay_by_fd(lower: &[String], upper: Option<&(String, String)>) -> Result<OwnedFd, Errno> {
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
    fsmount(fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
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
