//! Buckets as a user meets them: `mirror sync`, `pull` and `run` of `s3://`, `source ls`; and that
//! no secret is shown by any of them.

use crate::harness::image::TestImage;
use crate::harness::process::{Out, finish};
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::registry::{Options, Registry};
use crate::harness::s3::{BUCKET, KEY, S3, SECRET};
use crate::harness::tls::Tls;
use crate::harness::user::{Session, until};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// `bolt ARGS` with AWS's variables for the server.
fn bolt(session: &Session, s3: &S3, args: &[&str]) -> Command {
    let mut command = session.bolt(args);
    command
        .env("AWS_ENDPOINT_URL", s3.endpoint())
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .env("BOLT_LOG", "trace");
    command
}

fn run(session: &Session, s3: &S3, args: &[&str]) -> Out {
    let out = finish(bolt(session, s3, args).spawn().unwrap(), Duration::from_secs(60), "bolt");
    for text in [&out.out, &out.err] {
        assert!(!text.contains(SECRET), "{args:?} shows a secret: {text}");
    }
    out
}

fn ok(session: &Session, s3: &S3, args: &[&str]) -> String {
    let out = run(session, s3, args);
    assert!(out.code == 0, "bolt {args:?}: {out:?}");
    out.out
}

#[test]
fn an_image_goes_into_a_bucket_and_is_run_from_there() {
    let session = session!();
    let s3 = s3!();
    let bucket = format!("s3://{BUCKET}/games/box");
    let said = ok(&session, &s3, &["mirror", "sync", &session.image_source(), &bucket]);
    assert!(said.contains("4 objects") && said.contains("0 were there"), "{said}");
    let again = ok(&session, &s3, &["mirror", "sync", &session.image_source(), &bucket]);
    assert!(again.contains("0 objects") && again.contains("4 were there"), "{again}");
    let other = Session::empty().unwrap();
    let name = format!("{bucket}:v1");
    let args = ["run", "--rm", "--network", "none", &name, "cat", "/srv/data/file"];
    assert_eq!(ok(&other, &s3, &args), "from the image\n");
    // It is here now: nobody has to be reached.
    let said = other.run(&args);
    assert_eq!((said.code, said.out.as_str()), (0, "from the image\n"), "{said:?}");
    let local = format!("localhost/{BUCKET}/games/box:v1");
    assert!(other.ok(&["images", "--format", "{{.Repository}}:{{.Tag}}"]).contains(&local));
    for args in [
        &["inspect", "--format", "json", &local][..],
        &["image", "inspect", &local],
        &["run", "--dry-run", "--network", "none", &name, "true"],
        &["info"],
    ] {
        run(&other, &s3, args);
    }
    let rows = ok(&other, &s3, &["source", "ls", "--format", "json"]);
    let rows: serde_json::Value = serde_json::from_str(&rows).unwrap();
    assert!(rows[0]["Source"].as_str().unwrap().starts_with("s3://games/games/box at 127.0.0.1:"));
    assert_eq!((&rows[0]["Rank"], &rows[0]["Pulls"]), (&1.into(), &1.into()));
    let table = ok(&other, &s3, &["source", "ls"]);
    assert!(table.starts_with("RANK") && table.contains("8 MiB are expected in"), "{table}");
    // Nor does any file that was written.
    for session in [&session, &other] {
        let mut grep = Command::new("grep");
        grep.args(["-rlF", SECRET]).arg(session.dir());
        let found = String::from_utf8_lossy(&grep.output().unwrap().stdout).into_owned();
        assert_eq!(found, "");
    }
}

