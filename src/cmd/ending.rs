//! Stopping and killing, supervised or orphaned: shared by stop, kill, rm and restart.

use crate::container::dir::ContainerDir;
use crate::container::error::Error;
use crate::container::holder::{self, Holder};
use crate::container::orphan::Orphan;
use crate::container::service::Unit;
use crate::container::state::Status;
use crate::exit;
use crate::shim::client::{ClientError, Connection};
use crate::spec::defaults;
use crate::ui::print;
use std::time::{Duration, Instant};

/// How long a supervisor that has told the end may still unmount.
pub const CLEANUP: Duration = Duration::from_secs(30);

/// How long a supervisor may be silent beyond what it was given.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How many are asked to end before the first is waited for: each is an open line.
pub const AT_ONCE: usize = 128;

/// A payload that was asked to end.
#[derive(Debug)]
pub struct Asked {
    how: How,
    timeout: Option<u32>,
    since: Instant,
    /// Until it is killed.
    limit: Duration,
}

#[derive(Debug)]
enum How {
    /// Nothing ran.
    Idle,
    /// It is over already.
    Over,
    /// Its supervisor was told.
    Told(Connection),
    /// There is no supervisor.
    Orphan(Option<Orphan>),
}

/// How the container in `dir` wants to end; as any other where its config cannot be read, since
/// what is damaged must be there to be ended and removed.
struct Wishes {
    timeout: u32,
    signal: i32,
    unit: Unit,
}

fn wishes(dir: &ContainerDir) -> Result<Wishes, Error> {
    match dir.read_config() {
        Ok(config) => Ok(Wishes {
            timeout: config.stop_timeout,
            signal: config.stop_signal,
            unit: config.unit,
        }),
        Err(Error::Damaged { .. } | Error::Version { .. }) => Ok(Wishes {
            timeout: defaults::STOP_TIMEOUT,
            signal: libc::SIGTERM,
            unit: Unit::default(),
        }),
        Err(e) => Err(e),
    }
}

/// Asks the payload of `dir` to end if it has one: by its stop signal, and SIGKILL after `timeout`
/// seconds (`None`: the container's own). [`Asked::end`] waits for it.
pub fn ask(dir: &ContainerDir, timeout: Option<u32>) -> anyhow::Result<Asked> {
    let now = dir.snapshot()?;
    let seconds = || match timeout.map_or_else(|| Ok(wishes(dir)?.timeout), Ok) {
        // A supervisor that removes it (--rm) is soon done.
        Err(Error::NotFound(_)) => Ok(defaults::STOP_TIMEOUT),
        other => other,
    };
    let since = Instant::now();
    let mut limit = Duration::ZERO;
    let how = match now.status {
        Status::Created => How::Idle,
        Status::Exited if call_off(dir)? => How::Over,
        Status::Exited => How::Idle,
        Status::Orphaned => {
            limit = Duration::from_secs(seconds()?.into());
            let orphan = Orphan::open(&now.recorded)?;
            if let (Some(orphan), false) = (&orphan, limit.is_zero()) {
                orphan.ask(wishes(dir)?.signal)?;
            }
            How::Orphan(orphan)
        }
        Status::Starting | Status::Running | Status::Paused => match connect(dir)? {
            None => How::Idle,
            Some(line) => {
                limit = Duration::from_secs(seconds()?.into());
                line.wait_at_most(limit + PATIENCE)?;
                match line.ask_to_stop(timeout) {
                    // Whether it is dead is seen by who waits.
                    Ok(()) | Err(ClientError::Silent(_) | ClientError::Died(_)) => How::Told(line),
                    Err(e) => return Err(e.into()),
                }
            }
        },
    };
    Ok(Asked { how, timeout, since, limit })
}

impl Asked {
    /// Waits for the end of the payload of `dir`, the same. True when something ran.
    pub fn end(self, dir: &ContainerDir) -> anyhow::Result<bool> {
        match self.how {
            How::Idle => Ok(false),
            How::Over => Ok(true),
            How::Orphan(orphan) => {
                if let Some(orphan) = orphan {
                    orphan.end(self.limit)?;
                }
                wishes(dir)?.unit.remove_pidfiles(&dir.snapshot()?.recorded);
                Ok(true)
            }
            How::Told(line) => match line.exited() {
                Ok(code) => {
                    let was_late = !self.limit.is_zero() && self.since.elapsed() >= self.limit;
                    if was_late && code == exit::signalled(libc::SIGKILL) {
                        tell_killed(dir, self.limit);
                    }
                    Ok(true)
                }
                Err(ClientError::Silent(_)) => end_by_force(dir).map(|()| true),
                // Killed between the two: what is left is an orphan.
                Err(ClientError::Died(_)) if orphaned(dir)? => stop(dir, self.timeout),
                Err(ClientError::Died(_)) => Ok(true),
                Err(e) => Err(e.into()),
            },
        }
    }
}

