//! The directories a container's cgroup is made of and the values that go into them: pure.

mod v1;

pub(super) use v1::{not_writable, write_v1};

use super::host::{Host, LAUNCHER, Nest, Occupied, V1, V2};
use super::limits::{self, Limits, Setting};
use crate::bus::BusAddress;
use std::fmt;
use std::path::{Path, PathBuf};

/// Who makes the cgroup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    /// A transient scope of the user's (root: the system's) systemd.
    Systemd,
    /// Directories made by Bolt itself.
    Cgroupfs,
    /// Nobody: the container stays in the caller's cgroup.
    None,
}

impl fmt::Display for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Manager::Systemd => "systemd",
            Manager::Cgroupfs => "cgroupfs",
            Manager::None => "none",
        })
    }
}

/// Where one container's cgroup lies and what is written into it. With [`Manager::Systemd`]
/// every path is relative to the scope's directory until [`Plan::within`] is given it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Who makes it.
    pub manager: Manager,
    /// The scope to ask systemd for.
    pub scope: Option<ScopePlan>,
    /// What the container is to end with: without its scope that is its caller.
    pub ends: Ends,
    /// Directories in the order they are made; existing ones are taken as they are.
    pub dirs: Vec<DirPlan>,
    /// Values in the order they are written, after the directories.
    pub writes: Vec<Write>,
    /// What cannot be applied here, and why.
    pub denied: Vec<Denied>,
    /// v2: the directory to hand to clone3(2) with CLONE_INTO_CGROUP, and to every exec.
    pub payload_v2: Option<PathBuf>,
    /// v1: the `cgroup.procs` files that pid 1 and every exec are written into.
    pub join_v1: Vec<PathBuf>,
    /// v2: the directory the supervisor is moved into before pid 1 is made.
    pub monitor: Option<PathBuf>,
    /// v2: a leaf that the caller moves itself and the supervisor into, so that the directory
    /// they were alone in can be divided.
    pub launcher: Option<PathBuf>,
    /// The file whose `oom_kill N` line counts kills by the out-of-memory killer: `memory.events`
    /// (v2) or `memory.oom_control` (v1, Linux 4.13).
    pub oom: Option<PathBuf>,
    /// v2: `cgroup.kill` of the payload (Linux 5.14).
    pub kill: Option<PathBuf>,
}

/// A transient scope (systemd.scope(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopePlan {
    /// `bolt-<id>.scope`
    pub name: String,
    /// What `systemctl status` shows.
    pub description: String,
    /// Where to ask.
    pub bus: BusAddress,
    /// The uid to name there, outside every user namespace.
    pub uid: u32,
    /// The v2 mount point: systemd names paths below it.
    pub mount: PathBuf,
    /// `CPUWeight`. The only limit on the scope itself: weights compare siblings, and the
    /// scope's siblings are the user's other programs. All others sit on the payload, so that the
    /// supervisor is neither counted nor killed.
    pub cpu_weight: Option<u64>,
    /// `MemoryLow`, bytes: the payload has the same, and can have no more than what it lies in.
    pub memory_low: Option<u64>,
}

/// One directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirPlan {
    /// The directory.
    pub path: PathBuf,
    /// v2: controllers to give to its children (`cgroup.subtree_control`).
    pub enable: Vec<String>,
    /// v1 cpuset: copy `cpuset.cpus` and `cpuset.mems` from the parent while they are empty;
    /// nothing can join before (cpusets.rst).
    pub inherit_cpuset: bool,
    /// Other containers use it too: stays when this one goes.
    pub shared: bool,
}

/// One value for one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The file.
    pub file: PathBuf,
    /// The value.
    pub value: String,
    /// What it is for.
    pub setting: Setting,
    /// Nobody typed it (the swap that goes with `--memory`): a kernel without the file is fine.
    pub implied: bool,
}

/// A setting that is not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The flag as typed.
    pub setting: &'static str,
    /// The reason and the fix, in plain words.
    pub why: String,
}

