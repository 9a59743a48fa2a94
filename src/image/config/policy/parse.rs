//! The text of a policy.json: every key known, every value possible, or nothing is used.

use super::{Policy, PolicyError, Requirement, Requirements};
use crate::image::config::json::Strict;
use crate::image::config::lower_host;
use std::collections::BTreeMap;
use std::path::Path;

/// The ways to name simple-signing keys; exactly one is given.
const SIGNED_BY_KEYS: &[&str] = &["keyPath", "keyPaths", "keyData"];
/// The ways to name sigstore keys; exactly one is given.
const SIGSTORE_KEYS: &[&str] = &["keyPath", "keyPaths", "keyData", "keyDatas", "fulcio", "pki"];
/// The ways to name keys of the transparency log; at most one is given.
const REKOR_KEYS: &[&str] =
    &["rekorPublicKeyPath", "rekorPublicKeyPaths", "rekorPublicKeyData", "rekorPublicKeyDatas"];

pub(super) fn policy(file: &Path, text: &str) -> Result<Policy, PolicyError> {
    let root: Strict = serde_json::from_str(text)
        .map_err(|source| PolicyError::Syntax { file: file.to_owned(), source })?;
    let read = || -> Result<_, Fault> {
        let mut root = Object::of("the file", root)?;
        let default = root.need("default")?;
        let default = requirements(&root.path("default"), default)?;
        let mut transports = BTreeMap::new();
        if let Some(value) = root.take("transports") {
            for (name, scopes) in Object::of("transports", value)?.members {
                let scopes = scopes_of(&name, scopes)?;
                transports.insert(name, scopes);
            }
        }
        root.end()?;
        Ok(Policy { file: Some(file.to_owned()), default, transports })
    };
    read().map_err(|Fault { at, reason }| PolicyError::Key { file: file.to_owned(), at, reason })
}

fn scopes_of(transport: &str, value: Strict) -> Result<BTreeMap<String, Requirements>, Fault> {
    let at = format!("transports.{}", short(transport));
    let mut found = BTreeMap::new();
    for (scope, value) in Object::of(&at, value)?.members {
        let at = format!("{at}[{:?}]", short(&scope));
        let value = requirements(&at, value)?;
        let scope = match transport {
            "docker" | "atomic" => docker_scope(&at, &scope)?,
            "oci" | "oci-archive" | "dir" | "docker-archive" => path_scope(&at, scope)?,
            _ => scope,
        };
        if found.insert(scope, value).is_some() {
            return fault(&at, "the same host stands in another scope in other letter case");
        }
    }
    Ok(found)
}

/// Hosts are compared in lower case. A scope that cannot match any image is refused: it would
/// silently not protect what it was written for.
fn docker_scope(at: &str, scope: &str) -> Result<String, Fault> {
    let inner = scope.strip_prefix("*.").unwrap_or(scope);
    if inner.contains('*') || (inner.len() < scope.len() && inner.contains(['/', ':', '@'])) {
        return fault(at, "a wildcard scope is \"*.\" and a host name, nothing else");
    }
    if scope.contains("://") || scope.ends_with('/') {
        return fault(
            at,
            "a scope is HOST[:PORT][/PATH][:TAG|@DIGEST], without scheme and without \
                          a slash at its end",
        );
    }
    Ok(lower_host(scope))
}

fn path_scope(at: &str, scope: String) -> Result<String, Fault> {
    if scope == "/" {
        return fault(at, "\"/\" is no scope; use \"\" for everything of the transport");
    }
    if !scope.is_empty() && !scope.starts_with('/') {
        return fault(at, "a scope of this transport is an absolute path");
    }
    Ok(scope)
}

fn requirements(at: &str, value: Strict) -> Result<Requirements, Fault> {
    let Strict::Array(items) = value else {
        return fault(at, format!("it must be an array of requirements, not {}", value.kind()));
    };
    if items.is_empty() {
        return fault(
            at,
            "the array is empty; {\"type\": \"insecureAcceptAnything\"} or \
                          {\"type\": \"reject\"} says what is meant",
        );
    }
    let numbered = items.into_iter().enumerate();
    numbered.map(|(n, item)| requirement(&format!("{at}[{n}]"), item)).collect()
}

fn requirement(at: &str, value: Strict) -> Result<Requirement, Fault> {
    let mut object = Object::of(at, value)?;
    let kind = object.text("type")?;
    let requirement = match kind.as_str() {
        "insecureAcceptAnything" => Requirement::AcceptAnything,
        "reject" => Requirement::Reject,
        "signedBy" => {
            signed_by(&mut object)?;
            Requirement::SignedBy
        }
        "signedBaseLayer" => {
            let identity = object.need("baseLayerIdentity")?;
            signed_identity(&object.path("baseLayerIdentity"), identity)?;
            Requirement::SignedBaseLayer
        }
        "sigstoreSigned" => {
            sigstore_signed(&mut object)?;
            Requirement::SigstoreSigned
        }
        other => {
            let reason = format!(
                "{:?} is not one of insecureAcceptAnything, reject, signedBy, signedBaseLayer, \
                 sigstoreSigned",
                short(other)
            );
            return fault(&object.path("type"), reason);
        }
    };
    object.end()?;
    Ok(requirement)
}

fn signed_by(object: &mut Object) -> Result<(), Fault> {
    let kind = object.text("keyType")?;
    let known = ["GPGKeys", "signedByGPGKeys", "X509Certificates", "signedByX509CAs"];
    if !known.contains(&kind.as_str()) {
        let reason = format!("{:?} is not one of {}", short(&kind), known.join(", "));
        return fault(&object.path("keyType"), reason);
    }
    object.key_source(SIGNED_BY_KEYS, true)?;
    object.identity()
}

