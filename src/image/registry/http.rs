//! HTTP for registries and buckets: one client per endpoint, redirects followed here, nothing
//! unbounded.

use super::error::{RegistryError, classify, host, shown};
use super::own_authority;
use super::payload::{Moved, Payload};
use super::proxies::reqwest_of;
use super::secrets::learn_of;
use reqwest::Response;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    HeaderValue, LOCATION, RANGE,
};
use std::pin::pin;
use std::time::{Duration, Instant};

pub use super::proxies::Proxies;
pub(in crate::image) use reqwest::{Method, Url};

/// How often is looked how far a body has gone.
const TICK: Duration = Duration::from_millis(200);
/// How many times longer than for a byte is waited for the answer to a request that ends an
/// upload: the server moves and hashes what it got.
const ENDING: u32 = 10;
/// Redirects followed before a request is given up.
const MAX_REDIRECTS: usize = 10;
/// Bytes a second that an upload must have at least.
const SLOWEST: u64 = 32 << 10;
/// Bytes a second that an answer must have at least: below that it would never end.
const TRICKLE: u64 = 1 << 10;
/// The same for documents, which are small.
const TRICKLE_OF_DOCUMENTS: u64 = 4 << 10;

/// How long is waited, and how often is tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patience {
    /// Tries after the first one, for failures that may pass.
    pub retries: u32,
    /// Wait before the first retry; doubled before each further one.
    pub first_wait: Duration,
    /// Longest wait, also when a server asks for more.
    pub longest_wait: Duration,
    /// No byte for this long, or hardly any, ends a try.
    pub stall: Duration,
    /// Longest time to set up a connection.
    pub connect: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience {
            retries: 3,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(60),
            stall: Duration::from_secs(30),
            connect: Duration::from_secs(20),
        }
    }
}

/// Whom an endpoint's client trusts, and what it shows of itself.
#[derive(Clone, Default)]
pub(in crate::image) struct Trust {
    /// PEM bundles besides the system's roots.
    pub(in crate::image) roots: Vec<Vec<u8>>,
    /// PEM of the client's certificate chain and key.
    pub(in crate::image) identity: Option<Vec<u8>>,
    /// Take any certificate.
    pub(in crate::image) insecure: bool,
}

/// One request, before redirects.
pub(in crate::image) struct Ask {
    pub(in crate::image) method: Method,
    pub(in crate::image) url: Url,
    pub(in crate::image) accept: Option<&'static str>,
    /// First byte wanted.
    pub(in crate::image) from: Option<u64>,
    /// Last byte wanted; only with `from`.
    pub(in crate::image) to: Option<u64>,
    pub(in crate::image) authorization: Option<HeaderValue>,
    /// An `application/x-www-form-urlencoded` body.
    pub(in crate::image) form: Option<String>,
    /// Headers for the place that is asked, and, as `authorization`, for no other.
    pub(in crate::image) own: Vec<(&'static str, String)>,
    /// The body of an upload to a registry.
    pub(in crate::image) payload: Option<Payload>,
    /// Any other body.
    pub(in crate::image) body: Option<Vec<u8>>,
}

impl Ask {
    pub(in crate::image) fn get(url: Url) -> Self {
        Ask {
            method: Method::GET,
            url,
            accept: None,
            from: None,
            to: None,
            authorization: None,
            form: None,
            payload: None,
            own: Vec::new(),
            body: None,
        }
    }

    /// How long an answer may take: a body needs its time on a slow line.
    fn patience(&self, stall: Duration) -> Duration {
        let bytes = self.body.as_ref().map_or(0, Vec::len);
        stall.saturating_add(Duration::from_secs(bytes as u64 / SLOWEST))
    }
}

/// The head of an answer.
pub(in crate::image) struct Answer {
    pub(super) response: Response,
    /// Whether it comes from another place than was asked.
    pub(in crate::image) redirected: bool,
    /// Whether it came without TLS although the request went out with it.
    pub(in crate::image) exposed: bool,
    stall: Duration,
    /// Time that was waited for the bytes counted in `came`.
    waited: Duration,
    came: u64,
}

/// A client with its connections.
pub(in crate::image) struct Http {
    client: reqwest::Client,
    proxies: Proxies,
    stall: Duration,
}

impl Http {
    pub(in crate::image) fn new(
        name: &str,
        trust: &Trust,
        proxies: &Proxies,
        patience: &Patience,
    ) -> Result<Self, RegistryError> {
        // Err says that a provider is installed already: ours, by an earlier client.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = client(trust, proxies, patience)
            .map_err(|reason| RegistryError::Setup { host: name.to_owned(), reason })?;
        Ok(Http { client, proxies: proxies.clone(), stall: patience.stall })
    }

