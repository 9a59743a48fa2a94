//! Flags of `run` and `create` about service managers, scripts and other containers.

use crate::container::service::{Cgroups, SdNotify};
use std::path::{Path, PathBuf};

/// They stand in the container's config as [`crate::container::service::Unit`] and beside it.
#[derive(Debug, Default, clap::Args)]
pub struct UnitArgs {
    /// Add an annotation
    #[arg(long, value_name = "KEY=VALUE")]
    pub annotation: Vec<String>,
    /// Write the container id to a file
    #[arg(long, value_name = "FILE")]
    pub cidfile: Option<PathBuf>,
    /// Restart policy: no, on-failure[:N], always, unless-stopped [default: no]
    #[arg(long, value_name = "POLICY")]
    pub restart: Option<String>,
    /// Who tells NOTIFY_SOCKET that the container is ready: container, conmon, healthy or ignore
    #[arg(long, value_name = "MODE", value_parser = sdnotify)]
    pub sdnotify: Option<SdNotify>,
    /// Control groups: enabled, disabled, no-conmon or split
    #[arg(long, value_name = "MODE", value_parser = cgroups)]
    pub cgroups: Option<Cgroups>,
    /// Write the pid of the container's process to a file
    #[arg(long, value_name = "FILE")]
    pub pidfile: Option<PathBuf>,
    /// Write the pid of the container's supervisor to a file
    #[arg(long, value_name = "FILE")]
    pub conmon_pidfile: Option<PathBuf>,
    /// Containers that are started before this one
    #[arg(long, value_name = "CONTAINER", value_delimiter = ',')]
    pub requires: Vec<String>,
}

/// `--sdnotify`.
pub fn sdnotify(text: &str) -> Result<SdNotify, String> {
    SdNotify::of(text).ok_or_else(|| "use container, conmon, healthy or ignore".to_owned())
}

/// `--cgroups`.
pub fn cgroups(text: &str) -> Result<Cgroups, String> {
    Cgroups::of(text).ok_or_else(|| "use enabled, disabled, no-conmon or split".to_owned())
}

/// Absolute, in a directory that is there: the supervisor, which writes it, has another working
/// directory.
pub fn pidfile(flag: &str, path: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
    use anyhow::Context;
    let Some(path) = path else { return Ok(None) };
    let shown = || format!("{flag} {}", path.display());
    let path = std::path::absolute(path).with_context(shown)?;
    let dir = path.parent().unwrap_or(&path);
    let meta = std::fs::metadata(dir)
        .with_context(|| format!("{}: directory {}", shown(), dir.display()))?;
    // Replaced in one step: a device would be as well, and where a link leads is another file.
    let fits = path.symlink_metadata().map_or(true, |there| there.is_file());
    anyhow::ensure!(meta.is_dir() && fits, "{}: not a regular file in a directory", shown());
    Ok(Some(path))
}
