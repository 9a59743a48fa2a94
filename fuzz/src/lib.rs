//! Bodies of the fuzz targets. Each takes any bytes and must come back: what it panics at is a
//! bug. The integration tests of `bolt` compile this very file and feed it the seeds, so that
//! everything ever found stays found without a fuzzer.

use bolt::game::lock::Lock;
use bolt::game::metadata::Metadata;
use bolt::image::artifact::{self, Artifact};
use bolt::image::config::drift::{DriftConfig, KeyTemplate};
use bolt::image::config::policy::Policy;
use bolt::image::config::registries::Registries;
use bolt::image::drift_api::{self, PackageQuery, ProfileQuery};
use bolt::image::reference::{ImageName, Reference};
use bolt::image::s3::answers;
use bolt::image::types::Digest;
use bolt::image::unpack::{Limits, Owners, rebuild, unpack_layer};
use bolt::image::{image_config, manifest};
use bolt::steam::vdf::Table;
use bolt_shim::control::Request;
use bolt_shim::launch::Launch;
use bolt_shim::report::Report;
use rustix::fs::{CWD, Mode, OFlags};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Names of images: whatever is taken is written as something that is taken again, and means
/// the same.
pub fn reference(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = ImageName::parse(text);
    if let Ok(reference) = Reference::parse(text) {
        let again = Reference::parse(&reference.to_string());
        assert_eq!(again.as_ref(), Ok(&reference), "{text:?} is written {reference}");
        let _ = reference.policy_scope();
        let familiar = reference.familiar();
        let again = Reference::parse_docker(&familiar);
        assert_eq!(again.as_ref(), Ok(&reference), "{text:?} is familiar as {familiar}");
    }
    if let Ok(reference) = Reference::parse_docker(text) {
        assert_eq!(Reference::parse(&reference.to_string()).as_ref(), Ok(&reference));
    }
}

/// Manifests, indexes and image configs, as a registry sends them.
pub fn manifest(data: &[u8]) {
    for outer in ["", "application/vnd.oci.image.index.v1+json"] {
        let _ = manifest::parse(data, outer);
    }
    let _ = Artifact::parse(data, "application/vnd.bolt.profile.v1+toml");
    let _ = artifact::referrers(data);
    let _ = manifest::media_type(data, "");
    for layers in [0, 1, 3] {
        let _ = image_config::parse(data, layers);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = manifest::is_index(&manifest::plain_type(text));
    }
}

/// The JSON of a Drift server, in both dialects, and what it was asked for.
pub fn drift_api(data: &[u8]) {
    let query = ProfileQuery { text: Some("a".to_owned()), gpu: Some("nvidia".to_owned()) };
    let profiles = drift_api::profile_list(data).map(|page| page.items).unwrap_or_default();
    for profile in &profiles {
        assert!(!profile.name.is_empty());
        let _ = profile.matches(&query);
    }
    if let Ok(page) = drift_api::package_list(data) {
        assert!(page.items.iter().all(|package| package.matches(&PackageQuery::default())));
    }
}

/// A layer is unpacked into its directory and nowhere else; a layer said to be rebuildable is
/// rebuilt to the same bytes.
pub fn tar(data: &[u8]) {
    let ground = Ground::fresh();
    let limits = Limits {
        entries: 1000,
        bytes: 1 << 20,
        remembered: 1 << 16,
        extents: 1000,
        ..Limits::default()
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(dir) = rustix::fs::openat(CWD, ground.layer(), flags, Mode::empty()) else {
        panic!("the scratch directory does not open")
    };
    let mut record = Vec::new();
    let result = unpack_layer(data, dir.as_fd(), &Owners::single(), &limits, Some(&mut record));
    if let Ok(stats) = result
        && stats.rebuildable
    {
        let mut tar = Vec::new();
        let outcome = rebuild(record.as_slice(), dir.as_fd(), &mut tar);
        assert!(outcome.is_ok(), "rebuild: {outcome:?}");
        assert!(tar == data, "rebuilt {} bytes are not the {} unpacked", tar.len(), data.len());
    }
    drop(dir);
    ground.check();
}

/// registries.conf(5), and where it sends names.
pub fn registries_conf(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(registries) = Registries::parse(Path::new("/registries.conf"), text) else { return };
    for name in [
        "docker.io/library/busybox:latest",
        "example.org:5000/a/b@sha256:\
                 0000000000000000000000000000000000000000000000000000000000000000",
    ] {
        if let Ok(reference) = Reference::parse(name) {
            let _ = registries.resolve(&reference);
        }
    }
    if let Ok(ImageName::Short(name)) = ImageName::parse("busybox") {
        let _ = registries.short_candidates(&name);
    }
    let _ = registries.host("example.org:5000");
}

/// registries.toml, and where it sends games.
pub fn registries_toml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(config) = DriftConfig::parse(Path::new("/registries.toml"), text) else { return };
    for name in ["bolt://doom", "bolt://a/b:^1.4", "drift://example.org:5000/a/b:1"] {
        let Ok(ImageName::Drift(name)) = ImageName::parse(name) else {
            panic!("{name} is the name of a game")
        };
        if let Ok(place) = config.place(&name) {
            assert_eq!(Reference::parse(&place.to_string()).as_ref(), Ok(&place));
            let _ = config.stores_of(&place);
        }
    }
}

