//! Lists of one endpoint, page by page: tags, repositories, referrers (distribution-spec 1.1).

use super::client::{Call, Client, To};
use super::error::RegistryError;
use super::http::Answer;
use crate::image::artifact::{self, Referrer};
use crate::image::manifest::MAX_DOCUMENT;
use crate::image::reference::{NAME_MAX, TAG_MAX};
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

/// Repositories of a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    /// Their names, sorted.
    pub names: Vec<String>,
    /// Whether the registry came to an end.
    pub whole: bool,
}

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
        let (tags, long) = sorted(tags.into_iter().filter_map(|page| page.tags), TAG_MAX);
        if long > 0 {
            let name = self.name();
            let line = format!("{name}: {long} tags of more than {TAG_MAX} characters left out");
            self.progress.note(&line);
        }
        Ok(tags)
    }

    /// The repositories that the registry tells of until then; none is an error.
    pub(super) async fn catalog(&self, until: Instant) -> Result<Catalog, RegistryError> {
        let (query, what) = (&[("n", PAGE)], "the catalog");
        let mut pages = Pages::default();
        let limit = until.saturating_duration_since(Instant::now());
        let followed = self.follow::<Repositories>("_catalog", query, what, &mut pages);
        let end = match tokio::time::timeout(limit, followed).await {
            Ok(end) => end,
            Err(_) => Err(RegistryError::Stalled {
                url: format!("{}/v2/_catalog", self.registry),
                after: limit,
            }),
        };
        let whole = match end {
            Ok(()) => true,
            Err(error) if pages.list.is_empty() => return Err(error),
            Err(error) => {
                self.progress.warning(&format!("the catalog ends early: {error}"));
                false
            }
        };
        let names = pages.list.into_iter().filter_map(|page| page.repositories);
        let (names, long) = sorted(names, NAME_MAX);
        if long > 0 {
            self.progress.warning(&format!(
                "{}: {long} repositories with names of more than {NAME_MAX} characters left out",
                self.registry
            ));
        }
        Ok(Catalog { names, whole })
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

    /// All pages of a list.
    async fn pages<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        what: &str,
    ) -> Result<Vec<T>, RegistryError> {
        let mut pages = Pages::default();
        self.follow(path, query, what, &mut pages).await?;
        Ok(pages.list)
    }

    /// Follows `Link: <…>; rel="next"` to the end, and adds each page as it comes.
    async fn follow<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
        what: &str,
        pages: &mut Pages<T>,
    ) -> Result<(), RegistryError> {
        let mut next = None::<Url>;
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
            pages.size += body.len();
            let page = json_fault::read(&body)
                .map_err(|e| broken(format!("{what}: not the JSON of a list: {e}")))?;
            pages.list.push(page);
            match follow {
                None => return Ok(()),
                Some(_) if pages.list.len() == MAX_PAGES || pages.size > 64 << 20 => {
                    return Err(broken(format!("{what}: the list has no end")));
                }
                Some(_) if began.elapsed() > self.patience.stall * LONGEST => {
                    return Err(broken(format!("{what}: the list takes too long")));
                }
                // A server that sends us in a circle has told all it has.
                Some(url) if next.as_ref() == Some(&url) => return Ok(()),
                Some(url) => next = Some(url),
            }
        }
    }
}

/// What came of a list.
struct Pages<T> {
    list: Vec<T>,
    /// Bytes of all.
    size: usize,
}

impl<T> Default for Pages<T> {
    fn default() -> Self {
        Pages { list: Vec::new(), size: 0 }
    }
}

/// The names of all pages, and how many were longer than `longest`, which no name is.
fn sorted(pages: impl Iterator<Item = Vec<String>>, longest: usize) -> (Vec<String>, usize) {
    let mut all: Vec<String> = pages.flatten().take(MAX_NAMES).collect();
    let before = all.len();
    all.retain(|name| name.len() <= longest);
    let long = before - all.len();
    all.sort_unstable();
    all.dedup();
    (all, long)
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
