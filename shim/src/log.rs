//! The log: what the payload writes, line by line. Runs in M.
//!
//! k8s-file is a file of `RFC3339Nano stdout|stderr F|P text`. The payload never waits for it: a
//! write that fails drops whole lines, counts them, and leaves one marker when the disk takes
//! bytes again. The journal has a file of its own (`journal.rs`).

use crate::at::{At, Res};
use crate::journal::Journal;
use crate::outside::{Outside, append_to};
use bolt_shim::launch::Log;
use bolt_shim::report::Step;
use rustix::fs::{AtFlags, OFlags};
use rustix::io::Errno;
use std::io::Write as _;
use std::os::fd::OwnedFd;

/// A line longer than this is written in parts (`P`).
const MAX_LINE: usize = 16 * 1024;
/// Milliseconds that the beginning of a line waits for its end. Most programs write a line in
/// pieces but at once: joined, it is one line in the log. A prompt has no end, and is to be seen.
const TOGETHER: i64 = 150;

/// Where lines go.
#[derive(Debug)]
enum Sink {
    /// k8s-file: its name, in the container's directory or one `elsewhere`, and the limit in bytes.
    File {
        name: String,
        elsewhere: Option<OwnedFd>,
        max_size: u64,
    },
    Journal(Journal),
    Nothing,
}

/// The log of one container.
#[derive(Debug)]
pub(crate) struct Writer {
    sink: Sink,
    file: Option<OwnedFd>,
    size: u64,
    dropped: u64,
    streams: [Vec<u8>; 2],
    /// When the beginning of a line that waits in `streams` is written.
    due: Option<i64>,
    out: Vec<u8>,
}

impl Writer {
    /// A file is opened lazily: a silent container has none. What is elsewhere must be there: the
    /// journal, the directory of the file.
    pub(crate) fn open(how: &Log) -> Res<Self> {
        let sink = match how {
            Log::K8sFile { max_size, path: None } => {
                Sink::File { name: "log".to_owned(), elsewhere: None, max_size: *max_size }
            }
            Log::K8sFile { max_size, path: Some(path) } => {
                let Outside { dir, name } = writable(path).at(Step::Log, path)?;
                Sink::File { name, elsewhere: Some(dir), max_size: *max_size }
            }
            Log::Journald { fields } => Sink::Journal(Journal::open(fields)?),
            Log::None | Log::Passthrough => Sink::Nothing,
        };
        Ok(Writer {
            sink,
            file: None,
            size: 0,
            dropped: 0,
            streams: [Vec::new(), Vec::new()],
            due: None,
            out: Vec::new(),
        })
    }

    /// Limit of a generation in bytes, 0: none. `None`: nothing is logged.
    fn max_size(&self) -> Option<u64> {
        match self.sink {
            Sink::File { max_size, .. } => Some(max_size),
            Sink::Journal(_) => Some(0),
            Sink::Nothing => None,
        }
    }

