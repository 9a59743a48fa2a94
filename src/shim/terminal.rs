//! The caller's terminal: raw while attached, as it was on every way out.

use bolt_shim::launch::TtySize;
use rustix::fs::{Mode, OFlags};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// A terminal in raw mode; dropped, it is as before.
#[derive(Debug)]
pub struct RawTerminal<'a> {
    fd: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> RawTerminal<'a> {
    /// Switches to raw mode; `None` when `fd` is no terminal.
    pub fn enter(fd: BorrowedFd<'a>) -> io::Result<Option<Self>> {
        if !isatty(fd) {
            return Ok(None);
        }
        let terminal = RawTerminal { fd, before: tcgetattr(fd)? };
        terminal.resume()?;
        Ok(Some(terminal))
    }

    /// Raw mode again, after [`Self::suspend`].
    pub fn resume(&self) -> io::Result<()> {
        let mut raw = self.before.clone();
        raw.make_raw();
        Ok(tcsetattr(self.fd, OptionalActions::Now, &raw)?)
    }

    /// The mode as it was found.
    pub fn suspend(&self) -> io::Result<()> {
        Ok(tcsetattr(self.fd, OptionalActions::Now, &self.before)?)
    }
}

impl Drop for RawTerminal<'_> {
    fn drop(&mut self) {
        let _ = self.suspend();
    }
}

/// Size of the terminal; `None` when `fd` is none, or has no size yet (0 rows).
pub fn size(fd: impl AsFd) -> Option<TtySize> {
    let size = tcgetwinsize(fd).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some(TtySize { rows: size.ws_row, cols: size.ws_col })
}

/// Whether this process has a controlling terminal, which it loses when that hangs up (tty(4)).
pub fn is_there() -> bool {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open("/dev/tty", flags, Mode::empty()).is_ok()
}
