//! What happened, one line an event: `events/log`, and one older generation, `events/log.1`.
//!
//! There is no daemon: who does a thing writes its line, `bolt` or a supervisor, by one write(2)
//! to a file opened with O_APPEND. Lines of two writers are never mixed, and one that a full disk
//! or a power cut tore is passed over by readers. The keys are podman's.

use super::config::{Config, Listed};
use super::time;
use crate::sys::dirs::Dirs;
use bolt_shim::eventlog;
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use rustix::time::ClockId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Name of the file in the directory of events.
pub const LOG: &str = "log";
/// What it was before it grew too large.
const OLDER: &str = "log.1";
/// What no line is longer than, in bytes.
const MOST: u64 = eventlog::MOST as u64;

/// One event. Field names in the file and in `--format json` are podman's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Event {
    /// Exit code, of `died` and `exec_died`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_exit_code: Option<i32>,
    /// Of the container or image.
    #[serde(rename = "ID", skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Of a container.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Name of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Whether the out-of-memory killer was there, of `died`.
    #[serde(rename = "OOMKilled", skip_serializing_if = "Option::is_none")]
    pub oom_killed: Option<bool>,
    /// `create`, `died`, `pull`, …
    pub status: String,
    /// RFC 3339 with nanoseconds, in UTC.
    pub time: String,
    /// `container`, `image`, `volume`, `secret` or `system`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// What a check led to, of `health_status`.
    #[serde(rename = "health_status", skip_serializing_if = "Option::is_none")]
    pub health_status: Option<String>,
    /// The check itself as JSON, of `health_status` with `--health-log-destination events_logger`.
    #[serde(rename = "health_log", skip_serializing_if = "Option::is_none")]
    pub health_log: Option<String>,
    /// Labels of a container.
    pub attributes: Option<BTreeMap<String, String>>,
}

impl Event {
    /// Something that happens now.
    pub fn of(kind: &str, status: &str, name: &str) -> Event {
        Event {
            kind: kind.to_owned(),
            status: status.to_owned(),
            name: name.to_owned(),
            time: time::rfc3339_utc(time::now()),
            ..Event::default()
        }
    }

    /// Something that happens to a container now.
    pub fn of_container(config: &Config, status: &str) -> Event {
        Event {
            id: config.id.clone(),
            image: config.image().into_owned(),
            attributes: Some(config.labels.clone()),
            ..Event::of("container", status, &config.name)
        }
    }

    /// Something that happens to an image now. `id`: 64 hex digits.
    pub fn of_image(status: &str, id: &str, name: &str) -> Event {
        Event { id: id.to_owned(), ..Event::of("image", status, name) }
    }

    /// When it happened, in nanoseconds since 1970.
    pub fn at(&self) -> i64 {
        time::parse_rfc3339(&self.time).unwrap_or(0)
    }
}

/// Where events are written, or that they are not (`events_logger = "none"`).
#[derive(Debug, Clone)]
pub struct EventLog {
    dir: Option<PathBuf>,
}

impl EventLog {
    /// That of a user.
    pub fn new(dirs: &Dirs, wanted: bool) -> EventLog {
        EventLog { dir: wanted.then(|| dirs.events()) }
    }

    /// The file itself, for a supervisor to write to; made where there is none.
    pub fn file(&self) -> Option<PathBuf> {
        self.dir.as_ref().map(|dir| dir.join(LOG))
    }

    /// Appends one event. What happened did happen: an event that cannot be written is lost.
    pub fn write(&self, event: &Event) {
        self.write_all(std::slice::from_ref(event));
    }

    /// Appends events by one write(2).
    pub fn write_all(&self, events: &[Event]) {
        let Some(dir) = self.dir.as_ref().filter(|_| !events.is_empty()) else { return };
        let mut text = Vec::with_capacity(512);
        for event in events {
            // Strings and numbers always have a form in JSON.
            let _ = serde_json::to_writer(&mut text, event);
            text.push(b'\n');
        }
        if let Err(error) = append(dir, text) {
            tracing::warn!(%error, dir = %dir.display(), "an event was lost");
        }
    }
}

fn append(dir: &Path, text: Vec<u8>) -> io::Result<()> {
    let path = dir.join(LOG);
    let (file, stat) = match eventlog::open(&path) {
        Err(Errno::NOENT) => {
            std::fs::create_dir_all(dir)?;
            fs::chmod(dir, Mode::RWXU)?;
            eventlog::open(&path)?
        }
        other => other?,
    };
    let mut whole = Vec::new();
    if stat.st_size == 0 || stat.st_mtime < booted() {
        // The first one since the machine was started, as podman tells it.
        let _ = serde_json::to_writer(&mut whole, &Event::of("system", "refresh", ""));
        whole.push(b'\n');
    }
    whole.extend(text);
    rustix::io::write(&file, &whole)?;
    Ok(())
}

