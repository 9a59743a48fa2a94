//! Flags of `run` and `create` about what the container shares with the host.

use super::parse::memory;

/// They stand in the container's config as `share`, `sysctl`, `shm_size` and in its security.
#[derive(Debug, Default, clap::Args)]
pub struct IsolationArgs {
    /// IPC namespace: private or host
    #[arg(long, value_name = "MODE")]
    pub ipc: Option<String>,
    /// UTS namespace: private or host
    #[arg(long, value_name = "MODE")]
    pub uts: Option<String>,
    /// Cgroup namespace: private or host
    #[arg(long, value_name = "MODE")]
    pub cgroupns: Option<String>,
    /// Give extended privileges: all capabilities, no filter, nothing masked
    #[arg(long)]
    pub privileged: bool,
    /// Size of /dev/shm
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub shm_size: Option<u64>,
    /// Kernel parameters of the container's namespaces
    #[arg(long, value_name = "NAME=VALUE")]
    pub sysctl: Vec<String>,
}
