//! `bolt stop`: asks the payload to end, and makes it end.

use super::ending::{self, Asked};
use super::selection::Selection;
use crate::container::dir::{ContainerDir, Containers};
use crate::container::events::Event;
use crate::settings::Settings;
use std::collections::HashMap;

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
    let targets = args.selection.targets(&all, |s| s.is_active())?;
    let timeout = args.time.map(seconds);
    let mut code = 0;
    let mut rest = targets.into_iter();
    loop {
        let batch: Vec<_> = rest.by_ref().take(ending::AT_ONCE).collect();
        if batch.is_empty() {
            return Ok(code);
        }
        // All are asked before the first is waited for.
        let dirs = batch.iter().filter_map(|target| target.dir.as_ref().ok());
        let mut asked = HashMap::new();
        for dir in dirs {
            if !asked.contains_key(dir.id()) {
                asked.insert(dir.id().to_owned(), ask(settings, dir, timeout));
            }
        }
        code = code.max(args.selection.each(batch, |dir| match asked.remove(dir.id()) {
            Some(asked) => asked?.end(dir).map(drop),
            // Named twice.
            None => Ok(()),
        }));
    }
}

fn ask(settings: &Settings, dir: &ContainerDir, timeout: Option<u32>) -> anyhow::Result<Asked> {
    // Told by its supervisor is only the end.
    let event = Event::of_container(&dir.read_config()?, "stop");
    // A paused one is thawed by its supervisor: podman refuses it, and systemd then waits in vain.
    if dir.status()?.is_active() {
        settings.event_log().write(&event);
    }
    ending::ask(dir, timeout)
}

/// A negative number waits for ever, as podman has it.
pub(super) fn seconds(time: i64) -> u32 {
    if time < 0 { u32::MAX } else { u32::try_from(time).unwrap_or(u32::MAX) }
}
