//! What names mean, and which are refused.

use super::*;
use proptest::prelude::*;
use std::net::Ipv6Addr;
use std::path::Path;

const HEX: &str = "3b8b1d5c4a5f6e7d8c9b0a1f2e3d4c5b6a7f8e9d0c1b2a3f4e5d6c7b8a9f0e1d";

fn full(text: &str) -> String {
    match ImageName::parse(text) {
        Ok(ImageName::Docker(reference)) => reference.to_string(),
        Ok(ImageName::Short(short)) => format!("short {short}"),
        Ok(ImageName::Id(id)) => format!("id {}", &id.hex()[..4]),
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("error {error}"),
    }
}

#[test]
fn typed_credentials_are_refused_and_not_repeated() {
    for name in [
        "u:CANARYtyped@h/x",
        "docker://u:CANARYtyped@h.example/x:1",
        "https://u:CANARYtyped@h.example/x",
        "s3://u:CANARYtyped@bucket/x",
        "s3://CANARYtyped@bucket/x",
        "bolt://u:CANARYtyped@h/x",
        "drift://u:CANARYtyped@h/x:^1",
    ] {
        let error = ImageName::parse(name).unwrap_err();
        let all = format!("{error} {error:?}");
        assert!(all.contains("***@") && all.contains("`bolt login HOST`"), "{all}");
        assert!(!all.contains("CANARY"), "{all}");
    }
    let error = ImageName::parse("u:CANARYtyped@h").unwrap_err();
    assert!(!format!("{error} {error:?}").contains("CANARY"), "{error}");
    for name in ["s3://bucket/a@b/c:v1", "s3://bucket/a:@2"] {
        assert!(matches!(ImageName::parse(name), Ok(ImageName::S3(_))), "{name}");
    }
}

#[test]
fn names_with_and_without_a_registry() {
    let digest = format!("sha256:{HEX}");
    let cases = [
        ("alpine", "short alpine"),
        ("alpine:3.20", "short alpine:3.20"),
        ("library/alpine", "short library/alpine"),
        ("foo/bar/baz", "short foo/bar/baz"),
        ("docker:27", "short docker:27"),
        ("localhost", "short localhost"),
        ("localhost:5000", "short localhost:5000"),
        ("localhost/foo", "localhost/foo"),
        ("localhost:5000/foo:1", "localhost:5000/foo:1"),
        ("docker.io/alpine", "docker.io/library/alpine"),
        ("index.docker.io/alpine", "docker.io/library/alpine"),
        ("docker.io/library/alpine", "docker.io/library/alpine"),
        ("docker.io/user/app:v1", "docker.io/user/app:v1"),
        ("docker://alpine", "docker.io/library/alpine"),
        ("docker://user/app", "docker.io/user/app"),
        ("docker://quay.io/a/b", "quay.io/a/b"),
        ("Quay.IO/a/b:Tag", "quay.io/a/b:Tag"),
        ("host:443/a__b/c-d--e.f_g", "host:443/a__b/c-d--e.f_g"),
        ("[2001:db8::1]:5000/a", "[2001:db8::1]:5000/a"),
        ("[::1]/a:b", "[::1]/a:b"),
        ("127.0.0.1:80/a", "127.0.0.1:80/a"),
        ("xn--bcher-kva.example/a", "xn--bcher-kva.example/a"),
        (HEX, "id 3b8b"),
        (&digest, "id 3b8b"),
        ("3b8b1d5c4a5f", "short 3b8b1d5c4a5f"),
    ];
    for (text, expected) in cases {
        assert_eq!(full(text), expected, "{text}");
    }
    let both = format!("quay.io/a/b:1.0@{digest}");
    let reference = Reference::parse(&both).unwrap();
    assert_eq!(reference.tag(), Some("1.0"));
    assert_eq!(reference.digest().unwrap().hex(), HEX);
    assert_eq!((reference.registry(), reference.repository()), ("quay.io", "a/b"));
    assert_eq!(reference.to_string(), both);
    assert_eq!(reference.policy_scope(), format!("quay.io/a/b@{digest}"));
}

