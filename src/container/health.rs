//! Health checks: what was decided at creation, and what the supervisor's checks have shown.

use super::state::{Recorded, Status};
use super::time;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Name of the file in the container's directory.
pub const HEALTH: &str = "health.json";

/// `--health-…`, or an image's HEALTHCHECK. Times in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `CMD` and argv, or `CMD-SHELL` and one line (docker's image configuration).
    pub test: Vec<String>,
    /// From the end of a check to the next; 0: only when asked for.
    pub interval: u64,
    /// When a check is killed.
    pub timeout: u64,
    /// After the start, in which failures do not count.
    pub start_period: u64,
    /// So many failures in a row make the container unhealthy.
    pub retries: u32,
    /// `none`, `kill`, `restart` or `stop`.
    pub on_failure: String,
    /// `--health-startup-…`: what is checked first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup: Option<Startup>,
    /// `--health-log-destination` and its like.
    #[serde(default, skip_serializing_if = "HealthLog::is_default")]
    pub log: HealthLog,
}

/// The check of a container that is not up yet. Times in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Startup {
    /// As [`Health::test`].
    pub test: Vec<String>,
    /// From the end of a check to the next; 0: only when asked for.
    pub interval: u64,
    /// When a check is killed.
    pub timeout: u64,
    /// After so many failures the container is started anew; 0: never.
    pub retries: u32,
    /// After so many successes the regular checks begin; 0 is 1.
    pub success: u32,
}

/// What is kept of checks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthLog {
    /// `local`, `events_logger`, or the absolute path of a directory.
    pub destination: String,
    /// How many checks; 0: as many as have room in 2 MiB.
    pub max_count: u32,
    /// Bytes of the output of each; 0: all, up to [`LONGEST_OUTPUT`].
    pub max_size: u32,
}

/// What a check may have written at most to be kept whole, in bytes: the supervisor holds it in
/// memory.
pub const LONGEST_OUTPUT: u32 = 1 << 20;

impl Default for HealthLog {
    /// podman's.
    fn default() -> Self {
        HealthLog { destination: "local".into(), max_count: 5, max_size: 500 }
    }
}

impl HealthLog {
    fn is_default(&self) -> bool {
        *self == HealthLog::default()
    }
}

impl Health {
    /// The command of a check.
    pub fn args(&self) -> Vec<String> {
        args(&self.test)
    }

    /// As docker and podman write it; what is 0 is left out.
    pub fn shown(&self) -> Value {
        shown(
            &self.test,
            &[
                ("StartPeriod", self.start_period),
                ("Interval", self.interval),
                ("Timeout", self.timeout),
                ("Retries", self.retries.into()),
            ],
        )
    }
}

impl Startup {
    /// The command of a check.
    pub fn args(&self) -> Vec<String> {
        args(&self.test)
    }

    /// As podman writes it; what is 0 is left out.
    pub fn shown(&self) -> Value {
        shown(
            &self.test,
            &[
                ("Interval", self.interval),
                ("Timeout", self.timeout),
                ("Retries", self.retries.into()),
                ("Successes", self.success.into()),
            ],
        )
    }
}

fn args(test: &[String]) -> Vec<String> {
    match test.split_first() {
        Some((kind, line)) if kind == "CMD-SHELL" => {
            vec!["/bin/sh".to_owned(), "-c".to_owned(), line.join(" ")]
        }
        Some((_, args)) => args.to_vec(),
        None => Vec::new(),
    }
}

fn shown(test: &[String], numbers: &[(&str, u64)]) -> Value {
    let mut value = json!({ "Test": test });
    for (key, number) in numbers.iter().filter(|(_, number)| *number > 0) {
        value[*key] = json!(number);
    }
    value
}

/// `health.json` as the supervisor writes it (by hand: no JSON library lives there).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Checks {
    /// Start of the run that it is about, nanoseconds since 1970.
    pub run: i64,
    /// `starting`, `healthy` or `unhealthy`.
    pub status: String,
    /// Failures in a row.
    pub streak: u32,
    /// The last ones.
    pub log: Vec<Check>,
}

/// One check, with podman's keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Check {
    /// RFC 3339.
    pub start: String,
    /// RFC 3339.
    pub end: String,
    /// Its exit code; -1: killed at its time-out.
    pub exit_code: i32,
    /// The beginning of what it wrote.
    pub output: String,
}

impl Checks {
    /// What `text`, the file where there is one, says about the last run of a container whose
    /// health is checked. A file about an earlier run says nothing: nothing is known yet.
    pub fn of(text: Option<&[u8]>, status: Status, recorded: &Recorded) -> Checks {
        let read = text.and_then(|text| serde_json::from_slice::<Checks>(text).ok());
        match read {
            Some(checks) if checks.run == recorded.started => checks,
            _ if matches!(status, Status::Created) => Checks::default(),
            _ => Checks { status: "starting".into(), ..Checks::default() },
        }
    }

    /// As `inspect` shows it, times in the local zone.
    pub fn shown(&self) -> Value {
        let local = |text: &String| match time::parse_rfc3339(text) {
            Some(at) => time::rfc3339(at),
            None => text.clone(),
        };
        let log = |check: &Check| Check {
            start: local(&check.start),
            end: local(&check.end),
            ..check.clone()
        };
        let log: Vec<Check> = self.log.iter().map(log).collect();
        let log = if log.is_empty() { Value::Null } else { json!(log) };
        json!({ "Status": self.status, "FailingStreak": self.streak, "Log": log })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_for_its_own_run_only() {
        let text = br#"{"version":1,"run":5,"status":"healthy","streak":0,"log":[
            {"Start":"2026-01-01T00:00:00.5Z","End":"x","ExitCode":3,"Output":"o"}]}"#;
        let at = |started| Recorded { started, ..Recorded::default() };
        let checks = Checks::of(Some(text), Status::Running, &at(5));
        assert_eq!((checks.status.as_str(), checks.log[0].exit_code), ("healthy", 3));
        assert_eq!(Checks::of(Some(text), Status::Running, &at(6)).status, "starting");
        assert_eq!(Checks::of(Some(&text[..30]), Status::Running, &at(5)).status, "starting");
        assert_eq!(Checks::of(None, Status::Created, &at(0)).status, "");
        assert_eq!(checks.shown()["Log"][0]["Output"], "o");
        assert_eq!(Checks::default().shown()["Log"], Value::Null);
    }

    #[test]
    fn a_line_goes_to_the_shell_and_words_do_not() {
        let health = |test: &[&str]| Health {
            test: test.iter().map(|w| (*w).to_owned()).collect(),
            interval: 30,
            timeout: 0,
            start_period: 0,
            retries: 3,
            on_failure: "none".into(),
            startup: None,
            log: HealthLog::default(),
        };
        assert_eq!(health(&["CMD-SHELL", "a | b"]).args(), ["/bin/sh", "-c", "a | b"]);
        assert_eq!(health(&["CMD-SHELL", "a", "b"]).args(), ["/bin/sh", "-c", "a b"]);
        assert_eq!(health(&["CMD", "a", "b"]).args(), ["a", "b"]);
        let shown = health(&["CMD", "a"]).shown();
        assert_eq!(shown, json!({ "Test": ["CMD", "a"], "Interval": 30, "Retries": 3 }));
    }
}
