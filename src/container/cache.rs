//! What the last table of containers has read, kept beside them: a container whose directory has
//! not changed since is not read again. Nothing else reads it, and it may be removed at any time.
//!
//! Every change of `config.json`, and of a `state.json` that is remembered here, is a rename in that
//! directory, which gives it another modification time, or is followed by one of that time alone.
//! Whether a container is supervised stands in no file and is asked each time, but for one that has
//! ended.

use super::config::{Listed, Summary, SummaryFields};
use super::dir::Containers;
use super::error::{Error, errno};
use super::list::List;
use super::state::Recorded;
use crate::sys::{atomic, small};
use rustix::fs::{self, AtFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// In the directory of all containers.
const FILE: &str = "list";
/// How the name of one begins that is being written.
pub(super) const TEMP: &str = ".list.";
/// First line of a file of this very version.
const HEAD: &str = concat!("bolt ", env!("CARGO_PKG_VERSION"), " list 1");
/// Seconds: two changes soon after each other may leave the same time, the clock of a file system
/// being coarse. What changed only just is read again.
const SETTLED: i64 = 2;
/// So many containers that had to be read are worth a new file.
const ENOUGH: usize = 32;

/// A directory at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    /// Modification time since 1970.
    seconds: i64,
    nanos: u32,
}

impl Stamp {
    /// A container's directory as it is now.
    pub(super) fn of(all: &Containers, id: &str) -> Result<Stamp, Error> {
        match fs::statat(all.fd(), id, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Stamp {
                inode: stat.st_ino,
                seconds: stat.st_mtime,
                nanos: stat.st_mtime_nsec as u32,
            }),
            Err(Errno::NOENT) => Err(Error::NotFound(id.to_owned())),
            Err(e) => Err(errno("look at", all.files(id, "").shown(id))(e)),
        }
    }

    fn has_settled(self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // In the future: set back clocks may come to the same time again.
        (now.as_secs() as i64).checked_sub(self.seconds).is_some_and(|age| age > SETTLED)
    }
}

/// What was read of a container: as much as a table and the status need, and without the names of
/// fields, which would be most of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Seen(SummaryFields, RecordedFields);

/// Status, the payload's pid, start and pid namespace, the supervisor's pid and start, begin and
/// end, exit code, boot, control groups, error.
#[derive(Debug, Serialize, Deserialize)]
struct RecordedFields(
    String,
    (i32, u64, u64),
    (i32, u64),
    (i64, i64),
    i32,
    String,
    Vec<String>,
    String,
);

impl RecordedFields {
    fn of(recorded: &Recorded) -> Self {
        let Recorded { pid, start, pidns, monitor, monitor_start, started, finished, .. } =
            *recorded;
        let Recorded { status, boot, cgroup, error, .. } = recorded.clone();
        // What has ended runs in no boot.
        let (boot, cgroup) = if status == "exited" { Default::default() } else { (boot, cgroup) };
        RecordedFields(
            status,
            (pid, start, pidns),
            (monitor, monitor_start),
            (started, finished),
            recorded.exit,
            boot,
            cgroup,
            error,
        )
    }

    fn recorded(self) -> Recorded {
        let RecordedFields(status, payload, supervisor, times, exit, boot, cgroup, error) = self;
        let (pid, start, pidns) = payload;
        let (monitor, monitor_start) = supervisor;
        let (started, finished) = times;
        Recorded {
            version: 1,
            status,
            pid,
            start,
            pidns,
            monitor,
            monitor_start,
            started,
            finished,
            exit,
            boot,
            cgroup,
            error,
            ..Recorded::default()
        }
    }
}

/// The file, and what there is to add to it.
#[derive(Debug)]
pub(super) struct Cache {
    text: String,
    /// By id: the stamp, and where in `text` the rest of the line lies.
    lines: HashMap<String, (Stamp, std::ops::Range<usize>)>,
    fresh: Mutex<HashMap<String, Stamp>>,
}

impl Cache {
    /// A file that cannot be read, or is of another version, is an empty one.
    pub(super) fn open(all: &Containers) -> Cache {
        let text = small::read_regular(all.path().join(FILE)).unwrap_or_default();
        let text = String::from_utf8(text).unwrap_or_default();
        let mut cache = Cache { text, lines: HashMap::new(), fresh: Mutex::default() };
        let mut at = 0;
        let mut lines = cache.text.split_inclusive('\n');
        if lines.next().is_some_and(|line| line.strip_suffix('\n') == Some(HEAD)) {
            at += HEAD.len() + 1;
            for line in lines {
                if let Some((id, stamp, length)) = head(line) {
                    cache.lines.insert(id.to_owned(), (stamp, at + length..at + line.len()));
                }
                at += line.len();
            }
        }
        cache
    }

    /// What is known of the container whose directory is as `stamp` says.
    pub(super) fn get(&self, id: &str, stamp: Stamp) -> Option<(Summary, Recorded)> {
        let (_, range) = self.lines.get(id).filter(|(known, _)| *known == stamp)?;
        let Seen(config, recorded) = serde_json::from_str(&self.text[range.clone()]).ok()?;
        Some((Summary::of_fields(id, config), recorded.recorded()))
    }

