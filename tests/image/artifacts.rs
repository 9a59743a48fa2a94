//! Artifacts and what refers to what, with a registry that lists referrers and one that does not.

use super::{Machine, text};
use crate::harness::ferro::Ferro;
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::registry::{Options, Registry};
use bolt::image::artifact::{Artifact, describe, fallback_tag};
use bolt::image::config::certs::HostCerts;
use bolt::image::manifest::OCI_MANIFEST;
use bolt::image::progress::{Recording, Silent};
use bolt::image::pull;
use bolt::image::reference::Reference;
use bolt::image::registry::{Endpoint, Patience, Repository, Rights, Sought, UNASKED, Which};
use bolt::image::types::Descriptor;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const GAMING: &str = "application/vnd.bolt.gaming.v1+json";
const PROFILE: &str = "application/vnd.bolt.profile.v1+toml";

fn open(machine: &Machine, name: &str) -> Repository<'static> {
    let endpoint = Endpoint {
        reference: Reference::parse(name).unwrap().with_default_tag(),
        insecure: true,
        credentials: None,
        certs: HostCerts::default(),
    };
    let first_wait = Duration::from_millis(20);
    let patience = Patience { first_wait, ..Patience::default() };
    Repository::open(endpoint, Rights::Push, &machine.proxies, &patience, &Silent).unwrap()
}

fn artifact(artifact_type: &str, content: &[u8]) -> Artifact {
    Artifact {
        artifact_type: artifact_type.to_owned(),
        part: describe(artifact_type, content),
        annotations: BTreeMap::from([("of".to_owned(), content.len().to_string())]),
    }
}

/// A manifest that others are about, pushed under `v1`.
fn subject(repository: &Repository<'_>) -> Descriptor {
    let thing = artifact("application/x.thing", b"thing");
    let digest = repository.put_artifact(&thing, b"thing", Some("v1"), None).unwrap();
    let descriptor = describe(OCI_MANIFEST, &thing.manifest(None));
    assert_eq!(descriptor.digest, digest);
    descriptor
}

fn attach_and_list(machine: &Machine, host: &str) -> Descriptor {
    let repository = open(machine, &format!("{host}/team/game:v1"));
    let subject = subject(&repository);
    assert_eq!(repository.referrers(&subject.digest, None).unwrap(), []);
    let mut put = Vec::new();
    for (artifact_type, content) in [(GAMING, &b"{}"[..]), (PROFILE, b"a = 1"), (PROFILE, b"b = 2")]
    {
        let one = artifact(artifact_type, content);
        put.push(repository.put_artifact(&one, content, None, Some(&subject)).unwrap());
        // A second time it is there.
        repository.put_artifact(&one, content, None, Some(&subject)).unwrap();
    }
    let all = repository.referrers(&subject.digest, None).unwrap();
    let mut digests: Vec<_> = all.iter().map(|r| r.manifest.digest.clone()).collect();
    digests.sort();
    put.sort();
    assert_eq!(digests, put);
    let profiles = repository.referrers(&subject.digest, Some(PROFILE)).unwrap();
    assert_eq!(profiles.len(), 2);
    assert!(profiles.iter().all(|p| p.artifact_type == PROFILE));
    let raw = repository.manifest(profiles[0].manifest.digest.as_str()).unwrap();
    let read = Artifact::parse(&raw.bytes, PROFILE).unwrap();
    let content = repository.blob(&read.part, 1000).unwrap();
    assert_eq!(read.annotations["of"], content.len().to_string());

    subject
}

#[test]
fn referrers_are_kept_under_a_tag_where_the_registry_keeps_none() {
    let registry = Registry::start(Options::default());
    let machine = Machine::new();
    let subject = attach_and_list(&machine, &registry.host());
    let repository = open(&machine, &format!("{}/team/game:v1", registry.host()));
    let tag = fallback_tag(&subject.digest);
    assert_eq!(repository.tags().unwrap(), [tag.as_str(), "v1"]);
    // What is no index there is not overwritten.
    let thing = artifact("application/x.other", b"other");
    let other = repository.put_artifact(&thing, b"other", None, None).unwrap();
    let subject = describe(OCI_MANIFEST, &thing.manifest(None));
    assert_eq!(subject.digest, other);
    repository.put_artifact(&thing, b"other", Some(&fallback_tag(&other)), None).unwrap();
    let error = repository.put_artifact(&artifact(GAMING, b"{}"), b"{}", None, Some(&subject));
    let error = text(&error.unwrap_err());
    assert!(error.contains("index of referrers: it is no index"), "{error}");
}

