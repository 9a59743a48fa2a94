//! `bolt push`.

use crate::harness::ferro::Ferro;
use crate::harness::image::TestImage;
use crate::harness::process::finish;
use crate::harness::proxy::{Fault, Proxy, Request};
use crate::harness::registry::{Options, PASSWORD, Registry, USER};
use crate::harness::user::{IMAGE, Session, until};
use crate::harness::{Scratch, run};
use serde_json::Value;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn an_image_crosses_a_registry_with_all_owners() {
    let session = session!();
    let registry = Registry::start(Options::default());
    let name = format!("{}/games/box:1", registry.host());
    let digest = session.home().join("digest");
    let out = session.run(&[
        "push",
        "--tls-verify=false",
        "--digestfile",
        digest.to_str().unwrap(),
        IMAGE,
        &name,
    ]);
    assert_eq!((out.code, out.out.as_str()), (0, ""), "{out:?}");
    let digest = std::fs::read_to_string(digest).unwrap();
    assert!(out.err.contains(&format!("{name}: pushed as {digest}")), "{out:?}");
    // Skopeo reads it, and what skopeo pushed of it runs.
    let scratch = Scratch::new();
    let layout = format!("oci:{}:x", scratch.join("copy").display());
    let (from, back) = (format!("docker://{name}"), format!("docker://{}/back:1", registry.host()));
    run("skopeo", &["copy", "--quiet", "--src-tls-verify=false", &from, &layout]);
    run("skopeo", &["copy", "--quiet", "--dest-tls-verify=false", &layout, &back]);
    session.ok(&["rmi", "--force", "--all"]);
    let back = back.trim_start_matches("docker://");
    session.ok(&["pull", "-q", "--tls-verify=false", back]);
    let said =
        session.ok(&["run", "--rm", "--network", "none", back, "stat", "-c", "%u:%a", "/tmp"]);
    assert_eq!(said, "0:1777");
}

#[test]
fn a_destination_is_needed_and_errors_name_things() {
    let session = session!();
    let registry = Registry::start(Options { password: true, ..Options::default() });
    let name = format!("{}/box:1", registry.host());
    let id = session.ok(&["images", "-q", "--no-trunc", IMAGE]);
    let id = id.trim_start_matches("sha256:");
    for (args, code, words) in [
        (vec!["push", "nothing-here"], 125, "nothing-here: image not known; `bolt images` lists"),
        (vec!["push", id], 125, "give a destination"),
        (vec!["push", "--tls-verify=false", IMAGE, &name], 125, "bolt login"),
        (vec!["push", "--creds", "canary", IMAGE, &name], 125, "--creds: a user name"),
        (vec!["push", "--creds", "me:canary", "--tls-verify=false", IMAGE, &name], 125, "refuses"),
        (vec!["push", "--compression-format", "lzma", IMAGE, &name], 125, "lzma"),
        (vec!["push", "--compression-level", "77", IMAGE, &name], 125, "levels from 0 to 9"),
    ] {
        let out = session.run(&args);
        assert_eq!(out.code, code, "{args:?}: {out:?}");
        assert!(out.err.contains(words), "{args:?}: {}", out.err);
        assert!(!format!("{out:?}").contains("canary"), "{args:?}: {}", out.err);
    }
    let creds = format!("{USER}:{PASSWORD}");
    session.ok(&["push", "-q", "--creds", &creds, "--tls-verify=false", IMAGE, &name]);
    let archive = session.home().join("box.tar");
    session.ok(&["push", "-q", IMAGE, &format!("oci-archive:{}:box:1", archive.display())]);
    session.ok(&["pull", "-q", &format!("oci-archive:{}:box:1", archive.display())]);
}

