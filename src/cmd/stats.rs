//! `bolt stats`: what running containers use.

use super::output;
use super::selection::report;
use crate::container::config::{Listed, Summary};
use crate::container::dir::Containers;
use crate::container::list::{self, Entry};
use crate::container::time;
use crate::container::usage::{Device, Observer, Usage};
use crate::settings::Settings;
use crate::ui::{format, human, print};
use crate::userns;
use anyhow::Context;
use serde_json::{Map, Value, json};
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

/// Show what running containers use
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names or IDs, also of those that do not run; without any, all that run
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
        before = now;
        std::thread::sleep(Duration::from_secs(args.interval));
    }
}

/// Ids of those that were named; empty: all.
fn wanted(args: &Args, all: &Containers) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::new();
    for name in &args.containers {
        ids.push(all.find(name)?.id().to_owned());
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
    let is_there = |id: &&String| found.entries.iter().any(|entry| entry.config.id() == *id);
    if let Some(gone) = wanted.iter().find(|id| !is_there(id)) {
        // Says that there is none, or that it is damaged.
        all.find(gone)?.read_config()?;
    }
    let mut observer = Observer::new().context("list the processes")?;
    let (mut rows, mut seen) = (Vec::new(), Seen::new());
    let json = format::is_json(args.format.as_deref());
    for entry in found.entries {
        let runs = entry.status.has_processes();
        let id = entry.config.id();
        let shown = match wanted {
            [] => runs || args.all,
            named => named.iter().any(|wanted| wanted == id),
        };
        if !shown {
            continue;
        }
        let now = time::now();
        // What does not run uses nothing, which is no error (podman).
        let look = match runs {
            true => Look::at(&entry, observer.read(&entry.recorded), now, before),
            false => Look::default(),
        };
        if runs {
            seen.insert(id.to_owned(), (look.usage.cpu_nanos, now));
        }
        rows.push(match json {
            true => object(&entry.config, &look, args.no_trunc),
            false => row(&entry.config, &look, args.no_trunc),
        });
    }
    Ok((rows, seen))
}

/// What one container uses, and how much of a processor that is.
#[derive(Debug, Default)]
struct Look {
    usage: Usage,
    /// Nanoseconds since 1970; 0: it does not run.
    at: i64,
    /// Percents of one processor since the last look, or at the first one since it began.
    now: f64,
    /// The same since it began.
    average: f64,
}

impl Look {
    fn at(entry: &Entry<Summary>, usage: Usage, at: i64, before: &Seen) -> Look {
        let percent = |nanos: u64, span: i64| match span {
            span if span > 0 => nanos as f64 / span as f64 * 100.0,
            _ => 0.0,
        };
        let average = percent(usage.cpu_nanos, at - entry.recorded.started);
        let now = match before.get(entry.config.id()) {
            // A new start counts from nothing.
            Some((nanos, then)) if usage.cpu_nanos >= *nanos => {
                percent(usage.cpu_nanos - nanos, at - then)
            }
            _ => average,
        };
        Look { usage, at, now, average }
    }

    fn memory_share(&self) -> f64 {
        match self.usage.memory_limit {
            0 => 0.0,
            limit => self.usage.memory as f64 / limit as f64 * 100.0,
        }
    }
}

fn percent(value: f64) -> String {
    format!("{value:.2}%")
}

fn pair((one, other): (u64, u64), size: fn(u64) -> String) -> String {
    format!("{} / {}", size(one), size(other))
}

fn shown_id(config: &Summary, whole: bool) -> &str {
    if whole { config.id() } else { config.short_id() }
}

/// The fields of templates and the table: text where podman has a method, else numbers.
fn row(config: &Summary, look: &Look, whole: bool) -> Value {
    let usage = &look.usage;
    let memory = (usage.memory, usage.memory_limit);
    let net = usage.net_bytes();
    let up = human::duration_as_go(usage.cpu_nanos);
    json!({
        "ID": shown_id(config, whole),
        "ContainerID": config.id(),
        "Name": config.name(),
        "CPUPerc": percent(look.now),
        "CPU": look.now,
        "AVGCPU": percent(look.average),
        "AvgCPU": look.average,
        "CPUNano": usage.cpu_nanos,
        "CPUSystemNano": usage.system_nanos,
        "PerCPU": usage.per_cpu,
        "SystemNano": look.at,
        "Duration": usage.cpu_nanos,
        "UpTime": up,
        "Up": up,
        "MemUsage": pair(memory, human::size_short),
        "MemUsageBytes": pair(memory, human::size_binary),
        "MemPerc": percent(look.memory_share()),
        "MemLimit": usage.memory_limit,
        "NetIO": pair(net, human::size_short),
        "NetInput": net.0,
        "NetOutput": net.1,
        "Network": usage.net.iter().map(network).collect::<Map<_, _>>(),
        "BlockIO": pair(usage.block, human::size_short),
        "BlockInput": usage.block.0,
        "BlockOutput": usage.block.1,
        "PIDS": usage.pids.to_string(),
        "PIDs": usage.pids,
    })
}

fn network(device: &Device) -> (String, Value) {
    let Device { name, received, sent } = device;
    let numbers = json!({
        "RxBytes": received.bytes,
        "RxDropped": received.dropped,
        "RxErrors": received.errors,
        "RxPackets": received.packets,
        "TxBytes": sent.bytes,
        "TxDropped": sent.dropped,
        "TxErrors": sent.errors,
        "TxPackets": sent.packets,
    });
    (name.clone(), numbers)
}

/// The keys of podman's `--format json`.
fn object(config: &Summary, look: &Look, whole: bool) -> Value {
    let usage = &look.usage;
    json!({
        "id": shown_id(config, whole),
        "name": config.name(),
        "cpu_time": human::duration_as_go(usage.cpu_nanos),
        "cpu_percent": percent(look.now),
        "avg_cpu": percent(look.average),
        "mem_usage": pair((usage.memory, usage.memory_limit), human::size_short),
        "mem_percent": percent(look.memory_share()),
        "net_io": pair(usage.net_bytes(), human::size_short),
        "block_io": pair(usage.block, human::size_short),
        "pids": usage.pids.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_and_pairs() {
        assert_eq!(percent(1.005), "1.00%");
        assert_eq!(pair((1500, 0), human::size_short), "1.5kB / 0B");
        let usage = Usage { memory: 1, memory_limit: 4, ..Usage::default() };
        assert_eq!(Look { usage, ..Look::default() }.memory_share(), 25.0);
        assert_eq!(Look::default().memory_share(), 0.0);
    }
}
