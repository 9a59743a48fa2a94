//! The program that carries a container's packets: pasta(1) or slirp4netns(1). Started and
//! ended by M.

use crate::at::{At, Res, failure};
use crate::enter;
use crate::event_loop::Supervisor;
use crate::ports;
use bolt_shim::launch::{API_SOCKET, Uplink, UplinkKind};
use bolt_shim::report::Step;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, Command, Stdio};

/// Longest wait for the program to be ready, in milliseconds.
const PATIENCE: u16 = 10_000;

/// Names in the container's directory while an uplink runs.
const NETNS: &str = "netns";
const READY: &str = "uplink-ready";

/// A running uplink; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    kind: UplinkKind,
    child: Child,
    pidfd: OwnedFd,
    netns: Bound,
}

/// A namespace bound to a file, and the file; both go when this is dropped.
#[derive(Debug)]
struct Bound(String);

impl Drop for Bound {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Starts the program on `netns` and waits until packets flow and ports are open.
///
/// The namespace is bound to a file of our own mount namespace: pasta closes what it inherits
/// and drops the capabilities that a look into our /proc entry would take.
pub(crate) fn start(uplink: &Uplink, netns: &OwnedFd, supervisor: &Supervisor) -> Res<Running> {
    if uplink.ports.is_empty() {
        return run(uplink, netns, supervisor.path());
    }
    let dir = supervisor.dir();
    let _turn = ports::turn(dir)?;
    ports::expect_free(&uplink.ports)?;
    // A killed supervisor's, to which slirp4netns could not bind.
    let _ = rustix::fs::unlinkat(dir, API_SOCKET, rustix::fs::AtFlags::empty());
    let running = run(uplink, netns, supervisor.path())
        .map_err(|failure| ports::too_many(&uplink.ports).unwrap_or(failure))?;
    match uplink.kind {
        UplinkKind::Pasta => ports::expect_open(&uplink.ports)?,
        UplinkKind::Slirp => ports::open(&uplink.ports, dir)?,
    }
    Ok(running)
}

fn run(uplink: &Uplink, netns: &OwnedFd, dir: &str) -> Res<Running> {
    let netns_path = format!("{dir}/{NETNS}");
    let ready_path = format!("{dir}/{READY}");
    let bound = bind(netns, &netns_path)?;
    let ready = fifo(&ready_path)?;
    let args = uplink.args.iter().map(|a| match a.as_str() {
        "{netns}" => netns_path.clone(),
        "{ready}" => ready_path.clone(),
        other => other.to_owned(),
    });
    let mut command = Command::new(&uplink.program);
    command.args(args).stdin(Stdio::null()).stderr(Stdio::null()).env_clear();
    // slirp4netns takes a number: the pipe becomes its standard output.
    match uplink.kind {
        UplinkKind::Pasta => command.stdout(Stdio::null()),
        UplinkKind::Slirp => command
            .current_dir(dir)
            .stdout(Stdio::from(ready.try_clone().at(Step::Network, READY)?)),
    };
    crate::sys::process::end_with_us(&mut command);
    let child = match command.spawn().at(Step::Network, &uplink.program) {
        Ok(child) => child,
        Err(failure) => {
            let _ = std::fs::remove_file(&ready_path);
            return Err(failure);
        }
    };
    let pid = Pid::from_raw(child.id() as i32)
        .ok_or_else(|| failure(Step::Network, &uplink.program, libc::ESRCH))?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).at(Step::Network, &uplink.program)?;
    let running = Running { kind: uplink.kind, child, pidfd, netns: bound };
    let result = wait(&ready, &running, &uplink.program);
    let _ = std::fs::remove_file(&ready_path);
    result.map(|()| running)
}

fn bind(netns: &OwnedFd, path: &str) -> Res<Bound> {
    enter::own_mounts()?;
    std::fs::write(path, "").at(Step::Network, path)?;
    let bound = Bound(path.to_owned());
    let from = format!("/proc/self/fd/{}", netns.as_raw_fd());
    rustix::mount::mount_bind(from, path).at(Step::Network, path)?;
    Ok(bound)
}

/// Opened for both ways, so that neither open(2) nor read(2) waits for the other end.
fn fifo(path: &str) -> Res<OwnedFd> {
    let _ = std::fs::remove_file(path);
    nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).at(Step::Network, path)?;
    let flags =
        rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
    rustix::fs::open(path, flags, rustix::fs::Mode::empty()).at(Step::Network, path)
}

fn wait(ready: &OwnedFd, running: &Running, program: &str) -> Res<()> {
    let mut fds = [
        PollFd::new(ready.as_fd(), PollFlags::POLLIN),
        PollFd::new(running.pidfd.as_fd(), PollFlags::POLLIN),
    ];
    let n = poll(&mut fds, PollTimeout::from(PATIENCE)).at(Step::Network, program)?;
    let spoke = fds[0].revents().is_some_and(|r| r.contains(PollFlags::POLLIN));
    // slirp4netns says a number there, and what it does not understand as well.
    let mut word = [0];
    let heard = match running.kind {
        UplinkKind::Pasta => true,
        UplinkKind::Slirp => {
            spoke && rustix::io::read(ready, &mut word).is_ok() && word[0].is_ascii_digit()
        }
    };
    if n > 0 && spoke && heard {
        return Ok(());
    }
    Err(failure(Step::Network, program, if n == 0 { libc::ETIMEDOUT } else { libc::ECHILD }))
}

impl Drop for Running {
    /// Ends it and reaps it, before its namespace goes.
    fn drop(&mut self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
        let _ = self.child.wait();
        if self.kind == UplinkKind::Slirp {
            let socket = std::path::Path::new(&self.netns.0).with_file_name(API_SOCKET);
            let _ = std::fs::remove_file(socket);
        }
    }
}
