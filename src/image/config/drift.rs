//! registries.toml: the user's Drift registries, the Ghostbay stores behind them, and names of
//! his own (docs/drift.md).
//!
//! `/etc/bolt/registries.toml`, then `$XDG_CONFIG_HOME/bolt/registries.toml`, which wins entry by
//! entry. Keys that are not known are errors: a mirror that is silently not used is worse than
//! a start that says why. No secret stands in this file; it says where one is found.

use super::{FileError, read_text};
use crate::image::reference::{Reference, ReferenceError, is_registry};
use crate::image::s3::place::is_bucket;
use crate::image::s3::template::{BadTemplate, KeyTemplate};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Name of the file below `bolt/`.
const FILE: &str = "registries.toml";
/// How a Ghostbay keeps blobs when nothing is said: as an OCI layout with one folder more.
const KEYS: &str = "blobs/sha256/{hex:2}/{hex}";
/// The region of servers that have none.
const REGION: &str = "us-east-1";

/// Why registries.toml cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DriftError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not TOML, an unknown key, or a value of the wrong type.
    #[error("{} line {line}: {reason}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A value that means nothing, or contradicts another.
    #[error("{}: {at}: {reason}", file.display())]
    Value {
        /// The file.
        file: PathBuf,
        /// Table and key.
        at: String,
        /// What is wrong, and what to write.
        reason: String,
    },
    /// `bolt://` without a registry to ask.
    #[error(
        "{asked} asks for the default Drift registry, and no registries.toml names one; write \
         default = \"HOST\" into {}, or ask one by name: drift://HOST/NAME", file.display()
    )]
    NoDefault {
        /// The name.
        asked: String,
        /// The user's file.
        file: PathBuf,
    },
    /// The alias or the name is none.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
}

/// What a registry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It may have Drift's `/v1` besides the distribution API.
    Drift,
    /// The distribution API alone.
    Oci,
}

/// One registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// What other tables call it.
    pub name: String,
    /// `host[:port]`, perhaps with a namespace behind it.
    pub host: String,
    /// What it is.
    pub kind: Kind,
    /// Registries with the same images, asked first.
    pub mirrors: Vec<String>,
    /// Any certificate is taken, and plain http where TLS is missing.
    pub insecure: bool,
    /// More authorities to trust, PEM.
    pub ca: Option<PathBuf>,
    /// Names of the Ghostbays that may have its blobs.
    pub ghostbays: Vec<String>,
}

/// Where credentials of a Ghostbay come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// As AWS's tools look: environment, shared files, web identity.
    Default,
    /// `environment`: its variables alone.
    Environment,
    /// `profile:NAME` of the shared files.
    Profile(String),
    /// `auth.json`: the entry of the endpoint's host.
    AuthFile,
    /// `anonymous`: requests are not signed.
    Anonymous,
}

/// One S3 store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ghostbay {
    /// What other tables call it.
    pub name: String,
    /// `http://` or `https://`, host and port.
    pub endpoint: String,
    /// The bucket.
    pub bucket: String,
    /// In front of every key, with a slash at its end unless it is empty.
    pub prefix: String,
    /// For the signature.
    pub region: String,
    /// `endpoint/bucket/key`; else `bucket.endpoint/key`.
    pub path_style: bool,
    /// Key of a blob below the prefix.
    pub keys: KeyTemplate,
    /// Any certificate is taken.
    pub insecure: bool,
    /// More authorities to trust, PEM.
    pub ca: Option<PathBuf>,
    /// Who we are there.
    pub credentials: Credentials,
}

/// All registries.toml files in one.
#[derive(Debug, Clone, Default)]
pub struct DriftConfig {
    /// The registry that `bolt://` means.
    default: Option<String>,
    /// The user's file, for hints.
    file: PathBuf,
    registries: Vec<Registry>,
    ghostbays: Vec<Ghostbay>,
    aliases: BTreeMap<String, Reference>,
}

impl DriftConfig {
    /// Reads the files below `/etc` and the user's configuration directory; those that are not
    /// there say nothing.
    pub fn load(system: &Path, config_home: &Path) -> Result<Self, DriftError> {
        let mut all = DriftConfig::default();
        for base in [system, config_home] {
            let file = base.join("bolt").join(FILE);
            if let Some(text) = read_text(&file)? {
                all.add(&file, &text)?;
            }
            all.file = file;
        }
        all.check()?;
        Ok(all)
    }

    /// The registry of `bolt://NAME`.
    pub fn default_registry(&self, asked: &str) -> Result<&Registry, DriftError> {
        let name = self.default.as_deref();
        name.and_then(|name| self.registries.iter().find(|r| r.name == name)).ok_or_else(|| {
            DriftError::NoDefault { asked: asked.to_owned(), file: self.file.clone() }
        })
    }

    /// What was written of a registry, by its host.
    pub fn registry(&self, host: &str) -> Option<&Registry> {
        self.registries.iter().find(|r| r.host.split('/').next() == Some(host))
    }

