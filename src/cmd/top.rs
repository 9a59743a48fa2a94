//! `bolt top`: the processes of a container.

use crate::container::dir::Containers;
use crate::container::processes::{Look, Process, Table};
use crate::settings::Settings;
use crate::sys::beneath;
use crate::ui::format;
use crate::ui::human;
use crate::ui::print;
use crate::userns;
use crate::userns::map::IdMap;
use anyhow::{Context, bail};
use rustix::fs::{CWD, Mode, OFlags};
use std::fs::File;
use std::io::Read;

/// What is shown when nothing was asked for.
const USUAL: [&str; 8] = ["user", "pid", "ppid", "pcpu", "etime", "tty", "time", "args"];
/// Most that is read of a container's passwd or group.
const MOST: u64 = 1 << 20;

/// List the running processes of a container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The container created last
    #[arg(short, long)]
    latest: bool,
    /// Name or ID, then what to show: args comm etime group hgroup hpid huser nice pcpu pgid pid
    /// ppid rgroup ruser rss seccomp state time tty user vsz
    #[arg(value_name = "CONTAINER [FORMAT...]")]
    words: Vec<String>,
}

/// Runs the verb.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let all = Containers::open(&settings.dirs)?;
    let mut words = args.words.into_iter();
    let dir = match args.latest {
        true => super::selection::one(settings, None, true)?.1,
        false => {
            let missing = "no container was named: give a name, an ID or --latest";
            all.find(&words.next().context(missing)?)?
        }
    };
    let asked: Vec<String> =
        words.flat_map(|w| w.split([',', ' ']).map(str::to_owned).collect::<Vec<_>>()).collect();
    let columns = columns(&asked)?;
    let now = dir.snapshot()?;
    if !now.status.has_processes() {
        bail!(
            "container {} is {}: top shows the processes of running containers",
            dir.id(),
            now.status.word()
        );
    }
    userns::enter(&settings.dirs)?;
    let view = View::of(now.recorded.pid)?;
    let rows: Vec<Vec<String>> = Table::read(Look::Whole)
        .context("list the processes")?
        .of(now.recorded.pid, now.recorded.pidns)
        .iter()
        .map(|process| columns.iter().map(|column| (column.cell)(process, &view)).collect())
        .collect();
    let headings: Vec<&str> = columns.iter().map(|c| c.heading).collect();
    print::stdout(&format::cells(&headings, &rows, false)?)?;
    Ok(0)
}

/// One column: its descriptor, its heading, and how its cells are made.
struct Column {
    name: &'static str,
    heading: &'static str,
    cell: fn(&Process, &View) -> String,
}

const COLUMNS: &[Column] = &[
    Column { name: "args", heading: "COMMAND", cell: |p, _| p.args.join(" ") },
    Column { name: "comm", heading: "COMMAND", cell: |p, _| p.name.clone() },
    Column { name: "etime", heading: "ELAPSED", cell: |p, v| shown(v.age(p)) },
    Column { name: "group", heading: "GROUP", cell: |p, v| v.group(p.gids[1]) },
    Column { name: "hgroup", heading: "HGROUP", cell: |p, v| number(v.outer_gids.get(p.gids[1])) },
    Column { name: "hpid", heading: "HPID", cell: |p, _| p.host_pid.to_string() },
    Column { name: "huser", heading: "HUSER", cell: |p, v| number(v.outer_uids.get(p.uids[1])) },
    Column { name: "nice", heading: "NI", cell: |p, _| p.nice.to_string() },
    Column { name: "pcpu", heading: "%CPU", cell: |p, v| format!("{:.3}", v.share(p)) },
    Column { name: "pgid", heading: "PGID", cell: |p, _| p.group.to_string() },
    Column { name: "pid", heading: "PID", cell: |p, _| p.pid.to_string() },
    Column { name: "ppid", heading: "PPID", cell: |p, _| p.ppid.to_string() },
    Column { name: "rgroup", heading: "RGROUP", cell: |p, v| v.group(p.gids[0]) },
    Column { name: "rss", heading: "RSS", cell: |p, _| (p.resident_bytes / 1024).to_string() },
    Column { name: "ruser", heading: "RUSER", cell: |p, v| v.user(p.uids[0]) },
    Column { name: "seccomp", heading: "SECCOMP", cell: |p, _| seccomp(p.seccomp).to_owned() },
    Column { name: "state", heading: "STATE", cell: |p, _| p.state.to_string() },
    Column { name: "time", heading: "TIME", cell: |p, v| shown(v.seconds(p.cpu_ticks)) },
    Column { name: "tty", heading: "TTY", cell: |p, _| tty(p.tty) },
    Column { name: "user", heading: "USER", cell: |p, v| v.user(p.uids[1]) },
    Column { name: "vsz", heading: "VSZ", cell: |p, _| (p.virtual_bytes / 1024).to_string() },
];

