//! One container as `inspect` shows it: podman's keys, filled with what is true here.

use super::config::{Config, Mount, MountKind, Origin, Userns};
use super::dir::{ContainerDir, LOG, Snapshot};
use super::error::Error;
use super::filter::network_name;
use super::freezer::Freezer;
use super::health::Checks;
use super::secret::Given;
use super::service::Cgroups;
use super::state::Status;
use super::time::rfc3339;
use super::volume::DATA;
use crate::ui::human;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Everything about a container, as podman-inspect(1) names it.
///
/// `volumes`: the directory that holds them, for the sources of volume mounts.
pub fn inspect_container(dir: &ContainerDir, volumes: &Path) -> Result<Value, Error> {
    inspect_planned(dir, &dir.read_config()?, volumes)
}

/// The same for one whose config may not be written yet.
pub fn inspect_planned(
    dir: &ContainerDir,
    config: &Config,
    volumes: &Path,
) -> Result<Value, Error> {
    let now = dir.snapshot()?;
    let (image_name, image_id, digest, rootfs, driver) = match &config.origin {
        Origin::Directory(path) => (String::new(), "", "", path.display().to_string(), "dir"),
        Origin::Image { name, id, manifest, driver, .. } => {
            (name.clone(), id.as_str(), manifest.as_str(), String::new(), driver.as_str())
        }
    };
    let args = config.args();
    let checks = match &config.health {
        Some(_) => Some(dir.checks(&now)?),
        None => None,
    };
    let path = |file: &Option<PathBuf>| file.as_ref().map(|f| f.display().to_string());
    let (upper, work) = (dir.path().join("upper"), dir.path().join("work"));
    Ok(json!({
        "Id": config.id,
        "Created": rfc3339(config.created),
        "Path": args.first(),
        "Args": args.get(1..).unwrap_or_default(),
        "State": state(&now, checks.as_ref()),
        "Image": image_id.strip_prefix("sha256:").unwrap_or(image_id),
        "ImageDigest": digest,
        "ImageName": image_name,
        "Rootfs": rootfs,
        "Pod": "",
        "ResolvConfPath": "",
        "HostnamePath": "",
        "HostsPath": "",
        "StaticDir": dir.path(),
        "OCIConfigPath": "",
        "OCIRuntime": "bolt-shim",
        "ConmonPidFile": path(&config.unit.conmon_pidfile).unwrap_or_default(),
        "PidFile": path(&config.unit.pidfile).unwrap_or_default(),
        "RestartCount": now.recorded.restarts,
        "Driver": driver,
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "EffectiveCaps": effective_caps(config),
        "BoundingCaps": config.security.caps,
        "ExecIDs": [],
        "GraphDriver": { "Name": driver, "Data": { "UpperDir": upper, "WorkDir": work } },
        "Mounts": config.mounts.iter().map(|m| mount(m, volumes)).collect::<Vec<_>>(),
        "Dependencies": config.unit.requires,
        "NetworkSettings": network(config),
        "Namespace": "",
        "IsInfra": false,
        "IsService": false,
        "KubeExitCodePropagation": "invalid",
        "lockNumber": 0,
        "Name": config.name,
        "Config": config_part(config),
        "HostConfig": host_config(dir, config),
        "Denied": now.recorded.denied,
    }))
}

fn state(now: &Snapshot, checks: Option<&Checks>) -> Value {
    let recorded = &now.recorded;
    let supervised = matches!(now.status, Status::Running | Status::Paused);
    let lives = now.status.has_processes();
    // An orphan that was frozen before can still be thawed.
    let paused = lives && Freezer::of(recorded).is_some_and(|freezer| freezer.is_frozen());
    json!({
        "OciVersion": "1.2.0",
        "Status": now.status.word(),
        "Running": lives && !paused,
        "Paused": paused,
        "Restarting": now.status == Status::Starting && recorded.status == "restarting",
        "OOMKilled": recorded.oom,
        "Dead": false,
        "Pid": if lives { recorded.pid } else { 0 },
        "ConmonPid": if supervised { recorded.monitor } else { 0 },
        "ExitCode": recorded.exit,
        "Error": recorded.error,
        "StartedAt": rfc3339(recorded.started),
        "FinishedAt": rfc3339(if lives { 0 } else { recorded.finished }),
        "Health": checks.unwrap_or(&Checks::default()).shown(),
        "CgroupPath": recorded.cgroup.first().map_or("", String::as_str),
        "CheckpointedAt": rfc3339(0),
        "RestoredAt": rfc3339(0),
        "StoppedByUser": recorded.stopped,
    })
}

