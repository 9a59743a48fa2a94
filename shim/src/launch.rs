//! What `bolt` decided, as a list for `bolt-shim` to execute. Travels in a sealed memfd.

use crate::accounts::Accounts;
use crate::secret::{Secret, Variable};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Version of the whole contract; both programs refuse any other.
pub const VERSION: u32 = 11;

/// Descriptors that `bolt` places at fixed numbers before it starts `bolt-shim monitor`.
pub mod fd {
    /// SEQPACKET socket to the launching `bolt`: reports, then the first attached client.
    pub const REPORT: i32 = 3;
    /// The memfd with the encoded [`super::Launch`]: written and sealed when
    /// [`crate::control::Request::Planned`] comes. This and the next two come with
    /// [`crate::control::Request::Placed`], and lie above what a monitor has open then.
    pub const LAUNCH: i32 = 10;
    /// The container's lock file, locked for writing (fcntl(2), F_OFD_SETLK).
    pub const LOCK: i32 = 11;
    /// The container's directory.
    pub const DIR: i32 = 12;
}

/// Everything one container start needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Launch {
    /// [`VERSION`].
    pub version: u32,
    /// 64 hex digits.
    pub id: String,
    /// Id map of the container's own user namespace, inside P. `None`: none is made (root).
    pub id_map: Option<IdMap>,
    /// Namespaces the container shares with the host.
    pub share: Share,
    /// Network of the container.
    pub net: Net,
    /// The root file system.
    pub root: Root,
    /// Mounts, in order, each target beneath the root.
    pub mounts: Vec<Mount>,
    /// Paths covered so that nothing of them can be read.
    pub masked: Vec<String>,
    /// Paths made read-only.
    pub read_only: Vec<String>,
    /// Keep a second, covered procfs so that nested sandboxes may mount their own.
    pub covered_proc: bool,
    /// UTS host name.
    pub hostname: Option<String>,
    /// `/proc/sys` settings of the container's namespaces: (`net/ipv4/ip_forward`, `1`).
    pub sysctl: Vec<(String, String)>,
    /// The program.
    pub process: Process,
    /// Who the container's account files are to know.
    pub accounts: Accounts,
    /// Further variables of the program and of every exec; the monitor keeps them to its end.
    pub secret_env: Vec<Variable>,
    /// Run a small init as pid 1 that reaps and forwards signals.
    pub init: bool,
    /// Where the payload is put.
    pub cgroup: Cgroup,
    /// The cgroup is still being made: wait for `Request::Cgroup` before anything else.
    pub await_cgroup: bool,
    /// Settings that `bolt` could not apply, for the record: `setting: why`.
    pub denied: Vec<String>,
    /// How the monitor behaves once the payload runs.
    pub monitor: Monitor,
    /// What a service manager and scripts are told.
    pub unit: Unit,
    /// How it is seen whether the payload does its work.
    pub health: Option<Box<Health>>,
}

/// How the monitor gets its user namespace P.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Userns {
    /// Root: stay where we are.
    Host,
    /// Join the namespace that comes with [`crate::control::Request::Enter`].
    Join,
    /// The same for one whose maps `bolt` has written now: `IdMapsWritten` or `IdMapsRefused`
    /// follows.
    JoinNew,
    /// Make one that maps only the user, to 0.
    MakeSingle,
}

/// Shape of the container's map; the numbers come from the monitor's own map at run time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdMap {
    /// Container root is the user, the rest are subordinate ids.
    RootIsUser,
    /// The user keeps this uid and gid; root and the rest are subordinate ids.
    KeepId {
        /// The user's uid inside.
        uid: u32,
        /// The user's gid inside.
        gid: u32,
    },
    /// Only subordinate ids: the user is not there.
    NoMap,
    /// A range of the subordinate ids, of uids and gids alike; nothing else is there.
    Range {
        /// Its first id in P, which is 0 inside.
        first: u32,
        /// How many; all must exist in P.
        size: u32,
    },
}

/// Namespaces shared with the host instead of made anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Share {
    /// SysV IPC and POSIX queues.
    pub ipc: bool,
    /// Host name.
    pub uts: bool,
    /// Cgroup view.
    pub cgroup: bool,
    /// Process ids.
    pub pid: bool,
}

/// The container's network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Net {
    /// The host's own.
    Host,
    /// A namespace with only `lo`.
    None,
    /// A namespace of its own, served by a program that the monitor starts and ends.
    Uplink {
        /// The program.
        uplink: Uplink,
        /// A program that cannot serve ends the start; else the container has `lo` alone and
        /// that is told.
        required: bool,
    },
}

