//! `bolt stats`: what running containers use.

use super::output;
use super::selection::report;
use crate::container::config::{Listed, Summary};
use crate::container::dir::Containers;
use crate::container::list::{self, Entry};
use crate::container::time;
use crate::container::usage::{Observer, Usage};
use crate::settings::Settings;
use crate::ui::{format, human, print};
use crate::userns;
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::Duration;

const COLUMNS: &str = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDS}}\t{{.UpTime}}\t{{.AVGCPU}}";
const HEADINGS: &[(&str, &str)] = &[
    ("CPUPerc", "CPU %"),
    ("MemUsage", "MEM USAGE / LIMIT"),
    ("MemPerc", "MEM %"),
    ("NetIO", "NET IO"),
    ("BlockIO", "BLOCK IO"),
    ("UpTime", "CPU TIME"),
    ("AVGCPU", "AVG CPU %"),
];
/// What stands where a container that does not run has no number.
const NOTHING: &str = "--";

/// Show what running containers use
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names or IDs; without any, all that run
    #[arg(value_name = "CONTAINER")]
    containers: Vec<String>,
    /// Those that do not run too
    #[arg(short, long, conflicts_with_all = ["containers", "latest"])]
    all: bool,
    /// The container created last
    #[arg(short, long, conflicts_with = "containers")]
    latest: bool,
    /// Go template, `table …` or json
    #[arg(long)]
    format: Option<String>,
    /// Once instead of again and again
    #[arg(long)]
    no_stream: bool,
    /// One under the other instead of on a cleared terminal
    #[arg(long)]
    no_reset: bool,
    /// Whole IDs
    #[arg(long)]
    no_trunc: bool,
    /// Seconds between two looks
    #[arg(short, long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    interval: u64,
}

/// Runs the verb.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let all = Containers::open(&settings.dirs)?;
    let wanted = wanted(&args, &all)?;
    userns::enter(&settings.dirs)?;
    let clears = !args.no_stream && !args.no_reset && std::io::stdout().is_terminal();
    let mut before = HashMap::new();
    loop {
        let (rows, now) = look(&args, &all, &wanted, &before)?;
        if clears {
            print::clear()?;
        }
        output::table(&rows, COLUMNS, HEADINGS, args.format.as_deref(), false)?;
        if args.no_stream {
            return Ok(0);
        }
        if !wanted.is_empty() && now.is_empty() {
            bail!("none of the containers runs any more");
        }
        before = now;
        std::thread::sleep(Duration::from_secs(args.interval));
    }
}

/// Ids of those that were named; empty: all.
fn wanted(args: &Args, all: &Containers) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::new();
    for name in &args.containers {
        let dir = all.find(name)?;
        let status = dir.status()?;
        if !status.has_processes() {
            bail!("container {name} is {}: stats shows running containers", status.word());
        }
        ids.push(dir.id().to_owned());
    }
    if args.latest {
        let newest = list::read(all)?.entries.pop().context("there is no container yet")?;
        ids.push(newest.config.id);
    }
    Ok(ids)
}

/// CPU time of each container, and when it was read, both in nanoseconds.
type Seen = HashMap<String, (u64, i64)>;

fn look(
    args: &Args,
    all: &Containers,
    wanted: &[String],
    before: &Seen,
) -> anyhow::Result<(Vec<Value>, Seen)> {
    let found = list::read_as::<Summary>(all)?;
    for error in found.damaged {
        report(&error.into());
    }
    let mut observer = Observer::new().context("list the processes")?;
    let (mut rows, mut seen) = (Vec::new(), Seen::new());
    let json = format::is_json(args.format.as_deref());
    for entry in found.entries {
        let runs = entry.status.has_processes();
        let id = entry.config.id();
        let named = wanted.is_empty() || wanted.iter().any(|wanted| wanted == id);
        if !named || !(runs || args.all) {
            continue;
        }
        let usage = runs.then(|| observer.read(&entry.recorded));
        let now = time::now();
        if let Some(usage) = usage {
            seen.insert(id.to_owned(), (usage.cpu_nanos, now));
        }
        let shares = usage.map(|usage| Shares::of(&entry, &usage, now, before));
        rows.push(match json {
            true => object(&entry.config, usage, shares, args.no_trunc),
            false => row(&entry.config, usage, shares, args.no_trunc),
        });
    }
    Ok((rows, seen))
}

