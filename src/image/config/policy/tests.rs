//! Vectors after containers-policy.json(5) and the behaviour of podman's own reader.

use super::*;
use std::fs;

fn parse(text: &str) -> Result<Policy, PolicyError> {
    Policy::parse(Path::new("p.json"), text)
}

/// The error with all its sources, as the user sees it.
fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}

fn verdict(policy: &Policy, transport: &str, scope: &str) -> String {
    policy.check(transport, scope).map_or_else(|e| e.to_string(), |()| "ok".to_owned())
}

const ANY: &str = r#"[{"type":"insecureAcceptAnything"}]"#;
const REJECT: &str = r#"[{"type":"reject"}]"#;

#[test]
fn scopes_from_narrow_to_wide() {
    assert_eq!(
        docker_scopes("a.b.example.com:5000/ns/repo:tag"),
        [
            "a.b.example.com:5000/ns/repo:tag",
            "a.b.example.com:5000/ns/repo",
            "a.b.example.com:5000/ns",
            "a.b.example.com:5000",
            "*.b.example.com",
            "*.example.com",
            "*.com",
            "",
        ]
    );
    assert_eq!(
        docker_scopes("localhost:5000/x@sha256:ab"),
        ["localhost:5000/x@sha256:ab", "localhost:5000/x", "localhost:5000", ""]
    );
    assert_eq!(path_scopes("/a/b:1.0"), ["/a/b:1.0", "/a/b", "/a", ""]);
    assert_eq!(path_scopes("/a"), ["/a", ""]);
    assert_eq!(path_scopes("/"), ["/", ""]);
}

#[test]
fn only_the_most_specific_scope_counts() {
    let text = format!(
        r#"{{"default": {REJECT}, "transports": {{
            "docker": {{
                "docker.io": {REJECT},
                "Docker.io/library": {ANY},
                "docker.io/library/evil": {REJECT},
                "docker.io/library/evil:good": {ANY},
                "*.example.com": {ANY},
                "bad.example.com": {REJECT},
                "localhost:5000": {ANY}
            }},
            "oci": {{"": {ANY}, "/srv/untrusted": {REJECT}}},
            "never-heard-of": {{"x": {REJECT}}}
        }}}}"#
    );
    let policy = parse(&text).unwrap();
    for (transport, scope, ok) in [
        ("docker", "docker.io/library/alpine:latest", true),
        ("docker", "docker.io/user/app:latest", false),
        ("docker", "docker.io/library/evil:latest", false),
        ("docker", "docker.io/library/evil:good", true),
        ("docker", "docker.io/library/evil@sha256:ab", false),
        ("docker", "docker.io/libraryx/a:1", false),
        ("docker", "a.b.example.com:8443/x:1", true),
        ("docker", "example.com/x:1", false),
        ("docker", "bad.example.com/x:1", false),
        ("docker", "localhost:5000/x:1", true),
        ("docker", "localhost/x:1", false),
        ("oci", "/home/me/layout:1", true),
        ("oci", "/srv/untrusted/deep/layout:1", false),
        ("oci", "/srv/untrustedx:1", true),
        ("oci-archive", "/home/me/a.tar", false),
    ] {
        assert_eq!(verdict(&policy, transport, scope) == "ok", ok, "{transport}:{scope}");
    }
    assert_eq!(
        verdict(&policy, "docker", "bad.example.com/x:1"),
        "docker:bad.example.com/x:1 is rejected by the rule for scope \"bad.example.com\" of \
         transport \"docker\" of p.json"
    );
    assert_eq!(
        verdict(&policy, "dir", "/x"),
        "dir:/x is rejected by the rule \"default\" of p.json"
    );
}

