//! Other limits for a container that runs, in the directories it lies in.

use super::host::{Host, Systemd, V1, V2};
use super::limits::{self, Limits, Setting};
use super::make::{SCOPE_LIMIT, unmet, words, write};
use super::plan::{Denied, Plan, not_writable, write_v1, write_v2};
use super::scope::set_property;
use crate::ui::print::causes;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const ANEW: &str = "stop the container, update it and start it again";

/// Applies those `settings` of `limits`, which hold all that the container is to have then and
/// have passed [`Limits::validate`]. `dirs`: the container's own directories, as recorded. What
/// could not be applied; everything else was.
pub fn update(host: &Host, dirs: &[PathBuf], limits: &Limits, settings: &[Setting]) -> Vec<Denied> {
    let mut denied = Vec::new();
    for &setting in settings {
        // One goes with the other: what they are written as depends on both.
        if setting == Setting::MemorySwap && settings.contains(&Setting::Memory) {
            continue;
        }
        let result = match host {
            Host::V2(v2) => in_v2(v2, dirs, limits, setting),
            Host::Hybrid { v1, .. } | Host::V1(v1) => in_v1(v1, dirs, limits, setting),
            Host::None => Err(vec![deny(setting, "this system has no cgroup file system")]),
        };
        denied.extend(result.err().unwrap_or_default());
    }
    denied
}

type Outcome = Result<(), Vec<Denied>>;

fn deny(setting: Setting, why: impl Into<String>) -> Denied {
    Denied { setting: setting.flag(), why: why.into() }
}

/// Who does the writing: swap is written with the memory that it goes with.
fn writer(setting: Setting) -> Setting {
    if setting == Setting::MemorySwap { Setting::Memory } else { setting }
}

fn in_v2(v2: &V2, dirs: &[PathBuf], limits: &Limits, setting: Setting) -> Outcome {
    let no = |why: String| vec![deny(setting, why)];
    let own = dirs.iter().find(|dir| dir.join("cgroup.controllers").exists());
    let own = own.ok_or_else(|| {
        no(format!("it has no control group, since it was started without limits; {ANEW}"))
    })?;
    let scope = scope_of(own);
    match (scope, &v2.systemd) {
        (Some(scope), Some(systemd)) => on_scope(systemd, scope, limits, setting).map_err(no)?,
        (Some(_), None) if setting == Setting::CpuShares => {
            return Err(no("no `systemd --user` answers, which made its scope".to_owned()));
        }
        _ => {}
    }
    if setting == Setting::CpuShares {
        if scope.is_none() {
            enable(own, setting).map_err(no)?;
            let file = own.join("cpu.weight");
            return write(&file, &weight(limits).to_string())
                .map_err(|error| no(words(&file, &error)));
        }
        return Ok(());
    }
    enable(own, setting).map_err(no)?;
    let mut plan = Plan::none();
    write_v2(&mut plan, own, writer(setting), v2, limits);
    carry_out(plan)
}

/// The scope that Bolt had systemd make around this directory.
fn scope_of(own: &Path) -> Option<&str> {
    let scope = own.parent()?.file_name()?.to_str()?;
    let ours = scope.starts_with("bolt-") && scope.ends_with(".scope");
    (ours && own.file_name()? == "payload").then_some(scope)
}

/// What stands on the scope itself (see [`super::plan::ScopePlan`]).
fn on_scope(
    systemd: &Systemd,
    scope: &str,
    limits: &Limits,
    setting: Setting,
) -> Result<(), String> {
    let (property, value) = match setting {
        Setting::CpuShares => ("CPUWeight", weight(limits)),
        Setting::MemoryReservation => ("MemoryLow", limits.memory_reservation.unwrap_or(0)),
        _ => return Ok(()),
    };
    set_property(systemd, scope, property, value, SCOPE_LIMIT).map_err(|error| causes(&error))
}

/// 0 is the kernel's own.
fn weight(limits: &Limits) -> u64 {
    let shares = limits.cpu_shares.filter(|shares| *shares != 0);
    shares.map_or(100, limits::v2_cpu_weight)
}

/// A directory has what the one above gives to its children.
fn enable(own: &Path, setting: Setting) -> Result<(), String> {
    let name = setting.controller();
    let has = fs::read_to_string(own.join("cgroup.controllers")).unwrap_or_default();
    if has.split_whitespace().any(|have| have == name) {
        return Ok(());
    }
    let file = own.parent().unwrap_or(own).join("cgroup.subtree_control");
    write(&file, &format!("+{name}")).map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!(
            "its control group has no `{name}` controller; as root: `systemctl edit \
             user@.service` with `[Service] Delegate=cpu cpuset io memory pids`"
        ),
        _ => words(&file, &error),
    })
}

