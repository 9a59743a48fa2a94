//! What registries.toml may say, and what is wrong with what it may not.

use super::*;

fn read(text: &str) -> Result<DriftConfig, DriftError> {
    let mut all = DriftConfig { file: "/u/registries.toml".into(), ..DriftConfig::default() };
    all.add(Path::new("/u/registries.toml"), text)?;
    all.check()?;
    Ok(all)
}

fn error(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn everything_that_can_be_said() {
    let all = read(
        r#"
        version = 1
        default = "home"
        [[registry]]
        name = "home"
        host = "Drift.example:5000/games"
        kind = "drift"
        mirrors = ["mirror.example"]
        insecure = true
        ghostbay = ["eu"]
        [[registry]]
        host = "ghcr.io"
        kind = "oci"
        [[ghostbay]]
        name = "eu"
        endpoint = "https://s3.example:9000/"
        bucket = "drift-registry"
        prefix = "/a/b/"
        region = "eu-1"
        path-style = false
        keys = "blobs/sh/{digest}"
        credentials = "profile:games"
        [[ghostbay]]
        endpoint = "http://127.0.0.1:9000"
        bucket = "other"
        [aliases]
        doom = "drift://ghcr.io/id/doom:1.9"
        "#,
    )
    .unwrap();
    let home = all.default_registry("bolt://x").unwrap();
    assert_eq!((home.host.as_str(), home.kind), ("drift.example:5000/games", Kind::Drift));
    assert_eq!(home.mirrors, ["mirror.example"]);
    assert_eq!(all.registry("ghcr.io").unwrap().name, "ghcr.io");
    let [eu] = all.ghostbays_of("drift.example:5000")[..] else { panic!("one store") };
    assert_eq!((eu.endpoint.as_str(), eu.prefix.as_str()), ("https://s3.example:9000", "a/b/"));
    assert_eq!((eu.region.as_str(), eu.path_style), ("eu-1", false));
    assert_eq!(eu.credentials, Credentials::Profile("games".into()));
    let other = &all.ghostbays()[1];
    assert_eq!((other.name.as_str(), &other.keys), ("other", &KEYS.parse().unwrap()));
    assert_eq!((other.region.as_str(), other.path_style), (REGION, true));
    assert!(all.ghostbays_of("ghcr.io").is_empty());
    assert_eq!(all.alias("doom").unwrap().to_string(), "ghcr.io/id/doom:1.9");
}

#[test]
fn a_default_may_be_a_host_alone() {
    let all = read("default = \"drift.example\"").unwrap();
    assert_eq!(all.default_registry("bolt://x").unwrap().host, "drift.example");
    let error = read("").unwrap().default_registry("bolt://x").unwrap_err().to_string();
    assert!(error.contains("bolt://x") && error.contains("/u/registries.toml"), "{error}");
}

#[test]
fn a_later_file_wins_entry_by_entry() {
    let mut all = DriftConfig::default();
    let first = "default = \"a\"\n[[registry]]\nname = \"a\"\nhost = \"a.example\"\n\
                 [[registry]]\nname = \"b\"\nhost = \"b.example\"";
    all.add(Path::new("/etc/x"), first).unwrap();
    all.add(Path::new("/u/x"), "[[registry]]\nname = \"a\"\nhost = \"c.example\"").unwrap();
    assert_eq!(all.default_registry("bolt://x").unwrap().host, "c.example");
    assert_eq!(all.registries().len(), 2);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let store = "[[ghostbay]]\nendpoint = \"http://h\"\nbucket = \"abc\"\n";
    let cases = [
        ("x = 1", "line 1: unknown field `x`"),
        ("version = 2", "version = 1"),
        ("\n[[registry]]\nhost = 1", "line 3"),
        ("[[registry]]\nname = \"a\"", "missing field `host`"),
        ("[[registry]]\nhost = \"https://a\"", "registry[0].host"),
        ("[[registry]]\nhost = \"a.b\"\nkind = \"s3\"", "unknown variant `s3`"),
        ("[[registry]]\nhost = \"a.b\"\nmirrors = [\"a.b\"]", "mirror of its own"),
        ("[[registry]]\nhost = \"a.b\"\nghostbay = [\"eu\"]", "no [[ghostbay]] named \"eu\""),
        ("[[registry]]\nhost = \"a.b\"\n[[registry]]\nhost = \"a.b\"", "set name"),
        ("[[registry]]\nhost = \"a.b\"\ninsecure = true\nca = \"/x\"", "keep one"),
        ("[[registry]]\nhost = \"a.b\"\nca = \"x\"", "absolute"),
        ("default = \"no host\"", "neither the name"),
        ("[[ghostbay]]\nendpoint = \"h\"\nbucket = \"abc\"", "http:// or https://"),
        ("[[ghostbay]]\nendpoint = \"http://h\"\nbucket = \"A\"", "bucket name"),
        (&format!("{store}keys = \"x\""), "one key"),
        (&format!("{store}keys = \"{{hex}}/{{no}}\""), "{no} is not known"),
        (&format!("{store}keys = \"{{hex\""), "not closed"),
        (&format!("{store}credentials = \"AKIACANARY:secret\""), "profile:NAME"),
        ("[aliases]\n\"a:1\" = \"h.x/a\"", "without tag"),
        ("[aliases]\na = \"a\"", "names no registry"),
    ];
    for (text, words) in cases {
        let message = error(text);
        assert!(message.contains(words), "{message:?} lacks {words:?}");
        assert!(!message.contains("CANARY"), "{message}");
        assert!(message.contains("/u/registries.toml"), "{message}");
    }
}
