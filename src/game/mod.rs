//! L2: which variant of a game fits this machine.
//!
//! ```text
//! index → variants (descriptor + metadata) ┐
//! facts of the host                        ├─ choose ─▶ verdicts, ranked ─▶ explain
//! results measured here                    ┘
//! ```
//! `docs/metadata.md` is the schema and the order of the choice, for publishers.

pub mod annotations;
pub mod choose;
mod constraints;
pub mod explain;
mod file;
pub mod lock;
pub mod measured;
pub mod metadata;
pub mod range;

/// Annotation of an index's manifest that holds its metadata as JSON.
pub const ANNOTATION: &str = "dev.bolt.gaming.v1";
/// Type of the artifact that holds the whole metadata of the image it refers to.
pub const ARTIFACT_TYPE: &str = "application/vnd.bolt.gaming.v1+json";
