//! Networks of containers that are alone.

use crate::harness::process::lives;
use crate::harness::user::{IMAGE, Session, has, until};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

/// A server on the host's outward address that answers `pong` to whatever comes. pasta and slirp
/// carry packets to addresses of the host without any network beyond it.
fn server() -> Option<(SocketAddr, std::thread::JoinHandle<()>)> {
    // No packet is sent: the kernel only looks up which address it would send from.
    let probe = UdpSocket::bind("0.0.0.0:0").ok()?;
    probe.connect((Ipv4Addr::new(198, 51, 100, 1), 9)).ok()?;
    let address = probe.local_addr().ok()?.ip();
    let listener = TcpListener::bind((address, 0)).ok()?;
    let address = listener.local_addr().ok()?;
    let thread = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut buffer = [0; 4];
        client.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"ping");
        client.write_all(b"pong").unwrap();
    });
    Some((address, thread))
}

fn connects(s: &Session, network: &str) -> bool {
    let Some((address, thread)) = server() else { return false };
    let script = format!("printf ping | nc -w 5 {} {}", address.ip(), address.port());
    let out = s.run(&["run", "--rm", "--network", network, IMAGE, "sh", "-c", &script]);
    if out.out != "pong" {
        // Lets the thread go: it waits for one client.
        let _ = std::net::TcpStream::connect(address).and_then(|mut c| c.write_all(b"ping"));
    }
    thread.join().unwrap();
    assert_eq!((out.code, out.out.as_str()), (0, "pong"), "{network}: {out:?}");
    true
}

#[test]
fn slirp_reaches_the_host() {
    let s = session!();
    if !has("slirp4netns") {
        skip!("no slirp4netns");
    }
    if !connects(&s, "slirp4netns") {
        skip!("this machine has no route outward");
    }
}

#[test]
fn pasta_carries_packets() {
    let s = session!();
    if !has("pasta") {
        skip!("no pasta");
    }
    let text = s.ok(&["run", "--rm", IMAGE, "ip", "-o", "addr"]);
    assert!(text.lines().any(|l| !l.contains(" lo ") && l.contains("inet ")), "{text}");
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
