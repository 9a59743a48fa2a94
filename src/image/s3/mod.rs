//! S3 by SigV4: a bucket as a mirror of blobs (Ghostbay), and as a place for image layouts.
//!
//! `place` (which bucket, where, as whom) → `client` (signed requests, errors understood) →
//! `bucket` (blobs by a key template; `s3://BUCKET/PREFIX`), `layout` and `upload`.

pub mod answers;
mod bucket;
mod client;
pub mod credentials;
mod error;
pub(in crate::image) mod layout;
pub mod place;
mod session;
mod sign;
pub mod upload;
mod xml;

pub(in crate::image) use bucket::{Bucket, BucketLayout};
pub(in crate::image) use client::S3Client;
pub use error::S3Error;
pub use xml::BadXml;

use crate::image::island::Island;
use crate::image::progress::Progress;
use crate::image::registry::{Patience, Proxies};
use credentials::AwsPlaces;
use place::Place;

/// Whether the bucket's server knows the caller of `place`: its list is asked for, or that of the
/// server's buckets where none is named.
///
/// Errors: [`S3Error::WrongKeys`] when it does not; [`S3Error::Denied`] when he may not list, which
/// leaves open what else he may; else why the server cannot be asked.
pub fn check_login(
    place: Place,
    aws: &AwsPlaces,
    proxies: &Proxies,
    patience: &Patience,
    progress: &dyn Progress,
) -> Result<(), S3Error> {
    let (whole, prefix) = (place.bucket.is_empty(), place.prefix.clone());
    let client = S3Client::new(place, aws, proxies, patience, progress)?;
    let island = Island::new()?;
    match whole {
        true => island.run(client.buckets()),
        false => island.run(client.list(&prefix, None)).map(drop),
    }
}
