//! Networks of containers that are alone.

use super::machine::{HIDE, changed, may_change};
use crate::harness::process::{finish, lives};
use crate::harness::user::{IMAGE, Session, has, until};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::Duration;

/// An address of the host that no container has, so that packets to it must leave; gone with
/// the value. Only root can make one.
struct Address(IpAddr);

impl Address {
    fn make() -> Option<Address> {
        // TEST-NET-2 (RFC 5737).
        let address = IpAddr::from([198, 51, 100, (std::process::id() % 250 + 1) as u8]);
        let made = ip(&["addr", "add", &format!("{address}/32"), "dev", "lo"]);
        made.then_some(Address(address))
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        ip(&["addr", "del", &format!("{}/32", self.0), "dev", "lo"]);
    }
}

fn ip(args: &[&str]) -> bool {
    let output = std::process::Command::new("ip").args(args).output();
    output.is_ok_and(|o| o.status.success())
}

/// A server that answers `pong` to one `ping`.
fn server(address: IpAddr) -> (SocketAddr, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind((address, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut buffer = [0; 4];
        client.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"ping");
        client.write_all(b"pong").unwrap();
    });
    (address, thread)
}

fn assert_connects(s: &Session, network: &[&str], address: IpAddr) {
    let (address, thread) = server(address);
    // pasta lets busybox's nc wait for the other side's end long after its answer.
    let nc = format!("timeout 2 nc -w 5 {} {}", address.ip(), address.port());
    let script = format!("printf ping | {nc}; true");
    let out = s.run(&[&["run", "--rm"], network, &[IMAGE, "sh", "-c", &script]].concat());
    if !out.out.starts_with("pong") {
        // Lets the thread go: it waits for one client.
        let _ = std::net::TcpStream::connect(address).and_then(|mut c| c.write_all(b"ping"));
    }
    thread.join().unwrap();
    // Debian 12's pasta repeats the last bytes of a connection that ends while it is busy.
    assert!(out.out.starts_with("pong"), "{network:?}: {out:?}");
}

/// By pasta, which is the default, and by slirp4netns.
#[test]
fn connections_leave() {
    let s = session!();
    let Some(address) = Address::make() else {
        skip!("only root can give the host an address of its own");
    };
    for (program, network) in [
        ("pasta", &[][..]),
        ("pasta", &["--network", "pasta"]),
        ("slirp4netns", &["--network", "slirp4netns"]),
    ] {
        if !has(program) {
            skip!(format!("no {program}"));
        }
        assert_connects(&s, network, address.0);
    }
}

