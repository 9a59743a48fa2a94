//! `bolt generate systemd`: units that run containers.

mod flags;

use crate::container::config::Config;
use crate::container::dir::Containers;
use crate::container::service::SdNotify;
use crate::settings::{Settings, variable, variables};
use crate::ui::{format, print};
use crate::unit::command::{Flag, Parts, parts};
use crate::unit::escape::{self, BadWord};
use crate::unit::service::{Service, Word};
use crate::unit::{file, service};
use anyhow::{Context, bail, ensure};
use std::collections::BTreeMap;

/// Restart policies of systemd.service(5).
const POLICIES: [&str; 7] =
    ["no", "on-success", "on-failure", "on-abnormal", "on-watchdog", "on-abort", "always"];
/// Seconds in which a unit may pull its image: systemd's own 90 are few for a game.
const PULL: u32 = 3600;
/// The container's id, while a unit of `--new` runs.
const CIDFILE: &str = "%t/%n.ctr-id";
/// The unit of `--boot`.
const BOOT: &str = "bolt-restart";

/// Generate a systemd unit that runs a container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Make a container at each start and remove it at each stop, instead of starting this one
    #[arg(long)]
    new: bool,
    /// Write NAME.service into the working directory and print its path
    #[arg(short, long)]
    files: bool,
    /// Replace a file that was changed by hand
    #[arg(long, requires = "files")]
    force: bool,
    /// Use the container's name instead of its ID
    #[arg(short, long)]
    name: bool,
    /// Restart= of the unit [default: on-failure, or what the container's own policy means]
    #[arg(long, value_name = "POLICY")]
    restart_policy: Option<String>,
    /// RestartSec= of the unit
    #[arg(long, value_name = "SECONDS")]
    restart_sec: Option<u32>,
    /// Seconds that a start may take
    #[arg(long, value_name = "SECONDS")]
    start_timeout: Option<u32>,
    /// Seconds before the container is killed at a stop [default: the container's own]
    #[arg(short = 't', long, visible_alias = "time", value_name = "SECONDS")]
    stop_timeout: Option<u32>,
    /// Units that are to run too; one without a kind is a .service
    #[arg(long, value_name = "UNIT")]
    wants: Vec<String>,
    /// Units that are started before
    #[arg(long, value_name = "UNIT")]
    after: Vec<String>,
    /// Units without which this one does not run
    #[arg(long, value_name = "UNIT")]
    requires: Vec<String>,
    /// Variables for bolt in the unit; without =VALUE: the caller's, and NAME* all that begin so
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// No header with version and checksum
    #[arg(long)]
    no_header: bool,
    /// json: an object of names and units, or with --files of names and paths
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// A unit of which many instances can run, NAME@.service; implies --new
    #[arg(long)]
    template: bool,
    /// Between prefix and name
    #[arg(long, value_name = "TEXT", default_value = "-")]
    separator: String,
    /// First part of the unit's name
    #[arg(long, value_name = "TEXT", default_value = "container")]
    container_prefix: String,
    /// Instead of a container's: the unit that starts containers after a boot by their --restart policies
    #[arg(long, conflicts_with_all = ["container", "new", "template", "name"])]
    boot: bool,
    /// Name or ID
    #[arg(required_unless_present = "boot")]
    container: Option<String>,
}

/// Runs the verb.
pub fn run(args: &Args, settings: &Settings) -> anyhow::Result<u8> {
    let json = match args.format.as_deref() {
        None => false,
        asked if format::is_json(asked) => true,
        Some(other) => bail!("--format {other:?} is not known; use json"),
    };
    let (name, text) = match &args.container {
        Some(container) => of_container(args, settings, container)?,
        None => (BOOT.to_owned(), of_boot(args, settings)?),
    };
    let unit = format!("{name}.service");
    let mut shown = if args.no_header { text } else { file::with_header(&unit, &text) };
    if args.files {
        let dir = std::env::current_dir().context("find the working directory")?;
        let path = file::write(&dir, &unit, &shown, args.force)?;
        shown = if json { path.display().to_string() } else { format!("{}\n", path.display()) };
    }
    if json {
        let units = BTreeMap::from([(name, shown)]);
        shown = format!("{}\n", serde_json::to_string_pretty(&units)?);
    }
    print::stdout(&shown)?;
    Ok(0)
}

