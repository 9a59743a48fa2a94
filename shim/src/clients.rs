//! The `bolt` processes on the line: launcher, attached terminals, execs, waiters. Runs in M.

use crate::at::{At, Res};
use crate::sys::socket;
use bolt_shim::control::{Request, SOCKET};
use bolt_shim::report::{Report, Step};
use nix::errno::Errno;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::Mode;
use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// In the container's own directory, where everybody finds it whatever his runtime directory
/// is; bound from in there, because a socket address takes 108 bytes.
pub(crate) fn listen(place: &OwnedFd) -> Res<OwnedFd> {
    use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, listen, socket};
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let listener = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None)
        .at(Step::ControlSocket, SOCKET)?;
    rustix::process::fchdir(place).at(Step::ControlSocket, SOCKET)?;
    // Nobody else may ever connect, not even for a moment.
    let mask = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = bind_anew(&listener);
    rustix::process::umask(mask);
    let back = rustix::process::chdir("/");
    bound.at(Step::ControlSocket, SOCKET)?;
    back.at(Step::ControlSocket, "/")?;
    let backlog = Backlog::new(64).at(Step::ControlSocket, SOCKET)?;
    listen(&listener, backlog).at(Step::ControlSocket, SOCKET)?;
    Ok(listener)
}

/// In place of the socket of a supervisor that was killed.
fn bind_anew(listener: &OwnedFd) -> Result<(), Errno> {
    use nix::sys::socket::{UnixAddr, bind};
    let address = UnixAddr::new(SOCKET)?;
    match bind(listener.as_raw_fd(), &address) {
        Err(Errno::EADDRINUSE) => {
            let _ = rustix::fs::unlink(SOCKET);
            bind(listener.as_raw_fd(), &address)
        }
        other => other,
    }
}

/// Output held back for a client that reads slowly, in bytes, before somebody has to wait.
const MAX_PENDING: usize = 256 * 1024;

/// What a client is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Connected, has not asked yet.
    New,
    /// Gets the output; may feed the input.
    Attached {
        /// May send input.
        stdin: bool,
    },
    /// Waits for the end of an exec.
    Exec,
    /// Waits for the end of the container.
    Waiting,
    /// Waits for the end of a health check.
    Check,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Client {
    socket: OwnedFd,
    /// What it is there for.
    pub(crate) role: Role,
    /// The launcher: the payload waits for it as for a pipe; others are hung up on.
    primary: bool,
    pending: VecDeque<Vec<u8>>,
    pending_bytes: usize,
    /// Remove at the next occasion.
    pub(crate) gone: bool,
    /// It got the last report.
    pub(crate) told: bool,
    /// Too slow to be waited for any longer: it gets no output, but hears the end.
    given_up: bool,
    /// Hang up as soon as nothing is pending.
    pub(crate) closing: bool,
}

impl Client {
    /// Takes over a connected socket.
    pub(crate) fn new(socket: OwnedFd, role: Role, primary: bool) -> Self {
        let _ = rustix::io::ioctl_fionbio(&socket, true);
        socket::keep_reserve(&socket);
        Client {
            socket,
            role,
            primary,
            pending: VecDeque::new(),
            pending_bytes: 0,
            gone: false,
            told: false,
            given_up: false,
            closing: false,
        }
    }

    /// For poll(2).
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Waits for the first word after the plan, [`Request::Written`]; false: there is none to come.
    pub(crate) fn says_written(&self) -> bool {
        let mut buffer = [0; 16];
        let received = loop {
            let _ = poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], None);
            match socket::receive_into(&self.socket, &mut buffer) {
                // poll(2) was cut short.
                Err(Errno::EAGAIN) => {}
                other => break other,
            }
        };
        let length = received.ok().flatten().map_or(0, |(length, _)| length);
        postcard::from_bytes(&buffer[..length]) == Ok(Request::Written)
    }

    /// It is the launcher.
    pub(crate) fn is_primary(&self) -> bool {
        self.primary
    }

    /// Something waits to be sent.
    pub(crate) fn is_behind(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The payload's output must wait for this client.
    pub(crate) fn holds_back(&self) -> bool {
        self.primary && self.pending_bytes > MAX_PENDING
    }

    /// Queues and sends one report.
    pub(crate) fn send(&mut self, report: &Report, fds: &[BorrowedFd<'_>]) {
        let is_output = matches!(report, Report::Stdout(_) | Report::Stderr(_));
        if self.gone || (self.given_up && is_output) {
            return;
        }
        let Ok(bytes) = postcard::to_stdvec(report) else { return };
        if self.pending.is_empty() {
            match socket::send(&self.socket, &bytes, fds) {
                Ok(()) => return,
                Err(Errno::EAGAIN) => {}
                Err(_) => {
                    self.gone = true;
                    return;
                }
            }
        }
        self.pending_bytes += bytes.len();
        self.pending.push_back(bytes);
        if !self.primary && self.pending_bytes > MAX_PENDING {
            self.gone = true;
        }
    }

    /// Does not wait for it any longer: what is pending is dropped (the log has it), and the
    /// reserve of its line opened, so that the end of the payload still reaches it when it
    /// reads again, perhaps after this process is gone.
    pub(crate) fn give_up(&mut self) {
        if self.given_up {
            self.gone = true;
            return;
        }
        self.given_up = true;
        self.pending.clear();
        self.pending_bytes = 0;
        self.told = false;
        socket::open_reserve(&self.socket);
    }

    /// Sends what can be sent now.
    pub(crate) fn flush(&mut self) {
        while let Some(bytes) = self.pending.front() {
            match socket::send(&self.socket, bytes, &[]) {
                Ok(()) => {
                    self.pending_bytes -= bytes.len();
                    self.pending.pop_front();
                }
                Err(Errno::EAGAIN) => return,
                Err(_) => {
                    self.gone = true;
                    return;
                }
            }
        }
        if self.closing {
            self.gone = true;
        }
    }

    /// Hangs up after everything queued was sent.
    pub(crate) fn close(&mut self) {
        self.closing = true;
        if self.pending.is_empty() {
            self.gone = true;
        }
    }

    /// The next request; `None` when there is none now, or never again (`gone`).
    pub(crate) fn receive(&mut self) -> Option<(Request, Vec<OwnedFd>)> {
        let mut buffer = Vec::new();
        match socket::receive(&self.socket, &mut buffer) {
            Ok(Some(fds)) => match postcard::from_bytes(&buffer) {
                Ok(request) => Some((request, fds)),
                Err(_) => {
                    self.gone = true;
                    None
                }
            },
            Err(Errno::EAGAIN) => None,
            Ok(None) | Err(_) => {
                self.gone = true;
                None
            }
        }
    }
}
