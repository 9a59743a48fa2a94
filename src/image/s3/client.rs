//! Requests to one bucket: signed, retried, their errors understood.

use super::answers::{self, List, Part, Trouble};
use super::credentials::{AwsPlaces, Identity, Keys};
use super::place::{DEFAULT_REGION, Place};
use super::session::Session;
use super::sign::{Signer, Unsigned, encode_query};
use super::{S3Error, xml};
use crate::image::progress::Progress;
use crate::image::registry::blobs::content_range;
use crate::image::registry::client::{random_share, wait};
use crate::image::registry::clock;
use crate::image::registry::error::host;
use crate::image::registry::http::{Answer, Ask, Http, Method, Patience, Proxies, Trust, Url};
use crate::image::source::SourceError;
use crate::ui::redact::{foreign, learn};
use std::cell::RefCell;

/// Largest answer that is a document, in bytes: a list of 1000 keys of 1024 bytes.
const MAX_ANSWER: u64 = 8 << 20;
/// How long a presigned address lives, in seconds: requests are sent at once.
const PRESIGNED_LIFE: u32 = 900;
/// Seconds that clocks may differ (S3: RequestTimeTooSkewed).
const MAX_SKEW: i64 = 15 * 60;

/// A conversation with one bucket.
pub(in crate::image) struct S3Client<'a> {
    http: Http,
    pub(super) place: Place,
    /// The region that is signed for; the server may name another one, once.
    region: RefCell<String>,
    session: Session,
    patience: Patience,
    progress: &'a dyn Progress,
}

/// One request.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    /// The object; `None` is the bucket.
    pub(super) key: Option<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(&'static str, String)>,
    /// First and last byte.
    pub(super) range: Option<(u64, Option<u64>)>,
    pub(super) body: Option<Vec<u8>>,
}

impl Call {
    pub(super) fn new(method: Method, key: Option<&str>) -> Self {
        let key = key.map(str::to_owned);
        Call { method, key, query: Vec::new(), headers: Vec::new(), range: None, body: None }
    }

    fn with(mut self, pairs: &[(&str, &str)]) -> Self {
        self.query.extend(pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        self
    }

    /// What is asked about, for messages.
    fn what(&self) -> String {
        foreign(self.key.as_deref().unwrap_or("the bucket"), 300)
    }
}

/// What became of an object that is to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::image) enum Put {
    /// It was written.
    Created,
    /// It was there already.
    Existed,
}

impl<'a> S3Client<'a> {
    pub(in crate::image) fn new(
        place: Place,
        aws: &AwsPlaces,
        proxies: &Proxies,
        patience: &Patience,
        progress: &'a dyn Progress,
    ) -> Result<Self, S3Error> {
        place.check()?;
        let region = place.region.clone().unwrap_or_else(|| DEFAULT_REGION.to_owned());
        let trust: Trust = crate::image::registry::trust(place.insecure, place.certs.clone());
        let http = Http::new(&place.host(), &trust, proxies, patience)?;
        let session = Session::new(&place.caller, aws, proxies, patience)?;
        let region = RefCell::new(region);
        Ok(S3Client { http, place, region, session, patience: patience.clone(), progress })
    }

    /// An object, or its bytes from `from` up to but without `until`. The answer's status and
    /// Content-Range are checked against `size`, the length of the whole.
    ///
    /// Errors: [`S3Error::RangeIgnored`] when `until` is given and the whole comes. Without it the
    /// whole is taken; then the second value says how many bytes to pass over.
    pub(super) async fn get(
        &self,
        key: &str,
        from: u64,
        until: Option<u64>,
        size: u64,
    ) -> Result<(Answer, u64), S3Error> {
        let mut call = Call::new(Method::GET, Some(key));
        if from > 0 || until.is_some_and(|until| until < size) {
            call.range = Some((from, until.map(|until| until - 1)));
        }
        let answer = self.call(&call).await?;
        let length = answer.header("content-length").and_then(|v| v.parse::<u64>().ok());
        let wrong = |got| self.wrong_size(key, size, got);
        if answer.status() != 206 {
            if let Some(got) = length.filter(|got| *got != size) {
                return Err(wrong(got));
            }
            if call.range.is_some() && until.is_some() {
                return Err(S3Error::RangeIgnored { place: self.place.name(), key: call.what() });
            }
            return Ok((answer, from));
        }
        let range = answer.header("content-range").unwrap_or_default();
        match content_range(range) {
            Some((_, Some(total))) if total != size => Err(wrong(total)),
            Some((start, _)) if start == from => Ok((answer, 0)),
            _ => {
                let range = foreign(range, 60);
                let reason =
                    format!("answered with Content-Range {range:?}, asked from byte {from}");
                Err(S3Error::Protocol { place: self.place.name(), reason })
            }
        }
    }

