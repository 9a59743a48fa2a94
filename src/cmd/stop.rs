//! `bolt stop`: asks the payload to end, and makes it end.

use super::ending;
use super::selection::Selection;
use crate::container::dir::Containers;
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
    let targets = args
        .selection
        .targets(&all, |s| matches!(s, Status::Running | Status::Starting | Status::Orphaned))?;
    let timeout = args.time.map(seconds);
    Ok(args.selection.each(targets, |dir| ending::stop(dir, timeout).map(drop)))
}

/// A negative number waits for ever, as podman has it.
pub(super) fn seconds(time: i64) -> u32 {
    if time < 0 { u32::MAX } else { u32::try_from(time).unwrap_or(u32::MAX) }
}
