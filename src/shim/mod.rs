//! L3: the only place that makes a process: find the shim, spawn it, talk to it.

pub mod attach;
pub mod client;
pub mod detach;
pub mod exec;
mod patience;
mod port;
mod program;
mod relay;
pub mod service;
pub mod terminal;

pub use program::find;

use crate::cgroup;
use crate::container::config::Config;
use crate::container::dir::{ContainerDir, Containers};
use crate::container::service::{Cgroups, SdNotify};
use crate::launch::{self, Mode};
use crate::settings::Settings;
use crate::sys::signals::Signals;
use crate::sys::{memfd, spawn};
use crate::userns::{self, Source, subid};
use anyhow::Context;
use bolt_shim::control::Request;
use bolt_shim::head::Head;
use bolt_shim::launch::{Cgroup, Userns, fd};
use bolt_shim::report::{Failure, Report, Step};
use client::Connection;
use patience::{Heard, Patience};
use program::Program;
use service::Service;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

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
    #[error("bolt-shim died while it set the container up")]
    Died,
    /// This signal came before the program ran.
    #[error("the start was interrupted by signal {0}")]
    Interrupted(i32),
}

/// A supervisor that enters P while its plan is made. Dropped, it ends, and has done nothing.
#[derive(Debug)]
pub struct Begun {
    source: Source,
    program: Program,
    connection: Option<Connection>,
    plan: OwnedFd,
    pid: i32,
}

