//! `bolt://NAME[:TAG|:RANGE|@DIGEST]` and `drift://HOST[:PORT]/NAME…`: games of a Drift registry.

use super::grammar::{Parts, refuse_credentials, shown};
use super::{Reference, ReferenceError};
use crate::image::types::Digest;
use crate::image::versions::Range;
use std::fmt;

/// The scheme of the default Drift registry.
pub(super) const BOLT: &str = "bolt://";
/// The scheme of a Drift registry by its host.
pub(super) const DRIFT: &str = "drift://";

/// A name that a Drift registry answers. Every value of this type obeys the grammar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftName {
    /// `None`: the default registry.
    host: Option<String>,
    repository: String,
    tag: Option<String>,
    range: Option<Range>,
    digest: Option<Digest>,
}

impl DriftName {
    /// Reads `bolt://…` or `drift://…`.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        let fault = |reason: String| ReferenceError::Drift { text: shown(text), reason };
        let (has_host, rest) = match (text.strip_prefix(BOLT), text.strip_prefix(DRIFT)) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(fault("it starts with neither bolt:// nor drift://".to_owned())),
        };
        refuse_credentials(text)?;
        let (rest, range) = split_range(rest).map_err(|reason| fault(reason.to_owned()))?;
        let range = range.map(Range::parse).transpose().map_err(|e| fault(e.to_string()))?;
        let parts = Parts::split(rest).map_err(|e| match e {
            ReferenceError::Empty => fault("no name stands behind the scheme".to_owned()),
            other => other,
        })?;
        match (has_host, parts.registry) {
            (false, Some(registry)) => Err(fault(format!(
                "a bolt:// name has no registry; write drift://{}/… for that of a host",
                shown(registry)
            ))),
            (true, None) => Err(fault(
                "a drift:// name begins with HOST/ or HOST:PORT/; a host without a dot needs its \
                 port, as in nas:443"
                    .to_owned(),
            )),
            (false, None) => {
                let short = parts.into_short(rest)?;
                let (tag, digest) = (short.tag().map(str::to_owned), short.digest().cloned());
                let repository = short.repository().to_owned();
                Ok(Self { host: None, repository, tag, range, digest })
            }
            (true, Some(_)) => {
                let full: Reference = parts.into_reference(rest)?;
                let (tag, digest) = (full.tag().map(str::to_owned), full.digest().cloned());
                let (host, repository) = (full.registry().to_owned(), full.repository().to_owned());
                Ok(Self { host: Some(host), repository, tag, range, digest })
            }
        }
    }

    /// `host[:port]` of a `drift://` name.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }
    /// The name below the registry's location.
    pub fn repository(&self) -> &str {
        &self.repository
    }
    /// The tag, when one was given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }
    /// The version range, when one was given.
    pub fn range(&self) -> Option<&Range> {
        self.range.as_ref()
    }
    /// The digest, when one was given.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }
    /// Whether neither tag, range nor digest was given.
    pub fn is_bare(&self) -> bool {
        self.tag.is_none() && self.range.is_none() && self.digest.is_none()
    }
}

/// What stands behind the last colon is a range when it begins with an operator: no tag does.
fn split_range(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    let operator = |rest: &str| rest.starts_with(['^', '~', '=', '<', '>', '*']);
    let path = text.rfind('/').map_or(0, |slash| slash + 1);
    let Some(colon) = text[path..].find(':').map(|colon| path + colon) else {
        return Ok((text, None));
    };
    let rest = &text[colon + 1..];
    match (operator(rest), rest.contains('@')) {
        (false, _) => Ok((text, None)),
        (true, true) => Err("a version range and a digest exclude each other; write one of them"),
        (true, false) => Ok((&text[..colon], Some(rest))),
    }
}

impl fmt::Display for DriftName {
    /// What was typed, in one spelling: the key of the lock file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            None => write!(f, "{BOLT}{}", self.repository)?,
            Some(host) => write!(f, "{DRIFT}{host}/{}", self.repository)?,
        }
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(range) = &self.range {
            write!(f, ":{range}")?;
        }
        match &self.digest {
            Some(digest) => write!(f, "@{digest}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::reference::ImageName;

    #[test]
    fn names_mean_what_they_say_and_are_written_as_they_were_read() {
        let digest = Digest::sha256_of(b"x");
        let pinned = format!("bolt://doom@{digest}");
        for (text, written) in [
            ("bolt://doom", "bolt://doom"),
            ("bolt://games/doom:1.4", "bolt://games/doom:1.4"),
            ("bolt://doom:^1.4", "bolt://doom:^1.4"),
            ("bolt://doom:>=1.4,<2", "bolt://doom:>=1.4, <2"),
            ("bolt://doom:~1.4.1", "bolt://doom:~1.4.1"),
            ("drift://Example.ORG:5000/games/doom:v2", "drift://example.org:5000/games/doom:v2"),
            ("drift://localhost/doom", "drift://localhost/doom"),
            (pinned.as_str(), pinned.as_str()),
        ] {
            let Ok(ImageName::Drift(name)) = ImageName::parse(text) else { panic!("{text}") };
            assert_eq!(name.to_string(), written);
            assert_eq!(DriftName::parse(written), Ok(name), "{written}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        let pinned = format!("bolt://doom:^1@{}", Digest::sha256_of(b"x"));
        for (text, word) in [
            ("bolt://", "no name stands behind"),
            ("bolt://example.org/doom", "write drift://example.org/"),
            ("bolt://localhost:5000/doom", "write drift://localhost:5000/"),
            ("drift://doom", "begins with HOST/"),
            ("drift://nas/doom", "nas:443"),
            ("bolt://Doom", "upper-case"),
            ("bolt://doom:^x", "range"),
            ("bolt://doom:^", "range"),
            ("bolt://doom:1 4", "is not a tag"),
            (pinned.as_str(), "exclude each other"),
        ] {
            let message = ImageName::parse(text).unwrap_err().to_string();
            assert!(message.contains(word), "{text}: {message}");
        }
        // Nothing but the two schemes leads to Drift.
        assert!(matches!(ImageName::parse("doom"), Ok(ImageName::Short(_))));
        assert!(matches!(ImageName::parse("bolt:1"), Ok(ImageName::Short(_))));
    }
}
