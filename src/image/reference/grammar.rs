//! The grammar of image names: one pass over the text, every part checked.

use super::{DOCKER_HUB, LayoutImage, NAME_MAX, Reference, ReferenceError, ShortName, TAG_MAX};
use crate::image::types::Digest;
use crate::ui::redact;
use std::net::Ipv6Addr;
use std::path::PathBuf;

/// No valid name is longer: name, `:`, tag, `@`, a sha512 digest.
const TEXT_MAX: usize = NAME_MAX + 1 + TAG_MAX + 1 + "sha512:".len() + 128;

/// Transports of containers-transports(5) that this version does not read.
const UNSUPPORTED: &[&str] =
    &["containers-storage", "dir", "docker-archive", "docker-daemon", "ostree", "sif", "tarball"];

/// A name cut at its separators, each part checked against the grammar.
pub(super) struct Parts<'a> {
    pub(super) registry: Option<&'a str>,
    pub(super) repository: &'a str,
    tag: Option<&'a str>,
    digest: Option<Digest>,
}

impl<'a> Parts<'a> {
    pub(super) fn split(text: &'a str) -> Result<Self, ReferenceError> {
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        too_long(text, text.len(), TEXT_MAX)?;
        refuse_credentials(text)?;
        let (rest, digest) = match text.split_once('@') {
            None => (text, None),
            Some((rest, digest)) => {
                let parsed = digest.parse();
                let parsed = parsed
                    .map_err(|source| ReferenceError::Digest { text: shown(text), source })?;
                (rest, Some(parsed))
            }
        };
        let path_start = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[path_start..].rfind(':') {
            None => (rest, None),
            Some(colon) => {
                let colon = path_start + colon;
                (&rest[..colon], Some(&rest[colon + 1..]))
            }
        };
        let (registry, repository) = match name.split_once('/') {
            Some((first, path)) if looks_like_registry(first) => (Some(first), path),
            _ => (None, name),
        };
        if let Some(registry) = registry {
            check_registry(text, registry)?;
        }
        check_repository(text, repository)?;
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Tag { text: shown(text), tag: shown(tag) });
        }
        Ok(Self { registry, repository, tag, digest })
    }

    pub(super) fn into_reference(self, text: &str) -> Result<Reference, ReferenceError> {
        let Some(registry) = self.registry else {
            return Err(ReferenceError::NoRegistry { text: shown(text) });
        };
        let mut registry = registry.to_ascii_lowercase();
        if registry == "index.docker.io" {
            registry = DOCKER_HUB.to_owned();
        }
        let mut repository = self.repository.to_owned();
        if registry == DOCKER_HUB && !repository.contains('/') {
            refuse_id(text, &repository)?;
            repository.insert_str(0, "library/");
        }
        too_long(text, registry.len() + 1 + repository.len(), NAME_MAX)?;
        let tag = self.tag.map(str::to_owned);
        Ok(Reference { registry, repository, tag, digest: self.digest })
    }

    pub(super) fn into_short(self, text: &str) -> Result<ShortName, ReferenceError> {
        refuse_id(text, self.repository)?;
        too_long(text, self.repository.len(), NAME_MAX)?;
        let repository = self.repository.to_owned();
        let tag = self.tag.map(str::to_owned);
        Ok(ShortName { repository, tag, digest: self.digest })
    }
}

/// The beginning of `text`, without credentials: what came in may be megabytes long.
pub(super) fn shown(text: &str) -> String {
    redact::userinfo(text).as_deref().unwrap_or(text).chars().take(100).collect()
}

/// Nobody writes his password into a name: it would be on the screen and in the list of processes.
pub(super) fn refuse_credentials(text: &str) -> Result<(), ReferenceError> {
    match redact::userinfo(text).filter(|_| text.contains('/')) {
        Some(text) => Err(ReferenceError::Credentials { text: text.chars().take(100).collect() }),
        None => Ok(()),
    }
}

pub(super) fn push_suffix(text: &mut String, tag: Option<&str>, digest: Option<&Digest>) {
    if let Some(tag) = tag {
        text.push(':');
        text.push_str(tag);
    }
    if let Some(digest) = digest {
        text.push('@');
        text.push_str(digest.as_str());
    }
}

pub(super) fn too_long(text: &str, len: usize, max: usize) -> Result<(), ReferenceError> {
    if len > max {
        return Err(ReferenceError::TooLong { shown: shown(text), len, max });
    }
    Ok(())
}

pub(super) fn first_part(path: &str) -> &str {
    path.split_once('/').map_or(path, |(first, _)| first)
}

