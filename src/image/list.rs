//! An image list (OCI index) under construction: what `bolt manifest` makes and changes, and
//! pushes at last.

use crate::image::manifest::OCI_INDEX;
use crate::image::types::{Descriptor, Digest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Why a list cannot be changed so.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ListError {
    /// No such entry.
    #[error("the list {list} has no manifest {digest}")]
    NoEntry {
        /// The list.
        list: String,
        /// What was looked for.
        digest: Digest,
    },
    /// `--annotation` without a key or a value.
    #[error("annotation {0:?}: write KEY=VALUE")]
    Annotation(String),
}

/// A document that is pushed beside a manifest, and names it as its subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// `artifactType`, and the media type of the text.
    pub artifact_type: String,
    /// The document.
    pub text: String,
}

/// A list of the local store. The file format of `store/lists/`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageList {
    /// Format version, 1.
    version: u32,
    /// Full name.
    pub name: String,
    /// The index as it will be pushed: an object whose `manifests` is a list of objects.
    #[serde(deserialize_with = "index")]
    index: Value,
    /// Where manifests lie that the store has no image of: `registry/repository`.
    #[serde(default)]
    origins: BTreeMap<Digest, String>,
    /// What is pushed beside the manifests.
    #[serde(default)]
    attachments: BTreeMap<Digest, Vec<Attachment>>,
}

/// What is changed in an entry; what is `None` or empty stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// Annotations, set one by one.
    pub annotations: BTreeMap<String, String>,
    /// `platform.architecture`.
    pub arch: Option<String>,
    /// `platform.os`.
    pub os: Option<String>,
    /// `platform.os.version`.
    pub os_version: Option<String>,
    /// `platform.os.features`.
    pub os_features: Vec<String>,
    /// `platform.variant`.
    pub variant: Option<String>,
    /// `platform.features`: reserved by the specification, docker's lists have it.
    pub features: Vec<String>,
}

fn index<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Value, D::Error> {
    let value = Value::deserialize(from)?;
    match value["manifests"].as_array() {
        Some(entries) if entries.iter().all(Value::is_object) => Ok(value),
        _ => Err(serde::de::Error::custom("the index has no list of manifests")),
    }
}

/// Reads `KEY=VALUE` texts; a later one of the same key wins.
pub fn annotations(texts: &[String]) -> Result<BTreeMap<String, String>, ListError> {
    let read = |text: &String| match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(ListError::Annotation(text.clone())),
    };
    texts.iter().map(read).collect()
}

impl ImageList {
    /// An empty list.
    pub fn new(name: &str) -> Self {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []});
        ImageList {
            version: 1,
            name: name.to_owned(),
            index,
            origins: BTreeMap::new(),
            attachments: BTreeMap::new(),
        }
    }

    /// The index as JSON.
    pub fn index(&self) -> &Value {
        &self.index
    }

    /// The index's bytes, as long as nothing changes.
    pub fn bytes(&self) -> Vec<u8> {
        self.index.to_string().into_bytes()
    }

    /// Digests of the manifests, in order.
    pub fn digests(&self) -> Vec<Digest> {
        self.entries().iter().filter_map(digest_of).collect()
    }

    /// Where a manifest lies that is not in the store.
    pub fn origin(&self, digest: &Digest) -> Option<&str> {
        self.origins.get(digest).map(String::as_str)
    }

    /// Documents to be pushed beside a manifest.
    pub fn attachments(&self, digest: &Digest) -> &[Attachment] {
        self.attachments.get(digest).map_or(&[], Vec::as_slice)
    }

    fn entries(&self) -> &[Value] {
        self.index["manifests"].as_array().map_or(&[], Vec::as_slice)
    }

    fn entry_mut(&mut self, digest: &Digest) -> Result<&mut Value, ListError> {
        let missing = ListError::NoEntry { list: self.name.clone(), digest: digest.clone() };
        let entries = self.index["manifests"].as_array_mut();
        let found = entries.into_iter().flatten().find(|e| e["digest"] == digest.as_str());
        found.ok_or(missing)
    }

    /// Adds a manifest at the end, or puts its descriptor in the place of the old one.
    pub fn add(&mut self, entry: &Descriptor, artifact_type: Option<&str>, origin: Option<String>) {
        let mut value = json!(entry);
        if let Some(artifact_type) = artifact_type {
            value["artifactType"] = json!(artifact_type);
        }
        match origin {
            Some(origin) => self.origins.insert(entry.digest.clone(), origin),
            None => self.origins.remove(&entry.digest),
        };
        match self.entry_mut(&entry.digest) {
            Ok(old) => *old = value,
            Err(_) => {
                if let Some(entries) = self.index["manifests"].as_array_mut() {
                    entries.push(value);
                }
            }
        }
    }

    /// Changes the entry of a manifest.
    pub fn annotate(&mut self, digest: &Digest, edit: &Edit) -> Result<(), ListError> {
        let entry = self.entry_mut(digest)?;
        set_annotations(entry, &edit.annotations);
        let texts = [
            ("architecture", &edit.arch),
            ("os", &edit.os),
            ("os.version", &edit.os_version),
            ("variant", &edit.variant),
        ];
        for (key, value) in texts {
            if let Some(value) = value {
                set(entry, "platform", key, json!(value));
            }
        }
        for (key, list) in [("os.features", &edit.os_features), ("features", &edit.features)] {
            if !list.is_empty() {
                set(entry, "platform", key, json!(list));
            }
        }
        Ok(())
    }

    /// Sets annotations of the list itself.
    pub fn annotate_list(&mut self, annotations: &BTreeMap<String, String>) {
        set_annotations(&mut self.index, annotations);
    }

    /// Has a document pushed beside a manifest, in the place of an older one of its type.
    pub fn attach(&mut self, digest: &Digest, attachment: Attachment) -> Result<(), ListError> {
        self.entry_mut(digest)?;
        let all = self.attachments.entry(digest.clone()).or_default();
        all.retain(|old| old.artifact_type != attachment.artifact_type);
        all.push(attachment);
        Ok(())
    }

    /// Takes a manifest out.
    pub fn remove(&mut self, digest: &Digest) -> Result<(), ListError> {
        self.entry_mut(digest)?;
        if let Some(entries) = self.index["manifests"].as_array_mut() {
            entries.retain(|entry| entry["digest"] != digest.as_str());
        }
        self.origins.remove(digest);
        self.attachments.remove(digest);
        Ok(())
    }

    /// The index with other digests in the place of some: of manifests that changed on their
    /// way out.
    pub fn with_replaced(&self, new: &BTreeMap<Digest, (Digest, String, usize)>) -> Value {
        let mut index = self.index.clone();
        for entry in index["manifests"].as_array_mut().into_iter().flatten() {
            if let Some((digest, media_type, size)) = digest_of(entry).and_then(|d| new.get(&d)) {
                entry["digest"] = json!(digest);
                entry["mediaType"] = json!(media_type);
                entry["size"] = json!(size);
            }
        }
        index
    }

    /// The descriptor of a manifest.
    pub fn entry(&self, digest: &Digest) -> Result<Descriptor, ListError> {
        let found = self.entries().iter().find(|e| e["digest"] == digest.as_str());
        found
            .and_then(|entry| serde_json::from_value(entry.clone()).ok())
            .ok_or_else(|| ListError::NoEntry { list: self.name.clone(), digest: digest.clone() })
    }
}

