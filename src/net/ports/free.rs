//! Ports of the host that nobody has, as the system offers them.

use super::{PortError, Wish, overlap};
use crate::container::ports::{Port, Protocol};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

/// A socket that keeps its port until the other ports of the container are chosen too.
#[derive(Debug)]
pub(super) enum Held {
    Tcp(TcpListener),
    Udp(UdpSocket),
}

impl Held {
    fn bind(protocol: Protocol, address: Option<IpAddr>, port: u16) -> io::Result<Held> {
        let bind = |address: IpAddr| {
            let at = SocketAddr::new(address, port);
            match protocol {
                Protocol::Tcp => TcpListener::bind(at).map(Held::Tcp),
                Protocol::Udp => UdpSocket::bind(at).map(Held::Udp),
            }
        };
        match address {
            Some(address) => bind(address),
            // Both families; 0.0.0.0 where this host has one only.
            None => match bind(Ipv6Addr::UNSPECIFIED.into()) {
                Err(e) if e.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
                    bind(Ipv4Addr::UNSPECIFIED.into())
                }
                other => other,
            },
        }
    }

    fn port(&self) -> io::Result<u16> {
        match self {
            Held::Tcp(socket) => socket.local_addr(),
            Held::Udp(socket) => socket.local_addr(),
        }
        .map(|address| address.port())
    }
}

/// How many places are tried for a run of ports.
const TRIES: usize = 64;

/// Free ports of the host in a row that no other wish of the container names.
pub(super) fn choose(wish: &Wish, others: &[Port], held: &mut Vec<Held>) -> Result<u16, PortError> {
    let mut why = io::Error::from(io::ErrorKind::AddrInUse);
    // Kept as well, so that the system does not offer the same again.
    let mut refused = Vec::new();
    for _ in 0..TRIES {
        let found = run_from(wish, others, &mut refused);
        match found {
            Ok((host, run)) => {
                held.extend(run);
                return Ok(host);
            }
            Err(e) => why = e,
        }
        // Another place needs no fewer files.
        if matches!(why.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) {
            break;
        }
    }
    let Wish { count, protocol, address, .. } = *wish;
    Err(PortError::NoneFree { count, protocol, address, why: reason(&why) })
}

/// Why no port could be had, in words.
fn reason(why: &io::Error) -> String {
    match why.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE) => {
            "too many files are open; publish fewer ports, or raise the limit ('ulimit -n')".into()
        }
        Some(libc::EADDRNOTAVAIL) => "this host has no such address".into(),
        Some(libc::EAFNOSUPPORT) => "this host has no IPv6".into(),
        Some(libc::EADDRINUSE) | None => {
            "the places that were tried are in use; name the ports of the host".into()
        }
        Some(_) => {
            let text = why.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_owned()
        }
    }
}

/// The ports that follow one that the system chose.
fn run_from(wish: &Wish, others: &[Port], refused: &mut Vec<Held>) -> io::Result<(u16, Vec<Held>)> {
    let first = Held::bind(wish.protocol, wish.address, 0)?;
    let host = first.port()?;
    let fits = u32::from(host) + u32::from(wish.count) <= 65_536
        && !others.iter().any(|other| overlap(&wish.at(host), other));
    if !fits {
        refused.push(first);
        return Err(io::ErrorKind::AddrInUse.into());
    }
    let mut run = vec![first];
    for more in 1..wish.count {
        match Held::bind(wish.protocol, wish.address, host + more) {
            Ok(socket) => run.push(socket),
            Err(e) => {
                refused.append(&mut run);
                return Err(e);
            }
        }
    }
    Ok((host, run))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_reasons_in_plain_words() {
        for (errno, words) in [
            (libc::EMFILE, "ulimit -n"),
            (libc::ENFILE, "publish fewer ports"),
            (libc::EADDRINUSE, "in use"),
            (libc::EADDRNOTAVAIL, "no such address"),
            (libc::ENOBUFS, "uffer space"),
        ] {
            let text = reason(&io::Error::from_raw_os_error(errno));
            assert!(text.contains(words) && !text.contains("os error"), "{text}");
        }
    }
}
