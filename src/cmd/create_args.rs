//! The flags that `run` and `create` share. `create_config` says what they mean.

pub mod health;
pub mod isolation;
pub mod limits;
pub mod log;
pub mod ports;
pub mod process;
pub mod secret;
pub mod unit;

use crate::cmd::create_args::health::HealthArgs;
use crate::cmd::create_args::isolation::IsolationArgs;
use crate::cmd::create_args::limits::LimitArgs;
use crate::cmd::create_args::log::LogArgs;
use crate::cmd::create_args::ports::PortArgs;
use crate::cmd::create_args::process::ProcessArgs;
use crate::cmd::create_args::secret::SecretArgs;
use crate::cmd::create_args::unit::UnitArgs;
use crate::cmd::flags::Seldom;
use crate::cmd::pull::{Access, LockArgs};
use crate::container::config::Userns;
use crate::settings::containers_conf::Defaults;

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
    /// Overwrite the image's entry point; a JSON array or one word
    #[arg(long, value_name = "COMMAND")]
    pub entrypoint: Option<String>,
    /// Host name of the container
    #[arg(short = 'h', long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Set metadata
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    pub label: Vec<String>,
    /// Make the root file system read-only
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_parser = crate::cmd::flags::boolean())]
    pub read_only: Option<bool>,
    /// Network: none, host, pasta[:OPTION,...] or slirp4netns[:OPTION,...]
    #[arg(long, visible_alias = "net", value_name = "MODE")]
    pub network: Option<String>,
    /// Ports.
    #[command(flatten)]
    pub ports: Seldom<PortArgs>,
    /// User namespace: host, keep-id[:uid=N,gid=N], nomap or auto[:size=N]
    #[arg(long, value_name = "MODE")]
    pub userns: Option<String>,
    /// Add capabilities
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_add: Vec<String>,
    /// Drop capabilities
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_drop: Vec<String>,
    /// Security options: seccomp=FILE|unconfined, no-new-privileges, mask=PATHS, unmask=PATHS|ALL
    #[arg(long, value_name = "OPTION")]
    pub security_opt: Vec<String>,
    /// Add a host device
    #[arg(long, value_name = "HOST[:CONTAINER[:PERMISSIONS]]")]
    pub device: Vec<String>,
    /// The program, and how it ends.
    #[command(flatten)]
    pub process: Seldom<ProcessArgs>,
    /// What is shared with the host.
    #[command(flatten)]
    pub isolation: Seldom<IsolationArgs>,
    /// Limits of resources.
    #[command(flatten)]
    pub limits: Seldom<LimitArgs>,
    /// The log.
    #[command(flatten)]
    pub log: Seldom<LogArgs>,
    /// Pull policy: always, missing, never, newer
    #[arg(long, value_name = "POLICY", default_value = "missing")]
    pub pull: String,
    /// Service managers, scripts and other containers.
    #[command(flatten)]
    pub unit: Seldom<UnitArgs>,
    /// Health checks.
    #[command(flatten)]
    pub health: Seldom<HealthArgs>,
    /// Secrets.
    #[command(flatten)]
    pub secret: Seldom<SecretArgs>,
    /// How registries are reached.
    #[command(flatten)]
    pub access: Seldom<Access>,
    /// The lock file of bolt:// names.
    #[command(flatten)]
    pub lock: Seldom<LockArgs>,
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
    /// Its keys that stand for flags, and how an error about such a flag begins.
    #[arg(skip)]
    pub from_conf: Vec<(&'static str, String)>,
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
