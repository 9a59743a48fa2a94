//! The small files of one container, as they are read: by a container that is open, or by a list
//! that goes past hundreds and opens no directory for any.

use super::config::{self, Listed};
use super::dir::{CONFIG, LOCK, STATE, Snapshot, judge};
use super::error::{Error, io};
use super::freezer::Freezer;
use super::health::{Checks, HEALTH};
use super::state::{Recorded, Status};
use crate::sys::{beneath, lock};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::de::Error as _;
use std::io::ErrorKind;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;

/// Bytes that the files of nearly every container fit in.
const READ: usize = 8192;
/// Fewer bytes than so many: a command line and the configuration of an image are less.
pub(super) const MOST: usize = 16 << 20;
/// Exit code of a run whose end nobody saw.
const UNKNOWN_EXIT: i32 = 255;

/// Where one container's files lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Files<'a> {
    /// An open directory.
    pub(super) at: BorrowedFd<'a>,
    /// Path of the container's directory below it, with a slash at its end; empty: it itself.
    pub(super) below: &'a str,
    /// The container's id.
    pub(super) id: &'a str,
    /// The absolute path of `at`, for messages.
    pub(super) path: &'a Path,
}

impl Snapshot {
    /// `supervised`: somebody held the lock before the record was read.
    pub(super) fn of(supervised: bool, mut recorded: Recorded) -> Snapshot {
        let mut status = judge(supervised, &recorded);
        if status == Status::Running
            && Freezer::of(&recorded).is_some_and(|freezer| freezer.is_frozen())
        {
            status = Status::Paused;
        }
        let lost = matches!(recorded.status.as_str(), "starting" | "running");
        if status == Status::Exited && lost {
            // Its supervisor was killed, or could not write: nobody saw the code, and 0 would mean
            // success.
            recorded.exit = UNKNOWN_EXIT;
        }
        Snapshot { status, recorded }
    }
}

