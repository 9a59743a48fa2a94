//! Servers that mean harm: each gets one clear error in bounded time, and no secret.

use super::{Machine, text};
use crate::harness::image::TestImage;
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::registry::{Options, Registry};
use crate::harness::s3::{BUCKET, S3, SECRET};
use crate::harness::tls::Tls;
use bolt::image::config::certs::HostCerts;
use bolt::image::progress::Recording;
use bolt::image::pull::PullRequest;
use bolt::image::reference::Reference;
use bolt::image::registry::{Endpoint, Repository, Rights};
use bolt::image::types::Digest;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

const NOWHERE: ([u8; 4], u16) = ([127, 0, 0, 1], 1);
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

fn answer(status: &str, headers: &[(&str, &str)], body: impl Into<String>) -> Fault {
    let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    Fault::Answer(status.to_owned(), headers, body.into())
}

fn to(location: &str) -> Fault {
    answer("307 Temporary Redirect", &[("Location", location)], "")
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// What any server can do to a document: name, what it does, and a word of the error.
fn tricks() -> Vec<(&'static str, Fault, &'static str)> {
    let trickle = Duration::from_millis(40);
    let head = "HTTP/1.1 200 OK\r\n".to_owned();
    let denied = "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned();
    let deep = format!("{{\"schemaVersion\":{}", "[".repeat(100_000));
    vec![
        (
            "a head that trickles",
            Fault::Endless(head.clone(), b"X".to_vec(), trickle),
            "no byte arrived",
        ),
        (
            "headers without end",
            Fault::Endless(head, b"X-A: bbbbbbbbbbbbbbbb\r\n".to_vec(), Duration::ZERO),
            "",
        ),
        (
            "a body that trickles",
            Fault::Endless(CHUNKED.to_owned(), chunk(b"{"), trickle),
            "no byte arrived",
        ),
        (
            "a body without end",
            Fault::Endless(CHUNKED.to_owned(), chunk(&[b' '; 65536]), Duration::ZERO),
            "bytes allowed",
        ),
        ("an error that trickles", Fault::Endless(denied.clone(), chunk(b"<"), trickle), ""),
        ("an error without end", Fault::Endless(denied, chunk(&[b'<'; 65536]), Duration::ZERO), ""),
        ("a file", to("file:///etc/passwd"), "something else than http"),
        ("the link", to("http://169.254.169.254/latest/meta-data/"), "this machine's link"),
        ("no address", to("http://[::1/"), "not valid"),
        ("a circle", to("/v2/again"), "more than 10 redirects"),
        ("a deep document", answer("200 OK", &[], deep), ""),
        ("nothing", answer("200 OK", &[], ""), ""),
        ("no HTTP at all", Fault::Endless("SSH-2.0-x\r\n".to_owned(), b"x".to_vec(), trickle), ""),
        ("a long wait", answer("503 Busy", &[("Retry-After", "99999999999999999999")], ""), "503"),
    ]
}

/// Runs `attack`; it must end soon, with an error that says `word` and shows no secret.
fn survive(name: &str, word: &str, attack: impl FnOnce() -> String) {
    let begin = Instant::now();
    let message = attack();
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(12), "{name}: {took:?}: {message}");
    assert!(message.contains(word) && message.len() < 1500, "{name}: {message}");
    assert!(!message.contains(SECRET) && !message.contains("hidden-pw"), "{name}: {message}");
}

