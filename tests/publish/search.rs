//! `bolt search`.

use crate::harness::drift::{Dialect, Drift, Options};
use crate::harness::image::TestImage;
use crate::harness::registry::{self, Registry};
use crate::harness::user::IMAGE;
use serde_json::Value;

const VERIFY: &str = "--tls-verify=false";

#[test]
fn a_drift_is_asked_and_other_registries_looked_through() {
    let session = session!();
    let search = |words: &[&str]| -> Vec<Value> {
        let args = [&["search", VERIFY, "--format", "json"], words].concat();
        serde_json::from_str(&session.ok(&args)).unwrap()
    };
    let bolt = Drift::start(Options::new(Dialect::Bolt), None);
    let host = bolt.host();
    let found = search(&["--gpu", "nvidia", "--tier", "quality", &format!("{host}/celeste")]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["Kind"], &found[0]["Tier"]), (&"game".into(), &"Quality".into()));
    assert!(search(&["--gpu", "amd", "--tier", "quality", &format!("{host}/celeste")]).is_empty());
    assert_eq!(search(&[&format!("{host}/steam")])[0]["Kind"], "profile");
    let asked = bolt.asked().join("\n");
    assert!(asked.contains("/v2/search?q=celeste&gaming=true&gpu=nvidia&tier=quality"), "{asked}");
    let image = TestImage::new(&[100]);
    let drift = Drift::start(Options::new(Dialect::Drift), Some(&image));
    // Its own list of profiles hides nothing of the catalog.
    let found = search(&[&format!("{}/", drift.host())]);
    let kinds: Vec<_> = found.iter().map(|row| row["Kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["image", "profile", "profile"], "{found:?}");
    let found = search(&[&format!("{}/esports", drift.host())]);
    assert_eq!(found[0]["Name"], format!("{}/esports-pro", drift.host()));

    let registry = Registry::start(registry::Options::default());
    let host = registry.host();
    session.ok(&["push", "-q", VERIFY, IMAGE, &format!("{host}/tools/plain:1")]);
    let game = r#"dev.bolt.gaming.v1={"title":"Mountain","tier":"quality","proton":{"builds":["GE-Proton9-20","GE-Proton8*"]},"gpu":[{"vendor":"nvidia"}]}"#;
    session.ok(&["manifest", "create", "game"]);
    session.ok(&["manifest", "add", "--annotation", game, "game", IMAGE]);
    let name = format!("{host}/games/celeste:1.4");
    session.ok(&["manifest", "push", "-q", VERIFY, "game", &name]);
    let file = session.file("p.toml", "[profile]\nname = \"p\"\ndescription = \"for celeste\"\n");
    session.ok(&["profile", "push", "-q", VERIFY, &file, &format!("{host}/profiles/celeste:1")]);
    let all = search(&[&format!("{host}/")]);
    let kinds: Vec<_> = all.iter().map(|row| row["Kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["game", "profile", "image"]);
    assert_eq!(
        (&all[0]["Tier"], &all[0]["Proton"]),
        (&"quality".into(), &"GE-Proton9-20,GE-Proton8*".into())
    );
    assert_eq!(search(&[&format!("{host}/celeste")]).len(), 2);
    assert_eq!(search(&["--proton", "proton9", &format!("{host}/")]).len(), 1);
    assert_eq!(search(&["--proton", "GE-Proton8-27", &format!("{host}/")]).len(), 1);
    assert!(search(&["--proton", "GE-Proton7-27", &format!("{host}/")]).is_empty());
    assert!(search(&["--tier", "streaming", &format!("{host}/")]).is_empty());
    // What the metadata says of a name that lacks the word.
    let found = search(&[&format!("{host}/mountain")]);
    assert_eq!((found.len(), &found[0]["Name"]), (1, &format!("{host}/games/celeste").into()));
    for (flag, word, words) in [
        ("--gpu", "voodoo", "nvidia, amd, intel, other"),
        ("--tier", "best", "streaming, quality, balanced, competitive"),
    ] {
        let out = session.run(&["search", VERIFY, flag, word, &format!("{host}/")]);
        assert!(out.code == 125 && out.err.contains(words), "{out:?}");
    }
    assert_eq!(search(&["--limit", "1", &format!("{host}/")]).len(), 1);
    let table = session.ok(&["search", VERIFY, &format!("{host}/celeste")]);
    assert!(table.starts_with("KIND"), "{table}");
}

#[test]
fn broken_answers_are_told() {
    let session = session!();
    let drift = |text: &str| {
        let instead = Some(text.to_owned());
        Drift::start(Options { instead, ..Options::new(Dialect::Bolt) }, None)
    };
    for (text, words) in [
        (r#"[{"name":1}]"#, "/v2/search: [0].name is a number, expected a text"),
        ("{", "not valid JSON"),
        (r#"{"packages":{}}"#, "packages is an object, expected a list"),
    ] {
        let server = drift(text);
        let out = session.run(&["search", VERIFY, &format!("{}/x", server.host())]);
        assert!(out.code == 125 && out.err.contains(words), "{text}: {out:?}");
    }
    let out = session.run(&["search", VERIFY, "127.0.0.1:1/x"]);
    assert!(out.code == 125 && out.err.contains("search 127.0.0.1:1"), "{out:?}");
}

#[test]
fn a_location_with_a_path_says_how_its_host_is_reached() {
    let session = session!();
    for dir in [".config", ".config/bolt"] {
        session.make_dir(dir);
    }
    let file = session.file("p.toml", "[profile]\nname = \"p\"\ndescription = \"for celeste\"\n");
    for tls in [false, true] {
        let registry = Registry::start(registry::Options { tls, ..Default::default() });
        let host = registry.host();
        let trust = match tls {
            true => {
                let ca = session.file("ca.pem", std::fs::read(registry.ca()).unwrap());
                format!("ca = \"{ca}\"")
            }
            false => "insecure = true".to_owned(),
        };
        let name = format!("{host}/games/celeste:1");
        let search = format!("{host}/celeste");
        let login = ["login", "-u", "player", "-p", "x", &host];
        let out = session.run(&["profile", "push", "-q", "--retry", "0", &file, &name]);
        assert_eq!(out.code, 125, "nobody is trusted before: {out:?}");
        let text = format!(
            "[[registry]]\nname = \"d\"\nkind = \"drift\"\nlocation = \"{host}/games\"\n{trust}\n"
        );
        session.file(".config/bolt/registries.toml", text);
        session.ok(&["profile", "push", "-q", &file, &name]);
        assert_eq!(session.ok(&["profile", "ls", "-q", &host]), name);
        assert!(session.ok(&["search", "--format", "{{.Name}}", &search]).contains("celeste"));
        assert!(session.ok(&["search", "--format", "{{.Name}}", "celeste"]).contains("celeste"));
        assert_eq!(session.ok(&["search", "--format", "{{.Name}}", "games"]), "");
        session.ok(&login);
        // The next one may get this one's port.
        session.file(".config/bolt/registries.toml", "");
    }
}
