//! Requests of the distribution specification 1.1 to one endpoint.

use super::access::Access;
use super::clock;
use super::error::{RegistryError, body_detail};
use super::http::{Answer, Ask, Http, Patience, Proxies, Trust, api_url, same_origin};
use super::journal::Uploads;
use super::payload::Payload;
use crate::image::config::auth::Credentials;
use crate::image::hash::digest_like;
use crate::image::manifest::MAX_DOCUMENT;
use crate::image::progress::Progress;
use crate::image::source::RawDocument;
use crate::image::source::origin::Range;
use crate::image::types::Digest;
use crate::ui::redact::learn;
use reqwest::{Method, Url};
use std::cell::Cell;
use std::time::Duration;

/// All that is understood as a manifest, best first; schema 1 so that its error can be told.
const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, \
    application/vnd.docker.distribution.manifest.v1+prettyjws;q=0.1, \
    application/vnd.docker.distribution.manifest.v1+json;q=0.1";

/// What an endpoint is and how it is spoken to.
#[derive(Clone)]
pub(super) struct Place {
    /// `host[:port]` as users write it.
    pub(super) registry: String,
    pub(super) repository: String,
    pub(super) credentials: Option<Credentials>,
    pub(super) trust: Trust,
    pub(super) proxies: Proxies,
    pub(super) patience: Patience,
}

/// What may be done with the repository: the scope to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Read.
    Pull,
    /// Read and write.
    Push,
}

/// Where a request goes.
#[derive(Clone, Copy)]
pub(super) enum To<'c> {
    /// A path of the registry: below `/v2/`, or from the root when it begins with a slash.
    Path(&'c str),
    /// An address that the registry gave.
    Url(&'c Url),
}

/// One request to the registry.
pub(super) struct Call<'c> {
    pub(super) method: Method,
    pub(super) to: To<'c>,
    pub(super) query: &'c [(&'c str, &'c str)],
    pub(super) accept: Option<&'static str>,
    /// First and last byte wanted.
    pub(super) range: Option<Range>,
    pub(super) payload: Option<Payload>,
    /// What it is about, for messages.
    pub(super) what: &'c str,
    /// Is told how many more bytes of the payload have gone.
    pub(super) sent: &'c dyn Fn(u64),
}

impl<'c> Call<'c> {
    pub(super) fn new(method: Method, to: To<'c>, what: &'c str) -> Self {
        let sent = &|_| {};
        Call { method, to, query: &[], accept: None, range: None, payload: None, what, sent }
    }
}

/// A conversation with one endpoint about one repository.
pub(super) struct Client<'a> {
    pub(super) http: Http,
    access: Access,
    pub(super) registry: String,
    pub(super) repository: String,
    insecure: bool,
    /// Set once TLS was found missing at an insecure endpoint.
    plain: Cell<bool>,
    /// Whether the endpoint has ever answered.
    heard: Cell<bool>,
    /// Whether a client certificate is shown to it.
    certified: bool,
    /// All bytes of blobs that it has sent.
    pub(super) came: Cell<u64>,
    pub(super) patience: Patience,
    pub(super) progress: &'a dyn Progress,
    /// Uploads that later processes go on with.
    pub(super) uploads: Uploads,
}

impl<'a> Client<'a> {
    pub(super) fn new(
        place: Place,
        rights: Rights,
        progress: &'a dyn Progress,
    ) -> Result<Self, RegistryError> {
        let Place { registry, repository, credentials, trust, proxies, patience } = place;
        let http = Http::new(&registry, &trust, &proxies, &patience)?;
        let scope = match repository.as_str() {
            "" => String::new(),
            name if rights == Rights::Push => format!("repository:{name}:pull,push"),
            name => format!("repository:{name}:pull"),
        };
        match &credentials {
            Some(Credentials::Password { password, .. }) => learn(password.expose()),
            Some(Credentials::IdentityToken(token)) => learn(token.expose()),
            None => {}
        }
        let access = Access::new(&registry, scope, credentials, trust.insecure);
        Ok(Client {
            http,
            access,
            registry,
            repository,
            insecure: trust.insecure,
            plain: Cell::new(false),
            heard: Cell::new(false),
            came: Cell::new(0),
            certified: trust.identity.is_some(),
            patience,
            progress,
            uploads: Uploads::default(),
        })
    }

