//! `bolt rm`: removes containers with their files.

use super::ending::{self, Asked, CLEANUP, PATIENCE};
use super::selection::{Selection, Target, report};
use super::starting;
use crate::container::config::Config;
use crate::container::dir::{ContainerDir, Containers, Rest};
use crate::container::error::Error;
use crate::container::events::Event;
use crate::container::state::Status;
use crate::container::volume::{VolumeError, Volumes};
use crate::exit;
use crate::settings::Settings;
use crate::sys::small;
use crate::ui::print;
use crate::userns;
use std::collections::HashSet;
use std::time::Duration;

/// A container runs and `--force` was not given.
const RUNNING: u8 = 2;

/// Remove containers
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    selection: Selection,
    /// Stop running containers first; unknown ones are no error
    #[arg(short, long)]
    force: bool,
    /// Remove anonymous volumes too
    #[arg(short, long)]
    volumes: bool,
    /// Seconds to wait before a container is killed; needs --force
    #[arg(short, long, alias = "timeout", requires = "force", allow_negative_numbers = true)]
    time: Option<i64>,
    /// Remove the containers too that require one of these
    #[arg(long)]
    depend: bool,
}

/// Runs the verb. Codes as podman-rm(1): 1 unknown container, 2 it runs, 125 anything else.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let all = Containers::open(&settings.dirs)?;
    let mut targets = args.selection.targets(&all, |_| true)?;
    if args.depend {
        add_dependents(&all, &mut targets)?;
    }
    let named: Vec<String> =
        targets.iter().filter_map(|t| Some(t.dir.as_ref().ok()?.id().to_owned())).collect();
    let timeout = args.time.map(super::stop::seconds);
    let mut failure = 0;
    let mut ready = Vec::new();
    let mut seen = HashSet::new();
    // Named twice it goes once.
    let first = |t: &Target| t.dir.as_ref().map_or(true, |dir| seen.insert(dir.id().to_owned()));
    let mut rest = targets.into_iter().filter(first).peekable();
    while rest.peek().is_some() {
        // All of them are asked to end before the first is waited for.
        let mut asked = Vec::new();
        for Target { label, dir } in rest.by_ref().take(ending::AT_ONCE) {
            let result = match dir {
                Err(Error::NotFound(_)) if args.force || args.selection.ignore => continue,
                Err(e) => Err(Refusal::from(e)),
                Ok(dir) => required(&all, &dir, &named)
                    .and_then(|()| ask(&dir, args.force, timeout))
                    .map(|how| (dir, how)),
            };
            asked.push((label, result));
        }
        for (label, result) in asked {
            match result.and_then(|(dir, how)| take(dir, how)) {
                Ok(dir) => ready.push((label, dir)),
                Err(refusal) => {
                    report(&refusal.error);
                    failure = worst(failure, refusal.code);
                }
            }
        }
    }
    if !delete(settings, &all, ready, args.volumes)? {
        failure = exit::ENGINE;
    }
    Ok(failure)
}

/// Removes what does not run any more; false: not all of it.
///
/// Mostly all files are the user's own, and to make P again takes longer than everything else.
fn delete(
    settings: &Settings,
    all: &Containers,
    ready: Vec<(String, ContainerDir)>,
    volumes: bool,
) -> anyhow::Result<bool> {
    let has_volumes =
        |dir: &ContainerDir| dir.read_config().is_ok_and(|c| !c.anonymous_volumes.is_empty());
    let inside = volumes && ready.iter().any(|(_, dir)| has_volumes(dir));
    if inside {
        userns::enter(&settings.dirs)?;
    }
    let mut rests = Vec::new();
    let mut done = true;
    let mut tell = |label: &str, result: anyhow::Result<()>| match result {
        Ok(()) => print::line(label),
        Err(e) => {
            report(&e);
            done = false;
        }
    };
    for (label, mut dir) in ready {
        match take_away(settings, all, &mut dir, volumes) {
            Ok(Some(rest)) => rests.push((label, rest)),
            other => tell(&label, other.map(drop)),
        }
    }
    if !rests.is_empty() && !inside {
        userns::enter(&settings.dirs)?;
    }
    for (label, rest) in rests {
        tell(&label, all.remove_rest(&rest).map_err(Into::into));
    }
    Ok(done)
}

#[derive(Debug)]
struct Refusal {
    code: u8,
    error: anyhow::Error,
}

impl<E: Into<anyhow::Error>> From<E> for Refusal {
    fn from(error: E) -> Self {
        let error = error.into();
        let unknown = matches!(error.downcast_ref(), Some(Error::NotFound(_)));
        Refusal { code: if unknown { exit::NO } else { exit::ENGINE }, error }
    }
}

/// podman-rm(1): a missing container counts only when nothing else failed.
fn worst(before: u8, now: u8) -> u8 {
    match (before, now) {
        (0, code) | (code, 0) => code,
        (exit::NO, code) | (code, exit::NO) => code,
        (RUNNING, code) | (code, RUNNING) => code,
        (code, _) => code,
    }
}

/// Refuses one that others need which stay.
fn required(all: &Containers, dir: &ContainerDir, named: &[String]) -> Result<(), Refusal> {
    let mut left = super::requires::dependents(all, dir)?;
    left.retain(|id| !named.contains(id));
    if left.is_empty() {
        return Ok(());
    }
    let error = anyhow::anyhow!(
        "container {} has dependent containers which must be removed before it: {}; use --depend",
        dir.id(),
        left.join(", ")
    );
    Err(Refusal { code: exit::ENGINE, error })
}

