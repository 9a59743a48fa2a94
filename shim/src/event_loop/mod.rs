//! One poll set for everything that can happen to a running container. Runs in M.

mod early;
mod end;
mod execs;
mod health;
mod policy;
mod streams;
mod timers;

use crate::at::{Res, failure};
use crate::clients::{self, Client, Role};
use crate::notify::Notifier;
use crate::outside::Outside;
use crate::start::Payload;
use crate::state::State;
use crate::stdio::Stdio;
use crate::sys::{memory, process};
use crate::{freeze, log, state};
use bolt_shim::control::Request;
use bolt_shim::launch::{Launch, TtySize};
use bolt_shim::report::{Failure, Report, Step};
use execs::Exec;
use nix::errno::Errno;
use nix::sys::signalfd::SignalFd;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes taken from one stream in one turn: an exec or a stop never waits long behind output.
const CHUNK: usize = 32 * 1024;
/// Input held back for a payload that does not read, in bytes.
const MAX_INPUT: usize = 256 * 1024;
/// Clients at one time; further ones wait in the queue of the control socket.
const MAX_CLIENTS: usize = 256;
/// Milliseconds for which nobody is accepted when there was no descriptor for him.
const DEAFNESS: i64 = 200;
/// Milliseconds without an event after which the memory of a long sleep is given back: a short
/// container ends before, and one that is busy never pays for it.
const WAKEFULNESS: i64 = 1000;

/// Where the container lives, and what was inherited for its whole life.
#[derive(Debug)]
pub(crate) struct Place {
    /// Its directory.
    pub(crate) dir: OwnedFd,
    /// Held, never read: its release tells everybody that we are gone.
    pub(crate) lock: OwnedFd,
    /// Path of the directory.
    pub(crate) path: String,
    /// The listening control socket, from the first start on.
    pub(crate) control: Option<OwnedFd>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    /// Exit code as `bolt` returns it.
    pub(crate) code: u8,
    /// The OOM killer was there.
    pub(crate) oom: bool,
    /// It was to end, and no policy starts it again.
    pub(crate) stopped: bool,
    /// A person or program asked the monitor for that; a service manager that ends the session,
    /// or the machine going down, did not.
    pub(crate) asked: bool,
    /// It is to be started again, whatever the policy says.
    pub(crate) renew: bool,
}

/// What an entry of the poll set belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Signals,
    Control,
    Client(usize),
    ExecSocket(usize),
    ExecEnd(usize),
    ExecTerminal(usize),
    Output,
    Error,
    Input,
    Notify,
    Check,
    Payload,
}

/// The monitor while a payload runs, and between two runs.
#[derive(Debug)]
pub(crate) struct Supervisor {
    place: Place,
    clients: Vec<Client>,
    execs: Vec<Exec>,
    /// An exec has left its program to itself.
    used: bool,
    /// `config.json` is there; `None`: not waited for yet.
    written: Option<bool>,
    /// The payload, as its last start made it.
    pid: i32,
    log: log::Writer,
    signals: Option<SignalFd>,
    /// What was not applied.
    pub(crate) denied: Vec<Failure>,
    name: String,
    input: Vec<u8>,
    close_input: bool,
    stopping: bool,
    kill_at: Option<i64>,
    timeout_at: Option<i64>,
    timed_out: bool,
    /// OOM kills in the container's group before this run.
    oom_kills: u64,
    /// Accepting failed: poll(2) would return at once for a client that cannot be served.
    deaf_until: Option<i64>,
    /// When to lie down; `None`: asleep since the last event.
    awake_until: Option<i64>,
    /// A signal to ourselves is why the payload is stopped.
    by_signal: bool,
    /// The health check wants the payload started anew.
    renew: bool,
    /// Name and records of a container that is removed at its end are gone.
    is_cleaned_ahead: bool,
    /// Directories that were removed then, and are still to be freed.
    let_go: Vec<OwnedFd>,
    /// Whether and from what the payload is started again.
    pub(crate) again: policy::Again,
    /// The payload's health, where it is checked.
    health: Option<Box<health::Watch>>,
    /// Where its checks are told too, or why not.
    pub(crate) health_log: Option<Res<Outside>>,
    /// The line to a service manager.
    pub(crate) notifier: Option<Box<Notifier>>,
    /// Descriptors for the payload.
    pub(crate) passed: Vec<OwnedFd>,
    /// Its standard ones, where the launcher gave it its own.
    pub(crate) stdio: Option<Stdio>,
}

