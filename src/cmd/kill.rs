//! `bolt kill`: sends a signal.

use super::ending;
use super::selection::Selection;
use crate::container::dir::{ContainerDir, Containers};
use crate::container::events::Event;
use crate::container::orphan::Orphan;
use crate::container::state::Status;
use crate::settings::Settings;
use crate::shim::client::ClientError;
use crate::spec::signals;
use std::time::{Duration, Instant};

/// Send a signal to running containers
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Signal name or number
    #[arg(short, long, default_value = "KILL")]
    signal: String,
}

/// Runs the verb.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let signo = signals::parse(&args.signal)?;
    let all = Containers::open(&settings.dirs)?;
    let targets = args.selection.targets(&all, Status::has_processes)?;
    Ok(args.selection.each(targets, |dir| kill(settings, dir, signo)))
}

fn kill(settings: &Settings, dir: &ContainerDir, signo: i32) -> anyhow::Result<()> {
    let now = dir.snapshot()?;
    let refuse = || {
        anyhow::anyhow!(
            "can only kill running containers. {} is in state {}: container state improper",
            dir.id(),
            now.status.word()
        )
    };
    // Its time is before that of the end.
    let event = Event::of_container(&dir.read_config()?, "kill");
    match now.status {
        Status::Created | Status::Exited => Err(refuse()),
        Status::Orphaned => {
            let orphan = Orphan::open(&now.recorded)?.ok_or_else(refuse)?;
            if signo == libc::SIGKILL {
                orphan.kill()?
            } else {
                orphan.signal(signo)?
            }
            settings.event_log().write(&event);
            Ok(())
        }
        Status::Starting | Status::Running | Status::Paused => {
            let conn = ending::connect(dir)?.ok_or_else(refuse)?;
            conn.wait_at_most(ending::PATIENCE)?;
            match conn.signal(signo) {
                Err(ClientError::Silent(_)) if signo == libc::SIGKILL => {
                    ending::end_by_force(dir)?;
                }
                other => other?,
            }
            settings.event_log().write(&event);
            if signo == libc::SIGKILL {
                wait_for_end(dir)?;
            }
            Ok(())
        }
    }
}

/// SIGKILL cannot be refused: a script may rely on the container being gone afterwards.
fn wait_for_end(dir: &ContainerDir) -> anyhow::Result<()> {
    let end = Instant::now() + Duration::from_secs(10);
    while matches!(dir.status()?, Status::Running | Status::Paused) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
