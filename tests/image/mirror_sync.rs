//! `mirror sync` into a real bucket, and what is pulled from there.

use super::{Machine, text};
use crate::harness::image::{TestImage, noise};
use crate::harness::proxy::{Fault, Proxy};
use crate::harness::registry::{Options, Registry};
use crate::harness::s3::{BUCKET, S3};
use crate::harness::{Scratch, run};
use bolt::image::config::drift::KeyTemplate;
use bolt::image::mirror::{MirrorError, MirrorRequest, Mirrored, sync};
use bolt::image::progress::Recording;
use bolt::image::s3::place::Place;
use std::time::Duration;

fn mirror(
    machine: &Machine,
    image: &str,
    place: Place,
    name: Option<&str>,
) -> (Result<Mirrored, MirrorError>, Recording) {
    let journal = machine.dir.join("uploads.json");
    let mut wanted = machine.request(image);
    // s3s-fs hashes slowly.
    wanted.patience.stall = Duration::from_secs(20);
    let request = MirrorRequest {
        image: wanted,
        one_platform: false,
        place,
        name: name.map(str::to_owned),
        journal: Some(&journal),
    };
    let progress = Recording::default();
    let result = sync(&request, &machine.store(), &progress);
    (result, progress)
}

#[test]
fn a_bucket_is_filled_once_and_pulled_from() {
    let s3 = s3!();
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[3000, 20_000_000]);
    let name = registry.push(&image, "games/box:1");
    let machine = Machine::new();
    let recorder = Proxy::start(s3.address(), |_, _| Fault::Pass);
    let place = || S3::place(&format!("http://{}", recorder.host()), "m");
    let (done, _) = mirror(&machine, &name, place(), None);
    let done = done.unwrap_or_else(|e| panic!("{}", text(&e)));
    // Three layers, the configuration, the manifest.
    assert_eq!((done.uploaded, done.present), (5, 0));
    assert!(machine.partials().is_empty());
    let parts = recorder.requests().iter().filter(|r| r.path.contains("partNumber=")).count();
    assert_eq!(parts, 3, "20 MB in parts of 8 MiB");
    let conditional = recorder
        .requests()
        .into_iter()
        .filter(|r| r.method == "PUT")
        .filter(|r| r.path.contains("/blobs/") && !r.path.contains("partNumber="));
    for request in conditional {
        assert_eq!(request.headers["if-none-match"], "*", "{request:?}");
    }
    let (again, progress) = mirror(&machine, &name, place(), None);
    assert_eq!(again.unwrap(), Mirrored { uploaded: 0, bytes: 0, present: 5 });
    assert_eq!(progress.transferred(), 0);
    // Another image beside it, under a name of its own, with what both share sent once.
    image.add(|root| std::fs::write(root.join("more"), "x").unwrap());
    let (second, _) = mirror(&machine, &image.source(), place(), Some("v2"));
    let second = second.unwrap();
    assert_eq!((second.uploaded, second.present), (3, 3));
    for (tag, layers) in [(name.as_str(), 3), ("v2", 4)] {
        let machine = Machine::new();
        let bucket = format!("s3://{BUCKET}/m:{tag}");
        let mut request = machine.request(&bucket);
        request.buckets.named = Some(place());
        let record = machine.pull(&request).0.unwrap_or_else(|e| panic!("{}", text(&e)));
        assert_eq!(record.layers.len(), layers);
        let chain = &record.layers[2].chain_id;
        let layer = machine.store().layer_path(bolt::store::Layout::Single, chain);
        assert!(std::fs::read(layer.join("data/1")).unwrap() == noise(78, 20_000_000));
    }
    // skopeo takes the very files for a layout.
    let files = Scratch::new();
    run("cp", &["-r", s3.file("m").to_str().unwrap(), files.join("m").to_str().unwrap()]);
    let read =
        run("skopeo", &["inspect", "--raw", &format!("oci:{}:v2", files.join("m").display())]);
    assert!(read.contains("layers"), "{read}");
}

