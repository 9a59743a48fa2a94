//! A line typed at a terminal without being shown (termios(3)).

use rustix::termios::{self, LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// Longer lines are refused: no password is this long.
const LINE_MAX: usize = 4096;

/// Reads one line from a terminal with echo off.
///
/// Signal keys are off too while it waits, and Ctrl-C is an `Interrupted` error: a program that
/// dies in the middle would leave the user's shell without echo. Backspace and Ctrl-U edit;
/// Ctrl-D on an empty line is `UnexpectedEof`.
pub fn read_line(terminal: impl AsFd) -> io::Result<String> {
    let terminal = terminal.as_fd();
    let _quiet = Quiet::new(terminal)?;
    let mut line = Line::default();
    let mut byte = [0u8; 1];
    loop {
        let step = match rustix::io::read(terminal, &mut byte) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => line.push(byte[0]),
            Err(rustix::io::Errno::INTR) => continue,
            Err(e) => return Err(e.into()),
        };
        match step {
            Step::More => {}
            Step::Done => break,
            Step::Refused(kind) => return Err(kind.into()),
        }
    }
    String::from_utf8(line.bytes).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// The terminal's settings, put back when this goes out of scope.
struct Quiet<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn new(terminal: BorrowedFd<'a>) -> io::Result<Self> {
        let before = termios::tcgetattr(terminal)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        // What was typed ahead was echoed: it is dropped.
        termios::tcsetattr(terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    More,
    Done,
    Refused(io::ErrorKind),
}

/// The line as typed so far.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
}

impl Line {
    fn push(&mut self, byte: u8) -> Step {
        match byte {
            b'\r' | b'\n' => return Step::Done,
            0x03 => return Step::Refused(io::ErrorKind::Interrupted),
            0x04 if self.bytes.is_empty() => {
                return Step::Refused(io::ErrorKind::UnexpectedEof);
            }
            0x04 => return Step::Done,
            0x08 | 0x7f => self.erase(),
            0x15 => self.bytes.clear(),
            _ if self.bytes.len() == LINE_MAX => {
                return Step::Refused(io::ErrorKind::FileTooLarge);
            }
            _ => self.bytes.push(byte),
        }
        Step::More
    }

    /// Takes back one character, however many bytes it has.
    fn erase(&mut self) {
        while self.bytes.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8]) -> (String, Step) {
        let mut line = Line::default();
        for key in keys {
            let step = line.push(*key);
            if step != Step::More {
                return (String::from_utf8(line.bytes).unwrap(), step);
            }
        }
        (String::from_utf8(line.bytes).unwrap(), Step::More)
    }

    #[test]
    fn keys_edit_the_line() {
        use io::ErrorKind::{FileTooLarge, Interrupted, UnexpectedEof};
        for (keys, text, step) in [
            (&b"secret\r"[..], "secret", Step::Done),
            (b"secret\n", "secret", Step::Done),
            (b"secrex\x7ft\n", "secret", Step::Done),
            ("sä\x7f\x08\x7f\x7fok\n".as_bytes(), "ok", Step::Done),
            (b"wrong\x15right\n", "right", Step::Done),
            (b"half\x04", "half", Step::Done),
            (b"\x04", "", Step::Refused(UnexpectedEof)),
            (b"half\x03", "half", Step::Refused(Interrupted)),
        ] {
            assert_eq!(typed(keys), (text.to_owned(), step), "{keys:?}");
        }
        assert_eq!(typed(&[b'a'; LINE_MAX + 1]).1, Step::Refused(FileTooLarge));
    }

    #[test]
    fn a_real_terminal_shows_nothing_and_is_put_back() {
        use rustix::pty;
        use std::io::{Read, Write};
        let master = pty::openpt(pty::OpenptFlags::RDWR | pty::OpenptFlags::NOCTTY).unwrap();
        pty::grantpt(&master).unwrap();
        pty::unlockpt(&master).unwrap();
        let path = pty::ptsname(&master, Vec::new()).unwrap();
        let slave =
            std::fs::File::options().read(true).write(true).open(path.to_str().unwrap()).unwrap();
        let before = termios::tcgetattr(&slave).unwrap();
        let mut master = std::fs::File::from(master);
        let reader = slave.try_clone().unwrap();
        let waiting = std::thread::spawn(move || read_line(&reader).unwrap());
        // Type only once echo is off, as a person would after the prompt.
        while termios::tcgetattr(&slave).unwrap().local_modes.contains(LocalModes::ECHO) {
            std::thread::yield_now();
        }
        master.write_all(b"hunter3\x7f2\r").unwrap();
        assert_eq!(waiting.join().unwrap(), "hunter2");
        let after = termios::tcgetattr(&slave).unwrap();
        assert_eq!(after.local_modes.bits(), before.local_modes.bits());
        (&slave).write_all(b"!").unwrap();
        let mut shown = [0u8; 16];
        let n = master.read(&mut shown).unwrap();
        assert_eq!(&shown[..n], b"!", "nothing typed was echoed");
    }
}
