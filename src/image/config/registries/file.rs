//! One registries.conf file: TOML to checked plain data (containers-registries.conf(5), version 2).

use super::{MirrorUse, RegistriesError, ShortNameMode};
use crate::image::config::lower_host;
use crate::image::reference::{Reference, is_registry};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// Keys that other tools read and that mean nothing here.
const FOREIGN: &[&str] = &["additional-layer-store-auth-helper"];

/// What one file says; absent keys are `None`.
#[derive(Debug, Clone, Default)]
pub(super) struct FileConfig {
    pub(super) search: Option<Vec<String>>,
    pub(super) helpers: Option<Vec<String>>,
    pub(super) mode: Option<ShortNameMode>,
    pub(super) registries: Vec<Registry>,
    /// `None` as a value erases the alias of an earlier file.
    pub(super) aliases: BTreeMap<String, Option<Reference>>,
    pub(super) warnings: Vec<String>,
}

/// One `[[registry]]`.
#[derive(Debug, Clone)]
pub(super) struct Registry {
    pub(super) prefix: String,
    /// Empty only for a `*.` prefix: the name stays as it is.
    pub(super) location: String,
    pub(super) insecure: bool,
    pub(super) blocked: bool,
    pub(super) mirrors: Vec<Mirror>,
    /// Only registries.toml names one.
    pub(super) ca: Option<PathBuf>,
    /// The file it came from, for messages.
    pub(super) file: PathBuf,
}

/// One `[[registry.mirror]]`.
#[derive(Debug, Clone)]
pub(super) struct Mirror {
    pub(super) location: String,
    pub(super) insecure: bool,
    pub(super) usage: MirrorUse,
    /// Only registries.toml names one.
    pub(super) ca: Option<PathBuf>,
}

/// Reads the text of one file. `file` is for messages only.
pub(super) fn parse(file: &Path, text: &str) -> Result<FileConfig, RegistriesError> {
    let table: Table = text.parse().map_err(|source: toml::de::Error| RegistriesError::Syntax {
        file: file.to_owned(),
        // The parser's own Display prints the source line, which may be megabytes long.
        line: source.span().map_or(1, |span| line_of(text, span.start)),
        reason: source.message().to_owned(),
    })?;
    if table.get("registries").is_some_and(Value::is_table) {
        return Err(RegistriesError::VersionOne { file: file.to_owned() });
    }
    let mut keys = Keys { file, at: String::new(), table };
    let mut config = FileConfig {
        search: search_registries(&mut keys)?,
        helpers: keys.strings("credential-helpers")?,
        mode: short_name_mode(&mut keys)?,
        aliases: aliases(&mut keys)?,
        ..FileConfig::default()
    };
    for mut entry in keys.tables("registry")? {
        let registry = registry(&mut entry, &mut config.warnings)?;
        let conflicts = |other: &Registry| {
            let both = (other.insecure, other.blocked) == (registry.insecure, registry.blocked);
            other.prefix == registry.prefix && !both
        };
        if config.registries.iter().any(conflicts) {
            let reason = "another [[registry]] of this file has the same prefix with another \
                          insecure or blocked; keep one";
            return Err(entry.bad("prefix", reason));
        }
        entry.warn_rest(&mut config.warnings);
        config.registries.push(registry);
    }
    for key in FOREIGN {
        keys.table.remove(*key);
    }
    keys.warn_rest(&mut config.warnings);
    Ok(config)
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|b| *b == b'\n').count()
}

fn search_registries(keys: &mut Keys) -> Result<Option<Vec<String>>, RegistriesError> {
    let key = "unqualified-search-registries";
    let Some(list) = keys.strings(key)? else { return Ok(None) };
    let mut hosts = Vec::with_capacity(list.len());
    for host in list {
        let host = keys.location(key, &host)?;
        if !is_registry(&host) {
            let reason = format!("{:?} is not a registry; write HOST or HOST:PORT", short(&host));
            return Err(keys.bad(key, reason));
        }
        hosts.push(host);
    }
    Ok(Some(hosts))
}

