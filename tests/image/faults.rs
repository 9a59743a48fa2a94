//! A registry behind a proxy that does wrong.

use super::{Machine, text};
use crate::harness::Scratch;
use crate::harness::image::TestImage;
use crate::harness::proxy::{Fault, Proxy, Request};
use crate::harness::registry::{Options, Registry};
use bolt::image::config::registries::Registries;
use bolt::image::progress::{Event, Recording};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The digest of the layer that is big enough to be hurt in its middle, and its size.
const BIG: usize = 2_000_000;

/// A registry with one image of a small and a big layer.
struct Scene {
    registry: Registry,
    digest: String,
    size: u64,
}

impl Scene {
    fn new() -> Self {
        let registry = Registry::start(Options::default());
        let image = TestImage::new(&[BIG]);
        registry.push(&image, "box:1");
        let (digest, size) = image.layers()[1].clone();
        Scene { registry, digest, size }
    }

    /// A proxy that hurts the first `times` requests for the big layer.
    fn hurt(&self, times: usize, fault: Fault) -> Proxy {
        let (digest, count) = (self.digest.clone(), AtomicUsize::new(0));
        Proxy::start(self.registry.address(), move |request, _| {
            let hit = request.path.ends_with(&digest) && request.method == "GET";
            if hit && count.fetch_add(1, Ordering::Relaxed) < times {
                fault.clone()
            } else {
                Fault::Pass
            }
        })
    }

    /// What was asked about the big layer.
    fn asked(&self, proxy: &Proxy) -> Vec<Request> {
        proxy.requests().into_iter().filter(|r| r.path.ends_with(&self.digest)).collect()
    }
}

fn name(proxy: &Proxy) -> String {
    format!("{}/box:1", proxy.host())
}

fn pull_well(machine: &Machine, proxy: &Proxy) -> Recording {
    let (result, progress) = machine.pull(&machine.request(&name(proxy)));
    let record = result.unwrap_or_else(|e| panic!("{}", text(&e)));
    let data = std::fs::read(machine.top(&record).join("data/0")).unwrap();
    assert_eq!(data, crate::harness::image::noise(77, BIG));
    assert!(machine.partials().is_empty());
    progress
}

/// Bytes of a blob that were taken.
fn came(progress: &Recording, blob: &str) -> u64 {
    let bytes = |event: &Event| match event {
        Event::Bytes(digest, n) if digest.as_str() == blob => *n,
        _ => 0,
    };
    progress.events().iter().map(bytes).sum()
}

#[test]
fn a_cut_connection_is_resumed_where_it_broke() {
    let scene = Scene::new();
    let piece = 500_000;
    let proxy = scene.hurt(3, Fault::Cut(piece));
    let machine = Machine::new();
    let progress = pull_well(&machine, &proxy);
    let asked = scene.asked(&proxy);
    let ranges: Vec<_> = asked.iter().map(|r| r.headers.get("range").map(String::as_str)).collect();
    // Each begins with the first byte that had not come.
    let rest = ["bytes=500000-", "bytes=1000000-", "bytes=1500000-"].map(Some);
    assert_eq!(ranges, [&[None][..], &rest].concat());
    // What went over the wire: three pieces, and from where the last request began to the end.
    let sent = 3 * piece as u64 + scene.size - 1_500_000;
    assert!(sent - scene.size < scene.size / 100, "{sent} of {}", scene.size);
    assert_eq!(came(&progress, &scene.digest), scene.size);
    assert_eq!(asked[0].headers["accept-encoding"], "identity");
    assert!(asked[0].headers["user-agent"].starts_with("bolt/"));
}

#[test]
fn a_later_pull_goes_on_where_a_broken_one_stopped() {
    let scene = Scene::new();
    let cutting = scene.hurt(1, Fault::Cut(1_500_000));
    let machine = Machine::new();
    let mut request = machine.request(&name(&cutting));
    request.patience.retries = 0;
    let message = text(&machine.pull(&request).0.unwrap_err());
    assert!(message.contains(&cutting.host()), "{message}");
    let kept = machine.partials().into_iter().max().unwrap();
    assert!(kept > 1_000_000, "{kept}");
    let progress = pull_well(&machine, &cutting);
    let again = scene.size - kept;
    let fetched: u64 = progress.transferred();
    assert!(fetched <= again + 1_200_000, "{fetched} of {again}");
    assert_eq!(scene.asked(&cutting)[1].headers["range"], format!("bytes={kept}-"));
}

