//! A scope of systemd's, asked for on a real bus where this file plays systemd.

use super::*;
use crate::bus::{self, Bus};
use rustbus::message_builder::{MarshalledMessage, MessageBuilder, MessageType};

/// A real message bus, ended with the test.
struct Daemon {
    child: Child,
    tree: Tree,
}

impl Daemon {
    fn start() -> Option<Daemon> {
        let tree = Tree::new(&[("keep", "")]);
        let address = format!("--address=unix:path={}", tree.0.join("bus").display());
        let mut command = Command::new("dbus-daemon");
        command.args(["--session", "--nofork", "--nopidfile", &address]).stderr(Stdio::null());
        let child = command.spawn().ok()?;
        let daemon = Daemon { child, tree };
        // It does not start for a uid that the system has no name for.
        for _ in 0..200 {
            // The file is there before anybody listens.
            if std::os::unix::net::UnixStream::connect(daemon.tree.0.join("bus")).is_ok() {
                return Some(daemon);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }

    fn address(&self) -> BusAddress {
        BusAddress::Path(self.tree.0.join("bus"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Plays systemd for one call: moves the pid as `act` does, then says `result`.
fn play_systemd(
    daemon: &Daemon,
    replies: Vec<Result<&'static str, &'static str>>,
    act: impl Fn(&str, u32) + Send + 'static,
) -> std::thread::JoinHandle<()> {
    let uid = caller().uid;
    let mut bus = Bus::connect(&daemon.address(), uid, Duration::from_secs(20)).unwrap();
    let dbus = "org.freedesktop.DBus";
    let mut name = bus::call(dbus, "/org/freedesktop/DBus", dbus, "RequestName");
    name.body.push_param2("org.freedesktop.systemd1", 4u32).unwrap();
    let serial = bus.send(&name).unwrap();
    while bus.receive().unwrap().dynheader.response_serial != Some(serial) {}
    std::thread::spawn(move || {
        for reply in replies {
            let ask = loop {
                let message = bus.receive().unwrap();
                let start = message.dynheader.member.as_deref() == Some("StartTransientUnit");
                if message.typ == MessageType::Call && start {
                    break message;
                }
            };
            answer(&mut bus, &ask, reply, &act);
        }
    })
}

#[derive(Debug, PartialEq, rustbus::Signature, rustbus::Unmarshal)]
enum Value {
    Text(String),
    Flag(bool),
    Number(u64),
    Pids(Vec<u32>),
}

fn answer(
    bus: &mut Bus,
    ask: &MarshalledMessage,
    reply: Result<&str, &str>,
    act: &impl Fn(&str, u32),
) {
    assert_eq!(ask.get_sig(), "ssa(sv)a(sa(sv))");
    let mut body = ask.body.parser();
    let (name, mode) = body.get2::<String, String>().unwrap();
    assert_eq!(mode, "fail");
    let properties = body.get::<Vec<(String, Value)>>().unwrap();
    let find = |name: &str| &properties.iter().find(|(key, _)| key == name).unwrap().1;
    assert_eq!(find("Delegate"), &Value::Flag(true));
    assert_eq!(find("CollectMode"), &Value::Text("inactive-or-failed".into()));
    assert_eq!(find("TasksMax"), &Value::Number(u64::MAX));
    assert_eq!(find("CPUWeight"), &Value::Number(20));
    let Value::Pids(pids) = find("PIDs") else { panic!("{properties:?}") };
    let result = match reply {
        Err(error) => {
            bus.refuse(ask, error);
            return;
        }
        Ok(result) => result,
    };
    act(&name, pids[0]);
    let job = |number: u32| {
        let path = format!("/org/freedesktop/systemd1/job/{number}");
        rustbus::wire::ObjectPath::new(path).unwrap()
    };
    // Another unit's job first, then ours before its reply: both may happen.
    for (number, result) in [(8u32, "failed"), (7, result)] {
        let manager = "org.freedesktop.systemd1.Manager";
        let object = "/org/freedesktop/systemd1";
        let mut signal = MessageBuilder::new().signal(manager, "JobRemoved", object).build();
        signal.body.push_param4(number, job(number), &name, result).unwrap();
        bus.send(&signal).unwrap();
    }
    let mut response = ask.dynheader.make_response();
    response.body.push_param(job(7)).unwrap();
    bus.send(&response).unwrap();
}

fn scope_plan(daemon: &Daemon, mount: &Path) -> ScopePlan {
    ScopePlan {
        name: format!("bolt-{}.scope", unique_id()),
        bus: daemon.address(),
        uid: caller().uid,
        mount: mount.to_owned(),
        cpu_weight: Some(20),
        description: "a test".to_owned(),
        memory_low: None,
    }
}

/// The v2 mount of this machine, where root may make directories in it.
fn own_v2() -> Option<PathBuf> {
    match detect(Path::new("/"), &caller()) {
        Host::V2(v2) | Host::Hybrid { v2, .. } => {
            v2.nest.filter(|nest| nest.dir == v2.mount).map(|nest| nest.dir)
        }
        Host::V1(_) | Host::None => None,
    }
}

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn a_scope_is_asked_for_on_a_real_bus() {
    let (Some(daemon), Some(mount)) = (Daemon::start(), own_v2()) else { return };
    let top = mount.clone();
    let act = move |name: &str, pid: u32| {
        fs::create_dir(top.join(name)).unwrap();
        fs::write(top.join(name).join("cgroup.procs"), pid.to_string()).unwrap();
    };
    // A scope still going down first, as after a quick restart.
    let exists = "org.freedesktop.systemd1.UnitExists";
    let systemd = play_systemd(&daemon, vec![Err(exists), Ok("done")], act);
    let supervisor = Waiting::new();
    let plan = scope_plan(&daemon, &mount);
    let scope = systemd_scope(&plan, supervisor.0.id(), LIMIT).unwrap();
    systemd.join().unwrap();
    let name = plan.name.replace(".scope", &format!("-{}.scope", supervisor.0.id()));
    assert_eq!(scope, mount.join(name));
    drop(supervisor);
    assert_eq!(remove(&[scope]).len(), 0);
}

#[test]
fn systemd_saying_no_is_an_error_with_its_words() {
    let Some(daemon) = Daemon::start() else { return };
    let plan = scope_plan(&daemon, Path::new("/sys/fs/cgroup"));
    let own = std::process::id();
    // Nobody plays systemd yet: the bus answers.
    let error = systemd_scope(&plan, own, LIMIT).unwrap_err();
    assert!(matches!(error, ScopeError::Bus { source: BusError::Reply { .. }, .. }), "{error:?}");
    let systemd = play_systemd(&daemon, vec![Ok("timeout"), Ok("done")], |_, _| {});
    let error = systemd_scope(&plan, own, LIMIT).unwrap_err().to_string();
    assert!(error.ends_with("ended as \"timeout\""), "{error}");
    // Success that did not happen is not believed.
    let error = systemd_scope(&plan, own, LIMIT).unwrap_err();
    assert!(matches!(error, ScopeError::NotMoved { .. }), "{error:?}");
    systemd.join().unwrap();
}

#[test]
fn the_bus_is_told_the_uid_that_the_plan_names() {
    let Some(daemon) = Daemon::start() else { return };
    let uid = caller().uid + 1;
    let plan = ScopePlan { uid, ..scope_plan(&daemon, Path::new("/sys/fs/cgroup")) };
    let error = systemd_scope(&plan, std::process::id(), LIMIT).unwrap_err();
    let ScopeError::Bus { source: BusError::Refused { uid: told, said }, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(told, uid);
    assert!(said.starts_with("REJECTED"), "{said}");
}

/// It starts all the same, and ends with the unit that it is started in: that is told.
#[test]
fn a_container_that_gets_no_scope_stays_with_its_caller() {
    let systemd = Systemd {
        bus: BusAddress::Path("/nosuch/bus".into()),
        uid: caller().uid,
        controllers: vec!["cpu".to_owned(), "memory".to_owned(), "pids".to_owned()],
    };
    let (mount, cpus) = ("/sys/fs/cgroup".into(), vec![0]);
    let host = Host::V2(V2 { mount, nest: None, systemd: Some(systemd), cpus });
    for (limits, flags) in [
        (Limits::default(), &["--cgroups"][..]),
        (Limits { memory: Some(64 << 20), ..Limits::default() }, &["--memory", "--cgroups"]),
        (
            Limits { cpu_quota: Some(5000), cpu_period: Some(20_000), ..Limits::default() },
            &["--cpu-period", "--cpu-quota", "--cgroups"],
        ),
    ] {
        let plan = plan(&host, ID, &limits, Ends::ByItself);
        let made = make(&plan, std::process::id(), false).unwrap();
        assert_eq!((made.manager, &made.payload_v2), (Manager::None, &None));
        let told: Vec<_> = made.denied.iter().map(|denied| denied.setting).collect();
        assert_eq!(told, flags);
        assert!(made.denied.last().unwrap().why.ends_with("of its caller, and ends with it"));
    }
}
