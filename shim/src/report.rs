//! What the monitor says to a `bolt`: start reports, output, the end.

use serde::{Deserialize, Serialize};

/// One packet from the monitor. `postcard` on a SEQPACKET socket, at most [`MAX_PACKET`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// The payload was executed.
    Started {
        /// Pid of the container's init, as the monitor sees it.
        pid: i32,
    },
    /// The start, or the request, failed.
    Failed(Failure),
    /// Something optional could not be applied; the container runs without it.
    Denied(Failure),
    /// Bytes the payload wrote to standard output, or to its terminal.
    Stdout(#[serde(with = "serde_bytes")] Vec<u8>),
    /// Bytes the payload wrote to standard error.
    Stderr(#[serde(with = "serde_bytes")] Vec<u8>),
    /// The payload (or the exec) ended; nothing follows.
    Exited {
        /// Exit code: its own, 128+n for a signal, 255 for `--timeout`.
        code: u8,
        /// The kernel's OOM killer was there.
        oom: bool,
    },
    /// The request was carried out.
    Done,
}

/// Largest packet in either direction, in bytes.
pub const MAX_PACKET: usize = 48 * 1024;

/// One failed step: data, never text. `bolt` makes words and advice of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Which step.
    pub step: Step,
    /// What it was done to: a path, a setting, a program.
    pub object: String,
    /// errno(3); 0 when the kernel was not the one that refused.
    pub errno: i32,
}

impl Failure {
    /// Exit code of a start that failed like this (podman-run(1), "Exit Status"): 127 when the
    /// program is not there, 126 when it cannot be begun, in its directory, as its user or behind
    /// its port, else 125.
    pub fn exit_code(&self) -> u8 {
        match (self.step, self.errno) {
            (Step::Exec, libc::ENOENT | libc::ENOTDIR) => 127,
            (Step::Exec | Step::Port | Step::WorkDir, _) | (Step::User, libc::ENOENT) => 126,
            _ => 125,
        }
    }

    /// The same of an exec, where podman has other codes for users and directories.
    pub fn exec_exit_code(&self) -> u8 {
        match (self.step, self.errno) {
            (Step::User, _) => 125,
            (Step::WorkDir, libc::ENOENT) => 127,
            _ => self.exit_code(),
        }
    }
}

/// The steps of a start, in the order they happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Reading the plan.
    Read,
    /// Entering or making the user namespace P.
    UserNamespace,
    /// A mount namespace for the monitor.
    MountNamespace,
    /// The control socket.
    ControlSocket,
    /// Moving into a control group.
    Cgroup,
    /// clone3(2).
    Clone,
    /// Writing uid_map and gid_map.
    IdMaps,
    /// unshare(2) of the remaining namespaces.
    Unshare,
    /// The root file system.
    Root,
    /// A mount beneath the root.
    Mount,
    /// A device node.
    Device,
    /// The network namespace or its uplink.
    Network,
    /// A masked or read-only path.
    Mask,
    /// pivot_root(2).
    Pivot,
    /// The host name.
    Hostname,
    /// A sysctl.
    Sysctl,
    /// A resource limit.
    Rlimit,
    /// The user, its groups, its home.
    User,
    /// Capabilities.
    Caps,
    /// The seccomp filter.
    Seccomp,
    /// The terminal.
    Terminal,
    /// The working directory.
    WorkDir,
    /// execve(2).
    Exec,
    /// Joining a running container.
    Join,
    /// A signal.
    Signal,
    /// The log.
    Log,
    /// Writing state.
    State,
    /// The init process died without a word.
    Died,
    // What is new comes last: a supervisor of an older version, which lives as long as its
    // container, says the number of a step, not its name.
    /// A published port.
    Port,
    /// A line of an account file.
    Account,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_a_start_and_of_an_exec_are_podmans() {
        for (step, errno, start, exec) in [
            (Step::Exec, libc::ENOENT, 127, 127),
            (Step::Exec, libc::EACCES, 126, 126),
            (Step::WorkDir, libc::ENOENT, 126, 127),
            (Step::WorkDir, libc::ENOTDIR, 126, 126),
            (Step::User, libc::ENOENT, 126, 125),
            (Step::User, libc::EOVERFLOW, 125, 125),
            (Step::Mount, libc::ENOENT, 125, 125),
        ] {
            let failure = Failure { step, object: String::new(), errno };
            assert_eq!((failure.exit_code(), failure.exec_exit_code()), (start, exec), "{step:?}");
        }
    }
}
