//! Process **I**: pid 1 of the container until it becomes the payload.
//!
//! Who: a child of M in the container's own user and pid namespaces, with all capabilities over
//! them, until the last steps take them away. It executes the plan from top to bottom.

use crate::at::{At, Res};
use crate::fill::Fills;
use crate::handshake::{self, Message};
use crate::monitor::decode;
use crate::stdio::Stdio;
use crate::step::exec::Streams;
use crate::step::ids::Ids;
use crate::step::usual::{OwnRoot, Usual};
use crate::step::{accounts, dev, exec, limits, masks, mounts, root, tty};
use crate::sys::{lo, netns, process};
use bolt_shim::head::Spaces;
use bolt_shim::launch::{Launch, MountKind, Net};
use bolt_shim::report::{Failure, Step};
use nix::sched::CloneFlags;
use rustix::mount::{MountPropagationFlags, UnmountFlags};
use std::os::fd::{AsFd, OwnedFd};

/// Runs the plan. Never returns: the process becomes the payload, or ends.
pub(crate) fn run(
    launch: &Launch,
    socket: OwnedFd,
    stdio: Option<Stdio>,
    fills: &Fills,
    passed: Vec<OwnedFd>,
) -> ! {
    process::set_name(c"bolt-init");
    let begun = begin(Spaces::of(launch), &socket)
        .map(|(network, ids)| (network, Usual { ids, ..Usual::default() }));
    go_on(launch, socket, stdio, fills, passed, begun)
}

/// The same, for an I that is made before the plan is there.
pub(crate) fn run_ahead(spaces: Spaces, socket: OwnedFd) -> ! {
    process::set_name(c"bolt-init");
    let mut begun =
        begin(spaces, &socket).map(|(network, ids)| (network, Usual::make(spaces.ipc, ids)));
    let mut fds = loop {
        match handshake::receive_soon(&socket) {
            Ok(Some((Message::Root(root, dir), _))) => {
                if let Ok((_, usual)) = &mut begun {
                    usual.root = Some(OwnRoot::make(root, dir));
                }
            }
            Ok(Some((Message::Plan, fds))) if !fds.is_empty() => break fds,
            // There will be none: M ends, and has told why.
            _ => process::exit_now(125),
        }
    };
    let plan = fds.remove(0);
    let stdio = <[OwnedFd; 3]>::try_from(fds).ok();
    let stdio = stdio.map(|[input, output, error]| Stdio { input, output, error });
    match decode(&plan) {
        Ok(launch) => go_on(&launch, socket, stdio, &Fills::default(), Vec::new(), begun),
        Err(failure) => exec::tell(&socket, failure),
    }
}

/// Tells such a one that the plan is there. Called in M.
pub(crate) fn tell_plan(socket: &OwnedFd, plan: &OwnedFd, stdio: Option<&Stdio>) -> Res<()> {
    let mut fds = vec![plan.as_fd()];
    fds.extend(stdio.iter().flat_map(|s| [s.input.as_fd(), s.output.as_fd(), s.error.as_fd()]));
    handshake::send(socket, &Message::Plan, &fds)
}

/// What needs nothing of the rest of the plan: namespaces, and then the ids in them.
fn begin(spaces: Spaces, socket: &OwnedFd) -> Res<(Option<netns::Pending>, Ids)> {
    let network = spaces.net.then(netns::start).transpose().at(Step::Unshare, "network")?;
    unshare(spaces)?;
    let Some((Message::Ids(ids), _)) = handshake::receive_soon(socket)? else {
        // M gave up, or died: nobody is left to tell.
        process::exit_now(125)
    };
    if spaces.user {
        become_first(ids)?;
    }
    Ok((network, ids))
}

fn go_on(
    launch: &Launch,
    socket: OwnedFd,
    stdio: Option<Stdio>,
    fills: &Fills,
    passed: Vec<OwnedFd>,
    begun: Res<(Option<netns::Pending>, Usual)>,
) -> ! {
    let set_up = begun.and_then(|begun| set_up(launch, &socket, stdio, fills, begun));
    let failure = match set_up {
        Ok(()) if launch.process.args.is_empty() => idle(launch, &socket),
        Ok(()) if launch.init => supervise(launch, &socket, passed),
        Ok(()) => {
            let streams = Streams::of(&launch.monitor.log);
            exec::program(&launch.process, &launch.secret_env, &socket, passed, streams)
        }
        Err(failure) => failure,
    };
    exec::tell(&socket, failure)
}

