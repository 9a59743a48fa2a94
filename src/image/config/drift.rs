//! registries.toml: Bolt's own file of game registries (Drift, or any OCI registry), the Ghostbay
//! stores (S3) that hold their blobs, and aliases for `bolt://` names.
//!
//! Read strictly: a key that is not known, a wrong type or a contradiction is one error with file,
//! line, key and fix. It holds no secret: credentials are named, never written here.
//! `docs/registries.md` describes the format.

mod file;
mod template;
#[cfg(test)]
mod tests;

pub use template::{BadTemplate, KeyTemplate};

use super::{FileError, read_text};
use crate::image::reference::{DriftName, Reference, ReferenceError};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Why a registries.toml, or a name under it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DriftError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not TOML, a key that is not known, or a value of another type.
    #[error("{}: line {line}{}: {reason}", file.display(), of_key(key))]
    Syntax {
        /// The file.
        file: PathBuf,
        /// Line of the fault, from 1.
        line: usize,
        /// The key of that line, where the line has one.
        key: Option<String>,
        /// The parser's words.
        reason: String,
    },
    /// A key has an impossible value, or contradicts another.
    #[error("{}: line {line}: {key}: {reason}", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// Line of the value, from 1.
        line: usize,
        /// Path of the key, such as `registry "main".ca`.
        key: String,
        /// What is wrong, and what to write.
        reason: String,
    },
    /// `bolt://` without a registry to ask.
    #[error(
        "{name}: no default Drift registry is configured; write to {}: \
         [[registry]] with name, kind = \"drift\" and location = \"HOST[:PORT][/PATH]\"",
        file.display()
    )]
    NoDefault {
        /// The name asked for.
        name: String,
        /// The user's file.
        file: PathBuf,
    },
    /// `bolt://` with several registries to ask.
    #[error(
        "{name}: {} are Drift registries; write default = \"NAME\" at the top of {}",
        registries.join(" and "),
        file.display()
    )]
    ManyDefaults {
        /// The name asked for.
        name: String,
        /// Those of the files.
        registries: Vec<String>,
        /// The user's file.
        file: PathBuf,
    },
    /// A registry's location and a name together are no image name.
    #[error("{name} on {location}")]
    Name {
        /// The name asked for.
        name: String,
        /// Where it was looked for.
        location: String,
        /// What is wrong with the whole.
        #[source]
        source: ReferenceError,
    },
}

fn of_key(key: &Option<String>) -> String {
    key.as_ref().map(|key| format!(": {key}")).unwrap_or_default()
}

/// What a registry serves besides images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Drift: the distribution-spec, and perhaps its `/v1`.
    Drift,
    /// Any other registry.
    Oci,
}

/// One `[[registry]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftRegistry {
    /// How the other parts of the file call it.
    pub name: String,
    /// What it serves.
    pub kind: Kind,
    /// `HOST[:PORT][/PATH]`, the host in lower case: names lie below it.
    pub location: String,
    /// Plain http and unchecked certificates are allowed.
    pub insecure: bool,
    /// PEM file of an authority that is trusted besides the usual ones.
    pub ca: Option<PathBuf>,
    /// Asked before the registry itself, in order.
    pub mirrors: Vec<DriftMirror>,
    /// Names of the stores that hold its blobs, in order; all of the file when left out.
    pub ghostbay: Option<Vec<String>>,
}

/// One `[[registry.mirror]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriftMirror {
    /// `HOST[:PORT][/PATH]`, the host in lower case.
    pub location: String,
    /// Plain http and unchecked certificates are allowed.
    pub insecure: bool,
    /// PEM file of an authority that is trusted besides the usual ones.
    pub ca: Option<PathBuf>,
}

/// Where the credentials of a store are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialSource {
    /// The first that has some: environment, `AWS_PROFILE`, `auth.json`, web identity file, the
    /// profile `default`.
    Aws,
    /// `AWS_ACCESS_KEY_ID` and its fellows only.
    Environment,
    /// This profile of the shared files.
    Profile(String),
    /// The web identity token file that the environment names.
    WebIdentity,
    /// `auth.json`, under the endpoint's host: the access key is the user, the secret the password.
    AuthFile,
    /// Requests are not signed.
    Anonymous,
}

/// One `[[ghostbay]]`: a bucket of an S3 server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ghostbay {
    /// How registries call it.
    pub name: String,
    /// `http://HOST[:PORT]` or `https://HOST[:PORT]`, without a path.
    pub endpoint: String,
    /// The bucket.
    pub bucket: String,
    /// In front of every key, without slashes at its ends; may be empty.
    pub prefix: String,
    /// For the signature.
    pub region: String,
    /// `ENDPOINT/BUCKET/KEY`; else `BUCKET.ENDPOINT/KEY`.
    pub path_style: bool,
    /// Where a blob lies.
    pub key: KeyTemplate,
    /// PEM file of an authority that is trusted besides the usual ones.
    pub ca: Option<PathBuf>,
    /// Unchecked certificates are allowed.
    pub insecure: bool,
    /// Who we are there.
    pub credentials: CredentialSource,
    /// The signature stands in the query instead of a header.
    pub presigned: bool,
}

/// The registries.toml of one user and of the system, merged.
#[derive(Debug, Clone, Default)]
pub struct DriftConfig {
    registries: Vec<DriftRegistry>,
    ghostbay: Vec<Ghostbay>,
    aliases: BTreeMap<String, Reference>,
    default: Option<String>,
    user_file: PathBuf,
}

