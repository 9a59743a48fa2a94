//! Which file the supervisor is started from.

use crate::sys::memfd;
use anyhow::Context as _;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// `bolt-shim`, ready to be started.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    /// The copy behind `path`.
    _copy: Option<OwnedFd>,
}

impl Program {
    /// The installed file, or a sealed copy of it when we could change that file.
    ///
    /// A payload whose program is `/proc/self/exe` runs the supervisor's own file, and another
    /// process in there opens it through `/proc/PID/exe` (CVE-2019-5736). Where it belongs to the
    /// user, it belongs to the container's root: he could change its mode, and its content too
    /// as soon as nobody runs it. Nothing can change the copy.
    pub(super) fn find() -> anyhow::Result<Self> {
        let path = find()?;
        let mut file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
        let uid = file.metadata().with_context(|| format!("look at {}", path.display()))?.uid();
        let ours = rustix::process::geteuid();
        if uid != ours.as_raw() && !ours.is_root() {
            return Ok(Program { path, _copy: None });
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(|| format!("read {}", path.display()))?;
        let copy = match memfd::sealed_program(c"bolt-shim", &bytes) {
            Ok(copy) => copy,
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                tracing::warn!("vm.memfd_noexec=2: a container can reach {}", path.display());
                return Ok(Program { path, _copy: None });
            }
            Err(e) => return Err(e).context("copy the supervisor"),
        };
        // Below our own /proc: the child has the same numbers until it executes.
        let path = PathBuf::from(format!("/proc/self/fd/{}", copy.as_raw_fd()));
        Ok(Program { path, _copy: Some(copy) })
    }

    /// Valid as long as this lives.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Beside this program, as installed and as built; `BOLT_SHIM` for a tree laid out otherwise.
pub fn find() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("BOLT_SHIM") {
        return Ok(PathBuf::from(path));
    }
    let here = std::env::current_exe().context("find this program")?;
    for candidate in
        [here.with_file_name("bolt-shim"), PathBuf::from("/usr/libexec/bolt/bolt-shim")]
    {
        if candidate.is_file() {
            return Ok(candidate);
        }
    }
    anyhow::bail!(
        "bolt-shim is not beside {}; install both programs into one directory",
        here.display()
    )
}
