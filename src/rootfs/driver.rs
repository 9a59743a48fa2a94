//! How the root of a new container is put together: the kernel's overlay, fuse-overlayfs, or a
//! copy of all layers. The trial is made once for a kernel and a file system, and remembered in
//! `store/driver.json`; a refusal for some minutes only, since its reason may be mended.

use crate::net;
use crate::sys::atomic::{self, Sync};
use crate::sys::dirs::Dirs;
use crate::sys::small;
use rustix::fs::{CWD, Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// File of the store with the result of the last trial.
const CACHE: &str = "driver.json";
/// How long a refusal holds.
const REFUSED_FOR: Duration = Duration::from_secs(600);
/// Version of its format.
const VERSION: u32 = 1;

/// Ways to put layers together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// overlayfs of the kernel.
    Overlay,
    /// fuse-overlayfs(1).
    FuseOverlay,
    /// Every container has a copy of all files.
    Copy,
}

impl Kind {
    /// As `config.json` and `bolt info` call it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Overlay => "overlay",
            Kind::FuseOverlay => "fuse-overlayfs",
            Kind::Copy => "copy",
        }
    }
}

/// What new containers use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver {
    /// Which one.
    pub kind: Kind,
    /// Why not a better one; for overlay, that it works.
    pub why: String,
}

/// `store/driver.json`.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Tried {
    version: u32,
    /// `uname -r` of the kernel that was tried.
    kernel: String,
    /// `st_dev` of the store.
    device: u64,
    /// Why an overlay was refused; `None`: it works.
    refusal: Option<String>,
}

/// What a trial said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trial {
    /// The kernel mounts an overlay there.
    Works,
    /// It does not, and this is why.
    Refused(String),
    /// There was no trial: what it needs was not to be had just now.
    NotMade(String),
}

impl Trial {
    fn refusal(self) -> Option<String> {
        match self {
            Trial::Works => None,
            Trial::Refused(why) | Trial::NotMade(why) => Some(why),
        }
    }
}

/// The driver for new containers. One open when the trial was made before, else a process that
/// mounts an overlay beside the store; its answer is kept for the next time.
pub fn choose(dirs: &Dirs) -> Driver {
    let store = dirs.store();
    let kernel = kernel();
    let refusal = match remembered(&store, &kernel) {
        Some(refusal) => refusal,
        None => try_anew(dirs, kernel).refusal(),
    };
    decide(refusal, || net::find("fuse-overlayfs"), || Path::new("/dev/fuse").exists())
}

/// Whether an overlay works, tried now. New containers go by the answer.
pub fn try_overlay(dirs: &Dirs) -> Trial {
    try_anew(dirs, kernel())
}

fn try_anew(dirs: &Dirs, kernel: String) -> Trial {
    let trial = probe(&dirs.data);
    if !matches!(trial, Trial::NotMade(_)) {
        remember(&dirs.store(), kernel, trial.clone().refusal());
    }
    trial
}

fn kernel() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

fn decide(
    refusal: Option<String>,
    fuse: impl Fn() -> Option<String>,
    device: impl Fn() -> bool,
) -> Driver {
    let Some(refusal) = refusal else {
        let why = "the kernel mounts an overlay on the file system of the store".to_owned();
        return Driver { kind: Kind::Overlay, why };
    };
    let why = |fuse: &str| format!("overlay does not work here ({refusal}); {fuse}");
    match fuse() {
        Some(program) if device() => {
            Driver { kind: Kind::FuseOverlay, why: why(&format!("{program} does")) }
        }
        Some(_) => Driver { kind: Kind::Copy, why: why("fuse-overlayfs has no /dev/fuse") },
        None => Driver { kind: Kind::Copy, why: why("fuse-overlayfs is not installed") },
    }
}

/// The result of an earlier trial that holds for this kernel and this file system.
fn remembered(store: &Path, kernel: &str) -> Option<Option<String>> {
    let path = store.join(CACHE);
    let meta = fs::metadata(&path).ok()?;
    let device = meta.dev();
    let tried: Tried = serde_json::from_slice(&small::read_regular(&path).ok()?).ok()?;
    let holds = tried.version == VERSION && tried.kernel == kernel && tried.device == device;
    // A time to come tells nothing of its age: it does not hold.
    let fresh = meta.modified().ok()?.elapsed().is_ok_and(|age| age < REFUSED_FOR);
    (holds && (tried.refusal.is_none() || fresh)).then_some(tried.refusal)
}

