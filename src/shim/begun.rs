//! A supervisor that enters P, and makes what takes longest, while its container is planned.

use super::client::Connection;
use super::program::Program;
use super::{StartError, reap};
use crate::container::config::Config;
use crate::container::dir::{ContainerDir, Containers};
use crate::settings::Settings;
use crate::sys::memfd;
use crate::sys::spawn::{self, Starting};
use crate::userns::{self, Source, subid};
use crate::{launch, rootfs};
use anyhow::Context;
use bolt_shim::control::Request;
use bolt_shim::head::{FirstInit, Head};
use bolt_shim::launch::{IdMap, Launch, Root, Userns, fd};
use bolt_shim::report::Report;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Such a supervisor. Dropped, it ends, and has done nothing that stays.
#[derive(Debug)]
pub struct Begun {
    monitor: Monitor,
    pub(super) source: Source,
    writers: Option<subid::Writers>,
    /// Its file, once the container has a place.
    plan: Option<OwnedFd>,
    /// What the container's root was found to be, if it may be known before the plan.
    pub(super) root: Option<Root>,
    /// The place, for a supervisor that must make P first: lock and directory.
    waiting: Option<(Request, [OwnedFd; 2])>,
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.monitor.end();
        if let Some(writers) = self.writers.take() {
            let _ = writers.finish();
        }
    }
}

/// Starts M, which enters P and makes the init that `init` wishes, if it wishes any; should the
/// plan want another, that one is made anew. Nobody else may make P until the container runs, or
/// this is dropped.
pub fn begin(
    settings: &Settings,
    containers: &Containers,
    init: impl FnOnce(&Source) -> Option<FirstInit>,
) -> anyhow::Result<Begun> {
    let monitor = load()?;
    let source = userns::source(&settings.dirs, containers)?;
    Begun::enter_p(monitor, settings, containers, source, init)
}

/// The same for one that is loaded already, unless somebody else is making P just now.
pub fn try_begin(
    monitor: Option<Monitor>,
    settings: &Settings,
    containers: &Containers,
    init: impl FnOnce(&Source) -> Option<FirstInit>,
) -> anyhow::Result<Option<Begun>> {
    let source = userns::try_source(&settings.dirs, containers)?;
    let begin = |source| Begun::enter_p(monitor, settings, containers, source, init);
    source.map(begin).transpose()
}

/// Starts M, which waits for the way into P. `None`: its program must be copied or lent, which needs
/// to know where the user's containers are.
pub fn load() -> anyhow::Result<Option<Monitor>> {
    Program::installed()?.map(Monitor::of).transpose()
}

/// M, from its load on. Dropped before its container runs, it ends.
#[derive(Debug)]
pub struct Monitor {
    program: Program,
    starting: Starting,
    /// `None` once its container runs.
    line: Option<Connection>,
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.end();
    }
}

impl Monitor {
    fn end(&mut self) {
        if self.line.take().is_some() {
            // It may hold the container's lock until it is gone.
            reap(self.starting.pid);
        }
    }

    fn of(program: Program) -> anyhow::Result<Self> {
        Monitor::by(program, spawn::begin)
    }

    /// A lent program may not be executable, which is waited for: another takes its place.
    fn of_user(
        settings: &Settings,
        containers: &Containers,
        source: &Source,
    ) -> anyhow::Result<Self> {
        // Who makes P has looked for a living supervisor, and found none.
        let alone = matches!(source, Source::Full(..));
        let program = Program::find(&settings.dirs.data, containers, alone)?;
        if !program.is_lent() {
            return Monitor::of(program);
        }
        Monitor::by(program, |path, args, fds| {
            spawn::spawn(path, args, fds).map(Starting::executed)
        })
        .or_else(|_| Monitor::of(Program::own()?))
    }

