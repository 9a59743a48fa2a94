//! A token service, as the token specification of distribution has it, for a docker-registry that
//! believes it: `Registry::trusting`. Whoever has [`USER`]'s password gets every right he asks for,
//! anybody else only to pull what lies below `public/`.

use super::proxy::{Fault, Proxy, Request};
use super::registry::{PASSWORD, USER};
use super::{Scratch, run};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

/// What the registry calls itself in its challenges.
const SERVICE: &str = "bolt-test-registry";
const ISSUER: &str = "bolt-test-tokens";
/// Seconds that docker-registry takes a token for longer than it says.
const LEEWAY: i64 = 60;

/// How long a token is good.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    /// Seconds until the registry refuses it.
    pub(crate) real: i64,
    /// `expires_in`.
    pub(crate) told: i64,
}

const LONG: Life = Life { real: 300, told: 300 };

/// A token that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Who gave the right password.
    pub(crate) user: Option<&'static str>,
    /// Their actions sorted.
    pub(crate) scopes: Vec<String>,
    /// What was answered; none where the password was wrong.
    pub(crate) token: Option<String>,
}

/// A running token service; ended when dropped.
pub(crate) struct Tokens {
    server: Proxy,
    mint: Arc<Mint>,
}

struct Mint {
    dir: Scratch,
    /// Of the next token alone.
    next: Mutex<Option<Life>>,
    asked: Mutex<Vec<Asked>>,
}

impl Tokens {
    pub(crate) fn start() -> Self {
        let mint = Mint { dir: Scratch::new(), next: Mutex::default(), asked: Mutex::default() };
        let (key, cert) = (mint.dir.join("key"), mint.dir.join("crt"));
        let mut args = vec!["req", "-x509", "-days", "2", "-subj", "/CN=Bolt test tokens"];
        args.extend(["-newkey", "rsa:2048", "-nodes"]);
        args.extend(["-keyout", key.to_str().unwrap(), "-out", cert.to_str().unwrap()]);
        run("openssl", &args);
        let mint = Arc::new(mint);
        let answering = mint.clone();
        // Every request is answered here: there is nobody behind it.
        let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
        let server = Proxy::start(nobody, move |request, _| answering.answer(request));
        Tokens { server, mint }
    }

    /// The next token lives so long, the ones behind it five minutes.
    pub(crate) fn next_lives(&self, life: Life) {
        *self.mint.next.lock().unwrap() = Some(life);
    }

    /// Every token asked for, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.mint.asked.lock().unwrap().clone()
    }

    /// The line of docker-registry's configuration by which it believes these tokens.
    pub(crate) fn config(&self) -> String {
        format!(
            "auth: {{token: {{realm: \"http://{}/token\", service: {SERVICE}, issuer: {ISSUER}, \
             rootcertbundle: {}}}}}\n",
            self.server.host(),
            self.mint.certificate().display()
        )
    }
}

impl Mint {
    fn certificate(&self) -> PathBuf {
        self.dir.join("crt")
    }

    fn answer(&self, request: &Request) -> Fault {
        let answer = |status: &str, body: Value| {
            let kind = ("Content-Type".to_owned(), "application/json".to_owned());
            Fault::Answer(status.to_owned(), vec![kind], body.to_string())
        };
        let url = reqwest::Url::parse(&format!("http://tokens{}", request.path)).unwrap();
        let values = |name: &str| -> Vec<String> {
            let of_name = url.query_pairs().filter(|(key, _)| key == name);
            of_name.map(|(_, value)| value.into_owned()).collect()
        };
        if url.path() != "/token" || request.method != "GET" || values("service") != [SERVICE] {
            return answer("400 Bad Request", json!({ "details": "no request for a token" }));
        }
        let right = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
        let given = request.headers.get("authorization");
        let user = given.filter(|value| **value == right).map(|_| USER);
        let scopes = values("scope").iter().map(|scope| in_order(scope)).collect();
        let mut asked = Asked { user, scopes, token: None };
        let mut log = self.asked.lock().unwrap();
        if given.is_some() && user.is_none() {
            log.push(asked);
            return answer("401 Unauthorized", json!({ "details": "wrong password" }));
        }
        let life = self.next.lock().unwrap().take().unwrap_or(LONG);
        let token = self.token(log.len(), &asked, life);
        asked.token = Some(token.clone());
        log.push(asked);
        answer("200 OK", json!({ "token": token, "expires_in": life.told }))
    }

    /// A signed token (RFC 7515, RFC 7519) with what of the scopes is granted.
    fn token(&self, number: usize, asked: &Asked, life: Life) -> String {
        let pem = std::fs::read_to_string(self.certificate()).unwrap();
        let der: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let now = i64::try_from(now.as_secs()).unwrap();
        let granted = asked.scopes.iter().filter_map(|scope| granted(scope, asked.user.is_some()));
        let head = json!({ "typ": "JWT", "alg": "RS256", "x5c": [der] });
        let claims = json!({
            "iss": ISSUER, "sub": asked.user.unwrap_or_default(), "aud": SERVICE,
            "exp": now + life.real - LEEWAY, "nbf": now - LEEWAY, "iat": now - LEEWAY,
            "jti": format!("token-{number}"), "access": granted.collect::<Vec<_>>(),
        });
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(head), part(claims));
        let signature = sign(&self.dir, &text);
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// The same scope with its actions in order: docker-registry names them in a new one each time.
fn in_order(scope: &str) -> String {
    let Some((object, actions)) = scope.rsplit_once(':') else { return scope.to_owned() };
    let mut actions: Vec<&str> = actions.split(',').collect();
    actions.sort_unstable();
    format!("{object}:{}", actions.join(","))
}

/// `TYPE:NAME:ACTION,...` as a claim, if anything of it is granted.
fn granted(scope: &str, known: bool) -> Option<Value> {
    let (object, actions) = scope.rsplit_once(':')?;
    let (kind, name) = object.split_once(':')?;
    let may = |action: &&str| known || (name.starts_with("public/") && *action == "pull");
    let actions: Vec<&str> = actions.split(',').filter(may).collect();
    (!actions.is_empty()).then(|| json!({ "type": kind, "name": name, "actions": actions }))
}

/// RSASSA-PKCS1-v1_5 with SHA-256, by the key of the service.
fn sign(dir: &Scratch, text: &str) -> Vec<u8> {
    let path = |name: &str| -> PathBuf { dir.join(name) };
    let (input, output) = (path("text"), path("signature"));
    std::fs::write(&input, text).unwrap();
    let word = |path: &Path| path.to_str().unwrap().to_owned();
    let (key, input, output) = (word(&path("key")), word(&input), word(&output));
    run("openssl", &["dgst", "-sha256", "-sign", &key, "-out", &output, &input]);
    std::fs::read(output).unwrap()
}