#[test]
fn an_image_of_the_store_is_pushed_into_a_bucket() {
    let session = session!();
    let s3 = s3!();
    let image = session.pull(&TestImage::new(&[20_000_000]));
    session.ok(&["tag", &image, "mine"]);
    let bucket = format!("s3://{BUCKET}/pushed/box");
    let push = |args: &[&str]| ok(&session, &s3, &[&["push", "-q"], args].concat());
    push(&["mine", &format!("{bucket}:one")]);
    push(&["-f", "v2s2", "mine", &format!("{bucket}:two")]);
    push(&["mine", &bucket]);
    ok(&session, &s3, &["manifest", "create", "list", "mine"]);
    ok(&session, &s3, &["manifest", "push", "-q", "list", &format!("{bucket}:three")]);
    // Skopeo reads the objects as the layout that they are; docker's manifests it leaves out.
    let layout = s3.file("pushed/box");
    for (name, kind) in [
        ("one", "oci.image.manifest"),
        ("localhost/mine:latest", "oci.image.manifest"),
        ("three", "oci.image.index"),
    ] {
        let of = format!("oci:{}:{name}", layout.display());
        let raw = crate::harness::run("skopeo", &["inspect", "--raw", &of]);
        let raw: serde_json::Value = serde_json::from_str(&raw).unwrap();
        // OCI's manifests may be silent about what they are.
        let said = raw["mediaType"].as_str().unwrap_or("application/vnd.oci.image.manifest");
        assert!(said.contains(kind), "{name}: {raw}");
    }
    let index = std::fs::read_to_string(layout.join("index.json")).unwrap();
    let index: serde_json::Value = serde_json::from_str(&index).unwrap();
    let kind = index["manifests"][1]["mediaType"].as_str().unwrap();
    assert!(kind.contains("docker.distribution.manifest.v2"), "{index}");
    let other = Session::empty().unwrap();
    for name in ["one", "two", "three"] {
        let name = format!("{bucket}:{name}");
        let args = ["run", "--rm", "--network", "none", &name, "sh", "-c", "wc -c </data/0"];
        assert_eq!(ok(&other, &s3, &args).trim(), "20000000");
        other.ok(&["rmi", "--force", "--all"]);
    }
    // One whose bytes another wrote is not passed over.
    let config = session.ok(&["images", "-q", "--no-trunc", "mine"]);
    let key = config.trim().trim_start_matches("sha256:").to_owned();
    std::fs::write(s3.file(&format!("pushed/box/blobs/sha256/{key}")), "short").unwrap();
    let out = run(&session, &s3, &["push", "mine", &format!("{bucket}:four")]);
    assert!(out.code == 125 && out.err.contains("has 5 bytes"), "{out:?}");
    assert!(out.err.contains(&key), "{out:?}");
}

#[test]
fn what_is_wrong_about_a_bucket_is_one_error_without_a_secret() {
    let session = session!();
    let s3 = s3!();
    let name = format!("s3://{BUCKET}/none");
    let fails = |mut command: Command, word: &str| {
        let out = finish(command.spawn().unwrap(), Duration::from_secs(60), "bolt");
        let error = out.err.lines().find(|l| l.starts_with("bolt: ")).unwrap_or_default();
        assert!(out.code == 125 && error.contains(word), "{word}: {out:?}");
        assert!(!out.err.contains(SECRET) && !out.err.contains("other-canary"), "{}", out.err);
    };
    let pull = |name: &str| bolt(&session, &s3, &["pull", "--retry", "0", name]);
    fails(pull(&name), "oci-layout does not exist");
    fails(pull("s3://Not_A_Bucket"), "a bucket's name has 3 to 63");
    let with = |name: &str, value: &str| {
        let mut command = pull("s3://games/none");
        command.env(name, value);
        command
    };
    fails(
        with("AWS_SECRET_ACCESS_KEY", "other-canary"),
        "does not take the secret of the environment",
    );
    fails(with("AWS_SECRET_ACCESS_KEY", ""), "has AWS_ACCESS_KEY_ID but no AWS_SECRET_ACCESS_KEY");
    fails(with("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z"), "expired at 2020-01-01");
    fails(with("AWS_ENDPOINT_URL", "127.0.0.1:9"), "AWS_ENDPOINT_URL: s3://games: its endpoint is");
    fails(with("AWS_ENDPOINT_URL_S3", "foo"), "AWS_ENDPOINT_URL_S3: s3://games: its endpoint is");
    fails(
        with("AWS_ENDPOINT_URL", "http://u:other-canary@h"),
        "its endpoint is not http(s)://HOST",
    );
    let file = session.file("credentials", "[a]\naws_access_key_id = x\nother-canary\n");
    let mut command = pull("s3://games/none");
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    command.env("AWS_SHARED_CREDENTIALS_FILE", file).env("AWS_PROFILE", "a");
    fails(command, "credentials: line 3: neither [section] nor name = value");
    let sync = |args: &[&str]| bolt(&session, &s3, &[&["mirror", "sync"], args].concat());
    fails(sync(&["v1", "oci:/x"]), "oci:/x is no bucket; the last name is s3://BUCKET/PREFIX");
    fails(sync(&["a", "b", "s3://games/x:v1"]), "names one image, but 2 are given");
}

