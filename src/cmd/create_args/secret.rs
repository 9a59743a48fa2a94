//! `--secret` of `run` and `create`.

use crate::container::secret::{Given, How, Secrets};
use crate::settings::Settings;
use crate::spec::secrets::Wish;
use anyhow::{Context, ensure};
use bolt_shim::secret::Secret;

/// The kernel's longest string of an environment, with its NUL (execve(2), MAX_ARG_STRLEN).
const LONGEST: usize = 131_072;

/// Which secrets the container gets.
#[derive(Debug, Default, clap::Args)]
pub struct SecretArgs {
    /// Give a secret to the container, as a file below /run/secrets or as a variable
    #[arg(long, value_name = "NAME[,OPTION=VALUE,...]")]
    pub secret: Vec<String>,
}

impl SecretArgs {
    /// The secrets with their values, as they are now. Without the flag nothing is looked at.
    pub fn take(&self, settings: &Settings) -> anyhow::Result<Vec<(Given, Secret)>> {
        if self.secret.is_empty() {
            return Ok(Vec::new());
        }
        let wishes: Vec<Wish> =
            self.secret.iter().map(|text| Wish::parse(text)).collect::<Result<_, _>>()?;
        let secrets = Secrets::open(&settings.dirs)?;
        wishes.iter().map(|wish| one(&secrets, wish)).collect()
    }
}

fn one(secrets: &Secrets, wish: &Wish) -> anyhow::Result<(Given, Secret)> {
    let (record, value) = secrets.value(&wish.source).context("--secret")?;
    let how = wish.how(&record.name);
    if let How::Env { name } = &how {
        ensure!(
            !value.bytes().contains(&0),
            "--secret {}: its value has a NUL, which no variable can have; use type=mount",
            record.name
        );
        ensure!(
            name.len() + value.bytes().len() + 2 <= LONGEST,
            "--secret {}: with {} bytes it is too long for a variable; use type=mount",
            record.name,
            record.size
        );
    }
    Ok((Given { name: record.name, id: record.id, how }, value))
}
