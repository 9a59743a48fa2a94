//! The keys of a conversation: those that were found, or those of a role that a token file stands
//! for (`AssumeRoleWithWebIdentity`, AWS Security Token Service API), renewed before they end.

use super::answers::{self, Trouble};
use super::credentials::{AwsPlaces, Caller, Identity, Keys, WebIdentity, read};
use super::place::DEFAULT_REGION;
use super::{S3Error, sign};
use crate::image::progress::Progress;
use crate::image::registry::clock;
use crate::image::registry::error::host;
use crate::image::registry::http::{Ask, Http, Method, Patience, Proxies, Trust, Url};
use crate::ui::redact::foreign;
use std::cell::RefCell;

/// Keys are renewed so many seconds before their end.
const BEFORE: i64 = 120;
/// Largest answer of the token service, in bytes.
const MAX_ANSWER: u64 = 1 << 20;
/// Lifetime that is assumed where the service tells none, in seconds (STS's default is an hour).
const LIFETIME: i64 = 900;

pub(super) struct Session {
    identity: Identity,
    place: String,
    /// `http(s)://HOST[:PORT]` of the token service.
    service: String,
    /// `AWS_CA_BUNDLE`, where the service is asked.
    trust: Trust,
    proxies: Proxies,
    patience: Patience,
    /// Of the role, and when they end.
    current: RefCell<Option<(Keys, i64)>>,
}

impl Session {
    /// Errors: the authorities for the token service cannot be read.
    pub(super) fn new(
        caller: &Caller,
        aws: &AwsPlaces,
        proxies: &Proxies,
        patience: &Patience,
    ) -> Result<Self, S3Error> {
        let roots = match &caller.identity {
            Identity::Web(_) => aws.ca_bundle()?.into_iter().collect(),
            Identity::Keys(_) | Identity::Nobody => Vec::new(),
        };
        let region = aws.region(None)?;
        let region = region.as_deref().unwrap_or(DEFAULT_REGION);
        let service = aws.token_service().map(str::to_owned);
        Ok(Session {
            identity: caller.identity.clone(),
            place: caller.place.clone(),
            service: service.unwrap_or_else(|| format!("https://sts.{region}.amazonaws.com")),
            trust: Trust { roots, ..Trust::default() },
            proxies: proxies.clone(),
            patience: patience.clone(),
            current: RefCell::new(None),
        })
    }

    /// The keys to sign with; `None` where requests are not signed.
    pub(super) async fn keys(&self, progress: &dyn Progress) -> Result<Option<Keys>, S3Error> {
        let web = match &self.identity {
            Identity::Nobody => return Ok(None),
            Identity::Keys(keys) => return Ok(Some(keys.clone())),
            Identity::Web(web) => web,
        };
        if let Some((keys, until)) = &*self.current.borrow()
            && *until - BEFORE > clock::now()
        {
            return Ok(Some(keys.clone()));
        }
        let (keys, until) = self.assume(web).await?;
        progress.note(&format!("took the role {} for S3", foreign(&web.role, 200)));
        *self.current.borrow_mut() = Some((keys.clone(), until));
        Ok(Some(keys))
    }

    async fn assume(&self, web: &WebIdentity) -> Result<(Keys, i64), S3Error> {
        let setup = |reason: &str| S3Error::Setup {
            place: format!("the token service for {}", self.place),
            reason: reason.to_owned(),
        };
        let token = String::from_utf8(read(&web.token_file)?)
            .map_err(|_| setup("the token file is not text"))?;
        let url = Url::parse(&self.service).map_err(|_| setup("its endpoint is no address"))?;
        let pairs = [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", &web.role),
            ("RoleSessionName", &web.session),
            ("WebIdentityToken", token.trim()),
        ];
        let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let name = host(&url);
        let http = Http::new(&name, &self.trust, &self.proxies, &self.patience)?;
        let form = Some(sign::encode_query(&pairs));
        let ask = Ask { method: Method::POST, form, ..Ask::get(url) };
        let mut answer = http.send(&ask).await.map_err(|e| S3Error::from(e).of_service())?;
        let status = answer.status();
        if status != 200 {
            let Trouble { code, .. } = answers::trouble(&answer.beginning().await);
            let from = self.place.clone();
            return Err(match code.as_str() {
                "ExpiredTokenException" => S3Error::Expired { place: name, from },
                // The message may repeat the token, so only the code is told.
                _ => S3Error::Denied {
                    place: format!("the token service {name}"),
                    key: format!("the role {}", foreign(&web.role, 200)),
                    detail: format!(" ({status} {})", foreign(&code, 60)),
                    from,
                },
            });
        }
        let body = answer.body(MAX_ANSWER, "answer of the token service").await?;
        let (keys, until) = answers::session(&body).map_err(|source| S3Error::Answer {
            place: format!("the token service {name}"),
            key: foreign(&web.role, 200),
            source: source.without_secrets(),
        })?;
        let until = until.as_deref().and_then(clock::rfc3339);
        Ok((keys, until.unwrap_or_else(|| clock::now() + LIFETIME)))
    }
}
