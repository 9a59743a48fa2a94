//! Tests of the store as a whole.

use super::*;
use crate::image::types::{Descriptor, Digest, ImageRecord, LayerRecord, Platform, RunConfig};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicU32, Ordering};

struct Scratch(PathBuf);

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Scratch {
    fn new() -> (Scratch, Store) {
        let n = NUMBER.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("bolt-store-{}-{n}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let store = Store::open(&dir.join("store")).unwrap();
        (Scratch(dir), store)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn digest(text: &str) -> Digest {
    Digest::sha256_of(text.as_bytes())
}

/// Puts blobs, layers and record of an image with the given layers.
fn put(store: &Store, name: &str, layers: &[&str]) -> ImageRecord {
    let descriptor = |digest: Digest| Descriptor {
        media_type: String::new(),
        digest,
        size: 1,
        platform: None,
        annotations: BTreeMap::new(),
    };
    for layer in layers {
        unpack(store, layer);
    }
    let layer = |layer: &&str| LayerRecord {
        diff_id: digest(layer),
        chain_id: digest(layer),
        blob: descriptor(digest(&format!("{layer}.gz"))),
    };
    for part in ["config", "manifest"] {
        let text = format!("{name} {part}");
        store.put_blob(&digest(&text), text.as_bytes()).unwrap();
    }
    let record = ImageRecord {
        version: 1,
        id: digest(&format!("{name} config")),
        manifest: digest(&format!("{name} manifest")),
        index: None,
        created: String::new(),
        platform: Platform {
            os: "linux".into(),
            architecture: "amd64".into(),
            variant: None,
            os_features: Vec::new(),
        },
        config: RunConfig::default(),
        layers: layers.iter().map(layer).collect(),
        size: 0,
        visible_from: 0,
    };
    store.put_image(&record).unwrap();
    store.tag(name, &record.manifest).unwrap();
    record
}

fn unpack(store: &Store, layer: &str) {
    let Some(staging) = store.stage_layer(Layout::Single, &digest(layer)).unwrap() else { return };
    let file = rustix::fs::openat(
        staging.dir(),
        "file",
        OFlags::CREATE | OFlags::WRONLY,
        Mode::from_raw_mode(0o600),
    )
    .unwrap();
    File::from(file).write_all(layer.as_bytes()).unwrap();
    let mut record = staging.record_writer().unwrap();
    record.write_all(b"record").unwrap();
    let facts = LayerFacts { size: layer.len() as u64, ..LayerFacts::new(digest(layer)) };
    staging.commit(&facts, Some(record)).unwrap();
}

fn problems(store: &Store, repair: bool) -> Vec<Problem> {
    let lock = store.exclusive_lock().unwrap();
    store.check(&lock, repair, true).unwrap().into_iter().filter(|p| !p.harmless).collect()
}

#[test]
fn an_image_is_found_by_name_and_id() {
    let (_dir, store) = Scratch::new();
    let one = put(&store, "docker.io/library/one:1", &["a", "b"]);
    let two = put(&store, "docker.io/library/two:1", &["a", "c"]);
    let store = Store::open(store.path()).unwrap();
    assert_eq!(store.find_ref("docker.io/library/one:1").unwrap().as_ref(), Some(&one));
    assert_eq!(store.find_ref("docker.io/library/one:2").unwrap(), None);
    for prefix in [&one.id.hex()[..12], one.id.as_str(), &one.manifest.hex()[..20]] {
        assert_eq!(store.find_id(prefix).unwrap().as_ref(), Some(&one), "{prefix}");
    }
    assert_eq!(store.find_id("zz").unwrap(), None);
    assert_eq!(store.find_id("").unwrap(), None);
    let shared = (0..16).map(|n| format!("{n:x}")).find(|p| {
        let fits = |r: &ImageRecord| r.id.hex().starts_with(p) || r.manifest.hex().starts_with(p);
        fits(&one) && fits(&two)
    });
    if let Some(prefix) = shared {
        assert!(matches!(store.find_id(&prefix), Err(StoreError::Ambiguous { .. })));
    }
    store.tag("localhost/again:1", &one.manifest).unwrap();
    assert_eq!(
        store.names_of(&one.manifest).unwrap(),
        ["docker.io/library/one:1", "localhost/again:1"]
    );
    assert_eq!(store.images().unwrap().len(), 2);
    assert!(store.untag("localhost/again:1").unwrap());
    assert!(!store.untag("localhost/again:1").unwrap());
    assert!(matches!(store.tag("x", &digest("none")), Err(StoreError::NoSuchImage { .. })));
    assert_eq!(problems(&store, false), []);
}

#[test]
fn a_newer_store_is_refused_and_an_unknown_compatible_feature_is_not() {
    let (_dir, store) = Scratch::new();
    let meta = store.path().join("meta.json");
    std::fs::write(&meta, r#"{"version":1,"compatible":["x"],"new":1}"#).unwrap();
    Store::open(store.path()).unwrap();
    for text in [r#"{"version":2}"#, r#"{"version":1,"incompatible":["erofs"]}"#] {
        std::fs::write(&meta, text).unwrap();
        assert!(matches!(Store::open(store.path()), Err(StoreError::TooNew { .. })), "{text}");
    }
    std::fs::write(&meta, "{").unwrap();
    assert!(matches!(Store::open(store.path()), Err(StoreError::Damaged { .. })));
}

#[test]
fn a_torn_meta_is_mended_and_the_rest_stays() {
    let (_dir, store) = Scratch::new();
    let meta = store.path().join("meta.json");
    let whole = std::fs::read(&meta).unwrap();
    let name = digest("text");
    store.put_blob(&name, b"text").unwrap();
    assert!(!Store::open_mending(store.path()).unwrap().1);
    for torn in ["", "{\"version\":1,\"comp"] {
        std::fs::write(&meta, torn).unwrap();
        let (again, mended) = Store::open_mending(store.path()).unwrap();
        assert!(mended, "{torn:?}");
        assert!(again.has_blob(&name).unwrap());
        assert_eq!(std::fs::read(&meta).unwrap(), whole);
        Store::open(store.path()).unwrap();
    }
    // Pipes in the place of files are not waited for.
    let pipe = |path: &std::path::Path| {
        std::fs::remove_file(path).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RUSR).unwrap();
    };
    pipe(&meta);
    assert!(Store::open_mending(store.path()).unwrap().1);
    pipe(&store.blob_path(&name));
    assert!(matches!(store.read_blob(&name, 100), Err(StoreError::WrongDigest { .. })));
    std::fs::write(&meta, r#"{"version":2}"#).unwrap();
    assert!(matches!(Store::open_mending(store.path()), Err(StoreError::TooNew { .. })));
}

#[test]
fn blobs_are_verified_both_ways() {
    let (_dir, store) = Scratch::new();
    let name = digest("text");
    assert!(matches!(store.put_blob(&name, b"other"), Err(StoreError::WrongDigest { .. })));
    assert_eq!(store.read_blob(&name, 100).unwrap(), None);
    store.put_blob(&name, b"text").unwrap();
    assert_eq!(store.read_blob(&name, 100).unwrap().as_deref(), Some(&b"text"[..]));
    assert!(matches!(store.read_blob(&name, 3), Err(StoreError::TooLarge { .. })));
    std::fs::write(store.blob_path(&name), "tixt").unwrap();
    assert!(matches!(store.read_blob(&name, 100), Err(StoreError::WrongDigest { .. })));
    let long: Digest = format!("sha512:{}", "0".repeat(128)).parse().unwrap();
    let right = long.rehash(&b"text"[..]).unwrap();
    store.put_blob(&right, b"text").unwrap();
    assert!(store.read_blob(&right, 10).unwrap().is_some());
}

#[test]
fn a_reader_follows_a_download_and_a_broken_one_is_resumed() {
    let (_dir, store) = Scratch::new();
    let name = digest("hello world");
    let partial = store.partial(&name).unwrap();
    partial.append(b"hello").unwrap();
    let mut reader = partial.reader();
    let thread = std::thread::spawn(move || {
        let mut text = Vec::new();
        (reader.read_to_end(&mut text).map_err(|e| e.kind()), text)
    });
    drop(partial);
    let (result, text) = thread.join().unwrap();
    assert_eq!(
        (result, text.as_slice()),
        (Err(std::io::ErrorKind::ConnectionAborted), &b"hello"[..])
    );

    let partial = store.partial(&name).unwrap();
    assert_eq!(partial.len(), 5);
    let mut reader = partial.reader();
    let thread = std::thread::spawn(move || {
        let mut text = Vec::new();
        reader.read_to_end(&mut text).map(|_| text)
    });
    for byte in b" world" {
        partial.append(&[*byte]).unwrap();
    }
    partial.finish(11).unwrap();
    assert_eq!(thread.join().unwrap().unwrap(), b"hello world");
    partial.keep().unwrap();
    assert_eq!(store.read_blob(&name, 100).unwrap().as_deref(), Some(&b"hello world"[..]));
}

#[test]
fn a_download_of_the_wrong_length_fails_its_readers() {
    let (_dir, store) = Scratch::new();
    let partial = store.partial(&digest("x")).unwrap();
    partial.append(b"abc").unwrap();
    let mut reader = partial.reader();
    assert!(matches!(partial.finish(4), Err(StoreError::WrongSize { .. })));
    assert!(reader.read_to_end(&mut Vec::new()).is_err());
    partial.restart().unwrap();
    assert!(partial.is_empty());
    partial.remove().unwrap();
    drop(reader);
    assert!(store.partial(&digest("x")).unwrap().is_empty());
}

#[test]
fn the_second_download_waits_for_the_first() {
    let (_dir, store) = Scratch::new();
    let name = digest("x");
    let first = store.partial(&name).unwrap();
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let _second = store.partial(&name).unwrap();
            store.has_blob(&name).unwrap()
        });
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(!waiting.is_finished());
        first.append(b"x").unwrap();
        first.finish(1).unwrap();
        first.keep().unwrap();
        assert!(waiting.join().unwrap());
    });
}

