//! Who the user is at S3: the places of AWS's own tools, and auth.json. Looked for in this order:
//!
//! 1. `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`
//! 2. the profile that `AWS_PROFILE` names
//! 3. auth.json's entry for the endpoint: account name and password are access key and secret
//! 4. `AWS_WEB_IDENTITY_TOKEN_FILE` with `AWS_ROLE_ARN`
//! 5. the profile `default`
//!
//! Where nothing is found, requests are not signed: a public bucket answers them. registries.toml
//! may name one of these places for a store; then only that counts.

mod ini;

use crate::image::config::auth::{self, Secret};
use crate::image::config::drift::CredentialSource;
use crate::image::registry::clock;
use crate::sys::small;
use crate::ui::redact::foreign;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Largest file of credentials or tokens, in bytes.
const FILE_MAX: u64 = 1 << 20;

/// Why there are no credentials for S3. No value of a file or variable is repeated.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file that must be there cannot be read.
    #[error("S3 credentials: read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// A line that is not of the form of AWS's files.
    #[error("S3 credentials: {}: line {line}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What is wrong.
        reason: &'static str,
    },
    /// A profile was named and is nowhere.
    #[error(
        "S3 credentials: the profile {profile:?} is neither in {} nor in {}",
        credentials.display(),
        config.display()
    )]
    NoProfile {
        /// Its name.
        profile: String,
        /// `AWS_SHARED_CREDENTIALS_FILE`.
        credentials: PathBuf,
        /// `AWS_CONFIG_FILE`.
        config: PathBuf,
    },
    /// Half of a pair.
    #[error("S3 credentials: {place} has {has} but no {lacks}; both are needed")]
    Half {
        /// Where.
        place: String,
        /// What is there.
        has: &'static str,
        /// What is not.
        lacks: &'static str,
    },
    /// The one place that was named has none.
    #[error("S3 credentials for {host}: there is no {wanted}")]
    Missing {
        /// The endpoint.
        host: String,
        /// What was looked for.
        wanted: &'static str,
    },
    /// Their time is over.
    #[error("S3 credentials: those of {place} expired at {at}; get new ones")]
    Expired {
        /// Where they were found.
        place: String,
        /// As it stands there.
        at: String,
    },
    /// auth.json holds something else than a name and a password.
    #[error(
        "S3 credentials: auth.json has an identity token for {host}, but S3 needs an access key \
         and a secret; run `bolt login {host}` with them as user name and password"
    )]
    Token {
        /// The endpoint.
        host: String,
    },
    /// A region that would be part of an address and of a signature, and can be neither.
    #[error(
        "S3: {place} is {region:?}, which is no region: those have letters, digits, '-', '_' and \
         '.' (such as eu-west-1); mend it"
    )]
    Region {
        /// Variable or profile.
        place: String,
        /// The beginning of what stands there.
        region: String,
    },
    /// A value with characters that no header can hold.
    #[error("S3 credentials: {place}: {name} holds a control character or a blank")]
    Characters {
        /// Where.
        place: String,
        /// Which value.
        name: &'static str,
    },
}

/// An access key and its secret.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::image) struct Keys {
    pub(super) access_key: String,
    pub(super) secret: Secret,
    /// Of a session, when they are temporary.
    pub(super) token: Option<Secret>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(***)")
    }
}

/// A token file and the role it stands for (`AssumeRoleWithWebIdentity`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::image) struct WebIdentity {
    pub(super) token_file: PathBuf,
    pub(super) role: String,
    pub(super) session: String,
}

/// What the places say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::image) enum Identity {
    /// Requests are signed with these keys.
    Keys(Keys),
    /// Keys are to be asked for first.
    Web(WebIdentity),
    /// Requests are not signed.
    Nobody,
}

/// Who, and where that was found: for messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub(super) identity: Identity,
    pub(super) place: String,
}

impl Caller {
    /// Nobody: requests are not signed.
    pub fn nobody() -> Self {
        Caller { identity: Identity::Nobody, place: "nowhere".to_owned() }
    }
}

/// Variables of AWS's tools, as they were at the start, and the home directory.
#[derive(Clone, Default)]
pub struct AwsPlaces {
    variables: BTreeMap<&'static str, String>,
    home: PathBuf,
}

impl fmt::Debug for AwsPlaces {
    /// Only which variables there are: their values are secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AwsPlaces").field("variables", &self.variables.keys()).finish()
    }
}

const VARIABLES: [&str; 14] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ENDPOINT_URL",
];

