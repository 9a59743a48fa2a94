//! registries.conf: from which endpoints a name is pulled, and what a short name stands for.
//!
//! Format, search order and matching follow containers-registries.conf(5) and
//! containers-registries.conf.d(5), version 2.

mod file;
#[cfg(test)]
mod tests;

use super::drift::{DriftConfig, DriftMirror};
use super::{FileError, Search, read_text};
use crate::image::reference::{DOCKER_HUB, Reference, ReferenceError, ShortName};
use file::{FileConfig, Registry};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// The credential helper that means "look into auth.json" (containers-registries.conf(5)).
pub const AUTH_FILE_HELPER: &str = "containers-auth.json";

/// Why a registries.conf, or a name under it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistriesError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A directory of drop-in files cannot be listed.
    #[error("list {}", dir.display())]
    List {
        /// `registries.conf.d`.
        dir: PathBuf,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// `CONTAINERS_REGISTRIES_CONF` names a file that is not there.
    #[error("{} does not exist; CONTAINERS_REGISTRIES_CONF names it", file.display())]
    Missing {
        /// The file asked for.
        file: PathBuf,
    },
    /// No TOML.
    #[error("{}: line {line} is not valid TOML: {reason}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// Line of the fault, from 1.
        line: usize,
        /// The parser's words.
        reason: String,
    },
    /// The format of 2018, without `[[registry]]`.
    #[error(
        "{} is a registries.conf of version 1 ([registries.search]), which is no longer read; \
         write unqualified-search-registries = [\"HOST\"] and [[registry]] tables instead",
        file.display()
    )]
    VersionOne {
        /// The file.
        file: PathBuf,
    },
    /// A key has a wrong type or an impossible value.
    #[error("{}: {key}: {reason}", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// Dotted path of the key, such as `registry[0].mirror[1].location`.
        key: String,
        /// What is wrong, and what to write.
        reason: String,
    },
    /// A key should hold an image name and does not.
    #[error("{}: {key} is not a full image name", file.display())]
    Reference {
        /// The file.
        file: PathBuf,
        /// Dotted path of the key.
        key: String,
        /// What is wrong with it.
        #[source]
        source: ReferenceError,
    },
    /// `blocked = true`.
    #[error("{reference} is blocked: registry {prefix:?} has blocked = true in {}", file.display())]
    Blocked {
        /// The name asked for.
        reference: String,
        /// The prefix that matched.
        prefix: String,
        /// The file that says so.
        file: PathBuf,
    },
    /// Prefix and location together make no valid name.
    #[error(
        "{reference}: registry {prefix:?} in {} rewrites it to {rewritten:?}, which is no image name",
        file.display()
    )]
    Rewrite {
        /// The name asked for.
        reference: String,
        /// The prefix that matched.
        prefix: String,
        /// What came out.
        rewritten: String,
        /// The file that says so.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<ReferenceError>,
    },
    /// Nothing says where a short name comes from.
    #[error(
        "the short name {name} has no alias and {} sets no unqualified-search-registries; write \
         the full name, for example docker.io/library/{name}", file.display()
    )]
    Unresolved {
        /// The short name.
        name: String,
        /// The file that would have to say it.
        file: PathBuf,
    },
    /// Several registries could be meant and the mode forbids guessing.
    #[error(
        "the short name {name} is ambiguous and short-name-mode is enforcing; write one of: {}",
        candidates.join(", ")
    )]
    Ambiguous {
        /// The short name.
        name: String,
        /// The full names it could stand for.
        candidates: Vec<String>,
    },
    /// A search registry and the short name together are too long.
    #[error("the short name {name} on {registry}")]
    Candidate {
        /// The short name.
        name: String,
        /// The search registry.
        registry: String,
        /// What is wrong with the whole.
        #[source]
        source: ReferenceError,
    },
}

/// What happens to a short name with several possible registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ShortNameMode {
    /// All are tried in order. Also what `disabled` does: nothing is ever asked here.
    #[default]
    Permissive,
    /// An error that names them.
    Enforcing,
    /// All are tried in order.
    Disabled,
}

