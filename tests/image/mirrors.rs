//! Blobs from several buckets and the registry: who is asked, and who is left for what.

use super::{Machine, text};
use crate::harness::image::{TestImage, noise};
use crate::harness::proxy::{Fault, Proxy, Request};
use crate::harness::registry::{Options, Registry};
use crate::harness::s3::S3;
use bolt::image::config::registries::Registries;
use bolt::image::progress::Recording;
use bolt::image::s3::place::Place;
use bolt::image::source::history::History;
use std::time::{Duration, Instant};

/// A size at which a blob is fetched in ranges from all sources.
const BIG: usize = 40 << 20;

/// A registry with an image, and a bucket with its blobs.
pub(super) struct Scene {
    registry: Registry,
    pub(super) recorder: Proxy,
    pub(super) s3: S3,
    image: TestImage,
    name: String,
}

impl Scene {
    fn new(noises: &[usize]) -> Result<Self, String> {
        Self::behind(noises, Fault::Pass)
    }

    /// One whose registry does `fault` to every request for a blob.
    pub(super) fn behind(noises: &[usize], fault: Fault) -> Result<Self, String> {
        let s3 = S3::start()?;
        let registry = Registry::start(Options::default());
        let image = TestImage::new(noises);
        registry.push(&image, "box:1");
        s3.copy(&image.layout(), "mirror");
        let recorder = Proxy::start(registry.address(), move |request, _| {
            if is_blob(request) { fault.clone() } else { Fault::Pass }
        });
        let name = format!("{}/box:1", recorder.host());
        Ok(Scene { registry, recorder, s3, image, name })
    }

    /// A way to the bucket on which `fault` is done to every request for a blob.
    pub(super) fn mirror(&self, fault: Fault) -> Proxy {
        Proxy::start(
            self.s3.address(),
            move |request, _| {
                if is_blob(request) { fault.clone() } else { Fault::Pass }
            },
        )
    }

    pub(super) fn pull(&self, machine: &Machine, mirrors: &[&Proxy]) -> Recording {
        let history = machine.dir.join("sources.json");
        let mut request = machine.request(&self.name);
        request.buckets.history = Some(&history);
        // s3s-fs hashes the whole object before it sends a range of it.
        request.patience.stall = Duration::from_secs(20);
        request.buckets.mirrors = mirrors.iter().map(|m| place(m)).collect();
        let (result, progress) = machine.pull(&request);
        let record = result.unwrap_or_else(|e| panic!("{}: {:?}", text(&e), progress.notes()));
        for n in 0..record.layers.len() - 1 {
            let chain = &record.layers[n + 1].chain_id;
            let layer = machine.store().layer_path(bolt::store::Layout::Single, chain);
            let data = std::fs::read(layer.join(format!("data/{n}"))).unwrap();
            assert!(data == noise(n as u64 + 77, data.len()), "layer {n} is wrong");
        }
        assert!(machine.partials().is_empty());
        progress
    }

    /// Requests for blobs that reached the registry.
    pub(super) fn asked_of_registry(&self) -> usize {
        self.recorder.requests().iter().filter(|r| is_blob(r)).count()
    }

    fn size(&self) -> u64 {
        self.image.layers().iter().map(|(_, size)| size).sum()
    }
}

pub(super) fn is_blob(request: &Request) -> bool {
    request.path.contains("/blobs/sha256")
}

pub(super) fn place(mirror: &Proxy) -> Place {
    S3::place(&format!("http://{}", mirror.host()), "mirror")
}

pub(super) fn asked(mirror: &Proxy) -> usize {
    mirror.requests().iter().filter(|r| is_blob(r)).count()
}

macro_rules! scene {
    ($noises:expr) => {
        match Scene::new($noises) {
            Ok(scene) => scene,
            Err(reason) => crate::skip!(reason),
        }
    };
}

