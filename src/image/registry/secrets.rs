//! What servers are told in confidence: a server that repeats it does not get it into an error, a
//! log or the history of sources.

use super::error::RegistryError;
use super::http::Ask;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

/// Stands where a secret stood.
const MASK: &str = "***";
/// Shorter texts are found in any words by chance, and hiding them would tell them.
const SHORTEST: usize = 4;
/// Fields of a form that are secrets.
const FORM: [&str; 3] = ["refresh_token", "password", "WebIdentityToken"];

/// The secrets of one conversation. Clones share them.
#[derive(Clone, Default)]
pub(in crate::image) struct Secrets(Rc<RefCell<BTreeSet<String>>>);

impl Secrets {
    /// Remembers a secret.
    pub(in crate::image) fn learn(&self, secret: &str) {
        if secret.len() >= SHORTEST && !self.0.borrow().contains(secret) {
            self.0.borrow_mut().insert(secret.to_owned());
        }
    }

    /// Remembers what a request tells.
    pub(super) fn learn_of(&self, ask: &Ask) {
        let value = ask.authorization.as_ref().and_then(|value| value.to_str().ok());
        if let Some((scheme, value)) = value.and_then(|value| value.split_once(' ')) {
            self.learn(value);
            let plain = STANDARD.decode(value).ok().filter(|_| scheme == "Basic");
            let plain = plain.and_then(|bytes| String::from_utf8(bytes).ok());
            if let Some((_, password)) = plain.as_ref().and_then(|both| both.split_once(':')) {
                self.learn(password);
            }
        }
        let form = ask.form.as_ref().and_then(|form| Url::parse(&format!("form:?{form}")).ok());
        for (name, value) in form.iter().flat_map(Url::query_pairs) {
            if FORM.contains(&&*name) {
                self.learn(&value);
            }
        }
    }

    /// The text without any secret: none that was learned, as it is or as an address spells it,
    /// and no value of a signature.
    pub(in crate::image) fn hide(&self, text: &str) -> String {
        let mut text = without_signatures(text);
        let all = self.0.borrow();
        // The longest first: one may be a part of another.
        let mut all: Vec<&String> = all.iter().collect();
        all.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        for secret in all {
            text = text.replace(secret.as_str(), MASK);
            text = text.replace(&spelled(secret), MASK);
        }
        text
    }
}

/// As it stands in the query of an address.
fn spelled(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().fold(String::new(), |mut all, b| {
        match plain(b) {
            true => all.push(char::from(b)),
            false => all.push_str(&format!("%{b:02X}")),
        }
        all
    })
}

/// Takes the values of `X-Amz-…=`, `Signature=` and `Credential=` out (SigV4, in the query and in
/// the header).
fn without_signatures(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('=') {
        let (head, tail) = rest.split_at(at + 1);
        clean.push_str(head);
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let name = head[..at].rsplit(|c| !word(c)).next().unwrap_or_default();
        let name = name.to_ascii_lowercase();
        rest = tail;
        if name.starts_with("x-amz-") || matches!(&*name, "signature" | "credential") {
            let ends = |c: char| c.is_whitespace() || "&,;\"'<>()".contains(c);
            let end = rest.find(ends).unwrap_or(rest.len());
            clean.push_str(if end > 0 { MASK } else { "" });
            rest = &rest[end..];
        }
    }
    clean.push_str(rest);
    clean
}

impl RegistryError {
    /// The same error, without secrets in what the server had a word in.
    pub(super) fn without(mut self, secrets: &Secrets) -> Self {
        for text in self.texts() {
            *text = secrets.hide(text);
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
        let secrets = Secrets::default();
        let mut ask = Ask::get("https://r.example/".parse().unwrap());
        ask.authorization = Some(HeaderValue::from_static("Basic bWU6Y2FuYXJ5L3M="));
        secrets.learn_of(&ask);
        ask.authorization = Some(HeaderValue::from_static("Bearer tokentoken"));
        ask.form = Some("service=s&refresh_token=i%3Dd%2Fx".to_owned());
        secrets.learn_of(&ask);
        secrets.learn("me");
        for (text, hidden) in [
            ("you sent Basic bWU6Y2FuYXJ5L3M=", "you sent Basic ***"),
            ("Bearer tokentoken, again tokentoken", "Bearer ***, again ***"),
            ("me:canary/s", "me:***"),
            ("https://c/canary%2Fs?a=b", "https://c/***?a=b"),
            ("i=d/x", "***"),
            ("a message about me", "a message about me"),
            ("", ""),
        ] {
            assert_eq!(secrets.hide(text), hidden);
        }
    }

    #[test]
    fn signatures_are_not_repeated() {
        let secrets = Secrets::default();
        for (text, hidden) in [
            (
                "bad: /b/k?X-Amz-Date=2026&x-amz-signature=abc%2F&list-type=2",
                "bad: /b/k?X-Amz-Date=***&x-amz-signature=***&list-type=2",
            ),
            (
                "AWS4-HMAC-SHA256 Credential=A/b, SignedHeaders=host, Signature=00ff",
                "AWS4-HMAC-SHA256 Credential=***, SignedHeaders=host, Signature=***",
            ),
            ("X-Amz-Signature=", "X-Amz-Signature="),
            ("a == b = c", "a == b = c"),
        ] {
            assert_eq!(secrets.hide(text), hidden);
        }
    }
}