    fn by(
        program: Program,
        start: impl FnOnce(&Path, &[&str], &[(BorrowedFd<'_>, i32)]) -> std::io::Result<Starting>,
    ) -> anyhow::Result<Self> {
        let (ours, theirs) = crate::sys::scm::pair().context("make a socket")?;
        let path = program.path();
        let starting = start(path, &["bolt-shim", "monitor"], &[(theirs.as_fd(), fd::REPORT)])
            .with_context(|| format!("start {}", program.installed_path().display()))?;
        tracing::debug!(pid = starting.pid, "supervisor started");
        Ok(Monitor { program, starting, line: Some(Connection::from_fd(ours, "")) })
    }
}

fn entry(source: &Source) -> Userns {
    match source {
        Source::Root => Userns::Host,
        Source::Join(_) => Userns::Join,
        Source::Full(..) => Userns::MakeFull,
        Source::Single(_) => Userns::MakeSingle,
    }
}

impl Begun {
    fn enter_p(
        monitor: Option<Monitor>,
        settings: &Settings,
        containers: &Containers,
        source: Source,
        init: impl FnOnce(&Source) -> Option<FirstInit>,
    ) -> anyhow::Result<Begun> {
        let monitor = match monitor {
            Some(monitor) => monitor,
            None => Monitor::of_user(settings, containers, &source)?,
        };
        let request = Request::Enter { userns: entry(&source), init: init(&source) };
        let begun = Begun { monitor, source, writers: None, plan: None, root: None, waiting: None };
        match &begun.source {
            Source::Join(p) => begun.send(&request, &[p.as_fd()]),
            _ => begun.send(&request, &[]),
        }
        Ok(begun)
    }

    /// Starts the two setuid programs, where P is to be made with the whole range: they run for
    /// longer than anything here. Waits until the user namespace is there.
    pub fn map_ids(&mut self, settings: &Settings) -> anyhow::Result<()> {
        let (Source::Full(ids, _), Some(line), None) =
            (&self.source, &self.monitor.line, &self.writers)
        else {
            return Ok(());
        };
        match line.receive()? {
            Some((Report::NeedIdMaps, _)) => {
                let (uid, gid) = (settings.dirs.uid, settings.dirs.gid);
                self.writers = Some(subid::Writers::start(self.pid() as u32, uid, gid, ids));
                Ok(())
            }
            Some((Report::Failed(failure), _)) => Err(StartError::Step(failure).into()),
            _ => Err(self.died()),
        }
    }

    pub(super) fn pid(&self) -> i32 {
        self.monitor.starting.pid
    }

    pub(super) fn program(&self) -> &Program {
        &self.monitor.program
    }

    /// Why the supervisor ended without a word.
    pub(super) fn died(&self) -> anyhow::Error {
        match self.monitor.starting.failure() {
            Some(why) => anyhow::Error::new(why)
                .context(format!("start {}", self.program().installed_path().display())),
            None => StartError::Died.into(),
        }
    }

    /// Gives the supervisor the container in `dir`, whose lock this process holds and it shares
    /// from now on.
    pub fn place(
        &mut self,
        settings: &Settings,
        dir: &ContainerDir,
        config: &Config,
    ) -> anyhow::Result<()> {
        let plan = memfd::for_later(c"bolt-launch").context("hand the plan over")?;
        let lock = dir.lock().context("the container's lock is not ours")?;
        self.root = match rootfs::plan(&settings.dirs, dir, config) {
            Ok(root @ Root::Overlay { .. }) => Some(root),
            // One that a program of its own serves waits for the plan; so does one that cannot be
            // planned, to be told.
            _ => None,
        };
        let id_map = launch::id_map(&self.source, config.userns);
        let request = Request::Placed(head(id_map, self.root.clone()));
        if matches!(self.source, Source::Full(..)) {
            let copy = |file: BorrowedFd<'_>| file.try_clone_to_owned().context("share a file");
            self.waiting = Some((request, [copy(lock.as_fd())?, copy(dir.fd())?]));
        } else {
            self.send(&request, &[plan.as_fd(), lock.as_fd(), dir.fd()]);
        }
        self.plan = Some(plan);
        Ok(())
    }

    /// Where it is dead already, its last words are still to be read.
    fn send(&self, request: &Request, fds: &[BorrowedFd<'_>]) {
        if let Some(line) = &self.monitor.line {
            let _ = line.send_with(request, fds);
        }
    }

    /// Writes the plan down, where the supervisor looks for it when it is told to.
    pub(super) fn write_plan(&self, launch: &Launch) -> anyhow::Result<()> {
        let bytes = postcard::to_stdvec(launch).context("encode the plan")?;
        let plan = self.plan.as_ref().context("a plan is for a container with a place")?;
        memfd::complete(plan, &bytes).context("hand the plan over")
    }

    /// Lets a supervisor that makes P go on, once its maps are written. Where they were refused
    /// the user alone is mapped, and a note says so.
    pub(super) fn enter(&mut self, settings: &Settings, notes: &mut Vec<String>) {
        if let Some(writers) = self.writers.take() {
            let (uid, gid) = (settings.dirs.uid, settings.dirs.gid);
            let answer = match writers.finish() {
                Ok(()) => Request::IdMapsWritten,
                Err(error) => {
                    notes.push(format!(
                        "denied: subordinate ids: {error}; files of other users belong to you"
                    ));
                    Request::IdMapsRefused { uid, gid }
                }
            };
            self.send(&answer, &[]);
        }
        if let (Some((request, [lock, dir])), Some(plan)) = (self.waiting.take(), &self.plan) {
            self.send(&request, &[plan.as_fd(), lock.as_fd(), dir.as_fd()]);
        }
    }

    /// The line, for the one container that it supervises: it is not ended with this any more.
    pub(super) fn take_line(&mut self, dir: &ContainerDir) -> anyhow::Result<Connection> {
        let line = self.monitor.line.take().context("a supervisor starts one container")?;
        Ok(line.of(dir.id()))
    }
}

/// What the supervisor can make now. A root that does not fit the packet waits for the plan.
fn head(id_map: Option<IdMap>, root: Option<Root>) -> Head {
    let head = Head { id_map, root };
    match postcard::to_stdvec(&head) {
        // A little for the request around it.
        Ok(bytes) if bytes.len() + 16 <= Head::LONGEST => head,
        _ => Head { root: None, ..head },
    }
}
