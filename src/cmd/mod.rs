//! L4: one verb, one file: clap `Args` on top, a short `run` below.

mod absent;
pub mod account;
pub mod attach;
pub mod bench;
pub mod buckets;
pub mod completion;
pub mod container;
pub mod copy_root;
pub mod cp;
pub mod create;
pub mod create_args;
mod create_config;
mod create_defaults;
pub mod diff;
pub mod doctor;
mod drift;
pub mod ending;
pub mod events;
pub mod exec;
pub mod export;
mod flags;
pub mod game;
pub mod generate;
pub mod healthcheck;
pub mod image;
mod image_names;
pub mod images;
pub mod info;
pub mod inspect;
pub mod kill;
pub mod login;
pub mod logout;
pub mod logs;
pub mod manifest;
pub mod mirror;
mod output;
pub mod pause;
pub mod port;
pub mod probe;
pub mod profile;
pub mod ps;
pub mod pull;
pub mod push;
pub mod remote;
pub mod rename;
pub mod requires;
pub mod resolve;
pub mod restart;
pub mod rm;
pub mod rmi;
pub mod run;
pub mod search;
pub mod secret;
pub mod selection;
mod sizes;
pub mod source;
pub mod start;
mod starting;
pub mod stats;
pub mod steam;
pub mod stop;
pub mod surge;
pub mod system;
pub mod tag;
pub mod top;
pub mod unpause;
pub mod unshare;
pub mod untag;
pub mod update;
pub mod version;
pub mod volume;
pub mod wait;
mod walk;

use crate::exit;
use crate::settings::{Settings, variable};
use crate::ui::print;
use anyhow::Context;
use clap::error::ContextKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
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
    Attach(attach::Args),
    Bench(bench::Args),
    Container(container::Args),
    Cp(cp::Args),
    Diff(diff::Args),
    Events(events::Args),
    Exec(exec::Args),
    Export(export::Args),
    Game(game::Args),
    Generate(generate::Args),
    Healthcheck(healthcheck::Args),
    Inspect(inspect::Args),
    Kill(kill::Args),
    Logs(logs::Args),
    Pause(pause::Args),
    Port(port::Args),
    Ps(ps::Args),
    Rename(rename::Args),
    Resolve(resolve::Args),
    Restart(restart::Args),
    Rm(rm::Args),
    Start(start::Args),
    Stats(stats::Args),
    Steam(steam::Args),
    Stop(stop::Args),
    Top(top::Args),
    Unpause(unpause::Args),
    Unshare(unshare::Args),
    Volume(volume::Args),
    Wait(wait::Args),
    Completion(completion::CompletionArgs),
    Create(create::Args),
    Doctor(doctor::DoctorArgs),
    Image(image::Args),
    Images(images::Args),
    Info(info::Args),
    Rmi(rmi::Args),
    System(system::Args),
    Tag(tag::Args),
    Untag(untag::Args),
    Update(update::Args),
    Version(version::Args),
    Manifest(manifest::Args),
    Login(login::Args),
    Logout(logout::Args),
    Mirror(mirror::Args),
    Pull(pull::Args),
    Profile(profile::Args),
    Push(push::Args),
    Search(search::Args),
    Secret(secret::Args),
    Run(run::Args),
    Source(source::Args),
    Surge(surge::Args),
}

/// The whole command line as data: man pages and completions are made from it.
pub fn cli() -> clap::Command {
    Cli::command()
}