/// `--depend`: who requires one of them goes first.
fn add_dependents(all: &Containers, targets: &mut Vec<Target>) -> anyhow::Result<()> {
    let mut n = 0;
    while n < targets.len() {
        if let Ok(dir) = &targets[n].dir {
            for id in super::requires::dependents(all, dir)? {
                let known = |t: &Target| t.dir.as_ref().is_ok_and(|d| d.id() == id);
                if !targets.iter().any(known) {
                    targets.push(Target { dir: all.open_id(&id), label: id });
                }
            }
        }
        n += 1;
    }
    targets.reverse();
    Ok(())
}

/// How often another command may start again what is to be removed by force.
const TRIES: u32 = 5;

/// How a container is to be had.
enum Way {
    /// As it is, within so long.
    Idle(Duration),
    /// It was asked to end, with so many seconds until it is killed.
    Forced(Asked, Option<u32>),
}

/// Asks what runs to end, or refuses it.
fn ask(dir: &ContainerDir, force: bool, timeout: Option<u32>) -> Result<Way, Refusal> {
    let mut status = dir.status()?;
    if !force && status == Status::Starting {
        // Another command may only be removing it, or work on its files.
        let _ = starting::settle(dir, PATIENCE);
        status = dir.status()?;
    }
    if !force && status.is_active() {
        let error = anyhow::anyhow!(
            "cannot remove container {} as it is {}: stop it first or use --force",
            dir.id(),
            status.word()
        );
        return Err(Refusal { code: RUNNING, error });
    }
    if force {
        return Ok(Way::Forced(ending::ask(dir, timeout)?, timeout));
    }
    Ok(Way::Idle(if status == Status::Exited { CLEANUP } else { Duration::ZERO }))
}

/// Waits for its end and takes the lock.
fn take(mut dir: ContainerDir, way: Way) -> Result<ContainerDir, Refusal> {
    let taken = match way {
        Way::Idle(limit) => take_idle(&mut dir, limit),
        Way::Forced(asked, timeout) => take_by_force(&mut dir, asked, timeout),
    };
    match taken {
        // Its own supervisor removed it at the end (--rm): that is what was asked for.
        Err(error) if matches!(error.downcast_ref(), Some(Error::NotFound(_))) => Ok(dir),
        other => Ok(other.map(|()| dir)?),
    }
}

fn take_idle(dir: &mut ContainerDir, limit: Duration) -> anyhow::Result<()> {
    let mut taken = dir.lock_within(limit);
    if limit.is_zero() && matches!(taken, Err(Error::Busy(_))) {
        // By another command: who removes it too is soon done.
        let _ = starting::settle(dir, PATIENCE);
        taken = dir.lock_within(limit);
    }
    Ok(taken?)
}

fn take_by_force(
    dir: &mut ContainerDir,
    mut asked: Asked,
    timeout: Option<u32>,
) -> anyhow::Result<()> {
    for _ in 0..TRIES {
        asked.end(dir)?;
        if starting::settle(dir, CLEANUP)? {
            match dir.lock_within(Duration::ZERO) {
                Err(Error::Busy(_)) => {}
                other => return Ok(other?),
            }
        }
        // Another command was quicker, and has started it again, as a restart does.
        asked = ending::ask(dir, timeout)?;
    }
    Err(Error::Busy(dir.id().to_owned()).into())
}

/// Removes a container that was ended: its files, cidfile and, if asked for, its own volumes.
/// Inside P.
pub fn remove(
    settings: &Settings,
    all: &Containers,
    dir: &mut ContainerDir,
    volumes: bool,
) -> anyhow::Result<()> {
    match take_away(settings, all, dir, volumes)? {
        Some(rest) => Ok(all.remove_rest(&rest)?),
        None => Ok(()),
    }
}

/// [`remove`], with volumes only inside P. Some: what only a process inside P may delete.
fn take_away(
    settings: &Settings,
    all: &Containers,
    dir: &mut ContainerDir,
    volumes: bool,
) -> anyhow::Result<Option<Rest>> {
    let config = dir.read_config().ok();
    // A killed supervisor has left them.
    let pids =
        config.as_ref().filter(|c| c.unit.has_pidfiles()).and_then(|_| dir.read_state().ok());
    let (removed, rest) = match all.remove_own(dir) {
        Ok(rest) => (true, rest),
        // Its own supervisor did it, and said so.
        Err(Error::NotFound(_)) => (false, None),
        Err(e) => return Err(e.into()),
    };
    let Some(config) = config else { return Ok(rest) };
    let mut events = Vec::new();
    if removed {
        events.push(Event::of_container(&config, "remove"));
    }
    remove_cidfile(&config);
    if let Some(recorded) = pids {
        config.unit.remove_pidfiles(&recorded);
    }
    if volumes {
        let made = Volumes::open(&settings.dirs)?;
        for name in &config.anonymous_volumes {
            match made.remove(name) {
                Ok(()) => events.push(Event::of("volume", "remove", name)),
                Err(VolumeError::NotFound(_)) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
    settings.event_log().write_all(&events);
    Ok(rest)
}

/// Only a file that still names this container.
fn remove_cidfile(config: &Config) {
    if let Some(path) = &config.cidfile
        && small::read_text(path).is_ok_and(|text| text.trim() == config.id)
    {
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_failure_decides_the_code() {
        let cases = [
            (0, 1, 1),
            (1, 0, 1),
            (1, 2, 2),
            (2, 1, 2),
            (2, 125, 125),
            (125, 1, 125),
            (125, 2, 125),
            (0, 0, 0),
        ];
        for (before, now, want) in cases {
            assert_eq!(worst(before, now), want, "{before} {now}");
        }
    }
}
