//! The way of M into the user namespace P, while `bolt` still plans, and into a mount namespace of
//! its own, where it has to mount something itself. Runs in M.

use crate::at::{At, Res, failure};
use crate::small;
use crate::state::{self, State};
use crate::step::ids;
use crate::sys::{process, socket};
use bolt_shim::control::Request;
use bolt_shim::head::Existing;
use bolt_shim::launch::Userns;
use bolt_shim::report::Step;
use nix::sched::{CloneFlags, setns};
use rustix::mount::MountPropagationFlags;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};

/// All the way; which P it is goes into `state`. `p`: the one to join, with the ids `existing`.
pub(crate) fn enter(
    userns: Userns,
    p: Option<OwnedFd>,
    existing: Existing,
    report: &OwnedFd,
    state: &mut State,
) -> Res<()> {
    // The inode of a namespace is the same by whichever file of /proc it was opened.
    let known = p.as_ref().and_then(|p| rustix::fs::fstat(p).ok()).map(|p| p.st_ino);
    begin(userns, p)?;
    state.full = end(userns, existing, report)?;
    if userns != Userns::Host {
        state.userns = known.unwrap_or_else(|| state::namespace("/proc/self/ns/user"));
    }
    Ok(())
}

/// As far as it goes without maps that `bolt` writes.
fn begin(userns: Userns, p: Option<OwnedFd>) -> Res<()> {
    // For I and every exec besides; a filter that allows keyctl(2) counts on it.
    process::leave_keyring().at(Step::UserNamespace, "session keyring")?;
    match userns {
        Userns::Host => {}
        Userns::Join | Userns::JoinNew => {
            let p = p.ok_or_else(|| failure(Step::UserNamespace, "P", libc::EBADF))?;
            setns(&p, CloneFlags::CLONE_NEWUSER).at(Step::UserNamespace, "setns")?;
            if userns == Userns::Join {
                become_root()?;
            }
        }
        Userns::MakeSingle => {
            let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
            nix::sched::unshare(CloneFlags::CLONE_NEWUSER).at(Step::UserNamespace, "unshare")?;
            map_user_alone(uid, gid)?;
            become_root()?;
        }
    }
    Ok(())
}

/// Whoever makes or clones a mount must have rights over the namespace he is in (fsopen(2),
/// open_tree(2)), and M's is the host's before. Made once, and only where it is needed: to copy
/// all mounts of the host and to take them apart is a fortieth of a start.
pub(crate) fn own_mounts() -> Res<()> {
    static HAS: AtomicBool = AtomicBool::new(false);
    if HAS.load(Ordering::Relaxed) {
        return Ok(());
    }
    nix::sched::unshare(CloneFlags::CLONE_NEWNS).at(Step::MountNamespace, "unshare")?;
    rustix::mount::mount_change(
        "/",
        MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
    )
    .at(Step::MountNamespace, "/ (slave)")?;
    HAS.store(true, Ordering::Relaxed);
    Ok(())
}

/// The rest of the way. True: P has the whole range.
fn end(userns: Userns, existing: Existing, report: &OwnedFd) -> Res<bool> {
    match userns {
        Userns::Host => Ok(false),
        // Only one that has the whole range is ever joined.
        Userns::Join => ids::know(existing).map(|_| true),
        Userns::JoinNew => {
            await_maps(report)?;
            become_root()?;
            let all = ids::know(Existing::default())?;
            Ok(all.uids.len() > 1 && all.gids.len() > 1)
        }
        Userns::MakeSingle => {
            let alone = vec![(0, 1)];
            ids::know(Existing { uids: alone.clone(), gids: alone }).map(|_| false)
        }
    }
}

/// newuidmap(1) must be run from outside: `bolt` does it and says so.
fn await_maps(report: &OwnedFd) -> Res<()> {
    let mut buffer = [0; 64];
    let received = socket::receive_into(report, &mut buffer).at(Step::IdMaps, "newuidmap")?;
    match postcard::from_bytes::<Request>(&buffer[..received.map_or(0, |(length, _)| length)]) {
        Ok(Request::IdMapsWritten) => Ok(()),
        Ok(Request::IdMapsRefused { uid, gid }) => map_user_alone(uid, gid),
        _ => Err(failure(Step::IdMaps, "newuidmap", libc::EPROTO)),
    }
}

/// Where one of the two programs has done its part, that map stays as it is.
fn map_user_alone(uid: u32, gid: u32) -> Res<()> {
    let write = |kind: &str, text: &str| {
        small::write(&format!("/proc/self/{kind}"), text).at(Step::IdMaps, kind)
    };
    let is_there = |kind: &str| !map(kind).is_empty();
    if !is_there("gid_map") {
        write("setgroups", "deny")?;
        write("gid_map", &format!("0 {gid} 1"))?;
    }
    if !is_there("uid_map") {
        write("uid_map", &format!("0 {uid} 1"))?;
    }
    Ok(())
}

/// A map of ours; empty before it is written.
fn map(kind: &str) -> String {
    small::read(&format!("/proc/self/{kind}")).unwrap_or_default()
}

/// Dumpable again, which a change of ids ends: I's maps and the way into P through
/// /proc/M/ns/user need it.
fn become_root() -> Res<()> {
    let root = nix::unistd::Gid::from_raw(0);
    nix::unistd::setresgid(root, root, root).at(Step::UserNamespace, "gid 0")?;
    let root = nix::unistd::Uid::from_raw(0);
    nix::unistd::setresuid(root, root, root).at(Step::UserNamespace, "uid 0")?;
    process::set_dumpable(true);
    Ok(())
}
