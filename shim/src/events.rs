//! Lines in the log of events that only the supervisor can write: `bolt` may be gone by then.
//! By hand, as state.json. Runs in M.

use crate::{log, state};
use bolt_shim::launch::Launch;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use std::fmt::Write as _;
use std::os::fd::OwnedFd;

/// A generation ends with the event that makes it larger, in bytes.
const MOST: i64 = 4 << 20;

/// What became of the container.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    /// One word: `start`.
    Plain(&'static str),
    /// `died`: exit code, and whether the out-of-memory killer was there.
    Died(u8, bool),
    /// A program of an exec ended.
    ExecDied(u8),
    /// Its health was checked, and is now this.
    Health(&'static str),
}

/// Appends them by one write(2), where events are wanted: lines of several writers never mix.
/// An event that cannot be written is lost.
#[inline(never)]
pub(crate) fn write(launch: &Launch, name: &str, events: &[Event]) {
    let Some(log) = &launch.monitor.events else { return };
    let mut text = String::with_capacity(512);
    let time = log::timestamp(state::now());
    for event in events {
        let (status, code, oom) = match *event {
            Event::Plain(status) => (status, None, None),
            Event::Died(code, oom) => ("died", Some(code), Some(oom)),
            Event::ExecDied(code) => ("exec_died", Some(code), None),
            Event::Health(_) => ("health_status", None, None),
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
        if let Event::Health(health) = event {
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
    // `bolt` asks for a lock besides; should both do it at once, one generation is lost.
    if stat.st_size > MOST && rustix::fs::lstat(path)?.st_ino == stat.st_ino {
        rustix::fs::rename(path, format!("{path}.1"))?;
        file = open(path)?;
    }
    rustix::io::write(&file, text).map(drop)
}

fn open(path: &str) -> Result<OwnedFd, Errno> {
    let flags =
        OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
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
        std::fs::remove_dir_all(dir).unwrap();
    }
}