fn of_boot(args: &Args, settings: &Settings) -> anyhow::Result<String> {
    let environment = environment(&args.env)?;
    Ok(service::boot(&program()?, &settings.dirs.data, &environment)?)
}

/// The unit's name and text.
fn of_container(
    args: &Args,
    settings: &Settings,
    container: &str,
) -> anyhow::Result<(String, String)> {
    let config = Containers::open(&settings.dirs)?.find(container)?.read_config()?;
    let new = args.new || args.template;
    let which = if args.name { config.name.as_str() } else { config.id.as_str() };
    let instance = if args.template { "@" } else { "" };
    let name = match args.container_prefix.as_str() {
        "" => format!("{which}{instance}"),
        prefix => format!("{prefix}{}{which}{instance}", args.separator),
    };
    escape::unit_name(&name)?;
    let units = |names: &[String]| -> Result<Vec<String>, BadWord> {
        names.iter().map(|name| escape::dependency(name)).collect()
    };
    let (wants, after, requires) =
        (units(&args.wants)?, units(&args.after)?, units(&args.requires)?);
    let (program, data) = (program()?, settings.dirs.data.display().to_string());
    let stop_timeout = args.stop_timeout.unwrap_or(config.stop_timeout);
    let restart = restart(args, &config)?;
    let mut service = Service {
        description: format!("Bolt container {}", config.name),
        program: &program,
        data: &data,
        wants: &wants,
        after: &after,
        requires: &requires,
        environment: environment(&args.env)?,
        restart: &restart,
        restart_sec: args.restart_sec,
        start_timeout: args.start_timeout,
        stop_timeout,
        stop_signal: config.stop_signal,
        ..Service::default()
    };
    let time = stop_timeout.to_string();
    if new {
        let parts = parts(&config.create_command, &flags::known())?;
        service.environment.extend(callers_variables(&config, &parts));
        service.start = new_start(args, &config, &parts);
        service.directory = flags::is_relative(&parts).then_some(config.create_dir.as_str());
        service.start_timeout = args.start_timeout.or(Some(PULL));
        service.cidfile = Some(CIDFILE);
        let cidfile = || Word::Specifier(format!("--cidfile={CIDFILE}"));
        let time = || ["--ignore", "-t", &time].map(Word::from);
        service.stop = [vec!["stop".into()], time().to_vec(), vec![cidfile()]].concat();
        let remove = ["rm", "-f"].map(Word::from);
        service.cleanup = [remove.to_vec(), time().to_vec(), vec![cidfile()]].concat();
    } else {
        service.start = vec!["start".into()];
        if stays(&config) {
            service.start.push("--attach".into());
        }
        let mode = sdnotify(&config).word();
        service.start.push(format!("--sdnotify={mode}").as_str().into());
        service.start.extend(["--cgroups=split", which].map(Word::from));
        service.stop = ["stop", "-t", &time, which].map(Word::from).to_vec();
        service.cleanup.clone_from(&service.stop);
    }
    Ok((name, service.text()?))
}

/// In the foreground, unless the container wants a terminal or an input that stays open, which a
/// unit does not have.
fn stays(config: &Config) -> bool {
    !config.process.tty && !config.process.stdin
}

/// Few programs notify anybody: only who was told to is waited for.
fn sdnotify(config: &Config) -> SdNotify {
    match config.unit.sdnotify {
        None | Some(SdNotify::Ignore) => SdNotify::Conmon,
        Some(mode) => mode,
    }
}

