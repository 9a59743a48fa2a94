//! Image names as they are typed: what registry, repository, tag and digest they mean.
//!
//! The grammar is the distribution project's (distribution/reference: domain, path components,
//! tag, digest); which names are short and how docker.io is completed follows podman
//! (containers-registries.conf(5), containers-transports(5)). Written by hand: every `bolt run`
//! passes here, and a compiled regular expression costs more than the whole parse.

mod bucket;
mod drift;
mod grammar;

pub use bucket::BucketName;
pub use drift::DriftName;

use crate::image::config::registries::Registries;
use crate::image::types::{BadDigest, Digest};
use grammar::{
    Parts, first_part, image_id, layout, looks_like_registry, push_suffix, refuse_credentials,
    refuse_id, refuse_transport, registry_fault,
};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// The registry that names without one mean under `docker://`.
pub const DOCKER_HUB: &str = "docker.io";
/// Longest `registry/repository`, in bytes (distribution/reference, NameTotalLengthMax).
pub const NAME_MAX: usize = 255;
/// Longest tag, in bytes.
pub const TAG_MAX: usize = 128;
/// What this version can read images from, for error messages.
const SUPPORTED: &str = "docker://, bolt://, drift://, s3://, oci: and oci-archive:";
/// Why a text is no image name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReferenceError {
    /// Nothing was given.
    #[error("the image name is empty")]
    Empty,
    /// Longer than any valid name; `shown` is its beginning.
    #[error("the image name {shown:?}... is {len} bytes long, at most {max} are allowed")]
    TooLong {
        /// The first characters.
        shown: String,
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// The part before the first slash is no `host[:port]`.
    #[error("{text:?}: {registry:?} is not a registry: {reason}")]
    Registry {
        /// The whole name.
        text: String,
        /// The part that was taken for a registry.
        registry: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A path component breaks the grammar.
    #[error(
        "{}{component:?} is not a valid part of a repository name (lower-case letters and digits, \
         separated by one '.', one or two '_', or any number of '-')",
        whole(text, component)
    )]
    Component {
        /// The whole name.
        text: String,
        /// The offending part between slashes.
        component: String,
    },
    /// Repository names have no capitals.
    #[error("{text:?}: a repository name has no upper-case letters; did you mean {fixed:?}?")]
    Uppercase {
        /// The whole name.
        text: String,
        /// The repository in lower case.
        fixed: String,
    },
    /// The part behind the last colon is no tag.
    #[error(
        "{text:?}: {tag:?} is not a tag (a letter, digit or '_', then letters, digits, '_', '.' \
         and '-', {TAG_MAX} bytes at most)"
    )]
    Tag {
        /// The whole name.
        text: String,
        /// The offending tag.
        tag: String,
    },
    /// The part behind `@` is no digest.
    #[error("image name {text:?}")]
    Digest {
        /// The whole name.
        text: String,
        /// What is wrong with the digest.
        #[source]
        source: BadDigest,
    },
    /// A transport of another version or another tool.
    #[error(
        "{text:?}: the transport {transport:?} is not supported; this version reads {SUPPORTED}"
    )]
    Transport {
        /// The whole name.
        text: String,
        /// What stands before the colon.
        transport: String,
    },
    /// A web address where an image name belongs.
    #[error("{text:?} is a URL; image names have no scheme, write it without {scheme:?}")]
    Url {
        /// The whole name.
        text: String,
        /// `http://` or `https://`.
        scheme: &'static str,
    },
    /// A user name, password or token in front of the host.
    #[error(
        "{text:?} holds credentials, which do not belong into a name; leave them out, and run \
         `bolt login HOST` or write them into auth.json"
    )]
    Credentials {
        /// The whole name, without them.
        text: String,
    },
    /// `oci:` or `oci-archive:` without a usable path or reference.
    #[error("{text:?}: {reason}")]
    Path {
        /// The whole name.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A fully-qualified name was needed.
    #[error("{text:?} names no registry; write HOST/NAME, for example docker.io/library/{text}")]
    NoRegistry {
        /// The whole name.
        text: String,
    },
    /// `bolt://` and `drift://` names that cannot be meant.
    #[error("{text:?}: {reason}")]
    Drift {
        /// The whole name.
        text: String,
        /// What is wrong, and what to write.
        reason: String,
    },
    /// 64 hex digits are an image id, never a repository.
    #[error("{text:?} is an image id; a repository name is not made of 64 hex digits")]
    LooksLikeId {
        /// The whole name.
        text: String,
    },
}

