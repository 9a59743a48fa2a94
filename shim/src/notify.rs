//! Between the payload and the service manager: what sd_notify(3) sends in the container is
//! looked at and passed on. Runs in M.

use crate::at::{At, Res, failure};
use bolt_shim::launch::{NOTIFY, Notify};
use bolt_shim::report::Step;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, bind, recv, send, socket,
};
use rustix::fs::{AtFlags, Mode};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Longest message, in bytes: a service manager reads no more (systemd's NOTIFY_BUFFER_MAX).
const LONGEST: usize = 4096;

/// What a payload may say. Descriptors to keep, who else may speak, and another main process are
/// not its business: all of that is about processes and files of the host.
const ALLOWED: [&str; 9] = [
    "READY",
    "RELOADING",
    "STOPPING",
    "STATUS",
    "ERRNO",
    "BUSERROR",
    "WATCHDOG",
    "EXTEND_TIMEOUT_USEC",
    "MONOTONIC_USEC",
];

/// The line to the service manager.
#[derive(Debug)]
pub(crate) struct Notifier {
    /// Connected to it.
    manager: OwnedFd,
    /// Where the payload writes, in the container's directory.
    inside: Option<OwnedFd>,
    /// Who is the main process; `None`: we are.
    main: Option<u32>,
    /// A message that its queue did not take yet.
    pending: Vec<u8>,
    /// Whether [`Self::ready`] was said.
    said: bool,
}

impl Notifier {
    /// Binds the payload's end where there is one. `dir`: the container's directory.
    pub(crate) fn open(how: Notify, manager: OwnedFd, dir: &OwnedFd) -> Res<Self> {
        let (inside, main) = match how {
            Notify::Healthy => (None, None),
            Notify::Payload { main } => (Some(listen(dir)?), main),
        };
        Ok(Notifier { manager, inside, main, pending: Vec::new(), said: false })
    }

    /// What to wait for: room for a message that waits, else the next one.
    pub(crate) fn awaits(&self) -> Option<(BorrowedFd<'_>, bool)> {
        if !self.pending.is_empty() {
            return Some((self.manager.as_fd(), true));
        }
        self.inside.as_ref().map(|inside| (inside.as_fd(), false))
    }

    /// One turn: sends what waits, or passes the next message on.
    pub(crate) fn turn(&mut self) {
        if self.pending.is_empty()
            && let Some(message) = self.next()
        {
            self.pending = message;
        }
        self.flush();
    }

    /// `READY=1`, once: a service is ready for good. Never waited for.
    pub(crate) fn ready(&mut self) {
        if !std::mem::replace(&mut self.said, true) {
            self.pending = b"READY=1".to_vec();
            self.flush();
        }
    }

    /// A descriptor that came along is not looked at: the kernel closes it with the message,
    /// which is what sd_notify_barrier(3) waits for.
    fn next(&self) -> Option<Vec<u8>> {
        let inside = self.inside.as_ref()?;
        let mut buffer = vec![0; LONGEST + 1];
        let length = recv(inside.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT).ok()?;
        let passed = (length <= LONGEST).then(|| filtered(&buffer[..length], self.main))?;
        // Another main process may be a longer number.
        (passed.len() <= LONGEST).then_some(passed)
    }

    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        match send(self.manager.as_raw_fd(), &self.pending, flags) {
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            // Gone for good, or sent.
            _ => self.pending = Vec::new(),
        }
    }
}

/// Anybody in the container may write: the directory above is the user's alone outside of it.
fn listen(dir: &OwnedFd) -> Res<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None)
        .at(Step::ControlSocket, NOTIFY)?;
    let _ = rustix::fs::unlinkat(dir, NOTIFY, AtFlags::empty());
    let path = format!("/proc/self/fd/{}/{NOTIFY}", dir.as_raw_fd());
    let address = UnixAddr::new(path.as_str()).at(Step::ControlSocket, NOTIFY)?;
    bind(socket.as_raw_fd(), &address).at(Step::ControlSocket, NOTIFY)?;
    rustix::fs::chmodat(dir, NOTIFY, Mode::from_raw_mode(0o666), AtFlags::empty())
        .at(Step::ControlSocket, NOTIFY)?;
    Ok(socket)
}

/// The socket that came with the plan, where the plan says that one did.
pub(crate) fn of_plan(
    how: Option<Notify>,
    passed: &mut Vec<OwnedFd>,
    dir: &OwnedFd,
) -> Res<Option<Box<Notifier>>> {
    let Some(how) = how else { return Ok(None) };
    if passed.is_empty() {
        return Err(failure(Step::Read, "NOTIFY_SOCKET", libc::EBADF));
    }
    Notifier::open(how, passed.remove(0), dir).map(|notifier| Some(Box::new(notifier)))
}