fn impatient(mut request: PullRequest<'_>) -> PullRequest<'_> {
    request.patience.retries = 1;
    request.patience.longest_wait = Duration::from_millis(200);
    request
}

#[test]
fn a_hostile_registry_gets_one_error_and_no_secret() {
    for (trick, fault, word) in tricks() {
        let proxy = Proxy::start(NOWHERE.into(), move |_, _| fault.clone());
        let machine = Machine::new();
        machine.auth.store(&proxy.host(), &super::password("me", "hidden-pw")).unwrap();
        let name = format!("{}/games/doom:1", proxy.host());
        survive(trick, word, || {
            text(&machine.pull(&impatient(machine.request(&name))).0.unwrap_err())
        });
        survive(&format!("{trick}, for tags"), "", || {
            let endpoint = Endpoint {
                reference: Reference::parse(&name).unwrap(),
                insecure: true,
                credentials: Some(super::password("me", "hidden-pw")),
                certs: HostCerts::default(),
            };
            let patience = impatient(machine.request(&name)).patience;
            let progress = Recording::default();
            let repository =
                Repository::open(endpoint, Rights::Pull, &machine.proxies, &patience, &progress);
            repository.unwrap().tags().map_err(|e| text(&e)).unwrap_err()
        });
    }
}

#[test]
fn a_hostile_bucket_gets_one_error_and_no_secret() {
    let bomb = format!(
        "<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY a \"{}\"><!ENTITY b \"{}\">]><Error>&b;</Error>",
        "x".repeat(1000),
        "&a;".repeat(1000)
    );
    let nested = "<a>".repeat(200_000);
    let more = [
        ("entities", answer("403 Forbidden", &[], bomb), "refuses access"),
        ("depth", answer("403 Forbidden", &[], nested), "refuses access"),
        (
            "a region that is a host",
            answer("301 Moved", &[("x-amz-bucket-region", "evil.example/")], ""),
            "lies in the region",
        ),
    ];
    for (trick, fault, word) in tricks().into_iter().chain(more) {
        let proxy = Proxy::start(NOWHERE.into(), move |_, _| fault.clone());
        let machine = Machine::new();
        let name = format!("s3://{BUCKET}/box:v1");
        survive(trick, word, || {
            let mut request = impatient(machine.request(&name));
            let place = S3::place(&format!("http://{}", proxy.host()), "box");
            request.buckets.named = Some(place);
            text(&machine.pull(&request).0.unwrap_err())
        });
    }
}

#[test]
fn signatures_do_not_follow_a_redirect_between_hosts() {
    let other = Arc::new(OnceLock::<u16>::new());
    let back = Arc::new(OnceLock::<u16>::new());
    let (there, here) = (other.clone(), back.clone());
    let near = Proxy::start(NOWHERE.into(), move |r, _| {
        to(&format!("http://localhost:{}{}", there.get().unwrap(), r.path))
    });
    let far = Proxy::start(NOWHERE.into(), move |r, _| {
        to(&format!("http://me:you@127.0.0.1:{}{}", here.get().unwrap(), r.path))
    });
    other.set(far.port()).unwrap();
    back.set(near.port()).unwrap();
    let machine = Machine::new();
    let name = format!("s3://{BUCKET}/box:v1");
    survive("a circle of two", "more than 10 redirects", || {
        let mut request = impatient(machine.request(&name));
        request.buckets.named = Some(S3::place(&format!("http://{}", near.host()), "box"));
        text(&machine.pull(&request).0.unwrap_err())
    });
    let secret = |h: &String| h == "authorization" || h.starts_with("x-amz-");
    assert!(near.requests()[0].headers.keys().any(secret));
    let later = near.requests().split_off(1).into_iter().chain(far.requests());
    for request in later {
        assert!(!request.headers.keys().any(secret), "{request:?}");
    }
}

#[test]
fn a_list_that_leads_in_circles_comes_to_an_end() {
    let page = |n: usize| {
        let next = format!("</v2/games/doom/tags/list?page={n}>; rel=\"next\"");
        answer("200 OK", &[("Link", &next)], r#"{"tags":["a"]}"#)
    };
    let proxy = Proxy::start(NOWHERE.into(), move |_, n| page(n % 2));
    let machine = Machine::new();
    let name = format!("{}/games/doom", proxy.host());
    survive("pages", "the list", || {
        let endpoint = Endpoint {
            reference: Reference::parse(&name).unwrap(),
            insecure: true,
            credentials: None,
            certs: HostCerts::default(),
        };
        let mut patience = machine.request(&name).patience;
        patience.stall = Duration::from_millis(100);
        let progress = Recording::default();
        let repository =
            Repository::open(endpoint, Rights::Pull, &machine.proxies, &patience, &progress);
        repository.unwrap().tags().map_err(|e| text(&e)).unwrap_err()
    });
}

#[test]
fn a_hostile_blob_is_left() {
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[3_000_000]);
    registry.push(&image, "box:1");
    let digest = image.layers().pop().unwrap().0;
    let endless = Fault::Endless(CHUNKED.to_owned(), chunk(&[7; 65536]), Duration::ZERO);
    let trickle = Fault::Endless(CHUNKED.to_owned(), chunk(&[7; 8]), Duration::from_millis(30));
    for (trick, fault, word) in [
        ("endless", endless, "bytes"),
        ("trickling", trickle, "no byte arrived"),
        ("a byte at a time", Fault::Cut(1), ""),
        ("elsewhere", to("gopher://x/"), "something else than http"),
        ("the link", to("http://[fe80::1]/x"), "this machine's link"),
    ] {
        let digest = digest.clone();
        let proxy = Proxy::start(registry.address(), move |request, _| {
            if request.path.ends_with(&digest) { fault.clone() } else { Fault::Pass }
        });
        let machine = Machine::new();
        let name = format!("{}/box:1", proxy.host());
        survive(trick, word, || {
            text(&machine.pull(&impatient(machine.request(&name))).0.unwrap_err())
        });
    }
}

/// Sizes that no disk has are no reason to count too far.
#[test]
fn impossible_sizes_are_refused() {
    let config =
        r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
    let layer = Digest::sha256_of(b"x");
    let descriptor = |kind: &str, digest: &Digest, size: u64| {
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.{kind}","digest":"{digest}","size":{size}}}"#
        )
    };
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{},"layers":[{},{}]}}"#,
        descriptor("config.v1+json", &Digest::sha256_of(config.as_bytes()), u64::MAX),
        descriptor("layer.v1.tar", &layer, u64::MAX),
        descriptor("layer.v1.tar", &Digest::sha256_of(b"y"), u64::MAX),
    );
    let proxy = Proxy::start(NOWHERE.into(), move |request, _| {
        match request.path.contains("/manifests/") {
            true => answer("200 OK", &[], manifest.clone()),
            false => answer("200 OK", &[], config),
        }
    });
    let machine = Machine::new();
    let name = format!("{}/box:1", proxy.host());
    survive("sizes", "bytes", || {
        text(&machine.pull(&impatient(machine.request(&name))).0.unwrap_err())
    });
}

