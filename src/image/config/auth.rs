//! auth.json: who the user is at a registry (containers-auth.json(5), docker's config.json).

mod credential_helper;
mod file;
/// Whether a directory on the way is closed to us. Root's podman makes `/run/containers` so, where a
/// user without a runtime directory would have his file: there is none then.
fn is_out_of_sight(file: &Path) -> bool {
    file.symlink_metadata().is_err_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied)
}

#[cfg(test)]
mod tests;

use super::FileError;
use super::registries::AUTH_FILE_HELPER;
use file::AuthFile;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why credentials cannot be found or kept.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file that was asked for is not there.
    #[error("the credential file {} does not exist (--authfile, REGISTRY_AUTH_FILE)", file.display())]
    Missing {
        /// The file.
        file: PathBuf,
    },
    /// No JSON, or not of the shape of an auth.json. The parser's own words are left out: they
    /// may repeat a value of the file.
    #[error("{} is not a credential file: line {line}, column {column}: {reason}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        /// What is wrong there.
        reason: &'static str,
    },
    /// A key of the file holds something else.
    #[error("{}: {key} must be {wanted}", file.display())]
    Shape {
        /// The file.
        file: PathBuf,
        /// `auths`, `credHelpers` or `credsStore`.
        key: &'static str,
        /// What belongs there.
        wanted: &'static str,
    },
    /// An entry that cannot be decoded.
    #[error("{}: the entry for {key:?}: {reason}; run `bolt login` again", file.display())]
    Entry {
        /// The file.
        file: PathBuf,
        /// Which registry or repository.
        key: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file cannot be written.
    #[error("write {}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// A helper's name is no part of a program's name.
    #[error("{0:?} is not the name of a credential helper")]
    HelperName(String),
    /// A helper cannot be run.
    #[error("run {program}, the credential helper for {registry}")]
    HelperSpawn {
        /// `docker-credential-NAME`.
        program: String,
        /// For whom.
        registry: String,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// A helper ran and said no.
    #[error("the credential helper {program} for {registry}: {reason}")]
    Helper {
        /// `docker-credential-NAME`.
        program: String,
        /// For whom.
        registry: String,
        /// Its words or its exit.
        reason: String,
    },
    /// Helpers and docker's file know registries only.
    #[error(
        "{key}: the credential helper {helper} keeps whole registries only; leave the path out"
    )]
    HelperPath {
        /// What was asked for.
        key: String,
        /// The helper.
        helper: String,
    },
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// The text itself, to be sent to its registry and nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Who the user is at one registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// For `Authorization: Basic` at the registry or its token server.
    Password {
        /// Account name, without a colon.
        username: String,
        /// Password or access token.
        password: Secret,
    },
    /// An OAuth2 refresh token for the token server's POST form (distribution, spec/auth/oauth).
    IdentityToken(Secret),
}

impl Credentials {
    /// The account name; identity tokens have none.
    pub fn username(&self) -> Option<&str> {
        match self {
            Self::Password { username, .. } => Some(username),
            Self::IdentityToken(_) => None,
        }
    }
}

/// What `AuthFiles::remove` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// The entry is gone from this file or helper.
    From(String),
    /// Nothing was removed; this other file has an entry, which another program wrote.
    Elsewhere(PathBuf),
    /// Nobody was logged in.
    NotLoggedIn,
}

/// The credential files of one user, in their order.
#[derive(Debug, Clone)]
pub struct AuthFiles {
    /// Read and written. `true`: the user named it, and it alone counts.
    first: PathBuf,
    explicit: bool,
    /// Only read.
    others: Vec<PathBuf>,
    /// `~/.dockercfg`: the entries stand at the top level.
    legacy: Option<PathBuf>,
    helpers: Vec<String>,
}

/// Where the user's directories are, for [`AuthFiles::new`].
#[derive(Debug, Clone, Copy)]
pub struct AuthDirs<'a> {
    /// `$XDG_RUNTIME_DIR`, when it is set.
    pub runtime: Option<&'a Path>,
    /// Real uid, for the place that stands in for a missing runtime directory.
    pub uid: u32,
    /// `$XDG_CONFIG_HOME`, or `~/.config`.
    pub config_home: &'a Path,
    /// The home directory.
    pub home: &'a Path,
    /// `$DOCKER_CONFIG`, when it is set: docker's directory instead of `~/.docker`.
    pub docker_config: Option<&'a Path>,
}

impl AuthFiles {
    /// One file for reading and writing (`--authfile`, `REGISTRY_AUTH_FILE`).
    pub fn only(file: &Path) -> Self {
        let helpers = vec![AUTH_FILE_HELPER.to_owned()];
        Self { first: file.to_owned(), explicit: true, others: Vec::new(), legacy: None, helpers }
    }

    /// podman's order: the runtime directory's auth.json (written too), the configuration
    /// directory's, docker's config.json, docker's old .dockercfg.
    pub fn new(dirs: AuthDirs<'_>) -> Self {
        let first = match dirs.runtime {
            Some(runtime) => runtime.join("containers/auth.json"),
            None => PathBuf::from(format!("/run/containers/{}/auth.json", dirs.uid)),
        };
        let docker = dirs.docker_config.map_or_else(|| dirs.home.join(".docker"), Path::to_owned);
        Self {
            first,
            explicit: false,
            others: vec![dirs.config_home.join("containers/auth.json"), docker.join("config.json")],
            legacy: Some(dirs.home.join(".dockercfg")),
            helpers: vec![AUTH_FILE_HELPER.to_owned()],
        }
    }

    /// The same with `credential-helpers` of registries.conf: asked in order,
    /// [`AUTH_FILE_HELPER`] stands for these files.
    #[must_use]
    pub fn with_helpers(mut self, helpers: &[String]) -> Self {
        self.helpers = helpers.to_vec();
        self
    }

