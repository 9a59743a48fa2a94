//! How each setting ended, and the report of all.

use super::{Named, Refusal};
use crate::sys::{atomic, descriptor};
use rustix::fs::{Mode, OFlags};
use serde::Serialize;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The format of the report.
const VERSION: u32 = 1;

/// How a setting ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It holds; the kernel or the service was asked.
    Applied,
    /// The system, or the value, does not allow it.
    Denied,
    /// What it needs is not on this machine.
    Skipped,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    setting: String,
    value: Option<String>,
    state: State,
    why: Option<String>,
}

impl Outcome {
    /// A setting that could not even be read.
    pub fn unread(flag: &str, why: &str) -> Outcome {
        let named = Named { flag: flag.to_owned(), value: None };
        Outcome::new(named, Err(Refusal::Denied(why.to_owned())))
    }

    pub(super) fn new(named: Named, result: Result<(), Refusal>) -> Outcome {
        let (state, why) = match result {
            Ok(()) => (State::Applied, None),
            Err(Refusal::Denied(why)) => (State::Denied, Some(why)),
            Err(Refusal::Skipped(why)) => (State::Skipped, Some(why)),
        };
        Outcome { setting: named.flag, value: named.value, state, why }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.setting)?;
        if let Some(value) = &self.value {
            write!(f, " {value}")?;
        }
        let state = match self.state {
            State::Applied => "applied",
            State::Denied => "denied",
            State::Skipped => "skipped",
        };
        write!(f, ": {state}")?;
        self.why.iter().try_for_each(|why| write!(f, ": {why}"))
    }
}

/// All of them, in the order they were applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    version: u32,
    /// This process, which becomes the game.
    pid: u32,
    /// The process that undoes; null when there is nothing to undo.
    watcher: Option<u32>,
    settings: Vec<Outcome>,
}

impl Report {
    pub(super) fn new(watcher: Option<u32>, settings: Vec<Outcome>) -> Report {
        Report { version: VERSION, pid: std::process::id(), watcher, settings }
    }

    /// Those that do not hold.
    pub fn failed(&self) -> impl Iterator<Item = &Outcome> {
        self.settings.iter().filter(|outcome| outcome.state != State::Applied)
    }
}

/// Where the report goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A file, replaced in one step.
    File(PathBuf),
    /// A descriptor, closed behind the report.
    Descriptor(i32),
}

impl Target {
    /// A number is a descriptor, anything else a file.
    pub fn parse(word: &OsString) -> Target {
        match word.to_str().and_then(|text| text.parse().ok()) {
            Some(number) => Target::Descriptor(number),
            None => Target::File(word.into()),
        }
    }

    pub(super) fn write(&self, report: &Report) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(report)?;
        bytes.push(b'\n');
        match self {
            Target::Descriptor(number) => descriptor::write_and_close(*number, &bytes),
            Target::File(path) if is_channel(path) => {
                let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
                let mut file = File::options().append(true).custom_flags(flags).open(path)?;
                file.write_all(&bytes)
            }
            Target::File(path) => {
                // A link stays, and leads to the new report.
                let path = path.canonicalize().unwrap_or_else(|_| path.clone());
                let name = path.file_name().and_then(|name| name.to_str());
                let name = name.ok_or(io::ErrorKind::InvalidFilename)?;
                let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty());
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let dir = rustix::fs::open(parent.unwrap_or(Path::new(".")), flags, Mode::empty())?;
                atomic::write(&dir, name, &bytes, atomic::Sync::Fast)
            }
        }
    }
}

/// A pipe, a terminal, a device, and `/dev/stderr` whatever that leads to: written to, never
/// replaced.
fn is_channel(path: &Path) -> bool {
    ["/dev", "/proc"].iter().any(|dir| path.starts_with(dir))
        || path.metadata().is_ok_and(|data| !data.is_file())
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::File(path) => path.display().fmt(f),
            Target::Descriptor(number) => number.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_one_line_of_json() {
        let scratch = crate::sys::scratch::Scratch::new("report");
        let named = Named { flag: "--nice".into(), value: Some("-5".into()) };
        let outcomes = vec![
            Outcome::new(named, Err(Refusal::Denied("no".into()))),
            Outcome::new(Named { flag: "--gamemode".into(), value: None }, Ok(())),
        ];
        assert_eq!(outcomes[0].to_string(), "--nice -5: denied: no");
        let report = Report::new(None, outcomes);
        assert_eq!(report.failed().count(), 1);
        let path = scratch.path().join("r.json");
        Target::parse(&path.clone().into()).write(&report).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with(
            "\"watcher\":null,\"settings\":[{\"setting\":\"--nice\",\"value\":\"-5\",\"state\":\
             \"denied\",\"why\":\"no\"},{\"setting\":\"--gamemode\",\"value\":null,\"state\":\
             \"applied\",\"why\":null}]}\n"
        ));
        let link = scratch.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        Target::parse(&link.clone().into()).write(&report).unwrap();
        assert!(link.is_symlink() && std::fs::read_to_string(&path).unwrap() == text);
        assert!(is_channel(Path::new("/dev/stderr")) && !is_channel(&path));
        let pipe = scratch.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
        // Nobody reads it: said, and not waited for.
        assert!(Target::parse(&pipe.clone().into()).write(&report).is_err());
        assert!(is_channel(&pipe));
        assert_eq!(Target::parse(&"7".into()), Target::Descriptor(7));
        assert!(Target::Descriptor(1).write(&report).is_err());
        assert!(Target::Descriptor(9999).write(&report).is_err());
    }
}