fn columns(asked: &[String]) -> anyhow::Result<Vec<&'static Column>> {
    let find = |name: &str| {
        let known = |c: &&Column| c.name == name || c.heading.eq_ignore_ascii_case(name);
        COLUMNS.iter().find(known).with_context(|| {
            let names: Vec<&str> = COLUMNS.iter().map(|c| c.name).collect();
            format!("{name:?} is no column of top; there are {}", names.join(" "))
        })
    };
    match asked.is_empty() {
        true => USUAL.into_iter().map(find).collect(),
        false => asked.iter().filter(|w| !w.is_empty()).map(|w| find(w)).collect(),
    }
}

/// How the container numbers and names what we see.
struct View {
    inner_uids: IdMap,
    inner_gids: IdMap,
    outer_uids: IdMap,
    outer_gids: IdMap,
    users: Vec<(u32, String)>,
    groups: Vec<(u32, String)>,
    /// Clock ticks a second, and since boot.
    rate: f64,
    uptime: f64,
}

impl View {
    fn of(init: i32) -> anyhow::Result<View> {
        let read =
            |path: &str| std::fs::read_to_string(path).with_context(|| format!("read {path}"));
        let uptime = read("/proc/uptime")?;
        Ok(View {
            inner_uids: IdMap::inward(&read(&format!("/proc/{init}/uid_map"))?),
            inner_gids: IdMap::inward(&read(&format!("/proc/{init}/gid_map"))?),
            outer_uids: IdMap::outward(&read("/proc/self/uid_map")?),
            outer_gids: IdMap::outward(&read("/proc/self/gid_map")?),
            users: names(init, "etc/passwd"),
            groups: names(init, "etc/group"),
            rate: rustix::param::clock_ticks_per_second().max(1) as f64,
            uptime: uptime.split(' ').next().and_then(|t| t.parse().ok()).unwrap_or(0.0),
        })
    }

    fn seconds(&self, ticks: u64) -> f64 {
        ticks as f64 / self.rate
    }

    fn age(&self, process: &Process) -> f64 {
        (self.uptime - self.seconds(process.start_ticks)).max(0.0)
    }

    fn share(&self, process: &Process) -> f64 {
        let age = self.age(process);
        if age > 0.0 { self.seconds(process.cpu_ticks) / age * 100.0 } else { 0.0 }
    }

    fn user(&self, id: u32) -> String {
        named(&self.users, self.inner_uids.get(id))
    }

    fn group(&self, id: u32) -> String {
        named(&self.groups, self.inner_gids.get(id))
    }
}

/// The first entry of an id counts, as everywhere.
fn named(names: &[(u32, String)], id: Option<u32>) -> String {
    let entry = names.iter().find(|(n, _)| Some(*n) == id);
    entry.map_or_else(|| number(id), |(_, name)| name.clone())
}

fn number(id: Option<u32>) -> String {
    id.map_or_else(|| "?".to_owned(), |id| id.to_string())
}

/// Ids and names of the container's passwd(5) or group(5). The container may have put anything
/// there: it is opened beneath its root, without waiting, and read up to [`MOST`].
fn names(init: i32, file: &str) -> Vec<(u32, String)> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(root) = rustix::fs::openat(CWD, format!("/proc/{init}/root"), flags, Mode::empty())
    else {
        return Vec::new();
    };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let Ok(file) = beneath::open_in_root(&root, file, flags, Mode::empty()) else {
        return Vec::new();
    };
    let mut text = Vec::new();
    let _ = File::from(file).take(MOST).read_to_end(&mut text);
    String::from_utf8_lossy(&text)
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            Some((fields.nth(1)?.parse().ok()?, name.to_owned()))
        })
        .collect()
}

/// Seconds, of which the kernel tells hundredths.
fn shown(seconds: f64) -> String {
    human::duration_as_go((seconds * 100.0).round() as u64 * 10_000_000)
}

fn seccomp(mode: u32) -> &'static str {
    match mode {
        0 => "disabled",
        1 => "strict",
        _ => "filter",
    }
}

/// Name of a terminal by its device number (proc_pid_stat(5), tty_nr).
fn tty(device: i32) -> String {
    let device = device as u32;
    let (major, minor) = (device >> 8 & 0xfff, (device & 0xff) | (device >> 12 & 0xfff00));
    match major {
        0 => "?".to_owned(),
        136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
        4 => format!("tty{minor}"),
        _ => format!("{major}:{minor}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_by_number() {
        assert_eq!(tty(0), "?");
        assert_eq!(tty(34816), "pts/0");
        assert_eq!(tty(34816 + 5), "pts/5");
        assert_eq!(tty(4 << 8 | 1), "tty1");
    }

    #[test]
    fn unknown_columns_are_named() {
        assert!(columns(&["pid".into(), "%CPU".into()]).is_ok());
        let error = columns(&["bogus".into()]).err().unwrap().to_string();
        assert!(error.contains("bogus") && error.contains("hpid"), "{error}");
    }
}