fn short_name_mode(keys: &mut Keys) -> Result<Option<ShortNameMode>, RegistriesError> {
    Ok(match keys.string("short-name-mode")?.as_deref() {
        None | Some("") => None,
        Some("permissive") => Some(ShortNameMode::Permissive),
        Some("enforcing") => Some(ShortNameMode::Enforcing),
        Some("disabled") => Some(ShortNameMode::Disabled),
        Some(other) => {
            let reason =
                format!("{:?} is not one of enforcing, permissive, disabled", short(other));
            return Err(keys.bad("short-name-mode", reason));
        }
    })
}

fn registry(keys: &mut Keys, warnings: &mut Vec<String>) -> Result<Registry, RegistriesError> {
    let location = keys.string("location")?.unwrap_or_default();
    let location = keys.location("location", &location)?;
    let prefix = keys.string("prefix")?.unwrap_or_default();
    let prefix = keys.location("prefix", &prefix)?;
    let prefix = match (prefix.is_empty(), location.is_empty()) {
        (true, true) => return Err(keys.bad("location", "neither location nor prefix is set")),
        (true, false) => location.clone(),
        (false, true) if !prefix.starts_with("*.") => {
            return Err(
                keys.bad("location", "it is missing; only a prefix like \"*.HOST\" needs none")
            );
        }
        (false, _) => prefix,
    };
    if keys.string("pull-from-mirror")?.is_some_and(|usage| !usage.is_empty()) {
        return Err(keys.bad("pull-from-mirror", "it belongs into a [[registry.mirror]]"));
    }
    let digest_only = keys.boolean("mirror-by-digest-only")?;
    let mut mirrors = Vec::new();
    for mut entry in keys.tables("mirror")? {
        mirrors.push(mirror(&mut entry, digest_only)?);
        entry.warn_rest(warnings);
    }
    Ok(Registry {
        prefix,
        location,
        insecure: keys.boolean("insecure")?,
        blocked: keys.boolean("blocked")?,
        mirrors,
        ca: None,
        file: keys.file.to_owned(),
    })
}

fn mirror(keys: &mut Keys, digest_only: bool) -> Result<Mirror, RegistriesError> {
    let location = keys.string("location")?.unwrap_or_default();
    let location = keys.location("location", &location)?;
    if location.is_empty() {
        return Err(keys.bad("location", "it is missing; write HOST[:PORT][/PATH]"));
    }
    let usage = match keys.string("pull-from-mirror")?.as_deref() {
        None | Some("") if digest_only => MirrorUse::DigestOnly,
        None | Some("") => MirrorUse::All,
        Some(_) if digest_only => {
            let reason = "it excludes the registry's mirror-by-digest-only; set one of the two";
            return Err(keys.bad("pull-from-mirror", reason));
        }
        Some("all") => MirrorUse::All,
        Some("digest-only") => MirrorUse::DigestOnly,
        Some("tag-only") => MirrorUse::TagOnly,
        Some(other) => {
            let reason = format!("{:?} is not one of all, digest-only, tag-only", short(other));
            return Err(keys.bad("pull-from-mirror", reason));
        }
    };
    Ok(Mirror { location, insecure: keys.boolean("insecure")?, usage, ca: None })
}

fn aliases(keys: &mut Keys) -> Result<BTreeMap<String, Option<Reference>>, RegistriesError> {
    let mut found = BTreeMap::new();
    let Some(mut table) = keys.table("aliases")? else { return Ok(found) };
    for name in table.table.keys().cloned().collect::<Vec<_>>() {
        let value = table.string(&name)?.unwrap_or_default();
        if let Some(reason) = alias_name_fault(&name) {
            return Err(table.bad(&name, reason));
        }
        let target =
            if value.is_empty() { None } else { Some(alias_target(&table, &name, &value)?) };
        found.insert(name, target);
    }
    Ok(found)
}

fn alias_name_fault(name: &str) -> Option<&'static str> {
    use crate::image::reference::ImageName;
    match ImageName::parse(name) {
        Ok(ImageName::Short(short)) if short.tag().is_none() && short.digest().is_none() => None,
        Ok(ImageName::Short(_)) => Some("the name of an alias has no tag and no digest"),
        Ok(_) => Some("the name of an alias is short: no registry, no transport"),
        Err(_) => Some("it is not a valid short name"),
    }
}

