//! What goes through M: the payload's output and input, and the signals that mean M itself.

use super::{CHUNK, Supervisor};
use crate::clients::Role;
use crate::start::Payload;
use bolt_shim::report::Report;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::OwnedFd;

/// Those that ask for the end of the payload; they are blocked.
pub(super) fn signals() -> Option<SignalFd> {
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        mask.add(signal);
    }
    SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK).ok()
}

impl Supervisor {
    /// Copies one turn of a stream; false at its end.
    pub(super) fn copy(&mut self, from: &OwnedFd, stream: usize) -> bool {
        let mut buffer = vec![0; CHUNK];
        match rustix::io::read(from, buffer.as_mut_slice()) {
            Ok(0) => false,
            Ok(n) => {
                buffer.truncate(n);
                self.log.write(&self.place.dir, stream, &buffer);
                let report =
                    if stream == 0 { Report::Stdout(buffer) } else { Report::Stderr(buffer) };
                for client in &mut self.clients {
                    if matches!(client.role, Role::Attached { .. }) {
                        client.send(&report, &[]);
                    }
                }
                true
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => true,
            // EIO: the last process closed the terminal. It may be opened again, as by a login
            // program, but then only by a descendant that polls are too early for.
            Err(_) => false,
        }
    }

    pub(super) fn feed(&mut self, payload: &mut Payload) {
        let Some(fd) = &payload.input else { return };
        if !self.input.is_empty() {
            match rustix::io::write(fd, &self.input) {
                Ok(n) => {
                    self.input.drain(..n);
                }
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(_) => {
                    self.input.clear();
                    payload.input = None;
                    return;
                }
            }
        }
        if self.input.is_empty() {
            self.input.shrink_to(0);
            if self.close_input {
                payload.input = None;
            }
        }
    }
}
