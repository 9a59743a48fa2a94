//! `bolt manifest push`: the images, the list, and what is attached to them.

use super::{Push, existing};
use crate::cmd::pull::Sources;
use crate::cmd::push::{Written, destination_name};
use crate::cmd::remote::{self, Way};
use crate::game::annotations;
use crate::image::artifact::{Artifact, describe};
use crate::image::list::ImageList;
use crate::image::manifest::MAX_DOCUMENT;
use crate::image::progress::Progress;
use crate::image::push::{
    Destination, Format, Outgoing, PushRequest, copy_instance, push_instance,
};
use crate::image::reference::{ImageName, Reference};
use crate::image::registry::Rights;
use crate::image::types::{Descriptor, Digest};
use crate::settings::Settings;
use crate::store::Store;
use crate::ui::print;
use crate::ui::progress::Transfer;
use crate::userns;
use anyhow::{Context, bail};
use serde_json::json;
use std::collections::BTreeMap;

/// A manifest as it came to lie at the destination: digest, media type, size.
type Sent = BTreeMap<Digest, (Digest, String, usize)>;

/// Pushes a list; its name and digest are told on standard error.
pub(super) fn run(args: &Push, settings: &Settings) -> anyhow::Result<u8> {
    let written = args.packing.read()?;
    userns::enter(&settings.dirs)?;
    let store = Store::open(&settings.dirs.store())?;
    let list = existing(&store, &args.list)?;
    let name = destination_name(args.destination.as_deref(), &list.name)?;
    let sources = Sources::load(settings, &args.way.access())?;
    let progress = Transfer::new(args.quiet);
    let destination = args.way.destination(&sources, name.clone(), &list.name, &progress)?;
    let work = Work { store: &store, list: &list, written, progress: &progress };
    let index = (|| {
        let sent = match args.all {
            true => work.images(&args.way, &sources, &name, destination.as_ref())?,
            false => Sent::new(),
        };
        // Before the list, which names them.
        let attached = work.attachments(&args.way, &sources, &name, &sent)?;
        let index = work.index(&sent, &attached)?;
        destination.manifest(&index)?;
        anyhow::Ok(index)
    })()
    .with_context(|| format!("push {} to {}", list.name, destination.name()))?;
    if !args.quiet {
        let line = format!("{}: pushed as {}\n", destination.name(), index.digest);
        print::stderr_bytes(line.as_bytes());
    }
    remote::write_digest(args.digestfile.as_deref(), &index.digest)?;
    if args.rm {
        let _guard = store.lock_list(&list.name)?;
        store.remove_list(&list.name)?;
    }
    Ok(0)
}

/// One list on its way out.
struct Work<'a> {
    store: &'a Store,
    list: &'a ImageList,
    written: Written,
    progress: &'a dyn Progress,
}

