//! `bolt start`: runs containers that were created or have ended.

use super::create_args::unit::{cgroups, sdnotify};
use super::selection::Selection;
use super::{requires, starting};
use crate::container::dir::{ContainerDir, Containers};
use crate::container::service::{Cgroups, SdNotify};
use crate::container::state::Status;
use crate::settings::Settings;
use crate::shim::Again;
use crate::shim::client::Connection;
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
    /// Only containers that match (key=value, as podman-ps(1) has them); without names: all that match
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
        return Ok(selection.each(targets, |dir| start_one(settings, dir, &how).map(drop)));
    }
    let mut targets = targets.into_iter();
    let (Some(target), None) = (targets.next(), targets.next()) else {
        anyhow::bail!("only one container can be attached to; start the others without --attach");
    };
    let dir = target.dir?;
    let config = dir.read_config()?;
    let conn = match start_one(settings, &dir, &how)? {
        Some(conn) => {
            how.service = Service::default();
            conn
        }
        None => {
            let conn = super::attach::join(&dir, &config)?;
            how.service.started(args.sdnotify.unwrap_or(config.unit.sdnotify()), None);
            conn
        }
    };
    let stdin = args.interactive && config.takes_input();
    super::attach::follow(&conn, &config, stdin, args.sig_proxy, keys)
}

/// `None`: it runs already.
fn start_one(
    settings: &Settings,
    dir: &ContainerDir,
    how: &Again,
) -> anyhow::Result<Option<Connection>> {
    match dir.status()? {
        Status::Running => Ok(None),
        Status::Paused => Err(super::pause::refusal("start", dir)),
        _ => {
            requires::start(settings, &dir.read_config()?)?;
            Ok(starting::start(settings, dir, how)?.map(super::run::tell))
        }
    }
}
