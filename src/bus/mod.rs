//! L1: a D-Bus client for one conversation: connect, ask, wait, leave (D-Bus Specification 0.43).
//!
//! `rustbus` puts the messages together and takes them apart. Its own connection is not used: it
//! names getuid(2) to the bus, which is 0 inside our user namespace, opens sockets that every
//! later exec inherits, and waits for the greeting without an end.

pub mod gamemode;

use rustbus::message_builder::{MarshalledMessage, MessageBuilder};
use rustbus::wire::errors::{MarshalError, UnmarshalError};
use rustbus::wire::{marshal, unmarshal};
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use thiserror::Error;

/// Longer than any message of systemd's; the specification allows 128 MiB.
const LONGEST_MESSAGE: usize = 1 << 20;
/// Longer than any line of the greeting.
const LONGEST_LINE: usize = 1024;

/// A Unix-socket bus address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum BusAddress {
    /// A socket in the file system.
    Path(PathBuf),
    /// A socket in the abstract name space, without the leading NUL.
    Abstract(Vec<u8>),
}

impl BusAddress {
    /// The session bus: `$DBUS_SESSION_BUS_ADDRESS` as `given`, else `bus` in the user's runtime
    /// directory where there is one (what systemd and dbus-broker make).
    pub fn session(given: Option<&str>, runtime: Option<&Path>) -> Option<BusAddress> {
        let usual = || runtime.map(|dir| dir.join("bus")).filter(|socket| socket.exists());
        given.and_then(BusAddress::given).or_else(|| usual().map(BusAddress::Path))
    }

    /// Of the addresses in `$DBUS_SESSION_BUS_ADDRESS` the first where a bus listens: they are
    /// tried in turn. The first one where none does; an only one is not tried before it is needed.
    pub fn given(addresses: &str) -> Option<BusAddress> {
        let all: Vec<BusAddress> = addresses.split(';').filter_map(BusAddress::parse).collect();
        let listens = |address: &&BusAddress| all.len() > 1 && address.open().is_ok();
        all.iter().find(listens).or(all.first()).cloned()
    }

    /// One Unix address; other transports are passed over.
    fn parse(address: &str) -> Option<BusAddress> {
        let pairs = address.strip_prefix("unix:")?;
        pairs.split(',').find_map(|pair| match pair.split_once('=')? {
            ("path", value) => {
                let text = String::from_utf8(unescape(value)?).ok()?;
                Some(BusAddress::Path(text.into()))
            }
            ("abstract", value) => unescape(value).map(BusAddress::Abstract),
            _ => None,
        })
    }

    fn open(&self) -> io::Result<UnixStream> {
        match self {
            BusAddress::Path(path) => UnixStream::connect(path),
            BusAddress::Abstract(name) => {
                UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?)
            }
        }
    }
}

fn unescape(value: &str) -> Option<Vec<u8>> {
    let mut parts = value.split('%');
    let mut plain = parts.next()?.as_bytes().to_vec();
    for part in parts {
        plain.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        plain.extend_from_slice(&part.as_bytes()[2..]);
    }
    Some(plain)
}

/// Why a conversation with a bus failed.
#[derive(Debug, Error)]
pub enum BusError {
    /// The socket: nobody there, cut off, or no answer in time.
    #[error("the message bus")]
    Io(#[from] io::Error),
    /// The bus did not take our uid.
    #[error("the message bus refuses uid {uid}: {said}")]
    Refused {
        /// The uid we named.
        uid: u32,
        /// Its answer.
        said: String,
    },
    /// Bytes that are no D-Bus message, or a message that cannot be put into bytes.
    #[error("not a valid D-Bus message: {0}")]
    Malformed(String),
    /// An error reply.
    #[error("{name}: {text}")]
    Reply {
        /// The error's name, such as `org.freedesktop.systemd1.UnitExists`.
        name: String,
        /// Its text.
        text: String,
    },
}

impl From<UnmarshalError> for BusError {
    fn from(error: UnmarshalError) -> BusError {
        BusError::Malformed(error.to_string())
    }
}

impl From<MarshalError> for BusError {
    fn from(error: MarshalError) -> BusError {
        BusError::Malformed(error.to_string())
    }
}

/// A connection. Everything is written before the first answer is read, so that a conversation
/// costs one round trip.
#[derive(Debug)]
pub(crate) struct Bus {
    stream: UnixStream,
    uid: u32,
    serial: u32,
    unread: Vec<u8>,
    greeted: bool,
    deadline: Instant,
}

impl Bus {
    /// Connects and greets as `uid` without waiting for the answer.
    pub(crate) fn connect(addr: &BusAddress, uid: u32, limit: Duration) -> Result<Bus, BusError> {
        let stream = addr.open()?;
        stream.set_write_timeout(Some(limit))?;
        let deadline = Instant::now() + limit;
        let unread = Vec::new();
        let mut bus = Bus { stream, uid, serial: 0, unread, greeted: false, deadline };
        // EXTERNAL takes the decimal uid in hexadecimal of its characters: '1' is 31.
        let hex: String = uid.to_string().bytes().map(|digit| format!("{digit:02x}")).collect();
        bus.stream.write_all(format!("\0AUTH EXTERNAL {hex}\r\nBEGIN\r\n").as_bytes())?;
        let daemon = "org.freedesktop.DBus";
        bus.send(&call(daemon, "/org/freedesktop/DBus", daemon, "Hello"))?;
        Ok(bus)
    }