/// A way to the store on which requests with `word` in their address are refused.
fn refusing(s3: &S3, word: &'static str) -> Proxy {
    Proxy::start(s3.address(), move |request, _| {
        let denied = || Fault::Answer("403 Forbidden".to_owned(), Vec::new(), String::new());
        if request.path.contains(word) { denied() } else { Fault::Pass }
    })
}

#[test]
fn a_broken_upload_goes_on_where_it_was() {
    let s3 = s3!();
    let image = TestImage::new(&[30_000_000]);
    let machine = Machine::new();
    // The third part does not get through.
    let broken = refusing(&s3, "partNumber=3");
    let at = |proxy: &Proxy| S3::place(&format!("http://{}", proxy.host()), "m");
    let message = text(&mirror(&machine, &image.source(), at(&broken), None).0.unwrap_err());
    assert!(message.contains("refuses access"), "{message}");
    // The same bucket by the same name: the journal knows places by it.
    let journal = std::fs::read_to_string(machine.dir.join("uploads.json")).unwrap();
    let whole = Proxy::start(s3.address(), |_, _| Fault::Pass);
    let journal = journal.replace(&broken.host(), &whole.host());
    std::fs::write(machine.dir.join("uploads.json"), journal).unwrap();
    mirror(&machine, &image.source(), at(&whole), None)
        .0
        .unwrap_or_else(|e| panic!("{}", text(&e)));
    let sent: Vec<String> = whole.requests().into_iter().map(|r| r.path).collect();
    let part = |n: u32| sent.iter().filter(|p| p.contains(&format!("partNumber={n}&"))).count();
    assert_eq!((part(1), part(3), part(4)), (0, 1, 1), "{sent:?}");
    let (digest, size) = image.layers()[1].clone();
    let file = s3.file(&format!("m/blobs/sha256/{}", digest.trim_start_matches("sha256:")));
    assert_eq!(std::fs::metadata(file).unwrap().len(), size);
}

#[test]
fn an_upload_that_the_server_dropped_begins_anew() {
    let s3 = s3!();
    let image = TestImage::new(&[20_000_000]);
    let machine = Machine::new();
    let denied = || Fault::Answer("403 Forbidden".to_owned(), Vec::new(), String::new());
    let ends =
        |r: &crate::harness::proxy::Request| r.method == "POST" && r.path.contains("uploadId=");
    let broken =
        Proxy::start(s3.address(), move |r, _| if ends(r) { denied() } else { Fault::Pass });
    let at = |proxy: &Proxy| S3::place(&format!("http://{}", proxy.host()), "m");
    mirror(&machine, &image.source(), at(&broken), None).0.unwrap_err();
    // As a kill in the middle of the end leaves it: the server has dropped the id, the journal has
    // it still.
    let file = machine.dir.join("uploads.json");
    let whole = Proxy::start(s3.address(), |_, _| Fault::Pass);
    let journal = std::fs::read_to_string(&file).unwrap().replace(&broken.host(), &whole.host());
    std::fs::write(&file, &journal).unwrap();
    let journal: serde_json::Value = serde_json::from_str(&journal).unwrap();
    let mut uploads = journal["uploads"].as_object().unwrap().values();
    let lost = uploads.next().unwrap()["id"].as_str().unwrap();
    std::fs::remove_file(s3.file("..").join(format!(".upload-{lost}.json"))).unwrap();
    mirror(&machine, &image.source(), at(&whole), None)
        .0
        .unwrap_or_else(|e| panic!("{}", text(&e)));
    assert!(whole.requests().iter().any(|r| r.path.contains(lost)));
    let (digest, size) = image.layers()[1].clone();
    let there = s3.file(&format!("m/blobs/sha256/{}", digest.trim_start_matches("sha256:")));
    assert_eq!(std::fs::metadata(there).unwrap().len(), size);
    assert!(!std::fs::read_to_string(&file).unwrap().contains(lost));
}