/// The program that carries a container's packets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uplink {
    /// `pasta` or `slirp4netns`: decides how readiness is seen.
    pub kind: UplinkKind,
    /// Absolute path of the program.
    pub program: String,
    /// Arguments; `{netns}` stands for the path of the inherited namespace descriptor, `{ready}`
    /// for the number of the descriptor that reports readiness.
    pub args: Vec<String>,
    /// Ports of the host that lead into the container. pasta has them in `args` as well.
    pub ports: Vec<Forward>,
}

/// Name in the container's directory, which is slirp4netns' working directory, of its API socket;
/// asked for where there are ports.
pub const API_SOCKET: &str = "uplink.sock";

/// A run of ports of the host, each of which leads to the port of the container at the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// UDP; else TCP.
    pub udp: bool,
    /// Address of the host; unspecified: all of its family, and `::` of both.
    pub address: IpAddr,
    /// First port of the host.
    pub host: u16,
    /// First port of the container.
    pub inside: u16,
    /// How many, at least one.
    pub count: u16,
}

/// Which uplink program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum UplinkKind {
    /// pasta(1): ready when its foreground process has made the tap device and gone on.
    Pasta,
    /// slirp4netns(1): ready when it writes to `--ready-fd`.
    Slirp,
}

/// The root file system of the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Root {
    /// Kernel overlayfs over unpacked layers.
    Overlay {
        /// Layer directories, uppermost first.
        lower: Vec<String>,
        /// Writable directory and its work directory; `None`: a read-only stack.
        upper: Option<(String, String)>,
        /// No sync at unmount; the upper is thrown away afterwards.
        volatile: bool,
        /// Mount the whole root read-only.
        read_only: bool,
    },
    /// fuse-overlayfs(1) over the same directories.
    FuseOverlay {
        /// Absolute path of the program.
        program: String,
        /// Layer directories, uppermost first.
        lower: Vec<String>,
        /// Writable directory and its work directory.
        upper: (String, String),
        /// Where it is mounted in the monitor's mount namespace.
        mountpoint: String,
        /// Mount the whole root read-only.
        read_only: bool,
    },
    /// A directory used as it is: `--rootfs`, or a copied image.
    Dir {
        /// Absolute path, checked against the inode when opened.
        path: String,
        /// What `bolt` saw there.
        stat: FileId,
        /// Mount the whole root read-only.
        read_only: bool,
    },
}

/// Identity of a mount source when it was planned; compared when it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileId {
    /// `st_dev`.
    pub dev: u64,
    /// `st_ino`.
    pub ino: u64,
    /// `st_mode & S_IFMT`.
    pub kind: u32,
}

/// One mount beneath the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Absolute path in the container; missing directories (or the file) are made.
    pub target: String,
    /// What is mounted there.
    pub what: MountKind,
    /// Flags added to the mount.
    pub flags: MountFlags,
}

/// What a [`Mount`] puts at its target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MountKind {
    /// A host path, always recursive.
    Bind {
        /// Absolute host path.
        source: String,
        /// What `bolt` saw there.
        stat: FileId,
        /// Propagation of the new mount.
        propagation: Propagation,
        /// Copy the image's content into an empty volume at first use (podman's named volumes).
        copy_up: bool,
        /// A volume: while it is empty and its owner does not exist in the container, it is
        /// given to the container's root.
        adopt: bool,
    },
    /// procfs of the container's pid namespace.
    Proc,
    /// sysfs of the container's network namespace; the host's, bound, with `--network host`.
    Sys,
    /// tmpfs with `/dev`'s usual nodes and links.
    Dev {
        /// Further device nodes, bound one by one.
        devices: Vec<Device>,
    },
    /// A devpts instance.
    Devpts,
    /// POSIX message queues.
    Mqueue,
    /// cgroup2.
    Cgroup,
    /// tmpfs with mount(8) options such as `size=64m,mode=1777`.
    Tmpfs {
        /// Comma-separated options for fsconfig.
        options: Vec<(String, String)>,
        /// Copy what the image has below the target.
        copy_up: bool,
    },
    /// A file of the container's directory, bound over the target.
    File {
        /// Name in the container's directory.
        name: String,
    },
    /// A small file of the container's own, in the memory of its `/dev`, bound over the target.
    Text {
        /// What it holds at the start.
        content: String,
    },
    /// The same with a secret.
    Secret {
        /// What it holds at the start.
        content: Secret,
        /// uid and gid in the container; `None`: its root, where that exists.
        owner: Option<(u32, u32)>,
        /// Permission bits.
        mode: u32,
    },
}

