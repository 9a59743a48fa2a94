//! Artifacts (image-spec 1.1, manifest.md "Guidelines for Artifact Usage"): manifests of things
//! that are no images, alone under a tag or about another manifest.

use crate::image::manifest::{MAX_DOCUMENT, OCI_MANIFEST};
use crate::image::types::{Descriptor, Digest};
use crate::ui::json_fault::{self, JsonFault};
use crate::ui::redact::foreign;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The type of the two bytes that stand where an image has its configuration.
pub const EMPTY_CONFIG: &str = "application/vnd.oci.empty.v1+json";
/// Those bytes.
pub const EMPTY: &[u8] = b"{}";
/// The title of a layer: the name of its file (image-spec annotations.md).
pub const TITLE: &str = "org.opencontainers.image.title";

/// Why a document is no usable artifact.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// Not JSON, or a field of the wrong type.
    #[error("the artifact's manifest is not valid")]
    Json(#[from] JsonFault),
    /// Something else.
    #[error("it is {found:?}, not an artifact of the type {wanted}")]
    Type {
        /// What was looked for.
        wanted: String,
        /// `artifactType`, or the configuration's type.
        found: String,
    },
    /// No content, or more than one.
    #[error("the artifact has {0} parts, expected one")]
    Parts(usize),
}

/// An artifact with one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// `artifactType`.
    pub artifact_type: String,
    /// The content.
    pub part: Descriptor,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
}

/// The descriptor of bytes that are here.
pub fn describe(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor {
        media_type: media_type.to_owned(),
        digest: Digest::sha256_of(bytes),
        size: bytes.len() as u64,
        platform: None,
        annotations: BTreeMap::new(),
    }
}

impl Artifact {
    /// The manifest's bytes. `subject` is what the artifact is about.
    pub fn manifest(&self, subject: Option<&Descriptor>) -> Vec<u8> {
        let mut value = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": self.artifact_type,
            "config": describe(EMPTY_CONFIG, EMPTY),
            "layers": [self.part],
        });
        if !self.annotations.is_empty() {
            value["annotations"] = json!(self.annotations);
        }
        if let Some(Descriptor { media_type, digest, size, .. }) = subject {
            value["subject"] = json!({"mediaType": media_type, "digest": digest, "size": size});
        }
        value.to_string().into_bytes()
    }

    /// The digest that its manifest has when it is about `subject`.
    pub fn digest_about(&self, subject: &Descriptor) -> Digest {
        Digest::sha256_of(&self.manifest(Some(subject)))
    }

    /// Reads the manifest of an artifact of the type `wanted`. Older ones say their type by the
    /// configuration's.
    pub fn parse(bytes: &[u8], wanted: &str) -> Result<Self, ArtifactError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Raw {
            artifact_type: Option<String>,
            config: Option<Descriptor>,
            #[serde(default)]
            layers: Vec<Descriptor>,
            #[serde(default)]
            annotations: BTreeMap<String, String>,
        }
        let Raw { artifact_type, config, mut layers, annotations } = json_fault::read(bytes)?;
        let found = artifact_type.filter(|t| !t.is_empty());
        let found = found.or(config.map(|c| c.media_type)).unwrap_or_default();
        if found != wanted {
            let found = foreign(&found, 120);
            return Err(ArtifactError::Type { wanted: wanted.to_owned(), found });
        }
        match (layers.len(), layers.pop()) {
            (1, Some(part)) => Ok(Artifact { artifact_type: found, part, annotations }),
            (count, _) => Err(ArtifactError::Parts(count)),
        }
    }
}

/// What the artifact is about; `None` where it does not say.
pub fn subject(manifest: &[u8]) -> Option<Digest> {
    #[derive(Deserialize)]
    struct Raw {
        subject: Option<Descriptor>,
    }
    serde_json::from_slice::<Raw>(manifest).ok()?.subject.map(|subject| subject.digest)
}

/// One entry of a list of referrers (distribution-spec, "Listing Referrers").
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Referrer {
    /// The referring manifest.
    #[serde(flatten)]
    pub manifest: Descriptor,
    /// What it is.
    #[serde(default)]
    pub artifact_type: String,
}

/// The referrers in an index; entries that cannot be read are passed over.
pub fn referrers(index: &[u8]) -> Result<Vec<Referrer>, JsonFault> {
    #[derive(Deserialize)]
    struct Raw {
        #[serde(default)]
        manifests: Vec<Value>,
    }
    let raw: Raw = json_fault::read(index)?;
    Ok(raw.manifests.into_iter().filter_map(|v| serde_json::from_value(v).ok()).collect())
}

/// The newest by `org.opencontainers.image.created`, the last in the list where that is equal.
pub fn newest(all: &[Referrer]) -> Option<&Descriptor> {
    const CREATED: &str = "org.opencontainers.image.created";
    let created = |r: &&Referrer| r.manifest.annotations.get(CREATED).cloned();
    all.iter().max_by_key(created).map(|r| &r.manifest)
}

