//! `config.json`: what `create` decided. Written once (and by `rename`), never by the supervisor.
//!
//! It holds what was meant, not how it is done: each start plans anew from it, because the
//! user namespace, the cgroup and the devices may differ by then.

use super::health::Health;
use super::log_driver::LogDriver;
use super::ports::Ports;
use super::secret::Given;
use super::service::Unit;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Version of the file format.
pub const VERSION: u32 = 1;

/// One container as it was created.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// [`VERSION`].
    pub version: u32,
    /// 64 hex digits.
    pub id: String,
    /// Unique name.
    pub name: String,
    /// Nanoseconds since 1970.
    pub created: i64,
    /// The command that created it (`inspect`: CreateCommand).
    pub create_command: Vec<String>,
    /// The directory that it was created from: relative paths of the command mean something there.
    #[serde(default)]
    pub create_dir: String,
    /// Where the root file system comes from.
    pub origin: Origin,
    /// The program.
    pub process: Process,
    /// `--hostname`.
    pub hostname: Option<String>,
    /// Labels, the image's included.
    pub labels: BTreeMap<String, String>,
    /// `--annotation`.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// `--network`.
    pub network: Network,
    /// `--publish`, `--expose`.
    #[serde(default, skip_serializing_if = "Ports::is_empty")]
    pub ports: Ports,
    /// What resolv.conf says instead of the host's.
    #[serde(default)]
    pub dns: Dns,
    /// `--userns`.
    pub userns: Userns,
    /// Namespaces shared with the host: `ipc`, `uts`, `cgroup`, `pid`.
    #[serde(default)]
    pub share: Vec<String>,
    /// Mounts asked for, volumes included.
    pub mounts: Vec<Mount>,
    /// `--device`: (host path, container path).
    #[serde(default)]
    pub devices: Vec<(String, String)>,
    /// Those of them, by their path in the container, for which less than reading and writing was
    /// asked for, with what was.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub narrow_devices: BTreeMap<String, String>,
    /// `--read-only`.
    pub read_only: bool,
    /// `--shm-size` in bytes.
    pub shm_size: u64,
    /// `--sysctl`.
    #[serde(default)]
    pub sysctl: BTreeMap<String, String>,
    /// Security choices.
    pub security: Security,
    /// Resource limits as typed, validated.
    pub resources: Resources,
    /// `--ulimit`: (name, soft, hard).
    #[serde(default)]
    pub ulimits: Vec<(String, u64, u64)>,
    /// `--init`.
    pub init: bool,
    /// `--rm`.
    pub remove: bool,
    /// `--restart`: `no`, `on-failure[:n]`, `always`, `unless-stopped`.
    pub restart: String,
    /// Signal number of `stop`.
    pub stop_signal: i32,
    /// Seconds before SIGKILL.
    pub stop_timeout: u32,
    /// `--timeout` in seconds, 0: none.
    pub timeout: u32,
    /// `--log-driver`.
    pub log_driver: LogDriver,
    /// `--log-opt max-size` in bytes, 0: no limit.
    pub log_max_size: u64,
    /// `--log-opt path`, absolute; `None`: in the container's directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_path: Option<PathBuf>,
    /// `--log-opt tag`: text, or a template over what `inspect` shows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub log_tag: String,
    /// `--cidfile`.
    pub cidfile: Option<PathBuf>,
    /// `--tz`.
    pub tz: Option<String>,
    /// Where volumes of this container were made without a name; removed with it.
    #[serde(default)]
    pub anonymous_volumes: Vec<String>,
    /// Service managers, scripts, other containers.
    #[serde(default)]
    pub unit: Unit,
    /// How it is seen whether it does its work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// `--secret`, without the values: those lie in files of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<Given>,
}

/// Where the root file system comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// `--rootfs DIR`.
    Directory(PathBuf),
    /// An image of the store.
    Image {
        /// The name it was asked by, fully qualified.
        name: String,
        /// Image id (config digest).
        id: String,
        /// Manifest digest.
        manifest: String,
        /// Chain ids, bottom first.
        layers: Vec<String>,
        /// Id layout of the unpacked layers, a directory name of the store.
        layout: String,
        /// How it is put together: `overlay`, `fuse-overlayfs`, `copy`.
        driver: String,
    },
}

