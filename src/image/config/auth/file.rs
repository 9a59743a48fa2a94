//! One credential file: finding an entry, and changing one without touching the others.

use super::{AuthError, Credentials, Secret, credential_helper};
use crate::image::config::{lower_host, read_bytes};
use crate::sys::{atomic, lock};
use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde::{Deserialize, Serialize as DeriveSerialize};
use serde_json::error::Category;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Padded on writing, as docker writes it; either on reading.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Members whose values keep their very bytes.
type Members = BTreeMap<String, Box<RawValue>>;

/// The content of one file.
#[derive(Debug, Default)]
pub(super) struct AuthFile {
    path: PathBuf,
    auths: Members,
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
    /// What other programs put beside them.
    rest: Members,
}

/// One member of `auths`.
#[derive(Default, Deserialize, DeriveSerialize)]
struct Entry {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    auth: String,
    #[serde(rename = "identitytoken", default, skip_serializing_if = "String::is_empty")]
    identity_token: String,
    #[serde(default, skip_serializing)]
    username: String,
    #[serde(default, skip_serializing)]
    password: String,
}

impl AuthFile {
    /// Reads a file; `None` where there is none. `legacy`: a .dockercfg.
    pub(super) fn read(path: &Path, legacy: bool) -> Result<Option<Self>, AuthError> {
        match read_bytes(path)? {
            Some(bytes) => Self::parse(path, &bytes, legacy).map(Some),
            None => Ok(None),
        }
    }

    /// Reads the bytes of a file. An empty one is a file without entries.
    pub(super) fn parse(path: &Path, bytes: &[u8], legacy: bool) -> Result<Self, AuthError> {
        let mut file = Self { path: path.to_owned(), ..Self::default() };
        if bytes.trim_ascii().is_empty() {
            return Ok(file);
        }
        let mut members: Members =
            serde_json::from_slice(bytes).map_err(|e| AuthError::Syntax {
                file: path.to_owned(),
                line: e.line(),
                column: e.column(),
                reason: match e.classify() {
                    Category::Eof => "the text ends too early",
                    Category::Data => "a JSON object belongs here",
                    Category::Syntax | Category::Io => "this is not valid JSON",
                },
            })?;
        if legacy {
            file.auths = members;
            return Ok(file);
        }
        let objects = "an object of registries";
        file.auths = file.section(members.remove("auths"), "auths", objects)?;
        let names = "an object of helper names";
        file.cred_helpers = file.section(members.remove("credHelpers"), "credHelpers", names)?;
        let name = "the name of a helper";
        let store: String = file.section(members.remove("credsStore"), "credsStore", name)?;
        file.creds_store = Some(store).filter(|store| !store.is_empty());
        file.rest = members;
        Ok(file)
    }

    fn section<T: serde::de::DeserializeOwned + Default>(
        &self,
        raw: Option<Box<RawValue>>,
        key: &'static str,
        wanted: &'static str,
    ) -> Result<T, AuthError> {
        let Some(raw) = raw else { return Ok(T::default()) };
        // `null` is what Go writes for an empty map.
        let value: Result<Option<T>, _> = serde_json::from_str(raw.get());
        let shape = |_| AuthError::Shape { file: self.path.clone(), key, wanted };
        Ok(value.map_err(shape)?.unwrap_or_default())
    }

    /// The credentials for `host/path`: the host's helper; else the most specific entry; else an
    /// entry under a spelling of the host that docker once wrote; else the helper for all hosts,
    /// as far as its program is installed (a config.json is often copied between machines).
    pub(super) fn find(&self, host: &str, path: &str) -> Result<Option<Credentials>, AuthError> {
        if let Some(helper) = self.helper_for(host) {
            return credential_helper::get(&helper, host);
        }
        let mut key = if path.is_empty() { host.to_owned() } else { format!("{host}/{path}") };
        loop {
            if let Some(found) = self.entry(&key)? {
                return Ok(Some(found));
            }
            match key.rfind('/') {
                Some(slash) => key.truncate(slash),
                None => break,
            }
        }
        for key in self.auths.keys().filter(|key| same_host(key, host)) {
            if let Some(found) = self.entry(key)? {
                return Ok(Some(found));
            }
        }
        let Some(helper) = &self.creds_store else { return Ok(None) };
        match credential_helper::get(helper, host) {
            // EACCES is execvp's word for "nowhere" when a directory of PATH cannot be searched.
            Err(AuthError::HelperSpawn { source, .. })
                if matches!(
                    source.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
                ) =>
            {
                Ok(None)
            }
            other => other,
        }
    }

    /// Whether there is any entry for `key` here; runs no helper.
    pub(super) fn holds(&self, key: &str) -> bool {
        self.cred_helpers.keys().any(|host| same_host(host, key))
            || self.auths.keys().any(|k| k == key || same_host(k, key))
    }

    /// The helper that `credHelpers` gives for a registry.
    pub(super) fn helper_for(&self, host: &str) -> Option<String> {
        let exact = self.cred_helpers.get(host);
        let spelled = || self.cred_helpers.iter().find(|(key, _)| same_host(key, host));
        exact.or_else(|| spelled().map(|(_, helper)| helper)).cloned()
    }

    /// `credHelpers`, registry and helper.
    pub(super) fn helpers(&self) -> Vec<(String, String)> {
        self.cred_helpers.clone().into_iter().collect()
    }

