//! The lock file: what each `bolt://` name was resolved to, so that it is the same tomorrow.
//! The format is described in `docs/metadata.md`.

use super::file::{self, FileError};
use crate::image::reference::{DriftName, Reference};
use crate::image::types::Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// Version of the format.
const VERSION: u32 = 1;

/// Why a lock file cannot be used, or does not hold.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// It cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A later version wrote it.
    #[error(
        "{path}: version {version} is not known, only {VERSION}; use a newer bolt, or remove it"
    )]
    Version {
        /// The file.
        path: String,
        /// What it says.
        version: u32,
    },
    /// `--locked` without an entry.
    #[error("{name} is not in the lock file {path}, and --locked forbids to add it; run `{pull}`")]
    Missing {
        /// The name asked for.
        name: String,
        /// The file.
        path: String,
        /// The command that adds it.
        pull: String,
    },
    /// `--locked`, and the name leads elsewhere now.
    #[error(
        "{name} was locked to {locked} and means {now} now (registries.toml has changed); \
         --locked forbids to follow: run `{pull}`, or restore the registry"
    )]
    Moved {
        /// The name asked for.
        name: String,
        /// Repository of the entry.
        locked: String,
        /// Repository that the name means now.
        now: String,
        /// The command that locks it anew.
        pull: String,
    },
}

/// A text as a shell reads it as one word: ranges have spaces and what else means something there,
/// paths may have anything.
fn one_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/.:@%+=,_-".contains(c);
    match text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// The command that writes the entry of a name into the lock file `given`; without one into the
/// user's.
fn pull(name: &str, given: Option<&Path>) -> String {
    let file = given.map(|file| format!("--lock-file {} ", one_word(&file.display().to_string())));
    format!("bolt pull {}{}", file.unwrap_or_default(), one_word(name))
}

/// One resolved name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with repository, manifest, variant and reason")]
pub struct Entry {
    /// `registry/repository` it was taken from.
    pub repository: String,
    /// The tag, where one led there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The index it was chosen from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Digest>,
    /// The variant's manifest: what is run.
    pub manifest: Digest,
    /// The variant's name.
    pub variant: String,
    /// Steam's number of the runtime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<u32>,
    /// The Proton build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proton: Option<String>,
    /// The optimisation profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Why this variant.
    pub reason: String,
}

/// A whole lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with version and names")]
pub struct Lock {
    version: u32,
    /// By name, in the one spelling that [`DriftName`] writes.
    names: BTreeMap<String, Entry>,
}

impl Default for Lock {
    fn default() -> Self {
        Lock { version: VERSION, names: BTreeMap::new() }
    }
}

impl Lock {
    /// Reads a lock file; an empty one where there is none.
    pub fn load(path: &Path) -> Result<Self, LockError> {
        file::read::<Lock>(path)?.unwrap_or_default().known(path)
    }

    /// Reads the bytes of a lock file; `path` is for messages.
    pub fn parse(path: &Path, bytes: &[u8]) -> Result<Self, LockError> {
        file::parse::<Lock>(path, bytes)?.known(path)
    }

    fn known(self, path: &Path) -> Result<Self, LockError> {
        match self.version {
            VERSION => Ok(self),
            version => Err(LockError::Version { path: path.display().to_string(), version }),
        }
    }

    /// The entry of a name that means `place` now; one that was taken from elsewhere is stale.
    pub fn entry(&self, name: &DriftName, place: &Reference) -> Option<&Entry> {
        self.names.get(&name.to_string()).filter(|entry| entry.repository == place.name())
    }

    /// The same under `--locked`, where a missing or stale entry is an error. `path` is for
    /// messages, and so is `given`: the file that the user named, if he did.
    pub fn required(
        &self,
        name: &DriftName,
        place: &Reference,
        path: &Path,
        given: Option<&Path>,
    ) -> Result<&Entry, LockError> {
        let (name, now) = (name.to_string(), place.name());
        let pull = pull(&name, given);
        match self.names.get(&name) {
            None => Err(LockError::Missing { name, path: path.display().to_string(), pull }),
            Some(entry) if entry.repository != now => {
                Err(LockError::Moved { name, locked: entry.repository.clone(), now, pull })
            }
            Some(entry) => Ok(entry),
        }
    }

    /// All entries, by name.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.names.iter().map(|(name, entry)| (name.as_str(), entry))
    }
}

