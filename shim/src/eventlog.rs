//! The file of events, to which `bolt` and supervisors append: how it is opened, and how a full
//! generation of it gives way to the next (`log`, and the one before it, `log.1`).

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::Path;

/// A generation ends with the event that makes it larger, in bytes.
pub const MOST: i64 = 4 << 20;

/// The file of this path to append to, made where there is none, and what it was like before; a
/// full one is moved away first. Errors: [`Errno::NOENT`] when its directory is not there.
#[inline(never)]
pub fn open(path: &Path) -> Result<(OwnedFd, Stat), Errno> {
    let file = append_to(path)?;
    let stat = rustix::fs::fstat(&file)?;
    if stat.st_size <= MOST || !rotate(path, &file)? {
        return Ok((file, stat));
    }
    let file = append_to(path)?;
    let stat = rustix::fs::fstat(&file)?;
    Ok((file, stat))
}

fn append_to(path: &Path) -> Result<OwnedFd, Errno> {
    // Not to be held up by a pipe of that name.
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::CLOEXEC
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK;
    rustix::fs::openat(CWD, path, flags, Mode::RUSR | Mode::WUSR)
}

/// Moves a full generation away. Of several that find it full one does it: `bolt` and supervisors
/// alike do so with the file's own lock (flock(2)), and only while it is the file of that name.
/// Since nobody else may move it away then, what is renamed is that very file, never one that just
/// began. False: somebody else is at it.
#[inline(never)]
fn rotate(path: &Path, full: &OwnedFd) -> Result<bool, Errno> {
    match rustix::fs::flock(full, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(false),
        other => other?,
    }
    let (ours, named) = (rustix::fs::fstat(full)?, rustix::fs::lstat(path));
    if named.is_ok_and(|named| (named.st_ino, named.st_dev) == (ours.st_ino, ours.st_dev)) {
        let mut older = path.as_os_str().to_owned();
        older.push(".1");
        rustix::fs::rename(path, &older)?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty directory for one test, and the path of the file in it.
    fn place(name: &str) -> (std::path::PathBuf, std::path::PathBuf) {
        let dir = std::env::temp_dir().join(format!("bolt-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("log");
        (dir, path)
    }

    fn text(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn a_generation_gives_way_to_the_next() {
        let (dir, path) = place("generations");
        for line in [b"one\n", b"two\n"] {
            rustix::io::write(open(&path).unwrap().0, line).unwrap();
        }
        assert_eq!(text(&path), "one\ntwo\n");
        std::fs::File::options().write(true).open(&path).unwrap().set_len(MOST as u64 + 1).unwrap();
        let (file, stat) = open(&path).unwrap();
        assert_eq!(stat.st_size, 0);
        rustix::io::write(file, b"three\n").unwrap();
        assert_eq!(text(&path), "three\n");
        assert_eq!(std::fs::metadata(dir.join("log.1")).unwrap().len(), MOST as u64 + 1);
        assert_eq!(open(&dir.join("none/log")).unwrap_err(), Errno::NOENT);
        std::fs::remove_dir_all(dir).unwrap();
    }

    /// Whoever comes late to a full generation moves nothing: not the new one that has begun.
    #[test]
    fn a_generation_that_has_begun_is_not_moved_over_the_full_one() {
        let (dir, path) = place("rotations");
        std::fs::write(&path, "full\n").unwrap();
        let of = || open(&path).unwrap().0;
        let (first, late, locked) = (of(), of(), of());
        rustix::fs::flock(&locked, FlockOperation::LockExclusive).unwrap();
        assert_eq!(rotate(&path, &first), Ok(false));
        assert_eq!(text(&path), "full\n");
        drop(locked);
        assert_eq!(rotate(&path, &first), Ok(true));
        std::fs::write(&path, "begun\n").unwrap();
        drop(first);
        assert_eq!(rotate(&path, &late), Ok(true));
        assert_eq!((text(&path), text(&dir.join("log.1"))), ("begun\n".into(), "full\n".into()));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
