//! policy.json: which images may be used at all (containers-policy.json(5)).
//!
//! The file is read strictly: an unknown, missing or repeated key rejects all of it, so that a
//! typing error never opens what was meant to be closed.

mod parse;
#[cfg(test)]
mod tests;

use super::{FileError, Search, read_text};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Why a policy cannot be used, or an image may not.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file that was asked for is not there.
    #[error("the signature policy {} does not exist", file.display())]
    Missing {
        /// The file.
        file: PathBuf,
    },
    /// No JSON, or a repeated key.
    #[error("{} is rejected as a whole: it is not valid JSON", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The parser's words with line and column.
        #[source]
        source: serde_json::Error,
    },
    /// A key is unknown, missing, or has an impossible value.
    #[error("{} is rejected as a whole: {at}: {reason}", file.display())]
    Key {
        /// The file.
        file: PathBuf,
        /// Path of the key, such as `transports.docker["quay.io"][0].type`.
        at: String,
        /// What is wrong, and what to write.
        reason: String,
    },
    /// The rule for the image is `reject`.
    #[error("{image} is rejected by {rule}")]
    Rejected {
        /// `transport:scope` of the image.
        image: String,
        /// Where the rule stands.
        rule: Rule,
    },
    /// The rule wants a signature.
    #[error(
        "{image} needs a {requirement} signature ({rule}), and this version cannot check \
         signatures; use another image, or allow this scope with insecureAcceptAnything"
    )]
    Unverifiable {
        /// `transport:scope` of the image.
        image: String,
        /// The requirement's type.
        requirement: &'static str,
        /// Where the rule stands.
        rule: Rule,
    },
}

/// Where in which file a rule stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The file; `None` for the rule that holds without any file.
    pub file: Option<PathBuf>,
    /// The transport, `None` for the global default.
    pub transport: Option<String>,
    /// The scope that matched, empty for the transport's default.
    pub scope: String,
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.transport {
            None => f.write_str("the rule \"default\"")?,
            Some(name) => write!(f, "the rule for scope {:?} of transport {name:?}", self.scope)?,
        }
        match &self.file {
            Some(file) => write!(f, " of {}", file.display()),
            None => f.write_str(" that holds without a policy.json"),
        }
    }
}

/// One requirement, as far as this version acts on it. The rest was checked and dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Requirement {
    AcceptAnything,
    Reject,
    SignedBy,
    SignedBaseLayer,
    SigstoreSigned,
}

/// What must hold for every image of a scope: all of them, at least one.
type Requirements = Vec<Requirement>;

/// One policy.json.
#[derive(Debug, Clone)]
pub struct Policy {
    file: Option<PathBuf>,
    default: Requirements,
    transports: BTreeMap<String, BTreeMap<String, Requirements>>,
}

impl Policy {
    /// Reads `search.override_file`, else the user's policy.json, else the system's.
    ///
    /// Where there is none, every image is accepted. podman refuses to work then; a machine that
    /// never had containers-common would need a file that says "anything" before its first pull.
    pub fn load(search: &Search) -> Result<Self, PolicyError> {
        if let Some(file) = &search.override_file {
            return match read_text(file)? {
                Some(text) => Self::parse(file, &text),
                None => Err(PolicyError::Missing { file: file.clone() }),
            };
        }
        for file in search.places("policy.json") {
            if let Some(text) = read_text(&file)? {
                return Self::parse(&file, &text);
            }
        }
        let default = vec![Requirement::AcceptAnything];
        Ok(Self { file: None, default, transports: BTreeMap::new() })
    }

    /// Reads the text of a policy. `file` is for messages only.
    pub fn parse(file: &Path, text: &str) -> Result<Self, PolicyError> {
        parse::policy(file, text)
    }

    /// Whether an image may be used: `Ok` when every requirement of the most specific matching
    /// scope holds.
    ///
    /// `scope` is the image's own: for `docker` the full name with tag or digest
    /// (`Reference::policy_scope`), for `oci` and `oci-archive` the absolute path, with
    /// `:REFERENCE` where one was given.
    pub fn check(&self, transport: &str, scope: &str) -> Result<(), PolicyError> {
        let (requirements, rule) = self.rule(transport, scope);
        let image = || format!("{transport}:{scope}");
        for requirement in requirements {
            let requirement = match requirement {
                Requirement::AcceptAnything => continue,
                Requirement::Reject => {
                    return Err(PolicyError::Rejected { image: image(), rule });
                }
                Requirement::SignedBy => "signedBy",
                Requirement::SignedBaseLayer => "signedBaseLayer",
                Requirement::SigstoreSigned => "sigstoreSigned",
            };
            return Err(PolicyError::Unverifiable { image: image(), requirement, rule });
        }
        Ok(())
    }

    /// The most specific requirements for an image; the more general ones do not count.
    fn rule(&self, transport: &str, scope: &str) -> (&Requirements, Rule) {
        if let Some(scopes) = self.transports.get(transport) {
            let wider = match transport {
                "docker" | "atomic" => docker_scopes(scope),
                _ => path_scopes(scope),
            };
            for scope in wider {
                if let Some(requirements) = scopes.get(&scope) {
                    let transport = Some(transport.to_owned());
                    return (requirements, Rule { file: self.file.clone(), transport, scope });
                }
            }
        }
        let rule = Rule { file: self.file.clone(), transport: None, scope: String::new() };
        (&self.default, rule)
    }
}

/// `host:port/ns/repo:tag` and what holds it, narrow to wide: the repository, its namespaces, the
/// host with its port, `*.` each parent domain, everything.
fn docker_scopes(image: &str) -> Vec<String> {
    let mut scopes = vec![image.to_owned()];
    let untagged = image.split_once('@').map_or(image, |(name, _)| name);
    let slash = untagged.rfind('/').map_or(0, |slash| slash + 1);
    let mut name = match untagged[slash..].find(':') {
        Some(colon) if slash > 0 => &untagged[..slash + colon],
        _ => untagged,
    };
    loop {
        if scopes.last().is_some_and(|last| last != name) {
            scopes.push(name.to_owned());
        }
        match name.rfind('/') {
            Some(slash) => name = &name[..slash],
            None => break,
        }
    }
    // Wildcards stand for host names without a port (containers-policy.json(5), docker:).
    let mut host = name.split_once(':').map_or(name, |(host, _)| host);
    while let Some((_, parent)) = host.split_once('.') {
        scopes.push(format!("*.{parent}"));
        host = parent;
    }
    scopes.push(String::new());
    scopes
}

/// `/path:reference`, the path, its parent directories but not `/`, everything.
fn path_scopes(image: &str) -> Vec<String> {
    let mut scopes = vec![image.to_owned()];
    let mut path = image.split_once(':').map_or(image, |(path, _)| path);
    while !path.is_empty() && path != "/" {
        if scopes.last().is_some_and(|last| last != path) {
            scopes.push(path.to_owned());
        }
        path = path.rfind('/').map_or("", |slash| &path[..slash]);
    }
    scopes.push(String::new());
    scopes
}