    pub(super) fn wrong_size(&self, key: &str, wanted: u64, got: u64) -> S3Error {
        S3Error::Size { place: self.place.name(), key: foreign(key, 300), wanted, got }
    }

    /// A whole small object.
    pub(super) async fn small(&self, key: &str, limit: u64) -> Result<Vec<u8>, S3Error> {
        self.retried(async || {
            let mut answer = self.call(&Call::new(Method::GET, Some(key))).await?;
            Ok(answer.body(limit, "object").await?)
        })
        .await
    }

    /// The length of an object; `None` when it is not there.
    pub(super) async fn size(&self, key: &str) -> Result<Option<u64>, S3Error> {
        let call = Call::new(Method::HEAD, Some(key));
        let head = self
            .retried(async || {
                let answer = self.call(&call).await?;
                Ok(answer.header("content-length").and_then(|v| v.parse().ok()).unwrap_or(0))
            })
            .await;
        match head {
            Ok(size) => Ok(Some(size)),
            Err(S3Error::NoSuchKey { .. }) => Ok(None),
            // The answer to a HEAD has no body that would say why; that to a GET has one.
            Err(e @ (S3Error::Denied { .. } | S3Error::Status { status: 400, .. })) => {
                let get = Call { range: Some((0, Some(0))), ..Call::new(Method::GET, Some(key)) };
                match self.call(&get).await {
                    Err(S3Error::NoSuchKey { .. }) => Ok(None),
                    Err(why) => Err(why),
                    Ok(_) => Err(e),
                }
            }
            Err(e) => Err(e),
        }
    }

    /// Objects whose keys begin with `prefix`; `next` goes on with a list that was cut.
    pub(super) async fn list(&self, prefix: &str, next: Option<&str>) -> Result<List, S3Error> {
        let mut call = Call::new(Method::GET, None).with(&[("list-type", "2"), ("prefix", prefix)]);
        if let Some(next) = next {
            call = call.with(&[("continuation-token", next)]);
        }
        self.retried(async || {
            answers::list(&self.document(&call).await?).map_err(self.unread(&call))
        })
        .await
    }

    /// Asks for the server's list of buckets (`ListBuckets`), for the sake of its being answered.
    pub(super) async fn buckets(&self) -> Result<(), S3Error> {
        let call = Call::new(Method::GET, None);
        self.retried(async || self.document(&call).await.map(drop)).await
    }

    /// Writes a small object. `fresh`: only when nothing is there (`If-None-Match: *`).
    pub(super) async fn put(
        &self,
        key: &str,
        body: &[u8],
        media_type: &str,
        fresh: bool,
    ) -> Result<Put, S3Error> {
        let mut call = Call::new(Method::PUT, Some(key));
        call.headers.push(("content-type", media_type.to_owned()));
        if fresh {
            call.headers.push(("if-none-match", "*".to_owned()));
        }
        call.body = Some(body.to_vec());
        self.created(&call, key, body.len() as u64).await
    }

    /// Sends what makes the object `key` of `size` bytes.
    async fn created(&self, call: &Call, key: &str, size: u64) -> Result<Put, S3Error> {
        let fresh = call.headers.iter().any(|(name, _)| *name == "if-none-match");
        let body = self.retried(async || match self.document(call).await {
            Err(S3Error::Status { status: 412, .. }) if fresh => Ok(None),
            // Somebody else is writing it just now, and may yet fail: it counts when it is there.
            Err(e @ S3Error::Status { status: 409, .. }) if fresh => {
                if self.size(key).await? == Some(size) { Ok(None) } else { Err(e) }
            }
            other => other.map(Some),
        });
        match body.await?.map(|body| answers::trouble(&body)) {
            None => Ok(Put::Existed),
            Some(trouble) if trouble.code.is_empty() => Ok(Put::Created),
            // A 200 whose body is an error: S3 answers so when the end of an upload fails late.
            Some(trouble) => Err(self.status(call, 200, &trouble)),
        }
    }

    /// Begins a multipart upload; its id.
    pub(super) async fn begin_upload(&self, key: &str, media: &str) -> Result<String, S3Error> {
        let mut call = Call::new(Method::POST, Some(key)).with(&[("uploads", "")]);
        call.headers.push(("content-type", media.to_owned()));
        self.retried(async || {
            answers::upload_id(&self.document(&call).await?).map_err(self.unread(&call))
        })
        .await
    }

    /// Sends part `number` (from 1); its ETag.
    pub(super) async fn put_part(
        &self,
        key: &str,
        upload: &str,
        number: u32,
        body: Vec<u8>,
    ) -> Result<String, S3Error> {
        let number = number.to_string();
        let mut call = Call::new(Method::PUT, Some(key))
            .with(&[("partNumber", &number), ("uploadId", upload)]);
        call.body = Some(body);
        self.retried(async || {
            let answer = self.call(&call).await?;
            let etag = answer.header("etag").map(str::to_owned);
            etag.ok_or_else(|| S3Error::Protocol {
                place: self.place.name(),
                reason: "took a part of an upload without an ETag".to_owned(),
            })
        })
        .await
    }

