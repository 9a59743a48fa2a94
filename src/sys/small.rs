//! Small files that a user names: read whole, but never without an end.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
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
    let size = file.metadata().map_or(0, |m| m.len());
    whole(file, size)
}

/// The bytes of a file that nobody named: something else in its place, a pipe that nobody
/// writes or a device, must not be waited for.
///
/// Errors besides those of [`read`]: [`io::ErrorKind::InvalidInput`], no regular file.
pub fn read_regular(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let data = file.metadata()?;
    if !data.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    whole(file, data.len())
}

fn whole(file: File, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(size.min(MOST) as usize + 1);
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
        let pipe = scratch.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
        for odd in [&pipe, Path::new("/dev/zero"), scratch.path()] {
            assert_eq!(read_regular(odd).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert_eq!(read_regular(&file).unwrap(), b"\xff");
        assert_eq!(read(scratch.path().join("no")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
