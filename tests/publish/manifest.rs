//! `bolt manifest`: lists made here, pushed, and read by others.

use crate::harness::image::TestImage;
use crate::harness::registry::{Options, PASSWORD, Registry, USER};
use crate::harness::run;
use crate::harness::user::{IMAGE, Session};
use serde_json::Value;

fn raw(name: &str) -> Value {
    let text =
        run("skopeo", &["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")]);
    serde_json::from_str(&text).unwrap()
}

/// A second image of the session, `other`, beside the first, which is called `plain` too.
fn other(session: &Session) {
    session.ok(&["tag", IMAGE, "plain"]);
    let id = session.pull(&TestImage::new(&[20_000]));
    session.ok(&["tag", &id, "other"]);
    session.ok(&["tag", "plain", IMAGE]);
}

fn inspect(session: &Session, list: &str) -> Value {
    serde_json::from_str(&session.ok(&["manifest", "inspect", list])).unwrap()
}

#[test]
fn a_list_of_two_variants_is_pushed_and_run() {
    let session = session!();
    let registry = Registry::start(Options::default());
    other(&session);
    session.ok(&["manifest", "create", "--annotation", "org.example.game=yes", "game"]);
    session.ok(&["manifest", "add", "--variant", "v2", "--annotation", "k=v=w", "game", "other"]);
    session.ok(&["manifest", "add", "game", "plain"]);
    let list = inspect(&session, "game");
    assert_eq!(list["annotations"]["org.example.game"], "yes");
    assert_eq!(list["manifests"][0]["platform"]["variant"], "v2");
    assert_eq!(list["manifests"][0]["annotations"]["k"], "v=w");
    let plain = list["manifests"][1]["digest"].as_str().unwrap();
    session.ok(&["manifest", "annotate", "--os-features", "a,b", "game", plain]);
    session.ok(&["manifest", "annotate", "--os-version", "1", "game", "other"]);
    session.ok(&["manifest", "annotate", "--index", "--annotation", "more=1", "game"]);
    let list = inspect(&session, "game");
    assert_eq!(list["manifests"][1]["platform"]["os.features"][1], "b");
    assert_eq!(list["manifests"][0]["platform"]["os.version"], "1");
    session.ok(&["manifest", "remove", "game", plain]);
    session.ok(&["manifest", "add", "game", "plain"]);

    let name = format!("{}/games/box:1", registry.host());
    let file = session.home().join("digest");
    let out = session.run(&[
        "manifest",
        "push",
        "--tls-verify=false",
        "--digestfile",
        file.to_str().unwrap(),
        "--rm",
        "game",
        &name,
    ]);
    assert_eq!((out.code, out.out.as_str()), (0, ""), "{out:?}");
    assert_eq!(session.run(&["manifest", "exists", "game"]).code, 1);
    let digest = std::fs::read_to_string(file).unwrap();
    let there = raw(&name);
    assert_eq!(there["annotations"]["more"], "1");
    assert_eq!(there["manifests"].as_array().unwrap().len(), 2);
    // The layers were packed anew: the list names the manifests that are there.
    for entry in there["manifests"].as_array().unwrap() {
        let one = format!("{}/games/box@{}", registry.host(), entry["digest"].as_str().unwrap());
        assert_eq!(raw(&one)["schemaVersion"], 2);
    }
    let by_digest = format!("{}/games/box@{digest}", registry.host());
    assert_eq!(raw(&by_digest), there);
    let shown: Value = serde_json::from_str(&session.ok(&[
        "manifest",
        "inspect",
        "--tls-verify=false",
        &format!("docker://{name}"),
    ]))
    .unwrap();
    assert_eq!(shown, there);
    session.ok(&["rmi", "--force", "--all"]);
    session.ok(&["pull", "-q", "--tls-verify=false", &name]);
    session.ok(&["run", "--rm", "--network", "none", &name, "sh", "-c", "exit 0"]);
}