#[test]
fn blobs_come_from_the_mirrors_and_manifests_from_the_registry() {
    let scene = scene!(&[300_000, 200_000, 100_000, 50_000]);
    let (a, b) = (scene.mirror(Fault::Pass), scene.mirror(Fault::Pass));
    let machine = Machine::new();
    let progress = scene.pull(&machine, &[&a, &b]);
    assert_eq!(progress.notes(), Vec::<String>::new());
    assert_eq!(scene.asked_of_registry(), 0);
    assert!(asked(&a) > 0 && asked(&b) > 0, "{} {}", asked(&a), asked(&b));
    assert!(progress.transferred() < scene.size() + 20_000);
    let history = History::read(&machine.dir.join("sources.json"));
    for mirror in [&a, &b] {
        let record = history.of(&place(mirror).name()).unwrap();
        assert!(record.latency.is_some() && record.bytes > 0 && record.pulls == 1, "{record:?}");
    }
    // Nothing is fetched again.
    let before = asked(&a) + asked(&b);
    scene.pull(&machine, &[&a, &b]);
    assert_eq!(asked(&a) + asked(&b), before);
}

#[test]
fn a_big_blob_comes_in_ranges_from_both() {
    let scene = scene!(&[BIG]);
    let (a, b) = (scene.mirror(Fault::Slow(40 << 20)), scene.mirror(Fault::Slow(40 << 20)));
    let progress = scene.pull(&Machine::new(), &[&a, &b]);
    assert_eq!(progress.notes(), Vec::<String>::new());
    assert_eq!(scene.asked_of_registry(), 0);
    for mirror in [&a, &b] {
        let ranges: Vec<_> =
            mirror.requests().into_iter().filter_map(|r| r.headers.get("range").cloned()).collect();
        assert!(ranges.len() > 5, "{ranges:?}");
    }
}

#[test]
fn a_mirror_that_lacks_a_blob_is_no_fault() {
    let scene = scene!(&[300_000]);
    let (digest, _) = scene.image.layers()[1].clone();
    let hex = digest.trim_start_matches("sha256:");
    std::fs::remove_file(scene.s3.file(&format!("mirror/blobs/sha256/{hex}"))).unwrap();
    let a = scene.mirror(Fault::Pass);
    let progress = scene.pull(&Machine::new(), &[&a]);
    assert_eq!(progress.notes(), Vec::<String>::new());
    assert_eq!(scene.asked_of_registry(), 1);
}

#[test]
fn a_dead_mirror_is_left_in_one_line() {
    let scene = scene!(&[300_000, 200_000, 100_000]);
    let b = scene.mirror(Fault::Pass);
    let dead = Proxy::start(scene.s3.address(), |_, _| Fault::Cut(0));
    let progress = scene.pull(&Machine::new(), &[&dead, &b]);
    one_line(&progress, &dead);
    // Nobody listens at all.
    let gone = S3::place("http://127.0.0.1:9", "mirror");
    let machine = Machine::new();
    let mut request = machine.request(&scene.name);
    request.buckets.mirrors = vec![gone, place(&b)];
    let (result, progress) = machine.pull(&request);
    result.unwrap_or_else(|e| panic!("{}", text(&e)));
    assert_eq!(progress.notes().len(), 1, "{:?}", progress.notes());
    assert!(progress.notes()[0].contains("nothing listens"), "{:?}", progress.notes());
}

/// The one line that the user sees names the mirror.
pub(super) fn one_line(progress: &Recording, mirror: &Proxy) {
    let notes = progress.notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains(&mirror.host()), "{notes:?} lacks {}", mirror.host());
}

#[test]
fn a_mirror_that_cuts_is_left_and_its_bytes_are_kept() {
    let scene = scene!(&[2_000_000, 1_000_000]);
    let cutting = scene.mirror(Fault::Cut(500_000));
    let progress = scene.pull(&Machine::new(), &[&cutting]);
    assert!(progress.transferred() < scene.size() + 100_000, "{}", progress.transferred());
    one_line(&progress, &cutting);
}

