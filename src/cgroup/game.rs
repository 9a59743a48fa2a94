//! The control group of a game that stays outside every container: a scope of `systemd --user`, or a
//! leaf of a delegated v2 directory. The game's own process moves there before it is executed.

use super::host::{Host, Nest, Occupied, V2};
use super::make::{SCOPE_LIMIT, words, write};
use super::plan::ScopePlan;
use super::scope::systemd_scope;
use crate::ui::print::causes;
use std::fs;
use std::path::{Path, PathBuf};

/// Every leaf that is made here is called so, with the game's pid behind it.
pub const LEAF: &str = "bolt-game-";

/// What is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GameLimits {
    /// `--cpu-weight`, 1 to 10000 (cgroup-v2.rst, `cpu.weight`).
    pub cpu_weight: Option<u64>,
    /// `--memory-low`, bytes (cgroup-v2.rst, `memory.low`).
    pub memory_low: Option<u64>,
}

/// How a game gets a control group here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Road {
    /// systemd makes a scope, and takes it away when its last process has ended.
    Scope(ScopePlan),
    /// A directory that Bolt makes, and its watcher removes.
    Leaf {
        /// The directory that is divided.
        nest: Nest,
        /// The leaf.
        dir: PathBuf,
    },
    /// There is none, and why.
    Closed(String),
}

/// What became of each limit; `None` for one that was not asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Entered {
    /// Of the processor's weight: why not.
    pub cpu_weight: Option<Result<(), String>>,
    /// Of the protected memory: why not.
    pub memory_low: Option<Result<(), String>>,
}

/// Chooses the way for process `pid`. Nothing is changed.
pub fn road(host: &Host, pid: u32, limits: &GameLimits) -> Road {
    let v2 = match host {
        Host::V2(v2) => v2,
        Host::Hybrid { .. } | Host::V1(_) => {
            return Road::Closed(
                "the controllers of this system are cgroup v1, which cannot be handed to users; \
                 boot with systemd.unified_cgroup_hierarchy=1"
                    .to_owned(),
            );
        }
        Host::None => {
            return Road::Closed("this system has no cgroup file system".to_owned());
        }
    };
    let usable = |nest: &&Nest| nest.occupied != Occupied::Others || has_all(nest, limits);
    if let Some(nest) = v2.nest.as_ref().filter(usable) {
        let dir = nest.dir.join(format!("{LEAF}{pid}"));
        return Road::Leaf { nest: nest.clone(), dir };
    }
    match &v2.systemd {
        Some(_) => Road::Scope(scope(v2, pid, limits)),
        None => Road::Closed(
            "this user's part of cgroup v2 is not delegated and no `systemd --user` answers; log \
             in through systemd-logind, or start Steam in a unit with Delegate=yes"
                .to_owned(),
        ),
    }
}

/// Whether the children of a directory have what is asked for already.
fn has_all(nest: &Nest, limits: &GameLimits) -> bool {
    let has = |name: &str| nest.enabled.iter().any(|have| have == name);
    (limits.cpu_weight.is_none() || has("cpu")) && (limits.memory_low.is_none() || has("memory"))
}

fn scope(v2: &V2, pid: u32, limits: &GameLimits) -> ScopePlan {
    let systemd = v2.systemd.as_ref();
    ScopePlan {
        name: format!("{LEAF}{pid}.scope"),
        description: format!("A game started by bolt, process {pid}"),
        bus: systemd.map_or(crate::bus::BusAddress::Path(PathBuf::new()), |s| s.bus.clone()),
        uid: systemd.map_or(0, |systemd| systemd.uid),
        mount: v2.mount.clone(),
        cpu_weight: limits.cpu_weight,
        memory_low: limits.memory_low,
    }
}

