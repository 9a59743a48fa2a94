//! Deleting a directory tree that somebody else may have filled: by descriptors, never a path.

use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::io;
use std::io::ErrorKind::{NotFound, PermissionDenied};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Directories held open at one time; deeper ones are moved up first.
const MAX_DEPTH: usize = 64;

/// Removes `name` in `parent`: a file, a link, or a directory with all that is in it.
///
/// Symbolic links are removed, never followed. A directory without permissions (overlay's
/// `work/work` has mode 000) is opened up first. Nothing there is not an error.
pub fn remove(parent: impl AsFd, name: &str) -> io::Result<()> {
    let parent = parent.as_fd();
    let name = CString::new(name)?;
    match fs::unlinkat(parent, &name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(e) => return Err(e.into()),
    }
    let Some(top) = open_dir(parent, &name)? else { return Ok(()) };
    let mut moved = 0u64;
    loop {
        let again = empty(top.as_fd(), top.as_fd(), 0, &mut moved)?;
        if !again {
            break;
        }
    }
    drop(top);
    gone(fs::unlinkat(parent, &name, AtFlags::REMOVEDIR))
}

/// Empties `dir`; true when something was moved up into `top` and is still to be removed.
fn empty(
    dir: BorrowedFd<'_>,
    top: BorrowedFd<'_>,
    depth: usize,
    moved: &mut u64,
) -> io::Result<bool> {
    let mut left = false;
    for (name, kind) in entries(dir)? {
        if kind != FileType::Directory {
            match fs::unlinkat(dir, &name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => continue,
                // d_type may be unknown on odd file systems.
                Err(Errno::ISDIR | Errno::PERM) if kind == FileType::Unknown => {}
                Err(e) => return Err(e.into()),
            }
        }
        if fs::unlinkat(dir, &name, AtFlags::REMOVEDIR).is_ok() {
            continue;
        }
        if depth >= MAX_DEPTH {
            // A container can nest deeper than a process may hold descriptors.
            let _ = fs::chmodat(dir, &name, Mode::RWXU, AtFlags::empty());
            fs::renameat(dir, &name, top, format!(".bolt-deep-{moved}"))?;
            *moved += 1;
            left = true;
            continue;
        }
        if let Some(child) = open_dir(dir, &name)? {
            left |= empty(child.as_fd(), top, depth + 1, moved)?;
            drop(child);
            gone(fs::unlinkat(dir, &name, AtFlags::REMOVEDIR))?;
        }
    }
    Ok(left)
}

fn entries(dir: BorrowedFd<'_>) -> io::Result<Vec<(CString, FileType)>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            found.push((name.to_owned(), entry.file_type()));
        }
    }
    Ok(found)
}

fn open_dir(parent: BorrowedFd<'_>, name: &CStr) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match fs::openat(parent, name, flags, Mode::empty()) {
        Ok(fd) => {
            // Entries cannot be unlinked from a directory that its owner may not write.
            let stat = fs::fstat(&fd)?;
            if stat.st_mode & 0o300 != 0o300 {
                let _ = fs::fchmod(&fd, Mode::RWXU);
            }
            Ok(Some(fd))
        }
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::ACCESS) => {
            fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty())?;
            Ok(Some(fs::openat(parent, name, flags, Mode::empty())?))
        }
        Err(e) => Err(e.into()),
    }
}

fn gone(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Bytes of all regular files below `path`, as stat(2) tells them; directories that may not be
/// read count as empty. 0 when there is nothing.
pub fn size(path: &Path) -> io::Result<u64> {
    let mut total = 0;
    let mut waiting = vec![path.to_owned()];
    while let Some(dir) = waiting.pop() {
        let entries = match std::fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(e) if matches!(e.kind(), NotFound | PermissionDenied) => continue,
            Err(e) => return Err(e),
        };
        for entry in entries {
            let entry = entry?;
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => waiting.push(entry.path()),
                Ok(meta) if meta.is_file() => total += meta.len(),
                Err(e) if e.kind() != NotFound => return Err(e),
                _ => {}
            }
        }
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn removes_files_links_and_closed_directories() {
        let dir = Scratch::new("tree");
        let outside = dir.path().join("outside");
        std::fs::create_dir_all(outside.join("kept")).unwrap();
        let tree = dir.path().join("tree");
        std::fs::create_dir_all(tree.join("a/b/c")).unwrap();
        std::fs::write(tree.join("a/file"), b"x").unwrap();
        symlink(&outside, tree.join("a/link")).unwrap();
        let closed = tree.join("work/work");
        std::fs::create_dir_all(closed.join("inner")).unwrap();
        std::fs::set_permissions(&closed, PermissionsExt::from_mode(0)).unwrap();
        remove(dir.fd(), "tree").unwrap();
        assert!(!tree.exists());
        assert!(outside.join("kept").exists(), "links are not followed");
        remove(dir.fd(), "tree").unwrap();
    }

    #[test]
    fn removes_trees_deeper_than_the_descriptor_limit() {
        let dir = Scratch::new("deep");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        std::fs::create_dir(dir.path().join("tree")).unwrap();
        let mut at = fs::openat(dir.fd(), "tree", flags, Mode::empty()).unwrap();
        for _ in 0..2000 {
            fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            at = fs::openat(&at, "d", flags, Mode::empty()).unwrap();
        }
        drop(at);
        remove(dir.fd(), "tree").unwrap();
        assert!(!dir.path().join("tree").exists());
    }
}
