//! What the supervisor is told of the service manager and of health checks, and what the payload
//! sees of both.

use crate::container::config::Config;
use crate::container::health::{HealthLog as Kept, LONGEST_OUTPUT};
use crate::container::service::SdNotify;
use crate::launch::{Mode, payload};
use crate::rootfs::text;
use crate::settings::Settings;
use bolt_shim::launch::{
    Health, HealthLog, HealthLogTo, Mount as Step, MountFlags, MountKind, NOTIFY, Notify,
    OnFailure, Process, Startup, Unit,
};

/// Where the payload finds the socket that it notifies.
const INSIDE: &str = "/run/notify/notify.sock";

/// What comes to the supervisor with the plan, besides the plan.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The supervisor's pid, where it lives already.
    pub supervisor: Option<u32>,
    /// A socket that leads to the service manager.
    pub notify: bool,
    /// Descriptors for the payload.
    pub passed: u32,
    /// They are listening sockets, with these names where they have any (`LISTEN_FDNAMES`).
    pub listen: Option<Option<String>>,
    /// `WATCHDOG_USEC`: the service manager waits for a sign of life that often.
    pub watchdog: Option<String>,
}

pub(super) fn plan(config: &Config, mode: &Mode) -> Unit {
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().and_then(|p| text(p).ok());
    // A launcher that stays is the main process: its exit code is the payload's, and it is the
    // service manager's own child.
    let main = mode.attach.then(std::process::id);
    let notify = match config.unit.sdnotify() {
        SdNotify::Container => Some(Notify::Payload { main }),
        SdNotify::Healthy => Some(Notify::Healthy),
        SdNotify::Conmon | SdNotify::Ignore => None,
    };
    Unit {
        notify: notify.filter(|_| mode.given.notify),
        pidfile: path(&config.unit.pidfile),
        monitor_pidfile: path(&config.unit.conmon_pidfile),
    }
}

/// The payload's part of it: variables, descriptors, the socket's mount.
pub(super) fn adorn(unit: &Unit, given: &Given, process: &mut Process, mounts: &mut Vec<Step>) {
    if matches!(unit.notify, Some(Notify::Payload { .. })) {
        process.env.push(format!("NOTIFY_SOCKET={INSIDE}"));
        if let Some(time) = &given.watchdog {
            process.env.push(format!("WATCHDOG_USEC={time}"));
        }
        // Last: nothing is mounted over it.
        mounts.push(Step {
            target: INSIDE.to_owned(),
            what: MountKind::File { name: NOTIFY.to_owned() },
            flags: MountFlags::default(),
        });
    }
    pass(process, given.passed, given.listen.as_ref());
}

/// `count` descriptors from number 3 on; `listen`: sockets, and their names.
pub fn pass(process: &mut Process, count: u32, listen: Option<&Option<String>>) {
    process.passed = count;
    if let Some(names) = listen {
        process.env.retain(|e| !e.starts_with("LISTEN_"));
        process.env.push(format!("LISTEN_FDS={count}"));
        process.env.extend(names.iter().map(|names| format!("LISTEN_FDNAMES={names}")));
        process.listens = true;
    }
}

/// The check's program is the payload's own process with another command.
pub(super) fn health(settings: &Settings, config: &Config) -> anyhow::Result<Option<Box<Health>>> {
    let Some(health) = &config.health else { return Ok(None) };
    let mut process = payload(settings, config)?;
    process.args = health.args();
    (process.tty, process.stdin, process.make_cwd) = (None, false, false);
    let milliseconds = |ns: u64| ns.div_ceil(1_000_000);
    Ok(Some(Box::new(Health {
        process,
        interval: milliseconds(health.interval),
        timeout: milliseconds(health.timeout),
        start_period: milliseconds(health.start_period),
        retries: health.retries,
        on_failure: match health.on_failure.as_str() {
            "kill" => OnFailure::Kill,
            "restart" => OnFailure::Restart,
            "stop" => OnFailure::Stop,
            _ => OnFailure::None,
        },
        startup: health.startup.as_ref().map(|startup| Startup {
            args: startup.args(),
            interval: milliseconds(startup.interval),
            timeout: milliseconds(startup.timeout),
            retries: startup.retries,
            success: startup.success,
        }),
        log: log(&health.log, &config.id),
    })))
}

fn log(kept: &Kept, id: &str) -> HealthLog {
    let to = match kept.destination.as_str() {
        "local" => HealthLogTo::Local,
        "events_logger" => HealthLogTo::Events,
        // As podman names it.
        dir => HealthLogTo::File(format!("{}/{id}-healthcheck.log", dir.trim_end_matches('/'))),
    };
    let output = if kept.max_size == 0 { LONGEST_OUTPUT } else { kept.max_size };
    HealthLog { checks: kept.max_count, output, to }
}
