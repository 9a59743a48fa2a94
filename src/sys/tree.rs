//! Removing whole directory trees beneath a descriptor, however deep or hostile they are.

use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, RawDir, RenameFlags, ResolveFlags};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Descriptors held at once. Deeper directories are first moved up to the top of the tree.
const MAX_HELD: usize = 48;
/// How often a directory that does not become empty is read again.
const MAX_ROUNDS: u32 = 16;
const READ_BUFFER: usize = 32 * 1024;

/// One directory on the way down.
struct Level {
    fd: OwnedFd,
    /// Its name in the level above.
    name: CString,
    /// Entries read and not yet removed.
    pending: Vec<(CString, FileType)>,
    rounds: u32,
}

/// Removes `name` in `parent` with everything below it; `Ok` when it is not there.
///
/// Nothing outside is touched: no symbolic link is followed and no mount point is crossed
/// (EXDEV then). Directories of mode 000 are opened up first. Depth costs neither stack nor
/// descriptors. Errors: those of openat2(2), unlinkat(2), getdents64(2).
pub fn remove_tree(parent: impl AsFd, name: &str) -> io::Result<()> {
    let name = CString::new(name).map_err(|_| io::Error::from(Errno::INVAL))?;
    remove_tree_c(parent, &name)
}

/// [`remove_tree`] for names that are not UTF-8.
pub fn remove_tree_c(parent: impl AsFd, name: &CStr) -> io::Result<()> {
    let parent = parent.as_fd();
    let name = name.to_owned();
    match fs::unlinkat(parent, &name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(e) => return Err(e.into()),
    }
    match fs::unlinkat(parent, &name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTEMPTY | Errno::EXIST | Errno::ACCESS) => {}
        Err(e) => return Err(e.into()),
    }
    let Some(level) = open_level(parent, name)? else { return Ok(()) };
    let mut stack = vec![level];
    let mut buffer = vec![MaybeUninit::uninit(); READ_BUFFER];
    let mut moved: u64 = 0;
    while let Some(top) = stack.last_mut() {
        match top.pending.pop() {
            Some((child, kind)) => {
                if let Some(level) = remove_entry(&top.fd, child, kind)? {
                    push_level(&mut stack, level, &mut moved)?;
                }
            }
            None => {
                top.pending = read_batch(&top.fd, &mut buffer)?;
                if top.pending.is_empty() {
                    finish_level(&mut stack, parent)?;
                }
            }
        }
    }
    Ok(())
}

/// Removes one entry, or opens it when it is a directory with something in it.
fn remove_entry(dir: &OwnedFd, name: CString, kind: FileType) -> io::Result<Option<Level>> {
    if kind != FileType::Directory {
        match unlink(dir, &name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(None),
            // The type was unknown to the file system, or the entry was changed just now.
            Err(Errno::ISDIR | Errno::PERM) => {}
            Err(e) => return Err(e.into()),
        }
    }
    match unlink(dir, &name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(None),
        Err(Errno::NOTEMPTY | Errno::EXIST) => open_level(dir.as_fd(), name),
        Err(e) => Err(e.into()),
    }
}

/// unlinkat that gives itself write permission on the directory when that is all it lacks.
fn unlink(dir: &OwnedFd, name: &CStr, flags: AtFlags) -> Result<(), Errno> {
    match fs::unlinkat(dir, name, flags) {
        Err(Errno::ACCESS) => {
            fs::fchmod(dir, Mode::RWXU)?;
            fs::unlinkat(dir, name, flags)
        }
        other => other,
    }
}

/// Puts `level` on the stack; when that is full, moves its directory to the top of the tree
/// instead, where it is found later.
fn push_level(stack: &mut Vec<Level>, level: Level, moved: &mut u64) -> io::Result<()> {
    if stack.len() < MAX_HELD {
        stack.push(level);
        return Ok(());
    }
    // Moving a directory rewrites its `..`: that needs write permission on itself.
    let _ = fs::fchmod(&level.fd, Mode::RWXU);
    let Some(from) = stack.last() else { return Ok(()) };
    let target = loop {
        *moved += 1;
        let target = CString::new(format!(".moved-{moved}")).unwrap_or_default();
        let top = &stack[0].fd;
        match fs::renameat_with(&from.fd, &level.name, top, &target, RenameFlags::NOREPLACE) {
            Ok(()) => break target,
            Err(Errno::EXIST) => {}
            Err(Errno::NOENT) => return Ok(()),
            Err(e) => return Err(e.into()),
        }
    };
    stack[0].pending.push((target, FileType::Directory));
    Ok(())
}

/// Takes the emptied directory off the stack and removes it.
fn finish_level(stack: &mut Vec<Level>, parent: BorrowedFd<'_>) -> io::Result<()> {
    let Some(mut done) = stack.pop() else { return Ok(()) };
    let result = match stack.last() {
        Some(above) => unlink(&above.fd, &done.name, AtFlags::REMOVEDIR),
        None => fs::unlinkat(parent, &done.name, AtFlags::REMOVEDIR),
    };
    match result {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        // getdents may skip entries while others are removed: read again from the start.
        Err(Errno::NOTEMPTY | Errno::EXIST) if done.rounds < MAX_ROUNDS => {
            done.rounds += 1;
            fs::seek(&done.fd, fs::SeekFrom::Start(0))?;
            stack.push(done);
            Ok(())
        }
        Err(e) => Err(e.into()),
    }
}