impl Plan {
    pub(super) fn none() -> Plan {
        Plan {
            manager: Manager::None,
            scope: None,
            ends: Ends::WithCaller,
            dirs: Vec::new(),
            writes: Vec::new(),
            denied: Vec::new(),
            payload_v2: None,
            join_v1: Vec::new(),
            monitor: None,
            launcher: None,
            oom: None,
            kill: None,
        }
    }

    /// The same plan below the directory of a scope that systemd has made.
    pub fn within(&self, scope: &Path) -> Plan {
        let below = |path: &PathBuf| match path.as_os_str().is_empty() {
            true => scope.to_owned(),
            false => scope.join(path),
        };
        let mut plan = self.clone();
        plan.dirs.iter_mut().for_each(|dir| dir.path = below(&dir.path));
        plan.writes.iter_mut().for_each(|write| write.file = below(&write.file));
        for path in [
            &mut plan.payload_v2,
            &mut plan.monitor,
            &mut plan.launcher,
            &mut plan.oom,
            &mut plan.kill,
        ] {
            *path = path.as_ref().map(below);
        }
        plan
    }

    fn deny(&mut self, setting: Setting, why: impl Into<String>) {
        self.denied.push(Denied { setting: setting.flag(), why: why.into() });
    }

    fn put(&mut self, dir: &Path, file: &str, value: impl ToString, setting: Setting) {
        let file = dir.join(file);
        self.writes.push(Write { file, value: value.to_string(), setting, implied: false });
    }
}

/// What a container ends with. systemd kills all that is in the control group of a unit that is
/// over (systemd.kill(5), `KillMode=`), and who pauses a container needs a group of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// With its caller, who waits for it or is a unit's main process.
    WithCaller,
    /// By itself: its caller goes on without it.
    ByItself,
}

/// Plans the cgroup of container `id` (64 lower-case hex digits, so a safe file name). `limits`
/// must have passed [`Limits::validate`].
///
/// A container that ends by itself gets a scope wherever systemd makes one. For another one
/// without limits nothing is asked of systemd: it gets a plain v2 leaf where one can be made by
/// one mkdir, else it stays in the caller's cgroup.
pub fn plan(host: &Host, id: &str, limits: &Limits, ends: Ends) -> Plan {
    match host {
        Host::V2(v2) if ends == Ends::ByItself && v2.systemd.is_some() => {
            plan_scope(v2, id, limits, ends)
        }
        Host::V2(v2) => plan_v2(v2, id, limits),
        Host::Hybrid { v1, v2 } => {
            let mut plan = v1::plan_v1(v1, id, limits);
            leaf(&mut plan, v2, id);
            freezer(&mut plan, v1, id);
            plan
        }
        Host::V1(v1) => {
            let mut plan = v1::plan_v1(v1, id, limits);
            freezer(&mut plan, v1, id);
            plan
        }
        Host::None => {
            let why = "this system has no cgroup file system; mount one at /sys/fs/cgroup";
            all_denied(limits.typed(), why)
        }
    }
}

pub(super) fn all_denied(asked: Vec<Setting>, why: &str) -> Plan {
    let mut plan = Plan::none();
    asked.into_iter().for_each(|setting| plan.deny(setting, why));
    plan
}

/// A v2 leaf without controllers: `cgroup.kill`, and a name in `systemd-cgls`.
pub(super) fn leaf(plan: &mut Plan, v2: &V2, id: &str) {
    let Some(nest) = &v2.nest else { return };
    plan.manager = Manager::Cgroupfs;
    let payload = nest.dir.join(format!("bolt-{id}"));
    plan.dirs.push(DirPlan { path: payload.clone(), ..DirPlan::default() });
    plan.kill = Some(payload.join("cgroup.kill"));
    plan.payload_v2 = Some(payload);
}

/// v1: a group that can be frozen, where there is none of v2, which always can.
fn freezer(plan: &mut Plan, v1: &V1, id: &str) {
    let parent = v1.controllers.get("freezer").and_then(|hierarchy| hierarchy.parent.as_ref());
    if let (None, Some(parent)) = (&plan.payload_v2, parent) {
        v1::add_v1_dirs(plan, &parent.join("bolt").join(id), false);
    }
}

