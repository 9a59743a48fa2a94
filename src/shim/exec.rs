//! A further program in a running container, made by its supervisor with our descriptors.

use super::attach::{End, TERMINAL_SIGNALS, proxied_signals, suspend, write_some};
use super::client::{ClientError, Connection, io_error};
use super::detach::DetachKeys;
use super::end_of_input::{END_OF_FILE, EndOfInput};
use super::relay::Relay;
use super::terminal::{self, RawTerminal};
use crate::sys::signals::Signals;
use bolt_shim::control::Request;
use bolt_shim::launch::Process;
use bolt_shim::report::{MAX_PACKET, Report};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

const CHUNK: usize = 32 * 1024;

/// How to run it.
#[derive(Debug)]
pub struct Options {
    /// Give it our standard input (else it reads /dev/null).
    pub stdin: bool,
    /// Do not stay until it ends.
    pub detach: bool,
    /// Keys that detach; only looked for with a terminal.
    pub detach_keys: DetachKeys,
    /// Descriptors for it, from number 3 on.
    pub passed: Vec<OwnedFd>,
    /// Where its output and errors go instead of to ours; not with a terminal.
    pub output: Option<[OwnedFd; 2]>,
}

/// Runs `process`; with `process.tty` its terminal is copied to ours.
///
/// With [`Options::detach`] the answer is [`End::Detached`] as soon as it was started. Errors:
/// [`ClientError::Refused`] with the step; [`Failure::exec_exit_code`] makes the exit code of it.
pub fn exec(conn: &Connection, process: Process, mut options: Options) -> Result<End, ClientError> {
    let tty = process.tty.is_some();
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(io_error("open /dev/null"))?;
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let input = if options.stdin && !options.detach { stdin.as_fd() } else { null.as_fd() };
    let output = options.output.take();
    let own = match (&output, options.detach) {
        (_, true) => [null.as_fd(); 3],
        (Some([out, err]), false) => [input, out.as_fd(), err.as_fd()],
        (None, false) => [input, stdout.as_fd(), stderr.as_fd()],
    };
    let (mut relay, far) =
        if tty { (Relay::default(), [None, None, None]) } else { Relay::new(own)? };
    let mut streams: Vec<BorrowedFd<'_>> =
        own.into_iter().zip(&far).map(|(own, far)| far.as_ref().map_or(own, AsFd::as_fd)).collect();
    if tty {
        streams.clear();
    }
    streams.extend(options.passed.iter().map(AsFd::as_fd));
    let request = Request::Exec { process: Box::new(process), wait: !options.detach };
    conn.send_with(&request, &streams)?;
    drop(streams);
    // The program has the far ends; with ours besides it would see no end.
    drop(far);
    drop(output);
    options.passed = Vec::new();
    let master = started(conn)?;
    if options.detach {
        return Ok(End::Detached);
    }
    match master {
        Some(master) if tty => Terminal::new(conn, &master, &options)?.run(),
        None if tty => Err(ClientError::Protocol(conn.id().to_owned())),
        _ => ended(conn, &mut relay),
    }
}

fn started(conn: &Connection) -> Result<Option<OwnedFd>, ClientError> {
    loop {
        match conn.receive()? {
            None => return Err(ClientError::Died(conn.id().to_owned())),
            Some((Report::Started { .. }, fds)) => return Ok(fds.into_iter().next()),
            Some((Report::Failed(failure), _)) => {
                return Err(ClientError::Refused { id: conn.id().to_owned(), failure });
            }
            Some((Report::Denied(failure), _)) => {
                tracing::warn!(?failure, "a setting was not applied");
            }
            Some(_) => return Err(ClientError::Protocol(conn.id().to_owned())),
        }
    }
}

/// Waits for the end; what signals us, signals the program.
fn ended(conn: &Connection, relay: &mut Relay) -> Result<End, ClientError> {
    let signals = Signals::block(&proxied_signals()).map_err(io_error("block signals"))?;
    loop {
        let [spoke, _] = relay.wait([conn.as_fd(), signals.as_fd()])?;
        while let Some(signo) = signals.next().map_err(io_error("read signals"))? {
            conn.send(&Request::Signal { signo })?;
        }
        if !spoke {
            continue;
        }
        match conn.receive()? {
            None => return Err(ClientError::Died(conn.id().to_owned())),
            Some((Report::Exited { code, oom }, _)) => {
                relay.drain()?;
                return Ok(End::Exited { code, oom });
            }
            Some((Report::Failed(failure), _)) => {
                return Err(ClientError::Refused { id: conn.id().to_owned(), failure });
            }
            Some(_) => {}
        }
    }
}

