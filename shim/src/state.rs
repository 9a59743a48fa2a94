//! `state.json`, written by hand: a JSON library would cost the monitor 60 KiB for its life.
//! Runs in M.

use crate::small;
use crate::step::ids;
use bolt_shim::head::Known;
use bolt_shim::report::Failure;
use rustix::fs::{AtFlags, FallocateFlags, Mode, OFlags, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;
use std::fmt::Write as _;
use std::os::fd::OwnedFd;

/// Of records in the container's directory.
pub(crate) const MODE: Mode = Mode::from_raw_mode(0o644);

/// What `bolt` reads as `container::state::Recorded`.
#[derive(Debug, Default)]
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
    /// What does not change while we live.
    own: Own,
    /// The file that says `starting`, and how long it is.
    starting: Option<(OwnedFd, usize)>,
}

/// Of the supervisor itself.
#[derive(Debug, Default)]
struct Own {
    monitor: i32,
    monitor_start: u64,
    boot: String,
}

impl Own {
    fn of(known: &Known) -> Own {
        let monitor = std::process::id() as i32;
        let monitor_start =
            start_between(known.not_before, Known::now()).unwrap_or_else(|| start_time(monitor));
        let boot = match known.boot.as_str() {
            "" => small::read("/proc/sys/kernel/random/boot_id").unwrap_or_default(),
            boot => boot.to_owned(),
        };
        Own { monitor, monitor_start, boot: boot.trim().to_owned() }
    }
}

impl State {
    /// Of this process, which has just begun.
    pub(crate) fn of_monitor(known: &Known) -> Self {
        State { own: Own::of(known), ..State::default() }
    }

    /// Replaces `state.json` in `dir`. No fsync: torn with a free lock means dead anyway. Where no
    /// new file can be made, the present one is written over; with an error it is as it was.
    ///
    /// While the lock is held and has no copy of the record, torn means `starting`. So `running` is written over just that, and
    /// the first record of a container comes without a rename.
    pub(crate) fn write(&mut self, dir: &OwnedFd) -> Result<(), Errno> {
        let mut text = self.text();
        if let Some((file, length)) = self.starting.take_if(|_| self.status == "running") {
            pad(&mut text, length);
            if rustix::io::pwrite(&file, text.as_bytes(), 0) == Ok(text.len()) {
                return Ok(());
            }
        }
        let file = match create(dir, "state.json", MODE) {
            Ok(file) => whole(dir, "state.json", file, &text)?,
            Err(_) => replace(dir, "state.json", "state.json.new", &text, MODE)
                .or_else(|error| overwrite(dir, "state.json", &mut text).map_err(|_| error))?,
        };
        self.starting = (self.status == "starting").then_some((file, text.len()));
        Ok(())
    }

    /// The copy of an earlier run says nothing of this one.
    #[inline(never)]
    pub(crate) fn drop_copy(lock: &OwnedFd) {
        if rustix::fs::fstat(lock).is_ok_and(|stat| stat.st_size > 0) {
            let _ = rustix::fs::ftruncate(lock, 0);
        }
    }

    /// Writes it into the file of the lock as well: by this copy what runs is found where
    /// `state.json` is damaged or gone. Where it cannot be written, there is none.
    #[inline(never)]
    pub(crate) fn keep(&mut self, lock: &OwnedFd) {
        let text = self.text();
        let _ = rustix::io::pwrite(lock, text.as_bytes(), 0);
        // Mostly it was empty: to set the length that it has takes as long as to write it.
        if rustix::fs::fstat(lock).is_ok_and(|stat| stat.st_size != text.len() as i64) {
            let _ = rustix::fs::ftruncate(lock, text.len() as u64);
        }
    }

    fn text(&self) -> String {
        let Own { monitor, monitor_start, boot } = &self.own;
        let mut text = String::with_capacity(640);
        let _ = write!(
            text,
            "{{\"version\":1,\"status\":\"{}\",\"pid\":{},\"start\":{},\"pidns\":{},\"monitor\":{monitor},\
             \"monitor_start\":{monitor_start},\"userns\":{},\"full\":{},\"started\":{},\"finished\":{},\"exit\":{},\
             \"oom\":{},\"stopped\":{},\"restarts\":{},\"boot\":\"{boot}\",\"cgroup\":[",
            self.status,
            self.pid,
            self.start,
            self.pidns,
            self.userns,
            self.full,
            self.started,
            self.finished,
            self.exit,
            self.oom,
            self.stopped,
            self.restarts,
        );
        list(&mut text, self.cgroup.iter().map(String::as_str));
        text.push_str("],\"denied\":[");
        let denied: Vec<String> =
            self.denied.iter().map(|f| format!("{}: errno {}", f.object, f.errno)).collect();
        list(&mut text, self.notes.iter().chain(&denied).map(String::as_str));
        text.push(']');
        if let Some(existing) = ids::existing() {
            extents(&mut text, "uids", &existing.uids);
            extents(&mut text, "gids", &existing.gids);
        }
        text.push_str("}\n");
        text
    }
}

