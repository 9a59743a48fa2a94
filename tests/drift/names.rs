//! `bolt://` names against a real registry, as an ordinary user.

use crate::harness::image::TestImage;
use crate::harness::registry::{Options, Registry};
use crate::harness::run;
use crate::harness::user::Session;
use serde_json::{Value, json};

const MACHINE: &str = r#"{"version":1,"platform":"linux/amd64/v3","kernel":{"release":"6.14.2",
    "features":["ntsync","futex_waitv"]},"memory_mb":32000,
    "gpus":[{"vendor":"amd","pci":"1002:744c","kernel_driver":"amdgpu","driver":"25.0.7",
    "vram_mb":24560}],"vulkan":[{"name":"radeon_icd.x86_64","vendor":"amd","api":"1.4.305"}]}"#;

fn configure(session: &Session, registry: &Registry, more: &str) {
    configure_at(session, &registry.host(), more);
}

/// Names of games lead to `host`.
pub(super) fn configure_at(session: &Session, host: &str, more: &str) {
    let text = format!(
        "[[registry]]\nname = \"main\"\nlocation = \"{host}/games\"\ninsecure = true\n{more}"
    );
    for dir in [".config", ".config/bolt"] {
        if !session.home().join(dir).exists() {
            session.make_dir(dir);
        }
    }
    session.file(".config/bolt/registries.toml", text);
    session.file("facts.json", MACHINE);
}

/// `bolt ARGS` on the made-up machine.
pub(super) fn bolt(session: &Session, args: &[&str]) -> crate::harness::process::Out {
    let mut command = session.bolt(args);
    command.env("BOLT_HOST_FACTS", session.home().join("facts.json"));
    let patience = std::time::Duration::from_secs(60);
    crate::harness::process::finish(command.spawn().unwrap(), patience, &format!("{args:?}"))
}

pub(super) fn http(method: &str, url: &str, file: Option<&str>, media_type: &str) -> String {
    let header = format!("Content-Type: {media_type}");
    let data = file.map(|file| format!("@{file}"));
    let mut args = vec!["-sS", "--fail", "-X", method, "-H", &header];
    if let Some(data) = &data {
        args.extend(["--data-binary", data]);
    }
    args.push(url);
    run("curl", &args)
}

/// Pushes two images and an index of both, the plain one first. Returns both digests.
fn publish(session: &Session, registry: &Registry, annotation: &str) -> (String, String) {
    let digest = |image: &TestImage, tag: &str| {
        let name = registry.push(image, &format!("games/doom:{tag}"));
        let raw =
            run("skopeo", &["inspect", "--tls-verify=false", "--raw", &format!("docker://{name}")]);
        let file = session.file(tag, &raw);
        let sum = run("sha256sum", &[&file]);
        (format!("sha256:{}", &sum[..64]), raw.len())
    };
    let (plain, plain_size) = digest(&TestImage::new(&[1000]), "plain");
    let (fast, fast_size) = digest(&TestImage::new(&[2000]), "fast");
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let platform = json!({ "os": "linux", "architecture": "amd64" });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            { "mediaType": kind, "digest": plain, "size": plain_size, "platform": platform },
            { "mediaType": kind, "digest": fast, "size": fast_size, "platform": platform,
              "annotations": { "dev.bolt.gaming.v1": annotation } },
        ],
    });
    let file = session.file("index.json", index.to_string());
    let url = format!("http://{}/v2/games/doom/manifests", registry.host());
    for tag in ["1.4.0", "latest"] {
        http(
            "PUT",
            &format!("{url}/{tag}"),
            Some(&file),
            "application/vnd.oci.image.index.v1+json",
        );
    }
    (plain, fast)
}

const AMD: &str = r#"{"variant":"amd","tier":"balanced","runtime_appid":1628350,
    "gpu":[{"vendor":"amd","driver":">=24"}],"proton":{"bundled":"GE-Proton9-27"}}"#;

