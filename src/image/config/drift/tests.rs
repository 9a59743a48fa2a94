//! registries.toml: what is meant, and what is refused with which words.

use super::*;
use crate::image::reference::ImageName;
use crate::image::types::Digest;

const FULL: &str = r#"
default = "main"

[[registry]]
name = "main"
location = "Drift.Example.org:5000/games"
kind = "drift"
ca = "/etc/ssl/drift.pem"
ghostbay = ["near", "far"]
[[registry.mirror]]
location = "mirror.example.org/games"
insecure = true

[[registry]]
name = "hub"
location = "docker.io/games"
kind = "oci"

[[ghostbay]]
name = "far"
endpoint = "https://s3.example.org"
bucket = "drift-registry"
key = "docker/registry/v2/blobs/{algorithm}/{hex:2}/{hex}/data"
path-style = false
credentials = "profile:games"

[[ghostbay]]
name = "near"
endpoint = "http://127.0.0.1:9000/"
bucket = "games"
prefix = "/v1/"
region = "eu-1"
credentials = "auth.json"
signature = "query"

[aliases]
doom = "quay.io/play/freedoom:1.0"
"#;

fn parse(text: &str) -> Result<DriftConfig, DriftError> {
    DriftConfig::parse(Path::new("/r.toml"), text)
}

fn drift(text: &str) -> DriftName {
    match ImageName::parse(text).unwrap() {
        ImageName::Drift(name) => name,
        other => panic!("{text} is {other:?}"),
    }
}

#[test]
fn a_whole_file_is_read() {
    let config = parse(FULL).unwrap();
    let main = config.default_registry().unwrap();
    assert_eq!(main.location, "drift.example.org:5000/games");
    assert_eq!(main.ca.as_deref(), Some(Path::new("/etc/ssl/drift.pem")));
    assert!(main.mirrors[0].insecure);
    let image = Reference::parse("drift.example.org:5000/games/quake").unwrap();
    let stores: Vec<&str> = config.stores_of(&image).iter().map(|s| s.name.as_str()).collect();
    assert_eq!(stores, ["near", "far"], "in the registry's order");
    let other = Reference::parse("drift.example.org:5000/gamesx/quake").unwrap();
    assert!(config.stores_of(&other).is_empty());
    assert_eq!(config.stores_of(&Reference::parse("docker.io/games/a").unwrap()).len(), 2);
    assert_eq!((config.own_name(&image), config.own_name(&other)), ("quake", "gamesx/quake"));
    let near = config.stores_of(&image)[0];
    assert_eq!((near.prefix.as_str(), near.region.as_str()), ("v1", "eu-1"));
    assert_eq!(near.endpoint, "http://127.0.0.1:9000");
    assert!(near.path_style && near.presigned);
    assert_eq!(near.credentials, CredentialSource::AuthFile);
    let digest = Digest::sha256_of(b"x");
    let hex = digest.hex();
    assert_eq!(near.key.key(&digest), format!("blobs/sha256/{}/{hex}", &hex[..2]));
    let far = config.stores_of(&image)[1];
    let key = format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]);
    assert_eq!(far.key.key(&digest), key);
    assert_eq!(far.credentials, CredentialSource::Profile("games".to_owned()));
}

#[test]
fn names_lead_to_the_default_registry_an_alias_or_the_host() {
    let config = parse(FULL).unwrap();
    let digest = Digest::sha256_of(b"x");
    for (name, place) in [
        ("bolt://quake".to_owned(), "drift.example.org:5000/games/quake".to_owned()),
        ("bolt://a/quake:2".to_owned(), "drift.example.org:5000/games/a/quake:2".to_owned()),
        ("bolt://quake:^1".to_owned(), "drift.example.org:5000/games/quake".to_owned()),
        ("bolt://doom".to_owned(), "quay.io/play/freedoom:1.0".to_owned()),
        ("bolt://doom:2".to_owned(), "quay.io/play/freedoom:2".to_owned()),
        (format!("bolt://doom@{digest}"), format!("quay.io/play/freedoom@{digest}")),
        ("drift://b.org/doom".to_owned(), "b.org/doom".to_owned()),
    ] {
        assert_eq!(config.place(&drift(&name)).unwrap().to_string(), place, "{name}");
    }
    let error = parse("").unwrap().place(&drift("bolt://quake")).unwrap_err().to_string();
    assert!(error.contains("no default Drift registry") && error.contains("/r.toml"), "{error}");
    // Two that could be meant and nothing that says which: none is.
    let two = "[[registry]]\nname = \"a\"\nlocation = \"a.org\"\n\
               [[registry]]\nname = \"b\"\nlocation = \"b.org\"\n";
    assert!(parse(two).unwrap().default_registry().is_none());
    assert_eq!(
        parse(two.split("[[registry]]\nname = \"b\"").next().unwrap())
            .unwrap()
            .default_registry()
            .unwrap()
            .name,
        "a"
    );
}