impl Supervisor {
    /// A supervisor whose first client is the launching `bolt`.
    pub(crate) fn new(launch: &Launch, report: OwnedFd, place: Place, log: log::Writer) -> Self {
        let role = if launch.monitor.attach {
            Role::Attached { stdin: launch.process.stdin }
        } else {
            Role::New
        };
        Supervisor {
            place,
            clients: vec![Client::new(report, role, true)],
            execs: Vec::new(),
            used: false,
            written: None,
            pid: 0,
            log,
            signals: streams::signals(),
            denied: Vec::new(),
            name: launch.monitor.name.clone(),
            input: Vec::new(),
            close_input: false,
            stopping: false,
            kill_at: None,
            timeout_at: None,
            timed_out: false,
            oom_kills: 0,
            deaf_until: None,
            awake_until: None,
            by_signal: false,
            renew: false,
            is_cleaned_ahead: false,
            let_go: Vec::new(),
            again: policy::Again::of(launch),
            health: None,
            health_log: health::open_log(launch),
            notifier: None,
            passed: Vec::new(),
            stdio: None,
        }
    }

    /// The container's directory.
    pub(crate) fn dir(&self) -> &OwnedFd {
        &self.place.dir
    }

    /// The file by whose lock the container is ours.
    pub(crate) fn lock(&self) -> &OwnedFd {
        &self.place.lock
    }

    /// What the container is called now.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Later `bolt` processes can reach us from now on.
    pub(crate) fn listen(&mut self) -> Res<()> {
        if self.place.control.is_none() {
            self.place.control = Some(clients::listen(&self.place.dir)?);
        }
        Ok(())
    }

    /// The stop was no request, but a signal to this process.
    pub(crate) fn ended_by_signal(&self) -> bool {
        self.by_signal
    }

    /// Path of the container's directory.
    pub(crate) fn path(&self) -> &str {
        &self.place.path
    }

    /// In I: nothing of the monitor may live on in the container, least of all the lock.
    pub(crate) fn close_in_child(&mut self) {
        process::close_lock(&self.place.lock);
        self.place.control = None;
        self.clients.clear();
        self.execs.clear();
        self.signals = None;
        self.notifier = None;
        self.stdio = None;
        self.health_log = None;
        self.log.close_in_child();
    }

    /// The payload was executed: the launcher hears of it.
    pub(crate) fn begin(&mut self, pid: i32) {
        self.pid = pid;
        let denied = self.denied.clone();
        // At a restart it may be gone: nobody else waits for this.
        if let Some(launcher) = self.clients.iter_mut().find(|c| c.is_primary()) {
            for failure in denied {
                launcher.send(&Report::Denied(failure), &[]);
            }
            launcher.send(&Report::Started { pid }, &[]);
            if launcher.role == Role::New {
                launcher.close();
            }
        }
        self.sweep();
    }

