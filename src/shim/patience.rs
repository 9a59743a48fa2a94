//! Waiting for a start: it may take long, where much is copied, and is called off by the signals
//! that would end this process.

use super::StartError;
use super::client::{ClientError, Connection, io_error};
use crate::sys::signals::{self, Signals};
use bolt_shim::control::Request;
use bolt_shim::launch::Launch;
use bolt_shim::report::Report;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Signals that call a start off.
const ENDING: [i32; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGQUIT, libc::SIGHUP];
/// How much longer a start may take once one has come: the payload gets it then, as it would have
/// a moment later.
const GRACE: Duration = Duration::from_millis(100);
/// How long a supervisor that was called off is waited for: it removes what a start left.
const FAREWELL: Duration = Duration::from_secs(1);

/// What came first.
pub(super) enum Heard {
    /// From the supervisor; `None`: it hung up.
    Report(Option<(Report, Vec<OwnedFd>)>),
    /// The start is to be called off.
    Signal(i32),
}

/// The signals of one start.
pub(super) struct Patience<'a> {
    held: Option<&'a Signals>,
    /// Of a caller who holds none, where the start may take long.
    own: Option<Signals>,
    /// Came too early to be forwarded.
    early: Vec<i32>,
    /// The first that ends, and until when the start may go on.
    ending: Option<(i32, Instant)>,
}

impl<'a> Patience<'a> {
    /// Blocks the ending signals where nobody has, and something may be copied.
    pub(super) fn new(held: Option<&'a Signals>, launch: &Launch) -> Result<Self, ClientError> {
        let long = held.is_none() && launch.mounts.iter().any(|mount| mount.what.copies());
        let own = long.then(|| Signals::block(&ENDING)).transpose();
        let own = own.map_err(io_error("block signals"))?;
        Ok(Patience { held, own, early: Vec::new(), ending: None })
    }

    /// The next report, or a signal that has waited long enough.
    pub(super) fn receive(&mut self, line: &Connection) -> Result<Heard, ClientError> {
        loop {
            let Some(signals) = self.held.or(self.own.as_ref()) else {
                return line.receive().map(Heard::Report);
            };
            let left = self.ending.map(|(_, end)| end.saturating_duration_since(Instant::now()));
            let limit = left.and_then(|left| Timespec::try_from(left).ok());
            let fd = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
            let mut fds = [fd(line.as_fd()), fd(signals.as_fd())];
            match poll(&mut fds, limit.as_ref()) {
                Err(Errno::INTR) => continue,
                other => other.map_err(io_error("poll"))?,
            };
            if !fds[0].revents().is_empty() {
                return line.receive().map(Heard::Report);
            }
            while let Some(signo) = signals.next().map_err(io_error("read a signal"))? {
                if ENDING.contains(&signo) && !signals::is_ignored(signo) {
                    let grace = if self.held.is_some() { GRACE } else { Duration::ZERO };
                    self.ending.get_or_insert((signo, Instant::now() + grace));
                }
                self.early.push(signo);
            }
            if let Some((signo, end)) = self.ending
                && end <= Instant::now()
            {
                return Ok(Heard::Signal(signo));
            }
        }
    }

    /// The program runs: what came early waits for whoever forwards signals, or acts as usual.
    pub(super) fn give_back(mut self) -> Result<(), ClientError> {
        drop(self.own.take());
        self.early.into_iter().try_for_each(signals::raise).map_err(io_error("raise a signal"))
    }

    /// The start is called off. Where the caller holds no signals this one ends the process.
    pub(super) fn end(mut self, signo: i32) -> Result<StartError, ClientError> {
        if self.own.take().is_some() {
            signals::raise(signo).map_err(io_error("raise a signal"))?;
        }
        Ok(StartError::Interrupted(signo))
    }
}

/// Tells the supervisor to give up; whether it has by the time anybody would wait.
pub(super) fn call_off(line: &Connection) -> bool {
    let end = Instant::now() + FAREWELL;
    let asked = line.wait_at_most(FAREWELL).and_then(|()| {
        // At once: nothing of the program's could be lost yet.
        line.send(&Request::Stop { timeout: Some(0) })
    });
    while asked.is_ok() && Instant::now() < end {
        match line.receive() {
            Ok(Some((Report::Failed(_) | Report::Exited { .. }, _)) | None) => return true,
            Ok(Some(_)) => {}
            Err(_) => return false,
        }
    }
    false
}
