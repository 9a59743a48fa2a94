//! Flags of `run` and `create` about health checks, and what they and the image mean together.

use crate::container::health::{Health, HealthLog, LONGEST_OUTPUT, Startup};
use crate::container::time;
use crate::image::types::Healthcheck;
use anyhow::{Context, bail, ensure};

const SECOND: u64 = 1_000_000_000;
/// podman's defaults.
const INTERVAL: u64 = 30 * SECOND;
const TIMEOUT: u64 = 30 * SECOND;
const RETRIES: u32 = 3;

/// podman-run(1), `--health-…`.
#[derive(Debug, Default, clap::Args)]
pub struct HealthArgs {
    /// Command that tells whether the container is healthy: a line for /bin/sh -c, a JSON array, or CMD WORDS; none disables the image's
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    pub health_cmd: Option<String>,
    /// Time from one check to the next, or disable [default: 30s]
    #[arg(long, value_name = "TIME")]
    pub health_interval: Option<String>,
    /// Time after which a check is killed and has failed [default: 30s]
    #[arg(long, value_name = "TIME")]
    pub health_timeout: Option<String>,
    /// Failures in a row that make the container unhealthy [default: 3]
    #[arg(long, value_name = "N")]
    pub health_retries: Option<u32>,
    /// Time after the start in which failures do not count [default: 0s]
    #[arg(long, value_name = "TIME")]
    pub health_start_period: Option<String>,
    /// What is done with an unhealthy container: none, kill, restart or stop [default: none]
    #[arg(long, value_name = "ACTION")]
    pub health_on_failure: Option<String>,
    /// Do not check the container's health
    #[arg(long, conflicts_with_all = ["health_cmd", "health_startup_cmd"])]
    pub no_healthcheck: bool,
    /// Command that tells whether the container is up; until it has succeeded the regular check is not run
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    pub health_startup_cmd: Option<String>,
    /// Time from one startup check to the next, or disable [default: 30s]
    #[arg(long, value_name = "TIME", requires = "health_startup_cmd")]
    pub health_startup_interval: Option<String>,
    /// Failures of the startup check after which the container is started anew; 0: never [default: 0]
    #[arg(long, value_name = "N", requires = "health_startup_cmd")]
    pub health_startup_retries: Option<u32>,
    /// Successes of the startup check after which the regular check begins; 0 is 1 [default: 0]
    #[arg(long, value_name = "N", requires = "health_startup_cmd")]
    pub health_startup_success: Option<u32>,
    /// Time after which a startup check is killed and has failed [default: 30s]
    #[arg(long, value_name = "TIME", requires = "health_startup_cmd")]
    pub health_startup_timeout: Option<String>,
    /// Where the results of checks go besides inspect: local (nowhere), a directory (ID-healthcheck.log), or events_logger [default: local]
    #[arg(long, value_name = "DESTINATION")]
    pub health_log_destination: Option<String>,
    /// Checks that are kept; 0: as many as have room in 2 MiB [default: 5]
    #[arg(long, value_name = "N")]
    pub health_max_log_count: Option<u32>,
    /// Bytes of a check's output that are kept; 0: as many as can be, 1048576 [default: 500]
    #[arg(long, value_name = "N")]
    pub health_max_log_size: Option<u32>,
}