/// Second since 1970 in which the machine was started.
fn booted() -> i64 {
    let clock = |id| rustix::time::clock_gettime(id).tv_sec;
    clock(ClockId::Realtime) - clock(ClockId::Boottime)
}

/// Reads events from the oldest on, and later those that came meanwhile.
#[derive(Debug)]
pub struct EventReader {
    dir: PathBuf,
    current: Option<Generation>,
    /// The one before: who had opened it before it was moved away may write to it once more.
    before: Option<Generation>,
}

#[derive(Debug)]
struct Generation {
    file: BufReader<File>,
    /// A line whose end has not been written yet.
    rest: Vec<u8>,
}

impl EventReader {
    /// Begins with the oldest event there is. The directory is made where there is none, so that
    /// it can be watched.
    pub fn open(dirs: &Dirs) -> io::Result<EventReader> {
        let dir = dirs.events();
        std::fs::create_dir_all(&dir)?;
        fs::chmod(&dir, Mode::RWXU)?;
        let mut reader = EventReader { current: None, before: None, dir };
        reader.current = reader.generation(OLDER)?;
        Ok(reader)
    }

    /// The directory in which the files change.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Gives everything that can be read now to `sink`, in the order it was written; stops when
    /// that is false. True: it was never false.
    pub fn read(&mut self, mut sink: impl FnMut(Event) -> io::Result<bool>) -> io::Result<bool> {
        if let Some(before) = &mut self.before
            && !before.read(&mut sink)?
        {
            return Ok(false);
        }
        loop {
            // Looked at before the last read: what its writers wrote before the rename is seen.
            let is_last = self.is_current()?;
            if let Some(current) = &mut self.current
                && !current.read(&mut sink)?
            {
                return Ok(false);
            }
            if is_last {
                return Ok(true);
            }
            let next = self.generation(LOG)?;
            let none = next.is_none();
            self.before = std::mem::replace(&mut self.current, next);
            if none {
                return Ok(true);
            }
        }
    }

