//! `bolt container`: podman's group of the container verbs.

use super::ending::CLEANUP;
use super::selection::report;
use super::starting;
use crate::container::dir::Containers;
use crate::container::error::Error;
use crate::container::filter::Filters;
use crate::container::list;
use crate::container::state::Status;
use crate::exit;
use crate::settings::Settings;
use crate::ui::print;
use crate::userns;

/// Manage containers
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Attach(super::attach::Args),
    Cp(super::cp::Args),
    Diff(super::diff::Args),
    Exec(super::exec::Args),
    Export(super::export::Args),
    /// Exit with 0 if the container exists, else with 1
    Exists {
        /// Name or ID
        container: String,
        /// Accepted for podman's sake: there are no other programs' containers here
        #[arg(long)]
        external: bool,
    },
    Inspect(super::inspect::Args),
    Kill(super::kill::Args),
    #[command(visible_aliases = ["list", "ps"])]
    Ls(super::ps::Args),
    Logs(super::logs::Args),
    Pause(super::pause::Args),
    Port(super::port::Args),
    /// Remove all containers that do not run
    Prune {
        /// Do not ask
        #[arg(short, long)]
        force: bool,
        /// Only containers that match
        #[arg(long, value_name = "KEY=VALUE")]
        filter: Vec<String>,
    },
    Rename(super::rename::Args),
    Restart(super::restart::Args),
    Rm(super::rm::Args),
    Start(super::start::Args),
    Stats(super::stats::Args),
    Stop(super::stop::Args),
    Top(super::top::Args),
    Unpause(super::unpause::Args),
    Update(super::update::Args),
    Wait(super::wait::Args),
}

/// Runs the verb.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    match args.verb {
        Verb::Attach(args) => super::attach::run(args, settings),
        Verb::Cp(args) => super::cp::run(args, settings),
        Verb::Diff(args) => super::diff::run(args, settings),
        Verb::Exec(args) => super::exec::run(args, settings),
        Verb::Export(args) => super::export::run(args, settings),
        Verb::Exists { container, .. } => exists(settings, &container),
        Verb::Inspect(args) => super::inspect::run(args, settings),
        Verb::Kill(args) => super::kill::run(args, settings),
        Verb::Ls(args) => super::ps::run(args, settings),
        Verb::Logs(args) => super::logs::run(args, settings),
        Verb::Pause(args) => super::pause::run(args, settings),
        Verb::Port(args) => super::port::run(args, settings),
        Verb::Prune { force, filter } => prune(settings, force, &filter),
        Verb::Rename(args) => super::rename::run(args, settings),
        Verb::Restart(args) => super::restart::run(args, settings),
        Verb::Rm(args) => super::rm::run(args, settings),
        Verb::Start(args) => super::start::run(args, settings),
        Verb::Stats(args) => super::stats::run(args, settings),
        Verb::Stop(args) => super::stop::run(args, settings),
        Verb::Top(args) => super::top::run(args, settings),
        Verb::Unpause(args) => super::unpause::run(args, settings),
        Verb::Update(args) => super::update::run(args, settings),
        Verb::Wait(args) => super::wait::run(args, settings),
    }
}

fn exists(settings: &Settings, name: &str) -> anyhow::Result<u8> {
    match Containers::open(&settings.dirs)?.find(name) {
        Ok(_) | Err(Error::Ambiguous { .. }) => Ok(0),
        Err(Error::NotFound(_)) => Ok(exit::NO),
        Err(e) => Err(e.into()),
    }
}

fn prune(settings: &Settings, force: bool, filter: &[String]) -> anyhow::Result<u8> {
    let filters = Filters::parse(filter)?;
    if !force && !super::volume::confirm("Remove all containers that do not run?")? {
        return Ok(0);
    }
    let all = Containers::open(&settings.dirs)?;
    let entries = filters.apply(list::read(&all)?.entries)?;
    userns::enter(&settings.dirs)?;
    let mut code = 0;
    let ended = |s| matches!(s, Status::Created | Status::Exited);
    let ids: Vec<String> =
        entries.into_iter().filter(|e| ended(e.status)).map(|e| e.config.id).collect();
    for id in &ids {
        let result = all.open_id(id).map_err(anyhow::Error::from).and_then(|mut dir| {
            // What one that stays requires stays too.
            if super::requires::dependents(&all, &dir)?.iter().any(|other| !ids.contains(other)) {
                return Ok(false);
            }
            // Somebody may have started it meanwhile.
            if !starting::settle(&dir, CLEANUP)? || !dir.try_lock()? {
                return Ok(false);
            }
            super::rm::remove(settings, &all, &mut dir, true).map(|()| true)
        });
        match result {
            Ok(true) => print::line(id),
            Ok(false) => {}
            // Another command was quicker.
            Err(e) if matches!(e.downcast_ref(), Some(Error::NotFound(_))) => {}
            Err(e) => {
                report(&e);
                code = exit::ENGINE;
            }
        }
    }
    all.sweep()?;
    Ok(code)
}