    /// Takes bytes of stream 0 (stdout) or 1 (stderr) of the container whose directory is `dir`.
    pub(crate) fn write(&mut self, dir: &OwnedFd, stream: usize, bytes: &[u8]) {
        let Some(max_size) = self.max_size() else { return };
        if let Sink::Journal(journal) = &mut self.sink {
            journal.begin_turn();
        }
        let stamp = timestamp(crate::state::now());
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let (line, later) = rest.split_at(end);
            let before = self.out.len();
            self.line(&stamp, stream, line, true);
            rest = &later[1..];
            // One read may hold many lines: a generation ends before the line that is too much.
            if max_size > 0 && before > 0 && self.size + self.out.len() as u64 > max_size {
                let tail = self.out.split_off(before);
                self.flush(dir, max_size);
                self.out = tail;
            }
        }
        if !rest.is_empty() {
            self.streams[stream].extend_from_slice(rest);
            while self.streams[stream].len() >= MAX_LINE {
                let part: Vec<u8> = self.streams[stream].drain(..MAX_LINE).collect();
                self.part(&stamp, stream, &part, false);
            }
        }
        self.flush(dir, max_size);
        // An entry of the journal is a whole line, as conmon's are.
        let waits = matches!(self.sink, Sink::File { .. })
            && self.streams.iter().any(|begun| !begun.is_empty());
        self.due = match waits {
            true => self.due.or_else(|| Some(crate::state::ticks() + TOGETHER)),
            false => None,
        };
    }

    /// When [`Writer::write_begun`] has something to do, in the clock of `state::ticks`.
    pub(crate) fn due(&self) -> Option<i64> {
        self.due
    }

    /// At its time, writes the beginnings of lines that have not ended: a reader sees them.
    pub(crate) fn write_begun(&mut self, dir: &OwnedFd, now: i64) {
        if self.due.is_some_and(|at| at <= now) {
            self.finish(dir);
        }
    }

    /// Writes what has no newline yet.
    pub(crate) fn finish(&mut self, dir: &OwnedFd) {
        let Some(max_size) = self.max_size() else { return };
        self.due = None;
        let stamp = timestamp(crate::state::now());
        for stream in 0..2 {
            let rest = std::mem::take(&mut self.streams[stream]);
            if !rest.is_empty() {
                self.part(&stamp, stream, &rest, false);
            }
        }
        self.flush(dir, max_size);
    }

    /// Lets room go that no bytes are in.
    pub(crate) fn shrink(&mut self) {
        self.out.shrink_to_fit();
        self.streams.iter_mut().for_each(Vec::shrink_to_fit);
    }

    /// In I: see `Supervisor::close_in_child`.
    pub(crate) fn close_in_child(&mut self) {
        (self.file, self.sink) = (None, Sink::Nothing);
    }

    fn line(&mut self, stamp: &str, stream: usize, line: &[u8], full: bool) {
        let mut kept = std::mem::take(&mut self.streams[stream]);
        if kept.is_empty() {
            self.split_long(stamp, stream, line, full);
        } else {
            kept.extend_from_slice(line);
            self.split_long(stamp, stream, &kept, full);
            kept.clear();
            self.streams[stream] = kept;
        }
    }

    fn split_long(&mut self, stamp: &str, stream: usize, line: &[u8], full: bool) {
        let mut rest = line;
        while rest.len() > MAX_LINE {
            let (part, later) = rest.split_at(MAX_LINE);
            self.part(stamp, stream, part, false);
            rest = later;
        }
        self.part(stamp, stream, rest, full);
    }

    /// `full`: the end of its line.
    fn part(&mut self, stamp: &str, stream: usize, text: &[u8], full: bool) {
        match &mut self.sink {
            Sink::File { .. } => format_line(&mut self.out, stamp, stream, text, full),
            Sink::Journal(journal) => journal.send(stream, text, full),
            Sink::Nothing => {}
        }
    }

    fn flush(&mut self, dir: &OwnedFd, max_size: u64) {
        if self.out.is_empty() {
            return;
        }
        if max_size > 0 && self.size + self.out.len() as u64 > max_size && self.size > 0 {
            self.rotate(dir);
        }
        if self.dropped > 0 {
            let marker = format!(
                "{} stderr F bolt: {} log writes were lost\n",
                timestamp(crate::state::now()),
                self.dropped
            );
            if self.append(dir, marker.as_bytes()) {
                self.dropped = 0;
            }
        }
        let out = std::mem::take(&mut self.out);
        if !self.append(dir, &out) {
            self.dropped += 1;
        }
        self.out = out;
        self.out.clear();
        // One big burst must not stay in memory for the container's life.
        self.out.shrink_to(4 * MAX_LINE);
    }

    /// All or nothing: what a full disk took only in part is taken back.
    fn append(&mut self, dir: &OwnedFd, bytes: &[u8]) -> bool {
        let Sink::File { name, elsewhere, .. } = &self.sink else { return false };
        if self.file.is_none() {
            match append_to(elsewhere.as_ref().unwrap_or(dir), name, OFlags::CREATE) {
                Ok(file) => {
                    self.size = rustix::fs::fstat(&file).map_or(0, |s| s.st_size as u64);
                    self.file = Some(file);
                }
                Err(_) => return false,
            }
        }
        let Some(file) = &self.file else { return false };
        let mut rest = bytes;
        while !rest.is_empty() {
            match rustix::io::write(file, rest) {
                Ok(0) | Err(_) => {
                    take_back(file, self.size, (bytes.len() - rest.len()) as u64);
                    return false;
                }
                Ok(n) => rest = &rest[n..],
            }
        }
        self.size += bytes.len() as u64;
        true
    }

    /// One old generation is kept: `log` → `log.1`. Where another file has the name by now, that is
    /// gone on with as it is: another container logs there too.
    fn rotate(&mut self, dir: &OwnedFd) {
        let Sink::File { name, elsewhere, .. } = &self.sink else { return };
        let dir = elsewhere.as_ref().unwrap_or(dir);
        let ours = self.file.as_ref().is_some_and(|file| is_at(file, dir, name));
        if !ours || rustix::fs::renameat(dir, name.as_str(), dir, format!("{name}.1")).is_ok() {
            self.file = None;
            self.size = 0;
        }
    }
}

