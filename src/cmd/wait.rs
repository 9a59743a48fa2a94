//! `bolt wait`: until containers end, or are in a given state.

use super::ending;
use super::selection::{Selection, Target, report};
use crate::container::dir::{ContainerDir, Containers, Snapshot};
use crate::container::error::Error;
use crate::container::state::Status;
use crate::container::time;
use crate::exit;
use crate::settings::Settings;
use crate::shim::client::ClientError;
use crate::ui::print;
use anyhow::Context;
use std::time::Duration;

/// Wait until containers stop and print their exit codes
#[derive(Debug, clap::Args)]
// podman-wait(1) has -i for another flag.
#[command(mut_arg("ignore", |arg| arg.short(None)))]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// State to wait for; several are alternatives
    #[arg(long, value_name = "STATE")]
    condition: Vec<Condition>,
    /// Time between two looks, such as 250ms; a number is milliseconds
    #[arg(short, long, default_value = "250ms")]
    interval: String,
}

/// A state that can be waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Condition {
    Configured,
    Created,
    Exited,
    Healthy,
    Initialized,
    Paused,
    Removing,
    Running,
    Stopped,
    Stopping,
    Unhealthy,
}

impl Condition {
    fn holds(self, now: &Snapshot, health: &str) -> bool {
        let status = now.status;
        match self {
            Condition::Configured | Condition::Created => status == Status::Created,
            Condition::Initialized => status == Status::Starting,
            Condition::Running => matches!(status, Status::Running | Status::Orphaned),
            Condition::Paused => status == Status::Paused,
            Condition::Exited | Condition::Stopped => status == Status::Exited,
            Condition::Healthy => status == Status::Running && health == "healthy",
            Condition::Unhealthy => status == Status::Running && health == "unhealthy",
            Condition::Removing | Condition::Stopping => false,
        }
    }

    fn is_end(self) -> bool {
        matches!(self, Condition::Exited | Condition::Stopped)
    }

    fn never_comes(self) -> bool {
        matches!(self, Condition::Removing | Condition::Stopping)
    }

    fn is_health(self) -> bool {
        matches!(self, Condition::Healthy | Condition::Unhealthy)
    }
}

/// Runs the verb.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let interval = interval(&args.interval)?;
    if !args.condition.is_empty() && args.condition.iter().all(|c| c.never_comes()) {
        anyhow::bail!("containers are never in this state: they end and go in one step");
    }
    let all = Containers::open(&settings.dirs)?;
    let Some(targets) = found(args.selection.targets(&all, |_| true)?, args.selection.ignore)
    else {
        return Ok(exit::ENGINE);
    };
    let mut code = 0;
    for dir in targets {
        let result = match dir {
            None => Ok(-1),
            Some(dir) => wait(&dir, &args.condition, interval),
        };
        match result {
            Ok(value) => print::line(&value.to_string()),
            Err(e) => {
                report(&e);
                code = exit::ENGINE;
            }
        }
    }
    Ok(code)
}

/// All that were named, before any of them is waited for; none for one that is not there and need
/// not be. Without a value it was told which ones cannot be waited for.
fn found(targets: Vec<Target>, ignore: bool) -> Option<Vec<Option<ContainerDir>>> {
    let mut dirs = Vec::with_capacity(targets.len());
    let mut whole = true;
    for target in targets {
        match target.dir {
            Ok(dir) => dirs.push(Some(dir)),
            Err(Error::NotFound(_)) if ignore => dirs.push(None),
            Err(e) => {
                report(&e.into());
                whole = false;
            }
        }
    }
    whole.then_some(dirs)
}

fn interval(text: &str) -> anyhow::Result<Duration> {
    let milliseconds = text.parse::<u64>().map(Duration::from_millis);
    let interval = match milliseconds {
        Ok(interval) => interval,
        // A span counts back from "now".
        Err(_) => Duration::from_nanos(
            time::parse(text, 0)
                .ok()
                .and_then(|at| u64::try_from(-at).ok())
                .with_context(|| format!("{text:?} is not a span of time such as 250ms or 2s"))?,
        ),
    };
    Ok(interval.max(Duration::from_millis(1)))
}

/// The exit code, or -1 for a state that is no end.
fn wait(dir: &ContainerDir, conditions: &[Condition], interval: Duration) -> anyhow::Result<i32> {
    if conditions.is_empty() {
        return wait_for_end(dir, interval);
    }
    let asks_health = conditions.iter().any(|c| c.is_health());
    if asks_health && dir.read_config()?.health.is_none() {
        anyhow::bail!("container {} has no defined healthcheck", dir.id());
    }
    loop {
        let now = match dir.snapshot() {
            Ok(now) => now,
            Err(Error::NotFound(_)) => return Ok(-1),
            Err(e) => return Err(e.into()),
        };
        let health = if asks_health { dir.checks(&now)?.status } else { String::new() };
        if let Some(met) = conditions.iter().find(|c| c.holds(&now, &health)) {
            return Ok(if met.is_end() { now.recorded.exit } else { -1 });
        }
        std::thread::sleep(interval);
    }
}

fn wait_for_end(dir: &ContainerDir, interval: Duration) -> anyhow::Result<i32> {
    loop {
        let now = dir.snapshot()?;
        match now.status {
            Status::Created | Status::Exited => return Ok(now.recorded.exit),
            // Nobody will tell an orphan's exit code.
            Status::Orphaned => std::thread::sleep(interval),
            Status::Starting | Status::Running | Status::Paused => {
                let Some(conn) = ending::connect(dir)? else { continue };
                match conn.wait() {
                    Ok(code) => return Ok(code.into()),
                    Err(ClientError::Died(_)) => std::thread::sleep(Duration::from_millis(1)),
                    Err(e) => return Err(e.into()),
                }
            }
        }
    }
}
