//! A client of a running container: its terminal or pipes on one side, the supervisor's line on
//! the other. One loop, one thread, and neither side can block the other.

use super::client::{ClientError, Connection, Sent, encode, io_error};
use super::detach::DetachKeys;
use super::end_of_input::{END_OF_FILE, EndOfInput};
use super::terminal::{self, RawTerminal};
use crate::sys::pages;
use crate::sys::signals::{self, Signals};
use bolt_shim::control::Request;
use bolt_shim::report::Report;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

/// Bytes read from the input at one time; fits a packet.
const CHUNK: usize = 32 * 1024;
/// Packets that may wait for the supervisor before the input is left alone.
const BACKLOG: usize = 8;
/// Bytes that a pipe or terminal takes without blocking when poll(2) calls it writable
/// (pipe(7): PIPE_BUF).
const PIPE_CHUNK: usize = 4096;

/// What a terminal as it is at first makes SIGINT of (termios(3), VINTR).
const INTERRUPT: u8 = 0x03;
/// The same for SIGQUIT (VQUIT).
const QUIT: u8 = 0x1c;

/// How to attach.
#[derive(Debug, Clone)]
pub struct Options {
    /// Feed standard input to the container.
    pub stdin: bool,
    /// Copy the container's standard output.
    pub stdout: bool,
    /// Copy its standard error.
    pub stderr: bool,
    /// The container has a terminal.
    pub tty: bool,
    /// Forward signals; with a terminal those of [`TERMINAL_PROXIED`] alone.
    pub sig_proxy: bool,
    /// This process has a controlling terminal. Asked before the start: by the first words of the
    /// program it may have hung up.
    pub terminal: bool,
    /// Keys that detach; only looked for with a terminal.
    pub detach_keys: DetachKeys,
}

/// How an attached client ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The payload (or the exec) ended.
    Exited {
        /// Its exit code.
        code: u8,
        /// The kernel's OOM killer was there.
        oom: bool,
    },
    /// The detach keys were typed.
    Detached,
    /// This signal came while a terminal was attached, or our terminal hung up; the container runs
    /// on.
    Interrupted(i32),
    /// Nobody reads our output any more (EPIPE); the container runs on.
    OutputClosed,
}

/// Signals that are forwarded without a terminal: all that can be caught, except those about this
/// very process (SIGCHLD, SIGPIPE, SIGURG, faults) and its terminal (SIGTSTP, SIGTTIN, SIGTTOU,
/// SIGWINCH). SIGHUP is both: sent by somebody it is forwarded, but when our terminal is closed the
/// container is left alone, and under nohup(1) it stays ignored.
pub fn proxied_signals() -> Vec<i32> {
    let own = [
        libc::SIGKILL,
        libc::SIGSTOP,
        libc::SIGTSTP,
        libc::SIGCHLD,
        libc::SIGWINCH,
        libc::SIGPIPE,
        libc::SIGURG,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGTRAP,
        libc::SIGSYS,
    ];
    let hidden = |n: &i32| *n == libc::SIGHUP && signals::is_ignored(*n);
    // 32 to 34 belong to the C library.
    (1..=31).chain(35..=signals::MAX).filter(|n| !own.contains(n) && !hidden(n)).collect()
}

/// Signals that a client with a terminal looks at itself.
pub(super) const TERMINAL_SIGNALS: [i32; 8] = [
    libc::SIGWINCH,
    libc::SIGTSTP,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGUSR1,
    libc::SIGUSR2,
];

/// Those that are forwarded. A hang-up is about our own terminal, and leaves the container alone.
const TERMINAL_PROXIED: [i32; 5] =
    [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGUSR1, libc::SIGUSR2];

