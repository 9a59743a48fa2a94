//! One container's directory: its files, its lock, and what they say together.

use super::config::Config;
use super::error::{Error, errno, io};
use super::files::{Files, MOST};
use super::health::Checks;
use super::live;
use super::state::{Recorded, Status};
use crate::sys::{atomic, lock};
use rustix::fs::{self, AtFlags, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use super::collection::{Containers, Rest};

/// Name of the lock file.
pub const LOCK: &str = "lock";
/// Name of the file with the [`Config`].
pub const CONFIG: &str = "config.json";
/// Name of the file with the [`Recorded`] state.
pub const STATE: &str = "state.json";
/// Name of the log.
pub const LOG: &str = "log";

/// The open directory of one container.
#[derive(Debug)]
pub struct ContainerDir {
    fd: OwnedFd,
    id: String,
    path: PathBuf,
    lock: Option<OwnedFd>,
}

/// Record and truth of one container at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// What it is doing.
    pub status: Status,
    /// What its supervisor wrote last; the default when that is missing or torn.
    pub recorded: Recorded,
}

impl ContainerDir {
    pub(super) fn from_parts(
        fd: OwnedFd,
        id: String,
        path: PathBuf,
        lock: Option<OwnedFd>,
    ) -> Self {
        ContainerDir { fd, id, path, lock }
    }

    /// The directory itself.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// 64 hex digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Absolute path; for messages and plans, this module works on the descriptor.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads `config.json`.
    pub fn read_config(&self) -> Result<Config, Error> {
        self.files().config()
    }

    /// Replaces `config.json` in one step.
    pub fn write_config(&self, config: &Config, sync: atomic::Sync) -> Result<(), Error> {
        let text = serde_json::to_vec(config).map_err(|source| Error::Damaged {
            id: self.id.clone(),
            file: CONFIG,
            source,
        })?;
        if text.len() >= MOST {
            // Nobody would read it again.
            return Err(io("write", self.shown(CONFIG))(std::io::ErrorKind::FileTooLarge.into()));
        }
        atomic::write(&self.fd, CONFIG, &text, sync).map_err(io("write", self.shown(CONFIG)))
    }

    /// Reads `state.json`; a container that was never started has none, which is the default
    /// record with status `created`.
    pub fn read_state(&self) -> Result<Recorded, Error> {
        self.files().state()
    }

    /// Lock, record and process together. A torn record is no error: its copy counts, and without
    /// one nothing runs.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        self.files().snapshot(self.lock.is_some())
    }

    /// What the checks of a container whose health is checked have shown; `now`: its snapshot.
    pub fn checks(&self, now: &Snapshot) -> Result<Checks, Error> {
        self.files().checks(now)
    }

    /// What the container is doing.
    pub fn status(&self) -> Result<Status, Error> {
        Ok(self.snapshot()?.status)
    }

    /// Whether somebody else holds the lock. Takes nothing.
    pub fn is_supervised(&self) -> Result<bool, Error> {
        if self.lock.is_some() {
            return Ok(false);
        }
        self.files().is_locked()
    }

    /// Takes the lock for as long as this value (or the descriptor of [`Self::take_lock`])
    /// lives. `false`: somebody else has it.
    pub fn try_lock(&mut self) -> Result<bool, Error> {
        if self.lock.is_some() {
            return Ok(true);
        }
        let Some(fd) = self.files().open(LOCK, OFlags::RDWR | OFlags::CREATE)? else {
            return Err(Error::NotFound(self.id.clone()));
        };
        let taken =
            lock::try_lock(&fd, lock::Kind::Exclusive).map_err(io("lock", self.shown(LOCK)))?;
        // Who has it may be removing it.
        self.check_still_there()?;
        if taken {
            self.lock = Some(fd);
        }
        Ok(taken)
    }

    /// [`Self::try_lock`] again and again until `limit` has passed: a supervisor that has told the
    /// exit still unmounts for a moment.
    pub fn lock_within(&mut self, limit: Duration) -> Result<(), Error> {
        let end = Instant::now() + limit;
        let mut pause = Duration::from_micros(200);
        while !self.try_lock()? {
            if Instant::now() >= end {
                return Err(Error::Busy(self.id.clone()));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Waits until no supervisor holds the lock; `false` when `limit` passed before.
    pub fn wait_free(&self, limit: Option<Duration>) -> Result<bool, Error> {
        let end = limit.map(|limit| Instant::now() + limit);
        let mut pause = Duration::from_micros(200);
        while self.is_supervised()? {
            if end.is_some_and(|end| Instant::now() >= end) {
                return Ok(false);
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(20));
        }
        Ok(true)
    }

    /// Whether this value holds the lock.
    pub fn has_lock(&self) -> bool {
        self.lock.is_some()
    }

    /// The locked descriptor, for the supervisor to inherit.
    pub fn lock(&self) -> Option<BorrowedFd<'_>> {
        self.lock.as_ref().map(AsFd::as_fd)
    }

    /// Hands the locked descriptor over.
    pub fn take_lock(&mut self) -> Option<OwnedFd> {
        self.lock.take()
    }

    /// Lets the lock go.
    pub fn unlock(&mut self) {
        self.lock = None;
    }

    /// Opens the log for reading; `None`: nothing was logged.
    pub fn open_file(&self, name: &str) -> Result<Option<File>, Error> {
        Ok(self.files().open(name, OFlags::RDONLY)?.map(File::from))
    }

    /// Path of a file of this container for messages.
    pub fn shown(&self, file: &str) -> String {
        self.path.join(file).display().to_string()
    }

    /// A waiting locker may get the lock of a directory that was removed meanwhile.
    fn check_still_there(&self) -> Result<(), Error> {
        let here = fs::fstat(&self.fd).map_err(errno("look at", self.shown("")))?;
        match fs::statat(fs::CWD, &self.path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) if there.st_ino == here.st_ino && there.st_dev == here.st_dev => Ok(()),
            Ok(_) | Err(Errno::NOENT) => Err(Error::NotFound(self.id.clone())),
            Err(e) => Err(errno("look at", self.shown(""))(e)),
        }
    }

    fn files(&self) -> Files<'_> {
        Files { at: self.fd.as_fd(), below: "", id: &self.id, path: &self.path }
    }
}

