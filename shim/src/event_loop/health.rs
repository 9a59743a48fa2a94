//! Checks of the payload's health: each is an exec of our own, at its time and with an end.
//! Runs in M.

use super::execs::Exec;
use super::{Supervisor, signal};
use crate::at::{At, Res, failure};
use crate::clients::Role;
use crate::events::{self, Event};
use crate::health::{Check, Record, Status, Trial, Verdict};
use crate::outside::Outside;
use crate::start::Payload;
use crate::state::State;
use crate::step::exec::Streams;
use crate::sys::process;
use crate::{freeze, join, state};
use bolt_shim::launch::{Health, HealthLogTo, Launch, Notify, OnFailure, Process, Startup};
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
    /// The startup checks, until they are over.
    trial: Option<Trial>,
    /// That a file elsewhere could not be written.
    told: bool,
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

    /// The startup check, while that is what is run.
    fn startup<'a>(&self, health: &'a Health) -> Option<&'a Startup> {
        health.startup.as_ref().filter(|_| self.trial.is_some())
    }

    /// Milliseconds: the interval of the checks that are run now, and their time-out.
    fn times(&self, health: &Health) -> (u64, u64) {
        match self.startup(health) {
            Some(startup) => (startup.interval, startup.timeout),
            None => (health.interval, health.timeout),
        }
    }

    /// Takes in a check that ended with this code, and says when the next one is due. True: the
    /// payload is to be started anew.
    fn take_in(&mut self, health: &Health, mut running: Running, code: u8) -> bool {
        let now = state::ticks();
        let (interval, timeout) = self.times(health);
        if running.timed_out {
            running.note(health, timeout);
        }
        let check = Check {
            start: running.start,
            end: state::now(),
            code: if running.timed_out { -1 } else { code.into() },
            output: running.output,
        };
        self.next_at = (interval > 0).then(|| now.saturating_add_unsigned(interval));
        let Some((trial, startup)) = self.trial.as_mut().zip(health.startup.as_ref()) else {
            let young = now < self.began.saturating_add_unsigned(health.start_period);
            self.record.add(health, check, !young);
            return false;
        };
        let verdict = trial.add(startup, check.code);
        self.record.keep(health, check);
        if verdict == Verdict::Up {
            self.trial = None;
            self.record.status = Status::Healthy;
            self.next_at = (health.interval > 0).then_some(now);
        }
        verdict == Verdict::Anew
    }

    /// Where a running check writes.
    pub(super) fn output(&self) -> Option<BorrowedFd<'_>> {
        self.running.as_ref()?.pipe.as_ref().map(AsFd::as_fd)
    }
}

impl Running {
    /// How much of its output is still wanted.
    fn room(&self, health: &Health) -> usize {
        usize::try_from(health.log.output).unwrap_or(0).saturating_sub(self.output.len())
    }

    /// Why it ended, at the end of what is kept of its output.
    fn note(&mut self, health: &Health, timeout: u64) {
        let note = format!("the check was killed after {timeout} ms\n");
        let most = usize::try_from(health.log.output).unwrap_or(0);
        self.output.truncate(most.saturating_sub(note.len()));
        self.output.extend_from_slice(note.as_bytes());
        self.output.truncate(most);
    }
}

impl Supervisor {
    /// A run of the payload has begun at `started` (nanoseconds since 1970): nothing is known of
    /// it yet, and the first check is due.
    pub(crate) fn begin_checks(&mut self, launch: &Launch, started: i64) {
        let Some(health) = &launch.health else { return };
        let now = state::ticks();
        let mut watch = Watch {
            record: Record::of(started),
            began: now,
            next_at: None,
            running: None,
            trial: health.startup.as_ref().map(|_| Trial::default()),
            told: false,
        };
        watch.next_at = (watch.times(health).0 > 0).then_some(now);
        self.health = Some(Box::new(watch));
    }

    /// At a start: the checks will not be told where they were to be told too.
    pub(crate) fn deny_health_log(&mut self) {
        if let Some(Err(failure)) = &self.health_log {
            self.denied.push(failure.clone());
        }
    }

