//! The talk between M and I over one SEQPACKET pair, from clone to exec.
//!
//! ```text
//! M                                          I
//!   Ids ───────────────────────────────────▶   maps are written: become root of them
//!   Root ──────────────────────────────────▶   only to one that was made before the plan, where
//!                                              it mounts the root itself
//!   Plan + descriptors ────────────────────▶   only to one that was made before the plan
//!   Trees + descriptors (as many packets ──▶   root first unless I has it, then one for each bind
//!          as needed, 253 at most in each)     and file, in the order of Launch.mounts
//!   Recorded ──────────────────────────────▶   state.json names I
//!   ◀──────────────────── Netns + descriptor   only with an uplink
//!   NetReady ──────────────────────────────▶   only with an uplink
//!   ◀──────────────────────────────── Filled   only where a volume is filled
//!   Filled ────────────────────────────────▶   its mark is gone
//!   ◀───────────────────── Tty + pty master    only with a terminal
//!   ◀──────────────────────────────── Denied   any number: optional things that did not work
//!   ◀──────────────────────────────── Failed   then _exit
//!   ◀─────────────────────────────── Execing   only execve is left
//!   ◀─────────────────────────── end of file   after Execing: execve happened (CLOEXEC);
//!                                              without it: I died
//! ```

use crate::at::{At, Res};
use crate::step::ids::Ids;
use crate::sys::socket;
#[cfg(doc)]
use bolt_shim::head::Head;
use bolt_shim::launch::Root;
use bolt_shim::report::{Failure, Step};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::{Deserialize, Serialize};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// A message is a few numbers, a failure with the path it names (at most 4 KiB), or a root
/// ([`Head::LONGEST`]) and the path of a directory.
const LONGEST: usize = 2 * 4096 + 64;

/// One packet, either direction.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Message {
    /// The root that the plan will have, and the container's directory.
    Root(Root, String),
    /// The plan as a descriptor, and the payload's standard ones where it has no terminal.
    Plan,
    /// Maps are written, and these ids are in them; to an exec: it is in the control groups.
    Ids(Ids),
    /// Detached mounts follow as descriptors; `last` ends the list.
    Trees {
        /// No further packet of them.
        last: bool,
    },
    /// Whoever finds the container's directory can find I.
    Recorded,
    /// The volumes have their content, and the answer: that is written down.
    Filled,
    /// The network namespace, as a descriptor.
    Netns,
    /// The uplink works.
    NetReady,
    /// The pty master, as a descriptor.
    Tty,
    /// An exec's program, as a pidfd.
    Joined {
        /// Its pid in M's pid namespace.
        pid: i32,
    },
    /// Only execve(2) is left to do.
    Execing,
    /// Optional, and refused.
    Denied(Failure),
    /// The end.
    Failed(Failure),
}

/// Sends one message.
pub(crate) fn send(socket: impl AsFd, message: &Message, fds: &[BorrowedFd<'_>]) -> Res<()> {
    let bytes =
        postcard::to_stdvec(message).map_err(|_| crate::at::failure(Step::Read, "packet", 0))?;
    socket::send(socket, &bytes, fds).at(Step::Read, "handshake")
}

/// How long a message that is about to come is waited for without sleep.
const SOON: Duration = Duration::from_micros(300);

/// Waits for one message that is about to come: a processor that goes to sleep for it takes longer
/// to wake than the message to come, in a virtual machine many times that. Others get it meanwhile.
pub(crate) fn receive_soon(socket: impl AsFd) -> Res<Option<(Message, Vec<OwnedFd>)>> {
    let mut fds = [PollFd::new(&socket, PollFlags::IN)];
    await_briefly(|| poll(&mut fds, Some(&Timespec::default())) != Ok(0));
    receive(socket)
}

/// Looks again and again until it is `there`, or would take too long.
pub(crate) fn await_briefly(mut there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !there() && began.elapsed() < SOON {
        rustix::thread::sched_yield();
    }
}

/// Waits for one message; `None` at end of file.
pub(crate) fn receive(socket: impl AsFd) -> Res<Option<(Message, Vec<OwnedFd>)>> {
    let mut buffer = [0; LONGEST];
    match socket::receive_into(socket, &mut buffer).at(Step::Read, "handshake")? {
        None => Ok(None),
        Some((len, fds)) => match postcard::from_bytes(&buffer[..len]) {
            Ok(message) => Ok(Some((message, fds))),
            Err(_) => Err(crate::at::failure(Step::Read, "packet", libc::EBADMSG)),
        },
    }
}

/// Waits for every descriptor of [`Message::Trees`].
pub(crate) fn receive_trees(socket: impl AsFd) -> Res<Vec<OwnedFd>> {
    let mut trees = Vec::new();
    loop {
        match receive_soon(socket.as_fd())? {
            Some((Message::Trees { last }, fds)) => {
                trees.extend(fds);
                if last {
                    return Ok(trees);
                }
            }
            // M has given up and says why to bolt itself.
            _ => crate::sys::process::exit_now(125),
        }
    }
}

/// Sends every descriptor of `trees`.
pub(crate) fn send_trees(socket: impl AsFd, trees: &[OwnedFd]) -> Res<()> {
    let mut rest = trees;
    loop {
        let (now, later) = rest.split_at(rest.len().min(socket::MAX_FDS));
        let fds: Vec<BorrowedFd<'_>> = now.iter().map(AsFd::as_fd).collect();
        send(socket.as_fd(), &Message::Trees { last: later.is_empty() }, &fds)?;
        if later.is_empty() {
            return Ok(());
        }
        rest = later;
    }
}