    /// A container that had to be read; `stamp` is older than what was read.
    pub(super) fn add(&self, id: &str, stamp: Stamp, recorded: &Recorded) {
        // Its supervisor writes the next record over this one (the shim's state.rs).
        let goes_on = recorded.status == "starting";
        if !goes_on && stamp.has_settled() {
            let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
            fresh.insert(id.to_owned(), stamp);
        }
    }

    /// Writes the file anew where that is worth it. Nobody misses one that cannot be written.
    pub(super) fn keep(self, all: &Containers, list: &List<Summary>) {
        let fresh = self.fresh.into_inner().unwrap_or_else(PoisonError::into_inner);
        // What is no more makes the file longer for nothing.
        let gone = self.lines.len().saturating_sub(list.entries.len());
        if fresh.len() < ENOUGH && gone < ENOUGH / 2 {
            return;
        }
        let mut text = format!("{HEAD}\n");
        for entry in &list.entries {
            let id = entry.config.id();
            let known = || self.lines.get(id).map(|(stamp, _)| stamp);
            if let Some(stamp) = fresh.get(id).or_else(known)
                && let Ok(rest) = serde_json::to_string(&Seen(
                    entry.config.fields(),
                    RecordedFields::of(&entry.recorded),
                ))
            {
                let Stamp { inode, seconds, nanos } = stamp;
                text.push_str(&format!("{id} {inode} {seconds} {nanos} {rest}\n"));
            }
        }
        let _ = atomic::write_mode(all.fd(), FILE, text.as_bytes(), atomic::Sync::Fast, 0o600);
    }
}

/// Id and stamp of a line, and how long that part of it is.
fn head(line: &str) -> Option<(&str, Stamp, usize)> {
    let end = line.find('[')?;
    let mut words = line[..end].split_ascii_whitespace();
    let id = words.next()?;
    let stamp = Stamp {
        inode: words.next()?.parse().ok()?,
        seconds: words.next()?.parse().ok()?,
        nanos: words.next()?.parse().ok()?,
    };
    Some((id, stamp, end))
}

#[cfg(test)]
mod tests {
    use super::super::dir::ContainerDir;
    use super::super::list::{MANY, read_summaries};
    use super::super::testing::{config, containers};
    use super::*;
    use crate::container::state::Status;
    use rustix::fs::{Mode, Timespec, Timestamps, utimensat};

    /// Makes the last change `age` seconds old.
    fn age(dir: &ContainerDir, age: i64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64;
        let time = Timespec { tv_sec: now - age, tv_nsec: 7 };
        let both = Timestamps { last_access: time, last_modification: time };
        utimensat(dir.fd(), "", &both, AtFlags::EMPTY_PATH).unwrap();
    }

    fn made(all: &Containers, name: &str) -> ContainerDir {
        let mut dir = all.create(None, Some(name)).unwrap();
        dir.write_config(&config(dir.id(), name), atomic::Sync::Fast).unwrap();
        dir.unlock();
        age(&dir, 60);
        dir
    }