#[test]
fn a_layer_is_made_once_and_only_whole() {
    let (_dir, store) = Scratch::new();
    let chain = digest("layer");
    let staging = store.stage_layer(Layout::Single, &chain).unwrap().unwrap();
    rustix::fs::mkdirat(staging.dir(), "half", Mode::empty()).unwrap();
    assert!(!store.has_layer(Layout::Single, &chain).unwrap());
    drop(staging);
    assert_eq!(store.list("layers/single").unwrap(), [] as [&str; 0]);

    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| unpack(&store, "layer"))).collect();
        threads.into_iter().for_each(|t| t.join().unwrap());
    });
    assert!(store.has_layer(Layout::Single, &chain).unwrap());
    assert!(!store.has_layer(Layout::RootIsUser, &chain).unwrap());
    assert!(store.stage_layer(Layout::Single, &chain).unwrap().is_none());
    assert!(!store.layer_path(Layout::Single, &chain).exists(), "not permanent yet");
    store.settle(Layout::Single, &[chain.clone(), digest("absent")]).unwrap();
    assert_eq!(
        std::fs::read(store.layer_path(Layout::Single, &chain).join("file")).unwrap(),
        b"layer"
    );
    let mut record = String::new();
    let mut reader = store.read_record(Layout::Single, &chain).unwrap().unwrap();
    reader.read_to_string(&mut record).unwrap();
    assert_eq!(record, "record");
    assert_eq!(problems(&store, false), []);
}