impl HealthArgs {
    /// The container's check: what was typed goes before what the image says.
    pub fn health(&self, image: Option<&Healthcheck>) -> anyhow::Result<Option<Health>> {
        let action = self.health_on_failure.as_deref().unwrap_or("none");
        ensure!(
            ["none", "kill", "restart", "stop"].contains(&action),
            "--health-on-failure {action:?} is not known; use none, kill, restart or stop"
        );
        let startup = self.startup()?;
        let log = self.log()?;
        let Some(test) = self.test(image)? else {
            ensure!(
                startup.is_none(),
                "a startup check comes before a regular one, and there is none; add --health-cmd"
            );
            ensure!(
                log == HealthLog::default(),
                "--health-log-destination and --health-max-log-* say what is kept of checks, and \
                 there is none; add --health-cmd"
            );
            ensure!(
                action == "none",
                "cannot set on-failure action to {action} without a health check"
            );
            return Ok(None);
        };
        // 0 is "not said" in an image.
        let said = |of: fn(&Healthcheck) -> i64| {
            image.and_then(|check| u64::try_from(of(check)).ok()).filter(|n| *n > 0)
        };
        let interval = match self.health_interval.as_deref() {
            Some("disable") => 0,
            Some(text) => span("interval", text)?,
            None => said(|c| c.interval).unwrap_or(INTERVAL),
        };
        let timeout = match &self.health_timeout {
            Some(text) => span("timeout", text)?,
            None => said(|c| c.timeout).unwrap_or(TIMEOUT),
        };
        ensure!(timeout > 0, "--health-timeout must be longer than 0");
        let start_period = match &self.health_start_period {
            Some(text) => span("start-period", text)?,
            None => said(|c| c.start_period).unwrap_or(0),
        };
        let retries = match self.health_retries {
            Some(0) => bail!("--health-retries must be greater than 0"),
            Some(retries) => retries,
            None => said(|c| c.retries).and_then(|n| n.try_into().ok()).unwrap_or(RETRIES),
        };
        Ok(Some(Health {
            test,
            interval,
            timeout,
            start_period,
            retries,
            on_failure: action.to_owned(),
            startup,
            log,
        }))
    }

    fn startup(&self) -> anyhow::Result<Option<Startup>> {
        let Some(typed) = &self.health_startup_cmd else { return Ok(None) };
        let Some(test) = command("health-startup-cmd", typed)? else { return Ok(None) };
        let interval = match self.health_startup_interval.as_deref() {
            Some("disable") => 0,
            Some(text) => span("startup-interval", text)?,
            None => INTERVAL,
        };
        let timeout = match &self.health_startup_timeout {
            Some(text) => span("startup-timeout", text)?,
            None => TIMEOUT,
        };
        ensure!(timeout > 0, "--health-startup-timeout must be longer than 0");
        let retries = self.health_startup_retries.unwrap_or(0);
        let success = self.health_startup_success.unwrap_or(0);
        Ok(Some(Startup { test, interval, timeout, retries, success }))
    }

    fn log(&self) -> anyhow::Result<HealthLog> {
        let usual = HealthLog::default();
        let max_size = self.health_max_log_size.unwrap_or(usual.max_size);
        ensure!(
            max_size <= LONGEST_OUTPUT,
            "--health-max-log-size {max_size}: a supervisor keeps at most {LONGEST_OUTPUT} bytes \
             of a check's output in its memory; give less, or 0 for as many as can be"
        );
        Ok(HealthLog {
            destination: destination(self.health_log_destination.as_deref().unwrap_or("local"))?,
            max_count: self.health_max_log_count.unwrap_or(usual.max_count),
            max_size,
        })
    }

    /// `CMD` or `CMD-SHELL` with what belongs to it.
    fn test(&self, image: Option<&Healthcheck>) -> anyhow::Result<Option<Vec<String>>> {
        if self.no_healthcheck {
            return Ok(None);
        }
        let Some(typed) = &self.health_cmd else {
            let test = image.map(|check| check.test.clone()).unwrap_or_default();
            return Ok(match test.first().map(String::as_str) {
                Some("CMD" | "CMD-SHELL") if test.len() > 1 => Some(test),
                _ => None,
            });
        };
        command("health-cmd", typed)
    }
}

