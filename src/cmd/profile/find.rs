//! One profile by its name: an artifact, one attached to an image, or one of a Drift's own list.

use crate::cmd::pull::Sources;
use crate::cmd::remote::Way;
use crate::image::artifact::Artifact;
use crate::image::drift_api;
use crate::image::reference::Reference;
use crate::image::registry::{Repository, Rights};
use crate::image::types::Digest;
use crate::profile::{MAX_PROFILE, MEDIA_TYPE, Summary};
use crate::ui::progress::Transfer;
use anyhow::{Context, bail};

/// The text of the profile that `reference` means.
///
/// Errors: several are attached to the image, or what is there is no profile.
pub(super) fn profile(
    reference: &Reference,
    way: &Way,
    sources: &Sources,
) -> anyhow::Result<String> {
    let progress = Transfer::new(true);
    let reference = reference.clone().with_default_tag();
    let repository = way.repository(sources, reference.clone(), Rights::Pull, &progress)?;
    let bytes = match artifact(&repository).with_context(|| reference.to_string())? {
        Some(artifact) => repository.blob(&artifact.part, MAX_PROFILE)?,
        None => {
            let host = way.host(sources, reference.registry(), &progress)?;
            let name = sources.drift.own_name(&reference);
            // Drift's names have one part and no tag.
            let found = match name.contains('/') {
                true => None,
                false => drift_api::download_profile(&host, name)?,
            };
            found.with_context(|| {
                let host = reference.registry();
                format!("{reference}: no such profile; `bolt profile ls {host}` lists those there")
            })?
        }
    };
    let text = String::from_utf8(bytes).ok().with_context(|| format!("{reference}: no text"))?;
    Summary::read(&text).with_context(|| format!("{reference}: no profile"))?;
    Ok(text)
}

/// The artifact under the name, or the only one attached to what is there.
fn artifact(repository: &Repository<'_>) -> anyhow::Result<Option<Artifact>> {
    let reference = repository.reference();
    let wanted = match reference.digest() {
        Some(digest) => digest.to_string(),
        None => reference.tag().unwrap_or("latest").to_owned(),
    };
    let Some(raw) = repository.find_manifest(&wanted)? else { return Ok(None) };
    if let Ok(artifact) = Artifact::parse(&raw.bytes, MEDIA_TYPE) {
        return Ok(Some(artifact));
    }
    let attached = repository.referrers(&raw.digest, Some(MEDIA_TYPE))?;
    match attached.as_slice() {
        [] => bail!("it is no profile, and has none attached"),
        [one] => {
            let raw = repository.manifest(one.manifest.digest.as_str())?;
            Ok(Some(Artifact::parse(&raw.bytes, MEDIA_TYPE)?))
        }
        several => {
            let name = |digest: &Digest, summary: Summary| {
                format!("{} ({})", reference.at_digest(digest.clone()), summary.name)
            };
            let names: Vec<String> = several
                .iter()
                .take(10)
                .map(|r| name(&r.manifest.digest, Summary::of_annotations(&r.manifest.annotations)))
                .collect();
            bail!("{} profiles are attached; name one: {}", several.len(), names.join(", "))
        }
    }
}