fn digest_of(entry: &Value) -> Option<Digest> {
    entry["digest"].as_str()?.parse().ok()
}

fn set_annotations(of: &mut Value, annotations: &BTreeMap<String, String>) {
    for (key, value) in annotations {
        set(of, "annotations", key, json!(value));
    }
}

fn set(of: &mut Value, map: &str, key: &str, value: Value) {
    if !of[map].is_object() {
        of[map] = Value::Object(Map::new());
    }
    of[map][key] = value;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::manifest::{Document, OCI_MANIFEST, parse};

    fn entry(n: u8) -> Descriptor {
        Descriptor {
            media_type: OCI_MANIFEST.to_owned(),
            digest: Digest::sha256_of(&[n]),
            size: u64::from(n),
            platform: Some(crate::image::platform::parse("linux/amd64/v3").unwrap()),
            annotations: BTreeMap::new(),
        }
    }

    #[test]
    fn a_list_is_made_changed_and_read_back() {
        let mut list = ImageList::new("quay.io/a/b:1");
        list.add(&entry(1), None, None);
        list.add(&entry(2), Some("application/x"), Some("quay.io/c".to_owned()));
        list.add(&entry(1), None, None);
        let (one, two) = (Digest::sha256_of(&[1]), Digest::sha256_of(&[2]));
        assert_eq!(list.digests(), [one.clone(), two.clone()]);
        assert_eq!((list.origin(&one), list.origin(&two)), (None, Some("quay.io/c")));
        let edit = Edit {
            annotations: annotations(&["a=b=c".to_owned()]).unwrap(),
            variant: Some("v2".to_owned()),
            os_features: vec!["x".to_owned()],
            ..Edit::default()
        };
        list.annotate(&one, &edit).unwrap();
        list.annotate_list(&BTreeMap::from([("k".to_owned(), "v".to_owned())]));
        let text = serde_json::to_vec(&list).unwrap();
        assert_eq!(serde_json::from_slice::<ImageList>(&text).unwrap(), list);
        let Document::Index(entries) = parse(&list.bytes(), OCI_INDEX).unwrap() else { panic!() };
        assert_eq!(entries[0].annotations["a"], "b=c");
        let platform = list.entry(&one).unwrap().platform.unwrap();
        assert_eq!(platform.variant.as_deref(), Some("v2"));
        assert_eq!(list.index()["annotations"]["k"], "v");
        let damaged =
            String::from_utf8(text).unwrap().replace("\"manifests\":[", "\"manifests\":[7,");
        assert!(serde_json::from_str::<ImageList>(&damaged).is_err());
        let new = BTreeMap::from([(one.clone(), (two.clone(), "t".to_owned(), 7))]);
        assert_eq!(list.with_replaced(&new)["manifests"][0]["size"], 7);
        list.remove(&two).unwrap();
        assert!(list.remove(&two).unwrap_err().to_string().contains("has no manifest"));
    }

    #[test]
    fn an_attachment_takes_the_place_of_its_kind() {
        let mut list = ImageList::new("a");
        list.add(&entry(1), None, None);
        let one = Digest::sha256_of(&[1]);
        for text in ["old", "new"] {
            let artifact_type = "application/x".to_owned();
            list.attach(&one, Attachment { artifact_type, text: text.to_owned() }).unwrap();
        }
        assert_eq!(list.attachments(&one).len(), 1);
        assert_eq!(list.attachments(&one)[0].text, "new");
    }

    #[test]
    fn annotations_need_a_key() {
        assert!(annotations(&["x".to_owned()]).is_err());
        assert!(annotations(&["=x".to_owned()]).is_err());
    }
}
