//! One bucket at one endpoint, and the addresses of its objects.

use super::S3Error;
use super::credentials::Caller;
use super::sign;
use crate::image::config::certs::HostCerts;
use crate::image::config::drift::KeyTemplate;
use crate::image::registry::error::host;
use crate::image::registry::http::Url;
use crate::image::types::Digest;
use crate::ui::redact::foreign;

/// The region that S3 has where none is named.
pub const DEFAULT_REGION: &str = "us-east-1";

/// A bucket and all that is needed to speak with it.
#[derive(Debug, Clone)]
pub struct Place {
    /// Name of the bucket; empty for the server as a whole, which can only be logged in at.
    pub bucket: String,
    /// What stands before every key; without slashes at its ends, or empty.
    pub prefix: String,
    /// `http://HOST[:PORT]` or `https://…`; `None` is AWS itself.
    pub endpoint: Option<String>,
    /// The region that is signed for; `None` is [`DEFAULT_REGION`] until the server names another.
    pub region: Option<String>,
    /// `BUCKET.HOST/KEY` instead of `HOST/BUCKET/KEY`.
    pub virtual_host: bool,
    /// The signature stands in the query instead of the headers: for proxies that drop
    /// Authorization.
    pub presigned: bool,
    /// Where below the prefix blobs lie.
    pub template: KeyTemplate,
    /// Who we are there.
    pub caller: Caller,
    /// Take any certificate.
    pub insecure: bool,
    /// Authorities to trust and certificates to show.
    pub certs: HostCerts,
}

impl Place {
    /// For messages: `s3://BUCKET/PREFIX at HOST`.
    pub fn name(&self) -> String {
        if self.bucket.is_empty() {
            return self.host();
        }
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("s3://{}{slash}{} at {}", self.bucket, self.prefix, self.host())
    }

    /// `host[:port]` that is asked, for messages, auth.json and certs.d; empty where the endpoint
    /// is no address: what else stands there may be a secret.
    pub fn host(&self) -> String {
        let url = self.base(self.region.as_deref().unwrap_or(DEFAULT_REGION));
        url.map_or(String::new(), |url| host(&url))
    }

    /// Whether bucket and endpoint give an address.
    pub fn check(&self) -> Result<(), S3Error> {
        self.url(self.region.as_deref().unwrap_or(DEFAULT_REGION), None).map(drop)
    }

    /// The key of a path below the prefix.
    pub(super) fn key(&self, path: &str) -> String {
        match self.prefix.as_str() {
            "" => path.to_owned(),
            prefix => format!("{prefix}/{path}"),
        }
    }

    /// The key of a blob.
    pub(super) fn blob_key(&self, digest: &Digest) -> String {
        self.key(&self.template.key(digest))
    }

    /// The address of an object, or of the bucket itself; its path is what is signed.
    pub(super) fn url(&self, region: &str, key: Option<&str>) -> Result<Url, S3Error> {
        let mut url = self.base(region)?;
        let bucket = if self.virtual_host {
            let name = format!("{}.{}", self.bucket, url.host_str().unwrap_or_default());
            url.set_host(Some(&name)).map_err(|_| self.setup("the bucket is no part of a host"))?;
            String::new()
        } else {
            format!("/{}", self.bucket)
        };
        let path = match key {
            Some(key) => format!("{bucket}/{key}"),
            None if bucket.is_empty() => "/".to_owned(),
            None => bucket,
        };
        if path.split('/').any(|part| part == "." || part == "..") {
            return Err(self.setup("a key with a part '.' or '..' has no address"));
        }
        url.set_path(&sign::encode_path(&path));
        Ok(url)
    }

