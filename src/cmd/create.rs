//! `bolt create`: a container that `start` can start.

use crate::cmd::create_args::CreateArgs;
use crate::cmd::{copy_root, pull};
use crate::container::config::{Config, MountKind, Origin};
use crate::container::dir::{ContainerDir, Containers};
use crate::container::volume::Volumes;
use crate::image::types::RunConfig;
use crate::launch::{self, Mode};
use crate::rootfs::driver::{self, Kind};
use crate::settings::Settings;
use crate::shim::{self, Begun};
use crate::store::{SharedGuard, Store};
use crate::sys::atomic::Sync;
use crate::ui::print;
use crate::userns;
use anyhow::{Context, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// Create a container without starting it
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    create: CreateArgs,
}

/// A container that exists and has not been started; its lock is ours.
#[derive(Debug)]
pub struct Created {
    /// All containers of the user.
    pub containers: Containers,
    /// This one.
    pub dir: ContainerDir,
    /// What it is.
    pub config: Config,
    /// Its supervisor, where it is to be started at once.
    pub begun: Option<Begun>,
}

/// What comes after the creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Keep,
    /// A start: its supervisor begins while the rest is written.
    Start,
}

/// Creates and prints the id.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    if args.create.dry_run {
        return dry_run(settings, &args.create);
    }
    let created = make(settings, &args.create, Next::Keep)?;
    print::stdout(&format!("{}\n", created.dir.id()))?;
    Ok(0)
}

/// Everything that is refused is refused before anything is made.
pub fn make(settings: &Settings, args: &CreateArgs, next: Next) -> anyhow::Result<Created> {
    // Held to the end: no gc between finding the layers and writing down that they are used, or
    // copying them.
    let (origin, image, _held) = origin(settings, args)?;
    let copied = matches!(&origin, Origin::Image { driver, .. } if driver == Kind::Copy.name());
    let caller = crate::settings::variables();
    let mut config = args.config(settings, "", "", origin, &image, &caller)?;
    sources(&config)?;
    let containers = Containers::open(&settings.dirs)?;
    if let (true, Some(name)) = (args.replace, &args.name) {
        discard(name)?;
    }
    let mut dir = containers.create(None, args.name.as_deref())?;
    config.id = dir.id().to_owned();
    let mut begun = None;
    let result = (|| {
        if next == Next::Start {
            begun = Some(shim::begin(settings, &containers, &dir)?);
        }
        config.name = containers.name_of(dir.id())?.unwrap_or_default();
        volumes(settings, &mut config)?;
        dir.write_config(&config, Sync::Fast)?;
        if copied {
            copy_root::start(dir.id())?;
        }
        write_cidfile(args.cidfile.as_deref(), dir.id())
    })();
    if let Err(error) = result {
        drop(begun);
        let _ = crate::cmd::rm::remove(settings, &containers, &mut dir, true);
        return Err(error);
    }
    Ok(Created { containers, dir, config, begun })
}

/// Where the root comes from, what the image says about running it, and the hold that keeps the
/// image's layers from gc until the container is written down.
pub fn origin(
    settings: &Settings,
    args: &CreateArgs,
) -> anyhow::Result<(Origin, RunConfig, Option<SharedGuard>)> {
    if args.rootfs {
        let path = std::fs::canonicalize(&args.image)
            .with_context(|| format!("--rootfs {}", args.image))?;
        if !path.is_dir() {
            bail!("--rootfs {}: not a directory", args.image);
        }
        return Ok((Origin::Directory(path), RunConfig::default(), None));
    }
    let store = Store::open(&settings.dirs.store())?;
    let held = store.shared_lock()?;
    let wish = pull::Wish {
        image: &args.image,
        policy: &args.pull,
        quiet: args.quiet,
        access: &args.access,
    };
    let found = pull::ensure(settings, &store, &wish)?;
    let full = userns::can_be_full(&settings.dirs);
    let layout = pull::layout_for(settings, args.userns(settings)?, full)?;
    pull::ensure_layout(&store, &found.record, layout)?;
    let record = found.record;
    let origin = Origin::Image {
        name: found.name,
        id: record.id.hex().to_owned(),
        manifest: record.manifest.to_string(),
        layers: record.layers[record.visible_from..]
            .iter()
            .map(|l| l.chain_id.to_string())
            .collect(),
        layout: layout.name().to_owned(),
        driver: driver::choose(&settings.dirs).kind.name().to_owned(),
    };
    Ok((origin, record.config, Some(held)))
}