/// What a typed command means: `CMD` and argv, or `CMD-SHELL` and one line; `None`: no check.
///
/// A JSON array, or else a line whose first word may be one of docker's keywords, in capitals or
/// not: the words after `CMD` are split at blanks, `CMD-SHELL` has the rest for the shell. Without
/// a keyword a list of several words is argv, and anything else a line for the shell.
fn command(flag: &str, typed: &str) -> anyhow::Result<Option<Vec<String>>> {
    ensure!(!typed.trim().is_empty(), "--{flag} is empty; none disables a check");
    let list = serde_json::from_str::<Vec<String>>(typed).ok();
    let listed = list.is_some();
    let words = list.unwrap_or_else(|| typed.splitn(2, ' ').map(str::to_owned).collect());
    let first = words.first().map(String::as_str).unwrap_or_default();
    let keyword = first.to_ascii_uppercase();
    let words = match keyword.as_str() {
        "NONE" => return Ok(None),
        "CMD" if !listed => typed.split_whitespace().map(str::to_owned).collect(),
        "CMD" | "CMD-SHELL" => words,
        _ if words.is_empty() => Vec::new(),
        _ if listed && words.len() > 1 => [vec!["CMD".to_owned()], words].concat(),
        _ if listed => vec!["CMD-SHELL".to_owned(), words.concat()],
        _ => vec!["CMD-SHELL".to_owned(), typed.to_owned()],
    };
    let Some((kind, rest)) = words.split_first().filter(|(_, rest)| !rest.is_empty()) else {
        bail!("--{flag} {typed:?}: there is no command in it");
    };
    Ok(Some([&[kind.to_ascii_uppercase()], rest].concat()))
}

/// `local`, `events_logger`, or the absolute path of a directory that can be written to.
fn destination(typed: &str) -> anyhow::Result<String> {
    if matches!(typed, "" | "local" | "events_logger") {
        return Ok(if typed.is_empty() { "local" } else { typed }.to_owned());
    }
    let about = || format!("--health-log-destination {typed:?} is not local or events_logger");
    let kind = std::fs::metadata(typed).with_context(about)?;
    ensure!(kind.is_dir(), "{}, nor a directory", about());
    let access = rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK;
    rustix::fs::access(typed, access).with_context(|| format!("write to {typed}"))?;
    // Without links: one that the container makes later is then seen.
    let path = std::fs::canonicalize(typed).with_context(about)?;
    path.into_os_string().into_string().ok().with_context(|| format!("{}, nor UTF-8", about()))
}

