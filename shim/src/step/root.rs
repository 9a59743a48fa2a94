//! The root file system as a detached mount. Runs in M, whose namespace P owns the overlay then:
//! one made inside the container fails copy-up with EOVERFLOW in a one-id namespace. Where the
//! container has all ids of P under their own numbers, I makes the usual one.

use crate::at::{At, Res, failure};
use crate::step::binds;
use crate::sys::mount as attr;
use bolt_shim::launch::{FileId, MountFlags, Propagation, Root};
use bolt_shim::report::Step;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags as Ms, OpenTreeFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, mount, open_tree,
    unmount,
};
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

/// Makes the directories that the container writes to; `owner`: its root's ids in P.
pub(crate) fn prepare(root: &Root, owner: (u32, u32)) -> Res<()> {
    let (lower, upper) = match root {
        Root::Overlay { lower, upper: Some(upper), .. }
        | Root::FuseOverlay { lower, upper, .. } => (lower, upper),
        Root::Overlay { upper: None, .. } | Root::Dir { .. } => return Ok(()),
    };
    make_upper(&upper.0, &upper.1).at(Step::Root, &upper.0)?;
    adopt_upper(&upper.0, lower, owner)
}

/// Whether an overlay with `volatile` was mounted there before, and has not been taken apart in
/// peace: what it holds may be torn, and the kernel mounts it no more.
pub(crate) fn is_left_over(root: &Root) -> bool {
    let Root::Overlay { upper: Some((_, work)), .. } = root else { return false };
    rustix::fs::access(format!("{work}/work/incompat"), rustix::fs::Access::EXISTS).is_ok()
}

/// Makes the detached tree of what is prepared, in a mount namespace of the caller's; `dir` is the
/// container's directory.
pub(crate) fn make(root: &Root, dir: &str) -> Res<OwnedFd> {
    match root {
        Root::Overlay { lower, upper, volatile, .. } => {
            overlay(lower, upper.as_ref(), *volatile, dir)
        }
        Root::FuseOverlay { program, lower, upper, mountpoint, .. } => {
            fuse_overlay(program, lower, upper, mountpoint)
        }
        Root::Dir { path, stat, .. } => directory(path, *stat),
    }
}