#[test]
fn blobs_of_a_registry_come_from_the_stores_of_registries_toml() {
    let session = session!();
    let s3 = s3!();
    let registry = Registry::start(Options::default());
    let recorder = Proxy::start(registry.address(), |_, _| Fault::Pass);
    let image = TestImage::new(&[200_000]);
    registry.push(&image, "box:1");
    let config = |key: &str, credentials: &str| {
        format!(
            "[[registry]]\nname = \"main\"\nlocation = \"{}\"\ninsecure = true\n\
             ghostbay = [\"near\"]\n[[ghostbay]]\nname = \"near\"\nendpoint = \"{}\"\n\
             bucket = \"{BUCKET}\"\nprefix = \"drift\"\nkey = \"{key}\"\n{credentials}\n",
            recorder.host(),
            s3.endpoint()
        )
    };
    std::fs::create_dir_all(session.home().join(".config/bolt")).unwrap();
    let write = |text: &str| {
        session.file(".config/bolt/registries.toml", text);
    };
    let name = format!("{}/box:1", recorder.host());
    let bucket = format!("s3://{BUCKET}/drift");
    for (key, credentials) in [
        ("blobs/sh/{digest}", "credentials = \"env\""),
        ("blobs/{algorithm}/{hex:2}/{hex}", "signature = \"query\""),
    ] {
        write(&config(key, credentials));
        ok(&session, &s3, &["mirror", "sync", &name, &bucket]);
        let before = recorder.requests().len();
        ok(&session, &s3, &["pull", &name]);
        let asked: Vec<String> =
            recorder.requests()[before..].iter().map(|r| r.path.clone()).collect();
        assert!(asked.iter().any(|path| path.contains("/manifests/")), "{asked:?}");
        assert!(!asked.iter().any(|path| path.contains("/blobs/")), "{asked:?}");
        ok(&session, &s3, &["rmi", &name]);
    }
    let listed = ok(&session, &s3, &["source", "ls", "--format", "{{.Source}} {{.Pulls}}"]);
    let host = s3.address();
    assert!(listed.contains(&format!("s3://{BUCKET}/drift at {host} 2")), "{listed}");
    // A store without credentials is told in one line; the registry serves.
    write(&config("blobs/sh/{digest}", "credentials = \"profile:nobody\""));
    let out = run(&session, &s3, &["pull", &name]);
    let lines = out.err.lines().filter(|l| l.contains("ghostbay \"near\"")).count();
    assert!(out.code == 0 && lines == 1, "{out:?}");
    assert!(out.err.contains("the profile \"nobody\" is neither in"), "{}", out.err);
    // As a target it is an error.
    let out = run(&session, &s3, &["mirror", "sync", &name, &bucket]);
    assert!(out.code == 125 && out.err.contains("ghostbay \"near\" of registries.toml"), "{out:?}");
}

#[test]
fn a_killed_sync_goes_on_in_another_process() {
    let session = session!();
    let s3 = s3!();
    let registry = Registry::start(Options::default());
    let name = registry.push(&TestImage::new(&[30_000_000]), "games/box:1");
    let killed = Arc::new(AtomicBool::new(false));
    let after = killed.clone();
    // The third part does not get through as long as the first process lives.
    let proxy = Proxy::start(s3.address(), move |request, _| {
        let third = request.path.contains("partNumber=3") && !after.load(Ordering::Relaxed);
        if third { Fault::CutRequest(1 << 20) } else { Fault::Pass }
    });
    let bucket = format!("s3://{BUCKET}/games/box");
    let sync = || {
        let args = ["mirror", "sync", "--tls-verify=false", "--retry", "1000", &name, &bucket];
        let mut command = bolt(&session, &s3, &args);
        command.env("AWS_ENDPOINT_URL", format!("http://{}", proxy.host()));
        command
    };
    let part = |n: u32, from: usize| {
        let sent = proxy.requests().split_off(from).into_iter();
        sent.filter(|r| r.path.contains(&format!("partNumber={n}&"))).count()
    };
    let mut first = sync().stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    until("two parts are there and the third was tried twice", || {
        part(1, 0) > 0 && part(2, 0) > 0 && part(3, 0) > 1
    });
    first.kill().unwrap();
    first.wait().unwrap();
    killed.store(true, Ordering::Relaxed);
    let before = proxy.requests().len();
    let out = finish(sync().spawn().unwrap(), Duration::from_secs(60), "sync");
    assert_eq!(out.code, 0, "{out:?}");
    // The fourth may have come beside the third.
    let again = [part(1, before), part(2, before), part(3, before)];
    assert_eq!(again, [0, 0, 1], "only what is missing is sent");
}

