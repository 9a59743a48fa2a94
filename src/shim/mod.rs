//! L3: the only place that makes a process: find the shim, spawn it, talk to it.

pub mod attach;
mod begun;
pub mod client;
pub mod detach;
mod end_of_input;
pub mod exec;
mod patience;
mod port;
mod program;
mod relay;
pub mod service;
pub mod streams;
pub mod terminal;

pub use begun::{Begun, Monitor, begin, load, try_begin};
pub use program::find;

use crate::cgroup;
use crate::container::config::Config;
use crate::container::dir::{ContainerDir, Containers};
use crate::container::error::Error;
use crate::container::service::{Cgroups, SdNotify};
use crate::hint::{self, Hint};
use crate::launch::{self, Mode};
use crate::settings::Settings;
use crate::sys::memfd;
use crate::sys::signals::Signals;
use crate::userns::{self, Source};
use anyhow::Context;
use bolt_shim::control::Request;
use bolt_shim::launch::Cgroup;
use bolt_shim::report::{Failure, Report, Step};
use client::Connection;
use patience::{Heard, Patience};
use service::Service;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// A started container.
#[derive(Debug)]
pub struct Started {
    /// The line to its supervisor; attached when that was asked for.
    pub connection: Connection,
    /// Settings that could not be applied, one line each.
    pub notes: Vec<String>,
    monitor: i32,
}

impl Started {
    /// Waits until the supervisor itself is gone: nothing of the run is left then. Only for a
    /// caller that has seen the exit.
    pub fn reap(&self) {
        reap(self.monitor);
    }
}

/// Why a container did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A step of the supervisor or of the container's init.
    #[error("{}", words(.0))]
    Step(Failure),
    /// The supervisor ended without a word.
    #[error(
        "bolt-shim died while it set the container up; where both programs are not of one version, install them anew"
    )]
    Died,
    /// This signal came before the program ran.
    #[error("the start was interrupted by signal {0}")]
    Interrupted(i32),
}

/// Whether our child has ended; it is left to be reaped.
fn has_ended(pid: i32) -> bool {
    use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let Some(pid) = Pid::from_raw(pid) else { return true };
    matches!(waitid(WaitId::Pid(pid), options), Ok(Some(_)) | Err(_))
}

fn reap(pid: i32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
    }
}

/// What this process brings to a start.
#[derive(Debug, Clone, Copy)]
pub struct Launcher<'a> {
    /// From a service manager.
    pub service: &'a Service,
    /// Signals that it will forward.
    pub held: Option<&'a Signals>,
}