/// Whether the part before the first slash is a registry rather than a namespace: only these
/// marks tell them apart (distribution/reference, splitDockerDomain).
pub(super) fn looks_like_registry(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

fn check_registry(text: &str, registry: &str) -> Result<(), ReferenceError> {
    match registry_fault(registry) {
        None => Ok(()),
        Some(reason) => {
            Err(ReferenceError::Registry { text: shown(text), registry: shown(registry), reason })
        }
    }
}

/// What is wrong with a `host[:port]`, if anything.
pub(super) fn registry_fault(registry: &str) -> Option<&'static str> {
    let (host, port) = match registry.strip_prefix('[') {
        Some(rest) => {
            let Some((address, after)) = rest.split_once(']') else {
                return Some("the bracket of the IPv6 address is not closed");
            };
            if address.parse::<Ipv6Addr>().is_err() {
                return Some("no IPv6 address stands in the brackets");
            }
            match after.strip_prefix(':') {
                None if after.is_empty() => return None,
                None => return Some("only a port may follow the IPv6 address"),
                Some(port) => (None, Some(port)),
            }
        }
        None => match registry.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(registry), None),
        },
    };
    if host.is_some_and(|host| !host.split('.').all(is_host_label)) {
        return Some("a host name has letters, digits and inner '-', separated by single dots");
    }
    if port.is_some_and(|port| !is_port(port)) {
        return Some("the port is not a number from 1 to 65535");
    }
    None
}

fn is_host_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let inner = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-';
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(inner)
}

fn is_port(port: &str) -> bool {
    // u16's parser takes a leading '+', so digits are asked for separately.
    port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port != 0)
}

fn check_repository(text: &str, repository: &str) -> Result<(), ReferenceError> {
    let Some(bad) = repository.split('/').find(|component| !is_component(component)) else {
        return Ok(());
    };
    let lower = repository.to_ascii_lowercase();
    if lower != repository && lower.split('/').all(is_component) {
        return Err(ReferenceError::Uppercase { text: shown(text), fixed: shown(&lower) });
    }
    Err(ReferenceError::Component { text: shown(text), component: shown(bad) })
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(component: &str) -> bool {
    let mut separator: &[u8] = b".";
    let mut rest = component.as_bytes();
    loop {
        let good = matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|b| *b == b'-');
        let word = rest.iter().take_while(|b| b.is_ascii_digit() || b.is_ascii_lowercase()).count();
        if !good || word == 0 {
            return false;
        }
        rest = &rest[word..];
        if rest.is_empty() {
            return true;
        }
        let len = rest.iter().take_while(|b| matches!(b, b'.' | b'_' | b'-')).count();
        if len == 0 {
            return false;
        }
        (separator, rest) = rest.split_at(len);
    }
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let mut bytes = tag.bytes();
    bytes.next().is_some_and(word)
        && bytes.all(|b| word(b) || b == b'.' || b == b'-')
        && tag.len() <= TAG_MAX
}

fn is_hex64(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// An image id: 64 hex digits with or without `sha256:`.
pub(super) fn image_id(text: &str) -> Option<Digest> {
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    if is_hex64(hex) { format!("sha256:{hex}").parse().ok() } else { None }
}

pub(super) fn refuse_id(text: &str, repository: &str) -> Result<(), ReferenceError> {
    if is_hex64(repository) {
        return Err(ReferenceError::LooksLikeId { text: shown(text) });
    }
    Ok(())
}

/// Errors for `SCHEME://...` and for transports of other tools; `docker:27` stays an image.
pub(super) fn refuse_transport(text: &str) -> Result<(), ReferenceError> {
    for scheme in ["http://", "https://"] {
        if text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)) {
            return Err(ReferenceError::Url { text: shown(text), scheme });
        }
    }
    let Some((before, after)) = text.split_once(':') else { return Ok(()) };
    if after.starts_with("//") || UNSUPPORTED.contains(&before) {
        let transport = shown(before);
        return Err(ReferenceError::Transport { text: shown(text), transport });
    }
    Ok(())
}

/// `PATH`, `PATH:REF`, `PATH:@INDEX` or `PATH@DIGEST`. The path ends at the first colon that does
/// not belong to a digest (containers-transports(5): it cannot hold one).
pub(super) fn layout(
    text: &str,
    rest: &str,
) -> Result<(PathBuf, Option<LayoutImage>), ReferenceError> {
    let fault = |reason| Err(ReferenceError::Path { text: shown(text), reason });
    if text.len() > 4096 {
        return fault("a path has at most 4096 bytes");
    }
    let digest = rest.rsplit_once('@').and_then(|(p, d)| Some((p, d.parse::<Digest>().ok()?)));
    let (path, image) = match (digest, rest.split_once(':')) {
        (Some((path, digest)), _) if !path.contains(':') => {
            (path, Some(LayoutImage::Digest(digest)))
        }
        (_, None) | (_, Some((_, ""))) => (rest.strip_suffix(':').unwrap_or(rest), None),
        (_, Some((path, image))) => match image.strip_prefix('@') {
            None if image.chars().any(char::is_control) => {
                return fault("the reference holds a control character");
            }
            None => (path, Some(LayoutImage::Name(image.to_owned()))),
            Some(index) if index.bytes().all(|b| b.is_ascii_digit()) => match index.parse() {
                Ok(index) => (path, Some(LayoutImage::Index(index))),
                Err(_) => return fault("no index stands behind '@'"),
            },
            Some(_) => return fault("the index behind '@' is not a number"),
        },
    };
    if path.is_empty() {
        return fault("no path stands behind the transport");
    }
    if path.contains('\0') {
        return fault("the path holds a NUL");
    }
    Ok((PathBuf::from(path), image))
}
