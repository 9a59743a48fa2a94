//! `bolt image annotate`.

use crate::harness::ferro::Ferro;
use crate::harness::image::TestImage;
use crate::harness::registry::{Options, Registry};
use crate::harness::run;
use crate::harness::user::IMAGE;
use serde_json::Value;

const VERIFY: &str = "--tls-verify=false";
const KEY: &str = "dev.bolt.gaming.v1";
const GAME: &str = "title = 'Celeste'\ntier = 'quality'\n[[gpu]]\nvendor = 'nvidia'\n\
    [[measured]]\ngpu = '10de:2504'\nfps_avg = 144.0\n";

fn raw(name: &str) -> Value {
    let text = run("skopeo", &["inspect", "--raw", VERIFY, &format!("docker://{name}")]);
    serde_json::from_str(&text).unwrap()
}

fn said(entry: &Value) -> Value {
    serde_json::from_str(entry["annotations"][KEY].as_str().unwrap()).unwrap()
}

#[test]
fn what_a_game_needs_is_published_with_its_list() {
    let session = session!();
    let registry = Registry::start(Options::default());
    let file = session.file("game.toml", GAME);
    session.ok(&["manifest", "create", "game", IMAGE]);
    session.ok(&["image", "annotate", "--game", &file, "game"]);
    // Again, in place of what was said before.
    session.ok(&["image", "annotate", "--game", &file, "--instance", IMAGE, "game"]);
    let name = format!("{}/games/celeste:1", registry.host());
    session.ok(&["manifest", "push", "-q", VERIFY, "game", &name]);
    let entry = raw(&name)["manifests"][0].clone();
    assert_eq!(said(&entry)["tier"], "quality");
    assert!(said(&entry).get("measured").is_none(), "small in the list");
    // In full beside the image, by the tag schema.
    let hex = entry["digest"].as_str().unwrap().trim_start_matches("sha256:");
    let list = raw(&format!("{}/games/celeste:sha256-{hex}", registry.host()));
    assert_eq!(list["manifests"].as_array().unwrap().len(), 1);
    let artifact = list["manifests"][0].clone();
    assert_eq!(artifact["artifactType"], "application/vnd.bolt.gaming.v1+json");
    let digest = artifact["digest"].as_str().unwrap();
    let manifest = raw(&format!("{}/games/celeste@{digest}", registry.host()));
    assert_eq!(manifest["subject"]["digest"], entry["digest"]);
    let rows = session.ok(&[
        "search",
        VERIFY,
        "--format",
        "{{.Kind}} {{.Tier}} {{.Description}}",
        &format!("{}/celeste", registry.host()),
    ]);
    assert_eq!(rows, "game quality Celeste");
}

