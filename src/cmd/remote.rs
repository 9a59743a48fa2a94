//! What verbs that write to registries, or read artifacts from them, have in common.

use crate::cmd::buckets;
use crate::cmd::pull::{Access, Sources};
use crate::image::config::auth::{Credentials, Secret};
use crate::image::config::drift::{DriftConfig, KeyTemplate};
use crate::image::config::registries::HostTrust;
use crate::image::progress::Progress;
use crate::image::push::{BucketPlace, Destination, Folder, RegistryPlace, Tarball};
use crate::image::reference::{DriftName, ImageName, LayoutImage, Reference};
use crate::image::registry::{Endpoint, Host, Patience, Repository, Rights};
use crate::image::types::Digest;
use crate::sys::atomic;
use anyhow::{Context, bail};
use rustix::fs::{Mode, OFlags};
use std::path::{Path, PathBuf};

/// How a registry is reached to write to it.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Way {
    /// Path of the credentials file
    #[arg(long, value_name = "FILE")]
    authfile: Option<PathBuf>,
    /// Directory with certificates of the registry
    #[arg(long, value_name = "DIR")]
    cert_dir: Option<PathBuf>,
    /// User name and password instead of those of `bolt login`. Other users can see them in the
    /// list of processes
    #[arg(long, value_name = "USER:PASSWORD")]
    creds: Option<Creds>,
    /// How often a request that may pass is tried again
    #[arg(long, value_name = "N")]
    retry: Option<u32>,
    /// Verify certificates of registries
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    tls_verify: Option<bool>,
}

/// `USER:PASSWORD`, never shown: it is looked at behind the command line's parser, whose errors
/// repeat what they do not take.
#[derive(Clone)]
struct Creds(Secret);

impl std::fmt::Debug for Creds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Creds(…)")
    }
}

impl std::str::FromStr for Creds {
    type Err = std::convert::Infallible;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Creds(Secret::new(text)))
    }
}

impl Creds {
    fn read(&self) -> anyhow::Result<Credentials> {
        let parts = self.0.expose().split_once(':');
        let (username, password) = parts.filter(|(u, p)| !u.is_empty() && !p.is_empty()).context(
            "--creds: a user name and a password with a colon between them are wanted; \
                 or use `bolt login`",
        )?;
        let (username, password) = (username.to_owned(), Secret::new(password));
        Ok(Credentials::Password { username, password })
    }
}

impl Way {
    /// The part that reading the configuration needs.
    pub fn access(&self) -> Access {
        Access {
            platform: None,
            authfile: self.authfile.clone(),
            tls_verify: self.tls_verify,
            cert_dir: self.cert_dir.clone(),
            retry: self.retry,
        }
    }

    /// The same way as whoever `bolt login` made us: for another registry than the one that
    /// `--creds` is for.
    #[must_use]
    pub fn without_credentials(&self) -> Way {
        Way { creds: None, ..self.clone() }
    }