    /// `host[:port]/repository`.
    pub(super) fn name(&self) -> String {
        match self.repository.as_str() {
            "" => self.registry.clone(),
            repository => format!("{}/{repository}", self.registry),
        }
    }

    /// Asks `/v2/` and tells whether the registry wanted to know who we are; a Drift that does
    /// not is asked to look at the password.
    pub(super) async fn check(&self) -> Result<bool, RegistryError> {
        let drift = self
            .retried(async || {
                match self.call(Method::GET, "", None, None, "the registry API").await {
                    // Drift serves it without the slash only.
                    Err(missing @ RegistryError::NotFound { .. }) => {
                        let bare = Call::new(Method::GET, To::Path("/v2"), "the registry API");
                        self.exchange(&bare).await.map(|_| true).map_err(|_| missing)
                    }
                    other => other.map(|_| false),
                }
            })
            .await?;
        if self.access.was_challenged().await {
            return Ok(true);
        }
        match self.access.login_form().filter(|_| drift) {
            Some(form) => self.drift_login(form).await,
            None => Ok(false),
        }
    }

    /// Drift's own login; `false` where the server has none.
    async fn drift_login(&self, form: Vec<u8>) -> Result<bool, RegistryError> {
        let path = "/v1/auth/login";
        let payload = Some(Payload::memory("application/json", form));
        let call = Call::new(Method::POST, To::Path(path), path);
        match self.exchange(&Call { payload, ..call }).await {
            Ok(_) => Ok(true),
            Err(RegistryError::NotFound { .. }) => Ok(false),
            Err(RegistryError::Status { status: 405 | 501, .. }) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// The manifest or index of a tag or digest, verified.
    pub(super) async fn manifest(&self, reference: &str) -> Result<RawDocument, RegistryError> {
        self.retried(async || {
            let mut answer = self.ask_manifest(Method::GET, reference).await?;
            let url = answer.address();
            let media_type = answer.header("content-type").unwrap_or_default().to_owned();
            let announced = announced(&answer);
            let bytes = answer.body(MAX_DOCUMENT, "manifest").await?;
            let asked: Option<Digest> = reference.parse().ok();
            for wanted in asked.iter().chain(&announced) {
                let got = digest_like(wanted, &bytes);
                if got != wanted.as_str() {
                    let wanted = wanted.to_string();
                    return Err(RegistryError::Digest { url, wanted, got });
                }
            }
            let digest = asked.or(announced).unwrap_or_else(|| Digest::sha256_of(&bytes));
            Ok(RawDocument { bytes, media_type, digest, given_name: None })
        })
        .await
    }

    /// The digest that a tag stands for now, without its manifest where the registry can.
    pub(super) async fn digest(&self, reference: &str) -> Result<Digest, RegistryError> {
        let head = self
            .retried(async || {
                let answer = self.ask_manifest(Method::HEAD, reference).await?;
                Ok(announced(&answer))
            })
            .await;
        match head {
            Ok(Some(digest)) => Ok(digest),
            // Some registries know no HEAD here, or send no digest with it.
            Ok(None) | Err(RegistryError::Status { .. }) => {
                Ok(self.manifest(reference).await?.digest)
            }
            Err(e) => Err(e),
        }
    }

    async fn ask_manifest(&self, method: Method, reference: &str) -> Result<Answer, RegistryError> {
        let path = format!("{}/manifests/{reference}", self.repository);
        let what = format!("manifest {reference}");
        let answer = self.call(method, &path, Some(ACCEPT), None, &what).await?;
        // A digest tells by itself whether it is right; a tag is whatever this answer says.
        if answer.exposed && !self.insecure && reference.parse::<Digest>().is_err() {
            let reason = format!(
                "the request for {what} was sent on to an address without TLS, where anybody may \
                 answer; name the image by its digest"
            );
            return Err(RegistryError::Protocol { url: answer.address(), reason });
        }
        Ok(answer)
    }

    /// One request below `/v2/` without a body.
    pub(super) async fn call(
        &self,
        method: Method,
        path: &str,
        accept: Option<&'static str>,
        range: Option<Range>,
        what: &str,
    ) -> Result<Answer, RegistryError> {
        let call = Call::new(method, To::Path(path), what);
        self.exchange(&Call { accept, range, ..call }).await
    }

    /// One request with authentication; any status but 2xx is an error.
    pub(super) async fn exchange(&self, call: &Call<'_>) -> Result<Answer, RegistryError> {
        self.answered(call).await.map_err(RegistryError::without_secrets)
    }

    async fn answered(&self, call: &Call<'_>) -> Result<Answer, RegistryError> {
        let mut renewed = false;
        // An address that leads elsewhere is none of those who may ask who we are.
        let ours = match call.to {
            To::Path(_) => true,
            To::Url(url) => same_origin(url, &self.base()?),
        };
        loop {
            let (authorization, generation) = match ours {
                true => self.access.current(&self.http).await?,
                false => (None, 0),
            };
            let sent = self.send(call, authorization).await;
            let mut answer = match sent {
                Err(e) if !self.heard.get() && !self.certified => {
                    return Err(e.or_client_certificate(&self.registry));
                }
                other => other?,
            };
            self.heard.set(true);
            let own = ours && !answer.redirected;
            match answer.status() {
                200..=299 => return Ok(answer),
                // Only the registry itself may ask who we are (CVE-2020-15157).
                401 if own && !renewed => {
                    renewed = true;
                    self.access.renew(&self.http, &mut answer, generation).await?;
                }
                401 | 403 if own => {
                    let detail = body_detail(&answer.beginning().await);
                    let (registry, what) = (self.registry.clone(), self.repository.clone());
                    return Err(RegistryError::Unauthorized { registry, what, detail });
                }
                404 if own => {
                    let detail = body_detail(&answer.beginning().await);
                    let (what, registry) = (call.what.to_owned(), self.name());
                    return Err(RegistryError::NotFound { what, registry, detail });
                }
                status => return Err(status_error(status, &self.registry, &mut answer).await),
            }
        }
    }

    /// The registry's address, by the scheme that is spoken with it.
    pub(super) fn base(&self) -> Result<Url, RegistryError> {
        api_url(if self.plain.get() { "http" } else { "https" }, self.host(), "")
    }

    fn host(&self) -> &str {
        if self.registry == "docker.io" { "registry-1.docker.io" } else { &self.registry }
    }

    /// Sends by https; an insecure endpoint that has no TLS is asked by http.
    async fn send(
        &self,
        call: &Call<'_>,
        authorization: Option<reqwest::header::HeaderValue>,
    ) -> Result<Answer, RegistryError> {
        let ask = |scheme: &str| {
            let mut url = match call.to {
                To::Path(path) => {
                    // Names have no question mark: what stands behind one is ours.
                    let (path, query) =
                        path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q)));
                    let mut url = api_url(scheme, self.host(), path)?;
                    url.set_query(query);
                    url
                }
                To::Url(url) => url.clone(),
            };
            if !call.query.is_empty() {
                url.query_pairs_mut().extend_pairs(call.query);
            }
            Ok(Ask {
                method: call.method.clone(),
                accept: call.accept,
                from: call.range.map(|(from, _)| from),
                to: call.range.and_then(|(_, to)| to),
                authorization: authorization.clone(),
                payload: call.payload.clone(),
                ..Ask::get(url)
            })
        };
        if self.plain.get() || matches!(call.to, To::Url(_)) {
            return self.http.send_counted(&ask("http")?, call.sent).await;
        }
        match self.http.send_counted(&ask("https")?, call.sent).await {
            Err(e) if self.insecure && e.is_connect() => {
                let plain = self.http.send_counted(&ask("http")?, call.sent).await;
                match plain {
                    // Where there is a server of plain http, what it did wrong is the error.
                    Err(second) if second.is_connect() && !e.is_plain_answer() => Err(e),
                    spoken => {
                        self.plain.set(true);
                        spoken
                    }
                }
            }
            other => other,
        }
    }

    pub(super) async fn retried<T>(
        &self,
        operation: impl AsyncFn() -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let mut failures = 0;
        loop {
            match operation().await {
                Err(e) if e.is_transient() && failures < self.patience.retries => {
                    failures += 1;
                    self.pause(&e, failures).await;
                }
                other => return other,
            }
        }
    }

    /// Waits before retry number `failures`, and says why.
    pub(super) async fn pause(&self, error: &RegistryError, failures: u32) {
        let wait = wait(&self.patience, error.wait(), failures, random_share());
        let (n, of) = (failures, self.patience.retries);
        self.progress.note(&format!("{error}; retry {n} of {of} in {:.1} s", wait.as_secs_f64()));
        tokio::time::sleep(wait).await;
    }
}

