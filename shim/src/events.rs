//! Lines in the log of events that only the supervisor can write: `bolt` may be gone by then.
//! By hand, as state.json. Runs in M.

use crate::health::Check;
use crate::{log, state};
use bolt_shim::eventlog;
use bolt_shim::launch::Launch;
use rustix::fs::Mode;
use rustix::io::Errno;
use std::fmt::Write as _;
use std::path::Path;

/// What became of the container.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event<'a> {
    /// One word: `start`.
    Plain(&'static str),
    /// `died`: exit code, and whether the out-of-memory killer was there.
    Died(u8, bool),
    /// A program of an exec ended.
    ExecDied(u8),
    /// A check is over: what it led to, and itself where that is wanted.
    Health(&'static str, Option<&'a Check>),
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
            Event::Health(word, check) => ("health_status", None, None, Some((word, check))),
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
        if let Some((word, check)) = health {
            let _ = write!(text, "\"health_status\":\"{word}\",");
            check.into_iter().for_each(|check| tell_check(&mut text, check));
        }
        let _ = writeln!(text, "\"Attributes\":{}}}", log.attributes);
    }
    let _ = append(Path::new(&log.path), text.as_bytes());
}

/// Bytes of a check's output in an event: all containers share the log, and a byte may be seven
/// there.
const TOLD: usize = 16 << 10;

/// As podman has it: JSON in a string.
fn tell_check(text: &mut String, check: &Check) {
    let mut own = String::new();
    check.tell_within(&mut own, TOLD);
    text.push_str("\"health_log\":");
    state::quote(text, &own);
    text.push(',');
}

fn append(path: &Path, text: &[u8]) -> Result<(), Errno> {
    let (file, _) = match eventlog::open(path) {
        Err(Errno::NOENT) => {
            let _ = rustix::fs::mkdir(path.parent().unwrap_or(path), Mode::RWXU);
            eventlog::open(path)?
        }
        other => other?,
    };
    rustix::io::write(&file, text).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_made_where_there_is_none() {
        let dir = std::env::temp_dir().join(format!("bolt-events-{}", std::process::id()));
        let path = dir.join("log");
        append(&path, b"one\n").unwrap();
        append(&path, b"two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
