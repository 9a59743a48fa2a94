//! Vectors after containers-registries.conf(5) and the behaviour of podman's own reader.

use super::*;
use crate::image::reference::ImageName;
use std::fs;

fn parse(text: &str) -> Result<Registries, RegistriesError> {
    Registries::parse(Path::new("r.conf"), text)
}

fn resolve(registries: &Registries, name: &str) -> String {
    match registries.resolve(&Reference::parse(name).unwrap()) {
        Err(error) => format!("error {error}"),
        Ok(endpoints) => {
            let show = |e: &Endpoint| {
                let insecure = if e.insecure { " insecure" } else { "" };
                let mirror = if e.mirror { " mirror" } else { "" };
                format!("{}{insecure}{mirror}", e.reference)
            };
            endpoints.iter().map(show).collect::<Vec<_>>().join(", ")
        }
    }
}

fn short(text: &str) -> ShortName {
    match ImageName::parse(text).unwrap() {
        ImageName::Short(short) => short,
        other => panic!("{other:?}"),
    }
}

const HEX: &str = "3b8b1d5c4a5f6e7d8c9b0a1f2e3d4c5b6a7f8e9d0c1b2a3f4e5d6c7b8a9f0e1d";

#[test]
fn prefixes_match_whole_words() {
    for (text, prefix, len) in [
        ("example.com/ns/repo:tag", "example.com", Some(11)),
        ("example.com/ns/repo:tag", "example.com/ns", Some(14)),
        ("example.com/ns/repo:tag", "example.com/n", None),
        ("example.com/ns/repo:tag", "example.com/ns/repo", Some(19)),
        ("example.com/ns/repo:tag", "example.com/ns/repo:tag", Some(23)),
        ("example.com/ns/repo:tag", "example.com/ns/repo:ta", None),
        ("example.com/ns/repo@sha256:x", "example.com/ns/repo", Some(19)),
        ("example.com:5000/ns", "example.com:5000", Some(16)),
        ("example.com:5000/ns", "example.com", Some(11)),
        ("example.community/ns", "example.com", None),
        ("my-example.com/ns", "example.com", None),
        ("foo.example.com/ns", "*.example.com", Some(15)),
        ("a.b.example.com/ns", "*.example.com", Some(15)),
        ("a.example.com.example.com/ns", "*.example.com", Some(25)),
        ("foo.example.com:5000/ns", "*.example.com", Some(15)),
        ("foo.example.com:5000/ns", "*.example.com:5000", Some(20)),
        ("foo.example.com/ns/x", "*.example.com/ns", Some(18)),
        ("foo.example.com/nsx", "*.example.com/ns", None),
        ("example.com/ns", "*.example.com", None),
        ("foo.example.community/ns", "*.example.com", None),
        ("evil.io/foo.example.com/ns", "*.example.com", None),
        ("evil.io/foo.example.com/ns/x", "*.example.com/ns", None),
    ] {
        assert_eq!(matched_len(text, prefix), len, "{text} {prefix}");
    }
}

#[test]
fn mirrors_in_order_then_the_location() {
    let registries = parse(
        r#"
        [[registry]]
        location = "docker.io"
        [[registry.mirror]]
        location = "mirror.lan:5000"
        insecure = true
        [[registry.mirror]]
        location = "digests.lan/hub"
        pull-from-mirror = "digest-only"
        [[registry.mirror]]
        location = "tags.lan"
        pull-from-mirror = "tag-only"

        [[registry]]
        prefix = "docker.io/library"
        location = "lib.lan/library"
        mirror-by-digest-only = true
        [[registry.mirror]]
        location = "dig.lan/lib/"

        [[registry]]
        prefix = "quay.io/private"
        location = "Quay.IO/private"
        blocked = true

        [[registry]]
        prefix = "*.corp.lan"
        insecure = true
        [[registry]]
        prefix = "hub.corp.lan"
        location = "docker.io"
        [[registry]]
        prefix = "bad.lan"
        location = "elsewhere"
        "#,
    )
    .unwrap();
    let digest = format!("@sha256:{HEX}");
    for (name, expected) in [
        ("gcr.io/a/b:1", "gcr.io/a/b:1".to_owned()),
        (
            "docker.io/a/b:1",
            "mirror.lan:5000/a/b:1 insecure mirror, tags.lan/a/b:1 mirror, docker.io/a/b:1".into(),
        ),
        (
            &format!("docker.io/a/b{digest}"),
            format!(
                "mirror.lan:5000/a/b{digest} insecure mirror, digests.lan/hub/a/b{digest} mirror, \
                 docker.io/a/b{digest}"
            ),
        ),
        ("docker.io/alpine:3", "lib.lan/library/alpine:3".to_owned()),
        (
            &format!("docker.io/alpine{digest}"),
            format!("dig.lan/lib/alpine{digest} mirror, lib.lan/library/alpine{digest}"),
        ),
        (
            "quay.io/private/x:1",
            "error quay.io/private/x:1 is blocked: registry \"quay.io/private\" has blocked = true \
             in r.conf"
                .to_owned(),
        ),
        ("QUAY.io/privateer/x", "quay.io/privateer/x".to_owned()),
        ("a.corp.lan:80/x", "a.corp.lan:80/x insecure".to_owned()),
        ("hub.corp.lan/user/x", "docker.io/user/x".to_owned()),
        (
            "bad.lan/x:1",
            "error bad.lan/x:1: registry \"bad.lan\" in r.conf rewrites it to \"elsewhere/x:1\", \
             which is no image name"
                .to_owned(),
        ),
    ] {
        assert_eq!(resolve(&registries, name), expected, "{name}");
    }
    assert!(registries.host("a.corp.lan").insecure && !registries.host("docker.io").insecure);
}