/// `None`: another process that removes the same tree was quicker.
fn open_level(parent: BorrowedFd<'_>, name: CString) -> io::Result<Option<Level>> {
    let open = || match open_dir(parent, &name, OFlags::RDONLY) {
        Err(Errno::ACCESS) => {
            let path = open_dir(parent, &name, OFlags::PATH)?;
            // fchmod(2) refuses an O_PATH descriptor; its link in /proc names the same inode.
            fs::chmod(format!("/proc/self/fd/{}", path.as_raw_fd()), Mode::RWXU)?;
            open_dir(parent, &name, OFlags::RDONLY)
        }
        other => other,
    };
    match open() {
        Ok(fd) => Ok(Some(Level { fd, name, pending: Vec::new(), rounds: 0 })),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn open_dir(parent: BorrowedFd<'_>, name: &CStr, access: OFlags) -> Result<OwnedFd, Errno> {
    let flags = access | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    loop {
        match fs::openat2(parent, name, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
}

/// The entries of one getdents64(2) call, without `.` and `..`.
fn read_batch(
    dir: &OwnedFd,
    buffer: &mut [MaybeUninit<u8>],
) -> io::Result<Vec<(CString, FileType)>> {
    let mut found = Vec::new();
    let mut reader = RawDir::new(dir, buffer);
    while let Some(entry) = reader.next() {
        let entry = match entry {
            // The directory itself is gone.
            Err(Errno::NOENT) => break,
            other => other?,
        };
        let name = entry.file_name();
        if name != c"." && name != c".." {
            found.push((name.to_owned(), entry.file_type()));
        }
        if reader.is_buffer_empty() && !found.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// Bytes of all regular files below `path`, as stat(2) tells them; directories that may not be
/// read count as empty. 0 when there is nothing.
pub fn size(path: &std::path::Path) -> io::Result<u64> {
    use io::ErrorKind::{NotFound, PermissionDenied};
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
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    fn scratch(name: &str) -> (PathBuf, OwnedFd) {
        let path = std::env::temp_dir().join(format!("bolt-tree-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        let fd = fs::open(&path, OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
        (path, fd)
    }

    #[test]
    fn removes_files_links_and_closed_directories() {
        let (path, fd) = scratch("plain");
        let outside = path.join("outside");
        std::fs::create_dir_all(path.join("t/a/b")).unwrap();
        std::fs::create_dir_all(&outside).unwrap();
        std::fs::write(outside.join("kept"), "x").unwrap();
        std::fs::write(path.join("t/a/b/f"), "x").unwrap();
        symlink(&outside, path.join("t/a/link")).unwrap();
        for closed in ["t/a/b", "t/a"] {
            let mode = std::fs::Permissions::from_mode(0o000);
            std::fs::set_permissions(path.join(closed), mode).unwrap();
        }
        remove_tree(&fd, "t").unwrap();
        remove_tree(&fd, "t").unwrap();
        assert!(!path.join("t").exists());
        assert!(outside.join("kept").exists());
        std::fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn a_tree_deeper_than_path_max_is_removed() {
        let (path, fd) = scratch("deep");
        fs::mkdirat(&fd, "t", Mode::RWXU).unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut at = fs::openat(&fd, "t", flags, Mode::empty()).unwrap();
        for _ in 0..5000 {
            fs::mkdirat(&at, "dddd", Mode::RWXU).unwrap();
            at = fs::openat(&at, "dddd", flags, Mode::empty()).unwrap();
        }
        drop(at);
        remove_tree(&fd, "t").unwrap();
        assert!(!path.join("t").exists());
        std::fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn many_may_remove_one_tree_at_once() {
        let (path, fd) = scratch("at-once");
        for _ in 0..10 {
            for n in 0..40 {
                std::fs::create_dir_all(path.join(format!("t/{n}/a/b"))).unwrap();
                std::fs::write(path.join(format!("t/{n}/a/f")), "").unwrap();
            }
            std::thread::scope(|scope| {
                for each in [0; 4].map(|_| scope.spawn(|| remove_tree(&fd, "t"))) {
                    each.join().unwrap().unwrap();
                }
            });
            assert!(!path.join("t").exists());
        }
        std::fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn a_wide_directory_is_removed() {
        let (path, fd) = scratch("wide");
        std::fs::create_dir(path.join("t")).unwrap();
        for n in 0..3000 {
            std::fs::write(path.join(format!("t/a-rather-long-file-name-{n}")), "").unwrap();
        }
        remove_tree(&fd, "t").unwrap();
        assert!(!path.join("t").exists());
        std::fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn a_mount_point_below_is_not_emptied() {
        use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
        let (path, fd) = scratch("mount");
        std::fs::create_dir_all(path.join("t/m")).unwrap();
        if mount("none", path.join("t/m"), "tmpfs", MountFlags::empty(), None).is_err() {
            println!("skipped: mounting needs root");
            return;
        }
        std::fs::write(path.join("t/m/kept"), "x").unwrap();
        let error = remove_tree(&fd, "t").unwrap_err();
        assert!(matches!(error.raw_os_error(), Some(libc::EXDEV | libc::EBUSY)), "{error}");
        assert!(path.join("t/m/kept").exists());
        unmount(path.join("t/m"), UnmountFlags::DETACH).unwrap();
        remove_tree(&fd, "t").unwrap();
        std::fs::remove_dir_all(&path).unwrap();
    }
}
