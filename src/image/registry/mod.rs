//! Images of registries (distribution-spec 1.1), and HTTP for all that speak it: the only part of
//! bolt that knows reqwest and rustls.

mod access;
pub(in crate::image) mod blobs;
mod challenge;
pub(in crate::image) mod client;
pub(in crate::image) mod clock;
pub(in crate::image) mod error;
mod host;
pub(in crate::image) mod http;
mod journal;
mod listing;
mod own_authority;
mod pace;
mod payload;
mod proxies;
mod repository;
mod secrets;
mod several;
mod upload;

pub use client::Rights;
pub use error::RegistryError;
pub use host::{Host, Page};
pub use http::{Patience, Proxies};
pub use listing::Catalog;
pub use repository::{OutgoingBlob, Repository, Stored, TRIES};
pub use several::{Sought, UNASKED, Which, read as read_artifact};

use crate::image::config::auth::Credentials;
use crate::image::config::certs::HostCerts;
use crate::image::island::Island;
use crate::image::manifest;
use crate::image::progress::Progress;
use crate::image::reference::Reference;
use crate::image::source::origin::{Origin, Part, Receive, Served, Tier};
use crate::image::source::{
    Delivery, Documents, Fetch, Kept, RawDocument, Source, SourceError, Wanted,
};
use crate::image::types::{Descriptor, Digest};
use client::{Client, Place};
use futures_util::StreamExt;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use http::Trust;
use pace::Overtaken;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Blobs on their way at the same time (containers.conf, `image_parallel_copies`).
const PARALLEL: usize = 6;
/// How often a transfer looks whether it is still wanted while no byte arrives.
const STOP_CHECK: Duration = Duration::from_millis(100);

/// One place that has an image, and all that is needed to speak with it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The name to ask for there.
    pub reference: Reference,
    /// Any certificate is taken, and plain http where TLS is missing.
    pub insecure: bool,
    /// Who we are there.
    pub credentials: Option<Credentials>,
    /// Authorities to trust and certificates to show.
    pub certs: HostCerts,
}

impl Endpoint {
    fn client<'p>(
        self,
        proxies: &Proxies,
        patience: Patience,
        rights: Rights,
        progress: &'p dyn Progress,
    ) -> Result<Client<'p>, RegistryError> {
        let place = Place {
            registry: self.reference.registry().to_owned(),
            repository: self.reference.repository().to_owned(),
            credentials: self.credentials,
            trust: trust(self.insecure, self.certs),
            proxies: proxies.clone(),
            patience,
        };
        Client::new(place, rights, progress)
    }
}

/// An image in a registry, or in one of its mirrors.
pub struct RegistrySource<'a> {
    name: String,
    endpoints: Vec<(Reference, Client<'a>)>,
    /// The endpoint that delivered last.
    at: Cell<usize>,
    /// Endpoints before this one were left, and the user knows.
    told: Cell<usize>,
    /// Endpoints that were left for being slow.
    overtaken: RefCell<Option<Overtaken>>,
    /// Blobs that this pull fetches: how many bytes lay here before, and the first endpoint that
    /// sent more.
    begun: RefCell<BTreeMap<Digest, (u64, usize)>>,
    /// The same of blobs whose bytes may be those of an endpoint that lied.
    doubted: RefCell<BTreeMap<Digest, (u64, usize)>>,
    progress: &'a dyn Progress,
    /// Last, so that connections end before it does.
    island: Island,
}

impl std::fmt::Debug for RegistrySource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistrySource").field("name", &self.name).finish_non_exhaustive()
    }
}

pub(in crate::image) fn trust(insecure: bool, certs: HostCerts) -> Trust {
    let identity = certs.client.into_iter().next().map(|pair| {
        let mut pem = pair.cert;
        pem.push(b'\n');
        pem.extend_from_slice(&pair.key);
        pem
    });
    Trust { roots: certs.ca, identity, insecure }
}

/// What a manifest request names: the digest when there is one, else the tag.
fn wanted(reference: &Reference) -> &str {
    match reference.digest() {
        Some(digest) => digest.as_str(),
        None => reference.tag().unwrap_or("latest"),
    }
}

impl<'a> RegistrySource<'a> {
    /// Sets up clients for `endpoints`, which are tried in their order; `name` is for messages.
    ///
    /// Nothing is sent yet. Errors: no endpoint, or a certificate or proxy that cannot be used.
    pub fn new(
        name: &str,
        endpoints: Vec<Endpoint>,
        proxies: &Proxies,
        patience: &Patience,
        progress: &'a dyn Progress,
        island: &Island,
    ) -> Result<Self, RegistryError> {
        let last = endpoints.len().checked_sub(1).ok_or_else(|| RegistryError::Setup {
            host: name.to_owned(),
            reason: "no registry is configured for it".to_owned(),
        })?;
        let mut clients = Vec::with_capacity(endpoints.len());
        for (i, endpoint) in endpoints.into_iter().enumerate() {
            // A mirror that fails is left for the next endpoint instead of being waited for.
            let retries = if i == last { patience.retries } else { 0 };
            let reference = endpoint.reference.clone();
            let patience = Patience { retries, ..patience.clone() };
            let client = endpoint.client(proxies, patience, Rights::Pull, progress)?;
            clients.push((reference, client));
        }
        Ok(RegistrySource {
            name: name.to_owned(),
            endpoints: clients,
            at: Cell::new(0),
            told: Cell::new(0),
            overtaken: RefCell::default(),
            begun: RefCell::default(),
            doubted: RefCell::default(),
            progress,
            island: island.clone(),
        })
    }