    /// Sends a request and follows redirects; any status is an answer.
    pub(in crate::image) async fn send(&self, ask: &Ask) -> Result<Answer, RegistryError> {
        self.send_counted(ask, &|_| {}).await
    }

    /// [`Http::send`], with `sent` told how many more bytes of the body have gone.
    pub(in crate::image) async fn send_counted(
        &self,
        ask: &Ask,
        sent: &dyn Fn(u64),
    ) -> Result<Answer, RegistryError> {
        learn_of(ask);
        self.follow(ask, sent).await.map_err(RegistryError::without_secrets)
    }

    async fn follow(&self, ask: &Ask, sent: &dyn Fn(u64)) -> Result<Answer, RegistryError> {
        let mut url = ask.url.clone();
        let mut authorization = ask.authorization.clone();
        let mut own = ask.own.as_slice();
        for hop in 0..=MAX_REDIRECTS {
            let mut request = self
                .client
                .request(ask.method.clone(), url.clone())
                .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
            if let Some(accept) = ask.accept {
                request = request.header(ACCEPT, accept);
            }
            if let Some(from) = ask.from {
                let to = ask.to.map(|to| to.to_string()).unwrap_or_default();
                request = request.header(RANGE, format!("bytes={from}-{to}"));
            }
            if let Some(value) = &authorization {
                request = request.header(AUTHORIZATION, value.clone());
            }
            for (name, value) in own {
                request = request.header(*name, value);
            }
            if let Some(form) = &ask.form {
                request = request
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form.clone());
            }
            let response = match (&ask.payload, &ask.body) {
                (Some(payload), _) => {
                    let moved = Moved::default();
                    let request = with_payload(request, payload, &moved);
                    self.sent(request, &moved, payload.ends, &url, sent).await?
                }
                (None, body) => {
                    if let Some(body) = body {
                        request = request.body(body.clone());
                    }
                    let after = ask.patience(self.stall);
                    tokio::time::timeout(after, request.send())
                        .await
                        .map_err(|_| RegistryError::Stalled { url: shown(&url), after })?
                        .map_err(|e| self.classified(&e, &url))?
                }
            };
            let Some(next) = redirect_target(ask, &response, &url)? else {
                let (redirected, stall) = (hop > 0, self.stall);
                let exposed = ask.url.scheme() == "https" && url.scheme() != "https";
                let (waited, came) = (Duration::ZERO, 0);
                return Ok(Answer { response, redirected, exposed, stall, waited, came });
            };
            if !same_origin(&url, &next) {
                authorization = None;
                own = &[];
            }
            url = next;
        }
        Err(RegistryError::Circular { url: shown(&ask.url), limit: MAX_REDIRECTS })
    }

    fn classified(&self, error: &reqwest::Error, url: &Url) -> RegistryError {
        classify(error, url).or_proxy(self.proxies.of(url))
    }

    /// Waits for the answer to a request with a body, as long as bytes of it go.
    async fn sent(
        &self,
        request: reqwest::RequestBuilder,
        moved: &Moved,
        ends: bool,
        url: &Url,
        tell: &dyn Fn(u64),
    ) -> Result<Response, RegistryError> {
        let mut sending = pin!(request.send());
        let after = if ends { self.stall * ENDING } else { self.stall };
        let (mut told, mut last) = (0, Instant::now());
        loop {
            let tick = TICK.min(self.stall);
            let outcome = tokio::time::timeout(tick, &mut sending).await;
            let now = moved.bytes();
            if now > told {
                tell(now - told);
                (told, last) = (now, Instant::now());
            }
            match outcome {
                Ok(answer) => return answer.map_err(|e| self.classified(&e, url)),
                Err(_) if last.elapsed() >= after => {
                    return Err(RegistryError::Stalled { url: shown(url), after });
                }
                Err(_) => {}
            }
        }
    }
}

