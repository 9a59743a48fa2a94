//! `bolt create`: a container that `start` can start.

use crate::cmd::create_args::{Asked, CreateArgs, Replace, log};
use crate::cmd::ending::PATIENCE;
use crate::cmd::{copy_root, pull, requires, starting};
use crate::container::config::{Config, MountKind, Origin, Userns};
use crate::container::dir::{ContainerDir, Containers};
use crate::container::error::Error;
use crate::container::events::Event;
use crate::container::health::Health;
use crate::container::name;
use crate::container::secret;
use crate::container::state::Status;
use crate::container::volume::Volumes;
use crate::image::ids::{self, IdsError};
use crate::image::types::{Healthcheck, ImageRecord, RunConfig};
use crate::launch::{self, Mode};
use crate::rootfs::driver::{self, Kind};
use crate::settings::{Settings, containers_conf};
use crate::shim::{self, Begun, streams};
use crate::store::{SharedGuard, Store};
use crate::sys::atomic::{self, Sync};
use crate::ui::print;
use crate::userns;
use crate::userns::auto::{self, Reserved};
use anyhow::{Context, bail};
use std::path::Path;
use std::process::{Command, Stdio};

/// Create a container without starting it
#[derive(Debug, clap::Args)]
#[command(override_usage = "bolt create [OPTIONS] IMAGE [COMMAND]...", disable_help_flag = true)]
pub struct Args {
    #[command(flatten)]
    create: CreateArgs,
}

/// A container that exists and has not been started; its lock is ours.
#[derive(Debug)]
pub struct Created {
    /// Where it lives.
    pub dir: ContainerDir,
    /// What it is.
    pub config: Config,
    /// Its supervisor, where it is to be started at once.
    pub begun: Option<Begun>,
    /// `config.json` is there; else [`record`] is still to be called.
    pub recorded: bool,
}

impl Created {
    fn begin(
        &mut self,
        settings: &Settings,
        containers: &Containers,
        early: Early,
    ) -> anyhow::Result<()> {
        let begun = match early {
            Some(begun) => *begun,
            None => shim::begin(settings, containers, |source| {
                launch::init_ahead(settings, source, &self.config)
            })?,
        };
        self.begun.insert(begun).place(settings, &self.dir, &self.config)
    }
}

/// Others enter P, or a registry is asked, before the container starts: a supervisor that makes P
/// would keep them from it until then.
pub fn step_back(early: &mut Early) {
    *early = None;
}

/// What comes after the creation.
#[derive(Debug)]
pub enum Next {
    /// Nothing.
    Keep,
    /// A start: its supervisor begins while the rest is planned, and the caller records the
    /// container.
    Start(Early),
}

/// A supervisor that began before it was known which container it gets, if one did.
pub type Early = Option<Box<Begun>>;

/// Creates and prints the id.
pub fn run(mut args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let defaults = containers_conf::load(&settings.containers_conf)?;
    settings.know(&defaults);
    args.create.complete(defaults)?;
    if args.create.dry_run {
        return dry_run(settings, &args.create);
    }
    let created = make(settings, &args.create, Next::Keep)?;
    print::stdout(&format!("{}\n", created.dir.id()))?;
    Ok(0)
}

