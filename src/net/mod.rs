//! L2: the container's network and the three small files that describe it.

use crate::container::config::{Dns, Network};
use bolt_shim::launch::{Net, Uplink, UplinkKind};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Address at which pasta answers DNS (podman's default).
const DNS_FORWARD: &str = "169.254.1.1";
/// Address of the host itself, seen through pasta.
const GUEST_HOST: &str = "169.254.1.2";
/// slirp4netns(1): its built-in DNS and the address of the host.
const SLIRP_DNS: &str = "10.0.2.3";
const SLIRP_HOST: &str = "10.0.2.2";

/// A network as it will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// For the shim.
    pub net: Net,
    /// Name server lines put before the host's.
    pub dns: Option<&'static str>,
    /// What `host.containers.internal` is.
    pub host: Option<&'static str>,
    /// One line for the user, when he gets less than he may expect.
    pub note: Option<String>,
}

/// Why a network could not be planned.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NetError {
    /// No such program.
    #[error(
        "--network {0}: {0}(1) is not installed; install the package '{1}' or use --network host"
    )]
    Missing(&'static str, &'static str),
    /// Either program needs a tun device.
    #[error("--network {0}: {1}")]
    Tun(&'static str, &'static str),
}

/// Why no tun device can be had, with the fix.
fn no_tun(device: &Path) -> Option<&'static str> {
    use rustix::fs::{Access, access};
    match access(device, Access::READ_OK | Access::WRITE_OK) {
        Ok(()) => None,
        Err(rustix::io::Errno::ACCESS) => {
            Some("/dev/net/tun cannot be opened by you; sudo chmod 0666 /dev/net/tun")
        }
        Err(_) => Some("/dev/net/tun is not there; sudo modprobe tun"),
    }
}

/// Finds the program and writes its arguments. `root`: pasta must not drop to another user.
pub fn plan(network: &Network) -> Result<Plan, NetError> {
    match (network, no_tun_for(network)) {
        (Network::Default, Some(why)) => {
            return Ok(bare(Net::None, Some(format!("denied: network: {why}"))));
        }
        (Network::Pasta(_), Some(why)) => return Err(NetError::Tun("pasta", why)),
        (Network::Slirp4netns(_), Some(why)) => return Err(NetError::Tun("slirp4netns", why)),
        _ => {}
    }
    match network {
        Network::None => Ok(bare(Net::None, None)),
        Network::Host => Ok(bare(Net::Host, None)),
        Network::Pasta(options) => pasta(options, true).ok_or(NetError::Missing("pasta", "passt")),
        Network::Slirp4netns(options) => slirp(options, true)
            .ok_or(NetError::Missing("slirp4netns", "slirp4netns")),
        Network::Default => Ok(pasta(&[], false).or_else(|| slirp(&[], false)).unwrap_or_else(|| {
            bare(Net::None, Some("no network: neither pasta(1) nor slirp4netns(1) is installed; install the package 'passt'".into()))
        })),
    }
}

fn no_tun_for(network: &Network) -> Option<&'static str> {
    (!matches!(network, Network::None | Network::Host))
        .then(|| no_tun(Path::new("/dev/net/tun")))?
}

fn bare(net: Net, note: Option<String>) -> Plan {
    Plan { net, dns: None, host: None, note }
}

fn pasta(options: &[String], required: bool) -> Option<Plan> {
    let program = find("pasta")?;
    let mut args: Vec<String> = [
        "--config-net",
        "-t",
        "none",
        "-u",
        "none",
        "-T",
        "none",
        "-U",
        "none",
        "--dns-forward",
        DNS_FORWARD,
        "--no-map-gw",
        "--quiet",
        "--foreground",
        "--runas",
        "0",
        "--pid",
        "{ready}",
        "--netns-only",
        "--netns",
        "{netns}",
    ]
    .map(str::to_owned)
    .to_vec();
    args.splice(0..0, options.iter().cloned());
    let uplink = Uplink { kind: UplinkKind::Pasta, program, args };
    let net = Net::Uplink { uplink, required };
    Some(Plan { net, dns: Some(DNS_FORWARD), host: Some(GUEST_HOST), note: None })
}

fn slirp(options: &[String], required: bool) -> Option<Plan> {
    let program = find("slirp4netns")?;
    let mut args: Vec<String> = options.iter().map(|o| format!("--{o}")).collect();
    args.extend(
        [
            "--configure",
            "--mtu=65520",
            "--disable-host-loopback",
            "--ready-fd=1",
            "--netns-type=path",
            "{netns}",
            "tap0",
        ]
        .map(str::to_owned),
    );
    let uplink = Uplink { kind: UplinkKind::Slirp, program, args };
    let net = Net::Uplink { uplink, required };
    Some(Plan { net, dns: Some(SLIRP_DNS), host: Some(SLIRP_HOST), note: None })
}