impl Drop for Begun {
    fn drop(&mut self) {
        if self.connection.take().is_some() {
            // It holds the container's lock until it is gone.
            reap(self.pid);
        }
    }
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

/// Spawns M for the container in `dir`, whose lock this process holds: M inherits that. `layered`:
/// the container is new and its root lies on layers; M makes the directories for that at once.
pub fn begin(
    settings: &Settings,
    containers: &Containers,
    dir: &ContainerDir,
    config: &Config,
    layered: bool,
) -> anyhow::Result<Begun> {
    let source = userns::source(&settings.dirs, containers)?;
    // Who makes P has looked for a living supervisor, and found none.
    let alone = matches!(source, Source::Full(..));
    let program = Program::find(&settings.dirs.data, containers, alone)?;
    let plan = memfd::for_later(c"bolt-launch").context("hand the plan over")?;
    let (ours, theirs) = crate::sys::scm::pair().context("make a socket")?;
    let lock = dir.lock().context("the container's lock is not ours")?;
    let mut fds: Vec<(BorrowedFd<'_>, i32)> = vec![
        (plan.as_fd(), fd::LAUNCH),
        (theirs.as_fd(), fd::REPORT),
        (lock.as_fd(), fd::LOCK),
        (dir.fd(), fd::DIR),
    ];
    if let Source::Join(p) = &source {
        fds.push((p.as_fd(), fd::USERNS));
    }
    let [userns, rest] = head(settings, &source, config, layered).words();
    let args = ["bolt-shim", "monitor", &userns, &rest];
    let spawn = |path: &Path| {
        spawn::spawn(path, &args, &fds).with_context(|| format!("start {}", path.display()))
    };
    let pid = match spawn(program.path()) {
        Err(_) if program.is_lent() => spawn(Program::own()?.path()),
        other => other,
    }?;
    tracing::debug!(pid, "supervisor started");
    let connection = Some(Connection::from_fd(ours, dir.id()));
    Ok(Begun { source, program, connection, plan, pid })
}

fn head(settings: &Settings, source: &Source, config: &Config, layered: bool) -> Head {
    let init = launch::init_ahead(settings, source, config);
    Head { userns: entry(source), layered, init }
}

fn entry(source: &Source) -> Userns {
    match source {
        Source::Root => Userns::Host,
        Source::Join(_) => Userns::Join,
        Source::Full(..) => Userns::MakeFull,
        Source::Single(_) => Userns::MakeSingle,
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
    let sdnotify = config.unit.sdnotify();
    mode.given = service.given(sdnotify, begun.pid as u32);
    let plan = launch::plan(settings, dir, config, &begun.source, &mode)?;
    let bytes = postcard::to_stdvec(&plan.launch).context("encode the plan")?;
    memfd::complete(&begun.plan, &bytes).context("hand the plan over")?;
    let connection = begun.connection.take().context("a supervisor starts one container")?;
    let (source, pid) = (&begun.source, begun.pid as u32);
    drop(dir.take_lock());
    let mut notes = plan.notes;
    let mut record = Some(record);
    let mut recorded = Ok(());
    // Who makes P is there once it has the maps.
    if let Source::Full(ids, _) = source {
        let writers = match map_writers(&connection, settings, pid, ids) {
            Ok(writers) => writers,
            Err(error) => {
                drop(connection);
                // It holds the container's lock until it is gone.
                reap(begun.pid);
                return Err(error);
            }
        };
        if let Some(record) = record.take() {
            recorded = record(dir);
        }
        let _ = connection.send(&id_maps(settings, writers.finish(), &mut notes));
    }
    // Should it be dead already, here or below, its last words are still to be read.
    let fds = service.descriptors(plan.launch.unit.notify.is_some());
    let _ = connection.send_with(&Request::Planned, &fds);
    let mut patience = Patience::new(held, &plan.launch)?;
    let mut groups = Vec::new();
    // systemd would keep a scope in which nobody ever was.
    if let Some(group) = &plan.cgroup
        && !has_ended(begun.pid)
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
        reap(begun.pid);
        remove_groups();
        return Err(error);
    }
    let _ = connection.send(&Request::Written);
    loop {
        match patience.receive(&connection)? {
            Heard::Signal(signo) => {
                if patience::call_off(&connection) {
                    reap(begun.pid);
                }
                return Err(patience.end(signo)?.into());
            }
            Heard::Report(None) => {
                remove_groups();
                return Err(StartError::Died.into());
            }
            Heard::Report(Some((Report::Denied(failure), _))) => {
                notes.push(format!("denied: {}", words(&failure)))
            }
            Heard::Report(Some((Report::Failed(failure), _))) => {
                remove_groups();
                return Err(StartError::Step(failure).into());
            }
            Heard::Report(Some((Report::Started { .. }, _))) => {
                patience.give_back()?;
                if matches!(source, Source::Full(..)) {
                    userns::remember(&settings.dirs, dir.id());
                }
                begun.program.remember(&settings.dirs.data, dir.id());
                service.started(sdnotify, (!mode.attach).then_some(pid as i32));
                return Ok(Started { connection, notes, monitor: pid as i32 });
            }
            Heard::Report(Some(_)) => {}
        }
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

/// Starts a container that was created before and does not run.
pub fn start_again(
    settings: &Settings,
    dir: &ContainerDir,
    how: &Again,
) -> anyhow::Result<Started> {
    let containers = Containers::open(&settings.dirs)?;
    let mut dir = containers.open_id(dir.id())?;
    anyhow::ensure!(dir.try_lock()?, "container {} runs already", dir.id());
    let mut config = dir.read_config()?;
    config.unit.sdnotify = how.sdnotify.or(config.unit.sdnotify);
    config.unit.cgroups = how.cgroups.unwrap_or(config.unit.cgroups);
    let size = terminal::size(io::stdin());
    let mode = Mode { attach: how.attach, size, ..Mode::default() };
    let begun = begin(settings, &containers, &dir, &config, false)?;
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

/// Starts the two setuid programs once the supervisor has its user namespace.
fn map_writers(
    connection: &Connection,
    settings: &Settings,
    pid: u32,
    ids: &subid::SubIds,
) -> anyhow::Result<subid::Writers> {
    match connection.receive()? {
        Some((Report::NeedIdMaps, _)) => {
            Ok(subid::Writers::start(pid, settings.dirs.uid, settings.dirs.gid, ids))
        }
        Some((Report::Failed(failure), _)) => Err(StartError::Step(failure).into()),
        _ => Err(StartError::Died.into()),
    }
}

/// Where they could not, the user alone is mapped and told so.
fn id_maps(settings: &Settings, written: io::Result<()>, notes: &mut Vec<String>) -> Request {
    let (uid, gid) = (settings.dirs.uid, settings.dirs.gid);
    match written {
        Ok(()) => Request::IdMapsWritten,
        Err(error) => {
            notes.push(format!(
                "denied: subordinate ids: {error}; files of other users belong to you"
            ));
            Request::IdMapsRefused { uid, gid }
        }
    }
}

/// A failed step in plain words.
pub fn words(failure: &Failure) -> String {
    let what = match failure.step {
        Step::Read => "read the plan",
        Step::UserNamespace => "make the user namespace",
        Step::MountNamespace => "make the mount namespace",
        Step::ControlSocket => "make the control socket",
        Step::Cgroup => "join the control group",
        Step::Clone => "make the container's init",
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
        (Step::Port, errno) => port::reason(&failure.object, errno),
        (Step::Died, libc::EINTR) => "it was to stop before its program ran".into(),
        (Step::WorkDir, libc::EXDEV) => "it lies outside the container".into(),
        (Step::User, libc::ENOENT) => "no such user or group in the container".into(),
        (Step::User, libc::ERANGE) => "an id must be below 4294967295".into(),
        _ => plain(errno),
    }
}

fn plain(errno: i32) -> String {
    let text = io::Error::from_raw_os_error(errno).to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
