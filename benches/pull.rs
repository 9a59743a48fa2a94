//! How long `bolt pull` takes from a registry on loopback into an empty store, against podman
//! and against `gunzip | tar -x` of the same layers, two at a time. Bolt and podman leave nothing
//! to be written; the pipe does, so the sync that would make it equal is reported beside it.
//!
//! Every pull goes to a fresh directory, and nothing is deleted meanwhile or in the minutes before:
//! ext4 makes what follows a big deletion ten times slower (its recently deleted inodes), for
//! everybody. Before every pull memory is used and given back: what the host took of it costs its
//! first user, whoever that is.

mod runner;

use runner::images::{self, Image};
use runner::meter::{Cost, Meter};
use runner::parts::Parts;
use runner::peers::Registry;
use runner::people::Person;
use runner::report::Report;
use runner::{fail, median};
use std::path::Path;

fn main() {
    let parts = Parts::new();
    let mut report = Report::new("pull", &parts.bolt);
    let user = Person::new(&parts.dir, "user");
    let registry = Registry::start(&parts.dir);
    let all = [
        (images::assorted(&parts), "12 layers"),
        (images::small_files(&parts), "40,000 small files"),
    ];
    runner::host::wait_for_quiet(&parts.dir);
    for (image, title) in all {
        compare(&parts, &mut report, &user, &registry, &image, title);
    }
    report.write();
}

fn compare(
    parts: &Parts,
    report: &mut Report,
    user: &Person,
    registry: &Registry,
    image: &Image,
    title: &str,
) {
    let short: String = title.chars().filter(char::is_ascii_alphanumeric).collect();
    let name = registry.push(&image.name, &format!("{}:v1", short.to_lowercase()));
    let layers = layers(image);
    let bytes: u64 = layers.iter().map(|(_, size)| size).sum();
    let mut all: [Vec<Cost>; 4] = Default::default();
    let disk = Disk::new(&parts.dir);
    let wanted = runner::rounds(20);
    for round in 0..wanted {
        if !disk.is_half_free() {
            break;
        }
        let homes = ["bolt", "podman", "tar"]
            .map(|who| Person::new(&parts.dir, &format!("{short}-{who}-{round}")));
        all[0].push(pull_bolt(parts, &homes[0], &name));
        all[1].push(pull_podman(parts, &homes[1], &name));
        let (pipe, synced) = unpack(parts, &homes[2], &layers);
        all[2].push(pipe);
        all[3].push(synced);
    }
    let rounds = match all[0].len() {
        0 => fail("the disk has no room for a round"),
        made if made < wanted => {
            format!("{made} of {wanted} rounds: half of the free disk is used")
        }
        made => format!("{made} rounds"),
    };
    report.line(&format!(
        "\n{title}: {} layers, {} MB compressed ({rounds}; medians, least to most, seconds; user {})",
        layers.len(),
        bytes / 1_000_000,
        user.name
    ));
    tell(report, &all);
}

/// A line for each who was measured, then what is compared.
fn tell(report: &mut Report, all: &[Vec<Cost>; 4]) {
    let wall = all.each_ref().map(|costs| Spread::of(costs, |cost| cost.wall));
    let cpu = all.each_ref().map(|costs| Spread::of(costs, |cost| cost.cpu));
    let peak = all[0].iter().map(|c| c.peak).max().unwrap_or(0) as f64 / 1024.0;
    let names =
        ["bolt pull", "podman pull", "gunzip | tar -x, two at a time", "the same, and sync -f"];
    for (n, who) in names.iter().enumerate() {
        report.line(&format!("  {who:<32} wall {}   cpu {}", wall[n], cpu[n]));
    }
    let [wall, cpu] = [wall, cpu].map(|all| all.map(|spread| spread.median));
    report.limit("bolt / podman, wall", wall[0] / wall[1], 1.0 / 3.0);
    report.limit("bolt / podman, CPU", cpu[0] / cpu[1], 0.25);
    report.note("bolt / gunzip | tar and sync, wall", wall[0] / wall[3]);
    report.limit("bolt / gunzip | tar, wall", wall[0] / wall[2], 1.0);
    report.limit("peak memory of bolt, MiB", peak, 64.0);
}

