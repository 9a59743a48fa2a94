//! What can go wrong with a registry, in plain words; never a secret in them.

use crate::ui::redact::foreign;
use reqwest::Url;
use serde::Deserialize;
use std::error::Error;
use std::io;
use std::time::Duration;

/// Why a registry could not serve a request.
///
/// URLs are shown without query and user part: both carry secrets.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// 404.
    #[error("{what} does not exist in {registry}{detail}{}", check_of(what))]
    NotFound {
        /// Manifest, blob or tag.
        what: String,
        /// `host[:port]/repository`.
        registry: String,
        /// What the registry adds, with its separator.
        detail: String,
    },
    /// 401 or 403, or a token service that refuses the password.
    #[error(
        "{registry} refuses access to {what}{detail}; check the name, or log in with `bolt login {registry}`"
    )]
    Unauthorized {
        /// `host[:port]`.
        registry: String,
        /// Repository or address.
        what: String,
        /// What the registry adds, with its separator.
        detail: String,
    },
    /// A login with the wrong user name or password.
    #[error(
        "{registry} refuses the user name or the password{detail}; check both, and whether it \
         wants an access token in place of the password"
    )]
    Credentials {
        /// `host[:port]`.
        registry: String,
        /// What the registry adds, with its separator.
        detail: String,
    },
    /// 429 until patience ended.
    #[error(
        "{registry} limits the number of requests{detail}; {}",
        wait.map_or_else(
            || format!("try again later or log in with `bolt login {registry}`"),
            |w| format!("it asks to wait {} s", w.as_secs())
        )
    )]
    RateLimited {
        /// `host[:port]`.
        registry: String,
        /// `Retry-After`.
        wait: Option<Duration>,
        /// What the registry adds, with its separator.
        detail: String,
    },
    /// No trusted connection.
    #[error(
        "{url} cannot be trusted: {reason}; put the registry's CA certificate as ca.crt into \
         /etc/containers/certs.d/{host}/ or ~/.config/containers/certs.d/{host}/, \
         or use --tls-verify=false"
    )]
    Tls {
        /// Address.
        url: String,
        /// `host[:port]`.
        host: String,
        /// What is wrong with the certificate or the handshake.
        reason: String,
    },
    /// Nobody listens.
    #[error("{url}: connection refused: nothing listens on that port; check the address")]
    Refused {
        /// Address.
        url: String,
    },
    /// The name has no address.
    #[error("{url}: the host name cannot be resolved; check the spelling and the network")]
    Dns {
        /// Address.
        url: String,
    },
    /// The proxy in front of it cannot be reached.
    #[error(
        "{url}: the proxy {proxy}, as {variable} says, {reason}; check that variable, or name \
         the host in no_proxy"
    )]
    Proxy {
        /// Address.
        url: String,
        /// `host[:port]` of the proxy.
        proxy: String,
        /// The environment variables for it.
        variable: &'static str,
        /// What became of the connection to it.
        reason: &'static str,
    },
    /// The connection broke.
    #[error("{url}: {reason}")]
    Network {
        /// Address.
        url: String,
        /// The innermost cause.
        reason: String,
    },
    /// Nobody answers, not even with a refusal.
    #[error("{url}: no connection came about in time; check the network and the firewall")]
    TimedOut {
        /// Address.
        url: String,
    },
    /// No byte for too long.
    #[error("{url}: no byte arrived for {} s, or hardly any", after.as_secs())]
    Stalled {
        /// Address.
        url: String,
        /// How long was waited.
        after: Duration,
    },
    /// Another endpoint is far faster.
    #[error("{registry}: {reason}")]
    Slow {
        /// `host[:port]/repository`.
        registry: String,
        /// The two speeds.
        reason: String,
    },
    /// An answer that was not asked for.
    #[error("{url} answered {status}{detail}")]
    Status {
        /// Address.
        url: String,
        /// HTTP status code.
        status: u16,
        /// `Retry-After`.
        wait: Option<Duration>,
        /// What the server adds, with its separator.
        detail: String,
    },
    /// More bytes than anything of that kind has.
    #[error("{url}: answer is longer than the {limit} bytes allowed for a {what}{}", smaller(what))]
    TooLarge {
        /// Address.
        url: String,
        /// Manifest, token.
        what: &'static str,
        /// Bytes.
        limit: u64,
    },
    /// Bytes that are not what they should be.
    #[error("{url}: content has the digest {got}, wanted {wanted}")]
    Digest {
        /// Address.
        url: String,
        /// As asked for, or as the registry announced.
        wanted: String,
        /// Of the bytes that came.
        got: String,
    },
    /// A blob that is longer or shorter than its descriptor says.
    #[error("{url}: blob has {got} bytes, its descriptor says {wanted}")]
    Size {
        /// Address.
        url: String,
        /// Bytes, by the descriptor.
        wanted: u64,
        /// Bytes, by the server.
        got: u64,
    },
    /// All of a blob came where a part was asked for.
    #[error("{url} ignores Range and sends the whole blob")]
    RangeIgnored {
        /// Address.
        url: String,
    },
    /// Redirects without an end.
    #[error("{url}: more than {limit} redirects")]
    Circular {
        /// The address that was asked first.
        url: String,
        /// Redirects followed.
        limit: usize,
    },
    /// The server breaks the protocol.
    #[error("{url}: {reason}")]
    Protocol {
        /// Address.
        url: String,
        /// How.
        reason: String,
    },
    /// A setting of this side: certificate file, proxy address.
    #[error("no HTTP client for {host}: {reason}")]
    Setup {
        /// `host[:port]`.
        host: String,
        /// What cannot be used.
        reason: String,
    },
}

