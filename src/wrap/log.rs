//! `$XDG_STATE_HOME/bolt/wrap.log`: what could not be done. Steam's Game Mode has no terminal to
//! say it on. Two files of at most 256 KiB; nothing here ever keeps a game from starting.

use crate::container::time;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const LARGEST: u64 = 256 << 10;

/// The log of one user.
#[derive(Debug, Clone)]
pub struct Log(PathBuf);

impl Log {
    /// In file `path`; nothing is made before the first line.
    pub fn new(path: &Path) -> Log {
        Log(path.to_owned())
    }

    /// Adds a line with time and pid. Control characters are made visible: commands and paths in it
    /// are strangers'.
    pub fn line(&self, text: &str) {
        let safe = crate::ui::print::escaped_cell(text);
        let line = format!("{} {} {safe}\n", time::rfc3339(time::now()), std::process::id());
        if let Some(dir) = self.0.parent() {
            let _ = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        }
        if fs::metadata(&self.0).is_ok_and(|m| m.len() > LARGEST) {
            let _ = fs::rename(&self.0, self.0.with_extension("log.1"));
        }
        // A pipe that nobody reads in its place is not waited for.
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600).custom_flags(flags);
        let file = options.open(&self.0);
        // One write, so that lines of several games do not mix.
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_lines_and_an_end() {
        let scratch = crate::sys::scratch::Scratch::new("wrap-log");
        let path = scratch.path().join("new/wrap.log");
        let log = Log::new(&path);
        log.line("one\ntwo\u{1b}");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("one\\ntwo\\x1b\n"), "{text:?}");
        for _ in 0..3 {
            log.line(&"x".repeat(200 << 10));
        }
        let sizes = [&path, &path.with_extension("log.1")].map(|p| fs::metadata(p).unwrap().len());
        assert!(sizes.iter().all(|size| *size < 512 << 10), "{sizes:?}");
        assert_eq!(fs::read_dir(scratch.path().join("new")).unwrap().count(), 2);
    }
}