#[test]
fn a_killed_push_goes_on_in_another_process() {
    let session = session!();
    let registry = Registry::start(Options::default());
    let size = 40_000_000;
    let image = session.pull(&TestImage::new(&[size]));
    let killed = Arc::new(AtomicBool::new(false));
    let after = killed.clone();
    // The second chunk does not get through as long as the first process lives.
    let proxy = Proxy::start(registry.address(), move |request, _| {
        let range = request.headers.get("content-range").map_or("", String::as_str);
        let second = request.method == "PATCH" && !range.starts_with("0-");
        let cut = second && !after.load(Ordering::Relaxed);
        if cut { Fault::CutRequest(0) } else { Fault::Pass }
    });
    let name = format!("{}/games/doom:1", proxy.host());
    let push =
        || session.bolt(&["push", "-q", "--tls-verify=false", "--retry", "1000", &image, &name]);
    let body = |from: usize| -> u64 {
        let sent = proxy.requests().split_off(from).into_iter();
        let sent = sent.filter(|r| r.method == "PATCH" || r.method == "PUT");
        let sent = sent.filter(|r| r.path.contains("/blobs/uploads/"));
        sent.filter_map(|r| r.headers.get("content-length")?.parse::<u64>().ok()).sum()
    };
    let mut first = push().stderr(Stdio::null()).spawn().unwrap();
    until("the first chunk is there and the second was tried twice", || {
        let tries = proxy.requests().into_iter().filter(|r| {
            let range = r.headers.get("content-range").map_or("", String::as_str);
            r.method == "PATCH" && !range.starts_with("0-")
        });
        tries.count() > 1
    });
    first.kill().unwrap();
    first.wait().unwrap();
    killed.store(true, Ordering::Relaxed);
    let before = proxy.requests().len();
    let out = finish(push().spawn().unwrap(), Duration::from_secs(60), "push");
    assert_eq!(out.code, 0, "{out:?}");
    // 16 MiB of the layer were there; busybox and the configuration may have been.
    let sent = body(before);
    let rest = size as u64 - (16 << 20);
    assert!((rest..rest + 3_000_000).contains(&sent), "{sent} bytes sent again");
    session.ok(&["pull", "-q", "--tls-verify=false", &name]);
}

/// Pushes a small and a big layer to `registry`, kills the push within the second chunk of the big
/// one, and tells how many bytes another push sends; the image that is there then is whole.
fn sent_after_a_kill_within_a_chunk(
    session: &Session,
    registry: SocketAddr,
    small: usize,
    size: usize,
) -> u64 {
    let image = session.pull(&TestImage::new(&[small, size]));
    let killed = Arc::new(AtomicBool::new(false));
    let after = killed.clone();
    fn is_second(request: &Request) -> bool {
        let range = request.headers.get("content-range").map_or("", String::as_str);
        request.method == "PATCH" && !range.starts_with("0-")
    }
    // The second chunk gets to its middle as long as the first process lives.
    let proxy = Proxy::start(registry, move |request, _| {
        let cut = is_second(request) && !after.load(Ordering::Relaxed);
        if cut { Fault::CutRequest(8 << 20) } else { Fault::Pass }
    });
    let name = format!("{}/games/doom:1", proxy.host());
    let push =
        || session.bolt(&["push", "-q", "--tls-verify=false", "--retry", "1000", &image, &name]);
    let uploads = |from: usize| {
        let sent = proxy.requests().split_off(from).into_iter();
        sent.filter(|r| r.path.contains("/blobs/uploads/") && r.method.starts_with('P'))
    };
    let length = |r: &Request| r.headers.get("content-length")?.parse::<u64>().ok();
    let mut first = push().stderr(Stdio::null()).spawn().unwrap();
    until("the small layer is there and the second chunk was begun", || {
        let is_small = |r: &Request| r.method == "PUT" && length(r) > Some(small as u64);
        uploads(0).any(|r| is_small(&r)) && uploads(0).any(|r| is_second(&r))
    });
    first.kill().unwrap();
    first.wait().unwrap();
    killed.store(true, Ordering::Relaxed);
    let before = proxy.requests().len();
    let out = finish(push().spawn().unwrap(), Duration::from_secs(60), "push");
    assert_eq!(out.code, 0, "{out:?}");
    let sent = uploads(before).filter_map(|r| length(&r)).sum();
    session.ok(&["pull", "-q", "--tls-verify=false", &name]);
    sent
}

/// Docker-registry forgets an upload that ended within a chunk.
#[test]
fn a_push_killed_within_a_chunk_sends_that_blob_anew_and_no_other() {
    let session = session!();
    let registry = Registry::start(Options::default());
    let (small, size) = (3_000_000, 40_000_000);
    let sent = sent_after_a_kill_within_a_chunk(&session, registry.address(), small, size);
    let least = size as u64;
    assert!((least..least + small as u64).contains(&sent), "{sent} bytes sent again");
}

#[test]
fn a_push_killed_within_a_chunk_goes_on_where_the_registry_keeps_what_came() {
    let session = session!();
    let ferro = match Ferro::start() {
        Ok(ferro) => ferro,
        Err(reason) => crate::skip!(reason),
    };
    let (small, size) = (3_000_000, 40_000_000);
    let sent = sent_after_a_kill_within_a_chunk(&session, ferro.address(), small, size);
    let least = size as u64 - (16 << 20);
    assert!((least..least + small as u64).contains(&sent), "{sent} bytes sent again");
}

