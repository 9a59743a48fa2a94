//! What a choice asks for besides the index: metadata artifacts and manifests, and for whom it
//! asks nothing.

use super::names::{bolt, configure_at, http};
use crate::harness::ferro::Ferro;
use crate::harness::image::TestImage;
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::registry::{Options, Registry};
use crate::harness::run;
use crate::harness::user::{IMAGE, Session, has};
use serde_json::{Value, json};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const VERIFY: &str = "--tls-verify=false";
const REFERRER: &str = "dev.bolt.gaming.referrer";

/// Digest and length of a manifest in a registry.
fn described(session: &Session, name: &str) -> (String, usize) {
    let raw = run("skopeo", &["inspect", VERIFY, "--raw", &format!("docker://{name}")]);
    let file = session.file("raw", &raw);
    (format!("sha256:{}", &run("sha256sum", &[&file])[..64]), raw.len())
}

fn entry(of: &(String, usize), annotations: &Value) -> Value {
    json!({ "mediaType": MANIFEST, "digest": of.0, "size": of.1, "annotations": annotations,
            "platform": { "os": "linux", "architecture": "amd64" } })
}

fn put_index(session: &Session, host: &str, tag: &str, entries: &[Value]) {
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries });
    let file = session.file("index.json", index.to_string());
    http("PUT", &format!("http://{host}/v2/games/doom/manifests/{tag}"), Some(&file), INDEX);
}

fn explained(session: &Session, name: &str) -> Value {
    let out = bolt(session, &["resolve", name, "--format", "json"]);
    assert_eq!(out.code, 0, "{out:?}");
    serde_json::from_str(&out.out).unwrap()
}

/// The paths of all requests so far.
fn asked(proxy: &Proxy) -> Vec<String> {
    proxy.requests().into_iter().map(|request| request.path).collect()
}

#[test]
fn the_whole_metadata_of_an_artifact_decides_and_is_fetched_once() {
    let session = session!();
    if !has("curl") {
        skip!("no curl");
    }
    let registry = Registry::start(Options::default());
    let proxy = Proxy::start(registry.address(), |_, _| Fault::Pass);
    configure_at(&session, &proxy.host(), "");
    session.ok(&["tag", IMAGE, "slow"]);
    let fast = session.pull(&TestImage::new(&[100]));
    session.ok(&["manifest", "create", "game", "slow", &fast]);
    // By what the index says the tier decides; by the whole, the frames.
    for (image, tier, fps) in [("slow", "competitive", 40.0), (fast.as_str(), "streaming", 90.0)] {
        let text = format!(
            "variant = '{tier}'\ntier = '{tier}'\n[[measured]]\ngpu = '1002:744c'\nfps_avg = {fps:.1}\n"
        );
        let file = session.file("game.toml", text);
        session.ok(&["image", "annotate", "--game", &file, "--instance", image, "game"]);
    }
    let name = format!("{}/games/doom:1", registry.host());
    session.ok(&["manifest", "push", "-q", VERIFY, "game", &name]);
    let found = explained(&session, "bolt://doom:1");
    assert_eq!(found["variants"][0]["name"], "streaming", "{found}");
    assert!(found["why"].as_str().unwrap().contains("frames its publisher measured"), "{found}");
    let first = asked(&proxy);
    let artifacts = first.iter().filter(|path| path.contains("/blobs/")).count();
    assert_eq!(artifacts, 2, "{first:?}");
    explained(&session, "bolt://doom:1");
    let later = asked(&proxy).split_off(first.len());
    assert!(later.iter().all(|path| path.ends_with("/manifests/1") || path == "/v2/"), "{later:?}");

    // An image without metadata is not asked about.
    let plain = described(&session, &registry.push(&TestImage::new(&[50]), "games/doom:p"));
    put_index(&session, &registry.host(), "plain", &[entry(&plain, &json!({}))]);
    let before = asked(&proxy).len();
    let out = bolt(&session, &["resolve", "bolt://doom:plain"]);
    assert!(out.out.contains(&plain.0), "{out:?}");
    let later = asked(&proxy).split_off(before);
    assert!(later.iter().all(|path| path.ends_with("/plain") || path == "/v2/"), "{later:?}");
}