/// Exponential back-off, halved at most by chance; a server's wish counts when it is longer.
pub(in crate::image) fn wait(
    patience: &Patience,
    asked: Option<Duration>,
    failures: u32,
    share: f64,
) -> Duration {
    let doubled = patience.first_wait.saturating_mul(1 << (failures - 1).min(16));
    let jittered = doubled.min(patience.longest_wait).mul_f64(0.5 + share / 2.0);
    asked.unwrap_or_default().max(jittered).min(patience.longest_wait)
}

/// An even chance between 0 and 1; without a source of chance, the middle.
pub(in crate::image) fn random_share() -> f64 {
    use ring::rand::SecureRandom;
    let mut byte = [127_u8];
    let _ = ring::rand::SystemRandom::new().fill(&mut byte);
    f64::from(byte[0]) / 255.0
}

/// The error for a status that nobody expects, with what the body says.
pub(super) async fn status_error(
    status: u16,
    registry: &str,
    answer: &mut Answer,
) -> RegistryError {
    let wait = answer.header("retry-after").and_then(|v| retry_after(v, clock::now()));
    let url = answer.address();
    let detail = body_detail(&answer.beginning().await);
    match status {
        429 => RegistryError::RateLimited { registry: registry.to_owned(), wait, detail },
        // A presigned address that has run out; the registry will sign a new one.
        401 | 403 if answer.redirected => RegistryError::Network {
            url,
            reason: format!("redirect target answered {status}{detail}"),
        },
        status => RegistryError::Status { url, status, wait, detail },
    }
}

