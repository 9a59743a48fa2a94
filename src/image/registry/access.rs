//! The way into a registry: anonymous, basic (RFC 7617) or a bearer token
//! (distribution's token specification, also its OAuth2 form with a refresh token).

use super::challenge::{self, Challenge};
use super::clock;
use super::error::{RegistryError, body_detail, shown};
use super::http::{Answer, Ask, Http};
use crate::image::config::auth::Credentials;
use reqwest::header::HeaderValue;
use reqwest::{Method, Url};
use serde::Deserialize;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Largest answer of a token service, in bytes.
const MAX_TOKEN: u64 = 1 << 20;
/// Lifetime of a token whose service tells none (token specification, `expires_in`).
const DEFAULT_LIFETIME: i64 = 60;

/// The state of one conversation with one registry about one repository.
pub(super) struct Access {
    /// `host[:port]` as users write it.
    registry: String,
    /// What is asked for when a challenge names no scope; empty for a credentials check.
    scope: String,
    credentials: Option<Credentials>,
    /// Whether secrets may travel without TLS.
    insecure: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    way: Way,
    /// Counts how often the way was found anew.
    generation: u64,
}

#[derive(Default)]
enum Way {
    /// Nothing was asked of us yet.
    #[default]
    Open,
    Basic(HeaderValue),
    Bearer {
        challenge: Challenge,
        token: HeaderValue,
        expires: Instant,
    },
}

impl Access {
    pub(super) fn new(
        registry: &str,
        scope: String,
        credentials: Option<Credentials>,
        insecure: bool,
    ) -> Self {
        let state = Mutex::default();
        Access { registry: registry.to_owned(), scope, credentials, insecure, state }
    }

    /// What to send as `Authorization`, renewed when its time has come, and its generation.
    pub(super) async fn current(
        &self,
        http: &Http,
    ) -> Result<(Option<HeaderValue>, u64), RegistryError> {
        let mut state = self.state.lock().await;
        let expired = match &state.way {
            Way::Bearer { challenge, expires, .. } if *expires <= Instant::now() => {
                Some(challenge.clone())
            }
            _ => None,
        };
        if let Some(challenge) = expired {
            state.way = self.bearer(http, challenge).await?;
            state.generation += 1;
        }
        let value = match &state.way {
            Way::Open => None,
            Way::Basic(value) | Way::Bearer { token: value, .. } => Some(value.clone()),
        };
        Ok((value, state.generation))
    }

    /// Answers a 401. `generation` is that of the refused request: when somebody else has found
    /// a newer way meanwhile, that one is taken.
    pub(super) async fn renew(
        &self,
        http: &Http,
        answer: &mut Answer,
        generation: u64,
    ) -> Result<(), RegistryError> {
        let mut state = self.state.lock().await;
        if state.generation != generation {
            return Ok(());
        }
        let fields = answer.headers("www-authenticate");
        let challenges: Vec<Challenge> =
            fields.iter().flat_map(|field| challenge::parse(field)).collect();
        let find = |scheme: &str| challenges.iter().find(|c| c.scheme == scheme);
        let way = match (find("bearer"), find("basic"), &self.credentials) {
            (Some(challenge), _, _) => self.bearer(http, challenge.clone()).await?,
            (None, Some(_), Some(Credentials::Password { username, password })) => {
                Way::Basic(basic(username, password.expose()))
            }
            // Drift asks without saying how.
            (None, None, Some(Credentials::Password { username, password }))
                if challenges.is_empty() =>
            {
                Way::Basic(basic(username, password.expose()))
            }
            _ => return Err(self.refused(&answer.address(), &answer.beginning().await)),
        };
        if let (Way::Basic(old), Way::Basic(new)) = (&state.way, &way)
            && old == new
        {
            return Err(self.refused(&answer.address(), &answer.beginning().await));
        }
        state.way = way;
        state.generation += 1;
        Ok(())
    }

    /// Name and password as the JSON of a login form.
    pub(super) fn login_form(&self) -> Option<Vec<u8>> {
        let Some(Credentials::Password { username, password }) = &self.credentials else {
            return None;
        };
        let form = serde_json::json!({"username": username, "password": password.expose()});
        Some(form.to_string().into_bytes())
    }