/// Replaces the file `name` in `dir`, by way of `temp`; the open file.
///
/// By exchange: ext4 writes the data of a file to the disk before that file may take another
/// one's place by a plain rename (ext4(5), `auto_da_alloc`), which costs as much as all of the
/// rest, twice when the file is removed a moment later.
pub(crate) fn replace(
    dir: &OwnedFd,
    name: &str,
    temp: &str,
    text: &str,
    mode: Mode,
) -> Result<OwnedFd, Errno> {
    let file = match create(dir, temp, mode) {
        // Of a supervisor that was killed; or a pipe or a link, which somebody else put there.
        Err(Errno::EXIST) => {
            rustix::fs::unlinkat(dir, temp, AtFlags::empty())?;
            create(dir, temp, mode)?
        }
        made => made?,
    };
    let file = whole(dir, temp, file, text)?;
    let exchange = rustix::fs::RenameFlags::EXCHANGE;
    match rustix::fs::renameat_with(dir, temp, dir, name, exchange) {
        Ok(()) => rustix::fs::unlinkat(dir, temp, AtFlags::empty())?,
        // The first one of this container, or a file system that cannot exchange.
        Err(_) => rustix::fs::renameat(dir, temp, dir, name)?,
    }
    Ok(file)
}

/// Writes over the file `name`, whose blocks are its own, where the disk has none for another file:
/// the whole of `text`, or nothing. Gets blanks at its end where the file was longer.
fn overwrite(dir: &OwnedFd, name: &str, text: &mut String) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = rustix::fs::openat(dir, name, flags, Mode::empty())?;
    pad(text, usize::try_from(rustix::fs::fstat(&file)?.st_size).unwrap_or(0));
    match rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, 0, text.len() as u64) {
        // A file system that cannot tell before.
        Ok(()) | Err(Errno::OPNOTSUPP) => {}
        Err(error) => return Err(error),
    }
    if rustix::io::pwrite(&file, text.as_bytes(), 0)? < text.len() {
        return Err(Errno::NOSPC);
    }
    // As a rename would have done: a list of containers reads again where this has changed.
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let _ = rustix::fs::futimens(dir, &Timestamps { last_access: now, last_modification: now });
    Ok(file)
}

/// Blanks behind a record are JSON too.
fn pad(text: &mut String, length: usize) {
    text.extend(std::iter::repeat_n(' ', length.saturating_sub(text.len())));
}

/// Fills the new file `name`. Half of it would be worse than none.
fn whole(dir: &OwnedFd, name: &str, file: OwnedFd, text: &str) -> Result<OwnedFd, Errno> {
    match write_all(&file, text) {
        Ok(()) => Ok(file),
        Err(error) => {
            let _ = rustix::fs::unlinkat(dir, name, AtFlags::empty());
            Err(error)
        }
    }
}

/// A new file: nothing that is there is opened.
fn create(dir: &OwnedFd, name: &str, mode: Mode) -> Result<OwnedFd, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    rustix::fs::openat(dir, name, flags, mode)
}

fn write_all(file: &OwnedFd, text: &str) -> Result<(), Errno> {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let n = rustix::io::write(file, rest)?;
        rest = &rest[n..];
    }
    Ok(())
}