const OCI: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const VERIFY: &str = "--tls-verify=false";

fn raw(name: &str) -> Value {
    let text = run("skopeo", &["inspect", "--raw", VERIFY, &format!("docker://{name}")]);
    serde_json::from_str(&text).unwrap()
}

/// Skopeo checks each digest and type of what it copies.
fn copied_by_skopeo(name: &str) {
    let scratch = Scratch::new();
    let to = format!("dir:{}", scratch.join("copy").display());
    run("skopeo", &["copy", "--quiet", "--src-tls-verify=false", &format!("docker://{name}"), &to]);
}

#[test]
fn a_manifest_is_written_in_the_format_that_was_asked_for() {
    let session = session!();
    let registry = Registry::start(Options::default());
    let name = |tag: &str| format!("{}/games/box:{tag}", registry.host());
    let id = session.ok(&["images", "-q", "--no-trunc", IMAGE]);
    // Pushed and pulled again: each time it is the same image in another dress.
    let dresses: [(&str, &[&str], &str); 4] = [
        ("a", &["--format", "v2s2"], DOCKER),
        ("b", &["-f", "oci"], OCI),
        ("c", &["--compression-format", "zstd"], OCI),
        ("d", &["-f", "docker"], DOCKER),
    ];
    let mut from = IMAGE.to_owned();
    for (tag, flags, wanted) in dresses {
        let to = name(tag);
        session.ok(&[&["push", "-q", VERIFY][..], flags, &[&from, &to]].concat());
        let there = raw(&to);
        assert_eq!(there["mediaType"], wanted, "{tag}: {there}");
        let config = match wanted {
            DOCKER => "application/vnd.docker.container.image.v1+json",
            _ => "application/vnd.oci.image.config.v1+json",
        };
        assert_eq!(there["config"]["mediaType"], config);
        if wanted == DOCKER {
            let layers = there["layers"].as_array().unwrap();
            assert!(layers.iter().all(|l| l["mediaType"] == DOCKER_LAYER), "{there}");
        }
        copied_by_skopeo(&to);
        session.ok(&["rmi", "--force", "--all"]);
        session.ok(&["pull", "-q", VERIFY, &to]);
        assert_eq!(session.ok(&["images", "-q", "--no-trunc", &to]), id);
        from = to;
    }
    session.ok(&["run", "--rm", "--network", "none", &from, "sh", "-c", "exit 0"]);
    for (flags, words) in [
        (&["--format", "v2s1"][..], "v2s2"),
        (&["-f", "v2s2", "--compression-format", "zstd"], "know no zstd"),
    ] {
        let out = session.run(&[&["push", VERIFY][..], flags, &[&from, &name("x")]].concat());
        assert!(out.code == 125 && out.err.contains(words), "{out:?}");
    }
}

#[test]
fn a_list_is_written_in_the_format_that_was_asked_for() {
    let session = session!();
    let registry = Registry::start(Options::default());
    let far = registry.push(&TestImage::new(&[3000]), "far/box:1");
    session.ok(&["manifest", "create", "game", IMAGE]);
    session.ok(&[
        "manifest",
        "add",
        VERIFY,
        "--annotation",
        "k=v",
        "game",
        &format!("docker://{far}"),
    ]);
    let name = format!("{}/games/list:1", registry.host());
    let out = session.run(&["manifest", "push", VERIFY, "-f", "v2s2", "game", &name]);
    assert_eq!(out.code, 0, "{out:?}");
    assert!(out.err.contains("no annotations: 1 were left out"), "{out:?}");
    let list = raw(&name);
    assert_eq!(list["mediaType"], DOCKER_LIST);
    for entry in list["manifests"].as_array().unwrap() {
        assert_eq!(entry["mediaType"], DOCKER);
        assert!(entry["annotations"].is_null(), "{entry}");
        let one = format!("{}/games/list@{}", registry.host(), entry["digest"].as_str().unwrap());
        assert_eq!(raw(&one)["mediaType"], DOCKER);
        copied_by_skopeo(&one);
    }
    session.ok(&["rmi", "--force", "--all"]);
    session.ok(&["pull", "-q", VERIFY, &name]);
    session.ok(&["run", "--rm", "--network", "none", &name, "sh", "-c", "exit 0"]);
}