/// The name in front of what is wrong with a part of it, where it is more than that part.
fn whole(text: &str, part: &str) -> String {
    if text == part { String::new() } else { format!("{text:?}: ") }
}

/// A fully-qualified image name. Every value of this type obeys the grammar.
///
/// The registry is kept in lower case (host names have no case), `index.docker.io` is `docker.io`,
/// and a one-word repository of docker.io has its `library/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A name without a registry: `alpine`, `library/alpine:3.20`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortName {
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Which image of an OCI layout is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayoutImage {
    /// Annotation `org.opencontainers.image.ref.name` of a descriptor in `index.json`.
    Name(String),
    /// Position in `index.json`, from 0 (`oci:PATH:@N`).
    Index(usize),
    /// Digest of a manifest in `index.json` (`oci:PATH@DIGEST`).
    Digest(Digest),
}

/// What an image argument means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageName {
    /// `docker://NAME`, or a name with a registry.
    Docker(Reference),
    /// `bolt://NAME` or `drift://HOST/NAME`: a game of a Drift registry.
    Drift(DriftName),
    /// A name without a registry: local names, aliases and search registries decide.
    Short(ShortName),
    /// 64 hex digits, or `sha256:` and 64 hex digits: the id of a local image.
    Id(Digest),
    /// `oci:PATH[:REF|:@INDEX|@DIGEST]`: an OCI layout directory.
    OciLayout {
        /// The directory.
        path: PathBuf,
        /// Which image; none means the layout must hold exactly one.
        image: Option<LayoutImage>,
    },
    /// `oci-archive:PATH[:REF|:@INDEX|@DIGEST]`: a tar of an OCI layout.
    OciArchive {
        /// The tar file.
        path: PathBuf,
        /// Which image; none means the archive must hold exactly one.
        image: Option<LayoutImage>,
    },
    /// `s3://BUCKET/PREFIX[:NAME|:@INDEX|@DIGEST]`: an OCI layout in a bucket.
    S3(BucketName),
}

impl ImageName {
    /// Reads an image argument. Does not touch the disk or the network.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if let Some(name) = text.strip_prefix("docker://") {
            return Reference::parse_docker(name).map(Self::Docker);
        }
        if text.starts_with(drift::BOLT) || text.starts_with(drift::DRIFT) {
            return DriftName::parse(text).map(Self::Drift);
        }
        if let Some(rest) = text.strip_prefix("oci:") {
            let (path, image) = layout(text, rest)?;
            return Ok(Self::OciLayout { path, image });
        }
        if let Some(rest) = text.strip_prefix("oci-archive:") {
            let (path, image) = layout(text, rest)?;
            return Ok(Self::OciArchive { path, image });
        }
        if let Some(rest) = text.strip_prefix("s3://") {
            return BucketName::parse(text, rest).map(Self::S3);
        }
        refuse_credentials(text)?;
        refuse_transport(text)?;
        if let Some(id) = image_id(text) {
            return Ok(Self::Id(id));
        }
        let parts = Parts::split(text)?;
        Ok(match parts.registry {
            Some(_) => Self::Docker(parts.into_reference(text)?),
            None => Self::Short(parts.into_short(text)?),
        })
    }
}

