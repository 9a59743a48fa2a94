//! L2: the user namespace P in which the files of subordinate ids are touched.

use crate::settings::Settings;

/// Puts this process, which must have one thread, into P.
pub fn enter(_settings: &Settings) -> anyhow::Result<()> {
    Ok(())
}
