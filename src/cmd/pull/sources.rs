//! The files and variables that say how registries and buckets are reached.

use super::Access;
use crate::cmd::drift;
use crate::image::config::Search;
use crate::image::config::auth::{AuthDirs, AuthFiles};
use crate::image::config::certs::CertDirs;
use crate::image::config::drift::DriftConfig;
use crate::image::config::policy::Policy;
use crate::image::config::registries::Registries;
use crate::image::registry::Proxies;
use crate::image::s3::credentials::AwsPlaces;
use crate::settings::{Settings, variable};
use crate::ui::print;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Everything that bears on reaching registries, read once.
#[derive(Debug)]
pub struct Sources {
    /// registries.conf.
    pub registries: Registries,
    /// registries.toml.
    pub drift: DriftConfig,
    /// auth.json.
    pub auth: AuthFiles,
    /// certs.d.
    pub certs: CertDirs,
    /// Variables and files of AWS's tools.
    pub aws: AwsPlaces,
    pub(super) policy: Policy,
    /// Proxies of the environment.
    pub proxies: Proxies,
    /// `--tls-verify`.
    tls_verify: Option<bool>,
    /// Where measurements of sources are kept.
    pub history: PathBuf,
    /// Where pushes that were broken off are noted.
    pub pushes: PathBuf,
    /// Where uploads to buckets that were broken off are noted.
    pub uploads: PathBuf,
    /// Names of stores whose trouble the user has been told.
    pub(in crate::cmd) told: RefCell<BTreeSet<String>>,
}

impl Sources {
    /// Reads the containers' configuration files.
    pub fn load(settings: &Settings, access: &Access) -> anyhow::Result<Self> {
        let search = |file: &Option<PathBuf>| Search {
            home_config: settings.dirs.config_home.clone(),
            system: "/etc".into(),
            override_file: file.clone(),
        };
        let mut registries = Registries::load(&search(&settings.registries_conf))?;
        let drift = drift::config(settings)?;
        registries.add_drift(&drift);
        for warning in registries.warnings() {
            print::warning(warning);
        }
        let auth = auth_files(settings, access.authfile.as_ref())
            .with_helpers(registries.credential_helpers());
        let certs = match &access.cert_dir {
            Some(dir) => CertDirs::only(dir),
            None => CertDirs::new(&settings.dirs.config_home, "/etc".as_ref()),
        };
        Ok(Sources {
            registries,
            drift,
            auth,
            certs,
            aws: AwsPlaces::from_variables(variable, &settings.dirs.home),
            policy: Policy::load(&search(&None))?,
            proxies: Proxies::from_variables(variable),
            tls_verify: access.tls_verify,
            history: settings.dirs.cache.join("sources.json"),
            pushes: settings.dirs.cache.join("pushes.json"),
            uploads: settings.dirs.cache.join("uploads.json"),
            told: RefCell::default(),
        })
    }

    /// Whether any certificate is taken because the user said so.
    pub fn insecure(&self) -> bool {
        self.tls_verify == Some(false)
    }
}

/// podman's credential files, or the one that was named.
pub fn auth_files(settings: &Settings, named: Option<&PathBuf>) -> AuthFiles {
    match named.or(settings.auth_file.as_ref()) {
        Some(file) => AuthFiles::only(file),
        None => AuthFiles::new(AuthDirs {
            runtime: settings.xdg_runtime.as_deref(),
            uid: settings.dirs.uid,
            config_home: &settings.dirs.config_home,
            home: &settings.dirs.home,
            docker_config: settings.docker_config.as_deref(),
        }),
    }
}
