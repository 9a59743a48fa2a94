//! What the checks of a payload have shown, and `health.json`, written by hand as `state.json`.
//! Runs in M.

use crate::log::timestamp;
use crate::state;
use bolt_shim::launch::Health;
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::os::fd::OwnedFd;

/// Name in the container's directory.
const FILE: &str = "health.json";
/// Checks that are remembered.
const KEPT: usize = 5;
/// Bytes of a check's output that are.
pub(crate) const OUTPUT: usize = 500;

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
        while self.checks.len() >= KEPT {
            self.checks.pop_front();
        }
        self.checks.push_back(check);
    }

    /// Replaces the file in `dir`.
    pub(crate) fn write(&self, dir: &OwnedFd) -> Result<(), rustix::io::Errno> {
        state::replace(dir, FILE, "health.json.new", &self.text()).map(drop)
    }

    fn text(&self) -> String {
        let mut text = String::with_capacity(256);
        let (status, streak) = (self.status.word(), self.streak);
        let _ = write!(
            text,
            "{{\"version\":1,\"run\":{},\"status\":\"{status}\",\"streak\":{streak},\"log\":[",
            self.run
        );
        for (n, check) in self.checks.iter().enumerate() {
            let comma = if n > 0 { "," } else { "" };
            let (start, end) = (timestamp(check.start), timestamp(check.end));
            let _ = write!(
                text,
                "{comma}{{\"Start\":\"{start}\",\"End\":\"{end}\",\"ExitCode\":{},\"Output\":",
                check.code
            );
            state::quote(&mut text, &String::from_utf8_lossy(&check.output));
            text.push('}');
        }
        text.push_str("]}\n");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bolt_shim::launch::{Groups, OnFailure, Process};

    fn health() -> Health {
        let process = Process {
            args: Vec::new(),
            env: Vec::new(),
            cwd: "/".into(),
            make_cwd: false,
            user: String::new(),
            groups: Groups::Keep,
            passwd_entry: None,
            caps: 0,
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
        let on_failure = OnFailure::None;
        Health { process, interval: 0, timeout: 0, start_period: 0, retries: 2, on_failure }
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
        assert_eq!(record.checks.len(), KEPT);
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
