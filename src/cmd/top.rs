//! `bolt top`: the processes of a container.

mod ps;

use crate::container::dir::Containers;
use crate::container::processes::{Look, Process, Table};
use crate::container::time;
use crate::settings::Settings;
use crate::spec::caps::CapSet;
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
    /// Name or ID, then what to show: args capamb capbnd capeff capinh capprm comm etime group
    /// groups hgroup hgroups hpid huid huser label nice pcpu pgid pid ppid rgroup rss ruser seccomp
    /// state stime time tty uid user vsz; anything else is given to ps(1) in the container: -eo pid,comm
    #[arg(value_name = "CONTAINER [FORMAT... | ARGS...]", trailing_var_arg = true)]
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
    let words: Vec<String> = words.collect();
    let now = dir.snapshot()?;
    if !now.status.has_processes() {
        bail!(
            "container {} is {}: top shows the processes of running containers",
            dir.id(),
            now.status.word()
        );
    }
    let Some(columns) = columns(&words) else {
        let names: Vec<&str> = COLUMNS.iter().map(|c| c.name).collect();
        let text = ps::ps(settings, &dir, &split(&words), &names.join(" "))?;
        print::stdout(&text)?;
        return Ok(0);
    };
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

/// The words of ps(1): a single argument may hold all of them.
fn split(words: &[String]) -> Vec<String> {
    match words {
        [one] => one.split_whitespace().map(str::to_owned).collect(),
        many => many.to_vec(),
    }
}

/// One column: its descriptor, that of AIX where there is one, its heading, and how its cells are
/// made.
struct Column {
    name: &'static str,
    code: &'static str,
    heading: &'static str,
    cell: Cell,
}

type Cell = fn(&Process, &View) -> String;

const fn column(
    name: &'static str,
    code: &'static str,
    heading: &'static str,
    cell: Cell,
) -> Column {
    Column { name, code, heading, cell }
}

/// Names and headings are podman's.
const COLUMNS: &[Column] = &[
    column("args", "%a", "COMMAND", |p, _| p.args.join(" ")),
    column("capamb", "", "AMBIENT CAPS", |p, _| caps(p.caps.ambient)),
    column("capbnd", "", "BOUNDING CAPS", |p, _| caps(p.caps.bounding)),
    column("capeff", "", "EFFECTIVE CAPS", |p, _| caps(p.caps.effective)),
    column("capinh", "", "INHERITED CAPS", |p, _| caps(p.caps.inheritable)),
    column("capprm", "", "PERMITTED CAPS", |p, _| caps(p.caps.permitted)),
    column("comm", "%c", "COMMAND", |p, _| p.name.clone()),
    column("etime", "%t", "ELAPSED", |p, v| shown(v.age(p))),
    column("group", "%G", "GROUP", |p, v| v.group(p.gids[1])),
    column("groups", "", "GROUPS", |p, v| list(&p.groups, |id| v.group(id))),
    column("hgroup", "", "HGROUP", |p, v| number(v.outer_gids.get(p.gids[1]))),
    column("hgroups", "", "HGROUPS", |p, v| list(&p.groups, |id| number(v.outer_gids.get(id)))),
    column("hpid", "", "HPID", |p, _| p.host_pid.to_string()),
    column("huid", "", "HUID", |p, v| number(v.outer_uids.get(p.uids[1]))),
    column("huser", "", "HUSER", |p, v| number(v.outer_uids.get(p.uids[1]))),
    column("label", "", "LABEL", |p, _| label(p.host_pid)),
    column("nice", "%n", "NI", |p, _| p.nice.to_string()),
    column("pcpu", "%C", "%CPU", |p, v| format!("{:.3}", v.share(p))),
    column("pgid", "%r", "PGID", |p, _| p.group.to_string()),
    column("pid", "%p", "PID", |p, _| p.pid.to_string()),
    column("ppid", "%P", "PPID", |p, _| p.ppid.to_string()),
    column("rgroup", "%g", "RGROUP", |p, v| v.group(p.gids[0])),
    column("rss", "", "RSS", |p, _| (p.resident_bytes / 1024).to_string()),
    column("ruser", "%u", "RUSER", |p, v| v.user(p.uids[0])),
    column("seccomp", "", "SECCOMP", |p, _| seccomp(p.seccomp).to_owned()),
    column("state", "", "STATE", |p, _| p.state.to_string()),
    column("stime", "", "STIME", |p, v| v.start(p)),
    column("time", "%x", "TIME", |p, v| shown(v.seconds(p.cpu_ticks))),
    column("tty", "%y", "TTY", |p, _| tty(p.tty)),
    column("uid", "", "UID", |p, v| number(v.inner_uids.get(p.uids[1]))),
    column("user", "%U", "USER", |p, v| v.user(p.uids[1])),
    column("vsz", "%z", "VSZ", |p, _| (p.virtual_bytes / 1024).to_string()),
];

