//! Lines in the log of events that only the supervisor can write: `bolt` may be gone by then.
//! By hand, as state.json. Runs in M.

use crate::{log, state};
use bolt_shim::launch::Launch;
use rustix::fs::{CWD, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fmt::Write as _;
use std::os::fd::OwnedFd;

/// A generation ends with the event that makes it larger, in bytes.
const MOST: i64 = 4 << 20;

/// What became of the container.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event<'a> {
    /// One word: `start`.
    Plain(&'static str),
    /// `died`: exit code, and whether the out-of-memory killer was there.
    Died(u8, bool),
    /// A program of an exec ended.
    ExecDied(u8),
    /// A check is over: what it led to.
    Health(&'static str),
    /// A volume of the container's own was removed with it: its name.
    VolumeRemoved(&'a str),
}

/// Appends them by one write(2), where events are wanted: lines of several writers never mix.
/// An event that cannot be written is lost.
#[inline(never)]
pub(crate) fn write(launch: &Launch, name: &str, events: &[Event<'_>]) {
    let Some(log) = &launch.monitor.events else { return };
    let mut text = String::with_capacity(512);
    let time = log::timestamp(state::now());
    for event in events {
        let (status, code, oom, health) = match *event {
            Event::Plain(status) => (status, None, None, None),
            Event::Died(code, oom) => ("died", Some(code), Some(oom), None),
            Event::ExecDied(code) => ("exec_died", Some(code), None, None),
            Event::Health(word) => ("health_status", None, None, Some(word)),
            Event::VolumeRemoved(volume) => {
                let _ = writeln!(
                    text,
                    "{{\"Name\":\"{volume}\",\"Status\":\"remove\",\"Time\":\"{time}\",\"Type\":\"volume\",\"Attributes\":null}}"
                );
                continue;
            }
        };
        text.push('{');
        if let Some(code) = code {
            let _ = write!(text, "\"ContainerExitCode\":{code},");
        }
        // A name has no character that JSON would escape.
        let _ =
            write!(text, "\"ID\":\"{}\",\"Image\":{},\"Name\":\"{name}\",", launch.id, log.image);
        if let Some(oom) = oom {
            let _ = write!(text, "\"OOMKilled\":{oom},");
        }
        let _ = write!(text, "\"Status\":\"{status}\",\"Time\":\"{time}\",\"Type\":\"container\",");
        if let Some(health) = health {
            let _ = write!(text, "\"health_status\":\"{health}\",");
        }
        let _ = writeln!(text, "\"Attributes\":{}}}", log.attributes);
    }
    let _ = append(&log.path, text.as_bytes());
}

fn append(path: &str, text: &[u8]) -> Result<(), Errno> {
    let mut file = match open(path) {
        Err(Errno::NOENT) => {
            let dir = path.rsplit_once('/').map_or("/", |(dir, _)| dir);
            let _ = rustix::fs::mkdir(dir, Mode::RWXU);
            open(path)?
        }
        other => other?,
    };
    let stat = rustix::fs::fstat(&file)?;
    if stat.st_size > MOST && rotate(path, &file)? {
        file = open(path)?;
    }
    rustix::io::write(&file, text).map(drop)
}

/// Moves a full generation away, by the rule that `bolt` keeps too (`container/events.rs`): with
/// its lock, and only while it is the file of that name. False: somebody else is at it.
#[inline(never)]
fn rotate(path: &str, full: &OwnedFd) -> Result<bool, Errno> {
    match rustix::fs::flock(full, FlockOperation::NonBlockingLockExclusive) {
        Err(Errno::WOULDBLOCK) => return Ok(false),
        other => other?,
    }
    let (ours, named) = (rustix::fs::fstat(full)?, rustix::fs::lstat(path));
    if named.is_ok_and(|named| (named.st_ino, named.st_dev) == (ours.st_ino, ours.st_dev)) {
        rustix::fs::rename(path, format!("{path}.1"))?;
    }
    Ok(true)
}

fn open(path: &str) -> Result<OwnedFd, Errno> {
    // Not to be held up by a pipe of that name.
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::CLOEXEC
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK;
    rustix::fs::openat(CWD, path, flags, Mode::RUSR | Mode::WUSR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_gives_way_to_the_next() {
        let dir = std::env::temp_dir().join(format!("bolt-events-{}", std::process::id()));
        let path = dir.join("log");
        let path = path.to_str().unwrap();
        append(path, b"one\n").unwrap();
        append(path, b"two\n").unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "one\ntwo\n");
        std::fs::File::options().write(true).open(path).unwrap().set_len(MOST as u64 + 1).unwrap();
        append(path, b"three\n").unwrap();
        assert_eq!(std::fs::read_to_string(path).unwrap(), "three\n");
        assert_eq!(std::fs::metadata(format!("{path}.1")).unwrap().len(), MOST as u64 + 1);
        // Whoever still holds the older one leaves the newer alone, and its lock is respected.
        let older = OwnedFd::from(std::fs::File::open(format!("{path}.1")).unwrap());
        assert_eq!(rotate(path, &older), Ok(true));
        assert_eq!(std::fs::read_to_string(path).unwrap(), "three\n");
        let newer = OwnedFd::from(std::fs::File::open(path).unwrap());
        let other = OwnedFd::from(std::fs::File::open(path).unwrap());
        rustix::fs::flock(&other, FlockOperation::LockExclusive).unwrap();
        assert_eq!(rotate(path, &newer), Ok(false));
        drop(other);
        assert_eq!(rotate(path, &newer), Ok(true));
        assert_eq!(std::fs::read_to_string(format!("{path}.1")).unwrap(), "three\n");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
