//! What nearly every container mounts, made while its plan still is. Runs in I.
//!
//! Nothing here is told when it does not work: the plan asks for it again. What the plan does not
//! ask for goes with the old root.

use crate::at::Res;
use crate::step::ids::Ids;
use crate::step::mounts::{attach, fresh};
use crate::step::root::fresh_tmpfs;
use crate::step::{dev, masks, root};
use bolt_shim::launch::Root;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// Where a `/dev` waits: nodes can be bound only into what is mounted somewhere (move_mount(2),
/// before Linux 6.15), and nothing is looked up below this directory meanwhile.
const PLACE: &str = "/sys";

/// Mounts for the plan to take.
#[derive(Debug, Default)]
pub(crate) struct Usual {
    /// For `/proc`.
    pub(crate) proc: Option<OwnedFd>,
    /// For `/dev`, with its usual nodes and links.
    pub(crate) dev: Option<OwnedFd>,
    /// For `/dev/pts`.
    pub(crate) devpts: Option<OwnedFd>,
    /// For `/dev/mqueue`.
    pub(crate) mqueue: Option<OwnedFd>,
    /// The procfs that is covered.
    pub(crate) second_proc: Option<OwnedFd>,
    /// For directories that are covered.
    pub(crate) empty: Option<OwnedFd>,
    /// The ids of the container: for what is still to be made, too.
    pub(crate) ids: Ids,
    /// The root, where M leaves it to us.
    pub(crate) root: Option<OwnRoot>,
}

/// A root that M has prepared, and I mounts.
#[derive(Debug)]
pub(crate) struct OwnRoot {
    root: Root,
    dir: String,
    tree: Option<OwnedFd>,
}

impl OwnRoot {
    /// `dir` is the container's directory.
    pub(crate) fn make(root: Root, dir: String) -> Self {
        let tree = root::make(&root, &dir).ok();
        OwnRoot { root, dir, tree }
    }

    /// Whether a plan wants this one: then M does not send it.
    pub(crate) fn is(&self, planned: &Root) -> bool {
        self.root == *planned
    }

    /// The tree; what did not work before is tried again, and told.
    pub(crate) fn take(self) -> Res<OwnedFd> {
        self.tree.map_or_else(|| root::make(&self.root, &self.dir), Ok)
    }
}

impl Usual {
    /// Makes them all. `ipc`: the queues are the container's own.
    pub(crate) fn make(ipc: bool, ids: Ids) -> Self {
        Usual {
            proc: fresh("proc", &[]).ok(),
            dev: waiting_dev().ok(),
            devpts: devpts(ids).ok(),
            mqueue: ipc.then(|| fresh("mqueue", &[]).ok()).flatten(),
            second_proc: masks::second_proc().ok(),
            empty: masks::empty_tmpfs().ok(),
            ids,
            root: None,
        }
    }
}

/// A devpts instance of the container's own.
pub(crate) fn devpts(ids: Ids) -> Result<OwnedFd, Errno> {
    let mut options = vec![("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620")];
    if ids.tty {
        options.push(("gid", "5"));
    }
    fresh("devpts", &options)
}

/// The tmpfs of a `/dev`, still empty.
pub(crate) fn dev_tmpfs() -> Result<OwnedFd, Errno> {
    fresh_tmpfs(&[("mode", "755"), ("size", "65536k")])
}

fn waiting_dev() -> Res<OwnedFd> {
    use crate::at::At;
    use bolt_shim::report::Step;
    let dev = dev_tmpfs().at(Step::Mount, "/dev")?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let place = rustix::fs::open(PLACE, flags, Mode::empty()).at(Step::Mount, PLACE)?;
    attach(&dev, place, PLACE)?;
    dev::fill(&dev)?;
    Ok(dev)
}
