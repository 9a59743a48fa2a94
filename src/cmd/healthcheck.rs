//! `bolt healthcheck`: a check now, by hand.

use super::ending;
use crate::container::dir::Containers;
use crate::container::state::Status;
use crate::exit;
use crate::settings::Settings;
use crate::ui::print;
use anyhow::Context;

/// Check the health of containers
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Run the health check of a container; exits with 0 when it is healthy, with 1 when it is not
    Run {
        /// Name or ID
        container: String,
    },
}

/// Runs the verb. Codes as podman-healthcheck-run(1): 0, 1, and 125 where nothing was checked.
pub fn run(args: &Args, settings: &Settings) -> anyhow::Result<u8> {
    let Verb::Run { container } = &args.verb;
    let dir = Containers::open(&settings.dirs)?.find(container)?;
    let Some(health) = dir.read_config()?.health else {
        anyhow::bail!("container {} has no defined healthcheck", dir.id());
    };
    if dir.status()? != Status::Running {
        anyhow::bail!("container {} is not running", dir.id());
    }
    let conn =
        ending::connect(&dir)?.with_context(|| format!("container {} has just ended", dir.id()))?;
    if conn.check_health()? == 0 {
        return Ok(0);
    }
    // It may not be up yet: what failed was a startup check.
    let starts = health.startup.is_some() && dir.checks(&dir.snapshot()?)?.status == "starting";
    print::line(if starts { "starting" } else { "unhealthy" });
    Ok(exit::NO)
}
