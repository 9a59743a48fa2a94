//! The manifest that is sent: the store's very bytes, or those with other layer blobs in them or
//! in the other format.

use super::work::Changed;
use super::{Format, Outgoing, Packing, PushError};
use crate::image::manifest::{MAX_DOCUMENT, ManifestError};
use crate::image::types::{Descriptor, Digest, ImageRecord};
use crate::ui::json_fault::{self, JsonFault};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Annotations of a blob's very bytes (zstd:chunked's table of contents): false for others.
const OF_THE_BYTES: &str = "io.github.containers.zstd-chunked.";

/// Whether a layer of this media type is compressed with zstd.
pub(super) fn is_zstd(media_type: &str) -> bool {
    media_type.ends_with("+zstd") || media_type.ends_with(".zstd")
}

/// Whether a blob is compressed as it was asked for.
pub(super) fn fits(blob: &Descriptor, packing: Option<Packing>) -> bool {
    let layer = blob.media_type.contains(".layer.") || blob.media_type.contains(".rootfs.diff.");
    match packing {
        _ if !layer => true,
        None => true,
        Some(Packing::Zstd) => is_zstd(&blob.media_type),
        Some(Packing::Gzip) => {
            blob.media_type.ends_with("+gzip") || blob.media_type.ends_with(".gzip")
        }
    }
}

/// The manifest to send. With nothing changed it is the store's own.
///
/// Docker's manifests know no zstd: with it they become OCI's, as podman makes them.
pub(super) fn outgoing(
    raw: &[u8],
    image: &ImageRecord,
    changed: &BTreeMap<Digest, Changed>,
    wanted: Option<Format>,
) -> Result<Outgoing, PushError> {
    let mut value: Value = json_fault::read(raw).map_err(ManifestError::from)?;
    let was = Format::of(&value);
    let zstd = changed.values().any(|c| c.packing == Packing::Zstd);
    let format = wanted.unwrap_or(if zstd { Format::Oci } else { was });
    if changed.is_empty() && format == was {
        let digest = image.manifest.clone();
        let media_type = format.manifest().to_owned();
        return Ok(Outgoing { bytes: raw.to_vec(), media_type, digest });
    }
    for layer in value["layers"].as_array_mut().into_iter().flatten() {
        let digest: Option<Digest> = layer["digest"].as_str().and_then(|d| d.parse().ok());
        if let Some(new) = digest.and_then(|d| changed.get(&d)) {
            replace(layer, new, was)?;
        }
    }
    if format != was {
        format.rewrite(&mut value)?;
    }
    document("manifest", &value, format.manifest())
}

fn replace(layer: &mut Value, new: &Changed, format: Format) -> Result<(), PushError> {
    layer["digest"] = json!(new.blob.digest);
    layer["size"] = json!(new.blob.size);
    // A zstd layer of docker's is OCI's a moment later.
    let format = if new.packing == Packing::Zstd { Format::Oci } else { format };
    layer["mediaType"] = json!(format.layer(&new.blob.digest, Some(new.packing))?);
    if let Some(map) = layer.as_object_mut() {
        map.remove("urls");
        if let Some(Value::Object(annotations)) = map.get_mut("annotations") {
            annotations.retain(|key, _| !key.starts_with(OF_THE_BYTES));
        }
    }
    Ok(())
}

