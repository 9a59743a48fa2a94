//! L2: everything between an image's name and its unpacked layers.
//!
//! `reference` (what was typed) → `config` (registries.conf, auth.json, policy.json, certs.d) →
//! `source` (registry, layout, archive) → `pull` (fetch → verify → decompress → `unpack`) →
//! the records of `crate::store`.

pub mod archive;
pub mod artifact;
pub mod config;
mod decompress;
pub mod drift_api;
pub mod filter;
mod hash;
pub mod ids;
pub mod image_config;
pub mod island;
pub mod layout;
pub mod list;
pub mod manifest;
pub mod mirror;
pub mod platform;
pub mod progress;
pub mod pull;
pub mod push;
pub mod reference;
pub mod registry;
pub mod relayout;
pub mod s3;
mod share;
pub mod source;
pub mod types;
pub mod unpack;
pub mod versions;