/// Parses argv, runs the verb, returns its exit code.
pub fn main() -> ExitCode {
    if let Some(filter) = variable("BOLT_LOG") {
        log_to_stderr(&filter);
    }
    let words = crate::settings::command_line().split_off(1);
    if matches!(words.as_slice(), [only] if only == "--version" || only == "-V") {
        return code(print::stdout(concat!("bolt ", env!("CARGO_PKG_VERSION"), "\n")).map(|()| 0));
    }
    if let Some(result) = hidden(&words) {
        return code(result);
    }
    if words.first().is_some_and(|verb| verb == "help") {
        return code(help(&words[1..]));
    }
    if let Some(run) = before_a_game(&words) {
        return ExitCode::from(run(std::env::args_os().skip(3).collect()));
    }
    let is_early = words.first().is_some_and(|verb| verb == "run") && run::begins_early(&words);
    // Which program that is does not depend on settings.
    let monitor = if is_early { crate::shim::load().ok().flatten() } else { None };
    let settings = Settings::for_records();
    let early = match &settings {
        Ok(settings) if is_early => run::begin_early(monitor, settings, &words),
        _ => None,
    };
    let verb = match alone(&words).unwrap_or_else(whole) {
        Ok(Verb::Run(mut args)) => {
            args.set_early(early);
            Verb::Run(args)
        }
        Ok(verb) => verb,
        Err(e) => {
            if let Some(refusal) = absent::refusal(&e) {
                return code(Err(anyhow::Error::msg(refusal)));
            }
            let _ = e.print();
            return ExitCode::from(if e.use_stderr() { exit::ENGINE } else { 0 });
        }
    };
    let result = settings.map_err(anyhow::Error::from).and_then(|settings| {
        // What the killed watcher of a game that is over had to undo.
        crate::wrap::sweep(&settings.dirs.undo(), &settings.dirs.wrap_log());
        dispatch(verb, &settings)
    });
    code(result)
}

/// The verbs that become a game take their words byte for byte, and start it even where nothing
/// else would work.
fn before_a_game(words: &[String]) -> Option<fn(Vec<std::ffi::OsString>) -> u8> {
    match [words.first()?.as_str(), words.get(1)?.as_str()] {
        ["game", "wrap"] => Some(game::wrap::main),
        ["steam", "tool"] => Some(steam::tool::main),
        _ => None,
    }
}

/// The verbs that scripts call again and again are parsed alone: building the whole tree takes
/// longer than they do.
fn alone(words: &[String]) -> Option<Result<Verb, clap::Error>> {
    match words.first()?.as_str() {
        "run" => Some(parse(Verb::Run).map_err(without_advice)),
        "create" => Some(parse(Verb::Create).map_err(without_advice)),
        "start" => Some(parse(Verb::Start)),
        "exec" => Some(parse(Verb::Exec)),
        "ps" => Some(parse(Verb::Ps)),
        "stop" => Some(parse(Verb::Stop)),
        "rm" => Some(parse(Verb::Rm)),
        "inspect" => Some(parse(Verb::Inspect)),
        "kill" => Some(parse(Verb::Kill)),
        "logs" => Some(parse(Verb::Logs)),
        "wait" => Some(parse(Verb::Wait)),
        _ => None,
    }
}

/// clap's advice for a flag that it does not know, `-- --flag`, would make it the image.
fn without_advice(mut error: clap::Error) -> clap::Error {
    error.remove(ContextKind::Suggested);
    error
}

fn parse<A: clap::Args>(verb: fn(A) -> Verb) -> Result<Verb, clap::Error> {
    let mut words = std::env::args_os().skip(1);
    let name = words.next().unwrap_or_default().to_string_lossy().into_owned();
    let command = || {
        let command = clap::Command::new("bolt").bin_name(format!("bolt {name}"));
        A::augment_args(command)
    };
    let words: Vec<_> = std::iter::once("bolt".into()).chain(words).collect();
    flags::parse(command, &words, |matches| A::from_arg_matches_mut(matches).map(verb))
}

/// Every other verb.
fn whole() -> Result<Verb, clap::Error> {
    let words: Vec<_> = std::env::args_os().collect();
    flags::parse(Cli::command, &words, |matches| {
        Cli::from_arg_matches_mut(matches).map(|cli| cli.verb)
    })
}

/// `bolt help VERB...`: becomes `bolt VERB... --help`.
fn help(verbs: &[String]) -> anyhow::Result<u8> {
    use std::os::unix::process::CommandExt;
    let mut own = std::process::Command::new("/proc/self/exe");
    own.arg0("bolt").args(verbs).arg("--help");
    Err(crate::sys::exec::replace(&mut own)).context("show the help")
}

/// `BOLT_LOG=debug`: why a decision was taken, on standard error. Not set up unless asked for.
fn log_to_stderr(filter: &str) {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(|| Masked)
        .init();
}