/// For which pulls a mirror is asked (`pull-from-mirror`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MirrorUse {
    /// For all.
    All,
    /// Only for names with a digest.
    DigestOnly,
    /// Only for names without a digest.
    TagOnly,
}

/// One place to ask for an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The name to ask for there.
    pub reference: Reference,
    /// Plain http and unchecked certificates are allowed.
    pub insecure: bool,
    /// A mirror: go on with the next endpoint when it has not got the image.
    pub mirror: bool,
    /// PEM file of an authority that registries.toml names for it.
    pub ca: Option<PathBuf>,
}

/// Whom to trust at a registry as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostTrust {
    /// Plain http and unchecked certificates are allowed.
    pub insecure: bool,
    /// PEM files of authorities that registries.toml names for it.
    pub ca: Vec<PathBuf>,
}

/// All registries.conf files of one user, merged.
#[derive(Debug, Clone)]
pub struct Registries {
    registries: Vec<Registry>,
    search: Vec<String>,
    /// The file that set `search`, else the main one.
    search_file: PathBuf,
    mode: ShortNameMode,
    aliases: BTreeMap<String, Reference>,
    helpers: Vec<String>,
    warnings: Vec<String>,
}

impl Registries {
    /// Reads the user's registries.conf, else the system's, then the drop-in directories: the
    /// system's only where the user has no main file of his own. `search.override_file`
    /// replaces the main file, not the drop-ins.
    ///
    /// Where no file exists at all, short names mean docker.io: one registry cannot be squatted
    /// by another, and a machine without containers-common still runs `alpine`.
    pub fn load(search: &Search) -> Result<Self, RegistriesError> {
        let [user, system] = search.places("registries.conf");
        let (main, text) = match &search.override_file {
            Some(file) => match read_text(file)? {
                Some(text) => (file.clone(), Some(text)),
                None => return Err(RegistriesError::Missing { file: file.clone() }),
            },
            None => match read_text(&user)? {
                Some(text) => (user.clone(), Some(text)),
                None => (system.clone(), read_text(&system)?),
            },
        };
        let mut merged = Self::empty(&main);
        let mut files = 0;
        if let Some(text) = text {
            merged.merge(&main, file::parse(&main, &text)?);
            files += 1;
        }
        let [user_dir, system_dir] = search.places("registries.conf.d");
        let dirs = if main == user { vec![user_dir] } else { vec![system_dir, user_dir] };
        for path in dirs.iter().map(|dir| drop_ins(dir)).collect::<Result<Vec<_>, _>>()?.concat() {
            if let Some(text) = read_text(&path)? {
                merged.merge(&path, file::parse(&path, &text)?);
                files += 1;
            }
        }
        if files == 0 {
            merged.search = vec![DOCKER_HUB.to_owned()];
        }
        Ok(merged)
    }

    /// What one file alone says. `path` is for messages only.
    pub fn parse(path: &Path, text: &str) -> Result<Self, RegistriesError> {
        let mut alone = Self::empty(path);
        alone.merge(path, file::parse(path, text)?);
        Ok(alone)
    }

    /// Adds the aliases of a machine-written short-name-aliases.conf, which outrank the others.
    pub fn add_learned_aliases(&mut self, path: &Path) -> Result<(), RegistriesError> {
        if let Some(text) = read_text(path)? {
            let FileConfig { aliases, warnings, .. } = file::parse(path, &text)?;
            self.merge(path, FileConfig { aliases, warnings, ..FileConfig::default() });
        }
        Ok(())
    }

