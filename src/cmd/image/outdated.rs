//! `bolt images --outdated`: local images of which a registry has a newer version.

use crate::cmd::buckets;
use crate::cmd::pull::{Access, Sources, owners, platform_of, request};
use crate::image::pull;
use crate::image::reference::{ImageName, Reference};
use crate::image::versions;
use crate::settings::Settings;
use crate::store::{Layout, ListedImage};
use crate::ui::progress::Transfer;
use crate::ui::{format, print};
use serde_json::json;
use std::collections::BTreeMap;

/// Asks each repository once for its tags. One that does not answer is told, and the others go on.
pub fn run(
    settings: &Settings,
    images: &[ListedImage],
    form: Option<&str>,
    bare: bool,
) -> anyhow::Result<u8> {
    let access = Access::default();
    let sources = Sources::load(settings, &access)?;
    let (platform, owners) = (platform_of(&access)?, owners(settings, Layout::Single));
    let progress = Transfer::new(true);
    let mut rows = Vec::new();
    let mut failed = false;
    for (repository, tags) in versioned(images) {
        let Some(place) = tags.first().map(|(reference, _)| reference.clone()) else { continue };
        let name = ImageName::Docker(place.clone());
        let buckets = buckets::of_pull(&sources, &name)?;
        let request = request(&sources, &access, name, &platform, Layout::Single, &owners, buckets);
        let there = match pull::tags(&request, &place, &progress) {
            Ok(there) => there,
            Err(error) => {
                print::warning(&format!("{repository}: {:#}", anyhow::Error::from(error)));
                failed = true;
                continue;
            }
        };
        for (_, tag) in tags {
            if let Some(newest) = versions::newer_than(&tag, there.iter().map(String::as_str)) {
                rows.push(json!({ "Repository": repository, "Tag": tag, "Newest": newest }));
            }
        }
    }
    let columns = "{{.Repository}}\t{{.Tag}}\t{{.Newest}}";
    print::stdout(&format::rows(form, &rows, &format::Defaults { columns, headings: &[], bare })?)?;
    Ok(u8::from(failed))
}

/// The names whose tags are versions, by repository. What was built here has no registry.
fn versioned(images: &[ListedImage]) -> BTreeMap<String, Vec<(Reference, String)>> {
    let mut found: BTreeMap<String, Vec<(Reference, String)>> = BTreeMap::new();
    for name in images.iter().flat_map(|image| &image.names) {
        let Ok(reference) = Reference::parse(name) else { continue };
        let Some(tag) = reference.tag().map(str::to_owned) else { continue };
        if versions::is_version(&tag) && reference.registry() != "localhost" {
            found.entry(reference.name()).or_default().push((reference, tag));
        }
    }
    found
}
