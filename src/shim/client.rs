//! The line to a running supervisor: packets of the contract over `control.sock`.

use crate::container::dir::ContainerDir;
use crate::sys::scm;
use bolt_shim::control::{Request, SOCKET};
use bolt_shim::launch::Restart;
use bolt_shim::report::{Failure, MAX_PACKET, Report};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Why a talk with a supervisor did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no socket, or nobody listens.
    #[error("container {0} has no supervisor to talk to: it does not run")]
    NoSupervisor(String),
    /// The line ended before the answer.
    #[error("the supervisor of container {0} died; 'bolt rm -f {0}' ends what is left of it")]
    Died(String),
    /// It did not answer in time.
    #[error("the supervisor of container {0} does not answer; 'bolt rm -f {0}' ends it")]
    Silent(String),
    /// It answered that it could not.
    #[error("container {id}: {}", super::words(.failure))]
    Refused {
        /// Container id.
        id: String,
        /// Step, object, errno.
        failure: Failure,
    },
    /// A request does not fit a packet.
    #[error(
        "a request of {0} bytes does not fit the {MAX_PACKET} bytes of a packet; shorten arguments or environment"
    )]
    TooLarge(usize),
    /// Not what the contract says.
    #[error("the supervisor of container {0} speaks another version of the protocol")]
    Protocol(String),
    /// The system refused.
    #[error("{action}")]
    Io {
        /// What was done.
        action: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// Attaches the action to an error of the system.
pub(super) fn io_error<E: Into<io::Error>>(action: &'static str) -> impl FnOnce(E) -> ClientError {
    move |source| ClientError::Io { action, source: source.into() }
}

/// A SEQPACKET line to one supervisor.
#[derive(Debug)]
pub struct Connection {
    fd: OwnedFd,
    id: String,
}

impl Connection {
    /// The launching `bolt` has its end of the report socket already.
    pub(super) fn from_fd(fd: OwnedFd, id: &str) -> Self {
        Connection { fd, id: id.to_owned() }
    }

    /// The same line, once the supervisor has a container.
    pub(super) fn of(self, id: &str) -> Self {
        Connection { fd: self.fd, id: id.to_owned() }
    }

    /// Connects to the supervisor of `dir`, whose socket lies in the container's directory.
    pub fn connect(dir: &ContainerDir) -> Result<Self, ClientError> {
        let fd = dial(dir.fd());
        match fd {
            Ok(fd) => Ok(Connection::from_fd(fd, dir.id())),
            Err(Errno::NOENT | Errno::CONNREFUSED) => {
                Err(ClientError::NoSupervisor(dir.id().to_owned()))
            }
            Err(e) => Err(io_error("connect to the supervisor")(e)),
        }
    }

    /// From now on an answer that does not come within `limit` is [`ClientError::Silent`].
    pub fn wait_at_most(&self, limit: Duration) -> Result<(), ClientError> {
        for side in [Timeout::Recv, Timeout::Send] {
            set_socket_timeout(&self.fd, side, Some(limit))
                .map_err(io_error("set a limit for the supervisor's answer"))?;
        }
        Ok(())
    }

    /// Id of the container at the other end.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Sends a request; waits while the supervisor's queue is full.
    pub fn send(&self, request: &Request) -> Result<(), ClientError> {
        self.send_with(request, &[])
    }

    /// [`Self::send`] with descriptors.
    pub fn send_with(&self, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<(), ClientError> {
        let packet = encode(request)?;
        match scm::send(&self.fd, &packet, fds, true) {
            Err(e) if is_gone(&e) => Err(ClientError::Died(self.id.clone())),
            Err(e) if is_late(&e) => Err(ClientError::Silent(self.id.clone())),
            other => other.map_err(io_error("send to the supervisor")),
        }
    }

    /// Sends an encoded packet if there is room for it now.
    pub(super) fn try_send(&self, packet: &[u8]) -> Result<Sent, ClientError> {
        match scm::send(&self.fd, packet, &[], false) {
            Ok(()) => Ok(Sent::Yes),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(Sent::Full),
            Err(e) if is_gone(&e) => Ok(Sent::Gone),
            Err(e) => Err(io_error("send to the supervisor")(e)),
        }
    }

    /// Waits for the next report and its descriptors; `None`: the supervisor hung up.
    pub fn receive(&self) -> Result<Option<(Report, Vec<OwnedFd>)>, ClientError> {
        self.receive_into(&mut Vec::new(), true)
    }

    /// [`Self::receive`] into a buffer that grows with what comes: the most that may is a dozen
    /// pages, and a start hears a few bytes. Without `wait` an empty queue is an
    /// [`io::ErrorKind::WouldBlock`] error.
    pub(super) fn receive_into(
        &self,
        buffer: &mut Vec<u8>,
        wait: bool,
    ) -> Result<Option<(Report, Vec<OwnedFd>)>, ClientError> {
        let received = scm::next_length(&self.fd, wait).and_then(|length| {
            if buffer.len() < length {
                buffer.resize(length.min(MAX_PACKET), 0);
            }
            scm::receive(&self.fd, buffer, wait)
        });
        let (length, fds) = match received {
            Err(e) if is_gone(&e) => return Ok(None),
            Err(e) if wait && is_late(&e) => return Err(ClientError::Silent(self.id.clone())),
            other => other.map_err(io_error("receive from the supervisor"))?,
        };
        if length == 0 {
            return Ok(None);
        }
        let report = postcard::from_bytes(&buffer[..length])
            .map_err(|_| ClientError::Protocol(self.id.clone()))?;
        Ok(Some((report, fds)))
    }

    /// The next report that is not output; an end of the line or a failure is an error.
    fn answer(&self) -> Result<Report, ClientError> {
        loop {
            match self.receive()? {
                None => return Err(ClientError::Died(self.id.clone())),
                Some((Report::Failed(failure), _)) => {
                    return Err(ClientError::Refused { id: self.id.clone(), failure });
                }
                Some((Report::Stdout(_) | Report::Stderr(_) | Report::Denied(_), _)) => {}
                Some((report, _)) => return Ok(report),
            }
        }
    }

    /// Sends a signal to the payload and waits until that is done.
    pub fn signal(&self, signo: i32) -> Result<(), ClientError> {
        self.send(&Request::Signal { signo })?;
        match self.answer()? {
            // The payload may be gone before the answer is.
            Report::Done | Report::Exited { .. } => Ok(()),
            _ => Err(ClientError::Protocol(self.id.clone())),
        }
    }

    /// Stops the payload, SIGKILL after `timeout` seconds (`None`: the container's own); its
    /// exit code.
    pub fn stop(&self, timeout: Option<u32>) -> Result<u8, ClientError> {
        self.ask_to_stop(timeout)?;
        self.exited()
    }

    /// The same without waiting; [`Self::exited`] is to follow.
    pub fn ask_to_stop(&self, timeout: Option<u32>) -> Result<(), ClientError> {
        self.send(&Request::Stop { timeout })
    }

    /// Waits for the payload's end; its exit code.
    pub fn wait(&self) -> Result<u8, ClientError> {
        self.send(&Request::Wait)?;
        self.exited()
    }

    /// Has the payload's health checked; the exit code of the check.
    pub fn check_health(&self) -> Result<u8, ClientError> {
        self.send(&Request::HealthCheck)?;
        self.exited()
    }

    /// Gives the payload another restart policy, and in a memory file the plan of its starts.
    pub fn set_restart(&self, policy: Restart, plan: BorrowedFd<'_>) -> Result<(), ClientError> {
        self.send_with(&Request::Restart { policy }, &[plan])?;
        match self.answer()? {
            Report::Done => Ok(()),
            // It ended meanwhile: nothing is left to be started again.
            Report::Exited { .. } => Err(ClientError::NoSupervisor(self.id.clone())),
            _ => Err(ClientError::Protocol(self.id.clone())),
        }
    }

    /// Tells the new name of the container and waits until the supervisor has heard it.
    pub fn renamed(&self, name: &str) -> Result<(), ClientError> {
        self.send(&Request::Renamed { name: name.to_owned() })?;
        match self.answer()? {
            // It was the end that it told, and the answer is behind that.
            Report::Done | Report::Exited { .. } => Ok(()),
            _ => Err(ClientError::Protocol(self.id.clone())),
        }
    }

    /// Waits for the payload's end, of which word was asked for; its exit code.
    pub fn exited(&self) -> Result<u8, ClientError> {
        loop {
            match self.answer()? {
                Report::Exited { code, .. } => return Ok(code),
                Report::Done => {}
                _ => return Err(ClientError::Protocol(self.id.clone())),
            }
        }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What became of a packet that could not wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// It is in the queue.
    Yes,
    /// The queue is full.
    Full,
    /// Nobody will read it.
    Gone,
}

pub(super) fn encode(request: &Request) -> Result<Vec<u8>, ClientError> {
    let packet = postcard::to_stdvec(request)
        .map_err(|e| io_error("encode a request")(io::Error::other(e)))?;
    if packet.len() > MAX_PACKET { Err(ClientError::TooLarge(packet.len())) } else { Ok(packet) }
}

fn is_gone(e: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, NotConnected};
    matches!(e.kind(), BrokenPipe | ConnectionReset | NotConnected)
}

/// Of a call that waits: its limit has passed.
fn is_late(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::WouldBlock
}

/// A socket address holds 108 bytes; a descriptor's path is always short enough.
fn dial(at: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let address = SocketAddrUnix::new(format!("/proc/self/fd/{}/{SOCKET}", at.as_raw_fd()))?;
    let kind = SocketType::SEQPACKET;
    let fd = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    loop {
        match connect(&fd, &address) {
            Err(Errno::INTR) => {}
            Ok(()) => return Ok(fd),
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::dir::Containers;
    use crate::container::testing::{config, dirs};
    use crate::sys::atomic::Sync;
    use crate::sys::scratch::Scratch;
    use bolt_shim::report::Step;
    use rustix::net::{accept, bind, listen};

    fn pair() -> (Connection, OwnedFd) {
        let (ours, theirs) = scm::pair().unwrap();
        (Connection::from_fd(ours, "c"), theirs)
    }

    fn say(line: &OwnedFd, report: &Report) {
        scm::send(line, &postcard::to_stdvec(report).unwrap(), &[], true).unwrap();
    }

    #[test]
    fn answers_are_told_from_output_and_from_a_death() {
        let (conn, monitor) = pair();
        say(&monitor, &Report::Stdout(b"x".to_vec()));
        say(&monitor, &Report::Exited { code: 7, oom: false });
        assert_eq!(conn.wait().unwrap(), 7);
        let (step, object) = (Step::Signal, "/bin/x".into());
        say(&monitor, &Report::Failed(Failure { step, object, errno: libc::EPERM }));
        assert!(matches!(conn.signal(9), Err(ClientError::Refused { .. })));
        drop(monitor);
        assert!(matches!(conn.wait(), Err(ClientError::Died(_))));
        let (conn, monitor) = pair();
        scm::send(&monitor, &[0xff; 9], &[], true).unwrap();
        assert!(matches!(conn.receive(), Err(ClientError::Protocol(_))));
    }

    #[test]
    fn an_answer_that_does_not_come_is_told() {
        let (conn, _monitor) = pair();
        conn.wait_at_most(Duration::from_millis(10)).unwrap();
        assert!(matches!(conn.wait(), Err(ClientError::Silent(_))));
    }

    #[test]
    fn what_does_not_fit_a_packet_is_not_sent() {
        let (conn, _monitor) = pair();
        let huge = Request::Stdin(vec![0; MAX_PACKET + 1]);
        assert!(matches!(conn.send(&huge), Err(ClientError::TooLarge(_))));
    }

    /// The path of a container under a deep home is longer than the 108 bytes of an address.
    #[test]
    fn the_socket_is_found_however_deep() {
        let scratch = Scratch::new("deep");
        let base = dirs(&scratch.path().join("x".repeat(150)));
        let all = Containers::open(&base).unwrap();
        let dir = all.create(None, Some("c")).unwrap();
        dir.write_config(&config(dir.id(), "c"), Sync::Fast).unwrap();
        assert!(matches!(Connection::connect(&dir), Err(ClientError::NoSupervisor(_))));
        let kind = SocketType::SEQPACKET;
        let server = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap();
        let address = format!("/proc/self/fd/{}/{SOCKET}", dir.fd().as_raw_fd());
        bind(&server, &SocketAddrUnix::new(address).unwrap()).unwrap();
        listen(&server, 1).unwrap();
        let conn = Connection::connect(&dir).unwrap();
        let peer = accept(&server).unwrap();
        say(&peer, &Report::Done);
        assert!(matches!(conn.receive(), Ok(Some((Report::Done, _)))));
        drop((server, peer));
        // A dead socket is left.
        assert!(matches!(Connection::connect(&dir), Err(ClientError::NoSupervisor(_))));
    }
}