/// `latest` with the referrers API and without it, and what cannot be used.
fn newest_referrer(session: &Session, host: &str) {
    configure_at(session, host, "");
    let push = |image: &str, tag: &str| {
        let name = format!("{host}/games/doom:{tag}");
        session.ok(&["push", "-q", VERIFY, image, &name]);
        (described(session, &name), name)
    };
    session.ok(&["tag", IMAGE, "one"]);
    let (one, at) = push("one", "a");
    let (two, _) = push(&session.pull(&TestImage::new(&[60])), "b");
    let file = session.file("game.toml", "variant = 'whole'\nsteam_appid = 70\n");
    session.ok(&["image", "annotate", "-q", VERIFY, "--game", &file, &at]);
    let latest = json!({ REFERRER: "latest" });
    put_index(session, host, "l", &[entry(&one, &latest), entry(&two, &latest)]);
    let found = explained(session, "bolt://doom:l");
    assert_eq!(found["variants"][0]["metadata"]["steam_appid"], 70, "{found}");
    let refused = found["variants"][1]["reasons"][0]["text"].as_str().unwrap();
    assert!(refused.contains("nothing of the type") && refused.contains(&two.0), "{refused}");

    // Wrong things are told, and the annotation counts.
    let small = r#"{"variant":"small"}"#;
    for (pointer, words) in
        [(two.0.as_str(), "not an artifact of the type"), ("newest", "write a digest or")]
    {
        let both = json!({ REFERRER: pointer, "dev.bolt.gaming.v1": small });
        put_index(session, host, "w", &[entry(&one, &both)]);
        let out = bolt(session, &["resolve", "bolt://doom:w", "--explain"]);
        assert!(out.code == 0 && out.out.contains("taken      small"), "{out:?}");
        assert!(out.out.contains("artifact is not used: ") && out.out.contains(words), "{out:?}");
    }
    // A digest that is not there: those that refer to the manifest are asked.
    let gone = json!({ REFERRER: format!("sha256:{}", "0".repeat(64)) });
    put_index(session, host, "g", &[entry(&one, &gone)]);
    assert_eq!(explained(session, "bolt://doom:g")["variants"][0]["name"], "whole");
}

/// A manifest without an index cannot name what is said about it: whoever refers to it is asked.
fn alone(session: &Session, host: &str) {
    let name = format!("{host}/games/alone:1");
    session.ok(&["push", "-q", VERIFY, IMAGE, &name]);
    let plain = explained(session, "bolt://alone:1");
    assert_eq!(plain["variants"][0]["name"], "plain", "{plain}");
    assert_eq!((&plain["index"], &plain["variants"][0]["artifact"]), (&json!(false), &Value::Null));
    let file =
        session.file("game.toml", "variant = 'whole'\ntier = 'quality'\nruntime_appid = 70\n");
    session.ok(&["image", "annotate", "-q", VERIFY, "--game", &file, &name]);
    let found = explained(session, "bolt://alone:1");
    assert_eq!(found["variants"][0]["metadata"]["runtime_appid"], 70, "{found}");
    let by_digest = format!("bolt://alone@{}", found["root"].as_str().unwrap());
    assert_eq!(explained(session, &by_digest)["variants"][0]["name"], "whole");
    assert_eq!(bolt(session, &["pull", "-q", "bolt://alone:1"]).code, 0);
    let lock = std::fs::read_to_string(session.data().join("lock.json")).unwrap();
    assert!(lock.contains("\"runtime\": 70"), "{lock}");
    let out = bolt(session, &["search", VERIFY, "--tier", "quality", &format!("{host}/alone")]);
    assert!(out.code == 0 && out.out.contains("game") && out.out.contains("quality"), "{out:?}");
    // Demands of its own are refused like any other's.
    let file = session.file("game.toml", "min_memory_mb = 99999999\n");
    session.ok(&["image", "annotate", "-q", VERIFY, "--game", &file, &name]);
    let out = bolt(session, &["resolve", "bolt://alone:1"]);
    assert!(out.code == 125 && out.err.contains("99999999"), "{out:?}");
}

#[test]
fn the_newest_referrer_is_found_by_the_tag_schema() {
    let session = session!();
    if !has("curl") {
        skip!("no curl");
    }
    let registry = Registry::start(Options::default());
    newest_referrer(&session, &registry.host());
    alone(&session, &registry.host());
}

#[test]
fn the_newest_referrer_is_found_by_the_referrers_api() {
    let session = session!();
    if !has("curl") {
        skip!("no curl");
    }
    match Ferro::start() {
        Ok(ferro) => {
            newest_referrer(&session, &ferro.host());
            alone(&session, &ferro.host());
        }
        Err(reason) => skip!(reason),
    }
}

#[test]
fn an_artifact_about_another_variant_is_not_believed() {
    let session = session!();
    if !has("curl") {
        skip!("no curl");
    }
    let registry = Registry::start(Options::default());
    let host = registry.host();
    configure_at(&session, &host, "");
    let names = [
        registry.push(&TestImage::new(&[70]), "games/doom:a"),
        registry.push(&TestImage::new(&[80]), "games/doom:b"),
    ];
    let [one, two] = [described(&session, &names[0]), described(&session, &names[1])];
    let file = session.file("game.toml", "variant = 'ones'\n");
    session.ok(&["image", "annotate", "-q", VERIFY, "--game", &file, &names[0]]);
    let list = format!("{host}/games/doom:{}", one.0.replace(':', "-"));
    let list = run("skopeo", &["inspect", VERIFY, "--raw", &format!("docker://{list}")]);
    let list: Value = serde_json::from_str(&list).unwrap();
    let pointer = json!({ REFERRER: list["manifests"][0]["digest"] });
    put_index(&session, &host, "x", &[entry(&two, &pointer)]);
    let out = bolt(&session, &["resolve", "bolt://doom:x"]);
    assert!(
        out.code == 125 && out.err.contains("it is about") && out.err.contains(&one.0),
        "{out:?}"
    );
}

