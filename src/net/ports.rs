//! Words of `--publish` and `--expose` → ports of the host (podman-run(1)).

mod free;

use crate::container::ports::{Exposed, Port, Ports, Protocol};
use std::net::{IpAddr, Ipv4Addr};

/// Why ports cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// Not the grammar.
    #[error("{0}: {1}")]
    Word(String, String),
    /// Two wishes for one port of the host.
    #[error("--publish: port {0}/{1} of the host is published twice; give each its own")]
    Twice(u16, Protocol),
    /// `--publish-all` of more than [`MOST`].
    #[error(
        "--publish-all: {0} exposed ports would be published, at most {MOST} are; publish them as a range with --publish FIRST-LAST:FIRST-LAST"
    )]
    TooMany(usize),
    /// No port, or no run of ports, is free.
    #[error("--publish: no {run}{at}: {why}", run = run_of(*.count, *.protocol), at = at(.address))]
    NoneFree {
        /// How many in a row.
        count: u16,
        /// Which protocol.
        protocol: Protocol,
        /// At which address of the host.
        address: Option<IpAddr>,
        /// What the system said, in words.
        why: String,
    },
}

/// Ports that `--publish-all` publishes at most: the image decides how many it exposes, and
/// each takes an open file of the program that carries the network.
const MOST: usize = 1000;

fn run_of(count: u16, protocol: Protocol) -> String {
    match count {
        1 => format!("free {protocol} port"),
        _ => format!("{count} free {protocol} ports in a row"),
    }
}

fn at(address: &Option<IpAddr>) -> String {
    address.map_or_else(String::new, |address| format!(" at {address}"))
}

/// One `--publish`: the port of the host may still have to be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    protocol: Protocol,
    address: Option<IpAddr>,
    host: Option<u16>,
    inside: u16,
    count: u16,
}

/// `[[ip:][hostPort]:]containerPort[/protocol]`; either port may be a range `FIRST-LAST`.
pub fn publish(text: &str) -> Result<Wish, PortError> {
    wish(text).map_err(|why| PortError::Word(format!("--publish {text:?}"), why))
}

/// `PORT[-LAST][/PROTOCOL]` of `--expose`.
pub fn expose(text: &str) -> Result<Exposed, PortError> {
    exposed(text).map_err(|why| PortError::Word(format!("--expose {text:?}"), why))
}

/// The same of an image, whose odd words expose nothing.
pub fn exposed_by_image(words: &[String]) -> Vec<Exposed> {
    words.iter().filter_map(|word| exposed(word).ok()).collect()
}

fn exposed(text: &str) -> Result<Exposed, String> {
    let (ports, protocol) = protocol(text)?;
    let (first, count) = range("port", ports)?;
    Ok(Exposed { protocol, first, count })
}

fn wish(text: &str) -> Result<Wish, String> {
    let (rest, protocol) = protocol(text)?;
    let (address, rest) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (address, rest) = rest.split_once("]:").ok_or("the address has no end ']:'")?;
            if !rest.contains(':') {
                return Err("after an address comes [hostPort]:containerPort".into());
            }
            (address, rest)
        }
        None if rest.matches(':').count() > 1 => rest.split_once(':').unwrap_or(("", rest)),
        None => ("", rest),
    };
    let (host, inside) = rest.split_once(':').unwrap_or(("", rest));
    if inside.contains(':') {
        return Err(
            "use [[ip:][hostPort]:]containerPort[/protocol], an IPv6 address in brackets".into()
        );
    }
    let address = match address {
        "" => None,
        text => Some(listening(text)?),
    };
    let (inside, count) = range("container port", inside)?;
    let host = match host {
        "" | "0" => None,
        host => {
            let (first, ports) = range("host port", host)?;
            if ports != count {
                return Err(format!("{ports} ports of the host for {count} of the container"));
            }
            Some(first)
        }
    };
    Ok(Wish { protocol, address, host, inside, count })
}

