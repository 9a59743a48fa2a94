//! Where in a bucket a blob lies: key templates.

use crate::image::types::Digest;
use std::fmt;
use std::str::FromStr;

/// Longest object key, in bytes (S3: "Naming Amazon S3 objects").
const KEY_MAX: usize = 1024;

/// A pattern that makes a digest an object key: `{hex}` is its digits, `{hex:N}` the first N of
/// them, `{algorithm}` what stands before the colon, `{digest}` the whole.
///
/// Known layouts: OCI's `blobs/{algorithm}/{hex}`; Bolt's own `blobs/sha256/{hex:2}/{hex}`; Drift's
/// `blobs/sh/{digest}` and `blobs/sha256/{digest}`; docker-registry's
/// `docker/registry/v2/blobs/{algorithm}/{hex:2}/{hex}/data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTemplate(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Algorithm,
    Digest,
    /// So many digits; all where there are fewer.
    Hex(usize),
}

/// Why a text is no key template.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the key template {text:?}: {reason}")]
pub struct BadTemplate {
    text: String,
    reason: String,
}

impl KeyTemplate {
    /// `blobs/{algorithm}/{hex}`: image-spec, image-layout.md.
    pub fn oci() -> Self {
        let text = |text: &str| Piece::Text(text.to_owned());
        KeyTemplate(vec![text("blobs/"), Piece::Algorithm, text("/"), Piece::Hex(usize::MAX)])
    }

    /// The key of a blob, below whatever prefix there is.
    pub fn key(&self, digest: &Digest) -> String {
        let mut key = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => key.push_str(text),
                Piece::Algorithm => key.push_str(digest.algorithm()),
                Piece::Digest => key.push_str(digest.as_str()),
                Piece::Hex(n) => key.push_str(&digest.hex()[..(*n).min(digest.hex().len())]),
            }
        }
        key
    }
}

impl FromStr for KeyTemplate {
    type Err = BadTemplate;

    fn from_str(text: &str) -> Result<Self, BadTemplate> {
        let bad = |reason: &str| BadTemplate {
            text: text.chars().take(200).collect(),
            reason: reason.to_owned(),
        };
        if text.len() > KEY_MAX / 2 {
            return Err(bad("it is longer than 512 bytes"));
        }
        if text.starts_with('/') || text.chars().any(char::is_control) {
            return Err(bad("a key begins without '/' and has no control characters"));
        }
        if text.split('/').any(|part| part == "." || part == "..") {
            return Err(bad("a key has no part '.' or '..'"));
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, tail) = after.split_once('}').ok_or_else(|| bad("a '{' is not closed"))?;
            if before.contains('}') {
                return Err(bad("a '}' without a '{'"));
            }
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(piece(name).ok_or_else(|| {
                bad(&format!(
                    "{{{name}}} is not known; there are {{hex}}, {{hex:N}}, {{algorithm}} and {{digest}}"
                ))
            })?);
            rest = tail;
        }
        if rest.contains('}') {
            return Err(bad("a '}' without a '{'"));
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        let whole = |p: &Piece| matches!(p, Piece::Digest | Piece::Hex(usize::MAX));
        if !pieces.iter().any(whole) {
            return Err(bad("it needs {hex} or {digest}, else all blobs have one key"));
        }
        Ok(KeyTemplate(pieces))
    }
}

fn piece(name: &str) -> Option<Piece> {
    match name {
        "hex" => Some(Piece::Hex(usize::MAX)),
        "algorithm" => Some(Piece::Algorithm),
        "digest" => Some(Piece::Digest),
        _ => match name.strip_prefix("hex:")?.parse() {
            Ok(n @ 1..=64) => Some(Piece::Hex(n)),
            _ => None,
        },
    }
}

impl fmt::Display for KeyTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => f.write_str(text)?,
                Piece::Algorithm => f.write_str("{algorithm}")?,
                Piece::Digest => f.write_str("{digest}")?,
                Piece::Hex(usize::MAX) => f.write_str("{hex}")?,
                Piece::Hex(n) => write!(f, "{{hex:{n}}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_known_layouts_are_written() {
        let digest = Digest::sha256_of(b"x");
        let hex = digest.hex();
        let cases = [
            ("blobs/{algorithm}/{hex}", format!("blobs/sha256/{hex}")),
            ("blobs/sha256/{hex:2}/{hex}", format!("blobs/sha256/{}/{hex}", &hex[..2])),
            ("blobs/sh/{digest}", format!("blobs/sh/sha256:{hex}")),
            ("blobs/sha256/{digest}", format!("blobs/sha256/sha256:{hex}")),
            // Drift's documentation writes its layouts so.
            ("blobs/sh/sha256:{hex}", format!("blobs/sh/sha256:{hex}")),
            (
                "docker/registry/v2/blobs/sha256/{hex:2}/{hex}/data",
                format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]),
            ),
        ];
        for (text, key) in cases {
            let template: KeyTemplate = text.parse().unwrap();
            assert_eq!(template.key(&digest), key);
            assert_eq!(template.to_string(), text);
        }
        assert_eq!("blobs/{algorithm}/{hex}".parse(), Ok(KeyTemplate::oci()));
    }

    #[test]
    fn what_is_no_template_is_named() {
        for (text, says) in [
            ("blobs/{hex:2}", "all blobs have one key"),
            ("blobs", "all blobs have one key"),
            ("{hex", "is not closed"),
            ("hex}{hex}", "without a '{'"),
            ("{hash}", "{hash} is not known"),
            ("{hex:0}/{hex}", "{hex:0} is not known"),
            ("/{hex}", "begins without '/'"),
            ("a/../{hex}", "no part"),
        ] {
            let error = text.parse::<KeyTemplate>().unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
