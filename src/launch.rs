//! L3: everything planned becomes a [`bolt_shim::launch::Launch`].

use crate::container::config::Config;
use crate::container::dir::ContainerDir;
use crate::settings::Settings;
use crate::shim::client::Connection;
use bolt_shim::launch::Process;

/// Starts a container that was created before and does not run.
pub fn start_existing(_settings: &Settings, dir: &ContainerDir) -> anyhow::Result<()> {
    anyhow::bail!("container {}: starting is not there yet", dir.id())
}

/// [`start_existing`], and this process stays attached.
pub fn start_attached(_settings: &Settings, dir: &ContainerDir) -> anyhow::Result<Connection> {
    anyhow::bail!("container {}: starting is not there yet", dir.id())
}

/// The payload's process as the shim gets it: capabilities, filter and limits included.
pub fn payload(_settings: &Settings, config: &Config) -> anyhow::Result<Process> {
    anyhow::bail!("container {}: starting is not there yet", config.id)
}
