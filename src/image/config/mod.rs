//! The files that other container tools read too: registries.conf, auth.json, policy.json,
//! certs.d. Nothing here reads the environment: where to look is passed in.

pub mod auth;
pub mod certs;
pub mod drift;
mod json;
pub mod policy;
pub mod registries;

use crate::sys::small;
use std::io;
use std::path::{Path, PathBuf};

/// Largest configuration file that is read. Real ones have kilobytes.
const FILE_MAX: u64 = 4 << 20;

/// Where one user's container configuration lies.
#[derive(Debug, Clone)]
pub struct Search {
    /// `$XDG_CONFIG_HOME`, or `~/.config`: files lie in `containers/` below it.
    pub home_config: PathBuf,
    /// `/etc`: files lie in `containers/` below it.
    pub system: PathBuf,
    /// The one file to read instead (`CONTAINERS_REGISTRIES_CONF`, `--signature-policy`).
    pub override_file: Option<PathBuf>,
}

impl Search {
    /// `containers/NAME` of the user, then of the system.
    fn places(&self, name: &str) -> [PathBuf; 2] {
        [&self.home_config, &self.system].map(|base| base.join("containers").join(name))
    }
}

/// Why a configuration file cannot be used as text.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// open(2) or read(2) said no.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// Larger than any real configuration file.
    #[error("{} is larger than {} MiB: that is no configuration file", path.display(), FILE_MAX >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// TOML and JSON are UTF-8.
    #[error("{} is not UTF-8 text: byte {offset} (line {line}) is wrong", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// First wrong byte, from 0.
        offset: usize,
        /// Its line, from 1.
        line: usize,
    },
}

/// The bytes of a file; `None` where there is none.
fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    let fault = |source| FileError::Read { path: path.to_owned(), source };
    match small::read_at_most(path, FILE_MAX) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(e) => match e.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
            io::ErrorKind::FileTooLarge => Err(FileError::TooLarge { path: path.to_owned() }),
            _ => Err(fault(e)),
        },
    }
}

/// The text of a file; `None` where there is none.
fn read_text(path: &Path) -> Result<Option<String>, FileError> {
    let Some(bytes) = read_bytes(path)? else { return Ok(None) };
    String::from_utf8(bytes).map(Some).map_err(|e| {
        let offset = e.utf8_error().valid_up_to();
        let line = 1 + e.as_bytes()[..offset].iter().filter(|b| **b == b'\n').count();
        FileError::NotUtf8 { path: path.to_owned(), offset, line }
    })
}

/// `host[:port]/path` with the host in lower case, as `Reference` keeps it.
fn lower_host(text: &str) -> String {
    match text.split_once('/') {
        Some((host, path)) => format!("{}/{path}", host.to_ascii_lowercase()),
        None => text.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_whole_or_refused() {
        let dir = std::env::temp_dir().join(format!("bolt-config-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("f");
        assert!(read_text(&path).unwrap().is_none());
        assert!(read_text(&path.join("below")).unwrap().is_none());
        std::fs::write(&path, "a\nb\n").unwrap();
        assert_eq!(read_text(&path).unwrap().as_deref(), Some("a\nb\n"));
        assert!(read_text(&path.join("below")).unwrap().is_none());
        std::fs::write(&path, b"a\nb\xff").unwrap();
        let text = read_text(&path).unwrap_err().to_string();
        assert!(text.ends_with("is not UTF-8 text: byte 3 (line 2) is wrong"), "{text}");
        std::fs::write(&path, vec![b'a'; FILE_MAX as usize + 1]).unwrap();
        assert!(matches!(read_text(&path), Err(FileError::TooLarge { .. })));
        assert!(matches!(read_text(&dir), Err(FileError::Read { .. })));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn hosts_have_no_case_paths_do() {
        assert_eq!(lower_host("Quay.IO:5000/Foo"), "quay.io:5000/Foo");
        assert_eq!(lower_host("Quay.IO"), "quay.io");
    }
}
