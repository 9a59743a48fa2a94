//! `bolt manifest create|add|annotate|remove`: one list of the store is changed.

use crate::cmd::manifest::existing;
use crate::cmd::pull::{self, Sources};
use crate::cmd::remote::Way;
use crate::cmd::tag::full_name;
use crate::image::artifact::describe;
use crate::image::image_config::MAX_CONFIG;
use crate::image::list::{Edit, ImageList, annotations};
use crate::image::manifest::{
    DOCKER_CONFIG, Document, MAX_DOCUMENT, OCI_CONFIG, media_type, parse,
};
use crate::image::platform;
use crate::image::reference::{ImageName, Reference};
use crate::image::registry::{Repository, Rights};
use crate::image::source::RawDocument;
use crate::image::types::{Descriptor, Digest, Platform};
use crate::settings::Settings;
use crate::store::Store;
use crate::ui::print;
use crate::ui::progress::Transfer;
use anyhow::{Context, bail};
use serde::Deserialize;

/// `bolt manifest create`.
#[derive(Debug, clap::Args)]
pub(super) struct Create {
    /// Name of the list
    list: String,
    /// Images to begin with: local names, or docker://NAME
    images: Vec<String>,
    /// Of images that are lists take all, not only the one for this machine
    #[arg(long)]
    all: bool,
    /// Change a list that exists instead of refusing it
    #[arg(short, long)]
    amend: bool,
    /// Annotation of the list
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,
    #[command(flatten)]
    way: Way,
}

/// `bolt manifest add`.
#[derive(Debug, clap::Args)]
pub(super) struct Add {
    /// Name of the list
    list: String,
    /// Images: local names, or docker://NAME
    #[arg(required = true)]
    images: Vec<String>,
    /// Of images that are lists add all, not only the one for this machine
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    edit: EditArgs,
    #[command(flatten)]
    way: Way,
}

/// `bolt manifest annotate`.
#[derive(Debug, clap::Args)]
pub(super) struct Annotate {
    /// Name of the list
    list: String,
    /// Digest of the image's manifest, or the image's local name
    #[arg(required_unless_present = "index")]
    image: Option<String>,
    /// Annotate the list itself
    #[arg(long, conflicts_with = "image")]
    index: bool,
    #[command(flatten)]
    edit: EditArgs,
}

/// What a list says of an image.
#[derive(Debug, clap::Args)]
struct EditArgs {
    /// Annotation of the image in the list
    #[arg(long, value_name = "KEY=VALUE")]
    annotation: Vec<String>,
    /// Architecture, Go's name: amd64, arm64, …
    #[arg(long)]
    arch: Option<String>,
    /// Operating system
    #[arg(long)]
    os: Option<String>,
    /// Version of the operating system
    #[arg(long)]
    os_version: Option<String>,
    /// Variant of the architecture, such as v3
    #[arg(long)]
    variant: Option<String>,
    /// Feature of the processor
    #[arg(long, value_delimiter = ',')]
    features: Vec<String>,
    /// Feature of the operating system
    #[arg(long, value_delimiter = ',')]
    os_features: Vec<String>,
}

impl EditArgs {
    fn read(&self) -> anyhow::Result<Edit> {
        Ok(Edit {
            annotations: annotations(&self.annotation)?,
            arch: self.arch.clone(),
            os: self.os.clone(),
            os_version: self.os_version.clone(),
            variant: self.variant.clone(),
            features: self.features.clone(),
            os_features: self.os_features.clone(),
        })
    }
}

/// One manifest to be added.
struct Entry {
    descriptor: Descriptor,
    artifact_type: Option<String>,
    /// `registry/repository`, where the store has no image of it.
    origin: Option<String>,
}

