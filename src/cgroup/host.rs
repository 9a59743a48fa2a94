//! What this host's cgroups look like from where the caller stands: /proc/self/cgroup,
//! /proc/self/mountinfo and the tree itself (cgroups(7)).

use super::limits::parse_cpu_list;
use super::mountinfo::{self, CgroupMount};
use crate::bus::BusAddress;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Who asks. Collected by the caller, because only `settings` reads the environment.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Our own process id.
    pub pid: u32,
    /// Our uid outside every user namespace: systemd and the bus know no other.
    pub uid: u32,
    /// `$DBUS_SESSION_BUS_ADDRESS`.
    pub bus_address: Option<String>,
    /// `$XDG_RUNTIME_DIR`.
    pub runtime_dir: Option<PathBuf>,
    /// The container's supervisor, where there is one already: it waits beside us, and moves
    /// with us.
    pub supervisor: Option<u32>,
    /// The caller's own directory is to be divided, whoever marked it or did not.
    pub split: bool,
}

/// The cgroup set-up of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// cgroup v2 alone.
    V2(V2),
    /// v1 controllers, and a v2 hierarchy beside them that serves for `cgroup.kill` only.
    Hybrid {
        /// The controllers.
        v1: V1,
        /// The v2 hierarchy.
        v2: V2,
    },
    /// v1 controllers alone.
    V1(V1),
    /// No cgroup file system in sight.
    None,
}

/// The v2 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct V2 {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// A directory that the caller may divide, where there is one.
    pub nest: Option<Nest>,
    /// The systemd that would make a scope for us, where there is one.
    pub systemd: Option<Systemd>,
    /// Processors that may be used.
    pub cpus: Vec<u32>,
}

/// A v2 directory that is ours to divide (systemd.resource-control(5), `Delegate=`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nest {
    /// The directory.
    pub dir: PathBuf,
    /// `cgroup.controllers`: what could be enabled for its children.
    pub controllers: Vec<String>,
    /// `cgroup.subtree_control`: what its children have already.
    pub enabled: Vec<String>,
    /// Who lives in it: a directory with processes cannot give controllers to its children.
    pub occupied: Occupied,
}

/// The processes of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occupied {
    /// Nobody, or the root of the hierarchy, where the rule does not hold.
    Free,
    /// Only the caller itself, which may move itself to a leaf.
    OnlyCaller,
    /// Others: moving them is not ours to do.
    Others,
}

/// A service manager that makes scopes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Systemd {
    /// Its bus.
    pub bus: BusAddress,
    /// The uid to name there.
    pub uid: u32,
    /// The controllers it can hand to a scope.
    pub controllers: Vec<String>,
}

/// The v1 hierarchies by controller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct V1 {
    /// One entry a controller; joint hierarchies (`cpu,cpuacct`) appear under each name.
    pub controllers: BTreeMap<String, Hierarchy>,
    /// Processors that may be used.
    pub cpus: Vec<u32>,
}

/// One v1 hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hierarchy {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// The directory below which `bolt/<id>` can be made, if any.
    pub parent: Option<PathBuf>,
}

/// The leaf that the caller and his supervisors move to when their directory is divided.
pub(super) const LAUNCHER: &str = "bolt-launcher";

/// Looks at the host whose file system starts at `root` (`/`; a made-up tree in tests). Never
/// fails: what cannot be read is not there for us.
pub fn detect(root: &Path, caller: &Caller) -> Host {
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    let mounts = mountinfo::cgroup_mounts(&read("proc/self/mountinfo"));
    let own = mountinfo::own_paths(&read("proc/self/cgroup"));
    let v1 = detect_v1(root, &mounts, &own);
    let v2 = mounts.iter().rev().find(|mount| mount.v2).map(|mount| {
        let own = own.get("").and_then(|path| mount.directory(path));
        detect_v2(root, &at(root, &mount.point), own.map(|dir| at(root, &dir)), caller)
    });
    match (v1.controllers.is_empty(), v2) {
        (true, Some(v2)) => Host::V2(v2),
        (true, None) => Host::None,
        (false, Some(v2)) => Host::Hybrid { v1, v2 },
        (false, None) => Host::V1(v1),
    }
}

fn detect_v1(root: &Path, mounts: &[CgroupMount], own: &BTreeMap<String, String>) -> V1 {
    let mut v1 = V1 { cpus: online_cpus(root), ..V1::default() };
    for mount in mounts.iter().filter(|mount| !mount.v2) {
        let point = at(root, &mount.point);
        let own = mount.controllers.first().and_then(|name| own.get(name));
        let own = own.and_then(|path| mount.directory(path)).map(|dir| at(root, &dir));
        let ours = |dir: &PathBuf| writable(dir) || writable(&dir.join("bolt"));
        let parent = [Some(point.clone()), own].into_iter().flatten().find(ours);
        for name in &mount.controllers {
            if name == "cpuset"
                && let Some(parent) = &parent
                && let Some(cpus) = cpus_in(&parent.join("cpuset.cpus"))
            {
                v1.cpus = cpus;
            }
            let hierarchy = Hierarchy { mount: point.clone(), parent: parent.clone() };
            v1.controllers.insert(name.clone(), hierarchy);
        }
    }
    v1
}

