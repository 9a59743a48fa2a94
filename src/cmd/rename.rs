//! `bolt rename`: gives a container another name.

use super::ending;
use crate::container::dir::Containers;
use crate::container::events::Event;
use crate::settings::Settings;

/// Rename a container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or ID
    container: String,
    /// New name
    name: String,
}

/// Runs the verb.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let all = Containers::open(&settings.dirs)?;
    let dir = all.find(&args.container)?;
    all.rename(&dir, &args.name)?;
    if dir.status()?.is_active()
        && let Some(conn) = ending::connect(&dir)?
    {
        // It unlinks the name with --rm.
        conn.renamed(&args.name)?;
    }
    settings.event_log().write(&Event::of_container(&dir.read_config()?, "rename"));
    Ok(0)
}
