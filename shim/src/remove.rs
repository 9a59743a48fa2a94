//! Deletes a container's directory from inside P: files of subordinate ids, and the overlay's
//! `work/work`, which the kernel makes with mode 000. Runs in M.

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};

const OPEN_DIR: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What an overlay leaves when the payload wrote nothing, in the order in which it can go: the
/// kernel's own work files first. True: a directory.
const OVERLAY: &[(&str, bool)] = &[
    ("work/work/incompat/volatile/dirty", false),
    ("work/work/incompat/volatile", true),
    ("work/work/incompat", true),
    ("work/work", true),
    ("work", true),
    ("upper", true),
];

/// The files beside them.
const FILES: &[&str] = &["lock", "control.sock", "localtime", "log"];

/// How often a directory that files still come to is emptied: `bolt rename` and `update` write
/// theirs anew without asking us.
const ROUNDS: u32 = 16;

/// The records of a container that is about to be removed.
pub(crate) fn records(dir: impl AsFd) {
    for name in ["config.json", "state.json"] {
        let _ = rustix::fs::unlinkat(&dir, name, AtFlags::empty());
    }
}

/// Removes the directories of an overlay nobody writes to any more, if nothing was ever written,
/// while the kernel still unmounts it. What comes back are the directories themselves.
///
/// To free a directory can mean to wait for the disk (ext4 without a journal, mounted with
/// `discard`: 0.1 ms each). Whoever lets go of one last waits: not the payload on its way out, and
/// several can wait at the same time. The two that the overlay does not hold are freed here: M waits
/// for the payload anyway.
pub(crate) fn overlay(dir: impl AsFd) -> Vec<OwnedFd> {
    const FLAGS: OFlags = OPEN_DIR.union(OFlags::PATH);
    let held = ["upper", "work", "work/work"]
        .map(|name| rustix::fs::openat(&dir, name, FLAGS, Mode::empty()).ok());
    for (name, is_dir) in OVERLAY {
        unlink(&dir, name, *is_dir);
    }
    held.into_iter().flatten().collect()
}

/// Removes what keeps an overlay with `volatile` from being mounted a second time ("Volatile mount"
/// of the kernel's overlayfs.rst). Right where we have seen it end, with the machine still up: what
/// was written is all there. What another left may be torn, and stays as it is.
pub(crate) fn volatile(dir: impl AsFd) {
    for (name, is_dir) in OVERLAY.iter().take_while(|(name, _)| name.contains("incompat")) {
        unlink(&dir, name, *is_dir);
    }
}

fn unlink(dir: impl AsFd, name: &str, is_dir: bool) {
    let flags = if is_dir { AtFlags::REMOVEDIR } else { AtFlags::empty() };
    let _ = rustix::fs::unlinkat(dir, name, flags);
}

/// Removes a container's directory: first what is usually there, by name and without reading a
/// single directory; what is left then, whatever it is. [`records`] has been called, and with
/// `ahead` [`overlay`] too.
pub(crate) fn container(
    parent: impl AsFd,
    dir: impl AsFd,
    id: &str,
    ahead: bool,
) -> Result<(), Errno> {
    if !ahead {
        OVERLAY.iter().for_each(|(name, is_dir)| unlink(&dir, name, *is_dir));
    }
    FILES.iter().for_each(|name| unlink(&dir, name, false));
    match rustix::fs::unlinkat(&parent, id, AtFlags::REMOVEDIR) {
        Ok(()) => Ok(()),
        Err(_) => tree(parent, id),
    }
}

/// Removes `name` below `parent` with everything in it; absent is fine.
///
/// Iterative: an image may nest directories deeper than a stack lasts. Only one descriptor is
/// open at a time besides the start, because `..` of a directory that we hold is never
/// re-resolved: each level is moved up to the top before it is entered.
pub(crate) fn tree(parent: impl AsFd, name: &str) -> Result<(), Errno> {
    let parent = parent.as_fd();
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        // EISDIR, or EPERM by POSIX.
        Err(_) => {}
    }
    match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(_) => {}
    }
    let top = match open(parent, &CString::new(name).map_err(|_| Errno::INVAL)?) {
        Err(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    let mut counter = 0u64;
    let mut result = Ok(());
    for _ in 0..ROUNDS {
        result = empty(&top, &mut counter)
            .and_then(|()| gone(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)));
        // Something came in between.
        if !matches!(result, Err(Errno::NOTEMPTY | Errno::EXIST)) {
            break;
        }
    }
    result
}

/// Whoever removed it.
fn gone(result: Result<(), Errno>) -> Result<(), Errno> {
    match result {
        Err(Errno::NOENT) => Ok(()),
        other => other,
    }
}

fn empty(top: &OwnedFd, counter: &mut u64) -> Result<(), Errno> {
    while clear(top, counter)? {}
    Ok(())
}

