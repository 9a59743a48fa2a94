//! The two files that make a bucket's prefix an image layout (image-spec image-layout.md).

use super::{Bucket, S3Error};
use crate::image::manifest::{self, MAX_DOCUMENT};
use crate::image::source::RawDocument;
use crate::ui::json_fault;
use serde_json::{Value, json};

const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
const NAME: &str = "org.opencontainers.image.ref.name";

/// Lists `root` under `name`; an entry of that name is replaced, all others stay as they are.
///
/// Two calls at the same time may lose one's entry: S3 has no lock.
///
/// Errors: what is there is no index, or cannot be read or written.
pub(in crate::image) async fn add(
    bucket: &Bucket<'_>,
    root: &RawDocument,
    name: &str,
) -> Result<(), S3Error> {
    let old = match bucket.read("index.json", MAX_DOCUMENT).await {
        Ok(bytes) => Some(bytes),
        Err(S3Error::NoSuchKey { .. }) => None,
        Err(e) => return Err(e),
    };
    let index = with_entry(old.as_deref(), root, name).map_err(|reason| {
        let reason = format!("index.json: {reason}; move it away, or choose another prefix");
        S3Error::Protocol { place: bucket.place_name(), reason }
    })?;
    let marker = br#"{"imageLayoutVersion":"1.0.0"}"#;
    bucket.write("oci-layout", marker, "application/json").await?;
    if old.as_deref() != Some(index.as_slice()) {
        bucket.write("index.json", &index, INDEX_TYPE).await?;
    }
    Ok(())
}

/// The index with one entry more. Errors: what is there is no index.
fn with_entry(old: Option<&[u8]>, root: &RawDocument, name: &str) -> Result<Vec<u8>, String> {
    let mut index: Value = match old {
        Some(bytes) => json_fault::read(bytes).map_err(|e| e.to_string())?,
        None => json!({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": []}),
    };
    let manifests = index.get_mut("manifests").and_then(Value::as_array_mut);
    let manifests = manifests.ok_or("it has no list of manifests")?;
    manifests.retain(|entry| entry["annotations"][NAME] != name);
    manifests.push(json!({
        "mediaType": media_type(root),
        "digest": root.digest,
        "size": root.bytes.len(),
        "annotations": {NAME: name},
    }));
    serde_json::to_vec(&index).map_err(|e| e.to_string())
}

/// What the document is, also where neither its place nor itself says so.
fn media_type(root: &RawDocument) -> String {
    let own: Value = serde_json::from_slice(&root.bytes).unwrap_or_default();
    let given = own["mediaType"].as_str().map(str::to_owned);
    let outer = || Some(manifest::plain_type(&root.media_type)).filter(|t| !t.is_empty());
    given.or_else(outer).unwrap_or_else(|| {
        let kind = if own["manifests"].is_array() { "index" } else { "manifest" };
        format!("application/vnd.oci.image.{kind}.v1+json")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::types::Digest;

    fn root(bytes: &str) -> RawDocument {
        let digest = Digest::sha256_of(bytes.as_bytes());
        let bytes = bytes.as_bytes().to_vec();
        RawDocument { bytes, media_type: String::new(), digest, given_name: None }
    }

    #[test]
    fn entries_are_added_and_replaced() {
        let one = with_entry(None, &root("{}"), "a").unwrap();
        let two = with_entry(Some(&one), &root(r#"{"manifests":[]}"#), "b").unwrap();
        let again = with_entry(Some(&two), &root("{ }"), "a").unwrap();
        let index: Value = serde_json::from_slice(&again).unwrap();
        let names: Vec<_> = index["manifests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| &e["annotations"][NAME])
            .collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(index["manifests"][0]["mediaType"], INDEX_TYPE);
        assert_eq!(index["manifests"][1]["size"], 3);
        assert!(with_entry(Some(b"[]"), &root("{}"), "a").is_err());
        assert!(with_entry(Some(b"{"), &root("{}"), "a").is_err());
    }
}