/// Standard error, without the secrets that this process has told anybody.
struct Masked;

impl std::io::Write for Masked {
    /// A line at a time, as it is given.
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        let shown = crate::ui::redact::hide(&String::from_utf8_lossy(line));
        std::io::stderr().write_all(shown.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Verbs that Bolt's own processes call, and nobody types.
fn hidden(words: &[String]) -> Option<anyhow::Result<u8>> {
    let (verb, args) = words.split_first()?;
    let settings = || Settings::for_records().map_err(anyhow::Error::from);
    let done = match verb.as_str() {
        "__copy-root" => settings().and_then(|settings| copy_root::run(&settings, args)),
        "__probe" => probe::run(args),
        crate::wrap::WATCH => game::wrap::watch(args),
        crate::wrap::INNER => return Some(Ok(game::wrap::inner())),
        "__relayout" => settings().and_then(|settings| pull::relayout(&settings, args)),
        _ => return None,
    };
    Some(done.map(|()| 0))
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
        Verb::Attach(args) => attach::run(args, settings),
        Verb::Bench(args) => bench::run(&args, settings),
        Verb::Container(args) => container::run(args, settings),
        Verb::Cp(args) => cp::run(args, settings),
        Verb::Diff(args) => diff::run(args, settings),
        Verb::Events(args) => events::run(args, settings),
        Verb::Exec(args) => exec::run(args, settings),
        Verb::Export(args) => export::run(args, settings),
        Verb::Game(args) => game::run(args),
        Verb::Generate(args) => generate::run(args, settings),
        Verb::Healthcheck(args) => healthcheck::run(&args, settings),
        Verb::Inspect(args) => inspect::run(args, settings),
        Verb::Kill(args) => kill::run(args, settings),
        Verb::Logs(args) => logs::run(args, settings),
        Verb::Pause(args) => pause::run(args, settings),
        Verb::Port(args) => port::run(args, settings),
        Verb::Ps(args) => ps::run(args, settings),
        Verb::Rename(args) => rename::run(args, settings),
        Verb::Resolve(args) => resolve::run(&args, settings),
        Verb::Restart(args) => restart::run(args, settings),
        Verb::Rm(args) => rm::run(args, settings),
        Verb::Start(args) => start::run(args, settings),
        Verb::Stats(args) => stats::run(args, settings),
        Verb::Steam(args) => steam::run(args, settings),
        Verb::Surge(args) => surge::run(args, settings),
        Verb::Stop(args) => stop::run(args, settings),
        Verb::Top(args) => top::run(args, settings),
        Verb::Unpause(args) => unpause::run(args, settings),
        Verb::Unshare(args) => unshare::run(args, settings),
        Verb::Volume(args) => volume::run(args, settings),
        Verb::Wait(args) => wait::run(args, settings),
        Verb::Completion(args) => completion::run(&args, cli()).map(|()| 0),
        Verb::Create(args) => create::run(args, settings),
        Verb::Doctor(args) => doctor::run(&args, settings),
        Verb::Login(args) => account::login(&args, settings),
        Verb::Logout(args) => account::logout(&args, settings),
        Verb::Image(args) => image::run(args, settings),
        Verb::Mirror(args) => mirror::run(args, settings),
        Verb::Source(args) => source::run(args, settings),
        Verb::Images(args) => images::run(args, settings),
        Verb::Info(args) => info::run(args, settings),
        Verb::Rmi(args) => rmi::run(args, settings),
        Verb::System(args) => system::run(args, settings),
        Verb::Tag(args) => tag::run(args, settings),
        Verb::Untag(args) => untag::run(args, settings),
        Verb::Update(args) => update::run(args, settings),
        Verb::Version(args) => version::run(args, settings),
        Verb::Manifest(args) => manifest::run(args, settings),
        Verb::Pull(args) => pull::run(args, settings),
        Verb::Profile(args) => profile::run(args, settings),
        Verb::Search(args) => search::run(&args, settings),
        Verb::Secret(args) => secret::run(args, settings),
        Verb::Push(args) => push::run(args, settings),
        Verb::Run(args) => run::run(args, settings),
    }
}
