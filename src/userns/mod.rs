//! L2: the user's namespace **P**, above all of his containers, and the way into it.
//!
//! P maps the user to 0 and his subordinate ids to 1…; every supervisor holds one. Containers
//! below a common P can share networks and layers, and all starts but the first skip the two
//! setuid programs. Where P cannot have the whole range it maps the user alone.

pub mod auto;
pub mod make;
pub mod map;
pub mod subid;

use crate::container::dir::Containers;
use crate::container::state::Recorded;
use crate::sys::dirs::Dirs;
use crate::sys::{lock, parent, small, userns};
use crate::ui::print;
use anyhow::Context;
use bolt_shim::head::{Existing, Known};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// In the data directory: id of a container that holds P.
const HINT: &str = "userns/full";

/// A start that makes P takes milliseconds.
const SILENCE: Duration = Duration::from_secs(5);

/// A P that lives, and what its holder has written down.
type Living = (OwnedFd, Known);

/// How a supervisor gets its P.
#[derive(Debug)]
pub enum Source {
    /// Root needs none.
    Root,
    /// An existing one, and what its holder knows of it.
    Join(OwnedFd, Known),
    /// A new one with these subordinate ids; the lock keeps a second one from being made
    /// meanwhile, and is let go when the container runs.
    Full(subid::SubIds, Option<File>),
    /// A new one that maps the user alone, for this reason.
    Single(String),
}

/// Finds P, or says how to make it. Waits while somebody else is making it.
pub fn source(dirs: &Dirs, containers: &Containers) -> anyhow::Result<Source> {
    match without_lock(dirs, containers) {
        Ok(source) => Ok(source),
        Err(ids) => {
            let file = lock_file(dirs, "lock")?;
            with_lock(dirs, containers, ids, file)
        }
    }
}

/// The same; `None` while somebody else is making P.
pub fn try_source(dirs: &Dirs, containers: &Containers) -> anyhow::Result<Option<Source>> {
    match without_lock(dirs, containers) {
        Ok(source) => Ok(Some(source)),
        Err(ids) => {
            let file = open_lock_file(dirs, "lock")?;
            let free = lock::try_lock(&file, lock::Kind::Exclusive);
            if !free.context("lock the user namespace")? {
                return Ok(None);
            }
            with_lock(dirs, containers, ids, file).map(Some)
        }
    }
}

/// What is seen at once; else the ids for a P that may have to be made.
fn without_lock(dirs: &Dirs, containers: &Containers) -> Result<Source, subid::SubIds> {
    if dirs.uid == 0 {
        return Ok(Source::Root);
    }
    // A living one keeps its ids, whatever the two files say by now.
    if let Some((fd, known)) = hinted(dirs, containers) {
        return Ok(Source::Join(fd, known));
    }
    let why = match subid::lookup(dirs.user(), dirs.uid) {
        Ok(ids) if !no_new_privs() => return Err(ids),
        Ok(_) => "no_new_privs is set, so newuidmap cannot work".to_owned(),
        Err(none) => none.to_string(),
    };
    match left(dirs, containers) {
        Some((fd, known)) => Ok(Source::Join(fd, known)),
        None => Ok(Source::Single(why)),
    }
}

/// A living P for who cannot make one, where there ever was one.
fn left(dirs: &Dirs, containers: &Containers) -> Option<Living> {
    if !dirs.data.join(HINT).exists() {
        return None;
    }
    let (id, living) = living(containers).ok()??;
    remember(dirs, &id);
    Some(living)
}

fn with_lock(
    dirs: &Dirs,
    containers: &Containers,
    ids: subid::SubIds,
    guard: File,
) -> anyhow::Result<Source> {
    match living(containers)? {
        Some((id, (fd, known))) => {
            remember(dirs, &id);
            Ok(Source::Join(fd, known))
        }
        None => Ok(Source::Full(ids, Some(guard))),
    }
}

/// Whether P will have the whole range: decides the id layout of a new container.
pub fn can_be_full(dirs: &Dirs) -> bool {
    let can_make = || subid::lookup(dirs.user(), dirs.uid).is_ok() && !no_new_privs();
    dirs.uid == 0 || can_make() || shared(dirs).is_some()
}

