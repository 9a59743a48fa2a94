//! `bolt logs`: what containers wrote.

use super::selection::report;
use crate::container::config::Config;
use crate::container::dir::{ContainerDir, Containers};
use crate::container::error::Error;
use crate::container::journal::JournalReader;
use crate::container::list;
use crate::container::log_driver::LogDriver;
use crate::container::logs::{LogReader, Part, Query};
use crate::container::time;
use crate::exit;
use crate::settings::Settings;
use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{BorrowedFd, OwnedFd};

/// Longest time between two looks at whether the container still runs.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
const COLORS: [u8; 6] = [37, 31, 32, 33, 34, 35];

/// Show the output of containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names or IDs
    #[arg(value_name = "CONTAINER", required_unless_present = "latest")]
    containers: Vec<String>,
    /// The container created last
    #[arg(short, long, conflicts_with = "containers")]
    latest: bool,
    /// Go on until the containers end
    #[arg(short, long)]
    follow: bool,
    /// Nothing before this time, or longer ago than this span
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Nothing after this time; a span lies ahead: 10m is in ten minutes, -10m was ten minutes ago
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    until: Option<String>,
    /// Only this many lines from the end; -1: all
    #[arg(long, value_name = "LINES", default_value = "-1", allow_negative_numbers = true)]
    tail: i64,
    /// Put the time before each line
    #[arg(short, long)]
    timestamps: bool,
    /// Put the container's name before each line
    #[arg(short, long)]
    names: bool,
    /// One color a container
    #[arg(long)]
    color: bool,
}

/// Where a log is read.
enum Reader {
    File(Box<LogReader>),
    Journal(Box<JournalReader>),
}

/// One log and how its lines begin.
struct Source {
    reader: Reader,
    prefix: String,
    suffix: &'static str,
    timestamps: bool,
    done: bool,
}

/// Runs the verb.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let now = time::now();
    let query = Query {
        tail: u64::try_from(args.tail).ok(),
        since: args.since.as_deref().map(|text| time::parse(text, now)).transpose()?,
        until: args.until.as_deref().map(|text| time::parse_end(text, now)).transpose()?,
    };
    let all = Containers::open(&settings.dirs)?;
    let mut names = args.containers.clone();
    if args.latest {
        names.extend(list::read(&all)?.entries.pop().map(|e| e.config.id));
    }
    let many = names.len() > 1;
    let mut sources = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let dir = all.find(name)?;
        let config = dir.read_config()?;
        let (prefix, suffix) = decoration(&args, &config, many, i);
        let reader = open(settings, dir, &config, query)?;
        sources.push(Source { reader, prefix, suffix, timestamps: args.timestamps, done: false });
    }
    match copy(&mut sources, args.follow, query.until) {
        Ok(()) => Ok(0),
        // `bolt logs | head` is no failure.
        Err(e) if is_closed(&e) => Ok(0),
        Err(e) => {
            report(&e);
            Ok(exit::ENGINE)
        }
    }
}

fn open(
    settings: &Settings,
    dir: ContainerDir,
    config: &Config,
    query: Query,
) -> anyhow::Result<Reader> {
    Ok(match config.log_driver {
        LogDriver::K8sFile | LogDriver::JsonFile => {
            let reader = LogReader::open(dir, config.log_path.as_deref(), query)?;
            Reader::File(Box::new(reader))
        }
        LogDriver::Journald => {
            Reader::Journal(Box::new(JournalReader::open(dir, settings.dirs.uid, query)))
        }
        LogDriver::None | LogDriver::Passthrough | LogDriver::PassthroughTty => anyhow::bail!(
            "container {} has no log: it was made with --log-driver {}; k8s-file and journald \
             keep one",
            config.name,
            config.log_driver.word()
        ),
    })
}

impl Reader {
    fn dir(&self) -> &ContainerDir {
        match self {
            Reader::File(reader) => reader.dir(),
            Reader::Journal(reader) => reader.dir(),
        }
    }

