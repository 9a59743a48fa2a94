//! The data that flows through the image plane.

use crate::ui::redact::foreign;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A content digest, `sha256:<64 hex>` or `sha512:<128 hex>` (image-spec, descriptor.md#digests).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

/// Why a text is no digest.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a digest (sha256:<64 lower-case hex digits> or sha512:<128>)")]
pub struct BadDigest(String);

impl Digest {
    /// The algorithm: `sha256` or `sha512`.
    pub fn algorithm(&self) -> &str {
        self.0.split_once(':').map_or("", |(a, _)| a)
    }
    /// The lower-case hex digits behind the colon.
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, h)| h)
    }
    /// The whole text, `algorithm:hex`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// The sha256 digest of `bytes`.
    pub fn sha256_of(bytes: &[u8]) -> Self {
        let hash = ring::digest::digest(&ring::digest::SHA256, bytes);
        Self::from_sha256(hash.as_ref())
    }
    /// Wraps 32 raw bytes of a sha256.
    pub fn from_sha256(raw: &[u8]) -> Self {
        Self::from_hash("sha256", raw)
    }
    /// Wraps the raw bytes that `algorithm` (sha256 or sha512) gave.
    pub(crate) fn from_hash(algorithm: &'static str, raw: &[u8]) -> Self {
        use std::fmt::Write;
        let mut text = String::with_capacity(7 + raw.len() * 2);
        text.push_str(algorithm);
        text.push(':');
        for byte in raw {
            let _ = write!(text, "{byte:02x}");
        }
        Digest(text)
    }
    /// Reads to the end and hashes with this digest's algorithm. Equal to `self` when the bytes
    /// are the ones it names.
    pub fn rehash(&self, mut reader: impl std::io::Read) -> std::io::Result<Self> {
        use std::fmt::Write;
        let sha512 = self.algorithm() == "sha512";
        let algorithm = if sha512 { &ring::digest::SHA512 } else { &ring::digest::SHA256 };
        let mut context = ring::digest::Context::new(algorithm);
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => context.update(&buffer[..n]),
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        let mut text = format!("{}:", self.algorithm());
        for byte in context.finish().as_ref() {
            let _ = write!(text, "{byte:02x}");
        }
        Ok(Digest(text))
    }
}

impl FromStr for Digest {
    type Err = BadDigest;
    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let len = match text.split_once(':') {
            Some(("sha256", hex)) => (hex, 64),
            Some(("sha512", hex)) => (hex, 128),
            _ => return Err(BadDigest(foreign(text, 160))),
        };
        let good = len.0.len() == len.1
            // Not `all`, which goes byte by byte: a start reads dozens of these.
            && len.0.bytes().fold(true, |good, b| {
                good & (b.is_ascii_digit() | (b'a'..=b'f').contains(&b))
            });
        if good { Ok(Digest(text.to_owned())) } else { Err(BadDigest(foreign(text, 160))) }
    }
}

impl TryFrom<String> for Digest {
    type Error = BadDigest;
    fn try_from(text: String) -> Result<Self, BadDigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An OCI descriptor: what a blob is called, how long it is, what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// IANA media type, OCI or docker flavour.
    #[serde(default)]
    pub media_type: String,
    /// Digest of the bytes.
    pub digest: Digest,
    /// Length in bytes.
    pub size: u64,
    /// Only in an index: which machine it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Free annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// `os/architecture[/variant]`, Go's names (`linux/amd64`, `linux/arm64/v8`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// GOOS.
    #[serde(default)]
    pub os: String,
    /// GOARCH.
    #[serde(default)]
    pub architecture: String,
    /// CPU variant, such as `v3` or `v8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Required OS features.
    #[serde(rename = "os.features", default, skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
}

/// What `run` needs of an image config (image-spec, config.md), docker's or OCI's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunConfig {
    /// `USER[:GROUP]`, empty for root.
    pub user: String,
    /// `KEY=value` pairs, in order.
    pub env: Vec<String>,
    /// First words of the command line.
    pub entrypoint: Vec<String>,
    /// Default arguments.
    pub cmd: Vec<String>,
    /// Working directory, empty for `/`.
    pub working_dir: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// `SIGTERM`, `15`, or empty.
    pub stop_signal: String,
    /// Paths that want an anonymous volume.
    pub volumes: Vec<String>,
    /// `port/proto`.
    pub exposed_ports: Vec<String>,
    /// docker's HEALTHCHECK; the image specification has none, and its tools keep it all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
}

/// HEALTHCHECK of docker's image configuration. Times in nanoseconds, 0: not said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `NONE`, or `CMD` and argv, or `CMD-SHELL` and one line.
    pub test: Vec<String>,
    /// Between two checks.
    pub interval: i64,
    /// When a check is killed.
    pub timeout: i64,
    /// After the start, in which failures do not count.
    pub start_period: i64,
    /// Failures in a row that count.
    pub retries: i64,
}

/// One layer as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRecord {
    /// Digest of the uncompressed tar.
    pub diff_id: Digest,
    /// Digest of the stack up to here (image-spec, config.md#layer-chainid).
    pub chain_id: Digest,
    /// The compressed blob as the manifest names it.
    pub blob: Descriptor,
}

/// One image of the local store. The file format of `store/images/<hex>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// Format version, 1.
    pub version: u32,
    /// Image id: digest of the config blob.
    pub id: Digest,
    /// Digest of the platform's manifest. Names the record's file.
    pub manifest: Digest,
    /// Digest of the index the manifest was chosen from, when there was one.
    pub index: Option<Digest>,
    /// RFC 3339 creation time of the config, empty when it has none.
    pub created: String,
    /// Which machine it runs on.
    pub platform: Platform,
    /// What `run` needs.
    pub config: RunConfig,
    /// Bottom layer first.
    pub layers: Vec<LayerRecord>,
    /// Bytes of all unpacked layers' regular files.
    pub size: u64,
    /// Index of the lowest layer of which anything can be seen: a layer above may be opaque at
    /// its root, which overlayfs does not look at on a layer's own root.
    #[serde(default)]
    pub visible_from: usize,
}