fn set_up(
    launch: &Launch,
    socket: &OwnedFd,
    stdio: Option<Stdio>,
    fills: &Fills,
    (network, mut usual): (Option<netns::Pending>, Usual),
) -> Res<()> {
    let second_proc = usual.second_proc.take();
    let mut empty = masks::Empty::Detached(usual.empty.take());
    let own_root = usual.root.take().filter(|own| own.is(&launch.root));
    let trees = handshake::receive_trees(socket)?;
    // Only now: M has put us into our v1 groups, and this namespace is rooted where we are.
    if !launch.share.cgroup {
        nix::sched::unshare(CloneFlags::CLONE_NEWCGROUP).at(Step::Unshare, "cgroup")?;
    }
    let mut trees = trees.into_iter();
    let tree = match own_root {
        Some(own) => Some(own.take()?),
        None => trees.next(),
    };
    let new_root = attach_root(tree)?;
    let mut mounter = mounts::Mounter { root: new_root.as_fd(), trees, fills, usual, dev: None };
    // sysfs shows the network it is mounted in: what comes before it overlaps with its making.
    let first =
        launch.mounts.iter().position(|m| m.what == MountKind::Sys).unwrap_or(launch.mounts.len());
    let (before, after) = launch.mounts.split_at(first);
    for mount in before {
        mounter.mount(launch, mount)?;
    }
    expect(&Message::Recorded, socket)?;
    if let Some(network) = network {
        join_network(launch, socket, network)?;
    }
    for mount in after {
        mounter.mount(launch, mount)?;
    }
    for failure in accounts::add(&mounter, launch)? {
        let _ = handshake::send(socket, &Message::Denied(failure), &[]);
    }
    if fills.any() {
        handshake::send(socket, &Message::Filled, &[])?;
        expect(&Message::Filled, socket)?;
    }
    if let Some(hostname) = &launch.hostname {
        nix::unistd::sethostname(hostname).at(Step::Hostname, hostname)?;
    }
    limits::sysctl(new_root.as_fd(), &launch.sysctl)?;
    oom_score(launch, socket);
    if launch.covered_proc {
        masks::covered_proc(new_root.as_fd(), second_proc, &mut empty)?;
    }
    masks::cover(new_root.as_fd(), &launch.masked, empty)?;
    masks::read_only(new_root.as_fd(), &launch.read_only)?;
    let terminal = terminal(launch, socket, &new_root)?;
    if root::is_read_only(&launch.root) {
        root::seal(&new_root)?;
    }
    pivot(&new_root)?;
    stand_alone(terminal, stdio)
}

/// The namespaces that do not need ids; they are made while M writes the maps.
fn unshare(spaces: Spaces) -> Res<()> {
    let mut flags = CloneFlags::CLONE_NEWNS;
    for (on, flag) in
        [(spaces.ipc, CloneFlags::CLONE_NEWIPC), (spaces.uts, CloneFlags::CLONE_NEWUTS)]
    {
        if on {
            flags |= flag;
        }
    }
    nix::sched::unshare(flags).at(Step::Unshare, "namespaces")?;
    rustix::mount::mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
        .at(Step::Unshare, "/ (slave)")
}

/// Waits for that very word.
fn expect(word: &Message, socket: &OwnedFd) -> Res<()> {
    match handshake::receive_soon(socket)? {
        Some((message, _)) if message == *word => Ok(()),
        // M gave up, or died: nobody is left to tell.
        _ => process::exit_now(125),
    }
}

/// Before this nothing can be created in our own file systems: our ids are unmapped.
fn become_first(ids: Ids) -> Res<()> {
    let gid = nix::unistd::Gid::from_raw(ids.gid);
    nix::unistd::setresgid(gid, gid, gid).at(Step::User, "gid")?;
    let uid = nix::unistd::Uid::from_raw(ids.uid);
    nix::unistd::setresuid(uid, uid, uid).at(Step::User, "uid")
}

/// The tree needs a place before it can become the root; `/` is one that always exists, and
/// nothing is looked up through it until pivot_root.
fn attach_root(tree: Option<OwnedFd>) -> Res<OwnedFd> {
    let tree = tree.ok_or_else(|| crate::at::failure(Step::Root, "tree", libc::EBADF))?;
    let flags =
        rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
    let place = rustix::fs::open("/", flags, rustix::fs::Mode::empty()).at(Step::Root, "/")?;
    mounts::attach(&tree, place, "/")?;
    Ok(tree)
}

/// `lo` up; with an uplink M gets the namespace and says when packets flow.
fn join_network(launch: &Launch, socket: &OwnedFd, network: netns::Pending) -> Res<()> {
    handshake::await_briefly(|| network.is_there());
    let netns = network.wait().at(Step::Unshare, "network")?;
    nix::sched::setns(&netns, CloneFlags::CLONE_NEWNET).at(Step::Unshare, "network")?;
    lo::up().at(Step::Network, "lo")?;
    if let Net::Uplink { .. } = launch.net {
        handshake::send(socket, &Message::Netns, &[netns.as_fd()])?;
        expect(&Message::NetReady, socket)?;
    }
    Ok(())
}