/// The rules of a container's status.
pub(super) fn judge(supervised: bool, state: &Recorded) -> Status {
    if supervised {
        if state.status == "running" {
            return Status::Running;
        }
        // A supervisor that has told the end still cleans up; any other one is about to start.
        let ending = state.status == "exited"
            && live::is_same_process(state.monitor, state.monitor_start, 0);
        return if ending { Status::Exited } else { Status::Starting };
    }
    if state.status == "created" && state.error.is_empty() {
        return Status::Created;
    }
    let this_boot = state.boot.is_empty() || state.boot == live::boot_id();
    // A supervisor that was killed in the middle of a start leaves a payload as well.
    if matches!(state.status.as_str(), "running" | "starting")
        && this_boot
        && state.pid > 0
        && live::is_same_process(state.pid, state.start, state.pidns)
    {
        return Status::Orphaned;
    }
    Status::Exited
}

#[cfg(test)]
mod tests {
    use super::super::config;
    use super::super::ports::{Exposed, Port, Protocol};
    use super::super::testing::{config, containers};
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn running_self() -> Recorded {
        let pid = std::process::id() as i32;
        Recorded {
            version: 1,
            status: "running".into(),
            pid,
            start: live::start_time(pid).unwrap(),
            pidns: std::fs::metadata("/proc/self/ns/pid").unwrap().ino(),
            boot: live::boot_id().into(),
            ..Recorded::default()
        }
    }

    #[test]
    fn status_follows_lock_record_and_process() {
        let me = running_self();
        let ended = Recorded { status: "exited".into(), ..me.clone() };
        let cases = [
            ("held, running", true, me.clone(), Status::Running),
            ("held, nothing yet", true, Recorded::default(), Status::Starting),
            ("held by a new start", true, ended.clone(), Status::Starting),
            (
                "held between two runs",
                true,
                Recorded {
                    status: "restarting".into(),
                    monitor: me.pid,
                    monitor_start: me.start,
                    ..me.clone()
                },
                Status::Starting,
            ),
            (
                "held by the ending supervisor",
                true,
                Recorded { monitor: me.pid, monitor_start: me.start, ..ended.clone() },
                Status::Exited,
            ),
            ("free, alive", false, me.clone(), Status::Orphaned),
            ("free, pid recycled", false, Recorded { start: 1, ..me.clone() }, Status::Exited),
            ("free, other namespace", false, Recorded { pidns: 1, ..me.clone() }, Status::Exited),
            ("free, no pid", false, Recorded { pid: 0, ..me.clone() }, Status::Exited),
            (
                "free, before a reboot",
                false,
                Recorded { boot: "other".into(), ..me.clone() },
                Status::Exited,
            ),
            ("free, ended", false, ended, Status::Exited),
            (
                "free, never started",
                false,
                Recorded { status: "created".into(), ..Recorded::default() },
                Status::Created,
            ),
        ];
        for (label, held, state, want) in cases {
            assert_eq!(judge(held, &state), want, "{label}");
        }
    }

