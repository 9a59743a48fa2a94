//! `state.json`: what the supervisor last said, and what is true now.

use serde::{Deserialize, Serialize};

/// The file as the supervisor writes it (by hand: no JSON library lives there).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recorded {
    /// Format version, 1.
    pub version: u32,
    /// `created`, `starting`, `running`, `restarting`, `exited`.
    pub status: String,
    /// Pid of the container's init in the host's pid namespace.
    pub pid: i32,
    /// Field 22 of `/proc/<pid>/stat`: start time in clock ticks since boot.
    pub start: u64,
    /// Inode of the container's pid namespace.
    pub pidns: u64,
    /// Pid of the supervisor.
    pub monitor: i32,
    /// Start time of the supervisor, as `start`.
    pub monitor_start: u64,
    /// Inode of the user namespace P; 0 for root.
    pub userns: u64,
    /// P maps the whole subordinate range.
    pub full: bool,
    /// Nanoseconds since 1970; 0: never started.
    pub started: i64,
    /// Nanoseconds since 1970; 0: not ended.
    pub finished: i64,
    /// Exit code of the last run.
    pub exit: i32,
    /// The kernel's OOM killer ended it.
    pub oom: bool,
    /// Ended by `stop` or `kill`: no restart.
    pub stopped: bool,
    /// Restarts so far.
    pub restarts: u32,
    /// Kernel boot id of the last start.
    pub boot: String,
    /// The ids of P, as (first, count); none for root, and in a record of an earlier version.
    pub uids: Vec<(u32, u32)>,
    /// The same of groups.
    pub gids: Vec<(u32, u32)>,
    /// Directories of the control group, deepest first.
    pub cgroup: Vec<String>,
    /// Settings that were not applied, each `setting: why`.
    pub denied: Vec<String>,
    /// Why the last start did not come to exec.
    pub error: String,
}

/// What a container is doing, from lock, record and process together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Made, never started.
    Created,
    /// Its supervisor lives, the payload does not: not yet, or between two runs.
    Starting,
    /// Running under its supervisor.
    Running,
    /// The same, and all its processes are frozen.
    Paused,
    /// The supervisor was killed; the payload runs without one.
    Orphaned,
    /// Ended.
    Exited,
}

impl Status {
    /// Whether its program has begun and not ended.
    pub fn has_processes(self) -> bool {
        matches!(self, Status::Running | Status::Paused | Status::Orphaned)
    }
    /// Whether it must be stopped before it can go.
    pub fn is_active(self) -> bool {
        self.has_processes() || self == Status::Starting
    }
    /// Podman's word for it; `orphaned` is ours.
    pub fn word(self) -> &'static str {
        match self {
            Status::Created => "created",
            Status::Starting => "initialized",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Orphaned => "orphaned",
            Status::Exited => "exited",
        }
    }
}
