//! Against a real docker-registry.

use super::{Machine, password, text};
use crate::harness::image::TestImage;
use crate::harness::registry::{Options, PASSWORD, Registry, USER, free_port};
use bolt::image::config::certs::HostCerts;
use bolt::image::config::policy::Policy;
use bolt::image::config::registries::Registries;
use bolt::image::progress::Silent;
use bolt::image::pull::{PullError, remote_digest};
use bolt::image::registry::{LoginCheck, Proxies, check_login};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;

#[test]
fn an_image_of_three_layers_arrives_whole_and_only_once() {
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[3000, 400_000]);
    let name = registry.push(&image, "games/box:1");
    let machine = Machine::new();
    let (record, progress) = machine.pull(&machine.request(&name));
    let record = record.unwrap();
    assert_eq!(record.layers.len(), 3);
    assert_eq!(record.config.cmd, ["/bin/sh"]);
    assert!(record.config.env.contains(&"A=b".to_owned()));
    assert!(record.size > 400_000);
    let sizes: u64 = image.layers().iter().map(|(_, size)| size).sum();
    assert!(progress.transferred() >= sizes && progress.transferred() < sizes + 10_000);
    let data = std::fs::read(machine.top(&record).join("data/1")).unwrap();
    assert_eq!(data, crate::harness::image::noise(78, 400_000));
    let store = machine.store();
    assert_eq!(store.find_ref(&name).unwrap().unwrap(), record);
    assert!(store.has_blob(&record.manifest).unwrap() && store.has_blob(&record.id).unwrap());
    assert!(!store.has_blob(&record.layers[0].blob.digest).unwrap(), "layer blobs are dropped");
    assert!(machine.partials().is_empty());
    let (again, progress) = machine.pull(&machine.request(&name));
    assert_eq!(again.unwrap(), record);
    assert_eq!(progress.transferred(), 0);
}

#[test]
fn a_digest_names_the_image_and_blobs_can_be_kept() {
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[]);
    let name = registry.push(&image, "box:1");
    let machine = Machine::new();
    let digest = remote_digest(&machine.request(&name), &Silent).unwrap();
    let name = format!("{}@{digest}", name.trim_end_matches(":1"));
    let mut request = machine.request(&name);
    request.keep_blobs = true;
    let record = machine.pull(&request).0.unwrap();
    assert_eq!(record.manifest, digest);
    let store = machine.store();
    assert!(store.has_blob(&record.layers[0].blob.digest).unwrap());
    assert!(store.find_ref(&name).unwrap().is_some());
    // Another layout is made of the kept blob.
    request.layout = bolt::store::Layout::RootIsUser;
    let (result, progress) = machine.pull(&request);
    result.unwrap();
    assert_eq!(progress.transferred(), 0);
}

#[test]
fn a_blob_listed_twice_is_fetched_once() {
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[]);
    for _ in 0..2 {
        image.add(|root| std::fs::write(root.join("same"), "x").unwrap());
    }
    let layers = image.layers();
    let name = registry.push(&image, "box:1");
    let machine = Machine::new();
    let (record, progress) = machine.pull(&machine.request(&name));
    let record = record.unwrap();
    assert_eq!(record.layers.len(), 3);
    if layers[1] == layers[2] {
        assert_ne!(record.layers[1].chain_id, record.layers[2].chain_id);
        assert!(progress.transferred() <= layers[0].1 + layers[1].1 + 5_000);
    }
}

#[test]
fn tls_needs_a_known_authority() {
    let registry = Registry::start(Options { tls: true, password: true, ..Options::default() });
    let name = registry.push(&TestImage::new(&[]), "box:1");
    let machine = Machine::new();
    let mut request = machine.request(&name);
    request.tls_verify = None;
    request.credentials = Some(password(USER, PASSWORD));
    let error = machine.pull(&request).0.unwrap_err();
    let message = text(&error);
    assert!(message.contains("unknown authority"), "{message}");
    assert!(message.contains(&format!("certs.d/{}/", registry.host())), "{message}");
    let certs = machine.dir.join("config/containers/certs.d").join(registry.host());
    std::fs::create_dir_all(&certs).unwrap();
    std::fs::copy(registry.ca(), certs.join("ca.crt")).unwrap();
    machine.pull(&request).0.unwrap();
    // Unverified TLS comes before plain http.
    let other = Machine::new();
    let mut request = other.request(&name);
    request.credentials = Some(password(USER, PASSWORD));
    other.pull(&request).0.unwrap();
}