/// One mount as inspect and ps name it.
fn mount(mount: &Mount, volumes: &Path) -> Value {
    let kind = match mount.kind {
        MountKind::Bind => "bind",
        MountKind::Volume => "volume",
        MountKind::Tmpfs => "tmpfs",
    };
    let named = mount.kind == MountKind::Volume;
    let source = match mount.kind {
        MountKind::Volume => volumes.join(&mount.source).join(DATA).display().to_string(),
        _ => mount.source.clone(),
    };
    let propagation = mount
        .options
        .iter()
        .find(|o| ["rprivate", "rslave", "rshared", "private", "slave", "shared"].contains(&&***o));
    json!({
        "Type": kind,
        "Name": if named { mount.source.as_str() } else { "" },
        "Source": source,
        "Destination": mount.target,
        "Driver": if named { "local" } else { "" },
        "Mode": "",
        "Options": mount.options,
        "RW": !mount.options.iter().any(|o| o == "ro"),
        "Propagation": propagation.map_or("rprivate", String::as_str),
    })
}

fn network(config: &Config) -> Value {
    let mode = network_name(&config.network);
    json!({
        "EndpointID": "",
        "Gateway": "",
        "IPAddress": "",
        "IPPrefixLen": 0,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "MacAddress": "",
        "Bridge": "",
        "SandboxID": "",
        "HairpinMode": false,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": config.ports.bindings(),
        "SandboxKey": "",
        "Networks": { mode: {} },
    })
}

fn config_part(config: &Config) -> Value {
    let image = match &config.origin {
        Origin::Image { name, .. } => name.as_str(),
        Origin::Directory(_) => "",
    };
    let process = &config.process;
    let mut part = json!({
        "Hostname": config.host_name(),
        "Domainname": "",
        "ExposedPorts": config.ports.exposed(),
        "User": process.user,
        // Who is attached is no property of a container; podman says so of none.
        "AttachStdin": false,
        "AttachStdout": false,
        "AttachStderr": false,
        "Tty": process.tty,
        "OpenStdin": process.stdin,
        "StdinOnce": false,
        "Env": process.env,
        "Cmd": process.cmd,
        "Image": image,
        "Volumes": null,
        "WorkingDir": process.cwd,
        "Entrypoint": process.entrypoint,
        "OnBuild": null,
        "Labels": config.labels,
        "Annotations": config.annotations,
        "StopSignal": config.stop_signal,
        "StopTimeout": config.stop_timeout,
        "Timeout": config.timeout,
        "CreateCommand": config.create_command,
        "Umask": format!("{:04o}", process.umask),
        "Timezone": config.tz.as_deref().unwrap_or(""),
        "Secrets": config.secrets.iter().filter_map(Given::shown).collect::<Vec<_>>(),
        "Passwd": !config.process.no_passwd,
        "sdNotifyMode": config.unit.sdnotify().word(),
        "Healthcheck": null,
        "HealthcheckOnFailureAction": "none",
    });
    if let Some(health) = &config.health {
        part["Healthcheck"] = health.shown();
        part["HealthcheckOnFailureAction"] = json!(health.on_failure);
        if let Some(startup) = &health.startup {
            part["StartupHealthCheck"] = startup.shown();
        }
    }
    let log = config.health.as_ref().map(|health| health.log.clone()).unwrap_or_default();
    part["HealthLogDestination"] = json!(log.destination);
    part["HealthcheckMaxLogCount"] = json!(log.max_count);
    part["HealthcheckMaxLogSize"] = json!(log.max_size);
    part
}

fn host_config(dir: &ContainerDir, config: &Config) -> Value {
    let mut whole = Map::new();
    for part in [host_basics(dir, config), host_namespaces(config), host_resources(config)] {
        if let Value::Object(part) = part {
            whole.extend(part);
        }
    }
    Value::Object(whole)
}

