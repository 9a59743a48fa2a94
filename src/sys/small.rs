//! Small files that a user names: read whole, but never without an end.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Most bytes of such a file. Real ones have kilobytes.
const MOST: u64 = 4 << 20;

/// The bytes of `path`, which may be a pipe (`<(command)` of a shell).
///
/// Errors: those of open(2) and read(2); [`io::ErrorKind::FileTooLarge`] above 4 MiB, where
/// `/dev/zero` and a wrong path end.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    // What stat(2) says is a hint alone: files of procfs have no size, and a file may grow.
    let size = file.metadata().map_or(0, |m| m.len().min(MOST));
    let mut bytes = Vec::with_capacity(size as usize + 1);
    file.take(MOST + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MOST {
        true => {
            let reason = format!("it is larger than {} MiB", MOST >> 20);
            Err(io::Error::new(io::ErrorKind::FileTooLarge, reason))
        }
        false => Ok(bytes),
    }
}

/// [`read`] as text. Errors besides: [`io::ErrorKind::InvalidData`], not UTF-8.
pub fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    String::from_utf8(read(path)?)
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, format!("not UTF-8 text: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn what_has_no_end_is_refused() {
        for endless in ["/dev/zero", "/dev/full"] {
            let error = read(endless).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{endless}");
        }
        let scratch = Scratch::new("small");
        let file = scratch.path().join("f");
        std::fs::write(&file, "text").unwrap();
        assert_eq!(read_text(&file).unwrap(), "text");
        std::fs::write(&file, b"\xff").unwrap();
        assert_eq!(read_text(&file).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(read(scratch.path().join("no")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