#[test]
fn a_server_that_ignores_range_is_survived() {
    let scene = Scene::new();
    let digest = scene.digest.clone();
    let count = AtomicUsize::new(0);
    let proxy = Proxy::start(scene.registry.address(), move |request, _| {
        match request.path.ends_with(&digest) {
            true if count.fetch_add(1, Ordering::Relaxed) == 0 => Fault::Cut(700_000),
            true => Fault::IgnoreRange,
            false => Fault::Pass,
        }
    });
    pull_well(&Machine::new(), &proxy);
    assert_eq!(scene.asked(&proxy).len(), 2);
}

#[test]
fn a_stall_is_ended_and_resumed() {
    let scene = Scene::new();
    let proxy = scene.hurt(1, Fault::Stall(300_000));
    let progress = pull_well(&Machine::new(), &proxy);
    assert!(
        progress.notes().iter().any(|n| n.contains("no byte arrived")),
        "{:?}",
        progress.notes()
    );
}

#[test]
fn wrong_bytes_are_named_and_thrown_away() {
    let scene = Scene::new();
    let proxy = scene.hurt(1, Fault::Corrupt);
    let machine = Machine::new();
    let message = text(&machine.pull(&machine.request(&name(&proxy))).0.unwrap_err());
    assert!(message.contains(&scene.digest) && message.contains("its digest is"), "{message}");
    let left = machine.partials();
    assert!(left.iter().all(|len| *len < 1_500_000), "{left:?}");
    assert!(machine.store().images().unwrap().is_empty());
    pull_well(&machine, &proxy);
}

#[test]
fn bad_bytes_of_an_earlier_pull_are_fetched_anew() {
    let scene = Scene::new();
    let cutting = scene.hurt(1, Fault::Cut(1_500_000));
    let machine = Machine::new();
    let mut request = machine.request(&name(&cutting));
    request.patience.retries = 0;
    machine.pull(&request).0.unwrap_err();
    let blobs = machine.dir.join("store/blobs");
    let hex = scene.digest.trim_start_matches("sha256:");
    let part = blobs.join("sha256").join(&hex[..2]).join(format!("{hex}.part"));
    let len = std::fs::metadata(&part).unwrap().len();
    std::fs::write(&part, vec![0; len as usize]).unwrap();
    let progress = pull_well(&machine, &cutting);
    assert!(progress.notes().iter().any(|n| n.contains("fetched anew")));
}

#[test]
fn a_busy_registry_is_given_the_time_it_asks_for() {
    let scene = Scene::new();
    for (status, after) in [("429 Too Many Requests", "1"), ("503 Unavailable", "0")] {
        let body = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#;
        let headers = vec![("Retry-After".to_owned(), after.to_owned())];
        let fault = Fault::Answer(status.to_owned(), headers, body.to_owned());
        let proxy = scene.hurt(2, fault.clone());
        let start = Instant::now();
        let progress = pull_well(&Machine::new(), &proxy);
        assert!(progress.notes().iter().any(|n| n.contains("slow down")), "{:?}", progress.notes());
        if after == "1" {
            assert!(start.elapsed().as_secs_f64() > 2.0);
        }
        let proxy = scene.hurt(99, fault);
        let machine = Machine::new();
        let mut request = machine.request(&name(&proxy));
        request.patience.retries = 1;
        let message = text(&machine.pull(&request).0.unwrap_err());
        assert!(message.contains("slow down"), "{message}");
    }
}