#[test]
fn a_fresh_layer_of_an_earlier_boot_is_made_again() {
    let (_dir, store) = Scratch::new();
    let chain = digest("layer");
    unpack(&store, "layer");
    let mut facts = store.layer_facts(Layout::Single, &chain).unwrap().unwrap();
    assert!(facts.boot.is_some());
    facts.boot = Some("another".to_owned());
    let name = format!("{}.json", chain.hex());
    store.write_json("layers/single", &name, &facts, atomic::Sync::Fast).unwrap();
    assert!(!store.has_layer(Layout::Single, &chain).unwrap());
    assert_eq!(problems(&store, false).len(), 1);
    let staging = store.stage_layer(Layout::Single, &chain).unwrap().unwrap();
    assert_eq!(rustix::fs::Dir::read_from(staging.dir()).unwrap().count(), 2, "only . and ..");
}

#[test]
fn what_a_killed_pull_left_is_no_layer_and_goes() {
    let (_dir, store) = Scratch::new();
    let chain = digest("layer");
    let staging = store.stage_layer(Layout::Single, &chain).unwrap().unwrap();
    let _record = staging.record_writer().unwrap();
    rustix::fs::mkdirat(staging.dir(), "half", Mode::empty()).unwrap();
    // As after kill -9: nothing is removed. The lock file's name goes, for its lock cannot fall
    // while this process lives.
    std::mem::forget(staging);
    let lock = format!("layers/single/.lock-{}", chain.hex());
    std::fs::rename(store.path().join(lock), store.path().join("layers/single/.lock-x")).unwrap();
    assert_eq!(problems(&store, false).len(), 3);
    assert!(problems(&store, true).iter().all(|p| p.repaired));
    assert_eq!(problems(&store, false), []);
    unpack(&store, "layer");
    assert!(store.has_layer(Layout::Single, &chain).unwrap());
}

