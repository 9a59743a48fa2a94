//! `bolt update`: other limits, another restart policy.

use super::create_args::limits::LimitArgs;
use super::create_config::restart_policy;
use super::ending;
use crate::cgroup::{self, Denied};
use crate::container::config::Config;
use crate::container::dir::{ContainerDir, Containers};
use crate::container::events::Event;
use crate::container::service::Cgroups;
use crate::exit;
use crate::launch;
use crate::settings::Settings;
use crate::shim;
use crate::shim::client::{ClientError, Connection};
use crate::ui::print;
use anyhow::{bail, ensure};
use std::os::fd::AsFd;
use std::path::PathBuf;

/// Change the limits and the restart policy of a container
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    limits: LimitArgs,
    /// Restart policy: no, on-failure[:N], always, unless-stopped
    #[arg(long, value_name = "POLICY")]
    restart: Option<String>,
    /// Name or ID
    container: String,
}

/// Runs the verb. What is refused is told, and the rest holds; 125 then.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let all = Containers::open(&settings.dirs)?;
    let dir = all.find(&args.container)?;
    let (denied, changed) = all.edit(&dir, |config| {
        let before = config.clone();
        let denied = update(args, settings, &all, &dir, config)?;
        let changed = (*config != before).then(|| Event::of_container(config, "update"));
        Ok::<_, anyhow::Error>((denied, changed))
    })?;
    if let Some(event) = &changed {
        settings.event_log().write(event);
    }
    for Denied { setting, why } in &denied {
        print::warning(&format!("denied: {setting}: {why}"));
    }
    if !denied.is_empty() {
        if changed.is_some() {
            print::warning("the rest of what was asked for holds");
        }
        return Ok(exit::ENGINE);
    }
    print::line(dir.id());
    Ok(0)
}

/// Applies what is asked for, and changes `config` by what was applied or will be at the next
/// start.
fn update(
    mut args: Args,
    settings: &Settings,
    all: &Containers,
    dir: &ContainerDir,
    config: &mut Config,
) -> anyhow::Result<Vec<Denied>> {
    let policy = match &args.restart {
        Some(text) => Some(restart_policy(text, config.remove)?),
        None => None,
    };
    ensure!(
        policy.is_some() || !args.limits.typed().is_empty(),
        "nothing to update: name a limit or --restart"
    );
    let mut denied = limit(&mut args.limits, settings, dir, config)?;
    if let Some(policy) = policy {
        // The limits hold already, and must be written down whatever comes of this.
        match restart(settings, all, dir, config, &policy) {
            Ok(()) => config.restart = policy,
            Err(error) => {
                let why = print::causes(error.as_ref());
                denied.push(Denied { setting: "--restart", why });
            }
        }
    }
    Ok(denied)
}

fn limit(
    limits: &mut LimitArgs,
    settings: &Settings,
    dir: &ContainerDir,
    config: &mut Config,
) -> anyhow::Result<Vec<Denied>> {
    let typed = limits.typed();
    let wanted = limits.over(&config.resources);
    let all = launch::limits(&wanted);
    all.validate()?;
    if typed.is_empty() {
        return Ok(Vec::new());
    }
    let now = dir.snapshot()?;
    let mut denied = if config.unit.cgroups == Cgroups::Disabled {
        let why = "the container was created with --cgroups disabled, and has no control group";
        let deny = |setting: &cgroup::Setting| Denied { setting: setting.flag(), why: why.into() };
        typed.iter().map(deny).collect()
    } else if now.status.is_active() {
        let dirs: Vec<PathBuf> = now.recorded.cgroup.iter().map(PathBuf::from).collect();
        cgroup::update(&launch::current(settings), &dirs, &all, &typed)
    } else {
        let config = Config { resources: wanted, ..config.clone() };
        launch::refused(settings, &config)?
    };
    denied.retain(|denied| typed.iter().any(|setting| setting.flag() == denied.setting));
    let refused = |setting: &&cgroup::Setting| denied.iter().any(|d| d.setting == setting.flag());
    typed.iter().filter(refused).for_each(|setting| limits.forget(*setting));
    config.resources = limits.over(&config.resources);
    Ok(denied)
}

/// Tells the supervisor where there is one.
fn restart(
    settings: &Settings,
    all: &Containers,
    dir: &ContainerDir,
    config: &Config,
    policy: &str,
) -> anyhow::Result<()> {
    let Some(conn) = supervisor(dir)? else { return Ok(()) };
    conn.wait_at_most(ending::PATIENCE)?;
    let config = Config { restart: policy.to_owned(), ..config.clone() };
    let plan = shim::plan_again(settings, all, dir, &config)?;
    match conn.set_restart(launch::restart(policy), plan.as_fd()) {
        Ok(()) => Ok(()),
        // It has ended meanwhile: the next start knows.
        Err(ClientError::NoSupervisor(_) | ClientError::Died(_)) => Ok(()),
        Err(ClientError::Refused { .. }) => bail!(
            "its supervisor cannot start it again with the descriptors that it was given, by a \
             service manager or as --log-driver passthrough; let the unit restart it, or stop the \
             container, update it and start it again"
        ),
        Err(error) => Err(error.into()),
    }
}

fn supervisor(dir: &ContainerDir) -> anyhow::Result<Option<Connection>> {
    // Between two runs there is one too.
    if dir.is_supervised()? { ending::connect(dir) } else { Ok(None) }
}
