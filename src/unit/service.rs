//! The text of a unit: a pure function of what it is to run.

use super::escape::{self, BadWord, LONGEST_LINE, argument, path, value};
use std::fmt::Write as _;
use std::path::Path;

/// Seconds that systemd waits beyond the container's own stop time-out (podman's).
const GRACE: u32 = 60;

/// One unit that runs one container.
#[derive(Debug, Clone, Default)]
pub struct Service<'a> {
    /// What it is, in words.
    pub description: String,
    /// Absolute path of `bolt`.
    pub program: &'a str,
    /// Where containers and images lie.
    pub data: &'a str,
    /// `Wants=`, `After=` and `Requires=` beyond the network.
    pub wants: &'a [String],
    /// The same.
    pub after: &'a [String],
    /// The same.
    pub requires: &'a [String],
    /// `KEY=value` for `bolt` itself.
    pub environment: Vec<String>,
    /// `Restart=`.
    pub restart: &'a str,
    /// `RestartSec=`.
    pub restart_sec: Option<u32>,
    /// `TimeoutStartSec=`; `None`: systemd's own.
    pub start_timeout: Option<u32>,
    /// Seconds between the container's stop signal and SIGKILL.
    pub stop_timeout: u32,
    /// The signal's number: who ends by it ends well.
    pub stop_signal: i32,
    /// Working directory, where relative paths were typed.
    pub directory: Option<&'a str>,
    /// Arguments of `bolt`. Words in which `%` is a specifier are [`Word::Specifier`].
    pub start: Vec<Word>,
    /// The same, for the stop.
    pub stop: Vec<Word>,
    /// The same, after the end.
    pub cleanup: Vec<Word>,
    /// A file with the container's id, which is removed before a start.
    pub cidfile: Option<&'a str>,
}

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// A word of others: quoted.
    Plain(String),
    /// A word of ours, as it is.
    Specifier(String),
}

impl From<&str> for Word {
    fn from(text: &str) -> Self {
        Word::Plain(text.to_owned())
    }
}

impl Service<'_> {
    /// The unit without header.
    pub fn text(&self) -> Result<String, BadWord> {
        let mut text = String::from("[Unit]\n");
        // A value, not a list: spaces and quotes are what they are.
        let _ = writeln!(text, "Description={}", self.description.replace('%', "%%"));
        text.push_str("Documentation=man:bolt-generate-systemd(1)\n");
        text.push_str("Wants=network-online.target\nAfter=network-online.target\n");
        let lists = [("Wants", self.wants), ("After", self.after), ("Requires", self.requires)];
        for (key, names) in lists {
            if !names.is_empty() {
                let _ = writeln!(text, "{key}={}", names.join(" "));
            }
        }
        let _ = writeln!(text, "RequiresMountsFor={}", value(self.data)?);
        text.push_str("\n[Service]\n");
        for pair in &self.environment {
            let _ = writeln!(text, "Environment={}", value(pair)?);
        }
        let _ = writeln!(text, "Restart={}", self.restart);
        if let Some(seconds) = self.restart_sec {
            let _ = writeln!(text, "RestartSec={seconds}");
        }
        if let Some(seconds) = self.start_timeout {
            let _ = writeln!(text, "TimeoutStartSec={seconds}");
        }
        let _ = writeln!(text, "TimeoutStopSec={}", self.stop_timeout.saturating_add(GRACE));
        if let Some(dir) = self.directory {
            let _ = writeln!(text, "WorkingDirectory={}", path(dir)?);
        }
        if let Some(file) = self.cidfile {
            let _ = writeln!(text, "ExecStartPre=/bin/rm -f {file}");
        }
        for (key, words) in
            [("ExecStart", &self.start), ("ExecStop", &self.stop), ("ExecStopPost", &self.cleanup)]
        {
            let _ = writeln!(text, "{key}={}", line(self.program, words)?);
        }
        let _ = write!(
            text,
            "Type=notify\nNotifyAccess=all\nKillMode=mixed\nDelegate=yes\n\
             SuccessExitStatus={}\nSyslogIdentifier=%N\n\n[Install]\nWantedBy=default.target\n",
            128 + self.stop_signal
        );
        checked(text)
    }
}

