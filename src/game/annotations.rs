//! Where metadata lies in a registry: small on the descriptors of an index, whole as an artifact
//! whose subject is the variant's manifest (image-spec 1.1, annotations.md and manifest.md).

use crate::game::{Metadata, MetadataError};
use std::collections::BTreeMap;

/// Annotation of a descriptor or manifest; its value is the metadata as JSON.
pub const KEY: &str = "dev.bolt.gaming.v1";

/// Artifact type of a referrer, and media type of its one blob: the same JSON.
pub const ARTIFACT_TYPE: &str = "application/vnd.bolt.gaming.v1+json";

/// Most bytes of metadata in either place.
pub const LONGEST: usize = 64 * 1024;

/// What the annotations say of a game; `None` when they say nothing.
pub fn read(annotations: &BTreeMap<String, String>) -> Result<Option<Metadata>, MetadataError> {
    annotations.get(KEY).map(|text| parse(text.as_bytes())).transpose()
}

/// Reads the value of the annotation or the blob of the artifact.
pub fn parse(json: &[u8]) -> Result<Metadata, MetadataError> {
    is_short(json.len())?;
    Metadata::from_json(json)
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
    let json = metadata.to_json();
    is_short(json.len())?;
    Ok(json)
}

fn is_short(bytes: usize) -> Result<(), MetadataError> {
    if bytes <= LONGEST {
        return Ok(());
    }
    Err(MetadataError {
        field: KEY.to_owned(),
        problem: format!("{bytes} bytes, of which {LONGEST} are allowed"),
        fix: "shorten the lists".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let toml = "tier = 'balanced'\nmeasured = [{ gpu = 'RX 6800', average_fps = 90.0 }]";
        let metadata = Metadata::from_toml(toml).expect("TOML");
        let (key, value) = write(&metadata).expect("an annotation");
        let read = read(&BTreeMap::from([(key, value)])).expect("valid").expect("is there");
        assert_eq!((read.tier, read.measured.len()), (metadata.tier, 0));
        let whole = whole(&metadata).expect("an artifact");
        assert_eq!(parse(whole.as_bytes()), Ok(metadata));
    }

    #[test]
    fn other_annotations_say_nothing_and_long_ones_too_much() {
        assert_eq!(read(&BTreeMap::from([("a".to_owned(), "b".to_owned())])), Ok(None));
        let long = BTreeMap::from([(KEY.to_owned(), " ".repeat(LONGEST + 1))]);
        assert_eq!(read(&long).unwrap_err().field, KEY);
        assert!(read(&BTreeMap::from([(KEY.to_owned(), String::new())])).is_err());
    }
}