    /// Watches one run of the payload to its end.
    pub(crate) fn watch(
        &mut self,
        launch: &Launch,
        mut payload: Payload,
        state: &mut State,
    ) -> End {
        for end in [&payload.output, &payload.error, &payload.input].into_iter().flatten() {
            let _ = rustix::io::ioctl_fionbio(end, true);
        }
        self.timed_out = false;
        self.used = false;
        self.awake_until = Some(state::ticks() + WAKEFULNESS);
        self.timeout_at = (launch.monitor.timeout > 0)
            .then(|| state::ticks() + i64::from(launch.monitor.timeout) * 1000);
        let mut output = payload.output.is_some();
        let mut error = payload.error.is_some();
        loop {
            for (source, events) in self.wait(Some(&payload), output, error) {
                match source {
                    Source::Payload => return self.end(launch, &mut payload),
                    Source::Output => {
                        output = payload.output.as_ref().is_some_and(|o| self.copy(o, 0))
                    }
                    Source::Error => {
                        error = payload.error.as_ref().is_some_and(|e| self.copy(e, 1))
                    }
                    Source::Input => self.feed(&mut payload),
                    Source::ExecSocket(n) => {
                        if let Some(code) = self.exec_speaks(launch, n) {
                            self.check_ended(launch, &payload, code);
                        }
                    }
                    Source::ExecEnd(n) => {
                        if let Some(code) = self.exec_ends(launch, n) {
                            self.check_ended(launch, &payload, code);
                        }
                        self.tell_idle(launch, &payload);
                    }
                    other => self.serve(launch, other, events, Some(&mut payload)),
                }
            }
            if !output && !error {
                self.clean_ahead(launch, &payload);
            }
            self.sweep();
            self.timers(launch, &payload);
            self.check_timers(launch, &payload);
            self.record_denied(state);
        }
    }

    /// Waits between two runs; true when a stop was asked for meanwhile.
    pub(crate) fn pause(&mut self, launch: &Launch, milliseconds: u32) -> bool {
        let until = state::ticks() + i64::from(milliseconds);
        self.kill_at = Some(until);
        while !self.stopping && state::ticks() < until {
            for (source, events) in self.wait(None, false, false) {
                self.serve(launch, source, events, None);
            }
            self.sweep();
        }
        self.kill_at = None;
        self.stopping
    }

    fn wait(
        &mut self,
        payload: Option<&Payload>,
        output: bool,
        error: bool,
    ) -> Vec<(Source, PollFlags)> {
        let sleeps = self.lie_down();
        let held = self.clients.iter().any(Client::holds_back);
        let mut sources = Vec::with_capacity(8);
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(8);
        let mut add = |source, fd, flags| {
            sources.push(source);
            fds.push(PollFd::from_borrowed_fd(fd, flags));
        };
        if let Some(signals) = &self.signals {
            add(Source::Signals, signals.as_fd(), PollFlags::IN);
        }
        if self.clients.len() < MAX_CLIENTS
            && self.deaf_until.is_none()
            && let Some(control) = &self.place.control
        {
            add(Source::Control, control.as_fd(), PollFlags::IN);
        }
        for (n, client) in self.clients.iter().enumerate() {
            let mut flags = PollFlags::empty();
            if client.is_behind() {
                flags |= PollFlags::OUT;
            }
            // Only who feeds the input waits for the payload to read it: others may want to stop
            // the very payload that does not.
            let feeds = client.role == Role::Attached { stdin: true };
            if !feeds || self.input.len() < MAX_INPUT {
                flags |= PollFlags::IN;
            }
            add(Source::Client(n), client.fd(), flags);
        }
        for (n, exec) in self.execs.iter().enumerate() {
            if let Some(socket) = &exec.socket {
                add(Source::ExecSocket(n), socket.as_fd(), PollFlags::IN);
            } else if let Some((_, pidfd)) = &exec.program {
                add(Source::ExecEnd(n), pidfd.as_fd(), PollFlags::IN);
            }
            if let Some(terminal) = exec.left_terminal() {
                add(Source::ExecTerminal(n), terminal, PollFlags::IN);
            }
        }
        if let Some((fd, behind)) = self.notifier.as_ref().and_then(|n| n.awaits()) {
            add(Source::Notify, fd, if behind { PollFlags::OUT } else { PollFlags::IN });
        }
        if let Some(fd) = self.health.as_ref().and_then(|h| h.output()) {
            add(Source::Check, fd, PollFlags::IN);
        }
        if let Some(payload) = payload {
            if let Some(fd) = payload.output.as_ref().filter(|_| output && !held) {
                add(Source::Output, fd.as_fd(), PollFlags::IN);
            }
            if let Some(fd) = payload.error.as_ref().filter(|_| error && !held) {
                add(Source::Error, fd.as_fd(), PollFlags::IN);
            }
            if let Some(fd) =
                payload.input.as_ref().filter(|_| !self.input.is_empty() || self.close_input)
            {
                add(Source::Input, fd.as_fd(), PollFlags::OUT);
            }
            // Last: what the payload wrote before its end is read before the end is seen.
            add(Source::Payload, payload.pidfd.as_fd(), PollFlags::IN);
        }
        let patience = self.patience();
        let wait = if sleeps { memory::sleep } else { poll };
        if wait(&mut fds, patience.as_ref()).is_err() {
            return Vec::new();
        }
        let events: Vec<PollFlags> = fds.iter().map(PollFd::revents).collect();
        drop(fds);
        if events.iter().any(|e| !e.is_empty()) {
            self.awake_until = Some(state::ticks() + WAKEFULNESS);
        }
        sources.into_iter().zip(events).filter(|(_, e)| !e.is_empty()).collect()
    }