#[test]
fn a_game_is_resolved_explained_pinned_and_run_again_without_a_network() {
    let session = session!();
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        skip!("no curl");
    }
    let registry = Registry::start(Options::default());
    configure(&session, &registry, "");
    let (plain, fast) = publish(&session, &registry, AMD);

    let out = bolt(&session, &["resolve", "bolt://doom"]);
    assert_eq!(out.out.trim(), format!("{}/games/doom@{fast}", registry.host()), "{out:?}");
    let out = bolt(&session, &["resolve", "bolt://doom:^1.3", "--explain"]);
    assert!(out.out.contains("taken      amd"), "{out:?}");
    assert!(out.out.contains("a plain manifest comes last"), "{out:?}");
    let out = bolt(&session, &["resolve", "bolt://doom", "--format", "json"]);
    let value: Value = serde_json::from_str(&out.out).unwrap();
    assert_eq!(value["taken"], fast.as_str());
    assert_eq!(value["variants"][1]["digest"], plain.as_str());
    assert_eq!(value["variants"][1]["outcome"], "outranked");

    let locked =
        ["run", "--locked", "--rm", "--network", "none", "bolt://doom:^1", "busybox", "true"];
    let out = bolt(&session, &locked);
    assert!(out.code == 125 && out.err.contains("is not in the lock file"), "{out:?}");
    let go = ["run", "--rm", "--network", "none", "bolt://doom:^1", "busybox", "cat", "/data/0"];
    let out = bolt(&session, &go);
    assert!(out.code == 0 && out.out.len() > 1000, "{} {}", out.code, out.err);
    assert!(
        out.err.contains("bolt://doom:^1: amd of")
            && out.err.contains("(before plain linux/amd64: a plain"),
        "{}",
        out.err
    );
    let lock = std::fs::read(session.data().join("lock.json")).unwrap();
    let value: Value = serde_json::from_slice(&lock).unwrap();
    let entry = &value["names"]["bolt://doom:^1"];
    assert_eq!(entry["manifest"], fast.as_str());
    assert_eq!(
        (&entry["tag"], &entry["proton"], &entry["runtime"]),
        (&json!("1.4.0"), &json!("GE-Proton9-27"), &json!(1_628_350))
    );

    // A newer version is there; the lock holds until a pull.
    let url = format!("http://{}/v2/games/doom/manifests/1.5.0", registry.host());
    let index = session.home().join("index.json");
    http("PUT", &url, index.to_str(), "application/vnd.oci.image.index.v1+json");
    let out = bolt(&session, &["images", "--outdated", "--format", "json"]);
    let rows: Value = serde_json::from_str(&out.out).unwrap();
    assert_eq!(
        (&rows[0]["Tag"], &rows[0]["Newest"]),
        (&json!("1.4.0"), &json!("1.5.0")),
        "{out:?}"
    );

    // Nobody answers any more, and nobody is asked.
    drop(registry);
    let out = bolt(&session, &locked);
    assert_eq!(out.code, 0, "{out:?}");
    let out = bolt(&session, &go);
    assert!(out.code == 0 && !out.err.contains("doom"), "{}", out.err);
    assert_eq!(std::fs::read(session.data().join("lock.json")).unwrap(), lock);
    if std::process::Command::new("strace").arg("-V").output().is_ok() {
        let trace = session.home().join("trace");
        let mut command = session.command("strace");
        command.args(["-f", "-e", "trace=socket", "-o"]).arg(&trace).arg(session.program());
        // With a network of its own the container asks the kernel, by such a socket, for its lo.
        command.args(locked.map(|word| if word == "none" { "host" } else { word }));
        let patience = std::time::Duration::from_secs(60);
        let out = crate::harness::process::finish(command.spawn().unwrap(), patience, "strace");
        let calls = std::fs::read_to_string(&trace).unwrap();
        // Where tracing keeps newuidmap from its rights, nothing is started and nothing shown.
        if out.code == 0 {
            assert!(!calls.contains("AF_INET"), "{calls}");
        }
    }
    let out = bolt(&session, &["pull", "bolt://doom:^1"]);
    assert!(out.code == 125 && out.err.contains("refused"), "{out:?}");
}

/// A plain pull takes an index's first image, whatever it is: that is no choice.
#[test]
fn what_a_plain_pull_left_under_the_tag_is_not_taken_for_the_choice() {
    let session = session!();
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        skip!("no curl");
    }
    let registry = Registry::start(Options::default());
    configure(&session, &registry, "");
    let (_, fast) = publish(&session, &registry, AMD);
    session.ok(&[
        "pull",
        "-q",
        "--tls-verify=false",
        &format!("{}/games/doom:1.4.0", registry.host()),
    ]);
    let go = ["--rm", "--network", "none", "bolt://doom:1.4.0", "busybox", "cat", "/data/0"];
    let plain = bolt(&session, &[&["run", "--pull=never"], &go[..]].concat());
    assert!(plain.code == 0 && !plain.err.contains("amd of"), "{}", plain.err);
    assert!(!session.data().join("lock.json").exists());
    let chosen = bolt(&session, &[&["run"], &go[..]].concat());
    assert!(chosen.code == 0 && chosen.err.contains("amd of"), "{}", chosen.err);
    let lock = std::fs::read(session.data().join("lock.json")).unwrap();
    let value: Value = serde_json::from_slice(&lock).unwrap();
    assert_eq!(value["names"]["bolt://doom:1.4.0"]["manifest"], fast.as_str());
}