    fn base(&self, region: &str) -> Result<Url, S3Error> {
        let aws;
        let text = match &self.endpoint {
            Some(endpoint) => endpoint.as_str(),
            None => {
                aws = format!("https://s3.{region}.amazonaws.com");
                &aws
            }
        };
        let url = Url::parse(text).map_err(|_| match &self.endpoint {
            Some(_) => self.setup("its endpoint is not an address"),
            None => self.no_region(region),
        })?;
        let plain = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.path() == "/"
            && url.query().is_none()
            && url.username().is_empty()
            && url.password().is_none();
        match (&self.endpoint, plain) {
            (_, true) => Ok(url),
            (None, false) => Err(self.no_region(region)),
            (Some(_), false) => Err(self.setup("its endpoint is not http(s)://HOST[:PORT]")),
        }
    }

    fn no_region(&self, region: &str) -> S3Error {
        let region = foreign(region, 60);
        self.setup(&format!(
            "AWS has no region {region:?}; check AWS_REGION, or that of the profile"
        ))
    }

    fn setup(&self, reason: &str) -> S3Error {
        S3Error::Setup { place: format!("s3://{}", self.bucket), reason: reason.to_owned() }
    }
}

/// Whether a text is a bucket's name (S3: "Bucket naming rules").
pub fn is_bucket(name: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = name.as_bytes();
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    (3..=63).contains(&bytes.len())
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(inner)
        && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(endpoint: Option<&str>, virtual_host: bool) -> Place {
        Place {
            bucket: "games".to_owned(),
            prefix: "a/b".to_owned(),
            endpoint: endpoint.map(str::to_owned),
            region: None,
            virtual_host,
            presigned: false,
            template: KeyTemplate::oci(),
            caller: Caller::nobody(),
            insecure: false,
            certs: HostCerts::default(),
        }
    }

    #[test]
    fn objects_have_addresses_of_both_styles() {
        let url = |place: &Place, key| place.url("eu-west-1", key).unwrap().to_string();
        let path = place(Some("http://127.0.0.1:9000"), false);
        assert_eq!(url(&path, Some("x/sha256:1")), "http://127.0.0.1:9000/games/x/sha256%3A1");
        assert_eq!(url(&path, None), "http://127.0.0.1:9000/games");
        let host = place(Some("https://s3.example:8443/"), true);
        assert_eq!(url(&host, Some("x y")), "https://games.s3.example:8443/x%20y");
        assert_eq!(url(&host, None), "https://games.s3.example:8443/");
        let aws = place(None, true);
        assert_eq!(url(&aws, None), "https://games.s3.eu-west-1.amazonaws.com/");
        assert_eq!(aws.name(), "s3://games/a/b at s3.us-east-1.amazonaws.com");
        assert_eq!(path.key("index.json"), "a/b/index.json");
        let digest = Digest::sha256_of(b"");
        assert_eq!(path.blob_key(&digest), format!("a/b/blobs/sha256/{}", digest.hex()));
    }

    #[test]
    fn what_is_no_endpoint_or_key_is_refused() {
        for bad in ["127.0.0.1:9000", "ftp://h", "http://h/x", "http://u:p@h", "http://h?x", ""] {
            let error = place(Some(bad), false).url("r", None).unwrap_err().to_string();
            assert!(error.starts_with("s3://games: its endpoint"), "{error}");
            assert!(!error.contains("u:p"), "{error}");
        }
        assert!(place(Some("http://h"), false).url("r", Some("a/../b")).is_err());
        for region in ["a b", "eu/west", "x@y"] {
            let error = place(None, false).url(region, None).unwrap_err().to_string();
            assert!(error.contains("check AWS_REGION"), "{region}: {error}");
        }
    }

    #[test]
    fn buckets_have_rules() {
        for good in ["abc", "my-bucket.1", &"a".repeat(63)] {
            assert!(is_bucket(good), "{good}");
        }
        for bad in ["", "ab", "Abc", "a_b", "-ab", "ab-", "a..b", &"a".repeat(64), "a/b"] {
            assert!(!is_bucket(bad), "{bad}");
        }
    }
}
