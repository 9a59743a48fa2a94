//! `bolt restart`: stop, then start.

use super::ending::{self, PATIENCE};
use super::selection::Selection;
use super::{requires, starting};
use crate::container::dir::{ContainerDir, Containers};
use crate::container::events::Event;
use crate::container::state::Status;
use crate::settings::Settings;
use crate::shim::Again;

/// How often another command may be quicker.
const TRIES: u32 = 5;

/// Restart containers
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Only containers that run
    #[arg(long)]
    running: bool,
    /// Seconds to wait before a container is killed
    #[arg(short, long, alias = "timeout", value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
}

/// Runs the verb.
pub fn run(mut args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let all = Containers::open(&settings.dirs)?;
    let selection = &mut args.selection;
    if args.running && selection.containers.is_empty() && !selection.latest {
        selection.all = true;
    }
    let targets = args.selection.targets(&all, |s| !args.running || s.is_active())?;
    let timeout = args.time.map(super::stop::seconds);
    Ok(args.selection.each(targets, |dir| restart(settings, dir, timeout)))
}

fn restart(settings: &Settings, dir: &ContainerDir, timeout: Option<u32>) -> anyhow::Result<()> {
    if dir.status()? == Status::Paused {
        return Err(super::pause::refusal("restart", dir));
    }
    let config = dir.read_config()?;
    anyhow::ensure!(
        !config.remove || !dir.status()?.is_active(),
        "container {} was run with --rm: stopped for a restart it would be removed; stop it, and \
         run it again",
        dir.id()
    );
    let event = Event::of_container(&config, "restart");
    settings.event_log().write(&event);
    // A start that another command is at comes first: to stop it would fail that command.
    let _ = starting::settle(dir, PATIENCE);
    for _ in 0..TRIES {
        ending::stop(dir, timeout)?;
        requires::start(settings, &dir.read_config()?)?;
        if let Some(started) = starting::start(settings, dir, &Again::default())? {
            super::run::tell(started);
            return Ok(());
        }
        // Another command was quicker: its start may be an answer to what was before this restart.
    }
    anyhow::bail!("other commands start container {} again and again", dir.id())
}
