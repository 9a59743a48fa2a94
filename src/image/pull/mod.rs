//! The road of an image into the store.
//!
//! ```text
//! policy, endpoints → manifest → platform → configuration → plan (which layers are missing)
//! network thread:   blob ──append──▶ .part
//! worker threads:             .part ──follow──▶ sha256 → decompress → sha256 ═▶ unpack → commit
//!                             (two threads more a worker: before ═▶, and in unpack)
//! then: manifest, configuration, index → image record → name
//! ```
//! The calling thread is the network thread. All threads and the runtime end before it returns.

mod ahead;
mod error;
mod layer;
mod plan;
mod resolve;
mod variants;
mod work;

pub use error::PullError;
pub use variants::{artifacts, missing_bytes};

use crate::image::archive::Archive;
use crate::image::config::auth::{AuthFiles, Credentials};
use crate::image::config::certs::CertDirs;
use crate::image::config::policy::Policy;
use crate::image::config::registries::Registries;
use crate::image::image_config::chain_ids;
use crate::image::island::Island;
use crate::image::layout::{Directory, LayoutSource};
use crate::image::manifest::MAX_DOCUMENT;
use crate::image::platform;
use crate::image::progress::Progress;
use crate::image::reference::{BucketName, ImageName, LayoutImage, Reference};
use crate::image::registry::{Endpoint, Patience, Proxies, RegistrySource};
use crate::image::s3::credentials::AwsPlaces;
use crate::image::s3::place::Place;
use crate::image::s3::{Bucket, BucketLayout, S3Client, S3Error};
use crate::image::share::Share;
use crate::image::source::history::History;
use crate::image::source::origin::Origin;
use crate::image::source::pool::Pool;
use crate::image::source::{Pooled, RawDocument, Source, SourceError};
use crate::image::types::{Digest, ImageRecord, LayerRecord, Platform};
use crate::image::unpack::Owners;
use crate::store::{Layout, Store};
use resolve::Resolved;
use std::collections::BTreeSet;
use std::path::Path;
use std::rc::Rc;

/// What to pull, and all settings that bear on it.
#[derive(Debug)]
pub struct PullRequest<'a> {
    /// Which image: `Docker`, `OciLayout` or `OciArchive`. Short and Drift names are resolved before.
    pub name: ImageName,
    /// For which machine.
    pub platform: &'a Platform,
    /// The manifest to take out of the index that the name means, instead of the platform's.
    pub variant: Option<&'a Digest>,
    /// Owners of the unpacked files.
    pub layout: Layout,
    /// How ids of the layers become ids here; must fit `layout`.
    pub owners: &'a Owners,
    /// registries.conf.
    pub registries: &'a Registries,
    /// auth.json.
    pub auth: &'a AuthFiles,
    /// `--creds`: used instead of `auth`, but not for mirrors.
    pub credentials: Option<Credentials>,
    /// certs.d.
    pub certs: &'a CertDirs,
    /// policy.json.
    pub policy: &'a Policy,
    /// Proxies.
    pub proxies: &'a Proxies,
    /// `--tls-verify`; `None` leaves it to registries.conf.
    pub tls_verify: Option<bool>,
    /// Retries and time-outs.
    pub patience: Patience,
    /// Keep the compressed layers after unpacking.
    pub keep_blobs: bool,
    /// Buckets that blobs may come from.
    pub buckets: Buckets<'a>,
}

/// Buckets that bear on a pull.
#[derive(Debug, Clone)]
pub struct Buckets<'a> {
    /// The one that an `s3://` name means.
    pub named: Option<Place>,
    /// Those that mirror the blobs of registries.
    pub mirrors: Vec<Place>,
    /// Variables and files of AWS's tools.
    pub aws: &'a AwsPlaces,
    /// Where measurements of sources are kept; `None`: nowhere.
    pub history: Option<&'a Path>,
}