/// Everything that is refused is refused before anything is made.
pub fn make(settings: &Settings, args: &CreateArgs, next: Next) -> anyhow::Result<Created> {
    let (starts, mut early) = match next {
        Next::Keep => (false, None),
        Next::Start(early) => (true, early),
    };
    if starts {
        streams::check(args.log.driver())?;
    }
    // Held to the end: no gc between finding the layers and writing down that they are used, or
    // copying them.
    let base = base(settings, args, &mut early).map_err(|e| args.blame(e))?;
    let copied =
        matches!(&base.origin, Origin::Image { driver, .. } if driver == Kind::Copy.name());
    let caller = crate::settings::variables();
    let mut config = args.config("", "", &base, &caller).map_err(|e| args.blame(e))?;
    are_told(settings, &config)?;
    sources(&config)?;
    let secrets = args.secret.take(settings)?;
    config.secrets = secrets.iter().map(|(given, _)| given.clone()).collect();
    let containers = Containers::open(&settings.dirs)?;
    config.unit.requires = requires::resolve(&containers, &args.unit.requires)?;
    if let Some(name) = args.name.as_deref().filter(|_| args.replace != Replace::None) {
        step_back(&mut early);
        // It may have another name by now, and its ids are ours already.
        if let Some(id) = &base.replaced {
            replace(&containers, id, args.replace)?;
        }
        replace(&containers, name, args.replace)?;
    }
    let (dir, name) = match containers.create_named(None, args.name.as_deref()) {
        Err(Error::NameInUse { name, id }) if args.replace != Replace::None => {
            bail!("another command has just given the name {name:?} to container {id}; try again")
        }
        made => made?,
    };
    (config.id, config.name) = (dir.id().to_owned(), name);
    let mut created = Created { dir, config, begun: None, recorded: false };
    let result = (|| {
        // Copying enters P: that comes first then.
        if copied {
            step_back(&mut early);
        } else if starts {
            created.begin(settings, &containers, early.take())?;
        }
        volumes(settings, &mut created.config)?;
        let config = &mut created.config;
        if let Some(path) = config.log_path.as_mut().filter(|_| config.log_driver.has_file()) {
            *path = log::place(path, &config.id)?;
        }
        secret::keep(&created.dir, &created.config, &secrets)?;
        if !starts || copied {
            record(settings, args, &created.dir, &created.config)?;
            created.recorded = true;
        }
        if copied {
            copy_root::start(created.dir.id())?;
        }
        if starts && copied {
            created.begin(settings, &containers, None)?;
        }
        Ok(())
    })();
    match result {
        Ok(()) => Ok(created),
        Err(error) => {
            // What it held is needed, where this process may open no further file.
            drop((early, base));
            undo(settings, &containers, created);
            Err(error)
        }
    }
}

/// Writes down what the container is: from now on it exists for others.
pub fn record(
    settings: &Settings,
    args: &CreateArgs,
    dir: &ContainerDir,
    config: &Config,
) -> anyhow::Result<()> {
    dir.write_config(config, Sync::Fast)?;
    settings.event_log().write(&Event::of_container(config, "create"));
    if !config.unit.requires.is_empty() {
        let containers = Containers::open(&settings.dirs)?;
        requires::note(&containers, &config.unit.requires, dir.id())?;
    }
    write_cidfile(args.unit.cidfile.as_deref(), dir.id())
}

/// Removes what [`make`] made, with a supervisor that has not started anything.
pub fn undo(settings: &Settings, containers: &Containers, created: Created) {
    let Created { mut dir, begun, config, recorded } = created;
    drop(begun);
    let removed = if dir.has_lock() && !recorded {
        containers.take_back(dir, &config.name).is_ok()
    } else {
        crate::cmd::rm::remove(settings, containers, &mut dir, true).is_ok()
    };
    if removed
        && !config.anonymous_volumes.is_empty()
        && let Ok(made) = Volumes::open(&settings.dirs)
    {
        for name in &config.anonymous_volumes {
            let _ = made.remove(name);
        }
    }
}

/// Where a container starts from.
#[derive(Debug)]
pub struct Base {
    /// Its root.
    pub origin: Origin,
    /// What the image says about running it.
    pub image: RunConfig,
    /// Its ids.
    pub userns: Userns,
    /// Id of the container that is replaced, where its ids may be taken over.
    replaced: Option<String>,
    /// Keeps the image's layers from gc, and the container's ids from others, until it is
    /// written down.
    _held: (Option<SharedGuard>, Option<Reserved>),
}

