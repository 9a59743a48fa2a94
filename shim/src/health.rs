//! What the checks of a payload have shown, and `health.json`, written by hand as `state.json`.
//! Runs in M.

use crate::log::timestamp;
use crate::outside::Outside;
use crate::state;
use bolt_shim::launch::{Health, Startup};
use rustix::fs::Mode;
use rustix::io::Errno;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::os::fd::OwnedFd;

/// Name in the container's directory.
const FILE: &str = "health.json";
/// What all checks that are kept may hold, in bytes: they stay in memory, and `bolt` reads no file
/// of 16 MiB or more, which is what that much of control characters makes as JSON.
const MOST: usize = 2 << 20;
/// Of that each check takes so much besides its output.
const EACH: usize = 128;

/// What is known of the payload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Status {
    /// Nothing yet.
    #[default]
    Starting,
    /// The last check succeeded, or too few have failed since.
    Healthy,
    /// Too many in a row have failed.
    Unhealthy,
}

impl Status {
    /// As it is written everywhere.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Status::Starting => "starting",
            Status::Healthy => "healthy",
            Status::Unhealthy => "unhealthy",
        }
    }
}

/// One check.
#[derive(Debug)]
pub(crate) struct Check {
    /// Nanoseconds since 1970.
    pub(crate) start: i64,
    /// Nanoseconds since 1970.
    pub(crate) end: i64,
    /// Its exit code; -1: it was killed at its time-out.
    pub(crate) code: i32,
    /// The beginning of what it wrote.
    pub(crate) output: Vec<u8>,
}

impl Check {
    /// Appends it as JSON, with podman's keys.
    pub(crate) fn tell(&self, text: &mut String) {
        self.tell_within(text, usize::MAX);
    }

    /// The same with at most `most` bytes of its output.
    pub(crate) fn tell_within(&self, text: &mut String, most: usize) {
        let output = &self.output[..self.output.len().min(most)];
        let (start, end) = (timestamp(self.start), timestamp(self.end));
        let _ = write!(
            text,
            "{{\"Start\":\"{start}\",\"End\":\"{end}\",\"ExitCode\":{},\"Output\":",
            self.code
        );
        state::quote(text, &String::from_utf8_lossy(output));
        text.push('}');
    }
}

/// The startup checks of one run, until they are over.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trial {
    good: u32,
    bad: u32,
}

/// Where a startup check led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// To another one.
    Again,
    /// The payload is up.
    Up,
    /// It will never be: it is to be started anew.
    Anew,
}

impl Trial {
    /// Takes in a check that ended with this code. Successes and failures need not come in a row.
    pub(crate) fn add(&mut self, startup: &Startup, code: i32) -> Verdict {
        let (count, most) = match code {
            0 => (&mut self.good, startup.success.max(1)),
            _ => (&mut self.bad, startup.retries),
        };
        *count = count.saturating_add(1);
        match code {
            _ if most == 0 || *count < most => Verdict::Again,
            0 => Verdict::Up,
            _ => Verdict::Anew,
        }
    }
}

/// The checks of one run of the payload.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// When the run started, nanoseconds since 1970: whoever reads the file knows by it that it
    /// is not about an earlier run.
    run: i64,
    /// Where they led.
    pub(crate) status: Status,
    streak: u32,
    checks: VecDeque<Check>,
    /// What they hold, in bytes.
    size: usize,
}

impl Record {
    /// Of a run that started then, nanoseconds since 1970.
    pub(crate) fn of(run: i64) -> Self {
        Record { run, ..Record::default() }
    }

    /// Takes in a check; `counts`: a failure is one (the start period is over).
    pub(crate) fn add(&mut self, health: &Health, check: Check, counts: bool) {
        if check.code == 0 {
            self.status = Status::Healthy;
            self.streak = 0;
        } else if counts {
            self.streak = self.streak.saturating_add(1);
            if self.streak >= health.retries {
                self.status = Status::Unhealthy;
            }
        }
        self.keep(health, check);
    }

    /// Takes in a check that is no measure of the payload's health.
    pub(crate) fn keep(&mut self, health: &Health, check: Check) {
        let most = usize::try_from(health.log.checks).unwrap_or(0);
        let size = |check: &Check| check.output.len() + EACH;
        self.size += size(&check);
        self.checks.push_back(check);
        while (most > 0 && self.checks.len() > most) || self.size > MOST {
            let Some(oldest) = self.checks.pop_front() else { return };
            self.size -= size(&oldest);
        }
    }

    /// The check that was taken in last.
    pub(crate) fn last(&self) -> Option<&Check> {
        self.checks.back()
    }

    /// Replaces the file in `dir`.
    pub(crate) fn write(&self, dir: &OwnedFd) -> Result<(), Errno> {
        state::replace(dir, FILE, "health.json.new", &self.text(), state::MODE).map(drop)
    }

    /// Replaces a file elsewhere, with podman's keys. What a check says is for its owner alone.
    pub(crate) fn write_to(&self, file: &Outside) -> Result<(), Errno> {
        let Outside { dir, name } = file;
        let mut text = String::with_capacity(256);
        let (status, streak) = (self.status.word(), self.streak);
        let _ = write!(text, "{{\"Status\":\"{status}\",\"FailingStreak\":{streak},\"Log\":[");
        self.list(&mut text);
        let mode = Mode::RUSR | Mode::WUSR;
        state::replace(dir, name, &format!("{name}.new"), &text, mode).map(drop)
    }

    fn text(&self) -> String {
        let mut text = String::with_capacity(256);
        let (status, streak) = (self.status.word(), self.streak);
        let _ = write!(
            text,
            "{{\"version\":1,\"run\":{},\"status\":\"{status}\",\"streak\":{streak},\"log\":[",
            self.run
        );
        self.list(&mut text);
        text
    }

