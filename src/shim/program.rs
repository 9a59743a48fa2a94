//! Which file the supervisor is started from.

use crate::container::dir::{ContainerDir, Containers, LOCK};
use crate::container::live;
use crate::container::state::Recorded;
use crate::sys::{atomic, memfd, small};
use anyhow::Context as _;
use bolt_shim::launch::fd;
use rustix::fs::{AtFlags, Stat};
use std::ffi::CString;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The supervisor's program.
const NAME: &str = "bolt-shim";
/// In the data directory: id of a container whose supervisor runs from a copy.
const HINT: &str = "supervisor";
/// Containers that are looked at for a living copy; making another is cheaper than many looks.
const LOOKS: usize = 64;

/// `bolt-shim`, ready to be started.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    /// What is installed, for messages.
    installed: PathBuf,
    /// The copy behind `path`.
    copy: Option<OwnedFd>,
    /// The copy was a living supervisor's before.
    lent: bool,
}

impl Program {
    /// The installed file, or a sealed copy of it when we could change that file.
    ///
    /// A payload whose program is `/proc/self/exe` runs the supervisor's own file, and another
    /// process in there opens it through `/proc/PID/exe` (CVE-2019-5736). Where it belongs to the
    /// user, it belongs to the container's root: he could change its mode, and its content too
    /// as soon as nobody runs it. Nothing can change a copy's content, and its set-user-id bit
    /// counts for nothing on the kernel's own mount, so all supervisors of the user may share
    /// one. `alone`: none of them lives.
    pub(super) fn find(data: &Path, containers: &Containers, alone: bool) -> anyhow::Result<Self> {
        let (path, name) = installed()?;
        let Some(name) = name else { return Ok(Program::file(path)) };
        if !alone && let Some(copy) = lent(data, containers, &name) {
            return Ok(Program {
                path: behind(&copy),
                installed: path,
                copy: Some(copy),
                lent: true,
            });
        }
        copy(path)
    }

    /// The installed file, where that is safe: what [`Program::find`] would find whoever lives.
    pub(super) fn installed() -> anyhow::Result<Option<Self>> {
        let (path, name) = installed()?;
        Ok(name.is_none().then(|| Program::file(path)))
    }

    fn file(path: PathBuf) -> Self {
        Program { installed: path.clone(), path, copy: None, lent: false }
    }

    /// The file that it was started from, or copied from.
    pub(super) fn installed_path(&self) -> &Path {
        &self.installed
    }

    /// The same, when the copy that somebody lent cannot be executed: a container's root may
    /// have changed the mode of that one, or its owner.
    pub(super) fn own() -> anyhow::Result<Self> {
        copy(find()?)
    }

    /// Valid as long as this lives.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a copy that was a living supervisor's before.
    pub(super) fn is_lent(&self) -> bool {
        self.lent
    }

    /// Writes down that container `id` runs from this copy, so that the next start finds it.
    pub(super) fn remember(&self, data: &Path, id: &str) {
        if self.copy.is_some() && !self.lent {
            hint(data, id);
        }
    }
}

/// The installed program, and the name that its copy gets if it has to be copied.
fn installed() -> anyhow::Result<(PathBuf, Option<String>)> {
    let (path, meta) = look()?;
    anyhow::ensure!(meta.is_file(), "{} is no program", path.display());
    let ours = rustix::process::geteuid();
    let changeable = meta.uid() == ours.as_raw() || ours.is_root();
    let name = changeable.then(|| copy_name(&meta));
    Ok((path, name))
}

/// Which file it is, and which version of it. The time of the last change cannot be set by anybody.
fn copy_name(meta: &Metadata) -> String {
    let (dev, ino, size) = (meta.dev(), meta.ino(), meta.size());
    format!("bolt-shim-{dev:x}-{ino:x}-{size:x}-{:x}-{:x}", meta.ctime(), meta.ctime_nsec())
}

fn copy(path: PathBuf) -> anyhow::Result<Program> {
    // A pipe would be waited for.
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(&path);
    let mut file = file.with_context(|| format!("open {}", path.display()))?;
    let meta = file.metadata().with_context(|| format!("look at {}", path.display()))?;
    anyhow::ensure!(meta.is_file(), "{} is no program", path.display());
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).with_context(|| format!("read {}", path.display()))?;
    let name = CString::new(copy_name(&meta)).context("name the supervisor's copy")?;
    match memfd::sealed_program(&name, &bytes) {
        Ok(copy) => {
            Ok(Program { path: behind(&copy), installed: path, copy: Some(copy), lent: false })
        }
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            tracing::warn!("vm.memfd_noexec=2: a container can reach {}", path.display());
            Ok(Program::file(path))
        }
        Err(e) => Err(e).context("copy the supervisor"),
    }
}

/// Below our own /proc: the child has the same numbers until it executes.
fn behind(copy: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", copy.as_raw_fd()))
}

/// The copy `name` from a living supervisor of this user, if one is soon found.
fn lent(data: &Path, containers: &Containers, name: &str) -> Option<OwnedFd> {
    let hinted = small::read_regular(data.join(HINT)).unwrap_or_default();
    let hinted = String::from_utf8_lossy(&hinted);
    if let Some(copy) = copy_of(containers, hinted.trim(), name) {
        return Some(copy);
    }
    let ids = containers.ids().ok()?;
    let found = ids.iter().take(LOOKS).find_map(|id| Some((id, copy_of(containers, id, name)?)));
    let (id, copy) = found?;
    hint(data, id);
    Some(copy)
}

fn hint(data: &Path, id: &str) {
    if let Ok(dir) = File::open(data) {
        // Lost or torn, the next start looks through the containers.
        let _ = atomic::write(&dir, HINT, id.as_bytes(), atomic::Sync::Fast);
    }
}