/// The unit that starts containers after a boot as their restart policies want it.
pub fn boot(program: &str, data: &Path, environment: &[String]) -> Result<String, BadWord> {
    let mut text = String::from(
        "[Unit]\nDescription=Start the Bolt containers whose restart policy says so\n\
         Documentation=man:bolt-generate-systemd(1)\n\
         Wants=network-online.target\nAfter=network-online.target\n",
    );
    let _ = writeln!(text, "RequiresMountsFor={}", value(&data.display().to_string())?);
    text.push_str("\n[Service]\nType=oneshot\nRemainAfterExit=yes\nDelegate=yes\n");
    for pair in environment {
        let _ = writeln!(text, "Environment={}", value(pair)?);
    }
    let start = ["start", "--all", "--cgroups=split", "--filter", "should-start-on-boot=true"];
    let words: Vec<Word> = start.into_iter().map(Word::from).collect();
    // "-": where the start of one fails, systemd would end all others with the unit.
    let _ = writeln!(text, "ExecStart=-{}", line(program, &words)?);
    // A stop by this unit is one by signal, after which the policy still holds.
    text.push_str("TimeoutStopSec=70\n\n[Install]\nWantedBy=default.target\n");
    checked(text)
}

/// Refuses a unit with a line that is too long: systemd reads nothing of it then.
fn checked(text: String) -> Result<String, BadWord> {
    // As systemd puts a line and those that continue it together.
    let whole = text.replace("\\\n", " ");
    match whole.lines().find(|line| line.len() >= LONGEST_LINE) {
        Some(line) => {
            let key = line.split('=').next().unwrap_or_default().to_owned();
            Err(BadWord::Line { key, length: line.len() })
        }
        None => Ok(text),
    }
}

/// A command line; flags on lines of their own.
fn line(program: &str, words: &[Word]) -> Result<String, BadWord> {
    let mut text = escape::program(program)?;
    for word in words {
        let (shown, breaks) = match word {
            Word::Plain(word) => (argument(word)?, word.starts_with("--")),
            Word::Specifier(word) => (word.clone(), word.starts_with("--")),
        };
        text.push_str(if breaks { " \\\n\t" } else { " " });
        text.push_str(&shown);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_its_place() {
        let wants = ["a.service".to_owned(), "b.target".to_owned()];
        let service = Service {
            description: "Bolt container 100%".into(),
            program: "/opt/my $bolt/bolt",
            data: "/home/a b",
            wants: &wants,
            environment: vec!["A=1 $x".into()],
            restart: "on-failure",
            restart_sec: Some(5),
            start_timeout: Some(900),
            stop_timeout: 10,
            stop_signal: 15,
            start: vec!["run".into(), Word::Specifier("--cidfile=%t/%n".into()), "$a".into()],
            cidfile: Some("%t/%n.ctr-id"),
            ..Service::default()
        };
        let text = service.text().unwrap();
        for part in [
            "Description=Bolt container 100%%\n",
            "Wants=network-online.target\nAfter=network-online.target\nWants=a.service b.target\n",
            "RequiresMountsFor=\"/home/a b\"\n",
            "Environment=\"A=1 $x\"\nRestart=on-failure\nRestartSec=5\nTimeoutStartSec=900\n",
            "TimeoutStopSec=70\nExecStartPre=/bin/rm -f %t/%n.ctr-id\n",
            "ExecStart=\"/opt/my $bolt/bolt\" run \\\n\t--cidfile=%t/%n $$a\n",
            "SuccessExitStatus=143\n",
        ] {
            assert!(text.contains(part), "{part}\nis not in\n{text}");
        }
        assert!(!text.contains("Requires=") && !text.contains("WorkingDirectory="));
    }

    #[test]
    fn a_line_that_systemd_does_not_read_is_refused() {
        let unit = |bytes: usize| {
            let start =
                ["run".into(), Word::Plain("--env=A".into()), Word::Plain("x".repeat(bytes))];
            Service { program: "/bolt", start: start.into(), ..Service::default() }.text()
        };
        assert!(unit(LONGEST_LINE - 100).is_ok());
        match unit(LONGEST_LINE - 20).unwrap_err() {
            BadWord::Line { key, length } => {
                assert_eq!(key, "ExecStart");
                assert!((LONGEST_LINE..LONGEST_LINE + 40).contains(&length), "{length}");
            }
            other => panic!("{other}"),
        }
        let environment = vec![format!("A={}", "x".repeat(LONGEST_LINE))];
        let error = Service { environment, ..Service::default() }.text().unwrap_err().to_string();
        assert!(error.starts_with("Environment= of the unit would have 1048"), "{error}");
    }
}
