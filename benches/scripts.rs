//! What scripts call again and again, against podman: `stats` of 100 containers, `events` of
//! 10,000 lines, `generate systemd`.

mod runner;

use runner::living::Living;
use runner::meter::{Case, Meter, interleave};
use runner::parts::Parts;
use runner::peers::Podman;
use runner::people::Person;
use runner::report::Report;
use runner::{fail, images};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Bolt's part of podman's time, at most.
const PART: f64 = 0.2;
/// Containers of `stats`.
const CONTAINERS: usize = 100;
/// Lines of `events`.
const LINES: usize = 10_000;

fn main() {
    let parts = Parts::new();
    let mut report = Report::new("scripts", &parts.bolt);
    let user = Person::new(&parts.dir, "user");
    let image = images::one_layer(&parts).name;
    let id = parts.pull(&user, &image);
    let podman = Podman::new(&user, &image);
    report.line(&podman.about);
    let mut meter = Meter::start(&user, &parts.measure, &parts.dir);
    generate(&parts, &mut report, &user, &podman, &mut meter, &id);
    events(&parts, &mut report, &user, &podman, &mut meter);
    stats(&parts, &mut report, &user, &podman, &mut meter, &id);
    report.write();
}

/// Measures both, and holds the first to its part of the second.
fn compare(report: &mut Report, meter: &mut Meter, what: &str, bolt: &[String], peer: &[String]) {
    let (ours, theirs) = (format!("bolt {what}"), format!("podman {what}"));
    let mut cases = [
        Case::new(&ours, 0, &bolt.iter().map(String::as_str).collect::<Vec<_>>()),
        Case::new(&theirs, 0, &peer.iter().map(String::as_str).collect::<Vec<_>>()),
    ];
    interleave(std::slice::from_mut(meter), &mut cases, runner::rounds(15));
    report.table(what, &cases);
    report.limit(&format!("{what}: bolt / podman"), cases[0].wall() / cases[1].wall(), PART);
}

fn generate(
    parts: &Parts,
    report: &mut Report,
    user: &Person,
    podman: &Podman,
    meter: &mut Meter,
    id: &str,
) {
    let create = ["create", "--name", "unit", "--network", "none"];
    let payload = ["/probe", "pause"];
    runner::output(user.command(&parts.bolt).args(create).arg(id).args(payload));
    run_podman(user, podman, &[&create[..], &[podman.image()], &payload].concat());
    let words = ["generate", "systemd", "--new", "--name", "unit"];
    compare(report, meter, "generate systemd", &parts.command(&words), &podman.command(&words));
}

/// The same events for both: in Bolt's log, and in a file of podman's logger.
fn events(parts: &Parts, report: &mut Report, user: &Person, podman: &Podman, meter: &mut Meter) {
    let mut text = String::new();
    for n in 0..LINES {
        let status = ["create", "init", "start", "died", "remove"][n % 5];
        let _ = writeln!(
            text,
            "{{\"ID\":\"{:064x}\",\"Image\":\"localhost/game:latest\",\"Name\":\"game-{}\",\
             \"Status\":\"{status}\",\"Time\":\"2026-01-01T00:{:02}:{:02}.{:09}Z\",\
             \"Type\":\"container\",\"Attributes\":{{\"maker\":\"me\",\"version\":\"1.2.3\"}}}}",
            n / 5,
            n / 5,
            n / 600 % 60,
            n / 10 % 60,
            n
        );
    }
    let ours = user.home.join(".local/share/bolt/events/log");
    let theirs = user.home.join("podman-events");
    let config = user.home.join(".config/containers/containers.conf");
    let path = theirs.display();
    let logger = format!("[engine]\nevents_logger = \"file\"\nevents_logfile_path = \"{path}\"\n");
    write(&ours, &text);
    write(&theirs, &text);
    write(&config, &logger);
    for format in [&[][..], &["--format", "json"]] {
        let words = [&["events", "--stream=false"][..], format].concat();
        let words = [&words[..], &["--since", "2025-01-01T00:00:00Z"]].concat();
        let told = runner::output(user.command(&parts.bolt).args(&words));
        if told.lines().count() < LINES {
            fail(format_args!("{} events instead of {LINES}", told.lines().count()));
        }
        let what = format!("events of {LINES} lines {}", format.join(" "));
        compare(report, meter, what.trim_end(), &parts.command(&words), &podman.command(&words));
    }
    let _ = fs::remove_file(config);
}

