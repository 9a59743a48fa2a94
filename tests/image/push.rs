//! Pushing: to a real docker-registry and to ferro, through faults, to layouts and archives.

use super::{Machine, password, text};
use crate::harness::ferro::Ferro;
use crate::harness::image::TestImage;
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::registry::{Options, PASSWORD, Registry, USER};
use crate::harness::{Scratch, run};
use bolt::image::config::auth::Credentials;
use bolt::image::config::certs::HostCerts;
use bolt::image::progress::{Event, Recording};
use bolt::image::push::{
    Destination, Folder, Packing, PushError, PushRequest, Pushed, RegistryPlace, Tarball, push,
};
use bolt::image::reference::Reference;
use bolt::image::registry::{Endpoint, Patience, Repository, Rights};
use bolt::image::types::ImageRecord;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What is asked of a push.
#[derive(Default)]
struct Wish {
    packing: Option<Packing>,
    credentials: Option<Credentials>,
}

impl Machine {
    /// Pulls an image from where it was built.
    fn with(&self, image: &TestImage, keep_blobs: bool) -> ImageRecord {
        let mut request = self.request(&image.source());
        request.keep_blobs = keep_blobs;
        self.pull(&request).0.unwrap()
    }

    /// Pushes to a registry; what the user would have seen comes too.
    fn push(
        &self,
        image: &ImageRecord,
        to: &str,
        wish: &Wish,
    ) -> (Result<Pushed, PushError>, Recording) {
        let progress = Recording::default();
        let endpoint = Endpoint {
            reference: Reference::parse(to).unwrap().with_default_tag(),
            insecure: true,
            credentials: wish.credentials.clone(),
            certs: HostCerts::default(),
        };
        let patience = Patience {
            first_wait: Duration::from_millis(20),
            longest_wait: Duration::from_secs(2),
            ..Patience::default()
        };
        let result = {
            let repository =
                Repository::open(endpoint, Rights::Push, &self.proxies, &patience, &progress);
            self.push_to(image, &RegistryPlace::new(repository.unwrap()), wish, &progress)
        };
        (result, progress)
    }

    fn push_to(
        &self,
        image: &ImageRecord,
        to: &dyn Destination,
        wish: &Wish,
        progress: &Recording,
    ) -> Result<Pushed, PushError> {
        let store = self.store();
        let names = store.names_of(&image.manifest).unwrap();
        let (packing, format) = (wish.packing, None);
        let request = PushRequest { image, names: &names, packing, level: Some(1), format };
        push(&request, &store, to, progress)
    }

    /// Pulls what was pushed into another store, and compares all files of the last layer.
    fn check_pulled(&self, image: &ImageRecord, name: &str) -> ImageRecord {
        let other = Machine::new();
        let record = other.pull(&other.request(name)).0.unwrap_or_else(|e| panic!("{}", text(&e)));
        assert_eq!(record.id, image.id);
        let ids = |r: &ImageRecord| r.layers.iter().map(|l| l.diff_id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&record), ids(image));
        run(
            "diff",
            &["-r", self.top(image).to_str().unwrap(), other.top(&record).to_str().unwrap()],
        );
        record
    }
}

fn well((result, progress): (Result<Pushed, PushError>, Recording)) -> (Pushed, Recording) {
    (result.unwrap_or_else(|e| panic!("{}", text(&e))), progress)
}

fn requests(proxy: &Proxy, method: &str) -> usize {
    proxy.requests().iter().filter(|r| r.method == method).count()
}

#[test]
fn dropped_blobs_are_packed_anew_the_same_each_time() {
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[3000, 400_000]);
    let machine = Machine::new();
    let record = machine.with(&image, false);
    let name = format!("{}/team/box:1", registry.host());
    let (pushed, progress) = well(machine.push(&record, &name, &Wish::default()));
    assert_eq!(pushed.repacked, 3);
    assert_ne!(pushed.manifest.digest, record.manifest);
    assert!(progress.transferred() > 400_000);
    let pulled = machine.check_pulled(&record, &name);
    assert_eq!(pulled.manifest, pushed.manifest.digest);
    let told: serde_json::Value = serde_json::from_str(&run(
        "skopeo",
        &["inspect", "--tls-verify=false", &format!("docker://{name}")],
    ))
    .unwrap();
    assert_eq!(told["Digest"], pushed.manifest.digest.as_str());
    // Packed again, the blobs are found there.
    let (again, progress) = well(machine.push(&record, &name, &Wish::default()));
    assert_eq!(again, pushed);
    assert_eq!(progress.transferred(), 0);
    let exists = progress.events().iter().filter(|e| matches!(e, Event::Exists(_))).count();
    assert_eq!(exists, 4);
}

