//! How many bytes a directory tree takes on the disk.

use crate::sys::beneath::open_no_links;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, statat};
use rustix::io::Errno;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Allocated bytes (`st_blocks`) of everything below `dir`; a file with several names counts
/// once. No link is followed. What vanishes meanwhile, or cannot be entered, counts nothing.
///
/// To be called inside P for trees of containers. Errors: those of reading a directory.
pub fn bytes(dir: impl AsFd) -> io::Result<u64> {
    let mut total = 0;
    let mut seen = HashSet::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(path) = pending.pop() {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let fd = match open_no_links(dir.as_fd(), &path, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(e) if is_passed_over(&e) => continue,
            Err(e) => return Err(e),
        };
        for entry in Dir::read_from(&fd)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let Ok(stat) = statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if stat.st_nlink > 1
                && FileType::from_raw_mode(stat.st_mode) != FileType::Directory
                && !seen.insert((stat.st_dev, stat.st_ino))
            {
                continue;
            }
            total += u64::try_from(stat.st_blocks).unwrap_or(0) * 512;
            if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
                pending.push(path.join(OsStr::from_bytes(name.to_bytes())));
            }
        }
    }
    Ok(total)
}

fn is_passed_over(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS | Errno::LOOP | Errno::NAMETOOLONG)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn hard_links_count_once_and_links_are_not_followed() {
        let scratch = Scratch::new("usage");
        let dir = std::fs::File::open(scratch.path()).unwrap();
        assert_eq!(bytes(&dir).unwrap(), 0);
        let sub = scratch.path().join("sub");
        std::fs::create_dir(&sub).unwrap();
        std::fs::write(sub.join("a"), vec![1; 100_000]).unwrap();
        let one = bytes(&dir).unwrap();
        assert!((100_000..200_000).contains(&one), "{one}");
        std::fs::hard_link(sub.join("a"), scratch.path().join("b")).unwrap();
        std::os::unix::fs::symlink("/usr", sub.join("usr")).unwrap();
        assert!(bytes(&dir).unwrap() - one < 10_000);
    }
}
