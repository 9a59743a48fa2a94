//! Where the supervisor keeps what the payload writes.

use crate::container::config::Config;
use crate::container::dir::ContainerDir;
use crate::container::inspect::inspect_planned;
use crate::container::log_driver::LogDriver;
use crate::rootfs::text;
use crate::settings::Settings;
use crate::ui::template::Template;
use anyhow::{Context, ensure};
use bolt_shim::launch::Log;

/// Bytes of a tag, which goes with every entry, twice: the journal takes no datagram without end.
pub const LONGEST_TAG: usize = 4096;

pub(super) fn plan(
    settings: &Settings,
    dir: &ContainerDir,
    config: &Config,
) -> anyhow::Result<Log> {
    Ok(match config.log_driver {
        LogDriver::K8sFile | LogDriver::JsonFile => Log::K8sFile {
            max_size: config.log_max_size,
            path: config.log_path.as_deref().map(text).transpose()?,
        },
        LogDriver::None => Log::None,
        LogDriver::Passthrough | LogDriver::PassthroughTty => Log::Passthrough,
        LogDriver::Journald => {
            Log::Journald { fields: fields(config, &tag(settings, dir, config)?) }
        }
    })
}

/// The tag, filled in with what `inspect` shows where it is a template.
fn tag(settings: &Settings, dir: &ContainerDir, config: &Config) -> anyhow::Result<String> {
    if !config.log_tag.contains("{{") {
        return Ok(config.log_tag.clone());
    }
    let shown = inspect_planned(dir, config, &settings.dirs.volumes())?;
    let template = Template::parse(&config.log_tag).and_then(|template| template.render(&shown));
    let tag = template.with_context(|| format!("--log-opt tag={}", config.log_tag))?;
    let length = tag.len();
    ensure!(
        length <= LONGEST_TAG,
        "--log-opt tag={} becomes {length} bytes; a tag has at most {LONGEST_TAG}",
        config.log_tag
    );
    Ok(tag)
}

/// Those that podman's supervisor gives every entry.
fn fields(config: &Config, tag: &str) -> String {
    // A field ends with its line.
    let tag = tag.replace(|c: char| c.is_control(), " ");
    let (id, name) = (&config.id, &config.name);
    let mut fields = format!(
        "CONTAINER_ID_FULL={id}\nCONTAINER_ID={}\nCONTAINER_NAME={name}\n",
        config.short_id()
    );
    let identifier = if tag.is_empty() { name } else { &tag };
    if !tag.is_empty() {
        fields.push_str(&format!("CONTAINER_TAG={tag}\n"));
    }
    fields.push_str(&format!("SYSLOG_IDENTIFIER={identifier}\n"));
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::testing::config;

    #[test]
    fn a_tag_is_one_field_whatever_is_in_it() {
        let config = config(&"ab".repeat(32), "web");
        let id = format!("CONTAINER_ID_FULL={}\nCONTAINER_ID=abababababab\n", "ab".repeat(32));
        let name = "CONTAINER_NAME=web\n";
        assert_eq!(fields(&config, ""), format!("{id}{name}SYSLOG_IDENTIFIER=web\n"));
        let tag = "CONTAINER_TAG=a PRIORITY=0\nSYSLOG_IDENTIFIER=a PRIORITY=0\n";
        assert_eq!(fields(&config, "a\nPRIORITY=0"), format!("{id}{name}{tag}"));
    }
}
