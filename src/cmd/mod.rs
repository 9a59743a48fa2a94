//! L4: one verb, one file: clap `Args` on top, a short `run` below.

pub mod completion;
pub mod copy_root;
pub mod create;
pub mod create_args;
pub mod doctor;
pub mod image;
pub mod images;
pub mod info;
pub mod login;
pub mod logout;
pub mod probe;
pub mod pull;
pub mod rmi;
pub mod run;
pub mod system;
pub mod tag;
pub mod untag;
pub mod version;

use crate::exit;
use crate::settings::Settings;
use crate::ui::print;
use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

/// A daemonless, rootless container runtime for games.
#[derive(Debug, Parser)]
#[command(name = "bolt", version, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Completion(completion::CompletionArgs),
    /// Create a container without starting it
    Create(create::Args),
    Doctor(doctor::DoctorArgs),
    Image(image::Args),
    Images(images::Args),
    Info(info::Args),
    Login(login::Args),
    Logout(logout::Args),
    Pull(pull::Args),
    Rmi(rmi::Args),
    /// Run a command in a new container
    Run(run::Args),
    System(system::Args),
    Tag(tag::Args),
    Untag(untag::Args),
    Version(version::Args),
}

/// The whole command line as data: man pages and completions are made from it.
pub fn cli() -> clap::Command {
    Cli::command()
}

/// Parses argv, runs the verb, returns its exit code.
pub fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some(result) = hidden(&words) {
        return code(result.map(|()| 0));
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { exit::ENGINE } else { 0 });
        }
    };
    let result =
        Settings::from_env().map_err(anyhow::Error::from).and_then(|s| dispatch(cli.verb, &s));
    code(result)
}

/// Verbs that Bolt's own processes call, and nobody types.
fn hidden(words: &[String]) -> Option<anyhow::Result<()>> {
    let (verb, args) = words.split_first()?;
    match verb.as_str() {
        "__map-ids" => Some(crate::userns::map_ids(args)),
        "__copy-root" => Some(
            Settings::from_env()
                .map_err(anyhow::Error::from)
                .and_then(|settings| copy_root::run(&settings, args)),
        ),
        "__probe" => Some(probe::run(args)),
        "__relayout" => Some(
            Settings::from_env()
                .map_err(anyhow::Error::from)
                .and_then(|settings| pull::relayout(&settings, args)),
        ),
        _ => None,
    }
}

fn code(result: anyhow::Result<u8>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) if print::is_closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            print::error_chain(&error);
            ExitCode::from(exit::ENGINE)
        }
    }
}

fn dispatch(verb: Verb, settings: &Settings) -> anyhow::Result<u8> {
    match verb {
        Verb::Completion(args) => completion::run(&args, cli()).map(|()| 0),
        Verb::Create(args) => create::run(args, settings),
        Verb::Doctor(args) => doctor::run(&args, &settings.dirs),
        Verb::Image(args) => image::run(args, settings),
        Verb::Images(args) => images::run(args, settings),
        Verb::Info(args) => info::run(args, settings),
        Verb::Login(args) => pull::login(&args, settings),
        Verb::Logout(args) => pull::logout(&args, settings),
        Verb::Pull(args) => pull::run(args, settings),
        Verb::Rmi(args) => rmi::run(args, settings),
        Verb::Run(args) => run::run(args, settings),
        Verb::System(args) => system::run(args, settings),
        Verb::Tag(args) => tag::run(args, settings),
        Verb::Untag(args) => untag::run(args, settings),
        Verb::Version(args) => version::run(args, settings),
    }
}