fn alias_target(keys: &Keys, name: &str, value: &str) -> Result<Reference, RegistriesError> {
    let target = Reference::parse(value).map_err(|source| RegistriesError::Reference {
        file: keys.file.to_owned(),
        key: keys.path(name),
        source,
    })?;
    if target.tag().is_some() || target.digest().is_some() {
        return Err(keys.bad(name, "an alias stands for a repository, without tag and digest"));
    }
    Ok(target)
}

fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

/// The keys of one table that were not read yet, and where the table stands.
struct Keys<'a> {
    file: &'a Path,
    at: String,
    table: Table,
}

impl Keys<'_> {
    fn path(&self, key: &str) -> String {
        let key = short(key);
        if self.at.is_empty() { key } else { format!("{}.{key}", self.at) }
    }

    fn bad(&self, key: &str, reason: impl Into<String>) -> RegistriesError {
        RegistriesError::Key {
            file: self.file.to_owned(),
            key: self.path(key),
            reason: reason.into(),
        }
    }

    fn mistyped(&self, key: &str, wanted: &str, value: &Value) -> RegistriesError {
        self.bad(key, format!("it must be {wanted}, not a TOML {}", value.type_str()))
    }

    fn string(&mut self, key: &str) -> Result<Option<String>, RegistriesError> {
        match self.table.remove(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.mistyped(key, "a string in quotes", &other)),
        }
    }

    fn boolean(&mut self, key: &str) -> Result<bool, RegistriesError> {
        match self.table.remove(key) {
            None => Ok(false),
            Some(Value::Boolean(value)) => Ok(value),
            Some(other) => Err(self.mistyped(key, "true or false, without quotes", &other)),
        }
    }

    fn strings(&mut self, key: &str) -> Result<Option<Vec<String>>, RegistriesError> {
        let wanted = "a list of strings, like [\"a\", \"b\"]";
        let list = match self.table.remove(key) {
            None => return Ok(None),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(self.mistyped(key, wanted, &other)),
        };
        let mut texts = Vec::with_capacity(list.len());
        for value in list {
            match value {
                Value::String(text) => texts.push(text),
                other => return Err(self.mistyped(key, wanted, &other)),
            }
        }
        Ok(Some(texts))
    }

    fn table(&mut self, key: &str) -> Result<Option<Keys<'_>>, RegistriesError> {
        match self.table.remove(key) {
            None => Ok(None),
            Some(Value::Table(table)) => {
                Ok(Some(Keys { file: self.file, at: self.path(key), table }))
            }
            Some(other) => Err(self.mistyped(key, "a table, like [aliases]", &other)),
        }
    }

    fn tables(&mut self, key: &str) -> Result<Vec<Keys<'_>>, RegistriesError> {
        let at = self.path(key);
        let wanted = format!("a list of tables; write [[{at}]]");
        let list = match self.table.remove(key) {
            None => return Ok(Vec::new()),
            Some(Value::Array(list)) => list,
            Some(other) => return Err(self.mistyped(key, &wanted, &other)),
        };
        let mut tables = Vec::with_capacity(list.len());
        for (n, value) in list.into_iter().enumerate() {
            match value {
                Value::Table(table) => {
                    tables.push(Keys { file: self.file, at: format!("{at}[{n}]"), table });
                }
                other => return Err(self.mistyped(key, &wanted, &other)),
            }
        }
        Ok(tables)
    }

    /// `host[:port][/path]` without a trailing slash, the host in lower case.
    fn location(&self, key: &str, text: &str) -> Result<String, RegistriesError> {
        let trimmed = text.trim_end_matches('/');
        if trimmed.contains("://") {
            let reason = format!(
                "{:?} is a URL; leave the scheme out (insecure = true allows \
                                  plain http)",
                short(trimmed)
            );
            return Err(self.bad(key, reason));
        }
        if let Some(c) = trimmed.chars().find(|c| c.is_control() || c.is_whitespace()) {
            return Err(self.bad(key, format!("it holds the character {c:?}")));
        }
        Ok(lower_host(trimmed))
    }

    fn warn_rest(self, warnings: &mut Vec<String>) {
        for key in self.table.keys() {
            let file = self.file.display();
            warnings.push(format!("{file}: the unknown key {:?} is ignored", self.path(key)));
        }
    }
}
