//! `bolt info`: the host, the store and the configuration, under podman's keys.

use crate::cgroup;
use crate::cmd::drift;
use crate::cmd::pull::{Access, Sources};
use crate::cmd::version;
use crate::container::dir::Containers;
use crate::container::list;
use crate::container::log_driver::LogDriver;
use crate::container::state::Status;
use crate::image::platform;
use crate::net;
use crate::rootfs::driver;
use crate::settings::{Settings, containers_conf, variable};
use crate::spec::caps::CapSet;
use crate::store::Store;
use crate::ui::{format, print};
use crate::userns::{self, subid};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// Show what this host and the local store are like
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print as "json", or by a Go template such as {{.Host.CgroupManager}}
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print as JSON what variants of games are chosen by; BOLT_HOST_FACTS replays it
    #[arg(long, conflicts_with = "format")]
    facts: bool,
}

/// Prints everything as one object.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    if args.facts {
        let facts = drift::facts(settings)?;
        print::stdout(&format!("{}\n", serde_json::to_string_pretty(&facts)?))?;
        return Ok(0);
    }
    let mut value = json!({
        "host": host(settings),
        "store": store(settings)?,
        "registries": registries(settings)?,
        "plugins": {
            "volume": ["local"],
            "network": ["pasta", "slirp4netns"],
            "log": ["k8s-file", "none", "passthrough", "journald"],
            "authorization": null,
        },
        "version": version::client(),
    });
    let format = args.format.as_deref();
    if format.is_some() && !format::is_json(format) {
        name_as_templates_do(&mut value["host"]);
    }
    print::stdout(&format::object(format, &value)?)?;
    Ok(0)
}

/// podman's templates call one field otherwise than its JSON does.
fn name_as_templates_do(host: &mut Value) {
    let version = host["cgroupVersion"].clone();
    if let Some(host) = host.as_object_mut() {
        host.insert("cgroupsVersion".to_owned(), version);
    }
}

fn host(settings: &Settings) -> Value {
    let platform = platform::host();
    let uname = rustix::system::uname();
    let memory = Memory::parse(&text("/proc/meminfo"));
    let cgroups = cgroups(settings);
    let (pasta, slirp) = (net::find("pasta"), net::find("slirp4netns"));
    let command = match (&pasta, &slirp) {
        (Some(_), _) => "pasta",
        (None, Some(_)) => "slirp4netns",
        (None, None) => "",
    };
    json!({
        "arch": platform.architecture,
        "os": platform.os,
        "kernel": uname.release().to_string_lossy(),
        "hostname": uname.nodename().to_string_lossy(),
        "cpus": std::thread::available_parallelism().map_or(1, usize::from),
        "memTotal": memory.total,
        "memFree": memory.free,
        "swapTotal": memory.swap_total,
        "swapFree": memory.swap_free,
        "distribution": distribution(&text("/etc/os-release")),
        "cgroupVersion": cgroups.version,
        "cgroupManager": cgroups.manager,
        "cgroupControllers": cgroups.controllers,
        "idMappings": id_mappings(settings),
        "logDriver": log_driver(settings),
        "eventLogger": if settings.event_log().file().is_some() { "file" } else { "none" },
        "networkBackend": "bolt",
        "rootlessNetworkCmd": command,
        "pasta": { "executable": pasta.unwrap_or_default() },
        "slirp4netns": { "executable": slirp.unwrap_or_default() },
        "ociRuntime": {
            "name": "bolt-shim",
            "path": crate::shim::find().map(|p| p.display().to_string()).unwrap_or_default(),
            "version": env!("CARGO_PKG_VERSION"),
        },
        "security": security(settings),
        "serviceIsRemote": false,
        "linkmode": "static",
        "cpuUtilization": utilization(&text("/proc/stat")),
        "uptime": uptime(&text("/proc/uptime")),
    })
}

