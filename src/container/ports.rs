//! Ports of the host that lead into a container, and those that it is said to serve.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;
use std::net::IpAddr;

/// `--publish`, `--expose` and `--publish-all`, as they were meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ports {
    /// Published ports: by protocol, address and port, none twice.
    pub published: Vec<Port>,
    /// Ports that the image or `--expose` names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exposed: Vec<Exposed>,
    /// `--publish-all`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub all: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// A run of ports of the host, each of which leads to the port of the container at the same place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Which protocol.
    pub protocol: Protocol,
    /// Address of the host; `None`: all of them.
    pub address: Option<IpAddr>,
    /// First port of the host.
    pub host: u16,
    /// First port of the container.
    pub inside: u16,
    /// How many, at least one.
    pub count: u16,
}

/// A run of ports that the container is said to serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Exposed {
    /// Which protocol.
    pub protocol: Protocol,
    /// First port of the container.
    pub first: u16,
    /// How many, at least one.
    pub count: u16,
}

/// Transport protocol of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

impl Exposed {
    /// The single ports.
    pub fn each(self) -> impl Iterator<Item = u16> {
        run(self.first, self.count)
    }
}

/// Whether a run is not empty and within the numbers of ports.
fn is_run(first: u16, count: u16) -> bool {
    first > 0 && count > 0 && first.checked_add(count - 1).is_some()
}

/// At most 65535 is in a run: it was checked when it was read.
fn run(first: u16, count: u16) -> impl Iterator<Item = u16> {
    (0..count).map_while(move |n| first.checked_add(n))
}

/// `80`, `80-82`.
fn span(first: u16, count: u16) -> String {
    match count {
        0 | 1 => first.to_string(),
        _ => format!("{first}-{}", u32::from(first) + u32::from(count) - 1),
    }
}

impl Port {
    /// (port of the host, port of the container) one by one.
    pub fn each(&self) -> impl Iterator<Item = (u16, u16)> + use<> {
        run(self.host, self.count).zip(run(self.inside, self.count))
    }

    /// The address as a listening socket is written: in brackets where it has colons.
    fn at(&self) -> String {
        match self.address {
            None => "0.0.0.0".to_owned(),
            Some(IpAddr::V4(address)) => address.to_string(),
            Some(IpAddr::V6(address)) => format!("[{address}]"),
        }
    }

    /// `0.0.0.0:8080`, as `bolt port` shows one port of the host.
    pub fn socket(&self, host: u16) -> String {
        format!("{}:{host}", self.at())
    }

    fn bare_address(&self) -> String {
        self.address.map_or_else(String::new, |address| address.to_string())
    }
}

impl fmt::Display for Port {
    /// `0.0.0.0:8080-8081->80-81/tcp`, as `ps` shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, inside) = (span(self.host, self.count), span(self.inside, self.count));
        write!(f, "{}:{host}->{inside}/{}", self.at(), self.protocol)
    }
}

impl Ports {
    /// Nothing is published or exposed.
    pub fn is_empty(&self) -> bool {
        self.published.is_empty() && self.exposed.is_empty() && !self.all
    }

    /// Whether all runs are such as `create` makes: a file may say anything.
    pub(super) fn are_whole(&self) -> bool {
        self.exposed.iter().all(|e| is_run(e.first, e.count))
            && self.published.iter().all(|p| is_run(p.host, p.count) && is_run(p.inside, p.count))
    }

    /// The column of `ps`.
    pub fn column(&self) -> String {
        let shown: Vec<_> = self.published.iter().map(ToString::to_string).collect();
        shown.join(", ")
    }

    /// `80/tcp, 90-91/udp`: what the container is said to serve.
    pub fn exposed_column(&self) -> String {
        let shown = |e: &Exposed| format!("{}/{}", span(e.first, e.count), e.protocol);
        self.exposed.iter().map(shown).collect::<Vec<_>>().join(", ")
    }

    /// The key `Ports` of podman's `ps --format json`.
    pub fn rows(&self) -> Value {
        if self.published.is_empty() {
            return Value::Null;
        }
        let row = |port: &Port| {
            json!({
                "host_ip": port.bare_address(),
                "container_port": port.inside,
                "host_port": port.host,
                "range": port.count,
                "protocol": port.protocol,
            })
        };
        self.published.iter().map(row).collect()
    }

    /// `HostConfig.PortBindings` and `NetworkSettings.Ports` of inspect: a port that is exposed
    /// and not published has no binding.
    pub fn bindings(&self) -> Value {
        let mut all = Map::new();
        for exposed in &self.exposed {
            for port in exposed.each() {
                all.insert(format!("{port}/{}", exposed.protocol), Value::Null);
            }
        }
        for port in &self.published {
            for (host, inside) in port.each() {
                let key = format!("{inside}/{}", port.protocol);
                let binding =
                    json!({ "HostIp": port.bare_address(), "HostPort": host.to_string() });
                match all.get_mut(&key).and_then(Value::as_array_mut) {
                    Some(list) => list.push(binding),
                    None => {
                        all.insert(key, json!([binding]));
                    }
                }
            }
        }
        Value::Object(all)
    }

    /// `Config.ExposedPorts` of inspect, published ones included.
    pub fn exposed(&self) -> Value {
        let Value::Object(all) = self.bindings() else { return Value::Null };
        all.into_iter().map(|(key, _)| (key, json!({}))).collect::<Map<_, _>>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports() -> Ports {
        let port = |address: Option<&str>, host, inside, count, protocol| Port {
            address: address.map(|a| a.parse().unwrap()),
            host,
            inside,
            count,
            protocol,
        };
        Ports {
            published: vec![
                port(None, 8080, 80, 1, Protocol::Tcp),
                port(Some("::1"), 8081, 80, 1, Protocol::Tcp),
                port(Some("127.0.0.1"), 65534, 90, 2, Protocol::Udp),
            ],
            exposed: vec![
                Exposed { protocol: Protocol::Tcp, first: 80, count: 2 },
                Exposed { protocol: Protocol::Udp, first: 7, count: 1 },
            ],
            all: false,
        }
    }

    #[test]
    fn shown_as_podman_shows_them() {
        let ports = ports();
        assert_eq!(
            ports.column(),
            "0.0.0.0:8080->80/tcp, [::1]:8081->80/tcp, 127.0.0.1:65534-65535->90-91/udp"
        );
        assert_eq!(ports.exposed_column(), "80-81/tcp, 7/udp");
        assert_eq!(ports.rows()[2]["range"], 2);
        assert_eq!(ports.rows()[0]["host_ip"], "");
        assert_eq!(Ports::default().rows(), Value::Null);
        let bindings = ports.bindings();
        assert_eq!(bindings["81/tcp"], Value::Null);
        assert_eq!(bindings["80/tcp"].as_array().unwrap().len(), 2);
        assert_eq!(bindings["91/udp"][0]["HostPort"], "65535");
        assert_eq!(ports.exposed().as_object().unwrap().len(), 5);
        assert_eq!(ports.exposed()["7/udp"], json!({}));
    }

    #[test]
    fn the_file_holds_them() {
        let ports = ports();
        let text = serde_json::to_string(&ports).unwrap();
        assert_eq!(serde_json::from_str::<Ports>(&text).unwrap(), ports);
        assert_eq!(serde_json::to_string(&Ports::default()).unwrap(), r#"{"published":[]}"#);
    }
}
