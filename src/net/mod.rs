//! L2: the container's network and the three small files that describe it.

mod forward;
pub mod ports;

use crate::container::config::{Dns, Network};
use crate::container::ports::{Port, Protocol};
use bolt_shim::launch::{API_SOCKET, Net, Uplink, UplinkKind};
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
    /// Ports lead into a network of the container's own, and there can be none.
    #[error("--publish: the container gets no network: {0}")]
    NoNetwork(&'static str),
    /// Of two addresses.
    #[error(
        "--publish: pasta listens on port {0}/{1} of the host for one address, or for all when none is named; use --network slirp4netns for several"
    )]
    OneAddress(u16, Protocol),
    /// slirp4netns(1), "API SOCKET".
    #[error("--publish: slirp4netns listens on IPv4 addresses only, not {0}; use --network pasta")]
    Ipv4Only(IpAddr),
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

/// What is told where neither program is there.
const NO_PROGRAM: &str =
    "neither pasta(1) nor slirp4netns(1) is installed; install the package 'passt'";

/// Finds the program and writes its arguments; with published `ports` there is one, or an error.
pub fn plan(network: &Network, ports: &[Port]) -> Result<Plan, NetError> {
    match (network, no_tun_for(network)) {
        (Network::Default, Some(why)) if !ports.is_empty() => return Err(NetError::NoNetwork(why)),
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
        Network::Pasta(options) => {
            let program = find("pasta").ok_or(NetError::Missing("pasta", "passt"))?;
            pasta(program, options, ports, true)
        }
        Network::Slirp4netns(options) => {
            let missing = NetError::Missing("slirp4netns", "slirp4netns");
            slirp(find("slirp4netns").ok_or(missing)?, options, ports, true)
        }
        Network::Default => {
            let required = !ports.is_empty();
            if let Some(program) = find("pasta") {
                pasta(program, &[], ports, required)
            } else if let Some(program) = find("slirp4netns") {
                slirp(program, &[], ports, required)
            } else if required {
                Err(NetError::NoNetwork(NO_PROGRAM))
            } else {
                Ok(bare(Net::None, Some(format!("no network: {NO_PROGRAM}"))))
            }
        }
    }
}

fn no_tun_for(network: &Network) -> Option<&'static str> {
    (!matches!(network, Network::None | Network::Host))
        .then(|| no_tun(Path::new("/dev/net/tun")))?
}

fn bare(net: Net, note: Option<String>) -> Plan {
    Plan { net, dns: None, host: None, note }
}

/// Kinds of ports that pasta forwards by itself unless it is told which.
const PASTA_PORTS: [[&str; 2]; 4] =
    [["-t", "--tcp-ports"], ["-u", "--udp-ports"], ["-T", "--tcp-ns"], ["-U", "--udp-ns"]];

fn pasta(
    program: String,
    options: &[String],
    ports: &[Port],
    required: bool,
) -> Result<Plan, NetError> {
    let mut args = options.to_vec();
    args.push("--config-net".into());
    args.extend(forward::pasta_words(ports)?);
    for [short, long] in PASTA_PORTS {
        let says = |word: &String| {
            word.starts_with(short) || word.split('=').next().is_some_and(|flag| flag == long)
        };
        // What the user's own options say of it holds.
        if !args.iter().any(says) {
            args.extend([short, "none"].map(str::to_owned));
        }
    }
    args.extend(
        [
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
        .map(str::to_owned),
    );
    let ports = forward::by_pasta(ports);
    let uplink = Uplink { kind: UplinkKind::Pasta, program, args, ports };
    let net = Net::Uplink { uplink, required };
    Ok(Plan { net, dns: Some(DNS_FORWARD), host: Some(GUEST_HOST), note: None })
}

/// podman's option for the host's own loopback to be reached.
const LOOPBACK: &str = "allow_host_loopback=true";

/// An option as podman-run(1) names it → a flag of slirp4netns(1). There is one way to forward
/// ports here, whichever podman's `port_handler` names.
fn slirp_word(option: &str) -> Option<String> {
    let (key, value) = option.split_once('=').unwrap_or((option, ""));
    match (key, value) {
        ("port_handler" | "allow_host_loopback", _) | ("enable_ipv6", "false") => None,
        ("enable_ipv6", "true") => Some("--enable-ipv6".to_owned()),
        (key, "") => Some(format!("--{}", key.replace('_', "-"))),
        (key, value) => Some(format!("--{}={value}", key.replace('_', "-"))),
    }
}

fn slirp(
    program: String,
    options: &[String],
    ports: &[Port],
    required: bool,
) -> Result<Plan, NetError> {
    let mut args: Vec<String> = options.iter().filter_map(|o| slirp_word(o)).collect();
    if !args.iter().any(|word| word.starts_with("--mtu=")) {
        args.push("--mtu=65520".to_owned());
    }
    if !options.iter().any(|option| option == LOOPBACK) {
        args.push("--disable-host-loopback".to_owned());
    }
    if !ports.is_empty() {
        args.push(format!("--api-socket={API_SOCKET}"));
    }
    args.extend(
        ["--configure", "--ready-fd=1", "--netns-type=path", "{netns}", "tap0"].map(str::to_owned),
    );
    let ports = forward::by_slirp(ports)?;
    let uplink = Uplink { kind: UplinkKind::Slirp, program, args, ports };
    let net = Net::Uplink { uplink, required };
    Ok(Plan { net, dns: Some(SLIRP_DNS), host: Some(SLIRP_HOST), note: None })
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
                uplink: Uplink {
                    kind: UplinkKind::Pasta,
                    program: "/x".into(),
                    args: vec![],
                    ports: vec![],
                },
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
    fn a_users_own_ports_of_pasta_are_kept() {
        let words = |options: &[&str], ports: &[Port]| {
            let options: Vec<_> = options.iter().map(|o| (*o).to_owned()).collect();
            let plan = pasta("/x".into(), &options, ports, true).unwrap();
            let Net::Uplink { uplink, .. } = plan.net else { panic!("{plan:?}") };
            uplink.args.join(" ")
        };
        assert!(words(&[], &[]).contains("-t none -u none -T none -U none"));
        let own = words(&["-t", "8080:80", "--udp-ns=none"], &[]);
        assert!(
            own.starts_with("-t 8080:80 --udp-ns=none --config-net -u none -T none --dns"),
            "{own}"
        );
        let (protocol, address) = (Protocol::Udp, None);
        let port = Port { protocol, address, host: 7, inside: 8, count: 1 };
        assert!(words(&[], &[port]).contains("-u 7:8 -t none -T none -U none"));
    }

    #[test]
    fn podmans_options_of_slirp4netns() {
        let words = |options: &[&str]| {
            let options: Vec<_> = options.iter().map(|o| (*o).to_owned()).collect();
            let plan = slirp("/x".into(), &options, &[], true).unwrap();
            let Net::Uplink { uplink, .. } = plan.net else { panic!("{plan:?}") };
            uplink.args.join(" ")
        };
        assert!(words(&[]).starts_with("--mtu=65520 --disable-host-loopback --configure"));
        let own = words(&["mtu=1500", "port_handler=rootlesskit", "enable_ipv6=true", LOOPBACK]);
        assert!(own.starts_with("--mtu=1500 --enable-ipv6 --configure"), "{own}");
        assert!(words(&["outbound_addr=eth0"]).starts_with("--outbound-addr=eth0 --mtu"));
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
