//! The mounts beneath the root, in the plan's order. Runs in I.

use crate::at::{At, Res, failure};
use crate::fill::Fills;
use crate::step::root::{fresh_tmpfs, identity};
use crate::step::target::{self, Kind};
use crate::step::usual::{self, Usual};
use crate::step::{accounts, binds, copy_up, dev};
use crate::sys::mount as attr;
use bolt_shim::launch::{Device, Launch, Mount, MountFlags, MountKind, Net, Process};
use bolt_shim::report::Step;
use rustix::fs::{AtFlags, Gid, Mode, OFlags, Uid, openat, unlinkat};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Everything the mount step carries along.
#[derive(Debug)]
pub(crate) struct Mounter<'a> {
    /// The attached root.
    pub(crate) root: BorrowedFd<'a>,
    /// Trees from M, in the order of the plan.
    pub(crate) trees: std::vec::IntoIter<OwnedFd>,
    /// The volumes that get the image's content.
    pub(crate) fills: &'a Fills,
    /// What is made already.
    pub(crate) usual: Usual,
    /// The tmpfs of `/dev`, once it is there: small files live in it too.
    pub(crate) dev: Option<OwnedFd>,
}

impl Mounter<'_> {
    /// Carries out one mount of the plan.
    pub(crate) fn mount(&mut self, launch: &Launch, mount: &Mount) -> Res<()> {
        match &mount.what {
            MountKind::Bind { source, copy_up, .. } => {
                let user = (*copy_up && self.fills.has(source)).then_some(&launch.process);
                let tree = self.bind(mount, user)?;
                if *copy_up && mount.flags.read_only {
                    attr::setattr(&tree, attr::RDONLY, 0, true).at(Step::Mount, &mount.target)?;
                }
                Ok(())
            }
            MountKind::File { .. } => self.bind(mount, None).map(drop),
            MountKind::Text { content } => {
                self.text(&mount.target, mount.flags, content.as_bytes(), |_| Ok(()))
            }
            MountKind::Secret { content, owner, mode } => {
                let (path, bytes) = (&mount.target, content.bytes());
                self.text(path, mount.flags, bytes, |file| give(file, *owner, *mode, path))
            }
            MountKind::Sys if launch.net == Net::Host => self.bind(mount, None).map(drop),
            MountKind::Sys => self.system(fresh("sysfs", &[]), mount),
            MountKind::Proc => {
                let tree = self.usual.proc.take().map_or_else(|| fresh("proc", &[]), Ok);
                self.system(tree, mount)
            }
            MountKind::Mqueue => {
                let tree = self.usual.mqueue.take().map_or_else(|| fresh("mqueue", &[]), Ok);
                self.system(tree, mount)
            }
            MountKind::Cgroup => self.system(fresh("cgroup2", &[]), mount),
            MountKind::Devpts => {
                let ids = self.usual.ids;
                let tree = self.usual.devpts.take().map_or_else(|| usual::devpts(ids), Ok);
                self.system(tree, mount)
            }
            MountKind::Dev { devices } => self.dev(mount, devices),
            MountKind::Tmpfs { options, copy_up } => self.tmpfs(mount, options, *copy_up),
        }
    }

    fn dev(&mut self, mount: &Mount, devices: &[Device]) -> Res<()> {
        let waiting = self.usual.dev.take();
        let is_filled = waiting.is_some();
        let dev = waiting.map_or_else(usual::dev_tmpfs, Ok).at(Step::Mount, "/dev")?;
        let target = target::open_plain_dir(self.root, &mount.target)?;
        attach(&dev, &target, &mount.target)?;
        attr::setattr(&dev, binds::bits(mount.flags), 0, false).at(Step::Mount, "/dev")?;
        if !is_filled {
            dev::fill(&dev)?;
        }
        dev::bind(self.root, devices)?;
        self.dev = Some(dev);
        Ok(())
    }

    /// Where the image has the directory, with its mode; else with the kernel's, 1777.
    fn tmpfs(&self, mount: &Mount, options: &[(String, String)], copy: bool) -> Res<()> {
        let mut options: Vec<(&str, &str)> =
            options.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let has_mode = options.iter().any(|(k, _)| *k == "mode");
        // /dev/shm, which every start has, wants neither the image's content nor its mode.
        let is_images =
            (copy || !has_mode) && target::lookup(self.root, &mount.target, OFlags::PATH).is_ok();
        let target = target::open(self.root, &mount.target, Kind::Dir)?;
        let mode;
        if is_images && !copy {
            let stat = rustix::fs::fstat(&target).at(Step::Mount, &mount.target)?;
            mode = format!("{:o}", stat.st_mode & 0o7777);
            options.push(("mode", &mode));
        }
        let tmpfs = fresh_tmpfs(&options).at(Step::Mount, &mount.target)?;
        attach(&tmpfs, &target, &mount.target)?;
        if is_images && copy {
            copy_up::copy(&target, &tmpfs, &options).at(Step::Mount, &mount.target)?;
        }
        attr::setattr(&tmpfs, binds::bits(mount.flags), 0, false).at(Step::Mount, &mount.target)
    }

    /// `fill`: what the image has there is copied into it first; where it has nothing, it belongs to
    /// the user of that program, as with podman.
    fn bind(&mut self, mount: &Mount, fill: Option<&Process>) -> Res<OwnedFd> {
        let path = mount.target.as_str();
        let tree = self.trees.next().ok_or_else(|| failure(Step::Mount, path, libc::EBADF))?;
        let is_dir = identity(&tree).at(Step::Mount, path)?.kind == libc::S_IFDIR;
        let kind = if is_dir { Kind::Dir } else { Kind::File };
        let fill = fill.filter(|_| is_dir);
        let is_new = fill.is_some() && target::lookup(self.root, path, OFlags::PATH).is_err();
        let target = target::open(self.root, path, kind)?;
        if let Some(process) = fill {
            copy_up::copy(&target, &tree, &[]).at(Step::Mount, path)?;
            if let Some(ids) = is_new.then(|| accounts::ids(self.root, process)).flatten() {
                copy_up::own(&tree, ids).at(Step::Mount, path)?;
            }
        }
        attach(&tree, &target, path)?;
        Ok(tree)
    }

    /// A file in the tmpfs of `/dev`: three on disk would be a tenth of a start. Its name there
    /// goes once it is mounted; before, Linux 6.15 and later would not mount it (ENOENT).
    pub(crate) fn text(
        &self,
        path: &str,
        flags: MountFlags,
        content: &[u8],
        finish: impl FnOnce(&File) -> Res<()>,
    ) -> Res<()> {
        const NAME: &str = ".bolt-text";
        let dev = self.dev.as_ref().ok_or_else(|| failure(Step::Mount, path, libc::ENODEV))?;
        let create = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o644);
        let mut file = File::from(openat(dev, NAME, create, mode).at(Step::Mount, path)?);
        file.write_all(content).at(Step::Mount, path)?;
        finish(&file)?;
        let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = open_tree(dev, NAME, clone).at(Step::Mount, path)?;
        attach(&tree, target::open(self.root, path, Kind::File)?, path)?;
        unlinkat(dev, NAME, AtFlags::empty()).at(Step::Mount, path)?;
        attr::setattr(&tree, binds::bits(flags), 0, false).at(Step::Mount, path)
    }

    /// A kernel file system of our own, on a directory that no link leads away from.
    fn system(&self, tree: Result<OwnedFd, Errno>, mount: &Mount) -> Res<()> {
        let path = mount.target.as_str();
        let tree = tree.at(Step::Mount, path)?;
        let target = target::open_plain_dir(self.root, path)?;
        attach(&tree, &target, path)?;
        attr::setattr(&tree, binds::bits(mount.flags), 0, false).at(Step::Mount, path)
    }
}