fn span(flag: &str, text: &str) -> anyhow::Result<u64> {
    time::parse_span(text)
        .with_context(|| format!("--health-{flag} {text:?} is not a time such as 30s or 2m3s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(cmd: Option<&str>) -> HealthArgs {
        let health_cmd = cmd.map(str::to_owned);
        HealthArgs { health_cmd, ..HealthArgs::default() }
    }

    fn up(cmd: &str) -> HealthArgs {
        HealthArgs { health_startup_cmd: Some(cmd.to_owned()), ..args(Some("x")) }
    }

    fn image() -> Healthcheck {
        let test = vec!["CMD-SHELL".to_owned(), "of the image".to_owned()];
        Healthcheck { test, interval: 7, retries: 5, ..Healthcheck::default() }
    }

    fn test(cmd: &str) -> Vec<String> {
        args(Some(cmd)).health(None).unwrap().map(|h| h.test).unwrap_or_default()
    }

    #[test]
    fn commands_are_read_as_podman_reads_them() {
        for (typed, want) in [
            ("a | b", &["CMD-SHELL", "a | b"][..]),
            ("true", &["CMD-SHELL", "true"]),
            ("CMD-SHELL true", &["CMD-SHELL", "true"]),
            ("CMD-SHELL a | b  c", &["CMD-SHELL", "a | b  c"]),
            ("cmd-shell a", &["CMD-SHELL", "a"]),
            ("CMD true  x", &["CMD", "true", "x"]),
            ("cmd true", &["CMD", "true"]),
            (r#"["true"]"#, &["CMD-SHELL", "true"]),
            (r#"["a", "b c"]"#, &["CMD", "a", "b c"]),
            (r#"["CMD", "a b"]"#, &["CMD", "a b"]),
            (r#"["CMD-SHELL", "a | b"]"#, &["CMD-SHELL", "a | b"]),
            // No list of words, and so a line: test(1) is spelt like that.
            ("[ -e /up ]", &["CMD-SHELL", "[ -e /up ]"]),
            ("[1]", &["CMD-SHELL", "[1]"]),
            ("NONESUCH", &["CMD-SHELL", "NONESUCH"]),
        ] {
            assert_eq!(test(typed), want, "{typed}");
        }
        for none in ["none", "NONE", "none of it", r#"["NONE"]"#, r#"["none", "x"]"#] {
            assert!(test(none).is_empty(), "{none}");
        }
        for bad in ["", " ", "[]", "CMD", "CMD ", "CMD-SHELL", r#"["CMD"]"#] {
            assert!(args(Some(bad)).health(None).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_was_typed_goes_before_the_image_and_that_before_the_defaults() {
        let health = args(None).health(Some(&image())).unwrap().unwrap();
        assert_eq!(health.test[1], "of the image");
        assert_eq!((health.interval, health.timeout, health.retries), (7, TIMEOUT, 5));
        let typed = HealthArgs { health_interval: Some("1m3s".into()), ..args(Some("x")) };
        let health = typed.health(Some(&image())).unwrap().unwrap();
        assert_eq!((health.test[1].as_str(), health.interval), ("x", 63 * SECOND));
        let disabled = HealthArgs { health_interval: Some("disable".into()), ..args(Some("x")) };
        assert_eq!(disabled.health(None).unwrap().unwrap().interval, 0);
        let none = HealthArgs { no_healthcheck: true, ..args(None) };
        assert_eq!(none.health(Some(&image())).unwrap(), None);
        assert_eq!(args(None).health(None).unwrap(), None);
    }

    #[test]
    fn a_startup_check_and_its_defaults() {
        let of = |args: HealthArgs| args.health(None).unwrap().unwrap().startup.unwrap();
        let usual = of(up("CMD a"));
        assert_eq!(
            (usual.test, usual.interval, usual.timeout),
            (vec!["CMD".into(), "a".into()], INTERVAL, TIMEOUT)
        );
        assert_eq!((usual.retries, usual.success), (0, 0));
        let typed = of(HealthArgs {
            health_startup_interval: Some("disable".into()),
            health_startup_timeout: Some("2s".into()),
            health_startup_retries: Some(7),
            health_startup_success: Some(3),
            ..up("a b")
        });
        assert_eq!((typed.interval, typed.timeout), (0, 2 * SECOND));
        assert_eq!((typed.retries, typed.success), (7, 3));
        assert_eq!(up("none").health(None).unwrap().unwrap().startup, None);
    }

    #[test]
    fn where_checks_go_and_how_many() {
        let log = |args: HealthArgs| args.health(None).unwrap().unwrap().log;
        assert_eq!(log(args(Some("x"))), HealthLog::default());
        let typed = HealthArgs {
            health_log_destination: Some("/tmp".into()),
            health_max_log_count: Some(0),
            health_max_log_size: Some(0),
            ..args(Some("x"))
        };
        let want = HealthLog { destination: "/tmp".into(), max_count: 0, max_size: 0 };
        assert_eq!(log(typed), want);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let bad = [
            HealthArgs { health_retries: Some(0), ..args(Some("x")) },
            HealthArgs { health_timeout: Some("0s".into()), ..args(Some("x")) },
            HealthArgs { health_interval: Some("often".into()), ..args(Some("x")) },
            HealthArgs { health_interval: Some("-1s".into()), ..args(Some("x")) },
            HealthArgs { health_on_failure: Some("kill".into()), ..args(None) },
            HealthArgs { health_max_log_count: Some(9), ..args(None) },
            HealthArgs { health_on_failure: Some("pray".into()), ..args(Some("x")) },
            HealthArgs { health_cmd: None, ..up("x") },
            HealthArgs { health_cmd: Some("none".into()), ..up("x") },
            HealthArgs { health_startup_timeout: Some("0s".into()), ..up("x") },
            HealthArgs { health_startup_interval: Some("often".into()), ..up("x") },
            up(" "),
            HealthArgs { health_log_destination: Some("/nosuch".into()), ..args(Some("x")) },
            HealthArgs { health_log_destination: Some("/dev/null".into()), ..args(Some("x")) },
            HealthArgs { health_max_log_size: Some(LONGEST_OUTPUT + 1), ..args(Some("x")) },
        ];
        for args in bad {
            assert!(args.health(None).is_err(), "{args:?}");
        }
    }
}