fn in_v1(v1: &V1, dirs: &[PathBuf], limits: &Limits, setting: Setting) -> Outcome {
    let name = setting.controller();
    let hierarchy = v1.controllers.get(name);
    let own = hierarchy.and_then(|hierarchy| {
        dirs.iter().find(|dir| dir.starts_with(&hierarchy.mount) && dir.exists())
    });
    let own = own.ok_or_else(|| {
        // Nor would the next start get one.
        let why = hierarchy.filter(|h| h.parent.is_none()).map(|h| not_writable(&h.mount));
        let why = why.unwrap_or_else(|| {
            format!("it was started without a control group for `{name}`; {ANEW}")
        });
        vec![deny(setting, why)]
    })?;
    let mut plan = Plan::none();
    write_v1(&mut plan, own, writer(setting), v1, limits);
    if writer(setting) == Setting::Memory
        && let Some(sum) = plan.writes.last()
    {
        // The sum may not lie below the part: when both grow it comes first, and is refused when
        // both shrink.
        let _ = write(&sum.file, &sum.value);
    }
    if setting == Setting::CpuShares && limits.cpu_shares == Some(0) {
        // As the kernel begins with.
        plan.writes.iter_mut().for_each(|write| "1024".clone_into(&mut write.value));
    }
    carry_out(plan)
}

fn carry_out(plan: Plan) -> Outcome {
    let mut denied = plan.denied;
    for job in plan.writes {
        match write(&job.file, &job.value) {
            Err(error) if !(job.implied && error.kind() == ErrorKind::NotFound) => {
                denied.push(deny(job.setting, words(&job.file, &error)));
            }
            Ok(()) => denied.extend(unmet(&job).map(|why| deny(job.setting, why))),
            Err(_) => {}
        }
    }
    denied.dedup_by(|a, b| a.setting == b.setting);
    if denied.is_empty() { Ok(()) } else { Err(denied) }
}

#[cfg(test)]
mod tests {
    use super::super::host::Hierarchy;
    use super::*;
    use crate::sys::scratch::Scratch;

    fn group(scratch: &Scratch, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let dir = scratch.path().join(name);
        fs::create_dir_all(&dir).unwrap();
        files.iter().for_each(|(file, text)| fs::write(dir.join(file), text).unwrap());
        dir
    }

    fn all() -> Limits {
        Limits {
            memory: Some(64 << 20),
            memory_reservation: Some(1 << 20),
            memory_swap: None,
            cpus: Some(0.5),
            cpu_shares: Some(512),
            cpuset_cpus: Some("0".into()),
            pids: Some(9),
            ..Limits::default()
        }
    }

    const ALL: [Setting; 6] = [
        Setting::Memory,
        Setting::MemoryReservation,
        Setting::Cpus,
        Setting::CpuShares,
        Setting::CpusetCpus,
        Setting::Pids,
    ];

    fn v2() -> Host {
        Host::V2(V2 { mount: "/u".into(), nest: None, systemd: None, cpus: vec![0, 1] })
    }

    #[test]
    fn values_go_where_the_container_lies() {
        let scratch = Scratch::new("cgroup-update");
        let files = [
            ("cgroup.controllers", "memory pids\n"),
            ("memory.max", ""),
            ("memory.swap.max", ""),
            ("memory.low", ""),
            ("cpu.max", ""),
            ("cpu.weight", ""),
            ("cpuset.cpus", ""),
            ("pids.max", ""),
        ];
        let own = group(&scratch, "bolt-x", &files);
        let above = group(&scratch, "", &[("cgroup.subtree_control", "")]);
        let dirs = [own.clone()];
        assert_eq!(update(&v2(), &dirs, &all(), &ALL), []);
        let read = |file: &str| fs::read_to_string(own.join(file)).unwrap();
        let want = [
            ("memory.max", "67108864"),
            ("memory.swap.max", "67108864"),
            ("memory.low", "1048576"),
            ("cpu.max", "50000 100000"),
            ("cpu.weight", "20"),
            ("cpuset.cpus", "0"),
            ("pids.max", "9"),
        ];
        want.iter().for_each(|(file, value)| assert_eq!(read(file), *value, "{file}"));
        // It was not there before, and is asked for once more for each that needs it.
        let asked = fs::read_to_string(above.join("cgroup.subtree_control")).unwrap();
        assert_eq!(asked, "+cpuset");
        // A processor that is not there, a kernel without swap accounts, a value taken back.
        fs::remove_file(own.join("memory.swap.max")).unwrap();
        fs::write(own.join("memory.max"), "").unwrap();
        let limits = Limits { memory: Some(0), cpuset_cpus: Some("7".into()), ..all() };
        let denied = update(&v2(), &dirs, &limits, &[Setting::Memory, Setting::CpusetCpus]);
        assert_eq!(denied.iter().map(|d| d.setting).collect::<Vec<_>>(), ["--cpuset-cpus"]);
        assert_eq!(read("memory.max"), "max");
        let limits = Limits { memory_swap: Some(-1), ..all() };
        let denied = update(&v2(), &dirs, &limits, &[Setting::MemorySwap]);
        assert_eq!(denied.iter().map(|d| d.setting).collect::<Vec<_>>(), ["--memory-swap"]);
    }

