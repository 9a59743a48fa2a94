//! `bolt profile`.

use crate::harness::drift::{Dialect, Drift, Options};
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::registry::{self, Registry};
use crate::harness::user::IMAGE;
use serde_json::Value;

const CS2: &str = "[profile]\nname = \"cs2\"\nversion = \"1.0\"\ndescription = \"less lag\"\n\
    [requirements]\nrequired_gpu_vendor = \"amd\"\n[games]\nlist = [\"Counter-Strike 2\"]\n";
const VERIFY: &str = "--tls-verify=false";

#[test]
fn profiles_cross_any_registry() {
    let session = session!();
    let registry = Registry::start(registry::Options::default());
    let host = registry.host();
    let file = session.file("cs2.toml", CS2);
    let other =
        session.file("other.toml", CS2.replace("\"cs2\"", "\"other\"").replace("amd", "intel"));
    let name = format!("{host}/profiles/cs2:1.0");
    let out = session.run(&["profile", "push", VERIFY, &file, &name]);
    assert!(out.code == 0 && out.err.contains(&format!("{name}: pushed as sha256:")), "{out:?}");
    assert_eq!(session.ok(&["profile", "show", VERIFY, &name]), CS2.trim_end());
    assert_eq!(session.ok(&["profile", "pull", VERIFY, "--force", &name]), "cs2.toml");
    let out = session.run(&["profile", "pull", VERIFY, &name]);
    assert!(out.code == 125 && out.err.contains("--force"), "{out:?}");
    assert_eq!(std::fs::read_to_string(session.home().join("cs2.toml")).unwrap(), CS2);

    // Attached to an image, which stays what it was.
    let game = format!("{host}/games/box:1");
    session.ok(&["push", "-q", VERIFY, IMAGE, &game]);
    let out = session.run(&["profile", "push", VERIFY, &file, &game]);
    assert!(out.code == 125 && out.err.contains("--attach"), "{out:?}");
    session.ok(&["profile", "push", VERIFY, "--attach", &file, &game]);
    assert_eq!(session.ok(&["profile", "show", VERIFY, &game]), CS2.trim_end());
    session.ok(&["profile", "push", VERIFY, "--attach", &other, &game]);
    let out = session.run(&["profile", "show", VERIFY, &game]);
    assert!(out.code == 125 && out.err.contains("2 profiles are attached; name one"), "{out:?}");
    session.ok(&["pull", "-q", VERIFY, &game]);

    let list = |place: &str, flags: &[&str]| -> Vec<Value> {
        let args = [&["profile", "ls", VERIFY, "--format", "json"], flags, &[place]].concat();
        serde_json::from_str(&session.ok(&args)).unwrap()
    };
    // A second tag of the image shows nothing twice.
    session.ok(&["push", "-q", VERIFY, IMAGE, &format!("{host}/games/box:2")]);
    let mut attached = list(&format!("{host}/games/box"), &[]);
    assert_eq!(attached.len(), 2, "those attached to images of the repository: {attached:?}");
    let mut all = list(&host, &[]);
    all.retain(|profile| {
        let known = attached.iter().position(|other| other == profile);
        known.map(|at| attached.remove(at)).is_none()
    });
    assert_eq!((all.len(), attached.len()), (1, 0), "and the one under a tag: {all:?}");
    assert_eq!((&all[0]["Reference"], &all[0]["Gpu"]), (&name.clone().into(), &"amd".into()));
    assert_eq!(all[0]["Games"][0], "Counter-Strike 2");
    assert_eq!(list(&game, &[]).len(), 2);
    let intel = list(&game, &["--gpu", "intel"]);
    assert_eq!((intel.len(), &intel[0]["Name"]), (1, &"other".into()));
    assert!(list(&game, &["--search", "nothing"]).is_empty());
    let one = intel[0]["Reference"].as_str().unwrap();
    assert!(session.ok(&["profile", "show", VERIFY, one]).contains("\"other\""));
    let table = session.ok(&["profile", "ls", VERIFY, &format!("{host}/profiles/cs2")]);
    assert!(table.starts_with("NAME") && table.contains("less lag"), "{table}");
}

