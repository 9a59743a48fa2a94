//! `bolt run`: create, start, and stay until the end (or not, with `-d`).

use crate::cmd::create::{self, Created, Early, Next};
use crate::cmd::create_args::CreateArgs;
use crate::cmd::ending::PATIENCE;
use crate::cmd::requires;
use crate::container::dir::{ContainerDir, Containers};
use crate::launch::{self, Mode};
use crate::settings::{Settings, containers_conf, variable};
use crate::shim::attach::{self, End};
use crate::shim::client::Connection;
use crate::shim::detach::DetachKeys;
use crate::shim::service::Service;
use crate::shim::{self, Launcher, Monitor, StartError, Started, terminal};
use crate::ui::print;
use anyhow::Context;
use bolt_shim::report::Failure;
use std::io::IsTerminal;
use std::time::Duration;

/// Run a command in a new container
#[derive(Debug, clap::Args)]
#[command(override_usage = "bolt run [OPTIONS] IMAGE [COMMAND]...", disable_help_flag = true)]
pub struct Args {
    /// Run in the background and print the container's id
    #[arg(short, long)]
    detach: bool,
    /// Keys that detach a terminal
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    detach_keys: String,
    /// Forward signals to the container
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_parser = crate::cmd::flags::boolean())]
    sig_proxy: bool,
    /// Pass descriptors 3 to 2+N of the caller
    #[arg(long, value_name = "N", default_value_t = 0)]
    preserve_fds: u32,
    #[command(flatten)]
    create: CreateArgs,
    /// Began before the command line was read.
    #[arg(skip)]
    early: Early,
}

impl Args {
    /// What [`begin_early`] made.
    pub fn set_early(&mut self, early: Early) {
        self.early = early;
    }

    /// The flags that `create` has as well.
    pub fn create_mut(&mut self) -> &mut CreateArgs {
        &mut self.create
    }
}

/// Whether a supervisor may be begun before the command line is read: not where there will be no
/// start, nor where the start itself says why there is none.
pub fn begins_early(words: &[String]) -> bool {
    // A file of variables may be a pipe from another `run`, which must not wait for P, nor we for
    // it in a P that may end meanwhile. Descriptors of the caller have their numbers until they
    // are taken over: nothing is opened before.
    // What is to be replaced enters P to go.
    let ends = |word: &String| {
        ["--help", "--dry-run", "--env-file", "--preserve-fds", "--replace"]
            .iter()
            .any(|flag| word.starts_with(flag))
    };
    // So may other files be that are read on the way.
    let reads = |word: &String| word.contains("seccomp=");
    let passes = variable("LISTEN_FDS").is_some();
    let conf = variable("CONTAINERS_CONF").or_else(|| variable("CONTAINERS_CONF_OVERRIDE"));
    !passes && conf.is_none() && !words.iter().any(|word| ends(word) || reads(word))
}

/// A loaded supervisor enters P while the command line is read, which takes as long: it needs
/// nothing of that.
pub fn begin_early(monitor: Option<Monitor>, settings: &Settings, words: &[String]) -> Early {
    // Nothing is made for a command line that may be refused.
    if !settings.dirs.containers().is_dir() {
        return None;
    }
    let containers = Containers::open(&settings.dirs).ok()?;
    let shares = |word: &String| word == "host" || word.ends_with("=host");
    let usual = !words.iter().any(shares) && !launch::is_asked_for(words);
    let usual_ids = !words.iter().any(|word| word.starts_with("--userns"));
    let init =
        |source: &_| usual.then(|| launch::usual_init(settings, source, usual_ids)).flatten();
    shim::try_begin(monitor, settings, &containers, init).ok()?.map(Box::new)
}