/// The beginnings of the ranges that a mirror was asked for, without the part that all send.
fn beginnings(mirror: &Proxy) -> Vec<u64> {
    let first = |range: &String| range.trim_start_matches("bytes=").split('-').next()?.parse().ok();
    let requests = mirror.requests();
    let ranges = requests.iter().filter_map(|r| r.headers.get("range"));
    ranges.filter_map(first).filter(|at| *at != BIG as u64 / 2).collect()
}

#[test]
fn a_mirror_that_cuts_ranges_is_left_and_others_go_on_behind_its_bytes() {
    let scene = scene!(&[BIG]);
    for at in [300_000, 1_000_000] {
        let (cutting, good) = (scene.mirror(Fault::Cut(at)), scene.mirror(Fault::Pass));
        let progress = scene.pull(&Machine::new(), &[&cutting, &good]);
        one_line(&progress, &cutting);
        assert!(asked(&cutting) <= 8, "{}", asked(&cutting));
        let all = [beginnings(&cutting), beginnings(&good)].concat();
        let behind = |from: &&u64| **from % (2 << 20) == at as u64;
        assert!(all.iter().filter(behind).count() >= 2, "nothing of a range is lost: {all:?}");
    }
}

#[test]
fn mirrors_that_all_cut_ranges_are_left_for_the_registry() {
    let scene = scene!(&[BIG]);
    let (a, b) = (scene.mirror(Fault::Cut(300_000)), scene.mirror(Fault::Cut(1_000_000)));
    let progress = scene.pull(&Machine::new(), &[&a, &b]);
    let notes = progress.notes();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!([&a, &b].iter().all(|m| notes.iter().any(|n| n.contains(&m.host()))), "{notes:?}");
    assert!(asked(&a) + asked(&b) <= 16, "{} {}", asked(&a), asked(&b));
    assert!(scene.asked_of_registry() > 0);
}

#[test]
fn a_lone_mirror_that_cuts_again_and_again_is_left_for_the_registry() {
    let scene = scene!(&[6_000_000]);
    let cutting = scene.mirror(Fault::Cut(300_000));
    let progress = scene.pull(&Machine::new(), &[&cutting]);
    one_line(&progress, &cutting);
    // The configuration, the small layer, and three tries of the other.
    assert!(asked(&cutting) <= 5, "{}", asked(&cutting));
    assert!(scene.asked_of_registry() > 0);
    assert!(progress.transferred() < scene.size() + 20_000, "{}", progress.transferred());
}

/// Its ranges are half another's: who lied is told from who only cut.
#[test]
fn a_liar_is_found_by_ranges_that_two_have_sent() {
    let scene = scene!(&[BIG]);
    let ranges = |request: &Request| is_blob(request) && request.headers.contains_key("range");
    let lying = Proxy::start(scene.s3.address(), move |request, _| {
        if ranges(request) { Fault::CorruptAt(200_000) } else { Fault::Pass }
    });
    let cut = |behind: &Proxy| {
        Proxy::start(behind.address(), move |request, _| {
            if ranges(request) { Fault::Cut(900_000) } else { Fault::Pass }
        })
    };
    let (good, good_behind_cuts) = (scene.mirror(Fault::Pass), scene.mirror(Fault::Pass));
    let (cutting, cutting_liar) = (cut(&good_behind_cuts), cut(&lying));
    for (mirrors, liar) in [([&cutting, &lying], &lying), ([&cutting_liar, &good], &cutting_liar)] {
        let progress = scene.pull(&Machine::new(), &mirrors);
        let notes = progress.notes();
        let lies: Vec<_> = notes.iter().filter(|n| n.contains("sent wrong bytes")).collect();
        assert!(lies.len() == 1 && lies[0].contains(&liar.host()), "{notes:?}");
        assert_eq!(notes.len(), 2, "and one line for the cuts: {notes:?}");
    }
}