/// What cannot be kept is tried again next time.
fn remember(store: &Path, kernel: String, refusal: Option<String>) {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(dir) = rustix::fs::openat(CWD, store, flags, Mode::empty()) else { return };
    let Ok(stat) = rustix::fs::fstat(&dir) else { return };
    let tried = Tried { version: VERSION, kernel, device: stat.st_dev, refusal };
    if let Ok(text) = serde_json::to_vec(&tried) {
        let _ = atomic::write(&dir, CACHE, &text, Sync::Fast);
    }
}

/// Lets a process of its own mount an overlay on the file system of `data`.
fn probe(data: &Path) -> Trial {
    let dir = data.join(atomic::temp_name("probe"));
    if let Err(e) = fs::create_dir_all(&dir) {
        return Trial::NotMade(format!("make {}: {e}", dir.display()));
    }
    let probe = Command::new("/proc/self/exe")
        .args(["__probe", "overlay"])
        .arg(&dir)
        .stdin(Stdio::null())
        .output();
    remove(&dir);
    match probe {
        Ok(output) if output.status.success() => Trial::Works,
        Ok(output) => match String::from_utf8_lossy(&output.stderr).lines().next() {
            Some(line) => Trial::Refused(line.trim_start_matches("bolt: ").to_owned()),
            None => Trial::NotMade(format!("the probe died without a word: {}", output.status)),
        },
        Err(e) => Trial::NotMade(format!("start the probe: {e}")),
    }
}

/// Overlay leaves `work/work` with mode 000, which cannot be read, only removed: leaves first.
/// What is left behind by an error lies in a directory that says so in its name.
fn remove(dir: &Path) {
    for path in ["work/work", "work/index"] {
        let _ = fs::remove_dir(dir.join(path));
    }
    let _ = fs::remove_dir_all(dir);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn overlay_then_fuse_then_copy() {
        let fuse = || Some("/usr/bin/fuse-overlayfs".to_owned());
        let refused = || Some("mount an overlay: EINVAL".to_owned());
        assert_eq!(decide(None, fuse, || true).kind, Kind::Overlay);
        assert_eq!(decide(refused(), fuse, || true).kind, Kind::FuseOverlay);
        for driver in [decide(refused(), fuse, || false), decide(refused(), || None, || true)] {
            assert_eq!(driver.kind, Kind::Copy);
            assert!(driver.why.contains("EINVAL") && driver.why.contains("fuse"), "{driver:?}");
        }
    }

    #[test]
    fn a_trial_counts_for_its_kernel_only() {
        let scratch = Scratch::new("driver");
        let store = scratch.path();
        assert_eq!(remembered(store, "6.1"), None);
        remember(store, "6.1".into(), Some("no".into()));
        assert_eq!(remembered(store, "6.1"), Some(Some("no".into())));
        assert_eq!(remembered(store, "6.2"), None);
        let file = fs::File::options().write(true).open(store.join(CACHE)).unwrap();
        let old = std::time::SystemTime::now() - REFUSED_FOR - Duration::from_secs(1);
        file.set_modified(old).unwrap();
        assert_eq!(remembered(store, "6.1"), None, "its reason may be gone");
        remember(store, "6.1".into(), None);
        let file = fs::File::options().write(true).open(store.join(CACHE)).unwrap();
        file.set_modified(old).unwrap();
        assert_eq!(remembered(store, "6.1"), Some(None), "what works goes on working");
        remember(store, "6.1".into(), Some("no".into()));
        fs::write(store.join(CACHE), "{").unwrap();
        assert_eq!(remembered(store, "6.1"), None, "torn");
        fs::remove_file(store.join(CACHE)).unwrap();
        rustix::fs::mkfifoat(CWD, store.join(CACHE), Mode::RUSR).unwrap();
        assert_eq!(remembered(store, "6.1"), None, "a pipe is not waited for");
    }
}