#[test]
fn a_host_is_reached_as_the_names_on_it() {
    let registries = parse(
        "[[registry]]\nlocation='one.lan:5000/games'\ninsecure=true\n\
         [[registry]]\nprefix='play.io'\nlocation='one.lan:5000'\ninsecure=true\n\
         [[registry]]\nlocation='two.lan/games'\ninsecure=true\n\
         [[registry]]\nlocation='two.lan/tools'\n\
         [[registry]]\nlocation='three.lan'\n\
         [[registry]]\nlocation='three.lan/games'\ninsecure=true\n",
    )
    .unwrap();
    for (host, insecure) in [
        ("one.lan:5000", true),
        ("ONE.lan:5000", true),
        ("one.lan:500", false),
        ("one.lan", false),
        ("two.lan", false),
        ("three.lan", false),
        ("four.lan", false),
    ] {
        assert_eq!(registries.host(host), HostTrust { insecure, ca: Vec::new() }, "{host}");
    }
    let toml = "[[registry]]\nname = 'd'\nkind = 'drift'\nlocation = 'five.lan/games'\n\
                ca = '/etc/ssl/drift.pem'\n";
    let mut registries = registries;
    registries.add_drift(&DriftConfig::parse(Path::new("registries.toml"), toml).unwrap());
    let ca = vec![PathBuf::from("/etc/ssl/drift.pem")];
    assert_eq!(registries.host("five.lan"), HostTrust { insecure: false, ca });
}

#[test]
fn short_names_by_alias_search_and_mode() {
    let conf = |mode: &str, search: &str| {
        parse(&format!(
            "short-name-mode = '{mode}'\nunqualified-search-registries = {search}\n\
             [aliases]\nfedora = 'registry.fedoraproject.org/fedora'\n'ns/app' = 'quay.io/ns/app'\n"
        ))
        .unwrap()
    };
    let candidates =
        |registries: &Registries, text: &str| match registries.short_candidates(&short(text)) {
            Ok(found) => found.iter().map(Reference::to_string).collect::<Vec<_>>().join(" "),
            Err(error) => format!("error {error}"),
        };
    let two = "['quay.io', 'docker.io']";
    for mode in ["permissive", "disabled", ""] {
        let registries = conf(mode, two);
        assert_eq!(candidates(&registries, "x:1"), "quay.io/x:1 docker.io/library/x:1");
    }
    let enforcing = conf("enforcing", two);
    assert_eq!(candidates(&enforcing, "fedora:40"), "registry.fedoraproject.org/fedora:40");
    assert_eq!(candidates(&enforcing, "ns/app"), "quay.io/ns/app:latest");
    assert_eq!(
        candidates(&enforcing, "x"),
        "error the short name x is ambiguous and short-name-mode is enforcing; write one of: \
         quay.io/x:latest, docker.io/library/x:latest"
    );
    assert_eq!(candidates(&conf("enforcing", "['quay.io']"), "x"), "quay.io/x:latest");
    let text = candidates(&conf("permissive", "[]"), "x");
    assert!(text.contains("r.conf sets no unqualified-search-registries"), "{text}");
}