/// Blocks the signals that [`attach`] with these options looks at. Held from before the start,
/// one that comes in between reaches the payload instead of ending its launcher alone.
pub fn hold(options: &Options) -> Result<Option<Signals>, ClientError> {
    let signals = if options.tty {
        Some(Signals::block(&TERMINAL_SIGNALS))
    } else if options.sig_proxy {
        Some(Signals::block(&proxied_signals()))
    } else {
        None
    };
    signals.transpose().map_err(io_error("block signals"))
}

/// Copies between this process' standard streams and the container until one side ends.
///
/// `conn` is attached already: it is the report socket of the launch, or [`Request::Attach`] was
/// sent. Errors: [`ClientError::Died`] when the line ends before the exit was told,
/// [`ClientError::Refused`] when the start failed. `held`: what [`hold`] of the same options gave.
pub fn attach(
    conn: &Connection,
    options: &Options,
    held: Option<Signals>,
) -> Result<End, ClientError> {
    let stdin = io::stdin();
    let raw = if options.tty && options.stdin {
        RawTerminal::enter(stdin.as_fd()).map_err(io_error("set up the terminal"))?
    } else {
        None
    };
    let signals = match held {
        None => hold(options)?,
        held => held,
    };
    let mut session = Session {
        conn,
        options,
        keys: options.detach_keys.clone(),
        input_open: options.stdin,
        ending: EndOfInput::default(),
        outgoing: VecDeque::new(),
        sink: None,
        raw,
        buffer: Vec::new(),
    };
    session.resize()?;
    if session.raw.is_some()
        && let Some(signals) = &signals
        && let Some(end) = session.take_signals(signals, true)?
    {
        return Ok(end);
    }
    pages::give_code_back();
    session.run(signals.as_ref())
}

/// Output on its way to a stream that did not take it whole.
#[derive(Debug)]
struct Sink {
    error: bool,
    bytes: Vec<u8>,
    done: usize,
}

struct Session<'a> {
    conn: &'a Connection,
    options: &'a Options,
    keys: DetachKeys,
    input_open: bool,
    ending: EndOfInput,
    outgoing: VecDeque<Vec<u8>>,
    sink: Option<Sink>,
    raw: Option<RawTerminal<'a>>,
    buffer: Vec<u8>,
}