/// Optional: an ordinary user may only raise the value.
fn oom_score(launch: &Launch, socket: &OwnedFd) {
    if let Some(score) = launch.process.oom_score_adj
        && let Err(failure) = std::fs::write("/proc/self/oom_score_adj", score.to_string())
            .at(Step::Rlimit, format!("oom_score_adj {score}"))
    {
        let _ = handshake::send(socket, &Message::Denied(failure), &[]);
    }
}

fn terminal(launch: &Launch, socket: &OwnedFd, new_root: &OwnedFd) -> Res<Option<OwnedFd>> {
    let Some(size) = launch.process.tty else { return Ok(None) };
    let (master, slave) = tty::open(new_root.as_fd(), size)?;
    dev::console(new_root.as_fd(), &slave)?;
    handshake::send(socket, &Message::Tty, &[master.as_fd()])?;
    Ok(Some(slave))
}

/// pivot_root(2) onto ourselves: the old root lies on top of the new one and is let go.
fn pivot(new_root: &OwnedFd) -> Res<()> {
    rustix::process::fchdir(new_root).at(Step::Pivot, "new root")?;
    rustix::process::pivot_root(".", ".").at(Step::Pivot, "pivot_root")?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).at(Step::Pivot, "old root")?;
    nix::unistd::chdir("/").at(Step::Pivot, "/")
}

fn stand_alone(terminal: Option<OwnedFd>, stdio: Option<Stdio>) -> Res<()> {
    let _ = nix::unistd::setsid();
    match (terminal, stdio) {
        (Some(slave), _) => tty::adopt(&slave),
        (None, Some(stdio)) => tty::stdio(&stdio.input, &stdio.output, &stdio.error),
        (None, None) => Ok(()),
    }
}

/// `--init`: stays as pid 1, makes the payload its child, reaps, forwards, exits like it.
///
/// An exec joins its namespaces, so M must be able to look at it: dumpable again, once nothing of
/// M is open any more. Nobody inside gains by that: it has capabilities that they lack
/// (ptrace(2)), and its file is no longer theirs to change (see `bolt`'s shim::program).
fn supervise(launch: &Launch, socket: &OwnedFd, passed: Vec<OwnedFd>) -> Failure {
    use crate::sys::clone::{Cloned, clone3};
    match clone3(0, None) {
        Err(e) => crate::at::failure(Step::Clone, "init", e as i32),
        Ok(Cloned::Child) => {
            let _ = nix::unistd::setsid();
            if launch.process.tty.is_some() {
                let _ = process::controlling_terminal(rustix::stdio::stdin());
            }
            let streams = Streams::of(&launch.monitor.log);
            exec::program(&launch.process, &launch.secret_env, socket, passed, streams)
        }
        Ok(Cloned::Parent { pid, .. }) => {
            process::close_from(3);
            process::set_dumpable(true);
            reap_until(pid)
        }
    }
}

/// M says so when a program has ended that an exec left behind: the container has had its use.
pub(crate) const USED: i32 = 64;

/// Without a program: stays as pid 1 for those that exec brings, and ends with the last of them
/// once one was left to itself (`bolt exec -d`), or when it is asked to.
///
/// What was left running below such a program comes to us when its parent ends, so each end is
/// heard of: from M, or as our own child's.
fn idle(launch: &Launch, socket: &OwnedFd) -> Failure {
    // A signal to everybody must not reach the host's processes.
    if std::process::id() != 1 {
        return crate::at::failure(Step::Exec, "init", libc::EINVAL);
    }
    let _ = handshake::send(socket, &Message::Execing, &[]);
    process::close_from(3);
    process::set_dumpable(true);
    let mut leaving = false;
    loop {
        match process::next_signal() {
            libc::SIGCHLD => while let Ok(Some(_)) = wait_any() {},
            USED => leaving = true,
            signo => {
                process::signal_all(signo);
                let ends = [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGHUP];
                leaving |= ends.contains(&signo) || signo == launch.monitor.stop_signal;
            }
        }
        if leaving && !process::signal_all(0) {
            process::exit_now(0);
        }
    }
}

fn wait_any() -> rustix::io::Result<Option<(rustix::process::Pid, rustix::process::WaitStatus)>> {
    rustix::process::wait(rustix::process::WaitOptions::NOHANG)
}

/// Every signal by its number: the enumerations of signals leave the real-time ones out.
fn reap_until(payload: i32) -> ! {
    loop {
        let signo = process::next_signal();
        if signo != libc::SIGCHLD {
            process::kill(payload, signo);
            continue;
        }
        while let Ok(Some((pid, status))) = wait_any() {
            if pid.as_raw_nonzero().get() != payload {
                continue;
            }
            match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => process::exit_now(code),
                (None, Some(signal)) => process::exit_now(128 + signal),
                (None, None) => {}
            }
        }
    }
}
