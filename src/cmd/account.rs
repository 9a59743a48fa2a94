//! `bolt login` and `bolt logout`, with the files that name registries.

use super::buckets;
use super::pull::{Access, Sources, auth_files};
use crate::image::config::registries::HostTrust;
use crate::image::registry::{Patience, check_login};
use crate::image::s3::place::Place;
use crate::image::s3::{self, S3Error};
use crate::settings::Settings;
use crate::ui::print;
use crate::ui::progress::Transfer;

/// `bolt login`: the registry, or the server of the buckets, is asked before anything is kept.
pub fn login(args: &crate::cmd::login::Args, settings: &Settings) -> anyhow::Result<u8> {
    let access = Access { tls_verify: args.tls_verify, ..Access::default() };
    let sources = Sources::load(settings, &access)?;
    let files = auth_files(settings, args.authfile.as_ref());
    let progress = Transfer::new(true);
    crate::cmd::login::run(args, &files, |registry, credentials| {
        let buckets = buckets::at_host(&sources, registry, credentials)?;
        if !buckets.is_empty() {
            return buckets.into_iter().try_for_each(|place| at_bucket(&sources, place, &progress));
        }
        let HostTrust { insecure, ca } = sources.registries.host(registry);
        let insecure = args.tls_verify.map_or(insecure, |verify| !verify);
        let certs = sources.certs.load_with(registry, &ca)?;
        let patience = Patience::default();
        check_login(
            registry,
            credentials,
            insecure,
            certs,
            &sources.proxies,
            &patience,
            &progress,
        )?;
        Ok(())
    })?;
    Ok(0)
}

/// Whether a bucket's server knows who logs in.
fn at_bucket(sources: &Sources, place: Place, progress: &Transfer) -> anyhow::Result<()> {
    let patience = Patience::default();
    match s3::check_login(place, &sources.aws, &sources.proxies, &patience, progress) {
        Err(error @ S3Error::Denied { .. }) => {
            print::warning(&format!("{error}; a pull shows whether it may be read"));
            Ok(())
        }
        other => Ok(other?),
    }
}

/// `bolt logout`.
pub fn logout(args: &crate::cmd::logout::Args, settings: &Settings) -> anyhow::Result<u8> {
    crate::cmd::logout::run(args, &auth_files(settings, args.authfile.as_ref()))?;
    Ok(0)
}
