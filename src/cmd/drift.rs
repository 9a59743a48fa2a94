//! `bolt://` and `drift://` names for the verbs: where they lead, here and at the registry.

use crate::image::config::drift::DriftConfig;
use crate::image::progress::Progress;
use crate::image::pull::{self, PullRequest};
use crate::image::reference::{DriftName, ImageName, Reference};
use crate::settings::Settings;
use crate::store::Store;
use anyhow::Context;

/// registries.toml of the user and of the system.
pub(super) fn config(settings: &Settings) -> anyhow::Result<DriftConfig> {
    Ok(DriftConfig::load(&settings.dirs.config_home, "/etc".as_ref())?)
}

/// The full name to ask a registry for: of a range of versions the newest that is there.
pub(super) fn remote<'a>(
    name: &DriftName,
    config: &DriftConfig,
    progress: &dyn Progress,
    ask: impl Fn(ImageName) -> anyhow::Result<PullRequest<'a>>,
) -> anyhow::Result<Reference> {
    let place = config.place(name)?;
    let Some(range) = name.range() else { return Ok(place.with_default_tag()) };
    let request = ask(ImageName::Docker(place.clone()))?;
    let tags = pull::tags(&request, &place, progress)?;
    let newest = range.newest(tags.iter().map(String::as_str)).with_context(|| {
        format!("{name}: {} has no tag in the range; it has {}", place.name(), few(&tags))
    })?;
    Ok(place.tagged(Some(newest), None))
}

/// The full name under which the store may have it: of a range the newest that is here.
pub(super) fn local(
    settings: &Settings,
    store: &Store,
    name: &DriftName,
) -> anyhow::Result<Option<Reference>> {
    let place = config(settings)?.place(name)?;
    let Some(range) = name.range() else { return Ok(Some(place)) };
    let tags = local_tags(store, &place)?;
    Ok(range.newest(tags.iter().map(String::as_str)).map(|tag| place.tagged(Some(tag), None)))
}

/// The tags under which the store knows images of a repository.
fn local_tags(store: &Store, place: &Reference) -> anyhow::Result<Vec<String>> {
    let repository = format!("{}:", place.name());
    let tag = |name: String| name.strip_prefix(&repository).map(str::to_owned);
    Ok(store.images()?.into_iter().flat_map(|image| image.names).filter_map(tag).collect())
}

/// The last of some tags, for an error.
fn few(tags: &[String]) -> String {
    match tags.len() {
        0 => "none".to_owned(),
        n if n <= 10 => tags.join(", "),
        n => format!("{} and {} more", tags[n - 10..].join(", "), n - 10),
    }
}
