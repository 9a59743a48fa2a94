//! `bolt image annotate`: what a variant of a game needs, written where Bolt looks for it.

use crate::cmd::manifest::edit::{instance, tell};
use crate::cmd::manifest::existing;
use crate::cmd::pull::{self, Sources};
use crate::cmd::remote::{Way, place_of};
use crate::cmd::tag::full_name;
use crate::game::annotations;
use crate::game::metadata::Metadata;
use crate::image::artifact::{Artifact, describe};
use crate::image::list::{Attachment, Edit, ImageList};
use crate::image::manifest::{Document, MAX_DOCUMENT, media_type, parse};
use crate::image::reference::Reference;
use crate::image::registry::{Repository, Rights, TRIES};
use crate::image::source::RawDocument;
use crate::image::types::{Descriptor, Digest};
use crate::settings::Settings;
use crate::store::Store;
use crate::sys::small;
use crate::ui::print;
use crate::ui::progress::Transfer;
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Say what an image needs to play a game
///
/// In short it is said in the list that the image belongs to, in full by an artifact beside the
/// image. A list that was made here is changed here, and pushed by `bolt manifest push`; a list
/// or image of a registry is changed there.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A list made by `bolt manifest create`, HOST/NAME[:TAG] or bolt://NAME[:TAG]
    #[arg(value_name = "IMAGE")]
    image: String,
    /// The metadata: TOML, or JSON in a file called *.json
    #[arg(long, value_name = "FILE")]
    game: PathBuf,
    /// Digest of the manifest in the list, where it has several; or the local name of its image
    #[arg(long, value_name = "DIGEST")]
    instance: Option<String>,
    #[command(flatten)]
    way: Way,
    /// Suppress progress
    #[arg(short, long)]
    quiet: bool,
}

/// What is written: the annotation, and the artifact's text.
struct Said {
    key: String,
    small: String,
    whole: String,
}

impl Said {
    fn artifact(&self) -> Artifact {
        Artifact {
            artifact_type: annotations::ARTIFACT.to_owned(),
            part: describe(annotations::ARTIFACT, self.whole.as_bytes()),
            annotations: BTreeMap::from([(self.key.clone(), self.small.clone())]),
        }
    }
}

/// Prints the digest of a local list, or tells that of the registry's.
pub fn run(args: &Args, settings: &Settings) -> anyhow::Result<u8> {
    let said = read(&args.game).with_context(|| args.game.display().to_string())?;
    let store = Store::open(&settings.dirs.store())?;
    let schemes = ["docker://", "bolt://", "drift://"];
    let remote_only = schemes.iter().any(|scheme| args.image.starts_with(scheme));
    if !remote_only && store.list_of::<ImageList>(&full_name(&args.image)?)?.is_some() {
        return local(args, settings, &store, &said);
    }
    let sources = Sources::load(settings, &args.way.access())?;
    let reference = place_of(&args.image, &sources.drift).map_err(|error| {
        let here = || pull::find(settings, &store, &args.image).is_ok_and(|f| f.is_some());
        match !remote_only && here() {
            true => anyhow::anyhow!(
                "{} is an image, not a list; put it into one by `bolt manifest create`",
                args.image
            ),
            false => error,
        }
    })?;
    remote(args, &sources, reference, &said)
}

fn read(file: &Path) -> anyhow::Result<Said> {
    let limit = 4 * annotations::LONGEST as u64;
    let text = match small::read_at_most(file, limit) {
        Err(e) if e.kind() == std::io::ErrorKind::FileTooLarge => {
            bail!("larger than {limit} bytes: that is no metadata of a game")
        }
        other => String::from_utf8(other?)?,
    };
    let json = file.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
    let metadata = match json {
        true => Metadata::parse(text.as_bytes())?,
        false => Metadata::from_toml(&text)?,
    };
    metadata.check_promises()?;
    let (key, small) = annotations::write(&metadata)?;
    Ok(Said { key, small, whole: annotations::whole(&metadata)? })
}

/// Changes a list of the store.
fn local(args: &Args, settings: &Settings, store: &Store, said: &Said) -> anyhow::Result<u8> {
    let name = existing(store, &args.image)?.name;
    let guard = store.lock_list(&name)?;
    let mut list = existing(store, &args.image)?;
    let digest = match &args.instance {
        Some(image) => instance(settings, store, &list, image)?,
        None => only(&name, list.digests())?,
    };
    let annotations = BTreeMap::from([(said.key.clone(), said.small.clone())]);
    list.annotate(&digest, &Edit { annotations, ..Edit::default() })?;
    let artifact_type = annotations::ARTIFACT.to_owned();
    list.attach(&digest, Attachment { artifact_type, text: said.whole.clone() })?;
    store.put_list(&guard, &name, &list)?;
    tell(&list)
}

/// The only manifest of a list.
fn only(list: &str, mut digests: Vec<Digest>) -> anyhow::Result<Digest> {
    match (digests.len(), digests.pop()) {
        (1, Some(digest)) => Ok(digest),
        (count, _) => bail!("{list} has {count} manifests; say by --instance which is meant"),
    }
}

