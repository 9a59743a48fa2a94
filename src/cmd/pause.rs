//! `bolt pause`: all processes of a container stand still until `unpause`.

use super::selection::Selection;
use crate::container::dir::{ContainerDir, Containers};
use crate::container::events::Event;
use crate::container::freezer::Freezer;
use crate::container::state::Status;
use crate::settings::Settings;
use anyhow::{Context, anyhow, bail};

/// Freeze all processes of containers
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
}

/// Runs the verb.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    each(settings, args.selection, Status::Running, pause)
}

/// Does the same to every container that was named; `--all` stands for those that are `from`.
pub(super) fn each(
    settings: &Settings,
    selection: Selection,
    from: Status,
    act: fn(&Settings, &ContainerDir) -> anyhow::Result<()>,
) -> anyhow::Result<u8> {
    let all = Containers::open(&settings.dirs)?;
    let targets = selection.targets(&all, |status| status == from)?;
    Ok(selection.each(targets, |dir| act(settings, dir)))
}

/// Acts on the processes of a container, and writes down that it was done.
pub(super) fn carry_out(
    settings: &Settings,
    dir: &ContainerDir,
    verb: &str,
    act: impl FnOnce() -> std::io::Result<()>,
) -> anyhow::Result<()> {
    let config = dir.read_config()?;
    act().with_context(|| format!("{verb} container {}", dir.id()))?;
    settings.event_log().write(&Event::of_container(&config, verb));
    Ok(())
}

fn pause(settings: &Settings, dir: &ContainerDir) -> anyhow::Result<()> {
    let now = dir.snapshot()?;
    match now.status {
        Status::Running => {}
        Status::Paused => bail!("container {} is already paused", dir.id()),
        status => {
            bail!("container {} is {}: only a running one is paused", dir.id(), status.word())
        }
    }
    let freezer = Freezer::of(&now.recorded).with_context(|| {
        format!(
            "cannot pause container {}: it has no control group to freeze; {}",
            dir.id(),
            way_to_freeze()
        )
    })?;
    carry_out(settings, dir, "pause", || freezer.freeze())
}

/// What gives a container a control group here.
fn way_to_freeze() -> &'static str {
    match crate::cgroup::is_pure_v2() {
        true => {
            "where `systemd --user` answers, -d or a limit such as --pids-limit gives it one \
             ('bolt doctor' tells)"
        }
        false => "this host has cgroup v1, where root alone can give it one ('bolt doctor' tells)",
    }
}

/// Why a verb that would wait for frozen processes does nothing.
pub(super) fn refusal(verb: &str, dir: &ContainerDir) -> anyhow::Error {
    anyhow!("cannot {verb} container {} as it is paused: unpause it first", dir.id())
}
