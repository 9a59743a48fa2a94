//! certs.d: extra certificate authorities and client certificates of one registry
//! (containers-certs.d(5)).

use super::{FileError, read_bytes};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why a certificate directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertsError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The directory cannot be listed.
    #[error("list {}", dir.display())]
    List {
        /// The directory of the registry.
        dir: PathBuf,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// Half a pair.
    #[error("{} has no {} beside it; {hint}", file.display(), partner.display())]
    Partner {
        /// The file that is there.
        file: PathBuf,
        /// The file name that is missing.
        partner: PathBuf,
        /// What may have been meant.
        hint: &'static str,
    },
    /// Something else under a certificate's name.
    #[error("{} holds no PEM block ({wanted})", file.display())]
    NotPem {
        /// The file.
        file: PathBuf,
        /// The first line that was looked for.
        wanted: &'static str,
    },
    /// A name that is no directory name.
    #[error("{0:?} is not HOST or HOST:PORT")]
    Host(String),
}

/// A client certificate and its private key, both PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientPair {
    /// The certificate chain.
    pub cert: Vec<u8>,
    /// The private key.
    pub key: Vec<u8>,
}

impl fmt::Debug for ClientPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientPair {{ cert: {} bytes, key: *** }}", self.cert.len())
    }
}

/// What certs.d says about one registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostCerts {
    /// PEM files of additional authorities (`*.crt`), by file name.
    pub ca: Vec<Vec<u8>>,
    /// Client pairs (`*.cert` with `*.key`), by file name.
    pub client: Vec<ClientPair>,
}

/// The certs.d directories in the order they are looked through.
#[derive(Debug, Clone)]
pub struct CertDirs {
    bases: Vec<PathBuf>,
    /// The directory itself holds the files, for whatever host.
    exact: bool,
}

impl CertDirs {
    /// One directory that holds the files of every registry by itself (`--cert-dir`).
    pub fn only(dir: &Path) -> Self {
        CertDirs { bases: vec![dir.to_owned()], exact: true }
    }

    /// The user's (`CONFIG_HOME/containers/certs.d`), then `containers/certs.d` and
    /// `docker/certs.d` below `system` (`/etc`).
    pub fn new(home_config: &Path, system: &Path) -> Self {
        let bases = vec![
            home_config.join("containers/certs.d"),
            system.join("containers/certs.d"),
            system.join("docker/certs.d"),
        ];
        Self { bases, exact: false }
    }

    /// Reads the first directory that has an entry for `host[:port]`; the others do not count.
    /// A directory the user may not enter is passed over (`/etc/docker` often is root's).
    pub fn load(&self, host: &str) -> Result<HostCerts, CertsError> {
        // The name becomes a path component; `Reference` lets none of these through.
        if host.is_empty() || host == "." || host == ".." || host.contains(['/', '\0']) {
            return Err(CertsError::Host(host.chars().take(100).collect()));
        }
        for base in &self.bases {
            let dir = if self.exact { base.clone() } else { base.join(host) };
            match std::fs::read_dir(&dir) {
                Ok(entries) => return read_dir(&dir, entries),
                Err(e) if passed_over(&e) => {}
                Err(source) => return Err(CertsError::List { dir, source }),
            }
        }
        Ok(HostCerts::default())
    }

    /// The same with the authorities that registries.toml names besides: PEM files.
    pub fn load_with<'a>(
        &self,
        host: &str,
        authorities: impl IntoIterator<Item = &'a PathBuf>,
    ) -> Result<HostCerts, CertsError> {
        let mut certs = self.load(host)?;
        for file in authorities {
            certs.ca.push(read_ca(file)?);
        }
        Ok(certs)
    }
}

/// Reads the PEM file of one authority.
fn read_ca(file: &Path) -> Result<Vec<u8>, CertsError> {
    match file.try_exists() {
        Ok(false) => {
            let source = io::Error::from(io::ErrorKind::NotFound);
            Err(FileError::Read { path: file.to_owned(), source }.into())
        }
        _ => pem(file, "-----BEGIN CERTIFICATE-----"),
    }
}

fn passed_over(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound, PermissionDenied};
    matches!(error.kind(), NotFound | NotADirectory | PermissionDenied)
}