#[test]
fn a_variant_that_shares_its_runtime_is_preferred_and_only_the_rest_is_fetched() {
    let session = session!();
    if !has("curl") {
        skip!("no curl");
    }
    let registry = Registry::start(Options::default());
    let proxy = Proxy::start(registry.address(), |_, _| Fault::Pass);
    configure_at(&session, &proxy.host(), "");
    let runtime = TestImage::new(&[300_000]);
    let base = registry.push(&runtime, "games/runtime:1");
    session.ok(&["pull", "-q", VERIFY, &base]);
    runtime.add(|root| std::fs::write(root.join("game"), "the game").unwrap());
    let game = described(&session, &registry.push(&runtime, "games/doom:b"));
    let other = described(&session, &registry.push(&TestImage::new(&[500_000]), "games/doom:c"));
    let none = json!({});
    put_index(&session, &registry.host(), "1", &[entry(&other, &none), entry(&game, &none)]);
    let out = bolt(&session, &["resolve", "bolt://doom:1", "--explain"]);
    assert!(out.out.contains("fewer bytes to fetch"), "{out:?}");
    assert_eq!(out.out.matches(" bytes to fetch\n").count(), 2, "{out:?}");
    let before = asked(&proxy).len();
    let out = bolt(&session, &["pull", "-q", "bolt://doom:1"]);
    assert_eq!(out.code, 0, "{out:?}");
    let blobs: Vec<String> = asked(&proxy)
        .split_off(before)
        .into_iter()
        .filter_map(|path| path.split_once("/blobs/").map(|(_, digest)| digest.to_owned()))
        .collect();
    // The configuration and the one layer that is not here.
    let last = runtime.layers().pop().unwrap().0;
    assert!(blobs.len() == 2 && blobs.contains(&last), "{blobs:?}");
    let out = bolt(&session, &["resolve", "bolt://doom:1", "--explain"]);
    assert!(out.out.contains("nothing to fetch"), "{out:?}");
}

#[test]
fn an_index_that_is_too_much_is_one_clear_error() {
    let session = session!();
    let kind = |kind: &str| vec![("Content-Type".to_owned(), kind.to_owned())];
    let one =
        json!({ "mediaType": MANIFEST, "size": 7, "digest": format!("sha256:{}", "a".repeat(64)) });
    let many = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": vec![one; 10_000] })
        .to_string();
    // Each index lists the one before: five of them, and a pull looks into four.
    let mut nested =
        vec![json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [] }).to_string()];
    let digest = |text: &str| {
        let file = session.file("sum", text);
        format!("sha256:{}", &run("sha256sum", &[&file])[..64])
    };
    for _ in 0..5 {
        let last = nested.last().unwrap();
        let entry = json!({ "mediaType": INDEX, "size": last.len(), "digest": digest(last) });
        nested.push(
            json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [entry] }).to_string(),
        );
    }
    let by_digest: Vec<(String, String)> =
        nested.iter().map(|text| (digest(text), text.clone())).collect();
    let (outermost, fifth) = (nested.last().unwrap().clone(), by_digest[1].0.clone());
    let server = Proxy::start(([127, 0, 0, 1], 9).into(), move |request, _| {
        let body = match request.path.rsplit('/').next().unwrap() {
            "many" => many.clone(),
            "large" => format!("{{\"a\":\"{}\"}}", "x".repeat(5 << 20)),
            "nested" => outermost.clone(),
            reference => by_digest
                .iter()
                .find(|(d, _)| d == reference)
                .map(|(_, t)| t.clone())
                .unwrap_or_default(),
        };
        Fault::Answer(
            "200 OK".to_owned(),
            kind(INDEX),
            if request.method == "HEAD" { String::new() } else { body },
        )
    });
    configure_at(&session, &server.host(), "");
    let out = bolt(&session, &["resolve", "bolt://doom:many"]);
    assert!(
        out.code == 125
            && out.err.contains("lists 10000 manifests; an index of more than 1000 is refused"),
        "{out:?}"
    );
    assert!(out.err.contains("sha256:") && out.err.contains("by its digest"), "{out:?}");
    let out = bolt(&session, &["resolve", "bolt://doom:large"]);
    assert!(out.code == 125 && out.err.contains("4194304") && out.err.contains("large"), "{out:?}");
    let out = session.run(&["pull", "-q", VERIFY, &format!("{}/games/doom:nested", server.host())]);
    assert!(out.code == 125 && out.err.contains("nested more than 4 deep"), "{out:?}");
    assert!(out.err.contains(&fifth), "{out:?}");
}