/// The tag under which registries without a referrers API keep the index of them
/// (distribution-spec, "Referrers Tag Schema").
pub fn fallback_tag(subject: &Digest) -> String {
    let hex: String = subject.hex().chars().take(64).collect();
    format!("{}-{hex}", subject.algorithm())
}

/// The fallback index with a referrer more. `None` when it had it already.
///
/// Errors: what is there is no index, or would grow too large to be read again.
pub fn with_referrer(
    index: Option<&[u8]>,
    manifest: &Descriptor,
    artifact: &Artifact,
) -> Result<Option<Vec<u8>>, String> {
    let mut value: Value = match index {
        Some(bytes) => serde_json::from_slice(bytes).map_err(|e| e.to_string())?,
        None => crate::image::list::ImageList::new("").index().clone(),
    };
    let entries = value.get_mut("manifests").and_then(Value::as_array_mut);
    let entries = entries.ok_or("it is no index")?;
    if entries.iter().any(|e| e["digest"] == manifest.digest.as_str()) {
        return Ok(None);
    }
    let mut entry = json!(manifest);
    entry["artifactType"] = json!(artifact.artifact_type);
    if !artifact.annotations.is_empty() {
        entry["annotations"] = json!(artifact.annotations);
    }
    entries.push(entry);
    let bytes = value.to_string().into_bytes();
    if bytes.len() as u64 > MAX_DOCUMENT {
        return Err("it has no room for one more".to_owned());
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = "application/vnd.bolt.profile.v1+toml";

    fn artifact() -> Artifact {
        Artifact {
            artifact_type: PROFILE.to_owned(),
            part: describe(PROFILE, b"[profile]"),
            annotations: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
        }
    }

    #[test]
    fn artifacts_are_written_and_read() {
        let subject = describe(OCI_MANIFEST, b"x");
        let bytes = artifact().manifest(Some(&subject));
        assert_eq!(Artifact::parse(&bytes, PROFILE).unwrap(), artifact());
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(value["subject"]["digest"], subject.digest.as_str());
        // image-spec, manifest.md: the digest of the empty descriptor.
        assert_eq!(
            value["config"]["digest"],
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
        let error = Artifact::parse(&bytes, "application/other").unwrap_err().to_string();
        assert!(error.contains(PROFILE), "{error}");
        assert!(matches!(
            Artifact::parse(br#"{"artifactType":"t","layers":[]}"#, "t"),
            Err(ArtifactError::Parts(0))
        ));
    }

    #[test]
    fn the_specification_reads_them_too() {
        let bytes = artifact().manifest(None);
        let theirs = oci_spec::image::ImageManifest::from_reader(bytes.as_slice()).unwrap();
        assert_eq!(theirs.artifact_type().as_ref().unwrap().to_string(), PROFILE);
    }

    #[test]
    fn the_fallback_index_grows_once() {
        let bytes = artifact().manifest(None);
        let manifest = describe(OCI_MANIFEST, &bytes);
        let index = with_referrer(None, &manifest, &artifact()).unwrap().unwrap();
        assert_eq!(with_referrer(Some(&index), &manifest, &artifact()).unwrap(), None);
        let found = referrers(&index).unwrap();
        assert_eq!((found.len(), found[0].artifact_type.as_str()), (1, PROFILE));
        assert_eq!(found[0].manifest.annotations["a"], "b");
        assert!(with_referrer(Some(b"[]"), &manifest, &artifact()).is_err());
        let full = format!(r#"{{"manifests":["{}"]}}"#, "x".repeat(4 << 20));
        assert!(with_referrer(Some(full.as_bytes()), &manifest, &artifact()).is_err());
        let sha512: Digest = format!("sha512:{}", "ab".repeat(64)).parse().unwrap();
        assert_eq!(fallback_tag(&sha512), format!("sha512-{}", "ab".repeat(32)));
    }

    #[test]
    fn the_newest_referrer_counts() {
        let one = |name: &[u8], created: Option<&str>| {
            let mut manifest = describe(OCI_MANIFEST, name);
            let created =
                created.map(|c| ("org.opencontainers.image.created".to_owned(), c.to_owned()));
            manifest.annotations.extend(created);
            Referrer { manifest, artifact_type: "application/x".to_owned() }
        };
        let (old, new) = (one(b"o", Some("2026-01-01")), one(b"n", Some("2026-02-01")));
        let none = [one(b"1", None), one(b"2", None)];
        assert_eq!(newest(&[new.clone(), old, none[0].clone()]), Some(&new.manifest));
        assert_eq!(newest(&none), Some(&none[1].manifest));
        assert_eq!(newest(&[]), None);
    }
}