/// The lines that may pass; the payload's main process is ours.
fn filtered(message: &[u8], main: Option<u32>) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    for line in message.split(|b| *b == b'\n') {
        let Some(end) = line.iter().position(|b| *b == b'=') else { continue };
        let key = &line[..end];
        if key == b"MAINPID" {
            let main = main.unwrap_or_else(std::process::id);
            out.extend_from_slice(format!("MAINPID={main}\n").as_bytes());
        } else if key.starts_with(b"X_") || ALLOWED.iter().any(|k| k.as_bytes() == key) {
            out.extend_from_slice(line);
            out.push(b'\n');
        }
    }
    out.pop();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_says_what_it_may_and_no_more() {
        let message = b"READY=1\nMAINPID=1\nFDSTORE=1\nSTATUS=\xff it runs\nNOTIFYACCESS=all\n\
            EXTEND_TIMEOUT_USEC=5\nnonsense\n=\nX_OWN=a=b\nMAINPIDFDID=3";
        let passed = b"READY=1\nMAINPID=77\nSTATUS=\xff it runs\nEXTEND_TIMEOUT_USEC=5\nX_OWN=a=b";
        assert_eq!(filtered(message, Some(77)), passed);
        let own = format!("MAINPID={}", std::process::id());
        assert_eq!(filtered(b"MAINPID=4", None), own.as_bytes());
        assert_eq!(filtered(b"FDSTORE=1\n", None), b"");
    }

    #[test]
    fn messages_wait_for_a_manager_that_is_behind() {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let pair = || {
            use nix::sys::socket::socketpair;
            socketpair(AddressFamily::Unix, SockType::Datagram, None, flags).unwrap()
        };
        let ((manager, far), (inside, payload)) = (pair(), pair());
        while send(manager.as_raw_fd(), b"x", MsgFlags::MSG_DONTWAIT).is_ok() {}
        let mut notifier = Notifier {
            manager,
            inside: Some(inside),
            main: None,
            pending: Vec::new(),
            said: false,
        };
        send(payload.as_raw_fd(), b"READY=1", MsgFlags::empty()).unwrap();
        assert!(!notifier.awaits().unwrap().1);
        notifier.turn();
        assert!(notifier.awaits().unwrap().1, "it has room to wait for");
        let mut buffer = [0; 64];
        while recv(far.as_raw_fd(), &mut buffer, MsgFlags::empty()).is_ok() {}
        notifier.turn();
        assert!(!notifier.awaits().unwrap().1);
        let length = recv(far.as_raw_fd(), &mut buffer, MsgFlags::empty()).unwrap();
        assert_eq!(&buffer[..length], b"READY=1");
        // A message that is too long is dropped whole.
        let long = [b"STATUS=".to_vec(), vec![b'x'; LONGEST]].concat();
        send(payload.as_raw_fd(), &long, MsgFlags::empty()).unwrap();
        notifier.turn();
        assert_eq!(recv(far.as_raw_fd(), &mut buffer, MsgFlags::empty()), Err(Errno::EAGAIN));
    }
    #[test]
    fn ready_waits_for_a_manager_that_is_behind() {
        use nix::sys::socket::socketpair;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (manager, far) =
            socketpair(AddressFamily::Unix, SockType::Datagram, None, flags).unwrap();
        // As bolt dials it: a socket that blocks.
        rustix::io::ioctl_fionbio(&manager, false).unwrap();
        while send(manager.as_raw_fd(), b"x", MsgFlags::MSG_DONTWAIT).is_ok() {}
        let mut notifier =
            Notifier { manager, inside: None, main: None, pending: Vec::new(), said: false };
        assert!(notifier.awaits().is_none());
        notifier.ready();
        assert!(notifier.awaits().unwrap().1);
        let mut buffer = [0; 64];
        while recv(far.as_raw_fd(), &mut buffer, MsgFlags::empty()).is_ok() {}
        notifier.turn();
        assert!(notifier.awaits().is_none());
        let length = recv(far.as_raw_fd(), &mut buffer, MsgFlags::empty()).unwrap();
        assert_eq!(&buffer[..length], b"READY=1");
        notifier.ready();
        assert_eq!(recv(far.as_raw_fd(), &mut buffer, MsgFlags::empty()), Err(Errno::EAGAIN));
    }
}
