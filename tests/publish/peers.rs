//! Against peers that are too heavy for every run; `sh contrib/peers` installs them and runs this.

use crate::harness::image::TestImage;
use crate::harness::moto::Moto;
use crate::harness::process::{Out, finish};
use crate::harness::proxy::{Fault, Proxy, Request};
use crate::harness::registry::Registry;
use crate::harness::run;
use crate::harness::user::{IMAGE, Session};
use std::path::PathBuf;
use std::time::Duration;

const KEY: &str = "motokey";
const SECRET: &str = "canary-moto-secret";
const BUCKET: &str = "games";

/// `bolt` with AWS's variables for the recorder.
fn bolt(session: &Session, recorder: &Proxy, args: &[&str]) -> Out {
    let mut command = session.bolt(args);
    command
        .env("AWS_ENDPOINT_URL", format!("http://{}", recorder.host()))
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("BOLT_LOG", "trace");
    let out = finish(command.spawn().unwrap(), Duration::from_secs(120), "bolt");
    assert!(out.code == 0, "bolt {args:?}: {out:?}");
    assert!(!out.err.contains(SECRET) && !out.out.contains(SECRET), "{out:?}");
    out
}

/// What Bolt asked the bucket for itself; the registry talks to it as well.
fn ours(recorder: &Proxy) -> Vec<Request> {
    let ours = |r: &Request| r.headers.get("user-agent").is_some_and(|a| a.starts_with("bolt/"));
    recorder.requests().into_iter().filter(ours).collect()
}

#[test]
#[ignore = "needs moto: sh contrib/peers"]
fn a_registry_in_front_of_a_bucket() {
    let session = session!();
    let peers = PathBuf::from(std::env::var_os("BOLT_PEERS").unwrap_or_default());
    let moto = Moto::start(&peers);
    let recorder = Proxy::start(moto.address(), |_, _| Fault::Pass);
    let endpoint = format!("http://{}", recorder.host());
    let sign = ["--aws-sigv4", "aws:amz:us-east-1:s3", "--user", &format!("{KEY}:{SECRET}")];
    let bucket = format!("{endpoint}/{BUCKET}");
    run("curl", &[&["-sS", "-f", "-X", "PUT"][..], &sign, &[&bucket]].concat());
    let registry = Registry::in_bucket(&endpoint, BUCKET, KEY, SECRET);
    let name = format!("{}/games/doom:1", registry.host());
    let size = 40_000_000;
    let image = session.pull(&TestImage::new(&[size]));

    // In chunks through the registry into the bucket, and back by redirects to signed addresses.
    bolt(&session, &recorder, &["push", "-q", "--tls-verify=false", &image, &name]);
    let layout = format!("oci:{}", session.make_dir("copy"));
    let from = format!("docker://{name}");
    run("skopeo", &["copy", "--quiet", "--src-tls-verify=false", &from, &layout]);
    session.ok(&["rmi", "--force", "--all"]);
    let before = ours(&recorder).len();
    bolt(&session, &recorder, &["pull", "-q", "--tls-verify=false", &name]);
    let fetched = ours(&recorder).split_off(before);
    assert!(fetched.len() >= 3, "{fetched:?}");
    for request in &fetched {
        assert!(request.path.contains("X-Amz-Signature="), "{request:?}");
        assert!(!request.headers.contains_key("authorization"), "{request:?}");
    }
    let counted = ["run", "--rm", "--network", "none", &name, "sh", "-c", "wc -c </data/0"];
    assert_eq!(session.ok(&counted).trim(), size.to_string());

    // The registry's own keys are a Ghostbay: its blobs come without it.
    session.ok(&["rmi", "--force", "--all"]);
    for dir in [".config", ".config/bolt"] {
        if !session.home().join(dir).exists() {
            session.make_dir(dir);
        }
    }
    let text = format!(
        "[[registry]]\nname = \"main\"\nlocation = \"{}/games\"\ninsecure = true\n\
         [[ghostbay]]\nname = \"near\"\nendpoint = \"{endpoint}\"\nbucket = \"{BUCKET}\"\n\
         prefix = \"registry\"\n\
         key = \"docker/registry/v2/blobs/{{algorithm}}/{{hex:2}}/{{hex}}/data\"\n",
        registry.host()
    );
    session.file(".config/bolt/registries.toml", text);
    let before = ours(&recorder).len();
    bolt(&session, &recorder, &["pull", "-q", "bolt://doom:1"]);
    let fetched = ours(&recorder).split_off(before);
    let direct = fetched.iter().filter(|r| r.headers.contains_key("authorization"));
    assert!(direct.count() >= 3, "{fetched:?}");

    // A layout in the bucket, by both ways in, and by many parts.
    let place = format!("s3://{BUCKET}/layout");
    bolt(&session, &recorder, &["mirror", "sync", "-q", "--tls-verify=false", &name, &place]);
    bolt(&session, &recorder, &["push", "-q", &name, &format!("{place}:pushed")]);
    let parts = ours(&recorder).into_iter().filter(|r| r.path.contains("partNumber=")).count();
    assert!(parts >= 5, "{parts}");
    session.ok(&["rmi", "--force", "--all"]);
    bolt(&session, &recorder, &["pull", "-q", &format!("{place}:pushed")]);
    session.ok(&["tag", &format!("localhost/{BUCKET}/layout:pushed"), IMAGE]);
    let counted = ["run", "--rm", "--network", "none", IMAGE, "sh", "-c", "wc -c </data/0"];
    assert_eq!(session.ok(&counted).trim(), size.to_string());
}