/// Runs the container; the exit code is the payload's.
pub fn run(mut args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let keys = DetachKeys::parse(&args.detach_keys).context("--detach-keys")?;
    let service = Service::take(settings, args.create.unit.sdnotify, args.preserve_fds)?;
    let defaults = containers_conf::load(&settings.containers_conf)?;
    settings.know(&defaults);
    args.create.complete(defaults)?;
    if args.create.dry_run {
        return create::dry_run(settings, &args.create);
    }
    let mut early = args.early.take();
    if !args.create.unit.requires.is_empty() {
        create::step_back(&mut early);
        requires::start_named(settings, &args.create.unit.requires)?;
    }
    let makes_p = early.as_mut().filter(|begun| begun.makes_p());
    let maps = makes_p.filter(|_| launch::stays_with_caller(settings));
    if maps.is_some_and(|begun| begun.make_p(settings).is_err()) {
        // The reason shows again, and is told, once the image is there.
        create::step_back(&mut early);
    }
    let mut created = create::make(settings, &args.create, Next::Start(early))?;
    let options = attach::Options {
        stdin: created.config.takes_input(),
        stdout: true,
        stderr: true,
        tty: created.config.process.tty,
        sig_proxy: args.sig_proxy,
        terminal: !args.detach && terminal::is_there(),
        detach_keys: keys,
    };
    let held = if args.detach { None } else { attach::hold(&options)? };
    if options.tty && options.stdin && !args.detach && !std::io::stdin().is_terminal() {
        print::warning(
            "the input device is not a TTY; --tty and --interactive may not work properly",
        );
    }
    let size = terminal::size(std::io::stdin());
    let mode = Mode { attach: !args.detach, size, ..Mode::default() };
    let begun = created.begun.take().context("a container to run has a supervisor")?;
    let Created { dir, config, recorded, .. } = &mut created;
    let record = |dir: &ContainerDir| {
        if !*recorded {
            create::record(settings, &args.create, dir, config)?;
            *recorded = true;
        }
        Ok(())
    };
    let launcher = Launcher { service: &service, held: held.as_ref() };
    let started = shim::start(settings, begun, dir, config, mode, launcher, record);
    // The container has them now, and who reads from the other end is to see its end.
    drop(service);
    let started = match started {
        Ok(started) => started,
        Err(error) => return not_started(settings, created, error),
    };
    for note in &started.notes {
        print::warning(note);
    }
    if args.detach {
        // With passthrough what is written here is the payload's.
        if !created.config.log_driver.is_passthrough() {
            print::stdout(&format!("{}\n", created.dir.id()))?;
        }
        return Ok(0);
    }
    let end = attach::attach(&started.connection, &options, held)?;
    if let End::Exited { .. } = end {
        // The last hold on a directory that is removed: the supervisor ends meanwhile.
        drop(created.dir);
        started.reap();
        let code = finish(end, &created.config.name);
        // The process ends here: what it frees piece by piece the kernel takes back at once.
        std::mem::forget((args, created.config, started));
        return Ok(code);
    }
    if end == End::OutputClosed && created.config.remove {
        // Nobody else can see it any more, and whoever closed the pipe does not wait for long.
        let grace = created.config.stop_timeout.min(1);
        let line = &started.connection;
        let ended = line
            .wait_at_most(Duration::from_secs(grace.into()) + PATIENCE)
            .and_then(|()| line.stop(Some(grace)));
        match ended {
            Ok(_) => started.reap(),
            Err(error) => print::warning(&format!("the container may run on: {error}")),
        }
        return Ok(crate::exit::signalled(libc::SIGPIPE));
    }
    Ok(finish(end, &created.config.name))
}

/// Says what could not be applied, and gives the line to the supervisor on.
pub fn tell(started: Started) -> Connection {
    for note in &started.notes {
        print::warning(note);
    }
    started.connection
}

/// What the end of a client that is attached to this container means for the exit code.
pub fn finish(end: End, name: &str) -> u8 {
    match end {
        End::Exited { code, oom } => {
            if oom {
                print::warning("the kernel ended the container: it was out of memory");
            }
            code
        }
        End::Detached => 0,
        End::OutputClosed => {
            print::warning(&format!("nobody reads the output any more; container {name} runs on"));
            crate::exit::signalled(libc::SIGPIPE)
        }
        End::Interrupted(signal) => crate::exit::signalled(signal),
    }
}

/// The reason, and 125, 126 or 127. With `--rm` nothing of the container is left.
fn not_started(settings: &Settings, created: Created, error: anyhow::Error) -> anyhow::Result<u8> {
    if let Some(StartError::Interrupted(signo)) = error.downcast_ref() {
        // The supervisor removes what it has made.
        return Ok(crate::exit::signalled(*signo));
    }
    if !created.recorded {
        if let Ok(containers) = Containers::open(&settings.dirs) {
            create::undo(settings, &containers, created);
        }
    } else if created.config.remove {
        let id = created.dir.id().to_owned();
        // Its lock goes with it.
        drop(created);
        let _ = create::discard(&id);
    }
    match failure(&error) {
        Some(failure) => {
            let code = failure.exit_code();
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
