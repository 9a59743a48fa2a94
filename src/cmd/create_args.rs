//! The flags that `run` and `create` share. `create_config` says what they mean.

pub mod health;
pub mod limits;
pub mod log;
pub mod ports;
pub mod secret;
pub mod unit;

use crate::cmd::create_args::health::HealthArgs;
use crate::cmd::create_args::limits::LimitArgs;
use crate::cmd::create_args::log::LogArgs;
use crate::cmd::create_args::parse::memory;
use crate::cmd::create_args::ports::PortArgs;
use crate::cmd::create_args::secret::SecretArgs;
use crate::cmd::create_args::unit::UnitArgs;
use crate::cmd::pull::{Access, LockArgs};
use crate::container::config::Userns;
use crate::settings::containers_conf::Defaults;
use std::path::PathBuf;

/// What `--userns` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// This.
    Is(Userns),
    /// A range of its own, with the ids that the image needs or with so many.
    Auto {
        /// `size=N`.
        size: Option<u32>,
    },
}

/// Which container of the same name `--replace` removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Replace {
    /// None: the name is in use.
    #[value(name = "false")]
    None,
    /// Any, a running one too.
    #[value(name = "true")]
    Any,
    /// One that does not run.
    Exited,
}

/// Flags of `run` and `create` (podman-run(1)).
#[derive(Debug, clap::Args)]
pub struct CreateArgs {
    /// Keep standard input open even if not attached
    #[arg(short, long)]
    pub interactive: bool,
    /// Allocate a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Remove the container when it exits
    #[arg(long)]
    pub rm: bool,
    /// Assign a name to the container
    #[arg(long)]
    pub name: Option<String>,
    /// If a container with the same name exists, replace it; =exited: unless it runs
    #[arg(long, requires = "name", value_name = "WHICH", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", hide_default_value = true)]
    pub replace: Replace,
    /// Set environment variables in the container
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Remove environment variables that the image sets
    #[arg(long, value_name = "NAME")]
    pub unsetenv: Vec<String>,
    /// Pass the whole environment of the caller
    #[arg(long)]
    pub env_host: bool,
    /// Bind mount a path, or mount a named volume
    #[arg(short, long, value_name = "[SOURCE:]TARGET[:OPTIONS]")]
    pub volume: Vec<String>,
    /// Attach a file system mount (type=bind, volume or tmpfs)
    #[arg(long, value_name = "type=TYPE,...")]
    pub mount: Vec<String>,
    /// Mount a tmpfs
    #[arg(long, value_name = "TARGET[:OPTIONS]")]
    pub tmpfs: Vec<String>,
    /// Working directory in the container
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<String>,
    /// User name or uid, and group name or gid
    #[arg(short, long, value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// Let the container's passwd and group know a user that the image does not; =false: leave them alone
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_parser = crate::cmd::flags::boolean())]
    pub passwd: bool,
    /// The line of passwd for such a user; $USERNAME, $UID, $GID, $NAME and $HOME are replaced
    #[arg(long, value_name = "LINE")]
    pub passwd_entry: Option<String>,
    /// Add supplementary groups; keep-groups keeps the caller's
    #[arg(long, value_name = "GROUP|keep-groups", value_delimiter = ',')]
    pub group_add: Vec<String>,
    /// Overwrite the image's entry point; a JSON array or one word
    #[arg(long, value_name = "COMMAND")]
    pub entrypoint: Option<String>,
    /// Host name of the container
    #[arg(short = 'h', long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Set metadata
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    pub label: Vec<String>,
    /// Add an annotation
    #[arg(long, value_name = "KEY=VALUE")]
    pub annotation: Vec<String>,
    /// Make the root file system read-only
    #[arg(long)]
    pub read_only: bool,
    /// Network: none, host, pasta[:OPTION,...] or slirp4netns[:OPTION,...]
    #[arg(long, visible_alias = "net", value_name = "MODE")]
    pub network: Option<String>,
    /// Ports.
    #[command(flatten)]
    pub ports: PortArgs,
    /// User namespace: host, keep-id[:uid=N,gid=N], nomap or auto[:size=N]
    #[arg(long, value_name = "MODE")]
    pub userns: Option<String>,
    /// IPC namespace: private or host
    #[arg(long, value_name = "MODE")]
    pub ipc: Option<String>,
    /// UTS namespace: private or host
    #[arg(long, value_name = "MODE")]
    pub uts: Option<String>,
    /// Cgroup namespace: private or host
    #[arg(long, value_name = "MODE")]
    pub cgroupns: Option<String>,
    /// Add capabilities
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_add: Vec<String>,
    /// Drop capabilities
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_drop: Vec<String>,
    /// Security options: seccomp=FILE|unconfined, no-new-privileges, mask=PATHS, unmask=PATHS|ALL
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// Give extended privileges: all capabilities, no filter, nothing masked
    #[arg(long)]
    pub privileged: bool,
    /// Resource limits
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    pub ulimit: Vec<String>,
    /// Add a host device
    #[arg(long, value_name = "HOST[:CONTAINER[:PERMISSIONS]]")]
    pub device: Vec<String>,
    /// Run a small init that forwards signals and reaps
    #[arg(long)]
    pub init: bool,
    /// Without a command, the image's neither: stay up for exec, until the last program of exec -d has ended
    #[arg(long)]
    pub keep_alive: bool,
    /// Write the container id to a file
    #[arg(long, value_name = "FILE")]
    pub cidfile: Option<PathBuf>,
    /// Restart policy: no, on-failure[:N], always, unless-stopped
    #[arg(long, value_name = "POLICY", default_value = "no")]
    pub restart: String,
    /// Signal to stop the container
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// Seconds to wait before killing a container that is stopped [default: 10]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub stop_timeout: Option<u32>,
    /// Seconds after which the container is killed
    #[arg(long, value_name = "SECONDS", default_value_t = 0, allow_negative_numbers = true)]
    pub timeout: u32,
    /// Size of /dev/shm
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub shm_size: Option<u64>,
    /// Kernel parameters of the container's namespaces
    #[arg(long, value_name = "NAME=VALUE")]
    pub sysctl: Vec<String>,
    /// umask in the container [default: 0022]
    #[arg(long, value_name = "MODE")]
    pub umask: Option<String>,
    /// Time zone in the container, bound to /etc/localtime; local is the host's
    #[arg(long, value_name = "ZONE")]
    pub tz: Option<String>,
    /// Adjust how soon the OOM killer takes the container (-1000 to 1000)
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = clap::value_parser!(i32).range(-1000..=1000))]
    pub oom_score_adj: Option<i32>,
    /// Limits of resources.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
    /// Pull policy: always, missing, never, newer
    #[arg(long, value_name = "POLICY", default_value = "missing")]
    pub pull: String,
    /// Service managers, scripts and other containers.
    #[command(flatten)]
    pub unit: UnitArgs,
    /// Health checks.
    #[command(flatten)]
    pub health: HealthArgs,
    /// Secrets.
    #[command(flatten)]
    pub secret: SecretArgs,
    /// How registries are reached.
    #[command(flatten)]
    pub access: Access,
    /// The lock file of bolt:// names.
    #[command(flatten)]
    pub lock: LockArgs,
    /// Suppress progress
    #[arg(short, long)]
    pub quiet: bool,
    /// IMAGE is a directory with a root file system
    #[arg(long)]
    pub rootfs: bool,
    /// Show the plan as JSON and make no container; a missing image is pulled
    #[arg(long)]
    pub dry_run: bool,
    /// Print help
    // Without the usual -h, which is the host name's.
    #[arg(long, action = clap::ArgAction::HelpShort)]
    pub help: Option<bool>,
    /// What containers.conf says besides, once it was read.
    #[arg(skip)]
    pub defaults: Defaults,
    /// Image, or with --rootfs a directory; then the command and its arguments
    // One list: options end where it begins, and what follows is the container's.
    #[arg(value_name = "IMAGE", required = true, trailing_var_arg = true)]
    words: Vec<String>,
}

impl CreateArgs {
    /// Image, or with `--rootfs` a directory.
    pub fn image(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// Command and arguments.
    pub fn command(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    /// For a command line that has `--` between image and command; `run` takes it for the command,
    /// as podman does.
    pub fn drop_separator(&mut self) {
        if self.words.get(1).is_some_and(|word| word == "--") {
            self.words.remove(1);
        }
    }
}

/// Pure parsers of single values.
pub mod parse {
    use crate::ui::human;

    /// `64m`, `1g`, plain bytes.
    pub fn memory(text: &str) -> Result<u64, String> {
        human::parse_size(text).map_err(|e| e.to_string())
    }
    /// The same, or -1.
    pub fn swap(text: &str) -> Result<i64, String> {
        if text == "-1" {
            return Ok(-1);
        }
        memory(text).and_then(|n| i64::try_from(n).map_err(|e| e.to_string()))
    }
}
