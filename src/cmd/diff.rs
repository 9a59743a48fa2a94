//! `bolt diff`: what a container changed in its root.

use crate::container::dir::Containers;
use crate::rootfs::changes::{self, Change};
use crate::settings::Settings;
use crate::ui::print;
use crate::userns;
use serde_json::json;
use std::path::Path;

/// List what a container changed, added and deleted in its root file system
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or ID
    #[arg(value_name = "CONTAINER", required_unless_present = "latest")]
    container: Option<String>,
    /// The container created last
    #[arg(short, long, conflicts_with = "container")]
    latest: bool,
    /// json: one object with three lists
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Json,
}

/// Runs the verb.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let dir = match &args.container {
        Some(name) => Containers::open(&settings.dirs)?.find(name)?,
        None => super::selection::one(settings, None, args.latest)?.1,
    };
    let config = dir.read_config()?;
    userns::enter(&settings.dirs)?;
    let found = changes::list(&settings.dirs, &dir, &config)?;
    if args.format == Some(Format::Json) {
        let of = |wanted: Change| -> Vec<String> {
            found.iter().filter(|f| f.1 == wanted).map(|f| shown(&f.0)).collect()
        };
        let mut value = json!({});
        for (key, change) in
            [("changed", Change::Changed), ("added", Change::Added), ("deleted", Change::Deleted)]
        {
            let list = of(change);
            if !list.is_empty() {
                value[key] = json!(list);
            }
        }
        print::stdout(&format!("{value:#}\n"))?;
        return Ok(0);
    }
    for (path, change) in &found {
        let letter = match change {
            Change::Changed => 'C',
            Change::Added => 'A',
            Change::Deleted => 'D',
        };
        print::line(&format!("{letter} {}", shown(path)));
    }
    Ok(0)
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
