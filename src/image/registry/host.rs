//! A registry as a whole: its repositories, and what it speaks besides the distribution API.

use super::client::{Call, Client, Place, Rights, To};
use super::listing::Catalog;
use super::payload::Payload;
use super::{Patience, Proxies, RegistryError, trust};
use crate::image::config::auth::Credentials;
use crate::image::config::certs::HostCerts;
use crate::image::island::Island;
use crate::image::manifest::MAX_DOCUMENT;
use crate::image::progress::Progress;
use reqwest::Method;
use std::time::Instant;

/// A conversation with one registry about no repository. Calls block; the island ends with it.
pub struct Host<'a> {
    client: Client<'a>,
    /// Last, so that connections end before it does.
    island: Island,
}

impl std::fmt::Debug for Host<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("registry", &self.client.registry).finish_non_exhaustive()
    }
}

/// What a page of the registry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Content type without parameters, lower case.
    pub content_type: String,
    /// The bytes.
    pub body: Vec<u8>,
}

impl<'a> Host<'a> {
    /// Sets up a client for `host[:port]`; nothing is sent yet.
    pub fn open(
        registry: &str,
        insecure: bool,
        credentials: Option<Credentials>,
        certs: HostCerts,
        proxies: &Proxies,
        patience: &Patience,
        progress: &'a dyn Progress,
    ) -> Result<Self, RegistryError> {
        let place = Place {
            registry: registry.to_owned(),
            repository: String::new(),
            credentials,
            trust: trust(insecure, certs),
            proxies: proxies.clone(),
            patience: patience.clone(),
        };
        let island = Island::new()?;
        let client = Client::new(place, Rights::Pull, progress)?;
        Ok(Host { client, island })
    }

    /// `host[:port]`.
    pub fn name(&self) -> &str {
        &self.client.registry
    }

    /// One line that the user is to see, about what the registry sends.
    pub fn warning(&self, line: &str) {
        self.client.progress.warning(line);
    }

    /// The repositories that the registry tells of until then.
    ///
    /// Errors: it told of none.
    pub fn catalog(&self, until: Instant) -> Result<Catalog, RegistryError> {
        self.island.run(self.client.catalog(until))
    }

    /// A page at `path`, which begins with a slash; `None` where the registry has none there.
    pub fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Option<Page>, RegistryError> {
        self.island.run(self.page(Method::GET, path, query, None))
    }

    /// The answer to JSON sent to `path`; `None` where the registry knows no such thing.
    pub fn post(&self, path: &str, json: &[u8]) -> Result<Option<Page>, RegistryError> {
        self.island.run(self.page(Method::POST, path, &[], Some(json)))
    }

    async fn page(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        json: Option<&[u8]>,
    ) -> Result<Option<Page>, RegistryError> {
        let result = self
            .client
            .retried(async || {
                let payload = json.map(|text| Payload::memory("application/json", text.to_vec()));
                let call = Call::new(method.clone(), To::Path(path), path);
                let mut answer = self.client.exchange(&Call { query, payload, ..call }).await?;
                let content_type = answer.header("content-type").unwrap_or_default();
                let content_type = crate::image::manifest::plain_type(content_type);
                Ok(Page { content_type, body: answer.body(MAX_DOCUMENT, "page").await? })
            })
            .await;
        match result {
            Ok(page) => Ok(Some(page)),
            Err(RegistryError::NotFound { .. }) => Ok(None),
            Err(RegistryError::Status { status: 405 | 501, .. }) => Ok(None),
            Err(e) => Err(e),
        }
    }
}