#[test]
fn names_of_games_mean_the_default_registry() {
    let session = session!();
    let registry = Registry::start(registry::Options::default());
    let host = registry.host();
    for dir in [".config", ".config/bolt"] {
        session.make_dir(dir);
    }
    let text =
        format!("[[registry]]\nname = \"d\"\nlocation = \"{host}/games\"\ninsecure = true\n");
    session.file(".config/bolt/registries.toml", text);
    let file = session.file("cs2.toml", CS2);
    session.ok(&["push", "-q", IMAGE, &format!("{host}/games/box:1")]);
    session.ok(&["profile", "push", "-q", "--attach", &file, "bolt://box:1"]);
    for name in ["bolt://box:1".to_owned(), format!("docker://{host}/games/box:1")] {
        assert_eq!(session.ok(&["profile", "show", &name]), CS2.trim_end());
        assert!(session.ok(&["profile", "ls", "-q", &name]).starts_with(&host));
        assert_eq!(session.ok(&["profile", "pull", "-o", "-", &name]), CS2.trim_end());
    }
    assert!(!session.home().join("-").exists());
    let out = session.run(&["profile", "show", "bolt://box:^1"]);
    assert!(out.code == 125 && out.err.contains("write a tag"), "{out:?}");
    let game = session.file("game.toml", "title = 'Box'\n");
    session.ok(&["image", "annotate", "-q", "--game", &game, "bolt://box:1"]);
    let out = session.run(&["profile", "ls", "--gpu", "nvidiaa", &host]);
    assert!(out.code == 125 && out.err.contains("nvidia, amd, intel"), "{out:?}");
}

#[test]
fn a_drift_lists_its_own_in_both_dialects() {
    let session = session!();
    for (dialect, count) in [(Dialect::Drift, 2), (Dialect::Bolt, 1)] {
        let drift = Drift::start(Options::new(dialect), None);
        let host = drift.host();
        let names = session.ok(&["profile", "ls", VERIFY, "-q", &host]);
        assert_eq!(names.lines().count(), count, "{names}");
        assert!(names.contains(&format!("{host}/steam-optimized")));
        let found =
            session.ok(&["profile", "ls", VERIFY, "-q", "--search", "counter-strike", &host]);
        assert_eq!(found, format!("{host}/steam-optimized"));
        let shown = session.ok(&["profile", "show", VERIFY, &format!("{host}/steam-optimized")]);
        assert!(shown.contains("[requirements]"), "{shown}");
        let file = session.home().join(format!("{count}.toml"));
        let reference = format!("{host}/steam-optimized");
        session.ok(&["profile", "pull", VERIFY, "-o", file.to_str().unwrap(), &reference]);
        assert!(std::fs::read_to_string(file).unwrap().starts_with("[profile]"));
        let out = session.run(&["profile", "show", VERIFY, &format!("{host}/nothing")]);
        assert!(out.code == 125 && out.err.contains("no such profile"), "{out:?}");
    }
}

#[test]
fn wrong_profiles_and_wrong_servers_are_named() {
    let session = session!();
    let registry = Registry::start(registry::Options::default());
    let name = format!("{}/p:1", registry.host());
    let big = session.file("big.toml", vec![b'#'; 2 << 20]);
    let bad = session.file("bad.toml", "[profile]\nname = 7\n");
    let good = session.file("good.toml", CS2);
    let pinned = format!("{}/p@sha256:{}", registry.host(), "0".repeat(64));
    for (args, words) in [
        (vec!["push", VERIFY, &big, &name], "that is no profile"),
        (vec!["push", VERIFY, &bad, &name], "profile.name is integer, expected a text"),
        (vec!["push", VERIFY, "/nowhere", &name], "/nowhere"),
        (vec!["push", VERIFY, &good, &pinned], "write a tag"),
        (vec!["push", VERIFY, &good, "short"], "names no registry"),
        (vec!["ls", "not a host"], "is no registry"),
        (vec!["show", VERIFY, &name], "no such profile"),
    ] {
        let out = session.run(&[&["profile"], &args[..]].concat());
        assert_eq!(out.code, 125, "{args:?}: {out:?}");
        assert!(out.err.contains(words), "{args:?}: {}", out.err);
    }
    session.ok(&["push", "-q", VERIFY, IMAGE, &name]);
    let out = session.run(&["profile", "show", VERIFY, &name]);
    assert!(out.code == 125 && out.err.contains("it is no profile, and has none"), "{out:?}");
    let text = r#"{"results":[{"name":"a","version":["1"]}],"pages":1}"#;
    let instead = Some(text.to_owned());
    let drift = Drift::start(Options { instead, ..Options::new(Dialect::Drift) }, None);
    let out = session.run(&["profile", "ls", VERIFY, &drift.host()]);
    let words = "/v1/profiles: results[0].version is a list, expected a text";
    assert!(out.code == 125 && out.err.contains(words), "{out:?}");
}

