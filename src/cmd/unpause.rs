//! `bolt unpause`: lets the processes of a paused container go on.

use super::pause;
use super::selection::Selection;
use crate::container::dir::ContainerDir;
use crate::container::freezer::Freezer;
use crate::container::state::Status;
use crate::settings::Settings;
use anyhow::bail;

/// Let paused containers go on
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
}

/// Runs the verb.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    pause::each(settings, args.selection, Status::Paused, unpause)
}

/// One that lost its supervisor while it was paused as well.
fn unpause(settings: &Settings, dir: &ContainerDir) -> anyhow::Result<()> {
    let now = dir.snapshot()?;
    let frozen = |freezer: &Freezer| freezer.is_frozen();
    let freezer = Freezer::of(&now.recorded).filter(|f| now.status.has_processes() && frozen(f));
    let Some(freezer) = freezer else {
        bail!("container {} is {}, not paused", dir.id(), now.status.word());
    };
    pause::carry_out(settings, dir, "unpause", || freezer.thaw())
}