/// Makes a list; nothing is kept when one of the images cannot be found.
pub(super) fn create(args: &Create, settings: &Settings) -> anyhow::Result<u8> {
    let store = Store::open(&settings.dirs.store())?;
    let name = full_name(&args.list)?;
    let annotations = annotations(&args.annotation)?;
    if store.find_ref(&name)?.is_some() {
        bail!("{name} is the name of an image; give the list another one");
    }
    let finder = Finder { settings, store: &store, way: &args.way, all: args.all };
    let entries = finder.entries(&args.images)?;
    let guard = store.lock_list(&name)?;
    let mut list = match store.list_of(&name)? {
        Some(_) if !args.amend => bail!("the list {name} exists already; --amend changes it"),
        Some(list) => list,
        None => ImageList::new(&name),
    };
    list.annotate_list(&annotations);
    for entry in entries {
        list.add(&entry.descriptor, entry.artifact_type.as_deref(), entry.origin);
    }
    store.put_list(&guard, &name, &list)?;
    tell(&list)
}

/// Adds images.
pub(super) fn add(args: &Add, settings: &Settings) -> anyhow::Result<u8> {
    let store = Store::open(&settings.dirs.store())?;
    let name = existing(&store, &args.list)?.name;
    let edit = args.edit.read()?;
    let finder = Finder { settings, store: &store, way: &args.way, all: args.all };
    let entries = finder.entries(&args.images)?;
    let guard = store.lock_list(&name)?;
    let mut list = existing(&store, &args.list)?;
    for entry in entries {
        list.add(&entry.descriptor, entry.artifact_type.as_deref(), entry.origin);
        list.annotate(&entry.descriptor.digest, &edit)?;
    }
    store.put_list(&guard, &name, &list)?;
    tell(&list)
}

/// Changes what a list says of one image, or its own annotations.
pub(super) fn annotate(args: &Annotate, settings: &Settings) -> anyhow::Result<u8> {
    let store = Store::open(&settings.dirs.store())?;
    let edit = args.edit.read()?;
    let name = existing(&store, &args.list)?.name;
    let guard = store.lock_list(&name)?;
    let mut list = existing(&store, &args.list)?;
    match &args.image {
        Some(image) => {
            let digest = instance(settings, &store, &list, image)?;
            list.annotate(&digest, &edit)?;
        }
        None if edit == (Edit { annotations: edit.annotations.clone(), ..Edit::default() }) => {
            list.annotate_list(&edit.annotations);
        }
        None => bail!("--index: a list has annotations, but no platform of its own"),
    }
    store.put_list(&guard, &name, &list)?;
    tell(&list)
}

/// Takes one manifest out.
pub(super) fn remove(list: &str, digest: &str, settings: &Settings) -> anyhow::Result<u8> {
    let store = Store::open(&settings.dirs.store())?;
    let digest: Digest = digest.parse()?;
    let name = existing(&store, list)?.name;
    let guard = store.lock_list(&name)?;
    let mut list = existing(&store, list)?;
    list.remove(&digest)?;
    store.put_list(&guard, &name, &list)?;
    tell(&list)
}

/// A digest, or the digest of a local image that is in the list.
pub(in crate::cmd) fn instance(
    settings: &Settings,
    store: &Store,
    list: &ImageList,
    image: &str,
) -> anyhow::Result<Digest> {
    if let Ok(digest) = image.parse() {
        return Ok(digest);
    }
    let found = pull::find(settings, store, image)?.with_context(|| {
        let list = &list.name;
        format!(
            "{image}: neither a digest nor a local image; `bolt manifest inspect {list}` shows \
                 the digests"
        )
    })?;
    let digest = found.record.manifest;
    if !list.digests().contains(&digest) {
        bail!("{image}: its manifest {digest} is not in the list {}", list.name);
    }
    Ok(digest)
}

