//! The two formats an image is pushed in: OCI's (image-spec 1.1) and docker's schema 2.
//!
//! They differ in media types, and in that docker's has no annotations. The configuration's bytes
//! are the same in both, and so is the image id.

use super::manifest::{document, is_zstd};
use super::{Outgoing, Packing, PushError};
use crate::image::manifest::{
    self, DOCKER_CONFIG, DOCKER_LIST, DOCKER_MANIFEST, Document, ManifestError, OCI_CONFIG,
    OCI_INDEX, OCI_MANIFEST,
};
use crate::image::types::Digest;
use crate::ui::json_fault;
use serde_json::{Map, Value, json};

/// A family of manifests and indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// image-spec 1.1.
    Oci,
    /// Image manifest version 2, schema 2.
    Docker,
}

/// What docker's documents have; the rest is OCI's alone.
const DOCKERS_KEYS: [&str; 5] = ["schemaVersion", "mediaType", "config", "layers", "manifests"];
/// What docker's descriptors have.
const DESCRIPTORS_KEYS: [&str; 5] = ["mediaType", "size", "digest", "urls", "platform"];

impl Format {
    /// What a manifest or index is by its own word; one that is silent is OCI's.
    pub(super) fn of(document: &Value) -> Self {
        match document["mediaType"].as_str() {
            Some(DOCKER_MANIFEST | DOCKER_LIST) => Self::Docker,
            _ => Self::Oci,
        }
    }

    /// Media type of a manifest.
    pub(super) fn manifest(self) -> &'static str {
        match self {
            Self::Oci => OCI_MANIFEST,
            Self::Docker => DOCKER_MANIFEST,
        }
    }

    /// Media type of a layer, `None` being a plain tar.
    ///
    /// Errors: zstd in docker's format, which has no such type.
    pub(super) fn layer(
        self,
        digest: &Digest,
        packing: Option<Packing>,
    ) -> Result<&'static str, PushError> {
        Ok(match (self, packing) {
            (Self::Oci, None) => "application/vnd.oci.image.layer.v1.tar",
            (Self::Oci, Some(Packing::Gzip)) => "application/vnd.oci.image.layer.v1.tar+gzip",
            (Self::Oci, Some(Packing::Zstd)) => "application/vnd.oci.image.layer.v1.tar+zstd",
            (Self::Docker, None) => "application/vnd.docker.image.rootfs.diff.tar",
            (Self::Docker, Some(Packing::Gzip)) => {
                "application/vnd.docker.image.rootfs.diff.tar.gzip"
            }
            (Self::Docker, Some(Packing::Zstd)) => return Err(PushError::Zstd(digest.clone())),
        })
    }

    /// Writes a manifest of the other format in this one. What docker's cannot say is left out.
    ///
    /// Errors: a layer that this format has no type for.
    pub(super) fn rewrite(self, manifest: &mut Value) -> Result<(), PushError> {
        manifest["mediaType"] = json!(self.manifest());
        manifest["config"]["mediaType"] = json!(match self {
            Self::Oci => OCI_CONFIG,
            Self::Docker => DOCKER_CONFIG,
        });
        for layer in manifest["layers"].as_array_mut().into_iter().flatten() {
            let said = layer["mediaType"].as_str().unwrap_or_default();
            let packing = match said {
                said if is_zstd(said) => Some(Packing::Zstd),
                said if said.ends_with("gzip") => Some(Packing::Gzip),
                _ => None,
            };
            let digest = layer["digest"].as_str().and_then(|digest| digest.parse().ok());
            if let Some(digest) = digest {
                layer["mediaType"] = json!(self.layer(&digest, packing)?);
            }
        }
        if self == Self::Docker {
            strip(manifest);
        }
        Ok(())
    }

    /// An image's manifest in this format, other documents as they are.
    ///
    /// Errors: as for [`Format::rewrite`], and an artifact where docker's is wanted.
    pub(super) fn convert(self, manifest: Outgoing) -> Result<Outgoing, PushError> {
        let mut value: Value = json_fault::read(&manifest.bytes).map_err(ManifestError::from)?;
        if Self::of(&value) == self {
            return Ok(manifest);
        }
        match manifest::parse(&manifest.bytes, &manifest.media_type) {
            Ok(Document::Manifest(_)) => {
                self.rewrite(&mut value)?;
                document("manifest", &value, self.manifest())
            }
            Ok(Document::Index(_)) => Ok(manifest),
            Err(ManifestError::Artifact(_)) if self == Self::Oci => Ok(manifest),
            Err(e) => Err(e.into()),
        }
    }

    /// Writes an index in this format, whose entries are written already; its media type, and how
    /// many annotations docker's has no place for.
    pub fn rewrite_index(self, index: &mut Value) -> (&'static str, usize) {
        let media_type = match self {
            Self::Oci => OCI_INDEX,
            Self::Docker => DOCKER_LIST,
        };
        index["mediaType"] = json!(media_type);
        let lost = if self == Self::Docker { strip(index) } else { 0 };
        (media_type, lost)
    }
}