/// As when the disk is full in between.
#[test]
fn a_layer_whose_facts_cannot_be_written_leaves_no_record() {
    let (_dir, store) = Scratch::new();
    let chain = digest("layer");
    let staging = store.stage_layer(Layout::Single, &chain).unwrap().unwrap();
    let in_the_way = store.path().join(format!("layers/single/{}.json", chain.hex()));
    std::fs::create_dir(&in_the_way).unwrap();
    let record = staging.record_writer().unwrap();
    assert!(staging.commit(&LayerFacts::new(digest("layer")), Some(record)).is_err());
    std::fs::remove_dir(in_the_way).unwrap();
    assert_eq!(problems(&store, false), []);
}

#[test]
fn gc_takes_what_nobody_names() {
    let (_dir, store) = Scratch::new();
    let one = put(&store, "one", &["a", "b"]);
    put(&store, "two", &["a", "c"]);
    store.put_blob(&digest("stray"), b"stray").unwrap();
    drop(store.partial(&digest("broken off")).unwrap());
    unpack(&store, "unnamed");
    let sizes = store.df().unwrap();
    assert_eq!((sizes.images, sizes.layers.len(), sizes.layer_bytes), (2, 4, 10));
    assert_eq!(sizes.reclaimable, 7 + 5);

    store.remove_image(&one.manifest).unwrap();
    let lock = store.exclusive_lock().unwrap();
    let used = [LayerKey { layout: Layout::Single, chain: digest("b") }];
    let freed = store.remove_unused(&lock, &used, false).unwrap();
    assert_eq!((freed.layers, freed.blobs), (1, 3));
    for (layer, here) in [("a", true), ("b", true), ("c", true), ("unnamed", false)] {
        assert_eq!(store.has_layer(Layout::Single, &digest(layer)).unwrap(), here, "{layer}");
    }
    let freed = store.remove_unused(&lock, &[], true).unwrap();
    assert_eq!((freed.layers, freed.blobs), (1, 1));
    assert!(!store.has_layer(Layout::Single, &digest("b")).unwrap());
    drop(lock);
    assert_eq!(problems(&store, false), []);
}

