//! Manifests and indexes (image-spec 1.1 manifest.md, image-index.md; docker schema 2).
//!
//! The bytes are kept beside the parsed form: a digest is of bytes, not of meaning.

use crate::image::types::{Descriptor, Digest};
use crate::ui::json_fault::{self, JsonFault};
use crate::ui::redact::foreign;
use serde::Deserialize;
use std::collections::BTreeMap;

/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker schema 2 manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// OCI image configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Docker image configuration.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// Largest manifest or index that is read, in bytes (distribution-spec asks for at least this).
pub const MAX_DOCUMENT: u64 = 4 << 20;
/// Most layers one image may have: overlayfs stacks no more than 500.
pub const MAX_LAYERS: usize = 500;

/// Why bytes are no usable manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Not JSON, or a field of the wrong type.
    #[error("manifest is not valid, its publisher has to mend it and push it again")]
    Json(#[from] JsonFault),
    /// Docker schema 1.
    #[error(
        "manifest has schema version 1, an old docker format without content digests; \
         push the image again with a current docker, podman or skopeo to convert it"
    )]
    Schema1,
    /// A schema version that nobody has defined.
    #[error("manifest has schemaVersion {0}, expected 2")]
    Version(u64),
    /// CVE-2021-41190: one document that is read differently by two programs.
    #[error("manifest is ambiguous: it has both {0:?} and {1:?} (CVE-2021-41190)")]
    Ambiguous(&'static str, &'static str),
    /// The registry says one type, the document another.
    #[error("manifest says mediaType {inner:?} but was delivered as {outer:?}")]
    TypeDiffers {
        /// Content-Type of the answer, or mediaType of the descriptor.
        outer: String,
        /// `mediaType` of the document.
        inner: String,
    },
    /// Neither manifest nor index.
    #[error("document of type {0:?} is neither an image manifest nor an index")]
    Unknown(String),
    /// An artifact that is no image.
    #[error("{0:?} is an artifact, not a container image")]
    Artifact(String),
    /// A layer that the registry may not hand out.
    #[error(
        "layer {digest} is foreign ({media_type}): its bytes are not in the registry; \
         ask the publisher for an image with distributable layers"
    )]
    Foreign {
        /// The layer.
        digest: Digest,
        /// Its type.
        media_type: String,
    },
    /// A layer of a type that is not defined.
    #[error("layer {digest} has the unknown type {media_type:?}")]
    Layer {
        /// The layer.
        digest: Digest,
        /// Its type.
        media_type: String,
    },
    /// More layers than can be mounted.
    #[error("image has {0} layers, more than the {MAX_LAYERS} that overlayfs can stack")]
    TooMany(usize),
}

/// A manifest of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The image configuration.
    pub config: Descriptor,
    /// Bottom layer first.
    pub layers: Vec<Descriptor>,
}

/// A manifest, or a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Manifest(Manifest),
    /// Several, for different machines.
    Index(Vec<Descriptor>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a manifest or an index")]
struct Raw {
    schema_version: u64,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    #[serde(rename = "fsLayers")]
    fs_layers: Option<serde::de::IgnoredAny>,
    history: Option<serde::de::IgnoredAny>,
    signatures: Option<serde::de::IgnoredAny>,
}

/// The media type without parameters (`; charset=utf-8`), in lower case.
pub fn plain_type(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The annotations of a manifest or index; none where it has none, or is not valid.
pub fn annotations(bytes: &[u8]) -> BTreeMap<String, String> {
    #[derive(Deserialize)]
    struct Annotated {
        #[serde(default)]
        annotations: BTreeMap<String, String>,
    }
    serde_json::from_slice::<Annotated>(bytes).map(|a| a.annotations).unwrap_or_default()
}

/// Whether `media_type` names an index or a manifest list.
pub fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | DOCKER_LIST)
}

fn is_known(media_type: &str) -> bool {
    is_index(media_type) || matches!(media_type, OCI_MANIFEST | DOCKER_MANIFEST)
}

