//! Checks of the payload's health: each is an exec of our own, at its time and with an end.
//! Runs in M.

use super::execs::Exec;
use super::{Supervisor, signal};
use crate::at::failure;
use crate::clients::Role;
use crate::events::{self, Event};
use crate::health::{Check, OUTPUT, Record, Status};
use crate::monitor::Payload;
use crate::sys::process;
use crate::{freeze, join, state};
use bolt_shim::launch::{Health, Launch, Notify, OnFailure};
use bolt_shim::report::{Report, Step};
use rustix::fs::{Mode, OFlags};
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// In place of a client: the exec is a check.
pub(super) const CHECK: usize = usize::MAX - 1;
/// Ticks between two looks at a container that is paused, and at a check that is not there yet.
const WHILE_FROZEN: i64 = 1000;

/// The checks of one container; all times are ticks.
#[derive(Debug, Default)]
pub(super) struct Watch {
    record: Record,
    /// When the payload was started.
    began: i64,
    next_at: Option<i64>,
    running: Option<Running>,
}

/// A check on its way.
#[derive(Debug)]
struct Running {
    /// Nanoseconds since 1970.
    start: i64,
    kill_at: Option<i64>,
    timed_out: bool,
    /// What it writes.
    pipe: Option<OwnedFd>,
    output: Vec<u8>,
}

impl Watch {
    /// The next moment at which something is to be done.
    pub(super) fn timer(&self) -> Option<i64> {
        match &self.running {
            Some(running) => running.kill_at,
            None => self.next_at,
        }
    }

    /// Where a running check writes.
    pub(super) fn output(&self) -> Option<BorrowedFd<'_>> {
        self.running.as_ref()?.pipe.as_ref().map(AsFd::as_fd)
    }
}

impl Supervisor {
    /// A run of the payload has begun at `started` (nanoseconds since 1970): nothing is known of
    /// it yet, and the first check is due.
    pub(crate) fn begin_checks(&mut self, launch: &Launch, started: i64) {
        let Some(health) = &launch.health else { return };
        let now = state::ticks();
        self.health = Some(Box::new(Watch {
            record: Record::of(started),
            began: now,
            next_at: (health.interval > 0).then_some(now),
            running: None,
        }));
    }

    /// Starts the check that is due, ends the one whose time is over.
    pub(super) fn check_timers(&mut self, launch: &Launch, payload: &Payload) {
        let (Some(health), Some(watch)) = (&launch.health, &mut self.health) else { return };
        let now = state::ticks();
        if watch.timer().is_none_or(|at| at > now) {
            return;
        }
        if freeze::is_frozen(launch) {
            let timer = match &mut watch.running {
                Some(running) => &mut running.kill_at,
                None => &mut watch.next_at,
            };
            *timer = Some(now + WHILE_FROZEN);
            return;
        }
        let Some(running) = &mut watch.running else {
            watch.next_at = None;
            self.start_check(launch, health, payload);
            return;
        };
        running.timed_out = true;
        // All that it started, which it leads as a session of its own; one that is still on its
        // way is met later.
        let exec = self.execs.iter().find(|e| e.client == CHECK);
        let program = exec.and_then(|e| e.program.as_ref());
        running.kill_at = exec.filter(|_| program.is_none()).map(|_| now + WHILE_FROZEN);
        if let Some((pid, _)) = program {
            process::kill(-pid, libc::SIGKILL);
        }
    }

    /// Somebody wants to know now.
    pub(super) fn ask_check(&mut self, launch: &Launch, payload: Option<&Payload>, n: usize) {
        let (Some(health), Some(watch), Some(payload)) = (&launch.health, &self.health, payload)
        else {
            let refusal = failure(Step::Join, "container", libc::ESRCH);
            self.clients[n].send(&Report::Failed(refusal), &[]);
            return;
        };
        self.clients[n].role = Role::Check;
        if watch.running.is_none() {
            self.start_check(launch, health, payload);
        }
    }

    #[inline(never)]
    fn start_check(&mut self, launch: &Launch, health: &Health, payload: &Payload) {
        // One that is being stopped is left alone.
        if self.stopping || self.kill_at.is_some() {
            self.tell_check(125);
            return;
        }
        let start = state::now();
        let started = streams().and_then(|(pipe, streams)| {
            let (socket, helper) =
                join::start(launch, payload.pidfd.as_fd(), &health.process, streams)?;
            Ok((pipe, Exec::new(socket, helper, CHECK)))
        });
        let Some(watch) = &mut self.health else { return };
        let kill_at = state::ticks().saturating_add_unsigned(health.timeout);
        let mut running = Running {
            start,
            kill_at: Some(kill_at),
            timed_out: false,
            pipe: None,
            output: Vec::new(),
        };
        match started {
            Ok((pipe, exec)) => {
                running.pipe = Some(pipe);
                watch.running = Some(running);
                self.execs.push(exec);
            }
            Err(_) => {
                watch.running = Some(running);
                self.check_ended(launch, payload, 125);
            }
        }
    }

