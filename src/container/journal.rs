//! Reads what a container wrote to the systemd journal. journalctl(1) finds it; its export format
//! (<https://systemd.io/JOURNAL_EXPORT_FORMATS>) carries any bytes.

use super::dir::ContainerDir;
use super::error::{Error, io};
use super::logs::{Part, Query};
use super::time;
use crate::sys::parent;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// The program that reads a journal.
const JOURNALCTL: &str = "journalctl";
/// What a container sent before its end is in the journal that much later.
const SOON: Duration = Duration::from_millis(100);

/// A place in the lines of one container.
#[derive(Debug)]
pub struct JournalReader {
    dir: ContainerDir,
    uid: u32,
    query: Query,
    /// What was there at first has been read, up to this entry.
    cursor: Option<String>,
    is_begun: bool,
    follower: Option<Follower>,
    inside: [bool; 2],
    past_end: bool,
}

/// journalctl, going on; it ends with this.
#[derive(Debug)]
struct Follower {
    child: Child,
    output: ChildStdout,
    rest: Vec<u8>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last lines, until it is known which those are.
#[derive(Default)]
struct Tail {
    parts: VecDeque<Kept>,
    lines: u64,
}

/// A part that waits until it is known how many lines follow.
struct Kept {
    time: String,
    stderr: bool,
    first: bool,
    last: bool,
    text: Vec<u8>,
}

impl JournalReader {
    /// `uid`: who started the container. Others may write entries that look like its own.
    pub fn open(dir: ContainerDir, uid: u32, query: Query) -> Self {
        JournalReader {
            dir,
            uid,
            query,
            cursor: None,
            is_begun: false,
            follower: None,
            inside: [false; 2],
            past_end: false,
        }
    }

    /// The container.
    pub fn dir(&self) -> &ContainerDir {
        &self.dir
    }

    /// What can be read when there is more.
    pub fn awaits(&self) -> Option<BorrowedFd<'_>> {
        self.follower.as_ref().map(|follower| follower.output.as_fd())
    }

