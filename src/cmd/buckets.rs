//! The buckets of a pull: the one that an `s3://` name means, and those that hold the blobs of
//! registries.

use crate::cmd::pull::Sources;
use crate::image::config::auth::Credentials;
use crate::image::config::drift::{CredentialSource, Ghostbay, KeyTemplate};
use crate::image::pull::Buckets;
use crate::image::reference::{BucketName, ImageName};
use crate::image::s3::credentials::Caller;
use crate::image::s3::place::Place;
use crate::sys::small;
use crate::ui::print;
use anyhow::Context;
use std::path::Path;

/// All buckets that bear on a pull of `name`.
pub fn of_pull<'a>(sources: &'a Sources, name: &ImageName) -> anyhow::Result<Buckets<'a>> {
    let mut buckets = Buckets {
        named: None,
        mirrors: Vec::new(),
        aws: &sources.aws,
        history: Some(&sources.history),
    };
    match name {
        ImageName::S3(name) => buckets.named = Some(of(sources, name, false)?),
        ImageName::Docker(reference) => {
            for store in sources.drift.stores_of(reference) {
                match of_store(sources, store) {
                    Ok(place) => buckets.mirrors.push(place),
                    // The image can still come from elsewhere. A pull asks for its buckets more
                    // than once.
                    Err(error) => {
                        if sources.told.borrow_mut().insert(store.name.clone()) {
                            print::warning(&format!(
                                "ghostbay {:?}: {error:#}; the other sources go on",
                                store.name
                            ));
                        }
                    }
                }
            }
        }
        _ => {}
    }
    Ok(buckets)
}

/// The bucket of an `s3://` name: registries.toml says where it is, else AWS's variables. With
/// `template` blobs lie where a store of that very prefix has them, else as in an image layout.
pub fn of(sources: &Sources, name: &BucketName, template: bool) -> anyhow::Result<Place> {
    let mut stores = sources.drift.ghostbay().iter().filter(|s| s.bucket == name.bucket());
    let store = stores.clone().find(|s| s.prefix == name.prefix()).or_else(|| stores.next());
    let Some(store) = store else { return of_environment(sources, name) };
    let own = template && store.prefix == name.prefix();
    let place = of_store(sources, store)
        .with_context(|| format!("ghostbay {:?} of registries.toml", store.name))?;
    let template = if own { store.key.clone() } else { KeyTemplate::oci() };
    Ok(Place { prefix: name.prefix().to_owned(), template, ..place })
}

/// One `[[ghostbay]]`.
fn of_store(sources: &Sources, store: &Ghostbay) -> anyhow::Result<Place> {
    let mut place = nobodys(store);
    place.insecure |= sources.insecure();
    identified(sources, place, &store.credentials, store.ca.as_deref())
}

/// The `[[ghostbay]]` stores at `host[:port]`, as whoever logs in there sees them; the server as a
/// whole where only AWS's variables name it.
pub fn at_host(sources: &Sources, host: &str, login: &Credentials) -> anyhow::Result<Vec<Place>> {
    let stores = sources.drift.ghostbay().iter();
    let places = stores.map(|store| (nobodys(store), store.ca.as_deref()));
    let mut there: Vec<_> = places.filter(|(place, _)| place.host() == host).collect();
    if there.is_empty() && sources.aws.endpoint().is_some() {
        let whole = of_variables(sources, String::new(), String::new());
        if whole.host() == host {
            there.push((Place { region: sources.aws.region(None)?, ..whole }, None));
        }
    }
    let seen = there.into_iter().map(|(mut place, ca)| {
        place.insecure |= sources.insecure();
        place.caller = sources.aws.caller(host, &CredentialSource::AuthFile, Some(login))?;
        trusting(sources, place, host, ca)
    });
    seen.collect()
}

/// One `[[ghostbay]]` as nobody in particular sees it: enough for its name.
pub fn nobodys(store: &Ghostbay) -> Place {
    Place {
        bucket: store.bucket.clone(),
        prefix: store.prefix.clone(),
        endpoint: Some(store.endpoint.clone()),
        region: Some(store.region.clone()),
        virtual_host: !store.path_style,
        presigned: store.presigned,
        template: store.key.clone(),
        caller: Caller::nobody(),
        insecure: store.insecure,
        certs: Default::default(),
    }
}

fn of_environment(sources: &Sources, name: &BucketName) -> anyhow::Result<Place> {
    let place = of_variables(sources, name.bucket().to_owned(), name.prefix().to_owned());
    if place.endpoint.is_some() {
        place.check().with_context(|| sources.aws.endpoint_variable())?;
    }
    let place = Place { region: sources.aws.region(None)?, ..place };
    identified(sources, place, &CredentialSource::Aws, None)
}

/// A bucket that no file gives an address, as nobody in particular sees it.
fn of_variables(sources: &Sources, bucket: String, prefix: String) -> Place {
    let endpoint = sources.aws.endpoint().map(str::to_owned);
    // AWS wants the bucket in the host; its certificate has one label for it.
    let virtual_host = endpoint.is_none() && !bucket.contains('.');
    Place {
        bucket,
        prefix,
        endpoint,
        region: None,
        virtual_host,
        presigned: false,
        template: KeyTemplate::oci(),
        caller: Caller::nobody(),
        insecure: sources.insecure(),
        certs: Default::default(),
    }
}

/// The place with the user's credentials and the authorities for its host.
fn identified(
    sources: &Sources,
    mut place: Place,
    source: &CredentialSource,
    ca: Option<&Path>,
) -> anyhow::Result<Place> {
    place.check()?;
    let host = place.host();
    let login = sources.auth.lookup(&host, &place.bucket)?;
    place.caller = sources.aws.caller(&host, source, login.as_ref())?;
    trusting(sources, place, &host, ca)
}

/// The place with the authorities for its host, and those of the file `ca`.
fn trusting(
    sources: &Sources,
    mut place: Place,
    host: &str,
    ca: Option<&Path>,
) -> anyhow::Result<Place> {
    place.certs = sources.certs.load(host)?;
    place.certs.ca.extend(sources.aws.ca_bundle()?);
    if let Some(file) = ca {
        let pem = small::read(file).with_context(|| format!("ca {}", file.display()))?;
        place.certs.ca.push(pem);
    }
    Ok(place)
}