#[test]
fn a_name_half_written_is_no_name() {
    let (_dir, store) = Scratch::new();
    let one = put(&store, "one", &["a"]);
    let path = |file: &str| store.path().join(file);
    let record = format!("images/{}.json", one.manifest.hex());
    std::fs::copy(path("refs/one"), path("refs/.two.1.2.tmp")).unwrap();
    std::fs::copy(path(&record), path("images/.x.json.1.2.tmp")).unwrap();
    assert_eq!(store.names_of(&one.manifest).unwrap(), ["one"]);
    assert_eq!(store.images().unwrap().len(), 1);
    assert_eq!(problems(&store, false).len(), 2);
    let lock = store.exclusive_lock().unwrap();
    store.remove_unused(&lock, &[], false).unwrap();
    drop(lock);
    assert_eq!(problems(&store, false), []);
}

#[test]
fn gc_does_nothing_while_a_record_cannot_be_read() {
    let (_dir, store) = Scratch::new();
    let one = put(&store, "one", &["a"]);
    std::fs::write(store.path().join(format!("images/{}.json", one.manifest.hex())), "{").unwrap();
    let lock = store.exclusive_lock().unwrap();
    assert!(matches!(store.remove_unused(&lock, &[], true), Err(StoreError::Damaged { .. })));
    assert!(store.has_layer(Layout::Single, &digest("a")).unwrap());
}

#[test]
fn prune_takes_images_without_a_name() {
    let (_dir, store) = Scratch::new();
    let one = put(&store, "one", &["a"]);
    put(&store, "two", &["b"]);
    store.untag("one").unwrap();
    let lock = store.exclusive_lock().unwrap();
    assert_eq!(store.prune_dangling(&lock, |_| true).unwrap(), []);
    assert_eq!(store.prune_dangling(&lock, |_| false).unwrap(), [one]);
    assert_eq!(store.images().unwrap().len(), 1);
}

#[test]
fn damage_is_found_and_mended() {
    let (_dir, store) = Scratch::new();
    let torn = put(&store, "torn", &["a"]);
    let bare = put(&store, "bare", &["b"]);
    let rotten = put(&store, "rotten", &["c"]);
    put(&store, "good", &["d"]);
    let path = |text: String| store.path().join(text);
    std::fs::write(path(format!("images/{}.json", torn.manifest.hex())), "{\"ver").unwrap();
    std::fs::remove_dir_all(store.layer_path(Layout::Single, &digest("b"))).unwrap();
    std::fs::write(store.blob_path(&rotten.id), "rot").unwrap();
    std::fs::write(path("refs/half".into()), "").unwrap();
    std::fs::remove_file(path(format!("layers/single/{}.json", digest("d").hex()))).unwrap();
    std::fs::create_dir(path(format!("layers/single/.gone-{}", digest("e").hex()))).unwrap();
    let before: Vec<String> = problems(&store, false).into_iter().map(|p| p.text).collect();
    for part in [
        &torn.manifest.hex()[..12],
        &bare.manifest.hex()[..12],
        &rotten.id.hex()[..12],
        "refs/half",
        &digest("d").hex()[..12],
        ".gone-",
    ] {
        assert!(before.iter().any(|t| t.contains(part)), "{part} in {before:#?}");
    }
    assert_eq!(problems(&store, false).len(), before.len(), "looking changes nothing");
    for _ in 0..2 {
        assert!(problems(&store, true).iter().all(|p| p.repaired));
    }
    assert_eq!(problems(&store, false), []);
    put(&store, "torn", &["a"]);
    assert_eq!(problems(&store, false), []);
}

#[test]
fn the_locks_exclude_each_other() {
    let (_dir, store) = Scratch::new();
    let shared = (store.shared_lock().unwrap(), store.shared_lock().unwrap());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| drop(store.exclusive_lock().unwrap()));
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(!waiting.is_finished());
        drop(shared);
        waiting.join().unwrap();
    });
}

