//! L3: everything planned → [`Launch`]. Pure lowering, but for stat(2) of mount sources and the
//! small files of the container's directory.

mod accounts;
mod group;
mod log;
mod secrets;
mod unit;

pub use group::{current, is_asked_for, limits, refused, stays_with_caller};
pub use log::LONGEST_TAG;
pub use unit::{Given, pass};

use crate::cgroup;
use crate::container::config::{Config, Listed, Mount, MountKind as Kind, Network, Origin, Userns};
use crate::container::dir::ContainerDir;
use crate::net;
use crate::rootfs::{self, text};
use crate::settings::Settings;
use crate::spec::{caps, defaults, seccomp, ulimit};
use crate::store::Layout;
use crate::sys::small;
use crate::userns::{self, Source};
use anyhow::Context;
use bolt_shim::head::{FirstInit, Spaces};
use bolt_shim::launch::{
    Cgroup, Device, Events, FileId, Groups, IdMap, Launch, Log, Monitor, Mount as Step, MountFlags,
    MountKind, Process, Propagation, Restart, Root, Share, TtySize, VERSION,
};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// Version of the contract with the shim.
pub const CONTRACT: u32 = VERSION;

/// A lowered container, and what the user should hear about it.
#[derive(Debug)]
pub struct Plan {
    /// For the shim.
    pub launch: Launch,
    /// Lines such as `ulimit nofile: …` for settings that could not be applied.
    pub notes: Vec<String>,
    /// The cgroup to be made once the supervisor is there.
    pub cgroup: Option<cgroup::Plan>,
}

/// How this start differs from another one of the same container.
#[derive(Debug, Clone, Default)]
pub struct Mode {
    /// The launching `bolt` stays attached.
    pub attach: bool,
    /// Its terminal, where there is one.
    pub size: Option<TtySize>,
    /// What comes with the plan.
    pub given: Given,
    /// The root, where it has been planned already.
    pub root: Option<Root>,
}

/// Lowers `config` for a start now.
pub fn plan(
    settings: &Settings,
    dir: &ContainerDir,
    config: &Config,
    source: &Source,
    mode: &Mode,
) -> anyhow::Result<Plan> {
    let network = net::plan(&config.network, &config.ports.published)?;
    let mut notes: Vec<String> = network.note.iter().cloned().collect();
    if let Source::Single(why) = source {
        notes.push(format!("one id only: {why}; files of other users {}", fate(&config.origin)?));
    }
    let hostname = config.host_name();
    notes.extend(labels_denied(config));
    notes.extend(devices_denied(config));
    copy_zone(dir, config)?;
    if let Userns::Auto { first, size } = config.userns {
        userns::auto::check(&settings.dirs, first, size)?;
    }
    let (rlimits, lowered) = ulimit::plan(&config.ulimits, caller_limit);
    notes.extend(lowered);
    let group = group::plan(settings, config, mode)?;
    let mut process = Process { rlimits, ..process(settings, config, mode)? };
    let mut mounts = mounts(settings, config, files(config, &network, &hostname))?;
    let unit = unit::plan(config, mode);
    let secret_env = secrets::plan(dir, config, &mut mounts)?;
    unit::adorn(&unit, &mode.given, &mut process, &mut mounts);
    let launch = Launch {
        version: VERSION,
        id: config.id.clone(),
        id_map: id_map(source, config.userns),
        share: share(config),
        net: network.net.clone(),
        root: match &mode.root {
            Some(root) => root.clone(),
            None => rootfs::plan(&settings.dirs, dir, config)?,
        },
        mounts,
        masked: masked(config),
        read_only: read_only(config),
        // It lies in our own /dev; with a volume there it would be made in the volume.
        covered_proc: !config.share.iter().any(|s| s == "pid") && !is_mounted(config, "/dev"),
        hostname: (!config.share.iter().any(|s| s == "uts")).then_some(hostname),
        sysctl: config.sysctl.iter().map(|(k, v)| (k.replace('.', "/"), v.clone())).collect(),
        process,
        accounts: accounts::plan(settings, config),
        secret_env,
        init: config.init,
        cgroup: Cgroup::default(),
        await_cgroup: group.is_some(),
        denied: notes.clone(),
        monitor: monitor(settings, config, mode, log::plan(settings, dir, config)?),
        unit,
        health: unit::health(settings, config)?,
    };
    Ok(Plan { launch, notes, cgroup: group })
}