    /// Whether anything was asked of us.
    pub(super) async fn was_challenged(&self) -> bool {
        !matches!(self.state.lock().await.way, Way::Open)
    }

    fn refused(&self, what: &str, body: &[u8]) -> RegistryError {
        RegistryError::Unauthorized {
            registry: self.registry.clone(),
            what: what.to_owned(),
            detail: body_detail(body),
        }
    }

    async fn bearer(&self, http: &Http, challenge: Challenge) -> Result<Way, RegistryError> {
        let ask = self.token_request(&challenge)?;
        let mut answer = http.send(&ask).await?;
        match answer.status() {
            200 => {}
            401 | 403 => {
                let body = answer.beginning().await;
                return Err(self.refused(&shown(&ask.url), &body));
            }
            status => {
                return Err(super::client::status_error(status, &self.registry, &mut answer).await);
            }
        }
        let body = answer.body(MAX_TOKEN, "token").await?;
        let protocol = |reason: &str| RegistryError::Protocol {
            url: shown(&ask.url),
            reason: reason.to_owned(),
        };
        let token: Token = serde_json::from_slice(&body)
            .map_err(|_| protocol("the token service's answer is not valid JSON"))?;
        let text = token.text().ok_or_else(|| protocol("the token service sent no token"))?;
        let mut value = HeaderValue::from_str(&format!("Bearer {text}"))
            .map_err(|_| protocol("the token service sent a token with control characters"))?;
        value.set_sensitive(true);
        let expires = Instant::now() + token.lifetime(clock::now());
        Ok(Way::Bearer { challenge, token: value, expires })
    }

    fn token_request(&self, challenge: &Challenge) -> Result<Ask, RegistryError> {
        let protocol =
            |reason: String| RegistryError::Protocol { url: self.registry.clone(), reason };
        let realm = challenge
            .param("realm")
            .ok_or_else(|| protocol("bearer challenge without a realm".to_owned()))?;
        let mut url = Url::parse(realm)
            .ok()
            .filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host())
            .ok_or_else(|| protocol("bearer challenge with an invalid realm".to_owned()))?;
        if self.credentials.is_some() && url.scheme() == "http" && !self.insecure {
            return Err(protocol(format!(
                "wants the password sent unencrypted to {}; mark the registry insecure to allow it",
                shown(&url)
            )));
        }
        let scope = challenge.param("scope").unwrap_or(&self.scope);
        let service = challenge.param("service");
        let mut form = Url::parse("form:").map_err(|e| protocol(e.to_string()))?;
        let identity = if let Some(Credentials::IdentityToken(token)) = &self.credentials {
            Some(token)
        } else {
            None
        };
        {
            let target = if identity.is_some() { &mut form } else { &mut url };
            let mut pairs = target.query_pairs_mut();
            if let Some(service) = service {
                pairs.append_pair("service", service);
            }
            // Several scopes come as one text with blanks, but are separate fields of a GET.
            if identity.is_some() {
                pairs.append_pair("scope", scope);
            } else {
                for one in scope.split(' ').filter(|s| !s.is_empty()) {
                    pairs.append_pair("scope", one);
                }
            }
            if let Some(token) = identity {
                pairs.append_pair("grant_type", "refresh_token");
                pairs.append_pair("client_id", "bolt");
                pairs.append_pair("refresh_token", token.expose());
            }
        }
        let mut ask = Ask::get(url);
        if identity.is_some() {
            ask.method = Method::POST;
            ask.form = form.query().map(str::to_owned);
        }
        if let Some(Credentials::Password { username, password }) = &self.credentials {
            ask.url.query_pairs_mut().append_pair("account", username);
            ask.authorization = Some(basic(username, password.expose()));
        }
        Ok(ask)
    }
}

fn basic(user: &str, password: &str) -> HeaderValue {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
    // Base64 has no character that a header could not hold.
    let mut value = HeaderValue::from_str(&format!("Basic {text}"))
        .unwrap_or_else(|_| HeaderValue::from_static("Basic"));
    value.set_sensitive(true);
    value
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<i64>,
    issued_at: Option<String>,
}

