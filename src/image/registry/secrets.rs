//! What servers are told in confidence, as requests tell it: a server that repeats it does not get
//! it into an error, a log or the history of sources.

use super::error::RegistryError;
use super::http::Ask;
use crate::ui::redact::{foreign, learn};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;

/// Fields of a form that are secrets.
const FORM: [&str; 3] = ["refresh_token", "password", "WebIdentityToken"];
/// Longest text of an error, in characters; what servers say is cut to less.
const LONGEST: usize = 1000;

/// Remembers what a request tells.
pub(super) fn learn_of(ask: &Ask) {
    let value = ask.authorization.as_ref().and_then(|value| value.to_str().ok());
    if let Some((scheme, value)) = value.and_then(|value| value.split_once(' ')) {
        learn(value);
        let plain = STANDARD.decode(value).ok().filter(|_| scheme == "Basic");
        let plain = plain.and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some((_, password)) = plain.as_ref().and_then(|both| both.split_once(':')) {
            learn(password);
        }
    }
    let form = ask.form.as_ref().and_then(|form| Url::parse(&format!("form:?{form}")).ok());
    for (name, value) in form.iter().flat_map(Url::query_pairs) {
        if FORM.contains(&&*name) {
            learn(&value);
        }
    }
}

impl RegistryError {
    /// The same error, without secrets in what the server had a word in.
    pub(super) fn without_secrets(mut self) -> Self {
        for text in self.texts() {
            *text = foreign(text, LONGEST);
        }
        self
    }

    fn texts(&mut self) -> Vec<&mut String> {
        match self {
            Self::NotFound { detail, .. }
            | Self::Credentials { detail, .. }
            | Self::RateLimited { detail, .. } => vec![detail],
            Self::Unauthorized { what, detail, .. } => vec![what, detail],
            Self::Status { url, detail, .. } => vec![url, detail],
            Self::Tls { url, reason, .. }
            | Self::Network { url, reason }
            | Self::Protocol { url, reason } => vec![url, reason],
            Self::Digest { url, wanted, got } => vec![url, wanted, got],
            Self::Proxy { url, proxy, .. } => vec![url, proxy],
            Self::Refused { url }
            | Self::Dns { url }
            | Self::TimedOut { url }
            | Self::Stalled { url, .. }
            | Self::TooLarge { url, .. }
            | Self::Size { url, .. }
            | Self::RangeIgnored { url }
            | Self::Circular { url, .. } => vec![url],
            Self::Slow { .. } | Self::Setup { .. } => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn what_was_sent_is_not_repeated() {
        let mut ask = Ask::get("https://r.example/".parse().unwrap());
        ask.authorization = Some(HeaderValue::from_static("Basic bWU6Y2FuYXJ5L3M="));
        learn_of(&ask);
        ask.authorization = Some(HeaderValue::from_static("Bearer tokentoken"));
        ask.form = Some("service=s&refresh_token=i%3Dd%2Fx".to_owned());
        learn_of(&ask);
        learn("me");
        for (text, hidden) in [
            ("you sent Basic bWU6Y2FuYXJ5L3M=", "you sent Basic ***"),
            ("Bearer tokentoken, again tokentoken", "Bearer ***, again ***"),
            ("me:canary/s", "me:***"),
            ("https://c/canary%2Fs?a=b", "https://c/***?a=b"),
            ("i=d/x", "***"),
            ("a message about me", "a message about me"),
            ("", ""),
        ] {
            assert_eq!(foreign(text, 100), hidden);
        }
    }
}
