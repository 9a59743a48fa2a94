//! The whole road: made-up hosts, this machine's own cgroups, a real bus, and (in the lab) a
//! real systemd.

use super::*;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

mod scope;

const ID: &str = "00000000000000000000000000000000000000000000000000000000deadbeef";

fn everything() -> Limits {
    Limits {
        memory: Some(64 << 20),
        memory_reservation: None,
        memory_swap: Some(64 << 20),
        cpus: Some(0.5),
        cpu_shares: Some(512),
        cpuset_cpus: Some("0".to_owned()),
        pids: Some(40),
        ..Limits::default()
    }
}

fn pids(pids: i64) -> Limits {
    Limits { pids: Some(pids), ..Limits::default() }
}

fn caller() -> Caller {
    Caller {
        pid: std::process::id(),
        uid: rustix::process::getuid().as_raw(),
        bus_address: std::env::var("DBUS_SESSION_BUS_ADDRESS").ok(),
        runtime_dir: std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from),
        supervisor: None,
        split: false,
    }
}

fn unique_id() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:056x}{:08x}", std::process::id(), count)
}

/// A tree of files below a directory of its own.
struct Tree(PathBuf);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Tree {
        let root = std::env::temp_dir().join(format!("bolt-cgroup-{}", unique_id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Tree(root)
    }

    fn group(&self, dir: &str, controllers: &str, enabled: &str, procs: &str) -> PathBuf {
        let dir = self.0.join("sys/fs/cgroup").join(dir);
        fs::create_dir_all(&dir).unwrap();
        for (name, text) in [
            ("cgroup.controllers", controllers),
            ("cgroup.subtree_control", enabled),
            ("cgroup.procs", procs),
            ("cgroup.type", "domain\n"),
        ] {
            fs::write(dir.join(name), text).unwrap();
        }
        dir
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A process that waits; killed and reaped at the end.
struct Waiting(Child);

impl Waiting {
    fn new() -> Waiting {
        Waiting(Command::new("sleep").arg("60").stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn files(plan: &Plan) -> Vec<(String, &str)> {
    let name = |write: &Write| write.file.file_name().unwrap().to_string_lossy().into_owned();
    plan.writes.iter().map(|write| (name(write), write.value.as_str())).collect()
}

const V2_MOUNT: &str = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
const ALL: &str = "cpuset cpu io memory pids\n";

fn v2_tree(own: &str) -> Tree {
    Tree::new(&[
        ("proc/self/mountinfo", V2_MOUNT),
        ("proc/self/cgroup", &format!("0::{own}\n")),
        ("sys/devices/system/cpu/online", "0-3\n"),
        ("sys/fs/cgroup/cgroup.controllers", ALL),
    ])
}

fn user(uid: u32) -> Caller {
    let (bus_address, runtime_dir) = (None, None);
    Caller { pid: 77, uid, bus_address, runtime_dir, supervisor: None, split: false }
}

#[test]
fn with_systemd_a_scope_is_for_limits_and_for_what_outlives_its_caller() {
    let tree = v2_tree("/user.slice/user-5.slice/session-1.scope");
    tree.group("user.slice/user-5.slice/session-1.scope", ALL, "", "1\n");
    tree.group("user.slice/user-5.slice/user@5.service", "cpu memory pids", "", "");
    for socket in ["run/user/5/systemd/private", "run/user/5/bus"] {
        let path = tree.0.join(socket);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let host = detect(&tree.0, &user(5));
    let free = plan(&host, ID, &Limits::default(), Ends::WithCaller);
    assert_eq!((free.manager, free.denied.len()), (Manager::None, 0));
    // A default is not worth a scope.
    assert_eq!(plan(&host, ID, &Limits { pids_implied: true, ..pids(9) }, Ends::WithCaller), free);

    // A unit that is over takes all with it that is in its control group.
    let alone = plan(&host, ID, &Limits::default(), Ends::ByItself);
    assert_eq!(alone.scope.as_ref().unwrap().name, format!("bolt-{ID}.scope"));
    assert_eq!((alone.payload_v2, alone.denied.len()), (Some("payload".into()), 0));

    let plan = plan(&host, ID, &everything(), Ends::WithCaller);
    let scope = plan.scope.as_ref().unwrap();
    assert_eq!(scope.name, format!("bolt-{ID}.scope"));
    assert_eq!(scope.bus, BusAddress::Path(tree.0.join("run/user/5/bus")));
    assert_eq!((scope.uid, scope.cpu_weight), (5, Some(20)));
    let expected = [
        ("memory.max", "67108864"),
        ("memory.swap.max", "0"),
        ("cpu.max", "50000 100000"),
        ("pids.max", "40"),
    ];
    assert_eq!(files(&plan), expected.map(|(name, value)| (name.to_owned(), value)));
    // cpuset is what systemd does not delegate to users by default.
    assert_eq!(plan.denied.len(), 1);
    assert_eq!(plan.denied[0].setting, "--cpuset-cpus");
    assert!(plan.denied[0].why.contains("Delegate=cpu cpuset"), "{}", plan.denied[0].why);

    let kept = Limits { memory_reservation: Some(9), ..Limits::default() };
    let kept = super::plan(&host, ID, &kept, Ends::WithCaller);
    assert_eq!(kept.scope.as_ref().unwrap().memory_low, Some(9));
    assert_eq!(files(&kept), [("memory.low".to_owned(), "9")]);

    let real = plan.within(Path::new("/cg/s.scope"));
    assert_eq!(real.payload_v2.as_deref(), Some(Path::new("/cg/s.scope/payload")));
    assert_eq!(real.monitor.as_deref(), Some(Path::new("/cg/s.scope/monitor")));
    assert_eq!(real.dirs[0].path, Path::new("/cg/s.scope"));
    assert_eq!(real.dirs[0].enable, ["memory", "pids", "cpu"]);
    assert_eq!(real.oom.as_deref(), Some(Path::new("/cg/s.scope/payload/memory.events")));
}

#[test]
fn alone_in_a_delegated_directory_the_caller_moves_itself() {
    let tree = v2_tree("/svc");
    tree.group("svc", "memory pids cpu", "", "77\n");
    let plan = plan(&detect(&tree.0, &user(5)), ID, &everything(), Ends::WithCaller);
    let svc = tree.0.join("sys/fs/cgroup/svc");
    assert_eq!(plan.manager, Manager::Cgroupfs);
    assert_eq!(plan.launcher, Some(svc.join("bolt-launcher")));
    assert_eq!(plan.payload_v2, Some(svc.join(format!("bolt-{ID}"))));
    assert_eq!(plan.dirs[0].enable, ["memory", "pids", "cpu"]);
    assert!(files(&plan).contains(&("cpu.weight".to_owned(), "20")));
}

#[test]
fn others_in_the_directory_are_never_moved() {
    let tree = v2_tree("/svc");
    tree.group("svc", ALL, "", "77\n78\n");
    let plan = plan(&detect(&tree.0, &user(5)), ID, &everything(), Ends::WithCaller);
    assert_eq!(plan.launcher, None);
    assert_eq!(plan.denied.len(), 6);
    assert!(plan.denied[0].why.contains("other processes live in"));
    // cgroup.kill still works there.
    assert!(plan.payload_v2.is_some());
    assert!(plan.writes.is_empty());
}

#[test]
fn an_empty_writable_parent_is_divided_rather_than_the_own_directory() {
    let tree = v2_tree("/box/init");
    tree.group("box", ALL, "memory", "");
    tree.group("box/init", "memory", "", "77\n78\n");
    let plan = plan(&detect(&tree.0, &user(5)), ID, &everything(), Ends::WithCaller);
    assert_eq!(plan.launcher, None);
    assert_eq!(plan.dirs[0].path, tree.0.join("sys/fs/cgroup/box"));
    assert_eq!(plan.dirs[0].enable, ["pids", "cpu", "cpuset"], "memory is enabled already");
    assert_eq!(plan.denied, []);
}

#[test]
fn a_processor_that_is_not_there_is_denied() {
    let tree = v2_tree("/svc");
    tree.group("svc", ALL, "", "");
    let limits = Limits { cpuset_cpus: Some("2-9".into()), ..Limits::default() };
    let plan = plan(&detect(&tree.0, &user(5)), ID, &limits, Ends::WithCaller);
    assert_eq!(plan.denied[0].why, "processor 4 may not be used here; choose from 0,1,2,3");
}

#[test]
fn no_cgroups_deny_what_was_asked_and_nothing_else() {
    let tree = Tree::new(&[("proc/self/mountinfo", ""), ("proc/self/cgroup", "")]);
    let host = detect(&tree.0, &user(5));
    assert_eq!(host, Host::None);
    assert_eq!(plan(&host, ID, &Limits::default(), Ends::WithCaller).denied, []);
    assert_eq!(plan(&host, ID, &everything(), Ends::WithCaller).denied.len(), 6);
    let said = describe(&host);
    assert_eq!((said.version, said.manager.as_str()), ("none", "none"));
    assert_eq!(said.controllers, Vec::<String>::new());
    assert_eq!(said.denied.len(), 7);
}

#[test]
fn v1_that_a_user_cannot_write_is_denied_with_the_fix() {
    let hierarchy = Hierarchy { mount: "/sys/fs/cgroup/memory".into(), parent: None };
    let controllers = [("memory".to_owned(), hierarchy)].into();
    let v1 = V1 { controllers, cpus: vec![0] };
    let plan = plan(&Host::V1(v1), ID, &everything(), Ends::WithCaller);
    assert_eq!((plan.manager, plan.join_v1.len(), plan.denied.len()), (Manager::None, 0, 6));
    assert!(plan.denied[0].why.contains("/sys/fs/cgroup/memory is not writable"));
    assert!(plan.denied[2].why.contains("no `cpu` controller is mounted"));
}

#[test]
fn a_joint_v1_hierarchy_is_made_and_joined_once() {
    let hierarchy = || Hierarchy { mount: "/c".into(), parent: Some("/c".into()) };
    let controllers = [("cpu".to_owned(), hierarchy()), ("cpuset".to_owned(), hierarchy())].into();
    let limits = Limits { memory: None, memory_swap: None, pids: None, ..everything() };
    let plan = plan(&Host::V1(V1 { controllers, cpus: vec![0] }), ID, &limits, Ends::WithCaller);
    assert_eq!(plan.join_v1, [PathBuf::from(format!("/c/bolt/{ID}/cgroup.procs"))]);
    assert_eq!(plan.dirs.len(), 2);
    assert!(plan.dirs.iter().all(|dir| dir.inherit_cpuset));
    let names: Vec<String> = files(&plan).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["cpu.cfs_period_us", "cpu.cfs_quota_us", "cpu.shares", "cpuset.cpus"]);
}

#[test]
fn what_cannot_be_made_is_denied_and_required_limits_fail() {
    let hierarchy = Hierarchy { mount: "/proc".into(), parent: Some("/proc".into()) };
    let controllers = [("pids".to_owned(), hierarchy)].into();
    let plan = plan(&Host::V1(V1 { controllers, cpus: vec![0] }), ID, &pids(5), Ends::WithCaller);
    let made = make(&plan, std::process::id(), false).unwrap();
    assert_eq!((made.manager, made.denied.len()), (Manager::None, 1));
    assert!(made.join_v1.is_empty());
    let error = make(&plan, std::process::id(), true).unwrap_err().to_string();
    assert!(error.starts_with("limits are required and cannot be applied: --pids-limit: "));
}

/// This machine's own v1 controllers, where the tests run as root on such a machine.
fn own_v1() -> Option<Host> {
    let host = detect(Path::new("/"), &caller());
    let works = matches!(host, Host::Hybrid { .. } | Host::V1(_));
    (works && plan(&host, ID, &everything(), Ends::WithCaller).denied.is_empty()).then_some(host)
}

#[test]
fn limits_really_apply_on_v1() {
    let Some(host) = own_v1() else { return };
    let id = unique_id();
    let made = make(&plan(&host, &id, &everything(), Ends::WithCaller), std::process::id(), true);
    let made = made.unwrap();
    let sleeper = Waiting::new();
    let pid = sleeper.0.id().to_string();
    made.join_v1.iter().for_each(|procs| fs::write(procs, &pid).unwrap());
    let joined = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    for name in ["memory", "pids", "cpu", "cpuset"] {
        let there = |line: &str| line.contains(&format!(":{name}:/bolt/{id}"));
        assert!(joined.lines().any(there), "{name}: {joined}");
    }
    second_opinion(&id);
    drop(sleeper);
    let created = made.created.clone();
    assert!(created.iter().all(|dir| dir.exists()));
    assert_eq!(remove(&created).len(), 0);
    assert!(created.iter().all(|dir| !dir.exists()));
    assert_eq!(remove(&created).len(), 0, "gone already is fine");
}

/// What a cgroup library that nobody here wrote reads back.
fn second_opinion(id: &str) {
    let group = cgroups_rs::Cgroup::load(cgroups_rs::hierarchies::auto(), format!("bolt/{id}"));
    let memory: &cgroups_rs::memory::MemController = group.controller_of().unwrap();
    assert_eq!(memory.memory_stat().limit_in_bytes, 64 << 20);
    let pids: &cgroups_rs::pid::PidController = group.controller_of().unwrap();
    assert_eq!(pids.get_pid_max().unwrap(), cgroups_rs::MaxValue::Value(40));
    let cpu: &cgroups_rs::cpu::CpuController = group.controller_of().unwrap();
    assert_eq!(cpu.cfs_quota().unwrap(), 50_000);
    assert_eq!(cpu.shares().unwrap(), 512);
    let cpuset: &cgroups_rs::cpuset::CpuSetController = group.controller_of().unwrap();
    assert_eq!(cpuset.cpuset().cpus, [(0, 0)]);
}

fn oom_kills(file: &Path) -> u64 {
    let text = fs::read_to_string(file).unwrap();
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok()).unwrap()
}

/// Runs `script` in a shell that first joins every file of `procs`.
fn run_in(procs: &[PathBuf], script: &str) -> std::process::ExitStatus {
    let join = procs.iter().map(|file| format!("echo $$ >{};", file.display()));
    let script = format!("{} {script}", join.collect::<String>());
    Command::new("sh").arg("-ec").arg(script).arg0("sh").stdin(Stdio::null()).status().unwrap()
}

#[test]
fn an_out_of_memory_kill_is_counted_on_v1() {
    let Some(host) = own_v1() else { return };
    let limits = Limits { memory: Some(16 << 20), ..Limits::default() };
    let made =
        make(&plan(&host, &unique_id(), &limits, Ends::WithCaller), std::process::id(), true)
            .unwrap();
    let oom = made.oom.clone().unwrap();
    assert_eq!(oom_kills(&oom), 0);
    // tail(1) keeps the last line, and there is only one. It is alone: of several the kernel may kill
    // more than one.
    assert!(!run_in(&made.join_v1, "exec tail /dev/zero").success());
    assert_eq!(oom_kills(&oom), 1);
    assert_eq!(remove(&made.created).len(), 0);
}

#[test]
#[ignore = "needs systemd --user and cgroup v2: tests/lab/run"]
fn lab_scope() {
    let host = detect(Path::new("/"), &caller());
    let said = describe(&host);
    assert_eq!((said.version, said.manager.as_str()), ("v2", "systemd"));
    assert_eq!(said.denied, []);
    let id = unique_id();
    let mut limits = everything();
    limits.memory = Some(24 << 20);
    limits.memory_swap = Some(24 << 20);
    let supervisor = Waiting::new();
    let made = make(&plan(&host, &id, &limits, Ends::WithCaller), supervisor.0.id(), true).unwrap();
    assert_eq!(made.manager, Manager::Systemd);
    let payload = made.payload_v2.clone().unwrap();
    let scope = payload.parent().unwrap().to_owned();
    let monitor = fs::read_to_string(scope.join("monitor/cgroup.procs")).unwrap();
    assert_eq!(monitor.trim(), supervisor.0.id().to_string());
    assert_eq!(fs::read_to_string(scope.join("cpu.weight")).unwrap().trim(), "20");
    applied(&made, "25165824");
    drop(supervisor);
    for _ in 0..100 {
        if !scope.exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{} stays after its last process", scope.display());
}

#[test]
#[ignore = "needs to be alone in a unit with Delegate=yes: tests/lab/run"]
fn lab_alone() {
    // What a systemd newer than Debian 12's sets by itself on a delegated unit.
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = format!("/sys/fs/cgroup{}", own.trim().strip_prefix("0::").unwrap());
    let flags = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(&own, "user.delegate", b"1", flags).unwrap();
    let host = detect(Path::new("/"), &caller());
    let Host::V2(V2 { nest: Some(nest), .. }) = &host else { panic!("{host:?}") };
    assert_eq!(nest.occupied, Occupied::OnlyCaller);
    let limits = Limits { memory: Some(24 << 20), ..everything() };
    let limits = Limits { memory_swap: Some(24 << 20), ..limits };
    for _ in 0..2 {
        // The second time the directory is divided already.
        let host = detect(Path::new("/"), &caller());
        let supervisor = Waiting::new();
        let plan = plan(&host, &unique_id(), &limits, Ends::WithCaller);
        let made = make(&plan, supervisor.0.id(), true).unwrap();
        assert_eq!(made.manager, Manager::Cgroupfs);
        let weight = made.payload_v2.as_ref().unwrap().join("cpu.weight");
        assert_eq!(fs::read_to_string(weight).unwrap().trim(), "20");
        applied(&made, "25165824");
        assert_eq!(remove(&made.created).len(), 0);
    }
}

fn applied(made: &Made, memory: &str) {
    assert_eq!(made.denied, []);
    let payload = made.payload_v2.clone().unwrap();
    for (file, value) in [
        ("memory.max", memory),
        ("memory.swap.max", "0"),
        ("cpu.max", "50000 100000"),
        ("cpuset.cpus", "0"),
        ("pids.max", "40"),
    ] {
        assert_eq!(fs::read_to_string(payload.join(file)).unwrap().trim(), value, "{file}");
    }
    let oom = made.oom.clone().unwrap();
    assert_eq!(oom_kills(&oom), 0);
    let procs = [payload.join("cgroup.procs")];
    assert!(!run_in(&procs, "head -c 80m /dev/zero | tail >/dev/null").success());
    assert_eq!(oom_kills(&oom), 1);
    let kill = made.kill.clone().unwrap();
    assert!(!run_in(&procs, &format!("echo 1 >{}", kill.display())).success());
}