    /// Adds the registries of registries.toml: how they are reached, with their mirrors. They
    /// outrank tables of the same prefix here; one that is blocked here stays blocked.
    pub fn add_drift(&mut self, drift: &DriftConfig) {
        for added in drift.registries() {
            let blocked = self.registry_of(&added.location).is_some_and(|old| old.blocked);
            self.registries.retain(|old| old.prefix != added.location);
            let mirror = |mirror: &DriftMirror| file::Mirror {
                location: mirror.location.clone(),
                insecure: mirror.insecure,
                usage: MirrorUse::All,
                ca: mirror.ca.clone(),
            };
            self.registries.push(Registry {
                prefix: added.location.clone(),
                location: added.location.clone(),
                insecure: added.insecure,
                blocked,
                mirrors: added.mirrors.iter().map(mirror).collect(),
                ca: added.ca.clone(),
                file: drift.user_file().to_owned(),
            });
        }
    }

    fn empty(main: &Path) -> Self {
        Self {
            registries: Vec::new(),
            search: Vec::new(),
            search_file: main.to_owned(),
            mode: ShortNameMode::default(),
            aliases: BTreeMap::new(),
            helpers: vec![AUTH_FILE_HELPER.to_owned()],
            warnings: Vec::new(),
        }
    }

    /// A later file replaces what it sets: whole lists, whole registries of the same prefix,
    /// single aliases.
    fn merge(&mut self, path: &Path, later: FileConfig) {
        if let Some(search) = later.search {
            self.search = search;
            self.search_file = path.to_owned();
        }
        if let Some(helpers) = later.helpers {
            self.helpers = helpers;
        }
        self.mode = later.mode.unwrap_or(self.mode);
        let replaced = |old: &Registry| later.registries.iter().any(|new| new.prefix == old.prefix);
        self.registries.retain(|old| !replaced(old));
        self.registries.extend(later.registries);
        for (name, target) in later.aliases {
            match target {
                Some(target) => self.aliases.insert(name, target),
                None => self.aliases.remove(&name),
            };
        }
        self.warnings.extend(later.warnings);
    }

    /// Where to ask for `reference`, in order: the mirrors that serve it, then its own location.
    /// A name no table matches is asked for as it is.
    pub fn resolve(&self, reference: &Reference) -> Result<Vec<Endpoint>, RegistriesError> {
        let text = reference.to_string();
        let Some(registry) = self.registry_of(&text) else {
            let reference = reference.clone();
            return Ok(vec![Endpoint { reference, insecure: false, mirror: false, ca: None }]);
        };
        if registry.blocked {
            return Err(RegistriesError::Blocked {
                reference: text,
                prefix: registry.prefix.clone(),
                file: registry.file.clone(),
            });
        }
        let digested = reference.digest().is_some();
        let mut endpoints = Vec::with_capacity(registry.mirrors.len() + 1);
        for mirror in &registry.mirrors {
            let serves = match mirror.usage {
                MirrorUse::All => true,
                MirrorUse::DigestOnly => digested,
                MirrorUse::TagOnly => !digested,
            };
            if serves {
                let reference = rewrite(registry, &text, &mirror.location)?;
                let (insecure, ca) = (mirror.insecure, mirror.ca.clone());
                endpoints.push(Endpoint { reference, insecure, mirror: true, ca });
            }
        }
        let own = if registry.location.is_empty() {
            reference.clone()
        } else {
            rewrite(registry, &text, &registry.location)?
        };
        let (insecure, ca) = (registry.insecure, registry.ca.clone());
        endpoints.push(Endpoint { reference: own, insecure, mirror: false, ca });
        Ok(endpoints)
    }

