//! One registries.toml: TOML to checked plain data.

use super::{
    CredentialSource, DriftConfig, DriftError, DriftMirror, DriftRegistry, Ghostbay, KeyTemplate,
    Kind,
};
use crate::image::config::lower_host;
use crate::image::reference::{ImageName, Reference, is_registry};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// Keys that would hold a secret. They are refused by name, and their values are never shown.
const SECRETS: &[&str] = &[
    "access-key",
    "access_key",
    "access-key-id",
    "access_key_id",
    "secret-key",
    "secret_key",
    "secret-access-key",
    "secret_access_key",
    "session-token",
    "session_token",
    "password",
    "token",
    "auth",
    "username",
    "identity-token",
    "identitytoken",
];

type Text = Spanned<String>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    default: Option<Text>,
    #[serde(default)]
    registry: Vec<RawRegistry>,
    #[serde(default)]
    ghostbay: Vec<RawGhostbay>,
    #[serde(default)]
    aliases: BTreeMap<Text, Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawRegistry {
    name: Text,
    location: Text,
    kind: Option<Text>,
    #[serde(default)]
    insecure: bool,
    ca: Option<Text>,
    #[serde(default)]
    mirror: Vec<RawMirror>,
    ghostbay: Option<Vec<Text>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawMirror {
    location: Text,
    #[serde(default)]
    insecure: bool,
    ca: Option<Text>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawGhostbay {
    name: Text,
    endpoint: Text,
    bucket: Text,
    prefix: Option<Text>,
    region: Option<Text>,
    path_style: Option<bool>,
    key: Option<Text>,
    ca: Option<Text>,
    #[serde(default)]
    insecure: bool,
    credentials: Option<Text>,
    signature: Option<Text>,
}

/// A file being checked.
struct Reader<'a> {
    file: &'a Path,
    text: &'a str,
}

/// Where names stand that can only be checked once all files are merged.
#[derive(Debug)]
pub(super) struct Spots {
    file: PathBuf,
    default: Option<(usize, String)>,
    /// Line, registry, store.
    stores: Vec<(usize, String, String)>,
}

/// Reads the text of one file.
pub(super) fn parse(file: &Path, text: &str) -> Result<(DriftConfig, Spots), DriftError> {
    let reader = Reader { file, text };
    let raw: RawFile = toml::from_str(text).map_err(|fault| reader.syntax(&fault))?;
    let mut spots = Spots { file: file.to_owned(), default: None, stores: Vec::new() };
    let mut config = DriftConfig { user_file: file.to_owned(), ..DriftConfig::default() };
    for raw in raw.registry {
        let at = raw.name.clone();
        for store in raw.ghostbay.iter().flatten() {
            let names = (at.get_ref().clone(), store.get_ref().clone());
            spots.stores.push((reader.line(store), names.0, names.1));
        }
        let registry = reader.registry(raw)?;
        let (name, location) = (&registry.name, &registry.location);
        if config.registries.iter().any(|other| other.name == *name) {
            let reason = "another [[registry]] of this file has this name; names are unique";
            return Err(reader.bad(&at, format!("registry {name:?}"), reason));
        }
        if let Some(other) = config.registries.iter().find(|other| other.location == *location) {
            let reason = format!("registry {:?} has the same location; keep one", other.name);
            return Err(reader.bad(&at, format!("registry {name:?}.location"), reason));
        }
        config.registries.push(registry);
    }
    for raw in raw.ghostbay {
        let at = raw.name.clone();
        let store = reader.ghostbay(raw)?;
        if config.ghostbay.iter().any(|other| other.name == store.name) {
            let reason = "another [[ghostbay]] of this file has this name; names are unique";
            return Err(reader.bad(&at, format!("ghostbay {:?}", store.name), reason));
        }
        config.ghostbay.push(store);
    }
    for (name, target) in &raw.aliases {
        config.aliases.insert(name.get_ref().clone(), reader.alias(name, target)?);
    }
    if let Some(default) = raw.default {
        spots.default = Some((reader.line(&default), default.get_ref().clone()));
        config.default = Some(default.into_inner());
    }
    Ok((config, spots))
}

impl Spots {
    /// Names point to something, once all files are merged.
    pub(super) fn check(&self, all: &DriftConfig) -> Result<(), DriftError> {
        let bad = |line: usize, key: String, reason: String| {
            Err(DriftError::Key { file: self.file.clone(), line, key, reason })
        };
        if let Some((line, name)) = &self.default {
            let key = "default".to_owned();
            match all.registries.iter().find(|registry| registry.name == *name) {
                None => {
                    let reason = format!("no [[registry]] has the name {:?}", short(name));
                    return bad(*line, key, reason);
                }
                Some(registry) if registry.kind != Kind::Drift => {
                    let reason = format!(
                        "registry {:?} has kind \"oci\"; bolt:// names mean a registry of kind \
                         \"drift\"",
                        short(name)
                    );
                    return bad(*line, key, reason);
                }
                Some(_) => {}
            }
        }
        for (line, registry, store) in &self.stores {
            if !all.ghostbay.iter().any(|other| other.name == *store) {
                let key = format!("registry {:?}.ghostbay", short(registry));
                let reason = format!("no [[ghostbay]] has the name {:?}", short(store));
                return bad(*line, key, reason);
            }
        }
        Ok(())
    }
}

impl Reader<'_> {
    fn line(&self, value: &Text) -> usize {
        line_of(self.text, value.span().start)
    }

    fn bad(&self, at: &Text, key: impl Into<String>, reason: impl Into<String>) -> DriftError {
        DriftError::Key {
            file: self.file.to_owned(),
            line: self.line(at),
            key: key.into(),
            reason: reason.into(),
        }
    }

    fn syntax(&self, fault: &toml::de::Error) -> DriftError {
        // The parser's own Display prints the source line, where a secret may stand.
        let line = fault.span().map_or(1, |span| line_of(self.text, span.start));
        let source = self.text.lines().nth(line - 1).unwrap_or_default();
        let key = source.split_once('=').map(|(key, _)| short(key.trim()));
        let secret = key.as_deref().filter(|key| SECRETS.contains(&key.trim_matches('"')));
        let reason = match secret {
            Some(_) => "secrets do not stand in this file; name their place instead: \
                        credentials = \"aws\", \"env\", \"profile:NAME\", \"web-identity\" or \
                        \"auth.json\" (bolt login)"
                .to_owned(),
            None => without_values(fault.message()),
        };
        DriftError::Syntax { file: self.file.to_owned(), line, key, reason }
    }

    fn registry(&self, raw: RawRegistry) -> Result<DriftRegistry, DriftError> {
        let name = self.name(&raw.name, "registry")?;
        let key = |field: &str| format!("registry {name:?}.{field}");
        let kind = match raw.kind.as_ref().map(|kind| kind.get_ref().as_str()) {
            None | Some("drift") => Kind::Drift,
            Some("oci") => Kind::Oci,
            Some(other) => {
                let reason = format!("{:?} is not one of drift, oci", short(other));
                return Err(self.bad(raw.kind.as_ref().unwrap_or(&raw.name), key("kind"), reason));
            }
        };
        let mut mirrors = Vec::with_capacity(raw.mirror.len());
        for mirror in raw.mirror {
            mirrors.push(DriftMirror {
                location: self.location(&mirror.location, key("mirror.location"))?,
                ca: self.ca(mirror.ca.as_ref(), mirror.insecure, key("mirror.ca"))?,
                insecure: mirror.insecure,
            });
        }
        Ok(DriftRegistry {
            kind,
            location: self.location(&raw.location, key("location"))?,
            ca: self.ca(raw.ca.as_ref(), raw.insecure, key("ca"))?,
            insecure: raw.insecure,
            mirrors,
            ghostbay: raw
                .ghostbay
                .map(|names| names.into_iter().map(Spanned::into_inner).collect()),
            name,
        })
    }

    fn ghostbay(&self, raw: RawGhostbay) -> Result<Ghostbay, DriftError> {
        let name = self.name(&raw.name, "ghostbay")?;
        let key = |field: &str| format!("ghostbay {name:?}.{field}");
        let endpoint = self.endpoint(&raw.endpoint, key("endpoint"))?;
        let ca = self.ca(raw.ca.as_ref(), raw.insecure, key("ca"))?;
        if let (Some(at), true) = (&raw.ca, endpoint.starts_with("http://")) {
            let reason = "the endpoint is http, which shows no certificate; write https or leave \
                          ca out";
            return Err(self.bad(at, key("ca"), reason));
        }
        let bucket = self.bucket(&raw.bucket, key("bucket"))?;
        let prefix = match &raw.prefix {
            None => String::new(),
            Some(at) => self.prefix(at, key("prefix"))?,
        };
        let region = match &raw.region {
            None => "us-east-1".to_owned(),
            Some(at) => self.word(at, key("region"))?,
        };
        let template = match &raw.key {
            None => KeyTemplate::default(),
            Some(at) => KeyTemplate::parse(at.get_ref())
                .map_err(|fault| self.bad(at, key("key"), fault.to_string()))?,
        };
        let credentials = match &raw.credentials {
            None => CredentialSource::Aws,
            Some(at) => self.credentials(at, key("credentials"))?,
        };
        Ok(Ghostbay {
            endpoint,
            bucket,
            prefix,
            region,
            path_style: raw.path_style.unwrap_or(true),
            key: template,
            ca,
            insecure: raw.insecure,
            presigned: self.presigned(raw.signature.as_ref(), &credentials, key("signature"))?,
            credentials,
            name,
        })
    }

    fn name(&self, at: &Text, table: &str) -> Result<String, DriftError> {
        self.word(at, format!("{table}.name"))
    }

    /// Letters, digits and a few marks: what may stand in messages and be typed.
    fn word(&self, at: &Text, key: String) -> Result<String, DriftError> {
        let text = at.get_ref();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.is_empty() || text.len() > 63 || !text.chars().all(plain) {
            let reason = "write 1 to 63 letters, digits, '-', '_' or '.'";
            return Err(self.bad(at, key, reason));
        }
        Ok(text.clone())
    }

    /// `HOST[:PORT][/PATH]`, the host in lower case.
    fn location(&self, at: &Text, key: String) -> Result<String, DriftError> {
        let text = lower_host(at.get_ref().trim_end_matches('/'));
        if text.contains("://") {
            let reason = "leave the scheme out: HOST[:PORT][/PATH]; insecure = true allows http";
            return Err(self.bad(at, key, reason));
        }
        if text.contains('@') {
            let reason = "a user or secret in front of the host is refused; write HOST[:PORT][/PATH], \
                          and log in with `bolt login`";
            return Err(self.bad(at, key, reason));
        }
        let host = text.split('/').next().unwrap_or_default();
        // The grammar knows whether names can lie below it.
        if !is_registry(host) || Reference::parse(&format!("{text}/a")).is_err() {
            let reason = format!("{:?} is not HOST[:PORT][/PATH]", short(&text));
            return Err(self.bad(at, key, reason));
        }
        Ok(text)
    }

    fn ca(
        &self,
        at: Option<&Text>,
        insecure: bool,
        key: String,
    ) -> Result<Option<PathBuf>, DriftError> {
        let Some(at) = at else { return Ok(None) };
        if insecure {
            let reason = "insecure = true checks no certificate, so ca has no use; keep one of \
                          the two";
            return Err(self.bad(at, key, reason));
        }
        let path = PathBuf::from(at.get_ref());
        if !path.is_absolute() {
            return Err(self.bad(at, key, "write an absolute path of a PEM file"));
        }
        Ok(Some(path))
    }

    fn endpoint(&self, at: &Text, key: String) -> Result<String, DriftError> {
        let text = at.get_ref().trim_end_matches('/').to_ascii_lowercase();
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        match host {
            Some(host) if host.contains('@') => {
                let reason = "a user or secret in the URL is refused; use credentials = \"...\"";
                Err(self.bad(at, key, reason))
            }
            Some(host) if is_registry(host) => Ok(text),
            Some(_) => {
                let reason = "write https://HOST[:PORT] without a path; the bucket and prefix \
                              have keys of their own";
                Err(self.bad(at, key, reason))
            }
            None => Err(self.bad(at, key, "write a URL: https://HOST[:PORT], or http://")),
        }
    }

    /// The rule of S3 for buckets, and the underscore that older ones have.
    fn bucket(&self, at: &Text, key: String) -> Result<String, DriftError> {
        let text = at.get_ref();
        let inner =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | '_');
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let good = (3..=63).contains(&text.len())
            && text.chars().all(inner)
            && edge(text.chars().next())
            && edge(text.chars().next_back())
            && !text.contains("..");
        if good {
            return Ok(text.clone());
        }
        let reason = "a bucket has 3 to 63 lower-case letters, digits, '-' and '.', a letter or \
                      digit at both ends";
        Err(self.bad(at, key, reason))
    }

    fn prefix(&self, at: &Text, key: String) -> Result<String, DriftError> {
        let text = at.get_ref().trim_matches('/');
        let odd = text.split('/').any(|part| matches!(part, "." | ".."));
        if odd || text.chars().any(char::is_control) || text.len() > 512 {
            let reason = "write a path such as games/blobs, without '.', '..' and control \
                          characters";
            return Err(self.bad(at, key, reason));
        }
        Ok(text.to_owned())
    }

    /// Whether the signature stands in the query.
    fn presigned(
        &self,
        at: Option<&Text>,
        credentials: &CredentialSource,
        key: String,
    ) -> Result<bool, DriftError> {
        let Some(at) = at else { return Ok(false) };
        if *credentials == CredentialSource::Anonymous {
            let reason = "nothing is signed with credentials = \"anonymous\"; leave it out";
            return Err(self.bad(at, key, reason));
        }
        match at.get_ref().as_str() {
            "header" => Ok(false),
            "query" => Ok(true),
            other => {
                let reason = format!("{:?} is not one of header, query", short(other));
                Err(self.bad(at, key, reason))
            }
        }
    }

    fn credentials(&self, at: &Text, key: String) -> Result<CredentialSource, DriftError> {
        Ok(match at.get_ref().as_str() {
            "aws" => CredentialSource::Aws,
            "env" => CredentialSource::Environment,
            "web-identity" => CredentialSource::WebIdentity,
            "auth.json" => CredentialSource::AuthFile,
            "anonymous" => CredentialSource::Anonymous,
            other => match other.strip_prefix("profile:") {
                Some(profile) if !profile.is_empty() && !profile.chars().any(char::is_control) => {
                    CredentialSource::Profile(profile.to_owned())
                }
                // The value may be a secret in the wrong place: it is not repeated.
                _ => {
                    let reason = "name where the credentials are: aws, env, profile:NAME, \
                                  web-identity, auth.json or anonymous";
                    return Err(self.bad(at, key, reason));
                }
            },
        })
    }

    fn alias(&self, name: &Text, target: &Text) -> Result<Reference, DriftError> {
        let key = format!("aliases.{:?}", short(name.get_ref()));
        if !matches!(
            ImageName::parse(&format!("bolt://{}", name.get_ref())),
            Ok(ImageName::Drift(drift)) if drift.is_bare()
        ) {
            let reason = "an alias is a name as behind bolt://, without tag and digest";
            return Err(self.bad(name, key, reason));
        }
        Reference::parse(target.get_ref()).map_err(|fault| {
            // What stands in front of an @ may be a password: it is not repeated.
            let reason = match target.get_ref().contains('@') {
                true => "it must be a full image name: HOST/NAME, HOST/NAME:TAG or \
                         HOST/NAME@sha256:DIGEST"
                    .to_owned(),
                false => format!("it must be a full image name: {fault}"),
            };
            self.bad(target, key, reason)
        })
    }
}

/// The parser's words, without the values of wrong types that it repeats.
fn without_values(message: &str) -> String {
    match (message.strip_prefix("invalid type: "), message.split_once(", expected ")) {
        (Some(found), Some((_, expected))) => {
            let kind = found.split([' ', ',']).next().unwrap_or_default();
            format!("a TOML {kind} stands where {} belongs", plain(expected))
        }
        _ => message.lines().next().unwrap_or_default().to_owned(),
    }
}

fn plain(expected: &str) -> String {
    expected.trim_start_matches("a spanned value of ").to_owned()
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|b| *b == b'\n').count()
}

fn short(text: &str) -> String {
    text.chars().take(100).collect()
}
