//! A start of the payload: its init **I** is made, gets what only M can make, and has become the
//! payload at the end. Runs in M.
//!
//! The first I of a container and its root are made before the plan is there, where they are known
//! ([`Ahead`]): while `bolt` plans, I makes the network namespace, which takes longest.

use crate::at::{At, Res, failure};
use crate::enter;
use crate::event_loop::Supervisor;
use crate::fill::Fills;
use crate::handshake::{self, Message};
use crate::init;
use crate::remove;
use crate::state::{self, State};
use crate::stdio::Stdio;
use crate::step::{binds, ids, root};
use crate::sys::clone::{Cloned, clone3};
use crate::sys::{process, socket};
use crate::uplink;
use bolt_shim::head::{FirstInit, Head, Known, Spaces};
use bolt_shim::launch::{IdMap, Launch, Log, Net, Root};
use bolt_shim::report::{Failure, Step};
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::{AsFd, OwnedFd};

/// A payload that has been executed.
#[derive(Debug)]
pub(crate) struct Payload {
    /// Pid of I in our pid namespace.
    pub(crate) pid: i32,
    /// Its pidfd.
    pub(crate) pidfd: OwnedFd,
    /// Standard output, or the terminal; `None`: neither this nor the others go through us.
    pub(crate) output: Option<OwnedFd>,
    /// Standard error, without a terminal.
    pub(crate) error: Option<OwnedFd>,
    /// Standard input, when it is kept open.
    pub(crate) input: Option<OwnedFd>,
    /// Carries its packets.
    pub(crate) uplink: Option<uplink::Running>,
}

/// I, on its way to become the payload.
#[derive(Debug)]
struct Init {
    pid: i32,
    /// Its start, in ticks since boot.
    start: u64,
    pidfd: OwnedFd,
    socket: OwnedFd,
}

impl Init {
    /// `before`: the time right before it was made, which is now.
    fn new(pid: i32, before: u64, pidfd: OwnedFd, socket: OwnedFd) -> Self {
        let start = state::start_between(before, Known::now());
        let start = start.unwrap_or_else(|| state::start_time(pid));
        Init { pid, start, pidfd, socket }
    }

    fn end(&self) {
        let _ = rustix::process::pidfd_send_signal(&self.pidfd, rustix::process::Signal::KILL);
        let _ = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(self.pid), None);
    }
}

/// What is made before the plan is there. Dropped, it ends, and has made nothing that stays.
///
/// What does not work now is tried again, and told, when the plan asks for it.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    init: Option<(Spaces, Init)>,
    /// The map that I was given, if it was given one.
    given: Option<Option<IdMap>>,
    /// Of the container's user namespace, and of who owns the root.
    id_map: Option<IdMap>,
    root: Option<(Root, Tree)>,
    /// The file of the plan, for I.
    pub(crate) plan: Option<OwnedFd>,
}

/// A root that is made before the plan is there.
#[derive(Debug)]
enum Tree {
    /// By us.
    Here(OwnedFd),
    /// By I, in the container's own namespaces.
    InInit,
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.forget_init();
    }
}

impl Ahead {
    /// I, where it is known enough of it: its network takes longest of all.
    pub(crate) fn begin(wish: Option<FirstInit>) -> Self {
        let mut ahead = Ahead::default();
        let Some(FirstInit { spaces, usual_ids }) = wish else { return ahead };
        ahead.init = clone_ahead(spaces).map(|init| (spaces, init));
        if usual_ids {
            ahead.give_ids(spaces.user.then_some(FirstInit::IDS));
        }
        ahead
    }

    /// An I that cannot have them is of no use.
    fn give_ids(&mut self, id_map: Option<IdMap>) {
        self.given = Some(id_map);
        if let Some((_, init)) = &self.init
            && give_ids(init, id_map).is_err()
        {
            self.forget_init();
        }
    }

    fn forget_init(&mut self) {
        if let Some((_, init)) = self.init.take() {
            init.end();
        }
    }