/// The file that the supervisor of container `id` runs from, if it is the sealed copy `name`.
/// What was opened counts only when the supervisor is seen alive afterwards.
fn copy_of(containers: &Containers, id: &str, name: &str) -> Option<OwnedFd> {
    let dir = containers.open_id(id).ok()?;
    let state = dir.read_state().ok()?;
    if !supervises(&dir, &state) {
        return None;
    }
    let copy: OwnedFd = File::open(format!("/proc/{}/exe", state.monitor)).ok()?.into();
    (is_copy(&copy, name) && supervises(&dir, &state)).then_some(copy)
}

/// Whether the recorded process is the container's supervisor, and none that got its number: the
/// lock is held, the start is the recorded one, and the file of the lock, which is open nowhere
/// else and in no container, lies at the number of the contract.
fn supervises(dir: &ContainerDir, state: &Recorded) -> bool {
    let held = || rustix::fs::stat(format!("/proc/{}/fd/{}", state.monitor, fd::LOCK)).ok();
    let lock = || rustix::fs::statat(dir.fd(), LOCK, AtFlags::SYMLINK_NOFOLLOW).ok();
    state.boot == live::boot_id()
        && live::is_same_process(state.monitor, state.monitor_start, 0)
        && held().zip(lock()).is_some_and(|(held, lock)| same_file(&held, &lock))
        && dir.is_supervised().unwrap_or(false)
}

fn same_file(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino)
}

/// Whether this is a memory file of that name, sealed, and with the owner and mode that it was
/// made with.
fn is_copy(file: &OwnedFd, name: &str) -> bool {
    let shown = std::fs::read_link(behind(file)).unwrap_or_default();
    let Ok(stat) = rustix::fs::fstat(file) else { return false };
    shown.to_str() == Some(&format!("/memfd:{name} (deleted)"))
        && memfd::is_sealed(file)
        && stat.st_uid == rustix::process::geteuid().as_raw()
        && stat.st_mode & 0o7777 == 0o777
}

/// The path by which this program was executed, as the kernel has told it (getauxval(3), AT_EXECFN),
/// where it is this program's own: a link may lie in anybody's directory, and for a script it is that.
fn executed() -> Option<PathBuf> {
    let name = std::ffi::OsStr::from_bytes(rustix::param::linux_execfn().to_bytes());
    let path = Path::new(name);
    let own = path.is_absolute() && path.file_name() == Some("bolt".as_ref());
    (own && path.symlink_metadata().is_ok_and(|meta| meta.is_file())).then(|| path.to_owned())
}

/// Where the supervisor's program is: beside this one, as installed and as built; `BOLT_SHIM` for a
/// tree laid out otherwise.
pub fn find() -> anyhow::Result<PathBuf> {
    Ok(look()?.0)
}

fn look() -> anyhow::Result<(PathBuf, Metadata)> {
    if let Some(path) = std::env::var_os("BOLT_SHIM").filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        let meta = path.metadata().with_context(|| format!("look at {}", path.display()))?;
        return Ok((path, meta));
    }
    let file =
        |path: PathBuf| Some(path.metadata().ok().filter(Metadata::is_file)?).map(|m| (path, m));
    // It is known without /proc, whose files are dear.
    if let Some(found) = executed().and_then(|here| file(here.with_file_name(NAME))) {
        return Ok(found);
    }
    let here = std::env::current_exe().context("find this program")?;
    let elsewhere = Path::new("/usr/libexec/bolt").join(NAME);
    if let Some(found) = [here.with_file_name(NAME), elsewhere].into_iter().find_map(file) {
        return Ok(found);
    }
    anyhow::bail!(
        "bolt-shim is not beside {}; install both programs into one directory",
        here.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_sealed_file_of_that_name_and_mode_is_a_copy() {
        let copy = memfd::sealed_program(c"bolt-shim-1", b"x").unwrap();
        assert!(is_copy(&copy, "bolt-shim-1"));
        assert!(!is_copy(&copy, "bolt-shim-2"));
        rustix::fs::fchmod(&copy, rustix::fs::Mode::from_raw_mode(0o4777)).unwrap();
        assert!(!is_copy(&copy, "bolt-shim-1"));
        let flags = rustix::fs::MemfdFlags::CLOEXEC | rustix::fs::MemfdFlags::ALLOW_SEALING;
        let open = rustix::fs::memfd_create(c"bolt-shim-1", flags).unwrap();
        assert!(!is_copy(&open, "bolt-shim-1"));
    }

    #[test]
    fn a_pipe_for_a_hint_is_not_waited_for() {
        let (scratch, containers) = crate::container::testing::containers();
        let mode = rustix::fs::Mode::RUSR;
        rustix::fs::mkfifoat(rustix::fs::CWD, scratch.path().join(HINT), mode).unwrap();
        assert!(lent(scratch.path(), &containers, "bolt-shim-1").is_none());
    }

    #[test]
    fn a_process_that_does_not_hold_the_lock_is_no_supervisor() {
        let (_scratch, containers) = crate::container::testing::containers();
        let mut holder = containers.create(None, None).unwrap();
        assert!(holder.try_lock().unwrap());
        let dir = containers.open_id(holder.id()).unwrap();
        assert!(dir.is_supervised().unwrap());
        // As recorded in all but the lock, whose file this process does not have open.
        let mut other = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = other.id() as i32;
        let state = Recorded {
            monitor: pid,
            monitor_start: live::start_time(pid).unwrap(),
            boot: live::boot_id().into(),
            ..Recorded::default()
        };
        let taken = supervises(&dir, &state);
        other.kill().unwrap();
        other.wait().unwrap();
        assert!(!taken);
    }
}