fn read_dir(dir: &Path, entries: std::fs::ReadDir) -> Result<HostCerts, CertsError> {
    let mut files = Vec::new();
    for entry in entries {
        files
            .push(entry.map_err(|source| CertsError::List { dir: dir.to_owned(), source })?.path());
    }
    files.sort();
    let mut certs = HostCerts::default();
    for file in &files {
        match file.extension().and_then(|ext| ext.to_str()) {
            Some("crt") => certs.ca.push(pem(file, "-----BEGIN CERTIFICATE-----")?),
            Some("cert") => {
                let hint = "a certificate authority's file is named *.crt";
                let key = partner(&files, file, "key", hint)?;
                certs.client.push(ClientPair {
                    cert: pem(file, "-----BEGIN CERTIFICATE-----")?,
                    key: pem(&key, "-----BEGIN ")?,
                });
            }
            Some("key") => {
                partner(&files, file, "cert", "the client certificate is named *.cert")?;
            }
            _ => {}
        }
    }
    Ok(certs)
}

fn partner(
    files: &[PathBuf],
    file: &Path,
    extension: &str,
    hint: &'static str,
) -> Result<PathBuf, CertsError> {
    let path = file.with_extension(extension);
    if files.contains(&path) {
        return Ok(path);
    }
    let partner = path.file_name().unwrap_or_default().into();
    Err(CertsError::Partner { file: file.to_owned(), partner, hint })
}

fn pem(file: &Path, wanted: &'static str) -> Result<Vec<u8>, CertsError> {
    let bytes = read_bytes(file)?.unwrap_or_default();
    if bytes.windows(wanted.len()).any(|window| window == wanted.as_bytes()) {
        return Ok(bytes);
    }
    Err(CertsError::NotPem { file: file.to_owned(), wanted })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const CERT: &str = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";
    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n";

    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let dir =
                std::env::temp_dir().join(format!("bolt-certs-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&dir);
            fs::create_dir_all(&dir).unwrap();
            Self(dir)
        }
        fn put(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fn load(&self, host: &str) -> Result<HostCerts, CertsError> {
            CertDirs::new(&self.0.join("home"), &self.0.join("etc")).load(host)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_first_directory_with_the_host_counts() {
        let tree = Tree::new("order");
        assert_eq!(tree.load("r.io").unwrap(), HostCerts::default());
        tree.put("etc/docker/certs.d/r.io:5000/ca.crt", CERT);
        assert_eq!(tree.load("r.io").unwrap(), HostCerts::default());
        assert_eq!(tree.load("r.io:5000").unwrap().ca.len(), 1);
        tree.put("etc/containers/certs.d/r.io:5000/a.crt", CERT);
        tree.put("etc/containers/certs.d/r.io:5000/b.crt", CERT);
        assert_eq!(tree.load("r.io:5000").unwrap().ca.len(), 2);
        tree.put("home/containers/certs.d/r.io:5000/client.cert", CERT);
        tree.put("home/containers/certs.d/r.io:5000/client.key", KEY);
        tree.put("home/containers/certs.d/r.io:5000/README", "text");
        let certs = tree.load("r.io:5000").unwrap();
        assert!(certs.ca.is_empty());
        assert_eq!(certs.client, [ClientPair { cert: CERT.into(), key: KEY.into() }]);
        assert!(!format!("{certs:?}").contains("PRIVATE"), "a key must not be shown");
    }

    #[test]
    fn half_pairs_and_other_files_are_named() {
        let tree = Tree::new("pairs");
        tree.put("etc/containers/certs.d/a/client.cert", CERT);
        let text = tree.load("a").unwrap_err().to_string();
        assert!(text.contains("client.cert has no client.key") && text.contains("*.crt"), "{text}");
        tree.put("etc/containers/certs.d/b/client.key", KEY);
        let text = tree.load("b").unwrap_err().to_string();
        assert!(text.contains("client.key has no client.cert"), "{text}");
        tree.put("etc/containers/certs.d/c/ca.crt", "0\u{1}\0DER");
        assert!(matches!(tree.load("c"), Err(CertsError::NotPem { .. })));
        fs::create_dir_all(tree.0.join("etc/containers/certs.d/d/ca.crt")).unwrap();
        assert!(matches!(tree.load("d"), Err(CertsError::File(FileError::Read { .. }))));
    }

    #[test]
    fn hosts_cannot_leave_the_directory() {
        let tree = Tree::new("escape");
        tree.put("etc/x.crt", CERT);
        for host in ["", ".", "..", "../..", "a/b", "a\0b", "/etc"] {
            assert!(matches!(tree.load(host), Err(CertsError::Host(_))), "{host:?}");
        }
    }
}
