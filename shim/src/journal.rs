//! The systemd journal as a log: a datagram for each line, in its native protocol
//! (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL>). Runs in M.
//!
//! The payload waits for it 200 ms a turn at most: where the journal takes no more, or is gone, lines are
//! lost and counted, and an entry says so when it takes some again.

use crate::at::{At, Res};
use bolt_shim::launch::JOURNAL;
use bolt_shim::report::Step;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, sendmsg, socket,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::IoSlice;
use std::os::fd::{AsRawFd, OwnedFd};

/// Milliseconds that a journal which is behind is waited for; while it is, once.
const PATIENCE: i64 = 200;

/// The line to the journal.
#[derive(Debug)]
pub(crate) struct Journal {
    /// Connected; `None`: nobody was there.
    socket: Option<OwnedFd>,
    path: &'static str,
    /// What every entry has besides its line.
    fields: String,
    /// Lines that were lost since the last entry.
    lost: u64,
    /// Milliseconds that this turn may still wait.
    patience: i64,
}

impl Journal {
    /// It must be there.
    pub(crate) fn open(fields: &str) -> Res<Self> {
        let socket = dial(JOURNAL).at(Step::Log, JOURNAL)?;
        let fields = fields.to_owned();
        Ok(Journal { socket: Some(socket), path: JOURNAL, fields, lost: 0, patience: PATIENCE })
    }

    /// Another read of what the payload writes: its lines wait for the journal together.
    pub(crate) fn begin_turn(&mut self) {
        self.patience = PATIENCE;
    }

    /// A line of stream 0 (stdout) or 1 (stderr), or a part of one that is not its end.
    pub(crate) fn send(&mut self, stream: usize, text: &[u8], full: bool) {
        if self.lost > 0 {
            let marker = format!("bolt: {} log lines were lost", self.lost);
            if !self.offer(1, marker.as_bytes(), true) {
                self.lost += 1;
                return;
            }
            self.lost = 0;
        }
        if !self.offer(stream, text, full) {
            self.lost += 1;
        }
    }

    fn offer(&mut self, stream: usize, text: &[u8], full: bool) -> bool {
        // Those of podman's supervisor: info and err of syslog(3).
        let priority: &[u8] = if stream == 0 { b"\nPRIORITY=6\n" } else { b"\nPRIORITY=3\n" };
        let part: &[u8] = if full { b"" } else { b"CONTAINER_PARTIAL_MESSAGE=true\n" };
        let entry = [b"MESSAGE=", text, priority, part, self.fields.as_bytes()];
        let entry = entry.map(IoSlice::new);
        match send(self.socket.as_ref(), &entry) {
            Ok(()) => true,
            // It was waited for already.
            Err(Errno::EAGAIN) if self.lost > 0 => false,
            Err(Errno::EAGAIN) => send_within(self.socket.as_ref(), &entry, &mut self.patience),
            Err(_) => {
                // Another one may listen by now.
                self.socket = dial(self.path).ok();
                send(self.socket.as_ref(), &entry).is_ok()
            }
        }
    }
}

fn dial(path: &str) -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(path)?)?;
    Ok(socket)
}