/// What connects: through `proxies`, with TLS as `trust` says. Errors: words.
fn client(
    trust: &Trust,
    proxies: &Proxies,
    patience: &Patience,
) -> Result<reqwest::Client, String> {
    let plain = || -> Result<reqwest::ClientBuilder, String> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("bolt/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(patience.connect)
            .no_proxy();
        for proxy in reqwest_of(proxies)? {
            builder = builder.proxy(proxy);
        }
        Ok(builder)
    };
    if !trust.roots.is_empty() && !trust.insecure {
        let tls = own_authority::config(&trust.roots, trust.identity.as_deref())?;
        return plain()?.tls_backend_preconfigured(tls).build().map_err(|e| innermost(&e));
    }
    let base = || -> Result<reqwest::ClientBuilder, String> {
        let mut builder = plain()?;
        if let Some(pem) = &trust.identity {
            let identity = reqwest::Identity::from_pem(pem)
                .map_err(|e| format!("client certificate: {}", innermost(&e)))?;
            builder = builder.identity(identity);
        }
        Ok(builder.tls_danger_accept_invalid_certs(trust.insecure))
    };
    // A machine without any system root can still use http.
    match base()?.build() {
        Ok(client) => Ok(client),
        Err(_) => base()?.tls_certs_only([]).build().map_err(|e| innermost(&e)),
    }
}

fn with_payload(
    request: reqwest::RequestBuilder,
    payload: &Payload,
    moved: &Moved,
) -> reqwest::RequestBuilder {
    let mut request = request
        .header(CONTENT_TYPE, payload.content_type.as_str())
        .header(CONTENT_LENGTH, payload.len())
        .body(payload.body(moved));
    if let Some((first, last)) = payload.range {
        request = request.header(CONTENT_RANGE, format!("{first}-{last}"));
    }
    request
}

impl Answer {
    pub(in crate::image) fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    pub(in crate::image) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name).and_then(|v| v.to_str().ok())
    }

    pub(super) fn headers(&self, name: &str) -> Vec<String> {
        let texts = self.response.headers().get_all(name).iter().filter_map(|v| v.to_str().ok());
        texts.map(str::to_owned).collect()
    }

    /// Where the answer came from, fit to be shown.
    pub(in crate::image) fn address(&self) -> String {
        shown(self.response.url())
    }

    /// The next bytes of the body; `None` at its end.
    ///
    /// Errors: nothing for as long as the patience says, or so little that it would never end.
    /// What the caller does between two calls is not counted.
    pub(in crate::image) async fn chunk(
        &mut self,
    ) -> Result<Option<impl AsRef<[u8]> + use<>>, RegistryError> {
        let stalled = |url| RegistryError::Stalled { url, after: self.stall };
        let began = Instant::now();
        let left = self.stall.saturating_sub(self.waited);
        let chunk = match tokio::time::timeout(left, self.response.chunk()).await {
            Err(_) => return Err(stalled(self.address())),
            Ok(Err(e)) => {
                return Err(classify(&e, self.response.url()).without_secrets());
            }
            Ok(Ok(chunk)) => chunk,
        };
        self.waited += began.elapsed();
        self.came += chunk.as_ref().map_or(0, |bytes| bytes.len() as u64);
        if self.came as f64 >= TRICKLE as f64 * self.stall.as_secs_f64() {
            (self.waited, self.came) = (Duration::ZERO, 0);
        }
        Ok(chunk)
    }

    /// The whole body of a `what`, at most `limit` bytes.
    pub(in crate::image) async fn body(
        &mut self,
        limit: u64,
        what: &'static str,
    ) -> Result<Vec<u8>, RegistryError> {
        let began = Instant::now();
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            let chunk = chunk.as_ref();
            if (body.len() + chunk.len()) as u64 > limit {
                return Err(RegistryError::TooLarge { url: self.address(), what, limit });
            }
            body.extend_from_slice(chunk);
            let due = Duration::from_secs(body.len() as u64 / TRICKLE_OF_DOCUMENTS);
            if began.elapsed() > self.stall + due {
                return Err(RegistryError::Stalled { url: self.address(), after: self.stall });
            }
        }
        Ok(body)
    }

    /// The first bytes of an error's body; what came of them when they do not come.
    pub(in crate::image) async fn beginning(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        let began = Instant::now();
        while body.len() < 16 << 10 && began.elapsed() < self.stall {
            match self.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(chunk.as_ref()),
                _ => break,
            }
        }
        body
    }
}

