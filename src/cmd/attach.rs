//! `bolt attach`: this terminal becomes the container's.

use super::ending;
use super::selection::{one, report};
use crate::container::config::Config;
use crate::container::dir::ContainerDir;
use crate::container::events::Event;
use crate::container::state::Status;
use crate::settings::Settings;
use crate::shim::attach::{self, attach};
use crate::shim::client::Connection;
use crate::shim::detach::DetachKeys;
use crate::shim::terminal;
use anyhow::Context;
use bolt_shim::control::Request;

/// Attach to a running container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or ID
    container: Option<String>,
    /// The container created last
    #[arg(short, long)]
    latest: bool,
    /// Do not feed standard input
    #[arg(long)]
    no_stdin: bool,
    /// Keys that detach from a terminal; empty: none
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    detach_keys: String,
    /// Forward signals to the container
    #[arg(long, num_args = 0..=1, default_value = "true", default_missing_value = "true", require_equals = true)]
    sig_proxy: Option<bool>,
}

/// Runs the verb; the exit code is the container's.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let keys = DetachKeys::parse(&args.detach_keys)?;
    let (_, dir) = one(settings, args.container.as_deref(), args.latest)?;
    let config = dir.read_config()?;
    let stdin = !args.no_stdin && config.process.stdin;
    let conn = connect(&dir, &config, stdin)?;
    settings.event_log().write(&Event::of_container(&config, "attach"));
    follow(&conn, &config, stdin, args.sig_proxy, keys)
}

/// Stays with a container to its end, or until the keys are typed; the exit code.
pub(super) fn follow(
    conn: &Connection,
    config: &Config,
    stdin: bool,
    sig_proxy: Option<bool>,
    detach_keys: DetachKeys,
) -> anyhow::Result<u8> {
    let options = attach::Options {
        stdin,
        stdout: true,
        stderr: true,
        tty: config.process.tty,
        sig_proxy: sig_proxy.unwrap_or(true),
        terminal: terminal::is_there(),
        detach_keys,
    };
    match attach(conn, &options, None) {
        Ok(end) => Ok(super::run::finish(end, &config.name)),
        Err(e) => {
            let code = ending::code_of_error(&e);
            report(&e.into());
            Ok(code)
        }
    }
}

/// Attaches to a container that runs already, with its input when it has one.
pub(super) fn join(dir: &ContainerDir, config: &Config) -> anyhow::Result<Connection> {
    connect(dir, config, config.process.stdin)
}

fn connect(dir: &ContainerDir, config: &Config, stdin: bool) -> anyhow::Result<Connection> {
    if config.log_driver.is_passthrough() {
        anyhow::bail!(
            "nothing of container {} can be attached to: --log-driver {} gave it the streams of \
             whoever started it",
            config.name,
            config.log_driver.word()
        );
    }
    match dir.status()? {
        Status::Running | Status::Starting => {}
        Status::Orphaned => anyhow::bail!(
            "container {} has lost its supervisor and with it its output; restart it",
            dir.id()
        ),
        status => anyhow::bail!(
            "you can only attach to running containers. {} is {}",
            dir.id(),
            status.word()
        ),
    }
    let conn =
        ending::connect(dir)?.with_context(|| format!("container {} has just ended", dir.id()))?;
    conn.send(&Request::Attach { stdin })?;
    Ok(conn)
}