    /// Whether the open file is the one that is written to now.
    fn is_current(&self) -> io::Result<bool> {
        let Some(current) = &self.current else { return Ok(false) };
        let open = current.file.get_ref().metadata()?;
        match std::fs::metadata(self.dir.join(LOG)) {
            Ok(named) => Ok((named.ino(), named.dev()) == (open.ino(), open.dev())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(e) => Err(e),
        }
    }

    fn generation(&self, name: &str) -> io::Result<Option<Generation>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        match fs::open(self.dir.join(name), flags, Mode::empty()) {
            Ok(file) => {
                let file = BufReader::with_capacity(64 << 10, File::from(file));
                Ok(Some(Generation { file, rest: Vec::new() }))
            }
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }
}

impl Generation {
    fn read(&mut self, sink: &mut impl FnMut(Event) -> io::Result<bool>) -> io::Result<bool> {
        // A line longer than any event has no end that is worth waiting for.
        while self.file.by_ref().take(MOST).read_until(b'\n', &mut self.rest)? > 0 {
            if self.rest.last() != Some(&b'\n') && self.rest.len() < MOST as usize {
                break;
            }
            let line = std::mem::take(&mut self.rest);
            if let Some(event) = parse(&line)
                && !sink(event)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The event of a line. Behind the beginning of a torn one stands a whole one, since a writer
/// does not know what others began.
fn parse(line: &[u8]) -> Option<Event> {
    let starts = line.windows(2).enumerate().filter(|(_, two)| two == b"{\"").map(|(at, _)| at);
    let mut whole = starts.filter_map(|at| serde_json::from_slice::<Event>(&line[at..]).ok());
    whole.find(|event| !event.kind.is_empty() && !event.time.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{config, dirs};
    use super::*;
    use crate::sys::scratch::Scratch;

    fn statuses(reader: &mut EventReader) -> Vec<String> {
        let mut seen = Vec::new();
        let mut keep = |event: Event| {
            seen.push(event.status);
            Ok(true)
        };
        reader.read(&mut keep).unwrap();
        seen
    }

    #[test]
    fn lines_have_podmans_keys() {
        let mut event = Event::of_container(&config(&"a".repeat(64), "c"), "died");
        event.container_exit_code = Some(3);
        event.oom_killed = Some(false);
        event.time = "2026-11-26T05:02:48.5Z".into();
        let text = serde_json::to_string(&event).unwrap();
        let id = "a".repeat(64);
        assert!(text.starts_with(&format!("{{\"ContainerExitCode\":3,\"ID\":\"{id}\",")), "{text}");
        assert!(text.ends_with("\"Type\":\"container\",\"Attributes\":{}}"), "{text}");
        assert_eq!(event.at(), 1_795_669_368_500_000_000);
        let volume = serde_json::to_string(&Event::of("volume", "create", "v")).unwrap();
        assert!(!volume.contains("ID") && volume.contains("\"Attributes\":null"), "{volume}");
    }

    #[test]
    fn the_first_event_says_that_the_machine_was_started() {
        let scratch = Scratch::new("events");
        let dirs = dirs(scratch.path());
        let log = EventLog::new(&dirs, true);
        let mut reader = EventReader::open(&dirs).unwrap();
        assert!(statuses(&mut reader).is_empty());
        log.write(&Event::of("volume", "create", "v"));
        assert_eq!(statuses(&mut reader), ["refresh", "create"]);
        log.write(&Event::of("volume", "remove", "v"));
        assert_eq!(statuses(&mut reader), ["remove"]);
        let old = std::time::SystemTime::UNIX_EPOCH;
        let file = File::options().append(true).open(log.file().unwrap()).unwrap();
        file.set_modified(old).unwrap();
        log.write(&Event::of("volume", "create", "v"));
        assert_eq!(statuses(&mut reader), ["refresh", "create"]);
        EventLog::new(&dirs, false).write(&Event::of("volume", "remove", "v"));
        assert!(statuses(&mut reader).is_empty());
    }

    #[test]
    fn torn_lines_are_passed_over() {
        let scratch = Scratch::new("events");
        let dirs = dirs(scratch.path());
        let log = EventLog::new(&dirs, true);
        log.write(&Event::of("volume", "one", "v"));
        let file = log.file().unwrap();
        let add = |text: &[u8]| {
            io::Write::write_all(&mut File::options().append(true).open(&file).unwrap(), text)
        };
        let mut reader = EventReader::open(&dirs).unwrap();
        assert_eq!(statuses(&mut reader), ["refresh", "one"]);
        let line = serde_json::to_vec(&Event::of("volume", "two", "{\"v")).unwrap();
        add(&line[..40]).unwrap();
        assert!(statuses(&mut reader).is_empty());
        add(&line[40..]).unwrap();
        add(b"\n").unwrap();
        assert_eq!(statuses(&mut reader), ["two"]);
        // Its writer had no room for the rest; the next one knows nothing of it.
        add(&line[..40]).unwrap();
        log.write(&Event::of("volume", "three", "v"));
        assert_eq!(statuses(&mut reader), ["three"]);
        add(b"\xff\n\n{}\n[1]\n{\"Type\":1}\n").unwrap();
        log.write(&Event::of("volume", "four", "v"));
        assert_eq!(statuses(&mut reader), ["four"]);
        assert_eq!(statuses(&mut EventReader::open(&dirs).unwrap()).len(), 5);
    }

    #[test]
    fn two_generations_are_kept_and_read_as_one() {
        let scratch = Scratch::new("events");
        let dirs = dirs(scratch.path());
        let log = EventLog::new(&dirs, true);
        let mut reader = EventReader::open(&dirs).unwrap();
        let event = Event::of("volume", "create", &"v".repeat(100_000));
        let mut seen = 0;
        for _ in 0..100 {
            log.write(&event);
            seen += statuses(&mut reader).iter().filter(|s| *s == "create").count();
        }
        assert_eq!(seen, 100, "a follower loses nothing at a rotation");
        // One that had the older one open before it was moved away is heard too.
        let late = dirs.events().join(OLDER);
        let line = serde_json::to_vec(&Event::of("volume", "late", "v")).unwrap();
        let mut late = File::options().append(true).open(late).unwrap();
        io::Write::write_all(&mut late, &[&line[..], b"\n"].concat()).unwrap();
        assert_eq!(statuses(&mut reader), ["late"]);
        let size = |name: &str| std::fs::metadata(dirs.events().join(name)).unwrap().len();
        assert!(size(LOG) <= MOST + 200_000 && size(OLDER) <= MOST + 200_000);
        assert!(statuses(&mut EventReader::open(&dirs).unwrap()).len() > 40);
        assert_eq!(std::fs::metadata(log.file().unwrap()).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn writers_at_once_lose_and_mix_nothing() {
        let scratch = Scratch::new("events");
        let dirs = dirs(scratch.path());
        let log = EventLog::new(&dirs, true);
        log.write(&Event::of("volume", "first", ""));
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let log = &log;
                scope.spawn(move || {
                    for n in 0..250 {
                        log.write(&Event::of("volume", "create", &format!("{writer}-{n}")));
                    }
                });
            }
        });
        let mut names = std::collections::BTreeSet::new();
        let mut keep = |event: Event| {
            names.insert(event.name);
            Ok(true)
        };
        EventReader::open(&dirs).unwrap().read(&mut keep).unwrap();
        assert_eq!(names.len(), 1001);
    }
}