    /// Changes the file without the rename that every change of Bolt's is.
    fn tamper(dir: &ContainerDir) {
        let path = dir.path().join("config.json");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("\"name\":\"c", "\"name\":\"x")).unwrap();
    }

    fn names(all: &Containers) -> Vec<String> {
        let list = read_summaries(all).unwrap();
        assert!(list.damaged.is_empty(), "{:?}", list.damaged);
        let mut names: Vec<_> = list.entries.iter().map(|e| e.config.name().to_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_has_not_changed_is_read_once() {
        let (_scratch, all) = containers();
        let dirs: Vec<_> = (0..=MANY).map(|n| made(&all, &format!("c{n:02}"))).collect();
        let all_names = names(&all);
        assert_eq!(all_names.len(), MANY + 1);
        tamper(&dirs[0]);
        assert_eq!(names(&all), all_names, "it is not read again");
        // A change as Bolt makes it, even within a second of the last look.
        let renamed = config(dirs[0].id(), "other");
        dirs[0].write_config(&renamed, atomic::Sync::Fast).unwrap();
        assert!(names(&all).contains(&"other".to_owned()));
        // What supervises it now is in no file.
        let mut held = all.find("c01").unwrap();
        assert!(held.try_lock().unwrap());
        let list = read_summaries(&all).unwrap();
        let held = list.entries.iter().find(|e| e.config.id() == held.id()).unwrap();
        assert_eq!(held.status, Status::Starting);
        // One that is gone is not remembered.
        tree_gone(&all, &dirs[2]);
        let more: Vec<_> = (0..ENOUGH).map(|n| made(&all, &format!("d{n:02}"))).collect();
        assert!(!names(&all).contains(&"c02".to_owned()));
        // Nor are many that are gone kept for nothing.
        let size = || fs::statat(all.fd(), FILE, AtFlags::empty()).unwrap().st_size;
        let before = size();
        more.iter().for_each(|dir| tree_gone(&all, dir));
        names(&all);
        assert!(size() < before * 3 / 4);
    }

    fn tree_gone(all: &Containers, dir: &ContainerDir) {
        crate::sys::tree::remove_tree(all.fd(), dir.id()).unwrap();
    }

    #[test]
    fn what_is_remembered_shows_the_same() {
        let (_scratch, all) = containers();
        for n in 0..MANY {
            let dir = made(&all, &format!("c{n:02}"));
            let mut config = config(dir.id(), &format!("c{n:02}"));
            config.process.entrypoint = vec!["a \"b\"\n".into(), "[{".into()];
            dir.write_config(&config, atomic::Sync::Fast).unwrap();
            let start = crate::container::live::start_time(std::process::id() as i32).unwrap();
            let boot = crate::container::live::boot_id();
            let pid = std::process::id();
            let text = match n % 4 {
                0 => continue,
                1 => r#"{"status":"exited","exit":3,"started":7,"finished":9,"monitor":1}"#.into(),
                2 => format!(
                    r#"{{"status":"running","started":5,"pid":{pid},"start":{start},"boot":"{boot}","pidns":0}}"#
                ),
                _ => r#"{"status":"created","error":"no such file"}"#.to_owned(),
            };
            std::fs::write(dir.path().join("state.json"), text).unwrap();
            age(&dir, 60);
        }
        let shown = |list: List<Summary>| -> Vec<String> {
            let one = |e: &super::super::list::Entry<Summary>| {
                let (c, r) = (&e.config, &e.recorded);
                let times = (r.started, r.finished, r.exit, e.status, r.status.clone());
                format!("{:?}", (c.id(), c.name(), c.args(), c.image(), c.ports(), times))
            };
            list.entries.iter().map(one).collect()
        };
        let read = shown(super::super::list::read_as(&all).unwrap());
        assert!(read.iter().any(|line| line.contains("Exited")), "{read:?}");
        for _ in 0..2 {
            assert_eq!(shown(read_summaries(&all).unwrap()), read);
        }
        let file = fs::statat(all.fd(), FILE, AtFlags::empty()).unwrap();
        assert!(file.st_size > 1000);
    }

    #[test]
    fn one_that_has_ended_is_not_asked_before_its_record_changes() {
        let (_scratch, all) = containers();
        let dirs: Vec<_> = (0..MANY).map(|n| made(&all, &format!("c{n:02}"))).collect();
        let record = |status: &str| {
            let text = format!(r#"{{"status":"{status}","started":7,"finished":9}}"#);
            let dir = dirs[0].fd();
            atomic::write(dir, "state.json", text.as_bytes(), atomic::Sync::Fast).unwrap();
        };
        record("exited");
        age(&dirs[0], 60);
        names(&all);
        let mut held = all.find("c00").unwrap();
        assert!(held.try_lock().unwrap());
        let status = || {
            let list = read_summaries(&all).unwrap();
            list.entries.iter().find(|e| e.config.id() == dirs[0].id()).unwrap().status
        };
        assert_eq!(status(), Status::Exited);
        record("starting");
        assert_eq!(status(), Status::Starting);
    }

    #[test]
    fn what_changed_just_now_is_read_again() {
        let (_scratch, all) = containers();
        let dirs: Vec<_> = (0..MANY).map(|n| made(&all, &format!("c{n:02}"))).collect();
        for (dir, seconds) in dirs.iter().zip([0, 1, -5]) {
            age(dir, seconds);
        }
        names(&all);
        dirs[..6].iter().for_each(tamper);
        assert_eq!(names(&all).iter().filter(|n| n.starts_with('x')).count(), 3);
    }

    #[test]
    fn a_file_that_is_none_of_ours_is_written_anew() {
        let (_scratch, all) = containers();
        let dirs: Vec<_> = (0..MANY).map(|n| made(&all, &format!("c{n:02}"))).collect();
        let all_names = names(&all);
        let path = dirs[0].path().with_file_name(FILE);
        let good = std::fs::read_to_string(&path).unwrap();
        let id = dirs[0].id();
        for bad in [
            String::new(),
            "bolt 0.0.0 list 1\n".to_owned() + good.split_once('\n').unwrap().1,
            good[..good.len() / 2].to_owned(),
            good.replace(" [[", " [{"),
            good.replace(' ', "\n"),
            format!("{HEAD}\n{id} 1 2 []\n{id} 1 2 99999999999 []\n[\n \n\n"),
        ] {
            std::fs::write(&path, &bad).unwrap();
            assert_eq!(names(&all), all_names, "{bad}");
        }
        // Nothing waits for a pipe, and a directory stays one.
        std::fs::remove_file(&path).unwrap();
        fs::mknodat(all.fd(), FILE, fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert_eq!(names(&all), all_names);
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert_eq!(names(&all), all_names);
        std::fs::remove_dir(&path).unwrap();
        assert_eq!(names(&all), all_names);
        let mode = std::fs::metadata(&path).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
    }
}