/// How many uids and gids P has besides the user's own, or will have.
pub fn counts(dirs: &Dirs) -> Result<(u32, u32), subid::NoSubIds> {
    let none = match subid::lookup(dirs.user(), dirs.uid) {
        Ok(ids) => return Ok(ids.counts()),
        Err(none) => none,
    };
    let (_, known) = shared(dirs).ok_or(none)?;
    let Existing { uids, gids } = known.ids;
    let (uids, gids) = subid::SubIds { uids, gids }.counts();
    Ok((uids.saturating_sub(1), gids.saturating_sub(1)))
}

/// A P that lives, whoever could make one.
fn shared(dirs: &Dirs) -> Option<Living> {
    if !dirs.data.join(HINT).exists() {
        return None;
    }
    let containers = Containers::open(dirs).ok()?;
    hinted(dirs, &containers).or_else(|| left(dirs, &containers))
}

/// Writes down which container holds P, so that the next start need not look for one.
pub fn remember(dirs: &Dirs, id: &str) {
    let path = dirs.data.join("userns");
    if let Ok(dir) = File::open(path) {
        // A hint only: lost or torn, the next start looks through the containers.
        let _ =
            crate::sys::atomic::write(&dir, "full", id.as_bytes(), crate::sys::atomic::Sync::Fast);
    }
}

