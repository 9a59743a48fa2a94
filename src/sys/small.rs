//! Small files that a user names, or that lie where he can put them: read whole, but neither
//! without an end nor waited for without one.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// Most bytes of such a file. Real ones have kilobytes.
const MOST: u64 = 4 << 20;
/// How long a named pipe may be without a writer: shells open both ends at about the same time.
const WRITERLESS: Duration = Duration::from_secs(2);
/// Between two looks whether it has one.
const LOOK: Duration = Duration::from_millis(10);

/// The bytes of `path`, which may be a pipe (`<(command)` of a shell) or /dev/null.
///
/// Errors: those of open(2) and read(2); [`io::ErrorKind::FileTooLarge`] above 4 MiB, where
/// `/dev/zero` and a wrong path end; [`io::ErrorKind::TimedOut`], a pipe that nobody opened to
/// write for two seconds.
pub fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    read_at_most(path, MOST)
}

/// [`read`] of up to `most` bytes.
pub fn read_at_most(path: impl AsRef<Path>, most: u64) -> io::Result<Vec<u8>> {
    let (file, data) = open(path.as_ref())?;
    match data.is_file() {
        // What stat(2) says is a hint alone: files of procfs have no size, and a file may grow.
        true => whole(file, data.len(), most),
        false => whole(Patient { file, pipe: data.file_type().is_fifo(), wrote: false }, 0, most),
    }
}

/// Gives the bytes of `path` to `take` piece by piece: what little is wanted of a long file needs no
/// room for the whole. Of something else, which can be read once, they are returned as well.
///
/// Errors: those of [`read`].
pub fn read_in_pieces(
    path: impl AsRef<Path>,
    mut take: impl FnMut(&[u8]),
) -> io::Result<Option<Vec<u8>>> {
    let (mut file, data) = open(path.as_ref())?;
    if !data.is_file() {
        let pipe = data.file_type().is_fifo();
        let bytes = whole(Patient { file, pipe, wrote: false }, 0, MOST)?;
        take(&bytes);
        return Ok(Some(bytes));
    }
    let mut piece = [0; 8192];
    let mut left = MOST;
    loop {
        let length = match file.read(&mut piece) {
            Ok(0) => return Ok(None),
            Ok(length) => length,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        left = left.checked_sub(length as u64).ok_or_else(|| too_large(MOST))?;
        take(&piece[..length]);
    }
}

/// The bytes of a file that nobody named: something else in its place, a pipe or a device, must
/// not be waited for. /dev/null is an empty file.
///
/// Errors besides those of [`read`]: [`io::ErrorKind::InvalidInput`], no regular file.
pub fn read_regular(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let (file, data) = open(path.as_ref())?;
    if is_null(&data) {
        return Ok(Vec::new());
    }
    let size = regular(&data)?;
    whole(file, size, MOST)
}

/// Opens a file whose size is up to the caller, which nothing else may stand for.
///
/// Errors: those of open(2); [`io::ErrorKind::InvalidInput`], no regular file.
pub fn open_regular(path: impl AsRef<Path>) -> io::Result<File> {
    let (file, data) = open(path.as_ref())?;
    regular(&data)?;
    Ok(file)
}

/// [`read`] as text. Errors besides: [`io::ErrorKind::InvalidData`], not UTF-8.
pub fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    String::from_utf8(read(path)?)
        .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, format!("not UTF-8 text: {e}")))
}

/// Waits for nobody at the other end, and takes no terminal for its own.
fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let data = file.metadata()?;
    Ok((file, data))
}

