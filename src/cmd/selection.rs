//! Which containers a verb works on, and one result a container.

use crate::container::dir::{ContainerDir, Containers};
use crate::container::error::Error;
use crate::container::filter::Filters;
use crate::container::list::{self, Entry};
use crate::container::state::Status;
use crate::exit;
use crate::settings::Settings;
use crate::sys::small;
use crate::ui::print;
use anyhow::Context;
use std::path::PathBuf;

/// The common ways to name containers.
#[derive(Debug, Default, clap::Args)]
pub struct Selection {
    /// Names or IDs (the start of an ID is enough)
    #[arg(value_name = "CONTAINER")]
    pub containers: Vec<String>,
    /// All containers
    #[arg(short, long, conflicts_with_all = ["containers", "latest", "cidfile"])]
    pub all: bool,
    /// The container created last
    #[arg(short, long, conflicts_with_all = ["containers", "cidfile"])]
    pub latest: bool,
    /// Read the container ID from this file
    #[arg(long, value_name = "FILE")]
    pub cidfile: Vec<PathBuf>,
    /// Only containers that match (key=value, as podman-ps(1) has them); without names: all that match
    #[arg(long, value_name = "KEY=VALUE")]
    pub filter: Vec<String>,
    /// A container or cidfile that does not exist is no error
    #[arg(short, long)]
    pub ignore: bool,
}

/// A container as it was typed.
#[derive(Debug)]
pub struct Target {
    /// What was typed, or the whole id.
    pub label: String,
    /// Its directory, or why there is none.
    pub dir: Result<ContainerDir, Error>,
}

impl Selection {
    /// Finds the containers. `defaults`: the states that `--all` stands for.
    pub fn targets(
        &self,
        all: &Containers,
        defaults: impl Fn(Status) -> bool,
    ) -> anyhow::Result<Vec<Target>> {
        let mut names = self.containers.clone();
        for file in &self.cidfile {
            match small::read_text(file) {
                Ok(text) => names.push(text.trim().to_owned()),
                Err(e) if self.ignore && e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => {
                    return Err(e).with_context(|| format!("read cidfile {}", file.display()));
                }
            }
        }
        if !self.all && !self.latest && self.filter.is_empty() {
            if names.is_empty() && self.cidfile.is_empty() {
                anyhow::bail!("no container was named: give a name, an ID, --latest or --all");
            }
            return Ok(names.into_iter().map(|name| find(all, name)).collect());
        }
        let filters = Filters::parse(&self.filter)?;
        let mut entries = list::read(all)?.entries;
        if self.latest {
            entries = entries.pop().into_iter().collect();
            if entries.is_empty() {
                anyhow::bail!("there is no container yet");
            }
        } else if names.is_empty() {
            entries.retain(|e| defaults(e.status));
        }
        if !names.is_empty() {
            // Names narrow a filter, and those that do not exist are still told.
            let found: Vec<_> = names.into_iter().map(|name| find(all, name)).collect();
            let passed = filters.apply(entries)?;
            return Ok(found.into_iter().filter(|t| keeps(&passed, t)).collect());
        }
        let opened = filters
            .apply(entries)?
            .into_iter()
            .map(|e| Target { label: e.config.id.clone(), dir: all.open_id(&e.config.id) });
        Ok(opened.collect())
    }

    /// Runs `act` on each container: prints what was typed on success, the error otherwise.
    pub fn each(
        &self,
        targets: Vec<Target>,
        mut act: impl FnMut(&mut ContainerDir) -> anyhow::Result<()>,
    ) -> u8 {
        let mut code = 0;
        for target in targets {
            let result = match target.dir {
                Err(Error::NotFound(_)) if self.ignore => continue,
                Err(e) => Err(e.into()),
                Ok(mut dir) => act(&mut dir),
            };
            match result {
                Ok(()) => print::line(&target.label),
                Err(e) => {
                    report(&e);
                    code = exit::ENGINE;
                }
            }
        }
        code
    }
}

fn find(all: &Containers, name: String) -> Target {
    let dir = all.find(&name);
    Target { label: name, dir }
}

fn keeps(passed: &[Entry], target: &Target) -> bool {
    match &target.dir {
        Ok(dir) => passed.iter().any(|e| e.config.id == dir.id()),
        Err(_) => true,
    }
}

/// The one container of a verb that takes one, by name or by `--latest`.
pub fn one(
    settings: &Settings,
    name: Option<&str>,
    latest: bool,
) -> anyhow::Result<(Containers, ContainerDir)> {
    let all = Containers::open(&settings.dirs)?;
    let dir = match name {
        Some(name) if !latest => all.find(name)?,
        Some(_) => anyhow::bail!("--latest and a container name cannot be used together"),
        None if latest => {
            let last = list::read(&all)?.entries.pop();
            all.open_id(&last.context("there is no container yet")?.config.id)?
        }
        None => anyhow::bail!("no container was named: give a name, an ID or --latest"),
    };
    Ok((all, dir))
}

/// One line on standard error.
pub fn report(error: &anyhow::Error) {
    crate::ui::print::error_chain(error);
}
