//! Where a blob lies in a bucket: a key with places for the digest's parts.

use crate::image::types::Digest;
use std::fmt;

/// Longest template, in bytes: a key has 1024, and the digest and a prefix need their part.
const LONGEST: usize = 400;

/// Why a text is no key template.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadTemplate {
    /// A brace without its partner.
    #[error(
        "a brace is not closed; placeholders are {{hex}}, {{hex:N}}, {{digest}}, {{algorithm}}"
    )]
    Brace,
    /// A placeholder that is not known.
    #[error(
        "{{{0}}} is no placeholder; use {{hex}}, {{hex:N}} (the first N digits, 1 to 64), \
         {{digest}} or {{algorithm}}"
    )]
    Placeholder(String),
    /// All blobs would lie under one key.
    #[error("neither {{hex}} nor {{digest}} stands in it: every blob would have the same key")]
    NotUnique,
    /// A character that no key should have, or a slash at an end.
    #[error(
        "a key has no control characters, no slash at its ends, no part '.' or '..', and at most \
         {LONGEST} bytes"
    )]
    Shape,
}

/// A checked template, such as `blobs/sha256/{hex:2}/{hex}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Hex,
    HexStart(usize),
    Digest,
    Algorithm,
}

impl KeyTemplate {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, BadTemplate> {
        let dots = text.split('/').any(|part| part == "." || part == "..");
        let edge = text.starts_with('/') || text.ends_with('/');
        if edge || dots || text.len() > LONGEST || text.chars().any(char::is_control) {
            return Err(BadTemplate::Shape);
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let end = rest.find('}').filter(|end| *end > at).ok_or(BadTemplate::Brace)?;
            if at > 0 {
                parts.push(Part::Text(rest[..at].to_owned()));
            }
            parts.push(placeholder(&rest[at + 1..end])?);
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if !parts.iter().any(|part| matches!(part, Part::Hex | Part::Digest)) {
            return Err(BadTemplate::NotUnique);
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// `blobs/{algorithm}/{hex}`: where an OCI image layout has its blobs (image-layout.md).
    pub fn oci() -> Self {
        let text = |text: &str| Part::Text(text.to_owned());
        let parts = vec![text("blobs/"), Part::Algorithm, text("/"), Part::Hex];
        Self { text: "blobs/{algorithm}/{hex}".to_owned(), parts }
    }

    /// The key of a blob, without the store's prefix.
    pub fn key(&self, digest: &Digest) -> String {
        let hex = digest.hex();
        let piece = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Hex => hex.to_owned(),
            Part::HexStart(len) => hex[..*len].to_owned(),
            Part::Digest => digest.to_string(),
            Part::Algorithm => digest.algorithm().to_owned(),
        };
        self.parts.iter().map(piece).collect()
    }
}

fn placeholder(name: &str) -> Result<Part, BadTemplate> {
    let unknown = || BadTemplate::Placeholder(name.chars().take(40).collect());
    match name {
        "hex" => Ok(Part::Hex),
        "digest" => Ok(Part::Digest),
        "algorithm" => Ok(Part::Algorithm),
        _ => {
            let len = name.strip_prefix("hex:").and_then(|len| len.parse().ok());
            // The shortest digest has 64 digits.
            len.filter(|len| (1..=64).contains(len)).map(Part::HexStart).ok_or_else(unknown)
        }
    }
}

impl fmt::Display for KeyTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Default for KeyTemplate {
    /// `blobs/{algorithm}/{hex:2}/{hex}`.
    fn default() -> Self {
        let parts = vec![
            Part::Text("blobs/".into()),
            Part::Algorithm,
            Part::Text("/".into()),
            Part::HexStart(2),
            Part::Text("/".into()),
            Part::Hex,
        ];
        Self { text: "blobs/{algorithm}/{hex:2}/{hex}".into(), parts }
    }
}