fn send(socket: Option<&OwnedFd>, entry: &[IoSlice<'_>]) -> Result<(), Errno> {
    let socket = socket.ok_or(Errno::ENOTCONN)?.as_raw_fd();
    loop {
        match sendmsg::<()>(socket, entry, &[], MsgFlags::MSG_NOSIGNAL, None) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits for room at most `patience` milliseconds, of which it leaves what it did not need.
fn send_within(socket: Option<&OwnedFd>, entry: &[IoSlice<'_>], patience: &mut i64) -> bool {
    let Some(socket) = socket else { return false };
    let end = crate::state::ticks() + *patience;
    let sent = loop {
        let left = end - crate::state::ticks();
        let limit = Timespec { tv_sec: 0, tv_nsec: left.max(0) * 1_000_000 };
        let mut fds = [PollFd::new(socket, PollFlags::OUT)];
        if left <= 0 || poll(&mut fds, Some(&limit)) == Ok(0) {
            break false;
        }
        match send(Some(socket), entry) {
            Err(Errno::EAGAIN) => {}
            sent => break sent.is_ok(),
        }
    };
    *patience = (end - crate::state::ticks()).max(0);
    sent
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    /// A journal at a path of the test's own, and a line to it.
    fn journal(name: &str) -> (UnixDatagram, Journal) {
        let path = std::env::temp_dir().join(format!("bolt-{name}-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let server = UnixDatagram::bind(&path).unwrap();
        let path: &'static str = path.to_str().unwrap().to_owned().leak();
        let fields = "CONTAINER_ID=ab\nCONTAINER_NAME=n\n".to_owned();
        (server, Journal { socket: dial(path).ok(), path, fields, lost: 0, patience: PATIENCE })
    }

    fn next(server: &UnixDatagram) -> String {
        let mut buffer = vec![0; 64 * 1024];
        server.set_nonblocking(true).unwrap();
        let length = server.recv(&mut buffer).unwrap_or(0);
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn entries_have_their_fields() {
        let (server, mut journal) = journal("fields");
        journal.send(0, b"hello\xff", true);
        journal.send(1, b"", true);
        journal.send(1, b"begun", false);
        let rest = "CONTAINER_ID=ab\nCONTAINER_NAME=n\n";
        assert_eq!(next(&server), format!("MESSAGE=hello\u{fffd}\nPRIORITY=6\n{rest}"));
        assert_eq!(next(&server), format!("MESSAGE=\nPRIORITY=3\n{rest}"));
        let part = "CONTAINER_PARTIAL_MESSAGE=true";
        assert_eq!(next(&server), format!("MESSAGE=begun\nPRIORITY=3\n{part}\n{rest}"));
        std::fs::remove_file(journal.path).unwrap();
    }

    /// Each line alone would wait less than all together may.
    #[test]
    fn a_slow_journal_is_waited_for_once_a_turn() {
        let (server, mut journal) = journal("slow");
        let path = journal.path;
        let reader = std::thread::spawn(move || {
            while server.recv(&mut [0; 64]).is_ok_and(|length| length > 0) {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
        });
        let began = crate::state::ticks();
        journal.begin_turn();
        for _ in 0..2000 {
            journal.send(0, b"line", true);
        }
        let waited = crate::state::ticks() - began;
        assert!((PATIENCE / 2..3 * PATIENCE).contains(&waited), "{waited} ms");
        journal.begin_turn();
        assert_eq!(journal.patience, PATIENCE);
        // An empty datagram ends the reader.
        let end = UnixDatagram::unbound().unwrap();
        end.send_to(b"", path).unwrap();
        reader.join().unwrap();
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_journal_that_is_gone_or_asleep_loses_lines_and_says_so_afterwards() {
        let (server, mut journal) = journal("asleep");
        let began = crate::state::ticks();
        // It reads nothing: its queue is full soon, which is waited for once.
        for n in 0..2000 {
            journal.send(0, format!("line {n}").as_bytes(), true);
        }
        let waited = crate::state::ticks() - began;
        assert!((PATIENCE..10 * PATIENCE).contains(&waited), "{waited} ms");
        assert!(journal.lost > 0);
        let mut taken = 0;
        while !next(&server).is_empty() {
            taken += 1;
        }
        let lost = 2000 - taken;
        journal.send(0, b"on", true);
        assert!(next(&server).starts_with(&format!("MESSAGE=bolt: {lost} log lines were lost\n")));
        assert!(next(&server).starts_with("MESSAGE=on\n"));
        // Gone, and there again.
        drop(server);
        std::fs::remove_file(journal.path).unwrap();
        journal.send(0, b"nobody", true);
        let server = UnixDatagram::bind(journal.path).unwrap();
        journal.send(0, b"back", true);
        assert!(next(&server).starts_with("MESSAGE=bolt: 1 log lines were lost\n"));
        assert!(next(&server).starts_with("MESSAGE=back\n"));
        std::fs::remove_file(journal.path).unwrap();
    }
}