fn host_basics(dir: &ContainerDir, config: &Config) -> Value {
    let security = &config.security;
    let mut options = Vec::new();
    if security.no_new_privileges {
        options.push("no-new-privileges".to_owned());
    }
    if security.seccomp != "default" {
        options.push(format!("seccomp={}", security.seccomp));
    }
    options.extend(security.mask.iter().map(|path| format!("mask={path}")));
    options.extend(security.unmask.iter().map(|path| format!("unmask={path}")));
    let (policy, retries) = match config.restart.split_once(':') {
        Some((policy, retries)) => (policy, retries.parse().unwrap_or(0)),
        None => (config.restart.as_str(), 0u32),
    };
    let bind = |m: &&Mount| m.kind != MountKind::Tmpfs;
    let binds: Vec<_> = config
        .mounts
        .iter()
        .filter(bind)
        .map(|m| format!("{}:{}:{}", m.source, m.target, bind_options(&m.options)))
        .collect();
    let tmpfs: Map<_, _> = config
        .mounts
        .iter()
        .filter(|m| !bind(m))
        .map(|m| (m.target.clone(), m.options.join(",").into()))
        .collect();
    json!({
        "Binds": binds,
        "Tmpfs": tmpfs,
        "ContainerIDFile": config.cidfile.as_deref().map_or("".into(), Path::to_string_lossy),
        "LogConfig": {
            "Type": config.log_driver.word(),
            "Config": null,
            "Path": log_path(dir, config),
            "Tag": config.log_tag,
            "Size": human::size_short(config.log_max_size),
        },
        "RestartPolicy": { "Name": policy, "MaximumRetryCount": retries },
        "AutoRemove": config.remove,
        "AutoRemoveImage": false,
        "Annotations": config.annotations,
        "Init": config.init,
        "CapAdd": [],
        "CapDrop": [],
        "GroupAdd": config.process.groups,
        "OomScoreAdj": config.process.oom_score_adj.unwrap_or(0),
        "Privileged": security.privileged,
        "ReadonlyRootfs": config.read_only,
        "SecurityOpt": options,
        "ShmSize": config.shm_size,
        "Runtime": "bolt-shim",
        "VolumeDriver": "",
        "VolumesFrom": null,
        "ConsoleSize": [0, 0],
        "Isolation": "",
        "Links": null,
    })
}

/// Empty where there is no file.
fn log_path(dir: &ContainerDir, config: &Config) -> PathBuf {
    match &config.log_path {
        _ if !config.log_driver.has_file() => PathBuf::new(),
        Some(path) => path.clone(),
        None => dir.path().join(LOG),
    }
}

/// What was typed, and what holds without it, in podman's order.
fn bind_options(typed: &[String]) -> String {
    let has = |any: &[&str]| typed.iter().any(|option| any.contains(&&**option));
    let propagations = ["private", "rprivate", "slave", "rslave", "shared", "rshared"];
    let rest = [
        ("rw", &["rw", "ro"][..]),
        ("rprivate", &propagations),
        ("nosuid", &["nosuid", "suid"]),
        ("nodev", &["nodev", "dev"]),
        ("rbind", &["rbind", "bind"]),
    ];
    let rest = rest.into_iter().filter(|(_, instead)| !has(instead)).map(|(option, _)| option);
    typed.iter().map(String::as_str).chain(rest).collect::<Vec<_>>().join(",")
}

/// The container's ids as podman writes them: `INSIDE:OUTSIDE:COUNT`, outside counted in the
/// user's namespace, where 0 is the user and 1… are his subordinate ids. `null` where that depends
/// on the start.
fn id_mappings(config: &Config) -> Value {
    match config.userns {
        Userns::Auto { first, size } => {
            let map = [format!("0:{first}:{size}")];
            json!({ "UidMap": map, "GidMap": map })
        }
        _ => Value::Null,
    }
}

fn host_namespaces(config: &Config) -> Value {
    let shared = |name: &str| config.share.iter().any(|s| s == name);
    let mode = |name| if shared(name) { "host" } else { "private" };
    let userns = match config.userns {
        Userns::Host => String::new(),
        Userns::KeepId { uid, gid } => format!("keep-id:uid={uid},gid={gid}"),
        Userns::NoMap => "nomap".to_owned(),
        Userns::Auto { size, .. } => format!("auto:size={size}"),
    };
    json!({
        "NetworkMode": network_name(&config.network),
        "PortBindings": config.ports.bindings(),
        "PublishAllPorts": config.ports.all,
        "Dns": [],
        "DnsOptions": [],
        "DnsSearch": [],
        "ExtraHosts": [],
        "HostsFile": "",
        "IpcMode": mode("ipc"),
        "PidMode": mode("pid"),
        "UTSMode": mode("uts"),
        "CgroupMode": mode("cgroup"),
        "UsernsMode": userns,
        "IDMappings": id_mappings(config),
        "Cgroup": "",
        "Cgroups": match config.unit.cgroups {
            Cgroups::Enabled => "default",
            other => other.word(),
        },
        "CgroupManager": "",
        "CgroupParent": "",
        "CgroupConf": null,
    })
}