/// As podman warns: what it had not saved is lost.
fn tell_killed(dir: &ContainerDir, limit: Duration) {
    let (id, seconds) = (dir.id().get(..12).unwrap_or(dir.id()), limit.as_secs());
    print::warning(&format!(
        "container {id} did not end within {seconds} s of its stop signal, and was killed"
    ));
}

/// [`ask`], and waits.
pub fn stop(dir: &ContainerDir, timeout: Option<u32>) -> anyhow::Result<bool> {
    ask(dir, timeout)?.end(dir)
}

/// A supervisor whose payload has ended may wait to start it again (`--restart`): it is told not
/// to. True when there was one.
fn call_off(dir: &ContainerDir) -> anyhow::Result<bool> {
    if !dir.is_supervised()? {
        return Ok(false);
    }
    wake(dir)?;
    match Connection::connect(dir) {
        Ok(conn) => {
            conn.wait_at_most(PATIENCE)?;
            match conn.stop(Some(0)) {
                Ok(_) | Err(ClientError::Died(_)) => Ok(true),
                Err(ClientError::Silent(_)) => end_by_force(dir).map(|()| true),
                Err(e) => Err(e.into()),
            }
        }
        // It has closed its socket and only cleans up.
        Err(ClientError::NoSupervisor(_)) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// A supervisor that was stopped (SIGSTOP) answers nobody until it is continued.
pub fn wake(dir: &ContainerDir) -> anyhow::Result<()> {
    if let Some(supervisor) = Orphan::supervisor(&dir.snapshot()?.recorded)? {
        supervisor.wake()?;
    }
    Ok(())
}

/// The end of a container whose supervisor does not answer: its payload, then the supervisor.
pub fn end_by_force(dir: &ContainerDir) -> anyhow::Result<()> {
    let now = dir.snapshot()?;
    let both = [Orphan::open(&now.recorded)?, Orphan::supervisor(&now.recorded)?];
    for process in both.iter().flatten() {
        process.kill()?;
    }
    match dir.wait_free(Some(PATIENCE)) {
        Ok(true) | Err(Error::NotFound(_)) => Ok(()),
        Ok(false) => anyhow::bail!("the supervisor of container {} does not end", dir.id()),
        Err(e) => Err(e.into()),
    }
}

fn orphaned(dir: &ContainerDir) -> anyhow::Result<bool> {
    match dir.wait_free(Some(Duration::from_secs(1))) {
        Ok(_) => Ok(dir.status()? == Status::Orphaned),
        Err(Error::NotFound(_)) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// A line to the supervisor; `None` when it ended meanwhile. One that has just been started
/// does not listen yet: it is waited for. One that is stopped goes on.
pub fn connect(dir: &ContainerDir) -> anyhow::Result<Option<Connection>> {
    wake(dir)?;
    let mut pause = Duration::from_millis(1);
    for _ in 0..20 {
        match Connection::connect(dir) {
            Ok(conn) => return Ok(Some(conn)),
            Err(ClientError::NoSupervisor(_)) => {}
            Err(e) => return Err(e.into()),
        }
        if !dir.is_supervised()? {
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(200));
    }
    Err(unheard(dir)?)
}

/// Why there is a lock and no supervisor to talk to.
fn unheard(dir: &ContainerDir) -> anyhow::Result<anyhow::Error> {
    let (id, recorded) = (dir.id(), dir.snapshot()?.recorded);
    if Orphan::supervisor(&recorded)?.is_some() {
        let pid = recorded.monitor;
        return Ok(anyhow::anyhow!(
            "the supervisor of container {id} holds its lock but does not answer; end process {pid} \
             and use rm -f"
        ));
    }
    Ok(match holder::of(dir) {
        Some(Holder { pid, stopped: true }) => anyhow::anyhow!(
            "process {pid} starts container {id} or works on its files, and is stopped; let it go \
             on (kill -CONT {pid}) or end it (kill -KILL {pid}), then try again"
        ),
        Some(Holder { pid, stopped: false }) => anyhow::anyhow!(
            "process {pid} starts container {id} or works on its files; wait for it or end it \
             (kill {pid}), then try again"
        ),
        None => anyhow::anyhow!(
            "another command starts container {id} or works on its files; try again when it is done"
        ),
    })
}

/// Exit code of an attached command that failed: 126 and 127 when the program is the reason.
pub fn code_of_error(error: &ClientError) -> u8 {
    match error {
        ClientError::Refused { failure, .. } => failure.exec_exit_code(),
        _ => exit::ENGINE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::testing::{config, containers};
    use crate::sys::atomic::Sync;

    /// `kill 0` would end the caller's own process group.
    #[test]
    fn a_start_that_has_not_ended_is_told_with_its_process_and_never_with_pid_0() {
        let (_scratch, all) = containers();
        let held = all.create(None, Some("c")).unwrap();
        held.write_config(&config(held.id(), "c"), Sync::Fast).unwrap();
        let error = connect(&all.find("c").unwrap()).unwrap_err().to_string();
        let pid = std::process::id();
        assert!(error.contains(&format!("process {pid} ")), "{error}");
        assert!(!error.contains("process 0"), "{error}");
    }
}
