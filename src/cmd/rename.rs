//! `bolt rename`: gives a container another name.

use super::ending;
use crate::container::dir::{ContainerDir, Containers};
use crate::container::events::Event;
use crate::settings::Settings;
use crate::shim::client::ClientError;
use std::time::Duration;

/// How long the supervisor is waited for: others wait for the names meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);

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
    let config = all.rename(&dir, &args.name, || tell(&dir, &args.name))?;
    settings.event_log().write(&Event::of_container(&config, "rename"));
    Ok(0)
}

/// The supervisor unlinks the name with --rm.
fn tell(dir: &ContainerDir, name: &str) -> anyhow::Result<()> {
    if !dir.status()?.is_active() {
        return Ok(());
    }
    let Some(conn) = ending::connect(dir)? else { return Ok(()) };
    conn.wait_at_most(PATIENCE)?;
    match conn.renamed(name) {
        // It has ended.
        Err(ClientError::Died(_) | ClientError::Refused { .. }) => Ok(()),
        // It reads that when it comes to it.
        Err(ClientError::Silent(_)) => Ok(()),
        other => Ok(other?),
    }
}