impl Reference {
    /// Reads a fully-qualified name; a short one is refused.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        Parts::split(text)?.into_reference(text)
    }

    /// Reads a name as `docker://` does: without a registry it is on docker.io.
    pub fn parse_docker(text: &str) -> Result<Self, ReferenceError> {
        let mut parts = Parts::split(text)?;
        if parts.registry.is_none() {
            refuse_id(text, parts.repository)?;
            parts.registry = Some(DOCKER_HUB);
        }
        parts.into_reference(text)
    }

    /// `host[:port]`, lower case.
    pub fn registry(&self) -> &str {
        &self.registry
    }
    /// The path below the registry, without a leading slash.
    pub fn repository(&self) -> &str {
        &self.repository
    }
    /// The tag, when one was given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }
    /// The digest, when one was given. It decides; the tag is then only a label.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// `registry/repository`, without tag and digest.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The same name with `:latest` where neither tag nor digest was given.
    #[must_use]
    pub fn with_default_tag(mut self) -> Self {
        if self.tag.is_none() && self.digest.is_none() {
            self.tag = Some("latest".to_owned());
        }
        self
    }

    /// The same repository at exactly `digest`, without a tag.
    #[must_use]
    pub fn at_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// The same repository with this tag and digest.
    #[must_use]
    pub fn tagged(&self, tag: Option<&str>, digest: Option<&Digest>) -> Self {
        Self { tag: tag.map(str::to_owned), digest: digest.cloned(), ..self.clone() }
    }

    /// The shortest text that docker takes for the same image: docker.io and its `library/` left
    /// out. For people to read: other tools may find another image under it.
    pub fn familiar(&self) -> String {
        let mut text = match (self.registry.as_str(), self.repository.strip_prefix("library/")) {
            (DOCKER_HUB, Some(short)) if !short.contains('/') => short.to_owned(),
            (DOCKER_HUB, _) if !looks_like_registry(first_part(&self.repository)) => {
                self.repository.clone()
            }
            _ => self.name(),
        };
        push_suffix(&mut text, self.tag.as_deref(), self.digest.as_ref());
        text
    }

    /// The scope of policy.json that this image falls under: the digest outranks the tag
    /// (containers-policy.json(5), `docker:`).
    pub fn policy_scope(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => format!("{}@{digest}", self.name()),
            (None, tag) => format!("{}:{}", self.name(), tag.as_deref().unwrap_or("latest")),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.name();
        push_suffix(&mut text, self.tag.as_deref(), self.digest.as_ref());
        f.write_str(&text)
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        Self::parse(text)
    }
}

impl ShortName {
    /// The path, without tag and digest; the key of `[aliases]`.
    pub fn repository(&self) -> &str {
        &self.repository
    }
    /// The tag, when one was given.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }
    /// The digest, when one was given.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// This name on `registry` (`host[:port]`, or `host[:port]/namespace`).
    pub fn on(&self, registry: &str) -> Result<Reference, ReferenceError> {
        Reference::parse(&format!("{registry}/{self}"))
    }

    /// This name's tag and digest on another repository: what an alias stands for.
    pub fn on_repository(&self, alias: &Reference) -> Reference {
        Reference { tag: self.tag.clone(), digest: self.digest.clone(), ..alias.clone() }
    }

    /// Under which full names an image of the local store may answer to this short one, in the
    /// order to look: `localhost/NAME` (built or imported here), the alias, the search registries.
    /// Each has its default tag. Names that a search registry cannot form are left out.
    pub fn local_candidates(&self, registries: &Registries) -> Vec<Reference> {
        let mut found: Vec<Reference> = Vec::new();
        let local = self.on("localhost").ok();
        let alias = registries.alias(&self.repository).map(|alias| self.on_repository(alias));
        let searched = registries.search_registries().iter().filter_map(|r| self.on(r).ok());
        for candidate in local.into_iter().chain(alias).chain(searched) {
            let candidate = candidate.with_default_tag();
            if !found.contains(&candidate) {
                found.push(candidate);
            }
        }
        found
    }
}

impl fmt::Display for ShortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.repository.clone();
        push_suffix(&mut text, self.tag.as_deref(), self.digest.as_ref());
        f.write_str(&text)
    }
}

/// Whether `text` is a valid `host[:port]`. The registry argument of `bolt login`.
pub fn is_registry(text: &str) -> bool {
    text.len() <= NAME_MAX && registry_fault(text).is_none()
}

#[cfg(test)]
mod tests;
