//! `state.json`, written by hand: a JSON library would cost the monitor 60 KiB for its life.
//! Runs in M.

use crate::small;
use bolt_shim::report::Failure;
use rustix::fs::{AtFlags, Mode, OFlags};
use std::fmt::Write as _;
use std::os::fd::OwnedFd;

/// What `bolt` reads as `container::state::Recorded`.
#[derive(Debug, Default, Clone)]
pub(crate) struct State {
    /// `starting`, `running`, `restarting` or `exited`.
    pub(crate) status: &'static str,
    /// Pid of I.
    pub(crate) pid: i32,
    /// Start time of I in ticks since boot.
    pub(crate) start: u64,
    /// Inode of I's pid namespace.
    pub(crate) pidns: u64,
    /// Inode of P; 0 for root.
    pub(crate) userns: u64,
    /// P has the whole range.
    pub(crate) full: bool,
    /// Nanoseconds since 1970.
    pub(crate) started: i64,
    /// Nanoseconds since 1970.
    pub(crate) finished: i64,
    /// Exit code.
    pub(crate) exit: u8,
    /// The OOM killer was there.
    pub(crate) oom: bool,
    /// Ended by request.
    pub(crate) stopped: bool,
    /// Restarts so far.
    pub(crate) restarts: u32,
    /// Directories of the control group.
    pub(crate) cgroup: Vec<String>,
    /// What was not applied here.
    pub(crate) denied: Vec<Failure>,
    /// What was not applied already before us: `setting: why`.
    pub(crate) notes: Vec<String>,
}

impl State {
    /// Replaces `state.json` in `dir`. No fsync: torn with a free lock means dead anyway.
    pub(crate) fn write(&self, dir: &OwnedFd) -> Result<(), rustix::io::Errno> {
        replace(dir, "state.json", "state.json.new", &self.text())
    }

    fn text(&self) -> String {
        let monitor = std::process::id() as i32;
        let boot = small::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let mut text = String::with_capacity(640);
        let _ = write!(
            text,
            "{{\"version\":1,\"status\":\"{}\",\"pid\":{},\"start\":{},\"pidns\":{},\"monitor\":{monitor},\
             \"monitor_start\":{},\"userns\":{},\"full\":{},\"started\":{},\"finished\":{},\"exit\":{},\
             \"oom\":{},\"stopped\":{},\"restarts\":{},\"boot\":\"{}\",\"cgroup\":[",
            self.status,
            self.pid,
            self.start,
            self.pidns,
            start_time(monitor),
            self.userns,
            self.full,
            self.started,
            self.finished,
            self.exit,
            self.oom,
            self.stopped,
            self.restarts,
            boot.trim(),
        );
        list(&mut text, self.cgroup.iter().map(String::as_str));
        text.push_str("],\"denied\":[");
        let denied: Vec<String> =
            self.denied.iter().map(|f| format!("{}: errno {}", f.object, f.errno)).collect();
        list(&mut text, self.notes.iter().chain(&denied).map(String::as_str));
        text.push_str("]}\n");
        text
    }
}

/// Replaces the file `name` in `dir`, by way of `temp`.
///
/// By exchange: ext4 writes the data of a file to the disk before that file may take another
/// one's place by a plain rename (ext4(5), `auto_da_alloc`), which costs as much as all of the
/// rest, twice when the file is removed a moment later.
pub(crate) fn replace(
    dir: &OwnedFd,
    name: &str,
    temp: &str,
    text: &str,
) -> Result<(), rustix::io::Errno> {
    let flags =
        OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::openat(dir, temp, flags, Mode::from_raw_mode(0o644))?;
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let n = rustix::io::write(&file, rest)?;
        rest = &rest[n..];
    }
    drop(file);
    let exchange = rustix::fs::RenameFlags::EXCHANGE;
    match rustix::fs::renameat_with(dir, temp, dir, name, exchange) {
        Ok(()) => rustix::fs::unlinkat(dir, temp, AtFlags::empty()),
        // The first one of this container, or a file system that cannot exchange.
        Err(_) => rustix::fs::renameat(dir, temp, dir, name),
    }
}

fn list<'a>(text: &mut String, items: impl Iterator<Item = &'a str>) {
    for (n, item) in items.enumerate() {
        if n > 0 {
            text.push(',');
        }
        quote(text, item);
    }
}

/// Appends a JSON string.
pub(crate) fn quote(text: &mut String, item: &str) {
    text.push('"');
    for c in item.chars() {
        match c {
            '"' | '\\' => {
                text.push('\\');
                text.push(c);
            }
            c if (c as u32) < 0x20 => {
                let _ = write!(text, "\\u{:04x}", c as u32);
            }
            c => text.push(c),
        }
    }
    text.push('"');
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> i64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    t.tv_sec * 1_000_000_000 + t.tv_nsec
}

/// Milliseconds of the monotonic clock.
pub(crate) fn ticks() -> i64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    t.tv_sec * 1000 + t.tv_nsec / 1_000_000
}

/// Field 22 of `/proc/<pid>/stat` (proc_pid_stat(5)); the name in field 2 may hold anything.
pub(crate) fn start_time(pid: i32) -> u64 {
    let text = small::read(&format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    after.split_ascii_whitespace().nth(19).and_then(|w| w.parse().ok()).unwrap_or(0)
}

/// Inode of a namespace file, 0 when it cannot be seen.
pub(crate) fn namespace(path: &str) -> u64 {
    rustix::fs::stat(path).map_or(0, |s| s.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_json_whatever_an_object_is_called() {
        let denied = vec![Failure {
            step: bolt_shim::report::Step::Sysctl,
            object: "a\"b\\c\n".into(),
            errno: 1,
        }];
        let state = State {
            status: "running",
            denied,
            cgroup: vec!["/a".into(), "/b".into()],
            ..State::default()
        };
        let text = state.text();
        assert!(text.contains(r#""denied":["a\"b\\c\u000a: errno 1"]"#), "{text}");
        assert!(text.contains(r#""cgroup":["/a","/b"]"#));
    }

    #[test]
    fn own_start_time_is_there() {
        assert!(start_time(std::process::id() as i32) > 0);
    }
}