/// Brings an image into the store: all missing layers unpacked, record and name written.
///
/// Blocks until done. What arrived before an error is kept: the next pull goes on from there.
/// Uses threads, all ended on return; runs `docker-credential-*` programs before it starts them.
pub fn pull(
    request: &PullRequest<'_>,
    store: &Store,
    progress: &dyn Progress,
) -> Result<ImageRecord, PullError> {
    let source = open_source(request, progress)?;
    let resolved = resolve::resolve(source.as_ref(), store, request.platform, request.variant)?;
    let have = &resolved.config.platform;
    if request.variant.is_none() && !platform::is_for(have, request.platform) {
        let (have, want) = (platform::show(have), platform::show(request.platform));
        progress.warning(&format!("the image is for {have}, not for {want}"));
    }
    // Only now: nobody has to wait for a registry that does not answer.
    let _held = store.shared_lock()?;
    let layers = layer_records(&resolved);
    let (mut anew, mut lied) = (BTreeSet::new(), false);
    loop {
        match fetch_layers(request, store, source.as_ref(), &layers, progress) {
            // The bytes left of an earlier pull may have been the wrong ones; they are gone now.
            Err(PullError::BlobDigest { wanted, resumed: true, .. })
                if anew.insert(wanted.clone()) => {}
            Err(PullError::BlobDigest { wanted, got, resumed, .. }) => {
                lied = true;
                source.pass_over(&wanted).map_err(|place| PullError::BlobDigest {
                    place,
                    wanted,
                    got,
                    resumed,
                })?;
            }
            Err(e) => return Err(e),
            Ok(()) => break,
        }
    }
    source.settled();
    // Where a place was found to lie, that has been told and explains it.
    for blob in anew.iter().filter(|_| !lied) {
        progress.note(&format!("what an earlier pull left of blob {blob} was wrong; fetched anew"));
    }
    record(request, store, resolved, layers)
}

/// The digest that a registry's image has there now (`--pull=newer`): one HEAD request.
pub fn remote_digest(
    request: &PullRequest<'_>,
    progress: &dyn Progress,
) -> Result<Digest, PullError> {
    check_policy(request)?;
    match &request.name {
        ImageName::Docker(reference) => {
            let island = Island::new().map_err(SourceError::from)?;
            Ok(registry(request, reference, progress, &island)?.digest()?)
        }
        _ => Ok(open(request, progress)?.root()?.digest),
    }
}

/// The place of an image, ready to be asked. Errors: the policy forbids it, or a setting.
pub(super) fn open_source<'p>(
    request: &PullRequest<'_>,
    progress: &'p dyn Progress,
) -> Result<Box<dyn Source + 'p>, PullError> {
    check_policy(request)?;
    open(request, progress)
}

/// The manifest or index that a registry's image is now; one that the store has is not fetched
/// again, only asked for by a HEAD request.
pub fn document(
    request: &PullRequest<'_>,
    reference: &Reference,
    store: &Store,
    progress: &dyn Progress,
) -> Result<RawDocument, PullError> {
    check_policy(request)?;
    let island = Island::new().map_err(SourceError::from)?;
    let source = registry(request, reference, progress, &island)?;
    if let Ok(digest) = source.digest()
        && let Ok(Some(bytes)) = store.read_blob(&digest, MAX_DOCUMENT)
    {
        return Ok(RawDocument { bytes, media_type: String::new(), digest, given_name: None });
    }
    Ok(source.root()?)
}

/// The tags of a registry's repository, sorted.
pub fn tags(
    request: &PullRequest<'_>,
    reference: &Reference,
    progress: &dyn Progress,
) -> Result<Vec<String>, PullError> {
    check_policy(request)?;
    let island = Island::new().map_err(SourceError::from)?;
    Ok(registry(request, reference, progress, &island)?.tags()?)
}

/// Asks policy.json before anything is opened or sent.
fn check_policy(request: &PullRequest<'_>) -> Result<(), PullError> {
    let check = |transport, scope: &str| request.policy.check(transport, scope);
    match &request.name {
        ImageName::Docker(reference) => check("docker", &reference.policy_scope())?,
        ImageName::OciLayout { path, image } => {
            scopes(path, image).iter().try_for_each(|scope| check("oci", scope))?;
        }
        ImageName::OciArchive { path, image } => {
            scopes(path, image).iter().try_for_each(|scope| check("oci-archive", scope))?;
        }
        ImageName::S3(name) => check("s3", &name.policy_scope())?,
        ImageName::Drift(name) => return Err(PullError::NoPlace(name.to_string())),
        ImageName::Short(name) => return Err(PullError::NoPlace(name.to_string())),
        ImageName::Id(id) => return Err(PullError::NoPlace(id.to_string())),
    }
    Ok(())
}