    /// A repository, with the rights that are needed there. Nothing is sent yet.
    ///
    /// Names are not rewritten and mirrors not asked: what is written goes where it was sent to.
    pub fn repository<'p>(
        &self,
        sources: &Sources,
        reference: Reference,
        rights: Rights,
        progress: &'p dyn Progress,
    ) -> anyhow::Result<Repository<'p>> {
        let reference = reference.with_default_tag();
        // Says so where the registry is blocked. Its own place comes behind its mirrors.
        let own = sources.registries.resolve(&reference)?.into_iter().find(|place| !place.mirror);
        let (insecure, ca) = own.map_or((false, None), |place| (place.insecure, place.ca));
        let host = reference.registry();
        let credentials = match &self.creds {
            Some(given) => Some(given.read()?),
            None => sources.auth.lookup(host, reference.repository())?,
        };
        let insecure = self.tls_verify.map_or(insecure, |verify| !verify);
        let certs = sources.certs.load_with(host, &ca)?;
        let endpoint = Endpoint { reference, insecure, credentials, certs };
        let proxies = &sources.proxies;
        let repository = Repository::open(endpoint, rights, proxies, &self.patience(), progress)?;
        Ok(repository.with_journal(&sources.pushes))
    }

    /// A registry as a whole.
    pub fn host<'p>(
        &self,
        sources: &Sources,
        registry: &str,
        progress: &'p dyn Progress,
    ) -> anyhow::Result<Host<'p>> {
        let credentials = match &self.creds {
            Some(given) => Some(given.read()?),
            None => sources.auth.lookup(registry, "")?,
        };
        let HostTrust { insecure, ca } = sources.registries.host(registry);
        let insecure = self.tls_verify.map_or(insecure, |verify| !verify);
        let certs = sources.certs.load_with(registry, &ca)?;
        let (proxies, patience) = (&sources.proxies, self.patience());
        Ok(Host::open(registry, insecure, credentials, certs, proxies, &patience, progress)?)
    }

    fn patience(&self) -> Patience {
        let mut patience = Patience::default();
        if let Some(retries) = self.retry {
            patience.retries = retries;
        }
        patience
    }

    /// The place that a name means. `own` is what the image is called here.
    pub fn destination<'p>(
        &self,
        sources: &Sources,
        name: ImageName,
        own: &str,
        progress: &'p dyn Progress,
    ) -> anyhow::Result<Box<dyn Destination + 'p>> {
        let inside = |image: Option<LayoutImage>| match image {
            None => Ok(None),
            Some(LayoutImage::Name(name)) => Ok(Some(name)),
            Some(_) => bail!("an image gets a name in a layout, not a position or a digest"),
        };
        Ok(match name {
            ImageName::Docker(reference) => {
                let repository = self.repository(sources, reference, Rights::Push, progress)?;
                Box::new(RegistryPlace::new(repository))
            }
            ImageName::OciLayout { path, image } => Box::new(Folder::open(&path, inside(image)?)?),
            ImageName::OciArchive { path, image } => {
                Box::new(Tarball::create(&path, inside(image)?)?)
            }
            ImageName::S3(name) => {
                let place = buckets::of(sources, &name, true)?;
                if place.template != KeyTemplate::oci() {
                    bail!(
                        "{name} has the blobs of registries (its key is {}), not images by their \
                         names; fill it with `bolt mirror sync IMAGE {name}`",
                        place.template
                    );
                }
                let image = inside(name.image().cloned())?.unwrap_or_else(|| own.to_owned());
                let (patience, uploads) = (self.patience(), &sources.uploads);
                let how = (&sources.aws, &sources.proxies, &patience);
                Box::new(BucketPlace::new(place, image, how, uploads, progress)?)
            }
            ImageName::Drift(name) => bail!("{name} is resolved to one variant; push to HOST/NAME"),
            ImageName::Short(name) => bail!("{name}: no registry to push to"),
            ImageName::Id(id) => bail!("{id} is an image id, not a place to push to"),
        })
    }
}

/// The place in a registry that a name means: HOST/NAME, docker://, bolt:// or drift://.
///
/// Errors: no such name; a range of versions, which means none in particular.
pub fn place_of(text: &str, drift: &DriftConfig) -> anyhow::Result<Reference> {
    if let Some(name) = text.strip_prefix("docker://") {
        return Ok(Reference::parse_docker(name)?);
    }
    if !text.starts_with("bolt://") && !text.starts_with("drift://") {
        return Ok(Reference::parse(text)?);
    }
    let name = DriftName::parse(text)?;
    if name.range().is_some() {
        bail!("{name}: a range means no version in particular; write a tag");
    }
    Ok(drift.place(&name)?)
}

/// `--digestfile`.
pub fn write_digest(file: Option<&Path>, digest: &Digest) -> anyhow::Result<()> {
    file.map_or(Ok(()), |file| write_whole(file, digest.as_str().as_bytes()))
}

/// Writes a file that the user named, in one step.
pub fn write_whole(file: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let name = file.file_name().and_then(|n| n.to_str());
        let name = name.ok_or(std::io::ErrorKind::InvalidFilename)?;
        let parent = file.parent().filter(|p| !p.as_os_str().is_empty());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let dir = rustix::fs::open(parent.unwrap_or(Path::new(".")), flags, Mode::empty())?;
        atomic::write(&dir, name, bytes, atomic::Sync::Fast)
    };
    write().with_context(|| format!("write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_and_never_shown() {
        let creds: Creds = "me:can:ary".parse().unwrap();
        assert!(matches!(creds.read().unwrap(), Credentials::Password { username, password }
            if username == "me" && password.expose() == "can:ary"));
        assert!(!format!("{creds:?}").contains("ary"));
        for bad in ["", "me", "me:", ":canary"] {
            let error = bad.parse::<Creds>().unwrap().read().unwrap_err().to_string();
            assert!(!error.contains("canary"), "{error}");
        }
    }
}