/// Prints the digest that the list has now.
pub(in crate::cmd) fn tell(list: &ImageList) -> anyhow::Result<u8> {
    let bytes = list.bytes();
    if bytes.len() as u64 > MAX_DOCUMENT {
        let (name, size) = (&list.name, bytes.len());
        print::warning(&format!(
            "{name} has {size} bytes, more than the {MAX_DOCUMENT} that registries take: it \
             cannot be pushed like this"
        ));
    }
    print::stdout(&format!("{}\n", Digest::sha256_of(&bytes).hex()))?;
    Ok(0)
}

/// Looks images up, here and in registries.
struct Finder<'a> {
    settings: &'a Settings,
    store: &'a Store,
    way: &'a Way,
    all: bool,
}

impl Finder<'_> {
    fn entries(&self, images: &[String]) -> anyhow::Result<Vec<Entry>> {
        let mut found = Vec::new();
        for image in images {
            found.extend(self.find(image).with_context(|| format!("add {image}"))?);
        }
        Ok(found)
    }

    /// A name without a transport is looked for here first, and then where it says.
    fn find(&self, image: &str) -> anyhow::Result<Vec<Entry>> {
        if !image.contains("://")
            && let Some(found) = pull::find(self.settings, self.store, image)?
        {
            let record = found.record;
            let raw = self.store.read_blob(&record.manifest, MAX_DOCUMENT)?;
            let raw = raw.context("its manifest is gone from the store; pull it again")?;
            let media_type = media_type(&raw, "");
            let mut descriptor = describe(&media_type, &raw);
            descriptor.digest = record.manifest;
            descriptor.platform = Some(record.platform);
            return Ok(vec![Entry { descriptor, artifact_type: None, origin: None }]);
        }
        let reference = match ImageName::parse(image)? {
            ImageName::Docker(reference) => reference,
            _ => bail!("image not known; write docker://HOST/NAME for one of a registry"),
        };
        self.remote(reference)
    }

    fn remote(&self, reference: Reference) -> anyhow::Result<Vec<Entry>> {
        let sources = Sources::load(self.settings, &self.way.access())?;
        let progress = Transfer::new(true);
        let repository = self.way.repository(&sources, reference, Rights::Pull, &progress)?;
        let raw = repository.named()?;
        let Ok(Document::Index(mut entries)) = parse(&raw.bytes, &raw.media_type) else {
            return Ok(vec![one(&repository, raw)?]);
        };
        let origin = Some(repository.reference().name());
        if !self.all {
            let chosen = platform::choose_or_list(&entries, &platform::host())?;
            entries = vec![entries.swap_remove(chosen)];
        }
        let entry = |descriptor| Entry { descriptor, artifact_type: None, origin: origin.clone() };
        Ok(entries.into_iter().map(entry).collect())
    }
}

/// The entry of a manifest that no list describes.
fn one(repository: &Repository<'_>, raw: RawDocument) -> anyhow::Result<Entry> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Head {
        artifact_type: Option<String>,
        config: Option<Descriptor>,
    }
    let head: Head = serde_json::from_slice(&raw.bytes)
        .with_context(|| format!("{}: not a manifest", repository.reference()))?;
    let mut descriptor = describe(&media_type(&raw.bytes, &raw.media_type), &raw.bytes);
    descriptor.digest = raw.digest;
    let mut artifact_type = head.artifact_type;
    if let Some(config) = head.config {
        match config.media_type.as_str() {
            OCI_CONFIG | DOCKER_CONFIG => descriptor.platform = platform_of(repository, &config)?,
            other => artifact_type = artifact_type.or_else(|| Some(other.to_owned())),
        }
    }
    let origin = Some(repository.reference().name());
    Ok(Entry { descriptor, artifact_type, origin })
}

fn platform_of(
    repository: &Repository<'_>,
    config: &Descriptor,
) -> anyhow::Result<Option<Platform>> {
    let bytes = repository.blob(config, MAX_CONFIG)?;
    let config: Platform = serde_json::from_slice(&bytes)
        .with_context(|| format!("configuration {}", config.digest))?;
    Ok(Some(config))
}