/// A tag means what the answer says: nobody on the line may say it. A digest tells by itself.
#[test]
fn a_tag_is_not_believed_without_tls() {
    let registry = Registry::start(Options::default());
    let direct = registry.push(&TestImage::new(&[3000]), "box:1");
    let plain = Proxy::start(registry.address(), |_, _| Fault::Pass);
    let port = plain.port();
    let sender = Proxy::start(registry.address(), move |request, _| {
        match request.path.contains("/manifests/") {
            true => to(&format!("http://127.0.0.1:{port}{}", request.path)),
            false => Fault::Pass,
        }
    });
    let tls = match Tls::before(([127, 0, 0, 1], sender.port()).into()) {
        Ok(tls) => tls,
        Err(reason) => skip!(reason),
    };
    let machine = Machine::new();
    let digest = machine.pull(&machine.request(&direct)).0.unwrap().manifest;
    let machine = Machine::new();
    let host = tls.endpoint().replace("https://", "");
    let certs = machine.dir.join("config/containers/certs.d").join(&host);
    std::fs::create_dir_all(&certs).unwrap();
    std::fs::copy(tls.ca(), certs.join("ca.crt")).unwrap();
    let secure = |name: &str| {
        let mut request = impatient(machine.request(name));
        request.tls_verify = None;
        machine.pull(&request).0
    };
    survive("a tag", "without TLS", || text(&secure(&format!("{host}/box:1")).unwrap_err()));
    assert_eq!(secure(&format!("{host}/box@{digest}")).unwrap().manifest, digest);
}
