//! Files of procfs and of control groups, read one after another into one buffer: they have no
//! size that could be asked for, and each read(2) of a part makes the kernel write the whole.

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

/// More than any of them has; a longer one is cut.
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
    /// The bytes of a file, until the next call; `None`: it cannot be read.
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

    /// The same as text.
    pub fn text(&mut self, path: &str) -> Option<&str> {
        std::str::from_utf8(self.read(path)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