fn plan_v2(v2: &V2, id: &str, limits: &Limits) -> Plan {
    let asked = limits.typed();
    if asked.is_empty() {
        // What nobody typed is not worth a talk with systemd, nor moving the caller.
        let ready = |nest: &&Nest| {
            let free = nest.occupied == Occupied::Free && !nest.controllers.is_empty();
            free || nest.enabled.iter().any(|name| name == Setting::Pids.controller())
        };
        if let Some(nest) = v2.nest.as_ref().filter(ready)
            && !limits.asked().is_empty()
        {
            return plan_nest(v2, nest, id, limits);
        }
        let mut plan = Plan::none();
        leaf(&mut plan, v2, id);
        return plan;
    }
    if let Some(nest) = &v2.nest
        && can_divide(nest, &asked)
    {
        return plan_nest(v2, nest, id, limits);
    }
    if v2.systemd.is_some() {
        return plan_scope(v2, id, limits, Ends::WithCaller);
    }
    let why = match &v2.nest {
        Some(nest) => format!(
            "other processes live in {}, so it cannot give controllers to its children \
             (cgroup v2 allows processes in leaves only); run bolt in a unit with Delegate=yes, \
             or where `systemd --user` runs",
            nest.dir.display()
        ),
        None => "this user's part of cgroup v2 is not delegated and no `systemd --user` answers; \
                 log in through systemd-logind (`loginctl enable-linger` for servers), or run \
                 bolt in a unit with Delegate=yes"
            .to_owned(),
    };
    let mut plan = all_denied(asked, &why);
    leaf(&mut plan, v2, id);
    plan
}

fn can_divide(nest: &Nest, asked: &[Setting]) -> bool {
    let enabled = |setting: &Setting| nest.enabled.iter().any(|name| name == setting.controller());
    nest.occupied != Occupied::Others || asked.iter().all(enabled)
}

pub(super) fn plan_nest(v2: &V2, nest: &Nest, id: &str, limits: &Limits) -> Plan {
    let mut plan = Plan { manager: Manager::Cgroupfs, ..Plan::none() };
    if nest.occupied == Occupied::OnlyCaller {
        let launcher = nest.dir.join(LAUNCHER);
        plan.dirs.push(DirPlan { path: launcher.clone(), shared: true, ..DirPlan::default() });
        plan.launcher = Some(launcher);
    }
    let payload = nest.dir.join(format!("bolt-{id}"));
    let fix = format!(
        "{} has no such controller; add it to the Delegate= of its unit",
        nest.dir.display()
    );
    let controllers = match nest.occupied {
        Occupied::Others => &nest.enabled,
        Occupied::Free | Occupied::OnlyCaller => &nest.controllers,
    };
    let mut enable = divide(&mut plan, &payload, controllers, &fix, v2, limits);
    enable.retain(|name| !nest.enabled.contains(name));
    if !enable.is_empty() {
        let path = nest.dir.clone();
        plan.dirs.insert(0, DirPlan { path, enable, shared: true, ..DirPlan::default() });
    }
    if let Some(shares) = limits.cpu_shares.filter(|shares| *shares != 0)
        && nest.controllers.iter().any(|name| name == "cpu")
    {
        plan.put(&payload, "cpu.weight", limits::v2_cpu_weight(shares), Setting::CpuShares);
    }
    plan
}

