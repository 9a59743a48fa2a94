//! Reads the log of a container: lines `TIME STREAM TAG TEXT` (the format of the kubelet).
//!
//! `TAG` is `F` for the end of a line and `P` for a part of one. The supervisor may cut the file
//! to nothing, or move it to `log.1` and begin a new one; both are followed.

use super::dir::{ContainerDir, LOG};
use super::error::{Error, errno, io};
use super::time;
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

/// What is searched for the last lines at a time.
const WINDOW: u64 = 64 * 1024;
/// Bytes in which a line says what it is.
const HEAD: u64 = 128;
/// Supervisors write lines of 16 KiB at most: of a longer one only the beginning is kept.
const LONGEST: usize = 64 * 1024;

/// Which lines are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Query {
    /// Only this many of the last lines.
    pub tail: Option<u64>,
    /// Nothing before, in nanoseconds since 1970.
    pub since: Option<i64>,
    /// Nothing after.
    pub until: Option<i64>,
}

/// A line or a part of one, as the payload wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// RFC 3339 with nanoseconds.
    pub time: &'a str,
    /// Standard error, not output.
    pub stderr: bool,
    /// First part of its line.
    pub first: bool,
    /// Last part: a newline follows.
    pub last: bool,
    /// The bytes, without newline.
    pub text: &'a [u8],
}

/// A place in the log of one container.
#[derive(Debug)]
pub struct LogReader {
    dir: ContainerDir,
    /// The file, as the container's directory sees it.
    name: String,
    query: Query,
    /// Files still to read, the oldest last.
    queue: Vec<(File, u64)>,
    file: Option<File>,
    offset: u64,
    rest: Vec<u8>,
    inside: [bool; 2],
    past_end: bool,
}

impl LogReader {
    /// Finds the place to begin at. `path`: the file, where it is not the container's own.
    pub fn open(dir: ContainerDir, path: Option<&Path>, query: Query) -> Result<Self, Error> {
        let name = path.map_or_else(|| LOG.to_owned(), |path| path.display().to_string());
        let fail = |name: &str| io("read", dir.shown(name));
        let mut queue = Vec::new();
        let mut wanted = query.tail;
        // Newest first, as the last lines are looked for.
        for name in [name.as_str(), &format!("{name}.1")] {
            let Some(file) = open_file(&dir, name)? else { continue };
            let start = match wanted {
                None => 0,
                Some(0) => file.metadata().map_err(fail(name))?.len(),
                Some(count) => {
                    let (found, start) = last_lines(&file, count).map_err(fail(name))?;
                    wanted = Some(count - found);
                    start
                }
            };
            queue.push((file, start));
        }
        Ok(LogReader {
            dir,
            name,
            query,
            queue,
            file: None,
            offset: 0,
            rest: Vec::new(),
            inside: [false; 2],
            past_end: false,
        })
    }

    /// The container.
    pub fn dir(&self) -> &ContainerDir {
        &self.dir
    }

    /// Gives all that is there now to `sink`. True when `--until` has passed: nothing follows.
    pub fn read(
        &mut self,
        sink: &mut dyn FnMut(Part<'_>) -> io::Result<()>,
    ) -> Result<bool, Error> {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            let Some(file) = &mut self.file else {
                if !self.open_next()? {
                    return Ok(self.past_end);
                }
                continue;
            };
            let n = loop {
                match file.read(&mut chunk) {
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    other => break other.map_err(io("read", self.dir.shown(&self.name)))?,
                }
            };
            if n == 0 {
                if !self.at_end()? {
                    return Ok(self.past_end);
                }
                continue;
            }
            self.offset += n as u64;
            self.take(&chunk[..n], sink)?;
            if self.past_end {
                return Ok(true);
            }
        }
    }

    /// The next file of the queue, or the log when it was made after [`Self::open`].
    fn open_next(&mut self) -> Result<bool, Error> {
        let next = match self.queue.pop() {
            Some(next) => Some(next),
            None => open_file(&self.dir, &self.name)?.map(|file| (file, 0)),
        };
        let Some((mut file, start)) = next else { return Ok(false) };
        file.seek(SeekFrom::Start(start)).map_err(io("read", self.dir.shown(&self.name)))?;
        self.offset = start;
        self.rest.clear();
        self.file = Some(file);
        Ok(true)
    }

    /// At the end of a file: true when there is something to go on with.
    fn at_end(&mut self) -> Result<bool, Error> {
        if !self.queue.is_empty() {
            self.file = None;
            return Ok(true);
        }
        let Some(file) = &mut self.file else { return Ok(false) };
        let here = file.metadata().map_err(io("look at", self.dir.shown(&self.name)))?;
        if here.len() < self.offset {
            file.seek(SeekFrom::Start(0)).map_err(io("read", self.dir.shown(&self.name)))?;
            self.offset = 0;
            self.rest.clear();
            return Ok(true);
        }
        if here.len() > self.offset {
            return Ok(true);
        }
        match fs::statat(self.dir.fd(), self.name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(there) if there.st_ino != here.ino() => {
                // The rename came before the stat: nothing is added to the old file any more,
                // unless it was between our read and now.
                let len = file.metadata().map_err(io("look at", self.dir.shown(&self.name)))?.len();
                if len == self.offset {
                    self.file = None;
                }
                Ok(true)
            }
            Ok(_) | Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(errno("look at", self.dir.shown(&self.name))(e)),
        }
    }