/// Moves process `pid` into its control group and sets the limits. `beside` are processes of ours
/// that must not be in the way when a directory is divided.
pub fn enter(road: &Road, pid: u32, beside: &[u32], limits: &GameLimits) -> Entered {
    let result = match road {
        Road::Scope(plan) => systemd_scope(plan, pid, SCOPE_LIMIT).map_err(|e| causes(&e)),
        Road::Leaf { nest, dir } => leaf(nest, dir, pid, beside, limits).map(|()| dir.clone()),
        Road::Closed(why) => Err(why.clone()),
    };
    let check = |file: &str, wanted: u64| match &result {
        Ok(dir) => holds(dir, file, wanted),
        Err(why) => Err(why.clone()),
    };
    Entered {
        cpu_weight: limits.cpu_weight.map(|weight| check("cpu.weight", weight)),
        memory_low: limits.memory_low.map(|bytes| {
            check("memory.low", bytes)?;
            result.as_ref().map_or(Ok(()), |dir| protected(dir))
        }),
    }
}

fn leaf(
    nest: &Nest,
    dir: &Path,
    pid: u32,
    beside: &[u32],
    limits: &GameLimits,
) -> Result<(), String> {
    let put = |file: PathBuf, value: &str| write(&file, value).map_err(|e| words(&file, &e));
    let make = |dir: &Path| match fs::create_dir(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(words(dir, &error)),
        _ => Ok(()),
    };
    make(dir)?;
    if nest.occupied == Occupied::OnlyCaller {
        let launcher = nest.dir.join("bolt-launcher");
        make(&launcher)?;
        for pid in beside {
            put(launcher.join("cgroup.procs"), &pid.to_string())?;
        }
    }
    put(dir.join("cgroup.procs"), &pid.to_string())?;
    let wanted =
        [("cpu", "cpu.weight", limits.cpu_weight), ("memory", "memory.low", limits.memory_low)];
    // A refusal shows when the value is read back; the other limit may still hold.
    for (controller, file, value) in wanted {
        let Some(value) = value else { continue };
        if !nest.enabled.iter().any(|have| have == controller) {
            let _ = put(nest.dir.join("cgroup.subtree_control"), &format!("+{controller}"));
        }
        let _ = put(dir.join(file), &value.to_string());
    }
    Ok(())
}

/// Whether the kernel has the value. `memory.low` counts in pages.
fn holds(dir: &Path, file: &str, wanted: u64) -> Result<(), String> {
    let path = dir.join(file);
    let controller = file.split('.').next().unwrap_or_default();
    let text = fs::read_to_string(&path).map_err(|_| {
        format!(
            "no `{controller}` controller in {}; as root: `systemctl edit user@.service` with \
             `[Service] Delegate=cpu cpuset io memory pids`, then log in again",
            dir.display()
        )
    })?;
    let page = rustix::param::page_size() as u64;
    let found: u64 = text.trim().parse().unwrap_or(u64::MAX);
    match found == wanted || (file == "memory.low" && found == wanted / page * page) {
        true => Ok(()),
        false => Err(format!("{} is {}, not {wanted}", path.display(), text.trim())),
    }
}

/// Memory is protected up to what every directory above protects (cgroup-v2.rst, `memory.low`): a
/// value below an unprotected directory has no effect.
fn protected(dir: &Path) -> Result<(), String> {
    for above in dir.ancestors().skip(1) {
        // The root of the hierarchy has no such file.
        let Ok(text) = fs::read_to_string(above.join("memory.low")) else { return Ok(()) };
        if text.trim() == "0" {
            return Err(format!(
                "it is written, and has no effect: {} protects nothing itself; as root: \
                 `systemctl set-property UNIT MemoryLow=SIZE` for the units above",
                above.display()
            ));
        }
    }
    Ok(())
}