fn regular(data: &Metadata) -> io::Result<u64> {
    match data.is_file() {
        true => Ok(data.len()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
    }
}

fn is_null(data: &Metadata) -> bool {
    // Linux, admin-guide/devices.txt.
    let null = rustix::fs::makedev(1, 3);
    FileType::from_raw_mode(data.mode()) == FileType::CharacterDevice && data.rdev() == null
}

fn whole(from: impl Read, size: u64, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(size.min(most) as usize + 1);
    from.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 <= most { Ok(bytes) } else { Err(too_large(most)) }
}

fn too_large(most: u64) -> io::Error {
    let reason = match most >> 20 {
        0 => format!("it is larger than {} KiB", most >> 10),
        mib => format!("it is larger than {mib} MiB"),
    };
    io::Error::new(io::ErrorKind::FileTooLarge, reason)
}

/// A pipe or device that was opened without waiting.
struct Patient {
    file: File,
    pipe: bool,
    /// Somebody has opened it to write.
    wrote: bool,
}

impl Read for Patient {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let begun = Instant::now();
        loop {
            match self.file.read(buffer) {
                // Nobody writes: nobody yet, or nobody any more.
                Ok(0) if self.pipe && !self.wrote => {
                    if begun.elapsed() >= WRITERLESS {
                        let reason = "it is a pipe that nobody writes to";
                        return Err(io::Error::new(io::ErrorKind::TimedOut, reason));
                    }
                    // Its last writer may have left without a byte.
                    self.wrote = wait(&self.file, LOOK)?;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    self.wrote = true;
                    wait(&self.file, Duration::MAX)?;
                }
                other => {
                    self.wrote = true;
                    return other;
                }
            }
        }
    }
}

/// Until there is something to read, an end or an error; false: not in that time.
fn wait(file: &File, limit: Duration) -> io::Result<bool> {
    let limit = Timespec::try_from(limit).ok();
    let mut fds = [PollFd::new(file, PollFlags::IN)];
    match poll(&mut fds, limit.as_ref()) {
        Err(rustix::io::Errno::INTR) => Ok(false),
        other => Ok(other? > 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;
    use std::io::Write;
    use std::path::PathBuf;

    fn pipe(scratch: &Scratch) -> PathBuf {
        let pipe = scratch.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
        pipe
    }

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
        assert_eq!(
            read_at_most("/dev/zero", 1024).unwrap_err().to_string(),
            "it is larger than 1 KiB"
        );
        let pipe = pipe(&scratch);
        for odd in [&pipe, Path::new("/dev/zero"), scratch.path()] {
            assert_eq!(read_regular(odd).unwrap_err().kind(), io::ErrorKind::InvalidInput);
            assert_eq!(open_regular(odd).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
        assert_eq!(read_regular(&file).unwrap(), b"\xff");
        assert_eq!(read(scratch.path().join("no")).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(
            (read_regular("/dev/null").unwrap(), read("/dev/null").unwrap()),
            Default::default()
        );
        assert_eq!(read(scratch.path()).unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn a_file_comes_in_pieces_and_a_device_as_a_whole_too() {
        let scratch = Scratch::new("pieces");
        let file = scratch.path().join("f");
        for size in [0, 10, 8192, 20_000] {
            let bytes: Vec<u8> = (0..size).map(|n| n as u8).collect();
            std::fs::write(&file, &bytes).unwrap();
            let mut got = Vec::new();
            assert_eq!(read_in_pieces(&file, |piece| got.extend_from_slice(piece)).unwrap(), None);
            assert_eq!(got, bytes);
        }
        let none = |piece: &[u8]| assert!(piece.is_empty());
        assert_eq!(read_in_pieces("/dev/null", none).unwrap(), Some(Vec::new()));
        let error = read_in_pieces("/dev/zero", none).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        File::options().write(true).open(&file).unwrap().set_len(MOST + 1).unwrap();
        let error = read_in_pieces(&file, |_| {}).unwrap_err();
        assert_eq!(error.to_string(), "it is larger than 4 MiB");
        let error = read_in_pieces(scratch.path(), none).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn a_pipe_is_read_when_somebody_writes_and_only_then() {
        let scratch = Scratch::new("pipe");
        let pipe = pipe(&scratch);
        let begun = Instant::now();
        assert_eq!(read(&pipe).unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() < WRITERLESS * 3);
        let write = |pauses: [u64; 3], texts: [&'static str; 2]| {
            let pipe = pipe.clone();
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(pauses[0]));
                let mut file = File::options().write(true).open(pipe).unwrap();
                for (text, pause) in texts.into_iter().zip(&pauses[1..]) {
                    std::thread::sleep(Duration::from_millis(*pause));
                    file.write_all(text.as_bytes()).unwrap();
                }
            })
        };
        // He comes late, and writes slower than he may come late.
        let writer = write([300, 2300, 10], ["a=", "1"]);
        assert_eq!(read_text(&pipe).unwrap(), "a=1");
        writer.join().unwrap();
        let writer = write([300, 0, 0], ["", ""]);
        assert_eq!(read_text(&pipe).unwrap(), "");
        writer.join().unwrap();
    }
}
