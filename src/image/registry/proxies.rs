//! Proxies: what the conventional environment variables say of them.

use super::error::host;
use crate::ui::redact;
use reqwest::Url;
use std::net::IpAddr;

/// Proxy addresses, as the conventional environment variables give them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<String>,
    https: Option<String>,
    none_for: Option<String>,
}

impl std::fmt::Debug for Proxies {
    /// Addresses may hold passwords, so only their presence is told.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxies")
            .field("http", &self.http.is_some())
            .field("https", &self.https.is_some())
            .field("none_for", &self.none_for)
            .finish()
    }
}

impl Proxies {
    /// The proxy that a request to `url` goes through, as `host[:port]`, and the variable for it.
    pub(super) fn of(&self, url: &Url) -> Option<(String, &'static str)> {
        let (address, variable) = match url.scheme() {
            "https" => (self.https.as_deref()?, "https_proxy or all_proxy"),
            _ => (self.http.as_deref()?, "http_proxy or all_proxy"),
        };
        let excepted = self.none_for.iter().flat_map(|list| list.split(',')).map(str::trim);
        let name = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        if excepted.into_iter().any(|exception| is_excepted(exception, name)) {
            return None;
        }
        let scheme = if address.contains("://") { "" } else { "http://" };
        let proxy = Url::parse(&format!("{scheme}{address}")).ok()?;
        Some((host(&proxy), variable))
    }

    /// Reads `http_proxy`, `https_proxy`, `all_proxy`, `no_proxy` and their upper-case forms
    /// through `variable`, lower case first.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Self {
        let read = |name: &str| {
            let upper = name.to_ascii_uppercase();
            variable(name).or_else(|| variable(&upper)).filter(|v| !v.is_empty())
        };
        for address in ["http_proxy", "https_proxy", "all_proxy"].iter().filter_map(|n| read(n)) {
            learn_password(&address);
        }
        Proxies {
            http: read("http_proxy").or_else(|| read("all_proxy")),
            https: read("https_proxy").or_else(|| read("all_proxy")),
            none_for: read("no_proxy"),
        }
    }
}

/// A proxy may repeat what it was told.
fn learn_password(address: &str) {
    let (_, rest) = address.split_once("://").unwrap_or(("", address));
    if let Some((login, _)) = rest.rsplit_once('@')
        && let Some((_, password)) = login.split_once(':')
    {
        redact::learn(password);
    }
}

/// Whether an entry of `no_proxy` means the host: `*`, a domain with all below it, an address, or a
/// range of addresses.
fn is_excepted(entry: &str, name: &str) -> bool {
    if let Ok(address) = name.parse::<IpAddr>() {
        let (first, bits) = entry.split_once('/').unwrap_or((entry, "128"));
        let (Ok(first), Ok(bits)) = (first.parse::<IpAddr>(), bits.parse::<u32>()) else {
            return entry == "*";
        };
        return first.is_ipv4() == address.is_ipv4()
            && leading(first, bits) == leading(address, bits);
    }
    let domain = entry.trim_start_matches('.').to_ascii_lowercase();
    let above =
        name.strip_suffix(&*domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    entry == "*" || (!domain.is_empty() && above)
}

/// The first bits of an address.
fn leading(address: IpAddr, bits: u32) -> u128 {
    let (number, length) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    number.checked_shr(length - bits.min(length)).unwrap_or(0)
}

/// The same for the HTTP client. Errors: words.
pub(super) fn reqwest_of(proxies: &Proxies) -> Result<Vec<reqwest::Proxy>, String> {
    let none_for = || proxies.none_for.as_deref().and_then(reqwest::NoProxy::from_string);
    let mut list = Vec::new();
    if let Some(address) = &proxies.http {
        let proxy = reqwest::Proxy::http(address).map_err(|_| "http_proxy is not an address")?;
        list.push(proxy.no_proxy(none_for()));
    }
    if let Some(address) = &proxies.https {
        let proxy = reqwest::Proxy::https(address).map_err(|_| "https_proxy is not an address")?;
        list.push(proxy.no_proxy(none_for()));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_come_from_variables_and_hide_their_passwords() {
        let read = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://u:secret@proxy:3128".to_owned()),
            "all_proxy" => Some("http://all:1".to_owned()),
            "no_proxy" => Some("localhost,.lan".to_owned()),
            _ => None,
        };
        let proxies = Proxies::from_variables(read);
        assert_eq!(proxies.http.as_deref(), Some("http://all:1"));
        assert_eq!(proxies.https.as_deref(), Some("http://u:secret@proxy:3128"));
        assert!(!format!("{proxies:?}").contains("secret"));
        assert_eq!(redact::hide("sent: secret"), "sent: ***");
        assert_eq!(reqwest_of(&proxies).unwrap().len(), 2);
    }

    #[test]
    fn a_request_is_known_to_go_through_a_proxy() {
        let read = |name: &str| match name {
            "https_proxy" => Some("http://u:secret@proxy.lan:3128".to_owned()),
            "http_proxy" => Some("plain:8080".to_owned()),
            "no_proxy" => Some("localhost, .corp.example,10.0.0.0/8,::1".to_owned()),
            _ => None,
        };
        let proxies = Proxies::from_variables(read);
        let of = |url: &str| proxies.of(&Url::parse(url).unwrap()).map(|(proxy, _)| proxy);
        assert_eq!(of("https://r.example/v2/").as_deref(), Some("proxy.lan:3128"));
        assert_eq!(of("http://r.example/v2/").as_deref(), Some("plain:8080"));
        assert_eq!(of("https://notcorp.example/").as_deref(), Some("proxy.lan:3128"));
        assert_eq!(of("https://11.0.0.1/").as_deref(), Some("proxy.lan:3128"));
        for direct in
            ["http://localhost/", "https://a.corp.example/", "https://10.1.2.3/", "http://[::1]/"]
        {
            assert_eq!(of(direct), None, "{direct}");
        }
        assert_eq!(Proxies::default().of(&Url::parse("https://r.example/").unwrap()), None);
    }
}