/// The metadata of a variant: what is taken is written as something that means the same.
pub fn annotations(data: &[u8]) {
    let _ = manifest::annotations(data);
    let Ok(metadata) = Metadata::parse(data) else { return };
    let written = serde_json::to_vec(&metadata);
    let again = written.map(|bytes| Metadata::parse(&bytes));
    assert!(matches!(&again, Ok(Ok(again)) if *again == metadata), "{metadata:?}: {again:?}");
}

/// Lock files: what is taken is written as something that means the same.
pub fn lock_file(data: &[u8]) {
    let path = Path::new("/lock.json");
    let Ok(lock) = Lock::parse(path, data) else { return };
    let written = serde_json::to_vec(&lock);
    let again = written.map(|bytes| Lock::parse(path, &bytes));
    assert!(matches!(&again, Ok(Ok(again)) if *again == lock), "{lock:?}: {again:?}");
}

/// policy.json, and what it says of two images.
pub fn policy_json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(policy) = Policy::parse(Path::new("/policy.json"), text) else { return };
    let _ = policy.check("docker", "docker.io/library/busybox:latest");
    let _ = policy.check("oci", "/srv/images:v1");
}

/// What a bucket answers: lists and errors, XML or Ghostbay's JSON. What is read of a list is
/// bounded by what came.
pub fn s3_answers(data: &[u8]) {
    if let Ok(list) = answers::list(data) {
        let keys: usize = list.objects.iter().map(|object| object.key.len()).sum();
        assert!(keys <= data.len() * 2, "{keys} bytes of keys from {}", data.len());
    }
    let _ = answers::trouble(data);
}

/// Templates of keys: what is taken is written as it was, and gives two digests two keys.
pub fn key_template(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(template) = KeyTemplate::parse(text) else { return };
    assert_eq!(template.to_string(), text);
    let (one, two) = (Digest::sha256_of(b"1"), Digest::sha256_of(b"2"));
    assert_ne!(template.key(&one), template.key(&two), "{text}");
}

/// Steam's text files: what is taken is written as something that means the same.
pub fn vdf(data: &[u8]) {
    let Ok(table) = Table::parse(data) else { return };
    let written = table.to_string();
    // Escapes make it longer than what may be read.
    if written.len() < 4 << 20 {
        assert_eq!(Table::parse(written.as_bytes()).as_ref(), Ok(&table), "{written:?}");
    }
}

/// What crosses between `bolt` and `bolt-shim`: any bytes are refused or understood, and what
/// is understood survives another crossing.
pub fn contract(data: &[u8]) {
    cross::<Launch>(data);
    cross::<Request>(data);
    cross::<Report>(data);
}

fn cross<T: Serialize + DeserializeOwned + PartialEq + Debug>(data: &[u8]) {
    let Ok(value) = postcard::from_bytes::<T>(data) else { return };
    match postcard::to_stdvec(&value).map(|bytes| postcard::from_bytes::<T>(&bytes)) {
        Ok(Ok(again)) => assert_eq!(again, value),
        other => panic!("{value:?} does not cross: {other:?}"),
    }
}

/// A directory in memory with one to unpack into and things beside it that must not change.
struct Ground(PathBuf);

const CANARY: &str = "the layer does not get here";

impl Ground {
    fn fresh() -> Self {
        static BASE: OnceLock<PathBuf> = OnceLock::new();
        let base = BASE.get_or_init(|| {
            let memory = Path::new("/dev/shm");
            let root = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
            root.join(format!("bolt-fuzz-{}", std::process::id()))
        });
        let _ = fs::remove_dir_all(base);
        let ground = Ground(base.clone());
        let made = fs::create_dir_all(ground.layer())
            .and_then(|()| fs::create_dir(ground.0.join("beside")))
            .and_then(|()| fs::write(ground.0.join("beside/canary"), CANARY));
        assert!(made.is_ok(), "{made:?}");
        ground
    }

    fn layer(&self) -> PathBuf {
        self.0.join("layer")
    }

    fn check(&self) {
        let names = |dir: &Path| -> Vec<std::ffi::OsString> {
            let list = fs::read_dir(dir).into_iter().flatten().flatten();
            let mut names: Vec<_> = list.map(|entry| entry.file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(&self.0), ["beside", "layer"], "something was made beside the layer");
        assert_eq!(names(&self.0.join("beside")), ["canary"]);
        let canary = fs::read_to_string(self.0.join("beside/canary"));
        assert_eq!(canary.ok().as_deref(), Some(CANARY));
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
