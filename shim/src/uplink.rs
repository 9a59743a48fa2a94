//! The program that carries a container's packets: pasta(1) or slirp4netns(1). Started and
//! ended by M.

use crate::at::{At, Res, failure};
use bolt_shim::launch::{Uplink, UplinkKind};
use bolt_shim::report::Step;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, Command, Stdio};

/// Longest wait for the program to be ready, in milliseconds.
const PATIENCE: u16 = 10_000;

/// A running uplink.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    pidfd: OwnedFd,
}

/// Starts the program on `netns` and waits until packets flow.
///
/// Both descriptors are named by our own /proc path: the program may close what it inherits,
/// and it may look here because it is root of the same namespace P.
pub(crate) fn start(uplink: &Uplink, netns: &OwnedFd) -> Res<Running> {
    let (ready, signal) = pipe_with(PipeFlags::CLOEXEC).at(Step::Network, "pipe")?;
    let me = std::process::id();
    let netns_path = format!("/proc/{me}/fd/{}", netns.as_raw_fd());
    let ready_path = format!("/proc/{me}/fd/{}", signal.as_raw_fd());
    let args = uplink.args.iter().map(|a| match a.as_str() {
        "{netns}" => netns_path.clone(),
        "{ready}" => ready_path.clone(),
        other => other.to_owned(),
    });
    let mut command = Command::new(&uplink.program);
    command.args(args).stdin(Stdio::null()).stderr(Stdio::null()).env_clear();
    // slirp4netns takes a number: the pipe's end becomes its standard output.
    match uplink.kind {
        UplinkKind::Pasta => command.stdout(Stdio::null()),
        UplinkKind::Slirp => {
            command.stdout(Stdio::from(signal.try_clone().at(Step::Network, "pipe")?))
        }
    };
    let child = command.spawn().at(Step::Network, &uplink.program)?;
    drop(command);
    let pid = Pid::from_raw(child.id() as i32)
        .ok_or_else(|| failure(Step::Network, &uplink.program, libc::ESRCH))?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).at(Step::Network, &uplink.program)?;
    let mut running = Running { child, pidfd };
    // pasta opens the pipe by its path: our own end must stay until it has spoken.
    let keep = (uplink.kind == UplinkKind::Pasta).then_some(signal);
    let result = wait(&ready, &running, &uplink.program);
    drop(keep);
    if result.is_err() {
        running.end();
    }
    result.map(|()| running)
}

fn wait(ready: &OwnedFd, running: &Running, program: &str) -> Res<()> {
    let mut fds = [
        PollFd::new(ready.as_fd(), PollFlags::POLLIN),
        PollFd::new(running.pidfd.as_fd(), PollFlags::POLLIN),
    ];
    let n = poll(&mut fds, PollTimeout::from(PATIENCE)).at(Step::Network, program)?;
    let spoke = fds[0].revents().is_some_and(|r| r.contains(PollFlags::POLLIN));
    if n > 0 && spoke {
        return Ok(());
    }
    Err(failure(Step::Network, program, if n == 0 { libc::ETIMEDOUT } else { libc::ECHILD }))
}

impl Running {
    /// Ends it and reaps it.
    pub(crate) fn end(&mut self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        let _ = self.child.wait();
    }
}
