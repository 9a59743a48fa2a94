//! Volumes that are filled with what the image has at their target, whole or not at all. Runs in M.
//!
//! ```text
//! volumes/<name>/filling     there while the content is incomplete, whoever was killed meanwhile
//! volumes/<name>             locked (flock(2)) by the M whose I fills it
//! ```
//! The lock and the mark lie beside the data, where no container sees them. What was cut off is
//! copied once more by the next start; what else lies in the volume by then is left alone.

use crate::at::{At, Res, failure};
use crate::event_loop::Supervisor;
use crate::step::binds;
use crate::step::root::identity;
use bolt_shim::launch::{FileId, Launch, MountKind};
use bolt_shim::report::Step;
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// Its name in a volume's directory.
const MARK: &str = "filling";
/// Milliseconds between two looks at a volume that another container fills.
const LOOK: i64 = 10;

/// One volume of the plan that has to be filled.
#[derive(Debug)]
struct Fill {
    /// Path of its data.
    source: String,
    /// Its directory, locked.
    dir: OwnedFd,
}

/// The volumes of one start that are empty, or that a start before left incomplete.
#[derive(Debug, Default)]
pub(crate) struct Fills(Vec<Fill>);

impl Fills {
    /// Marks and locks them. Waits for those that another container fills at the moment.
    pub(crate) fn begin(launch: &Launch, supervisor: &mut Supervisor) -> Res<Fills> {
        let mut fills = Fills::default();
        for mount in &launch.mounts {
            if let MountKind::Bind { source, stat, copy_up: true, .. } = &mount.what
                && !fills.has(source)
            {
                fills.0.extend(begin(source, *stat, supervisor)?);
            }
        }
        Ok(fills)
    }

    /// Whether any is to be filled.
    pub(crate) fn any(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether that one is.
    pub(crate) fn has(&self, source: &str) -> bool {
        self.0.iter().any(|fill| fill.source == source)
    }

    /// I has copied everything, and the payload does not run yet: they are complete. On the disk
    /// too, before the mark goes: without it nobody would copy again what a power cut has taken.
    pub(crate) fn end(&mut self) -> Res<()> {
        for fill in self.0.drain(..) {
            rustix::fs::syncfs(&fill.dir).at(Step::Mount, &fill.source)?;
            rustix::fs::unlinkat(&fill.dir, MARK, AtFlags::empty())
                .at(Step::Mount, &fill.source)?;
            // I has the same lock: it does not fall with our descriptor.
            rustix::fs::flock(&fill.dir, FlockOperation::Unlock).at(Step::Mount, &fill.source)?;
        }
        Ok(())
    }
}

fn begin(source: &str, stat: FileId, supervisor: &mut Supervisor) -> Res<Option<Fill>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let data = rustix::fs::openat(CWD, source, flags, Mode::empty()).at(Step::Mount, source)?;
    if identity(&data).at(Step::Mount, source)? != stat {
        return Err(failure(Step::Mount, source, libc::ESTALE));
    }
    let (place, _) = source.rsplit_once('/').unwrap_or((".", source));
    let dir = rustix::fs::openat(CWD, place, flags, Mode::empty()).at(Step::Mount, source)?;
    if is_complete(&dir, &data).at(Step::Mount, source)? {
        return Ok(None);
    }
    loop {
        match rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => break,
            Err(Errno::WOULDBLOCK) => supervisor.await_start(None, Some(LOOK))?,
            Err(e) => return Err(failure(Step::Mount, source, e.raw_os_error())),
        }
    }
    if is_complete(&dir, &data).at(Step::Mount, source)? {
        return Ok(None);
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(0o600);
    rustix::fs::openat(&dir, MARK, flags, mode).at(Step::Mount, source)?;
    // On the disk before the first file is.
    rustix::fs::fsync(&dir).at(Step::Mount, source)?;
    Ok(Some(Fill { source: source.to_owned(), dir }))
}

/// In this order: one that is being filled has its mark for as long as it is incomplete.
fn is_complete(dir: &OwnedFd, data: &OwnedFd) -> Result<bool, Errno> {
    if binds::is_empty(data)? {
        return Ok(false);
    }
    match rustix::fs::statat(dir, MARK, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(true),
        other => other.map(|_| false),
    }
}