#[test]
fn a_certificate_may_be_its_own_authority_for_its_names_alone() {
    let options = Options { tls: true, own_authority: true, ..Options::default() };
    let registry = Registry::start(options);
    let name = registry.push(&TestImage::new(&[]), "box:1");
    let machine = Machine::new();
    let pull = |name: &str| {
        let mut request = machine.request(name);
        request.tls_verify = None;
        machine.pull(&request).0
    };
    let trust = |host: &str, ca: &std::path::Path| {
        let certs = machine.dir.join("config/containers/certs.d").join(host);
        std::fs::create_dir_all(&certs).unwrap();
        std::fs::copy(ca, certs.join("ca.crt")).unwrap();
    };
    // Another of the same kind is none of it.
    let other = Registry::start(Options { tls: true, own_authority: true, ..Options::default() });
    trust(&registry.host(), &other.ca());
    assert!(text(&pull(&name).unwrap_err()).contains("certificate"));
    trust(&registry.host(), &registry.ca());
    pull(&name).unwrap();
    let elsewhere = name.replace("127.0.0.1", "localhost");
    trust(&registry.host().replace("127.0.0.1", "localhost"), &registry.ca());
    let message = text(&pull(&elsewhere).unwrap_err());
    assert!(message.contains("for another host name"), "{message}");
}

#[test]
fn a_wrong_password_is_told_and_never_shown() {
    let registry = Registry::start(Options { password: true, ..Options::default() });
    let name = registry.push(&TestImage::new(&[]), "box:1");
    let machine = Machine::new();
    for credentials in [None, Some(password(USER, "guess-1234"))] {
        let mut request = machine.request(&name);
        request.credentials = credentials;
        let message = text(&machine.pull(&request).0.unwrap_err());
        assert!(message.contains(&format!("bolt login {}", registry.host())), "{message}");
        assert!(!message.contains("guess"), "{message}");
    }
    machine.auth.store(&registry.host(), &password(USER, PASSWORD)).unwrap();
    machine.pull(&machine.request(&name)).0.unwrap();
}

#[test]
fn logins_are_checked() {
    let registry = Registry::start(Options { password: true, ..Options::default() });
    let open = Registry::start(Options::default());
    let machine = Machine::new();
    let patience = machine.request("a.b/c").patience;
    let check = |host: &str, secret: &str| {
        let who = password(USER, secret);
        check_login(host, &who, true, HostCerts::default(), &machine.proxies, &patience, &Silent)
    };
    assert_eq!(check(&registry.host(), PASSWORD).unwrap(), LoginCheck::Accepted);
    let refused = check(&registry.host(), "no").unwrap_err().to_string();
    let start = format!("{} refuses the user name or the password", registry.host());
    assert!(refused.starts_with(&start) && !refused.contains("bolt login"), "{refused}");
    assert_eq!(check(&open.host(), PASSWORD).unwrap(), LoginCheck::NotAsked);
}

#[test]
fn errors_say_what_is_wrong() {
    let registry = Registry::start(Options::default());
    let name = registry.push(&TestImage::new(&[]), "box:1");
    let machine = Machine::new();
    let says = |name: &str, word: &str| {
        let message = text(&machine.pull(&machine.request(name)).0.unwrap_err());
        assert!(message.contains(word), "{message:?} lacks {word:?}");
    };
    says(&name.replace(":1", ":none"), "manifest none does not exist");
    says(&name.replace("box", "nobody"), "does not exist");
    says(&format!("127.0.0.1:{}/box:1", free_port()), "connection refused");
    says("no-such-host.invalid/box:1", "cannot be resolved");
    says("box", "names no place");
    let mut other = Machine::new();
    other.platform.architecture = "s390x".to_owned();
    // A manifest without an index has no choice, so it is taken as it is.
    let (result, heard) = other.pull(&other.request(&name));
    result.unwrap();
    let notes = heard.notes().join("\n");
    assert!(notes.contains("warning: the image is for linux/"), "{notes}");
    assert!(notes.contains(", not for linux/s390x"), "{notes}");
}

#[test]
fn nothing_is_sent_when_the_policy_or_a_block_forbids_it() {
    let mut machine = Machine::new();
    let deny = r#"{"default":[{"type":"reject"}]}"#;
    machine.policy = Policy::parse(Path::new("policy.json"), deny).unwrap();
    let name = format!("127.0.0.1:{}/box:1", free_port());
    let error = machine.pull(&machine.request(&name)).0.unwrap_err();
    assert!(matches!(error, PullError::Policy(_)), "{error}");
    let mut machine = Machine::new();
    let conf =
        "[[registry]]\nlocation = \"127.0.0.1\"\nprefix = \"127.0.0.1:1/box\"\nblocked = true\n";
    machine.registries = Registries::parse(Path::new("registries.conf"), conf).unwrap();
    let error = machine.pull(&machine.request("127.0.0.1:1/box:1")).0.unwrap_err();
    assert!(matches!(error, PullError::Registries(_)), "{error}");
}

