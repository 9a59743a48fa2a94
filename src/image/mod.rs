//! L2: everything between an image's name and its unpacked layers.
//!
//! `reference` (what was typed) → `config` (registries.conf, auth.json, policy.json, certs.d) →
//! `source` (registry, layout, archive) → `pull` (fetch → verify → decompress → `unpack`) →
//! the records of `crate::store`.

pub mod config;
pub mod platform;
pub mod reference;
pub mod types;
pub mod unpack;