/// The variables that were typed without a value: what the caller's were then, since a manager has
/// others.
fn callers_variables(config: &Config, parts: &Parts) -> Vec<String> {
    let typed = parts.flags.iter().filter(|flag| flag.name == "env");
    let names: Vec<&str> =
        typed.filter_map(|flag| flag.value.as_deref()).filter(|word| !word.contains('=')).collect();
    let is_named =
        |key: &str| escape::is_variable(key) && names.iter().any(|name| means(name, key));
    let all = config.process.env.iter();
    all.filter(|pair| pair.split_once('=').is_some_and(|(key, _)| is_named(key))).cloned().collect()
}

/// `run` with the flags of a unit and those that were typed.
fn new_start(args: &Args, config: &Config, parts: &Parts) -> Vec<Word> {
    let mut words = vec![Word::from("run"), Word::Specifier(format!("--cidfile={CIDFILE}"))];
    words.extend(["--cgroups=split", "--rm"].map(Word::from));
    words.push(format!("--sdnotify={}", sdnotify(config).word()).as_str().into());
    let named = parts.flags.iter().any(|flag| flag.name == "name");
    if named || args.template || args.name {
        words.push("--replace".into());
    }
    if !stays(config) {
        words.push("--detach".into());
    }
    let template = escape::argument(&config.name).map(|name| format!("{name}-%i"));
    match template {
        Ok(name) if args.template => words.push(Word::Specifier(format!("--name={name}"))),
        _ if named || args.name => words.push(format!("--name={}", config.name).as_str().into()),
        _ => {}
    }
    for Flag { name, value } in parts.flags.iter().filter(|flag| !flags::is_ours(&flag.name)) {
        match value {
            Some(value) => words.push(format!("--{name}={value}").as_str().into()),
            None => words.push(format!("--{name}").as_str().into()),
        }
    }
    if parts.image.starts_with('-') {
        words.push("--".into());
    }
    words.push(parts.image.as_str().into());
    words.extend(parts.args.iter().map(|word| Word::Plain(word.clone())));
    words
}

/// systemd restarts; a policy of the container's own means the same there.
fn restart(args: &Args, config: &Config) -> anyhow::Result<String> {
    if let Some(policy) = &args.restart_policy {
        ensure!(
            POLICIES.contains(&policy.as_str()),
            "--restart-policy {policy:?} is not known; use {}",
            POLICIES.join(", ")
        );
        return Ok(policy.clone());
    }
    let own = config.restart.split(':').next().unwrap_or_default();
    Ok(if matches!(own, "always" | "unless-stopped") { "always" } else { "on-failure" }.into())
}

fn program() -> anyhow::Result<String> {
    let path = std::env::current_exe().context("find this program")?;
    path.into_os_string()
        .into_string()
        .map_err(|path| anyhow::anyhow!("the path of this program, {path:?}, is not valid UTF-8"))
}

/// What leads `bolt` to the same store, and what was asked for.
fn environment(asked: &[String]) -> anyhow::Result<Vec<String>> {
    let mut pairs = Vec::new();
    for name in ["BOLT_ROOT", "BOLT_SHIM", "XDG_DATA_HOME"] {
        // A relative base directory is none.
        let holds = |value: &String| !name.starts_with("XDG_") || value.starts_with('/');
        pairs.extend(variable(name).filter(holds).map(|value| format!("{name}={value}")));
    }
    let caller = variables();
    for word in asked {
        if let Some((name, _)) = word.split_once('=') {
            ensure!(!name.is_empty(), "--env {word:?} has no name; use NAME=VALUE");
            ensure!(
                escape::is_variable(name),
                "--env {word:?}: systemd takes letters, digits and _ for the name of a variable"
            );
            pairs.push(word.clone());
            continue;
        }
        ensure!(!word.is_empty(), "--env is empty; use NAME=VALUE");
        let wanted = caller.iter().filter(|(key, _)| means(word, key));
        pairs.extend(wanted.map(|(key, value)| format!("{key}={value}")));
    }
    Ok(pairs)
}

/// Whether a word of `--env` without a value means that variable: by its name, or NAME*.
fn means(word: &str, key: &str) -> bool {
    match word.strip_suffix('*') {
        Some(start) => key.starts_with(start),
        None => key == word,
    }
}
