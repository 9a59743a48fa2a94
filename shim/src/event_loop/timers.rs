//! What happens at its time. Runs in M.

use super::{Supervisor, signal};
use crate::start::Payload;
use crate::{freeze, state};
use bolt_shim::launch::Launch;
use rustix::event::Timespec;

impl Supervisor {
    /// Whether nothing has happened for a while; then what was kept for the next event goes.
    pub(super) fn lie_down(&mut self) -> bool {
        let sleeps = self.awake_until.is_some_and(|at| at <= state::ticks());
        if sleeps {
            self.awake_until = None;
            self.log.shrink();
        }
        sleeps
    }

    /// How long to wait at most: until the next timer.
    pub(super) fn patience(&self) -> Option<Timespec> {
        let check = self.health.as_ref().and_then(|h| h.timer());
        let line = self.log.due();
        let timers =
            [self.kill_at, self.timeout_at, self.deaf_until, self.awake_until, check, line];
        let left = (timers.into_iter().flatten().min()? - state::ticks()).max(0) + 1;
        Some(Timespec { tv_sec: left / 1000, tv_nsec: left % 1000 * 1_000_000 })
    }

    /// Ends a payload whose time is over, and one that was asked to stop and did not; shows what
    /// it said without ending the line.
    pub(super) fn timers(&mut self, launch: &Launch, payload: &Payload) {
        let now = state::ticks();
        self.log.write_begun(&self.place.dir, now);
        let is_over = |timer: &mut Option<i64>| timer.take_if(|at| *at <= now).is_some();
        let timed_out = is_over(&mut self.timeout_at);
        self.timed_out |= timed_out;
        if is_over(&mut self.kill_at) || timed_out {
            signal(payload, libc::SIGKILL);
            freeze::thaw(launch);
        }
    }
}