/// The place of a log elsewhere. What lies there already must take lines.
fn writable(path: &str) -> Result<Outside, Errno> {
    let place = Outside::open(path)?;
    match append_to(&place.dir, &place.name, OFlags::empty()) {
        Ok(_) | Err(Errno::NOENT) => Ok(place),
        Err(error) => Err(error),
    }
}

/// Cuts off the `written` bytes of a write that broke off, in a file that was `before` bytes long;
/// not where somebody else has written, or cut, since.
fn take_back(file: &OwnedFd, before: u64, written: u64) {
    if rustix::fs::fstat(file).is_ok_and(|now| now.st_size as u64 == before + written) {
        let _ = rustix::fs::ftruncate(file, before);
    }
}

/// The file still has this name.
fn is_at(file: &OwnedFd, dir: &OwnedFd, name: &str) -> bool {
    let there = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW);
    let same = |there: rustix::fs::Stat| {
        let here = rustix::fs::fstat(file).ok()?;
        Some((here.st_dev, here.st_ino) == (there.st_dev, there.st_ino))
    };
    there.ok().and_then(same).unwrap_or(false)
}

fn format_line(out: &mut Vec<u8>, stamp: &str, stream: usize, text: &[u8], full: bool) {
    let name = if stream == 0 { "stdout" } else { "stderr" };
    let _ = write!(out, "{stamp} {name} {} ", if full { 'F' } else { 'P' });
    out.extend_from_slice(text);
    out.push(b'\n');
}

