//! What a monitor hears of its container before there is a plan.

use crate::launch::{IdMap, Launch, Net, Root};
use serde::{Deserialize, Serialize};

/// An init that is made before the plan is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstInit {
    /// Its namespaces.
    pub spaces: Spaces,
    /// Its ids are the usual ones, [`FirstInit::IDS`], and given at once: it need not wait for the
    /// head of the plan.
    pub usual_ids: bool,
}

impl FirstInit {
    /// The map of a container without a wish, where it has a user namespace.
    pub const IDS: IdMap = IdMap::RootIsUser;
}

/// What is known before of a monitor and of the P that it joins; it asks the kernel for the rest. Each
/// file of /proc that is looked at for the first time costs what ten other calls do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The monitor was not started before: nanoseconds of CLOCK_BOOTTIME, 0: not known.
    pub not_before: u64,
    /// This boot's id (proc_sys_kernel(5), `random/boot_id`); empty: not known.
    pub boot: String,
    /// The ids of P. They never change, and who lives in there has written them down.
    pub ids: Existing,
}

impl Known {
    /// Now, as [`Known::not_before`] has it.
    pub fn now() -> u64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
    }

    /// The longest packet with one, bytes: the ids of a P with very many ranges are left out.
    pub const LONGEST: usize = 512;
}

/// The ids that exist in a user namespace, as (first, count); empty: not known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Existing {
    /// Of users.
    pub uids: Vec<(u32, u32)>,
    /// Of groups.
    pub gids: Vec<(u32, u32)>,
}

/// Namespaces of the container's own that its init is made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spaces {
    /// A user namespace.
    pub user: bool,
    /// Process ids.
    pub pid: bool,
    /// The network.
    pub net: bool,
    /// SysV IPC and POSIX queues.
    pub ipc: bool,
    /// Host name.
    pub uts: bool,
}

impl Spaces {
    /// Those of a plan.
    pub fn of(launch: &Launch) -> Self {
        let share = launch.share;
        Spaces {
            user: launch.id_map.is_some(),
            pid: !share.pid,
            net: launch.net != Net::Host,
            ipc: !share.ipc,
            uts: !share.uts,
        }
    }
}

/// The parts of a plan that take long to make, and are known before the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The map of the container's user namespace.
    pub id_map: Option<IdMap>,
    /// The root file system is mounted at once.
    pub root: Option<Root>,
}

impl Head {
    /// The longest packet of one, bytes: the root of an image with very many layers waits for the
    /// plan, which comes by a file.
    pub const LONGEST: usize = 4096;

    /// The container's directory as `bolt` names it, where the root tells it: the changes to that
    /// lie in there, in [`Head::UPPER`].
    pub fn dir(&self) -> Option<&str> {
        match &self.root {
            Some(Root::Overlay { upper: Some((upper, _)), .. }) => {
                upper.strip_suffix(Self::UPPER).and_then(|dir| dir.strip_suffix('/'))
            }
            _ => None,
        }
    }

    /// The name of an overlay's upper directory in the container's.
    pub const UPPER: &str = "upper";
}
