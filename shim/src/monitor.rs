//! Process **M**: from the plan to a running payload, and what comes after it.
//!
//! Who: the first process of `bolt-shim`, child of `bolt`, in a session of its own. It enters
//! the user namespace P (`enter.rs`) and keeps capabilities over that alone.
//!
//! What is done once is `inline(never)`: the frames of [`run`] and [`supervise`] are memory that
//! stays for the container's life.

use crate::at::{At, Res, failure};
use crate::enter;
use crate::event_loop::{End, Place, Supervisor};
use crate::events::{self, Event};
use crate::freeze;
use crate::start::{Ahead, start};
use crate::state::{self, State};
use crate::stdio::Stdio;
use crate::sys::memory::Mapped;
use crate::sys::{process, socket};
use crate::{log, notify, pidfile, remove};
use bolt_shim::control::Request;
use bolt_shim::head::{FirstInit, Head, Known};
use bolt_shim::launch::{Health, Launch, OnFailure, Restart, Root, Userns, VERSION, fd};
use bolt_shim::report::{Failure, Report, Step};
use std::os::fd::{AsRawFd, OwnedFd};

/// Restarts wait 100 ms, doubled each time, at most a minute; a run of ten seconds resets that.
const FIRST_PAUSE: u32 = 100;
const LONGEST_PAUSE: u32 = 60_000;
const LONG_RUN: i64 = 10_000;

/// Runs the whole life of one container; the result is M's exit code.
///
/// `bolt` looks for P while this program is loaded, reads its command line while M enters P, and
/// plans while M makes what it can. When the line ends before the plan is complete, nothing was
/// made that stays and nobody is left to be told.
pub(crate) fn run() -> u8 {
    process::set_name(c"bolt-shim");
    let Ok(report) = process::inherit(fd::REPORT) else { return 125 };
    let (userns, init, known, p) = match await_enter(&report) {
        Ok(Some(way)) => way,
        Ok(None) => return 125,
        Err(failure) => {
            tell(&report, &Report::Failed(failure));
            return 125;
        }
    };
    let mut state = State::of_monitor(&known);
    if let Err(failure) = enter::enter(userns, p, known.ids, &report, &mut state) {
        tell(&report, &Report::Failed(failure));
        return 125;
    }
    let ahead = Ahead::begin(init);
    let Some(head) = await_place(&report) else { return 125 };
    let (mut launch, inherited) = match ready(ahead, head, &report) {
        Ok(Some(ready)) => ready,
        Ok(None) => return 125,
        Err(failure) => {
            tell(&report, &Report::Failed(failure));
            return 125;
        }
    };
    if launch.await_cgroup && await_cgroup(&mut launch, &report).is_none() {
        return 125;
    }
    supervise(&mut launch, state, report, inherited)
}

/// All that is made before the plan, and the plan. `None`: it will not come.
#[inline(never)]
fn ready(mut ahead: Ahead, head: Head, report: &OwnedFd) -> Res<Option<(Launch, Inherited)>> {
    let dir = process::inherit(fd::DIR).at(Step::Read, "container directory")?;
    let path = match head.dir() {
        Some(path) => path.to_owned(),
        None => path_of(&dir)?,
    };
    ahead.place(head, &path);
    let Some(passed) = await_plan(report) else {
        ahead.undo(&dir);
        return Ok(None);
    };
    let plan = process::inherit(fd::LAUNCH).at(Step::Read, "plan")?;
    let launch = decode(&plan).inspect_err(|_| ahead.undo(&dir))?;
    ahead.plan = Some(plan);
    Ok(Some((launch, Inherited { dir, path, passed, ahead })))
}

#[inline(never)]
fn path_of(dir: &OwnedFd) -> Res<String> {
    let path = std::fs::read_link(format!("/proc/self/fd/{}", dir.as_raw_fd()))
        .at(Step::Read, "container directory")?;
    let path = path.into_os_string().into_string();
    path.map_err(|_| failure(Step::Read, "container directory", libc::EILSEQ))
}

type Way = (Userns, Option<FirstInit>, Known, Option<OwnedFd>);

