//! Files that are there whole or not at all: temp + fsync + rename in one directory.

use rustix::fs::{self, AtFlags, Mode, OFlags};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// Whether the bytes must survive a power cut, or only a crash of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// fsync of the file before, and of the directory after the rename.
    Durable,
    /// No fsync: after a power cut the old or an empty file may be found.
    Fast,
}

/// Replaces `name` in `dir` by `bytes`, in one step for every reader. Mode 0644 less umask.
///
/// On error the old file is untouched and the temporary one removed.
pub fn write(dir: impl AsFd, name: &str, bytes: &[u8], sync: Sync) -> io::Result<()> {
    write_mode(dir, name, bytes, sync, 0o644)
}

/// [`write`] with the file mode of the new file.
pub fn write_mode(
    dir: impl AsFd,
    name: &str,
    bytes: &[u8],
    sync: Sync,
    mode: u32,
) -> io::Result<()> {
    let dir = dir.as_fd();
    let temp = temp_name(name);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let fd: OwnedFd = fs::openat(dir, &temp, flags, Mode::from_raw_mode(mode))?;
    let result = (|| {
        let mut file = File::from(fd);
        file.write_all(bytes)?;
        if sync == Sync::Durable {
            file.sync_all()?;
        }
        fs::renameat(dir, &temp, dir, name)?;
        if sync == Sync::Durable {
            fs::fsync(dir)?;
        }
        Ok(())
    })();
    if result.is_err() {
        let _ = fs::unlinkat(dir, &temp, AtFlags::empty());
    }
    result
}

/// A name beside `name` that no other process or thread uses: `.NAME.PID.N.tmp`.
pub fn temp_name(name: &str) -> String {
    let n = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!(".{name}.{}.{n}.tmp", std::process::id())
}