/// The program to run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// First words.
    pub entrypoint: Vec<String>,
    /// Arguments.
    pub cmd: Vec<String>,
    /// Whole environment, `KEY=value`.
    pub env: Vec<String>,
    /// Working directory.
    pub cwd: String,
    /// Make a missing working directory.
    pub make_cwd: bool,
    /// `USER[:GROUP]`.
    pub user: String,
    /// `--group-add`; `keep-groups` alone keeps the caller's.
    #[serde(default)]
    pub groups: Vec<String>,
    /// `--passwd=false`: the container's account files stay as they are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_passwd: bool,
    /// `--passwd-entry`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passwd_entry: Option<String>,
    /// umask(2).
    pub umask: u32,
    /// `-t`.
    pub tty: bool,
    /// `-i`.
    pub stdin: bool,
    /// `--oom-score-adj`.
    #[serde(default)]
    pub oom_score_adj: Option<i32>,
}

/// `--network`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Not asked for: pasta, else slirp4netns, else none with one line.
    Default,
    /// Only `lo`.
    None,
    /// The host's.
    Host,
    /// pasta(1) with further options.
    Pasta(Vec<String>),
    /// slirp4netns(1) with further options.
    Slirp4netns(Vec<String>),
}

/// resolv.conf(5) of a container with a network of its own; an empty list leaves the host's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns {
    /// Addresses of name servers.
    pub servers: Vec<String>,
    /// Domains that short names are looked up in.
    pub searches: Vec<String>,
    /// Options of the resolver.
    pub options: Vec<String>,
}

/// `--userns`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Userns {
    /// `host` (default): container root is the user.
    Host,
    /// `keep-id[:uid=N,gid=N]`: the user keeps an id.
    KeepId {
        /// uid inside.
        uid: u32,
        /// gid inside.
        gid: u32,
    },
    /// `nomap`: the user is not there.
    NoMap,
    /// `auto`: a range of the subordinate ids that no other such container has.
    Auto {
        /// Its first id, counted from 1 over all of the user's.
        first: u32,
        /// How many.
        size: u32,
    },
}

/// One mount asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// `bind`, `volume`, `tmpfs`.
    pub kind: MountKind,
    /// Host path, volume name, or empty.
    pub source: String,
    /// Absolute path in the container.
    pub target: String,
    /// `ro`, `noexec`, `nosuid`, `nodev`, `size=…`, `rslave`, … as validated.
    pub options: Vec<String>,
}

/// Kind of a [`Mount`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// A host path.
    Bind,
    /// A named or anonymous volume.
    Volume,
    /// Memory.
    Tmpfs,
}

/// Security choices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Security {
    /// Names of the kept capabilities, `CAP_…`.
    pub caps: Vec<String>,
    /// Those of them that were added by name: another user than root has these alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub added: Vec<String>,
    /// PR_SET_NO_NEW_PRIVS.
    pub no_new_privileges: bool,
    /// `default`, `unconfined` or the path of a profile.
    pub seccomp: String,
    /// `mask=`: further covered paths.
    pub mask: Vec<String>,
    /// `unmask=`: paths left open, or `ALL`.
    pub unmask: Vec<String>,
    /// `--privileged`.
    pub privileged: bool,
}

/// Resource limits; the words of the flags.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Resources {
    /// `--memory` in bytes.
    pub memory: Option<u64>,
    /// `--memory-reservation` in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_reservation: Option<u64>,
    /// `--memory-swap` in bytes, -1 unlimited.
    pub memory_swap: Option<i64>,
    /// `--cpus`.
    pub cpus: Option<f64>,
    /// `--cpu-period` in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_period: Option<u64>,
    /// `--cpu-quota` in microseconds; 0 and less is unlimited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_quota: Option<i64>,
    /// `--cpu-shares`.
    pub cpu_shares: Option<u64>,
    /// `--cpuset-cpus`.
    pub cpuset_cpus: Option<String>,
    /// `--cpuset-mems`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpuset_mems: Option<String>,
    /// `--pids-limit`, -1 unlimited.
    pub pids: Option<i64>,
}

/// What every list of containers needs of `config.json`, whether it was read whole or not.
pub trait Listed: DeserializeOwned {
    /// [`VERSION`] of the file.
    fn version(&self) -> u32;
    /// 64 hex digits.
    fn id(&self) -> &str;
    /// Unique name.
    fn name(&self) -> &str;
    /// Nanoseconds since 1970.
    fn created(&self) -> i64;
    /// Entry point and arguments, apart.
    fn words(&self) -> [&[String]; 2];
    /// Name of the image, or the directory that is the root.
    fn image(&self) -> Cow<'_, str>;
    /// Its health is checked.
    fn is_checked(&self) -> bool;
    /// What is published of it.
    fn ports(&self) -> &Ports;