/// Shares of all processor time since the boot, in percent (proc_stat(5)).
fn utilization(stat: &str) -> Value {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu ")).unwrap_or_default();
    let ticks: Vec<f64> = line.split_whitespace().filter_map(|n| n.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal; guests are in user already.
    let all: f64 = ticks.iter().take(8).sum();
    let share = |which: &[usize]| {
        let part: f64 = which.iter().filter_map(|n| ticks.get(*n)).sum();
        if all > 0.0 { (part / all * 10_000.0).round() / 100.0 } else { 0.0 }
    };
    json!({
        "userPercent": share(&[0, 1]),
        "systemPercent": share(&[2, 5, 6, 7]),
        "idlePercent": share(&[3, 4]),
    })
}

/// `10h 50m 37.00s (Approximately 0.42 days)`, as podman words it.
fn uptime(text: &str) -> String {
    let seconds = text.split('.').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    let (hours, minutes) = (seconds / 3600, seconds % 3600 / 60);
    let mut said = format!("{hours}h {minutes}m {}.00s", seconds % 60);
    if hours > 0 {
        said.push_str(&format!(" (Approximately {:.2} days)", seconds as f64 / 86_400.0));
    }
    said
}

pub(super) fn cgroups(settings: &Settings) -> cgroup::Description {
    let caller = cgroup::Caller {
        pid: std::process::id(),
        uid: settings.dirs.uid,
        bus_address: variable("DBUS_SESSION_BUS_ADDRESS"),
        runtime_dir: settings.xdg_runtime.clone(),
        supervisor: None,
        split: false,
    };
    cgroup::describe(&cgroup::detect(Path::new("/"), &caller))
}

/// That of containers without a wish.
fn log_driver(settings: &Settings) -> String {
    let defaults = containers_conf::load(&settings.containers_conf).ok();
    let driver = defaults.and_then(|defaults| defaults.log_driver);
    driver.unwrap_or_else(|| LogDriver::default().word().to_owned())
}

fn security(settings: &Settings) -> Value {
    let status = text("/proc/self/status");
    json!({
        "rootless": settings.dirs.uid != 0,
        "capabilities": CapSet::container_default().names().collect::<Vec<_>>().join(","),
        // Empty: the built-in one.
        "seccompProfilePath": containers_conf::load(&settings.containers_conf)
            .ok()
            .and_then(|defaults| defaults.seccomp_profile)
            .unwrap_or_default(),
        "seccompEnabled": status.lines().any(|line| line.starts_with("Seccomp:")),
        "apparmorEnabled": text("/sys/module/apparmor/parameters/enabled").trim() == "Y",
        "selinuxEnabled": Path::new("/sys/fs/selinux/enforce").exists(),
    })
}

/// The ids that containers have; empty for root, whose containers have the host's.
fn id_mappings(settings: &Settings) -> Value {
    let dirs = &settings.dirs;
    if dirs.uid == 0 {
        return json!({ "uidmap": [], "gidmap": [] });
    }
    let can_have = || userns::can_be_full(dirs) && subid::has_writers();
    let ids = subid::lookup(dirs.user(), dirs.uid).ok().filter(|_| can_have());
    let (uids, gids) = ids.map(|ids| (ids.uids, ids.gids)).unwrap_or_default();
    json!({ "uidmap": mapping(dirs.uid, &uids), "gidmap": mapping(dirs.gid, &gids) })
}

fn mapping(own: u32, ranges: &[(u32, u32)]) -> Vec<Value> {
    let mut inside = 0_u64;
    let all = [(own, 1)].into_iter().chain(ranges.iter().copied());
    all.map(|(host, size)| {
        let line = json!({ "container_id": inside, "host_id": host, "size": size });
        inside += u64::from(size);
        line
    })
    .collect()
}

fn store(settings: &Settings) -> anyhow::Result<Value> {
    let store = Store::open(&settings.dirs.store())?;
    let entries = list::read(&Containers::open(&settings.dirs)?)?.entries;
    let count = |wanted: fn(Status) -> bool| entries.iter().filter(|e| wanted(e.status)).count();
    let alive = count(Status::has_processes);
    let paused = count(|status| status == Status::Paused);
    let driver = driver::choose(&settings.dirs);
    let space = rustix::fs::statvfs(store.path()).ok();
    Ok(json!({
        "graphDriverName": driver.kind.name(),
        "graphDriverWhy": driver.why,
        "graphRoot": settings.dirs.data,
        "graphOptions": {},
        // What runs is told of there as well; no file says otherwise.
        "runRoot": settings.dirs.data,
        "configFile": "",
        "graphRootAllocated": space.as_ref().map_or(0, |space| space.f_blocks * space.f_frsize),
        "graphRootUsed": space.map_or(0, |space| (space.f_blocks - space.f_bfree) * space.f_frsize),
        "volumePath": settings.dirs.volumes(),
        "imageStore": { "number": store.images()?.len() },
        "containerStore": {
            "number": entries.len(),
            "running": alive - paused,
            "paused": paused,
            "stopped": entries.len() - alive,
        },
    }))
}

fn registries(settings: &Settings) -> anyhow::Result<Value> {
    let sources = Sources::load(settings, &Access::default())?;
    Ok(json!({ "search": sources.registries.search_registries() }))
}

/// Empty when the file is not there: then the fact is not known.
fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Bytes of /proc/meminfo (proc_meminfo(5)).
#[derive(Debug, Default, PartialEq, Eq)]
struct Memory {
    total: u64,
    free: u64,
    swap_total: u64,
    swap_free: u64,
}

impl Memory {
    fn parse(text: &str) -> Self {
        let bytes = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
            let number = line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse().ok());
            number.map_or(0, |kib: u64| kib.saturating_mul(1024))
        };
        Memory {
            total: bytes("MemTotal"),
            free: bytes("MemFree"),
            swap_total: bytes("SwapTotal"),
            swap_free: bytes("SwapFree"),
        }
    }
}