#[test]
fn a_dead_mirror_is_passed_over() {
    let registry = Registry::start(Options::default());
    let name = registry.push(&TestImage::new(&[1000]), "box:1");
    let mut machine = Machine::new();
    let dead = free_port();
    let conf = format!(
        "[[registry]]\nlocation = \"{host}\"\n[[registry.mirror]]\nlocation = \"127.0.0.1:{dead}\"\n",
        host = registry.host()
    );
    machine.registries = Registries::parse(Path::new("registries.conf"), &conf).unwrap();
    let (record, progress) = machine.pull(&machine.request(&name));
    record.unwrap();
    let notes = progress.notes();
    let trying = format!("; trying {}/box", registry.host());
    assert!(notes[0].contains("nothing listens on that port") && notes[0].ends_with(&trying));
    assert_eq!(notes.len(), 1, "{notes:?}");
}

#[test]
fn a_registry_that_wants_a_certificate_gets_it() {
    let options = Options { tls: true, client_certificate: true, ..Options::default() };
    let registry = Registry::start(options);
    let name = registry.push(&TestImage::new(&[]), "box:1");
    let machine = Machine::new();
    let mut request = machine.request(&name);
    request.tls_verify = None;
    let certs = machine.dir.join("etc/containers/certs.d").join(registry.host());
    std::fs::create_dir_all(&certs).unwrap();
    std::fs::copy(registry.ca(), certs.join("ca.crt")).unwrap();
    let message = text(&machine.pull(&request).0.unwrap_err());
    assert!(message.contains("client certificate"), "{message}");
    let (cert, key) = registry.client_pair();
    std::fs::copy(cert, certs.join("me.cert")).unwrap();
    std::fs::copy(key, certs.join("me.key")).unwrap();
    machine.pull(&request).0.unwrap();
}

#[test]
fn a_proxy_is_asked_instead_of_the_name_service() {
    let registry = Registry::start(Options::default());
    registry.push(&TestImage::new(&[]), "box:1");
    let mut machine = Machine::new();
    let address = format!("http://user:proxy-pw@{}", registry.host());
    // The registry takes absolute request targets, so it can stand in for a proxy.
    machine.proxies = Proxies::from_variables(|name| match name {
        "all_proxy" => Some(address.clone()),
        "no_proxy" => Some("direct.invalid".to_owned()),
        _ => None,
    });
    machine.pull(&machine.request("registry.invalid/box:1")).0.unwrap();
    let message = text(&machine.pull(&machine.request("direct.invalid/box:1")).0.unwrap_err());
    assert!(message.contains("cannot be resolved"), "{message}");
    let mut request = machine.request("registry.invalid/box:1");
    request.tls_verify = None;
    let message = text(&machine.pull(&request).0.unwrap_err());
    assert!(!message.contains("proxy-pw"), "{message}");
    println!("{message}");
}

/// Such a server answers a TLS hello with an error of http, and that is not what is wrong with it.
/// It says that it closes: a client that does not know may ask again on the connection just then.
#[test]
fn what_a_plain_server_does_wrong_is_told() {
    let s = session!();
    let huge = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(2 << 20));
    let cases = [
        (
            "HTTP/1.1 302 Found\r\nLocation: /v2/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            "redirects",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>",
            "",
        ),
        (huge.as_str(), ""),
    ];
    for (answer, said) in cases {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let name = format!("{}/box:1", listener.local_addr().unwrap());
        let text = answer.to_owned();
        // Ends with the process of the tests.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, mut start) = (stream.unwrap(), [0; 4096]);
                let length = stream.read(&mut start).unwrap_or(0);
                let plain = length > 0 && start[0] == b'G';
                let bad = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
                let _ = stream.write_all(if plain { text.as_bytes() } else { bad.as_bytes() });
            }
        });
        let out = s.run(&["pull", "-q", "--retry", "0", "--tls-verify=false", &name]);
        let about = &answer[..40];
        assert!(out.code == 125 && out.err.contains(said), "{about}: {}", out.err);
        assert!(!out.err.contains("TLS"), "{about}: {}", out.err);
    }
}

#[test]
fn a_dead_proxy_is_named_in_place_of_the_registry() {
    let mut machine = Machine::new();
    let dead = free_port();
    machine.proxies = Proxies::from_variables(|name| {
        (name == "all_proxy").then(|| format!("http://u:CANARYproxy@127.0.0.1:{dead}"))
    });
    let mut request = machine.request("registry.example/box:1");
    request.patience.retries = 0;
    let message = text(&machine.pull(&request).0.unwrap_err());
    let proxy = format!("the proxy 127.0.0.1:{dead}, as https_proxy or all_proxy says, refuses");
    assert!(message.contains(&proxy), "{message}");
    assert!(message.contains("no_proxy") && !message.contains("CANARY"), "{message}");
}