#[test]
fn bad_names_say_what_is_wrong() {
    let cases = [
        ("", "empty"),
        ("Alpine", "did you mean \"alpine\""),
        ("quay.io/Foo/bar", "did you mean \"foo/bar\""),
        ("Foo/bar", "did you mean \"foo/bar\""),
        ("alpine:", "\"\" is not a tag"),
        ("alpine:-x", "is not a tag"),
        ("alpine:a b", "is not a tag"),
        ("alpine@sha256:abc", "image name"),
        ("alpine@", "image name"),
        ("alpine@md5:aa", "image name"),
        ("a//b", "\"\" is not a valid part"),
        ("/a", "\"\" is not a valid part"),
        ("quay.io/", "\"\" is not a valid part"),
        ("quay.io/a/", "\"\" is not a valid part"),
        ("a.b", "error-free"),
        ("Bad!/x", "\"Bad!/x\": \"Bad!\" is not a valid part"),
        ("a..b", "not a valid part"),
        ("a___b", "not a valid part"),
        ("a._b", "not a valid part"),
        ("-a", "not a valid part"),
        ("a-", "not a valid part"),
        ("../../etc", "\"..\" is not a registry"),
        ("quay.io/../etc", "\"..\" is not a valid part"),
        ("quay.io./a", "is not a registry"),
        ("-quay.io/a", "is not a registry"),
        ("quay.io:0/a", "1 to 65535"),
        ("quay.io:99999/a", "1 to 65535"),
        ("quay.io:+80/a", "1 to 65535"),
        ("quay.io:/a", "1 to 65535"),
        ("[::1/a", "not closed"),
        ("[::g]/a", "no IPv6"),
        ("[fe80::1%eth0]/a", "no IPv6"),
        ("[::1]x:1/a", "only a port"),
        ("al\0pine", "not a valid part"),
        ("al\npine", "not a valid part"),
        ("ål/pine", "not a valid part"),
        ("https://quay.io/a", "write it without \"https://\""),
        ("HTTP://quay.io/a", "write it without \"http://\""),
        ("gopher://host/a", "\"gopher\" is not supported; this version reads docker://"),
        ("drift://host/a", "a host without a dot needs its port"),
        ("docker-daemon:alpine", "\"docker-daemon\" is not supported"),
        ("containers-storage:alpine", "\"containers-storage\" is not supported"),
        ("docker-archive:/a.tar", "not supported"),
        ("docker://", "empty"),
        ("oci:", "no path"),
        ("oci::tag", "no path"),
        ("oci:/a:@x", "not a number"),
        ("oci:/a:@", "no index"),
        ("oci:/a:@99999999999999999999999", "no index"),
        ("oci:/a\0b", "NUL"),
        ("oci:/a:b\x1b[m", "control"),
    ];
    for (text, part) in cases {
        match ImageName::parse(text) {
            Ok(name) => assert_eq!(part, "error-free", "{text:?} is {name:?}"),
            Err(error) => assert!(error.to_string().contains(part), "{text:?}: {error}"),
        }
    }
    // A part that is all there is of a name is named once.
    let said = ImageName::parse("Bad!").unwrap_err().to_string();
    assert!(said.starts_with("\"Bad!\" is not a valid part"), "{said}");
    let id = format!("docker://{HEX}");
    assert!(matches!(ImageName::parse(&id), Err(ReferenceError::LooksLikeId { .. })));
    let id = format!("docker.io/{HEX}");
    assert!(matches!(ImageName::parse(&id), Err(ReferenceError::LooksLikeId { .. })));
    assert!(matches!(Reference::parse("alpine"), Err(ReferenceError::NoRegistry { .. })));
}

#[test]
fn lengths_are_limited_and_errors_stay_short() {
    let name = |len: usize| format!("quay.io/{}", "a".repeat(len - "quay.io/".len()));
    assert!(Reference::parse(&name(NAME_MAX)).is_ok());
    assert!(matches!(Reference::parse(&name(NAME_MAX + 1)), Err(ReferenceError::TooLong { .. })));
    // The completed name counts: library/ and the registry are part of it.
    let short = "a".repeat(NAME_MAX);
    assert!(ImageName::parse(&short).is_ok());
    assert!(Reference::parse_docker(&short).is_err());
    let tag = |len| format!("quay.io/a:{}", "t".repeat(len));
    assert!(Reference::parse(&tag(TAG_MAX)).is_ok());
    assert!(Reference::parse(&tag(TAG_MAX + 1)).is_err());
    for piece in
        ["a", "/", ":", "@", "a/", "A", "[", ".", "-", "\u{1f3ae}", "oci:", "x:", "@sha256:"]
    {
        let text = piece.repeat((10 << 20) / piece.len());
        for text in [text.clone(), format!("oci:{text}"), format!("docker://{text}")] {
            let error = ImageName::parse(&text).unwrap_err().to_string();
            assert!(error.len() < 2000, "{piece}: {}", error.len());
        }
    }
}

