//! `/dev` of the container: a tmpfs with the host's harmless nodes bound into it. Runs in I.

use crate::at::{At, Res};
use crate::step::mounts::attach;
use crate::step::target::{self, Kind};
use bolt_shim::launch::Device;
use bolt_shim::report::Step;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{OpenTreeFlags, open_tree};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Nodes of the runtime-spec (config-linux.md, "Default Devices").
const NODES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];
/// Links of the runtime-spec (runtime-linux.md, "Dev symbolic links") and devpts' ptmx.
const LINKS: &[(&str, &str)] = &[
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
    ("/proc/kcore", "core"),
];

/// Fills the attached tmpfs `dev` with what is always there.
pub(crate) fn fill(dev: &OwnedFd) -> Res<()> {
    for name in NODES {
        let target = node_file(dev.as_fd(), name)?;
        attach(host_node(&format!("/dev/{name}"))?, target, name)?;
    }
    for (to, name) in LINKS {
        rustix::fs::symlinkat(*to, dev, *name).at(Step::Device, name)?;
    }
    for (name, mode) in [("pts", 0o755), ("mqueue", 0o755), ("shm", 0o1777)] {
        rustix::fs::mkdirat(dev, name, Mode::from_raw_mode(mode)).at(Step::Device, name)?;
    }
    Ok(())
}

/// Binds further nodes beneath the root.
pub(crate) fn bind(root: BorrowedFd<'_>, devices: &[Device]) -> Res<()> {
    for device in devices {
        let tree = host_node(&device.source)?;
        let target = target::open(root, &device.target, Kind::File)?;
        attach(tree, target, &device.target)?;
    }
    Ok(())
}

/// Binds the terminal over `/dev/console`, by its descriptor: no path is looked up again
/// (CVE-2025-52565).
pub(crate) fn console(root: BorrowedFd<'_>, slave: &OwnedFd) -> Res<()> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let tree = open_tree(slave, "", flags).at(Step::Terminal, "/dev/console")?;
    let target = target::open(root, "/dev/console", Kind::File)?;
    attach(tree, target, "/dev/console")
}

fn node_file(dev: BorrowedFd<'_>, name: &str) -> Res<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::fs::openat(dev, name, flags, Mode::from_raw_mode(0o666)).at(Step::Device, name)
}

fn host_node(path: &str) -> Res<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(CWD, path, flags).at(Step::Device, path)
}