impl MountKind {
    /// Whether what the image has at the target may be copied into it.
    pub fn copies(&self) -> bool {
        matches!(
            self,
            MountKind::Bind { copy_up: true, .. } | MountKind::Tmpfs { copy_up: true, .. }
        )
    }
}

/// A device node that is bound into `/dev`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Host path.
    pub source: String,
    /// Path in the container.
    pub target: String,
}

/// Mount propagation of a bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Propagation {
    /// Nothing crosses.
    #[default]
    Private,
    /// Host mounts appear inside.
    Slave,
    /// Both ways.
    Shared,
}

/// Flags are only ever added; atime is never touched (mount_setattr(2) EPERM on locked mounts).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MountFlags {
    /// MOUNT_ATTR_RDONLY.
    pub read_only: bool,
    /// MOUNT_ATTR_NOSUID.
    pub nosuid: bool,
    /// MOUNT_ATTR_NODEV.
    pub nodev: bool,
    /// MOUNT_ATTR_NOEXEC.
    pub noexec: bool,
}

/// A program to run in the container: the payload, or an exec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// argv; the first word is looked up in the container's PATH.
    pub args: Vec<String>,
    /// `KEY=value`; HOME is added from the container's /etc/passwd when it is missing.
    pub env: Vec<String>,
    /// Working directory; made when missing and `make_cwd`.
    pub cwd: String,
    /// Make a missing working directory (podman does for the image's own).
    pub make_cwd: bool,
    /// `USER[:GROUP]`, names or numbers, looked up in the container.
    pub user: String,
    /// Supplementary groups.
    pub groups: Groups,
    /// Effective, permitted and bounding capabilities as bits.
    pub caps: u64,
    /// Those that another user than root gets, ambient ones: `--cap-add`.
    pub ambient: u64,
    /// PR_SET_NO_NEW_PRIVS.
    pub no_new_privs: bool,
    /// Compiled classic BPF, 8 bytes an instruction; empty: no filter.
    #[serde(with = "serde_bytes")]
    pub seccomp: Vec<u8>,
    /// (resource number, soft, hard); clamped to the caller's hard limit by `bolt`.
    pub rlimits: Vec<(u32, u64, u64)>,
    /// umask(2).
    pub umask: u32,
    /// Terminal size when there is a terminal.
    pub tty: Option<TtySize>,
    /// Standard input is kept open for clients.
    pub stdin: bool,
    /// oom_score_adj(5).
    pub oom_score_adj: Option<i32>,
    /// Descriptors from number 3 on that came with the request.
    pub passed: u32,
    /// They are a service manager's listening sockets: LISTEN_PID is added (sd_listen_fds(3)).
    pub listens: bool,
}

/// Supplementary groups of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Groups {
    /// The user's groups in the container's /etc/group, and these besides (names or numbers).
    Of(Vec<String>),
    /// The caller's own, unmapped ones too: setgroups(2) is not called.
    Keep,
}

/// Rows and columns of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TtySize {
    /// Lines.
    pub rows: u16,
    /// Columns.
    pub cols: u16,
}

/// Control group of the payload. Directories exist and limits are written already.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Cgroup {
    /// cgroup2 directory for CLONE_INTO_CGROUP.
    pub v2: Option<String>,
    /// v1 `cgroup.procs` files that get the payload's pid.
    pub v1: Vec<String>,
    /// cgroup2 directory the monitor moves itself to.
    pub monitor: Option<String>,
    /// File with the `oom_kill` counter.
    pub oom: Option<String>,
    /// Directories removed when the container ends, deepest first.
    pub remove: Vec<String>,
}

/// What the monitor does while and after the payload runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Monitor {
    /// Where the payload's output is kept.
    pub log: Log,
    /// Restart policy.
    pub restart: Restart,
    /// Signal of `stop`.
    pub stop_signal: i32,
    /// Seconds between `stop_signal` and SIGKILL.
    pub stop_timeout: u32,
    /// `--timeout`: seconds until the payload is killed; 0: never.
    pub timeout: u32,
    /// Remove the container's directory, name and `files` at the end.
    pub remove: bool,
    /// Name to unlink below `containers/by-name` with `remove`.
    pub name: String,
    /// Files to unlink with `remove` while they hold the id: `--cidfile`.
    pub files: Vec<String>,
    /// Directories below `volumes/` to remove with `remove`: anonymous volumes.
    pub volumes: Vec<String>,
    /// The launching `bolt` stays as the first attached client.
    pub attach: bool,
    /// Nanoseconds since 1970 when the container was created.
    pub created: i64,
    /// Where it is written what becomes of the container; `None`: nowhere.
    pub events: Option<Events>,
}