/// A document of ours as it is sent, when it is not too large to be taken.
pub(super) fn document(
    what: &'static str,
    value: &Value,
    media_type: &str,
) -> Result<Outgoing, PushError> {
    let bytes = serde_json::to_vec(value)
        .map_err(|e| ManifestError::from(JsonFault::new(&e.to_string())))?;
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err(PushError::TooLarge { what, size: bytes.len(), limit: MAX_DOCUMENT });
    }
    let digest = Digest::sha256_of(&bytes);
    Ok(Outgoing { bytes, media_type: media_type.to_owned(), digest })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::filter::tests::image;
    use crate::image::manifest::{DOCKER_CONFIG, DOCKER_MANIFEST, OCI_CONFIG, OCI_MANIFEST};

    fn blob(n: u8, media_type: &str) -> Descriptor {
        Descriptor {
            media_type: media_type.to_owned(),
            digest: Digest::sha256_of(&[n]),
            size: u64::from(n),
            platform: None,
            annotations: BTreeMap::new(),
        }
    }

    fn docker() -> Value {
        json!({"schemaVersion": 2, "mediaType": DOCKER_MANIFEST,
            "config": {"mediaType": DOCKER_CONFIG, "digest": Digest::sha256_of(b"c"), "size": 1},
            "layers": [
                blob(1, "application/vnd.docker.image.rootfs.diff.tar.gzip"),
                blob(2, "application/vnd.docker.image.rootfs.diff.tar.gzip"),
            ], "x-unknown": [1, {"kept": true}]})
    }

    fn changed(packing: Packing) -> BTreeMap<Digest, Changed> {
        BTreeMap::from([(Digest::sha256_of(&[1]), Changed { blob: blob(9, ""), packing })])
    }

    #[test]
    fn nothing_changed_gives_the_same_bytes() {
        let record = image(1, &[]).record;
        let raw =
            br#"{ "schemaVersion":2 , "mediaType":"application/vnd.oci.image.manifest.v1+json"}"#;
        let out = outgoing(raw, &record, &BTreeMap::new(), None).unwrap();
        assert_eq!((out.bytes.as_slice(), &out.digest), (&raw[..], &record.manifest));
        assert_eq!(out.media_type, OCI_MANIFEST);
    }

    #[test]
    fn a_changed_layer_changes_its_descriptor_alone() {
        let raw = serde_json::to_vec(&docker()).unwrap();
        let out = outgoing(&raw, &image(1, &[]).record, &changed(Packing::Gzip), None).unwrap();
        let value: Value = serde_json::from_slice(&out.bytes).unwrap();
        assert_eq!(out.media_type, DOCKER_MANIFEST);
        assert_eq!(out.digest, Digest::sha256_of(&out.bytes));
        assert_eq!(value["layers"][0]["size"], 9);
        assert_eq!(value["layers"][1], docker()["layers"][1]);
        assert_eq!(value["x-unknown"], docker()["x-unknown"]);
        assert_eq!(value["config"], docker()["config"]);
    }

    #[test]
    fn zstd_makes_an_oci_manifest_of_a_docker_one() {
        let raw = serde_json::to_vec(&docker()).unwrap();
        let out = outgoing(&raw, &image(1, &[]).record, &changed(Packing::Zstd), None).unwrap();
        assert_eq!(out.media_type, OCI_MANIFEST);
        let parsed = crate::image::manifest::parse(&out.bytes, OCI_MANIFEST).unwrap();
        let crate::image::manifest::Document::Manifest(manifest) = parsed else { panic!() };
        assert_eq!(manifest.config.media_type, OCI_CONFIG);
        assert!(is_zstd(&manifest.layers[0].media_type));
        assert_eq!(manifest.layers[1].media_type, "application/vnd.oci.image.layer.v1.tar+gzip");
    }

    #[test]
    fn what_is_asked_for_fits() {
        let gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
        for (media_type, packing, wanted) in [
            (gzip, None, true),
            (gzip, Some(Packing::Gzip), true),
            (gzip, Some(Packing::Zstd), false),
            ("application/vnd.docker.image.rootfs.diff.tar", Some(Packing::Gzip), false),
            ("application/vnd.oci.image.layer.v1.tar+zstd", Some(Packing::Zstd), true),
            (OCI_CONFIG, Some(Packing::Zstd), true),
        ] {
            assert_eq!(fits(&blob(1, media_type), packing), wanted, "{media_type}");
        }
    }
}