/// Changes what lies in a registry.
fn remote(args: &Args, sources: &Sources, reference: Reference, said: &Said) -> anyhow::Result<u8> {
    let progress = Transfer::new(args.quiet);
    let reference = reference.with_default_tag();
    let repository = args.way.repository(sources, reference.clone(), Rights::Push, &progress)?;
    let digest = annotate(&repository, args.instance.as_deref(), said)
        .with_context(|| format!("annotate {reference}"))?;
    if !args.quiet {
        let done = match digest {
            Some(digest) => format!("{reference}: annotated, {digest} now\n"),
            None => format!("{reference}: metadata attached\n"),
        };
        print::stderr_bytes(done.as_bytes());
    }
    Ok(0)
}

/// Puts the artifact, then the list that speaks of it; the digest that the name means then, where
/// that is another one. Again where another has meanwhile put the list as it was before.
fn annotate(
    repository: &Repository<'_>,
    wanted: Option<&str>,
    said: &Said,
) -> anyhow::Result<Option<Digest>> {
    for _ in 0..TRIES {
        let began = Instant::now();
        let raw = repository.named()?;
        let Some((now, about)) = annotated(repository, &raw, wanted, said)? else {
            return Ok(None);
        };
        repository.let_others_end(began);
        let after = repository.named()?;
        let old = annotation(&raw, &about, &said.key);
        let new = annotation(&after, &about, &said.key);
        // Who says something else of the same manifest later has the last word.
        if after.digest == now || new != old || new.as_deref() == Some(&said.small) {
            return Ok(Some(after.digest));
        }
    }
    bail!("others change the list all the time; try again when they are done")
}

/// What a list says of one of its manifests.
fn annotation(list: &RawDocument, digest: &Digest, key: &str) -> Option<String> {
    let Ok(Document::Index(entries)) = parse(&list.bytes, &list.media_type) else { return None };
    entries.into_iter().find(|e| e.digest == *digest)?.annotations.remove(key)
}

/// Changes what was read; the new digest of the list and the manifest that was meant, where it is a
/// list.
fn annotated(
    repository: &Repository<'_>,
    raw: &RawDocument,
    wanted: Option<&str>,
    said: &Said,
) -> anyhow::Result<Option<(Digest, Digest)>> {
    let kind = media_type(&raw.bytes, &raw.media_type);
    let Document::Index(entries) = parse(&raw.bytes, &raw.media_type)? else {
        if wanted.is_some() {
            bail!("it is one image, not a list: leave --instance away");
        }
        let mut subject = describe(&kind, &raw.bytes);
        subject.digest = raw.digest.clone();
        attach(repository, &subject, said)?;
        return Ok(None);
    };
    let own = repository.reference();
    let tag = match (own.digest(), own.tag()) {
        (None, Some(tag)) => tag,
        _ => bail!("a list that is named by its digest cannot change; name it by its tag"),
    };
    let name = own.to_string();
    let digest = match wanted {
        Some(text) => text.parse().context("--instance")?,
        None => only(&name, entries.iter().map(|e| e.digest.clone()).collect())?,
    };
    let subject = entries.iter().find(|entry| entry.digest == digest);
    let subject = subject.with_context(|| format!("the list has no manifest {digest}"))?;
    let referrer = said.artifact().digest_about(subject);
    let bytes = with_annotation(raw, &digest, said, &referrer)?;
    attach(repository, subject, said)?;
    Ok(Some((repository.put_manifest(tag, &kind, &bytes)?.digest, digest)))
}

/// The list with the annotation at one of its manifests, all else as it was.
fn with_annotation(
    raw: &RawDocument,
    digest: &Digest,
    said: &Said,
    referrer: &Digest,
) -> anyhow::Result<Vec<u8>> {
    let mut index: Value = serde_json::from_slice(&raw.bytes)?;
    let entries = index.get_mut("manifests").and_then(Value::as_array_mut);
    for entry in entries.into_iter().flatten().filter_map(Value::as_object_mut) {
        if entry.get("digest").and_then(Value::as_str) == Some(digest.as_str()) {
            let all = entry.entry("annotations").or_insert_with(|| json!({}));
            if !all.is_object() {
                *all = json!({});
            }
            all[&said.key] = json!(said.small);
            match (said.small != said.whole, all.as_object_mut()) {
                (true, _) => all[annotations::REFERRER] = json!(referrer),
                (false, Some(all)) => drop(all.remove(annotations::REFERRER)),
                (false, None) => {}
            }
        }
    }
    let bytes = index.to_string().into_bytes();
    if bytes.len() as u64 > MAX_DOCUMENT {
        bail!(
            "the list would have {} bytes; registries take {MAX_DOCUMENT} at most: say less of \
             each variant",
            bytes.len()
        );
    }
    Ok(bytes)
}

fn attach(repository: &Repository<'_>, subject: &Descriptor, said: &Said) -> anyhow::Result<()> {
    repository.put_artifact(&said.artifact(), said.whole.as_bytes(), None, Some(subject))?;
    Ok(())
}