/// The log of events, and what every line about one container has in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// Absolute path of the file; its first older generation is `PATH.1`.
    pub path: String,
    /// Name of the image, as JSON.
    pub image: String,
    /// Labels, as JSON.
    pub attributes: String,
}

/// Who is told that the payload runs, and where the pids are found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// A datagram socket that leads to the service manager came with `Planned`, before the
    /// descriptors for the payload.
    pub notify: Option<Notify>,
    /// File that gets the payload's pid at every start, absolute.
    pub pidfile: Option<String>,
    /// File that gets the monitor's pid, absolute.
    pub monitor_pidfile: Option<String>,
}

/// Name in the container's directory of the socket that the payload notifies.
pub const NOTIFY: &str = "notify.sock";

/// What the service manager is told by the monitor (sd_notify(3)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notify {
    /// What the payload says at [`NOTIFY`], but for who is the main process.
    Payload {
        /// The main process; `None`: the monitor.
        main: Option<u32>,
    },
    /// `READY=1` when it is healthy for the first time.
    Healthy,
}

/// A program that is run again and again to see how the payload does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The program.
    pub process: Process,
    /// Milliseconds from the end of a check to the next; 0: only when asked for.
    pub interval: u64,
    /// Milliseconds after which a check is killed and has failed.
    pub timeout: u64,
    /// Milliseconds after the start in which a failure does not count.
    pub start_period: u64,
    /// So many failures in a row are `unhealthy`.
    pub retries: u32,
    /// What is done then.
    pub on_failure: OnFailure,
    /// What is run in its place until that has succeeded.
    pub startup: Option<Startup>,
    /// What is kept of each check, and where.
    pub log: HealthLog,
}

/// The check of a payload that is not up yet: the same process with another command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Startup {
    /// argv.
    pub args: Vec<String>,
    /// Milliseconds from the end of one to the next; 0: only when asked for.
    pub interval: u64,
    /// Milliseconds after which one is killed and has failed.
    pub timeout: u64,
    /// After so many failures the payload is started anew; 0: never.
    pub retries: u32,
    /// So many successes end it; 0 is 1.
    pub success: u32,
}

/// What is kept of the checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthLog {
    /// How many; 0: as many as have room.
    pub checks: u32,
    /// Bytes of the output of one.
    pub output: u32,
    /// Who gets them, besides `health.json`.
    pub to: HealthLogTo,
}

/// Who gets the results of checks besides whoever reads `health.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HealthLogTo {
    /// Nobody.
    Local,
    /// A file of this absolute path.
    File(String),
    /// The event that tells of the check.
    Events,
}

/// What an unhealthy payload gets (podman-run(1), `--health-on-failure`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnFailure {
    /// Nothing.
    None,
    /// SIGKILL.
    Kill,
    /// A stop and a new start.
    Restart,
    /// A stop.
    Stop,
}

/// Where output goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Log {
    /// A file, moved to `FILE.1` at this many bytes (0: never).
    K8sFile {
        /// Limit in bytes.
        max_size: u64,
        /// Absolute; `None`: `log` in the container's directory.
        path: Option<String>,
    },
    /// Not kept.
    None,
    /// The payload's standard descriptors are those of who started it, and nothing goes through
    /// the monitor. The three came with `Planned`, behind the service manager's socket and before
    /// the descriptors for the payload.
    Passthrough,
    /// The systemd journal at [`JOURNAL`].
    Journald {
        /// What each line's entry has besides the line: `FIELD=value`, each with a newline.
        fields: String,
    },
}

/// The journal's socket (systemd-journald.service(8)).
pub const JOURNAL: &str = "/run/systemd/journal/socket";

/// Restart policy (podman-run(1), `--restart`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Restart {
    /// Never.
    No,
    /// After a non-zero exit, at most `max` times (0: for ever).
    OnFailure {
        /// Retries.
        max: u32,
    },
    /// After any exit that was not asked for.
    Always,
    /// The same for one that was not stopped by hand; differs at boot only.
    UnlessStopped,
}