/// Owner and mode of a secret's file.
fn give(file: &File, owner: Option<(u32, u32)>, mode: u32, path: &str) -> Res<()> {
    let (uid, gid) = owner.unwrap_or((0, 0));
    match (rustix::fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid))), owner) {
        // Without a root inside it stays with whoever there is.
        (Ok(()), _) | (Err(_), None) => {}
        (Err(Errno::INVAL), Some(_)) => {
            return Err(failure(Step::User, &format!("{uid}:{gid} for {path}"), libc::EOVERFLOW));
        }
        (Err(e), Some(_)) => return Err(e).at(Step::Mount, path),
    }
    rustix::fs::fchmod(file, Mode::from_raw_mode(mode)).at(Step::Mount, path)
}

/// A detached mount of a file system without a source.
pub(crate) fn fresh(kind: &str, options: &[(&str, &str)]) -> Result<OwnedFd, Errno> {
    let fs = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (key, value) in options {
        if value.is_empty() {
            // `newinstance` is what devpts always does since Linux 4.7; it may be unknown.
            let _ = fsconfig_set_flag(fs.as_fd(), *key);
        } else {
            fsconfig_set_string(fs.as_fd(), *key, *value)?;
        }
    }
    fsconfig_create(fs.as_fd())?;
    fsmount(fs.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
}

/// move_mount(2) of a tree onto an open target.
pub(crate) fn attach(tree: impl AsFd, target: impl AsFd, path: &str) -> Res<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, "", target, "", flags).at(Step::Mount, path)
}