/// The way into P. `None`: there is nobody left who would say it. Of another version it is not
/// understood.
#[inline(never)]
fn await_enter(report: &OwnedFd) -> Res<Option<Way>> {
    let mut buffer = [0; Known::LONGEST];
    let Ok(Some((length, mut fds))) = socket::receive_into(report, &mut buffer) else {
        return Ok(None);
    };
    match postcard::from_bytes(&buffer[..length]) {
        Ok(Request::Enter { userns, init, known }) => Ok(Some((userns, init, known, fds.pop()))),
        _ => Err(failure(Step::Read, "contract version", libc::EPROTONOSUPPORT)),
    }
}

/// The container, once it has a directory: its descriptors lie at the numbers of the contract.
#[inline(never)]
fn await_place(report: &OwnedFd) -> Option<Head> {
    let mut buffer = [0; Head::LONGEST];
    let (length, fds) = socket::receive_into(report, &mut buffer).ok()??;
    let Ok(Request::Placed(head)) = postcard::from_bytes(&buffer[..length]) else { return None };
    let fds: [OwnedFd; 3] = fds.try_into().ok()?;
    for (file, number) in fds.into_iter().zip([fd::LAUNCH, fd::LOCK, fd::DIR]) {
        process::put(file, number).ok()?;
    }
    Some(head)
}

/// Nothing of the container was made, but for its control groups.
fn refuse(launch: &Launch, report: &OwnedFd, failure: Failure) -> u8 {
    for group in &launch.cgroup.remove {
        let _ = std::fs::remove_dir(group);
    }
    tell(report, &Report::Failed(failure));
    125
}

/// The descriptors that the plan speaks of.
fn await_plan(report: &OwnedFd) -> Option<Vec<OwnedFd>> {
    let mut buffer = [0; 64];
    let (length, passed) = socket::receive_into(report, &mut buffer).ok()??;
    (postcard::from_bytes(&buffer[..length]) == Ok(Request::Planned)).then_some(passed)
}

/// The plan in a memory file that `bolt` has sealed.
#[inline(never)]
pub(crate) fn decode(file: &OwnedFd) -> Res<Launch> {
    let plan = Mapped::of(file).at(Step::Read, "plan")?;
    let launch: Launch = postcard::from_bytes(plan.bytes())
        .map_err(|_| failure(Step::Read, "plan", libc::EBADMSG))?;
    if launch.version != VERSION {
        return Err(failure(Step::Read, "contract version", libc::EPROTONOSUPPORT));
    }
    Ok(launch)
}

/// `bolt` puts us where we belong and says where the payload goes.
#[inline(never)]
fn await_cgroup(launch: &mut Launch, report: &OwnedFd) -> Option<()> {
    let mut buffer = Vec::new();
    socket::receive(report, &mut buffer).ok()??;
    match postcard::from_bytes::<Request>(&buffer) {
        Ok(Request::Cgroup { cgroup, denied }) => {
            launch.cgroup = cgroup;
            launch.denied.extend(denied);
            Some(())
        }
        _ => None,
    }
}

/// What was there when the plan came.
struct Inherited {
    dir: OwnedFd,
    /// Where that is.
    path: String,
    /// What came with the plan.
    passed: Vec<OwnedFd>,
    ahead: Ahead,
}

