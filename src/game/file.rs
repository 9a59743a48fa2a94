//! Small JSON files of the user that several processes may change: read whole, replaced whole.

use crate::sys::{atomic, lock, small};
use crate::ui::json_fault::{self, JsonFault};
use rustix::fs::{self, CWD, Mode, OFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Larger than any that this program writes.
const MAX: u64 = 4 << 20;

/// Why such a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// open(2), read(2) or write(2) said no.
    #[error("{what} {}", path.display())]
    Io {
        /// `read`, `write`, `lock`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// Not what it should hold.
    #[error("{}: {reason}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// What is wrong and where, and what to do.
        reason: String,
    },
}

/// Reads `path`; `None` where there is no such file.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FileError> {
    let fault = |source| FileError::Io { what: "read", path: path.to_owned(), source };
    match small::read_at_most(path, MAX).and_then(|bytes| permitted(path).map(|()| bytes)) {
        Ok(bytes) => parse(path, &bytes).map(Some),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(fault(e)),
    }
}

/// Errors: nobody may read the file. Inside the user namespace that a pull works in, the user is
/// root, whom the kernel does not refuse: a start and a pull are to say the same.
fn permitted(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path)?.mode() & 0o444 {
        0 => Err(io::ErrorKind::PermissionDenied.into()),
        _ => Ok(()),
    }
}

/// Reads the bytes of a file; `path` is for messages.
pub(super) fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, FileError> {
    let shape = |reason: String| FileError::Shape { path: path.to_owned(), reason };
    if bytes.len() as u64 > MAX {
        return Err(shape(format!("it is larger than {} MiB", MAX >> 20)));
    }
    let reason =
        |e: JsonFault| shape(format!("it is not valid: {e}; mend it, or remove it to begin anew"));
    json_fault::read(bytes).map_err(reason)
}

/// Lets `change` work on what `path` holds (an empty one where there is none), and replaces it.
/// Others wait meanwhile; on any error the file is as before.
pub(super) fn update<T, E>(
    path: &Path,
    change: impl FnOnce(&mut T) -> Result<(), E>,
) -> Result<(), E>
where
    T: DeserializeOwned + Serialize + Default,
    E: From<FileError>,
{
    let fault =
        |what| move |source: io::Error| FileError::Io { what, path: path.to_owned(), source };
    let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(fault("make the directory of"))?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = fs::openat(CWD, parent, flags, Mode::empty()).map_err(io::Error::from);
    let dir = open.map_err(fault("open the directory of"))?;
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    if name.is_empty() {
        let reason = "this is no name of a file".to_owned();
        return Err(FileError::Shape { path: path.to_owned(), reason }.into());
    }
    // Beside the file, since that one is replaced under whoever holds it.
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let guard = fs::openat(&dir, format!(".{name}.lock"), flags, Mode::from_raw_mode(0o600));
    let guard = guard.map_err(io::Error::from).map_err(fault("lock"))?;
    lock::lock(&guard, lock::Kind::Exclusive).map_err(fault("lock"))?;
    let mut value: T = read(path)?.unwrap_or_default();
    change(&mut value)?;
    let mut bytes = serde_json::to_vec_pretty(&value)
        .map_err(|e| FileError::Shape { path: path.to_owned(), reason: e.to_string() })?;
    bytes.push(b'\n');
    atomic::write(&dir, name, &bytes, atomic::Sync::Durable).map_err(fault("write"))?;
    Ok(())
}
