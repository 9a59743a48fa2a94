//! Starting a container that was created before: shared by start, restart and `--requires`.
//! Another command may do so at the same moment; whoever comes second finds it running.

use super::ending::{self, CLEANUP};
use crate::container::dir::ContainerDir;
use crate::container::error::Error;
use crate::container::orphan::Orphan;
use crate::container::state::Status;
use crate::settings::Settings;
use crate::shim::{self, Again, Started};
use std::time::{Duration, Instant};

/// Starts it. `None`: another command has done so.
pub(super) fn start(
    settings: &Settings,
    dir: &ContainerDir,
    how: &Again,
) -> anyhow::Result<Option<Started>> {
    while settle(dir, CLEANUP)? {
        end_orphan(dir)?;
        match shim::start_again(settings, dir, how) {
            // Somebody was quicker.
            Err(error) if matches!(error.downcast_ref(), Some(Error::Busy(_))) => {}
            started => return started.map(Some),
        }
    }
    Ok(None)
}

/// Waits while its last supervisor still cleans up, or another command starts it or works on its
/// files; an error after `limit`. True: it does not run, and nobody has its lock.
pub(super) fn settle(dir: &ContainerDir, limit: Duration) -> anyhow::Result<bool> {
    ending::wake(dir)?;
    let end = Instant::now() + limit;
    let mut pause = Duration::from_micros(200);
    while dir.is_supervised()? {
        let now = dir.snapshot()?;
        let runs = match now.status {
            Status::Running | Status::Paused => true,
            // Between two runs (`--restart`).
            Status::Starting if now.recorded.status == "restarting" => {
                Orphan::supervisor(&now.recorded)?.is_some()
            }
            _ => false,
        };
        if runs {
            return Ok(false);
        }
        if Instant::now() >= end {
            let id = dir.id();
            match now.status {
                Status::Exited => {
                    anyhow::bail!("the last supervisor of container {id} does not end")
                }
                _ => anyhow::bail!(
                    "another command keeps container {id} for more than {} seconds; try again \
                     when it is done",
                    limit.as_secs()
                ),
            }
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(20));
    }
    Ok(true)
}

/// A payload whose supervisor was killed would share the writable layer with the next one.
fn end_orphan(dir: &ContainerDir) -> anyhow::Result<()> {
    let now = dir.snapshot()?;
    if now.status == Status::Orphaned
        && let Some(orphan) = Orphan::open(&now.recorded)?
    {
        orphan.kill()?;
    }
    Ok(())
}