    /// What is known once the container has a place, its directory `dir`.
    pub(crate) fn place(&mut self, head: Head, dir: &str) {
        let Head { id_map, root } = head;
        self.id_map = id_map;
        match self.given {
            None => self.give_ids(id_map),
            Some(given) if given == id_map => {}
            // Another is made once the plan is there.
            Some(_) => self.forget_init(),
        }
        let Some(root) = root else { return };
        let tree = match self.leave_to_init(&root, dir) {
            true => Some(Tree::InInit),
            false => make_root(&root, dir, id_map).ok().map(Tree::Here),
        };
        self.root = tree.map(|tree| (root, tree));
    }

    /// Where P's files have the same numbers in the container, I may mount them as well: then no
    /// mount namespace of ours is needed.
    fn leave_to_init(&self, root: &Root, dir: &str) -> bool {
        let Some((_, init)) = &self.init else { return false };
        let is_same = self.id_map == Some(IdMap::RootIsUser);
        let message = || Message::Root(root.clone(), dir.to_owned());
        is_same
            && matches!(root, Root::Overlay { .. })
            && !root::is_left_over(root)
            && root::prepare(root, ids::root_in_p(self.id_map)).is_ok()
            && handshake::send(&init.socket, &message(), &[]).is_ok()
    }

    /// An init of no use, and the root that it has mounted, go.
    fn forget_init_with_its_root(&mut self, dir: &OwnedFd) {
        self.forget_init();
        if let Some((_, Tree::InInit)) = self.root {
            self.undo(dir);
        }
    }

    /// There will be no plan for it: all of it goes, with what would keep the next overlay from
    /// being mounted (`volatile`). It is this one's: none is mounted over an earlier one's.
    pub(crate) fn undo(&mut self, dir: &OwnedFd) {
        self.forget_init();
        if self.root.take().is_some() {
            remove::volatile(dir);
        }
    }

    /// I and the file of the plan, if that wants one such.
    fn take_init(
        &mut self,
        launch: &Launch,
        fills: &Fills,
        passed: &[OwnedFd],
    ) -> Option<(Init, OwnedFd)> {
        let fits = self.init.as_ref().is_some_and(|(spaces, _)| *spaces == Spaces::of(launch))
            && self.id_map == launch.id_map
            && launch.cgroup.v2.is_none()
            && !fills.any()
            && passed.is_empty();
        let plan = self.plan.take_if(|_| fits)?;
        self.init.take().map(|(_, init)| (init, plan))
    }

    /// The root, if it is the plan's, else that one. `None`: I has it.
    fn take_root(&mut self, launch: &Launch, dir: &str) -> Res<Option<OwnedFd>> {
        match self.root.take() {
            Some((root, tree)) if (&root, self.id_map) == (&launch.root, launch.id_map) => {
                match tree {
                    Tree::Here(tree) => Ok(Some(tree)),
                    Tree::InInit => Ok(None),
                }
            }
            _ => make_root(&launch.root, dir, launch.id_map).map(Some),
        }
    }
}

fn make_root(root: &Root, dir: &str, id_map: Option<IdMap>) -> Res<OwnedFd> {
    enter::own_mounts()?;
    root::prepare(root, ids::root_in_p(id_map))?;
    root::make(root, dir)
}

/// An I that waits for its ids.
fn clone_ahead(spaces: Spaces) -> Option<Init> {
    let (ours, theirs) = socket::pair().ok()?;
    let before = Known::now();
    match clone3(flags(spaces), None).ok()? {
        Cloned::Child => {
            // Nothing of M may live on in the container, least of all the lock.
            drop(ours);
            process::close_inherited();
            init::run_ahead(spaces, theirs)
        }
        Cloned::Parent { pid, pidfd } => Some(Init::new(pid, before, pidfd, ours)),
    }
}

/// From then on I is root of its namespaces.
fn give_ids(init: &Init, id_map: Option<IdMap>) -> Res<()> {
    let ids = match id_map {
        Some(shape) => ids::write(init.pid, shape)?,
        None => ids::Ids::own(),
    };
    handshake::send(&init.socket, &Message::Ids(ids), &[])
}

fn flags(spaces: Spaces) -> libc::c_int {
    let pid = if spaces.pid { libc::CLONE_NEWPID } else { 0 };
    let user = if spaces.user { libc::CLONE_NEWUSER } else { 0 };
    pid | user
}