/// Finds, or pulls, what the container starts from.
pub fn base(settings: &Settings, args: &CreateArgs, early: &mut Early) -> anyhow::Result<Base> {
    let asked = args.userns(settings)?;
    if matches!(asked, Asked::Auto { .. }) {
        // Its ids are chosen under a lock of their own, which comes before the one of P.
        step_back(early);
    }
    if args.rootfs {
        let path = std::fs::canonicalize(args.image())
            .with_context(|| format!("--rootfs {}", args.image()))?;
        if !path.is_dir() {
            bail!("--rootfs {}: not a directory", args.image());
        }
        let (userns, replaced, range) = userns_of(settings, args, asked, 0)?;
        let (origin, image) = (Origin::Directory(path), RunConfig::default());
        return Ok(Base { origin, image, userns, replaced, _held: (None, range) });
    }
    let store = Store::open(&settings.dirs.store())?;
    let wish = pull::Wish {
        image: args.image(),
        policy: &args.pull,
        quiet: args.quiet,
        access: &args.access,
        lock: &args.lock,
    };
    let (found, held) = pull::ensure(settings, &store, &wish, || {
        step_back(early);
        check(settings, args).map_err(|e| args.blame(e))
    })?;
    store.note_use(&found.record.manifest);
    let record = found.record;
    let highest = match asked {
        Asked::Auto { size } => highest_id(&store, &record, args, size)?,
        Asked::Is(_) => 0,
    };
    let (userns, replaced, range) = userns_of(settings, args, asked, highest)?;
    let full = match early {
        Some(begun) => begun.is_full(),
        None => userns::can_be_full(&settings.dirs),
    };
    let layout = pull::layout_for(settings, userns, full)?;
    pull::ensure_layout(&store, &record, layout, || step_back(early))?;
    let origin = Origin::Image {
        name: found.name,
        id: record.id.hex().to_owned(),
        manifest: record.manifest.to_string(),
        layers: record.layers[record.visible_from..]
            .iter()
            .map(|l| l.chain_id.to_string())
            .collect(),
        layout: layout.to_string(),
        driver: driver::choose(&settings.dirs).kind.name().to_owned(),
    };
    Ok(Base { origin, image: record.config, userns, replaced, _held: (Some(held), range) })
}

/// Refuses what is wrong with any image, before one is fetched: that may take hours.
fn check(settings: &Settings, args: &CreateArgs) -> anyhow::Result<()> {
    let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    // One that has whatever a flag may be about.
    let image = RunConfig {
        cmd: own(&["program"]),
        healthcheck: Some(Healthcheck { test: own(&["CMD", "program"]), ..Healthcheck::default() }),
        ..RunConfig::default()
    };
    let origin = Origin::Directory("/".into());
    let base = Base { origin, image, userns: Userns::Host, replaced: None, _held: (None, None) };
    let config = args.config("", "", &base, &crate::settings::variables())?;
    are_told(settings, &config)?;
    sources(&config)?;
    args.secret.take(settings)?;
    args.name.as_deref().map_or(Ok(()), name::check)?;
    Ok(())
}

/// The highest id that the image, its user or an added group has. With a size of the caller's
/// own, an image of which that is not known is taken at his word.
fn highest_id(
    store: &Store,
    image: &ImageRecord,
    args: &CreateArgs,
    size: Option<u32>,
) -> anyhow::Result<u32> {
    let user = args.user.as_deref().unwrap_or(&image.config.user);
    let mut wanted: Vec<&str> = user.split(':').collect();
    wanted.extend(args.process.group_add.iter().map(String::as_str));
    let typed = wanted.iter().filter_map(|id| id.parse().ok()).max().unwrap_or(0);
    let known = match (ids::highest(store, image, &wanted), size) {
        (Err(IdsError::Unknown(_)), Some(_)) => 0,
        (highest, _) => highest?,
    };
    Ok(typed.max(known))
}

/// The user namespace that was asked for; `auto` with a range that holds the ids up to `highest`.
fn userns_of(
    settings: &Settings,
    args: &CreateArgs,
    asked: Asked,
    highest: u32,
) -> anyhow::Result<(Userns, Option<String>, Option<Reserved>)> {
    let wanted = match asked {
        Asked::Is(userns) => return Ok((userns, None, None)),
        Asked::Auto { size } => size,
    };
    let needed = highest.saturating_add(1);
    let size = wanted.unwrap_or(needed.max(auto::SMALLEST));
    if size < needed {
        bail!(
            "--userns auto:size={size}: {} has files or users up to id {highest}; use size={needed}",
            args.image()
        );
    }
    let containers = Containers::open(&settings.dirs)?;
    let replaced = args.name.as_deref().filter(|_| args.replace != Replace::None);
    let replaced = match replaced.map(|name| containers.find(name)) {
        Some(Ok(dir)) => Some(dir.id().to_owned()),
        Some(Err(Error::NotFound(_))) | None => None,
        Some(Err(error)) => return Err(error.into()),
    };
    let range = auto::reserve(&settings.dirs, &containers, size, replaced.as_deref())?;
    Ok((range.userns, replaced, Some(range)))
}

