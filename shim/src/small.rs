//! Small files of the kernel's own: read in one piece, without asking for their size first.

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;

/// Most of them fit a page; an id map of very many ranges does not.
const PAGE: usize = 4096;

/// The text of `path`.
pub(crate) fn read(path: &str) -> Result<String, Errno> {
    let file = rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    let mut text = Vec::new();
    loop {
        text.reserve(PAGE);
        match rustix::io::read(&file, rustix::buffer::spare_capacity(&mut text)) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => return Err(e),
        }
    }
    String::from_utf8(text).map_err(|_| Errno::ILSEQ)
}

/// Writes `text` to a file of the kernel's, which takes it in one call.
pub(crate) fn write(path: &str, text: &str) -> Result<(), Errno> {
    let file = rustix::fs::openat(CWD, path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    match rustix::io::write(&file, text.as_bytes())? {
        n if n == text.len() => Ok(()),
        _ => Err(Errno::IO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_kernel_is_read_whole() {
        // Longer than a page.
        let table = read("/proc/self/smaps").unwrap();
        assert!(table.len() > PAGE && table.ends_with('\n'));
        let text = read("/proc/self/stat").unwrap();
        assert!(text.ends_with('\n') && text.contains(')'));
        assert_eq!(read("/nowhere"), Err(Errno::NOENT));
        assert!(write("/proc/self/stat", "x").is_err());
    }
}