impl Token {
    fn text(&self) -> Option<&str> {
        let given = |t: &'_ &String| !t.is_empty();
        self.token.as_ref().filter(given).or(self.access_token.as_ref().filter(given)).map(|t| &**t)
    }

    /// How long it may be used from now (`now` by the wall clock), a little less than promised.
    ///
    /// An `issued_at` that cannot be, because one of the clocks is wrong, counts as now.
    fn lifetime(&self, now: i64) -> Duration {
        let promised = self.expires_in.filter(|s| *s > 0).unwrap_or(DEFAULT_LIFETIME);
        let issued = self.issued_at.as_deref().and_then(clock::rfc3339).unwrap_or(now);
        let age = Some(now - issued).filter(|a| (0..promised).contains(a)).unwrap_or(0);
        let left = promised - age;
        Duration::from_secs((left - left.min(10) / 2).clamp(1, 86_400) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::config::auth::Secret;

    fn access(credentials: Option<Credentials>, insecure: bool) -> Access {
        Access::new("r.example", "repository:a/b:pull".into(), credentials, insecure)
    }

    fn challenge(text: &str) -> Challenge {
        challenge::parse(text).remove(0)
    }

    fn password() -> Option<Credentials> {
        Some(Credentials::Password { username: "me".into(), password: Secret::new("p&w") })
    }

    #[test]
    fn asks_for_the_scope_of_the_challenge() {
        let bearer =
            challenge(r#"Bearer realm="https://t/x?k=v",service="s s",scope="r:a:pull r:b:pull""#);
        let ask = access(password(), false).token_request(&bearer).unwrap();
        assert_eq!(
            ask.url.as_str(),
            "https://t/x?k=v&service=s+s&scope=r%3Aa%3Apull&scope=r%3Ab%3Apull&account=me"
        );
        assert_eq!(ask.authorization.unwrap().to_str().unwrap(), "Basic bWU6cCZ3");
        let ask = access(None, false).token_request(&challenge("Bearer realm=https://t/")).unwrap();
        assert_eq!(ask.url.as_str(), "https://t/?scope=repository%3Aa%2Fb%3Apull");
        assert!(ask.authorization.is_none());
    }

    #[test]
    fn an_identity_token_is_posted() {
        let credentials = Some(Credentials::IdentityToken(Secret::new("i=d")));
        let ask = access(credentials, false)
            .token_request(&challenge(r#"Bearer realm="https://t/",service="s""#))
            .unwrap();
        assert_eq!(ask.method, Method::POST);
        assert_eq!(
            ask.form.unwrap(),
            "service=s&scope=repository%3Aa%2Fb%3Apull&grant_type=refresh_token&client_id=bolt\
             &refresh_token=i%3Dd"
        );
        assert_eq!(ask.url.query(), None);
    }

    #[test]
    fn secrets_do_not_go_to_a_plain_realm() {
        let plain = challenge("Bearer realm=http://t/");
        assert!(access(password(), false).token_request(&plain).is_err());
        assert!(access(password(), true).token_request(&plain).is_ok());
        assert!(access(None, false).token_request(&plain).is_ok());
        for realm in ["Bearer", "Bearer realm=file:///etc/passwd", "Bearer realm=x"] {
            assert!(access(None, false).token_request(&challenge(realm)).is_err(), "{realm}");
        }
    }

    #[test]
    fn tokens_end_before_their_time() {
        let now = clock::rfc3339("2026-01-01T00:05:00Z").unwrap();
        let life = |expires_in, issued_at: Option<&str>| {
            let issued_at = issued_at.map(str::to_owned);
            Token { token: None, access_token: None, expires_in, issued_at }.lifetime(now).as_secs()
        };
        assert_eq!(life(None, None), 55);
        assert_eq!(life(Some(300), None), 295);
        assert_eq!(life(Some(600), Some("2026-01-01T00:00:00Z")), 295);
        assert_eq!(life(Some(300), Some("2020-01-01T00:00:00Z")), 295);
        assert_eq!(life(Some(300), Some("2030-01-01T00:00:00Z")), 295);
        assert_eq!(life(Some(-5), None), 55);
        assert_eq!(life(Some(1), None), 1);
    }
}