#[test]
fn referrers_are_listed_by_a_registry_that_keeps_them() {
    let ferro = match Ferro::start() {
        Ok(ferro) => ferro,
        Err(reason) => crate::skip!(reason),
    };
    let machine = Machine::new();
    let subject = attach_and_list(&machine, &ferro.host());
    let repository = open(&machine, &format!("{}/team/game:v1", ferro.host()));
    let tag = fallback_tag(&subject.digest);
    assert!(!repository.tags().unwrap().contains(&tag), "no fallback is needed");
}

#[test]
fn lists_are_followed_page_by_page_and_end() {
    let ferro = match Ferro::start() {
        Ok(ferro) => ferro,
        Err(reason) => crate::skip!(reason),
    };
    let machine = Machine::new();
    let repository = open(&machine, &format!("{}/many:v1", ferro.host()));
    let thing = artifact("application/x.thing", b"thing");
    for n in 0..7 {
        repository.put_artifact(&thing, b"thing", Some(&format!("v{n}")), None).unwrap();
    }
    // Pages of two, however many we ask for.
    let proxy = Proxy::start(ferro.address(), |request, _| match request.path.as_str() {
        path if path.contains("n=1000") => {
            let location = vec![("Location".to_owned(), path.replace("n=1000", "n=2"))];
            Fault::Answer("307 Temporary Redirect".into(), location, String::new())
        }
        _ => Fault::Pass,
    });
    let repository = open(&machine, &format!("{}/many:v1", proxy.host()));
    assert_eq!(repository.tags().unwrap(), ["v0", "v1", "v2", "v3", "v4", "v5", "v6"]);
    assert!(proxy.requests().len() > 4);
    // A list that leads on for ever is given up.
    let proxy = Proxy::start(ferro.address(), |_, count| {
        let next = format!("</v2/many/tags/list?at={count}>; rel=\"next\"");
        let body = r#"{"name":"many","tags":["a"]}"#.to_owned();
        Fault::Answer("200 OK".into(), vec![("Link".to_owned(), next)], body)
    });
    let repository = open(&machine, &format!("{}/many:v1", proxy.host()));
    let error = text(&repository.tags().unwrap_err());
    assert!(error.contains("the list has no end"), "{error}");
    let proxy = Proxy::start(ferro.address(), |_, _| {
        let body = "<html>".to_owned();
        Fault::Answer("200 OK".into(), vec![], body)
    });
    let repository = open(&machine, &format!("{}/many:v1", proxy.host()));
    let error = text(&repository.tags().unwrap_err());
    assert!(error.contains("the list of tags: not the JSON of a list"), "{error}");
}

/// A list of variants may name more artifacts than anybody waits for.
#[test]
fn artifacts_that_come_late_are_not_waited_for() {
    let registry = Registry::start(Options::default());
    let slow = Proxy::start(registry.address(), |request, _| {
        if request.path.contains("/referrers/") {
            std::thread::sleep(Duration::from_millis(150));
        }
        Fault::Pass
    });
    let machine = Machine::new();
    let name = format!("{}/team/game:v1", slow.host());
    let wanted: Vec<Sought> = (0..300)
        .map(|n| {
            let subject = describe(OCI_MANIFEST, n.to_string().as_bytes()).digest;
            Sought { subject, which: Which::Newest }
        })
        .collect();
    let (request, progress) = (machine.request(&name), Recording::default());
    let reference = Reference::parse(&name).unwrap();
    let began = Instant::now();
    let found =
        pull::artifacts(&request, &reference, &machine.store(), &wanted, (GAMING, 1000), &progress);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    let found = found.unwrap();
    let late = found.values().filter(|answer| *answer == &Err(UNASKED.to_owned())).count();
    assert!((200..=300).contains(&late), "{late} of {}", found.len());
    let told: Vec<_> = progress.notes().into_iter().filter(|n| n.contains("artifacts")).collect();
    assert!(told.len() == 1 && told[0].contains(&format!("{late} of 300")), "{told:?}");
}
