//! `bolt logout`: forget the credentials for a registry.

use super::login::registry_key;
use crate::image::config::auth::{AuthFiles, Removed};
use anyhow::bail;
use std::io::{self, Write};
use std::path::PathBuf;

/// Log out of a registry
#[derive(Debug, clap::Args)]
pub struct Args {
    /// HOST or HOST:PORT, or the path below it that was logged in
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub registry: Option<String>,
    /// Forget the credentials for all registries
    #[arg(short, long)]
    pub all: bool,
    /// Credential file to use instead [env: REGISTRY_AUTH_FILE]
    #[arg(long, value_name = "FILE")]
    pub authfile: Option<PathBuf>,
}

/// Runs `bolt logout`. An error when there was nothing to forget.
pub fn run(args: &Args, files: &AuthFiles) -> anyhow::Result<()> {
    logout(args, files, &mut io::stdout())
}

fn logout(args: &Args, files: &AuthFiles, out: &mut dyn Write) -> anyhow::Result<()> {
    let Some(registry) = &args.registry else {
        return match files.remove_all()? {
            0 => bail!("not logged in to any registry ({})", files.write_file().display()),
            _ => Ok(writeln!(out, "Removed login credentials for all registries")?),
        };
    };
    let key = registry_key(registry)?;
    match files.remove(&key)? {
        Removed::From(_) => writeln!(out, "Removed login credentials for {key}")?,
        Removed::NotLoggedIn => bail!("not logged in to {key}"),
        Removed::Elsewhere(file) => bail!(
            "not logged in to {key} by this tool; {} has credentials for it, remove them with the \
             program that wrote them (docker logout {key}) or with --authfile",
            file.display()
        ),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn run_on(file: &std::path::Path, words: &[&str]) -> Result<String, String> {
        let args = Cli::try_parse_from([&["logout"], words].concat()).map_err(|e| e.to_string())?;
        let mut out = Vec::new();
        match logout(&args.args, &AuthFiles::only(file), &mut out) {
            Ok(()) => Ok(String::from_utf8(out).unwrap()),
            Err(e) => Err(format!("{e:#}")),
        }
    }

    #[test]
    fn entries_go_and_absent_ones_are_told() {
        let dir = std::env::temp_dir().join(format!("bolt-logout-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let file = dir.join("auth.json");
        assert_eq!(run_on(&file, &["r.io"]).unwrap_err(), "not logged in to r.io");
        assert!(!dir.exists(), "nothing is made by a logout");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(
            &file,
            r#"{"auths":{"r.io":{"auth":"YTpi"},"q.io":{"auth":"YTpi"},"q.io/x":{}},"other":1e999}"#,
        )
        .unwrap();
        assert_eq!(run_on(&file, &["r.io"]).unwrap(), "Removed login credentials for r.io\n");
        assert_eq!(run_on(&file, &["r.io"]).unwrap_err(), "not logged in to r.io");
        assert!(run_on(&file, &["--all"]).unwrap().contains("all registries"));
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(!text.contains("q.io") && text.contains("1e999"), "{text}");
        assert!(run_on(&file, &["--all"]).unwrap_err().contains("not logged in"));
        assert!(run_on(&file, &[]).is_err());
        assert!(run_on(&file, &["--all", "r.io"]).is_err());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