impl Session<'_> {
    fn run(&mut self, signals: Option<&Signals>) -> Result<End, ClientError> {
        loop {
            let ready = self.wait(signals)?;
            if self.ending.is_due(Instant::now()) && self.outgoing.is_empty() {
                self.queue(&Request::Stdin(vec![END_OF_FILE]))?;
            }
            if ready.signal
                && let Some(signals) = signals
                && let Some(end) = self.take_signals(signals, false)?
            {
                return Ok(end);
            }
            if ready.sink && !self.write_out()? {
                return Ok(End::OutputClosed);
            }
            if ready.line_out {
                self.send_out()?;
            }
            if ready.input && self.read_input()? {
                return Ok(End::Detached);
            }
            if ready.line_in
                && self.sink.is_none()
                && let Some(end) = self.take_report()?
            {
                return Ok(end);
            }
        }
    }

    /// Polls only what can be served now: a stream that takes nothing stops the line, and a line
    /// that takes nothing stops the input, so that nothing piles up here.
    fn wait(&self, signals: Option<&Signals>) -> Result<Ready, ClientError> {
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let mut line = PollFlags::empty();
        line.set(PollFlags::IN, self.sink.is_none());
        line.set(PollFlags::OUT, !self.outgoing.is_empty());
        let mut fds = Vec::with_capacity(4);
        // Without any wish the line is left out: its hang-up would make poll return at once.
        let line_at = push(&mut fds, self.conn.as_fd(), line);
        let wanted = |on: bool, flag| if on { flag } else { PollFlags::empty() };
        let reads = self.input_open && self.outgoing.len() < BACKLOG;
        let input_at = push(&mut fds, stdin.as_fd(), wanted(reads, PollFlags::IN));
        let sink_at = self.sink.as_ref().and_then(|sink| {
            let fd = if sink.error { stderr.as_fd() } else { stdout.as_fd() };
            push(&mut fds, fd, PollFlags::OUT)
        });
        let signal_at = signals.and_then(|s| push(&mut fds, s.as_fd(), PollFlags::IN));
        loop {
            match poll(&mut fds, self.ending.patience().as_ref()) {
                Err(Errno::INTR) => {}
                other => {
                    other.map_err(io_error("poll"))?;
                    break;
                }
            }
        }
        let at = |i: Option<usize>| i.map_or(PollFlags::empty(), |i| fds[i].revents());
        let ended = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        Ok(Ready {
            line_in: at(line_at).intersects(PollFlags::IN | ended),
            line_out: at(line_at).intersects(PollFlags::OUT | ended),
            input: at(input_at).intersects(PollFlags::IN | ended),
            sink: at(sink_at).intersects(PollFlags::OUT | ended),
            signal: at(signal_at).intersects(PollFlags::IN),
        })
    }

    /// `typed`: while the terminal still made signals of keys, which were meant for the program.
    fn take_signals(&mut self, signals: &Signals, typed: bool) -> Result<Option<End>, ClientError> {
        while let Some((signo, by_kernel)) = signals.next_of().map_err(io_error("read a signal"))? {
            match signo {
                libc::SIGHUP if by_kernel || (self.options.terminal && !terminal::is_there()) => {
                    return Ok(Some(End::Interrupted(signo)));
                }
                _ if !self.options.tty => self.queue(&Request::Signal { signo })?,
                libc::SIGWINCH => self.resize()?,
                libc::SIGINT if typed => self.queue(&Request::Stdin(vec![INTERRUPT]))?,
                libc::SIGQUIT if typed => self.queue(&Request::Stdin(vec![QUIT]))?,
                libc::SIGTSTP => suspend(self.raw.as_ref()).map_err(io_error("suspend"))?,
                _ if self.options.sig_proxy && TERMINAL_PROXIED.contains(&signo) => {
                    self.queue(&Request::Signal { signo })?;
                }
                _ => return Ok(Some(End::Interrupted(signo))),
            }
        }
        Ok(None)
    }

    fn resize(&mut self) -> Result<(), ClientError> {
        match terminal::size(io::stdout()).or_else(|| terminal::size(io::stdin())) {
            Some(size) if self.options.tty => self.queue(&Request::Resize(size)),
            _ => Ok(()),
        }
    }

    fn queue(&mut self, request: &Request) -> Result<(), ClientError> {
        self.outgoing.push_back(encode(request)?);
        self.send_out()
    }

    fn send_out(&mut self) -> Result<(), ClientError> {
        while let Some(packet) = self.outgoing.front() {
            match self.conn.try_send(packet)? {
                Sent::Yes => drop(self.outgoing.pop_front()),
                Sent::Full => break,
                // Its last words may still lie in our queue.
                Sent::Gone => {
                    self.outgoing.clear();
                    self.input_open = false;
                }
            }
        }
        Ok(())
    }

    /// True: the detach keys were typed.
    fn read_input(&mut self) -> Result<bool, ClientError> {
        if self.buffer.len() < CHUNK {
            self.buffer.resize(CHUNK, 0);
        }
        let bytes = match rustix::io::read(io::stdin(), &mut self.buffer[..CHUNK]) {
            Err(Errno::INTR | Errno::AGAIN) => return Ok(false),
            // EIO: the terminal hung up, or we are in the background.
            Ok(0) | Err(Errno::IO | Errno::BADF) => {
                self.input_open = false;
                let mut rest = self.keys.rest();
                // To a terminal its end is a character. A terminal of ours ends only by hanging
                // up, which must not end the program.
                if self.options.tty && self.raw.is_none() {
                    rest.push(END_OF_FILE);
                    self.ending.begin(Instant::now());
                }
                if !rest.is_empty() {
                    self.queue(&Request::Stdin(rest))?;
                }
                self.queue(&Request::CloseStdin)?;
                return Ok(false);
            }
            other => other.map_err(io_error("read standard input"))?,
        };
        let mut kept = Vec::with_capacity(bytes);
        let detach = if self.options.tty {
            self.keys.filter(&self.buffer[..bytes], &mut kept)
        } else {
            kept.extend_from_slice(&self.buffer[..bytes]);
            false
        };
        if !kept.is_empty() {
            self.queue(&Request::Stdin(kept))?;
        }
        Ok(detach)
    }

    fn take_report(&mut self) -> Result<Option<End>, ClientError> {
        let report = match self.conn.receive_into(&mut self.buffer, false) {
            Err(ClientError::Io { source, .. }) if source.kind() == io::ErrorKind::WouldBlock => {
                return Ok(None);
            }
            other => other?,
        };
        let died = || ClientError::Died(self.conn.id().to_owned());
        match report.ok_or_else(died)?.0 {
            Report::Exited { code, oom } => return Ok(Some(End::Exited { code, oom })),
            Report::Failed(failure) => {
                return Err(ClientError::Refused { id: self.conn.id().to_owned(), failure });
            }
            Report::Denied(failure) => tracing::warn!(?failure, "a setting was not applied"),
            Report::Stdout(bytes) if self.options.stdout => {
                self.ending.shown(Instant::now());
                self.sink = Some(Sink { error: false, bytes, done: 0 });
            }
            Report::Stderr(bytes) if self.options.stderr => {
                self.sink = Some(Sink { error: true, bytes, done: 0 });
            }
            Report::Stdout(_) | Report::Stderr(_) | Report::Done | Report::Started { .. } => {}
        }
        Ok(None)
    }

    /// False: nobody reads any more.
    fn write_out(&mut self) -> Result<bool, ClientError> {
        let Some(sink) = &mut self.sink else { return Ok(true) };
        let rest = &sink.bytes[sink.done..];
        let wrote = if sink.error {
            write_some(io::stderr().as_fd(), rest)
        } else {
            write_some(io::stdout().as_fd(), rest)
        };
        match wrote {
            Ok(n) => sink.done += n,
            Err(Errno::PIPE | Errno::IO | Errno::BADF) => return Ok(false),
            Err(e) => return Err(io_error("write the container's output")(e)),
        }
        if sink.done == sink.bytes.len() {
            self.sink = None;
        }
        Ok(true)
    }
}