    /// Reads a turn of what the check writes; the beginning of it is kept.
    pub(super) fn check_speaks(&mut self) {
        let Some(running) = self.health.as_mut().and_then(|w| w.running.as_mut()) else { return };
        let Some(pipe) = &running.pipe else { return };
        let mut buffer = [0; 4096];
        match rustix::io::read(pipe, &mut buffer) {
            Ok(0) => running.pipe = None,
            Ok(n) => {
                let room = OUTPUT - running.output.len();
                running.output.extend_from_slice(&buffer[..n.min(room)]);
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(_) => running.pipe = None,
        }
    }

    /// A check is over with this code.
    pub(super) fn check_ended(&mut self, launch: &Launch, payload: &Payload, code: u8) {
        // What it started and left behind may go on writing: only as much as is kept is read.
        let wants = |w: &Watch| {
            w.output().is_some_and(has_more)
                && w.running.as_ref().is_some_and(|r| r.output.len() < OUTPUT)
        };
        while self.health.as_deref().is_some_and(wants) {
            self.check_speaks();
        }
        let (Some(health), Some(watch)) = (&launch.health, &mut self.health) else { return };
        let Some(mut running) = watch.running.take() else { return };
        let now = state::ticks();
        watch.next_at = (health.interval > 0).then(|| now.saturating_add_unsigned(health.interval));
        let before = watch.record.status;
        if running.timed_out {
            let note = format!("the check was killed after {} ms\n", health.timeout);
            running.output.truncate(OUTPUT - note.len().min(OUTPUT));
            running.output.extend_from_slice(note.as_bytes());
        }
        let check = Check {
            start: running.start,
            end: state::now(),
            code: if running.timed_out { -1 } else { code.into() },
            output: running.output,
        };
        let young = now < watch.began.saturating_add_unsigned(health.start_period);
        watch.record.add(health, check, !young);
        let status = watch.record.status;
        // The next check writes it again.
        let _ = watch.record.write(&self.place.dir);
        events::write(launch, &self.name, &[Event::Health(status.word())]);
        self.tell_check(if running.timed_out { 255 } else { code });
        // A service that is shutting down may well fail its check.
        if status == before || self.stopping || self.kill_at.is_some() {
            return;
        }
        match status {
            Status::Healthy => self.notify_healthy(launch),
            Status::Unhealthy => self.act(launch, health.on_failure, payload),
            Status::Starting => {}
        }
    }

    /// The payload has ended, and a check with it.
    pub(super) fn cut_checks_short(&mut self) {
        self.tell_check(125);
        if let Some(watch) = &mut self.health {
            (watch.next_at, watch.running) = (None, None);
        }
    }

    fn tell_check(&mut self, code: u8) {
        for client in self.clients.iter_mut().filter(|c| c.role == Role::Check) {
            client.send(&Report::Exited { code, oom: false }, &[]);
            client.close();
        }
    }

    fn notify_healthy(&mut self, launch: &Launch) {
        if launch.unit.notify == Some(Notify::Healthy)
            && let Some(notifier) = &mut self.notifier
        {
            notifier.ready();
        }
    }

    fn act(&mut self, launch: &Launch, action: OnFailure, payload: &Payload) {
        match action {
            OnFailure::None => {}
            OnFailure::Kill => {
                self.stopping = true;
                signal(payload, libc::SIGKILL);
            }
            OnFailure::Stop => self.stop(launch, None, Some(payload)),
            OnFailure::Restart => {
                self.stop(launch, None, Some(payload));
                self.stopping = false;
                self.renew = true;
            }
        }
    }
}

/// Our end of its output, and the three streams of a check.
fn streams() -> Result<(OwnedFd, Vec<OwnedFd>), bolt_shim::report::Failure> {
    use crate::at::At;
    let (ours, output) = pipe_with(PipeFlags::CLOEXEC).at(Step::Exec, "pipe")?;
    rustix::io::ioctl_fionbio(&ours, true).at(Step::Exec, "pipe")?;
    let error = output.try_clone().at(Step::Exec, "pipe")?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let input = rustix::fs::open("/dev/null", flags, Mode::empty()).at(Step::Exec, "/dev/null")?;
    Ok((ours, vec![input, output, error]))
}

fn has_more(pipe: BorrowedFd<'_>) -> bool {
    rustix::io::ioctl_fionread(pipe).is_ok_and(|bytes| bytes > 0)
}