/// `--replace`: the container of that name or id goes, if there is one.
fn replace(containers: &Containers, wanted: &str, which: Replace) -> anyhow::Result<()> {
    let dir = match containers.find(wanted) {
        Err(Error::NotFound(_) | Error::Ambiguous { .. }) => return Ok(()),
        other => other?,
    };
    // The start of somebody's id is not his name.
    if dir.id() != wanted && dir.read_config().is_ok_and(|config| config.name != wanted) {
        return Ok(());
    }
    if which == Replace::Any {
        return discard(dir.id());
    }
    if dir.status()? == Status::Starting {
        // Another command may only be replacing it too.
        let _ = starting::settle(&dir, PATIENCE);
    }
    let status = dir.status()?;
    if !matches!(status, Status::Created | Status::Exited) {
        bail!(
            "the name {wanted:?} is in use by container {}, which is {}: stop it first",
            dir.id(),
            status.word()
        );
    }
    remove(dir.id(), &[])
}

/// Removes a container, running or not, with its anonymous volumes.
pub fn discard(name: &str) -> anyhow::Result<()> {
    remove(name, &["--force", "--time", "0"])
}

/// By a process of its own, because removing enters P and this process must stay outside.
fn remove(name: &str, flags: &[&str]) -> anyhow::Result<()> {
    let status = Command::new("/proc/self/exe")
        .arg("rm")
        .args(flags)
        .args(["--ignore", "--volumes", "--", name])
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
        let made = all
            .ensure(&mount.source, anonymous)
            .with_context(|| format!("mount at {}", mount.target))?;
        if made {
            settings.event_log().write(&Event::of("volume", "create", &mount.source));
        }
    }
    Ok(())
}

/// 64 hex digits without a newline; an older file is replaced, a link never followed.
fn write_cidfile(path: Option<&Path>, id: &str) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    let about = || format!("--cidfile {}", path.display());
    let name = path.file_name().and_then(|name| name.to_str()).context("it has no name");
    let name = name.with_context(about)?;
    match path.symlink_metadata() {
        Ok(there) if !there.is_file() => {
            bail!("{}: there is something that is no regular file; name another one", about())
        }
        _ => {}
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let write = || {
        let dir = std::fs::File::open(dir.unwrap_or(Path::new(".")))?;
        atomic::write(dir, name, id.as_bytes(), Sync::Fast)
    };
    write().with_context(about)
}

/// Checks that are to be told by events need a log of those.
fn are_told(settings: &Settings, config: &Config) -> anyhow::Result<()> {
    let by_events = |health: &Health| health.log.destination == "events_logger";
    anyhow::ensure!(
        settings.event_log().file().is_some() || !config.health.as_ref().is_some_and(by_events),
        "--health-log-destination events_logger: events are not kept here (events_logger=\"none\" \
         in containers.conf); name a directory, or leave it out"
    );
    Ok(())
}

/// `--dry-run`: the plan as JSON. The small files are planned in a scratch directory that goes
/// at once; nothing is left and no process is made.
pub fn dry_run(settings: &Settings, args: &CreateArgs) -> anyhow::Result<u8> {
    let base = base(settings, args, &mut None).map_err(|e| args.blame(e))?;
    let caller = crate::settings::variables();
    let id = "0".repeat(64);
    let name = args.name.clone().unwrap_or_else(|| "dry-run".into());
    let config = args.config(&id, &name, &base, &caller);
    let mut config = config.map_err(|e| args.blame(e))?;
    config.secrets = args.secret.take(settings)?.into_iter().map(|(given, _)| given).collect();
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
    // The plan shows no values, so it gets none.
    let none = vec![Vec::new(); config.secrets.len()];
    secret::write(&dir, &none, Sync::Fast)?;
    let mode = Mode { attach: true, ..Mode::default() };
    let plan = launch::plan(settings, &dir, &config, &source, &mode);
    containers.remove(&mut dir)?;
    let plan = plan?;
    for note in &plan.notes {
        print::warning(note);
    }
    print::stdout(&format!("{}\n", serde_json::to_string_pretty(&plan.launch)?))?;
    Ok(0)
}
