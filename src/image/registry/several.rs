//! Several documents of a registry at once: what a choice among variants needs.

use super::{PARALLEL, RegistryError, RegistrySource};
use crate::image::artifact::{self, Artifact};
use crate::image::source::{RawDocument, SourceError};
use crate::image::types::Digest;
use futures_util::StreamExt;
use futures_util::stream::iter;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Most artifacts that are asked for at once: no game has as many variants.
const MOST: usize = 250;

/// Why there is no artifact: the registry took too long for all, or there are too many.
pub const UNASKED: &str = "it was not fetched, for the registry is slow or they are many";

/// An artifact about a manifest that is looked for.
#[derive(Debug, Clone)]
pub struct Sought {
    /// The manifest that it is about.
    pub subject: Digest,
    /// Which of those about it.
    pub which: Which,
}

/// Which artifact about a manifest is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The one of this digest; where that is not there, the newest.
    Named(Digest),
    /// The newest that refers to the manifest.
    Newest,
    /// The newest, if there is one: nobody said so.
    Any,
}

/// An artifact as it was found: both digests are those of the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// Its manifest.
    pub manifest: RawDocument,
    /// The digest of its one part.
    pub part: Digest,
    /// That part.
    pub content: Vec<u8>,
}

impl RegistrySource<'_> {
    /// Manifests by digest, in the order of `wanted`; `None` for those that took too long
    /// together, which is told in a line.
    pub fn manifests(&self, wanted: &[&Digest]) -> Vec<Option<Result<RawDocument, SourceError>>> {
        let limit = self.limit();
        let asked = wanted.iter().map(|digest| self.by_digest(digest));
        let answers = self.island.run(in_time(limit, asked));
        let late = answers.iter().filter(|answer| answer.is_none()).count();
        if late > 0 {
            self.progress.warning(&format!(
                "{}: {late} of {} manifests did not come within {} s; what their variants would \
                 fetch is not known",
                self.name,
                wanted.len(),
                limit.as_secs()
            ));
        }
        answers
    }

    /// Artifacts of the type `kind` with a part of at most `limit` bytes, in the order of
    /// `wanted`; or in words why there is none. `None` only for [`Which::Any`].
    ///
    /// A registry may answer each question late, and a list ask many: what did not come in time
    /// is [`UNASKED`], which is told in a line.
    pub fn artifacts(
        &self,
        wanted: &[Sought],
        kind: &str,
        limit: u64,
    ) -> Vec<Result<Option<Whole>, String>> {
        let longest = self.limit();
        let asked = wanted.iter().take(MOST).map(|sought| self.artifact(sought, kind, limit));
        let mut answers = self.island.run(in_time(longest, asked));
        answers.resize_with(wanted.len(), || None);
        let late = answers.iter().filter(|answer| answer.is_none()).count();
        if late > 0 {
            self.progress.warning(&format!(
                "{}: {late} of {} metadata artifacts were not fetched: at most {MOST} are asked \
                 for, and for {} s; those variants are judged by their annotations alone",
                self.name,
                wanted.len(),
                longest.as_secs()
            ));
        }
        let unasked = |sought: &Sought| match sought.which {
            Which::Any => Ok(None),
            Which::Named(_) | Which::Newest => Err(UNASKED.to_owned()),
        };
        let answers = answers.into_iter().zip(wanted);
        answers.map(|(answer, sought)| answer.unwrap_or_else(|| unasked(sought))).collect()
    }

    /// How long all of several answers may take together.
    fn limit(&self) -> Duration {
        let stall = self.endpoints.iter().map(|(_, client)| client.patience.stall).max();
        stall.unwrap_or_default()
    }

    async fn by_digest(&self, digest: &Digest) -> Result<RawDocument, SourceError> {
        self.fall_through(async |_, client| Ok(client.manifest(digest.as_str()).await?)).await
    }

    async fn artifact(
        &self,
        sought: &Sought,
        kind: &str,
        limit: u64,
    ) -> Result<Option<Whole>, String> {
        let subject = &sought.subject;
        let named = match &sought.which {
            Which::Named(digest) => match self.by_digest(digest).await {
                Ok(found) => Some(found),
                // Lists are copied without what refers to their manifests; it may have been
                // attached anew since.
                Err(SourceError::Registry(RegistryError::NotFound { .. })) => None,
                Err(e) => return Err(e.to_string()),
            },
            Which::Newest | Which::Any => None,
        };
        let manifest = match named {
            Some(found) => found,
            None => {
                let all = self.fall_through(async |_, client| {
                    Ok(client.referrers(subject, Some(kind)).await?)
                });
                let all = match all.await {
                    Ok(all) => all,
                    // Nobody said that there is one: that it cannot be asked for is no reason
                    // not to play.
                    Err(e) if sought.which == Which::Any => {
                        self.progress.note(&format!("what refers to {subject} is not known: {e}"));
                        return Ok(None);
                    }
                    Err(e) => return Err(e.to_string()),
                };
                match artifact::newest(&all) {
                    Some(newest) => {
                        self.by_digest(&newest.digest).await.map_err(|e| e.to_string())?
                    }
                    None if sought.which == Which::Any => return Ok(None),
                    None => return Err(format!("nothing of the type {kind} refers to {subject}")),
                }
            }
        };
        let part = read(&manifest, subject, kind, limit)?;
        let content = self
            .fall_through(async |_, client| client.small_blob(&part, limit).await)
            .await
            .map_err(|e| e.to_string())?;
        Ok(Some(Whole { manifest, part: part.digest, content }))
    }
}

