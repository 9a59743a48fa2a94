//! What a monitor hears of its container before there is a plan.

use crate::launch::{IdMap, Launch, Net, Root};
use serde::{Deserialize, Serialize};

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
    /// The container's init is made at once, with these namespaces.
    pub init: Option<Spaces>,
    /// The root file system is mounted at once, for a container of this map.
    pub root: Option<(Root, Option<IdMap>)>,
}

impl Head {
    /// The longest packet of one, bytes: the root of an image with very many layers waits for the
    /// plan, which comes by a file.
    pub const LONGEST: usize = 4096;
}
