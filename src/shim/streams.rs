//! Where a payload's output goes besides its supervisor: into the streams of this process, or into
//! the journal. Both are looked at before anything is made for a start.

use super::service::dial;
use crate::container::log_driver::LogDriver;
use crate::hint::Hint;
use anyhow::{Context, anyhow, bail};
use bolt_shim::launch::JOURNAL;
use rustix::fs::FileType;
use std::ffi::OsStr;
use std::io::{stderr, stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};

/// Whether a container with this driver can be started by this process.
pub fn check(driver: LogDriver) -> anyhow::Result<()> {
    match driver {
        LogDriver::Passthrough | LogDriver::PassthroughTty => check_own(driver),
        LogDriver::Journald => match dial(OsStr::new(JOURNAL)) {
            Ok(_) => Ok(()),
            Err(why) => Err(anyhow!(why).context(Hint::new(
                format!("the journal does not answer at {JOURNAL}"),
                "start systemd-journald, or use --log-driver k8s-file",
            ))),
        },
        LogDriver::K8sFile | LogDriver::JsonFile | LogDriver::None => Ok(()),
    }
}

fn check_own(driver: LogDriver) -> anyhow::Result<()> {
    for (name, stream) in own()? {
        if driver == LogDriver::Passthrough && rustix::termios::isatty(&stream) {
            bail!(
                "{name} is a terminal, and --log-driver passthrough gives none to a container; \
                 redirect it, or use passthrough-tty"
            );
        }
        let stat = rustix::fs::fstat(&stream).with_context(|| name)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        // From a directory the program would reach all of the host's files.
        if matches!(kind, FileType::Directory | FileType::BlockDevice) {
            bail!(
                "{name} is a {}, which is not passed to a container; redirect it",
                if kind == FileType::Directory { "directory" } else { "block device" }
            );
        }
    }
    Ok(())
}

/// Those that go to the supervisor with the plan, in their order.
pub(super) fn given(driver: LogDriver) -> anyhow::Result<Vec<OwnedFd>> {
    match driver.is_passthrough() {
        true => Ok(own()?.into_iter().map(|(_, stream)| stream).collect()),
        false => Ok(Vec::new()),
    }
}

fn own() -> anyhow::Result<[(&'static str, OwnedFd); 3]> {
    Ok([
        ("standard input", stdin().as_fd().try_clone_to_owned().context("standard input")?),
        ("standard output", stdout().as_fd().try_clone_to_owned().context("standard output")?),
        ("standard error", stderr().as_fd().try_clone_to_owned().context("standard error")?),
    ])
}