fn plan_scope(v2: &V2, id: &str, limits: &Limits, ends: Ends) -> Plan {
    let Some(systemd) = &v2.systemd else { return Plan::none() };
    let mut plan = Plan { manager: Manager::Systemd, ends, ..Plan::none() };
    let shares = limits.cpu_shares.filter(|shares| *shares != 0);
    plan.scope = Some(ScopePlan {
        name: format!("bolt-{id}.scope"),
        description: format!("Bolt container bolt-{id}"),
        bus: systemd.bus.clone(),
        uid: systemd.uid,
        mount: v2.mount.clone(),
        cpu_weight: shares.map(limits::v2_cpu_weight),
        // Below a scope without it the payload's own would protect nothing.
        memory_low: limits.memory_reservation.filter(|bytes| *bytes != 0),
    });
    let fix = "systemd does not delegate this controller to users here; as root: `systemctl edit \
               user@.service` with `[Service] Delegate=cpu cpuset io memory pids`, then log in \
               again";
    let payload = Path::new("payload");
    let enable = divide(&mut plan, payload, &systemd.controllers, fix, v2, limits);
    plan.dirs
        .insert(0, DirPlan { path: PathBuf::new(), enable, shared: true, ..DirPlan::default() });
    // Shared, so never ours to remove: the supervisor sits in it to its end, then systemd does.
    plan.dirs.push(DirPlan { path: "monitor".into(), shared: true, ..DirPlan::default() });
    plan.monitor = Some("monitor".into());
    plan
}

/// Fills in the payload's directory and values; returns the controllers its parent must enable.
/// The weight is left to the caller.
fn divide(
    plan: &mut Plan,
    payload: &Path,
    controllers: &[String],
    fix: &str,
    v2: &V2,
    limits: &Limits,
) -> Vec<String> {
    let has = |name: &str| controllers.iter().any(|have| have == name);
    // Memory and pids come along where they can: OOM kills are then told and tasks counted.
    let mut enable: Vec<String> = Vec::new();
    for name in ["memory", "pids"] {
        if has(name) {
            enable.push(name.to_owned());
        }
    }
    for setting in limits.asked() {
        let name = setting.controller();
        let implied = setting == Setting::Pids && limits.pids_implied;
        if !has(name) {
            if implied {
                continue;
            }
            plan.deny(setting, format!("no `{name}` controller: {fix}"));
            continue;
        }
        if !enable.iter().any(|have| have == name) {
            enable.push(name.to_owned());
        }
        write_v2(plan, payload, setting, v2, limits);
    }
    if has("memory") {
        plan.oom = Some(payload.join("memory.events"));
    }
    plan.dirs.push(DirPlan { path: payload.to_owned(), ..DirPlan::default() });
    plan.kill = Some(payload.join("cgroup.kill"));
    plan.payload_v2 = Some(payload.to_owned());
    enable
}

pub(super) fn write_v2(plan: &mut Plan, dir: &Path, setting: Setting, v2: &V2, limits: &Limits) {
    match setting {
        Setting::Memory => {
            let memory = limits.memory.unwrap_or(0);
            plan.put(dir, "memory.max", limits::v2_memory_max(memory), setting);
            let value = limits::v2_swap_max(memory, limits.memory_swap);
            plan.put(dir, "memory.swap.max", value, Setting::MemorySwap);
            imply_swap(plan, limits);
        }
        Setting::MemoryReservation => {
            plan.put(dir, "memory.low", limits.memory_reservation.unwrap_or(0), setting);
        }
        Setting::Cpus | Setting::CpuPeriod | Setting::CpuQuota => {
            plan.put(dir, "cpu.max", limits::v2_cpu_max(limits), setting);
        }
        Setting::CpusetMems => {
            let list = limits.cpuset_mems.as_deref().unwrap_or_default();
            plan.put(dir, "cpuset.mems", list.trim(), setting);
        }
        Setting::CpusetCpus => write_cpuset(plan, dir, &v2.cpus, limits),
        Setting::Pids => {
            plan.put(dir, "pids.max", limits::pids_max(limits.pids.unwrap_or(0)), setting);
            if let Some(write) = plan.writes.last_mut() {
                write.implied = limits.pids_implied;
            }
        }
        // Swap is written with the memory it belongs to, the weight where siblings compare it.
        Setting::MemorySwap | Setting::CpuShares => {}
    }
}

fn imply_swap(plan: &mut Plan, limits: &Limits) {
    if let Some(swap) = plan.writes.last_mut() {
        swap.implied = limits.memory_swap.is_none_or(|swap| swap == 0);
    }
}