fn detect_v2(root: &Path, mount: &Path, own: Option<PathBuf>, caller: &Caller) -> V2 {
    let systemd = detect_systemd(root, mount, caller);
    let nest = own.as_deref().and_then(|own| match caller.split {
        true => own_nest(mount, own, caller),
        false => find_nest(mount, own, systemd.is_some(), caller),
    });
    let near = nest.as_ref().map_or(mount, |nest| &nest.dir);
    let cpus = cpus_in(&near.join("cpuset.cpus.effective"));
    V2 { mount: mount.to_owned(), nest, systemd, cpus: cpus.unwrap_or_else(|| online_cpus(root)) }
}

/// The nearest directory that may be divided. Where systemd rules, only a directory that it
/// marked as delegated counts (systemd.io/CGROUP_DELEGATION: a single writer to each directory),
/// and its own user manager's is not ours. Elsewhere the nearest empty one that we can write to.
fn find_nest(mount: &Path, own: &Path, systemd: bool, caller: &Caller) -> Option<Nest> {
    let up = own.ancestors().take_while(|dir| dir.starts_with(mount));
    let mut ours = up.take_while(|dir| divisible(dir));
    if systemd {
        let dir = ours.find(|dir| marked_delegated(dir))?;
        return (!is_user_manager(dir)).then(|| nest(mount, dir, caller));
    }
    let all: Vec<Nest> = ours.map(|dir| nest(mount, dir, caller)).collect();
    all.iter().find(|nest| nest.occupied == Occupied::Free).or(all.first()).cloned()
}

/// The caller's own directory; one that he was moved to when it was divided stands for it.
fn own_nest(mount: &Path, own: &Path, caller: &Caller) -> Option<Nest> {
    let moved = own.file_name().is_some_and(|name| name == LAUNCHER);
    let dir = if moved { own.parent()? } else { own };
    (dir.starts_with(mount) && divisible(dir)).then(|| nest(mount, dir, caller))
}

fn nest(mount: &Path, dir: &Path, caller: &Caller) -> Nest {
    let words = |file: &str| words_in(&dir.join(file));
    let ours = |who: &str| {
        let who = who.parse().ok();
        who == Some(caller.pid) || who.is_some() && who == caller.supervisor
    };
    let others = |mut pids: std::str::SplitWhitespace<'_>| pids.any(|who| !ours(who));
    let procs = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
    // Only the root of the whole hierarchy has no `cgroup.type`; a cgroup namespace's has.
    let kernel_root = dir == mount && !dir.join("cgroup.type").exists();
    let occupied = if kernel_root || procs.trim().is_empty() {
        Occupied::Free
    } else if others(procs.split_whitespace()) {
        Occupied::Others
    } else {
        Occupied::OnlyCaller
    };
    Nest {
        dir: dir.to_owned(),
        controllers: words("cgroup.controllers"),
        enabled: words("cgroup.subtree_control"),
        occupied,
    }
}

/// Whether cgroup v2 is all that this host has. The kernel is asked once: a start wants to know it four
/// times.
pub fn is_pure_v2() -> bool {
    static IS: OnceLock<bool> = OnceLock::new();
    *IS.get_or_init(|| Path::new("/sys/fs/cgroup/cgroup.controllers").exists())
}

fn divisible(dir: &Path) -> bool {
    // Moving a process needs `cgroup.procs` of the common ancestor too (cgroup-v2.rst,
    // "Delegation Containment"); some hosts hand over the directory and not the files.
    ["", "cgroup.procs", "cgroup.subtree_control"].iter().all(|file| writable(&dir.join(file)))
}

fn marked_delegated(dir: &Path) -> bool {
    // `trusted.` needs CAP_SYS_ADMIN to read, so systemd sets both names.
    ["user.delegate", "trusted.delegate"].iter().any(|name| {
        let mut value = [0u8; 8];
        rustix::fs::getxattr(dir, *name, &mut value).is_ok_and(|len| value[..len] == *b"1")
    })
}

fn is_user_manager(dir: &Path) -> bool {
    let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("user@") && name.ends_with(".service")
}

fn detect_systemd(root: &Path, mount: &Path, caller: &Caller) -> Option<Systemd> {
    let uid = caller.uid;
    if uid == 0 {
        // sd_booted(3): this directory says that systemd is pid 1.
        let socket = root.join("run/dbus/system_bus_socket");
        let there = root.join("run/systemd/system").is_dir() && socket.exists();
        let controllers = words_in(&mount.join("cgroup.controllers"));
        return there.then_some(Systemd { bus: BusAddress::Path(socket), uid, controllers });
    }
    let runtime = match &caller.runtime_dir {
        Some(dir) => at(root, dir),
        None => root.join(format!("run/user/{uid}")),
    };
    // A bus without systemd behind it would only cost a refused call.
    if !runtime.join("systemd/private").exists() {
        return None;
    }
    let given = caller.bus_address.as_deref().and_then(BusAddress::given);
    let usual =
        || Some(BusAddress::Path(runtime.join("bus"))).filter(|_| runtime.join("bus").exists());
    let manager = format!("user.slice/user-{uid}.slice/user@{uid}.service/cgroup.controllers");
    let controllers = words_in(&mount.join(manager));
    Some(Systemd { bus: given.or_else(usual)?, uid, controllers })
}

fn at(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

pub(super) fn writable(path: &Path) -> bool {
    accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}

fn words_in(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

fn cpus_in(path: &Path) -> Option<Vec<u32>> {
    parse_cpu_list(&fs::read_to_string(path).ok()?).ok()
}

fn online_cpus(root: &Path) -> Vec<u32> {
    cpus_in(&root.join("sys/devices/system/cpu/online")).unwrap_or_default()
}