#[test]
fn what_fits_nowhere_or_cannot_be_read_is_told() {
    let session = session!();
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        skip!("no curl");
    }
    let registry = Registry::start(Options::default());
    configure(&session, &registry, "[aliases]\nhell = \"");
    let out = bolt(&session, &["resolve", "bolt://doom"]);
    assert!(out.code == 125 && out.err.contains("registries.toml: line 6"), "{out:?}");
    configure(
        &session,
        &registry,
        &format!("[aliases]\nhell = \"{}/games/doom\"\n", registry.host()),
    );
    // No failure is remembered: what was not there is found once it is.
    let out = bolt(&session, &["pull", "bolt://hell"]);
    assert!(out.code == 125 && out.err.contains("does not exist"), "{out:?}");
    publish(&session, &registry, r#"{"gpus":[]}"#);
    let out = bolt(&session, &["pull", "-q", "bolt://hell"]);
    assert!(out.code == 0 && out.err.contains("unknown field `gpus`"), "{out:?}");
    let out = bolt(&session, &["resolve", "bolt://doom"]);
    let warned = out.err.lines().filter(|l| l.contains("unknown field `gpus`")).count();
    assert!(out.code == 0 && warned == 1 && out.err.contains("warning: variant"), "{out:?}");
    let out = bolt(&session, &["resolve", "--explain", "bolt://doom"]);
    assert!(out.out.contains("unknown field `gpus`") && !out.err.contains("gpus"), "{out:?}");
    // Names without a scheme never lead there.
    let out = bolt(&session, &["run", "--pull", "never", "--rm", "hell", "busybox", "true"]);
    assert_eq!(out.code, 125, "{out:?}");

    let machine = MACHINE.replace("linux/amd64/v3", "linux/riscv64");
    session.file("facts.json", machine);
    let out =
        bolt(&session, &["run", "--pull", "always", "--rm", "bolt://doom", "busybox", "true"]);
    assert!(out.code == 125, "{out:?}");
    assert!(out.err.contains("none of the 2 variants"), "{}", out.err);
    assert!(out.err.contains("made for linux/amd64; here is linux/riscv64"), "{}", out.err);
    session.file("facts.json", "{\"version\":1}");
    let out = bolt(&session, &["resolve", "bolt://doom"]);
    assert!(out.code == 125 && out.err.contains("missing field"), "{out:?}");
}

#[test]
fn what_was_measured_here_decides() {
    let session = session!();
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        skip!("no curl");
    }
    let registry = Registry::start(Options::default());
    configure(&session, &registry, "");
    publish(&session, &registry, AMD);
    let out = bolt(&session, &["pull", "-q", "bolt://doom"]);
    assert_eq!(out.code, 0, "{out:?}");
    let rows: Vec<String> = (0..300).map(|n| format!("100,10,{n}")).collect();
    let log = session.file("log.csv", format!("fps,frametime,elapsed\n{}\n", rows.join("\n")));
    let out = bolt(&session, &["bench", "record", "bolt://doom", "--fps-log", &log]);
    assert!(out.code == 0 && out.out.contains("299 frames, 100 fps"), "{out:?}");
    let out = bolt(&session, &["bench", "record", "bolt://nothing", "--fps-log", &log]);
    assert!(out.code == 125 && out.err.contains("`bolt pull bolt://nothing` fetches"), "{out:?}");
    let facts = bolt(&session, &["info", "--facts"]);
    let value: Value = serde_json::from_str(&facts.out).unwrap();
    assert_eq!(value["gpus"][0]["pci"], "1002:744c");
    let here: Value = serde_json::from_str(&session.ok(&["info", "--facts"])).unwrap();
    assert!(here["memory_mb"].as_u64().unwrap() > 0 && here["kernel"]["release"] != "");
}

#[test]
fn errors_about_a_game_name_it_once() {
    let session = session!();
    let registry = Registry::start(Options::default());
    registry.push(&TestImage::new(&[]), "games/doom:1.0.0");
    for (name, words) in [
        ("bolt://doom", "no default Drift registry"),
        ("bolt://x.io/doom", "has no registry"),
        ("bolt://doom:^7", "has no tag in the range"),
        ("bolt://doom:9", "does not exist"),
    ] {
        if name == "bolt://doom:^7" {
            configure(&session, &registry, "");
        }
        for verb in [&["pull", "-q"][..], &["resolve"]] {
            let out = bolt(&session, &[verb, &[name]].concat());
            assert!(out.code == 125 && out.err.contains(words), "{out:?}");
            assert_eq!(out.err.matches(name).count(), 1, "{}", out.err);
        }
    }
}

/// A publisher's words must not speak to the terminal.
#[test]
fn what_is_explained_is_safe_for_terminals() {
    let session = session!();
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        skip!("no curl");
    }
    let registry = Registry::start(Options::default());
    configure(&session, &registry, "");
    for (annotation, shown) in [
        ("{\"bogus\\u001b]0;pwn\\u0007\\ntaken\":1}", "bogus\\u{1b}]0;pwn\\u{7}\\ntaken"),
        ("{\"variant\":\"a\\u202eb\\u200fc\"}", "a\\u{202e}b\\u{200f}c"),
    ] {
        publish(&session, &registry, annotation);
        let out = bolt(&session, &["resolve", "--explain", "bolt://doom"]);
        assert!(out.code == 0 && out.out.contains(shown), "{out:?}");
        let raw = |c: char| (c.is_control() && c != '\n') || ('\u{200e}'..='\u{202e}').contains(&c);
        assert!(!out.out.contains(raw), "{out:?}");
    }
}
