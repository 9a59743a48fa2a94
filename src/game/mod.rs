//! What a game's image asks of a machine: the metadata publishers write (`docs/metadata.md`).
//! Plain data in, plain data out: nothing here reads the host or the network.

pub mod annotations;
mod check;
pub mod metadata;
#[cfg(test)]
mod schema;
pub mod version;

pub use metadata::{Metadata, MetadataError};
pub use version::Version;
