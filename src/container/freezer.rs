//! The freezer of a container's control group (cgroup-v2.rst, "cgroup.freeze";
//! cgroup-v1/freezer-subsystem.rst). What it says is read from the kernel each time: no record
//! can differ from it, and a container whose supervisor was killed while it was paused is thawed
//! like any other.

use super::state::Recorded;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long processes may take to stand still: one in an uninterruptible sleep does not.
const PATIENCE: Duration = Duration::from_secs(5);

/// The file that freezes and thaws one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freezer {
    file: PathBuf,
    words: Words,
}

/// What a version of cgroups calls its states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Words {
    name: &'static str,
    freeze: &'static str,
    thaw: &'static str,
}

const V2: Words = Words { name: "cgroup.freeze", freeze: "1", thaw: "0" };
const V1: Words = Words { name: "freezer.state", freeze: "FROZEN", thaw: "THAWED" };

impl Freezer {
    /// That of the container with this record; `None`: it has no control group with one.
    pub fn of(recorded: &Recorded) -> Option<Freezer> {
        let groups = recorded.cgroup.iter().map(Path::new);
        groups
            .flat_map(|dir| [V2, V1].map(|words| Freezer { file: dir.join(words.name), words }))
            .find(|freezer| freezer.file.exists())
    }

    /// Whether it was told to freeze and not to thaw since. A group that is gone is not frozen.
    pub fn is_frozen(&self) -> bool {
        // In v1 FREEZING is the way there, on which new processes may keep it for a while.
        fs::read_to_string(&self.file).is_ok_and(|text| text.trim() != self.words.thaw)
    }

    /// Freezes all processes and waits until they stand still; else thaws them again.
    ///
    /// Errors: what the kernel says; [`io::ErrorKind::TimedOut`] when one does not stand still.
    pub fn freeze(&self) -> io::Result<()> {
        let end = Instant::now() + PATIENCE;
        self.write(self.words.freeze)?;
        while !self.stands_still()? {
            if Instant::now() >= end {
                self.thaw()?;
                return Err(io::ErrorKind::TimedOut.into());
            }
            std::thread::sleep(Duration::from_millis(1));
            if self.words == V1 {
                // A process that forked meanwhile is taken in by another write alone.
                self.write(self.words.freeze)?;
            }
        }
        Ok(())
    }

    /// Lets all processes go on.
    pub fn thaw(&self) -> io::Result<()> {
        self.write(self.words.thaw)
    }

    fn stands_still(&self) -> io::Result<bool> {
        if self.words == V1 {
            return Ok(fs::read_to_string(&self.file)?.trim() == V1.freeze);
        }
        let events = fs::read_to_string(self.file.with_file_name("cgroup.events"))?;
        Ok(events.lines().any(|line| line == "frozen 1"))
    }

    /// One write(2) that never makes a file.
    fn write(&self, word: &str) -> io::Result<()> {
        OpenOptions::new().write(true).open(&self.file)?.write_all(word.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    fn group(scratch: &Scratch, files: &[(&str, &str)]) -> Recorded {
        for (name, text) in files {
            fs::write(scratch.path().join(name), text).unwrap();
        }
        let none = scratch.path().join("gone").display().to_string();
        Recorded { cgroup: vec![none, scratch.path().display().to_string()], ..Recorded::default() }
    }

    #[test]
    fn both_versions_are_found_by_their_file() {
        let scratch = Scratch::new("freezer");
        assert_eq!(Freezer::of(&group(&scratch, &[])), None);
        let v1 = Freezer::of(&group(&scratch, &[("freezer.state", "THAWED\n")])).unwrap();
        assert!(!v1.is_frozen());
        v1.freeze().unwrap();
        assert!(v1.is_frozen());
        v1.thaw().unwrap();
        assert!(!v1.is_frozen());
        fs::write(&v1.file, "FREEZING\n").unwrap();
        assert!(v1.is_frozen());
        let files = [("cgroup.freeze", "0\n"), ("cgroup.events", "populated 1\nfrozen 1\n")];
        let v2 = Freezer::of(&group(&scratch, &files)).unwrap();
        assert_eq!(v2.words, V2);
        v2.freeze().unwrap();
        assert!(v2.is_frozen());
        fs::remove_file(&v2.file).unwrap();
        assert!(!v2.is_frozen() && v2.freeze().is_err());
    }

    #[test]
    fn what_does_not_stand_still_is_thawed() {
        let scratch = Scratch::new("freezer");
        let files = [("cgroup.freeze", "0\n"), ("cgroup.events", "populated 1\nfrozen 0\n")];
        let freezer = Freezer::of(&group(&scratch, &files)).unwrap();
        assert_eq!(freezer.freeze().unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(!freezer.is_frozen());
    }
}