/// Removes the leaf of a game that has ended. `Ok(false)`: processes that it left behind live on
/// in it.
pub fn leave(dir: &Path) -> std::io::Result<bool> {
    let ours = dir.file_name().is_some_and(|name| name.to_string_lossy().starts_with(LEAF));
    if !ours {
        return Err(std::io::ErrorKind::InvalidFilename.into());
    }
    if is_populated(dir) {
        return Ok(false);
    }
    match super::remove(&[dir.to_owned()]).pop() {
        None => Ok(true),
        Some(_) if is_populated(dir) => Ok(false),
        Some((_, error)) => Err(error),
    }
}

fn is_populated(dir: &Path) -> bool {
    let events = fs::read_to_string(dir.join("cgroup.events")).unwrap_or_default();
    events.lines().any(|line| line == "populated 1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::BusAddress;
    use crate::cgroup::Systemd;

    fn v2(nest: Option<Nest>, systemd: bool) -> Host {
        let systemd = systemd.then(|| Systemd {
            bus: BusAddress::Path("/run/user/1/bus".into()),
            uid: 1,
            controllers: Vec::new(),
        });
        Host::V2(V2 { mount: "/sys/fs/cgroup".into(), nest, systemd, cpus: vec![0] })
    }

    fn nest(occupied: Occupied, enabled: &[&str]) -> Nest {
        let enabled = enabled.iter().map(|name| (*name).to_owned()).collect();
        Nest { dir: "/sys/fs/cgroup/u".into(), controllers: Vec::new(), enabled, occupied }
    }

    #[test]
    fn a_delegated_directory_first_then_systemd_then_the_reason() {
        let limits = GameLimits { cpu_weight: Some(500), memory_low: Some(1 << 30) };
        let leaf = |road| match road {
            Road::Leaf { dir, .. } => dir,
            other => panic!("{other:?}"),
        };
        let free = v2(Some(nest(Occupied::OnlyCaller, &[])), true);
        assert_eq!(leaf(road(&free, 7, &limits)), Path::new("/sys/fs/cgroup/u/bolt-game-7"));
        let full = v2(Some(nest(Occupied::Others, &["cpu", "memory"])), false);
        assert_eq!(leaf(road(&full, 7, &limits)), Path::new("/sys/fs/cgroup/u/bolt-game-7"));
        let crowded = v2(Some(nest(Occupied::Others, &["cpu"])), true);
        let Road::Scope(plan) = road(&crowded, 7, &limits) else { panic!() };
        assert_eq!((plan.name.as_str(), plan.cpu_weight), ("bolt-game-7.scope", Some(500)));
        assert_eq!((plan.memory_low, plan.uid), (Some(1 << 30), 1));
        for (host, word) in
            [(v2(None, false), "not delegated"), (Host::None, "no cgroup file system")]
        {
            let Road::Closed(why) = road(&host, 7, &limits) else { panic!() };
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn only_leaves_of_games_are_removed() {
        assert!(leave(Path::new("/tmp/bolt-other")).is_err());
        assert!(leave(Path::new("/nowhere/bolt-game-1")).unwrap());
    }

    #[test]
    fn a_value_is_believed_when_the_kernel_shows_it() {
        let scratch = crate::sys::scratch::Scratch::new("game-cgroup");
        let dir = scratch.path().join("above/leaf");
        fs::create_dir_all(&dir).unwrap();
        assert!(holds(&dir, "cpu.weight", 5).unwrap_err().contains("no `cpu` controller"));
        fs::write(dir.join("cpu.weight"), "100\n").unwrap();
        assert!(holds(&dir, "cpu.weight", 5).unwrap_err().ends_with("is 100, not 5"));
        fs::write(dir.join("memory.low"), "4096\n").unwrap();
        assert_eq!(holds(&dir, "memory.low", 4097), Ok(()));
        fs::write(dir.with_file_name("memory.low"), "0\n").unwrap();
        assert!(protected(&dir).unwrap_err().contains("no effect"));
        fs::write(dir.with_file_name("memory.low"), "1073741824\n").unwrap();
        assert_eq!(protected(&dir), Ok(()));
    }
}