/// Writes one entry into the lock file `path`; the others stay.
pub fn put(path: &Path, name: &DriftName, entry: Entry) -> Result<(), LockError> {
    file::update::<Lock, LockError>(path, |lock| {
        if lock.version != VERSION {
            let (path, version) = (path.display().to_string(), lock.version);
            return Err(LockError::Version { path, version });
        }
        lock.names.insert(name.to_string(), entry);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::tests::Tree;

    fn entry(repository: &str) -> Entry {
        Entry {
            repository: repository.to_owned(),
            tag: Some("1.4".to_owned()),
            index: None,
            manifest: Digest::sha256_of(b"m"),
            variant: "nvidia".to_owned(),
            runtime: Some(1_628_350),
            proton: None,
            profile: None,
            reason: "its tier".to_owned(),
        }
    }

    #[test]
    fn entries_are_kept_side_by_side() {
        let tree = Tree::new("lock");
        let path = tree.0.join("below/lock.json");
        let [doom, quake] =
            ["bolt://doom:^1", "bolt://quake"].map(|n| DriftName::parse(n).unwrap());
        put(&path, &doom, entry("a.org/doom")).unwrap();
        put(&path, &quake, entry("a.org/quake")).unwrap();
        let lock = Lock::load(&path).unwrap();
        let place = |text: &str| Reference::parse(text).unwrap();
        assert_eq!(lock.entry(&doom, &place("a.org/doom")), Some(&entry("a.org/doom")));
        assert_eq!(lock.entry(&doom, &place("b.org/doom")), None);
        let moved =
            lock.required(&doom, &place("b.org/doom"), &path, None).unwrap_err().to_string();
        assert!(moved.contains("was locked to a.org/doom and means b.org/doom"), "{moved}");
        let other = DriftName::parse("bolt://doom:^2").unwrap();
        let missing =
            lock.required(&other, &place("a.org/doom"), &path, None).unwrap_err().to_string();
        assert!(missing.contains("bolt://doom:^2 is not in the lock file"), "{missing}");
        assert_eq!(lock.entries().count(), 2);
    }

    #[test]
    fn faults_are_told_with_their_field() {
        for (text, words) in [
            (r#"{"version":1,"names":{"bolt://doom":7}}"#, "names[\"bolt://doom\"]: invalid type"),
            (r#"{"version":1,"names":{"bolt://doom":7}}"#, "expected an object with repository"),
            (r#"{"version":1,"names":[]}"#, "names: invalid type"),
            ("7", "expected an object with version and names"),
        ] {
            let error = Lock::parse(Path::new("/l.json"), text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("/l.json: ") && error.contains(words), "{error}");
        }
    }

    /// Inside the namespace of a pull the user is root, and could read it.
    #[test]
    fn a_file_that_nobody_may_read_is_neither_read_nor_replaced() {
        use std::os::unix::fs::PermissionsExt;
        let tree = Tree::new("lock-mode");
        let path = tree.0.join("lock.json");
        let doom = DriftName::parse("bolt://doom").unwrap();
        put(&path, &doom, entry("a.org/doom")).unwrap();
        let permit = |mode| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        permit(0o000);
        assert!(Lock::load(&path).is_err());
        assert!(put(&path, &doom, entry("b.org/doom")).is_err());
        permit(0o600);
        assert_eq!(Lock::load(&path).unwrap().entries().next().unwrap().1, &entry("a.org/doom"));
    }

    #[test]
    fn advice_can_be_copied() {
        let (place, path) = (Reference::parse("a.org/doom").unwrap(), Path::new("lock.json"));
        let own = Some(Path::new("a b/it's.json"));
        for (name, given, word) in [
            ("bolt://doom", None, "`bolt pull bolt://doom`"),
            ("bolt://doom:>=1.2, <1.3", None, "`bolt pull 'bolt://doom:>=1.2, <1.3'`"),
            ("bolt://doom", Some(path), "`bolt pull --lock-file lock.json bolt://doom`"),
            ("bolt://doom", own, r"`bolt pull --lock-file 'a b/it'\''s.json' bolt://doom`"),
        ] {
            let name = DriftName::parse(name).unwrap();
            let found = Lock::default();
            let error = found.required(&name, &place, path, given).unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        }
    }

    #[test]
    fn a_lock_file_with_faults_is_refused_and_left_alone() {
        let tree = Tree::new("lock-bad");
        let path = tree.0.join("lock.json");
        for (text, word) in [
            ("{", "not valid"),
            (r#"{"version":1,"names":{},"x":1}"#, "unknown field `x`"),
            (r#"{"version":2,"names":{}}"#, "version 2 is not known"),
            (r#"{"version":1,"names":{"bolt://a":{"repository":"r"}}}"#, "missing field"),
            (
                r#"{"version":1,"names":{"bolt://a":{"repository":"r","manifest":"sha256:x","variant":"","reason":""}}}"#,
                "is not a digest",
            ),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Lock::load(&path).unwrap_err().to_string();
            assert!(error.contains(word) && error.contains("lock.json"), "{error}");
            let name = DriftName::parse("bolt://a").unwrap();
            assert!(put(&path, &name, entry("r")).is_err());
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
    }
}