    fn entry(&self, key: &str) -> Result<Option<Credentials>, AuthError> {
        let Some(raw) = self.auths.get(key) else { return Ok(None) };
        let fault = |reason| AuthError::Entry {
            file: self.path.clone(),
            key: key.chars().take(200).collect(),
            reason,
        };
        let entry: Entry = serde_json::from_str(raw.get())
            .map_err(|_| fault("it is not an object with \"auth\" as a string"))?;
        if !entry.identity_token.is_empty() {
            return Ok(Some(Credentials::IdentityToken(Secret::new(entry.identity_token))));
        }
        let (username, password) = if entry.auth.is_empty() {
            (entry.username, entry.password)
        } else {
            let decoded =
                BASE64.decode(&entry.auth).map_err(|_| fault("\"auth\" is not valid base64"))?;
            let decoded = String::from_utf8(decoded)
                .map_err(|_| fault("\"auth\" does not decode to UTF-8 text"))?;
            let (user, password) = decoded
                .split_once(':')
                .ok_or_else(|| fault("\"auth\" does not decode to USER:PASSWORD"))?;
            // Old docker versions padded the password with NULs.
            (user.to_owned(), password.trim_matches('\0').to_owned())
        };
        if username.is_empty() && password.is_empty() {
            return Ok(None);
        }
        Ok(Some(Credentials::Password { username, password: Secret::new(password) }))
    }

    /// How many entries hold credentials; an error for the first that cannot be decoded.
    pub(super) fn count(&self) -> Result<usize, AuthError> {
        let mut count = 0;
        for key in self.auths.keys() {
            count += usize::from(self.entry(key)?.is_some());
        }
        Ok(count)
    }

    /// Puts or replaces one entry.
    pub(super) fn insert(&mut self, key: &str, who: &Credentials) -> Result<(), AuthError> {
        let fault =
            |reason| AuthError::Entry { file: self.path.clone(), key: key.to_owned(), reason };
        let mut entry = Entry::default();
        match who {
            Credentials::Password { username, .. } if username.contains(':') => {
                return Err(fault("a user name holds no colon"));
            }
            Credentials::Password { username, password } => {
                entry.auth = BASE64.encode(format!("{username}:{}", password.expose()));
            }
            Credentials::IdentityToken(token) => {
                token.expose().clone_into(&mut entry.identity_token)
            }
        }
        let raw = to_raw_value(&entry).map_err(|_| fault("it cannot be written as JSON"))?;
        self.auths.insert(key.to_owned(), raw);
        Ok(())
    }

    /// Removes the entry for `key` in every spelling; `false` when there was none.
    pub(super) fn take(&mut self, key: &str) -> bool {
        let before = self.auths.len();
        self.auths.retain(|k, _| k != key && !same_host(k, key));
        self.auths.len() < before
    }

    /// Removes all entries; returns how many there were.
    pub(super) fn clear(&mut self) -> usize {
        std::mem::take(&mut self.auths).len()
    }
}

impl Serialize for AuthFile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("auths", &self.auths)?;
        if !self.cred_helpers.is_empty() {
            map.serialize_entry("credHelpers", &self.cred_helpers)?;
        }
        if let Some(store) = &self.creds_store {
            map.serialize_entry("credsStore", store)?;
        }
        for (key, value) in &self.rest {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

/// Whether a key of a file means the registry `host`: docker wrote `https://HOST/v1/` for years,
/// and docker.io has three names. Keys of namespaces (`host/ns`) mean no whole registry.
fn same_host(key: &str, host: &str) -> bool {
    let stripped = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let name = match stripped {
        Some(url) => url.split_once('/').map_or(url, |(name, _)| name),
        None => key,
    };
    canonical(name) == canonical(host)
}

fn canonical(host: &str) -> String {
    let host = lower_host(host);
    match host.as_str() {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        _ => host,
    }
}

/// Reads a file, lets `change` work on it, and writes it back in one step when that says `true`.
///
/// Two programs that log in at once do not lose each other's entry: a lock file beside it is
/// held. Without `create` nothing is made where there was no file.
pub(super) fn edit(
    path: &Path,
    create: bool,
    change: impl FnOnce(&mut AuthFile) -> Result<bool, AuthError>,
) -> Result<(), AuthError> {
    let fault = |source| AuthError::Write { file: path.to_owned(), source };
    // A link is followed: people keep their configuration elsewhere and link it.
    let target = match path.canonicalize() {
        Ok(target) => target,
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(fault(e)),
        Err(_) if create => path.to_owned(),
        Err(_) => {
            let mut empty = AuthFile { path: path.to_owned(), ..AuthFile::default() };
            return change(&mut empty).map(|_| ());
        }
    };
    let (Some(dir), Some(name)) = (target.parent(), target.file_name().and_then(|n| n.to_str()))
    else {
        return Err(fault(io::Error::from(io::ErrorKind::InvalidFilename)));
    };
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(fault)?;
    let held = dir.join(format!(".{name}.lock"));
    // With both ends open a pipe in its place is not waited for.
    let mut both = OpenOptions::new();
    let held = both.read(true).write(true).create(true).truncate(false).mode(0o600).open(held);
    let held = held.map_err(fault)?;
    lock::lock(&held, lock::Kind::Exclusive).map_err(fault)?;
    let mut file = AuthFile::read(&target, false)?
        .unwrap_or_else(|| AuthFile { path: target.clone(), ..AuthFile::default() });
    if change(&mut file)? {
        let mut text = serde_json::to_vec_pretty(&file).map_err(|e| fault(e.into()))?;
        text.push(b'\n');
        let dir = File::open(dir).map_err(fault)?;
        atomic::write_mode(&dir, name, &text, atomic::Sync::Durable, 0o600).map_err(fault)?;
    }
    Ok(())
}