/// The host's own loopback is not reached: neither as 127.0.0.1 nor as the gateway.
#[test]
fn the_hosts_loopback_is_out_of_reach() {
    let s = session!();
    for (program, network) in [("pasta", "pasta"), ("slirp4netns", "slirp4netns")] {
        if !has(program) {
            skip!(format!("no {program}"));
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = format!(
            "gw=$(ip route | sed -n 's/^default via \\([0-9.]*\\).*/\\1/p'); \
             for a in 127.0.0.1 $gw 10.0.2.2 169.254.1.2; do nc -w 1 $a {port} </dev/null && echo $a; done; true"
        );
        let out = s.run(&["run", "--rm", "--network", network, IMAGE, "sh", "-c", &script]);
        assert_eq!((out.code, out.out.as_str()), (0, ""), "{network}: {out:?}");
        assert!(listener.accept().is_err(), "{network}: somebody came");
    }
}

#[test]
fn pasta_gives_an_interface() {
    let s = session!();
    if !has("pasta") {
        skip!("no pasta");
    }
    let text = s.ok(&["run", "--rm", IMAGE, "ip", "-o", "addr"]);
    assert!(text.lines().any(|l| !l.contains(" lo ") && l.contains("inet ")), "{text}");
}

/// Names of the interfaces, and who answers names.
const UPLINK: &str = "ls /sys/class/net | sort; grep nameserver /etc/resolv.conf | head -n 1";

#[test]
fn without_pasta_the_default_is_slirp4netns() {
    let s = session!();
    if !may_change() || !has("slirp4netns") {
        skip!("no slirp4netns, or nobody who can hide pasta from one command");
    }
    let hide = format!("{HIDE} hide pasta");
    let out = changed(&s, &hide, &["run", "--name", "x", IMAGE, "sh", "-c", UPLINK]);
    // The interface and the address that slirp4netns is told to use.
    assert_eq!((out.code, out.out.as_str()), (0, "lo\ntap0\nnameserver 10.0.2.3\n"), "{out:?}");
    assert_eq!((out.err.as_str(), s.inspect("x", "json .Denied").as_str()), ("", "[]"));
    let out = changed(&s, &hide, &["run", "--rm", "--network", "pasta", IMAGE, "true"]);
    assert!(out.code == 125 && out.err.contains("pasta(1) is not installed"), "{out:?}");
}

#[test]
fn with_neither_program_the_default_is_no_network_and_told_in_one_line() {
    let s = session!();
    if !may_change() {
        skip!("only root can hide programs from one command");
    }
    let hide = format!("{HIDE} hide pasta; hide slirp4netns");
    let told = "no network: neither pasta(1) nor slirp4netns(1) is installed; install the package \
                'passt'";
    let out = changed(&s, &hide, &["run", "--name", "x", IMAGE, "sh", "-c", UPLINK]);
    assert_eq!((out.code, out.out.as_str()), (0, "lo\n"), "{out:?}");
    assert_eq!(out.err, format!("bolt: warning: {told}\n"));
    assert_eq!(s.inspect("x", "json .Denied"), format!("[\"{told}\"]"));
    // Who asked for ports is not served by that.
    let words = ["run", "--rm", "-p", "127.0.0.1::80", IMAGE, "echo", "ran"];
    let out = changed(&s, &hide, &words);
    assert_eq!((out.code, out.out.as_str()), (125, ""), "{out:?}");
    assert!(out.err.contains("--publish: the container gets no network: neither"), "{out:?}");
    // Nor told to who wants none.
    let words = ["run", "--rm", "--network", "none", IMAGE, "echo", "ran"];
    let out = changed(&s, &hide, &words);
    assert_eq!((out.code, out.out.as_str(), out.err.as_str()), (0, "ran\n", ""), "{out:?}");
}

#[test]
fn none_and_host() {
    let s = session!();
    let list = s.script(&[], "ip -o link | grep -c .; ip -o link | grep -c 'lo:.*UP'");
    assert_eq!(list, "1\n1");
    let of = |network: &str| {
        s.ok(&["run", "--rm", "--network", network, IMAGE, "readlink", "/proc/self/ns/net"])
    };
    let host = std::fs::read_link("/proc/self/ns/net").unwrap();
    assert_eq!(of("host"), host.to_str().unwrap());
    assert_ne!(of("none"), host.to_str().unwrap());
}

#[test]
fn the_uplink_ends_with_the_container() {
    let s = session!();
    for (network, program) in [("pasta", "pasta"), ("slirp4netns", "slirp4netns")] {
        if !has(program) {
            skip!(format!("no {program}"));
        }
        for kill in [&["stop", "-t", "0", "x"][..], &["rm", "-f", "-t", "0", "x"]] {
            let id =
                s.ok(&["run", "-d", "--network", network, "--name", "x", IMAGE, "sleep", "1000"]);
            let children = children(s.pids(&id).0 as u32);
            let uplink = children.iter().find(|pid| {
                std::fs::read_to_string(format!("/proc/{pid}/cmdline"))
                    .is_ok_and(|c| c.contains(program))
            });
            let uplink = *uplink.unwrap_or_else(|| panic!("no {program} below the supervisor"));
            s.ok(kill);
            until("the uplink is gone", || !lives(uplink));
            s.run(&["rm", "-f", "x"]);
        }
    }
}

fn children(pid: u32) -> Vec<u32> {
    std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap()
        .split_ascii_whitespace()
        .map(|n| n.parse().unwrap())
        .collect()
}

#[test]
fn beside_the_hosts_network_the_name_is_the_hosts() {
    let s = session!();
    let host = crate::harness::run("uname", &["-n"]);
    let ask = |flags: &[&str]| {
        let flags = [&["run", "--rm", "--network", "host"], flags].concat();
        s.ok(&[&flags[..], &[IMAGE, "sh", "-c", "hostname; cat /etc/hostname"]].concat())
    };
    assert_eq!(ask(&[]), format!("{0}\n{0}", host.trim()));
    assert_eq!(ask(&["--hostname", "own"]), "own\nown");
    s.ok(&["create", "--name", "x", "--network", "host", IMAGE, "true"]);
    assert_eq!(s.inspect("x", ".Config.Hostname"), host.trim());
}

/// Its namespace stayed bound to a file of the container's directory, which `--rm` then left behind.
#[test]
fn nothing_is_left_of_an_uplink_that_cannot_be_executed() {
    let s = session!();
    if !has("pasta") || !rustix::process::geteuid().is_root() {
        skip!("no pasta, or nobody who can replace it for others");
    }
    let program = s.file("no-program", "\u{1}");
    let user = format!("--reuid {} --regid {} --clear-groups", s.user.uid, s.user.gid);
    let line = format!(
        "chmod 755 {program} && mount --bind {program} $(command -v pasta) && exec setpriv {user} \
         {} run --rm {IMAGE} echo ran",
        s.program().display()
    );
    let mut shell = s.command_of_the_tester("unshare");
    let child = shell.args(["-m", "sh", "-c", &line]).spawn().unwrap();
    let out = finish(child, Duration::from_secs(30), "run");
    assert_eq!((out.code, out.out.as_str()), (0, "ran\n"), "{out:?}");
    assert!(out.err.contains("denied") && out.err.contains("Exec format error"), "{out:?}");
    let check = s.run(&["system", "check"]);
    assert_eq!((check.code, check.out.as_str()), (0, ""), "{check:?}");
    let left: Vec<_> = std::fs::read_dir(s.data().join("containers")).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "besides by-name: {left:?}");
}