/// An address that a program can listen at.
fn listening(text: &str) -> Result<IpAddr, String> {
    let address = text.parse::<IpAddr>().map_err(|_| format!("{text:?} is not an IP address"))?;
    // IPv4 in the words of IPv6 is IPv4 to the programs that forward.
    let address = address.to_canonical();
    if address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST) {
        return Err(format!(
            "{text} is an address of many hosts; use one of this host, or none for all of them"
        ));
    }
    Ok(address)
}

/// The word without its protocol, which is TCP where none is named.
fn protocol(text: &str) -> Result<(&str, Protocol), String> {
    let Some((rest, name)) = text.split_once('/') else { return Ok((text, Protocol::Tcp)) };
    match name.to_ascii_lowercase().as_str() {
        "tcp" => Ok((rest, Protocol::Tcp)),
        "udp" => Ok((rest, Protocol::Udp)),
        _ => Err(format!("protocol {name:?} is not known; use tcp or udp")),
    }
}

/// (first, how many) of `80` or `80-82`.
fn range(what: &str, text: &str) -> Result<(u16, u16), String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (number(what, first)?, number(what, last)?);
    match last.checked_sub(first) {
        // All of them are one less than a u16 can count.
        Some(more) => Ok((first, more + 1)),
        None => Err(format!("{what} range {text:?} ends before it begins")),
    }
}

fn number(what: &str, text: &str) -> Result<u16, String> {
    if text.is_empty() {
        return Err(format!("the {what} is missing"));
    }
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse::<u16>().ok().filter(|number| digits && *number != 0);
    number.ok_or_else(|| format!("the {what} {text:?} is no number from 1 to 65535"))
}

/// All wishes of one container as ports; those left open are chosen among what is free now.
pub fn settle(
    mut wishes: Vec<Wish>,
    mut exposed: Vec<Exposed>,
    all: bool,
) -> Result<Ports, PortError> {
    merge(&mut exposed);
    if all {
        let more: Vec<_> = exposed.iter().flat_map(|e| missing(*e, &wishes)).collect();
        if more.len() > MOST {
            return Err(PortError::TooMany(more.len()));
        }
        wishes.extend(more);
    }
    let (fixed, open): (Vec<_>, Vec<_>) = wishes.into_iter().partition(|w| w.host.is_some());
    let mut published: Vec<Port> = fixed.into_iter().filter_map(|w| Some(w.at(w.host?))).collect();
    order(&mut published)?;
    let mut held = Vec::new();
    for wish in open {
        let host = free::choose(&wish, &published, &mut held)?;
        published.push(wish.at(host));
    }
    order(&mut published)?;
    Ok(Ports { published, exposed, all })
}

/// Sorted, and no port in two runs.
fn merge(exposed: &mut Vec<Exposed>) {
    exposed.sort_unstable();
    exposed.dedup_by(|next, last| {
        let end = |run: &Exposed| u32::from(run.first) + u32::from(run.count);
        let overlaps = next.protocol == last.protocol && u32::from(next.first) < end(last);
        if overlaps {
            let count = end(next).max(end(last)) - u32::from(last.first);
            // Both end at 65535 at most, and none begins at 0.
            last.count = u16::try_from(count).unwrap_or(u16::MAX);
        }
        overlaps
    });
}

/// Of an exposed run what nobody wished to publish, port by port.
fn missing(exposed: Exposed, wishes: &[Wish]) -> Vec<Wish> {
    let named = |port: u16| {
        let mut of_protocol = wishes.iter().filter(|w| w.protocol == exposed.protocol);
        of_protocol.any(|w| port >= w.inside && port - w.inside < w.count)
    };
    let open = exposed.each().filter(|port| !named(*port));
    open.map(|inside| Wish {
        protocol: exposed.protocol,
        address: None,
        host: None,
        inside,
        count: 1,
    })
    .collect()
}

impl Wish {
    fn at(&self, host: u16) -> Port {
        let Wish { protocol, address, inside, count, .. } = *self;
        Port { protocol, address, host, inside, count }
    }
}

