//! Flags of `run` and `create` about the program and how it ends.

use std::path::PathBuf;

/// They stand in the container's config as [`crate::container::config::Process`] and beside it.
#[derive(Debug, Default, clap::Args)]
pub struct ProcessArgs {
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Remove environment variables that the image sets
    #[arg(long, value_name = "NAME")]
    pub unsetenv: Vec<String>,
    /// Pass the whole environment of the caller
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_parser = crate::cmd::flags::boolean())]
    pub env_host: Option<bool>,
    /// Let the container's passwd and group know a user that the image does not; =false: leave them alone [default: true]
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_parser = crate::cmd::flags::boolean())]
    pub passwd: Option<bool>,
    /// The line of passwd for such a user; $USERNAME, $UID, $GID, $NAME and $HOME are replaced
    #[arg(long, value_name = "LINE")]
    pub passwd_entry: Option<String>,
    /// Add supplementary groups; keep-groups keeps the caller's
    #[arg(long, value_name = "GROUP|keep-groups", value_delimiter = ',')]
    pub group_add: Vec<String>,
    /// Resource limits
    #[arg(long, value_name = "NAME=SOFT[:HARD]")]
    pub ulimit: Vec<String>,
    /// umask in the container [default: 0022]
    #[arg(long, value_name = "MODE")]
    pub umask: Option<String>,
    /// Time zone in the container, bound to /etc/localtime; local is the host's
    #[arg(long, value_name = "ZONE")]
    pub tz: Option<String>,
    /// Adjust how soon the OOM killer takes the container (-1000 to 1000)
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = clap::value_parser!(i32).range(-1000..=1000))]
    pub oom_score_adj: Option<i32>,
    /// Run a small init that forwards signals and reaps
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true", require_equals = true, value_parser = crate::cmd::flags::boolean())]
    pub init: Option<bool>,
    /// Without a command, the image's neither: stay up for exec, until the last program of exec -d has ended
    #[arg(long)]
    pub keep_alive: bool,
    /// Signal to stop the container
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// Seconds to wait before killing a container that is stopped [default: 10]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub stop_timeout: Option<u32>,
    /// Seconds after which the container is killed
    #[arg(long, value_name = "SECONDS", default_value_t = 0, allow_negative_numbers = true)]
    pub timeout: u32,
}
