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