/// Our terminal on one side, the master of the container's on the other.
struct Terminal<'a> {
    conn: &'a Connection,
    master: &'a OwnedFd,
    signals: Signals,
    raw: Option<RawTerminal<'a>>,
    keys: DetachKeys,
    /// Our input may still be read.
    input_open: bool,
    ending: EndOfInput,
    /// The container's terminal may still be read.
    master_open: bool,
    /// What the supervisor told about the end.
    end: Option<End>,
    to_master: Vec<u8>,
    to_output: Vec<u8>,
}

impl<'a> Terminal<'a> {
    fn new(
        conn: &'a Connection,
        master: &'a OwnedFd,
        options: &Options,
    ) -> Result<Self, ClientError> {
        let signals = Signals::block(&TERMINAL_SIGNALS).map_err(io_error("block signals"))?;
        let raw = if options.stdin {
            // The descriptor 0 is open for the whole life of the process.
            let stdin = rustix::stdio::stdin();
            RawTerminal::enter(stdin).map_err(io_error("set up the terminal"))?
        } else {
            None
        };
        let terminal = Terminal {
            conn,
            master,
            signals,
            raw,
            keys: options.detach_keys.clone(),
            input_open: options.stdin,
            ending: EndOfInput::default(),
            master_open: true,
            end: None,
            to_master: Vec::new(),
            to_output: Vec::new(),
        };
        terminal.resize();
        Ok(terminal)
    }

    fn run(mut self) -> Result<End, ClientError> {
        let mut buffer = vec![0; MAX_PACKET];
        loop {
            if let Some(end) = self.end
                && self.to_output.is_empty()
                && !self.drain(&mut buffer)?
            {
                return Ok(end);
            }
            if let Some(end) = self.turn(&mut buffer)? {
                return Ok(end);
            }
        }
    }

    /// One round of poll(2) and what it found. Some: we leave before the exec ends.
    fn turn(&mut self, buffer: &mut [u8]) -> Result<Option<End>, ClientError> {
        let (stdin, stdout) = (io::stdin(), io::stdout());
        let wishes = [
            (self.conn.as_fd(), flag(self.end.is_none(), PollFlags::IN)),
            (self.signals.as_fd(), PollFlags::IN),
            (stdin.as_fd(), flag(self.input_open && self.to_master.is_empty(), PollFlags::IN)),
            (stdout.as_fd(), flag(!self.to_output.is_empty(), PollFlags::OUT)),
            (
                self.master.as_fd(),
                flag(self.master_open && self.to_output.is_empty(), PollFlags::IN)
                    | flag(self.master_open && !self.to_master.is_empty(), PollFlags::OUT),
            ),
        ];
        let [line, signal, input, output, master] = ready(wishes, self.ending.patience().as_ref())?;
        if self.ending.is_due(Instant::now()) && self.to_master.is_empty() {
            self.to_master.push(END_OF_FILE);
        }
        if !signal.is_empty()
            && let Some(end) = self.take_signals()?
        {
            return Ok(Some(end));
        }
        if !output.is_empty() && !self.write_output()? {
            return Ok(Some(End::OutputClosed));
        }
        if !input.is_empty() && self.read_input(buffer)? {
            return self.leave().map(Some);
        }
        if master.intersects(PollFlags::OUT) {
            self.write_master();
        }
        if !master.difference(PollFlags::OUT).is_empty() && self.to_output.is_empty() {
            self.read_master(buffer)?;
        }
        if !line.is_empty() {
            self.end = Some(ended(self.conn, &mut Relay::default())?);
        }
        Ok(None)
    }

    fn take_signals(&mut self) -> Result<Option<End>, ClientError> {
        while let Some(signo) = self.signals.next().map_err(io_error("read a signal"))? {
            match signo {
                libc::SIGWINCH => self.resize(),
                libc::SIGTSTP => suspend(self.raw.as_ref()).map_err(io_error("suspend"))?,
                _ => return Ok(Some(End::Interrupted(signo))),
            }
        }
        Ok(None)
    }

