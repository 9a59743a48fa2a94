//! `bolt start`: runs containers that were created or have ended.

use super::create_args::unit::{cgroups, sdnotify};
use super::selection::Selection;
use super::{ending, requires};
use crate::container::dir::{ContainerDir, Containers};
use crate::container::service::{Cgroups, SdNotify};
use crate::container::state::Status;
use crate::settings::Settings;
use crate::shim::Again;
use crate::shim::detach::DetachKeys;
use crate::shim::service::Service;

/// Start containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names or IDs (the start of an ID is enough)
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
    /// All containers that do not run
    #[arg(long, conflicts_with_all = ["containers", "latest"])]
    all: bool,
    /// The container created last
    #[arg(short, long, conflicts_with = "containers")]
    latest: bool,
    /// Only containers that match (podman-ps(1)); without names: all that match
    #[arg(short, long, value_name = "KEY=VALUE")]
    filter: Vec<String>,
    /// Attach to the output; one container only
    #[arg(short, long)]
    attach: bool,
    /// Feed standard input too; attaches
    #[arg(short, long)]
    interactive: bool,
    /// Keys that detach from a terminal; empty: none
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    detach_keys: String,
    /// Forward signals when attached
    #[arg(long, num_args = 0..=1, default_value = "true", default_missing_value = "true", require_equals = true)]
    sig_proxy: Option<bool>,
    /// Who tells NOTIFY_SOCKET that the container is ready, in place of its own --sdnotify
    #[arg(long, value_name = "MODE", value_parser = sdnotify)]
    sdnotify: Option<SdNotify>,
    /// Control groups, in place of the container's own --cgroups
    #[arg(long, value_name = "MODE", value_parser = cgroups)]
    cgroups: Option<Cgroups>,
}

/// Runs the verb.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let keys = DetachKeys::parse(&args.detach_keys)?;
    let mut how = Again {
        attach: args.attach || args.interactive,
        sdnotify: args.sdnotify,
        cgroups: args.cgroups,
        service: Service::take(settings, args.sdnotify, 0)?,
    };
    let all = Containers::open(&settings.dirs)?;
    let selection = Selection {
        containers: args.containers,
        all: args.all,
        latest: args.latest,
        filter: args.filter,
        ..Selection::default()
    };
    let targets = selection.targets(&all, |s| matches!(s, Status::Created | Status::Exited))?;
    if !args.attach && !args.interactive {
        return Ok(selection.each(targets, |dir| start(settings, dir, &how)));
    }
    let mut targets = targets.into_iter();
    let (Some(target), None) = (targets.next(), targets.next()) else {
        anyhow::bail!("only one container can be attached to; start the others without --attach");
    };
    let dir = target.dir?;
    let config = dir.read_config()?;
    let conn = match dir.status()? {
        Status::Running | Status::Starting => {
            let conn = super::attach::join(&dir, &config)?;
            how.service.started(args.sdnotify.unwrap_or(config.unit.sdnotify()), None);
            conn
        }
        Status::Paused => return Err(super::pause::refusal("start", &dir)),
        _ => {
            requires::start(settings, &config)?;
            ending::settle(&dir)?;
            let started = crate::shim::start_again(settings, &dir, &how)?;
            how.service = Service::default();
            super::run::tell(started)
        }
    };
    let stdin = args.interactive && config.process.stdin;
    super::attach::follow(&conn, &config, stdin, args.sig_proxy, keys)
}

fn start(settings: &Settings, dir: &ContainerDir, how: &Again) -> anyhow::Result<()> {
    match dir.status()? {
        Status::Running | Status::Starting => Ok(()),
        Status::Paused => Err(super::pause::refusal("start", dir)),
        _ => {
            requires::start(settings, &dir.read_config()?)?;
            ending::settle(dir)?;
            super::run::tell(crate::shim::start_again(settings, dir, how)?);
            Ok(())
        }
    }
}
