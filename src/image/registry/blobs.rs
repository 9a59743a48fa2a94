//! Blobs of one endpoint: whole, in parts, going on where they broke.

use super::client::Client;
use super::error::RegistryError;
use super::http::Answer;
use crate::image::hash::digest_like;
use crate::image::source::origin::{Part, Receive, Served};
use crate::image::source::{Sink, SourceError};
use crate::image::types::Descriptor;
use reqwest::Method;
use std::io;

/// Bytes that must have come since the last failure for it not to count as one more.
pub(in crate::image) const HEADWAY: u64 = 64 << 10;

impl Client<'_> {
    /// Fetches a blob from where `sink` stands to its end; does not verify its digest.
    pub(super) async fn blob(
        &self,
        wanted: &Descriptor,
        sink: &mut dyn Sink,
    ) -> Result<(), SourceError> {
        let mut failures = 0;
        loop {
            let before = sink.len();
            let error = match self.blob_part(wanted, sink).await {
                Err(SourceError::Registry(e)) if e.is_transient() => e,
                other => return other,
            };
            failures = if sink.len() - before >= HEADWAY { 1 } else { failures + 1 };
            if failures > self.patience.retries {
                return Err(error.into());
            }
            self.pause(&error, failures).await;
        }
    }

    /// A whole blob of at most `limit` bytes, verified.
    pub(super) async fn small_blob(
        &self,
        wanted: &Descriptor,
        limit: u64,
    ) -> Result<Vec<u8>, SourceError> {
        let url = format!("{}, blob {}", self.name(), wanted.digest);
        if wanted.size > limit {
            return Err(RegistryError::TooLarge { url, what: "configuration", limit }.into());
        }
        let mut memory = Memory(Vec::new());
        self.blob(wanted, &mut memory).await?;
        let got = digest_like(&wanted.digest, &memory.0);
        if got != wanted.digest.as_str() {
            let wanted = wanted.digest.to_string();
            return Err(RegistryError::Digest { url, wanted, got }.into());
        }
        Ok(memory.0)
    }

    async fn blob_part(&self, wanted: &Descriptor, sink: &mut dyn Sink) -> Result<(), SourceError> {
        let have = sink.len();
        if have == wanted.size {
            return Ok(());
        }
        let part = Part { from: have, until: None };
        let mut receive = |bytes: &[u8]| {
            sink.append(bytes)
                .map_err(|source| SourceError::Keep { digest: wanted.digest.clone(), source })?;
            self.progress.blob_bytes(&wanted.digest, bytes.len() as u64);
            Ok(())
        };
        self.part(wanted, part, &mut receive).await.map(drop)
    }

    /// Bytes of a blob; does not verify its digest.
    ///
    /// Errors: [`RegistryError::RangeIgnored`] when `part` has an end and the whole comes.
    pub(super) async fn part(
        &self,
        wanted: &Descriptor,
        part: Part,
        receive: &mut Receive<'_>,
    ) -> Result<Served, SourceError> {
        let path = format!("{}/blobs/{}", self.repository, wanted.digest);
        let end = part.until.unwrap_or(wanted.size);
        let range = part.range(wanted.size);
        let what = format!("blob {}", wanted.digest);
        let mut answer = self.call(Method::GET, &path, None, range, &what).await?;
        let mut skip = self.check_part(&answer, wanted, part.from)?;
        let served = Served { whole: range.is_some() && answer.status() == 200 };
        if served.whole && part.until.is_some() {
            return Err(RegistryError::RangeIgnored { url: answer.address() }.into());
        }
        let mut at = part.from;
        while let Some(chunk) = answer.chunk().await? {
            let chunk = chunk.as_ref();
            let known = skip.min(chunk.len() as u64);
            skip -= known;
            let fresh = &chunk[known as usize..];
            at += fresh.len() as u64;
            if at > end {
                let url = answer.address();
                return Err(RegistryError::Size { url, wanted: end, got: at }.into());
            }
            if !fresh.is_empty() {
                self.came.set(self.came.get() + fresh.len() as u64);
                receive(fresh)?;
            }
        }
        if at < end {
            let reason = format!("the blob ended after {at} of {end} bytes");
            return Err(RegistryError::Network { url: answer.address(), reason }.into());
        }
        Ok(served)
    }

    /// Looks at the head of an answer to a blob request; returns how many bytes to pass over.
    fn check_part(
        &self,
        answer: &Answer,
        wanted: &Descriptor,
        have: u64,
    ) -> Result<u64, RegistryError> {
        let url = answer.address();
        let length = answer.header("content-length").and_then(|v| v.parse::<u64>().ok());
        let size = |got| RegistryError::Size { url: answer.address(), wanted: wanted.size, got };
        match answer.status() {
            200 => match length {
                Some(got) if got != wanted.size => Err(size(got)),
                _ => Ok(have),
            },
            206 => {
                let range = answer.header("content-range").unwrap_or_default();
                let (start, total) = content_range(range).ok_or_else(|| {
                    let reason = "partial answer without a valid Content-Range".to_owned();
                    RegistryError::Protocol { url: url.clone(), reason }
                })?;
                if let Some(got) = total.filter(|t| *t != wanted.size) {
                    return Err(size(got));
                }
                if start != have {
                    let reason = format!("answered from byte {start}, asked from byte {have}");
                    return Err(RegistryError::Protocol { url, reason });
                }
                Ok(0)
            }
            status => {
                let reason = format!("answered {status} to a request for a blob");
                Err(RegistryError::Protocol { url, reason })
            }
        }
    }
}

/// Keeps a small blob in memory.
struct Memory(Vec<u8>);

impl Sink for Memory {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
    fn end(self: Box<Self>, _result: Result<(), SourceError>) {}
}

/// First byte and whole length of `bytes A-B/N` (RFC 9110 section 14.4).
pub(in crate::image) fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = value.trim().strip_prefix("bytes ")?.trim().split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let (start, end) = (start.parse().ok()?, end.parse::<u64>().ok()?);
    let total = match total {
        "*" => None,
        n => Some(n.parse().ok()?),
    };
    (start <= end).then_some((start, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_content_ranges() {
        let cases = [
            ("bytes 5-9/10", Some((5, Some(10)))),
            ("bytes 5-9/*", Some((5, None))),
            ("bytes */10", None),
            ("bytes 9-5/10", None),
            ("octets 5-9/10", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(content_range(text), expected, "{text}");
        }
    }
}