    /// All of them, in their order.
    pub fn registries(&self) -> &[Registry] {
        &self.registries
    }

    /// The stores that may have blobs of images of `host`, in their order.
    pub fn ghostbays_of(&self, host: &str) -> Vec<&Ghostbay> {
        match self.registry(host) {
            Some(registry) => {
                self.ghostbays.iter().filter(|g| registry.ghostbays.contains(&g.name)).collect()
            }
            None => Vec::new(),
        }
    }

    /// All stores, in their order.
    pub fn ghostbays(&self) -> &[Ghostbay] {
        &self.ghostbays
    }

    /// What a name of the user's own stands for: a whole reference, perhaps with tag or digest.
    pub fn alias(&self, name: &str) -> Option<&Reference> {
        self.aliases.get(name)
    }

    /// Puts one file over those before it.
    fn add(&mut self, file: &Path, text: &str) -> Result<(), DriftError> {
        let raw: RawFile = toml::from_str(text).map_err(|e| DriftError::Syntax {
            file: file.to_owned(),
            line: e.span().map_or(1, |s| 1 + text[..s.start].matches('\n').count()),
            reason: e.message().to_owned(),
        })?;
        let place = Place { file };
        if raw.version.is_some_and(|v| v != 1) {
            return Err(place.bad("version", "this version of Bolt reads version = 1"));
        }
        let mut seen = BTreeSet::new();
        for (n, raw) in raw.registry.into_iter().enumerate() {
            let registry = place.registry(raw, &format!("registry[{n}]"))?;
            place.once(&mut seen, &format!("registry[{n}]"), &registry.name)?;
            self.registries.retain(|r| r.name != registry.name);
            self.registries.push(registry);
        }
        let mut seen = BTreeSet::new();
        for (n, raw) in raw.ghostbay.into_iter().enumerate() {
            let ghostbay = place.ghostbay(raw, &format!("ghostbay[{n}]"))?;
            place.once(&mut seen, &format!("ghostbay[{n}]"), &ghostbay.name)?;
            self.ghostbays.retain(|g| g.name != ghostbay.name);
            self.ghostbays.push(ghostbay);
        }
        for (name, target) in raw.aliases {
            self.aliases.insert(name.clone(), place.alias(&name, &target)?);
        }
        if let Some(default) = raw.default {
            self.default = Some(self.default_of(&place, default)?);
        }
        Ok(())
    }

    /// `default` may name a table, or simply be a host.
    fn default_of(&mut self, place: &Place<'_>, default: String) -> Result<String, DriftError> {
        if !self.registries.iter().any(|r| r.name == default) {
            let host = place.host("default", &default).map_err(|_| {
                place.bad(
                    "default",
                    &format!("{default:?} is neither the name of a [[registry]] nor HOST[:PORT]"),
                )
            })?;
            self.registries.push(Registry {
                name: default.clone(),
                host,
                kind: Kind::Drift,
                mirrors: Vec::new(),
                insecure: false,
                ca: None,
                ghostbays: Vec::new(),
            });
        }
        Ok(default)
    }