/// Starts the created container in `dir` under its supervisor, which keeps the lock that this
/// process lets go. `record` writes the container down, which the payload waits for; it is called
/// while the supervisor mounts, and when it fails nothing was started.
///
/// An ending signal calls a start off that takes long: [`StartError::Interrupted`]. Where none are
/// held this process is ended by it, as it would have been.
pub fn start(
    settings: &Settings,
    mut begun: Begun,
    dir: &mut ContainerDir,
    config: &Config,
    mut mode: Mode,
    launcher: Launcher<'_>,
    record: impl FnOnce(&ContainerDir) -> anyhow::Result<()>,
) -> anyhow::Result<Started> {
    let Launcher { service, held } = launcher;
    streams::check(config.log_driver)?;
    let own = streams::given(config.log_driver)?;
    let sdnotify = config.unit.sdnotify();
    mode.given = service.given(sdnotify, begun.pid() as u32);
    mode.root = begun.root.take();
    let plan = launch::plan(settings, dir, config, &begun.source, &mode)?;
    // Not before: the two programs count as others in a group that is to be divided.
    begun.make_p(settings)?;
    begun.write_plan(&plan.launch)?;
    let pid = begun.pid() as u32;
    drop(dir.take_lock());
    let mut notes = plan.notes;
    let mut record = Some(record);
    let mut recorded = Ok(());
    if matches!(begun.source, Source::Full(..)) {
        // It has longest to wait.
        if let Some(record) = record.take() {
            recorded = record(dir);
        }
        begun.enter(settings, &mut notes);
    }
    let connection = begun.take_line(dir)?;
    // Should it be dead already, here or below, its last words are still to be read.
    let fds = service.descriptors(plan.launch.unit.notify.is_some(), &own);
    let _ = connection.send_with(&Request::Planned, &fds);
    drop(fds);
    drop(own);
    let mut patience = Patience::new(held, &plan.launch)?;
    let mut groups = Vec::new();
    // systemd would keep a scope in which nobody ever was.
    if let Some(group) = &plan.cgroup
        && !has_ended(begun.pid())
    {
        let (cgroup, denied) = make_cgroup(group, pid, &mut notes)?;
        groups.clone_from(&cgroup.remove);
        let _ = connection.send(&Request::Cgroup { cgroup, denied });
    }
    if let Some(record) = record.take() {
        recorded = record(dir);
    }
    // The kernel refuses where somebody is in one.
    let remove_groups = || groups.iter().for_each(|group| drop(std::fs::remove_dir(group)));
    if let Err(error) = recorded {
        drop(connection);
        reap(begun.pid());
        remove_groups();
        return Err(error);
    }
    let _ = connection.send(&Request::Written);
    loop {
        match patience.receive(&connection)? {
            Heard::Signal(signo) => {
                if patience::call_off(&connection) {
                    reap(begun.pid());
                }
                return Err(patience.end(signo)?.into());
            }
            Heard::Report(None) => {
                remove_groups();
                return Err(begun.died());
            }
            Heard::Report(Some((Report::Denied(failure), _))) => {
                notes.push(format!("denied: {}", words(&failure)))
            }
            Heard::Report(Some((Report::Failed(failure), _))) => {
                remove_groups();
                return Err(refused(failure, config.resources.pids));
            }
            Heard::Report(Some((Report::Started { .. }, _))) => {
                patience.give_back()?;
                if matches!(begun.source, Source::Full(..)) {
                    userns::remember(&settings.dirs, dir.id());
                }
                begun.program().remember(&settings.dirs.data, dir.id());
                service.started(sdnotify, (!mode.attach).then_some(pid as i32));
                return Ok(Started { connection, notes, monitor: pid as i32 });
            }
            Heard::Report(Some(_)) => {}
        }
    }
}

/// So many processes of a container's own limit its start needs at most: the init, what makes its
/// network meanwhile, and the program of an init that stays.
const PROCESSES: i64 = 3;

/// Why nothing was started, and what to do where the disk, or the user's part of it, is full, or a
/// limit of processes is reached. `pids`: the container's own.
fn refused(failure: Failure, pids: Option<i64>) -> anyhow::Error {
    let full = [libc::ENOSPC, libc::EDQUOT, libc::EFBIG].contains(&failure.errno)
        && [Step::Root, Step::ControlSocket, Step::State].contains(&failure.step);
    let advice = hint::of_errno(failure.errno).filter(|_| full).map(str::to_owned);
    let advice = advice.or_else(|| is_crowded(&failure).then(|| limit_of_processes(pids)));
    let error = anyhow::Error::new(StartError::Step(failure));
    match advice {
        Some(advice) => error.context(Hint::new("nothing was started", advice)),
        None => error,
    }
}

/// A process, which a namespace of the network is made by too, was one more than there may be.
fn is_crowded(failure: &Failure) -> bool {
    [Step::Clone, Step::Unshare].contains(&failure.step) && failure.errno == libc::EAGAIN
}

/// Which limit that was: in the container's own group nobody was before.
fn limit_of_processes(pids: Option<i64>) -> String {
    match pids {
        Some(pids @ 1..=PROCESSES) => {
            format!(
                "--pids-limit {pids} is too small to start this; give {} or more",
                PROCESSES + 1
            )
        }
        _ => "you have as many processes as you may; see ulimit -u, and TasksMax= of the unit or \
              slice that this runs in"
            .to_owned(),
    }
}