/// One start: clone I unless it is there, hand it what only we can make, wait until it has
/// become the payload.
#[inline(never)]
pub(crate) fn start(
    launch: &Launch,
    supervisor: &mut Supervisor,
    state: &mut State,
    mut ahead: Ahead,
) -> Res<Payload> {
    supervisor.denied.clear();
    let mut fills = Fills::begin(launch, supervisor)?;
    let (stdio, ends) = pipes(launch, supervisor.stdio.as_ref())?;
    let (init, told) = match ahead.take_init(launch, &fills, &supervisor.passed) {
        Some((init, plan)) => {
            let told = init::tell_plan(&init.socket, &plan, stdio.as_ref());
            drop(stdio);
            (init, told)
        }
        None => {
            ahead.forget_init_with_its_root(supervisor.dir());
            let init = clone_init(launch, supervisor, stdio, &fills)?;
            let given = give_ids(&init, launch.id_map);
            (init, given)
        }
    };
    let result = told
        .and_then(|()| bring_up(launch, supervisor, state, &init, ends, (&mut fills, &mut ahead)));
    match result {
        Ok((output, error, input, uplink)) => {
            Ok(Payload { pid: init.pid, pidfd: init.pidfd, output, error, input, uplink })
        }
        Err(failure) => {
            let failure = last_words(&init.socket, failure);
            init.end();
            Err(failure)
        }
    }
}

fn clone_init(
    launch: &Launch,
    supervisor: &mut Supervisor,
    stdio: Option<Stdio>,
    fills: &Fills,
) -> Res<Init> {
    let (ours, theirs) = socket::pair().at(Step::Clone, "socket")?;
    let group = match &launch.cgroup.v2 {
        Some(path) => {
            let flags = rustix::fs::OFlags::PATH
                | rustix::fs::OFlags::DIRECTORY
                | rustix::fs::OFlags::CLOEXEC;
            Some(
                rustix::fs::open(path.as_str(), flags, rustix::fs::Mode::empty())
                    .at(Step::Cgroup, path)?,
            )
        }
        None => None,
    };
    let group = group.as_ref().map(AsFd::as_fd);
    let before = Known::now();
    match clone3(flags(Spaces::of(launch)), group).at(Step::Clone, "init")? {
        Cloned::Child => {
            drop(ours);
            supervisor.close_in_child();
            init::run(launch, theirs, stdio, fills, std::mem::take(&mut supervisor.passed))
        }
        Cloned::Parent { pid, pidfd } => Ok(Init::new(pid, before, pidfd, ours)),
    }
}

/// The payload's pipes: its three ends, and ours; or what it was `given` instead.
fn pipes(launch: &Launch, given: Option<&Stdio>) -> Res<(Option<Stdio>, [Option<OwnedFd>; 3])> {
    if let Some(given) = given {
        return Ok((Some(given.again()?), [None, None, None]));
    }
    if launch.process.tty.is_some() {
        return Ok((None, [None, None, None]));
    }
    let pair = || pipe_with(PipeFlags::CLOEXEC).at(Step::Exec, "pipe");
    let (out_read, output) = pair()?;
    let (err_read, error) = pair()?;
    let (input, in_write) = if launch.process.stdin {
        let (read, write) = pair()?;
        (read, Some(write))
    } else {
        let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
        (
            rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty())
                .at(Step::Exec, "/dev/null")?,
            None,
        )
    };
    Ok((Some(Stdio { input, output, error }), [Some(out_read), Some(err_read), in_write]))
}

type Ends = (Option<OwnedFd>, Option<OwnedFd>, Option<OwnedFd>, Option<uplink::Running>);