#[test]
fn bad_files_name_the_key_and_the_fix() {
    for (text, part) in [
        ("a = ", "r.conf: line 1 is not valid TOML"),
        ("\n\na b", "r.conf: line 3 is not valid TOML"),
        ("a = 1\na = 2", "line 2"),
        ("[registries.search]\nregistries = ['a']", "version 1"),
        ("[registries]\n", "version 1"),
        ("unqualified-search-registries = 'a.io'", "must be a list of strings"),
        ("unqualified-search-registries = [1]", "not a TOML integer"),
        ("unqualified-search-registries = ['a.io/b']", "\"a.io/b\" is not a registry"),
        ("unqualified-search-registries = ['https://a.io']", "leave the scheme out"),
        ("unqualified-search-registries = ['']", "is not a registry"),
        ("short-name-mode = 'strict'", "enforcing, permissive, disabled"),
        ("short-name-mode = 1", "a string in quotes"),
        ("[registry]\nlocation = 'a'", "write [[registry]]"),
        ("registry = [1]", "write [[registry]]"),
        ("[[registry]]\n", "registry[0].location: neither"),
        ("[[registry]]\nprefix = 'a.io'", "registry[0].location: it is missing"),
        (
            "[[registry]]\nlocation = 'a.io'\ninsecure = 'yes'",
            "registry[0].insecure: it must be true",
        ),
        ("[[registry]]\nlocation = 'http://a.io'", "leave the scheme out"),
        ("[[registry]]\nlocation = 'a io'", "' '"),
        ("[[registry]]\nlocation = \"a\\u0000io\"", "'\\0'"),
        ("[[registry]]\nlocation = 'a.io'\npull-from-mirror = 'all'", "[[registry.mirror]]"),
        (
            "[[registry]]\nlocation = 'a.io'\n[[registry.mirror]]\n",
            "registry[0].mirror[0].location",
        ),
        (
            "[[registry]]\nlocation = 'a.io'\n[[registry.mirror]]\nlocation='b.io'\n\
             pull-from-mirror = 'some'",
            "all, digest-only, tag-only",
        ),
        (
            "[[registry]]\nlocation = 'a.io'\nmirror-by-digest-only = true\n[[registry.mirror]]\n\
             location='b.io'\npull-from-mirror = 'all'",
            "excludes",
        ),
        (
            "[[registry]]\nlocation = 'a.io'\n[[registry]]\nlocation = 'A.io'\nblocked = true",
            "registry[1].prefix: another",
        ),
        ("[aliases]\n'a.io/b' = 'c.io/d'", "aliases.a.io/b: the name of an alias is short"),
        ("[aliases]\n'b:1' = 'c.io/d'", "no tag"),
        ("[aliases]\nb = 'c'", "aliases.b is not a full image name"),
        ("[aliases]\nb = 'c.io/d:1'", "without tag and digest"),
        ("[aliases]\nb = 1", "a string in quotes"),
        ("aliases = 1", "a table"),
        ("credential-helpers = 'x'", "a list of strings"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(part) && error.starts_with("r.conf"), "{text}: {error}");
    }
}

#[test]
fn unknown_keys_are_told() {
    let text = "nonsense = 1\nadditional-layer-store-auth-helper = 'x'\n[[registry]]\n\
                location = 'a.io'\nblokced = true\n[[registry.mirror]]\nlocation = 'b.io'\nx = 1\n";
    assert_eq!(
        parse(text).unwrap().warnings(),
        [
            "r.conf: the unknown key \"registry[0].mirror[0].x\" is ignored",
            "r.conf: the unknown key \"registry[0].blokced\" is ignored",
            "r.conf: the unknown key \"nonsense\" is ignored",
        ]
    );
}

#[test]
fn hostile_files_are_errors_not_crashes() {
    let long = "x".repeat(10 << 20);
    for text in [
        format!("a = {}", "[".repeat(1 << 20)),
        format!("a = {}1{}", "[".repeat(5000), "]".repeat(5000)),
        format!("a = {}", "{b=".repeat(100_000)),
        format!("{}a = 1", "a.".repeat(100_000)),
        format!("[{}a]", "a.".repeat(100_000)),
        format!("unqualified-search-registries = ['{long}']"),
        format!("short-name-mode = '{long}'"),
        format!("[aliases]\n'{long}' = 'a.io/b'"),
        format!("[aliases]\nb = '{long}'"),
        format!("[[registry]]\nlocation = '{long}'\ninsecure = 1"),
        format!("{long} {long}"),
        "a = \"\0\"".to_owned(),
        "\0".to_owned(),
    ] {
        let error = parse(&text).unwrap_err().to_string();
        assert!(error.len() < 2000, "{:.40}: {}", text, error.len());
    }
}