/// `2026-11-24T02:03:04.000000005Z`; `ns` since 1970, UTC.
pub(crate) fn timestamp(ns: i64) -> String {
    let seconds = ns.div_euclid(1_000_000_000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Days since 0000-03-01 in 400-year eras (proleptic Gregorian calendar).
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:09}Z",
        second / 3600,
        second / 60 % 60,
        second % 60,
        ns.rem_euclid(1_000_000_000)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(max_size: u64) -> Writer {
        Writer::open(&Log::K8sFile { max_size, path: None }).unwrap()
    }

    #[test]
    fn timestamps_match_known_days() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000000000Z");
        assert_eq!(timestamp(951_782_400_000_000_001), "2000-02-29T00:00:00.000000001Z");
        assert_eq!(timestamp(1_795_485_784_123_456_789), "2026-11-24T02:03:04.123456789Z");
    }

    #[test]
    fn partial_lines_are_joined_and_long_ones_split() {
        let path = std::env::temp_dir().join(format!("bolt-log-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let dir: OwnedFd = std::fs::File::open(&path).unwrap().into();
        let mut log = file(0);
        log.write(&dir, 0, b"he");
        log.write(&dir, 0, b"llo\nrest");
        log.write(&dir, 1, b"err\n");
        log.write(&dir, 1, &[b'x'; MAX_LINE + 5]);
        log.finish(&dir);
        let text = std::fs::read_to_string(path.join("log")).unwrap();
        let tails: Vec<&str> = text.lines().map(|l| l.split_once(' ').unwrap().1).collect();
        assert_eq!(tails[0], "stdout F hello");
        assert_eq!(tails[1], "stderr F err");
        assert!(tails[2].starts_with("stderr P xxx") && tails[2].len() == 9 + MAX_LINE);
        assert_eq!(tails[3], "stdout P rest");
        assert_eq!(tails[4], "stderr P xxxxx");
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn the_beginning_of_a_line_is_written_after_a_while() {
        let path = std::env::temp_dir().join(format!("bolt-begun-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let dir: OwnedFd = std::fs::File::open(&path).unwrap().into();
        let mut log = file(0);
        log.write(&dir, 0, b"a line\n");
        assert_eq!(log.due(), None);
        log.write(&dir, 0, b"name: ");
        let due = log.due().unwrap();
        log.write(&dir, 1, b"x");
        assert_eq!(log.due(), Some(due));
        log.write_begun(&dir, due - 1);
        let read = || std::fs::read_to_string(path.join("log")).unwrap();
        assert_eq!(read().lines().count(), 1);
        log.write_begun(&dir, due);
        assert_eq!(log.due(), None);
        log.write(&dir, 0, b"n\n");
        let text = read();
        let tails: Vec<&str> = text.lines().map(|l| l.split_once(' ').unwrap().1).collect();
        assert_eq!(tails, ["stdout F a line", "stdout P name: ", "stderr P x", "stdout F n"]);
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn rotation_keeps_one_generation() {
        let path = std::env::temp_dir().join(format!("bolt-rotate-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let dir: OwnedFd = std::fs::File::open(&path).unwrap().into();
        let mut log = file(200);
        for n in 0..20 {
            log.write(&dir, 0, format!("line {n}\n").as_bytes());
        }
        let now = std::fs::metadata(path.join("log")).unwrap().len();
        let old = std::fs::metadata(path.join("log.1")).unwrap().len();
        assert!(now <= 200 && old <= 200);
        assert!(std::fs::read_to_string(path.join("log")).unwrap().ends_with("line 19\n"));
        // The same in one read.
        let lines: String = (20..90).map(|n| format!("line {n}\n")).collect();
        log.write(&dir, 0, lines.as_bytes());
        let now = std::fs::metadata(path.join("log")).unwrap().len();
        let old = std::fs::metadata(path.join("log.1")).unwrap().len();
        assert!(now <= 200 && old <= 200 && old > 100, "{now} {old}");
        assert!(std::fs::read_to_string(path.join("log")).unwrap().ends_with("line 89\n"));
        std::fs::remove_dir_all(path).unwrap();
    }

    /// A directory for a test, and the writer of `sub/log` in it.
    fn elsewhere(test: &str, max_size: u64) -> (std::path::PathBuf, OwnedFd, Res<Writer>) {
        let path = std::env::temp_dir().join(format!("bolt-{test}-{}", std::process::id()));
        std::fs::create_dir_all(path.join("sub")).unwrap();
        let dir: OwnedFd = std::fs::File::open(&path).unwrap().into();
        let log = writer_of(&path, max_size);
        (path, dir, log)
    }

    fn writer_of(path: &std::path::Path, max_size: u64) -> Res<Writer> {
        let path = Some(path.join("sub/log").to_str().unwrap().to_owned());
        Writer::open(&Log::K8sFile { max_size, path })
    }

    #[test]
    fn a_pipe_in_place_of_the_log_is_not_waited_for() {
        let (path, dir, log) = elsewhere("log-pipe", 0);
        let pipe = path.join("sub/log");
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, fifo, 0o600.into(), 0).unwrap();
        let mut log = log.unwrap();
        let (told, done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            log.write(&dir, 0, b"lost\n");
            told.send(Box::new((log, dir)))
        });
        let done = done.recv_timeout(std::time::Duration::from_secs(20));
        let (mut log, dir) = *done.expect("it waits for a reader of the pipe");
        // Nor is one that has a reader written to.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let reader = rustix::fs::open(&pipe, flags, rustix::fs::Mode::empty()).unwrap();
        log.write(&dir, 0, b"lost\n");
        assert_eq!(rustix::io::read(&reader, &mut [0; 9]), Ok(0));
        assert_eq!(writer_of(&path, 0).unwrap_err().errno, libc::ENXIO);
        std::fs::remove_file(pipe).unwrap();
        log.write(&dir, 0, b"kept\n");
        let text = std::fs::read_to_string(path.join("sub/log")).unwrap();
        assert!(text.contains("bolt: 2 log writes were lost\n") && text.ends_with(" F kept\n"));
        std::fs::remove_dir_all(&path).unwrap();
        assert_eq!(writer_of(&path, 0).unwrap_err().errno, libc::ENOENT);
    }

    /// Neither a directory of the host nor the journal is the container's.
    #[test]
    fn nothing_is_held_in_a_child() {
        let (path, dir, log) = elsewhere("log-child", 0);
        let mut log = log.unwrap();
        log.write(&dir, 0, b"one\n");
        log.close_in_child();
        assert!(log.file.is_none() && matches!(log.sink, Sink::Nothing));
        log.write(&dir, 0, b"two\n");
        let text = std::fs::read_to_string(path.join("sub/log")).unwrap();
        assert!(text.ends_with(" F one\n"), "{text}");
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_link_above_the_log_leads_nowhere() {
        let (path, dir, log) = elsewhere("log-link", 60);
        let mut log = log.unwrap();
        let (sub, victim) = (path.join("sub"), path.join("victim"));
        std::fs::create_dir(&victim).unwrap();
        std::fs::write(victim.join("log"), "of another").unwrap();
        std::fs::rename(&sub, path.join("old")).unwrap();
        std::os::unix::fs::symlink("victim", &sub).unwrap();
        for text in [b"one\n", b"two\n", b"six\n"] {
            log.write(&dir, 0, text);
        }
        assert_eq!(std::fs::read_to_string(victim.join("log")).unwrap(), "of another");
        assert_eq!(std::fs::read_dir(victim).unwrap().count(), 1);
        let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
        assert!(read("old/log.1").ends_with(" two\n") && read("old/log").ends_with(" six\n"));
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn what_another_container_logs_at_the_same_place_is_left_alone() {
        let (path, dir, log) = elsewhere("log-shared", 60);
        let mut log = log.unwrap();
        log.write(&dir, 0, b"one\n");
        // Another has moved it away, and goes on.
        let file = path.join("sub/log");
        std::fs::rename(&file, path.join("sub/log.1")).unwrap();
        std::fs::write(&file, "of another\n").unwrap();
        log.write(&dir, 0, b"two\n");
        let read = |name: &str| std::fs::read_to_string(path.join(name)).unwrap();
        assert!(read("sub/log.1").ends_with(" one\n"), "{}", read("sub/log.1"));
        let text = read("sub/log");
        assert!(text.starts_with("of another\n") && text.ends_with(" two\n"), "{text}");
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_write_that_broke_off_is_taken_back_unless_another_has_written() {
        let path = std::env::temp_dir().join(format!("bolt-log-back-{}", std::process::id()));
        let file: OwnedFd = std::fs::File::create(&path).unwrap().into();
        for (there, want) in [("12345abc", "12345"), ("12345abcd", "12345abcd"), ("12", "12")] {
            std::fs::write(&path, there).unwrap();
            take_back(&file, 5, 3);
            assert_eq!(std::fs::read_to_string(&path).unwrap(), want);
        }
        std::fs::remove_file(path).unwrap();
    }
}