/// Makes both directories, unless they are there.
fn make_upper(upper: &str, work: &str) -> Result<(), Errno> {
    for name in [upper, work] {
        match rustix::fs::mkdir(name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// The merged `/` shows the upper's owner and mode: make them those of the top layer.
fn adopt_upper(upper: &str, lower: &[String], owner: (u32, u32)) -> Res<()> {
    let mode = match lower.first() {
        Some(top) => rustix::fs::stat(top.as_str()).at(Step::Root, top)?.st_mode & 0o7777,
        None => 0o755,
    };
    let fd = rustix::fs::open(
        upper,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .at(Step::Root, upper)?;
    let now = rustix::fs::fstat(&fd).at(Step::Root, upper)?;
    if (now.st_uid, now.st_gid) != owner {
        let uid = rustix::fs::Uid::from_raw(owner.0);
        let gid = rustix::fs::Gid::from_raw(owner.1);
        rustix::fs::fchown(&fd, Some(uid), Some(gid)).at(Step::Root, upper)?;
    }
    if now.st_mode & 0o7777 != mode {
        rustix::fs::fchmod(&fd, Mode::from_raw_mode(mode)).at(Step::Root, upper)?;
    }
    Ok(())
}

fn overlay(
    lower: &[String],
    upper: Option<&(String, String)>,
    volatile: bool,
    dir: &str,
) -> Res<OwnedFd> {
    let mut paths = lower.iter().chain(upper.iter().flat_map(|(upper, work)| [upper, work]));
    if paths.any(|path| path.contains('\\')) {
        // The kernel takes a backslash away from some of these options, and not from others.
        return overlay_by_string(lower, upper, volatile, dir);
    }
    match overlay_by_fd(lower, upper, volatile) {
        // Before Linux 6.5 there is no `lowerdir+`; 6.1 says so only when the mount is made.
        Err(Errno::INVAL | Errno::NOSYS) => overlay_by_string(lower, upper, volatile, dir),
        other => other.at(Step::Root, "overlay"),
    }
}

fn overlay_by_fd(
    lower: &[String],
    upper: Option<&(String, String)>,
    volatile: bool,
) -> Result<OwnedFd, Errno> {
    let fs = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let fs = fs.as_fd();
    for layer in lower {
        fsconfig_set_string(fs, "lowerdir+", layer.as_str())?;
    }
    if let Some((upper, work)) = upper {
        fsconfig_set_string(fs, "upperdir", upper.as_str())?;
        fsconfig_set_string(fs, "workdir", work.as_str())?;
        if volatile {
            fsconfig_set_flag(fs, "volatile")?;
        }
    }
    fsconfig_set_flag(fs, "userxattr")?;
    fsconfig_create(fs)?;
    fsmount(fs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}

/// mount(2) takes one page of options: each layer is named by a one- to three-letter link in a
/// tmpfs of our own, which is the working directory meanwhile. So 127 layers take 500 bytes.
fn overlay_by_string(
    lower: &[String],
    upper: Option<&(String, String)>,
    volatile: bool,
    dir: &str,
) -> Res<OwnedFd> {
    let links = fresh_tmpfs(&[("mode", "700"), ("size", "1m")]).at(Step::Root, "tmpfs")?;
    let mut options = String::from("lowerdir=");
    for (i, layer) in lower.iter().enumerate() {
        let name = i.to_string();
        rustix::fs::symlinkat(layer.as_str(), &links, name.as_str()).at(Step::Root, layer)?;
        if i > 0 {
            options.push(':');
        }
        options.push_str(&name);
    }
    if let Some((upper, work)) = upper {
        rustix::fs::symlinkat(upper.as_str(), &links, "u").at(Step::Root, upper)?;
        rustix::fs::symlinkat(work.as_str(), &links, "w").at(Step::Root, work)?;
        options.push_str(",upperdir=u,workdir=w");
        if volatile {
            options.push_str(",volatile");
        }
    }
    options.push_str(",userxattr");
    let options =
        CString::new(options).map_err(|_| failure(Step::Root, "overlay", libc::EINVAL))?;
    rustix::process::fchdir(&links).at(Step::Root, "links")?;
    let mounted = mount("overlay", dir, "overlay", Ms::empty(), options.as_c_str());
    let _ = rustix::process::chdir("/");
    mounted.at(Step::Root, "overlay")?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, dir, flags).at(Step::Root, dir);
    unmount(dir, UnmountFlags::DETACH).at(Step::Root, dir)?;
    tree
}

/// fuse-overlayfs(1) ends its foreground part once the mount answers.
fn fuse_overlay(
    program: &str,
    lower: &[String],
    upper: &(String, String),
    mountpoint: &str,
) -> Res<OwnedFd> {
    let options = format!("lowerdir={},upperdir={},workdir={}", lower.join(":"), upper.0, upper.1);
    let status = Command::new(program)
        .args(["-o", &options, mountpoint])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .at(Step::Root, program)?;
    if !status.success() {
        return Err(failure(Step::Root, program, 0));
    }
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, mountpoint, flags).at(Step::Root, mountpoint);
    unmount(mountpoint, UnmountFlags::DETACH).at(Step::Root, mountpoint)?;
    tree
}

fn directory(path: &str, stat: FileId) -> Res<OwnedFd> {
    binds::tree(path, stat, MountFlags::default(), Propagation::Private)
}

/// A detached tmpfs with fsconfig(2) options.
pub(crate) fn fresh_tmpfs(options: &[(&str, &str)]) -> Result<OwnedFd, Errno> {
    let fs = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        if value.is_empty() {
            fsconfig_set_flag(fs.as_fd(), *key)?;
        } else {
            fsconfig_set_string(fs.as_fd(), *key, *value)?;
        }
    }
    fsconfig_create(fs.as_fd())?;
    fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}

/// Whether the plan wants the finished root read-only.
pub(crate) fn is_read_only(root: &Root) -> bool {
    match root {
        Root::Overlay { read_only, .. }
        | Root::FuseOverlay { read_only, .. }
        | Root::Dir { read_only, .. } => *read_only,
    }
}

/// Makes the attached root read-only, itself alone: volumes below keep their own flags.
pub(crate) fn seal(root: impl AsFd) -> Res<()> {
    attr::setattr(root, attr::RDONLY, 0, false).at(Step::Root, "read-only")
}

/// Identity of an open file.
pub(crate) fn identity(fd: impl AsFd) -> Result<FileId, Errno> {
    let stat = rustix::fs::statat(fd, "", AtFlags::EMPTY_PATH)?;
    Ok(FileId { dev: stat.st_dev, ino: stat.st_ino, kind: stat.st_mode & libc::S_IFMT })
}
