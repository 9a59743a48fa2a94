//! Where metadata lies in a registry: small on the descriptors of an index, whole as an artifact
//! whose subject is the variant's manifest (image-spec 1.1, annotations.md and manifest.md).

use super::metadata::{Metadata, MetadataError};
use super::{ANNOTATION, ARTIFACT_TYPE};
use crate::image::types::Digest;
use crate::ui::json_fault::JsonFault;
use std::collections::BTreeMap;

/// Annotation of a descriptor or manifest; its value is the metadata as JSON.
pub const KEY: &str = ANNOTATION;
/// Artifact type of a referrer, and media type of its one blob: the same JSON.
pub const ARTIFACT: &str = ARTIFACT_TYPE;
/// Annotation of an entry whose artifact says more than [`KEY`]: the artifact's digest, or
/// [`LATEST`] for the newest that refers to the entry's manifest.
pub const REFERRER: &str = "dev.bolt.gaming.referrer";
/// See [`REFERRER`].
pub const LATEST: &str = "latest";
/// Most bytes of metadata that are written in either place.
pub const LONGEST: usize = 64 * 1024;

/// What the annotations say of a game; `None` when they say nothing.
pub fn read(annotations: &BTreeMap<String, String>) -> Result<Option<Metadata>, MetadataError> {
    annotations.get(KEY).map(|text| Metadata::parse(text.as_bytes())).transpose()
}

/// Which artifact has the whole of what the annotations begin to say; `None`: there is none.
///
/// Errors: the value is neither a digest nor [`LATEST`].
pub fn referrer(annotations: &BTreeMap<String, String>) -> Option<Result<Option<Digest>, String>> {
    let value = annotations.get(REFERRER)?;
    if value == LATEST {
        return Some(Ok(None));
    }
    let digest = value.parse().map(Some);
    Some(digest.map_err(|_| format!("annotation {REFERRER}: write a digest or {LATEST:?}")))
}

/// The annotation that says this: key and value. What was measured stays out, it belongs in the
/// artifact: an index has to be fetched before anything can be chosen.
pub fn write(metadata: &Metadata) -> Result<(String, String), MetadataError> {
    let small = Metadata { measured: Vec::new(), ..metadata.clone() };
    Ok((KEY.to_owned(), whole(&small)?))
}

/// The bytes of the artifact that says this.
pub fn whole(metadata: &Metadata) -> Result<String, MetadataError> {
    metadata.check()?;
    let json = serde_json::to_string(metadata).map_err(|e| JsonFault::new(&e.to_string()))?;
    match json.len() <= LONGEST {
        true => Ok(json),
        false => Err(MetadataError::Field {
            field: KEY.to_owned(),
            reason: format!(
                "{} bytes, of which {LONGEST} are allowed; shorten the lists",
                json.len()
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let toml = "tier = 'balanced'\nmeasured = [{ gpu = '1002:73bf', fps_avg = 90.0 }]";
        let metadata = Metadata::from_toml(toml).unwrap();
        let (key, value) = write(&metadata).unwrap();
        let read = read(&BTreeMap::from([(key, value)])).unwrap().unwrap();
        assert_eq!((read.tier, read.measured.len()), (metadata.tier, 0));
        let whole = whole(&metadata).unwrap();
        assert_eq!(Metadata::parse(whole.as_bytes()).unwrap(), metadata);
        assert!(Metadata::from_toml("tiers = 1").unwrap_err().to_string().contains("tiers"));
    }

    #[test]
    fn other_annotations_say_nothing() {
        assert_eq!(read(&BTreeMap::from([("a".to_owned(), "b".to_owned())])).unwrap(), None);
        assert!(read(&BTreeMap::from([(KEY.to_owned(), String::new())])).is_err());
    }
}