    /// The digest that the image's name stands for now, by a HEAD request.
    pub fn digest(&self) -> Result<Digest, SourceError> {
        self.first(async |reference, client| Ok(client.digest(wanted(reference)).await?))
    }

    /// All tags of the image's repository, sorted.
    pub fn tags(&self) -> Result<Vec<String>, SourceError> {
        self.first(async |_, client| Ok(client.tags().await?))
    }

    /// Runs `operation` at the endpoint that served last, then at those behind it.
    fn first<T>(
        &self,
        operation: impl AsyncFn(&Reference, &Client<'a>) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        self.island.run(self.fall_through(operation))
    }

    async fn fall_through<T>(
        &self,
        mut operation: impl AsyncFnMut(&Reference, &Client<'a>) -> Result<T, SourceError>,
    ) -> Result<T, SourceError> {
        let start = self.at.get();
        let last = self.endpoints.len() - 1;
        for (i, (reference, client)) in self.endpoints.iter().enumerate().skip(start) {
            if i < self.overtaken_by() {
                continue;
            }
            match self.unless_overtaken(i, client, operation(reference, client)).await {
                Ok(value) => {
                    self.at.set(self.at.get().max(i));
                    return Ok(value);
                }
                Err(e @ SourceError::Registry(_)) if i < last => self.tell(i, &e.to_string()),
                Err(e) => return Err(e),
            }
        }
        Err(SourceError::Stopped)
    }

    /// Says why the endpoint `left` is left: once, though several transfers meet the same fault.
    fn tell(&self, left: usize, why: &str) {
        if self.told.get() <= left {
            let next = (left + 1).max(self.overtaken_by());
            self.told.set(next);
            let next = self.endpoints[next].1.name();
            self.progress.note(&format!("{why}; trying {next}"));
        }
    }

    /// Notes who sends a blob from now on.
    fn begins(&self, digest: &Digest, have: u64, client: &Client<'a>) {
        let at = self.endpoints.iter().position(|(_, other)| std::ptr::eq(other, client));
        let mut begun = self.begun.borrow_mut();
        let (before, from) = begun.entry(digest.clone()).or_insert((have, 0));
        // Of several that sent a part, the first is doubted first: the others are asked again.
        if have <= *before {
            (*before, *from) = (have, at.unwrap_or(*from));
        }
    }

    async fn fetch_one(&self, wanted: Wanted<'_>) {
        let mut sink = wanted.sink;
        let (digest, size) = (&wanted.blob.digest, wanted.blob.size);
        self.doubted.borrow_mut().remove(digest);
        self.progress.blob_started(digest, size, sink.len());
        let receiver = sink.as_mut();
        let result = self
            .fall_through(async |_, client| {
                self.begins(digest, receiver.len(), client);
                client.blob(wanted.blob, receiver).await
            })
            .await;
        if result.is_ok() {
            self.progress.blob_done(digest);
        }
        sink.end(result);
    }
}

impl Documents for RegistrySource<'_> {
    fn name(&self) -> String {
        self.name.clone()
    }

    /// A mirror whose answer is no manifest is left for the next endpoint.
    fn root(&self) -> Result<RawDocument, SourceError> {
        let last = self.endpoints.last().map(|(_, client)| client);
        self.first(async |reference, client| {
            let raw = client.manifest(wanted(reference)).await?;
            match manifest::parse(&raw.bytes, &raw.media_type) {
                Err(e) if !last.is_some_and(|last| std::ptr::eq(last, client)) => {
                    let (url, reason) = (client.name(), e.to_string());
                    Err(RegistryError::Protocol { url, reason }.into())
                }
                _ => Ok(raw),
            }
        })
    }

    fn document(&self, wanted: &Descriptor) -> Result<RawDocument, SourceError> {
        self.first(async |_, client| Ok(client.manifest(wanted.digest.as_str()).await?))
    }
}

/// One endpoint of a registry's image: whose bytes they are is known of each by itself.
struct One<'a> {
    all: Rc<RegistrySource<'a>>,
    at: usize,
}