#[test]
fn a_list_in_a_registry_is_annotated_there() {
    let session = session!();
    let ferro = match Ferro::start() {
        Ok(ferro) => ferro,
        Err(reason) => crate::skip!(reason),
    };
    let host = ferro.host();
    let file = session.file("game.json", r#"{"title":"Celeste","tier":"quality"}"#);
    let image = format!("{host}/plain:1");
    session.ok(&["push", "-q", VERIFY, IMAGE, &image]);
    let before = raw(&image);
    let out = session.run(&["image", "annotate", VERIFY, "--game", &file, &image]);
    assert!(
        out.code == 0 && out.err.ends_with(&format!("{image}: metadata attached\n")),
        "{out:?}"
    );
    assert_eq!(raw(&image), before, "an image alone stays what it is");
    session.ok(&["manifest", "create", VERIFY, "game", &format!("docker://{image}")]);
    let name = format!("{host}/celeste:1");
    session.ok(&["manifest", "push", "-q", VERIFY, "game", &name]);
    let before = raw(&name);
    let out = session.run(&["image", "annotate", VERIFY, "--game", &file, &name]);
    assert!(out.code == 0 && out.err.contains(&format!("{name}: annotated, sha256:")), "{out:?}");
    let mut after = raw(&name);
    assert_eq!(said(&after["manifests"][0])["title"], "Celeste");
    after["manifests"][0].as_object_mut().unwrap().remove("annotations");
    assert_eq!(after, before, "all else as it was");
    session.ok(&["pull", "-q", VERIFY, &name]);
}

#[test]
fn wrong_metadata_is_refused_and_nothing_changes() {
    let session = session!();
    let good = session.file("good.toml", GAME);
    session.ok(&["tag", IMAGE, "plain"]);
    let other = session.pull(&TestImage::new(&[100]));
    session.ok(&["manifest", "create", "game", "plain", &other]);
    session.ok(&["manifest", "create", "empty"]);
    let before = session.ok(&["manifest", "inspect", "game"]);
    let none = format!("sha256:{}", "0".repeat(64));
    let big = session.file("big.toml", vec![b'#'; 1 << 20]);
    for (name, text, words) in [
        ("a.toml", "[[gpu]]\nvendors = ['nvidia']\n", "line 2: unknown field `vendors`"),
        ("b.json", "{\"tier\":\"best\"}", "best"),
        ("c.toml", "tier =", "line 1"),
        ("d.json", "{", "line 1"),
        ("f.toml", "[[measured]]\ngpu = 'zz'\nfps_avg = 60.0\n", "\"zz\" is no PCI vendor"),
        ("g.toml", "[[measured]]\ngpu = '10DE:2504'\nfps_avg = 60.0\n", "in lower case"),
        (
            "h.toml",
            "[[measured]]\ngpu = '10de:2504'\nfps_avg = 60.0\nfps_low1 = 90.0\n",
            "fps_low1 of 10de:2504 is above fps_avg",
        ),
        ("e.toml", "[[gpu]]\nvendor = 'nvidia'\ndriver = '>=600, <500'\n", "contradicts itself"),
    ] {
        let file = session.file(name, text);
        let out =
            session.run(&["image", "annotate", "--game", &file, "--instance", "plain", "game"]);
        assert_eq!(out.code, 125, "{name}: {out:?}");
        assert!(out.err.contains(name), "{name}: {}", out.err);
        assert_eq!(out.err.matches(words).count(), 1, "{name}: {}", out.err);
    }
    for (args, words) in [
        (vec!["--game", &good, "game"], "has 2 manifests; say by --instance"),
        (vec!["--game", &good, "empty"], "has 0 manifests"),
        (vec!["--game", &good, "--instance", &none, "game"], "has no manifest"),
        (vec!["--game", &good, "plain"], "is an image, not a list"),
        (vec!["--game", &good, "nothing"], "names no registry"),
        (vec!["--game", &big, "game"], "that is no metadata"),
        (vec!["--game", "/nowhere.toml", "game"], "/nowhere.toml"),
    ] {
        let out = session.run(&[&["image", "annotate"], &args[..]].concat());
        assert_eq!(out.code, 125, "{args:?}: {out:?}");
        assert!(out.err.contains(words), "{args:?}: {}", out.err);
    }
    assert_eq!(session.ok(&["manifest", "inspect", "game"]), before);
}

#[test]
fn what_two_say_of_one_list_at_the_same_time_is_all_kept() {
    let session = session!();
    let registry = Registry::start(Options::default());
    let host = registry.host();
    let names: Vec<String> = (0..3)
        .map(|n| registry.push(&TestImage::new(&[100 + n]), &format!("celeste:part{n}")))
        .collect();
    let mut args = vec!["manifest", "create", VERIFY, "game"];
    let sources: Vec<String> = names.iter().map(|name| format!("docker://{name}")).collect();
    args.extend(sources.iter().map(String::as_str));
    session.ok(&args);
    let name = format!("{host}/celeste:1");
    session.ok(&["manifest", "push", "-q", VERIFY, "game", &name]);
    let entries = raw(&name)["manifests"].as_array().unwrap().clone();
    let children: Vec<_> = entries
        .iter()
        .enumerate()
        .map(|(n, entry)| {
            let file = session.file(&format!("{n}.json"), format!(r#"{{"title":"t{n}"}}"#));
            let digest = entry["digest"].as_str().unwrap();
            session.spawn(&[
                "image",
                "annotate",
                VERIFY,
                "--game",
                &file,
                "--instance",
                digest,
                &name,
            ])
        })
        .collect();
    for child in children {
        let patience = std::time::Duration::from_secs(60);
        let out = crate::harness::process::finish(child, patience, "image annotate");
        assert_eq!(out.code, 0, "{out:?}");
    }
    for (n, entry) in raw(&name)["manifests"].as_array().unwrap().iter().enumerate() {
        assert_eq!(said(entry)["title"], format!("t{n}"), "{entry}");
    }
}