/// Waits for the lock; after a while it says for what, since who holds it may be stopped.
fn lock_file(dirs: &Dirs, name: &str) -> anyhow::Result<File> {
    let file = open_lock_file(dirs, name)?;
    let late = Instant::now() + SILENCE;
    let context = || format!("lock userns/{name}");
    while !lock::try_lock(&file, lock::Kind::Exclusive).with_context(context)? {
        if Instant::now() > late {
            let path = dirs.data.join("userns").join(name);
            print::warning(&format!(
                "another bolt holds {} and does not go on; waiting for it (see `fuser {0}`)",
                path.display()
            ));
            lock::lock(&file, lock::Kind::Exclusive).with_context(context)?;
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(file)
}

fn open_lock_file(dirs: &Dirs, name: &str) -> anyhow::Result<File> {
    let dir = dirs.data.join("userns");
    std::fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
    let path = dir.join(name);
    let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    file.with_context(|| format!("open {}", path.display()))
}

fn hinted(dirs: &Dirs, containers: &Containers) -> Option<Living> {
    let id = small::read_regular(dirs.data.join(HINT)).ok()?;
    open_p(containers, std::str::from_utf8(&id).ok()?.trim())
}

/// The first container whose supervisor, or whose orphan, is alive. Hundreds may have ended.
fn living(containers: &Containers) -> anyhow::Result<Option<(String, Living)>> {
    for id in containers.ids()?.into_iter().filter(|id| containers.has_socket(id)) {
        if let Some(living) = open_p(containers, &id) {
            return Ok(Some((id, living)));
        }
    }
    Ok(None)
}

/// P of one container. Inode numbers and pids are recycled, so what was opened counts only
/// when the holder is seen alive afterwards.
fn open_p(containers: &Containers, id: &str) -> Option<Living> {
    let dir = containers.open_id(id).ok()?;
    let state = dir.read_state().ok()?;
    if !state.full {
        return None;
    }
    let fd = match dir.is_supervised().ok()? {
        true => {
            let ns = File::open(format!("/proc/{}/ns/user", state.monitor)).ok()?;
            let same = inode(&ns) == Some(state.userns);
            (same && dir.is_supervised().ok()?).then(|| ns.into())
        }
        false => orphans_p(&state),
    };
    Some((fd?, known(state)))
}

/// What a record says of its P. The supervisor asks the kernel for what is of an older version, or
/// cannot be true.
fn known(state: Recorded) -> Known {
    let (uids, gids) = (state.uids, state.gids);
    let whole = |all: &[(u32, u32)]| all.len() > 1 && all[0] == (0, 1);
    let is_known = whole(&uids) && whole(&gids);
    let ids = if is_known { Existing { uids, gids } } else { Existing::default() };
    let boot = Some(state.boot).filter(|boot| is_boot_id(boot)).unwrap_or_default();
    Known { boot, ids, not_before: 0 }
}

/// A UUID, as proc_sys_kernel(5) has it.
fn is_boot_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

fn orphans_p(state: &Recorded) -> Option<OwnedFd> {
    use crate::container::live;
    if !live::is_same_process(state.pid, state.start, state.pidns) {
        return None;
    }
    let ns = File::open(format!("/proc/{}/ns/user", state.pid)).ok()?;
    let parent = userns::parent(&ns).ok()?;
    let same = inode(&parent) == Some(state.userns);
    (same && live::is_same_process(state.pid, state.start, state.pidns)).then_some(parent)
}

fn inode(fd: impl std::os::fd::AsFd) -> Option<u64> {
    rustix::fs::fstat(fd).ok().map(|s| s.st_ino)
}

fn no_new_privs() -> bool {
    rustix::thread::no_new_privs().unwrap_or(false)
}

/// Takes this process into P, where it is uid 0 and may touch what belongs to subordinate ids.
///
/// To be called once, while the process has a single thread. Root stays as it is. Returns
/// whether P has the whole range.
pub fn enter(dirs: &Dirs) -> anyhow::Result<bool> {
    let wish = parent::Wish::now();
    let full = change_to_p(dirs)?;
    wish.again().context("end with the program that started this one")?;
    Ok(full)
}

fn change_to_p(dirs: &Dirs) -> anyhow::Result<bool> {
    let containers = Containers::open(dirs)?;
    match source(dirs, &containers)? {
        Source::Root => return Ok(true),
        Source::Join(fd, _) => {
            userns::join(&fd).context("join the user namespace of a running container")?;
            userns::become_root().context("become root of the user namespace")?;
            return Ok(true);
        }
        Source::Full(ids, _guard) => {
            let mut made = make::Making::begin(dirs, &ids).context("make a user namespace")?;
            userns::join(made.namespace()).context("join the new user namespace")?;
            if made.finish().is_ok() {
                userns::become_root().context("become root of the user namespace")?;
                return Ok(true);
            }
        }
        Source::Single(_) => userns::unshare().context("make a user namespace")?,
    }
    map_alone(dirs).context("map the user in a user namespace")?;
    userns::become_root().context("become root of the user namespace")?;
    Ok(false)
}

/// Where one of newuidmap and newgidmap has done its part, that map stays as it is.
fn map_alone(dirs: &Dirs) -> std::io::Result<()> {
    let is_there = |map: &str| std::fs::read(map).is_ok_and(|map| !map.is_empty());
    if !is_there("/proc/self/gid_map") {
        std::fs::write("/proc/self/setgroups", "deny")?;
        std::fs::write("/proc/self/gid_map", format!("0 {} 1", dirs.gid))?;
    }
    if !is_there("/proc/self/uid_map") {
        std::fs::write("/proc/self/uid_map", format!("0 {} 1", dirs.uid))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_taken_for_what_can_be_true() {
        let boot = "0d1bd3e8-5a30-4b5e-9a4c-53a7b5f5b1c7";
        let full = vec![(0, 1), (1, 65536)];
        let of = |boot: &str, uids: &[(u32, u32)]| {
            let (boot, uids, gids) = (boot.to_owned(), uids.to_vec(), full.clone());
            known(Recorded { boot, uids, gids, ..Recorded::default() })
        };
        let good = of(boot, &full);
        assert_eq!((good.boot.as_str(), &good.ids.uids), (boot, &full));
        for uids in [&[][..], &[(0, 1)], &[(5, 1), (1, 9)]] {
            assert_eq!(of(boot, uids).ids, Existing::default(), "{uids:?}");
        }
        // It is written into other records as it is.
        for boot in ["", "a\"b", &"0".repeat(37), &"\"".repeat(36)] {
            assert_eq!(of(boot, &full).boot, "", "{boot}");
        }
    }

    #[test]
    fn a_pipe_for_a_hint_is_not_waited_for() {
        let (scratch, containers) = crate::container::testing::containers();
        let dirs = crate::container::testing::dirs(scratch.path());
        let dir = dirs.data.join("userns");
        std::fs::create_dir_all(&dir).unwrap();
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, dir.join("full"), mode).unwrap();
        assert!(hinted(&dirs, &containers).is_none());
    }
}