impl AwsPlaces {
    /// Reads AWS's variables through `variable`; an empty one counts as not set.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>, home: &Path) -> Self {
        let read = |name: &'static str| Some((name, variable(name).filter(|v| !v.is_empty())?));
        let more = ["AWS_ENDPOINT_URL_STS", "AWS_CA_BUNDLE"];
        let variables = VARIABLES.into_iter().chain(more).filter_map(read).collect();
        AwsPlaces { variables, home: home.to_owned() }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The region for places that name none themselves: variables, then the profile's.
    ///
    /// Errors: a configuration file that cannot be read.
    pub fn region(&self, profile: Option<&str>) -> Result<Option<String>, CredentialsError> {
        for variable in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            if let Some(region) = self.get(variable) {
                return region_of(variable, region).map(Some);
            }
        }
        let profile = profile.or_else(|| self.get("AWS_PROFILE")).unwrap_or("default");
        let region = self.profile(profile)?.and_then(|mut section| section.remove("region"));
        let place = format!("region of the profile {profile:?}");
        region.map(|region| region_of(&place, &region)).transpose()
    }

    /// The address for buckets that no file gives one: `AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`.
    pub fn endpoint(&self) -> Option<&str> {
        self.get("AWS_ENDPOINT_URL_S3").or_else(|| self.get("AWS_ENDPOINT_URL"))
    }

    /// The variable that [`endpoint`](Self::endpoint) comes from, for messages.
    pub fn endpoint_variable(&self) -> &'static str {
        let own = "AWS_ENDPOINT_URL_S3";
        if self.get(own).is_some() { own } else { "AWS_ENDPOINT_URL" }
    }

    /// The address of the token service, when it is not AWS's.
    pub(super) fn token_service(&self) -> Option<&str> {
        self.get("AWS_ENDPOINT_URL_STS").or_else(|| self.get("AWS_ENDPOINT_URL"))
    }

    /// `AWS_CA_BUNDLE`: PEM of authorities for the endpoint. Errors: it cannot be read.
    pub fn ca_bundle(&self) -> Result<Option<Vec<u8>>, CredentialsError> {
        self.get("AWS_CA_BUNDLE").map(|path| read(path.as_ref())).transpose()
    }

    /// Who the user is at the endpoint `host`, by the one place that `source` names; `login` is
    /// auth.json's entry for the host.
    ///
    /// Errors: it has none, or half a pair, or they have expired.
    pub fn caller(
        &self,
        host: &str,
        source: &CredentialSource,
        login: Option<&auth::Credentials>,
    ) -> Result<Caller, CredentialsError> {
        let found = match source {
            CredentialSource::Aws => return self.anywhere(host, login),
            CredentialSource::Anonymous => return Ok(Caller::nobody()),
            CredentialSource::Profile(profile) => return self.named(profile),
            CredentialSource::Environment => {
                (self.environment()?, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
            }
            CredentialSource::WebIdentity => {
                (self.web_identity()?, "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN")
            }
            CredentialSource::AuthFile => (from_login(host, login)?, "entry in auth.json"),
        };
        let (caller, wanted) = found;
        caller.ok_or_else(|| CredentialsError::Missing { host: host.to_owned(), wanted })
    }

    fn anywhere(
        &self,
        host: &str,
        login: Option<&auth::Credentials>,
    ) -> Result<Caller, CredentialsError> {
        if let Some(caller) = self.environment()? {
            return Ok(caller);
        }
        if let Some(profile) = self.get("AWS_PROFILE") {
            return self.named(profile);
        }
        if let Some(caller) = from_login(host, login)? {
            return Ok(caller);
        }
        if let Some(caller) = self.web_identity()? {
            return Ok(caller);
        }
        match self.profile("default")? {
            Some(section) => Ok(self.of_profile("default", &section)?.unwrap_or(Caller::nobody())),
            None => Ok(Caller::nobody()),
        }
    }

    fn web_identity(&self) -> Result<Option<Caller>, CredentialsError> {
        let Some(file) = self.get("AWS_WEB_IDENTITY_TOKEN_FILE") else { return Ok(None) };
        let role = self.get("AWS_ROLE_ARN").ok_or_else(|| CredentialsError::Half {
            place: "the environment".to_owned(),
            has: "AWS_WEB_IDENTITY_TOKEN_FILE",
            lacks: "AWS_ROLE_ARN",
        })?;
        let session = self.get("AWS_ROLE_SESSION_NAME").unwrap_or("bolt");
        Ok(Some(web(file, role, session, file.to_owned())))
    }

    fn environment(&self) -> Result<Option<Caller>, CredentialsError> {
        let place = "the environment".to_owned();
        let (id, secret) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
        match (self.get(id), self.get(secret)) {
            (Some(id), Some(secret)) => {
                if let Some(at) = self.get("AWS_CREDENTIAL_EXPIRATION") {
                    not_expired(&place, at)?;
                }
                keys(place, id, secret, self.get("AWS_SESSION_TOKEN")).map(Some)
            }
            (Some(_), None) => Err(CredentialsError::Half { place, has: id, lacks: secret }),
            (None, Some(_)) => Err(CredentialsError::Half { place, has: secret, lacks: id }),
            (None, None) => Ok(None),
        }
    }

    fn named(&self, profile: &str) -> Result<Caller, CredentialsError> {
        let missing = || CredentialsError::NoProfile {
            profile: profile.to_owned(),
            credentials: self.credentials_file(),
            config: self.config_file(),
        };
        let section = self.profile(profile)?.ok_or_else(missing)?;
        self.of_profile(profile, &section)?.ok_or_else(|| CredentialsError::Half {
            place: format!("the profile {profile:?}"),
            has: "a region or other settings",
            lacks: "aws_access_key_id",
        })
    }

    fn of_profile(
        &self,
        profile: &str,
        section: &BTreeMap<String, String>,
    ) -> Result<Option<Caller>, CredentialsError> {
        let place = format!("the profile {profile:?}");
        let (id, secret) = ("aws_access_key_id", "aws_secret_access_key");
        let get = |name: &str| section.get(name).map(String::as_str).filter(|v| !v.is_empty());
        match (get(id), get(secret)) {
            (Some(key), Some(value)) => keys(place, key, value, get("aws_session_token")).map(Some),
            (Some(_), None) => Err(CredentialsError::Half { place, has: id, lacks: secret }),
            (None, Some(_)) => Err(CredentialsError::Half { place, has: secret, lacks: id }),
            (None, None) => match (get("web_identity_token_file"), get("role_arn")) {
                (Some(file), Some(role)) => {
                    let session = get("role_session_name").unwrap_or("bolt");
                    Ok(Some(web(file, role, session, place)))
                }
                (Some(_), None) => Err(CredentialsError::Half {
                    place,
                    has: "web_identity_token_file",
                    lacks: "role_arn",
                }),
                _ => Ok(None),
            },
        }
    }

    /// Both files' settings of a profile; the credentials file's count first.
    fn profile(&self, name: &str) -> Result<Option<BTreeMap<String, String>>, CredentialsError> {
        let in_config = match name {
            "default" => "default".to_owned(),
            name => format!("profile {name}"),
        };
        let mut found = section(&self.config_file(), &in_config)?;
        if let Some(secret) = section(&self.credentials_file(), name)? {
            found.get_or_insert_default().extend(secret);
        }
        Ok(found)
    }

    fn credentials_file(&self) -> PathBuf {
        let named = self.get("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
        named.unwrap_or_else(|| self.home.join(".aws/credentials"))
    }

    fn config_file(&self) -> PathBuf {
        let named = self.get("AWS_CONFIG_FILE").map(PathBuf::from);
        named.unwrap_or_else(|| self.home.join(".aws/config"))
    }
}

/// The keys that `bolt login HOST` kept.
fn from_login(
    host: &str,
    login: Option<&auth::Credentials>,
) -> Result<Option<Caller>, CredentialsError> {
    match login {
        Some(auth::Credentials::Password { username, password }) => {
            let place = format!("auth.json's entry for {host}");
            keys(place, username, password.expose(), None).map(Some)
        }
        Some(auth::Credentials::IdentityToken(_)) => {
            Err(CredentialsError::Token { host: host.to_owned() })
        }
        None => Ok(None),
    }
}

/// A section of a file of AWS's; `None` when the file or the section is not there.
fn section(path: &Path, name: &str) -> Result<Option<BTreeMap<String, String>>, CredentialsError> {
    let bytes = match read(path) {
        Ok(bytes) => bytes,
        Err(CredentialsError::Read { source, .. })
            if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        Err(e) => return Err(e),
    };
    ini::section(&String::from_utf8_lossy(&bytes), name)
        .map_err(|(line, reason)| CredentialsError::Syntax { path: path.to_owned(), line, reason })
}

/// A whole small file.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, CredentialsError> {
    let fault = |source| CredentialsError::Read { path: path.to_owned(), source };
    small::read_at_most(path, FILE_MAX).map_err(fault)
}

