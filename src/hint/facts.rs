//! What this host is like, read from /proc, /sys and /etc below a root (`/`, or a replayed tree).

use rustix::fs::{Access, access, getxattr};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where programs lie; `$PATH` is the user's to bend and not asked.
const PROGRAM_DIRS: [&str; 8] = [
    "usr/local/bin",
    "usr/bin",
    "bin",
    "usr/local/sbin",
    "usr/sbin",
    "sbin",
    "run/wrappers/bin",
    "run/current-system/sw/bin",
];

/// Who asks, and from where.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Real uid.
    pub uid: u32,
    /// `$XDG_RUNTIME_DIR`, when it is set.
    pub runtime_dir: Option<PathBuf>,
    /// This program's own path: the AppArmor profile names it.
    pub program: PathBuf,
}

/// A program that needs privilege.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Privileged {
    /// Not found.
    Missing,
    /// There, with neither the setuid bit nor file capabilities.
    Powerless(PathBuf),
    /// There, setuid root or with file capabilities.
    Able(PathBuf),
}

/// Which control groups there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cgroups {
    /// None mounted.
    None,
    /// Version 1 alone.
    V1,
    /// Version 1 controllers beside an empty version 2 tree.
    Hybrid,
    /// Version 2 alone, with the controllers that the user may set (all of them for root).
    V2 {
        /// `cpu`, `memory`, …; empty when nothing is delegated.
        delegated: Vec<String>,
    },
}

/// Whether an overlay could be mounted in a user namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Overlay {
    /// Nobody tried.
    NotTried,
    /// It worked.
    Works,
    /// It did not: what was done, and the errno's text.
    Refused(String),
}

/// All that [`super::checks`] judges. `None`: the file is not there or not readable.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Who asked.
    pub caller: Caller,
    /// The caller's name in /etc/passwd.
    pub user: Option<String>,
    /// user.max_user_namespaces.
    pub max_user_namespaces: Option<u64>,
    /// kernel.unprivileged_userns_clone (Debian's and Arch's patch).
    pub unprivileged_userns_clone: Option<u64>,
    /// kernel.apparmor_restrict_unprivileged_userns (Ubuntu).
    pub apparmor_restricts: Option<u64>,
    /// Subordinate uids of the caller.
    pub subuids: u64,
    /// Subordinate gids of the caller.
    pub subgids: u64,
    /// First id above every subordinate range of this host, and not below 100000.
    pub free_ids: u64,
    /// newuidmap(1).
    pub newuidmap: Privileged,
    /// newgidmap(1).
    pub newgidmap: Privileged,
    /// The no_new_privs bit of this process.
    pub no_new_privs: bool,
    /// Control groups.
    pub cgroups: Cgroups,
    /// Of version 1: controllers whose limits the caller can set; set by who asked.
    pub limits: Vec<String>,
    /// The probe's result; set by who ran it.
    pub overlay: Overlay,
    /// fuse-overlayfs(1).
    pub fuse_overlayfs: Option<PathBuf>,
    /// /dev/fuse is there, which it needs.
    pub fuse: bool,
    /// Hard limit of open files; `u64::MAX` for unlimited.
    pub nofile_hard: Option<u64>,
    /// vm.max_map_count.
    pub max_map_count: Option<u64>,
    /// /dev/net/tun: `None` when absent, else whether it may be opened.
    pub tun: Option<bool>,
    /// pasta(1).
    pub pasta: Option<PathBuf>,
    /// slirp4netns(1).
    pub slirp4netns: Option<PathBuf>,
    /// The user's services live on after logout.
    pub lingers: bool,
    /// The runtime directory exists and belongs to the caller; `None` when it is not set.
    pub runtime_dir_owned: Option<bool>,
}