#[test]
fn cve_2020_15157_credentials_do_not_follow_a_redirect() {
    let scene = Scene::new();
    // Another origin: the same machine by another name. It even asks who we are.
    let elsewhere = Proxy::start(scene.registry.address(), |request, _| {
        if request.headers.contains_key("authorization") { Fault::Cut(0) } else { Fault::Pass }
    });
    let (digest, port) = (scene.digest.clone(), elsewhere.port());
    let proxy = Proxy::start(scene.registry.address(), move |request, _| {
        if request.headers.get("authorization").is_none_or(|a| !a.starts_with("Basic ")) {
            let ask = ("WWW-Authenticate".to_owned(), "Basic realm=\"x\"".to_owned());
            return Fault::Answer("401 Unauthorized".to_owned(), vec![ask], String::new());
        }
        if request.path.ends_with(&digest) {
            let to = format!("http://localhost:{port}{}?X-Signature=topsecret", request.path);
            let location = ("Location".to_owned(), to);
            return Fault::Answer(
                "307 Temporary Redirect".to_owned(),
                vec![location],
                String::new(),
            );
        }
        Fault::Pass
    });
    let machine = Machine::new();
    machine.auth.store(&proxy.host(), &super::password("me", "hidden-pw")).unwrap();
    pull_well(&machine, &proxy);
    let crossed = elsewhere.requests();
    assert!(!crossed.is_empty());
    for request in crossed {
        assert!(!request.headers.contains_key("authorization"), "{request:?}");
    }
}

#[test]
fn a_redirect_target_that_asks_who_we_are_is_not_told() {
    let scene = Scene::new();
    let thief = Proxy::start(scene.registry.address(), |_, _| {
        let ask = ("WWW-Authenticate".to_owned(), "Basic realm=\"x\"".to_owned());
        Fault::Answer("401 Unauthorized".to_owned(), vec![ask], String::new())
    });
    let location = format!("http://localhost:{}/x?sig=topsecret", thief.port());
    let headers = vec![("Location".to_owned(), location)];
    let proxy = scene.hurt(99, Fault::Answer("302 Found".to_owned(), headers, String::new()));
    let machine = Machine::new();
    machine.auth.store(&proxy.host(), &super::password("me", "hidden-pw")).unwrap();
    let mut request = machine.request(&name(&proxy));
    request.patience.retries = 1;
    let message = text(&machine.pull(&request).0.unwrap_err());
    assert!(message.contains("redirect target answered 401"), "{message}");
    assert!(!message.contains("topsecret") && !message.contains("hidden"), "{message}");
    assert!(thief.requests().iter().all(|r| !r.headers.contains_key("authorization")));
}

#[test]
fn redirects_come_to_an_end() {
    let scene = Scene::new();
    let headers = vec![("Location".to_owned(), "/v2/again".to_owned())];
    let answer = Fault::Answer("302 Found".to_owned(), headers, String::new());
    let proxy = Proxy::start(scene.registry.address(), move |_, _| answer.clone());
    let machine = Machine::new();
    let message = text(&machine.pull(&machine.request(&name(&proxy))).0.unwrap_err());
    assert!(message.contains("more than 10 redirects"), "{message}");
}