    /// Sends a message; returns the serial that its reply will name.
    pub(crate) fn send(&mut self, message: &MarshalledMessage) -> Result<u32, BusError> {
        self.serial += 1;
        let mut bytes = Vec::new();
        marshal::marshal(message, self.serial, &mut bytes)?;
        bytes.extend_from_slice(message.get_buf());
        if let Err(error) = self.stream.write_all(&bytes) {
            // Who refuses us hangs up: what it said first is the reason.
            if !self.greeted && error.kind() == io::ErrorKind::BrokenPipe {
                self.read_greeting()?;
            }
            return Err(error.into());
        }
        Ok(self.serial)
    }

    /// The next message, whatever it is.
    pub(crate) fn receive(&mut self) -> Result<MarshalledMessage, BusError> {
        if !self.greeted {
            self.read_greeting()?;
        }
        self.fill(16)?;
        let (used, header) = unmarshal::unmarshal_header(&self.unread, 0)?;
        let fields = &self.unread[12..16];
        let fields = [fields[0], fields[1], fields[2], fields[3]];
        let fields = match header.byteorder {
            rustbus::ByteOrder::LittleEndian => u32::from_le_bytes(fields),
            rustbus::ByteOrder::BigEndian => u32::from_be_bytes(fields),
        };
        let length = (16 + fields as usize).next_multiple_of(8) + header.body_len as usize;
        if length > LONGEST_MESSAGE {
            return Err(BusError::Malformed(format!("{length} bytes in one message")));
        }
        self.fill(length)?;
        let message: Vec<u8> = self.unread.drain(..length).collect();
        let (more, dynamic) = unmarshal::unmarshal_dynamic_header(&header, &message, used)?;
        let (_, message) =
            unmarshal::unmarshal_next_message(&header, dynamic, &message, used + more)?;
        Ok(message)
    }

    fn read_greeting(&mut self) -> Result<(), BusError> {
        let end = loop {
            if let Some(end) = self.unread.windows(2).position(|pair| pair == b"\r\n") {
                break end;
            }
            if self.unread.len() > LONGEST_LINE {
                return Err(BusError::Malformed("an endless greeting".to_owned()));
            }
            self.read_more()?;
        };
        let line: Vec<u8> = self.unread.drain(..end + 2).collect();
        let said = String::from_utf8_lossy(&line[..end]).into_owned();
        if !said.starts_with("OK ") {
            return Err(BusError::Refused { uid: self.uid, said });
        }
        self.greeted = true;
        Ok(())
    }

    fn fill(&mut self, length: usize) -> Result<(), BusError> {
        while self.unread.len() < length {
            self.read_more()?;
        }
        Ok(())
    }

    fn read_more(&mut self) -> Result<(), BusError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        }
        self.stream.set_read_timeout(Some(left))?;
        let mut chunk = [0u8; 4096];
        match self.stream.read(&mut chunk) {
            Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(len) => {
                self.unread.extend_from_slice(&chunk[..len]);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(io::Error::from(io::ErrorKind::TimedOut).into())
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A method call without arguments.
pub(crate) fn call(to: &str, object: &str, interface: &str, method: &str) -> MarshalledMessage {
    MessageBuilder::new().call(method).with_interface(interface).on(object).at(to).build()
}

#[cfg(test)]
impl Bus {
    /// Answers `call` with an error reply; rustbus 0.19 leaves out the field with its name.
    pub(crate) fn refuse(&mut self, call: &MarshalledMessage, name: &str) {
        self.serial += 1;
        let mut bytes = Vec::new();
        let reply = call.dynheader.make_response();
        marshal::marshal(&reply, self.serial, &mut bytes).unwrap();
        bytes[1] = 3;
        bytes.extend_from_slice(&[4, 1, b's', 0]);
        bytes.extend_from_slice(&(name.len() as u32).to_le_bytes());
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
        let fields = (bytes.len() - 16) as u32;
        bytes[12..16].copy_from_slice(&fields.to_le_bytes());
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        self.stream.write_all(&bytes).unwrap();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let path = |path: &str| Some(BusAddress::Path(path.into()));
        for (text, address) in [
            ("unix:path=/run/user/1000/bus", path("/run/user/1000/bus")),
            ("unix:path=/run/user/1000/bus,guid=ab12", path("/run/user/1000/bus")),
            ("tcp:host=x,port=1;unix:guid=1,path=/a%20b", path("/a b")),
            ("unix:abstract=/tmp/dbus-x,guid=1", Some(BusAddress::Abstract(b"/tmp/dbus-x".into()))),
            ("unix:path=/a%2", None),
            ("unix:runtime=yes", None),
            ("", None),
        ] {
            assert_eq!(BusAddress::given(text), address, "{text}");
        }
    }

    #[test]
    fn addresses_are_tried_in_turn() {
        let scratch = crate::sys::scratch::Scratch::new("buses");
        let at = |name: &str| scratch.path().join(name);
        let [good, dead] = ["good", "dead"].map(at);
        let _bus = std::os::unix::net::UnixListener::bind(&good).unwrap();
        drop(std::os::unix::net::UnixListener::bind(&dead).unwrap());
        let given = |paths: &[&Path]| {
            let list: Vec<_> = paths.iter().map(|p| format!("unix:path={}", p.display())).collect();
            BusAddress::given(&list.join(";"))
        };
        let none = at("none");
        assert_eq!(given(&[&none, &dead, &good]), Some(BusAddress::Path(good.clone())));
        assert_eq!(given(&[&good, &none]), Some(BusAddress::Path(good)));
        assert_eq!(given(&[&none, &dead]), Some(BusAddress::Path(none)), "what is told of");
    }

    #[test]
    fn a_silent_bus_is_given_up_in_time() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let deadline = Instant::now() + Duration::from_millis(50);
        let mut bus =
            Bus { stream: ours, uid: 0, serial: 0, unread: Vec::new(), greeted: false, deadline };
        match bus.receive() {
            Err(BusError::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::TimedOut),
            other => panic!("{other:?}"),
        }
    }
}