#[test]
fn a_template_puts_blobs_where_others_look_for_them() {
    let s3 = s3!();
    let image = TestImage::new(&[3000]);
    let (digest, size) = image.layers()[1].clone();
    let hex = digest.trim_start_matches("sha256:");
    for (template, key) in [
        ("blobs/sh/{digest}", format!("blobs/sh/{digest}")),
        ("blobs/sha256/{digest}", format!("blobs/sha256/{digest}")),
        ("blobs/sha256/{hex:2}/{hex}", format!("blobs/sha256/{}/{hex}", &hex[..2])),
        (
            "docker/registry/v2/blobs/sha256/{hex:2}/{hex}/data",
            format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]),
        ),
    ] {
        let place = Place {
            template: KeyTemplate::parse(template).unwrap(),
            ..S3::place(&s3.endpoint(), "t")
        };
        let machine = Machine::new();
        mirror(&machine, &image.source(), place.clone(), None).0.unwrap();
        assert_eq!(std::fs::metadata(s3.file(&format!("t/{key}"))).unwrap().len(), size);
        assert!(!s3.file("t/index.json").exists());
        // And a registry's image is pulled from there.
        let registry = Registry::start(Options::default());
        let recorder = Proxy::start(registry.address(), |_, _| Fault::Pass);
        registry.push(&image, "box:1");
        let name = format!("{}/box:1", recorder.host());
        let machine = Machine::new();
        let mut request = machine.request(&name);
        request.buckets.mirrors = vec![place];
        machine.pull(&request).0.unwrap();
        assert!(recorder.requests().iter().all(|r| !r.path.contains("/blobs/")));
    }
}

#[test]
fn what_a_lying_mirror_sent_is_not_copied() {
    let s3 = s3!();
    let registry = Registry::start(Options::default());
    let image = TestImage::new(&[30_000_000]);
    let name = registry.push(&image, "box:1");
    s3.copy(&image.layout(), "from");
    // Wrong bytes in ranges only, and behind what sources are compared by.
    let liar = Proxy::start(s3.address(), |request, _| {
        if request.headers.contains_key("range") { Fault::CorruptAt(900_000) } else { Fault::Pass }
    });
    let machine = Machine::new();
    let mut wanted = machine.request(&name);
    wanted.patience.stall = Duration::from_secs(20);
    wanted.buckets.mirrors = vec![
        S3::place(&format!("http://{}", liar.host()), "from"),
        S3::place(&s3.endpoint(), "from"),
    ];
    let place = S3::place(&s3.endpoint(), "to");
    let request =
        MirrorRequest { image: wanted, one_platform: false, place, name: None, journal: None };
    let progress = Recording::default();
    sync(&request, &machine.store(), &progress).unwrap_or_else(|e| panic!("{}", text(&e)));
    let notes = progress.notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains(&format!("{} sent wrong", liar.host())), "{notes:?}");
    let (digest, _) = image.layers()[1].clone();
    let path = format!("blobs/sha256/{}", digest.trim_start_matches("sha256:"));
    let copied = run("sha256sum", &[s3.file(&format!("to/{path}")).to_str().unwrap()]);
    assert!(copied.starts_with(digest.trim_start_matches("sha256:")), "{copied}");
}

