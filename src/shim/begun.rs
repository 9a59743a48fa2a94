//! A supervisor that enters P, and makes what takes longest, while its container is planned.

use super::client::Connection;
use super::program::Program;
use super::{StartError, reap};
use crate::container::config::Config;
use crate::container::dir::{ContainerDir, Containers};
use crate::settings::Settings;
use crate::sys::memfd;
use crate::sys::spawn::{self, Starting};
use crate::userns::make::Making;
use crate::userns::{self, Source};
use crate::{launch, rootfs};
use anyhow::Context;
use bolt_shim::control::Request;
use bolt_shim::head::{Existing, FirstInit, Head, Known};
use bolt_shim::launch::{IdMap, Launch, Root, Userns, fd};
use bolt_shim::report::{Failure, Step};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Such a supervisor. Dropped, it ends, and has done nothing that stays.
#[derive(Debug)]
pub struct Begun {
    monitor: Monitor,
    pub(super) source: Source,
    /// The init to be made in a P that is not there yet.
    first: Option<FirstInit>,
    making: Option<Making>,
    /// Its file, once the container has a place.
    plan: Option<OwnedFd>,
    /// What the container's root was found to be, if it may be known before the plan.
    pub(super) root: Option<Root>,
    /// The place, for a supervisor that must make P first: lock and directory.
    waiting: Option<(Request, [OwnedFd; 2])>,
}

impl Drop for Begun {
    fn drop(&mut self) {
        // Before Linux 5.9 (close_range(2)) its holder shares our end of the supervisor's line.
        self.making = None;
        self.monitor.end();
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
    /// As [`Known`] has it.
    not_before: u64,
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
        Monitor::by(program, |path, args, fds| {
            spawn::begin(path, args, fds).inspect(Starting::go_elsewhere)
        })
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
        let not_before = Known::now();
        let starting = start(path, &["bolt-shim", "monitor"], &[(theirs.as_fd(), fd::REPORT)])
            .with_context(|| format!("start {}", program.installed_path().display()))?;
        tracing::debug!(pid = starting.pid, "supervisor started");
        Ok(Monitor { program, not_before, starting, line: Some(Connection::from_fd(ours, "")) })
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
        let (plan, root, waiting) = (None, None, None);
        let first = init(&source);
        let begun = Begun { monitor, source, first, making: None, plan, root, waiting };
        match &begun.source {
            Source::Root => begun.send_enter(Userns::Host, &Known::default(), &[]),
            Source::Join(p, known) => begun.send_enter(Userns::Join, known, &[p.as_fd()]),
            Source::Single(_) => begun.send_enter(Userns::MakeSingle, &Known::default(), &[]),
            Source::Full(..) => {}
        }
        Ok(begun)
    }

    /// The first packet.
    fn send_enter(&self, userns: Userns, known: &Known, fds: &[BorrowedFd<'_>]) {
        let known = Known { not_before: self.monitor.not_before, ..known.clone() };
        self.send(&enter(userns, self.first, known), fds);
    }

    /// Whether P has the whole range, or will have it.
    pub fn is_full(&self) -> bool {
        !matches!(self.source, Source::Single(_))
    }

    /// Whether [`Self::make_p`] is still to make it.
    pub fn makes_p(&self) -> bool {
        matches!(self.source, Source::Full(..)) && self.making.is_none()
    }

    /// Makes P, where it is to be made with the whole range: two setuid programs then run for
    /// longer than anything here.
    pub fn make_p(&mut self, settings: &Settings) -> anyhow::Result<()> {
        let (Source::Full(ids, _), None) = (&self.source, &self.making) else { return Ok(()) };
        let made = Making::begin(&settings.dirs, ids).map_err(|e| {
            let errno = e.raw_os_error().unwrap_or(libc::EIO);
            let (step, object) = (Step::UserNamespace, "clone".to_owned());
            StartError::Step(Failure { step, object, errno })
        })?;
        self.send_enter(Userns::JoinNew, &Known::default(), &[made.namespace()]);
        self.making = Some(made);
        Ok(())
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
        let mut made = self.making.take();
        if let Some(made) = &mut made {
            let (uid, gid) = (settings.dirs.uid, settings.dirs.gid);
            let answer = match made.finish() {
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

/// The way into P. Ids that do not fit the packet the supervisor asks the kernel for.
fn enter(userns: Userns, init: Option<FirstInit>, known: Known) -> Request {
    let request = Request::Enter { userns, init, known: known.clone() };
    match postcard::to_stdvec(&request) {
        Ok(bytes) if bytes.len() <= Known::LONGEST => request,
        _ => Request::Enter { userns, init, known: Known { ids: Existing::default(), ..known } },
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_do_not_fit_the_first_packet_are_left_out() {
        let spaces =
            bolt_shim::head::Spaces { user: true, pid: true, net: true, ipc: true, uts: true };
        let init = Some(FirstInit { spaces, usual_ids: true });
        for (ranges, fit) in [(2, true), (500, false)] {
            let uids: Vec<_> = (0..ranges).map(|n| (n * 70_000, 65_536)).collect();
            let ids = Existing { gids: uids.clone(), uids };
            let boot = "0d1bd3e8-5a30-4b5e-9a4c-53a7b5f5b1c7".to_owned();
            let known = Known { not_before: u64::MAX, boot, ids };
            let request = enter(Userns::Join, init, known.clone());
            assert!(postcard::to_stdvec(&request).unwrap().len() <= Known::LONGEST);
            let Request::Enter { known: sent, .. } = request else { unreachable!() };
            assert_eq!(sent.ids == known.ids, fit);
            assert_eq!((sent.boot, sent.not_before), (known.boot, known.not_before));
        }
    }
}