fn bring_up(
    launch: &Launch,
    supervisor: &mut Supervisor,
    state: &mut State,
    init: &Init,
    ends: [Option<OwnedFd>; 3],
    made: (&mut Fills, &mut Ahead),
) -> Res<Ends> {
    let (fills, ahead) = made;
    let (pid, socket) = (init.pid, &init.socket);
    for file in &launch.cgroup.v1 {
        std::fs::write(file, pid.to_string()).at(Step::Cgroup, file)?;
    }
    let mut trees = Vec::from_iter(ahead.take_root(launch, supervisor.path())?);
    trees.extend(binds::trees(launch, supervisor.path())?);
    handshake::send_trees(socket, &trees)?;
    drop(trees);
    // All of it while I mounts. It waits for this word: should we be killed once it has it, it
    // can be found.
    supervisor.listen()?;
    note_starting(init, supervisor, state)?;
    supervisor.await_config()?;
    handshake::send(socket, &Message::Recorded, &[])?;
    let [mut output, error, mut input] = ends;
    let mut uplink: Option<uplink::Running> = None;
    let mut execing = false;
    let copies = launch.mounts.iter().any(|m| m.what.copies());
    loop {
        if copies {
            supervisor.await_start(Some(socket), None)?;
        }
        let received =
            if execing { handshake::receive_soon(socket) } else { handshake::receive(socket) };
        match received {
            Ok(None) if execing => break,
            Ok(None) => return Err(failure(Step::Died, "", 0)),
            Ok(Some((Message::Execing, _))) => execing = true,
            Ok(Some((Message::Netns, mut fds))) => {
                let (Net::Uplink { uplink: plan, required }, Some(netns)) =
                    (&launch.net, fds.pop())
                else {
                    return Err(failure(Step::Network, "namespace", libc::EPROTO));
                };
                match uplink::start(plan, &netns, supervisor) {
                    Ok(running) => uplink = Some(running),
                    Err(failure) if *required => return Err(failure),
                    Err(failure) => supervisor.denied.push(failure),
                }
                handshake::send(socket, &Message::NetReady, &[])?;
            }
            Ok(Some((Message::Filled, _))) => {
                fills.end()?;
                handshake::send(socket, &Message::Filled, &[])?;
            }
            Ok(Some((Message::Tty, mut fds))) => {
                let master =
                    fds.pop().ok_or_else(|| failure(Step::Terminal, "master", libc::EPROTO))?;
                input = Some(master.try_clone().at(Step::Terminal, "master")?);
                output = Some(master);
            }
            Ok(Some((Message::Denied(failure), _))) => supervisor.denied.push(failure),
            Ok(Some((Message::Failed(failure), _))) => {
                return Err(failure);
            }
            Ok(Some(_)) => return Err(failure(Step::Read, "handshake", libc::EPROTO)),
            Err(failure) => return Err(failure),
        }
    }
    if output.is_none() && launch.monitor.log != Log::Passthrough {
        return Err(failure(Step::Died, "init", 0));
    }
    Ok((output, error, input, uplink))
}

/// I may have said why, before our own call to it broke.
fn last_words(socket: &OwnedFd, failure: Failure) -> Failure {
    if failure.step != Step::Read {
        return failure;
    }
    // What I did not read of ours is told first, once (unix(7), ECONNRESET).
    let mut is_told = false;
    loop {
        match handshake::receive(socket) {
            Ok(Some((Message::Failed(real), _))) => return real,
            Ok(Some(_)) => {}
            Err(broken) if broken.errno == libc::ECONNRESET && !is_told => is_told = true,
            Ok(None) | Err(_) => return failure,
        }
    }
}

/// What is not written down nobody could find, should we be killed: then nothing is to run.
fn note_starting(init: &Init, supervisor: &Supervisor, state: &mut State) -> Res<()> {
    State::drop_copy(supervisor.lock());
    state.status = "starting";
    (state.pid, state.start) = (init.pid, init.start);
    state.pidns = process::pid_namespace(init.pidfd.as_fd())
        .unwrap_or_else(|| state::namespace(&format!("/proc/{}/ns/pid", init.pid)));
    state.write(supervisor.dir()).at(Step::State, "state.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// It was not: an init that could make no process was told as one that `--memory` had killed.
    #[test]
    fn what_init_said_is_heard_though_it_did_not_listen() {
        let (ours, theirs) = socket::pair().unwrap();
        handshake::send(&ours, &Message::Recorded, &[]).unwrap();
        let said = failure(Step::Unshare, "network", libc::EAGAIN);
        handshake::send(&theirs, &Message::Failed(said), &[]).unwrap();
        drop(theirs);
        let broken = failure(Step::Read, "handshake", libc::EPIPE);
        assert_eq!(last_words(&ours, broken).step, Step::Unshare);
        let (ours, theirs) = socket::pair().unwrap();
        drop(theirs);
        let broken = failure(Step::Read, "handshake", libc::EPIPE);
        assert_eq!(last_words(&ours, broken).step, Step::Read);
    }
}