/// Percents of one processor.
#[derive(Debug, Clone, Copy)]
struct Shares {
    /// Since the last look, or at the first one since the container began.
    now: f64,
    /// Since it began.
    average: f64,
}

impl Shares {
    fn of(entry: &Entry<Summary>, usage: &Usage, now: i64, before: &Seen) -> Shares {
        let percent = |nanos: u64, span: i64| match span {
            span if span > 0 => nanos as f64 / span as f64 * 100.0,
            _ => 0.0,
        };
        let average = percent(usage.cpu_nanos, now - entry.recorded.started);
        let now = match before.get(entry.config.id()) {
            Some((nanos, at)) => percent(usage.cpu_nanos.saturating_sub(*nanos), now - at),
            None => average,
        };
        Shares { now, average }
    }
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| format!("{value:.2}%"))
}

fn pair(values: Option<(u64, u64)>) -> String {
    let (one, other) = match values {
        Some((one, other)) => (human::size_short(one), human::size_short(other)),
        None => (NOTHING.to_owned(), NOTHING.to_owned()),
    };
    format!("{one} / {other}")
}

fn memory_share(usage: &Usage) -> f64 {
    match usage.memory_limit {
        0 => 0.0,
        limit => usage.memory as f64 / limit as f64 * 100.0,
    }
}

fn shown_id(config: &Summary, whole: bool) -> &str {
    if whole { config.id() } else { config.short_id() }
}

/// The fields of templates and the table.
fn row(config: &Summary, usage: Option<Usage>, shares: Option<Shares>, whole: bool) -> Value {
    json!({
        "ID": shown_id(config, whole),
        "ContainerID": shown_id(config, whole),
        "Name": config.name(),
        "CPUPerc": percent(shares.map(|s| s.now)),
        "CPU": percent(shares.map(|s| s.now)),
        "AVGCPU": percent(shares.map(|s| s.average)),
        "AvgCPU": percent(shares.map(|s| s.average)),
        "MemUsage": pair(usage.map(|u| (u.memory, u.memory_limit))),
        "MemPerc": percent(usage.as_ref().map(memory_share)),
        "MemLimit": usage.map_or(0, |u| u.memory_limit),
        "NetIO": pair(usage.map(|u| u.net)),
        "NetInput": usage.map_or(0, |u| u.net.0),
        "NetOutput": usage.map_or(0, |u| u.net.1),
        "BlockIO": pair(usage.map(|u| u.block)),
        "BlockInput": usage.map_or(0, |u| u.block.0),
        "BlockOutput": usage.map_or(0, |u| u.block.1),
        "PIDS": usage.map_or_else(|| NOTHING.to_owned(), |u| u.pids.to_string()),
        "PIDs": usage.map_or_else(|| NOTHING.to_owned(), |u| u.pids.to_string()),
        "CPUNano": usage.map_or(0, |u| u.cpu_nanos),
        "UpTime": usage.map_or_else(|| NOTHING.to_owned(), |u| human::duration_as_go(u.cpu_nanos)),
        "Up": usage.map_or_else(|| NOTHING.to_owned(), |u| human::duration_as_go(u.cpu_nanos)),
    })
}

/// The keys of podman's `--format json`.
fn object(config: &Summary, usage: Option<Usage>, shares: Option<Shares>, whole: bool) -> Value {
    json!({
        "id": shown_id(config, whole),
        "name": config.name(),
        "cpu_time": usage.map_or_else(|| NOTHING.to_owned(), |u| human::duration_as_go(u.cpu_nanos)),
        "cpu_percent": percent(shares.map(|s| s.now)),
        "avg_cpu": percent(shares.map(|s| s.average)),
        "mem_usage": pair(usage.map(|u| (u.memory, u.memory_limit))),
        "mem_percent": percent(usage.as_ref().map(memory_share)),
        "net_io": pair(usage.map(|u| u.net)),
        "block_io": pair(usage.map(|u| u.block)),
        "pids": usage.map_or_else(|| NOTHING.to_owned(), |u| u.pids.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_and_pairs() {
        assert_eq!(percent(Some(1.005)), "1.00%");
        assert_eq!(percent(None), "--");
        assert_eq!(pair(Some((1500, 0))), "1.5kB / 0B");
        assert_eq!(pair(None), "-- / --");
        let usage = Usage { memory: 1, memory_limit: 4, ..Usage::default() };
        assert_eq!(memory_share(&usage), 25.0);
        assert_eq!(memory_share(&Usage::default()), 0.0);
    }
}