/// Sorted, neighbours joined, the same said twice once.
fn order(ports: &mut Vec<Port>) -> Result<(), PortError> {
    ports.sort_by_key(|p| (p.protocol, p.address, p.host, p.inside));
    ports.dedup_by(|next, last| {
        let joins = last.protocol == next.protocol
            && last.address == next.address
            && shift(last) == shift(next)
            && end(last) >= u32::from(next.host);
        if joins {
            let count = end(next).max(end(last)) - u32::from(last.host);
            // Both end at 65535 at most, and none begins at 0.
            last.count = u16::try_from(count).unwrap_or(u16::MAX);
        }
        joins
    });
    for (n, port) in ports.iter().enumerate() {
        if let Some(other) = ports[..n].iter().find(|other| collide(port, other)) {
            return Err(PortError::Twice(port.host.max(other.host), port.protocol));
        }
    }
    Ok(())
}

fn shift(port: &Port) -> i32 {
    i32::from(port.host) - i32::from(port.inside)
}

fn end(port: &Port) -> u32 {
    u32::from(port.host) + u32::from(port.count)
}

/// Whether some port of the host of one is one of the other's, at any address.
pub(super) fn overlap(one: &Port, other: &Port) -> bool {
    one.protocol == other.protocol
        && u32::from(one.host) < end(other)
        && u32::from(other.host) < end(one)
}