/// Rootless podman has no `stats` without cgroup v2. There it is asked by root, whose podman has
/// containers of its own for it; not by an ordinary user, who gets no figure.
fn stats(
    parts: &Parts,
    report: &mut Report,
    user: &Person,
    podman: &Podman,
    meter: &mut Meter,
    id: &str,
) {
    let _living: Vec<Living> =
        (0..CONTAINERS).map(|n| Living::start(parts, user, id, &format!("s{n}"))).collect();
    let words = ["stats", "--no-stream"];
    let told = runner::output(user.command(&parts.bolt).args(words));
    if told.lines().count() != CONTAINERS + 1 {
        fail(format_args!("stats of {} containers", told.lines().count() - 1));
    }
    let root = RootPodman::new(parts, podman);
    let Some(root) = root else {
        let mut cases = [Case::new("bolt stats of 100", 0, &[])];
        cases[0].words = parts.command(&words);
        interleave(std::slice::from_mut(meter), &mut cases, runner::rounds(15));
        report.table("stats --no-stream of 100 containers; podman runs none here", &cases);
        return;
    };
    let mut peer = root.words.clone();
    peer.extend(words.map(str::to_owned));
    let caller = Person::caller(&parts.dir);
    let mut theirs = Meter::start(&caller, &parts.measure, &parts.dir);
    let (mut bolt, mut other) = (Vec::new(), Vec::new());
    for _ in 0..runner::rounds(15) {
        bolt.push(meter.must(&parts.command(&words)).wall);
        other.push(theirs.must(&peer).wall);
    }
    let (bolt, other) = (runner::median(&bolt), runner::median(&other));
    report.line("\nstats --no-stream of 100 containers; podman by root");
    report.note("bolt, ms, median", bolt);
    report.note("podman, ms, median", other);
    report.limit("stats --no-stream: bolt / podman", bolt / other, PART);
}

/// podman as root, with a store of this bench and its containers; they end with it.
struct RootPodman {
    words: Vec<String>,
    /// podman mounts it onto itself, and leaves it so.
    overlay: std::path::PathBuf,
}

impl RootPodman {
    fn new(parts: &Parts, podman: &Podman) -> Option<RootPodman> {
        if runner::run("id", &["-u"]) != "0" {
            return None;
        }
        let place = |name: &str| parts.dir.join(name).display().to_string();
        let mut words = podman.words.clone();
        words.extend(["--root".into(), place("root"), "--runroot".into(), place("runroot")]);
        words.extend(["--cgroup-manager".into(), "cgroupfs".into()]);
        let root = RootPodman { words, overlay: parts.dir.join("root/overlay") };
        let image = root.run(&["pull", "--quiet", &images::one_layer(parts).name]);
        for n in 0..CONTAINERS {
            let name = format!("s{n}");
            // Root's own limits may not be raised in a machine that is a container itself.
            let limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
            let base = ["run", "-d", "--network", "none", "--name", &name];
            root.run(&[&base[..], &limits, &[&image, "/probe", "pause"]].concat());
        }
        Some(root)
    }

    fn run(&self, words: &[&str]) -> String {
        let (program, own) =
            self.words.split_first().map_or(("podman", &[][..]), |(p, o)| (p.as_str(), o));
        let mut line: Vec<&str> = own.iter().map(String::as_str).collect();
        line.extend(words);
        runner::run(program, &line)
    }
}

impl Drop for RootPodman {
    fn drop(&mut self) {
        if let Some((program, own)) = self.words.split_first() {
            let mut command = std::process::Command::new(program);
            let _ = command.args(own).args(["rm", "-f", "-t", "0", "-a"]).output();
        }
        let _ = std::process::Command::new("umount").arg(&self.overlay).output();
    }
}

fn run_podman(user: &Person, podman: &Podman, words: &[&str]) -> String {
    let line = podman.command(words);
    runner::output(user.command(&line[0]).args(&line[1..]))
}

fn write(path: &Path, text: &str) {
    if let Err(e) = fs::write(path, text) {
        fail(format_args!("write {}: {e}", path.display()));
    }
    // The log belongs to who reads it; its directory is his already.
    let owner = path.parent().map_or(path, |dir| dir).display().to_string();
    runner::run("chown", &["--reference", &owner, &path.display().to_string()]);
}