/// The plan of further starts of a container that runs, for its supervisor.
pub fn plan_again(
    settings: &Settings,
    containers: &Containers,
    dir: &ContainerDir,
    config: &Config,
) -> anyhow::Result<OwnedFd> {
    let source = userns::source(&settings.dirs, containers)?;
    let plan = launch::plan(settings, dir, config, &source, &Mode::default())?;
    let bytes = postcard::to_stdvec(&plan.launch).context("encode the plan")?;
    let file = memfd::for_later(c"bolt-launch").context("hand the plan over")?;
    memfd::complete(&file, &bytes).context("hand the plan over")?;
    Ok(file)
}

/// How a container that was created before is started.
#[derive(Debug, Default)]
pub struct Again {
    /// This process stays attached.
    pub attach: bool,
    /// `--sdnotify`, in place of the container's own.
    pub sdnotify: Option<SdNotify>,
    /// `--cgroups`, in place of the container's own.
    pub cgroups: Option<Cgroups>,
    /// What a service manager gave this process.
    pub service: Service,
}

/// Starts a container that was created before and does not run. [`Error::Busy`]: somebody else has
/// its lock.
pub fn start_again(
    settings: &Settings,
    dir: &ContainerDir,
    how: &Again,
) -> anyhow::Result<Started> {
    let containers = Containers::open(&settings.dirs)?;
    let mut dir = containers.open_id(dir.id())?;
    if !dir.try_lock()? {
        return Err(Error::Busy(dir.id().to_owned()).into());
    }
    let mut config = dir.read_config()?;
    config.unit.sdnotify = how.sdnotify.or(config.unit.sdnotify);
    config.unit.cgroups = how.cgroups.unwrap_or(config.unit.cgroups);
    let size = terminal::size(io::stdin());
    let mode = Mode { attach: how.attach, size, ..Mode::default() };
    let init = |source: &Source| launch::init_ahead(settings, source, &config);
    let mut begun = begin(settings, &containers, init)?;
    begun.place(settings, &dir, &config)?;
    let launcher = Launcher { service: &how.service, held: None };
    start(settings, begun, &mut dir, &config, mode, launcher, |_| Ok(()))
}

/// Makes the cgroup around the waiting supervisor. A limit that is refused never stops a start.
fn make_cgroup(
    plan: &cgroup::Plan,
    pid: u32,
    notes: &mut Vec<String>,
) -> anyhow::Result<(Cgroup, Vec<String>)> {
    let made = cgroup::make(plan, pid, false)?;
    let text = |path: &PathBuf| path.to_str().map(str::to_owned);
    let denied: Vec<String> =
        made.denied.iter().map(|d| format!("{}: {}", d.setting, d.why)).collect();
    notes.extend(denied.iter().map(|line| format!("denied: {line}")));
    let cgroup = Cgroup {
        v2: made.payload_v2.as_ref().and_then(text),
        v1: made.join_v1.iter().filter_map(text).collect(),
        monitor: None,
        oom: made.oom.as_ref().and_then(text),
        // Deepest first.
        remove: made.created.iter().rev().filter_map(text).collect(),
    };
    Ok((cgroup, denied))
}

/// A failed step in plain words.
pub fn words(failure: &Failure) -> String {
    let lost = [libc::ECONNRESET, libc::EPIPE].contains(&failure.errno);
    let lost = lost && failure.step == Step::Read && failure.object == "handshake";
    let silent = failure.step == Step::Died && failure.object.is_empty() && failure.errno == 0;
    if lost || silent {
        return "the container's init was killed while it was set up; where --memory limits it, \
                the limit is too small"
            .into();
    }
    let what = match failure.step {
        Step::Read => "read the plan",
        Step::UserNamespace => "make the user namespace",
        Step::MountNamespace => "make the mount namespace",
        Step::ControlSocket => "make the control socket",
        Step::Cgroup => "join the control group",
        // Followed by what: its init, or the socket to that.
        Step::Clone => "make the container's",
        Step::IdMaps => "write the id maps",
        Step::Unshare => "make the namespaces",
        Step::Root => "mount the root file system",
        Step::Mount => "mount",
        Step::Device => "make the device",
        Step::Network => "set the network up",
        Step::Port => "publish",
        Step::Mask => "cover",
        Step::Pivot => "change the root",
        Step::Hostname => "set the host name",
        Step::Sysctl => "set the sysctl",
        Step::Rlimit => "set the limit",
        Step::User => "find or become the user",
        Step::Account => "add the user to",
        Step::Caps => "set the capabilities",
        Step::Seccomp => "load the seccomp filter",
        Step::Terminal => "make the terminal",
        Step::WorkDir => "enter the working directory",
        Step::Exec => "run",
        Step::Join => "join the container",
        Step::Signal => "send the signal",
        Step::Log => "write the log",
        Step::State => "write the state",
        Step::Died => "the container's init died",
    };
    let object =
        if failure.object.is_empty() { String::new() } else { format!(" {}", failure.object) };
    match failure.errno {
        0 => format!("{what}{object}"),
        errno => format!("{what}{object}: {}", reason(failure, errno)),
    }
}