/// Removes the files of `top` and of its directories; non-empty grandchildren move up into
/// `top`. True while something may be left.
fn clear(top: &OwnedFd, counter: &mut u64) -> Result<bool, Errno> {
    let mut left = false;
    for (name, is_dir) in entries(top)? {
        if !is_dir || rustix::fs::unlinkat(top, &name, AtFlags::REMOVEDIR).is_ok() {
            if !is_dir {
                gone(rustix::fs::unlinkat(top, &name, AtFlags::empty()))?;
            }
            continue;
        }
        left = true;
        let dir = match open(top.as_fd(), &name) {
            Err(Errno::NOENT) => continue,
            other => other?,
        };
        for (inner, inner_is_dir) in entries(&dir)? {
            if !inner_is_dir {
                gone(rustix::fs::unlinkat(&dir, &inner, AtFlags::empty()))?;
            } else if rustix::fs::unlinkat(&dir, &inner, AtFlags::REMOVEDIR).is_err() {
                let _ = rustix::fs::chmodat(&dir, &inner, Mode::RWXU, AtFlags::empty());
                *counter += 1;
                gone(rustix::fs::renameat(&dir, &inner, top, format!(".bolt-rm-{counter}")))?;
            }
        }
        gone(rustix::fs::unlinkat(top, &name, AtFlags::REMOVEDIR))?;
    }
    Ok(left)
}

fn open(parent: impl AsFd, name: &std::ffi::CStr) -> Result<OwnedFd, Errno> {
    match rustix::fs::openat(&parent, name, OPEN_DIR, Mode::empty()) {
        Err(Errno::ACCESS) => {
            rustix::fs::chmodat(&parent, name, Mode::RWXU, AtFlags::empty())?;
            rustix::fs::openat(&parent, name, OPEN_DIR, Mode::empty())
        }
        other => other,
    }
}

fn entries(dir: &OwnedFd) -> Result<Vec<(CString, bool)>, Errno> {
    let mut list = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let is_dir = match entry.file_type() {
            FileType::Unknown => match rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                stat => FileType::from_raw_mode(stat?.st_mode) == FileType::Directory,
            },
            kind => kind == FileType::Directory,
        };
        list.push((name.to_owned(), is_dir));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> (std::path::PathBuf, OwnedFd) {
        let base = std::env::temp_dir().join(format!("bolt-{name}-{}", std::process::id()));
        for dir in ["c/upper", "c/work/work/incompat/volatile"] {
            std::fs::create_dir_all(base.join(dir)).unwrap();
        }
        for file in ["c/lock", "c/state.json", "c/work/work/incompat/volatile/dirty"] {
            std::fs::write(base.join(file), "").unwrap();
        }
        let fd = rustix::fs::open(&base, OPEN_DIR, Mode::empty()).unwrap();
        (base, fd)
    }

    #[test]
    fn an_overlay_that_nobody_wrote_to_goes_ahead_and_the_rest_after() {
        let (base, parent) = scratch("ahead");
        let dir = open(&parent, c"c").unwrap();
        assert_eq!(overlay(&dir).len(), 3);
        assert!(!base.join("c/upper").exists() && !base.join("c/work").exists());
        assert!(base.join("c/lock").exists());
        records(&dir);
        container(&parent, &dir, "c", true).unwrap();
        assert!(!base.join("c").exists());
        std::fs::remove_dir(base).unwrap();
    }

    #[test]
    fn what_was_written_to_an_overlay_goes_with_the_rest() {
        let (base, parent) = scratch("written");
        std::fs::write(base.join("c/upper/file"), "x").unwrap();
        let dir = open(&parent, c"c").unwrap();
        overlay(&dir);
        assert!(base.join("c/upper/file").exists() && !base.join("c/work").exists());
        container(&parent, &dir, "c", true).unwrap();
        assert!(!base.join("c").exists());
        std::fs::remove_dir(base).unwrap();
    }

    /// As `bolt rename` beside the end of a container does.
    #[test]
    fn a_directory_goes_although_its_record_is_written_anew() {
        for round in 0..200 {
            let (base, parent) = scratch(&format!("anew-{round}"));
            let path = base.join("c");
            let dir = open(&parent, c"c").unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    for n in 0..10 {
                        let temp = path.join(format!(".config.json.1.{n}.tmp"));
                        let written = std::fs::write(&temp, "x")
                            .and_then(|()| std::fs::rename(&temp, path.join("config.json")));
                        if written.is_err() {
                            return;
                        }
                    }
                });
                records(&dir);
                let removed = container(&parent, &dir, "c", false);
                assert_eq!(removed, Ok(()), "round {round}");
            });
            assert!(!path.exists());
            std::fs::remove_dir(base).unwrap();
        }
    }

    #[test]
    fn a_deep_and_locked_tree_goes() {
        let base = std::env::temp_dir().join(format!("bolt-remove-{}", std::process::id()));
        let mut path = base.join("t");
        for _ in 0..300 {
            path.push("d");
        }
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("file"), "x").unwrap();
        std::fs::create_dir_all(base.join("t/work/work/incompat/volatile")).unwrap();
        let fd = rustix::fs::open(&base, OPEN_DIR, Mode::empty()).unwrap();
        rustix::fs::chmodat(&fd, "t/work/work", Mode::empty(), AtFlags::empty()).unwrap();
        tree(&fd, "t").unwrap();
        assert!(!base.join("t").exists());
        tree(&fd, "t").unwrap();
        std::fs::remove_dir(base).unwrap();
    }
}
