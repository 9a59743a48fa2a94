//! The small files of one container, as they are read: by a container that is open, or by a list
//! that goes past hundreds and opens no directory for any.

use super::config::{self, Listed};
use super::dir::{CONFIG, LOCK, STATE, Snapshot, judge};
use super::error::{Error, errno, io};
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
    /// A torn record is no error: with a free lock it means that the machine went down while it
    /// was written (state is not synced), so nothing runs.
    pub(super) fn snapshot(&self, ours: bool) -> Result<Snapshot, Error> {
        // The lock comes first: a supervisor that ends between the two reads has then already
        // written its last state.
        let supervised = !ours && self.is_locked()?;
        self.snapshot_with(supervised)
    }

    /// [`Self::snapshot`] where it is known already whether somebody else holds the lock.
    pub(super) fn snapshot_with(&self, supervised: bool) -> Result<Snapshot, Error> {
        match self.state() {
            Ok(recorded) => Ok(Snapshot::of(supervised, recorded)),
            Err(Error::Damaged { .. }) => {
                let status = if supervised { Status::Starting } else { Status::Exited };
                let exit = if supervised { 0 } else { UNKNOWN_EXIT };
                Ok(Snapshot { status, recorded: Recorded { exit, ..Recorded::default() } })
            }
            Err(e) => Err(e),
        }
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

    /// Opens a file, no link followed; `None`: it is not there.
    pub(super) fn open(&self, name: &str, flags: OFlags) -> Result<Option<OwnedFd>, Error> {
        let mode = match flags.contains(OFlags::CREATE) {
            true => Mode::RUSR | Mode::WUSR,
            false => Mode::empty(),
        };
        let path = [self.below, name].concat();
        match beneath::open_no_links(self.at, path, flags, mode) {
            Ok(fd) => Ok(Some(fd)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(io("open", self.shown(name))(e)),
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

    /// The whole of a small file. A list reads two of every container, so this asks for no
    /// size first: a regular file gives less than was asked for only at its end (read(2)).
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(file) = self.open(name, OFlags::RDONLY)? else { return Ok(None) };
        let mut bytes = Vec::with_capacity(READ);
        loop {
            if bytes.spare_capacity_mut().is_empty() {
                bytes.reserve(bytes.len());
            }
            let room = bytes.spare_capacity_mut().len();
            match rustix::io::read(&file, rustix::buffer::spare_capacity(&mut bytes)) {
                Ok(n) if n < room => return Ok(Some(bytes)),
                Ok(_) | Err(Errno::INTR) => {}
                Err(e) => return Err(errno("read", self.shown(name))(e)),
            }
        }
    }
}