#[test]
fn tokens_are_fetched_and_renewed_when_the_registry_forgets_them() {
    let scene = Scene::new();
    let (issued, digest) = (Arc::new(AtomicUsize::new(0)), scene.digest.clone());
    let counter = issued.clone();
    let realm = Arc::new(std::sync::OnceLock::<String>::new());
    let told = realm.clone();
    let proxy = Proxy::start(scene.registry.address(), move |request, _| {
        let answer =
            |status: &str, headers, body: String| Fault::Answer(status.to_owned(), headers, body);
        if request.path.starts_with("/token?") {
            let n = counter.fetch_add(1, Ordering::Relaxed) + 1;
            return answer("200 OK", vec![], format!(r#"{{"token":"T{n}","expires_in":300}}"#));
        }
        // The first token is forgotten when the big layer is asked for.
        let wanted = if request.path.ends_with(&digest) { "Bearer T2" } else { "Bearer T" };
        if request.headers.get("authorization").is_some_and(|a| a.starts_with(wanted)) {
            return Fault::Pass;
        }
        let ask = format!(
            r#"Bearer realm="{}",service="test",scope="repository:box:pull""#,
            told.get().unwrap()
        );
        answer("401 Unauthorized", vec![("WWW-Authenticate".to_owned(), ask)], String::new())
    });
    realm.set(format!("http://{}/token", proxy.host())).unwrap();
    let machine = Machine::new();
    machine.auth.store(&proxy.host(), &super::password("me", "pw")).unwrap();
    pull_well(&machine, &proxy);
    assert_eq!(issued.load(Ordering::Relaxed), 2);
    let token = proxy.requests().into_iter().find(|r| r.path.starts_with("/token")).unwrap();
    assert!(token.path.contains("scope=repository%3Abox%3Apull"), "{}", token.path);
    assert_eq!(token.headers["authorization"], "Basic bWU6cHc=");
}

#[test]
fn an_endless_manifest_is_not_read() {
    let scene = Scene::new();
    let body = "x".repeat((4 << 20) + 1);
    let proxy = Proxy::start(scene.registry.address(), move |_, _| {
        Fault::Answer("200 OK".to_owned(), vec![], body.clone())
    });
    let machine = Machine::new();
    let message = text(&machine.pull(&machine.request(&name(&proxy))).0.unwrap_err());
    assert!(message.contains("4194304 bytes allowed for a manifest"), "{message}");
}

#[test]
fn a_full_disk_gives_one_error_and_a_valid_store() {
    if !rustix::process::geteuid().is_root() {
        crate::skip!("only root can make a small file system");
    }
    let scene = Scene::new();
    let proxy = scene.hurt(0, Fault::Pass);
    let machine = Machine::new();
    let store = machine.dir.join("store");
    std::fs::create_dir(&store).unwrap();
    let path = store.to_str().unwrap();
    crate::harness::run("mount", &["-t", "tmpfs", "-o", "size=1500k", "tmpfs", path]);
    let result = machine.pull(&machine.request(&name(&proxy))).0;
    let images = machine.store().images().unwrap().len();
    crate::harness::run("mount", &["-o", "remount,size=20m", path]);
    let again = machine.pull(&machine.request(&name(&proxy))).0;
    crate::harness::run("umount", &[path]);
    let message = text(&result.unwrap_err());
    assert!(message.contains("no space left in") && message.contains("sha256:"), "{message}");
    assert_eq!(images, 0);
    again.unwrap();
}

/// Not a test of its own: what [`a_killed_pull_goes_on_where_it_was`] kills.
#[test]
#[ignore = "run by another test in a process of its own"]
fn child_that_pulls() {
    let (Ok(dir), Ok(name)) = (std::env::var("TEST_PULL_DIR"), std::env::var("TEST_PULL_NAME"))
    else {
        return;
    };
    let machine = Machine::at(Scratch::borrowed(dir.as_ref()));
    let mut request = machine.request(&name);
    request.patience.stall = Duration::from_secs(60);
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let before = threads();
    let _ = machine.pull(&request);
    assert_eq!(threads(), before);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap();
    std::fs::write(machine.dir.join("peak"), peak.trim().trim_end_matches(" kB")).unwrap();
}

/// Starts [`child_that_pulls`] on `machine`.
fn spawn_pull(machine: &Machine, name: &str) -> std::process::Child {
    std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "image::faults::child_that_pulls", "--ignored"])
        .env("TEST_PULL_DIR", machine.dir.path())
        .env("TEST_PULL_NAME", name)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn memory_does_not_grow_with_the_image() {
    let registry = Registry::start(Options::default());
    let name = registry.push(&TestImage::new(&[40_000_000, 40_000_000, 40_000_000]), "box:1");
    let machine = Machine::new();
    assert!(spawn_pull(&machine, &name).wait().unwrap().success());
    assert_eq!(machine.store().images().unwrap().len(), 1);
    let peak: u64 = std::fs::read_to_string(machine.dir.join("peak")).unwrap().parse().unwrap();
    assert!(peak < 64 << 10, "{peak} KiB");
}

#[test]
fn a_killed_pull_goes_on_where_it_was() {
    let scene = Scene::new();
    let proxy = scene.hurt(1, Fault::Stall(1_500_000));
    let machine = Machine::new();
    let mut child = spawn_pull(&machine, &name(&proxy));
    let end = Instant::now() + Duration::from_secs(20);
    while machine.partials().into_iter().max().unwrap_or(0) < 1_500_000 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = machine.partials().into_iter().max().unwrap();
    assert_eq!(kept, 1_500_000);
    let progress = pull_well(&machine, &proxy);
    let asked = scene.asked(&proxy);
    assert_eq!(asked[1].headers["range"], "bytes=1500000-");
    let big = came(&progress, &scene.digest);
    assert_eq!(big, scene.size - kept, "not one byte came twice");
}

#[test]
fn what_no_engine_should_run_is_refused_with_the_way_out() {
    let scene = Scene::new();
    let digest = &scene.digest;
    let layer = |kind: &str| {
        format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.oci.image.config.v1+json",
            "digest":"{digest}","size":3}},"layers":[{{"mediaType":"{kind}","digest":"{digest}","size":3}}]}}"#
        )
    };
    let cases = [
        (r#"{"schemaVersion":1,"fsLayers":[]}"#.to_owned(), "push the image again"),
        (layer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), "is foreign"),
        ("<html>".to_owned(), "manifest is not valid"),
    ];
    for (body, word) in cases {
        let proxy = Proxy::start(scene.registry.address(), move |_, _| {
            Fault::Answer("200 OK".to_owned(), vec![], body.clone())
        });
        let machine = Machine::new();
        let message = text(&machine.pull(&machine.request(&name(&proxy))).0.unwrap_err());
        assert!(message.contains(word), "{message:?} lacks {word:?}");
    }
}