impl Facts {
    /// Reads everything below `root`. Nothing is changed, nothing but files is asked.
    pub fn gather(root: &Path, caller: Caller) -> Facts {
        let sysctl = |name: &str| number(&root.join("proc/sys").join(name));
        let user = user_name(root, caller.uid);
        let ids = |file: &str| subordinate(root, file, caller.uid, user.as_deref());
        let runtime = caller.runtime_dir.as_ref().map(|dir| {
            let dir = root.join(dir.strip_prefix("/").unwrap_or(dir));
            fs::metadata(dir).is_ok_and(|meta| meta.is_dir() && meta.uid() == caller.uid)
        });
        let tun = root.join("dev/net/tun");
        Facts {
            max_user_namespaces: sysctl("user/max_user_namespaces"),
            unprivileged_userns_clone: sysctl("kernel/unprivileged_userns_clone"),
            apparmor_restricts: sysctl("kernel/apparmor_restrict_unprivileged_userns"),
            subuids: ids("etc/subuid"),
            subgids: ids("etc/subgid"),
            free_ids: free_ids(root),
            newuidmap: privileged(root, "newuidmap"),
            newgidmap: privileged(root, "newgidmap"),
            no_new_privs: status_field(root, "NoNewPrivs") == Some(1),
            cgroups: cgroups(root, caller.uid),
            limits: Vec::new(),
            overlay: Overlay::NotTried,
            fuse_overlayfs: program(root, "fuse-overlayfs"),
            fuse: root.join("dev/fuse").exists(),
            nofile_hard: nofile_hard(root),
            max_map_count: sysctl("vm/max_map_count"),
            tun: tun.exists().then(|| access(&tun, Access::READ_OK | Access::WRITE_OK).is_ok()),
            pasta: program(root, "pasta"),
            slirp4netns: program(root, "slirp4netns"),
            lingers: user
                .as_ref()
                .is_some_and(|name| root.join("var/lib/systemd/linger").join(name).exists()),
            runtime_dir_owned: runtime,
            user,
            caller,
        }
    }
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn user_name(root: &Path, uid: u32) -> Option<String> {
    let passwd = fs::read_to_string(root.join("etc/passwd")).ok()?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// Sum of the ranges of a user (subuid(5)): the first field is a name or a number.
fn subordinate(root: &Path, file: &str, uid: u32, user: Option<&str>) -> u64 {
    let text = fs::read_to_string(root.join(file)).unwrap_or_default();
    let range = |line: &str| {
        let (owner, range) = line.split_once(':')?;
        let ours = Some(owner) == user || owner.parse() == Ok(uid);
        if ours { range.split_once(':')?.1.trim().parse::<u64>().ok() } else { None }
    };
    text.lines().filter_map(range).fold(0, u64::saturating_add)
}

/// Where a new range can begin without overlapping one of another user.
fn free_ids(root: &Path) -> u64 {
    let end = |line: &str| {
        let mut fields = line.split(':').skip(1);
        let first = fields.next()?.trim().parse::<u64>().ok()?;
        first.checked_add(fields.next()?.trim().parse().ok()?)
    };
    let files = ["etc/subuid", "etc/subgid"].map(|file| fs::read_to_string(root.join(file)));
    let ends = files.iter().flatten().flat_map(|text| text.lines()).filter_map(end);
    ends.max().unwrap_or(0).max(100_000)
}

fn program(root: &Path, name: &str) -> Option<PathBuf> {
    PROGRAM_DIRS.iter().map(|dir| root.join(dir).join(name)).find(|path| {
        fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    })
}

fn privileged(root: &Path, name: &str) -> Privileged {
    let Some(path) = program(root, name) else { return Privileged::Missing };
    let setuid = fs::metadata(&path).is_ok_and(|m| m.permissions().mode() & 0o4000 != 0);
    let capable = getxattr(&path, "security.capability", &mut [0_u8; 64]).is_ok_and(|n| n > 0);
    if setuid || capable { Privileged::Able(path) } else { Privileged::Powerless(path) }
}

fn status_field(root: &Path, name: &str) -> Option<u64> {
    let status = fs::read_to_string(root.join("proc/self/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().parse().ok()
}

fn nofile_hard(root: &Path) -> Option<u64> {
    let limits = fs::read_to_string(root.join("proc/self/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().nth(1)? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    }
}

fn cgroups(root: &Path, uid: u32) -> Cgroups {
    let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).unwrap_or_default();
    // mountinfo: the type stands behind the lone dash (proc_pid_mountinfo(5)).
    let mounted = |kind: &str| {
        mounts.lines().any(|line| {
            line.split_once(" - ").and_then(|(_, rest)| rest.split(' ').next()) == Some(kind)
        })
    };
    match (mounted("cgroup"), mounted("cgroup2")) {
        (false, false) => Cgroups::None,
        (true, false) => Cgroups::V1,
        (true, true) => Cgroups::Hybrid,
        (false, true) => Cgroups::V2 { delegated: delegated(root, uid) },
    }
}

/// Controllers of the first control group that belongs to the user: the service manager's, else
/// the one this process is in.
fn delegated(root: &Path, uid: u32) -> Vec<String> {
    let top = root.join("sys/fs/cgroup");
    let managed = top.join(format!("user.slice/user-{uid}.slice/user@{uid}.service"));
    let own = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::/").map(|path| top.join(path)));
    let candidates =
        if uid == 0 { vec![top] } else { [Some(managed), own].into_iter().flatten().collect() };
    let ours = |dir: &PathBuf| fs::metadata(dir).is_ok_and(|meta| meta.uid() == uid);
    let Some(dir) = candidates.into_iter().find(ours) else { return Vec::new() };
    let controllers = fs::read_to_string(dir.join("cgroup.controllers")).unwrap_or_default();
    controllers.split_whitespace().map(str::to_owned).collect()
}
