//! Published ports: what comes through them, who gets one, and when it is free again.

use crate::harness::image::TestImage;
use crate::harness::run;
use crate::harness::user::{IMAGE, Session, has, until};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

/// Port of the container that [`serve`] answers at.
const INSIDE: u16 = 8080;

/// The program of `answer.c`, static, and the flag that puts it into a container.
fn answerer(s: &Session) -> (String, String) {
    let program = s.dir().join("answer").to_str().unwrap().to_owned();
    if !std::path::Path::new(&program).exists() {
        let source = format!("{}/tests/run/answer.c", env!("CARGO_MANIFEST_DIR"));
        run("cc", &["-static", "-Wall", "-Wextra", "-Werror", "-O1", &source, "-o", &program]);
    }
    (program.clone(), format!("{program}:/answer:ro"))
}

/// A container that answers at [`INSIDE`] and, by UDP, at `udp` too; its id.
fn serve(s: &Session, name: &str, flags: &[&str], udp: u16) -> String {
    let (_, volume) = answerer(s);
    let head = ["run", "-d", "--name", name, "-v", &volume];
    let (inside, udp) = (INSIDE.to_string(), udp.to_string());
    let tail = [IMAGE, "/answer", "tcp", &inside, "udp", &inside, "udp", &udp];
    let id = s.ok(&[&head, flags, &tail].concat());
    until("it listens", || s.ok(&["logs", name]).contains("ready"));
    id
}

fn by_tcp(to: SocketAddr) -> std::io::Result<String> {
    let mut line = TcpStream::connect_timeout(&to, Duration::from_secs(5))?;
    line.set_read_timeout(Some(Duration::from_secs(5)))?;
    line.write_all(b"?")?;
    let mut answer = [0; 128];
    let n = line.read(&mut answer)?;
    line.shutdown(Shutdown::Both)?;
    Ok(String::from_utf8_lossy(&answer[..n]).into_owned())
}

fn by_udp(to: SocketAddr) -> std::io::Result<String> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    socket.connect(to)?;
    socket.send(b"?")?;
    let mut answer = [0; 128];
    let n = socket.recv(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..n]).into_owned())
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// The address that the host has towards others; no packet is sent for it.
fn own_address() -> Option<SocketAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect((FAR, 9)).ok()?;
    socket.local_addr().ok()
}

/// Nobody has it, by either protocol. Another test may take it a moment later: that shows as a
/// refusal that names it.
fn free_port() -> u16 {
    loop {
        let udp = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
        let port = udp.local_addr().unwrap().port();
        if TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)).is_ok() {
            return port;
        }
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("0.0.0.0", port)).is_ok() && UdpSocket::bind(("0.0.0.0", port)).is_ok()
}

/// The port of the host that `bolt port` tells.
fn told(s: &Session, name: &str, inside: &str) -> SocketAddr {
    s.ok(&["port", name, inside]).parse().unwrap()
}

/// Both protocols through both programs; the port is kept over a restart, and free when the
/// container does not run or its supervisor was killed.
#[test]
fn a_published_port_leads_into_the_container() {
    let s = session!();
    for program in ["pasta", "slirp4netns"] {
        if !has(program) {
            skip!(format!("no {program}"));
        }
        // Of the host's own datagrams an old pasta answers those of loopback to a port that is
        // the same on both sides, and slirp4netns all others.
        let Some(by_udp_to) = (if program == "pasta" { Some(local(0)) } else { own_address() })
        else {
            skip!("the host has no address but loopback");
        };
        let port = free_port();
        let both = format!("{port}:{port}/udp");
        let flags = ["--network", program, "-p", "8080", "-p", &both];
        let id = serve(&s, "x", &flags, port);
        let tcp = told(&s, "x", "8080").port();
        let check = || {
            assert!(by_tcp(local(tcp)).unwrap().starts_with("tcp for "), "{program}");
            let answer = by_udp(SocketAddr::new(by_udp_to.ip(), port)).unwrap();
            assert!(answer.starts_with("udp for "), "{program}");
        };
        check();
        s.ok(&["stop", "-t", "0", "x"]);
        until("both ports are free", || is_free(tcp) && is_free(port));
        assert_eq!(s.ok(&["port", "x"]), "");
        s.assert_quiet();
        s.ok(&["start", "x"]);
        assert_eq!(told(&s, "x", "8080/tcp").port(), tcp);
        until("it listens", || s.ok(&["logs", "x"]).matches("ready").count() == 2);
        check();
        let supervisor = rustix::process::Pid::from_raw(s.pids(&id).0).unwrap();
        rustix::process::kill_process(supervisor, rustix::process::Signal::KILL).unwrap();
        until("both ports are free", || is_free(tcp) && is_free(port));
        s.ok(&["rm", "-f", "-t", "0", "x"]);
    }
}

