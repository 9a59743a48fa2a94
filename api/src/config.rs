//! What a caller may choose.

use std::path::PathBuf;

/// Choices of a [`BoltRuntime`](crate::BoltRuntime); the default is the user's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BoltConfig {
    /// The program to drive, instead of looking for it.
    pub program: Option<PathBuf>,
    /// Where images, containers and volumes lie (absolute), instead of the user's own place.
    pub data_dir: Option<PathBuf>,
    /// Let the program tell on standard error why it decides what it does.
    pub verbose: bool,
}