/// The scopes of a local image, each of which must allow it: its place without links and `..`, and
/// as it was spelled. By one alone a link would lead around a rule for the other.
fn scopes(path: &Path, image: &Option<LayoutImage>) -> Vec<String> {
    let spelled = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // What cannot be resolved cannot be opened either.
    let mut places = vec![std::fs::canonicalize(path).unwrap_or_else(|_| spelled.clone()), spelled];
    places.dedup();
    let scope = |place: std::path::PathBuf| match image {
        Some(LayoutImage::Name(name)) => format!("{}:{name}", place.display()),
        _ => place.display().to_string(),
    };
    places.into_iter().map(scope).collect()
}

fn open<'p>(
    request: &PullRequest<'_>,
    progress: &'p dyn Progress,
) -> Result<Box<dyn Source + 'p>, PullError> {
    match &request.name {
        ImageName::Docker(reference) => with_mirrors(request, reference, progress),
        ImageName::S3(name) => in_bucket(request, name, progress),
        ImageName::OciLayout { path, image } => {
            let files = Directory::open(path).map_err(SourceError::from)?;
            Ok(Box::new(LayoutSource::new(files, image.clone())))
        }
        ImageName::OciArchive { path, image } => {
            let files = Archive::open(path).map_err(SourceError::from)?;
            Ok(Box::new(LayoutSource::new(files, image.clone())))
        }
        ImageName::Drift(name) => Err(PullError::NoPlace(name.to_string())),
        ImageName::Short(name) => Err(PullError::NoPlace(name.to_string())),
        ImageName::Id(id) => Err(PullError::NoPlace(id.to_string())),
    }
}

/// The registry alone, or with the buckets that mirror it.
fn with_mirrors<'p>(
    request: &PullRequest<'_>,
    reference: &Reference,
    progress: &'p dyn Progress,
) -> Result<Box<dyn Source + 'p>, PullError> {
    let island = Island::new().map_err(SourceError::from)?;
    let registry = registry(request, reference, progress, &island)?;
    if request.buckets.mirrors.is_empty() {
        return Ok(Box::new(registry));
    }
    let registry = Rc::new(registry);
    let mut origins: Vec<Rc<dyn Origin + 'p>> = Vec::new();
    for place in &request.buckets.mirrors {
        match bucket(request, place, progress) {
            Ok(bucket) => origins.push(Rc::new(bucket)),
            // A mirror that cannot be used is no reason to go without the image.
            Err(e) => progress.note(&format!("{e}; the other sources go on")),
        }
    }
    origins.extend(registry.origins());
    let pool = pool(request, origins, progress, &island);
    Ok(Box::new(Pooled::new(registry, pool)))
}

/// An image layout in a bucket.
fn in_bucket<'p>(
    request: &PullRequest<'_>,
    name: &BucketName,
    progress: &'p dyn Progress,
) -> Result<Box<dyn Source + 'p>, PullError> {
    let island = Island::new().map_err(SourceError::from)?;
    let place = request.buckets.named.as_ref();
    let place = place.ok_or_else(|| PullError::NoPlace(name.to_string()))?;
    let bucket = Rc::new(bucket(request, place, progress).map_err(SourceError::from)?);
    let layout = Rc::new(BucketLayout::new(bucket.clone(), name.image().cloned(), &island));
    let pool = pool(request, vec![bucket], progress, &island);
    Ok(Box::new(Pooled::new(layout, pool)))
}

fn bucket<'p>(
    request: &PullRequest<'_>,
    place: &Place,
    progress: &'p dyn Progress,
) -> Result<Bucket<'p>, S3Error> {
    let (aws, proxies) = (request.buckets.aws, request.proxies);
    S3Client::new(place.clone(), aws, proxies, &request.patience, progress).map(Bucket::new)
}

fn pool<'p>(
    request: &PullRequest<'_>,
    origins: Vec<Rc<dyn Origin + 'p>>,
    progress: &'p dyn Progress,
    island: &Island,
) -> Pool<'p> {
    let history = request.buckets.history.map(History::read).unwrap_or_default();
    Pool::new(origins, island, &request.patience, history, progress)
}

/// Finds out where to ask, as whom, and whom to trust there. Nothing is sent yet.
fn registry<'p>(
    request: &PullRequest<'_>,
    reference: &Reference,
    progress: &'p dyn Progress,
    island: &Island,
) -> Result<RegistrySource<'p>, PullError> {
    let reference = reference.clone().with_default_tag();
    let mut endpoints = Vec::new();
    for place in request.registries.resolve(&reference)? {
        let (host, repository) = (place.reference.registry(), place.reference.repository());
        let credentials = match &request.credentials {
            Some(given) if !place.mirror => Some(given.clone()),
            _ => request.auth.lookup(host, repository)?,
        };
        let certs = request.certs.load_with(host, &place.ca)?;
        let insecure = request.tls_verify.map_or(place.insecure, |verify| !verify);
        endpoints.push(Endpoint { reference: place.reference, insecure, credentials, certs });
    }
    let name = reference.to_string();
    RegistrySource::new(&name, endpoints, request.proxies, &request.patience, progress, island)
        .map_err(|e| PullError::Source(e.into()))
}