    /// The file that a login writes.
    pub fn write_file(&self) -> &Path {
        &self.first
    }

    /// Whether the user named one file, which must then exist to be looked into.
    pub fn is_explicit(&self) -> bool {
        self.explicit
    }

    /// The credentials for a repository: in each file the most specific key first
    /// (`host/ns/repo`, `host/ns`, `host`). An empty `repository` asks for the registry alone.
    ///
    /// May run a credential helper, so it must not be called while threads are alive.
    pub fn lookup(
        &self,
        registry: &str,
        repository: &str,
    ) -> Result<Option<Credentials>, AuthError> {
        let mut trouble = None;
        for helper in &self.helpers {
            let found = if helper == AUTH_FILE_HELPER {
                self.lookup_files(registry, repository)
            } else {
                credential_helper::get(helper, registry)
            };
            match found {
                Ok(Some(credentials)) => return Ok(Some(credentials)),
                Ok(None) => {}
                // A broken helper must not hide what a later one knows.
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        trouble.map_or(Ok(None), Err)
    }

    fn lookup_files(&self, host: &str, path: &str) -> Result<Option<Credentials>, AuthError> {
        for (file, legacy) in self.in_order() {
            if !self.explicit && is_out_of_sight(file) {
                continue;
            }
            let Some(auth) = AuthFile::read(file, legacy)? else {
                if self.explicit {
                    return Err(AuthError::Missing { file: file.to_owned() });
                }
                continue;
            };
            if let Some(credentials) = auth.find(host, path)? {
                return Ok(Some(credentials));
            }
        }
        Ok(None)
    }

    fn in_order(&self) -> impl Iterator<Item = (&Path, bool)> {
        let legacy = self.legacy.iter().map(|file| (file.as_path(), true));
        let modern = std::iter::once(&self.first).chain(&self.others);
        modern.map(|file| (file.as_path(), false)).chain(legacy)
    }

    /// Keeps credentials for `key` (`host[:port]` or a path below it): in the helper that the
    /// first file names for it, else in that file (mode 0600, other keys untouched).
    ///
    /// Returns where, for the user.
    pub fn store(&self, key: &str, credentials: &Credentials) -> Result<String, AuthError> {
        if let Some(helper) = self.own_helper() {
            refuse_path(key, helper)?;
            credential_helper::store(helper, key, credentials)?;
            return credential_helper::program(helper);
        }
        let mut place = None;
        file::edit(&self.first, true, |auth| {
            if let Some(helper) = auth.helper_for(key) {
                credential_helper::store(&helper, key, credentials)?;
                place = Some(credential_helper::program(&helper)?);
                return Ok(false);
            }
            auth.insert(key, credentials)?;
            Ok(true)
        })?;
        Ok(place.unwrap_or_else(|| self.first.display().to_string()))
    }

    /// Forgets the credentials for `key` where [`Self::store`] keeps them.
    pub fn remove(&self, key: &str) -> Result<Removed, AuthError> {
        if let Some(helper) = self.own_helper() {
            refuse_path(key, helper)?;
            let there = credential_helper::erase(helper, key)?;
            let program = credential_helper::program(helper)?;
            return Ok(if there { Removed::From(program) } else { Removed::NotLoggedIn });
        }
        let mut place = None;
        file::edit(&self.first, false, |auth| {
            if let Some(helper) = auth.helper_for(key) {
                if credential_helper::erase(&helper, key)? {
                    place = Some(credential_helper::program(&helper)?);
                }
                return Ok(false);
            }
            let there = auth.take(key);
            if there {
                place = Some(self.first.display().to_string());
            }
            Ok(there)
        })?;
        match place {
            Some(place) => Ok(Removed::From(place)),
            None => self.elsewhere(key),
        }
    }

    fn elsewhere(&self, key: &str) -> Result<Removed, AuthError> {
        for (file, legacy) in self.in_order().skip(1) {
            if AuthFile::read(file, legacy)?.is_some_and(|auth| auth.holds(key)) {
                return Ok(Removed::Elsewhere(file.to_owned()));
            }
        }
        Ok(Removed::NotLoggedIn)
    }

    /// Forgets every entry of the first file, and those that its `credHelpers` keep. Returns how
    /// many there were. A helper that fails is the error, after all others were asked.
    pub fn remove_all(&self) -> Result<usize, AuthError> {
        let mut count = 0;
        let mut trouble = None;
        file::edit(&self.first, false, |auth| {
            for (host, helper) in auth.helpers() {
                match credential_helper::erase(&helper, &host) {
                    Ok(there) => count += usize::from(there),
                    Err(error) => trouble = trouble.take().or(Some(error)),
                }
            }
            let entries = auth.clear();
            count += entries;
            Ok(entries > 0)
        })?;
        trouble.map_or(Ok(count), Err)
    }

    /// The helper of registries.conf that keeps new logins: the first, unless that is auth.json.
    fn own_helper(&self) -> Option<&str> {
        self.helpers.first().map(String::as_str).filter(|name| *name != AUTH_FILE_HELPER)
    }
}

/// Reads the bytes of an auth.json and decodes every entry, without running a helper. Returns how
/// many registries and repositories have credentials in the file itself.
pub fn check(file: &Path, bytes: &[u8]) -> Result<usize, AuthError> {
    AuthFile::parse(file, bytes, false)?.count()
}

fn refuse_path(key: &str, helper: &str) -> Result<(), AuthError> {
    if key.contains('/') {
        return Err(AuthError::HelperPath { key: key.to_owned(), helper: helper.to_owned() });
    }
    Ok(())
}