/// Parses a document that was delivered as `outer` (empty when nothing was said).
///
/// Refuses schema 1, documents that could be read as two things, types that contradict each
/// other, artifacts, and layers that cannot be unpacked.
pub fn parse(bytes: &[u8], outer: &str) -> Result<Document, ManifestError> {
    let raw: Raw = json_fault::read(bytes)?;
    let outer = plain_type(outer);
    let schema1_type = outer.starts_with("application/vnd.docker.distribution.manifest.v1+");
    match raw.schema_version {
        1 => return Err(ManifestError::Schema1),
        2 if schema1_type => return Err(ManifestError::Schema1),
        2 => {}
        other => return Err(ManifestError::Version(other)),
    }
    check_unambiguous(&raw)?;
    let inner = raw.media_type.as_deref().unwrap_or_default();
    // Between a manifest and an index it matters; Drift delivers every manifest as docker's.
    if !inner.is_empty() && is_known(&outer) && is_index(inner) != is_index(&outer) {
        let (outer, inner) = (told(&outer), told(inner));
        return Err(ManifestError::TypeDiffers { outer, inner });
    }
    let kind = if inner.is_empty() { outer.as_str() } else { inner };
    if let Some(manifests) = raw.manifests {
        if is_known(kind) && !is_index(kind) {
            return Err(ManifestError::Unknown(told(kind)));
        }
        return Ok(Document::Index(manifests));
    }
    let (Some(config), Some(layers)) = (raw.config, raw.layers) else {
        return Err(ManifestError::Unknown(told(kind)));
    };
    if is_index(kind) {
        return Err(ManifestError::Unknown(told(kind)));
    }
    if !matches!(config.media_type.as_str(), OCI_CONFIG | DOCKER_CONFIG) {
        let kind = raw.artifact_type.unwrap_or(config.media_type);
        return Err(ManifestError::Artifact(told(&kind)));
    }
    check_layers(&layers)?;
    Ok(Document::Manifest(Manifest { config, layers }))
}

/// A media type as it is told: whoever serves the document has written it.
fn told(media_type: &str) -> String {
    foreign(media_type, 120)
}

fn check_unambiguous(raw: &Raw) -> Result<(), ManifestError> {
    let fields = [
        ("config", raw.config.is_some()),
        ("layers", raw.layers.is_some()),
        ("fsLayers", raw.fs_layers.is_some()),
        ("history", raw.history.is_some()),
        ("signatures", raw.signatures.is_some()),
    ];
    for (name, there) in fields {
        if there && raw.manifests.is_some() {
            return Err(ManifestError::Ambiguous("manifests", name));
        }
        if there && raw.config.is_some() && !matches!(name, "config" | "layers") {
            return Err(ManifestError::Ambiguous("config", name));
        }
    }
    Ok(())
}

/// The types of layers that can be unpacked; how one is really packed, its bytes tell.
const LAYER_TYPES: [&str; 6] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
];

fn check_layers(layers: &[Descriptor]) -> Result<(), ManifestError> {
    if layers.len() > MAX_LAYERS {
        return Err(ManifestError::TooMany(layers.len()));
    }
    for layer in layers {
        let digest = layer.digest.clone();
        let media_type = layer.media_type.clone();
        if media_type.contains(".nondistributable.") || media_type.contains(".foreign.") {
            return Err(ManifestError::Foreign { digest, media_type: told(&media_type) });
        }
        if !LAYER_TYPES.contains(&media_type.as_str()) {
            return Err(ManifestError::Layer { digest, media_type: told(&media_type) });
        }
    }
    Ok(())
}

/// What a manifest of any kind is: by its own word, else as it was delivered.
pub fn media_type(bytes: &[u8], delivered: &str) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Head {
        media_type: Option<String>,
    }
    let own = serde_json::from_slice::<Head>(bytes).ok().and_then(|head| head.media_type);
    let delivered = plain_type(delivered);
    match own.filter(|t| !t.is_empty()) {
        Some(own) => own,
        None if delivered.contains(".manifest.") || is_index(&delivered) => delivered,
        None => OCI_MANIFEST.to_owned(),
    }
}