/// The kernel's text says "(os error 2)"; a user gets the words alone.
fn reason(failure: &Failure, errno: i32) -> String {
    match (failure.step, errno) {
        (Step::Exec, libc::ENOENT) => "not found in the container".into(),
        (Step::Mount, libc::ESTALE) => {
            "it was replaced while the container was being set up".into()
        }
        (Step::Mount, libc::EXDEV) => {
            "it leads to files of the kernel, which are not copied into a volume".into()
        }
        (Step::Network, libc::ECHILD) => {
            "it ended before there was a network; run by hand it says why".into()
        }
        (Step::Clone | Step::Unshare, libc::EAGAIN) => "no further process is allowed".into(),
        (Step::Port, errno) => port::reason(&failure.object, errno),
        (Step::Died, libc::EINTR) => "it was to stop before its program ran".into(),
        (Step::WorkDir, libc::EXDEV) => "it lies outside the container".into(),
        (Step::Log, libc::ENXIO) => "it is not a regular file".into(),
        (Step::Log, libc::ELOOP) => {
            "it, or a directory above it, is a symbolic link that was none before".into()
        }
        (Step::User, libc::ENOENT) => "no such user or group in the container".into(),
        (Step::User, libc::EOVERFLOW) => "the container has no such ids".into(),
        (Step::User, libc::ERANGE) => "an id must be below 4294967295".into(),
        _ => plain(errno),
    }
}

fn plain(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_that_cannot_be_recorded_says_what_to_do() {
        let of = |step| {
            let error = refused(Failure { step, object: "f".into(), errno: libc::ENOSPC }, None);
            assert!(matches!(error.downcast_ref(), Some(StartError::Step(_))));
            (format!("{error:#}"), hint::of(&error).unwrap_or_default())
        };
        let (said, advice) = of(Step::State);
        assert_eq!(said, "nothing was started: write the state f: No space left on device");
        assert!(advice.contains("df -h"), "{advice}");
        // There may be no further namespace.
        assert_eq!(of(Step::Clone).1, "");
    }

    #[test]
    fn an_init_that_was_killed_is_told_from_one_that_speaks() {
        let of = |errno| Failure { step: Step::Read, object: "handshake".into(), errno };
        let said = words(&of(libc::ECONNRESET));
        assert!(said.contains("was killed") && said.contains("--memory"), "{said}");
        assert!(words(&of(libc::EIO)).starts_with("read the plan handshake"));
        let died = Failure { step: Step::Died, object: String::new(), errno: 0 };
        assert!(refused(died, None).to_string().contains("--memory"));
    }

    #[test]
    fn the_limit_of_processes_that_was_reached_is_named() {
        let of = |step, pids| {
            let error = refused(Failure { step, object: "x".into(), errno: libc::EAGAIN }, pids);
            let root = error.root_cause().to_string();
            (root, hint::of(&error).unwrap_or_default())
        };
        for step in [Step::Clone, Step::Unshare] {
            let (said, advice) = of(step, Some(1));
            assert!(said.ends_with("no further process is allowed"), "{said}");
            assert!(advice.starts_with("--pids-limit 1 is too small"), "{advice}");
            assert!(of(step, Some(2048)).1.contains("ulimit -u"));
            assert!(of(step, None).1.contains("ulimit -u"));
        }
        assert_eq!(of(Step::Mount, Some(1)).1, "");
    }
}
