//! Unit files on disk: written whole, and never over what a person wrote.

use crate::image::types::Digest;
use crate::sys::{atomic, small};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Begins the line that vouches for what comes after it.
const MARK: &str = "# Made by Bolt ";

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A person has changed it, or it never was Bolt's.
    #[error(
        "{0} was changed since Bolt made it, or made by somebody else; move it away, or use --force to replace it"
    )]
    Changed(PathBuf),
    /// The system refused.
    #[error("write {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Puts the header before a unit's text: its name, and a line with the checksum of the text.
pub fn with_header(unit: &str, text: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let sum = Digest::sha256_of(text.as_bytes());
    format!("# {unit}\n{MARK}{version} (bolt generate systemd), {sum}\n\n{text}")
}

/// Whether it is as Bolt wrote it, whichever version that was.
pub fn is_untouched(text: &str) -> bool {
    let Some((_, rest)) = text.split_once('\n') else { return false };
    let Some((line, text)) = rest.split_once("\n\n") else { return false };
    let sum = line.strip_prefix(MARK).and_then(|line| line.rsplit_once(", "));
    sum.is_some_and(|(_, sum)| sum == Digest::sha256_of(text.as_bytes()).to_string())
}

/// Writes `name` in `dir`, whole and synced; its path. A file that is there is replaced when it
/// is as Bolt wrote it, or with `force`.
pub fn write(dir: &Path, name: &str, text: &str, force: bool) -> Result<PathBuf, FileError> {
    let path = dir.join(name);
    let failed = |source| FileError::Io { path: path.clone(), source };
    let there = path.symlink_metadata();
    let read = match there.is_ok_and(|data| !data.is_file()) {
        true if force => Ok(text.as_bytes()[..0].to_vec()),
        true => return Err(FileError::Changed(path)),
        false => small::read_regular(&path),
    };
    match read {
        Ok(old) if old == text.as_bytes() => return Ok(path),
        Ok(old) if force || std::str::from_utf8(&old).is_ok_and(is_untouched) => {}
        Ok(_) => return Err(FileError::Changed(path)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(failed(e)),
    }
    let opened = File::open(dir).map_err(failed)?;
    atomic::write(&opened, name, text.as_bytes(), atomic::Sync::Durable).map_err(failed)?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn only_what_nobody_changed_is_replaced() {
        let scratch = Scratch::new("unit-file");
        let dir = scratch.path();
        let (old, new) =
            (with_header("a.service", "[Unit]\nA=1\n"), with_header("a.service", "[Unit]\n"));
        assert!(is_untouched(&old));
        let path = write(dir, "a.service", &old, false).unwrap();
        write(dir, "a.service", &new, false).unwrap();
        let now = || std::fs::read_to_string(&path).unwrap();
        assert_eq!(now(), new);
        for mine in [format!("{new}B=2\n"), "[Unit]\n".to_owned(), String::new()] {
            std::fs::write(&path, &mine).unwrap();
            let refused = write(dir, "a.service", &new, false);
            assert!(matches!(refused, Err(FileError::Changed(_))), "{mine:?}");
            assert_eq!(now(), mine);
        }
        write(dir, "a.service", &new, true).unwrap();
        assert_eq!(now(), new);
        // The very same text, with or without a header, is nothing to refuse.
        std::fs::write(&path, "mine").unwrap();
        write(dir, "a.service", "mine", false).unwrap();
        assert_eq!(std::fs::read_dir(dir).unwrap().count(), 1);
        assert!(matches!(write(&dir.join("no"), "a", "", false), Err(FileError::Io { .. })));
    }
}