/// What to do about an answer that is too long.
fn smaller(what: &str) -> &'static str {
    match what {
        "manifest" => "; its publisher has to shorten its annotations, or split the index",
        "token" => "; check the registry's token service",
        _ => "",
    }
}

/// What to do about something that does not exist; of a blob the user has written nothing.
fn check_of(what: &str) -> &'static str {
    if what.starts_with("manifest ") { "; check the name and the tag" } else { "" }
}

impl RegistryError {
    /// Whether the same request may well succeed a little later.
    pub(in crate::image) fn is_transient(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::Network { .. }
            | Self::TimedOut { .. }
            | Self::Stalled { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// A manifest was refused, because the registry does not see a blob of it. It has taken them all
    /// before, but while somebody else pushes the same one docker-registry may not find it.
    pub(super) fn misses_blob(&self) -> bool {
        match self {
            Self::Status { status: 400, detail, .. } | Self::NotFound { detail, .. } => {
                detail.contains("MANIFEST_BLOB_UNKNOWN")
            }
            _ => false,
        }
    }

    /// How long the server asked to wait.
    pub(in crate::image) fn wait(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { wait, .. } | Self::Status { wait, .. } => *wait,
            _ => None,
        }
    }

    /// Adds to a connection that broke before the first answer what may be the reason: TLS 1.3
    /// refuses a client only after the handshake, and the alert may be lost.
    pub(super) fn or_client_certificate(self, host: &str) -> Self {
        match self {
            Self::Network { url, reason } if url.starts_with("https:") => {
                let reason = format!(
                    "{reason}; if the registry wants a client certificate, put it as client.cert \
                     and client.key into /etc/containers/certs.d/{host}/"
                );
                Self::Network { url, reason }
            }
            other => other,
        }
    }

    /// Lays the blame for a connection that did not come about on the proxy that it was to go
    /// through. One that took too long may be the registry's behind it.
    pub(super) fn or_proxy(self, through: Option<(String, &'static str)>) -> Self {
        let Some((proxy, variable)) = through else { return self };
        let (url, reason) = match self {
            Self::Refused { url } => (url, "refuses the connection"),
            Self::Dns { url } => (url, "has a host name that cannot be resolved"),
            other => return other,
        };
        Self::Proxy { url, proxy, variable, reason }
    }

    /// Whether the other side answered with something that is no TLS: a server of plain http.
    pub(super) fn is_plain_answer(&self) -> bool {
        matches!(self, Self::Tls { reason, .. } if reason == NO_TLS)
    }

    /// Whether no HTTP conversation came about, so that another scheme may be tried.
    pub(super) fn is_connect(&self) -> bool {
        matches!(
            self,
            Self::Tls { .. } | Self::Refused { .. } | Self::Proxy { .. } | Self::Network { .. }
        )
    }
}

/// Why a server of plain http cannot be trusted.
pub(in crate::image) const NO_TLS: &str =
    "it does not speak TLS (a plain http registry must be marked insecure)";

/// An address fit to be shown: no user, password, query or fragment.
pub(in crate::image) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    foreign(url.as_str(), 400)
}

/// `host[:port]` of an address.
pub(in crate::image) fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Sorts an error of the HTTP client.
pub(super) fn classify(error: &reqwest::Error, url: &Url) -> RegistryError {
    let address = shown(url);
    if error.is_dns() {
        return RegistryError::Dns { url: address };
    }
    if error.is_timeout() {
        return RegistryError::TimedOut { url: address };
    }
    let mut reason = "connection failed".to_owned();
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(cause) = next {
        if let Some(tls) = tls_cause(cause) {
            let reason = tls_reason(tls);
            return RegistryError::Tls { url: address, host: host(url), reason };
        }
        if let Some(io) = cause.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::ConnectionRefused
        {
            return RegistryError::Refused { url: address };
        }
        reason = cause.to_string();
        next = cause.source();
    }
    RegistryError::Network { url: address, reason: foreign(&reason, 400) }
}

/// rustls hides in an `io::Error` or two, whose `source` skips the very error they wrap.
fn tls_cause<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return Some(tls);
    }
    let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref)?;
    tls_cause(wrapped)
}