#[test]
fn an_address_of_ipv6_is_published_in_brackets() {
    let s = session!();
    let Ok(socket) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else {
        skip!("no IPv6");
    };
    if !has("pasta") {
        skip!("no pasta");
    }
    let port = socket.local_addr().unwrap().port();
    drop(socket);
    let publish = format!("[::1]:{port}:{INSIDE}");
    serve(&s, "x", &["--network", "pasta", "-p", &publish], 9);
    let to = told(&s, "x", "8080");
    assert_eq!(to, SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
    assert!(by_tcp(to).unwrap().starts_with("tcp for "));
    assert!(by_tcp(local(port)).is_err(), "published at ::1 alone");
}

/// One clear error, no container that runs, and the first keeps its port. Of many that start at
/// once one wins, by UDP too, where the kernel would give the port to all of them.
#[test]
fn two_containers_want_one_port() {
    let s = session!();
    if !has("pasta") {
        skip!("no pasta");
    }
    let port = free_port();
    let publish = format!("{port}:{port}/udp");
    serve(&s, "first", &["-p", &publish], port);
    for network in ["pasta", "slirp4netns"].into_iter().filter(|program| has(program)) {
        let out = s.run(&["run", "-d", "--network", network, "-p", &publish, IMAGE, "true"]);
        assert_eq!((out.code, out.out.as_str()), (126, ""), "{out:?}");
        let named = format!("publish port {port}/udp: it is in use");
        assert!(out.err.contains(&named) && out.err.lines().count() == 1, "{out:?}");
    }
    assert!(by_udp(local(port)).is_ok());
    assert_eq!(s.ok(&["ps", "--format", "{{.Names}}"]), "first");
    let exited = ["ps", "-a", "--filter", "status=exited", "--format", "{{.Status}}"];
    let ended = s.ok(&exited);
    assert!(!ended.is_empty() && ended.lines().all(|l| l.starts_with("Exited (126)")), "{ended}");
    s.ok(&["rm", "-fa", "-t", "0"]);
    for protocol in ["tcp", "udp"] {
        let publish = format!("{port}:80/{protocol}");
        let run = ["run", "-d", "-p", &publish, IMAGE, "sleep", "1000"];
        let all: Vec<_> = (0..6).map(|_| s.spawn(&run)).collect();
        let codes = all.into_iter().map(|child| child.wait_with_output().unwrap().status.code());
        let mut codes: Vec<_> = codes.map(Option::unwrap).collect();
        codes.sort_unstable();
        assert_eq!(codes, [0, 126, 126, 126, 126, 126], "{protocol}");
        s.ok(&["rm", "-fa", "-t", "0"]);
    }
}

#[test]
fn what_the_kernel_refuses_is_told_in_plain_words() {
    let s = session!();
    if !has("pasta") {
        skip!("no pasta");
    }
    let out = s.run(&["run", "--rm", "-p", "198.51.100.7:8080:80", IMAGE, "true"]);
    assert_eq!(out.code, 126, "{out:?}");
    assert!(out.err.contains("198.51.100.7:8080/tcp: this host has no such address"), "{out:?}");
    let first = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if first.trim().parse::<u16>().unwrap() > 81 {
        let out = s.run(&["run", "--rm", "-p", "81:80", IMAGE, "true"]);
        assert_eq!(out.code, 126, "{out:?}");
        assert!(out.err.contains("net.ipv4.ip_unprivileged_port_start=81"), "{out:?}");
    }
    assert_eq!(s.ok(&["ps", "-aq"]), "");
}

/// The keys and words of podman 4.3.1, but for brackets around IPv6, which podman 5 has.
#[test]
fn published_ports_are_shown_as_podman_shows_them() {
    let s = session!();
    let image = TestImage::new(&[]);
    let name = image.source();
    let ports = ["--config.exposedports", "81/tcp", "--config.exposedports", "83/udp"];
    let what = ["config", "--image", name.trim_start_matches("oci:")];
    run("umoci", &[&what[..], &ports].concat());
    let exposing = s.pull(&image);
    let flags = ["-p", "18080:80", "-p", "127.0.0.1:18081-18083:90-92/udp"];
    let create = ["create", "--name", "x", "--expose", "1000-1001"];
    s.ok(&[&create[..], &flags, &[&exposing, "true"]].concat());
    let shown = "0.0.0.0:18080->80/tcp, 127.0.0.1:18081-18083->90-92/udp";
    assert_eq!(s.ok(&["ps", "-a", "--format", "{{.Ports}}"]), shown);
    assert!(s.ok(&["ps", "-a"]).contains(shown));
    let rows: Value = serde_json::from_str(&s.ok(&["ps", "-a", "--format", "json"])).unwrap();
    let row = |ip, inside, host, range, protocol| json!({ "host_ip": ip, "container_port": inside, "host_port": host, "range": range, "protocol": protocol });
    let wanted = json!([row("", 80, 18080, 1, "tcp"), row("127.0.0.1", 90, 18081, 3, "udp")]);
    assert_eq!(rows[0]["Ports"], wanted);
    let binding = |ip, port| json!([{ "HostIp": ip, "HostPort": port }]);
    let inspect: Value = serde_json::from_str(&s.ok(&["inspect", "x"])).unwrap();
    let bindings = json!({
        "80/tcp": binding("", "18080"), "81/tcp": null, "83/udp": null,
        "90/udp": binding("127.0.0.1", "18081"), "91/udp": binding("127.0.0.1", "18082"),
        "92/udp": binding("127.0.0.1", "18083"), "1000/tcp": null, "1001/tcp": null,
    });
    assert_eq!(inspect[0]["HostConfig"]["PortBindings"], bindings);
    assert_eq!(inspect[0]["NetworkSettings"]["Ports"], bindings);
    assert_eq!(inspect[0]["Config"]["ExposedPorts"].as_object().unwrap().len(), 8);
    // A unit makes the same container again.
    let unit = s.ok(&["generate", "systemd", "--new", "x"]);
    assert!(unit.contains("--publish=18080:80 "), "{unit}");
    assert!(unit.contains("--publish=127.0.0.1:18081-18083:90-92/udp "), "{unit}");
    // What does not run has no open port.
    assert_eq!((s.ok(&["port", "x"]), s.ok(&["port", "-a"])), (String::new(), String::new()));
}

#[test]
fn port_tells_where_a_port_leads_from() {
    let s = session!();
    if !has("pasta") {
        skip!("no pasta");
    }
    let image = TestImage::new(&[]);
    let name = image.source();
    let what = ["config", "--image", name.trim_start_matches("oci:")];
    run("umoci", &[&what[..], &["--config.exposedports", "81/tcp"]].concat());
    let exposing = s.pull(&image);
    let flags = ["-P", "--expose", "90/udp", "-p", "127.0.0.1::80-81"];
    let run = ["run", "-d", "--name", "x"];
    let id = s.ok(&[&run[..], &flags, &[&exposing, "busybox", "sleep", "1000"]].concat());
    let lines = s.ok(&["port", "x"]);
    let hosts: Vec<SocketAddr> =
        lines.lines().map(|l| l.split_once(" -> ").unwrap().1.parse().unwrap()).collect();
    assert_eq!(hosts.len(), 3, "81 is published once: {lines}");
    assert_eq!(hosts[0].port() + 1, hosts[1].port(), "a range stays one: {lines}");
    assert!(lines.starts_with("80/tcp -> 127.0.0.1:") && lines.contains("90/udp -> 0.0.0.0:"));
    assert_eq!(s.ok(&["port", "x", "80"]), hosts[0].to_string());
    assert_eq!(s.ok(&["port", "--latest", "90/udp"]), hosts[2].to_string());
    let all = s.ok(&["container", "port", "--all"]);
    assert_eq!(all.lines().next().unwrap().split_once('\t').unwrap().0, &id[..12], "{all}");
    for (words, why) in [
        (&["port", "x", "90"][..], "90/tcp is not published"),
        (&["port", "x", "80/xyz"], "80/xyz"),
        (&["port", "nosuch"], "nosuch"),
        (&["port"], "name a container"),
    ] {
        let out = s.run(words);
        assert!(out.code == 125 && out.err.contains(why) && out.out.is_empty(), "{out:?}");
    }
}

/// As podman 4.3.1 does: told, and the container runs.
#[test]
fn without_a_network_of_its_own_nothing_is_published() {
    let s = session!();
    for network in ["host", "none"] {
        for flags in [&["-p", "8080:80"][..], &["-P"]] {
            let run = ["run", "--rm", "--name", "x", "--network", network];
            let out = s.run(&[&run[..], flags, &[IMAGE, "echo", "up"]].concat());
            assert_eq!((out.code, out.out.as_str()), (0, "up\n"), "{out:?}");
            assert_eq!(out.err.matches("denied: --publish").count(), 1, "{out:?}");
            assert_eq!(out.err.lines().count(), 1, "{out:?}");
        }
    }
}

#[test]
fn odd_ports_are_refused_and_nothing_is_made() {
    let s = session!();
    for (flags, why) in [
        (&["-p", "70000"][..], "--publish \"70000\""),
        (&["-p", "80/sctp"], "use tcp or udp"),
        (&["-p", "eth0:1:2"], "not an IP address"),
        (&["-p", "80:80", "-p", "127.0.0.1:80:81"], "published twice"),
        (&["--expose", "5-3"], "--expose \"5-3\""),
        (&["-P", "--expose", "1-60000", "--expose", "5000-65535"], "65535 exposed ports"),
        (&["-p", "224.0.0.1:8080:80"], "an address of many hosts"),
        (&["-p", "255.255.255.255:8080:80"], "an address of many hosts"),
        (&["--network", "slirp4netns", "-p", "[::1]:8080:80"], "use --network pasta"),
        (
            &["--network", "pasta", "-p", "[::1]:8080:80", "-p", "127.0.0.1:8080:80"],
            "--network slirp4netns",
        ),
    ] {
        let needed = flags.iter().find(|word| ["pasta", "slirp4netns"].contains(word));
        if needed.is_some_and(|program| !has(program)) {
            continue;
        }
        let out = s.run(&[&["run", "--rm"], flags, &[IMAGE, "true"]].concat());
        assert!(out.code == 125 && out.err.contains(why), "{flags:?}: {out:?}");
    }
    assert_eq!(s.ok(&["ps", "-aq"]), "");
}

/// What slirp4netns says of an option that it does not know is not taken for a network.
#[test]
fn a_program_that_does_not_understand_carries_nothing() {
    let s = session!();
    if !has("slirp4netns") {
        skip!("no slirp4netns");
    }
    for flags in [&["-p", "80"][..], &[]] {
        let run = ["run", "--rm", "--network", "slirp4netns:nosuch=1"];
        let out = s.run(&[&run[..], flags, &[IMAGE, "true"]].concat());
        assert!(out.code == 125 && out.err.contains("set the network up"), "{out:?}");
    }
}

/// More than a program may open files: an error that says so, or all of them.
#[test]
fn all_ports_of_a_host_are_one_error_or_open() {
    let s = session!();
    if !has("pasta") {
        skip!("no pasta");
    }
    let out = s.run(&["run", "--rm", "-p", "127.0.0.1:20000-60000:20000-60000/udp", IMAGE, "true"]);
    assert!(matches!(out.code, 0 | 126), "{out:?}");
    assert!(out.code == 0 || out.err.contains("publish port 127.0.0.1:"), "{out:?}");
    assert_eq!(s.ok(&["ps", "-aq"]), "");
}

/// Row "Default network rootless": the address of who connects is kept. Only root can give the
/// host a neighbour.
#[test]
fn the_source_address_is_kept() {
    let s = session!();
    let Some(neighbour) = Neighbour::make() else {
        skip!("only root can give the host a neighbour");
    };
    let (program, _) = answerer(&s);
    for network in ["pasta", "slirp4netns"].into_iter().filter(|program| has(program)) {
        let (tcp, udp) = (free_port().to_string(), free_port().to_string());
        let publish = [format!("{tcp}:{INSIDE}"), format!("{udp}:{INSIDE}/udp")];
        serve(&s, "x", &["--network", network, "-p", &publish[0], "-p", &publish[1]], 9);
        for (protocol, port) in [("tcp", &tcp), ("udp", &udp)] {
            let words = ["netns", "exec", &neighbour.0, &program, "ask", protocol, NEAR, port];
            let out = Command::new("ip").args(words).output().unwrap();
            let answer = String::from_utf8_lossy(&out.stdout);
            assert_eq!(answer.trim_end(), format!("{protocol} for {FAR}"), "{network}: {out:?}");
        }
        s.ok(&["rm", "-f", "-t", "0", "x"]);
    }
}

/// TEST-NET-3 (RFC 5737).
const NEAR: &str = "203.0.113.1";
const FAR: &str = "203.0.113.2";

/// A network namespace at the other end of a cable; gone with the value.
struct Neighbour(String);

impl Neighbour {
    fn make() -> Option<Neighbour> {
        let name = format!("bt{}", std::process::id());
        let (near, far) = (format!("{name}a"), format!("{name}b"));
        let ip = |words: &str| {
            let output = Command::new("ip").args(words.split(' ')).output();
            output.is_ok_and(|o| o.status.success())
        };
        if !ip(&format!("netns add {name}")) {
            return None;
        }
        let neighbour = Neighbour(name.clone());
        let made = [
            format!("link add {near} type veth peer name {far} netns {name}"),
            format!("addr add {NEAR}/24 dev {near}"),
            format!("link set {near} up"),
            format!("-n {name} addr add {FAR}/24 dev {far}"),
            format!("-n {name} link set {far} up"),
        ]
        .iter()
        .all(|words| ip(words));
        made.then_some(neighbour)
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        // The cable goes with one end of it.
        let _ = Command::new("ip").args(["netns", "del", &self.0]).output();
    }
}

/// Killed between the start of the program that forwards and the payload's: port, socket and
/// process are gone.
#[test]
fn a_killed_start_leaves_no_port() {
    let s = session!();
    for program in ["pasta", "slirp4netns"].into_iter().filter(|program| has(program)) {
        let port = free_port();
        let publish = format!("{port}:80");
        for n in 0..12u64 {
            let run = ["run", "-d", "--network", program, "-p", &publish, IMAGE, "sleep", "1000"];
            let mut child = s.spawn(&run);
            std::thread::sleep(Duration::from_millis(3 * n));
            child.kill().unwrap();
            child.wait().unwrap();
            // Where it was killed late enough the container lives, as after every launcher.
            s.ok(&["rm", "-fa", "-t", "0"]);
            until("the port is free", || is_free(port));
        }
    }
    s.assert_quiet();
}