    #[test]
    fn quota_period_and_memory_nodes_go_to_their_files() {
        let scratch = Scratch::new("cgroup-update-parts");
        let settings = [Setting::CpuPeriod, Setting::CpuQuota, Setting::CpusetMems];
        let limits = Limits {
            cpu_period: Some(20_000),
            cpu_quota: Some(5000),
            cpuset_mems: Some("0-1".into()),
            ..Limits::default()
        };
        let files = [("cgroup.controllers", "cpu cpuset\n"), ("cpu.max", ""), ("cpuset.mems", "")];
        let own = group(&scratch, "bolt-x", &files);
        assert_eq!(update(&v2(), std::slice::from_ref(&own), &limits, &settings), []);
        let read = |dir: &Path, file: &str| fs::read_to_string(dir.join(file)).unwrap();
        assert_eq!(
            (read(&own, "cpu.max"), read(&own, "cpuset.mems")),
            ("5000 20000".into(), "0-1".into())
        );
        // The kernel takes a node that may not be used, and goes on without it.
        fs::write(own.join("cpuset.mems.effective"), "0\n").unwrap();
        let denied = update(&v2(), std::slice::from_ref(&own), &limits, &[Setting::CpusetMems]);
        let why = "memory node 1 may not be used here; choose from 0";
        assert_eq!(denied, [Denied { setting: "--cpuset-mems", why: why.into() }]);
        // One of them alone keeps the other, and is what is denied.
        fs::remove_file(own.join("cpu.max")).unwrap();
        let denied = update(&v2(), std::slice::from_ref(&own), &limits, &[Setting::CpuPeriod]);
        assert_eq!(denied.iter().map(|d| d.setting).collect::<Vec<_>>(), ["--cpu-period"]);
        let cpu = group(&scratch, "cpu/x", &[("cpu.cfs_period_us", ""), ("cpu.cfs_quota_us", "")]);
        let nodes = group(&scratch, "cpuset/x", &[("cpuset.mems", "")]);
        let hierarchy = |name: &str| Hierarchy { mount: scratch.path().join(name), parent: None };
        let controllers = ["cpu", "cpuset"].map(|name| (name.to_owned(), hierarchy(name))).into();
        let host = Host::V1(V1 { controllers, cpus: vec![0] });
        assert_eq!(update(&host, &[cpu.clone(), nodes.clone()], &limits, &settings), []);
        assert_eq!(read(&cpu, "cpu.cfs_period_us"), "20000");
        assert_eq!(read(&cpu, "cpu.cfs_quota_us"), "5000");
        assert_eq!(read(&nodes, "cpuset.mems"), "0-1");
    }

    #[test]
    fn what_a_container_does_not_lie_in_is_denied_with_the_way_out() {
        let scratch = Scratch::new("cgroup-update-none");
        for host in [v2(), Host::V1(V1::default())] {
            let denied = update(&host, &[], &all(), &ALL);
            assert_eq!(denied.len(), ALL.len());
            assert!(denied.iter().all(|d| d.why.contains("stop the container, update it")));
        }
        let own = group(&scratch, "s/bolt-x.scope/payload", &[("cgroup.controllers", "cpu")]);
        let denied = update(&v2(), &[own], &all(), &[Setting::CpuShares]);
        assert!(denied[0].why.contains("no `systemd --user` answers"), "{denied:?}");
    }

    #[test]
    fn in_v1_each_controller_has_its_own_directory() {
        let scratch = Scratch::new("cgroup-update-v1");
        let files = [
            ("memory.limit_in_bytes", ""),
            ("memory.memsw.limit_in_bytes", ""),
            ("memory.soft_limit_in_bytes", ""),
        ];
        let own = group(&scratch, "memory/bolt/x", &files);
        let hierarchy = |name: &str| Hierarchy { mount: scratch.path().join(name), parent: None };
        let controllers = ["memory", "cpu"].map(|name| (name.to_owned(), hierarchy(name))).into();
        let host = Host::V1(V1 { controllers, cpus: vec![0] });
        let settings = [Setting::Memory, Setting::MemoryReservation, Setting::Cpus];
        let denied = update(&host, std::slice::from_ref(&own), &all(), &settings);
        assert_eq!(denied.iter().map(|d| d.setting).collect::<Vec<_>>(), ["--cpus"]);
        let read = |file: &str| fs::read_to_string(own.join(file)).unwrap();
        assert_eq!(read("memory.limit_in_bytes"), "67108864");
        assert_eq!(read("memory.memsw.limit_in_bytes"), "134217728");
        assert_eq!(read("memory.soft_limit_in_bytes"), "1048576");
    }
}