/// `Retry-After`: seconds or an HTTP-date (RFC 9110 section 10.2.3).
fn retry_after(value: &str, now: i64) -> Option<Duration> {
    let value = value.trim();
    let seconds = match value.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => u64::try_from(clock::http_date(value)? - now).unwrap_or(0),
    };
    Some(Duration::from_secs(seconds))
}

fn announced(answer: &Answer) -> Option<Digest> {
    answer.header("docker-content-digest")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_are_capped() {
        let patience = Patience::default();
        let s = Duration::from_secs_f64;
        assert_eq!(wait(&patience, None, 1, 1.0), s(1.0));
        assert_eq!(wait(&patience, None, 1, 0.0), s(0.5));
        assert_eq!(wait(&patience, None, 3, 1.0), s(4.0));
        assert_eq!(wait(&patience, None, 60, 1.0), s(60.0));
        assert_eq!(wait(&patience, Some(s(7.0)), 1, 1.0), s(7.0));
        assert_eq!(wait(&patience, Some(s(9999.0)), 1, 1.0), s(60.0));
    }

    #[test]
    fn reads_retry_after() {
        let now = clock::http_date("Thu, 29 Feb 2024 12:00:00 GMT").unwrap();
        let read = |v| retry_after(v, now).map(|d| d.as_secs());
        assert_eq!(read("120"), Some(120));
        assert_eq!(read("Thu, 29 Feb 2024 12:00:09 GMT"), Some(9));
        assert_eq!(read("Thu, 29 Feb 2024 11:00:09 GMT"), Some(0));
        assert_eq!(read("soon"), None);
        assert_eq!(read("-1"), None);
    }
}