    /// How `host[:port]` itself is reached, for example at login: as the table that covers it
    /// says, else as those say whose locations lie on it. It is insecure where all of these are.
    pub fn host(&self, host: &str) -> HostTrust {
        let host = host.to_ascii_lowercase();
        let on_it = |table: &&Registry| {
            let rest = table.location.strip_prefix(&host);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let tables: Vec<&Registry> = match self.registry_of(&host) {
            Some(table) => vec![table],
            None => self.registries.iter().filter(on_it).collect(),
        };
        HostTrust {
            insecure: !tables.is_empty() && tables.iter().all(|table| table.insecure),
            ca: tables.iter().filter_map(|table| table.ca.clone()).collect(),
        }
    }

    /// The names under which a short name is pulled, in order, each with its default tag: the
    /// alias alone, else the search registries.
    pub fn short_candidates(&self, name: &ShortName) -> Result<Vec<Reference>, RegistriesError> {
        if let Some(alias) = self.alias(name.repository()) {
            return Ok(vec![name.on_repository(alias).with_default_tag()]);
        }
        let mut candidates = Vec::with_capacity(self.search.len());
        for registry in &self.search {
            let candidate = name.on(registry).map_err(|source| RegistriesError::Candidate {
                name: name.to_string(),
                registry: registry.clone(),
                source,
            })?;
            candidates.push(candidate.with_default_tag());
        }
        match (self.mode, candidates.len()) {
            (_, 0) => Err(RegistriesError::Unresolved {
                name: name.to_string(),
                file: self.search_file.clone(),
            }),
            (ShortNameMode::Enforcing, 2..) => Err(RegistriesError::Ambiguous {
                name: name.to_string(),
                candidates: candidates.iter().map(Reference::to_string).collect(),
            }),
            _ => Ok(candidates),
        }
    }

    /// The repository that `[aliases]` gives for a short name without tag and digest.
    pub fn alias(&self, repository: &str) -> Option<&Reference> {
        self.aliases.get(repository)
    }

    /// `unqualified-search-registries`.
    pub fn search_registries(&self) -> &[String] {
        &self.search
    }

    /// `credential-helpers`; [`AUTH_FILE_HELPER`] stands for auth.json.
    pub fn credential_helpers(&self) -> &[String] {
        &self.helpers
    }

    /// Unknown keys, one sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The table with the longest matching prefix, the first of equals.
    fn registry_of(&self, text: &str) -> Option<&Registry> {
        let mut best: Option<&Registry> = None;
        for registry in &self.registries {
            let longer = best.is_none_or(|best| registry.prefix.len() > best.prefix.len());
            if longer && matched_len(text, &registry.prefix).is_some() {
                best = Some(registry);
            }
        }
        best
    }
}

/// The `*.conf` files of a drop-in directory by name; none where there is no directory.
fn drop_ins(dir: &Path) -> Result<Vec<PathBuf>, RegistriesError> {
    let fault = |source| RegistriesError::List { dir: dir.to_owned(), source };
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(fault(e)),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(fault)?.path();
        if path.extension().is_some_and(|ext| ext == "conf") && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// How many bytes of `text` (`host[:port]/path[:tag][@digest]`) a prefix covers, if it matches:
/// whole words only, `*.host` any subdomain. That `host` also covers `host:5000` is how the
/// other tools read such files, so a `blocked` there holds here too.
fn matched_len(text: &str, prefix: &str) -> Option<usize> {
    let end = match prefix.strip_prefix('*').filter(|_| prefix.starts_with("*.")) {
        Some(suffix) => {
            let host_end = text.find([':', '/', '@']).unwrap_or(text.len());
            let host_and_port_end = text.find(['/', '@']).unwrap_or(text.len());
            match suffix.contains([':', '/']) {
                false if text[..host_end].ends_with(suffix) => host_end,
                false => return None,
                true => {
                    let start = text.find(suffix).filter(|start| *start < host_and_port_end)?;
                    start + suffix.len()
                }
            }
        }
        None if text.starts_with(prefix) => prefix.len(),
        None => return None,
    };
    let boundary = matches!(text.as_bytes().get(end), None | Some(b':' | b'/' | b'@'));
    boundary.then_some(end)
}

/// `text` with the part that the registry's prefix covers replaced by `location`.
fn rewrite(registry: &Registry, text: &str, location: &str) -> Result<Reference, RegistriesError> {
    let covered = matched_len(text, &registry.prefix).unwrap_or(0);
    let rewritten = format!("{location}{}", &text[covered..]);
    Reference::parse(&rewritten).map_err(|source| RegistriesError::Rewrite {
        reference: text.to_owned(),
        prefix: registry.prefix.clone(),
        rewritten: rewritten.chars().take(300).collect(),
        file: registry.file.clone(),
        source: Box::new(source),
    })
}