#[test]
fn kept_blobs_keep_every_digest() {
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[50_000]);
    let machine = Machine::new();
    let record = machine.with(&image, true);
    let name = format!("{}/box:1", registry.host());
    let (pushed, _) = well(machine.push(&record, &name, &Wish::default()));
    assert_eq!((pushed.repacked, &pushed.manifest.digest), (0, &record.manifest));
    assert_eq!(machine.check_pulled(&record, &name).manifest, record.manifest);
}

#[test]
fn blobs_of_a_neighbour_are_mounted() {
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[400_000]);
    let from = registry.push(&image, "first/box:1");
    let machine = Machine::new();
    let record = machine.pull(&machine.request(&from)).0.unwrap();
    let name = format!("{}/second/box:1", registry.host());
    let (pushed, progress) = well(machine.push(&record, &name, &Wish::default()));
    assert_eq!((pushed.repacked, &pushed.manifest.digest), (0, &record.manifest));
    assert!(progress.transferred() < 10_000, "the configuration alone is sent");
    assert_eq!(progress.notes().iter().filter(|n| n.contains("mounted")).count(), 2);
    machine.check_pulled(&record, &name);
}

#[test]
fn another_compression_is_made_when_asked_for() {
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[50_000]);
    let machine = Machine::new();
    let record = machine.with(&image, true);
    let name = format!("{}/box:1", registry.host());
    let wish = Wish { packing: Some(Packing::Zstd), ..Wish::default() };
    let (pushed, _) = well(machine.push(&record, &name, &wish));
    assert_eq!(pushed.repacked, 2);
    let pulled = machine.check_pulled(&record, &name);
    assert!(pulled.layers.iter().all(|l| l.blob.media_type.ends_with("+zstd")));
    let dir = Scratch::new();
    let target = format!("oci:{}:x", dir.join("copy").display());
    run(
        "skopeo",
        &["copy", "--quiet", "--src-tls-verify=false", &format!("docker://{name}"), &target],
    );
}

#[test]
fn layouts_and_archives_are_written_whole() {
    let image = TestImage::new(&[50_000]);
    let machine = Machine::new();
    let record = machine.with(&image, false);
    let dir = Scratch::new();
    let progress = Recording::default();
    let folder = Folder::open(&dir.join("layout"), Some("a:1".into())).unwrap();
    let first = machine.push_to(&record, &folder, &Wish::default(), &progress).unwrap();
    // A second name beside the first; nothing is written twice.
    let folder = Folder::open(&dir.join("layout"), Some("b:1".into())).unwrap();
    let second = machine.push_to(&record, &folder, &Wish::default(), &progress).unwrap();
    assert_eq!(first.manifest, second.manifest);
    let archive = Tarball::create(&dir.join("a.tar"), Some("a:1".into())).unwrap();
    machine.push_to(&record, &archive, &Wish::default(), &progress).unwrap();
    drop(archive);
    let places = [
        format!("oci:{}:a:1", dir.join("layout").display()),
        format!("oci:{}:b:1", dir.join("layout").display()),
        format!("oci-archive:{}:a:1", dir.join("a.tar").display()),
    ];
    for place in &places {
        machine.check_pulled(&record, place);
        let told = run("skopeo", &["inspect", place]);
        assert!(told.contains(first.manifest.digest.as_str()), "{place}: {told}");
    }
    // An archive given up leaves nothing, and no directory of other things is written to.
    drop(Tarball::create(&dir.join("b.tar"), None).unwrap());
    let mut left: Vec<_> =
        std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["a.tar", "layout"]);
    assert!(Folder::open(dir.path(), None).is_err());
}

#[test]
fn a_changed_file_is_not_pushed() {
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[5000]);
    let machine = Machine::new();
    let record = machine.with(&image, false);
    std::fs::write(machine.top(&record).join("data/0"), vec![7; 5000]).unwrap();
    let name = format!("{}/box:1", registry.host());
    let error = machine.push(&record, &name, &Wish::default()).0.unwrap_err();
    assert!(matches!(error, PushError::Changed(_)), "{error}");
    let other = Machine::new();
    assert!(other.pull(&other.request(&name)).0.is_err(), "no manifest was put");
}