fn tls_reason(error: &rustls::Error) -> String {
    use rustls::CertificateError as C;
    match error {
        rustls::Error::InvalidCertificate(C::UnknownIssuer) => {
            "its certificate was signed by an unknown authority".to_owned()
        }
        rustls::Error::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => {
            "its certificate has expired".to_owned()
        }
        rustls::Error::InvalidCertificate(
            C::NotValidForName | C::NotValidForNameContext { .. },
        ) => "its certificate is for another host name".to_owned(),
        rustls::Error::InvalidMessage(_) => NO_TLS.to_owned(),
        other => foreign(&other.to_string(), 200),
    }
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    errors: Vec<Entry>,
    #[serde(default)]
    details: Option<String>,
    #[serde(default)]
    error_description: Option<String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// What an error body says (distribution-spec "Error Codes"; token services), as ` (CODE: text)`.
pub(super) fn body_detail(body: &[u8]) -> String {
    let Ok(body) = serde_json::from_slice::<Body>(body) else {
        return String::new();
    };
    let entries = body.errors.iter().take(3).map(|e| match (e.code.as_str(), e.message.as_str()) {
        ("", text) | (text, "") => text.to_owned(),
        (code, message) => format!("{code}: {message}"),
    });
    let texts: Vec<String> = entries.chain(body.details).chain(body.error_description).collect();
    let text = foreign(&texts.join("; "), 300);
    if text.is_empty() { text } else { format!(" ({text})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lose_their_secrets() {
        let url = Url::parse("https://me:pass@cdn.example:8443/a/b?X-Amz-Signature=s#f").unwrap();
        assert_eq!(shown(&url), "https://cdn.example:8443/a/b");
        assert_eq!(host(&url), "cdn.example:8443");
    }

    #[test]
    fn a_manifest_that_is_too_long_tells_what_to_do() {
        let long = |what| RegistryError::TooLarge { url: "u".to_owned(), what, limit: 4 };
        assert!(long("manifest").to_string().ends_with("its annotations, or split the index"));
        assert!(long("list").to_string().ends_with("allowed for a list"));
    }

    #[test]
    fn error_bodies_are_shown_bounded_and_clean() {
        let cases: [(&[u8], &str); 5] = [
            (
                br#"{"errors":[{"code":"DENIED","message":"no \u001b[31mway","detail":{}}]}"#,
                " (DENIED: no [31mway)",
            ),
            (br#"{"errors":[{"code":"X"},{"message":"y"}]}"#, " (X; y)"),
            (
                br#"{"details":"incorrect username or password"}"#,
                " (incorrect username or password)",
            ),
            (b"<html>", ""),
            (br#"{"errors":[]}"#, ""),
        ];
        for (body, text) in cases {
            assert_eq!(body_detail(body), text);
        }
        let long = format!(r#"{{"details":"{}"}}"#, "x".repeat(5000));
        assert!(body_detail(long.as_bytes()).len() < 310);
    }
}