/// The name that an image layout gives a manifest (image-spec annotations.md), if any.
pub fn ref_name(annotations: &BTreeMap<String, String>) -> Option<&str> {
    annotations.get("org.opencontainers.image.ref.name").map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn manifest(layer_type: &str) -> String {
        format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}",
            "config":{{"mediaType":"{OCI_CONFIG}","digest":"{D}","size":2}},
            "layers":[{{"mediaType":"{layer_type}","digest":"{D}","size":3}}]}}"#
        )
    }

    fn error(text: &str, outer: &str) -> String {
        parse(text.as_bytes(), outer).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_object_is_told_in_plain_words() {
        for bad in ["null", "[]", "3"] {
            let error = parse(bad.as_bytes(), "").unwrap_err();
            let reason = std::error::Error::source(&error).unwrap().to_string();
            assert!(reason.contains("expected a manifest or an index"), "{bad}: {reason}");
        }
    }

    #[test]
    fn a_wrong_type_is_told_with_its_field() {
        let text = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"digest":"{D}","size":1}},
            {{"digest":"{D}","size":1,"annotations":{{"dev.bolt.x":5}}}}]}}"#
        );
        let error = parse(text.as_bytes(), "").unwrap_err();
        let reason = std::error::Error::source(&error).unwrap().to_string();
        assert!(reason.starts_with("manifests[1].annotations[\"dev.bolt.x\"]: "), "{reason}");
        assert!(error.to_string().contains("its publisher has to mend it"), "{error}");
    }

    #[test]
    fn reads_a_manifest_and_an_index() {
        let text = manifest("application/vnd.oci.image.layer.v1.tar+gzip");
        let Document::Manifest(m) =
            parse(text.as_bytes(), &format!("{OCI_MANIFEST}; charset=utf-8")).unwrap()
        else {
            panic!("index");
        };
        assert_eq!((m.layers.len(), m.layers[0].size), (1, 3));
        let text = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{OCI_MANIFEST}","digest":"{D}",
            "size":9,"platform":{{"os":"linux","architecture":"amd64"}}}}]}}"#
        );
        assert!(matches!(parse(text.as_bytes(), "").unwrap(), Document::Index(l) if l.len() == 1));
    }

    /// The specification's own types read the same out of the same bytes.
    #[test]
    fn agrees_with_the_types_of_oci_spec() {
        let text = manifest("application/vnd.oci.image.layer.v1.tar+zstd");
        let Document::Manifest(ours) = parse(text.as_bytes(), "").unwrap() else {
            panic!("index");
        };
        let theirs = oci_spec::image::ImageManifest::from_reader(text.as_bytes()).unwrap();
        assert_eq!(theirs.config().digest().as_ref(), ours.config.digest.as_str());
        assert_eq!(theirs.layers().len(), ours.layers.len());
        for (theirs, ours) in theirs.layers().iter().zip(&ours.layers) {
            assert_eq!(theirs.digest().as_ref(), ours.digest.as_str());
            assert_eq!(
                (theirs.size(), theirs.media_type().to_string()),
                (ours.size, ours.media_type.clone())
            );
        }
    }

    #[test]
    fn refuses_what_cannot_be_run() {
        let cases = [
            (
                manifest("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
                "",
                "foreign",
            ),
            (manifest("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), "", "foreign"),
            (manifest("text/plain"), "", "unknown type"),
            (r#"{"schemaVersion":1,"fsLayers":[],"history":[]}"#.into(), "", "schema version 1"),
            (r#"{"schemaVersion":3}"#.into(), "", "expected 2"),
            (r#"{"schemaVersion":2}"#.into(), "", "neither"),
            (manifest("application/vnd.oci.image.layer.v1.tar"), OCI_INDEX, "delivered as"),
            ("[]".into(), "", "not valid"),
            (manifest("x").replace(OCI_CONFIG, "application/vnd.cncf.helm"), "", "artifact"),
        ];
        for (text, outer, word) in cases {
            let message = error(&text, outer);
            assert!(message.contains(word), "{message:?} lacks {word:?}");
        }
    }

    #[test]
    fn cve_2021_41190_ambiguous_documents_are_refused() {
        let both = manifest("application/vnd.oci.image.layer.v1.tar").replacen(
            '{',
            r#"{"manifests":[],"#,
            1,
        );
        assert!(error(&both, "").contains("CVE-2021-41190"));
        let both = manifest("application/vnd.oci.image.layer.v1.tar").replacen(
            '{',
            r#"{"fsLayers":[],"#,
            1,
        );
        assert!(error(&both, "").contains("CVE-2021-41190"));
    }

    #[test]
    fn refuses_a_digest_that_is_a_path() {
        let text = manifest("application/vnd.oci.image.layer.v1.tar").replace(D, "sha256:../../x");
        assert!(parse(text.as_bytes(), "").is_err());
    }
}