impl Files<'_> {
    /// `config.json`, or a part of it.
    pub(super) fn config<C: Listed>(&self) -> Result<C, Error> {
        let text = self.read(CONFIG)?.ok_or_else(|| Error::NotFound(self.id.to_owned()))?;
        let config: C = self.parse(CONFIG, &text)?;
        self.check_version(CONFIG, config.version(), config::VERSION)?;
        if !config.ports().are_whole() {
            let why = serde_json::Error::custom("ports are runs of 1 to 65535");
            return Err(self.damaged(CONFIG, why));
        }
        Ok(config)
    }

    /// `state.json`; the default record with status `created` where there is none.
    pub(super) fn state(&self) -> Result<Recorded, Error> {
        let Some(text) = self.read(STATE)? else {
            return Ok(Recorded { status: "created".into(), ..Recorded::default() });
        };
        let state: Recorded = self.parse(STATE, &text)?;
        self.check_version(STATE, state.version, 1)?;
        Ok(state)
    }

    /// Lock, record and process together; `ours`: the lock is held by whoever asks.
    ///
    /// A torn record is no error, nor is something else in its place: the supervisor's copy says
    /// what runs. Without that, a free lock means that the machine went down while the record was
    /// written (state is not synced), so nothing runs.
    pub(super) fn snapshot(&self, ours: bool) -> Result<Snapshot, Error> {
        // The lock comes first: a supervisor that ends between the two reads has then already
        // written its last state.
        let supervised = !ours && self.is_locked()?;
        self.snapshot_with(supervised)
    }

    /// [`Self::snapshot`] where it is known already whether somebody else holds the lock.
    pub(super) fn snapshot_with(&self, supervised: bool) -> Result<Snapshot, Error> {
        let damaged = match self.state() {
            Ok(recorded) if recorded.version != 0 => return Ok(Snapshot::of(supervised, recorded)),
            Ok(fresh) => Ok(Snapshot::of(supervised, fresh)),
            Err(e @ Error::Damaged { .. }) => Err(e),
            Err(e) => return Err(e),
        };
        match (self.copy(), damaged) {
            (Some(recorded), _) => Ok(Snapshot::of(supervised, recorded)),
            (None, Ok(fresh)) => Ok(fresh),
            (None, Err(_)) => {
                let status = if supervised { Status::Starting } else { Status::Exited };
                let exit = if supervised { 0 } else { UNKNOWN_EXIT };
                Ok(Snapshot { status, recorded: Recorded { exit, ..Recorded::default() } })
            }
        }
    }

    /// The record that a supervisor wrote into the file of its lock, when the payload ran.
    fn copy(&self) -> Option<Recorded> {
        let text = self.read(LOCK).ok()??;
        let copy: Recorded = serde_json::from_slice(&text).ok()?;
        (copy.version == 1).then_some(copy)
    }

    /// What the checks of a container whose health is checked have shown of its last run.
    pub(super) fn checks(&self, now: &Snapshot) -> Result<Checks, Error> {
        let text = self.read(HEALTH)?;
        Ok(Checks::of(text.as_deref(), now.status, &now.recorded))
    }

    /// Whether somebody holds the lock. Takes nothing.
    pub(super) fn is_locked(&self) -> Result<bool, Error> {
        match self.open(LOCK, OFlags::RDONLY)? {
            Some(fd) => lock::is_held(fd).map_err(|e| io("probe", self.shown(LOCK))(e)),
            None => Ok(false),
        }
    }

    /// Opens a file, no link followed and nobody waited for; `None`: it is not there.
    pub(super) fn open(&self, name: &str, flags: OFlags) -> Result<Option<OwnedFd>, Error> {
        self.try_open(name, flags).map_err(io("open", self.shown(name)))
    }

    fn try_open(&self, name: &str, flags: OFlags) -> std::io::Result<Option<OwnedFd>> {
        let mode = match flags.contains(OFlags::CREATE) {
            true => Mode::RUSR | Mode::WUSR,
            false => Mode::empty(),
        };
        let path = [self.below, name].concat();
        match beneath::open_no_links(self.at, path, flags | OFlags::NONBLOCK, mode) {
            Ok(fd) => Ok(Some(fd)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Path of a file for messages.
    pub(super) fn shown(&self, name: &str) -> String {
        self.path.join(self.below).join(name).display().to_string()
    }

    fn parse<'t, T: serde::Deserialize<'t>>(
        &self,
        file: &'static str,
        text: &'t [u8],
    ) -> Result<T, Error> {
        serde_json::from_slice(text).map_err(|source| self.damaged(file, source))
    }

    fn damaged(&self, file: &'static str, source: serde_json::Error) -> Error {
        Error::Damaged { id: self.id.to_owned(), file, source }
    }

    fn check_version(&self, file: &'static str, version: u32, known: u32) -> Result<(), Error> {
        if version <= known {
            return Ok(());
        }
        Err(Error::Version { id: self.id.to_owned(), file, version, known })
    }

    /// The whole of a small file. A list reads two of every container, so this asks for neither
    /// kind nor size first: a regular file gives less than was asked for only at its end (read(2)),
    /// and what else stands in its place has no offset (pread(2)) or is longer than any.
    fn read(&self, name: &'static str) -> Result<Option<Vec<u8>>, Error> {
        let file = match self.try_open(name, OFlags::RDONLY) {
            Ok(Some(file)) => file,
            Ok(None) => return Ok(None),
            Err(e) => return Err(self.unreadable(name, "open", e)),
        };
        let mut bytes = Vec::with_capacity(READ);
        loop {
            if bytes.spare_capacity_mut().is_empty() {
                if bytes.len() >= MOST {
                    let why = format!("it has {} MiB or more", MOST >> 20);
                    return Err(self.damaged(name, serde_json::Error::custom(why)));
                }
                bytes.reserve(bytes.len());
            }
            let room = bytes.spare_capacity_mut().len();
            let offset = bytes.len() as u64;
            match rustix::io::pread(&file, rustix::buffer::spare_capacity(&mut bytes), offset) {
                Ok(n) if n < room => return Ok(Some(bytes)),
                Ok(_) | Err(Errno::INTR) => {}
                Err(e) => return Err(self.unreadable(name, "read", e.into())),
            }
        }
    }

    /// What lies there is no file of ours, if not this process or the system is at its limits.
    fn unreadable(&self, name: &'static str, action: &'static str, e: std::io::Error) -> Error {
        let why = match e.raw_os_error() {
            Some(libc::ELOOP | libc::ENXIO | libc::EISDIR | libc::ESPIPE) => {
                "it is no regular file".to_owned()
            }
            Some(libc::EACCES | libc::EPERM | libc::EIO) => format!("it cannot be read: {e}"),
            _ => return io(action, self.shown(name))(e),
        };
        self.damaged(name, serde_json::Error::custom(why))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{config, containers};
    use super::*;
    use crate::sys::atomic::Sync;
    use std::os::unix::fs::symlink;
    use std::time::{Duration, Instant};

    #[test]
    fn what_is_no_file_of_ours_is_damage_and_not_waited_for() {
        let (_scratch, all) = containers();
        let dir = all.create(None, Some("c")).unwrap();
        let path = dir.path().to_owned();
        let sparse = |path: &Path| {
            std::fs::File::create(path).unwrap().set_len(3 << 30).unwrap();
        };
        let pipe = |path: &Path| {
            rustix::fs::mkfifoat(rustix::fs::CWD, path, 0o600.into()).unwrap();
        };
        let socket = |path: &Path| {
            let kind = rustix::fs::FileType::Socket;
            rustix::fs::mknodat(rustix::fs::CWD, path, kind, 0o600.into(), 0).unwrap();
        };
        let link = |path: &Path| symlink("/dev/zero", path).unwrap();
        let directory = |path: &Path| std::fs::create_dir(path).unwrap();
        let makers: [&dyn Fn(&Path); 5] = [&pipe, &sparse, &socket, &link, &directory];
        let names = ["pipe", "large", "socket", "link", "directory"];
        for (what, make) in names.iter().zip(makers) {
            dir.write_config(&config(dir.id(), "c"), Sync::Fast).unwrap();
            make(&path.join(STATE));
            let other = all.find("c").unwrap();
            let begun = Instant::now();
            assert!(matches!(other.read_state(), Err(Error::Damaged { .. })), "{what}");
            assert_eq!(other.status().unwrap(), Status::Starting, "{what}, held");
            std::fs::remove_file(path.join(CONFIG)).unwrap();
            make(&path.join(CONFIG));
            let error = other.read_config().unwrap_err();
            assert!(matches!(error, Error::Damaged { file: CONFIG, .. }), "{what}: {error}");
            assert!(begun.elapsed() < Duration::from_secs(2), "{what}");
            for name in [STATE, CONFIG] {
                let path = path.join(name);
                let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir(&path));
            }
        }
    }
}