/// With several layers on their way, and the registry the only one that is left.
#[test]
fn a_lone_mirror_that_does_wrong_is_told_in_one_line() {
    let scene = scene!(&[800_000, 700_000, 600_000, 500_000, 400_000]);
    let answer = |status: &str, headers: &[(&str, &str)]| {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Fault::Answer(status.to_owned(), headers, String::new())
    };
    let endless = b"X-A: bbbbbbbbbbbbbbbb\r\n".to_vec();
    for fault in [
        Fault::Cut(1000),
        Fault::Cut(0),
        answer("503 Busy", &[]),
        answer("301 Moved", &[("x-amz-bucket-region", "eu-west-9")]),
        Fault::Endless("HTTP/1.1 200 OK\r\n".to_owned(), endless, Duration::ZERO),
    ] {
        let mirror = scene.mirror(fault);
        let progress = scene.pull(&Machine::new(), &[&mirror]);
        one_line(&progress, &mirror);
        let note = &progress.notes()[0];
        assert_eq!(note.matches("s3://").count(), 1, "{note}");
        assert!(note.ends_with("the other sources go on"), "{note}");
    }
}

#[test]
fn a_lying_mirror_of_the_registry_behind_a_cutting_bucket_is_left_for_the_registry() {
    let scene = scene!(&[3_000_000, 2_000_000, 1_000_000]);
    let bucket = scene.mirror(Fault::Cut(1000));
    let liar = Proxy::start(scene.registry.address(), |request, _| {
        if is_blob(request) { Fault::Corrupt } else { Fault::Pass }
    });
    let mut machine = Machine::new();
    let conf = format!(
        "[[registry]]\nlocation = \"{}\"\n[[registry.mirror]]\nlocation = \"{}\"\n",
        scene.recorder.host(),
        liar.host()
    );
    machine.registries = Registries::parse("registries.conf".as_ref(), &conf).unwrap();
    let progress = scene.pull(&machine, &[&bucket]);
    let notes = progress.notes();
    assert_eq!(notes.len(), 2, "one line for each: {notes:?}");
    assert!(notes.iter().any(|n| n.contains(&format!("{} sent wrong bytes", liar.host()))));
}

#[test]
fn redirects_in_circles_and_ignored_ranges_are_left_in_one_line() {
    let scene = scene!(&[BIG]);
    let good = scene.mirror(Fault::Slow(60 << 20));
    let circle = Proxy::start(scene.s3.address(), |request, _| {
        let to = vec![("Location".to_owned(), request.path.clone())];
        Fault::Answer("307 Temporary Redirect".to_owned(), to, String::new())
    });
    let progress = scene.pull(&Machine::new(), &[&circle, &good]);
    one_line(&progress, &circle);
    assert!(progress.notes()[0].contains("more than 10 redirects"), "{:?}", progress.notes());
    let ignoring = scene.mirror(Fault::IgnoreRange);
    let progress = scene.pull(&Machine::new(), &[&ignoring, &good]);
    one_line(&progress, &ignoring);
    assert!(progress.notes()[0].contains("ignores Range"), "{:?}", progress.notes());
}