/// Pulls images until it is killed. Not a test of its own: see `killed_at_any_instant`.
#[test]
#[ignore = "run by killed_at_any_instant"]
fn pull_until_killed() {
    let Some(dir) = std::env::var_os("BOLT_TEST_STORE") else { return };
    let store = Store::open(Path::new(&dir)).unwrap();
    for n in 0.. {
        let (a, b) = (format!("a{}", n % 7), format!("b{n}"));
        let name = format!("image:{}", n % 5);
        let guard = store.shared_lock().unwrap();
        put(&store, &name, &[&a, &b]);
        let blob = format!("blob {n}");
        let partial = store.partial(&digest(&blob)).unwrap();
        partial.restart().unwrap();
        partial.append(blob.as_bytes()).unwrap();
        partial.finish(blob.len() as u64).unwrap();
        partial.keep().unwrap();
        drop(guard);
        let lock = store.exclusive_lock().unwrap();
        store.prune_dangling(&lock, |_| false).unwrap();
        store.remove_unused(&lock, &[], n % 2 == 0).unwrap();
    }
}

#[test]
fn killed_at_any_instant_every_name_leads_to_a_whole_image() {
    let (_dir, store) = Scratch::new();
    let mut names = 0;
    for round in 0..20u64 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "store::tests::pull_until_killed"])
            .env("BOLT_TEST_STORE", store.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(60 + round * 13));
        child.kill().unwrap();
        child.wait().unwrap();
        for file in store.list("refs").unwrap().iter().filter(|f| !f.starts_with('.')) {
            let image = store.find_ref(file).unwrap().unwrap();
            for layer in &image.layers {
                let path = store.layer_path(Layout::Single, &layer.chain_id).join("file");
                let text = std::fs::read(path).unwrap();
                assert_eq!(Digest::sha256_of(&text), layer.diff_id);
            }
            names += 1;
        }
        for problem in problems(&store, true) {
            assert!(problem.repaired && problem.text.contains("left over"), "{problem:?}");
        }
        assert_eq!(problems(&store, false), []);
    }
    assert!(names > 0, "no pull came to its end");
}

/// Waits until a filesystem has so many free blocks. What was removed is free once its last
/// descriptor is closed, and a program that another test is just starting has a copy of each
/// descriptor between its fork and its exec.
fn wait_for_room(path: &Path, blocks: u64) {
    let soon = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while rustix::fs::statvfs(path).unwrap().f_bavail < blocks {
        assert!(std::time::Instant::now() < soon, "{} stays full", path.display());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_full_disk_leaves_no_half_thing() {
    use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
    let (dir, _) = Scratch::new();
    let full = dir.0.join("full");
    std::fs::create_dir(&full).unwrap();
    if mount("none", &full, "tmpfs", MountFlags::empty(), c"size=128k").is_err() {
        println!("skipped: mounting needs root");
        return;
    }
    let store = Store::open(&full.join("store")).unwrap();
    let good = put(&store, "good", &["a"]);
    let partial = store.partial(&digest("big")).unwrap();
    let piece = [7u8; 4096];
    while partial.append(&piece).is_ok() {}
    let len = partial.len();
    drop(partial);
    let name = digest("more");
    assert!(store.put_blob(&name, b"more").is_err() && !store.has_blob(&name).unwrap());
    assert!(store.tag("second", &good.manifest).is_err());
    assert!(store.find_ref("second").unwrap().is_none());
    assert_eq!(store.find_ref("good").unwrap(), Some(good));
    assert_eq!(problems(&store, false), []);
    let partial = store.partial(&digest("big")).unwrap();
    assert!(partial.len() >= len);
    partial.remove().unwrap();
    wait_for_room(&full, 16);
    put(&store, "second", &["b"]);
    unmount(&full, UnmountFlags::DETACH).unwrap();
}