#[derive(Debug, Clone, Copy)]
struct Ready {
    line_in: bool,
    line_out: bool,
    input: bool,
    sink: bool,
    signal: bool,
}

fn push<'a>(fds: &mut Vec<PollFd<'a>>, fd: BorrowedFd<'a>, flags: PollFlags) -> Option<usize> {
    if flags.is_empty() {
        return None;
    }
    fds.push(PollFd::from_borrowed_fd(fd, flags));
    Some(fds.len() - 1)
}

/// Writes what a descriptor that poll(2) called writable takes without blocking. It is not
/// switched to O_NONBLOCK: that would change it for every process that shares it.
pub(super) fn write_some(fd: BorrowedFd<'_>, bytes: &[u8]) -> Result<usize, Errno> {
    let end = bytes.len().min(PIPE_CHUNK);
    match rustix::io::write(fd, &bytes[..end]) {
        Err(Errno::INTR | Errno::AGAIN) => Ok(0),
        other => other,
    }
}

/// Stops this process as the shell expects of ^Z sent by kill(1), with the terminal in order.
pub(super) fn suspend(raw: Option<&RawTerminal<'_>>) -> io::Result<()> {
    if let Some(raw) = raw {
        raw.suspend()?;
    }
    signals::raise(libc::SIGSTOP)?;
    match raw {
        Some(raw) => raw.resume(),
        None => Ok(()),
    }
}
