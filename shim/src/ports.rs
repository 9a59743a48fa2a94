//! Published ports: whether they are free, and what opens them in slirp4netns. Runs in M.

use crate::at::{At, Res, failure};
use bolt_shim::launch::{API_SOCKET, Forward};
use bolt_shim::report::{Failure, Step};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Longest wait for an answer of slirp4netns.
const PATIENCE: Duration = Duration::from_secs(5);

/// Keeps other supervisors of this user from these steps while it lives: between a look at a port
/// and the program's own bind(2) nobody else may take it, and UDP sockets that share a port would
/// not even be told. The lock is on the directory that holds all containers.
pub(crate) fn turn(dir: &OwnedFd) -> Res<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let all = rustix::fs::openat(dir, "..", flags, Mode::empty()).at(Step::Network, "..")?;
    rustix::fs::flock(&all, FlockOperation::LockExclusive).at(Step::Network, "..")?;
    Ok(all)
}

/// Errors: a port that is taken, or that this user or this host cannot have.
pub(crate) fn expect_free(ports: &[Forward]) -> Res<()> {
    each(ports, |port, host| try_bind(port, host).at(Step::Port, name(port, host)))
}

/// Errors: a port that the program has not opened although it is ready, or that cannot be looked
/// at. Who has opened it is not seen.
pub(crate) fn expect_open(ports: &[Forward]) -> Res<()> {
    each(ports, |port, host| match try_bind(port, host) {
        Err(Errno::ADDRINUSE) => Ok(()),
        Err(e) => Err(e).at(Step::Port, name(port, host)),
        Ok(()) => Err(failure(Step::Port, &name(port, host), libc::EPROTO)),
    })
}

/// Asks slirp4netns, by its socket in `dir`, to open them (slirp4netns(1), "API SOCKET").
pub(crate) fn open(ports: &[Forward], dir: &OwnedFd) -> Res<()> {
    // Its whole path may be longer than an address of a socket.
    let path = format!("/proc/self/fd/{}/{API_SOCKET}", dir.as_raw_fd());
    each(ports, |port, host| {
        let answer = ask(&path, &request(port, host)).at(Step::Port, name(port, host))?;
        match answer.contains("\"return\"") {
            true => Ok(()),
            false => Err(failure(Step::Port, &name(port, host), libc::EPROTO)),
        }
    })
}

/// Ports that a program needs no more open files for than everybody has.
const FEW: u32 = 500;

/// The likely reason why a program with so many ports has ended.
pub(crate) fn too_many(ports: &[Forward]) -> Option<Failure> {
    let first = ports.first()?;
    let count: u32 = ports.iter().map(|port| u32::from(port.count)).sum();
    (count > FEW).then(|| failure(Step::Port, &name(first, first.host), libc::EPROTO))
}

fn each(ports: &[Forward], mut act: impl FnMut(&Forward, u16) -> Res<()>) -> Res<()> {
    for port in ports {
        for n in 0..port.count {
            act(port, port.host.saturating_add(n))?;
        }
    }
    Ok(())
}

/// As the user reads it: `port 8080/tcp`, `port 127.0.0.1:8080/udp`.
fn name(port: &Forward, host: u16) -> String {
    let protocol = if port.udp { "udp" } else { "tcp" };
    match port.address.is_unspecified() {
        true => format!("port {host}/{protocol}"),
        false => format!("port {}/{protocol}", SocketAddr::new(port.address, host)),
    }
}

/// Takes the port and gives it back. A connection that has just ended does not keep it from being
/// taken again (SO_REUSEADDR); UDP has none, and there the option would let two have one port.
fn try_bind(port: &Forward, host: u16) -> Result<(), Errno> {
    let kind = if port.udp { SocketType::DGRAM } else { SocketType::STREAM };
    let at = |address: IpAddr| {
        let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
        if !port.udp {
            sockopt::set_socket_reuseaddr(&socket, true)?;
        }
        bind(&socket, &SocketAddr::new(address, host))
    };
    match at(port.address) {
        // No IPv6 here: of both families there is one.
        Err(Errno::AFNOSUPPORT) if port.address.is_unspecified() => {
            at(Ipv4Addr::UNSPECIFIED.into())
        }
        other => other,
    }
}

fn request(port: &Forward, host: u16) -> String {
    let protocol = if port.udp { "udp" } else { "tcp" };
    let inside = port.inside.saturating_add(host - port.host);
    format!(
        r#"{{"execute": "add_hostfwd", "arguments": {{"proto": "{protocol}", "host_addr": "{}", "host_port": {host}, "guest_port": {inside}}}}}"#,
        port.address
    )
}

/// One request a connection.
fn ask(path: &str, request: &str) -> std::io::Result<String> {
    let mut line = UnixStream::connect(path)?;
    line.set_read_timeout(Some(PATIENCE))?;
    line.write_all(request.as_bytes())?;
    line.shutdown(Shutdown::Write)?;
    let mut answer = [0; 512];
    let mut length = 0;
    while length < answer.len() {
        match line.read(&mut answer[length..])? {
            0 => break,
            more => length += more,
        }
    }
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn only_a_port_that_is_in_use_counts_as_open() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = taken.local_addr().unwrap().port();
        let at = |address: &str| {
            let address = address.parse().unwrap();
            let port = Forward { udp: false, address, host, inside: 80, count: 1 };
            expect_open(&[port]).map_err(|failure| failure.errno)
        };
        assert_eq!(at("127.0.0.1"), Ok(()));
        assert_eq!(at("127.0.0.2"), Err(libc::EPROTO));
        assert_eq!(at("198.51.100.7"), Err(libc::EADDRNOTAVAIL));
    }
}