    /// Gives all that is there now to `sink`; `more`: it will be called again. True when
    /// `--until` has passed: nothing follows.
    pub fn read(
        &mut self,
        more: bool,
        sink: &mut dyn FnMut(Part<'_>) -> io::Result<()>,
    ) -> Result<bool, Error> {
        if !self.is_begun {
            self.is_begun = true;
            self.read_history(self.query.tail, sink)?;
            if more && !self.past_end {
                self.follower = Some(self.follow()?);
            }
            return Ok(self.past_end);
        }
        let Some(mut follower) = self.follower.take() else { return Ok(self.past_end) };
        if !more {
            // journald tells a follower a quarter of a second later.
            drop(follower);
            std::thread::sleep(SOON);
            self.read_history(None, sink)?;
            return Ok(self.past_end);
        }
        let mut chunk = vec![0; 64 * 1024];
        loop {
            match follower.output.read(&mut chunk) {
                Ok(0) => return Err(Error::Journal("it has ended".to_owned())),
                Ok(n) => {
                    let mut rest = std::mem::take(&mut follower.rest);
                    rest.extend_from_slice(&chunk[..n]);
                    self.take(&mut rest, &mut |part| write(sink, part))?;
                    follower.rest = rest;
                    if self.past_end {
                        return Ok(true);
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => break,
                Err(e) => return Err(io("read", JOURNALCTL)(e)),
            }
        }
        self.follower = Some(follower);
        Ok(self.past_end)
    }

    /// All further entries there are, or the last lines of them.
    fn read_history(
        &mut self,
        tail: Option<u64>,
        sink: &mut dyn FnMut(Part<'_>) -> io::Result<()>,
    ) -> Result<(), Error> {
        let mut child = start(self.command().stderr(Stdio::piped()))?;
        let Some(mut output) = child.stdout.take() else { return Ok(()) };
        let mut kept = Tail::default();
        let mut keep = |part: Part<'_>| match tail {
            None => write(sink, part),
            Some(count) => {
                kept.push(part, count);
                Ok(())
            }
        };
        let (mut chunk, mut rest) = (vec![0; 64 * 1024], Vec::new());
        let result = loop {
            match output.read(&mut chunk) {
                Ok(0) => break Ok(()),
                Ok(n) => {
                    rest.extend_from_slice(&chunk[..n]);
                    if let Err(error) = self.take(&mut rest, &mut keep) {
                        break Err(error);
                    }
                    if self.past_end {
                        // All that follows is later still.
                        let _ = child.kill();
                        break Ok(());
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => break Err(io("read", JOURNALCTL)(e)),
            }
        };
        drop(output);
        let said = child.wait_with_output().map_err(io("wait for", JOURNALCTL))?;
        result?;
        if !said.status.success() && !self.past_end {
            let why = String::from_utf8_lossy(&said.stderr);
            let why = why.lines().find(|line| !line.trim().is_empty()).unwrap_or("no reason told");
            return Err(Error::Journal(why.trim().to_owned()));
        }
        kept.parts.iter().try_for_each(|part: &Kept| write(sink, part.shown()))
    }

    fn follow(&self) -> Result<Follower, Error> {
        let mut command = self.command();
        command.args(["--follow", "--no-tail"]).stderr(Stdio::null());
        parent::ends_with_us(&mut command);
        let mut child = start(&mut command)?;
        let output = child.stdout.take();
        let output = output.ok_or_else(|| Error::Journal("it has no output".to_owned()))?;
        let follower = Follower { child, output, rest: Vec::new() };
        rustix::io::ioctl_fionbio(&follower.output, true)
            .map_err(|e| io("read", JOURNALCTL)(e.into()))?;
        Ok(follower)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(JOURNALCTL);
        command.args(["--quiet", "--no-pager", "--all", "--output=export"]);
        command.arg("--output-fields=MESSAGE,PRIORITY,CONTAINER_PARTIAL_MESSAGE");
        if let Some(cursor) = &self.cursor {
            command.arg(format!("--after-cursor={cursor}"));
        } else if let Some(since) = self.query.since {
            command.arg(format!("--since=@{}", since.div_euclid(1_000_000_000)));
        }
        command.arg(format!("CONTAINER_ID_FULL={}", self.dir.id()));
        command.arg(format!("_UID={}", self.uid));
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command
    }

    /// Takes the whole entries from the beginning of `bytes`.
    fn take(
        &mut self,
        bytes: &mut Vec<u8>,
        sink: &mut dyn FnMut(Part<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut done = 0;
        while !self.past_end
            && let Some((entry, length)) = next_entry(&bytes[done..])
        {
            done += length;
            self.judge(&entry, sink)?;
            self.cursor = Some(entry.cursor);
        }
        bytes.drain(..done);
        Ok(())
    }

    fn judge(
        &mut self,
        entry: &Entry,
        sink: &mut dyn FnMut(Part<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(stderr) = entry.stderr else { return Ok(()) };
        let inside = &mut self.inside[usize::from(stderr)];
        let first = !*inside;
        *inside = entry.is_partial;
        if self.query.until.is_some_and(|until| entry.time > until) {
            self.past_end = true;
            return Ok(());
        }
        if self.query.since.is_some_and(|since| entry.time < since) {
            return Ok(());
        }
        let time = time::rfc3339_nano(entry.time);
        let last = !entry.is_partial;
        sink(Part { time: &time, stderr, first, last, text: &entry.text })
    }
}

impl Kept {
    fn shown(&self) -> Part<'_> {
        let Kept { time, stderr, first, last, text } = self;
        Part { time, stderr: *stderr, first: *first, last: *last, text }
    }
}

impl Tail {
    /// Forgets lines from the front that are more than `count`.
    fn push(&mut self, part: Part<'_>, count: u64) {
        let Part { time, stderr, first, last, text } = part;
        let (time, text) = (time.to_owned(), text.to_owned());
        self.parts.push_back(Kept { time, stderr, first, last, text });
        self.lines += u64::from(first);
        while self.lines > count || self.parts.front().is_some_and(|part| !part.first) {
            let gone = self.parts.pop_front().is_some_and(|part| part.first);
            self.lines -= u64::from(gone);
        }
    }
}

fn write(sink: &mut dyn FnMut(Part<'_>) -> io::Result<()>, part: Part<'_>) -> Result<(), Error> {
    sink(part).map_err(io("write", "the log to standard output"))
}

fn start(command: &mut Command) -> Result<Child, Error> {
    command.spawn().map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => Error::NoJournalctl,
        _ => io("start", JOURNALCTL)(e),
    })
}

/// An entry of the journal, as far as it is a line of a container.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entry {
    cursor: String,
    /// Nanoseconds since 1970.
    time: i64,
    /// `None`: neither of the two streams.
    stderr: Option<bool>,
    is_partial: bool,
    text: Vec<u8>,
}

impl Entry {
    fn set(&mut self, field: &[u8], value: &[u8]) {
        let text = || String::from_utf8_lossy(value);
        match field {
            b"__CURSOR" => self.cursor = text().into_owned(),
            b"__REALTIME_TIMESTAMP" => {
                self.time = text().parse::<i64>().unwrap_or(0).saturating_mul(1000);
            }
            b"PRIORITY" => {
                self.stderr = match value {
                    b"6" => Some(false),
                    b"3" => Some(true),
                    _ => None,
                }
            }
            b"CONTAINER_PARTIAL_MESSAGE" => self.is_partial = true,
            b"MESSAGE" => self.text = value.to_owned(),
            _ => {}
        }
    }
}

/// The entry that `bytes` begin with, and its length; `None`: it has not come whole.
fn next_entry(bytes: &[u8]) -> Option<(Entry, usize)> {
    let mut entry = Entry::default();
    let mut at = 0;
    loop {
        let end = at + bytes.get(at..)?.iter().position(|b| *b == b'\n')?;
        let line = &bytes[at..end];
        at = end + 1;
        if line.is_empty() {
            return Some((entry, at));
        }
        if let Some(sign) = line.iter().position(|b| *b == b'=') {
            entry.set(&line[..sign], &line[sign + 1..]);
            continue;
        }
        let size = u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?);
        let from = at + 8;
        let to = from.checked_add(usize::try_from(size).ok()?)?;
        entry.set(line, bytes.get(from..to)?);
        // Behind the newline that ends it.
        at = to + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRIES: &[u8] = b"__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1795748695869121\n_BOOT_ID=x\n\
        PRIORITY=6\nMESSAGE\n\x07\0\0\0\0\0\0\0hi \xff\n x\n\n\
        __CURSOR=c\nPRIORITY=3\nMESSAGE=\nCONTAINER_PARTIAL_MESSAGE=true\n\n";

    #[test]
    fn entries_are_taken_when_they_are_whole() {
        let (first, length) = next_entry(ENTRIES).unwrap();
        assert_eq!((first.cursor.as_str(), first.stderr), ("s=1;i=2", Some(false)));
        assert_eq!((first.time, &first.text[..]), (1_795_748_695_869_121_000, &b"hi \xff\n x"[..]));
        let (second, rest) = next_entry(&ENTRIES[length..]).unwrap();
        assert!(second.is_partial && second.text.is_empty() && second.stderr == Some(true));
        assert_eq!(length + rest, ENTRIES.len());
        for end in 0..length {
            assert_eq!(next_entry(&ENTRIES[..end]), None, "{end}");
        }
    }

    #[test]
    fn the_last_lines_are_kept_whole() {
        let tail = |count| {
            let mut kept = Tail::default();
            for (text, first, last) in
                [("a", true, true), ("b", true, false), ("B", false, true), ("c", true, true)]
            {
                let text = text.as_bytes();
                kept.push(Part { time: "", stderr: false, first, last, text }, count);
            }
            kept.parts.into_iter().flat_map(|part| part.text).map(char::from).collect::<String>()
        };
        assert_eq!([tail(0), tail(1), tail(2), tail(9)], ["", "c", "bBc", "abBc"]);
    }
}