#[test]
fn a_stalled_mirror_is_left_before_its_time_is_up() {
    let scene = scene!(&[BIG]);
    let good = scene.mirror(Fault::Slow(30 << 20));
    let slow = scene.mirror(Fault::Slow(300_000));
    let start = Instant::now();
    let progress = scene.pull(&Machine::new(), &[&slow, &good]);
    one_line(&progress, &slow);
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[test]
fn a_silent_mirror_is_left_for_the_registry() {
    let scene = scene!(&[300_000]);
    let silent = scene.mirror(Fault::Stall(0));
    let start = Instant::now();
    let progress = scene.pull(&Machine::new(), &[&silent]);
    one_line(&progress, &silent);
    assert!(progress.notes()[0].contains("no byte arrived for 5 s"), "{:?}", progress.notes());
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert!(scene.asked_of_registry() > 0);
}

#[test]
fn a_liar_is_named_and_asked_for_nothing_more() {
    let scene = scene!(&[300_000, 200_000, 100_000, 50_000]);
    let (liar, good) = (scene.mirror(Fault::Corrupt), scene.mirror(Fault::Pass));
    let machine = Machine::new();
    let progress = scene.pull(&machine, &[&liar, &good]);
    one_line(&progress, &liar);
    assert!(progress.notes()[0].contains("sent wrong bytes"), "{:?}", progress.notes());
    let history = History::read(&machine.dir.join("sources.json"));
    assert_eq!(history.of(&place(&liar).name()).unwrap().lies, 1);
    // The next pull begins with the other one.
    let again = Machine::new();
    std::fs::copy(machine.dir.join("sources.json"), again.dir.join("sources.json")).unwrap();
    let before = good.requests().len();
    scene.pull(&again, &[&liar, &good]);
    assert!(is_blob(&good.requests()[before]));
    assert_eq!(History::read(&again.dir.join("sources.json")).rank(&place(&liar).name()).0, 2);
}

#[test]
fn a_liar_in_a_divided_blob_is_found_by_what_all_send() {
    let scene = scene!(&[BIG]);
    let liar = scene.mirror(Fault::Corrupt);
    let good = scene.mirror(Fault::Pass);
    let progress = scene.pull(&Machine::new(), &[&liar, &good]);
    one_line(&progress, &liar);
    // Its configuration or its sample, and nothing after that.
    assert!(asked(&liar) <= 3, "{}", asked(&liar));
}

#[test]
fn a_liar_that_hides_is_found_by_fetching_its_parts_again() {
    let scene = scene!(&[BIG]);
    // Only ranges are hurt, and of them not the short one that all are compared by.
    let liar = Proxy::start(scene.s3.address(), |request, _| {
        let range = is_blob(request) && request.headers.contains_key("range");
        if range { Fault::CorruptAt(1_000_000) } else { Fault::Pass }
    });
    let good = scene.mirror(Fault::Pass);
    for mirrors in [[&liar, &good], [&good, &liar]] {
        let before = asked(&liar);
        let machine = Machine::new();
        let progress = scene.pull(&machine, &mirrors);
        one_line(&progress, &liar);
        let notes = progress.notes();
        let named = format!("{} sent wrong bytes", place(&liar).name());
        assert!(notes[0].contains(&named) && notes[0].contains("blob sha256:"), "{notes:?}");
        assert!(asked(&liar) > before);
    }
}

/// It is found out by one of them; what it sent of the others is wrong too.
#[test]
fn a_liar_with_several_layers_on_their_way_is_told_once() {
    let scene = scene!(&[BIG, 9_000_000, 8_000_000, 7_000_000]);
    let layers = scene.image.layers();
    let liar = Proxy::start(scene.s3.address(), move |request, _| {
        let hex = |digest: &str| digest.trim_start_matches("sha256:").to_owned();
        let layer = layers.iter().any(|(digest, _)| request.path.ends_with(&hex(digest)));
        if layer { Fault::CorruptAt(1000) } else { Fault::Pass }
    });
    let good = scene.mirror(Fault::Slow(60 << 20));
    for mirrors in [[&liar, &good], [&good, &liar]] {
        one_line(&scene.pull(&Machine::new(), &mirrors), &liar);
    }
}

#[test]
fn all_mirrors_lie_and_the_registry_serves() {
    let scene = scene!(&[300_000, 100_000]);
    let (a, b) = (scene.mirror(Fault::Corrupt), scene.mirror(Fault::Corrupt));
    let progress = scene.pull(&Machine::new(), &[&a, &b]);
    assert_eq!(progress.notes().len(), 2, "{:?}", progress.notes());
    assert!(scene.asked_of_registry() >= 2);
}