impl Work<'_> {
    /// Sends each image, from here or from where it lies.
    fn images(
        &self,
        way: &Way,
        sources: &Sources,
        name: &ImageName,
        to: &dyn Destination,
    ) -> anyhow::Result<Sent> {
        let mut sent = Sent::new();
        for digest in self.list.digests() {
            let manifest = if let Some(image) = self.store.image(&digest)? {
                let names = self.store.names_of(&digest)?;
                let Written { packing, level, format } = self.written;
                let request = PushRequest { image: &image, names: &names, packing, level, format };
                push_instance(&request, self.store, to, self.progress)?.manifest
            } else {
                self.foreign(way, sources, name, to, &digest)?
            };
            if manifest.digest != digest {
                self.progress.note(&format!(
                    "manifest {digest} becomes {}: it was written anew",
                    manifest.digest
                ));
            }
            let size = manifest.bytes.len();
            sent.insert(digest, (manifest.digest, manifest.media_type, size));
        }
        Ok(sent)
    }

    fn foreign(
        &self,
        way: &Way,
        sources: &Sources,
        name: &ImageName,
        to: &dyn Destination,
        digest: &Digest,
    ) -> anyhow::Result<Outgoing> {
        let Some(origin) = self.list.origin(digest) else {
            bail!(
                "the image of manifest {digest} is no longer here; pull it, or take it out by \
                 `bolt manifest remove {} {digest}`",
                self.list.name
            );
        };
        let from = Reference::parse(origin)?.at_digest(digest.clone());
        // The credentials of the command line are for the destination.
        let same = matches!(name, ImageName::Docker(r) if r.registry() == from.registry());
        let way = if same { way.clone() } else { way.without_credentials() };
        let repository = way.repository(sources, from, Rights::Pull, self.progress)?;
        Ok(copy_instance(&repository, digest, self.store, to, self.written.format)?)
    }

    /// The list as it goes out: with the manifests' new digests, and the digests of metadata
    /// artifacts (`annotations::REFERRER`) that say more than the list does.
    fn index(&self, sent: &Sent, attached: &BTreeMap<Digest, Digest>) -> anyhow::Result<Outgoing> {
        let mut index = self.list.with_replaced(sent);
        for entry in index["manifests"].as_array_mut().into_iter().flatten() {
            let digest = entry["digest"].as_str().and_then(|d| d.parse::<Digest>().ok());
            if let Some(artifact) = digest.and_then(|digest| attached.get(&digest)) {
                entry["annotations"][annotations::REFERRER] = json!(artifact);
            }
        }
        let (media_type, lost) =
            self.written.format.unwrap_or(Format::Oci).rewrite_index(&mut index);
        if lost > 0 {
            let text = "docker's lists have no annotations: {} were left out";
            print::warning(&text.replace("{}", &lost.to_string()));
        }
        let bytes = index.to_string().into_bytes();
        if bytes.len() as u64 > MAX_DOCUMENT {
            bail!(
                "the list has {} bytes; registries take {MAX_DOCUMENT} at most: push fewer \
                 images or shorter annotations",
                bytes.len()
            );
        }
        let digest = Digest::sha256_of(&bytes);
        Ok(Outgoing { bytes, media_type: media_type.to_owned(), digest })
    }

    /// Sends what is attached to the images; layouts have no place for it. Returns the metadata
    /// artifacts that the list does not say the whole of, by the manifests they are about.
    fn attachments(
        &self,
        way: &Way,
        sources: &Sources,
        name: &ImageName,
        sent: &Sent,
    ) -> anyhow::Result<BTreeMap<Digest, Digest>> {
        let mut pointers = BTreeMap::new();
        let digests = self.list.digests();
        let attached: Vec<&Digest> =
            digests.iter().filter(|d| !self.list.attachments(d).is_empty()).collect();
        if attached.is_empty() {
            return Ok(pointers);
        }
        let ImageName::Docker(reference) = name else {
            print::warning("the documents attached to the images go to registries only");
            return Ok(pointers);
        };
        let repository = way.repository(sources, reference.clone(), Rights::Push, self.progress)?;
        for digest in attached {
            let subject = self.subject(digest, sent)?;
            for attachment in self.list.attachments(digest) {
                let artifact = Artifact {
                    artifact_type: attachment.artifact_type.clone(),
                    part: describe(&attachment.artifact_type, attachment.text.as_bytes()),
                    annotations: BTreeMap::new(),
                };
                let content = attachment.text.as_bytes();
                let stored = repository.put_artifact(&artifact, content, None, Some(&subject))?;
                let short = self.list.entry(digest)?.annotations.remove(annotations::KEY);
                if attachment.artifact_type == annotations::ARTIFACT
                    && short.as_ref() != Some(&attachment.text)
                {
                    pointers.insert(subject.digest.clone(), stored);
                }
            }
        }
        Ok(pointers)
    }

    /// What an attachment is about, as it lies at the destination.
    fn subject(&self, digest: &Digest, sent: &Sent) -> anyhow::Result<Descriptor> {
        let mut subject: Descriptor = self.list.entry(digest)?;
        if let Some((digest, media_type, size)) = sent.get(digest) {
            subject.digest = digest.clone();
            subject.media_type.clone_from(media_type);
            subject.size = *size as u64;
        }
        Ok(subject)
    }
}