fn not_expired(place: &str, at: &str) -> Result<(), CredentialsError> {
    match clock::rfc3339(at) {
        Some(time) if time <= clock::now() => {
            let at = at.chars().filter(|c| !c.is_control()).take(40).collect();
            Err(CredentialsError::Expired { place: place.to_owned(), at })
        }
        _ => Ok(()),
    }
}

fn keys(
    place: String,
    id: &str,
    secret: &str,
    token: Option<&str>,
) -> Result<Caller, CredentialsError> {
    let parts = [("the access key", Some(id)), ("the session token", token)];
    for (name, value) in parts {
        if value.is_some_and(|v| v.chars().any(|c| !c.is_ascii_graphic())) {
            return Err(CredentialsError::Characters { place, name });
        }
    }
    let identity = Identity::Keys(Keys {
        access_key: id.to_owned(),
        secret: Secret::new(secret),
        token: token.map(Secret::new),
    });
    Ok(Caller { identity, place })
}

fn web(file: &str, role: &str, session: &str, place: String) -> Caller {
    let (role, session) = (role.to_owned(), session.to_owned());
    let identity = Identity::Web(WebIdentity { token_file: file.into(), role, session });
    Caller { identity, place }
}

/// `region` where it may be one; `place` is where it stands.
fn region_of(place: &str, region: &str) -> Result<String, CredentialsError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if (1..=64).contains(&region.len()) && region.chars().all(plain) && !region.contains("..") {
        return Ok(region.to_owned());
    }
    let (place, region) = (place.to_owned(), foreign(region, 60));
    Err(CredentialsError::Region { place, region })
}

#[cfg(test)]
mod tests;
