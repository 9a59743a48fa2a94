//! `bolt exec`: another program in a running container.
//!
//! Who: M makes **C** in the payload's cgroup, before it joins anything, so that its limits
//! hold; C joins I's namespaces and makes **D** inside the pid namespace with CLONE_PARENT, so
//! that M reaps it; C ends, D becomes the program.

use crate::at::{At, Res, failure};
use crate::handshake::{self, Message};
use crate::step::exec::{self, Streams};
use crate::step::ids::Ids;
use crate::step::tty;
use crate::sys::clone::{Cloned, clone3};
use crate::sys::{process as proc, socket};
use bolt_shim::launch::{Launch, Net, Process};
use bolt_shim::report::Step;
use bolt_shim::secret::Variable;
use nix::sched::{CloneFlags, setns};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Makes C; the socket tells what becomes of D (see `handshake`). `whose`: the streams of `stdio`.
pub(crate) fn start(
    launch: &Launch,
    init: BorrowedFd<'_>,
    process: &Process,
    stdio: Vec<OwnedFd>,
    whose: Streams,
) -> Res<(OwnedFd, i32)> {
    let (ours, theirs) = socket::pair().at(Step::Join, "socket")?;
    let group = open_group(launch.cgroup.v2.as_deref())?;
    let ids = launch.id_map.map(Ids::of_shape).transpose()?.unwrap_or_default();
    match clone3(0, group.as_ref().map(AsFd::as_fd)).at(Step::Clone, "exec")? {
        Cloned::Child => {
            drop(ours);
            let result = join(launch, init, &theirs)
                .and_then(|()| split(process, &launch.secret_env, &theirs, stdio, whose));
            if let Err(failure) = result {
                exec::tell(&theirs, failure);
            }
            proc::exit_now(0)
        }
        Cloned::Parent { pid, .. } => {
            for file in &launch.cgroup.v1 {
                // A v1 group that is gone takes nobody; the payload's own end comes next.
                let _ = std::fs::write(file, pid.to_string());
            }
            handshake::send(&ours, &Message::Ids(ids), &[])?;
            Ok((ours, pid))
        }
    }
}

fn open_group(path: Option<&str>) -> Res<Option<OwnedFd>> {
    let Some(path) = path else { return Ok(None) };
    let flags =
        rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
    rustix::fs::open(path, flags, rustix::fs::Mode::empty()).at(Step::Cgroup, path).map(Some)
}

/// C: not dumpable before anything of the container can see us (CVE-2019-5736).
fn join(launch: &Launch, init: BorrowedFd<'_>, socket: &OwnedFd) -> Res<()> {
    proc::set_dumpable(false);
    proc::set_name(c"bolt-exec");
    let Some((Message::Ids(ids), _)) = handshake::receive(socket)? else { proc::exit_now(125) };
    let mut flags = CloneFlags::CLONE_NEWNS;
    for (on, flag) in [
        (launch.id_map.is_some(), CloneFlags::CLONE_NEWUSER),
        (!launch.share.pid, CloneFlags::CLONE_NEWPID),
        (!launch.share.ipc, CloneFlags::CLONE_NEWIPC),
        (!launch.share.uts, CloneFlags::CLONE_NEWUTS),
        (!launch.share.cgroup, CloneFlags::CLONE_NEWCGROUP),
        (launch.net != Net::Host, CloneFlags::CLONE_NEWNET),
    ] {
        if on {
            flags |= flag;
        }
    }
    setns(init, flags).at(Step::Join, "namespaces")?;
    if launch.id_map.is_some() {
        // Of what /proc is here by now this process is no part.
        let Ids { uid, gid, .. } = ids;
        let gid = nix::unistd::Gid::from_raw(gid);
        nix::unistd::setresgid(gid, gid, gid).at(Step::User, "gid")?;
        let uid = nix::unistd::Uid::from_raw(uid);
        nix::unistd::setresuid(uid, uid, uid).at(Step::User, "uid")?;
    }
    Ok(())
}

fn split(
    process: &Process,
    secrets: &[Variable],
    socket: &OwnedFd,
    stdio: Vec<OwnedFd>,
    whose: Streams,
) -> Res<()> {
    match clone3(nix::libc::CLONE_PARENT, None).at(Step::Clone, "exec")? {
        Cloned::Child => match attach(process, socket, stdio) {
            Ok(passed) => exec::program(process, secrets, socket, passed, whose),
            Err(failure) => exec::tell(socket, failure),
        },
        Cloned::Parent { pid, pidfd } => {
            handshake::send(socket, &Message::Joined { pid }, &[pidfd.as_fd()])
        }
    }
}

/// The standard streams; what came besides is for the program.
fn attach(process: &Process, socket: &OwnedFd, mut fds: Vec<OwnedFd>) -> Res<Vec<OwnedFd>> {
    let _ = nix::unistd::setsid();
    if let Some(size) = process.tty {
        let flags =
            rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
        let root =
            rustix::fs::open("/", flags, rustix::fs::Mode::empty()).at(Step::Terminal, "/")?;
        let (master, slave) = tty::open(root.as_fd(), size)?;
        handshake::send(socket, &Message::Tty, &[master.as_fd()])?;
        tty::adopt(&slave)?;
        return Ok(fds);
    }
    if fds.len() < 3 {
        return Err(failure(Step::Exec, "stdio", libc::EBADF));
    }
    let passed = fds.split_off(3);
    tty::stdio(&fds[0], &fds[1], &fds[2])?;
    Ok(passed)
}