    #[test]
    fn a_torn_state_is_never_running() {
        let (_scratch, all) = containers();
        let mut dir = all.create(None, Some("torn")).unwrap();
        dir.write_config(&config(dir.id(), "torn"), atomic::Sync::Fast).unwrap();
        let text = serde_json::to_vec(&running_self()).unwrap();
        for cut in [0, 1, text.len() / 2, text.len() - 1] {
            std::fs::write(dir.path().join(STATE), &text[..cut]).unwrap();
            let other = all.find("torn").unwrap();
            assert_eq!(other.status().unwrap(), Status::Starting, "held, cut at {cut}");
        }
        dir.unlock();
        assert_eq!(dir.status().unwrap(), Status::Exited);
    }

    #[test]
    fn an_end_that_nobody_saw_is_no_success() {
        let (_scratch, all) = containers();
        let mut dir = all.create(None, Some("lost")).unwrap();
        dir.unlock();
        for (status, want) in [("starting", 255), ("running", 255), ("exited", 0)] {
            let gone = Recorded { start: 1, status: status.into(), ..running_self() };
            std::fs::write(dir.path().join(STATE), serde_json::to_vec(&gone).unwrap()).unwrap();
            let now = dir.snapshot().unwrap();
            assert_eq!((now.status, now.recorded.exit), (Status::Exited, want), "{status}");
        }
    }

    #[test]
    fn the_lock_is_seen_by_others_and_not_by_its_holder() {
        let (_scratch, all) = containers();
        let mut dir = all.create(None, Some("c")).unwrap();
        dir.write_config(&config(dir.id(), "c"), atomic::Sync::Fast).unwrap();
        assert_eq!(dir.status().unwrap(), Status::Created);
        let mut other = all.find("c").unwrap();
        assert!(other.is_supervised().unwrap());
        assert!(!other.try_lock().unwrap());
        let fd = dir.take_lock().unwrap();
        assert!(other.is_supervised().unwrap(), "the descriptor holds it on");
        drop(fd);
        assert!(!other.is_supervised().unwrap());
        other.lock_within(Duration::ZERO).unwrap();
        assert!(matches!(dir.lock_within(Duration::ZERO), Err(Error::Busy(_))));
    }

    #[test]
    fn a_newer_format_is_refused() {
        let (_scratch, all) = containers();
        let dir = all.create(None, Some("c")).unwrap();
        let config = Config { version: config::VERSION + 1, ..config(dir.id(), "c") };
        dir.write_config(&config, atomic::Sync::Fast).unwrap();
        assert!(matches!(dir.read_config(), Err(Error::Version { file: CONFIG, .. })));
    }

    #[test]
    fn ports_that_nobody_can_have_are_damage() {
        let (_scratch, all) = containers();
        let dir = all.create(None, Some("c")).unwrap();
        let with = |host: u16, inside: u16, count: u16| {
            let (protocol, address) = (Protocol::Tcp, None);
            let mut config = config(dir.id(), "c");
            config.ports.published = vec![Port { protocol, address, host, inside, count }];
            dir.write_config(&config, atomic::Sync::Fast).unwrap();
            dir.read_config()
        };
        for (host, inside, count) in [(1, 1, 65535), (65535, 80, 1), (8080, 65534, 2)] {
            assert!(with(host, inside, count).is_ok(), "{host} {inside} {count}");
        }
        for (host, inside, count) in
            [(80, 80, 0), (19200, 1, 65535), (80, 65535, 2), (0, 80, 1), (80, 0, 1)]
        {
            let read = with(host, inside, count);
            assert!(matches!(read, Err(Error::Damaged { file: CONFIG, .. })), "{read:?}");
        }
        let mut config = config(dir.id(), "c");
        config.ports.exposed = vec![Exposed { protocol: Protocol::Udp, first: 7, count: 0 }];
        dir.write_config(&config, atomic::Sync::Fast).unwrap();
        assert!(matches!(dir.read_config(), Err(Error::Damaged { .. })));
    }
}