/// The namespaces of the container's init, where that can be made before the plan: not where it is
/// to be born in a control group that does not exist yet.
pub fn init_ahead(settings: &Settings, source: &Source, config: &Config) -> Option<FirstInit> {
    let shared = share(config);
    let ids = id_map(source, config.userns);
    let spaces = Spaces {
        user: ids.is_some(),
        pid: !shared.pid,
        net: config.network != Network::Host,
        ipc: !shared.ipc,
        uts: !shared.uts,
    };
    let usual_ids = ids.is_none_or(|ids| ids == FirstInit::IDS);
    (!group::is_wanted(settings, config)).then_some(FirstInit { spaces, usual_ids })
}

/// The same for a container without a wish of its own; `usual_ids`: its ids are known as well.
pub fn usual_init(settings: &Settings, source: &Source, usual_ids: bool) -> Option<FirstInit> {
    let user = id_map(source, Userns::Host).is_some();
    let spaces = Spaces { user, pid: true, net: true, ipc: true, uts: true };
    group::stays_with_caller(settings).then_some(FirstInit { spaces, usual_ids })
}

/// Root without a wish has no user namespace; everybody else nests one in P.
pub fn id_map(source: &Source, userns: Userns) -> Option<IdMap> {
    match (source, userns) {
        (Source::Root, Userns::Host) => None,
        (_, Userns::Host) => Some(IdMap::RootIsUser),
        (_, Userns::KeepId { uid, gid }) => Some(IdMap::KeepId { uid, gid }),
        (_, Userns::NoMap) => Some(IdMap::NoMap),
        (_, Userns::Auto { first, size }) => Some(IdMap::Range { first, size }),
    }
}

fn share(config: &Config) -> Share {
    let shared = |name: &str| config.share.iter().any(|s| s == name);
    Share { ipc: shared("ipc"), uts: shared("uts"), cgroup: shared("cgroup"), pid: shared("pid") }
}

/// The payload's process as the shim gets it: capabilities, filter and limits included. An
/// exec starts from it.
pub fn payload(settings: &Settings, config: &Config) -> anyhow::Result<Process> {
    let (rlimits, _) = ulimit::plan(&config.ulimits, caller_limit);
    Ok(Process { rlimits, ..process(settings, config, &Mode::default())? })
}

fn is_mounted(config: &Config, target: &str) -> bool {
    config.mounts.iter().any(|m| m.target == target)
}

/// What becomes of other users' files where only one id is there: those of an image that was laid out
/// for more keep their owners, which the container then has no names for. Where root's are among them
/// nothing could be mounted over a file of his.
fn fate(origin: &Origin) -> anyhow::Result<&'static str> {
    let Origin::Image { layout, .. } = origin else { return Ok("belong to you") };
    if *layout == Layout::Single.to_string() {
        return Ok("belong to you");
    }
    anyhow::ensure!(
        *layout == Layout::RootIsUser.to_string(),
        "the container's files are laid out for many ids ({layout}), and only one is there; start it \
         where subordinate ids are, or beside a container that has them"
    );
    Ok("are nobody's and cannot be changed; start it where subordinate ids are")
}

/// `z` and `Z` mean something only to SELinux, whose labels this version does not set.
fn labels_denied(config: &Config) -> Vec<String> {
    if !Path::new("/sys/fs/selinux/enforce").exists() {
        return Vec::new();
    }
    let asked = |m: &&Mount| m.options.iter().any(|o| o == "z" || o == "Z");
    let denied = config.mounts.iter().filter(asked);
    denied.map(|m| format!("denied: label of the mount at {}: SELinux labels are not set; use chcon on the source", m.target)).collect()
}

/// Only a control group of devices could keep a program from what the file's own mode allows, and
/// containers have none.
fn devices_denied(config: &Config) -> impl Iterator<Item = String> {
    config.narrow_devices.iter().map(|(target, permissions)| {
        format!("denied: permissions {permissions:?} of the device at {target}: there is no device control group; it is opened with those of its file on the host")
    })
}