/// Credentials go on only to the same host and port by the same scheme.
pub(super) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
}

fn redirect_target(
    ask: &Ask,
    response: &Response,
    url: &Url,
) -> Result<Option<Url>, RegistryError> {
    let redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    if !redirect || !matches!(ask.method, Method::GET | Method::HEAD) {
        return Ok(None);
    }
    let protocol =
        |reason: &str| RegistryError::Protocol { url: shown(url), reason: reason.to_owned() };
    // S3 tells a wrong region so: the answer itself is what counts.
    let Some(location) = response.headers().get(LOCATION) else { return Ok(None) };
    let location =
        location.to_str().map_err(|_| protocol("redirect to an address that is not valid"))?;
    let mut next =
        url.join(location).map_err(|_| protocol("redirect to an address that is not valid"))?;
    if !matches!(next.scheme(), "http" | "https") || !next.has_host() {
        return Err(protocol("redirect to something else than http or https"));
    }
    if is_link_local(&next) && !is_link_local(url) {
        let to = host(&next);
        return Err(protocol(&format!(
            "redirect to {to}, an address of this machine's link alone"
        )));
    }
    // A user part would be sent as credentials of ours.
    let _ = next.set_username("");
    let _ = next.set_password(None);
    Ok(Some(next))
}

/// Addresses where no store lies, but services that tell this machine its secrets.
fn is_link_local(url: &Url) -> bool {
    let v4 = |a: std::net::Ipv4Addr| a.is_link_local();
    let address = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match address.parse() {
        Ok(std::net::IpAddr::V4(a)) => v4(a),
        Ok(std::net::IpAddr::V6(a)) => a.is_unicast_link_local() || a.to_ipv4().is_some_and(v4),
        Err(_) => false,
    }
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Checks that an address is a registry's `host[:port]`, and makes its URL: `path` is below
/// `/v2/` where it does not begin with a slash.
pub(super) fn api_url(scheme: &str, registry: &str, path: &str) -> Result<Url, RegistryError> {
    let bad = || RegistryError::Setup {
        host: registry.to_owned(),
        reason: "it is not a host name with an optional port".to_owned(),
    };
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/v2/{path}") };
    let url = Url::parse(&format!("{scheme}://{registry}{path}")).map_err(|_| bad())?;
    let spelled = url.path() == path && url.query().is_none();
    if spelled && url.username().is_empty() && !host(&url).is_empty() {
        Ok(url)
    } else {
        Err(bad())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_stay_at_their_origin() {
        let url = |text: &str| Url::parse(text).unwrap();
        let cases = [
            ("https://a/x", "https://a:443/y", true),
            ("https://a/x", "http://a/x", false),
            ("https://a/x", "https://a:444/x", false),
            ("https://a/x", "https://b/x", false),
            ("https://a/x", "https://A/x", true),
        ];
        for (from, to, same) in cases {
            assert_eq!(same_origin(&url(from), &url(to)), same, "{from} {to}");
        }
    }

    #[test]
    fn addresses_of_the_link_are_known() {
        let cases = [
            ("http://169.254.169.254/latest", true),
            ("http://0xa9fea9fe/", true),
            ("http://[fe80::1]:80/", true),
            ("http://[::ffff:169.254.169.254]/", true),
            ("http://127.0.0.1/", false),
            ("http://[::1]/", false),
            ("https://store.example/", false),
        ];
        for (text, link) in cases {
            assert_eq!(is_link_local(&Url::parse(text).unwrap()), link, "{text}");
        }
    }

    #[test]
    fn addresses_of_the_api() {
        let url = api_url("https", "localhost:5000", "a/b/manifests/v1").unwrap();
        assert_eq!(url.as_str(), "https://localhost:5000/v2/a/b/manifests/v1");
        assert!(api_url("http", "[::1]:5000", "").is_ok());
        for bad in ["", "a b", "user@host", "host/x?y", "host#", ":0"] {
            assert!(api_url("https", bad, "a/../b").is_err(), "{bad}");
        }
        assert!(api_url("https", "host", "a/../b").is_err());
        assert!(api_url("https", "host", "a?b").is_err());
    }
}
