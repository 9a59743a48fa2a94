//! Flags of `run` and `create` about health checks, and what they and the image mean together.

use crate::container::health::Health;
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
    /// Command that tells whether the container is healthy; a JSON array or a line for /bin/sh -c; none disables the image's
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
    /// What is done with an unhealthy container: none, kill, restart or stop
    #[arg(long, value_name = "ACTION", default_value = "none")]
    pub health_on_failure: String,
    /// Do not check the container's health
    #[arg(long, conflicts_with = "health_cmd")]
    pub no_healthcheck: bool,
}

impl HealthArgs {
    /// The container's check: what was typed goes before what the image says.
    pub fn health(&self, image: Option<&Healthcheck>) -> anyhow::Result<Option<Health>> {
        let action = self.health_on_failure.as_str();
        ensure!(
            ["none", "kill", "restart", "stop"].contains(&action),
            "--health-on-failure {action:?} is not known; use none, kill, restart or stop"
        );
        let Some(test) = self.test(image)? else {
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
        let on_failure = action.to_owned();
        Ok(Some(Health { test, interval, timeout, start_period, retries, on_failure }))
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
        if typed == "none" {
            return Ok(None);
        }
        ensure!(!typed.trim().is_empty(), "--health-cmd is empty; none disables a check");
        if !typed.trim_start().starts_with('[') {
            return Ok(Some(vec!["CMD-SHELL".to_owned(), typed.clone()]));
        }
        let words: Vec<String> = serde_json::from_str(typed)
            .with_context(|| format!("--health-cmd {typed:?} is no JSON array of strings"))?;
        match words.first().map(String::as_str) {
            None => bail!("--health-cmd []: there is no command in it"),
            Some("NONE") => Ok(None),
            Some("CMD" | "CMD-SHELL") => Ok(Some(words)),
            Some(_) => Ok(Some([vec!["CMD".to_owned()], words].concat())),
        }
    }
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
        HealthArgs { health_cmd, health_on_failure: "none".into(), ..HealthArgs::default() }
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
        assert_eq!(test("a | b"), ["CMD-SHELL", "a | b"]);
        assert_eq!(test(r#"["a", "b c"]"#), ["CMD", "a", "b c"]);
        assert_eq!(test(r#"["CMD-SHELL", "a | b"]"#), ["CMD-SHELL", "a | b"]);
        assert!(test("none").is_empty() && test(r#"["NONE"]"#).is_empty());
        for bad in ["", "[", "[]", "[1]"] {
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
    fn what_makes_no_sense_is_refused() {
        let bad = [
            HealthArgs { health_retries: Some(0), ..args(Some("x")) },
            HealthArgs { health_timeout: Some("0s".into()), ..args(Some("x")) },
            HealthArgs { health_interval: Some("often".into()), ..args(Some("x")) },
            HealthArgs { health_interval: Some("-1s".into()), ..args(Some("x")) },
            HealthArgs { health_on_failure: "kill".into(), ..args(None) },
            HealthArgs { health_on_failure: "pray".into(), ..args(Some("x")) },
        ];
        for args in bad {
            assert!(args.health(None).is_err(), "{args:?}");
        }
    }
}