impl DriftConfig {
    /// Reads the system's `bolt/registries.toml` below `system` (`/etc`), then the user's below
    /// `home_config` (`$XDG_CONFIG_HOME`). What the user gives a name replaces the system's of the
    /// same name. Neither file has to exist.
    pub fn load(home_config: &Path, system: &Path) -> Result<Self, DriftError> {
        let place = |base: &Path| base.join("bolt/registries.toml");
        let mut merged = Self { user_file: place(home_config), ..Self::default() };
        let mut spots = Vec::new();
        for path in [place(system), place(home_config)] {
            if let Some(text) = read_text(&path)? {
                let (found, named) = file::parse(&path, &text)?;
                merged.merge(found);
                spots.push(named);
            }
        }
        spots.iter().try_for_each(|named| named.check(&merged))?;
        Ok(merged)
    }

    /// What one file alone says. `path` is for messages.
    pub fn parse(path: &Path, text: &str) -> Result<Self, DriftError> {
        let (found, spots) = file::parse(path, text)?;
        spots.check(&found)?;
        Ok(found)
    }

    fn merge(&mut self, later: Self) {
        self.registries.retain(|old| later.registries.iter().all(|new| new.name != old.name));
        self.registries.extend(later.registries);
        self.ghostbay.retain(|old| later.ghostbay.iter().all(|new| new.name != old.name));
        self.ghostbay.extend(later.ghostbay);
        self.aliases.extend(later.aliases);
        self.default = later.default.or(self.default.take());
    }

    /// The user's file, whether it is there or not: for messages.
    pub fn user_file(&self) -> &Path {
        &self.user_file
    }

    /// All registries; the system's before the user's.
    pub fn registries(&self) -> &[DriftRegistry] {
        &self.registries
    }

    /// All stores; the system's before the user's.
    pub fn ghostbay(&self) -> &[Ghostbay] {
        &self.ghostbay
    }

    /// The registry that `bolt://NAME` means: the one named by `default`, else the only Drift
    /// registry there is.
    pub fn default_registry(&self) -> Option<&DriftRegistry> {
        match &self.default {
            Some(name) => self.registries.iter().find(|r| r.name == *name),
            None => {
                let mut drift = self.registries.iter().filter(|r| r.kind == Kind::Drift);
                drift.next().filter(|_| drift.next().is_none())
            }
        }
    }

    /// The registry below whose location an image lies: the longest that fits.
    pub fn registry_of(&self, image: &Reference) -> Option<&DriftRegistry> {
        let name = image.name();
        let below = |location: &str| {
            name.strip_prefix(location).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let fitting = self.registries.iter().filter(|r| below(&r.location));
        fitting.max_by_key(|r| r.location.len())
    }

    /// What an image is called below the location of its registry; without one, below its host.
    pub fn own_name<'a>(&self, image: &'a Reference) -> &'a str {
        let path = |r: &DriftRegistry| r.location.split_once('/').map(|(_, path)| path.to_owned());
        let path = self.registry_of(image).and_then(path).unwrap_or_default();
        let below = image.repository().strip_prefix(&path).and_then(|own| own.strip_prefix('/'));
        below.unwrap_or(image.repository())
    }

    /// The stores that may hold an image's blobs, in order: those its registry names, else all.
    /// An image of no registry of this file has none.
    pub fn stores_of(&self, image: &Reference) -> Vec<&Ghostbay> {
        let Some(registry) = self.registry_of(image) else { return Vec::new() };
        let Some(named) = &registry.ghostbay else { return self.ghostbay.iter().collect() };
        let named = named.iter();
        named.filter_map(|name| self.ghostbay.iter().find(|store| store.name == *name)).collect()
    }

    /// What an alias stands for; it may have a tag or digest, which a typed one outranks.
    pub fn alias(&self, repository: &str) -> Option<&Reference> {
        self.aliases.get(repository)
    }

    /// The repository that a `bolt://` or `drift://` name means, with the tag or digest that was
    /// typed. A version range leaves the tag open.
    pub fn place(&self, name: &DriftName) -> Result<Reference, DriftError> {
        let given = |reference: Reference| match (name.tag(), name.digest(), name.range()) {
            (None, None, None) => reference,
            (tag, digest, _) => reference.tagged(tag, digest),
        };
        if name.host().is_none()
            && let Some(alias) = self.alias(name.repository())
        {
            return Ok(given(alias.clone()));
        }
        let location = match (name.host(), self.default_registry()) {
            (Some(host), _) => host,
            (None, Some(registry)) => &registry.location,
            (None, None) => {
                let (name, file) = (name.to_string(), self.user_file.clone());
                let drift = self.registries.iter().filter(|r| r.kind == Kind::Drift);
                let registries: Vec<String> = drift.map(|r| format!("{:?}", r.name)).collect();
                return Err(match registries.is_empty() {
                    true => DriftError::NoDefault { name, file },
                    false => DriftError::ManyDefaults { name, registries, file },
                });
            }
        };
        let full = format!("{location}/{}", name.repository());
        let reference = Reference::parse(&full).map_err(|source| DriftError::Name {
            name: name.to_string(),
            location: location.to_owned(),
            source,
        })?;
        Ok(given(reference))
    }
}
