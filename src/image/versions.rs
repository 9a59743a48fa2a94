//! Versions as tags: which tag is the newest of a range (Semantic Versioning 2.0, Cargo's ranges).

use semver::{Version, VersionReq};
use std::fmt;

/// Why a text is no version range.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not a version range ({reason}); write ^1.4, ~1.4.2, =1.4.2 or >=1.4, <2")]
pub struct BadRange {
    text: String,
    reason: String,
}

/// Versions that will do, such as `^1.4`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range(VersionReq);

impl Range {
    /// Reads a range.
    pub fn parse(text: &str) -> Result<Self, BadRange> {
        let fault = |reason: String| BadRange { text: text.chars().take(100).collect(), reason };
        if text.len() > 200 {
            return Err(fault("it is longer than 200 bytes".to_owned()));
        }
        VersionReq::parse(text).map(Range).map_err(|e| fault(e.to_string()))
    }

    /// The newest tag that is a version of the range. Of two spellings of one version the longer
    /// tag is taken, since it moves less: `1.4.0` before `1.4`.
    pub fn newest<'t>(&self, tags: impl IntoIterator<Item = &'t str>) -> Option<&'t str> {
        let fitting = tags.into_iter().filter_map(|tag| {
            let version = version_of(tag).filter(|version| self.0.matches(version))?;
            Some((version, tag.len(), tag))
        });
        fitting.max().map(|(_, _, tag)| tag)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The newest released version among `tags` that is newer than the version `tag`; `None` when
/// `tag` is no version, or the newest.
pub fn newer_than<'t>(tag: &str, tags: impl IntoIterator<Item = &'t str>) -> Option<&'t str> {
    let current = version_of(tag)?;
    let released = tags.into_iter().filter_map(|tag| {
        let version = version_of(tag).filter(|v| v.pre.is_empty() && *v > current)?;
        Some((version, tag.len(), tag))
    });
    released.max().map(|(_, _, tag)| tag)
}

/// Whether a tag is a version.
pub fn is_version(tag: &str) -> bool {
    version_of(tag).is_some()
}

/// `1.4.2`, `v1.4.2`, `1.4` and `1`: what publishers write. A tag has no `+`; `_` stands for it.
fn version_of(tag: &str) -> Option<Version> {
    let text = tag.strip_prefix('v').unwrap_or(tag);
    let core_end = text.find(['-', '_']).unwrap_or(text.len());
    let (core, rest) = text.split_at(core_end);
    let zeros = match core.split('.').count() {
        1 => ".0.0",
        2 => ".0",
        _ => "",
    };
    Version::parse(&format!("{core}{zeros}{}", rest.replacen('_', "+", 1))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAGS: [&str; 9] =
        ["latest", "1.3.9", "1.4", "1.4.0", "v1.5.1", "1.6.0-rc.1", "2.0.0", "sha256-00", "1.5.0"];

    #[test]
    fn the_newest_of_a_range_is_taken() {
        for (range, tag) in [
            ("^1.4", Some("v1.5.1")),
            ("~1.4", Some("1.4.0")),
            ("=1.3.9", Some("1.3.9")),
            (">=1.4, <1.5", Some("1.4.0")),
            ("*", Some("2.0.0")),
            ("^1.6.0-rc.0", Some("1.6.0-rc.1")),
            ("^3", None),
        ] {
            assert_eq!(Range::parse(range).unwrap().newest(TAGS), tag, "{range}");
        }
        assert!(Range::parse(&"1".repeat(300)).unwrap_err().to_string().len() < 300);
    }

    #[test]
    fn newer_versions_are_released_ones() {
        assert_eq!(newer_than("1.4", TAGS), Some("2.0.0"));
        assert_eq!(newer_than("2.0.0", TAGS), None);
        assert_eq!(newer_than("latest", TAGS), None);
        assert_eq!(newer_than("1.6.0-rc.1", ["1.6.0", "1.6.0-rc.2"]), Some("1.6.0"));
    }
}