/// What comes of `asked` within `limit`, several at a time, in their order.
async fn in_time<F: Future>(
    limit: Duration,
    asked: impl Iterator<Item = F>,
) -> Vec<Option<F::Output>> {
    let until = Instant::now() + limit;
    let asked = asked.map(|answer| async move {
        // Nothing more is begun then.
        if Instant::now() >= until {
            return None;
        }
        timeout_at(until, answer).await.ok()
    });
    iter(asked).buffered(PARALLEL).collect().await
}

/// The one part of an artifact's manifest, when it is the artifact that was looked for. Errors in
/// words: another subject or type, or a part of more than `limit` bytes.
pub fn read(
    manifest: &RawDocument,
    subject: &Digest,
    kind: &str,
    limit: u64,
) -> Result<crate::image::types::Descriptor, String> {
    let digest = &manifest.digest;
    let fault = |reason: String| format!("{digest}: {reason}");
    let found = Artifact::parse(&manifest.bytes, kind).map_err(|e| fault(e.to_string()))?;
    match artifact::subject(&manifest.bytes) {
        Some(about) if about == *subject => {}
        Some(about) => return Err(fault(format!("it is about {about}, not about {subject}"))),
        None => return Err(fault(format!("it does not say that it is about {subject}"))),
    }
    let part = found.part;
    if part.media_type != kind {
        return Err(fault(format!("its content is {:?}, expected {kind}", part.media_type)));
    }
    match part.size > limit {
        true => Err(fault(format!("{} bytes; {limit} are read at most", part.size))),
        false => Ok(part),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::artifact::describe;
    use crate::image::manifest::OCI_MANIFEST;
    use std::collections::BTreeMap;

    const KIND: &str = "application/vnd.bolt.gaming.v1+json";

    #[test]
    fn only_what_is_about_the_variant_is_read() {
        let subject = describe(OCI_MANIFEST, b"variant");
        let other = describe(OCI_MANIFEST, b"other");
        let made = |part_kind: &str, about: Option<&_>, kind: &str| {
            let part = describe(part_kind, b"{}");
            let artifact =
                Artifact { artifact_type: kind.to_owned(), part, annotations: BTreeMap::new() };
            let bytes = artifact.manifest(about);
            let digest = Digest::sha256_of(&bytes);
            RawDocument { bytes, media_type: String::new(), digest, given_name: None }
        };
        let ask = |m: &RawDocument, limit| read(m, &subject.digest, KIND, limit);
        let good = made(KIND, Some(&subject), KIND);
        assert_eq!(ask(&good, 2).unwrap().size, 2);
        for (manifest, limit, words) in [
            (good, 1, "2 bytes; 1 are read"),
            (made(KIND, Some(&other), KIND), 2, "not about"),
            (made(KIND, None, KIND), 2, "does not say"),
            (made("text/plain", Some(&subject), KIND), 2, "its content is"),
            (made(KIND, Some(&subject), "text/plain"), 2, "not an artifact of the type"),
        ] {
            let error = ask(&manifest, limit).unwrap_err();
            assert!(error.contains(words) && error.contains(manifest.digest.as_str()), "{error}");
        }
    }
}
