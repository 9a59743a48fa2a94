//! Files of procfs and of control groups, read one after another into one buffer: they have no
//! size that could be asked for, and each read(2) of a part makes the kernel write the whole.

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use std::borrow::Cow;

/// Of a longer one the beginning is had. Command lines may be longer (execve(2)), and lists with
/// a line for each device, of which hundreds fit in.
const ROOM: usize = 64 << 10;

/// The buffer.
#[derive(Debug)]
pub struct Reader {
    buffer: Vec<u8>,
}

impl Default for Reader {
    fn default() -> Self {
        Reader { buffer: vec![0; ROOM] }
    }
}

impl Reader {
    /// The first 64 KiB of a file, until the next call; `None`: it cannot be read.
    pub fn read(&mut self, path: &str) -> Option<&[u8]> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let file = openat(CWD, path, flags, Mode::empty()).ok()?;
        let mut length = 0;
        while length < self.buffer.len() {
            match rustix::io::read(&file, &mut self.buffer[length..]) {
                Ok(0) => break,
                Ok(n) => length += n,
                Err(Errno::INTR) => {}
                Err(_) => return None,
            }
        }
        Some(&self.buffer[..length])
    }

    /// Its lines: what is no UTF-8 in names is replaced, and a line that may be cut is left out,
    /// since a number in it would be another.
    pub fn text(&mut self, path: &str) -> Option<Cow<'_, str>> {
        let bytes = self.read(path)?;
        let end = match bytes.len() {
            ROOM => bytes.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1),
            whole => whole,
        };
        Some(String::from_utf8_lossy(&bytes[..end]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::scratch::Scratch;

    #[test]
    fn whole_files_of_any_kind() {
        let mut reader = Reader::default();
        let stat = std::fs::read("/proc/self/status").unwrap();
        assert!(reader.read("/proc/self/status").unwrap().starts_with(&stat[..5]));
        for path in ["/proc/self/net/dev", "/proc/self/mountinfo"] {
            assert_eq!(reader.text(path).unwrap(), std::fs::read_to_string(path).unwrap());
        }
        assert_eq!(reader.read("/dev/zero").unwrap().len(), ROOM);
        assert_eq!(reader.text("/proc/self/nosuch"), None);
    }

    #[test]
    fn a_line_that_is_cut_is_no_line() {
        let scratch = Scratch::new("reader");
        let path = scratch.path().join("many");
        let path = path.to_str().unwrap();
        let line = "eth0: 1234567890\n";
        std::fs::write(path, line.repeat(ROOM / line.len() + 2)).unwrap();
        let mut reader = Reader::default();
        assert_eq!(reader.text(path).unwrap(), line.repeat(ROOM / line.len()));
        std::fs::write(path, b"\xffbad: 1\nlast: 2").unwrap();
        assert_eq!(reader.text(path).unwrap(), "\u{fffd}bad: 1\nlast: 2");
    }
}