#[test]
fn every_requirement_must_hold_and_signatures_are_not_pretended() {
    let signed = r#"{"type":"sigstoreSigned","keyPath":"/k.pub"}"#;
    let any = r#"{"type":"insecureAcceptAnything"}"#;
    for default in [format!("[{signed}]"), format!("[{any},{signed}]"), format!("[{signed},{any}]")]
    {
        let policy = parse(&format!(r#"{{"default":{default}}}"#)).unwrap();
        let text = verdict(&policy, "docker", "quay.io/a:1");
        assert!(text.contains("needs a sigstoreSigned signature (the rule \"default\""), "{text}");
        assert!(text.contains("cannot check"), "{text}");
    }
    let policy = parse(&format!(r#"{{"default":[{any},{{"type":"reject"}}]}}"#)).unwrap();
    assert!(matches!(policy.check("docker", "a.io/b:1"), Err(PolicyError::Rejected { .. })));
}

#[test]
fn good_requirements_are_understood() {
    let id = r#""signedIdentity":{"type":"matchRepository"}"#;
    for requirement in [
        r#"{"type":"signedBy","keyType":"GPGKeys","keyPath":"/k"}"#.to_owned(),
        format!(r#"{{"type":"signedBy","keyType":"GPGKeys","keyPaths":["/k","/l"],{id}}}"#),
        r#"{"type":"signedBy","keyType":"GPGKeys","keyData":"AAAA","signedIdentity":{"type":"exactReference","dockerReference":"a.io/b:1"}}"#.to_owned(),
        r#"{"type":"signedBaseLayer","baseLayerIdentity":{"type":"matchExact"}}"#.to_owned(),
        format!(r#"{{"type":"sigstoreSigned","keyData":"AAAA",{id}}}"#),
        r#"{"type":"sigstoreSigned","keyDatas":["AAAA"],"rekorPublicKeyPath":"/r","signedIdentity":{"type":"remapIdentity","prefix":"a.io","signedPrefix":"b.io"}}"#.to_owned(),
        r#"{"type":"sigstoreSigned","fulcio":{"caPath":"/c","oidcIssuer":"https://i","subjectEmail":"a@b"},"rekorPublicKeyData":"AAAA"}"#.to_owned(),
        r#"{"type":"sigstoreSigned","pki":{"caRootsPath":"/c","caIntermediatesData":"AA","subjectHostname":"h"}}"#.to_owned(),
    ] {
        let policy = parse(&format!(r#"{{"default":[{requirement}]}}"#));
        let policy = policy.unwrap_or_else(|e| panic!("{requirement}: {e}"));
        assert!(matches!(policy.check("docker", "x.io/y"), Err(PolicyError::Unverifiable { .. })));
    }
}

#[test]
fn a_fault_anywhere_rejects_the_whole_file() {
    let long = "x".repeat(1 << 20);
    let deep = format!(r#"{{"default":{}"#, "[".repeat(1 << 20));
    let deep_object = format!(r#"{{"default":{}"#, r#"{"a":"#.repeat(1 << 20));
    let long_key = format!(r#"{{"default":{ANY},"{long}":1}}"#);
    let long_type = format!(r#"{{"default":[{{"type":"{long}"}}]}}"#);
    let twice_long = format!(r#"{{"{long}":1,"{long}":1}}"#);
    let req = |inner: &str| format!(r#"{{"default":[{{{inner}}}]}}"#);
    let scope =
        |t: &str, s: &str| format!(r#"{{"default":{ANY},"transports":{{"{t}":{{"{s}":{ANY}}}}}}}"#);
    for (text, part) in [
        (String::new(), "not valid JSON: EOF"),
        ("[]".into(), "the file: it must be an object, not an array"),
        ("null".into(), "not null"),
        ("{}".into(), "p.json is rejected as a whole: default: it is missing"),
        (r#"{"default":[]}"#.into(), "default: the array is empty"),
        (r#"{"default":{}}"#.into(), "must be an array"),
        (format!(r#"{{"default":{ANY},"default":{ANY}}}"#), "\"default\" is given twice"),
        (format!(r#"{{"default":{ANY},"defaults":{ANY}}}"#), "defaults: the key is unknown"),
        (format!(r#"{{"default":{ANY},"transports":[]}}"#), "transports: it must be an object"),
        (format!(r#"{{"default":{ANY}}} x"#), "trailing characters"),
        (req(r#""type":"insecureAcceptAnything","x":1"#), "default[0].x: the key is unknown"),
        (req(r#""type":"reject","type":"insecureAcceptAnything""#), "given twice"),
        (req(r#""type":"accept""#), "default[0].type: \"accept\" is not one of"),
        (req(r#""type":1"#), "it must be a string, not a number"),
        (req(""), "default[0].type: it is missing"),
        (req(r#""type":"signedBy","keyPath":"/k""#), "keyType: it is missing"),
        (req(r#""type":"signedBy","keyType":"PGP","keyPath":"/k""#), "is not one of GPGKeys"),
        (req(r#""type":"signedBy","keyType":"GPGKeys""#), "one of keyPath, keyPaths, keyData"),
        (
            req(r#""type":"signedBy","keyType":"GPGKeys","keyPath":"/k","keyData":"A""#),
            "keyData: it excludes keyPath",
        ),
        (req(r#""type":"signedBy","keyType":"GPGKeys","keyPaths":[]"#), "strings in an array"),
        (req(r#""type":"sigstoreSigned","keyPath":["/k"]"#), "keyPath: it must be a string"),
        (
            req(r#""type":"sigstoreSigned","keyPath":"/k","keypath":"/k""#),
            "keypath: the key is unknown",
        ),
        (
            req(r#""type":"sigstoreSigned","keyPath":"/k","signedIdentity":{"type":"match"}"#),
            "default[0].signedIdentity.type",
        ),
        (
            req(
                r#""type":"sigstoreSigned","fulcio":{"caPath":"/c","oidcIssuer":"i","subjectEmail":"e"}"#,
            ),
            "one of rekorPublicKeyPath",
        ),
        (req(r#""type":"sigstoreSigned","pki":{"caRootsPath":"/c"}"#), "subjectEmail or"),
        (scope("docker", "https://a.io"), "without scheme"),
        (scope("docker", "a.io/"), "without scheme and without"),
        (scope("docker", "*.a.*.io"), "a wildcard scope"),
        (scope("docker", "*.a.io/b"), "a wildcard scope"),
        (scope("oci", "/"), "\"/\" is no scope"),
        (scope("oci", "a/b"), "absolute path"),
        (
            format!(
                r#"{{"default":{ANY},"transports":{{"docker":{{"a.io":{ANY},"A.io":{REJECT}}}}}}}"#
            ),
            "other letter case",
        ),
        (
            format!(r#"{{"default":{ANY},"transports":{{"docker":{{"a":{ANY},"a":{ANY}}}}}}}"#),
            "twice",
        ),
        (deep, "not valid JSON"),
        (deep_object, "not valid JSON"),
        (long_key, "the key is unknown"),
        (long_type, "is not one of"),
        (twice_long, "given twice"),
        ("{\"default\":\"\0\"}".into(), "not valid JSON"),
    ] {
        let error = chain(&parse(&text).unwrap_err());
        assert!(error.contains(part), "{text:.200}: {error:.500}");
        assert!(error.len() < 1000 && error.starts_with("p.json is rejected"), "{error:.500}");
    }
}

#[test]
fn the_users_file_replaces_the_systems() {
    let dir = std::env::temp_dir().join(format!("bolt-policy-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    let mut search =
        Search { home_config: dir.join("home"), system: dir.join("etc"), override_file: None };
    let allowed =
        |search: &Search| Policy::load(search).unwrap().check("docker", "a.io/b:1").is_ok();
    assert!(allowed(&search), "no file: everything is accepted");
    for base in ["home", "etc"] {
        fs::create_dir_all(dir.join(base).join("containers")).unwrap();
    }
    fs::write(dir.join("etc/containers/policy.json"), format!(r#"{{"default":{REJECT}}}"#))
        .unwrap();
    assert!(!allowed(&search));
    fs::write(dir.join("home/containers/policy.json"), format!(r#"{{"default":{ANY}}}"#)).unwrap();
    assert!(allowed(&search));
    search.override_file = Some(dir.join("none.json"));
    assert!(matches!(Policy::load(&search), Err(PolicyError::Missing { .. })));
    fs::write(dir.join("none.json"), b"\xff").unwrap();
    assert!(matches!(Policy::load(&search), Err(PolicyError::File(FileError::NotUtf8 { .. }))));
    fs::remove_dir_all(&dir).unwrap();
}
