//! Pipes between an exec and our standard streams.
//!
//! Without `-t` a program gets our pipes and /dev/null themselves, which costs nothing. Anything
//! else stays ours: a file can be opened anew by whoever finds its descriptor in /proc, with
//! rights that ours has not, a directory leads to all of the host, and a terminal can be read
//! through any of the three, also by a process that the program leaves behind.

use super::attach::write_some;
use super::client::{ClientError, io_error};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use rustix::io::Errno;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Less than a pipe holds, more than a screen.
const CHUNK: usize = 16 * 1024;

/// Our ends of the pipes that stand for streams that a program does not get.
#[derive(Debug, Default)]
pub(super) struct Relay {
    input: Option<PipeWriter>,
    outputs: [Option<PipeReader>; 2],
}

impl Relay {
    /// Puts a pipe in the place of each of the three `streams` that a program does not get: its
    /// far ends.
    pub(super) fn new(
        streams: [BorrowedFd<'_>; 3],
    ) -> Result<(Self, [Option<OwnedFd>; 3]), ClientError> {
        let mut relay = Relay::default();
        let mut far = [const { None }; 3];
        for (n, stream) in streams.into_iter().enumerate() {
            if may_be_given(stream) {
                continue;
            }
            let (reader, writer) = io::pipe().map_err(io_error("make a pipe"))?;
            if n == 0 {
                // What is typed is small: a full pipe is left alone until it was read.
                relay.input = Some(writer);
                far[n] = Some(reader.into());
            } else {
                relay.outputs[n - 1] = Some(reader);
                far[n] = Some(writer.into());
            }
        }
        Ok((relay, far))
    }

    /// Waits until one of `others` has something, and copies meanwhile.
    pub(super) fn wait(&mut self, others: [BorrowedFd<'_>; 2]) -> Result<[bool; 2], ClientError> {
        loop {
            let ready = self.turn(others)?;
            if ready != [false; 2] {
                return Ok(ready);
            }
        }
    }

    /// After the end: what the program wrote, not what those write that it left behind.
    pub(super) fn drain(&mut self) -> Result<(), ClientError> {
        self.input = None;
        for n in 0..2 {
            let Some(pipe) = &self.outputs[n] else { continue };
            let mut left = rustix::io::ioctl_fionread(pipe).map_err(io_error("read a pipe"))?;
            while left > 0 && self.outputs[n].is_some() {
                left = left.saturating_sub(self.copy(n)? as u64);
            }
        }
        Ok(())
    }

    /// One poll(2) and what it found.
    fn turn(&mut self, others: [BorrowedFd<'_>; 2]) -> Result<[bool; 2], ClientError> {
        let stdin = io::stdin();
        let mut fds: Vec<PollFd<'_>> =
            others.into_iter().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        let mut at = [None; 4];
        let pipes = self.outputs.each_ref().map(|p| p.as_ref().map(|p| (p.as_fd(), PollFlags::IN)));
        // Typed bytes are taken only when the pipe takes them; its end is always of interest.
        let room = self.input.as_ref().is_some_and(writable);
        let input = self
            .input
            .as_ref()
            .map(|p| (p.as_fd(), if room { PollFlags::empty() } else { PollFlags::OUT }));
        let typed = room.then(|| (stdin.as_fd(), PollFlags::IN));
        for (n, wish) in pipes.into_iter().chain([input, typed]).enumerate() {
            if let Some((fd, flags)) = wish {
                at[n] = Some(fds.len());
                fds.push(PollFd::from_borrowed_fd(fd, flags));
            }
        }
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok([false; 2]),
            Err(e) => return Err(io_error("wait for the program")(e)),
        }
        let events = at.map(|n| n.map_or(PollFlags::empty(), |n| fds[n].revents()));
        let result = [!fds[0].revents().is_empty(), !fds[1].revents().is_empty()];
        drop(fds);
        for (n, _) in events[..2].iter().enumerate().filter(|(_, e)| !e.is_empty()) {
            self.copy(n)?;
        }
        if events[2].intersects(PollFlags::ERR) {
            self.input = None;
        } else if !events[3].is_empty() {
            self.feed();
        }
        Ok(result)
    }

    /// One piece of stream `n` to our terminal; how much. Its end closes the pipe.
    fn copy(&mut self, n: usize) -> Result<usize, ClientError> {
        let Some(pipe) = &self.outputs[n] else { return Ok(0) };
        let mut buffer = [0; CHUNK];
        let got = match rustix::io::read(pipe, &mut buffer) {
            Err(Errno::INTR | Errno::AGAIN) => return Ok(0),
            other => other.map_err(io_error("read the program's output"))?,
        };
        let mut rest = &buffer[..got];
        while !rest.is_empty() {
            let wrote = if n == 0 {
                write_some(io::stdout().as_fd(), rest)
            } else {
                write_some(io::stderr().as_fd(), rest)
            };
            match wrote {
                Ok(n) => rest = &rest[n..],
                // The terminal hung up: the program is told by its pipe.
                Err(_) => break,
            }
        }
        if got == 0 || !rest.is_empty() {
            self.outputs[n] = None;
        }
        Ok(got)
    }

    /// What was typed; a pipe that is writable takes PIPE_BUF bytes at once (pipe(7)).
    fn feed(&mut self) {
        let Some(pipe) = &self.input else { return };
        let mut buffer = [0; 4096];
        match rustix::io::read(io::stdin(), &mut buffer) {
            Err(Errno::INTR | Errno::AGAIN) => {}
            Ok(0) | Err(_) => self.input = None,
            Ok(n) => {
                if rustix::io::write(pipe, &buffer[..n]).is_err() {
                    self.input = None;
                }
            }
        }
    }
}

/// Pipes lead nowhere but to their other end; /dev/null is in every container.
fn may_be_given(stream: BorrowedFd<'_>) -> bool {
    let null = rustix::fs::makedev(1, 3);
    rustix::fs::fstat(stream).is_ok_and(|stat| match FileType::from_raw_mode(stat.st_mode) {
        FileType::Fifo => true,
        FileType::CharacterDevice => stat.st_rdev == null,
        _ => false,
    })
}

fn writable(pipe: &PipeWriter) -> bool {
    let mut fds = [PollFd::new(pipe, PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().contains(PollFlags::OUT)
}