    /// The parts that an upload has already.
    pub(super) async fn parts(&self, key: &str, upload: &str) -> Result<Vec<Part>, S3Error> {
        let (mut found, mut marker) = (Vec::new(), None::<u32>);
        loop {
            let mut call = Call::new(Method::GET, Some(key)).with(&[("uploadId", upload)]);
            if let Some(marker) = marker {
                call = call.with(&[("part-number-marker", &marker.to_string())]);
            }
            let body = self.retried(async || self.document(&call).await).await?;
            let (parts, next) = answers::parts(&body).map_err(self.unread(&call))?;
            found.extend(parts);
            // A marker that does not grow would never end.
            match next.filter(|next| marker.is_none_or(|old| *next > old)) {
                Some(next) => marker = Some(next),
                None => return Ok(found),
            }
        }
    }

    /// Makes the parts the object of `size` bytes, unless one is there already.
    pub(super) async fn end_upload(
        &self,
        key: &str,
        size: u64,
        upload: &str,
        etags: &[String],
    ) -> Result<Put, S3Error> {
        let mut call = Call::new(Method::POST, Some(key)).with(&[("uploadId", upload)]);
        call.headers.push(("content-type", "application/xml".to_owned()));
        call.headers.push(("if-none-match", "*".to_owned()));
        call.body = Some(xml::complete_multipart(etags).into_bytes());
        self.created(&call, key, size).await
    }

    /// Throws an upload's parts away.
    pub(super) async fn abort_upload(&self, key: &str, upload: &str) -> Result<(), S3Error> {
        let call = Call::new(Method::DELETE, Some(key)).with(&[("uploadId", upload)]);
        self.retried(async || self.document(&call).await.map(drop)).await
    }

    async fn document(&self, call: &Call) -> Result<Vec<u8>, S3Error> {
        Ok(self.call(call).await?.body(MAX_ANSWER, "S3 answer").await?)
    }

    fn unread(&self, call: &Call) -> impl Fn(xml::BadXml) -> S3Error + use<'_, 'a> {
        let key = call.what();
        move |source| {
            let source = source.without_secrets();
            S3Error::Answer { place: self.place.name(), key: key.clone(), source }
        }
    }

    /// One request; any status but 2xx is an error. A region that the server names is taken, once.
    async fn call(&self, call: &Call) -> Result<Answer, S3Error> {
        let (mut followed, mut moved) = (false, None);
        loop {
            let keys = self.session.keys(self.progress).await?;
            let region = self.region.borrow().clone();
            let ask = self.signed(call, keys.as_ref(), &region)?;
            let mut answer = self.http.send(&ask).await?;
            if answer.exposed && !self.place.insecure {
                let to = answer.address();
                let reason = format!("sends on to {to}, without TLS, where anybody may answer");
                return Err(S3Error::Protocol { place: self.place.name(), reason });
            }
            if (200..300).contains(&answer.status()) {
                moved.iter().for_each(|line: &String| self.progress.note(line));
                return Ok(answer);
            }
            match self.error(call, &region, &mut answer).await {
                S3Error::Region { needed, .. } if !followed && is_region(&needed) => {
                    followed = true;
                    // Others on their way at the same time were sent on too, and one tells it.
                    if *self.region.borrow() != needed {
                        let place = self.place.name();
                        moved = Some(format!(
                            "{place}: the bucket lies in the region {needed}, not {region}; asking \
                             there"
                        ));
                        *self.region.borrow_mut() = needed;
                    }
                }
                error => return Err(error),
            }
        }
    }

    fn signed(&self, call: &Call, keys: Option<&Keys>, region: &str) -> Result<Ask, S3Error> {
        let mut url: Url = self.place.url(region, call.key.as_deref())?;
        let mut own = call.headers.clone();
        let host = host(&url);
        let request = Unsigned {
            method: call.method.as_str(),
            host: &host,
            path: url.path(),
            query: &call.query,
            headers: &call.headers,
        };
        let mut query = encode_query(&call.query);
        if let Some(keys) = keys {
            learn(keys.secret.expose());
            keys.token.iter().for_each(|token| learn(token.expose()));
            let signer = Signer { keys, region, now: clock::now() };
            if self.place.presigned {
                query = signer.presigned_query(&request, PRESIGNED_LIFE);
            } else {
                own.extend(signer.headers(&request, call.body.as_deref().unwrap_or_default()));
            }
        }
        if !query.is_empty() {
            url.set_query(Some(&query));
        }
        let (from, to) = call.range.map_or((None, None), |(from, to)| (Some(from), to));
        let (method, body) = (call.method.clone(), call.body.clone());
        Ok(Ask { method, own, from, to, body, ..Ask::get(url) })
    }

