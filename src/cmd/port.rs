//! `bolt port`: which ports of the host lead into running containers.

use super::selection::report;
use crate::container::config::Config;
use crate::container::dir::Containers;
use crate::container::list;
use crate::container::ports::{Port, Protocol};
use crate::container::state::Status;
use crate::settings::Settings;
use crate::ui::print;
use anyhow::{Context, bail};

/// Show the published ports of a running container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Of all running containers, each line with the container's id
    #[arg(short, long, conflicts_with_all = ["container", "latest"])]
    all: bool,
    /// The container created last; a PORT is then the only word
    #[arg(short, long)]
    latest: bool,
    /// Name or ID
    container: Option<String>,
    /// Only where this port of the container leads from
    #[arg(value_name = "PORT[/PROTOCOL]")]
    port: Option<String>,
}

/// Runs the verb. A container that does not run has no open ports.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let all = Containers::open(&settings.dirs)?;
    if args.all {
        let found = list::read(&all)?;
        for error in found.damaged {
            report(&error.into());
        }
        for entry in found.entries.iter().filter(|entry| is_open(entry.status)) {
            for line in lines(&entry.config) {
                print::stdout(&format!("{}\t{line}\n", entry.config.short_id()))?;
            }
        }
        return Ok(0);
    }
    let (name, wanted) = match (args.latest, args.container, args.port) {
        (true, wanted, None) => {
            let newest = list::read(&all)?.entries.pop().context("there is no container yet")?;
            (newest.config.id, wanted)
        }
        (false, Some(name), wanted) => (name, wanted),
        (true, _, Some(_)) => bail!("--latest names the container: give a PORT alone"),
        (false, None, _) => bail!("name a container, or use --all or --latest"),
    };
    let wanted = wanted.as_deref().map(parse).transpose()?;
    let dir = all.find(&name)?;
    let config = dir.read_config()?;
    let open = is_open(dir.status()?);
    match wanted {
        None if open => lines(&config).for_each(|line| print::line(&line)),
        None => {}
        Some((port, protocol)) => {
            let found = sockets(&config, port, protocol);
            if !open || found.is_empty() {
                bail!("container {name}: port {port}/{protocol} is not published");
            }
            found.iter().for_each(|socket| print::line(socket));
        }
    }
    Ok(0)
}

fn is_open(status: Status) -> bool {
    matches!(status, Status::Running | Status::Paused)
}

/// `80/tcp -> 0.0.0.0:8080`, a port a line.
fn lines(config: &Config) -> impl Iterator<Item = String> {
    let each = |port: &Port| {
        let line = |(host, inside)| format!("{inside}/{} -> {}", port.protocol, port.socket(host));
        port.each().map(line).collect::<Vec<_>>()
    };
    config.ports.published.iter().flat_map(each)
}

/// Sockets of the host that lead to one port of the container.
fn sockets(config: &Config, wanted: u16, protocol: Protocol) -> Vec<String> {
    let of_protocol = config.ports.published.iter().filter(|port| port.protocol == protocol);
    let matching = of_protocol.flat_map(|port| {
        let hosts = port.each().filter(|(_, inside)| *inside == wanted);
        hosts.map(|(host, _)| port.socket(host)).collect::<Vec<_>>()
    });
    matching.collect()
}

fn parse(text: &str) -> anyhow::Result<(u16, Protocol)> {
    let exposed = crate::net::ports::expose(text).ok().filter(|exposed| exposed.count == 1);
    let exposed = exposed.with_context(|| format!("{text:?} is not PORT[/tcp] or PORT/udp"))?;
    Ok((exposed.first, exposed.protocol))
}