#[test]
fn credentials_are_needed_and_never_shown() {
    let registry = Registry::start(Options { password: true, ..Options::default() });
    let image = TestImage::new(&[]);
    let machine = Machine::new();
    let record = machine.with(&image, false);
    let name = format!("{}/box:1", registry.host());
    for credentials in [None, Some(password(USER, "canary-of-a-password"))] {
        let (result, progress) =
            machine.push(&record, &name, &Wish { credentials, ..Wish::default() });
        let error = text(&result.unwrap_err());
        assert!(error.contains("bolt login"), "{error}");
        let seen = format!("{error} {:?}", progress.events());
        assert!(!seen.contains("canary"), "{seen}");
    }
    let credentials = Some(password(USER, PASSWORD));
    let (_, progress) =
        well(machine.push(&record, &name, &Wish { credentials, ..Wish::default() }));
    assert!(!format!("{:?}", progress.events()).contains(PASSWORD));
}

/// Three chunks of a layer that does not compress.
const BIG: usize = 40_000_000;

#[test]
fn a_chunk_that_was_not_sent_is_sent_again_and_no_other() {
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[BIG]);
    let machine = Machine::new();
    let record = machine.with(&image, true);
    let hits = AtomicUsize::new(0);
    let proxy = Proxy::start(registry.address(), move |request, _| {
        let second =
            request.headers.get("content-range").is_some_and(|r| r.starts_with("16777216-"));
        match second && hits.fetch_add(1, Ordering::Relaxed) == 0 {
            true => Fault::CutRequest(0),
            false => Fault::Pass,
        }
    });
    let name = format!("{}/box:1", proxy.host());
    let (_, progress) = well(machine.push(&record, &name, &Wish::default()));
    assert_eq!(requests(&proxy, "PATCH"), 4, "three chunks, one of them twice");
    assert_eq!(requests(&proxy, "GET"), 1, "the state of the upload");
    assert!(progress.notes().iter().any(|n| n.contains("retry 1 of 3")), "{:?}", progress.notes());
    machine.check_pulled(&record, &name);
}

#[test]
fn an_upload_that_the_registry_lost_is_begun_anew() {
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[BIG]);
    let machine = Machine::new();
    let record = machine.with(&image, true);
    let hits = AtomicUsize::new(0);
    // docker-registry keeps the bytes of a broken chunk, and then takes no more.
    let proxy = Proxy::start(registry.address(), move |request, _| {
        let second =
            request.headers.get("content-range").is_some_and(|r| r.starts_with("16777216-"));
        match second && hits.fetch_add(1, Ordering::Relaxed) == 0 {
            true => Fault::CutRequest(1_000_000),
            false => Fault::Pass,
        }
    });
    let name = format!("{}/box:1", proxy.host());
    well(machine.push(&record, &name, &Wish::default()));
    machine.check_pulled(&record, &name);
}

#[test]
fn answers_that_get_lost_cost_no_second_upload() {
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[2_000_000]);
    let machine = Machine::new();
    let record = machine.with(&image, true);
    let hits = AtomicUsize::new(0);
    let size = record.layers[1].blob.size.to_string();
    let proxy = Proxy::start(registry.address(), move |request, _| {
        let big = request.method == "PUT" && request.headers["content-length"] == size;
        match big && hits.fetch_add(1, Ordering::Relaxed) == 0 {
            true => Fault::LoseAnswer,
            false => Fault::Pass,
        }
    });
    let name = format!("{}/box:1", proxy.host());
    let (_, progress) = well(machine.push(&record, &name, &Wish::default()));
    assert!(progress.transferred() < 3_000_000 + 1_000_000, "{}", progress.transferred());
    assert_eq!(requests(&proxy, "PUT"), 4, "two layers, configuration, manifest");
    machine.check_pulled(&record, &name);
}

#[test]
fn a_busy_registry_and_a_narrow_one_get_the_image() {
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[2_500_000]);
    let machine = Machine::new();
    let record = machine.with(&image, true);
    let posts = AtomicUsize::new(0);
    let proxy = Proxy::start(registry.address(), move |request, _| {
        let busy = request.method == "POST" && posts.fetch_add(1, Ordering::Relaxed) == 0;
        let length = request.headers.get("content-length").and_then(|l| l.parse::<u64>().ok());
        if busy {
            let headers = vec![("Retry-After".to_owned(), "1".to_owned())];
            return Fault::Answer("503 Service Unavailable".into(), headers, String::new());
        }
        match length {
            // Drift takes no request of more than two megabytes.
            Some(2_097_153..) => Fault::Answer("413 Too Large".into(), vec![], String::new()),
            _ => Fault::Pass,
        }
    });
    let name = format!("{}/box:1", proxy.host());
    let (_, progress) = well(machine.push(&record, &name, &Wish::default()));
    assert!(progress.notes().iter().any(|n| n.contains("503")), "{:?}", progress.notes());
    assert!(requests(&proxy, "PATCH") >= 2);
    machine.check_pulled(&record, &name);
}