#[test]
fn a_manifest_with_another_digest_is_refused() {
    let scene = Scene::new();
    let lie = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    let proxy = Proxy::start(scene.registry.address(), move |_, _| {
        let header = ("Docker-Content-Digest".to_owned(), lie.to_owned());
        Fault::Answer("200 OK".to_owned(), vec![header], "{}".to_owned())
    });
    let machine = Machine::new();
    for name in [name(&proxy), format!("{}/box@{lie}", proxy.host())] {
        let message = text(&machine.pull(&machine.request(&name)).0.unwrap_err());
        assert!(message.contains(&format!("wanted {lie}")), "{message}");
    }
}

#[test]
fn a_mirror_with_wrong_bytes_is_left_for_the_registry() {
    let scene = Scene::new();
    let mirror = scene.hurt(99, Fault::Corrupt);
    let mut machine = Machine::new();
    let conf = format!(
        "[[registry]]\nlocation = \"{}\"\n[[registry.mirror]]\nlocation = \"{}\"\n",
        scene.registry.host(),
        mirror.host()
    );
    machine.registries = Registries::parse("registries.conf".as_ref(), &conf).unwrap();
    let name = format!("{}/box:1", scene.registry.host());
    let (result, progress) = machine.pull(&machine.request(&name));
    let record = result.unwrap_or_else(|e| panic!("{}", text(&e)));
    assert_eq!(machine.store().find_ref(&name).unwrap().unwrap(), record);
    let said = format!("{}/box sent wrong bytes for blob {}", mirror.host(), scene.digest);
    assert!(progress.notes()[0].contains(&said), "{:?}", progress.notes());
    assert_eq!(progress.notes().len(), 1, "{:?}", progress.notes());
    assert!(!scene.asked(&mirror).is_empty());
}

#[test]
fn a_mirror_that_dies_in_the_middle_is_followed_by_the_registry() {
    let scene = Scene::new();
    let mirror = scene.hurt(99, Fault::Cut(0));
    let mut machine = Machine::new();
    let conf = format!(
        "[[registry]]\nlocation = \"{}\"\n[[registry.mirror]]\nlocation = \"{}\"\n",
        scene.registry.host(),
        mirror.host()
    );
    machine.registries = Registries::parse("registries.conf".as_ref(), &conf).unwrap();
    let name = format!("{}/box:1", scene.registry.host());
    let (result, progress) = machine.pull(&machine.request(&name));
    result.unwrap_or_else(|e| panic!("{}", text(&e)));
    assert!(
        progress.notes().iter().any(|n| n.contains(&format!("trying {}", scene.registry.host())))
    );
}
