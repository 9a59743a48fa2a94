//! Where the value of a new secret comes from.

use crate::container::secret::MOST;
use crate::settings;
use anyhow::{Context, bail, ensure};
use bolt_shim::secret::Secret;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};

/// Seconds for which a pipe waits for somebody who writes to it.
const PATIENCE: i64 = 10;

/// The bytes of a file, or of standard input (`-`).
pub(super) fn read(source: &str) -> anyhow::Result<Secret> {
    if source == "-" {
        let input = std::io::stdin();
        ensure!(
            !input.is_terminal(),
            "standard input is a terminal, which would show the value; pipe it in, or name a file"
        );
        return whole(input.lock()).context("read standard input");
    }
    let about = || format!("read {source}");
    // A pipe that nobody writes to must not be waited for in open(2).
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags).open(source).with_context(about)?;
    let kind = file.metadata().with_context(about)?.file_type();
    if kind.is_dir() {
        bail!("{source} is a directory; name a file");
    }
    if kind.is_fifo() {
        let limit = Timespec { tv_sec: PATIENCE, tv_nsec: 0 };
        let ready = poll(&mut [PollFd::new(&file, PollFlags::IN)], Some(&limit));
        let ready = ready.map_err(std::io::Error::from).with_context(about)?;
        ensure!(ready > 0, "{source} is a pipe that nobody writes to; name a file");
    }
    rustix::io::ioctl_fionbio(&file, false).map_err(std::io::Error::from).with_context(about)?;
    whole(file).with_context(about)
}

/// One byte more than a secret can have is enough to refuse it.
fn whole(from: impl Read) -> std::io::Result<Secret> {
    // At once: a buffer that grows leaves copies of the value behind.
    let mut bytes = Vec::with_capacity(MOST + 1);
    from.take(MOST as u64).read_to_end(&mut bytes)?;
    Ok(Secret::new(bytes))
}

/// The value of a variable of the caller's.
pub(super) fn variable(name: &str) -> anyhow::Result<Secret> {
    let value = settings::raw_variable(name)
        .with_context(|| format!("environment variable {name} is not set"))?;
    Ok(Secret::new(value.into_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn files_and_pipes_are_read_whole_and_nothing_without_an_end() {
        let scratch = Scratch::new("secret-input");
        let path = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("file"), b"a\0\xff\n").unwrap();
        assert_eq!(read(&path("file")).unwrap().bytes(), b"a\0\xff\n");
        assert_eq!(read("/dev/zero").unwrap().bytes().len(), MOST);
        let said = |source: &str| format!("{:#}", read(source).unwrap_err());
        assert!(said(&path("none")).contains("No such file"));
        assert!(said(scratch.path().to_str().unwrap()).contains("is a directory"));
        let pipe = path("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &*pipe, 0o600.into()).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(std::time::Duration::from_millis(50));
                std::fs::write(&pipe, "late").unwrap();
            });
            assert_eq!(read(&pipe).unwrap().bytes(), b"late");
        });
        assert_eq!(
            format!("{:#}", variable("BOLT_NO_SUCH").unwrap_err()),
            "environment variable BOLT_NO_SUCH is not set"
        );
    }
}