fn layer_records(resolved: &Resolved) -> Vec<LayerRecord> {
    let diff_ids = &resolved.config.diff_ids;
    let parts = diff_ids.iter().zip(chain_ids(diff_ids)).zip(&resolved.manifest.layers);
    parts
        .map(|((diff_id, chain_id), blob)| LayerRecord {
            diff_id: diff_id.clone(),
            chain_id,
            blob: blob.clone(),
        })
        .collect()
}

fn fetch_layers(
    request: &PullRequest<'_>,
    store: &Store,
    source: &dyn Source,
    layers: &[LayerRecord],
    progress: &dyn Progress,
) -> Result<(), PullError> {
    let place = source.name();
    let jobs = plan::plan(store, request.layout, layers, source, progress)?;
    let shop = work::Shop {
        store,
        layout: request.layout,
        owners: request.owners,
        keep_blobs: request.keep_blobs,
        share: Share::of(jobs.len()),
        place: &place,
        progress,
    };
    work::run(&shop, jobs, source)
}

/// Writes what makes the unpacked layers an image: blobs, then the record, then the name.
fn record(
    request: &PullRequest<'_>,
    store: &Store,
    resolved: Resolved,
    layers: Vec<LayerRecord>,
) -> Result<ImageRecord, PullError> {
    let Resolved { indexes, raw, manifest, config_bytes, config, given_name } = resolved;
    for document in indexes.iter().chain([&raw]) {
        store.put_blob(&document.digest, &document.bytes)?;
    }
    store.put_blob(&manifest.config.digest, &config_bytes)?;
    let mut size = 0;
    let mut visible_from = 0;
    for (n, layer) in layers.iter().enumerate() {
        let Some(facts) = store.layer_facts(request.layout, &layer.chain_id)? else { continue };
        size += facts.size;
        if facts.opaque_root {
            visible_from = n;
        }
    }
    let record = ImageRecord {
        version: 1,
        id: manifest.config.digest,
        manifest: raw.digest,
        index: indexes.into_iter().next().map(|index| index.digest),
        created: config.created,
        platform: config.platform,
        config: config.run,
        layers,
        size,
        visible_from,
    };
    store.put_image(&record)?;
    if let Some(name) = local_name(&request.name, given_name.as_deref()) {
        store.tag(&name, &record.manifest)?;
    }
    Ok(record)
}

/// The name the image gets here. One with a digest keeps it and gets no tag. The name inside a
/// layout counts where it is a full name; else it is put below `localhost/`, as podman does.
fn local_name(name: &ImageName, given: Option<&str>) -> Option<String> {
    let full = match name {
        ImageName::Docker(reference) => match reference.digest() {
            Some(digest) => reference.at_digest(digest.clone()),
            None => reference.clone(),
        },
        ImageName::S3(bucket) => bucket.local()?,
        _ => Reference::parse(given?)
            .or_else(|_| Reference::parse(&format!("localhost/{}", given.unwrap_or_default())))
            .ok()?,
    };
    Some(full.with_default_tag().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_pulled_images() {
        let digest = Digest::sha256_of(b"x");
        let quay = format!("quay.io/a/b:1@{digest}");
        let cases = [
            ("docker://alpine", None, Some("docker.io/library/alpine:latest".to_owned())),
            ("quay.io/a/b:1", None, Some("quay.io/a/b:1".to_owned())),
            (quay.as_str(), None, Some(format!("quay.io/a/b@{digest}"))),
            ("oci:/x", None, None),
            ("oci:/x", Some("v1"), Some("localhost/v1:latest".to_owned())),
            ("oci-archive:/x", Some("quay.io/a/b:2"), Some("quay.io/a/b:2".to_owned())),
            ("oci:/x", Some("not a name"), None),
        ];
        for (text, given, expected) in cases {
            let name = ImageName::parse(text).unwrap();
            assert_eq!(local_name(&name, given), expected, "{text}");
        }
    }
}