/// v2 takes any list and silently falls back to the parent's, so the check is ours.
fn write_cpuset(plan: &mut Plan, dir: &Path, host: &[u32], limits: &Limits) {
    let list = limits.cpuset_cpus.as_deref().unwrap_or_default().trim();
    let wanted = limits::parse_cpu_list(list).unwrap_or_default();
    match wanted.iter().find(|cpu| !host.contains(cpu)) {
        Some(cpu) if !host.is_empty() => {
            let usable = host.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
            let why = format!("processor {cpu} may not be used here; choose from {usable}");
            plan.deny(Setting::CpusetCpus, why);
        }
        _ => plan.put(dir, "cpuset.cpus", list, Setting::CpusetCpus),
    }
}

#[cfg(test)]
mod tests {
    use super::super::host::Hierarchy;
    use super::super::make::make;
    use super::*;

    fn silent(plan: &Plan, written: usize) {
        assert_eq!((plan.writes.len(), plan.denied.len()), (written, 0));
    }

    /// Nobody typed it: written where a directory is ours to make, and never missed.
    #[test]
    fn a_default_limit_of_pids_is_silent() {
        let limits = Limits { pids: Some(2048), pids_implied: true, ..Limits::default() };
        let names = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let v2 = |occupied, enabled: &[&str]| {
            let (dir, controllers) = ("/sys/fs/cgroup/mine".into(), names(&["memory", "pids"]));
            let nest = Nest { dir, controllers, enabled: names(enabled), occupied };
            let mount = "/sys/fs/cgroup".into();
            Host::V2(V2 { mount, nest: Some(nest), systemd: None, cpus: vec![0] })
        };
        let planned = |occupied, enabled: &[&str]| {
            plan(&v2(occupied, enabled), "x", &limits, Ends::WithCaller)
        };
        silent(&planned(Occupied::Free, &[]), 1);
        silent(&planned(Occupied::Others, &["pids"]), 1);
        silent(&planned(Occupied::Others, &[]), 0);
        silent(&planned(Occupied::OnlyCaller, &[]), 0);
        for (parent, written) in [(None, 0), (Some("/proc/nosuch".into()), 1)] {
            let hierarchy = Hierarchy { mount: "/proc".into(), parent };
            let controllers = [("pids".to_owned(), hierarchy)].into();
            let planned =
                plan(&Host::V1(V1 { controllers, cpus: vec![0] }), "x", &limits, Ends::WithCaller);
            silent(&planned, written);
            assert_eq!(make(&planned, std::process::id(), false).unwrap().denied.len(), 0);
        }
        silent(&plan(&Host::None, "x", &limits, Ends::WithCaller), 0);
    }

    /// A container of v1 can be paused where its user may make a group for that.
    #[test]
    fn a_group_for_the_freezer_where_there_is_none_of_v2() {
        let hierarchy = |parent| Hierarchy { mount: "/f".into(), parent };
        let v1 = |parent: Option<&str>| V1 {
            controllers: [("freezer".to_owned(), hierarchy(parent.map(Into::into)))].into(),
            cpus: vec![0],
        };
        let joined = |host: &Host| plan(host, "x", &Limits::default(), Ends::ByItself).join_v1;
        let group = [PathBuf::from("/f/bolt/x/cgroup.procs")];
        assert_eq!(joined(&Host::V1(v1(Some("/f")))), group);
        assert!(joined(&Host::V1(v1(None))).is_empty());
        let nest = |dir: &str| Nest {
            dir: dir.into(),
            controllers: Vec::new(),
            enabled: Vec::new(),
            occupied: Occupied::Free,
        };
        let v2 = |nest| V2 { mount: "/u".into(), nest, systemd: None, cpus: vec![0] };
        let hybrid = |nest| Host::Hybrid { v1: v1(Some("/f")), v2: v2(nest) };
        assert!(joined(&hybrid(Some(nest("/u/mine")))).is_empty());
        assert_eq!(joined(&hybrid(None)), group);
    }
}
