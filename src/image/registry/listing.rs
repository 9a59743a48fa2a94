//! Lists of one endpoint, page by page: tags, repositories, referrers (distribution-spec 1.1).

use super::client::{Call, Client, To};
use super::error::RegistryError;
use super::http::Answer;
use crate::image::artifact::{self, Referrer};
use crate::image::manifest::MAX_DOCUMENT;
use crate::image::types::Digest;
use crate::ui::json_fault;
use reqwest::{Method, Url};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::time::Instant;

/// Names asked for at once.
const PAGE: &str = "1000";
/// Pages and names after which a list is given up.
const MAX_PAGES: usize = 1000;
const MAX_NAMES: usize = 1_000_000;
/// How many times longer than for one byte a whole list may take.
const LONGEST: u32 = 20;

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Repositories {
    repositories: Option<Vec<String>>,
}

impl Client<'_> {
    /// All tags of the repository, sorted.
    pub(super) async fn tags(&self) -> Result<Vec<String>, RegistryError> {
        let path = format!("{}/tags/list", self.repository);
        let tags = self.pages::<Tags>(&path, &[("n", PAGE)], "the list of tags").await?;
        Ok(sorted(tags.into_iter().filter_map(|page| page.tags)))
    }

    /// All repositories that the registry tells of, sorted.
    pub(super) async fn catalog(&self) -> Result<Vec<String>, RegistryError> {
        let pages = self.pages::<Repositories>("_catalog", &[("n", PAGE)], "the catalog").await?;
        Ok(sorted(pages.into_iter().filter_map(|page| page.repositories)))
    }

    /// What refers to `subject`, of one artifact type or any.
    pub(super) async fn referrers(
        &self,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Referrer>, RegistryError> {
        let path = format!("{}/referrers/{subject}", self.repository);
        let wish: Vec<(&str, &str)> = artifact_type.iter().map(|t| ("artifactType", *t)).collect();
        let api = self.pages::<Box<serde_json::value::RawValue>>(&path, &wish, "referrers").await;
        let pages: Vec<Vec<u8>> = match api {
            Ok(pages) => pages.into_iter().map(|page| page.get().as_bytes().to_vec()).collect(),
            // Registries before 1.1: the tag schema. Some answer with a page of their web face.
            Err(
                RegistryError::NotFound { .. }
                | RegistryError::Protocol { .. }
                | RegistryError::Status { status: 400..=499, .. },
            ) => match self.manifest(&artifact::fallback_tag(subject)).await {
                Ok(index) => vec![index.bytes],
                Err(RegistryError::NotFound { .. }) => Vec::new(),
                Err(e) => return Err(e),
            },
            Err(e) => return Err(e),
        };
        let mut found: Vec<Referrer> = Vec::new();
        for page in pages {
            let page = artifact::referrers(&page).map_err(|e| RegistryError::Protocol {
                url: format!("{}, referrers of {subject}", self.name()),
                reason: format!("no valid index: {e}"),
            })?;
            found.extend(page);
        }
        // Whether the registry filters is its own choice.
        found.retain(|r| artifact_type.is_none_or(|wanted| r.artifact_type == wanted));
        // Some list a manifest as often as it was put.
        let mut seen = BTreeSet::new();
        found.retain(|r| seen.insert(r.manifest.digest.clone()));
        Ok(found)
    }

    /// Follows `Link: <…>; rel="next"` to the end.
    async fn pages<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        what: &str,
    ) -> Result<Vec<T>, RegistryError> {
        let (mut pages, mut next, mut size) = (Vec::new(), None::<Url>, 0);
        let began = Instant::now();
        loop {
            let call = match &next {
                Some(url) => Call::new(Method::GET, To::Url(url), what),
                None => Call { query, ..Call::new(Method::GET, To::Path(path), what) },
            };
            let (body, follow, url) = self
                .retried(async || {
                    let mut answer = self.exchange(&call).await?;
                    let follow = next_page(&answer);
                    let body = answer.body(MAX_DOCUMENT, "list").await?;
                    Ok((body, follow, answer.address()))
                })
                .await?;
            let broken = |reason: String| RegistryError::Protocol { url: url.clone(), reason };
            size += body.len();
            let page = json_fault::read(&body)
                .map_err(|e| broken(format!("{what}: not the JSON of a list: {e}")))?;
            pages.push(page);
            match follow {
                None => return Ok(pages),
                Some(_) if pages.len() == MAX_PAGES || size > 64 << 20 => {
                    return Err(broken(format!("{what}: the list has no end")));
                }
                Some(_) if began.elapsed() > self.patience.stall * LONGEST => {
                    return Err(broken(format!("{what}: the list takes too long")));
                }
                // A server that sends us in a circle has told all it has.
                Some(url) if next.as_ref() == Some(&url) => return Ok(pages),
                Some(url) => next = Some(url),
            }
        }
    }
}

fn sorted(pages: impl Iterator<Item = Vec<String>>) -> Vec<String> {
    let mut all: Vec<String> = pages.flatten().take(MAX_NAMES).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The address of `rel="next"` (RFC 8288).
fn next_page(answer: &Answer) -> Option<Url> {
    let link = answer.header("link")?;
    let target = link.split(',').find_map(|one| {
        let (address, parameters) = one.trim().strip_prefix('<')?.split_once('>')?;
        let next = parameters.split(';').any(|p| {
            let p = p.trim().to_ascii_lowercase();
            p == "rel=next" || p == "rel=\"next\""
        });
        next.then_some(address)
    })?;
    answer.response.url().join(target).ok()
}
