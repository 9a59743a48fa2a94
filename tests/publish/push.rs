//! `bolt push`.

use crate::harness::registry::{Options, PASSWORD, Registry, USER};
use crate::harness::user::IMAGE;
use crate::harness::{Scratch, run};

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
        (vec!["push", "nothing-here"], 125, "nothing-here: image not known"),
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
