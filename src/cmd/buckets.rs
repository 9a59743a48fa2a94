//! The buckets of a pull: the one that an `s3://` name means, and those that mirror registries.

use crate::cmd::pull::Sources;
use crate::image::reference::{BucketName, ImageName};
use crate::image::s3::place::Place;
use crate::image::s3::template::KeyTemplate;

/// The bucket of an `s3://` name; of other names none.
pub fn named(sources: &Sources, name: &ImageName) -> anyhow::Result<Option<Place>> {
    match name {
        ImageName::S3(name) => of(sources, name).map(Some),
        _ => Ok(None),
    }
}

/// A bucket by its name: AWS's variables and files say where it is.
pub fn of(sources: &Sources, name: &BucketName) -> anyhow::Result<Place> {
    let endpoint = sources.aws.endpoint().map(str::to_owned);
    // AWS wants the bucket in the host; its certificate has one label for it.
    let virtual_host = endpoint.is_none() && !name.bucket().contains('.');
    let place = Place {
        bucket: name.bucket().to_owned(),
        prefix: name.prefix().to_owned(),
        endpoint,
        region: sources.aws.region(None)?,
        virtual_host,
        presigned: false,
        template: KeyTemplate::oci(),
        caller: crate::image::s3::credentials::Caller::nobody(),
        insecure: sources.insecure(),
        certs: Default::default(),
    };
    identified(sources, place, None)
}

/// The place with the user's credentials and the authorities for its host.
fn identified(sources: &Sources, mut place: Place, profile: Option<&str>) -> anyhow::Result<Place> {
    let host = place.host();
    let login = sources.auth.lookup(&host, &place.bucket)?;
    place.caller = sources.aws.caller(&host, profile, login.as_ref())?;
    place.certs = sources.certs.load(&host)?;
    place.certs.ca.extend(sources.aws.ca_bundle()?);
    Ok(place)
}