#[test]
fn a_bucket_with_an_authority_of_its_own_is_trusted_where_that_is_said() {
    let session = session!();
    let s3 = s3!();
    let tls = match Tls::before(s3.address()) {
        Ok(tls) => tls,
        Err(reason) => skip!(reason),
    };
    let ca = session.file("ca.pem", std::fs::read(tls.ca()).unwrap());
    let bucket = format!("s3://{BUCKET}/games/box");
    let command = |args: &[&str]| {
        let mut command = bolt(&session, &s3, args);
        command.env("AWS_ENDPOINT_URL", tls.endpoint());
        command
    };
    let end =
        |mut command: Command| finish(command.spawn().unwrap(), Duration::from_secs(60), "bolt");
    let sync = ["mirror", "sync", "--retry", "0", &session.image_source(), &bucket];
    let out = end(command(&sync));
    assert!(out.code == 125 && out.err.contains("certificate"), "{out:?}");
    let own = ["`ca =` in the bucket's [[ghostbay]] entry", "AWS_CA_BUNDLE"];
    assert!(own.iter().all(|word| out.err.contains(word)), "a bucket's keys are named: {out:?}");
    assert!(!out.err.contains("ca.crt"), "{out:?}");
    assert!(!s3.file("games/box").exists(), "nothing was sent");
    let mut trusting = command(&sync);
    trusting.env("AWS_CA_BUNDLE", &ca);
    let out = end(trusting);
    assert!(out.code == 0 && out.out.contains("4 objects"), "{out:?}");

    // As a store of registries.toml, with wrong keys refused over TLS too.
    for dir in [".config", ".config/bolt"] {
        if !session.home().join(dir).exists() {
            session.make_dir(dir);
        }
    }
    let text = format!(
        "[[ghostbay]]\nname = \"near\"\nendpoint = \"{}\"\nbucket = \"{BUCKET}\"\nca = \"{ca}\"\n",
        tls.endpoint()
    );
    session.file(".config/bolt/registries.toml", text);
    let name = format!("{bucket}:v1");
    let mut wrong = bolt(&session, &s3, &["pull", "-q", "--retry", "0", &name]);
    wrong.env_remove("AWS_ENDPOINT_URL").env("AWS_SECRET_ACCESS_KEY", "other-canary");
    let out = end(wrong);
    assert!(out.code == 125 && out.err.contains("does not take the secret"), "{out:?}");
    let mut right = bolt(&session, &s3, &["pull", "-q", "--retry", "0", &name]);
    right.env_remove("AWS_ENDPOINT_URL");
    let out = end(right);
    assert_eq!(out.code, 0, "{out:?}");
}

#[test]
fn a_login_at_a_bucket_is_tried_there_and_then_used() {
    let session = session!();
    let s3 = s3!();
    let bucket = format!("s3://{BUCKET}/games/box");
    ok(&session, &s3, &["mirror", "sync", &session.image_source(), &bucket]);
    std::fs::create_dir_all(session.home().join(".config/bolt")).unwrap();
    let endpoint = s3.endpoint();
    let text = format!(
        "[[ghostbay]]\nname = \"near\"\nendpoint = \"{endpoint}\"\nbucket = \"{BUCKET}\"\n"
    );
    session.file(".config/bolt/registries.toml", text);
    let host = s3.address().to_string();
    let login = |secret: &str| session.run(&["login", "-u", KEY, "-p", secret, &host]);
    let out = login("another");
    assert!(out.code == 125 && out.err.contains("does not take the secret"), "{out:?}");
    assert_eq!(session.run(&["login", "--get-login", &host]).code, 125, "nothing was kept");
    let out = login(SECRET);
    assert_eq!((out.code, out.out.as_str()), (0, "Login Succeeded!\n"), "{out:?}");
    let other = Session::empty().unwrap();
    assert_eq!(other.run(&["pull", "-q", "--retry", "0", &format!("{bucket}:v1")]).code, 125);
    session.ok(&["pull", "-q", &format!("{bucket}:v1")]);
}

#[test]
fn a_login_at_a_server_that_only_a_variable_names_is_tried_there() {
    let session = session!();
    let s3 = s3!();
    let bucket = format!("s3://{BUCKET}/games/box");
    ok(&session, &s3, &["mirror", "sync", &session.image_source(), &bucket]);
    let host = s3.address().to_string();
    let bolt = |args: &[&str]| {
        let mut command = session.bolt(args);
        command.env("AWS_ENDPOINT_URL_S3", s3.endpoint());
        finish(command.spawn().unwrap(), Duration::from_secs(60), "bolt")
    };
    let out = bolt(&["login", "-u", KEY, "-p", "another", &host]);
    assert!(out.code == 125 && out.err.contains("does not take the secret"), "{out:?}");
    let out = bolt(&["login", "-u", KEY, "-p", SECRET, &host]);
    assert_eq!((out.code, out.out.as_str()), (0, "Login Succeeded!\n"), "{out:?}");
    assert_eq!(bolt(&["pull", "-q", &format!("{bucket}:v1")]).code, 0);
}
