//! Which images and layers containers were made from.

use crate::container::config::Origin;
use crate::container::list::{Entry, List};
use crate::image::types::{Digest, ImageRecord};
use crate::store::LayerKey;
use std::collections::BTreeSet;

/// Manifests that containers were made from.
pub fn manifests(entries: &[Entry]) -> BTreeSet<Digest> {
    entries.iter().filter_map(manifest).collect()
}

/// The manifest that a container was made from; `None` for `--rootfs`.
fn manifest(entry: &Entry) -> Option<Digest> {
    match &entry.config.origin {
        Origin::Image { manifest, .. } => manifest.parse().ok(),
        Origin::Directory(_) => None,
    }
}

/// The containers made from an image.
pub fn containers<'a>(
    entries: &'a [Entry],
    image: &'a ImageRecord,
) -> impl Iterator<Item = &'a Entry> {
    entries.iter().filter(|entry| manifest(entry).as_ref() == Some(&image.manifest))
}

/// A container whose layers are not known.
#[derive(Debug, thiserror::Error)]
#[error(
    "a container cannot be read, so no layer is unused for sure; remove the container, or see 'bolt system check'"
)]
pub struct Unknown(#[source] crate::container::error::Error);

/// Layers that containers need to start. To be gathered under the store's exclusive lock.
///
/// Errors: [`Unknown`].
pub fn layers(list: List) -> Result<Vec<LayerKey>, Unknown> {
    if let Some(error) = list.damaged.into_iter().next() {
        return Err(Unknown(error));
    }
    let mut keys = Vec::new();
    for entry in &list.entries {
        let Origin::Image { layers, layout, driver, .. } = &entry.config.origin else { continue };
        // A copied root needs its layers no more.
        if driver == "copy" {
            continue;
        }
        let Ok(layout) = layout.parse() else { continue };
        let chains = layers.iter().filter_map(|chain| chain.parse().ok());
        keys.extend(chains.map(|chain| LayerKey { layout, chain }));
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::error::Error;
    use crate::container::state::{Recorded, Status};
    use crate::container::testing::config;
    use crate::image::filter::tests::image;
    use crate::store::Layout;

    fn entry(driver: &str, manifest: &Digest, chain: &Digest) -> Entry {
        let mut config = config(&"a".repeat(64), "c");
        config.origin = Origin::Image {
            name: "localhost/a:1".into(),
            id: String::new(),
            manifest: manifest.to_string(),
            layers: vec![chain.to_string()],
            layout: "single".into(),
            driver: driver.into(),
        };
        let recorded = Recorded::default();
        Entry { config, status: Status::Exited, recorded, checks: None }
    }

    #[test]
    fn overlays_need_their_layers_and_copies_do_not() {
        let record = image(1, &[]).record;
        let (manifest, chain) = (&record.manifest, &record.id);
        let entries = vec![entry("overlay", manifest, chain), entry("copy", chain, chain)];
        assert_eq!(containers(&entries, &record).count(), 1);
        assert!(manifests(&entries).contains(manifest));
        let keys = layers(List { entries, damaged: Vec::new() }).unwrap();
        assert_eq!(keys, [LayerKey { layout: Layout::Single, chain: chain.clone() }]);
    }

    #[test]
    fn an_unreadable_container_may_need_any_layer() {
        let damaged = vec![Error::NotFound("c".into())];
        assert!(layers(List { entries: Vec::new(), damaged }).is_err());
    }
}