    /// Names that one table uses of another.
    fn check(&self) -> Result<(), DriftError> {
        let place = Place { file: &self.file };
        for registry in &self.registries {
            for name in &registry.ghostbays {
                if !self.ghostbays.iter().any(|g| g.name == *name) {
                    let at = format!("registry {:?}, ghostbay", registry.name);
                    return Err(place.bad(&at, &format!("there is no [[ghostbay]] named {name:?}")));
                }
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    version: Option<u32>,
    default: Option<String>,
    #[serde(default)]
    registry: Vec<RawRegistry>,
    #[serde(default)]
    ghostbay: Vec<RawGhostbay>,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRegistry {
    name: Option<String>,
    host: String,
    kind: Option<Kind>,
    #[serde(default)]
    mirrors: Vec<String>,
    #[serde(default)]
    insecure: bool,
    ca: Option<PathBuf>,
    #[serde(default)]
    ghostbay: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawGhostbay {
    name: Option<String>,
    endpoint: String,
    bucket: String,
    #[serde(default)]
    prefix: String,
    region: Option<String>,
    path_style: Option<bool>,
    keys: Option<String>,
    #[serde(default)]
    insecure: bool,
    ca: Option<PathBuf>,
    credentials: Option<String>,
}

/// Where a value stands, for messages.
struct Place<'a> {
    file: &'a Path,
}

impl Place<'_> {
    fn bad(&self, at: &str, reason: &str) -> DriftError {
        DriftError::Value { file: self.file.into(), at: at.to_owned(), reason: reason.to_owned() }
    }

    fn once(&self, seen: &mut BTreeSet<String>, at: &str, name: &str) -> Result<(), DriftError> {
        match seen.insert(name.to_owned()) {
            true => Ok(()),
            false => {
                Err(self.bad(at, &format!("another one of this file is named {name:?}; set name")))
            }
        }
    }

    /// `host[:port][/namespace]`.
    fn host(&self, at: &str, text: &str) -> Result<String, DriftError> {
        let trimmed = super::lower_host(text.trim_end_matches('/'));
        let host = trimmed.split('/').next().unwrap_or_default();
        if text.contains("://") || !is_registry(host) {
            let reason = format!("{text:?} is not HOST[:PORT][/NAMESPACE]; leave the scheme out");
            return Err(self.bad(at, &reason));
        }
        if trimmed.contains('/') {
            Reference::parse(&format!("{trimmed}/x")).map_err(|e| self.bad(at, &e.to_string()))?;
        }
        Ok(trimmed)
    }

    fn registry(&self, raw: RawRegistry, at: &str) -> Result<Registry, DriftError> {
        let host = self.host(&format!("{at}.host"), &raw.host)?;
        let mirrors: Result<Vec<_>, _> =
            raw.mirrors.iter().map(|m| self.host(&format!("{at}.mirrors"), m)).collect();
        let mirrors = mirrors?;
        if mirrors.contains(&host) {
            return Err(self.bad(&format!("{at}.mirrors"), "a registry is no mirror of its own"));
        }
        if raw.insecure && raw.ca.is_some() {
            let reason = "insecure takes any certificate, ca one alone; keep one of the two";
            return Err(self.bad(at, reason));
        }
        Ok(Registry {
            name: raw.name.unwrap_or_else(|| host.clone()),
            host,
            kind: raw.kind.unwrap_or(Kind::Drift),
            mirrors,
            insecure: raw.insecure,
            ca: self.absolute(&format!("{at}.ca"), raw.ca)?,
            ghostbays: raw.ghostbay,
        })
    }

    fn ghostbay(&self, raw: RawGhostbay, at: &str) -> Result<Ghostbay, DriftError> {
        let key = |name: &str| format!("{at}.{name}");
        let endpoint = raw.endpoint.trim_end_matches('/').to_owned();
        let host = endpoint.strip_prefix("https://").or_else(|| endpoint.strip_prefix("http://"));
        if !host.is_some_and(is_registry) {
            let reason = format!("{:?} is not http:// or https:// and HOST[:PORT]", raw.endpoint);
            return Err(self.bad(&key("endpoint"), &reason));
        }
        if !is_bucket(&raw.bucket) {
            let reason =
                format!("{:?} is no bucket name (3 to 63 of a-z, 0-9, '.', '-')", raw.bucket);
            return Err(self.bad(&key("bucket"), &reason));
        }
        if raw.insecure && raw.ca.is_some() {
            let reason = "insecure takes any certificate, ca one alone; keep one of the two";
            return Err(self.bad(at, reason));
        }
        let mut prefix = raw.prefix.trim_matches('/').to_owned();
        if !prefix.is_empty() {
            prefix.push('/');
        }
        let keys = raw.keys.as_deref().unwrap_or(KEYS);
        let keys = keys.parse().map_err(|e: BadTemplate| self.bad(&key("keys"), &e.to_string()))?;
        Ok(Ghostbay {
            name: raw.name.unwrap_or_else(|| raw.bucket.clone()),
            endpoint,
            bucket: raw.bucket,
            prefix,
            region: raw.region.unwrap_or_else(|| REGION.to_owned()),
            path_style: raw.path_style.unwrap_or(true),
            keys,
            insecure: raw.insecure,
            ca: self.absolute(&key("ca"), raw.ca)?,
            credentials: self.credentials(&key("credentials"), raw.credentials.as_deref())?,
        })
    }

    fn credentials(&self, at: &str, text: Option<&str>) -> Result<Credentials, DriftError> {
        Ok(match text {
            None | Some("default") => Credentials::Default,
            Some("environment") => Credentials::Environment,
            Some("auth.json") => Credentials::AuthFile,
            Some("anonymous") => Credentials::Anonymous,
            Some(text) => match text.strip_prefix("profile:").filter(|name| !name.is_empty()) {
                Some(name) => Credentials::Profile(name.to_owned()),
                // What stands there may be a key: it is not repeated.
                None => {
                    let reason = "it is one of default, environment, profile:NAME, auth.json, \
                                  anonymous; keys do not belong into this file";
                    return Err(self.bad(at, reason));
                }
            },
        })
    }

    fn alias(&self, name: &str, target: &str) -> Result<Reference, DriftError> {
        let at = format!("aliases.{name}");
        let one_word = !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/".contains(&b));
        if !one_word {
            return Err(
                self.bad(&at, "the name of an alias is a repository name, without tag and digest")
            );
        }
        let target = target.strip_prefix("drift://").unwrap_or(target);
        Reference::parse(target).map_err(|e| self.bad(&at, &e.to_string()))
    }

    fn absolute(&self, at: &str, path: Option<PathBuf>) -> Result<Option<PathBuf>, DriftError> {
        match path {
            Some(path) if !path.is_absolute() => {
                Err(self.bad(at, &format!("{:?} is not an absolute path", path.display())))
            }
            other => Ok(other),
        }
    }
}

#[cfg(test)]
mod tests;