/// The columns that were asked for; none where a word is no column.
fn columns(words: &[String]) -> Option<Vec<&'static Column>> {
    let find = |name: &str| {
        COLUMNS.iter().find(|c| {
            c.name == name
                || (!c.code.is_empty() && c.code == name)
                || c.heading.eq_ignore_ascii_case(name)
        })
    };
    match words {
        [] => USUAL.into_iter().map(find).collect(),
        words => {
            let names = words.iter().flat_map(|word| word.split([',', ' ']));
            names.filter(|name| !name.is_empty()).map(find).collect()
        }
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
    /// Nanoseconds since 1970.
    now: i64,
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
            now: time::now(),
        })
    }

    fn seconds(&self, ticks: u64) -> f64 {
        ticks as f64 / self.rate
    }

    fn age(&self, process: &Process) -> f64 {
        (self.uptime - self.seconds(process.start_ticks)).max(0.0)
    }

    /// When it began, as Go prints a time.
    fn start(&self, process: &Process) -> String {
        time::go_string(self.now - (self.age(process) * 1e9) as i64)
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

/// Supplementary groups, with commas between them.
fn list(ids: &[u32], name: impl Fn(u32) -> String) -> String {
    ids.iter().map(|id| name(*id)).collect::<Vec<_>>().join(",")
}

/// `full`, `none`, or names without `CAP_`, in the order of the alphabet.
fn caps(bits: u64) -> String {
    let set = CapSet::from_bits(bits);
    if set == CapSet::ALL {
        return "full".to_owned();
    }
    let mut names: Vec<&str> =
        set.names().map(|name| name.strip_prefix("CAP_").unwrap_or(name)).collect();
    names.sort_unstable();
    if names.is_empty() { "none".to_owned() } else { names.join(",") }
}

/// What the security module of the kernel calls a process; `?`: there is none.
fn label(pid: i32) -> String {
    let mut text = Vec::new();
    // What is no label module may still have the file, and say that it is not permitted.
    if let Ok(file) = File::open(format!("/proc/{pid}/attr/current")) {
        let _ = file.take(4096).read_to_end(&mut text);
    }
    let text = String::from_utf8_lossy(&text);
    match text.trim_matches(|c: char| c == '\0' || c.is_whitespace()) {
        "" => "?".to_owned(),
        label => label.to_owned(),
    }
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
    fn columns_have_names_codes_and_headings() {
        let found = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            columns(&words).map(|found| found.iter().map(|c| c.name).collect::<Vec<_>>())
        };
        assert_eq!(found(&[]).unwrap(), USUAL);
        assert_eq!(found(&["pid,%C", "%CPU huser"]).unwrap(), ["pid", "pcpu", "pcpu", "huser"]);
        for words in [&["bogus"][..], &["pid", "-eo"], &["aux"], &["%"]] {
            assert_eq!(found(words), None, "{words:?}");
        }
        assert_eq!(split(&["-eo  pid,comm".into()]), ["-eo", "pid,comm"]);
        assert_eq!(split(&["-o".into(), "pid comm".into()]), ["-o", "pid comm"]);
    }

    #[test]
    fn capabilities_are_names_in_order() {
        assert_eq!(caps(0), "none");
        assert_eq!(caps(CapSet::ALL.bits()), "full");
        assert_eq!(caps(0b1010_0001), "CHOWN,KILL,SETUID");
    }
}