#[test]
fn what_is_wrong_is_told_with_line_and_key() {
    let registry =
        |line: &str| format!("[[registry]]\nname = \"a\"\nlocation = \"a.org\"\n{line}\n");
    let store = |line: &str| {
        format!(
            "[[ghostbay]]\nname = \"a\"\nendpoint = \"https://a.org\"\nbucket = \"abc\"\n{line}\n"
        )
    };
    for (text, words) in [
        (registry("mirors = []"), vec!["/r.toml: line 4: mirors", "unknown field", "mirror"]),
        (registry("insecure = \"yes\""), vec!["line 4: insecure", "string", "boolean"]),
        (registry("kind = \"docker\""), vec!["line 4: registry \"a\".kind", "drift, oci"]),
        (registry("ca = \"/x\"\ninsecure = true"), vec!["line 4", "keep one"]),
        (registry("ca = \"x.pem\""), vec!["line 4", "absolute path"]),
        (registry("ghostbay = [\"b\"]"), vec!["line 4", "no [[ghostbay]] has the name \"b\""]),
        (
            registry("[[registry]]\nname=\"a\"\nlocation=\"b.org\""),
            vec!["line 5", "names are unique"],
        ),
        (registry("[[registry]]\nname=\"b\"\nlocation=\"a.org\""), vec!["line 5", "same location"]),
        (format!("default = \"x\"\n{}", registry("")), vec!["line 1: default", "\"x\""]),
        (
            format!("default = \"a\"\n{}", registry("kind = \"oci\"")),
            vec!["line 1: default", "has kind \"oci\""],
        ),
        ("[[registry]]\nname = \"a\"".to_owned(), vec!["line 1", "missing field `location`"]),
        (
            "[[registry]]\nname = \"a\"\nlocation = \"https://a.org\"".to_owned(),
            vec!["line 3", "scheme out"],
        ),
        (
            "[[registry]]\nname = \"a\"\nlocation = \"nas\"".to_owned(),
            vec!["line 3", "HOST[:PORT]"],
        ),
        (store("key = \"blobs/{hex:2}\""), vec!["line 5: ghostbay \"a\".key", "every blob"]),
        (store("key = \"{hex:99}/{hex}\""), vec!["line 5", "{hex:99} is no placeholder"]),
        (store("key = \"{hex\""), vec!["line 5", "not closed"]),
        (store("ca = \"/x\"\ninsecure = true"), vec!["line 5", "keep one"]),
        (store("signature = \"body\""), vec!["line 5", "one of header, query"]),
        (
            store("signature = \"query\"\ncredentials = \"anonymous\""),
            vec!["line 5", "nothing is signed"],
        ),
        (
            "[[ghostbay]]\nname = \"a\"\nendpoint = \"https://a/b\"\nbucket = \"abc\"".to_owned(),
            vec!["line 3", "without a path"],
        ),
        (
            "[[ghostbay]]\nname = \"a\"\nendpoint = \"https://a\"\nbucket = \"Ab\"".to_owned(),
            vec!["line 4", "3 to 63"],
        ),
        (
            "[aliases]\n\"a:1\" = \"b.org/c\"".to_owned(),
            vec!["line 2: aliases.\"a:1\"", "without tag"],
        ),
        ("[aliases]\na = \"c\"".to_owned(), vec!["line 2", "full image name"]),
        ("a = [".to_owned(), vec!["/r.toml: line 1"]),
    ] {
        let error = parse(&text).unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{text}\n{error:?} lacks {word:?}");
        }
    }
}