#[test]
fn layouts_and_archives() {
    let digest: Digest = format!("sha256:{HEX}").parse().unwrap();
    let with_digest = format!("/a@{digest}");
    for (text, path, image) in [
        ("/a", "/a", None),
        ("./a@b/c", "./a@b/c", None),
        ("a:", "a", None),
        ("/a:1.0", "/a", Some(LayoutImage::Name("1.0".to_owned()))),
        ("/a:quay.io/b:1", "/a", Some(LayoutImage::Name("quay.io/b:1".to_owned()))),
        ("/a:@3", "/a", Some(LayoutImage::Index(3))),
        (&with_digest, "/a", Some(LayoutImage::Digest(digest.clone()))),
    ] {
        let path = PathBuf::from(path);
        let layout = ImageName::OciLayout { path: path.clone(), image: image.clone() };
        assert_eq!(ImageName::parse(&format!("oci:{text}")).unwrap(), layout, "{text}");
        let archive = ImageName::OciArchive { path, image };
        assert_eq!(ImageName::parse(&format!("oci-archive:{text}")).unwrap(), archive, "{text}");
    }
}

#[test]
fn familiar_names_read_back_as_the_same_image() {
    for (text, familiar) in [
        ("docker.io/library/alpine:3", "alpine:3"),
        ("docker.io/user/app", "user/app"),
        ("docker.io/library/a/b", "library/a/b"),
        ("docker.io/quay.io/app", "docker.io/quay.io/app"),
        ("quay.io/library/alpine", "quay.io/library/alpine"),
    ] {
        let reference = Reference::parse(text).unwrap();
        assert_eq!(reference.familiar(), familiar);
        assert_eq!(Reference::parse_docker(familiar).unwrap(), reference);
    }
}

#[test]
fn local_names_come_before_aliases_and_searched_ones() {
    let conf = "unqualified-search-registries = ['quay.io', 'docker.io', 'localhost']\n\
                [aliases]\nalpine = 'docker.io/library/alpine'\n";
    let registries = Registries::parse(Path::new("r.conf"), conf).unwrap();
    let candidates = |text: &str| {
        let Ok(ImageName::Short(short)) = ImageName::parse(text) else { panic!("{text}") };
        let found = short.local_candidates(&registries);
        found.iter().map(Reference::to_string).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        candidates("alpine"),
        "localhost/alpine:latest docker.io/library/alpine:latest quay.io/alpine:latest"
    );
    assert_eq!(candidates("foo:1"), "localhost/foo:1 quay.io/foo:1 docker.io/library/foo:1");
}

/// The grammar written a second time, as generators.
fn component() -> impl Strategy<Value = String> {
    "[a-z0-9]{1,6}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}"
}

fn host() -> impl Strategy<Value = String> {
    let port = prop_oneof![Just(String::new()), (1u16..).prop_map(|port| format!(":{port}"))];
    let dotted = "[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?(\\.[a-z0-9]([a-z0-9-]{0,5}[a-z0-9])?){1,3}";
    let v6 = any::<u128>().prop_map(|bits| format!("[{}]", Ipv6Addr::from(bits)));
    let host = prop_oneof![dotted.prop_map(|s| s), Just("localhost".to_owned()), v6];
    (host, port).prop_map(|(host, port)| host + &port)
}

fn name() -> impl Strategy<Value = String> {
    let path = proptest::collection::vec(component(), 1..5).prop_map(|parts| parts.join("/"));
    let tag = proptest::option::of("[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}");
    let digest = proptest::option::of("[0-9a-f]{64}");
    (host(), path, tag, digest).prop_map(|(host, path, tag, digest)| {
        let mut text = format!("{host}/{path}");
        push_suffix(&mut text, tag.as_deref(), None);
        digest.map_or(text.clone(), |hex| format!("{text}@sha256:{hex}"))
    })
}

proptest! {
    #[test]
    fn every_name_of_the_grammar_is_read_and_written_back(text in name()) {
        let reference = Reference::parse(&text).unwrap();
        if reference.registry() != DOCKER_HUB {
            prop_assert_eq!(reference.to_string(), text.clone());
        }
        prop_assert_eq!(Reference::parse(&reference.to_string()).unwrap(), reference.clone());
        let familiar = Reference::parse_docker(&reference.familiar()).unwrap();
        prop_assert_eq!(familiar, reference.clone());
        prop_assert_eq!(ImageName::parse(&text).unwrap(), ImageName::Docker(reference));
    }

    #[test]
    fn no_text_breaks_the_parser(text in "\\PC{0,40}|[a-zA-Z0-9./:@_\\[\\]-]{0,60}") {
        match ImageName::parse(&text) {
            Ok(ImageName::Docker(reference)) => {
                let again = Reference::parse(&reference.to_string());
                prop_assert_eq!(again.unwrap(), reference);
            }
            Ok(ImageName::Short(short)) => {
                let again = ImageName::parse(&short.to_string());
                prop_assert_eq!(again.unwrap(), ImageName::Short(short));
            }
            Ok(_) | Err(_) => {}
        }
    }
}