    fn awaits(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Reader::File(_) => None,
            Reader::Journal(reader) => reader.awaits(),
        }
    }

    fn read(
        &mut self,
        more: bool,
        sink: &mut dyn FnMut(Part<'_>) -> io::Result<()>,
    ) -> Result<bool, Error> {
        match self {
            Reader::File(reader) => reader.read(sink),
            Reader::Journal(reader) => reader.read(more, sink),
        }
    }
}

fn decoration(args: &Args, config: &Config, many: bool, i: usize) -> (String, &'static str) {
    let name = match (args.names, many) {
        (true, _) => format!("{} ", config.name),
        (false, true) => format!("{} ", config.short_id()),
        (false, false) => String::new(),
    };
    if args.color && io::stdout().is_terminal() {
        (format!("\x1b[{}m{name}", COLORS[i % COLORS.len()]), "\x1b[0m")
    } else {
        (name, "")
    }
}

fn is_closed(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

fn copy(sources: &mut [Source], follow: bool, until: Option<i64>) -> anyhow::Result<()> {
    let watch = if follow { watch(sources) } else { None };
    let mut out = io::BufWriter::new(io::stdout().lock());
    loop {
        // Looked at before the read: what was written before the end is then seen.
        let over = !follow || until.is_some_and(|until| time::now() > until);
        for source in sources.iter_mut().filter(|s| !s.done) {
            let ended = over || !source.reader.dir().is_supervised()?;
            source.done = source.read(!ended, &mut out)? || ended;
        }
        out.flush().context("write standard output")?;
        if sources.iter().all(|s| s.done) {
            return Ok(());
        }
        pause(watch.as_ref(), sources)?;
    }
}

impl Source {
    /// True: `--until` has passed.
    fn read(&mut self, more: bool, out: &mut impl Write) -> anyhow::Result<bool> {
        let (prefix, suffix, timestamps) = (&self.prefix, self.suffix, self.timestamps);
        let mut sink = |part: Part<'_>| {
            if part.stderr {
                // In the order they were written, as far as two descriptors allow.
                out.flush()?;
                write_part(&mut io::stderr().lock(), part, prefix, suffix, timestamps)
            } else {
                write_part(out, part, prefix, suffix, timestamps)
            }
        };
        Ok(self.reader.read(more, &mut sink)?)
    }
}

fn write_part(
    out: &mut impl Write,
    part: Part<'_>,
    prefix: &str,
    suffix: &str,
    timestamps: bool,
) -> io::Result<()> {
    if part.first {
        out.write_all(prefix.as_bytes())?;
        if timestamps {
            write!(out, "{} ", part.time)?;
        }
    }
    out.write_all(part.text)?;
    if part.last {
        out.write_all(suffix.as_bytes())?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Wakes at each write. Without it (no watches left) the tick alone is used.
fn watch(sources: &[Source]) -> Option<OwnedFd> {
    let fd = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK).ok()?;
    for source in sources {
        let flags = inotify::WatchFlags::MODIFY
            | inotify::WatchFlags::CREATE
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::CLOSE_WRITE;
        inotify::add_watch(&fd, source.reader.dir().path(), flags).ok()?;
    }
    Some(fd)
}

fn pause(watch: Option<&OwnedFd>, sources: &[Source]) -> anyhow::Result<()> {
    let mut fds: Vec<_> = watch.iter().map(|fd| PollFd::new(*fd, PollFlags::IN)).collect();
    let lines = sources.iter().filter(|s| !s.done).filter_map(|s| s.reader.awaits());
    fds.extend(lines.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
    match poll(&mut fds, Some(&TICK)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(e) => return Err(e).context("poll"),
    }
    if let Some(fd) = watch {
        let mut events = [0u8; 4096];
        while rustix::io::read(fd, &mut events).is_ok_and(|n| n == events.len()) {}
    }
    Ok(())
}