/// As podman tells by the name of the user alone.
fn effective_caps(config: &Config) -> &[String] {
    let user = config.process.user.split(':').next().unwrap_or_default();
    let security = &config.security;
    if matches!(user, "" | "0" | "root") { &security.caps } else { &security.added }
}

fn host_resources(config: &Config) -> Value {
    let resources = &config.resources;
    let ulimit = |(name, soft, hard): &(String, u64, u64)| json!({ "Name": format!("RLIMIT_{}", name.to_uppercase()), "Soft": soft, "Hard": hard });
    let permissions =
        |inside: &String| config.narrow_devices.get(inside).map_or("rwm", String::as_str);
    let device = |(host, inside): &(String, String)| json!({ "PathOnHost": host, "PathInContainer": inside, "CgroupPermissions": permissions(inside) });
    // Whole nanoseconds of processor time a second; `--cpus` is at most a few thousand.
    let nano_cpus = resources.cpus.map_or(0, |cpus| (cpus * 1e9).round() as i64);
    json!({
        "Memory": resources.memory.unwrap_or(0),
        "MemorySwap": resources.memory_swap.unwrap_or(0),
        "MemoryReservation": resources.memory_reservation.unwrap_or(0),
        "MemorySwappiness": 0,
        "KernelMemory": 0,
        "NanoCpus": nano_cpus,
        "CpuShares": resources.cpu_shares.unwrap_or(0),
        "CpuPeriod": resources.cpu_period.unwrap_or(if nano_cpus > 0 { 100_000 } else { 0 }),
        "CpuQuota": resources.cpu_quota.unwrap_or(nano_cpus / 10_000),
        "CpuRealtimePeriod": 0,
        "CpuRealtimeRuntime": 0,
        "CpusetCpus": resources.cpuset_cpus.as_deref().unwrap_or(""),
        "CpusetMems": resources.cpuset_mems.as_deref().unwrap_or(""),
        "CpuCount": 0,
        "CpuPercent": 0,
        "PidsLimit": resources.pids.unwrap_or(0),
        "OomKillDisable": false,
        "Ulimits": config.ulimits.iter().map(ulimit).collect::<Vec<_>>(),
        "Devices": config.devices.iter().map(device).collect::<Vec<_>>(),
        "DiskQuota": 0,
        "BlkioWeight": 0,
        "BlkioWeightDevice": null,
        "BlkioDeviceReadBps": null,
        "BlkioDeviceWriteBps": null,
        "BlkioDeviceReadIOps": null,
        "BlkioDeviceWriteIOps": null,
        "IOMaximumIOps": 0,
        "IOMaximumBandwidth": 0,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{config, containers};
    use super::*;
    use crate::sys::atomic::Sync;

    #[test]
    fn the_keys_that_scripts_read_are_there() {
        let (_scratch, all) = containers();
        let mut dir = all.create(None, Some("c")).unwrap();
        let mut config = config(dir.id(), "c");
        config.mounts.push(Mount {
            kind: MountKind::Volume,
            source: "saves".into(),
            target: "/saves".into(),
            options: vec!["ro".into()],
        });
        dir.write_config(&config, Sync::Fast).unwrap();
        dir.unlock();
        let shown = inspect_container(&dir, Path::new("/v")).unwrap();
        assert_eq!(shown["Name"], "c");
        assert_eq!(shown["State"]["Status"], "created");
        assert_eq!(shown["State"]["Running"], false);
        assert_eq!(shown["Mounts"][0]["Source"], "/v/saves/_data");
        assert_eq!(shown["Mounts"][0]["RW"], false);
        assert_eq!(shown["HostConfig"]["RestartPolicy"]["Name"], "no");
        assert!(shown["HostConfig"].as_object().unwrap().len() >= 65);
        for key in ["Id", "Created", "Path", "Args", "Image", "Config", "NetworkSettings"] {
            assert!(shown.get(key).is_some(), "{key}");
        }
    }
}