/// Absolute path of a program; the caller's PATH may be a game launcher's and is not asked.
pub fn find(name: &str) -> Option<String> {
    ["/usr/bin", "/usr/local/bin", "/bin", "/usr/sbin", "/usr/libexec/podman"]
        .iter()
        .map(|dir| PathBuf::from(dir).join(name))
        .find(|path| path.is_file())
        .and_then(|path| path.to_str().map(str::to_owned))
}

/// `/etc/resolv.conf` of the container out of the host's. A loopback server of the host cannot
/// be reached from another network namespace; the uplink's own stands in for it.
/// What `dns` says stands instead of the host's lines of its kind.
pub fn resolv_conf(host: &str, plan: &Plan, dns: &Dns) -> String {
    if plan.net == Net::Host {
        return host.to_owned();
    }
    let mut servers: Vec<String> = plan.dns.iter().map(|d| (*d).to_owned()).collect();
    let mut others = String::new();
    for (key, words) in [("search", &dns.searches), ("options", &dns.options)] {
        if !words.is_empty() {
            others.push_str(&format!("{key} {}\n", words.join(" ")));
        }
    }
    for line in host.lines() {
        let mut words = line.split_ascii_whitespace();
        match (words.next(), words.next()) {
            (Some("nameserver"), Some(server)) => {
                let address = server.split('%').next().and_then(|a| a.parse::<IpAddr>().ok());
                if address.is_some_and(|a| !a.is_loopback()) && plan.net != Net::None {
                    servers.push(server.to_owned());
                }
            }
            (Some("search" | "domain"), _) if !dns.searches.is_empty() => {}
            (Some("options"), _) if !dns.options.is_empty() => {}
            (Some("search" | "options" | "domain"), _) => {
                others.push_str(line);
                others.push('\n');
            }
            _ => {}
        }
    }
    if !dns.servers.is_empty() {
        servers.clone_from(&dns.servers);
    }
    let mut text = others;
    for server in servers.iter().take(3) {
        text.push_str(&format!("nameserver {server}\n"));
    }
    text
}

/// `/etc/hosts` of the container.
pub fn hosts(hostname: &str, name: &str, plan: &Plan, host: &str) -> String {
    if plan.net == Net::Host {
        return host.to_owned();
    }
    let mut text =
        String::from("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    if let Some(address) = plan.host {
        text.push_str(&format!("{address}\thost.containers.internal host.docker.internal\n"));
    }
    text.push_str(&format!("127.0.1.1\t{hostname} {name}\n"));
    text
}

/// The host's file, empty where it has none.
pub fn host_file(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_servers_give_way_to_the_uplinks_own() {
        let plan = Plan {
            net: Net::Uplink {
                uplink: Uplink { kind: UplinkKind::Pasta, program: "/x".into(), args: vec![] },
                required: true,
            },
            dns: Some("169.254.1.1"),
            host: None,
            note: None,
        };
        let none = Dns::default();
        let text = resolv_conf(
            "# c\nnameserver 127.0.0.53\nnameserver 10.1.1.1\nsearch lan\n",
            &plan,
            &none,
        );
        assert_eq!(text, "search lan\nnameserver 169.254.1.1\nnameserver 10.1.1.1\n");
        let dns = Dns {
            servers: vec!["10.9.9.9".into()],
            searches: vec!["a".into(), "b".into()],
            options: vec!["ndots:2".into()],
        };
        let text = resolv_conf("nameserver 10.1.1.1\nsearch lan\noptions x\n", &plan, &dns);
        assert_eq!(text, "search a b\noptions ndots:2\nnameserver 10.9.9.9\n");
    }

    #[test]
    fn a_device_that_cannot_be_had_is_told_with_its_fix() {
        assert_eq!(no_tun(Path::new("/dev/null")), None);
        assert!(no_tun(Path::new("/dev/null/tun")).unwrap().contains("modprobe tun"));
        if !rustix::process::geteuid().is_root() {
            assert!(no_tun(Path::new("/etc/shadow")).unwrap().contains("chmod 0666"));
        }
    }

    #[test]
    fn without_a_network_nothing_is_asked() {
        let text = resolv_conf("nameserver 10.1.1.1\n", &bare(Net::None, None), &Dns::default());
        assert_eq!(text, "");
    }
}