/// Removes a container, running or not, with its anonymous volumes. By a process of its own,
/// because removing enters P and this process must stay outside.
pub fn discard(name: &str) -> anyhow::Result<()> {
    let status = Command::new("/proc/self/exe")
        .args(["rm", "--force", "--ignore", "--volumes", "--", name])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("remove container {name}"))?;
    if status.success() { Ok(()) } else { Err(print::Silent.into()) }
}

/// Host paths are there before anything is made for them.
fn sources(config: &Config) -> anyhow::Result<()> {
    for mount in config.mounts.iter().filter(|m| m.kind == MountKind::Bind) {
        std::fs::metadata(&mount.source)
            .with_context(|| format!("mount at {}: {}", mount.target, mount.source))?;
    }
    Ok(())
}

/// Named volumes are made at first use; one without a name gets a random one and goes with
/// its container.
fn volumes(settings: &Settings, config: &mut Config) -> anyhow::Result<()> {
    let wanted = config.mounts.iter_mut().filter(|m| m.kind == MountKind::Volume);
    let mut all = None;
    for mount in wanted {
        let anonymous = mount.source.is_empty();
        if anonymous {
            mount.source = crate::container::name::new_id()?;
            config.anonymous_volumes.push(mount.source.clone());
        }
        let all = match &mut all {
            Some(all) => all,
            none => none.insert(Volumes::open(&settings.dirs)?),
        };
        all.ensure(&mount.source, anonymous)
            .with_context(|| format!("mount at {}", mount.target))?;
    }
    Ok(())
}

/// 64 hex digits without a newline; an older file is replaced.
fn write_cidfile(path: Option<&Path>, id: &str) -> anyhow::Result<()> {
    match path {
        None => Ok(()),
        Some(path) => {
            std::fs::write(path, id).with_context(|| format!("--cidfile {}", path.display()))
        }
    }
}

/// `--dry-run`: the plan as JSON. The small files are planned in a scratch directory that goes
/// at once; nothing is left and no process is made.
pub fn dry_run(settings: &Settings, args: &CreateArgs) -> anyhow::Result<u8> {
    let (origin, image, _held) = origin(settings, args)?;
    let caller = crate::settings::variables();
    let id = "0".repeat(64);
    let name = args.name.clone().unwrap_or_else(|| "dry-run".into());
    let mut config = args.config(settings, &id, &name, origin, &image, &caller)?;
    let volumes = settings.dirs.volumes();
    config.mounts.retain(|mount| {
        let known = mount.kind != MountKind::Volume
            || (!mount.source.is_empty() && volumes.join(&mount.source).exists());
        if !known {
            print::warning(&format!(
                "the volume at {} does not exist yet: run would make it, the plan is without it",
                mount.target
            ));
        }
        known
    });
    let containers = Containers::open(&settings.dirs)?;
    let source = userns::source(&settings.dirs, &containers)?;
    let mut dir = containers.create(None, None)?;
    if let Origin::Image { driver, .. } = &config.origin
        && driver == Kind::Copy.name()
    {
        // The plan names the copy, which is not made for a plan alone.
        std::fs::create_dir(dir.path().join("root")).context("stand in for the copied root")?;
    }
    let mode = Mode { attach: true, size: None };
    let plan = launch::plan(settings, &dir, &config, &source, mode);
    containers.remove(&mut dir)?;
    let plan = plan?;
    for note in &plan.notes {
        print::warning(note);
    }
    print::stdout(&format!("{}\n", serde_json::to_string_pretty(&plan.launch)?))?;
    Ok(0)
}
