//! What a start waits for: the launcher, and copies that take long and may be called off. Runs in
//! M.

use super::Supervisor;
use crate::at::{At, Res, failure};
use crate::clients::Client;
use bolt_shim::control::Request;
use bolt_shim::report::{Failure, Step};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::AtFlags;
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};

impl Supervisor {
    /// Waits for the launcher to write down what the container is, which it does while we mount.
    pub(crate) fn await_config(&mut self) -> Res<()> {
        let before = self.written == Some(true);
        let written = before || self.clients.first().is_some_and(Client::says_written);
        self.written = Some(written);
        if written { Ok(()) } else { Err(failure(Step::State, "config.json", libc::ENOENT)) }
    }

    /// False: the launcher was killed before it wrote down what the container is. Nobody else can
    /// find it.
    pub(crate) fn is_recorded(&self) -> bool {
        self.written != Some(false)
            || !matches!(
                rustix::fs::statat(&self.place.dir, "config.json", AtFlags::SYMLINK_NOFOLLOW),
                Err(Errno::NOENT)
            )
    }

    /// Waits until `socket` can be read, or so many milliseconds. EINTR: the launcher, or a signal
    /// to this process, wants no container any more. A launcher that was killed does not.
    pub(crate) fn await_start(&mut self, socket: Option<&OwnedFd>, limit: Option<i64>) -> Res<()> {
        let limit = limit.map(|ms| Timespec { tv_sec: ms / 1000, tv_nsec: ms % 1000 * 1_000_000 });
        loop {
            let launcher = self.clients.iter_mut().find(|c| c.is_primary() && !c.gone);
            let none = PollFlags::empty();
            let mut fds = Vec::with_capacity(3);
            let mut add = |fd, flags| {
                fds.push(PollFd::from_borrowed_fd(fd, flags));
                fds.len() - 1
            };
            let word = socket.map(|s| add(s.as_fd(), PollFlags::IN));
            let asked = launcher.as_ref().map(|l| add(l.fd(), PollFlags::IN));
            let signal = self.signals.as_ref().map(|s| add(s.as_fd(), PollFlags::IN));
            let count = match poll(&mut fds, limit.as_ref()) {
                Err(Errno::INTR) => continue,
                other => other.at(Step::Died, "")?,
            };
            let has = |at: Option<usize>| at.is_some_and(|at| fds[at].revents() != none);
            let (word, asked, signal) = (has(word), has(asked), has(signal));
            if signal {
                return Err(called_off());
            }
            if let Some(launcher) = launcher.filter(|_| asked)
                && let Some((Request::Stop { .. }, _)) = launcher.receive()
            {
                return Err(called_off());
            }
            if word || count == 0 {
                return Ok(());
            }
        }
    }
}

fn called_off() -> Failure {
    failure(Step::Died, "", libc::EINTR)
}