    async fn error(&self, call: &Call, region: &str, answer: &mut Answer) -> S3Error {
        let status = answer.status();
        let wanted = answer.header("x-amz-bucket-region").map(|r| foreign(r, 60));
        let date = answer.header("date").and_then(clock::http_date);
        let redirected = answer.redirected;
        let trouble = answers::trouble(&answer.beginning().await);
        let place = self.place.name();
        let from = self.place.caller.place.clone();
        let skew = date.map(|date| clock::now() - date).filter(|s| s.abs() > MAX_SKEW);
        let wrong = |what| S3Error::WrongKeys {
            place: place.clone(),
            what,
            from: from.clone(),
            host: self.place.host(),
        };
        let wanted = wanted.or_else(|| trouble.region.clone()).filter(|r| r != region);
        match (status, trouble.code.as_str()) {
            (301 | 307 | 400 | 403, _) if wanted.is_some() && !redirected => S3Error::Region {
                place,
                configured: region.to_owned(),
                needed: foreign(&wanted.unwrap_or_default(), 60),
            },
            (403, "RequestTimeTooSkewed") => {
                let said = trouble.server_time.as_deref().and_then(clock::rfc3339);
                let said = said.map(|time| clock::now() - time);
                S3Error::Clock { place, seconds: skew.or(said).unwrap_or(MAX_SKEW) }
            }
            (403, _) if skew.is_some() => {
                S3Error::Clock { place, seconds: skew.unwrap_or_default() }
            }
            (_, "InvalidAccessKeyId" | "InvalidClientTokenId" | "NotSignedUp") => {
                wrong("access key")
            }
            (_, "SignatureDoesNotMatch") => wrong("secret"),
            (_, "ExpiredToken" | "TokenRefreshRequired" | "ExpiredTokenException") => {
                S3Error::Expired { place, from }
            }
            (404, "NoSuchBucket") => S3Error::NoSuchBucket { place },
            // A bucket that is listed has no key.
            (404, _) if call.key.is_none() => S3Error::NoSuchBucket { place },
            (404, _) => S3Error::NoSuchKey { place, key: call.what() },
            (401 | 403, _) => {
                let (key, detail) = (call.what(), detail(&trouble));
                let from = match self.place.caller.identity {
                    Identity::Nobody => "nobody: none were found".to_owned(),
                    _ => from,
                };
                S3Error::Denied { place, key, detail, from }
            }
            _ => self.status(call, status, &trouble),
        }
    }

    fn status(&self, call: &Call, status: u16, trouble: &Trouble) -> S3Error {
        let (place, key, detail) = (self.place.name(), call.what(), detail(trouble));
        S3Error::Status { place, key, status, detail }
    }

    async fn retried<T>(
        &self,
        operation: impl AsyncFn() -> Result<T, S3Error>,
    ) -> Result<T, S3Error> {
        let mut failures = 0;
        loop {
            match operation().await {
                Err(e) if e.is_transient() && failures < self.patience.retries => {
                    failures += 1;
                    let wait = wait(&self.patience, None, failures, random_share());
                    let (of, s) = (self.patience.retries, wait.as_secs_f64());
                    self.progress.note(&format!("{e}; retry {failures} of {of} in {s:.1} s"));
                    tokio::time::sleep(wait).await;
                }
                other => return other,
            }
        }
    }
}

/// Bytes of a blob, handed on as they come; how many there were. More than `most` are not.
pub(super) async fn pour(
    answer: &mut Answer,
    mut skip: u64,
    most: u64,
    receive: &mut dyn FnMut(&[u8]) -> Result<(), SourceError>,
) -> Result<u64, SourceError> {
    let mut got = 0;
    // To the very end, so that the connection can be used again.
    while let Some(chunk) = answer.chunk().await? {
        let chunk = chunk.as_ref();
        let known = skip.min(chunk.len() as u64);
        skip -= known;
        let fresh = &chunk[known as usize..];
        got += fresh.len() as u64;
        if got > most {
            break;
        }
        if !fresh.is_empty() {
            receive(fresh)?;
        }
    }
    Ok(got)
}

/// Text of an error body for people, with its separator.
fn detail(trouble: &Trouble) -> String {
    let text = match (trouble.code.as_str(), trouble.message.as_str()) {
        ("", text) | (text, "") => text.to_owned(),
        (code, message) => format!("{code}: {message}"),
    };
    let text = foreign(&text, 300);
    if text.is_empty() { text } else { format!(" ({text})") }
}

fn is_region(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