/// docker-registry does not find a blob while another client pushes the same one.
#[test]
fn a_blob_that_a_registry_does_not_see_at_once_is_waited_for() {
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[]);
    let machine = Machine::new();
    let record = machine.with(&image, true);
    for (blind, taken) in [(2, true), (usize::MAX, false)] {
        let puts = AtomicUsize::new(0);
        let proxy = Proxy::start(registry.address(), move |request, _| {
            let is_manifest = request.method == "PUT" && request.path.contains("/manifests/");
            if !is_manifest || puts.fetch_add(1, Ordering::Relaxed) >= blind {
                return Fault::Pass;
            }
            let text = r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown"}]}"#;
            Fault::Answer("400 Bad Request".into(), vec![], text.to_owned())
        });
        let name = format!("{}/seen:1", proxy.host());
        let (pushed, progress) = machine.push(&record, &name, &Wish::default());
        let notes = progress.notes();
        assert_eq!(notes.len(), if taken { 2 } else { 3 }, "{notes:?}");
        match pushed {
            Ok(_) => assert!(taken),
            Err(error) => assert!(!taken && format!("{error:?}").contains("MANIFEST_BLOB_UNKNOWN")),
        }
    }
}

#[test]
fn another_registry_takes_the_same_requests() {
    let ferro = match Ferro::start() {
        Ok(ferro) => ferro,
        Err(reason) => crate::skip!(reason),
    };
    let image = TestImage::new(&[BIG]);
    let machine = Machine::new();
    let record = machine.with(&image, true);
    let hits = AtomicUsize::new(0);
    let proxy = Proxy::start(ferro.address(), move |request, _| {
        let second =
            request.headers.get("content-range").is_some_and(|r| r.starts_with("16777216-"));
        match second && hits.fetch_add(1, Ordering::Relaxed) == 0 {
            true => Fault::CutRequest(1_000_000),
            false => Fault::Pass,
        }
    });
    let name = format!("{}/team/box:1", proxy.host());
    well(machine.push(&record, &name, &Wish::default()));
    let posts = proxy.requests().iter().filter(|r| r.method == "POST").count();
    assert_eq!(posts, 3, "one for each blob: the broken one went on where it was");
    machine.check_pulled(&record, &format!("{}/team/box:1", ferro.host()));
}

/// Every PATCH is answered as if nothing of it had been taken.
#[test]
fn a_registry_that_says_it_takes_nothing_is_not_sent_the_same_for_ever() {
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[40_000_000]);
    let machine = Machine::new();
    let record = machine.with(&image, true);
    let count = AtomicUsize::new(0);
    let liar = Proxy::start(registry.address(), move |request, _| {
        match request.method == "PATCH" && count.fetch_add(1, Ordering::Relaxed) < 12 {
            true => Fault::Header("Range", "0-0".to_owned()),
            false => Fault::Pass,
        }
    });
    well(machine.push(&record, &format!("{}/box:1", liar.host()), &Wish::default()));
    assert_eq!(requests(&liar, "PATCH"), 3);
    machine.check_pulled(&record, &format!("{}/box:1", registry.host()));
    // One byte more each time would have an end, but not in this life.
    let count = AtomicUsize::new(0);
    let slow = Proxy::start(registry.address(), move |request, _| {
        let at = || vec![("Location".to_owned(), "/v2/other/blobs/uploads/1".to_owned())];
        let answer =
            |status: &str, headers| Fault::Answer(status.to_owned(), headers, String::new());
        match request.method.as_str() {
            "POST" => answer("202 Accepted", at()),
            "PATCH" => {
                let byte = count.fetch_add(1, Ordering::Relaxed) + 1;
                let range = ("Range".to_owned(), format!("0-{byte}"));
                let status = if byte < 12 { "202 Accepted" } else { "400 Bad Request" };
                answer(status, [at(), vec![range]].concat())
            }
            "PUT" => answer("201 Created", at()),
            _ => Fault::Pass,
        }
    });
    let (result, _) = machine.push(&record, &format!("{}/other:1", slow.host()), &Wish::default());
    let message = text(&result.unwrap_err());
    assert!(message.contains("takes less of an upload than is sent"), "{message}");
    assert!(requests(&slow, "PATCH") < 12, "{}", requests(&slow, "PATCH"));
}