/// The host's file for a time zone (tzfile(5)); `local` is the host's own.
pub fn zone_file(zone: &str) -> anyhow::Result<PathBuf> {
    if zone == "local" {
        return Ok("/etc/localtime".into());
    }
    let path = Path::new("/usr/share/zoneinfo").join(zone);
    let plain = zone.split('/').all(|p| !p.is_empty() && p != "." && p != "..");
    anyhow::ensure!(
        plain && path.is_file(),
        "--tz {zone:?} is not a time zone of this host; see /usr/share/zoneinfo (package 'tzdata')"
    );
    Ok(path)
}

/// The files that are bound over those of the image, with what they hold.
fn files(config: &Config, network: &net::Plan, hostname: &str) -> [(&'static str, String); 3] {
    let resolv =
        net::resolv_conf(&net::host_file(Path::new("/etc/resolv.conf")), network, &config.dns);
    let hosts = match config.network {
        Network::Host => {
            net::hosts(hostname, &config.name, network, &net::host_file(Path::new("/etc/hosts")))
        }
        _ => net::hosts(hostname, &config.name, network, ""),
    };
    [
        ("/etc/resolv.conf", resolv),
        ("/etc/hosts", hosts),
        ("/etc/hostname", format!("{hostname}\n")),
    ]
}

/// The time zone as a file of the container's directory.
fn copy_zone(dir: &ContainerDir, config: &Config) -> anyhow::Result<()> {
    if let Some(zone) = &config.tz {
        let (from, to) = (zone_file(zone)?, dir.path().join(LOCALTIME));
        std::fs::copy(&from, &to).with_context(|| format!("copy {}", from.display()))?;
    }
    Ok(())
}

fn caller_limit(number: u32) -> (u64, u64) {
    crate::sys::rlimit::get(number)
}

fn process(settings: &Settings, config: &Config, mode: &Mode) -> anyhow::Result<Process> {
    let kept = caps::CapSet::EMPTY.adjusted(&config.security.caps, &[])?;
    let added = caps::CapSet::EMPTY.adjusted(&config.security.added, &[])?;
    let mut env = config.process.env.clone();
    secrets::give_way(&config.secrets, &mut env);
    if !env.iter().any(|e| e.starts_with("HOSTNAME=")) {
        env.push(format!("HOSTNAME={}", config.host_name()));
    }
    Ok(Process {
        args: config.args(),
        env,
        cwd: config.process.cwd.clone(),
        make_cwd: config.process.make_cwd,
        user: config.process.user.clone(),
        groups: groups(&config.process.groups),
        caps: kept.bits(),
        ambient: added.bits(),
        no_new_privs: config.security.no_new_privileges,
        seccomp: filter(settings, config, kept)?,
        rlimits: Vec::new(),
        umask: config.process.umask,
        tty: config.process.tty.then(|| mode.size.unwrap_or(TtySize { rows: 24, cols: 80 })),
        stdin: config.takes_input(),
        oom_score_adj: config.process.oom_score_adj,
        passed: 0,
        listens: false,
    })
}

/// The compiled filter of a container with these capabilities.
pub fn filter(settings: &Settings, config: &Config, kept: caps::CapSet) -> anyhow::Result<Vec<u8>> {
    if config.security.privileged || config.security.seccomp == "unconfined" {
        return Ok(Vec::new());
    }
    let profile = config.security.seccomp.as_str();
    let json;
    let source = if profile == "default" {
        seccomp::Source::Builtin
    } else {
        json = small::read(profile).with_context(|| format!("seccomp profile {profile}"))?;
        seccomp::Source::Json(&json)
    };
    let options = seccomp::Options::default();
    seccomp::cached(source, kept, &options, &settings.dirs.cache)
        .with_context(|| format!("seccomp profile {profile}"))
}

fn groups(asked: &[String]) -> Groups {
    if asked.iter().any(|g| g == "keep-groups") { Groups::Keep } else { Groups::Of(asked.to_vec()) }
}

fn masked(config: &Config) -> Vec<String> {
    if config.security.privileged {
        return Vec::new();
    }
    defaults::masked(&config.security.mask, &config.security.unmask)
}

fn read_only(config: &Config) -> Vec<String> {
    if config.security.privileged {
        Vec::new()
    } else {
        defaults::read_only(&config.security.unmask)
    }
}

fn monitor(settings: &Settings, config: &Config, mode: &Mode, log: Log) -> Monitor {
    let volumes = settings.dirs.volumes();
    Monitor {
        log,
        restart: restart(&config.restart),
        stop_signal: config.stop_signal,
        stop_timeout: config.stop_timeout,
        timeout: config.timeout,
        remove: config.remove,
        name: config.name.clone(),
        files: config.cidfile.iter().filter_map(|p| text(p).ok()).collect(),
        volumes: config
            .anonymous_volumes
            .iter()
            .filter_map(|v| text(&volumes.join(v)).ok())
            .collect(),
        attach: mode.attach,
        created: config.created,
        events: events(settings, config),
    }
}

/// What the supervisor writes of what becomes of the container.
fn events(settings: &Settings, config: &Config) -> Option<Events> {
    let path = settings.event_log().file()?;
    Some(Events {
        path: text(&path).ok()?,
        image: serde_json::to_string(&config.image()).ok()?,
        attributes: serde_json::to_string(&config.labels).ok()?,
    })
}

/// The policy as `create` validated it.
pub fn restart(policy: &str) -> Restart {
    match policy.split_once(':').unwrap_or((policy, "0")) {
        ("on-failure", max) => Restart::OnFailure { max: max.parse().unwrap_or(0) },
        ("always", _) => Restart::Always,
        ("unless-stopped", _) => Restart::UnlessStopped,
        _ => Restart::No,
    }
}

/// Copy of the time zone in the container's directory.
const LOCALTIME: &str = "localtime";

const NO_EXEC: MountFlags =
    MountFlags { read_only: false, nosuid: true, nodev: true, noexec: true };
/// Of what has devices.
const DEVICES: MountFlags = MountFlags { nodev: false, ..NO_EXEC };

/// Every mount in order: the system's own, then the three files and what was asked for, by depth:
/// a volume at /etc lies below the files.
fn mounts(
    settings: &Settings,
    config: &Config,
    files: [(&str, String); 3],
) -> anyhow::Result<Vec<Step>> {
    let step = |target: &str, what: MountKind, flags: MountFlags| Step {
        target: target.to_owned(),
        what,
        flags,
    };
    let mut devices = Vec::new();
    for (source, target) in &config.devices {
        add_devices(&mut devices, Path::new(source), target)?;
    }
    let sys = MountFlags { read_only: !config.security.privileged, ..NO_EXEC };
    let shm = vec![
        ("mode".to_owned(), "1777".to_owned()),
        ("size".to_owned(), config.shm_size.to_string()),
    ];
    let mut list = vec![
        step("/proc", MountKind::Proc, NO_EXEC),
        step("/dev", MountKind::Dev { devices }, DEVICES),
        step("/dev/pts", MountKind::Devpts, DEVICES),
    ];
    if config.share.iter().any(|s| s == "ipc") {
        // The host's queues and memory, as podman binds them. A mount of our own is EPERM: the
        // namespace is not below the container's user namespace.
        for target in ["/dev/mqueue", "/dev/shm"] {
            if Path::new(target).is_dir() && !is_mounted(config, target) {
                let stat = rootfs::identity(Path::new(target))?;
                list.push(step(target, host_dir(target, stat), NO_EXEC));
            }
        }
    } else {
        list.push(step("/dev/mqueue", MountKind::Mqueue, NO_EXEC));
        if !is_mounted(config, "/dev/shm") {
            list.push(step("/dev/shm", MountKind::Tmpfs { options: shm, copy_up: false }, NO_EXEC));
        }
    }
    list.push(step("/sys", MountKind::Sys, sys));
    if cgroup::is_pure_v2() && !config.share.iter().any(|s| s == "cgroup") {
        list.push(step(
            "/sys/fs/cgroup",
            MountKind::Cgroup,
            MountFlags { read_only: true, ..NO_EXEC },
        ));
    }
    let mut deeper = Vec::new();
    for (target, content) in files {
        if !is_mounted(config, target) {
            deeper.push(step(target, MountKind::Text { content }, MountFlags::default()));
        }
    }
    if config.tz.is_some() && !is_mounted(config, "/etc/localtime") {
        let name = LOCALTIME.to_owned();
        deeper.push(step("/etc/localtime", MountKind::File { name }, MountFlags::default()));
    }
    if config.read_only {
        for target in ["/run", "/tmp", "/var/tmp"] {
            if !is_mounted(config, target) {
                deeper.push(step(
                    target,
                    MountKind::Tmpfs { options: Vec::new(), copy_up: true },
                    MountFlags { noexec: false, ..NO_EXEC },
                ));
            }
        }
    }
    for mount in &config.mounts {
        deeper.push(asked_mount(settings, mount)?);
    }
    deeper.sort_by_key(|m| m.target.split('/').count());
    list.extend(deeper);
    Ok(list)
}

fn host_dir(path: &str, stat: FileId) -> MountKind {
    MountKind::Bind {
        source: path.to_owned(),
        stat,
        propagation: Propagation::Private,
        copy_up: false,
        adopt: false,
    }
}

/// A node, or every node below a directory such as `/dev/dri`.
fn add_devices(list: &mut Vec<Device>, source: &Path, target: &str) -> anyhow::Result<()> {
    let about = || format!("--device {}", source.display());
    if !std::fs::metadata(source).with_context(about)?.is_dir() {
        list.push(Device { source: text(source)?, target: target.to_owned() });
        return Ok(());
    }
    for entry in std::fs::read_dir(source).with_context(about)? {
        let entry = entry.with_context(about)?;
        let kind = entry.file_type().with_context(about)?;
        if kind.is_dir() || kind.is_char_device() || kind.is_block_device() {
            let target = format!("{target}/{}", text(Path::new(&entry.file_name()))?);
            add_devices(list, &entry.path(), &target)?;
        }
    }
    Ok(())
}

fn asked_mount(settings: &Settings, mount: &Mount) -> anyhow::Result<Step> {
    let has = |option: &str| mount.options.iter().any(|o| o == option);
    let flags = MountFlags {
        read_only: has("ro"),
        nosuid: !has("suid"),
        nodev: !has("dev"),
        noexec: has("noexec"),
    };
    let what = match mount.kind {
        Kind::Tmpfs => {
            MountKind::Tmpfs { options: tmpfs_options(mount), copy_up: !has("notmpcopyup") }
        }
        Kind::Bind => {
            let source = Path::new(&mount.source);
            bind(source, rootfs::identity(source), mount, false)?
        }
        Kind::Volume => {
            let path = settings.dirs.volumes().join(&mount.source).join("_data");
            // One that is not there yet is met in a dry run only, which makes none.
            let stat = match path.try_exists() {
                Ok(false) => Ok(FileId { dev: 0, ino: 0, kind: 0o040_000 }),
                _ => rootfs::identity(&path),
            };
            bind(&path, stat, mount, !has("nocopy"))?
        }
    };
    Ok(Step { target: mount.target.clone(), what, flags })
}

fn bind(
    source: &Path,
    stat: Result<FileId, rootfs::RootError>,
    mount: &Mount,
    copy_up: bool,
) -> anyhow::Result<MountKind> {
    let has = |option: &str| mount.options.iter().any(|o| o == option);
    let stat = stat.with_context(|| format!("mount at {}", mount.target))?;
    let adopt = mount.kind == Kind::Volume;
    let propagation = if has("shared") || has("rshared") {
        Propagation::Shared
    } else if has("slave") || has("rslave") {
        Propagation::Slave
    } else {
        Propagation::Private
    };
    Ok(MountKind::Bind { source: text(source)?, stat, propagation, copy_up, adopt })
}

fn tmpfs_options(mount: &Mount) -> Vec<(String, String)> {
    // Its mode is the kernel's 1777, or that of the image's directory, unless it is asked for.
    mount
        .options
        .iter()
        .filter_map(|o| o.split_once('='))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect()
}
