//! `bolt run`: create, start, and stay until the end (or not, with `-d`).

use crate::cmd::create::{self, Created};
use crate::cmd::create_args::CreateArgs;
use crate::container::config::Origin;
use crate::launch::{self, Mode};
use crate::rootfs::driver::Kind;
use crate::settings::Settings;
use crate::shim::attach::{self, End};
use crate::shim::detach::DetachKeys;
use crate::shim::{self, StartError, client, terminal};
use crate::ui::print;
use anyhow::Context;
use bolt_shim::report::Failure;

/// Flags of `run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Run in the background and print the container's id
    #[arg(short, long)]
    detach: bool,
    /// Keys that detach a terminal
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    detach_keys: String,
    /// Forward signals to the container
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, default_missing_value = "true")]
    sig_proxy: bool,
    #[command(flatten)]
    create: CreateArgs,
}

/// Runs the container; the exit code is the payload's.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let keys = DetachKeys::parse(&args.detach_keys).context("--detach-keys")?;
    if args.create.dry_run {
        return dry_run(settings, &args.create);
    }
    let mut created = create::make(settings, &args.create)?;
    let mode = Mode { attach: !args.detach, size: terminal::size(std::io::stdin()), restarts: 0 };
    let started =
        shim::start(settings, &created.containers, &mut created.dir, &created.config, mode);
    let started = match started {
        Ok(started) => started,
        Err(error) => return not_started(&mut created, error),
    };
    for note in &started.notes {
        print::warning(note);
    }
    if args.detach {
        print::stdout(&format!("{}\n", created.dir.id()))?;
        return Ok(0);
    }
    let options = attach::Options {
        stdin: created.config.process.stdin,
        stdout: true,
        stderr: true,
        tty: created.config.process.tty,
        sig_proxy: args.sig_proxy,
        detach_keys: keys,
    };
    let end = attach::attach(&started.connection, &options)?;
    if let End::Exited { .. } = end {
        started.reap();
    }
    finish(end)
}

/// What the end of an attached client means for the exit code.
pub fn finish(end: End) -> anyhow::Result<u8> {
    Ok(match end {
        End::Exited { code, oom } => {
            if oom {
                print::warning("the kernel ended the container: it was out of memory");
            }
            code
        }
        End::Detached | End::OutputClosed => 0,
        End::Interrupted(signal) => crate::exit::signalled(signal),
    })
}

/// The reason, and 125, 126 or 127. With `--rm` nothing of the container is left.
fn not_started(created: &mut Created, error: anyhow::Error) -> anyhow::Result<u8> {
    if created.config.remove {
        let _ = created.containers.remove(&mut created.dir);
    }
    match failure(&error) {
        Some(failure) => {
            let code = client::exit_code(failure);
            print::error_chain(&error);
            Ok(code)
        }
        None => Err(error),
    }
}

fn failure(error: &anyhow::Error) -> Option<&Failure> {
    match error.downcast_ref::<StartError>() {
        Some(StartError::Step(failure)) => Some(failure),
        _ => None,
    }
}

/// `--dry-run`: the plan as JSON. The small files are planned in a scratch directory that goes
/// at once; nothing is left and no process is made.
pub fn dry_run(settings: &Settings, args: &CreateArgs) -> anyhow::Result<u8> {
    let (origin, image, _held) = create::origin(settings, args)?;
    let caller: Vec<(String, String)> = std::env::vars().collect();
    let id = "0".repeat(64);
    let name = args.name.clone().unwrap_or_else(|| "dry-run".into());
    let config = args.config(settings, &id, &name, origin, &image, &caller)?;
    let containers = crate::container::dir::Containers::open(&settings.dirs)?;
    let source = crate::userns::source(&settings.dirs, &containers)?;
    let mut dir = containers.create(None, None)?;
    if let Origin::Image { driver, .. } = &config.origin
        && driver == Kind::Copy.name()
    {
        // The plan names the copy, which is not made for a plan alone.
        std::fs::create_dir(dir.path().join("root")).context("stand in for the copied root")?;
    }
    let mode = Mode { attach: true, size: None, restarts: 0 };
    let plan = launch::plan(settings, &dir, &config, &source, mode);
    containers.remove(&mut dir)?;
    let plan = plan?;
    for note in &plan.notes {
        print::warning(note);
    }
    print::stdout(&format!("{}\n", serde_json::to_string_pretty(&plan.launch)?))?;
    Ok(0)
}