struct Tree(PathBuf);

impl Tree {
    fn new(name: &str) -> Self {
        let dir =
            std::env::temp_dir().join(format!("bolt-registries-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        Self(dir)
    }
    fn put(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fn search(&self, override_file: Option<&str>) -> Search {
        Search {
            home_config: self.0.join("home"),
            system: self.0.join("etc"),
            override_file: override_file.map(|file| self.0.join(file)),
        }
    }
    fn searched(&self, override_file: Option<&str>) -> String {
        Registries::load(&self.search(override_file)).unwrap().search_registries().join(" ")
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn usr(host: &str) -> String {
    format!("unqualified-search-registries = ['{host}']\n")
}

#[test]
fn files_are_read_in_podmans_order() {
    let tree = Tree::new("order");
    assert_eq!(tree.searched(None), "docker.io", "no file at all");
    tree.put(
        "etc/containers/registries.conf.d/00-shortnames.conf",
        "[aliases]\na='q.io/a'\nb='q.io/b'\n",
    );
    assert_eq!(tree.searched(None), "", "a machine with files says it itself");
    tree.put("etc/containers/registries.conf", usr("system.io"));
    assert_eq!(tree.searched(None), "system.io");
    tree.put("home/containers/registries.conf.d/50.conf", usr("userdrop.io"));
    tree.put("etc/containers/registries.conf.d/90.conf", usr("sysdrop.io"));
    tree.put("etc/containers/registries.conf.d/99.ignored", "no toml");
    tree.put("etc/containers/registries.conf.d/sub.conf/x", "a directory");
    assert_eq!(tree.searched(None), "userdrop.io");
    tree.put("override.conf", usr("override.io"));
    assert_eq!(tree.searched(Some("override.conf")), "userdrop.io");
    fs::remove_file(tree.0.join("home/containers/registries.conf.d/50.conf")).unwrap();
    assert_eq!(tree.searched(None), "sysdrop.io");
    tree.put("home/containers/registries.conf", usr("user.io"));
    assert_eq!(tree.searched(None), "user.io", "the user's file hides the system's drop-ins");
    let missing = Registries::load(&tree.search(Some("missing.conf"))).unwrap_err();
    assert!(missing.to_string().contains("CONTAINERS_REGISTRIES_CONF"), "{missing}");
    tree.put("home/containers/registries.conf", b"a = \"\xff\"");
    let bad = Registries::load(&tree.search(None)).unwrap_err().to_string();
    assert!(bad.contains("is not UTF-8"), "{bad}");
}

#[test]
fn later_files_replace_registries_and_erase_aliases() {
    let tree = Tree::new("merge");
    tree.put(
        "etc/containers/registries.conf",
        "credential-helpers = ['x']\n[[registry]]\nlocation='a.io'\nblocked=true\n\
         [[registry]]\nlocation='b.io'\ninsecure=true\n[aliases]\na='q.io/a'\nb='q.io/b'\n",
    );
    tree.put(
        "etc/containers/registries.conf.d/1.conf",
        "[[registry]]\nprefix='a.io'\nlocation='c.io'\n[aliases]\na=''\nb='z.io/b'\n",
    );
    let mut registries = Registries::load(&tree.search(None)).unwrap();
    assert_eq!(resolve(&registries, "a.io/x:1"), "c.io/x:1");
    assert_eq!(resolve(&registries, "b.io/x:1"), "b.io/x:1 insecure");
    assert!(registries.alias("a").is_none());
    assert_eq!(registries.alias("b").unwrap().to_string(), "z.io/b");
    assert_eq!(registries.credential_helpers(), ["x"]);
    let learned = tree.0.join("learned.conf");
    registries.add_learned_aliases(&learned).unwrap();
    tree.put("learned.conf", "[aliases]\nb='learned.io/b'\n");
    registries.add_learned_aliases(&learned).unwrap();
    assert_eq!(registries.alias("b").unwrap().to_string(), "learned.io/b");
}
