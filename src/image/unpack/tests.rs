//! Hostile tars built by hand, and real ones of GNU tar.

mod build;
mod gnu;
mod hostile;
mod limits;
mod meaning;
mod readings;
mod threads;

use super::*;
use rustix::fs::{Mode, OFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A layer directory inside a scratch directory of its own; beside it lies `outside/kept`.
pub(super) struct Scratch {
    top: PathBuf,
    fd: OwnedFd,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Scratch {
    pub(super) fn new() -> Self {
        let n = NUMBER.fetch_add(1, Ordering::Relaxed);
        let top = std::env::temp_dir().join(format!("bolt-unpack-{}-{n}", std::process::id()));
        let _ = std::fs::remove_dir_all(&top);
        std::fs::create_dir_all(top.join("layer")).unwrap();
        std::fs::create_dir_all(top.join("outside")).unwrap();
        std::fs::write(top.join("outside/kept"), "kept").unwrap();
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let fd = rustix::fs::open(top.join("layer"), flags, Mode::empty()).unwrap();
        Scratch { top, fd }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.top.join("layer").join(name)
    }

    pub(super) fn outside(&self) -> PathBuf {
        self.top.join("outside")
    }

    pub(super) fn top(&self) -> &Path {
        &self.top
    }

    pub(super) fn unpack_with(
        &self,
        tar: &[u8],
        owners: &Owners,
        limits: &Limits,
    ) -> Result<Stats, UnpackError> {
        unpack_layer(tar, self.fd.as_fd(), owners, limits, None)
    }

    /// Unpacks with owners that fit whoever runs the test; then nothing outside may be changed.
    pub(super) fn unpack(&self, tar: &[u8]) -> Result<Stats, UnpackError> {
        let result = self.unpack_with(tar, &own(), &Limits::default());
        self.assert_outside_untouched();
        result
    }

    /// The refusal's whole text.
    pub(super) fn refusal(&self, tar: &[u8]) -> String {
        self.unpack(tar).unwrap_err().to_string()
    }

    pub(super) fn assert_outside_untouched(&self) {
        use std::os::unix::fs::MetadataExt;
        let names = |dir: PathBuf| {
            let mut names: Vec<_> =
                std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(self.outside()), ["kept"]);
        assert_eq!(names(self.top.clone()), ["layer", "outside"]);
        let kept = self.outside().join("kept");
        assert_eq!(std::fs::read(&kept).unwrap(), b"kept");
        let meta = std::fs::metadata(&kept).unwrap();
        assert_eq!((meta.mode() & 0o7022, meta.nlink()), (0, 1));
    }

    /// Unpacks with a record, from odd pieces, and compares the rebuilt tar.
    pub(super) fn round_trip(&self, tar: &[u8]) -> Stats {
        let mut record = Vec::new();
        let limits = Limits::default();
        let pieces = std::io::BufReader::with_capacity(611, tar);
        let stats =
            unpack_layer(pieces, self.fd.as_fd(), &own(), &limits, Some(&mut record)).unwrap();
        let mut again = Vec::new();
        rebuild(record.as_slice(), self.fd.as_fd(), &mut again).unwrap();
        assert!(again == tar, "rebuilt {} bytes of {}", again.len(), tar.len());
        stats
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let parent = rustix::fs::open(&self.top, OFlags::PATH, Mode::empty()).unwrap();
        let _ = crate::sys::tree::remove_tree(&parent, "layer");
        let _ = std::fs::remove_dir_all(&self.top);
    }
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Root of the machine, not of a user namespace: may make devices.
pub(super) fn is_real_root() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap();
    is_root() && map.split_whitespace().eq(["0", "0", "4294967295"])
}

/// All ids for root, none for anybody else.
pub(super) fn own() -> Owners {
    if is_root() { Owners::identity(65536, is_real_root()) } else { Owners::single() }
}