impl<'a> RegistrySource<'a> {
    /// Its endpoints as places for blobs, in their order.
    pub(in crate::image) fn origins(self: &Rc<Self>) -> Vec<Rc<dyn Origin + 'a>> {
        let one = |at| -> Rc<dyn Origin + 'a> { Rc::new(One { all: self.clone(), at }) };
        (0..self.endpoints.len()).map(one).collect()
    }
}

impl Origin for One<'_> {
    fn name(&self) -> String {
        let (reference, _) = &self.all.endpoints[self.at];
        reference.registry().to_owned()
    }

    fn tier(&self) -> Tier {
        let is_last = self.at + 1 == self.all.endpoints.len();
        if is_last { Tier::Registry } else { Tier::RegistryMirror }
    }

    /// When the manifests were asked for.
    fn is_left(&self) -> bool {
        self.all.told.get() > self.at
    }

    fn part<'s>(
        &'s self,
        blob: &'s Descriptor,
        part: Part,
        receive: &'s mut Receive<'s>,
    ) -> LocalBoxFuture<'s, Result<Served, SourceError>> {
        let (_, client) = &self.all.endpoints[self.at];
        Box::pin(client.part(blob, part, receive))
    }
}

impl Source for RegistrySource<'_> {
    fn name(&self) -> String {
        Documents::name(self)
    }

    fn root(&self) -> Result<RawDocument, SourceError> {
        Documents::root(self)
    }

    fn document(&self, wanted: &Descriptor) -> Result<RawDocument, SourceError> {
        Documents::document(self, wanted)
    }

    fn blob(&self, wanted: &Descriptor, limit: u64) -> Result<Vec<u8>, SourceError> {
        let ask = self.fall_through(async |_, client| Ok(client.small_blob(wanted, limit).await?));
        self.island.run(self.watched(wanted, wanted.size, ask))
    }

    fn pass_over(&self, wrong: &Digest) -> Result<(), String> {
        let sent = self.begun.borrow().get(wrong).map(|(_, from)| *from);
        let left = sent.unwrap_or(self.at.get());
        let name = self.endpoints[left].1.name();
        if left + 1 == self.endpoints.len() {
            return Err(name);
        }
        self.tell(left, &format!("{name} sent wrong bytes for blob {wrong}"));
        self.at.set(self.at.get().max(left + 1));
        self.doubted.borrow_mut().append(&mut self.begun.borrow_mut());
        Ok(())
    }

    /// What was on its way from an endpoint that lied is not gone on with.
    fn kept(&self, blob: &Digest, have: u64) -> Kept {
        Kept::First(self.doubted.borrow().get(blob).map_or(have, |(before, _)| have.min(*before)))
    }

    fn delivery(&self) -> Delivery<'_> {
        Delivery::Fetch(self)
    }
}

impl Fetch for RegistrySource<'_> {
    fn fetch(&self, wanted: Vec<Wanted<'_>>, stopped: &AtomicBool) {
        let Some(biggest) = wanted.iter().map(|w| w.blob).max_by_key(|blob| blob.size) else {
            return;
        };
        let lacks = |w: &Wanted<'_>| w.blob.size.saturating_sub(w.sink.len());
        let left = wanted.iter().map(lacks).sum();
        let all = async {
            let mut waiting = wanted.into_iter();
            let mut running: FuturesUnordered<_> =
                waiting.by_ref().take(PARALLEL).map(|w| self.fetch_one(w)).collect();
            while !stopped.load(Ordering::Relaxed) {
                match tokio::time::timeout(STOP_CHECK, running.next()).await {
                    Ok(Some(())) => running.extend(waiting.next().map(|w| self.fetch_one(w))),
                    Ok(None) => break,
                    Err(_) => {}
                }
            }
        };
        self.island.run(self.watched(biggest, left, all));
    }
}

/// What a registry said to a user name and password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginCheck {
    /// It asked for them and took them.
    Accepted,
    /// It lets everybody in and never asked: they were not checked.
    NotAsked,
}

/// Tries `credentials` at `registry` (`host[:port]`) by asking its `/v2/`.
///
/// Errors: [`RegistryError::Credentials`] when they are wrong, else why it cannot be reached.
pub fn check_login(
    registry: &str,
    credentials: &Credentials,
    insecure: bool,
    certs: HostCerts,
    proxies: &Proxies,
    patience: &Patience,
    progress: &dyn Progress,
) -> Result<LoginCheck, RegistryError> {
    let place = Place {
        registry: registry.to_owned(),
        repository: String::new(),
        credentials: Some(credentials.clone()),
        trust: trust(insecure, certs),
        proxies: proxies.clone(),
        patience: patience.clone(),
    };
    let client = Client::new(place, Rights::Pull, progress)?;
    let asked = Island::new()?.run(client.check()).map_err(|error| match error {
        RegistryError::Unauthorized { registry, detail, .. } => {
            RegistryError::Credentials { registry, detail }
        }
        other => other,
    })?;
    Ok(if asked { LoginCheck::Accepted } else { LoginCheck::NotAsked })
}