    fn take(
        &mut self,
        bytes: &[u8],
        sink: &mut dyn FnMut(Part<'_>) -> io::Result<()>,
    ) -> Result<(), Error> {
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(bytes);
        let mut done = 0;
        while let Some(end) = rest[done..].iter().position(|b| *b == b'\n') {
            let line = &rest[done..done + end.min(LONGEST)];
            done += end + 1;
            if let Some(part) = self.judge(line) {
                sink(part).map_err(io("write", "the log to standard output"))?;
            }
            if self.past_end {
                break;
            }
        }
        rest.drain(..done);
        rest.truncate(LONGEST);
        self.rest = rest;
        Ok(())
    }

    /// The part in a line of the file, when it is wanted. Lines in no known form are left out.
    fn judge<'l>(&mut self, line: &'l [u8]) -> Option<Part<'l>> {
        let raw = split(line)?;
        let inside = &mut self.inside[usize::from(raw.stderr)];
        let part = Part { first: !*inside, ..raw };
        *inside = !part.last;
        if self.query.since.is_some() || self.query.until.is_some() {
            let at = time::parse_rfc3339(part.time)?;
            if self.query.until.is_some_and(|until| at > until) {
                self.past_end = true;
                return None;
            }
            if self.query.since.is_some_and(|since| at < since) {
                return None;
            }
        }
        Some(part)
    }
}

/// `None`: there is none.
fn open_file(dir: &ContainerDir, name: &str) -> Result<Option<File>, Error> {
    if !name.starts_with('/') {
        return dir.open_file(name);
    }
    match open_regular(name) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some).map_err(io("read", name.to_owned())),
    }
}

/// The container may have put anything in the place of a log that it shares: a link is not
/// followed, a pipe not waited for.
fn open_regular(path: &str) -> io::Result<File> {
    let strange = || io::Error::other("it is not a regular file; move it away");
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match fs::open(path, flags, Mode::empty()) {
        Err(Errno::LOOP) => return Err(strange()),
        other => File::from(other?),
    };
    if file.metadata()?.is_file() { Ok(file) } else { Err(strange()) }
}

fn split(line: &[u8]) -> Option<Part<'_>> {
    let mut fields = line.splitn(4, |b| *b == b' ');
    let time = std::str::from_utf8(fields.next()?).ok()?;
    let stderr = match fields.next()? {
        b"stdout" => false,
        b"stderr" => true,
        _ => return None,
    };
    let last = match fields.next()? {
        b"F" => true,
        b"P" => false,
        _ => return None,
    };
    Some(Part { time, stderr, first: true, last, text: fields.next()? })
}

/// Where the last `count` lines begin, and how many there are. Reads from the end, no more than
/// is needed, and keeps a window of it.
fn last_lines(file: &File, count: u64) -> io::Result<(u64, u64)> {
    let size = file.metadata()?.len();
    let mut search = Search { count, found: 0, newest: true, end: None };
    let mut bytes = Vec::new();
    let mut to = size;
    while to > 0 {
        let from = to.saturating_sub(WINDOW);
        // Behind the window, the head of a line that begins at its end.
        let length = (size - from).min(to - from + HEAD);
        bytes.resize(usize::try_from(length).map_err(io::Error::other)?, 0);
        file.read_exact_at(&mut bytes, from)?;
        for at in (0..(to - from) as usize).rev().filter(|at| bytes[*at] == b'\n') {
            if let Some(start) = search.line(&bytes[at + 1..], from + at as u64 + 1) {
                return Ok((search.found, start));
            }
        }
        to = from;
    }
    Ok((search.found, search.line(&bytes, 0).unwrap_or(0)))
}

/// Counts lines from the end of a file.
struct Search {
    count: u64,
    found: u64,
    newest: bool,
    /// Behind the newline that ends the line looked at; what has none is no line yet.
    end: Option<u64>,
}

impl Search {
    /// A line begins at `start` with `bytes`, which go on behind it. Where the lines that are wanted
    /// begin, once one more is met.
    fn line(&mut self, bytes: &[u8], start: u64) -> Option<u64> {
        let end = self.end.replace(start)?;
        let length = (end - 1 - start).min(HEAD) as usize;
        let newest = std::mem::take(&mut self.newest);
        // A line that is still being written counts too.
        if split(&bytes[..length.min(bytes.len())]).is_some_and(|part| part.last || newest) {
            if self.found == self.count {
                return Some(end);
            }
            self.found += 1;
        }
        None
    }
}

#[cfg(test)]
mod tests;