fn supervise(launch: &mut Launch, mut state: State, report: OwnedFd, inherited: Inherited) -> u8 {
    state.cgroup.clone_from(&launch.cgroup.remove);
    state.notes.clone_from(&launch.denied);
    let Inherited { dir, path, passed, mut ahead } = inherited;
    let mut supervisor = match prepare(launch, report, dir, path, passed) {
        Ok(supervisor) => supervisor,
        Err((report, failure)) => return refuse(launch, &report, failure),
    };
    let mut pause = FIRST_PAUSE;
    loop {
        let payload = match start(launch, &mut supervisor, &mut state, std::mem::take(&mut ahead)) {
            Ok(payload) => payload,
            Err(failure) => return give_up(launch, &mut supervisor, &mut state, failure),
        };
        let began = state::ticks();
        supervisor.denied.extend(pidfile::write(&launch.unit, payload.pid));
        supervisor.deny_health_log();
        note_running(&mut supervisor, &mut state);
        supervisor.begin(payload.pid);
        // Before there are events: in the place of the record that was just written.
        state.keep(supervisor.lock());
        tell_start(launch, &supervisor, state.restarts > 0);
        supervisor.begin_checks(launch, state.started);
        if is_last_start(launch, supervisor.again.policy) {
            forget_start(launch);
            (supervisor.passed, supervisor.stdio) = (Vec::new(), None);
            supervisor.again.forgotten = true;
        }
        let end = supervisor.watch(launch, payload, &mut state);
        let again = end.renew || wants_restart(supervisor.again.policy, &end, &state);
        note_exit(launch, &supervisor, &mut state, &end, again);
        if !again {
            finish(launch, &mut supervisor, &end, &[Event::Died(end.code, end.oom)]);
            return end.code;
        }
        events::write(launch, supervisor.name(), &[Event::Died(end.code, end.oom)]);
        if state::ticks() - began > LONG_RUN {
            pause = FIRST_PAUSE;
        }
        // It has ended before our eyes: the next start mounts the same overlay.
        remove::volatile(supervisor.dir());
        let stopped = supervisor.pause(launch, pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
        // The policy may be another one by now.
        if stopped || !(end.renew || wants_restart(supervisor.again.policy, &end, &state)) {
            state.status = "exited";
            state.stopped = stopped && !supervisor.ended_by_signal();
            if !launch.monitor.remove {
                let _ = state.write(supervisor.dir());
            }
            finish(launch, &mut supervisor, &end, &[]);
            return end.code;
        }
        if let Some(plan) = supervisor.again.plan.take() {
            remember_start(launch, *plan);
            supervisor.again.forgotten = false;
        }
        // The next one would be born frozen.
        freeze::thaw(launch);
        state.restarts += 1;
    }
}

/// Nothing will start the payload again.
fn is_last_start(launch: &Launch, policy: Restart) -> bool {
    let renews = |h: &Health| {
        h.on_failure == OnFailure::Restart || h.startup.as_ref().is_some_and(|s| s.retries > 0)
    };
    policy == Restart::No && !launch.health.as_deref().is_some_and(renews)
}

/// Lets go of what only a start needs: there will be no other, and it is most of the plan.
#[inline(never)]
fn forget_start(launch: &mut Launch) {
    match &mut launch.root {
        Root::Overlay { lower, upper, .. } => (*lower, *upper) = (Vec::new(), None),
        Root::FuseOverlay { lower, program, .. } => {
            (*lower, *program) = (Vec::new(), String::new())
        }
        Root::Dir { path, .. } => *path = String::new(),
    }
    launch.mounts = Vec::new();
    launch.masked = Vec::new();
    launch.read_only = Vec::new();
    launch.sysctl = Vec::new();
    launch.denied = Vec::new();
    let process = &mut launch.process;
    process.args = Vec::new();
    process.env = Vec::new();
    process.seccomp = Vec::new();
    process.rlimits = Vec::new();
}

/// Takes back from another plan of this container what [`forget_start`] let go.
#[inline(never)]
fn remember_start(launch: &mut Launch, plan: Launch) {
    launch.root = plan.root;
    launch.mounts = plan.mounts;
    launch.masked = plan.masked;
    launch.read_only = plan.read_only;
    launch.sysctl = plan.sysctl;
    let (process, again) = (&mut launch.process, plan.process);
    process.args = again.args;
    process.env = again.env;
    process.seccomp = again.seccomp;
    process.rlimits = again.rlimits;
}

/// The container's place: once for all restarts.
fn prepare(
    launch: &Launch,
    report: OwnedFd,
    dir: OwnedFd,
    path: String,
    mut passed: Vec<OwnedFd>,
) -> Result<Supervisor, (OwnedFd, Failure)> {
    let made = place(launch, dir, path).and_then(|place| {
        let notifier = notify::of_plan(launch.unit.notify, &mut passed, &place.dir)?;
        let stdio = Stdio::of_plan(&launch.monitor.log, &mut passed)?;
        Ok((place, notifier, stdio, log::Writer::open(&launch.monitor.log)?))
    });
    match made {
        Ok((place, notifier, stdio, log)) => {
            let mut supervisor = Supervisor::new(launch, report, place, log);
            (supervisor.notifier, supervisor.passed) = (notifier, passed);
            supervisor.stdio = stdio;
            Ok(supervisor)
        }
        Err(failure) => Err((report, failure)),
    }
}

fn place(launch: &Launch, dir: OwnedFd, path: String) -> Res<Place> {
    let lock = process::inherit(fd::LOCK).at(Step::Read, "lock")?;
    if let Some(group) = &launch.cgroup.monitor {
        std::fs::write(format!("{group}/cgroup.procs"), "0").at(Step::Cgroup, group)?;
    }
    Ok(Place { dir, lock, path, control: None })
}

#[inline(never)]
fn note_running(supervisor: &mut Supervisor, state: &mut State) {
    state.status = "running";
    state.started = state::now();
    state.finished = 0;
    state.denied.clone_from(&supervisor.denied);
    // It can be found by what it said as `starting`.
    if let Err(error) = state.write(supervisor.dir()) {
        let errno = error.raw_os_error();
        supervisor.denied.push(failure(Step::State, "state.json", errno));
    }
}

/// `again`: a stop must still be heard, so it does not count as ended.
#[inline(never)]
fn note_exit(launch: &Launch, supervisor: &Supervisor, state: &mut State, end: &End, again: bool) {
    state.status = if again { "restarting" } else { "exited" };
    state.finished = state::now();
    state.exit = end.code;
    state.oom = end.oom;
    state.stopped = end.asked;
    if !launch.monitor.remove {
        let _ = state.write(supervisor.dir());
    }
}

fn wants_restart(policy: Restart, end: &End, state: &State) -> bool {
    if end.stopped {
        return false;
    }
    match policy {
        Restart::No => false,
        Restart::OnFailure { max } => end.code != 0 && (max == 0 || state.restarts < max),
        Restart::Always | Restart::UnlessStopped => true,
    }
}

/// A start that did not come to exec. The reason goes to `bolt`; a container that was created
/// stays, unless it was to be removed.
#[inline(never)]
fn give_up(
    launch: &Launch,
    supervisor: &mut Supervisor,
    state: &mut State,
    failure: Failure,
) -> u8 {
    let code = failure.exit_code();
    state.status = "exited";
    state.finished = state::now();
    state.exit = code;
    if launch.monitor.remove || !supervisor.is_recorded() {
        supervisor.clean(launch);
    } else {
        let _ = state.write(supervisor.dir());
    }
    tell_end(launch, supervisor, &[]);
    supervisor.release(launch);
    supervisor.broadcast(launch, &Report::Failed(failure));
    code
}

#[inline(never)]
fn tell_start(launch: &Launch, supervisor: &Supervisor, again: bool) {
    let plain = ["restart", "init", "start", "attach"].map(Event::Plain);
    let first = usize::from(!again);
    let last = if launch.monitor.attach && !again { 4 } else { 3 };
    events::write(launch, supervisor.name(), &plain[first..last]);
}

/// `died`: what is to be told before.
#[inline(never)]
fn tell_end(launch: &Launch, supervisor: &Supervisor, died: &[Event<'_>]) {
    let remove = launch.monitor.remove;
    let mut all = died.to_vec();
    all.push(Event::Plain(if remove { "remove" } else { "cleanup" }));
    if remove {
        let names = launch.monitor.volumes.iter().filter_map(|path| path.rsplit('/').next());
        all.extend(names.map(Event::VolumeRemoved));
    }
    events::write(launch, supervisor.name(), &all);
}

/// With `--rm` nothing is left when the caller hears of the end.
#[inline(never)]
fn finish(launch: &Launch, supervisor: &mut Supervisor, end: &End, died: &[Event<'_>]) {
    if launch.monitor.remove {
        supervisor.clean(launch);
    }
    tell_end(launch, supervisor, died);
    supervisor.release(launch);
    supervisor.broadcast(launch, &Report::Exited { code: end.code, oom: end.oom });
}

/// A report to `bolt` alone.
pub(crate) fn tell(socket: &OwnedFd, report: &Report) {
    if let Ok(bytes) = postcard::to_stdvec(report) {
        // Nobody there: the launcher was killed, and the container goes on without it.
        let _ = socket::send(socket, &bytes, &[]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_packet_of_another_version_is_told_as_that() {
        let (ours, theirs) = socket::pair().unwrap();
        socket::send(&theirs, &[0xff; 40], &[]).unwrap();
        let refused = await_enter(&ours).unwrap_err();
        let want = ("contract version", libc::EPROTONOSUPPORT);
        assert_eq!((refused.object.as_str(), refused.errno), want);
        drop(theirs);
        assert!(await_enter(&ours).unwrap().is_none());
    }
}
