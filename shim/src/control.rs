//! What a later `bolt` may ask of a running monitor over `control.sock` (SEQPACKET, postcard).
//!
//! ```text
//! client                                   monitor
//!   Attach{stdin} ───────────────────────▶
//!   ◀── Stdout/Stderr … ─────────────────
//!   Stdin / Resize / CloseStdin ─────────▶
//!   ◀──────────────────────── Exited ─────  then EOF
//!
//!   Exec(Process) + stdio fds ───────────▶  (no tty: 3 descriptors in this order: 0 1 2)
//!   ◀── Started (+ pty master with a tty) ─ or Failed
//!   ◀──────────────────────── Exited ─────
//!
//!   Signal / Stop / Wait ────────────────▶
//!   ◀─────────── Done / Exited / Failed ──
//! ```
//! A client that goes away ends nothing: the payload and its execs live on. EOF from the monitor
//! without `Exited` means that the monitor died.

use crate::head::{FirstInit, Head, Known};
use crate::launch::{Process, Restart, TtySize, Userns};
use serde::{Deserialize, Serialize};

/// Name of the socket in the container's own directory: found by whoever finds the container,
/// whatever XDG_RUNTIME_DIR says there.
pub const SOCKET: &str = "control.sock";

/// One packet to the monitor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Follow the output; with `stdin` also feed the input.
    Attach {
        /// This client sends [`Request::Stdin`].
        stdin: bool,
    },
    /// Bytes for the payload's standard input or terminal.
    Stdin(#[serde(with = "serde_bytes")] Vec<u8>),
    /// The client's input ended.
    CloseStdin,
    /// New size of the client's terminal.
    Resize(TtySize),
    /// Run another program in the container.
    Exec {
        /// What to run.
        process: Box<Process>,
        /// Stay on the line until it ends; otherwise the monitor answers `Started` and hangs up.
        wait: bool,
    },
    /// Send a signal to the payload (answer: Done). SIGKILL also ends restarts.
    Signal {
        /// Signal number.
        signo: i32,
    },
    /// Stop: signal, then SIGKILL after the time-out; no restart. Answer: Exited.
    Stop {
        /// Seconds; `None`: the container's own.
        timeout: Option<u32>,
    },
    /// Answer Exited when the payload ends for good.
    Wait,
    /// The plan is complete; [`Request::Written`] follows. With it come the descriptors that the
    /// plan speaks of.
    Planned,
    /// Check the payload's health now. Answer: Exited with the check's own code.
    HealthCheck,
    /// The cgroup is made; only to a monitor that waits for it.
    Cgroup {
        /// Where the payload is put.
        cgroup: crate::launch::Cgroup,
        /// Limits that could not be applied: `setting: why`.
        denied: Vec<String>,
    },
    /// To a monitor in a new P: its maps are written.
    IdMapsWritten,
    /// The same: newuidmap could not; map the user alone.
    IdMapsRefused {
        /// The user's uid outside.
        uid: u32,
        /// The user's gid outside.
        gid: u32,
    },
    /// Another restart policy, from the payload's next end on (answer: Done). With it may come a
    /// plan in a sealed memory file: a supervisor that was to start once has let go of its own.
    Restart {
        /// The policy.
        policy: Restart,
    },
    /// The container was renamed: the new name to unlink with `--rm`.
    Renamed {
        /// New name.
        name: String,
    },
    /// `config.json` is there, which a new monitor waits for: without it nobody finds the
    /// container.
    Written,
    /// The container has a place, to a monitor that has entered P: what can be made before the
    /// plan is complete. With it come the plan's file, still empty, the lock, and the directory.
    Placed(Head),
    /// The first packet to a new monitor: how it gets its P, before anything of a container is
    /// known. With it comes P itself where that is to be joined.
    Enter {
        /// The way.
        userns: Userns,
        /// The init that it makes there at once.
        init: Option<FirstInit>,
        /// What it need not ask the kernel for.
        known: Known,
    },
    /// The client of an exec leaves, and its terminal, which comes with it, to the monitor: the
    /// program stays, and what it writes there is dropped, as nobody can come back to it.
    LeaveTerminal,
}