/// os-release(5).
fn distribution(text: &str) -> Value {
    let field = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or("unknown").trim_matches('"').to_owned()
    };
    let mut value = json!({ "distribution": field("ID"), "version": field("VERSION_ID") });
    if text.contains("VERSION_CODENAME=") {
        value["codename"] = json!(field("VERSION_CODENAME"));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_host_are_read() {
        let memory = Memory::parse("MemTotal:  2 kB\nMemFree: 1 kB\nSwapTotal: 0 kB\n");
        assert_eq!(memory, Memory { total: 2048, free: 1024, swap_total: 0, swap_free: 0 });
        assert_eq!(Memory::parse("junk"), Memory::default());
        let value = distribution("NAME=x\nID=debian\nVERSION_ID=\"13\"\n");
        assert_eq!(value, json!({ "distribution": "debian", "version": "13" }));
        assert_eq!(distribution("")["version"], "unknown");
        assert_eq!(distribution("ID=d\nVERSION_CODENAME=bookworm\n")["codename"], "bookworm");
    }

    #[test]
    fn time_of_the_machine_is_told_as_podman_does() {
        let stat = "cpu  300 100 200 300 50 20 20 10 999 0\ncpu0 1 1 1 1\n";
        let shares = json!({ "userPercent": 40.0, "systemPercent": 25.0, "idlePercent": 35.0 });
        assert_eq!(utilization(stat), shares);
        assert_eq!(utilization("")["idlePercent"], 0.0);
        assert_eq!(uptime("39037.52 1.0\n"), "10h 50m 37.00s (Approximately 0.45 days)");
        assert_eq!(uptime("61.00 1.0"), "0h 1m 1.00s");
    }

    #[test]
    fn ids_follow_each_other() {
        let lines = mapping(1000, &[(100_000, 65536), (300_000, 10)]);
        assert_eq!(lines[0], json!({ "container_id": 0, "host_id": 1000, "size": 1 }));
        assert_eq!(lines[1]["container_id"], 1);
        assert_eq!(lines[2], json!({ "container_id": 65537, "host_id": 300_000, "size": 10 }));
    }

    #[test]
    fn templates_find_podmans_names() {
        let mut host = json!({ "cgroupVersion": "v2" });
        name_as_templates_do(&mut host);
        let text = format::object(Some("{{.Host.CgroupsVersion}}"), &json!({ "host": host }));
        assert_eq!(text.unwrap(), "v2\n");
    }
}