fn extents(text: &mut String, key: &str, all: &[(u32, u32)]) {
    let _ = write!(text, ",\"{key}\":[");
    for (n, (first, count)) in all.iter().enumerate() {
        let comma = if n > 0 { "," } else { "" };
        let _ = write!(text, "{comma}[{first},{count}]");
    }
    text.push(']');
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

/// What [`start_time`] will say of a process that was made between these two moments of
/// [`Known::now`], if that is sure: /proc counts in hundredths of a second (proc_pid_stat(5)), and
/// to read it there takes ten times as long.
pub(crate) fn start_between(before: u64, after: u64) -> Option<u64> {
    const TICK: u64 = 10_000_000;
    let start = before / TICK;
    (before > 0 && start == after / TICK).then_some(start)
}

/// Field 22 of `/proc/<pid>/stat` (proc_pid_stat(5)); the name in field 2 may hold anything.
pub(crate) fn start_time(pid: i32) -> u64 {
    let text = small::read(&format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    after.split_ascii_whitespace().nth(19).and_then(|w| w.parse().ok()).unwrap_or(0)
}

/// Whether a process has begun to end and cannot go on: it has one thread, and that no memory any
/// more (fields 20 and 23; `PF_EXITING` in field 9).
pub(crate) fn is_ending(pid: i32) -> bool {
    const PF_EXITING: u64 = 4;
    let text = small::read(&format!("/proc/{pid}/stat")).unwrap_or_default();
    let after = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let field = |n: usize| -> Option<u64> {
        after.split_ascii_whitespace().nth(n - 3).and_then(|word| word.parse().ok())
    };
    field(9).is_some_and(|flags| flags & PF_EXITING != 0)
        && field(20) == Some(1)
        && field(23) == Some(0)
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
    fn running_is_written_over_starting_and_nothing_else_is() {
        let path = std::env::temp_dir().join(format!("bolt-state-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let dir = rustix::fs::open(&path, OFlags::DIRECTORY, Mode::empty()).unwrap();
        let mut inodes = Vec::new();
        let long =
            Failure { step: bolt_shim::report::Step::Sysctl, object: "x".repeat(300), errno: 1 };
        let mut state = State::default();
        for (status, denied) in [
            ("starting", vec![]),
            ("running", vec![long.clone()]),
            ("restarting", vec![]),
            ("starting", vec![long]),
            ("running", vec![]),
            ("exited", vec![]),
        ] {
            (state.status, state.denied) = (status, denied);
            state.write(&dir).unwrap();
            let text = std::fs::read_to_string(path.join("state.json")).unwrap();
            assert_eq!(text.trim_end(), state.text().trim_end());
            inodes.push(std::os::unix::fs::MetadataExt::ino(
                &std::fs::metadata(path.join("state.json")).unwrap(),
            ));
        }
        assert!(inodes[0] == inodes[1] && inodes[3] == inodes[4], "{inodes:?}");
        assert!(inodes[1] != inodes[2] && inodes[2] != inodes[3] && inodes[4] != inodes[5]);
        assert_eq!(std::fs::read_dir(&path).unwrap().count(), 1);
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn where_no_file_can_be_made_the_present_one_is_written_over() {
        let path = std::env::temp_dir().join(format!("bolt-full-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let dir = rustix::fs::open(&path, OFlags::DIRECTORY, Mode::empty()).unwrap();
        let file = path.join("state.json");
        let mut state = State { status: "exited", notes: vec!["x".repeat(99)], ..State::default() };
        state.write(&dir).unwrap();
        // In the way of every new file.
        std::fs::create_dir(path.join("state.json.new")).unwrap();
        state.notes.clear();
        let touched = || std::fs::metadata(&path).unwrap().modified().unwrap();
        for status in ["starting", "running", "exited", "starting"] {
            state.status = status;
            let before = touched();
            std::thread::sleep(std::time::Duration::from_millis(20));
            state.write(&dir).unwrap();
            assert!(status == "running" || touched() > before, "{status}");
            let text = std::fs::read_to_string(&file).unwrap();
            assert_eq!(text.trim_end(), state.text().trim_end());
        }
        // Neither does a link lead elsewhere.
        std::fs::remove_file(&file).unwrap();
        std::fs::write(path.join("other"), "other").unwrap();
        std::os::unix::fs::symlink("other", &file).unwrap();
        state.status = "exited";
        assert!(state.write(&dir).is_err());
        assert_eq!(std::fs::read_to_string(path.join("other")).unwrap(), "other");
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn only_what_ends_is_ending() {
        assert!(!is_ending(std::process::id() as i32));
        let mut child = std::process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
        let pid = child.id() as i32;
        assert!(!is_ending(pid));
        child.kill().unwrap();
        while !is_ending(pid) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(!is_ending(pid));
    }

    #[test]
    fn own_start_time_is_there() {
        assert!(start_time(std::process::id() as i32) > 0);
    }

    #[test]
    fn a_start_that_is_not_asked_for_is_the_one_that_the_kernel_has() {
        let mut sure = 0;
        for _ in 0..50 {
            let before = Known::now();
            let mut child = std::process::Command::new("/bin/true").spawn().unwrap();
            let start = start_between(before, Known::now());
            if let Some(start) = start {
                assert_eq!(start, start_time(child.id() as i32));
                sure += 1;
            }
            child.wait().unwrap();
        }
        assert!(sure > 0);
        assert_eq!(start_between(0, 1), None);
        assert_eq!(start_between(19_999_999, 20_000_000), None);
    }
}
