//! The container's environment: defaults < image < `--env-file` < `-e`.

use crate::sys::small;
use std::path::{Path, PathBuf};

/// Why an environment could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum EnvError {
    /// `-e` without a name.
    #[error("--env {0:?} has no variable name; write NAME=value")]
    NoName(String),
    /// The file could not be read.
    #[error("env file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A line of the file.
    #[error("env file {path}, line {line}: {text:?} has white space in the variable name")]
    Line {
        /// The file.
        path: PathBuf,
        /// 1-based.
        line: usize,
        /// The name.
        text: String,
    },
    /// execve(2) cannot carry it.
    #[error("environment variable {0:?} holds a NUL byte")]
    Nul(String),
}

/// An ordered set of variables; a later value replaces an earlier one in place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Env(Vec<(String, String)>);

impl Env {
    /// From `KEY=value` pairs; an entry without `=` gets an empty value.
    pub fn from_pairs(pairs: &[String]) -> Self {
        let mut env = Env::default();
        for pair in pairs {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            env.set(key, value);
        }
        env
    }
    /// Sets one variable.
    pub fn set(&mut self, key: &str, value: &str) {
        match self.0.iter_mut().find(|(k, _)| k == key) {
            Some((_, old)) => *old = value.to_owned(),
            None => self.0.push((key.to_owned(), value.to_owned())),
        }
    }
    /// Sets one variable that is not there yet.
    pub fn set_default(&mut self, key: &str, value: &str) {
        if !self.0.iter().any(|(k, _)| k == key) {
            self.0.push((key.to_owned(), value.to_owned()));
        }
    }
    /// Removes one variable.
    pub fn unset(&mut self, key: &str) {
        self.0.retain(|(k, _)| k != key);
    }
    /// One word of `-e`: `NAME=value`, `NAME` (the caller's value, none if unset), `NAME*`.
    pub fn add(&mut self, word: &str, caller: &[(String, String)]) -> Result<(), EnvError> {
        match word.split_once('=') {
            Some(("", _)) | None if word.is_empty() || word.starts_with('=') => {
                return Err(EnvError::NoName(word.to_owned()));
            }
            Some((key, value)) => self.set(key, value),
            None => match word.strip_suffix('*') {
                Some(prefix) => {
                    for (key, value) in caller.iter().filter(|(k, _)| k.starts_with(prefix)) {
                        self.set(key, value);
                    }
                }
                None => {
                    if let Some((_, value)) = caller.iter().find(|(k, _)| k == word) {
                        self.set(word, value);
                    }
                }
            },
        }
        Ok(())
    }
    /// A file of such words, `#` comments and empty lines left out (podman-run(1), `--env-file`).
    pub fn add_file(&mut self, path: &Path, caller: &[(String, String)]) -> Result<(), EnvError> {
        let text = small::read_text(path)
            .map_err(|source| EnvError::Read { path: path.to_owned(), source })?;
        for (n, line) in text.lines().enumerate() {
            let line = line.trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let name = line.split_once('=').map_or(line, |(k, _)| k).trim_end();
            if name.contains(char::is_whitespace) {
                return Err(EnvError::Line {
                    path: path.to_owned(),
                    line: n + 1,
                    text: name.to_owned(),
                });
            }
            self.add(line, caller)?;
        }
        Ok(())
    }
    /// `KEY=value` pairs, in order. An entry with NUL is refused.
    pub fn into_pairs(self) -> Result<Vec<String>, EnvError> {
        self.0
            .into_iter()
            .map(|(k, v)| {
                if k.contains('\0') || v.contains('\0') {
                    Err(EnvError::Nul(k))
                } else {
                    Ok(format!("{k}={v}"))
                }
            })
            .collect()
    }
}

/// Variables that pass from the caller by default: proxies (podman-run(1), `--http-proxy`).
pub const PROXIES: &[&str] = &[
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_values_replace_earlier_ones_in_place() {
        let caller =
            vec![("HOSTVAR".to_owned(), "1".to_owned()), ("HOSTER".to_owned(), "2".to_owned())];
        let mut env = Env::from_pairs(&["A=1".into(), "B=2".into()]);
        env.add("A=3", &caller).unwrap();
        env.add("HOSTVAR", &caller).unwrap();
        env.add("MISSING", &caller).unwrap();
        env.add("HOST*", &caller).unwrap();
        env.add("E=", &caller).unwrap();
        assert_eq!(
            env.clone().into_pairs().unwrap(),
            ["A=3", "B=2", "HOSTVAR=1", "HOSTER=2", "E="]
        );
        assert!(matches!(env.add("=x", &caller), Err(EnvError::NoName(_))));
        assert!(matches!(env.add("", &caller), Err(EnvError::NoName(_))));
    }
}
