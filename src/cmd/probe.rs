//! `bolt __probe`, hidden: one trial in a process of its own, for `bolt doctor`.

use crate::sys::probe;
use anyhow::bail;
use std::path::Path;

/// Carries out the trial `overlay DIR`: mounts one in a user namespace of its own, in an empty
/// directory on the file system of the store. The error is the answer.
pub fn run(args: &[String]) -> anyhow::Result<()> {
    match args {
        [what, dir] if what == "overlay" => Ok(probe::probe_overlay(Path::new(dir))?),
        _ => bail!("__probe is for bolt itself"),
    }
}