    /// The whole argv.
    fn args(&self) -> Vec<String> {
        self.words().concat()
    }
    /// The first twelve digits of the id, as `ps` shows it.
    fn short_id(&self) -> &str {
        self.id().get(..12).unwrap_or(self.id())
    }
}

impl Listed for Config {
    fn version(&self) -> u32 {
        self.version
    }
    fn id(&self) -> &str {
        &self.id
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn created(&self) -> i64 {
        self.created
    }
    fn words(&self) -> [&[String]; 2] {
        [&self.process.entrypoint, &self.process.cmd]
    }
    fn image(&self) -> Cow<'_, str> {
        match &self.origin {
            Origin::Image { name, .. } => name.into(),
            Origin::Directory(path) => path.display().to_string().into(),
        }
    }
    fn is_checked(&self) -> bool {
        self.health.is_some()
    }
    fn ports(&self) -> &Ports {
        &self.ports
    }
}

/// The part of a [`Config`] that a table of containers shows: a list of hundreds is read in a
/// third of the time.
#[derive(Debug, Clone, Deserialize)]
pub struct Summary {
    version: u32,
    id: String,
    name: String,
    created: i64,
    origin: Source,
    process: Words,
    #[serde(default)]
    health: Option<IgnoredAny>,
    #[serde(default)]
    ports: Ports,
}

/// The fields of a [`Summary`] without their names: name, creation, root, entry point, arguments,
/// whether its health is checked, ports.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SummaryFields(String, i64, Source, Vec<String>, Vec<String>, bool, Option<Ports>);

impl Summary {
    pub(super) fn fields(&self) -> SummaryFields {
        let Summary { name, created, origin, process, health, ports, .. } = self.clone();
        let ports = (ports != Ports::default()).then_some(ports);
        let Words { entrypoint, cmd } = process;
        SummaryFields(name, created, origin, entrypoint, cmd, health.is_some(), ports)
    }

    pub(super) fn of_fields(id: &str, fields: SummaryFields) -> Summary {
        let SummaryFields(name, created, origin, entrypoint, cmd, is_checked, ports) = fields;
        Summary {
            version: VERSION,
            id: id.to_owned(),
            name,
            created,
            origin,
            process: Words { entrypoint, cmd },
            health: is_checked.then_some(IgnoredAny),
            ports: ports.unwrap_or_default(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Source {
    Directory(PathBuf),
    Image { name: String },
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Words {
    entrypoint: Vec<String>,
    cmd: Vec<String>,
}

impl Listed for Summary {
    fn version(&self) -> u32 {
        self.version
    }
    fn id(&self) -> &str {
        &self.id
    }
    fn name(&self) -> &str {
        &self.name
    }
    fn created(&self) -> i64 {
        self.created
    }
    fn words(&self) -> [&[String]; 2] {
        [&self.process.entrypoint, &self.process.cmd]
    }
    fn image(&self) -> Cow<'_, str> {
        match &self.origin {
            Source::Image { name } => name.into(),
            Source::Directory(path) => path.display().to_string().into(),
        }
    }
    fn is_checked(&self) -> bool {
        self.health.is_some()
    }
    fn ports(&self) -> &Ports {
        &self.ports
    }
}

impl Config {
    /// The whole argv.
    pub fn args(&self) -> Vec<String> {
        Listed::args(self)
    }
    /// The first twelve digits of the id, as `ps` shows it.
    pub fn short_id(&self) -> &str {
        Listed::short_id(self)
    }
    /// Clients feed its standard input through the supervisor.
    pub fn takes_input(&self) -> bool {
        self.process.stdin && !self.log_driver.is_passthrough()
    }
    /// What the container is called inside: beside the host's network, or in its UTS namespace, as
    /// the host is.
    pub fn host_name(&self) -> String {
        let shares = self.share.iter().any(|s| s == "uts");
        let own = self.hostname.as_deref().filter(|_| !shares);
        match own {
            Some(name) => name.to_owned(),
            None if shares || self.network == Network::Host => {
                rustix::system::uname().nodename().to_string_lossy().into_owned()
            }
            None => self.short_id().to_owned(),
        }
    }
}