/// Whether both would listen at one address and port.
fn collide(one: &Port, other: &Port) -> bool {
    let same = match (one.address, other.address) {
        (None, _) | (_, None) => true,
        (Some(a), Some(b)) => {
            a == b || (a.is_ipv4() == b.is_ipv4() && (a.is_unspecified() || b.is_unspecified()))
        }
    };
    same && overlap(one, other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(words: &[&str]) -> Result<Vec<String>, String> {
        let wishes = words.iter().map(|w| publish(w)).collect::<Result<Vec<_>, _>>();
        let ports = wishes.and_then(|w| settle(w, Vec::new(), false));
        ports.map(|p| p.published.iter().map(Port::to_string).collect()).map_err(|e| e.to_string())
    }

    #[test]
    fn words_are_what_podman_makes_of_them() {
        for (word, shown) in [
            ("8080:80", "0.0.0.0:8080->80/tcp"),
            ("8080:80/UDP", "0.0.0.0:8080->80/udp"),
            ("127.0.0.1:8080:80", "127.0.0.1:8080->80/tcp"),
            ("[::1]:8080-8082:80-82/udp", "[::1]:8080-8082->80-82/udp"),
            ("0.0.0.0:8080:80", "0.0.0.0:8080->80/tcp"),
            ("[::ffff:127.0.0.1]:8080:80", "127.0.0.1:8080->80/tcp"),
            ("1-65535:1-65535", "0.0.0.0:1-65535->1-65535/tcp"),
            ("080:080", "0.0.0.0:80->80/tcp"),
        ] {
            assert_eq!(all(&[word]).unwrap(), [shown], "{word}");
        }
    }

    #[test]
    fn odd_words_are_refused_with_what_is_wrong() {
        for (word, why) in [
            ("", "missing"),
            (":", "container port is missing"),
            ("0", "from 1 to 65535"),
            ("70000", "from 1 to 65535"),
            ("80/sctp", "use tcp or udp"),
            ("80/tcp/udp", "use tcp or udp"),
            ("80/", "use tcp or udp"),
            ("/tcp", "container port is missing"),
            ("1-2:3", "2 ports of the host for 1"),
            ("5-3:5-3", "ends before it begins"),
            ("a:80", "host port \"a\""),
            ("300.1.1.1:1:2", "not an IP address"),
            ("::1:18120:80", "IPv6 address in brackets"),
            ("[::1:18120:80", "no end ']:'"),
            ("[::1]:80", "[hostPort]:containerPort"),
            ("[fe80::1%eth0]:1:2", "not an IP address"),
            ("eth0:1:2", "\"eth0\" is not an IP address"),
            ("224.0.0.1:1:2", "224.0.0.1 is an address of many hosts"),
            ("255.255.255.255:1:2", "use one of this host"),
            ("[ff02::1]:1:2", "many hosts"),
            ("[::ffff:224.0.0.1]:1:2", "many hosts"),
            ("127.0.0.1:80", "host port \"127.0.0.1\""),
            ("80:", "container port is missing"),
            ("-1:80", "the host port is missing"),
            ("1-:80", "the host port is missing"),
            (" 80", "container port \" 80\""),
            ("+80:80", "host port \"+80\""),
            ("1:80:1:2", "use [[ip:]"),
            ("0-5:0-5", "from 1 to 65535"),
            ("٣:80", "from 1 to 65535"),
        ] {
            let error = all(&[word]).unwrap_err();
            assert!(error.starts_with(&format!("--publish {word:?}: ")), "{error}");
            assert!(error.contains(why), "{word}: {error}");
        }
    }

    #[test]
    fn neighbours_are_joined_and_collisions_found() {
        let joined = all(&["81:81", "80:80", "80:80", "82-90:82-90", "85-95:85-95", "80:80/udp"]);
        assert_eq!(joined.unwrap(), ["0.0.0.0:80-95->80-95/tcp", "0.0.0.0:80->80/udp"]);
        let two = ["127.0.0.1:80:80", "127.0.0.2:80:80", "[::1]:80:81"];
        assert_eq!(all(&two).unwrap().len(), 3);
        for words in [
            &["80:80", "80:81"][..],
            &["80:80", "127.0.0.1:80:80"],
            &["0.0.0.0:80:80", "127.0.0.1:80:80"],
            &["100-200:1-101", "150:7"],
        ] {
            assert!(all(words).unwrap_err().contains("published twice"), "{words:?}");
        }
    }

    #[test]
    fn free_ports_are_chosen() {
        let wishes = ["80", "0:81", "127.0.0.1::82/udp", "90-92"].map(|w| publish(w).unwrap());
        let published = settle(wishes.to_vec(), Vec::new(), false).unwrap().published;
        let mut hosts: Vec<_> =
            published.iter().flat_map(Port::each).map(|(host, _)| host).collect();
        hosts.sort_unstable();
        hosts.dedup();
        assert_eq!(hosts.len(), 6, "{published:?}");
        assert!(hosts.iter().all(|port| *port >= 1024));
        let gone = publish("198.51.100.7::80").unwrap();
        let error = settle(vec![gone], Vec::new(), false).unwrap_err().to_string();
        assert!(error.contains("port at 198.51.100.7: this host has no such address"), "{error}");
    }

    #[test]
    fn many_exposed_ports_are_few_runs_and_not_published_at_once() {
        let runs = |words: &[&str]| words.iter().map(|w| expose(w).unwrap()).collect::<Vec<_>>();
        let many = runs(&["5000-65000", "1-60000", "2-9", "9000-65535", "7/udp", "7/udp"]);
        let ports = settle(Vec::new(), many.clone(), false).unwrap();
        assert_eq!(ports.exposed, runs(&["1-65535", "7/udp"]));
        let error = settle(Vec::new(), many, true).unwrap_err().to_string();
        assert!(error.contains("65536 exposed ports") && error.contains("at most 1000"), "{error}");
        // Those that are published by name need no other port.
        let own = publish("1-65535:1-65535").unwrap();
        assert_eq!(settle(vec![own], runs(&["1-65535"]), true).unwrap().published.len(), 1);
        let apart = runs(&["80", "81", "85-90"]);
        assert_eq!(settle(Vec::new(), apart.clone(), false).unwrap().exposed, apart);
    }

    #[test]
    fn exposed_ports_are_published_with_all() {
        let words = ["80/tcp", "90-91/udp", "x", "0", "81"].map(str::to_owned);
        let exposed = exposed_by_image(&words);
        assert_eq!(exposed.len(), 3);
        let own = publish("8080:80").unwrap();
        let ports = settle(vec![own], exposed.clone(), true).unwrap();
        assert_eq!(ports.published.iter().map(|p| u32::from(p.count)).sum::<u32>(), 4);
        assert!(ports.published.contains(&own.at(8080)), "{ports:?}");
        assert!(settle(vec![own], exposed, false).unwrap().published.len() == 1);
        assert!(expose("80/xyz").is_err() && expose("5-3").is_err() && expose("").is_err());
    }
}
