//! `bolt stop`: asks the payload to end, and makes it end.

use super::ending;
use super::selection::Selection;
use crate::container::dir::{ContainerDir, Containers};
use crate::container::events::Event;
use crate::container::state::Status;
use crate::settings::Settings;

/// Stop containers
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Seconds to wait before the container is killed
    #[arg(short, long, alias = "timeout", value_name = "SECONDS", allow_negative_numbers = true)]
    time: Option<i64>,
}

/// Runs the verb.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let all = Containers::open(&settings.dirs)?;
    let targets = args.selection.targets(&all, |s| s.is_active() && s != Status::Paused)?;
    let timeout = args.time.map(seconds);
    Ok(args.selection.each(targets, |dir| match dir.status()? {
        Status::Paused => Err(super::pause::refusal("stop", dir)),
        _ => stop(settings, dir, timeout),
    }))
}

fn stop(settings: &Settings, dir: &ContainerDir, timeout: Option<u32>) -> anyhow::Result<()> {
    // Told by its supervisor is only the end.
    let event = Event::of_container(&dir.read_config()?, "stop");
    if dir.status()?.is_active() {
        settings.event_log().write(&event);
    }
    ending::stop(dir, timeout).map(drop)
}

/// A negative number waits for ever, as podman has it.
pub(super) fn seconds(time: i64) -> u32 {
    if time < 0 { u32::MAX } else { u32::try_from(time).unwrap_or(u32::MAX) }
}