    /// What was denied only after the start is told in `state.json`.
    pub(super) fn record_denied(&mut self, state: &mut State) {
        // Of a container that is as good as gone no file is to come back.
        if self.denied.len() == state.denied.len() || self.is_cleaned_ahead {
            return;
        }
        state.denied.clone_from(&self.denied);
        // The next end writes it again.
        let _ = state.write(&self.place.dir);
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
        let Some(watch) = &mut self.health else { return };
        let start = state::now();
        let other = watch.startup(health).map(|startup| of_startup(health, startup));
        let process = other.as_ref().unwrap_or(&health.process);
        let started = streams().and_then(|(pipe, streams)| {
            let (socket, helper) =
                join::start(launch, payload.pidfd.as_fd(), process, streams, Streams::Own)?;
            Ok((pipe, Exec::new(socket, helper, CHECK)))
        });
        let kill_at = state::ticks().saturating_add_unsigned(watch.times(health).1);
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
    pub(super) fn check_speaks(&mut self, launch: &Launch) {
        let Some(health) = &launch.health else { return };
        let Some(running) = self.health.as_mut().and_then(|w| w.running.as_mut()) else { return };
        let Some(pipe) = &running.pipe else { return };
        let mut buffer = [0; 4096];
        match rustix::io::read(pipe, &mut buffer) {
            Ok(0) => running.pipe = None,
            Ok(n) => {
                let room = running.room(health);
                running.output.extend_from_slice(&buffer[..n.min(room)]);
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(_) => running.pipe = None,
        }
    }

    /// A check is over with this code.
    pub(super) fn check_ended(&mut self, launch: &Launch, payload: &Payload, code: u8) {
        let Some(health) = &launch.health else { return };
        // What it started and left behind may go on writing: only as much as is kept is read.
        let wants = |w: &Watch| {
            w.output().is_some_and(has_more)
                && w.running.as_ref().is_some_and(|r| r.room(health) > 0)
        };
        while self.health.as_deref().is_some_and(wants) {
            self.check_speaks(launch);
        }
        let Some(watch) = &mut self.health else { return };
        let Some(running) = watch.running.take() else { return };
        let code = if running.timed_out { 255 } else { code };
        let before = watch.record.status;
        let anew = watch.take_in(health, running, code);
        let status = watch.record.status;
        // The next check writes it again.
        let _ = watch.record.write(&self.place.dir);
        let mut told = None;
        match &health.log.to {
            HealthLogTo::Local => {}
            HealthLogTo::File(path) => {
                if let Some(Ok(file)) = &self.health_log
                    && let Err(error) = watch.record.write_to(file)
                    && !std::mem::replace(&mut watch.told, true)
                {
                    self.denied.push(failure(Step::Log, path, error.raw_os_error()));
                }
            }
            HealthLogTo::Events => told = watch.record.last(),
        }
        events::write(launch, &self.name, &[Event::Health(status.word(), told)]);
        self.tell_check(code);
        // A service that is shutting down may well fail its check.
        if self.stopping || self.kill_at.is_some() {
            return;
        }
        if anew {
            return self.act(launch, OnFailure::Restart, payload);
        }
        if status == before {
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

/// The place of a file elsewhere that the checks are told in, before the payload can move it.
#[inline(never)]
pub(super) fn open_log(launch: &Launch) -> Option<Res<Outside>> {
    match launch.health.as_deref().map(|health| &health.log.to) {
        Some(HealthLogTo::File(path)) => Some(Outside::open(path).at(Step::Log, path)),
        _ => None,
    }
}

/// The program of a startup check.
#[inline(never)]
fn of_startup(health: &Health, startup: &Startup) -> Process {
    Process { args: startup.args.clone(), ..health.process.clone() }
}

/// Our end of its output, and the three streams of a check.
fn streams() -> Result<(OwnedFd, Vec<OwnedFd>), bolt_shim::report::Failure> {
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
