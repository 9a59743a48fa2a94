//! What `--locked` takes, and how the image of a lock file is found and named here.

use super::names::{bolt, configure_at};
use crate::harness::image::TestImage;
use crate::harness::registry::{Options, Registry};
use crate::harness::user::Session;
use serde_json::Value;

fn digest_of(session: &Session, name: &str) -> String {
    let out = bolt(session, &["image", "inspect", name]);
    assert_eq!(out.code, 0, "{out:?}");
    let value: Value = serde_json::from_str(&out.out).unwrap();
    value[0]["Digest"].as_str().unwrap().to_owned()
}

fn ok(session: &Session, args: &[&str]) -> String {
    let out = bolt(session, args);
    assert_eq!(out.code, 0, "{args:?}: {out:?}");
    out.err
}

#[test]
fn a_locked_name_is_the_locked_image_for_every_verb() {
    let session = session!();
    let registry = Registry::start(Options::default());
    configure_at(&session, &registry.host(), "");
    let full = registry.push(&TestImage::new(&[1000]), "games/solo:1.0.0");
    ok(&session, &["pull", "-q", "bolt://solo:^1"]);
    let first = digest_of(&session, &full);
    // A newer one comes by its own name; the range stays what a run takes.
    let newer = registry.push(&TestImage::new(&[2000]), "games/solo:1.5.0");
    ok(&session, &["pull", "-q", "--tls-verify=false", &newer]);
    assert_ne!(digest_of(&session, &newer), first);
    assert_eq!(digest_of(&session, "bolt://solo:^1"), first);

    // Into an empty store: named as by the first pull.
    ok(&session, &["rmi", "-f", &full, &newer]);
    ok(&session, &["pull", "-q", "--locked", "bolt://solo:^1"]);
    assert_eq!(digest_of(&session, "bolt://solo:^1"), first);
    assert_eq!(digest_of(&session, &full), first);
    let out = bolt(&session, &["images", "--outdated", "--format", "{{.Tag}} {{.Newest}}"]);
    assert_eq!(out.out.trim(), "1.0.0 1.5.0", "{out:?}");
    ok(&session, &["tag", "bolt://solo:^1", "mine"]);
    ok(&session, &["rmi", "bolt://solo:^1"]);
    // Here without the name that it had: that is given again.
    ok(&session, &["pull", "-q", "--locked", "bolt://solo:^1"]);
    assert_eq!(digest_of(&session, &full), first);

    // Nobody answers, and nobody is asked.
    drop(registry);
    ok(&session, &["pull", "-q", "--locked", "bolt://solo:^1"]);
    let run = ["--rm", "--network", "none", "bolt://solo:^1", "busybox", "true"];
    let told = ok(&session, &[&["run", "--locked", "--pull=newer"], &run[..]].concat());
    assert_eq!(told, "");
}

#[test]
fn a_store_that_cannot_be_used_is_told_once() {
    let session = session!();
    let registry = Registry::start(Options::default());
    let store = "[[ghostbay]]\nname = \"near\"\nendpoint = \"http://127.0.0.1:1\"\n\
                 bucket = \"games\"\ncredentials = \"env\"\n";
    configure_at(&session, &registry.host(), store);
    registry.push(&TestImage::new(&[1000]), "games/solo:1.0.0");
    let told = ok(&session, &["pull", "-q", "bolt://solo:^1"]);
    assert_eq!(told.matches("ghostbay \"near\"").count(), 1, "{told}");
}

#[test]
fn a_locked_variant_is_not_taken_for_another_platform() {
    let session = session!();
    let registry = Registry::start(Options::default());
    configure_at(&session, &registry.host(), "");
    let full = registry.push(&TestImage::new(&[1000]), "games/solo:1.0.0");
    ok(&session, &["pull", "-q", "bolt://solo:^1"]);
    let run = [
        "run",
        "--locked",
        "--platform",
        "linux/arm64",
        "--rm",
        "bolt://solo:^1",
        "busybox",
        "true",
    ];
    let refused = || {
        let out = bolt(&session, &run);
        assert!(out.code == 125 && out.err.contains("not for linux/arm64"), "{out:?}");
    };
    refused();
    ok(&session, &["rmi", &full]);
    refused();
    assert_eq!(bolt(&session, &["image", "exists", &full]).code, 1);
}

#[test]
fn the_advice_of_locked_keeps_to_the_lock_file_that_was_named() {
    let session = session!();
    configure_at(&session, "127.0.0.1:1", "");
    let advice = "run `bolt pull --lock-file own.json bolt://solo`";
    let own = ["--locked", "--lock-file", "own.json", "bolt://solo"];
    for verb in [&["run", "--rm"][..], &["pull"]] {
        let out = bolt(&session, &[verb, &own].concat());
        assert!(out.code == 125 && out.err.contains(advice), "{out:?}");
    }
}