/// Seconds of all rounds.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    /// Of what `of` says in milliseconds.
    fn of(costs: &[Cost], of: impl Fn(&Cost) -> f64) -> Self {
        let seconds: Vec<f64> = costs.iter().map(|cost| of(cost) / 1000.0).collect();
        Spread {
            median: median(&seconds),
            least: seconds.iter().copied().fold(f64::INFINITY, f64::min),
            most: seconds.iter().copied().fold(0.0, f64::max),
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:>6.2} ({:>5.2} to {:>5.2})", self.median, self.least, self.most)
    }
}

/// The disk that holds what all rounds leave: nothing may be deleted before the last one.
struct Disk<'a> {
    dir: &'a Path,
    /// Free bytes before the first round.
    at_first: u64,
}

impl<'a> Disk<'a> {
    fn new(dir: &'a Path) -> Self {
        Disk { dir, at_first: runner::host::free_disk(dir) }
    }

    /// Whether more than half of what was free is left: the other half is for the next image, and
    /// for everybody else.
    fn is_half_free(&self) -> bool {
        runner::host::free_disk(self.dir) > self.at_first / 2
    }
}

fn pull_bolt(parts: &Parts, home: &Person, name: &str) -> Cost {
    let mut meter = Meter::start(home, &parts.measure, &parts.dir);
    runner::host::touch_memory();
    meter.must(&parts.command(&["pull", "--quiet", "--tls-verify=false", name]))
}

fn pull_podman(parts: &Parts, home: &Person, name: &str) -> Cost {
    let config = home.home.join(".config/containers");
    home.own_dir(&home.home.join(".config"));
    home.own_dir(&config);
    // A place of its own for each round: podman locks stores by what the runtime directory says.
    let run = home.home.join("run");
    home.own_dir(&run);
    let text = format!("[storage]\ndriver = \"overlay\"\nrunroot = \"{}\"\n", run.display());
    if let Err(e) = std::fs::write(config.join("storage.conf"), text) {
        fail(format_args!("storage.conf: {e}"));
    }
    let driver = runner::output(home.command("podman").args([
        "info",
        "--format",
        "{{.Store.GraphDriverName}}",
    ]));
    if driver != "overlay" {
        fail(format_args!("podman stores by {driver}, not overlay"));
    }
    let mut meter = Meter::start(home, &parts.measure, &parts.dir);
    runner::host::touch_memory();
    let cost = meter.must(&["podman", "pull", "--quiet", "--tls-verify=false", name]);
    runner::peers::end_podman(home);
    cost
}

/// Each layer into a directory of its own, by the classic pipe: without and with a sync after it.
fn unpack(parts: &Parts, home: &Person, layers: &[(String, u64)]) -> (Cost, Cost) {
    let list: String = layers.iter().map(|(path, _)| format!("{path}\n")).collect();
    let file = home.home.join("layers");
    if let Err(e) = std::fs::write(&file, list) {
        fail(format_args!("{}: {e}", file.display()));
    }
    let script = format!(
        "cd {} && xargs -P2 -I@ sh -c 'mkdir $(basename @) && gunzip -c @ | tar -x -C $(basename @)' <layers",
        home.home.display()
    );
    let mut meter = Meter::start(home, &parts.measure, &parts.dir);
    runner::host::touch_memory();
    let pipe = meter.must(&["sh", "-c", &script]);
    let sync = meter.must(&["sync", "-f", &home.home.display().to_string()]);
    (pipe, Cost { wall: pipe.wall + sync.wall, cpu: pipe.cpu + sync.cpu, ..pipe })
}

/// Path and size of each layer's blob, biggest first.
fn layers(image: &Image) -> Vec<(String, u64)> {
    let text = runner::run("skopeo", &["inspect", "--raw", &image.name]);
    let Some((_, list)) = text.split_once("\"layers\"") else { fail("a manifest without layers") };
    let mut found: Vec<(String, u64)> = list
        .split("sha256:")
        .skip(1)
        .map(|rest| {
            let hex: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
            let path = image.layout.join("blobs/sha256").join(hex);
            let size = std::fs::metadata(&path).map_or(0, |m| m.len());
            (path.display().to_string(), size)
        })
        .collect();
    found.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    found
}
