//! Published ports → what the uplink's program and the shim are told of them.

use super::NetError;
use super::ports::overlap;
use crate::container::ports::{Port, Protocol};
use bolt_shim::launch::Forward;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `-t` and `-u` of pasta(1). It keeps one target for a port of the host, whatever the address.
pub(super) fn pasta_words(ports: &[Port]) -> Result<Vec<String>, NetError> {
    for (n, port) in ports.iter().enumerate() {
        if let Some(other) = ports[..n].iter().find(|other| overlap(port, other)) {
            return Err(NetError::OneAddress(port.host.max(other.host), port.protocol));
        }
    }
    let mut words = Vec::with_capacity(ports.len() * 2);
    for port in ports {
        words.push(if port.protocol == Protocol::Tcp { "-t" } else { "-u" }.to_owned());
        let address = port.address.map_or_else(String::new, |address| format!("{address}/"));
        let span = |first: u16| match port.count {
            1 => first.to_string(),
            count => format!("{first}-{}", first + (count - 1)),
        };
        words.push(format!("{address}{}:{}", span(port.host), span(port.inside)));
    }
    Ok(words)
}

/// Where pasta listens: at all addresses of both families unless one is named.
pub(super) fn by_pasta(ports: &[Port]) -> Vec<Forward> {
    ports.iter().map(|port| forward(port, Ipv6Addr::UNSPECIFIED.into())).collect()
}

/// Where slirp4netns listens, which knows IPv4 alone.
pub(super) fn by_slirp(ports: &[Port]) -> Result<Vec<Forward>, NetError> {
    match ports.iter().find_map(|port| port.address.filter(IpAddr::is_ipv6)) {
        Some(address) => Err(NetError::Ipv4Only(address)),
        None => Ok(ports.iter().map(|port| forward(port, Ipv4Addr::UNSPECIFIED.into())).collect()),
    }
}

fn forward(port: &Port, everywhere: IpAddr) -> Forward {
    Forward {
        udp: port.protocol == Protocol::Udp,
        address: port.address.unwrap_or(everywhere),
        host: port.host,
        inside: port.inside,
        count: port.count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(address: Option<&str>, host: u16, count: u16, protocol: Protocol) -> Port {
        let address = address.map(|a| a.parse().unwrap());
        Port { protocol, address, host, inside: 80, count }
    }

    #[test]
    fn words_for_pasta() {
        let ports = [
            port(None, 8080, 1, Protocol::Tcp),
            port(Some("::1"), 9000, 3, Protocol::Udp),
            port(Some("127.0.0.1"), 8081, 1, Protocol::Tcp),
        ];
        let words = pasta_words(&ports).unwrap();
        let wanted = ["-t", "8080:80", "-u", "::1/9000-9002:80-82", "-t", "127.0.0.1/8081:80"];
        assert_eq!(words, wanted);
        assert_eq!(by_pasta(&ports)[0].address.to_string(), "::");
        let twice = [
            port(Some("127.0.0.1"), 80, 2, Protocol::Tcp),
            port(Some("::1"), 81, 1, Protocol::Tcp),
        ];
        assert_eq!(pasta_words(&twice).unwrap_err(), NetError::OneAddress(81, Protocol::Tcp));
        assert!(by_slirp(&ports).unwrap_err().to_string().contains("::1"));
        assert_eq!(by_slirp(&ports[..1]).unwrap()[0].address.to_string(), "0.0.0.0");
    }
}
