//! `s3://BUCKET[/PREFIX][:NAME|:@INDEX|@DIGEST]`: an image layout in a bucket.

use super::grammar::{refuse_credentials, shown};
use super::{LayoutImage, Reference, ReferenceError};
use crate::image::s3::place::is_bucket;
use crate::image::types::Digest;
use std::fmt;

/// Longest prefix, in bytes: a key has 1024 at most, and a blob's path belongs to it.
const PREFIX_MAX: usize = 800;

/// An image layout in a bucket, and which of its images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketName {
    bucket: String,
    prefix: String,
    image: Option<LayoutImage>,
}

impl BucketName {
    /// Reads what stands behind `s3://`; `text` is the whole, for messages.
    pub(super) fn parse(text: &str, rest: &str) -> Result<Self, ReferenceError> {
        refuse_credentials(text)?;
        let fault = |reason| Err(ReferenceError::Path { text: shown(text), reason });
        let digest = rest.rsplit_once('@').and_then(|(p, d)| Some((p, d.parse::<Digest>().ok()?)));
        let (path, image) = match (digest, rest.split_once(':')) {
            (Some((path, digest)), _) if !path.contains(':') => {
                (path, Some(LayoutImage::Digest(digest)))
            }
            (_, None | Some((_, ""))) => (rest.strip_suffix(':').unwrap_or(rest), None),
            (_, Some((path, image))) => match image.strip_prefix('@').map(str::parse) {
                None if image.chars().any(char::is_control) || image.len() > 512 => {
                    return fault("the image's name is too long or holds a control character");
                }
                None => (path, Some(LayoutImage::Name(image.to_owned()))),
                Some(Ok(index)) => (path, Some(LayoutImage::Index(index))),
                Some(Err(_)) => return fault("what stands behind '@' is no number and no digest"),
            },
        };
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let prefix = prefix.trim_end_matches('/');
        if !is_bucket(bucket) {
            return fault(
                "a bucket's name has 3 to 63 lower-case letters, digits, '-' and '.', and begins \
                 and ends with a letter or digit",
            );
        }
        let bad_part = |part: &str| part.is_empty() || part == "." || part == "..";
        if prefix.len() > PREFIX_MAX
            || prefix.chars().any(char::is_control)
            || (!prefix.is_empty() && prefix.split('/').any(bad_part))
        {
            return fault(
                "the prefix is too long, or has an empty part, '.', '..' or control characters",
            );
        }
        Ok(BucketName { bucket: bucket.to_owned(), prefix: prefix.to_owned(), image })
    }

    /// Name of the bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// What stands before every key, without slashes at its ends; may be empty.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Which image; none means the layout must hold exactly one.
    pub fn image(&self) -> Option<&LayoutImage> {
        self.image.as_ref()
    }

    /// The scope of policy.json that this image falls under: `BUCKET/PREFIX[:NAME]`.
    pub fn policy_scope(&self) -> String {
        let path = self.path();
        match &self.image {
            Some(LayoutImage::Name(name)) => format!("{path}:{name}"),
            _ => path,
        }
    }

    /// Under which name the image is kept here: `localhost/BUCKET/PREFIX:TAG`; `None` where that
    /// is no image name.
    pub fn local(&self) -> Option<Reference> {
        let path = self.path();
        let text = match &self.image {
            // Of a whole name the tag.
            Some(LayoutImage::Name(name)) => {
                let last = name.rsplit('/').next().unwrap_or(name);
                let tag = last.rsplit_once(':').map_or(last, |(_, tag)| tag);
                format!("localhost/{path}:{tag}")
            }
            Some(LayoutImage::Digest(digest)) => format!("localhost/{path}@{digest}"),
            Some(LayoutImage::Index(_)) => return None,
            None => format!("localhost/{path}:latest"),
        };
        Reference::parse(&text).ok()
    }

    fn path(&self) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("{}{slash}{}", self.bucket, self.prefix)
    }
}

impl fmt::Display for BucketName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}", self.path())?;
        match &self.image {
            None => Ok(()),
            Some(LayoutImage::Name(name)) => write!(f, ":{name}"),
            Some(LayoutImage::Index(index)) => write!(f, ":@{index}"),
            Some(LayoutImage::Digest(digest)) => write!(f, "@{digest}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::reference::ImageName;

    fn parse(text: &str) -> BucketName {
        match ImageName::parse(text) {
            Ok(ImageName::S3(name)) => name,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn buckets_are_read_and_written() {
        let digest = Digest::sha256_of(b"x");
        let by_digest = format!("s3://games/a@{digest}");
        let cases = [
            ("s3://games", "games", "", Some("localhost/games:latest")),
            ("s3://games/a/b:v1", "games", "a/b", Some("localhost/games/a/b:v1")),
            ("s3://games:v1", "games", "", Some("localhost/games:v1")),
            ("s3://games/a:@2", "games", "a", None),
            ("s3://games/a:docker.io/library/box:v2", "games", "a", Some("localhost/games/a:v2")),
            (by_digest.as_str(), "games", "a", None),
            ("s3://games/A/b:v1", "games", "A/b", None),
        ];
        for (text, bucket, prefix, local) in cases {
            let name = parse(text);
            assert_eq!((name.bucket(), name.prefix()), (bucket, prefix), "{text}");
            assert_eq!(name.to_string(), text);
            if !text.contains('@') || local.is_some() {
                assert_eq!(name.local().map(|l| l.to_string()).as_deref(), local, "{text}");
            }
        }
        assert_eq!(parse("s3://games/a/:").to_string(), "s3://games/a");
        assert_eq!(parse(&by_digest).local().unwrap().digest(), Some(&digest));
        assert_eq!(parse("s3://games/a:v1").policy_scope(), "games/a:v1");
        assert_eq!(parse("s3://games/a:@1").policy_scope(), "games/a");
    }

    #[test]
    fn what_is_no_bucket_is_refused() {
        for bad in [
            "s3://",
            "s3:///x",
            "s3://AB/x",
            "s3://games//x",
            "s3://games/../x",
            "s3://games/a:@x",
            "s3://games/a\u{7}",
            &format!("s3://games/{}", "x".repeat(900)),
        ] {
            assert!(ImageName::parse(bad).is_err(), "{bad}");
        }
    }
}
