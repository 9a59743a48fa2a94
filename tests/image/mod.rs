//! Pulling images: from registries, through faults, from layouts and archives; and pushing them.

mod artifacts;
mod drift;
mod echoes;
mod faults;
mod hostile;
mod keep_size;
mod layouts;
mod liars;
mod mirror_sync;
mod mirrors;
mod push;
mod registries;
mod s3;
mod slow;

use crate::harness::Scratch;
use bolt::image::config::auth::{AuthFiles, Credentials, Secret};
use bolt::image::config::certs::CertDirs;
use bolt::image::config::policy::Policy;
use bolt::image::config::registries::Registries;
use bolt::image::platform;
use bolt::image::progress::Recording;
use bolt::image::pull::{Buckets, PullError, PullRequest, pull};
use bolt::image::reference::ImageName;
use bolt::image::registry::{Patience, Proxies};
use bolt::image::s3::credentials::AwsPlaces;
use bolt::image::types::{ImageRecord, Platform};
use bolt::image::unpack::Owners;
use bolt::store::{Layout, Store};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One user's machine: a store and all files of settings.
struct Machine {
    dir: Scratch,
    platform: Platform,
    owners: Owners,
    registries: Registries,
    auth: AuthFiles,
    certs: CertDirs,
    policy: Policy,
    proxies: Proxies,
    aws: AwsPlaces,
}

const ANYTHING: &str = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;

impl Machine {
    fn new() -> Self {
        Self::at(Scratch::new())
    }

    fn at(dir: Scratch) -> Self {
        let certs = CertDirs::new(&dir.join("config"), &dir.join("etc"));
        let auth = AuthFiles::only(&dir.join("auth.json"));
        std::fs::write(dir.join("auth.json"), "{}").unwrap();
        Machine {
            platform: platform::host(),
            owners: Owners::single(),
            registries: Registries::parse(Path::new("registries.conf"), "").unwrap(),
            auth,
            certs,
            policy: Policy::parse(Path::new("policy.json"), ANYTHING).unwrap(),
            proxies: Proxies::default(),
            aws: AwsPlaces::default(),
            dir,
        }
    }

    fn store(&self) -> Store {
        Store::open(&self.dir.join("store")).unwrap()
    }

    fn request(&self, name: &str) -> PullRequest<'_> {
        PullRequest {
            name: ImageName::parse(name).unwrap(),
            platform: &self.platform,
            variant: None,
            layout: Layout::Single,
            owners: &self.owners,
            registries: &self.registries,
            auth: &self.auth,
            credentials: None,
            certs: &self.certs,
            policy: &self.policy,
            proxies: &self.proxies,
            tls_verify: Some(false),
            patience: Patience {
                first_wait: Duration::from_millis(20),
                longest_wait: Duration::from_secs(3),
                stall: Duration::from_millis(700),
                ..Patience::default()
            },
            keep_blobs: false,
            buckets: Buckets { named: None, mirrors: Vec::new(), aws: &self.aws, history: None },
        }
    }

    /// Pulls and returns what the user would have seen.
    fn pull(&self, request: &PullRequest<'_>) -> (Result<ImageRecord, PullError>, Recording) {
        let progress = Recording::default();
        let result = pull(request, &self.store(), &progress);
        (result, progress)
    }

    /// Where the topmost layer of an image lies.
    fn top(&self, image: &ImageRecord) -> PathBuf {
        let chain = &image.layers.last().unwrap().chain_id;
        self.store().layer_path(Layout::Single, chain)
    }

    /// Downloads that were broken off: their lengths.
    fn partials(&self) -> Vec<u64> {
        self.store();
        let find = crate::harness::run(
            "find",
            &[self.dir.join("store/blobs").to_str().unwrap(), "-name", "*.part", "-printf", "%s\n"],
        );
        find.lines().map(|l| l.parse().unwrap()).collect()
    }
}

fn password(user: &str, password: &str) -> Credentials {
    Credentials::Password { username: user.to_owned(), password: Secret::new(password) }
}

/// The whole text a user would see.
fn text(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}