#[test]
fn images_of_other_registries_come_along() {
    let session = session!();
    let (from, to) = (
        Registry::start(Options::default()),
        Registry::start(Options { password: true, ..Options::default() }),
    );
    let image = TestImage::new(&[30_000]);
    let source = from.push(&image, "far/box:1");
    let verify = "--tls-verify=false";
    // A list of a list: the inner one is taken apart.
    session.ok(&["manifest", "create", verify, "inner", &format!("docker://{source}")]);
    let inner = format!("{}/far/list:1", from.host());
    session.ok(&["manifest", "push", verify, "inner", &inner]);
    session.ok(&["manifest", "create", verify, "--all", "outer", &inner]);
    let list = inspect(&session, "outer");
    assert_eq!(list["manifests"][0]["platform"]["architecture"], "amd64");
    let name = format!("{}/near/box:1", to.host());
    let creds = format!("{USER}:{PASSWORD}");
    let out = session.run(&["manifest", "push", verify, "outer", &name]);
    assert!(out.code == 125 && out.err.contains("bolt login"), "{out:?}");
    session.ok(&["manifest", "push", verify, "--creds", &creds, "outer", &name]);
    let digest = list["manifests"][0]["digest"].as_str().unwrap();
    let copied = run(
        "skopeo",
        &[
            "inspect",
            "--raw",
            "--creds",
            &creds,
            verify,
            &format!("docker://{}/near/box@{digest}", to.host()),
        ],
    );
    let original = run("skopeo", &["inspect", "--raw", &image.source()]);
    assert_eq!(copied, original, "byte for byte");
    let layout = session.home().join("layout");
    session.ok(&[
        "manifest",
        "push",
        "-q",
        verify,
        "outer",
        &format!("oci:{}:x", layout.display()),
    ]);
    session.ok(&["pull", "-q", &format!("oci:{}:x", layout.display())]);
}

#[test]
fn wrong_lists_are_refused_and_nothing_changes() {
    let session = session!();
    other(&session);
    session.ok(&["manifest", "create", "game", "other"]);
    let before = inspect(&session, "game");
    let none = format!("sha256:{}", "0".repeat(64));
    for (args, words) in [
        (vec!["create", "game"], "exists already"),
        (vec!["create", "other"], "name of an image"),
        (vec!["create", "Game"], "no upper-case"),
        (vec!["create", "new", "no-such-image"], "image not known"),
        (vec!["add", "nothing", "other"], "no such list"),
        (vec!["add", "--annotation", "x", "game", "other"], "KEY=VALUE"),
        (vec!["annotate", "game", &none], "has no manifest"),
        (vec!["annotate", "game", IMAGE], "is not in the list"),
        (vec!["annotate", "--index", "--arch", "x", "game"], "no platform of its own"),
        (vec!["remove", "game", "x"], "is not a digest"),
        (vec!["inspect", "nothing"], "no such list"),
        (vec!["push", "game", "oci:/nowhere/at/all:x"], "/nowhere"),
    ] {
        let out = session.run(&[&["manifest"], &args[..]].concat());
        assert_eq!(out.code, 125, "{args:?}: {out:?}");
        assert!(out.err.contains(words), "{args:?}: {}", out.err);
    }
    assert_eq!(inspect(&session, "game"), before);
    assert_eq!(session.run(&["manifest", "exists", "new"]).code, 1);
    session.ok(&["manifest", "create", "--amend", "game"]);
    let rows = session.ok(&["manifest", "ls", "--format", "{{.Name}} {{.Manifests}}"]);
    assert_eq!(rows, "localhost/game:latest 1");
    let out = session.run(&["push", "game"]);
    assert!(out.err.contains("localhost/game:latest is a list"), "{out:?}");
    // An image that has gone is named, and what to do.
    session.ok(&["rmi", "--force", "other"]);
    let archive = format!("oci-archive:{}", session.home().join("a.tar").display());
    let out = session.run(&["manifest", "push", "game", &archive]);
    assert!(out.code == 125 && out.err.contains("bolt manifest remove"), "{out:?}");
    assert!(!session.home().join("a.tar").exists());
    // As with podman those that are there go (4.3.1: exit code 1).
    session.ok(&["manifest", "create", "other"]);
    let out = session.run(&["manifest", "rm", "game", "nothing", "other"]);
    assert!(out.code == 1 && out.err.contains("nothing:latest: no such list"), "{out:?}");
    assert_eq!(out.out, "Untagged: localhost/game:latest\nUntagged: localhost/other:latest\n");
}