#[test]
fn a_secret_in_front_of_a_host_is_refused_and_never_shown() {
    for (file, line) in [
        ("[[registry]]\nname = \"a\"\nlocation = \"me:canary@a.org\"", "line 3"),
        ("[[registry]]\nname = \"a\"\nlocation = \"https://me:canary@a.org\"", "line 3"),
        (
            "[[registry]]\nname = \"a\"\nlocation = \"a.org\"\n[[registry.mirror]]\n\
             location = \"me:canary@b.org/x\"",
            "line 5",
        ),
        ("[aliases]\na = \"me:canary@a.org/b\"", "line 2"),
    ] {
        let error = parse(file).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains(line) && !text.contains("canary"), "{text}");
    }
}

#[test]
fn a_secret_in_the_file_is_refused_and_never_shown() {
    let store = "[[ghostbay]]\nname = \"a\"\nendpoint = \"https://a.org\"\nbucket = \"abc\"\n";
    for line in [
        "secret-key = \"canary\"",
        "access_key = \"canary\"",
        "credentials = \"canary\"",
        "credentials = { secret = \"canary\" }",
        "insecure = \"canary\"",
        "region = \"us 1 canary\"",
        "endpoint2 = \"canary\"",
        "key = \"canary",
    ] {
        let error = parse(&format!("{store}{line}\n")).unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(!text.contains("canary"), "{text}");
        assert!(text.contains("line 5"), "{text}");
    }
    let secret = parse(&format!("{store}secret-key = \"x\"")).unwrap_err().to_string();
    assert!(secret.contains("secrets do not stand in this file"), "{secret}");
    let url = "[[ghostbay]]\nname=\"a\"\nendpoint=\"https://me:canary@a.org\"\nbucket=\"abc\"";
    let error = parse(url).unwrap_err().to_string();
    assert!(error.contains("secret in the URL") && !error.contains("canary"), "{error}");
}

#[test]
fn of_two_registries_one_is_to_be_named_the_default() {
    let two = "[[registry]]\nname = \"a\"\nlocation = \"a.org\"\n\
               [[registry]]\nname = \"b\"\nlocation = \"b.org\"\n";
    let name = DriftName::parse("bolt://quake").unwrap();
    let error = parse(two).unwrap().place(&name).unwrap_err().to_string();
    assert!(error.contains("\"a\" and \"b\" are Drift registries"), "{error}");
    assert!(error.contains("write default = \"NAME\""), "{error}");
}

#[test]
fn a_registry_may_have_no_stores_at_all() {
    let store = "[[ghostbay]]\nname = \"s\"\nendpoint = \"https://s\"\nbucket = \"abc\"\n";
    let image = Reference::parse("a.org/game").unwrap();
    for (said, stores) in [("", 1), ("ghostbay = []\n", 0), ("ghostbay = [\"s\"]\n", 1)] {
        let text = format!("[[registry]]\nname = \"main\"\nlocation = \"a.org\"\n{said}{store}");
        assert_eq!(parse(&text).unwrap().stores_of(&image).len(), stores, "{said}");
    }
}

#[test]
fn the_users_file_outranks_the_systems() {
    let dir = std::env::temp_dir().join(format!("bolt-drift-{}", std::process::id()));
    let (home, etc) = (dir.join("home"), dir.join("etc"));
    assert!(DriftConfig::load(&home, &etc).unwrap().registries().is_empty());
    for base in [&home, &etc] {
        std::fs::create_dir_all(base.join("bolt")).unwrap();
    }
    let system = "[[registry]]\nname = \"main\"\nlocation = \"a.org\"\nghostbay = [\"s\"]\n\
                  [[ghostbay]]\nname = \"s\"\nendpoint = \"https://s\"\nbucket = \"abc\"\n";
    std::fs::write(etc.join("bolt/registries.toml"), system).unwrap();
    let user = "default = \"main\"\n[[registry]]\nname = \"main\"\nlocation = \"b.org\"\n\
                ghostbay = [\"s\"]\n";
    std::fs::write(home.join("bolt/registries.toml"), user).unwrap();
    let merged = DriftConfig::load(&home, &etc).unwrap();
    assert_eq!(merged.registries().len(), 1);
    assert_eq!(merged.default_registry().unwrap().location, "b.org");
    assert_eq!(merged.ghostbay().len(), 1);
    std::fs::remove_dir_all(&dir).unwrap();
}