fn sigstore_signed(object: &mut Object) -> Result<(), Fault> {
    let source = object.key_source(SIGSTORE_KEYS, true)?;
    if let Some((key @ ("fulcio" | "pki"), value)) = source {
        let mut inner = Object::of(&object.path(key), value)?;
        if key == "fulcio" {
            inner.key_source(&["caPath", "caData"], true)?;
            inner.text("oidcIssuer")?;
            inner.text("subjectEmail")?;
        } else {
            inner.key_source(&["caRootsPath", "caRootsData"], true)?;
            inner.key_source(&["caIntermediatesPath", "caIntermediatesData"], false)?;
            let email = inner.optional_text("subjectEmail")?;
            let host = inner.optional_text("subjectHostname")?;
            if email.is_none() && host.is_none() {
                return fault(&inner.at, "subjectEmail or subjectHostname must be given");
            }
        }
        inner.end()?;
        object.key_source(REKOR_KEYS, key == "fulcio")?;
    } else {
        object.key_source(REKOR_KEYS, false)?;
    }
    object.identity()
}

fn signed_identity(at: &str, value: Strict) -> Result<(), Fault> {
    let mut object = Object::of(at, value)?;
    let kind = object.text("type")?;
    let fields: &[&str] = match kind.as_str() {
        "matchExact" | "matchRepoDigestOrExact" | "matchRepository" => &[],
        "exactReference" => &["dockerReference"],
        "exactRepository" => &["dockerRepository"],
        "remapIdentity" => &["prefix", "signedPrefix"],
        other => {
            let reason = format!(
                "{:?} is not one of matchExact, matchRepoDigestOrExact, matchRepository, \
                 exactReference, exactRepository, remapIdentity",
                short(other)
            );
            return fault(&object.path("type"), reason);
        }
    };
    for field in fields {
        object.text(field)?;
    }
    object.end()
}

/// A fault without the file's name, which only the outermost function knows.
struct Fault {
    at: String,
    reason: String,
}

fn fault<T>(at: &str, reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault { at: at.to_owned(), reason: reason.into() })
}

fn short(text: &str) -> String {
    text.chars().take(100).collect()
}

/// The members of one object that were not read yet, and where it stands.
struct Object {
    at: String,
    members: Vec<(String, Strict)>,
}

impl Object {
    fn of(at: &str, value: Strict) -> Result<Self, Fault> {
        match value {
            Strict::Object(members) => Ok(Self { at: at.to_owned(), members }),
            other => fault(at, format!("it must be an object, not {}", other.kind())),
        }
    }

    fn path(&self, key: &str) -> String {
        if self.at == "the file" { short(key) } else { format!("{}.{}", self.at, short(key)) }
    }

    fn take(&mut self, key: &str) -> Option<Strict> {
        let n = self.members.iter().position(|(name, _)| name == key)?;
        Some(self.members.swap_remove(n).1)
    }

    fn need(&mut self, key: &str) -> Result<Strict, Fault> {
        self.take(key).map_or_else(|| fault(&self.path(key), "it is missing"), Ok)
    }

    fn optional_text(&mut self, key: &str) -> Result<Option<String>, Fault> {
        match self.take(key) {
            None => Ok(None),
            Some(Strict::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(Strict::String(_)) => fault(&self.path(key), "it is empty"),
            Some(other) => {
                fault(&self.path(key), format!("it must be a string, not {}", other.kind()))
            }
        }
    }

    fn text(&mut self, key: &str) -> Result<String, Fault> {
        let text = self.optional_text(key)?;
        text.map_or_else(|| fault(&self.path(key), "it is missing"), Ok)
    }

    /// One of several keys that exclude each other: strings, or arrays of them for names in the
    /// plural. `fulcio` and `pki` are left for the caller to check.
    fn key_source(
        &mut self,
        keys: &'static [&'static str],
        needed: bool,
    ) -> Result<Option<(&'static str, Strict)>, Fault> {
        let mut found: Option<(&'static str, Strict)> = None;
        for key in keys {
            let Some(value) = self.take(key) else { continue };
            if let Some((other, _)) = &found {
                return fault(&self.path(key), format!("it excludes {other}; give one of the two"));
            }
            let good = match (&value, *key) {
                (_, "fulcio" | "pki") => true,
                (Strict::Array(items), key) if key.ends_with('s') => {
                    !items.is_empty() && items.iter().all(|i| matches!(i, Strict::String(_)))
                }
                (Strict::String(text), key) => !key.ends_with('s') && !text.is_empty(),
                _ => false,
            };
            if !good {
                let wanted = if key.ends_with('s') { "strings in an array" } else { "a string" };
                return fault(&self.path(key), format!("it must be {wanted}, and not empty"));
            }
            found = Some((key, value));
        }
        if found.is_none() && needed {
            return fault(&self.at, format!("one of {} must be given", keys.join(", ")));
        }
        Ok(found)
    }

    fn identity(&mut self) -> Result<(), Fault> {
        match self.take("signedIdentity") {
            Some(value) => signed_identity(&self.path("signedIdentity"), value),
            None => Ok(()),
        }
    }

    fn end(self) -> Result<(), Fault> {
        match self.members.first() {
            None => Ok(()),
            Some((key, _)) => fault(&self.path(key), "the key is unknown"),
        }
    }
}