/// One name pads no other line, and is not listed.
#[test]
fn what_a_server_says_at_length_is_left_out_or_cut() {
    let session = session!();
    let short: String = (0..2000).map(|n| format!(r#",{{"name":"p{n}"}}"#)).collect();
    let long = "x".repeat(1 << 20);
    let text = format!(
        r#"{{"results":[{{"name":"{long}"}},{{"name":"v","version":"{long}"}}{short}],"pages":1}}"#
    );
    let drift = Drift::start(Options { instead: Some(text), ..Options::new(Dialect::Drift) }, None);
    let out = session.run(&["profile", "ls", VERIFY, &drift.host()]);
    assert_eq!((out.code, out.out.lines().count()), (0, 2002), "{}", out.err);
    assert!(out.out.len() < 4 << 20, "{} bytes", out.out.len());
    assert_eq!(out.err.lines().count(), 1, "{}", out.err);
    let words = "1 entry with names of more than 255 characters left out, 1 entry with longer";
    assert!(out.err.contains(words), "{}", out.err);
}

/// An answer of a server that exists nowhere.
fn made_up(body: String) -> Fault {
    let kind = ("Content-Type".to_owned(), "application/json".to_owned());
    Fault::Answer("200 OK".to_owned(), vec![kind], body)
}

fn nothing() -> Fault {
    Fault::Answer("404 Not Found".to_owned(), Vec::new(), String::new())
}

fn warnings(err: &str) -> Vec<&str> {
    err.lines().filter(|line| line.contains("the list")).collect()
}

#[test]
fn a_list_of_profiles_without_an_end_is_ended() {
    let session = session!();
    let server = Proxy::start(([127, 0, 0, 1], 1).into(), |request, _| {
        let page = request.path.split("page=").nth(1).and_then(|rest| rest.split('&').next());
        let page = page.unwrap_or("0");
        let all: Vec<String> =
            (0..10_000).map(|n| format!(r#"{{"name":"p{page}-{n}"}}"#)).collect();
        match request.path.starts_with("/v1/profiles?") {
            true => made_up(format!(r#"{{"results":[{}]}}"#, all.join(","))),
            false => nothing(),
        }
    });
    let out = session.run(&["profile", "ls", VERIFY, "-q", &server.host()]);
    assert_eq!((out.code, out.out.lines().count()), (0, 10_000), "{}", out.err);
    let told = warnings(&out.err);
    assert!(told.len() == 1 && told[0].contains("more than 10000"), "{}", out.err);
    assert!(server.requests().len() < 5, "{}", server.requests().len());
}

#[test]
fn a_catalog_without_an_end_is_looked_through_for_a_while_only() {
    let session = session!();
    let server = Proxy::start(([127, 0, 0, 1], 1).into(), |request, _| {
        let path = request.path.split('?').next().unwrap_or_default();
        let names = || (0..100_000).map(|n| format!(r#""quake{n}""#)).collect::<Vec<_>>().join(",");
        match path {
            "/v2/" => made_up("{}".to_owned()),
            "/v2/_catalog" => made_up(format!(r#"{{"repositories":[{}]}}"#, names())),
            _ if path.ends_with("/tags/list") => made_up(r#"{"tags":["latest"]}"#.to_owned()),
            _ => nothing(),
        }
    });
    let host = server.host();
    let term = format!("{host}/quake");
    for (args, narrow) in [
        (vec!["profile", "ls", VERIFY, &host], "bolt profile ls HOST/NAME"),
        (vec!["search", VERIFY, "--gpu", "nvidia", &term], "write more of the name"),
    ] {
        let before = server.requests().len();
        let out = session.run(&args);
        assert_eq!((out.code, out.out.lines().count()), (0, 1), "{}", out.err);
        let told = warnings(&out.err);
        assert!(told.len() == 1 && told[0].contains("is not complete"), "{}", out.err);
        assert!(told[0].contains(narrow), "{}", out.err);
        let asked = server.requests().len() - before;
        assert!(asked < 5000, "{asked}");
    }
}

/// docker-registry has no list of referrers: all of them change one index.
#[test]
fn profiles_that_are_attached_at_the_same_time_are_all_kept() {
    let session = session!();
    let registry = Registry::start(registry::Options::default());
    let game = format!("{}/games/box:1", registry.host());
    session.ok(&["push", "-q", VERIFY, IMAGE, &game]);
    let files: Vec<String> = (0..6)
        .map(|n| {
            let text = CS2.replace("\"cs2\"", &format!("\"p{n}\""));
            session.file(&format!("p{n}.toml"), text)
        })
        .collect();
    let push = |file: &String| session.spawn(&["profile", "push", VERIFY, "--attach", file, &game]);
    let children: Vec<_> = files.iter().map(push).collect();
    for child in children {
        let patience = std::time::Duration::from_secs(60);
        let out = crate::harness::process::finish(child, patience, "profile push");
        assert_eq!(out.code, 0, "{out:?}");
    }
    let list = session.ok(&["profile", "ls", VERIFY, "--format", "json", &game]);
    let list: Vec<Value> = serde_json::from_str(&list).unwrap();
    assert_eq!(list.len(), 6, "{list:?}");
}