    #[inline(never)]
    fn serve(
        &mut self,
        launch: &Launch,
        source: Source,
        events: PollFlags,
        payload: Option<&mut Payload>,
    ) {
        match source {
            Source::Signals => {
                if let Some(signals) = &self.signals
                    && let Ok(Some(_)) = signals.read_signal()
                {
                    self.by_signal |= !self.stopping;
                    self.stop(launch, None, payload.as_deref());
                }
            }
            Source::Control => self.accept(),
            Source::Client(n) => {
                if events.contains(PollFlags::OUT) {
                    self.clients[n].flush();
                }
                if events.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR)
                    && let Some((request, fds)) = self.clients[n].receive()
                {
                    self.answer(launch, n, request, fds, payload);
                }
            }
            Source::Notify => {
                if let Some(notifier) = &mut self.notifier {
                    notifier.turn();
                }
            }
            Source::Check => self.check_speaks(launch),
            Source::ExecTerminal(n) => self.drop_output(n),
            // There are none without a payload, and with one `watch` sees to them.
            Source::ExecSocket(_)
            | Source::ExecEnd(_)
            | Source::Output
            | Source::Error
            | Source::Input
            | Source::Payload => {}
        }
    }

    fn accept(&mut self) {
        use std::os::fd::AsRawFd;
        let flags = nix::sys::socket::SockFlag::SOCK_CLOEXEC;
        let Some(control) = &self.place.control else { return };
        match nix::sys::socket::accept4(control.as_raw_fd(), flags) {
            Ok(raw) => self.clients.push(Client::new(process::own(raw), Role::New, false)),
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNABORTED) => {}
            Err(_) => self.deaf_until = Some(state::ticks() + DEAFNESS),
        }
    }

    fn answer(
        &mut self,
        launch: &Launch,
        n: usize,
        request: Request,
        fds: Vec<OwnedFd>,
        payload: Option<&mut Payload>,
    ) {
        let client = &mut self.clients[n];
        let feeds = client.role == Role::Attached { stdin: true };
        match request {
            Request::Attach { stdin } => {
                let stdin = stdin && launch.process.stdin;
                client.role = Role::Attached { stdin };
                if stdin {
                    self.close_input = false;
                }
            }
            Request::Stdin(bytes) if feeds => {
                // A payload that closed its input would leave the bytes, and their sender's
                // later requests, here for ever.
                if payload.is_none_or(|p| p.input.is_some()) {
                    self.input.extend_from_slice(&bytes);
                }
            }
            // A terminal has no end: the client that has one sends the end-of-file character.
            Request::CloseStdin if feeds => self.close_input = launch.process.tty.is_none(),
            Request::Resize(size) => {
                let terminal = payload.and_then(|p| p.output.as_ref());
                if let Some(terminal) = terminal.filter(|_| launch.process.tty.is_some()) {
                    resize(terminal, size);
                }
            }
            Request::Wait => client.role = Role::Waiting,
            Request::HealthCheck => self.ask_check(launch, payload.as_deref(), n),
            Request::Restart { policy } => self.answer_policy(launch, n, policy, &fds),
            Request::Renamed { name } => {
                client.send(&Report::Done, &[]);
                self.name = name;
                if self.is_cleaned_ahead {
                    // It was written down again.
                    self.forget(launch);
                }
            }
            Request::Signal { signo } if client.role == Role::Exec => {
                self.exec_signal(n, signo);
            }
            Request::Signal { signo } => {
                let sent = payload.as_deref().is_some_and(|p| signal(p, signo));
                if signo == libc::SIGKILL {
                    freeze::thaw(launch);
                }
                let ends =
                    [libc::SIGKILL, libc::SIGTERM, launch.monitor.stop_signal].contains(&signo);
                // Between two runs there is nobody to signal, but a restart to be called off.
                let report = if sent || (ends && payload.is_none()) {
                    Report::Done
                } else {
                    Report::Failed(failure(Step::Signal, &signo.to_string(), libc::ESRCH))
                };
                client.send(&report, &[]);
                self.stopping |= ends;
            }
            Request::Stop { timeout } => {
                client.role = Role::Waiting;
                self.stop(launch, timeout, payload.as_deref());
            }
            Request::Exec { process, wait } => match payload {
                Some(payload) => self.exec(launch, payload, n, &process, wait, fds),
                None => {
                    client.send(&Report::Failed(failure(Step::Join, "container", libc::ESRCH)), &[])
                }
            },
            Request::LeaveTerminal => self.keep_terminal(n, fds.into_iter().next()),
            Request::Stdin(_)
            | Request::CloseStdin
            | Request::Placed(_)
            | Request::Enter { .. }
            | Request::Planned
            | Request::Written
            | Request::Cgroup { .. }
            | Request::IdMapsWritten
            | Request::IdMapsRefused { .. } => {}
        }
    }

    fn stop(&mut self, launch: &Launch, timeout: Option<u32>, payload: Option<&Payload>) {
        self.stopping = true;
        let Some(payload) = payload else { return };
        let seconds = timeout.unwrap_or(launch.monitor.stop_timeout);
        let at = state::ticks() + i64::from(seconds) * 1000;
        self.kill_at = Some(self.kill_at.map_or(at, |old| old.min(at)));
        signal(payload, if seconds == 0 { libc::SIGKILL } else { launch.monitor.stop_signal });
        freeze::thaw(launch);
    }

    /// Forgets clients that hung up; execs of theirs live on without one.
    fn sweep(&mut self) {
        self.deaf_until = self.deaf_until.filter(|at| *at > state::ticks());
        self.execs.retain(|e| e.socket.is_some() || e.program.is_some());
        if !self.clients.iter().any(|c| c.gone) {
            return;
        }
        let mut kept = Vec::with_capacity(self.clients.len());
        let mut moved = vec![usize::MAX; self.clients.len()];
        for (n, client) in std::mem::take(&mut self.clients).into_iter().enumerate() {
            if !client.gone {
                moved[n] = kept.len();
                kept.push(client);
            }
        }
        self.clients = kept;
        for exec in self.execs.iter_mut().filter(|e| e.client != health::CHECK) {
            exec.client = moved.get(exec.client).copied().unwrap_or(usize::MAX);
        }
    }
}

fn resize(master: &OwnedFd, size: TtySize) {
    let size = rustix::termios::Winsize {
        ws_row: size.rows,
        ws_col: size.cols,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let _ = rustix::termios::tcsetwinsize(master, size);
}

fn signal(payload: &Payload, signo: i32) -> bool {
    process::pidfd_signal(payload.pidfd.as_fd(), signo).is_ok()
}

fn reap(pid: i32) {
    let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid), None);
}

/// Exit code of a child: its own, or 128+n.
fn reap_pidfd(pidfd: BorrowedFd<'_>) -> u8 {
    match waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED) {
        Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => code as u8,
            // Any number, real-time signals too.
            (None, Some(signal)) => 128u8.wrapping_add(signal as u8),
            (None, None) => 255,
        },
        _ => 255,
    }
}