/// Leaves what docker's documents have, and counts the annotations that go.
fn strip(document: &mut Value) -> usize {
    fn keep(map: &mut Map<String, Value>, keys: &[&str]) -> usize {
        let lost = map.get("annotations").and_then(Value::as_object).map_or(0, Map::len);
        map.retain(|key, _| keys.contains(&key.as_str()));
        lost
    }
    let Some(map) = document.as_object_mut() else { return 0 };
    let mut lost = keep(map, &DOCKERS_KEYS);
    for (key, value) in map {
        let descriptors = match (key.as_str(), value) {
            ("config", one) => std::slice::from_mut(one),
            (_, Value::Array(several)) => several.as_mut_slice(),
            _ => continue,
        };
        for one in descriptors.iter_mut().filter_map(Value::as_object_mut) {
            lost += keep(one, &DESCRIPTORS_KEYS);
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(layer: &str) -> Outgoing {
        let value = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": {"mediaType": OCI_CONFIG, "digest": Digest::sha256_of(b"c"), "size": 1},
            "layers": [{"mediaType": layer, "digest": Digest::sha256_of(b"l"), "size": 2,
                "annotations": {"a": "b"}}],
            "annotations": {"k": "v"},
            "subject": {"mediaType": OCI_MANIFEST, "digest": Digest::sha256_of(b"s"), "size": 3},
        });
        document("manifest", &value, OCI_MANIFEST).unwrap()
    }

    #[test]
    fn an_oci_manifest_becomes_dockers_and_comes_back() {
        for (oci, docker) in [("", ""), ("+gzip", ".gzip")] {
            let oci = format!("application/vnd.oci.image.layer.v1.tar{oci}");
            let made = Format::Docker.convert(manifest(&oci)).unwrap();
            assert_eq!(made.media_type, DOCKER_MANIFEST);
            assert_eq!(made.digest, Digest::sha256_of(&made.bytes));
            let value: Value = serde_json::from_slice(&made.bytes).unwrap();
            let wanted = json!({
                "schemaVersion": 2, "mediaType": DOCKER_MANIFEST,
                "config":
                    {"mediaType": DOCKER_CONFIG, "digest": Digest::sha256_of(b"c"), "size": 1},
                "layers": [{
                    "mediaType": format!("application/vnd.docker.image.rootfs.diff.tar{docker}"),
                    "digest": Digest::sha256_of(b"l"), "size": 2}],
            });
            assert_eq!(value, wanted);
            let back = Format::Oci.convert(made).unwrap();
            let value: Value = serde_json::from_slice(&back.bytes).unwrap();
            assert_eq!(value["layers"][0]["mediaType"], json!(oci));
            assert_eq!(value["config"]["mediaType"], json!(OCI_CONFIG));
        }
    }

    #[test]
    fn what_docker_cannot_say_is_told() {
        let zstd = manifest("application/vnd.oci.image.layer.v1.tar+zstd");
        let error = Format::Docker.convert(zstd).unwrap_err();
        assert!(error.to_string().contains("know no zstd"), "{error}");
        let mut index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
            {"mediaType": DOCKER_MANIFEST, "size": 1, "platform": {"os": "linux"},
                "annotations": {"a": "b", "c": "d"}, "artifactType": "x"}],
            "annotations": {"k": "v"}});
        assert_eq!(Format::Docker.rewrite_index(&mut index), (DOCKER_LIST, 3));
        assert_eq!(
            index,
            json!({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": [
                {"mediaType": DOCKER_MANIFEST, "size": 1, "platform": {"os": "linux"}}]})
        );
    }
}