#[test]
fn an_object_that_somebody_else_writes_counts_when_it_is_there() {
    let s3 = s3!();
    let image = TestImage::new(&[3000, 20_000_000]);
    let conflict = || {
        let body = "<Error><Code>ConditionalRequestConflict</Code></Error>";
        Fault::Answer("409 Conflict".to_owned(), Vec::new(), body.to_owned())
    };
    let written = |request: &crate::harness::proxy::Request| {
        request.headers.contains_key("if-none-match") && request.path.contains("/blobs/")
    };
    // The other writer fails: ours gets through when it is tried again.
    let once = Proxy::start(s3.address(), move |request, before| match before {
        0..4 if written(request) => conflict(),
        _ => Fault::Pass,
    });
    let at = |proxy: &Proxy| S3::place(&format!("http://{}", proxy.host()), "m");
    let (done, progress) = mirror(&Machine::new(), &image.source(), at(&once), None);
    assert_eq!(done.unwrap_or_else(|e| panic!("{}", text(&e))).uploaded, 5);
    assert!(progress.notes().iter().any(|note| note.contains("answered 409")));
    let (digest, size) = image.layers()[1].clone();
    let file = s3.file(&format!("m/blobs/sha256/{}", digest.trim_start_matches("sha256:")));
    assert_eq!(std::fs::metadata(file).unwrap().len(), size);
    // It goes on and on: nothing is there, and nothing is said to be.
    let always = Proxy::start(s3.address(), move |request, _| match written(request) {
        true => conflict(),
        false => Fault::Pass,
    });
    let place = Place { prefix: "other".to_owned(), ..at(&always) };
    let message = text(&mirror(&Machine::new(), &image.source(), place, None).0.unwrap_err());
    assert!(message.contains("answered 409"), "{message}");
}

/// A HEAD is answered without a body, which would say why.
#[test]
fn credentials_that_have_expired_are_told_before_anything_is_sent() {
    let image = TestImage::new(&[3000]);
    let expired = Proxy::start(([127, 0, 0, 1], 1).into(), |request, _| {
        let body = match request.method.as_str() {
            "HEAD" => "",
            _ => "<Error><Code>ExpiredToken</Code><Message>m</Message></Error>",
        };
        Fault::Answer("400 Bad Request".to_owned(), Vec::new(), body.to_owned())
    });
    let place = S3::place(&format!("http://{}", expired.host()), "m");
    let machine = Machine::new();
    let message = text(&mirror(&machine, &image.source(), place, None).0.unwrap_err());
    assert!(message.contains("have expired; get new ones"), "{message}");
    assert!(expired.requests().iter().all(|r| r.method != "PUT"));
}

#[test]
fn an_upload_without_parts_does_not_stay_open() {
    let s3 = s3!();
    let image = TestImage::new(&[20_000_000]);
    let machine = Machine::new();
    let broken = refusing(&s3, "partNumber=");
    let at = |proxy: &Proxy| S3::place(&format!("http://{}", proxy.host()), "m");
    mirror(&machine, &image.source(), at(&broken), None).0.unwrap_err();
    let file = machine.dir.join("uploads.json");
    let whole = Proxy::start(s3.address(), |_, _| Fault::Pass);
    let journal = std::fs::read_to_string(&file).unwrap().replace(&broken.host(), &whole.host());
    std::fs::write(&file, &journal).unwrap();
    let journal: serde_json::Value = serde_json::from_str(&journal).unwrap();
    let mut uploads = journal["uploads"].as_object().unwrap().values();
    let open = uploads.next().unwrap()["id"].as_str().unwrap().to_owned();
    mirror(&machine, &image.source(), at(&whole), None)
        .0
        .unwrap_or_else(|e| panic!("{}", text(&e)));
    let aborted =
        |r: &crate::harness::proxy::Request| r.method == "DELETE" && r.path.contains(&open);
    assert!(whole.requests().iter().any(aborted));
}

#[test]
fn a_clock_that_is_wrong_is_told_by_the_time_of_the_server() {
    let image = TestImage::new(&[3000]);
    let skewed = Proxy::start(([127, 0, 0, 1], 1).into(), |_, _| {
        let body = "<Error><Code>RequestTimeTooSkewed</Code><ServerTime>2020-01-01T00:00:00Z\
                    </ServerTime></Error>";
        Fault::Answer("403 Forbidden".to_owned(), Vec::new(), body.to_owned())
    });
    let place = S3::place(&format!("http://{}", skewed.host()), "m");
    let message = text(&mirror(&Machine::new(), &image.source(), place, None).0.unwrap_err());
    assert!(message.contains("min ahead of") && !message.contains(" 15 min"), "{message}");
}