    /// The program stays: its supervisor gets the terminal, which would hang up with us.
    fn leave(&mut self) -> Result<End, ClientError> {
        rustix::io::ioctl_fionbio(self.master, true).map_err(io_error("set up the terminal"))?;
        // What was typed before the keys is for the program still, if it reads.
        self.write_master();
        self.conn.send_with(&Request::LeaveTerminal, &[self.master.as_fd()])?;
        Ok(End::Detached)
    }

    fn resize(&self) {
        if let Some(size) = terminal::size(io::stdout()).or_else(|| terminal::size(io::stdin())) {
            let size = Winsize { ws_row: size.rows, ws_col: size.cols, ws_xpixel: 0, ws_ypixel: 0 };
            // A wrong size only looks bad.
            let _ = tcsetwinsize(self.master, size);
        }
    }

    fn read_input(&mut self, buffer: &mut [u8]) -> Result<bool, ClientError> {
        match rustix::io::read(io::stdin(), &mut buffer[..CHUNK]) {
            Err(Errno::INTR | Errno::AGAIN) => Ok(false),
            Ok(0) | Err(Errno::IO | Errno::BADF) => {
                self.input_open = false;
                self.to_master.extend(self.keys.rest());
                if self.raw.is_none() {
                    self.to_master.push(END_OF_FILE);
                    self.ending.begin(Instant::now());
                }
                Ok(false)
            }
            Ok(n) => Ok(self.keys.filter(&buffer[..n], &mut self.to_master)),
            Err(e) => Err(io_error("read standard input")(e)),
        }
    }

    fn write_master(&mut self) {
        match write_some(self.master.as_fd(), &self.to_master) {
            Ok(n) => drop(self.to_master.drain(..n)),
            // Nobody is left to type to; the supervisor tells the end.
            Err(_) => {
                self.to_master.clear();
                self.input_open = false;
            }
        }
    }

    fn read_master(&mut self, buffer: &mut [u8]) -> Result<(), ClientError> {
        match rustix::io::read(self.master, &mut *buffer) {
            Err(Errno::INTR | Errno::AGAIN) => {}
            // EIO: the last process closed the terminal (pty(7)).
            Ok(0) | Err(Errno::IO) => self.master_open = false,
            Ok(n) => {
                self.to_output.extend_from_slice(&buffer[..n]);
                self.ending.shown(Instant::now());
            }
            Err(e) => return Err(io_error("read the container's terminal")(e)),
        }
        Ok(())
    }

    /// After the end: takes what is left in the terminal, without waiting for processes that
    /// keep it open. False: nothing is left.
    fn drain(&mut self, buffer: &mut [u8]) -> Result<bool, ClientError> {
        if !self.master_open {
            return Ok(false);
        }
        let mut fds = [PollFd::new(self.master, PollFlags::IN)];
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        if poll(&mut fds, Some(&now)).map_err(io_error("poll"))? == 0 {
            return Ok(false);
        }
        self.read_master(buffer)?;
        Ok(!self.to_output.is_empty())
    }

    fn write_output(&mut self) -> Result<bool, ClientError> {
        match write_some(io::stdout().as_fd(), &self.to_output) {
            Ok(n) => drop(self.to_output.drain(..n)),
            Err(Errno::PIPE | Errno::IO | Errno::BADF) => return Ok(false),
            Err(e) => return Err(io_error("write the container's output")(e)),
        }
        Ok(true)
    }
}

fn flag(on: bool, flag: PollFlags) -> PollFlags {
    if on { flag } else { PollFlags::empty() }
}

/// Waits for one of the wishes; what is not wished for is not polled.
fn ready<const N: usize>(
    wishes: [(BorrowedFd<'_>, PollFlags); N],
    patience: Option<&Timespec>,
) -> Result<[PollFlags; N], ClientError> {
    let mut at = [None; N];
    let mut fds = Vec::with_capacity(N);
    for (i, (fd, flags)) in wishes.into_iter().enumerate() {
        if !flags.is_empty() {
            at[i] = Some(fds.len());
            fds.push(PollFd::from_borrowed_fd(fd, flags));
        }
    }
    loop {
        match poll(&mut fds, patience) {
            Err(Errno::INTR) => {}
            other => {
                other.map_err(io_error("poll"))?;
                break;
            }
        }
    }
    Ok(at.map(|i| i.map_or(PollFlags::empty(), |i| fds[i].revents())))
}