    /// The checks, and the end of the text.
    fn list(&self, text: &mut String) {
        for (n, check) in self.checks.iter().enumerate() {
            if n > 0 {
                text.push(',');
            }
            check.tell(text);
        }
        text.push_str("]}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bolt_shim::launch::{Groups, HealthLog, HealthLogTo, OnFailure, Process};
    use std::os::unix::fs::PermissionsExt;

    fn health() -> Health {
        let process = Process {
            args: Vec::new(),
            env: Vec::new(),
            cwd: "/".into(),
            make_cwd: false,
            user: String::new(),
            groups: Groups::Keep,
            caps: 0,
            ambient: 0,
            no_new_privs: false,
            seccomp: Vec::new(),
            rlimits: Vec::new(),
            umask: 0,
            tty: None,
            stdin: false,
            oom_score_adj: None,
            passed: 0,
            listens: false,
        };
        Health {
            process,
            interval: 0,
            timeout: 0,
            start_period: 0,
            retries: 2,
            on_failure: OnFailure::None,
            startup: None,
            log: HealthLog { checks: 5, output: 500, to: HealthLogTo::Local },
        }
    }

    fn check(code: i32) -> Check {
        Check { start: 1, end: 2, code, output: b"say \"\xff\"\n".to_vec() }
    }

    #[test]
    fn failures_in_a_row_count_and_a_success_forgives_them() {
        let (health, mut record) = (health(), Record::default());
        let steps = [
            (1, false, Status::Starting),
            (1, true, Status::Starting),
            (0, true, Status::Healthy),
            (1, true, Status::Healthy),
            (-1, true, Status::Unhealthy),
            (0, true, Status::Healthy),
        ];
        for (n, (code, counts, want)) in steps.into_iter().enumerate() {
            record.add(&health, check(code), counts);
            assert_eq!(record.status, want, "step {n}");
        }
        assert_eq!(record.checks.len(), 5);
    }

    #[test]
    fn a_startup_check_counts_successes_and_failures_each() {
        use Verdict::{Again, Anew, Up};
        for (retries, success, steps) in [
            (0, 0, &[(1, Again), (1, Again), (0, Up)][..]),
            (2, 2, &[(0, Again), (1, Again), (0, Up)]),
            (2, 3, &[(-1, Again), (0, Again), (1, Anew)]),
        ] {
            let startup = Startup { args: Vec::new(), interval: 0, timeout: 0, retries, success };
            let mut trial = Trial::default();
            for (n, (code, want)) in steps.iter().enumerate() {
                assert_eq!(trial.add(&startup, *code), *want, "{retries} {success}: step {n}");
            }
        }
    }

    #[test]
    fn as_many_checks_are_kept_as_are_wanted() {
        for (most, want) in [(2, 2), (0, 9)] {
            let (mut health, mut record) = (health(), Record::default());
            health.log.checks = most;
            (0..9).for_each(|code| record.add(&health, check(code), true));
            assert_eq!((record.checks.len(), record.last().unwrap().code), (want, 8));
        }
        let (mut health, mut record) = (health(), Record::default());
        health.log.checks = 0;
        for code in 0..9 {
            record.add(&health, Check { output: vec![1; 1 << 20], ..check(code) }, true);
        }
        assert_eq!((record.checks.len(), record.last().unwrap().code), (1, 8));
        assert!(record.text().len() < 8 << 20);
    }

    #[test]
    fn a_file_elsewhere_has_podmans_keys() {
        let path = std::env::temp_dir().join(format!("bolt-health-{}", std::process::id()));
        let mut record = Record::default();
        record.add(&health(), check(1), true);
        record.write_to(&Outside::open(path.to_str().unwrap()).unwrap()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("{\"Status\":\"starting\",\"FailingStreak\":1,\"Log\":[{\"Start\":")
        );
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_file(path).unwrap();
        assert_eq!(Outside::open("/nosuch/file").unwrap_err(), Errno::NOENT);
    }

    #[test]
    fn nothing_that_a_payload_puts_in_the_way_is_waited_for_or_followed() {
        let path = std::env::temp_dir().join(format!("bolt-health-way-{}", std::process::id()));
        let (sub, victim) = (path.join("sub"), path.join("victim"));
        std::fs::create_dir_all(&sub).unwrap();
        std::fs::create_dir_all(&victim).unwrap();
        let file = Outside::open(sub.join("file").to_str().unwrap()).unwrap();
        std::fs::rename(&sub, path.join("old")).unwrap();
        std::os::unix::fs::symlink("victim", &sub).unwrap();
        let fifo = rustix::fs::FileType::Fifo;
        let temp = path.join("old/file.new");
        rustix::fs::mknodat(rustix::fs::CWD, &temp, fifo, 0o600.into(), 0).unwrap();
        let (told, done) = std::sync::mpsc::channel();
        std::thread::spawn(move || told.send(Record::default().write_to(&file)));
        let done = done.recv_timeout(std::time::Duration::from_secs(20));
        assert_eq!(done.expect("it waits for a reader of the pipe"), Ok(()));
        assert_eq!(std::fs::read_dir(&victim).unwrap().count(), 0);
        assert!(std::fs::metadata(path.join("old/file")).unwrap().is_file() && !temp.exists());
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn the_file_is_json_whatever_a_check_says() {
        let mut record = Record::of(7);
        record.add(&health(), check(3), true);
        let text = record.text();
        assert!(text.starts_with("{\"version\":1,\"run\":7,\"status\":\"starting\",\"streak\":1,"));
        let output = "\"ExitCode\":3,\"Output\":\"say \\\"\u{fffd}\\\"\\u000a\"}]}\n";
        assert!(text.ends_with(output), "{text}");
    }
}
