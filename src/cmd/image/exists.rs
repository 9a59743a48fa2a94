//! `bolt image exists`.

use crate::cmd::pull;
use crate::exit;
use crate::settings::Settings;
use crate::store::Store;

/// Check whether an image is in the local store: exit code 0 when it is, else 1
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or id
    #[arg(value_name = "IMAGE")]
    image: String,
}

/// Says nothing; the exit code is the answer.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let store = Store::open(&settings.dirs.store())?;
    let found = pull::find(settings, &store, &args.image)?;
    Ok(if found.is_some() { 0 } else { exit::NO })
}
