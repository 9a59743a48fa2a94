//! `bolt steam install-tool`: Bolt in Steam's list of compatibility tools.

use crate::exit;
use crate::settings::Settings;
use crate::steam::{self, tool};
use crate::ui::print;
use anyhow::{Context, bail};
use std::path::{Path, PathBuf};

/// Install bolt as a compatibility tool of Steam
///
/// Steam lists it after a restart, under Properties, Compatibility of games for Linux.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Remove it again
    #[arg(long)]
    uninstall: bool,
    /// Steam's directory; without it every one of this user
    #[arg(long, value_name = "DIR")]
    root: Vec<PathBuf>,
    /// Replace or remove files that somebody changed
    #[arg(long)]
    force: bool,
}

/// Installs or removes; a line for each Steam whose files changed. The exit code is 1 when one of
/// several Steams was left out.
pub fn run(args: &Args, settings: &Settings) -> anyhow::Result<u8> {
    let roots = match args.root.is_empty() {
        true => steam::roots(&settings.dirs.home),
        false => args.root.iter().map(|root| checked(root)).collect::<Result<_, _>>()?,
    };
    if roots.is_empty() {
        bail!("no Steam was found below {}; --root names one", settings.dirs.home.display());
    }
    let program = std::env::current_exe().context("find this program")?;
    let mut code = 0;
    for root in &roots {
        let dir = tool::directory(root);
        let result = match args.uninstall {
            true => tool::uninstall(root, args.force),
            false => tool::install(root, &program, args.force),
        };
        match result {
            Ok(tool::Change::None) => {}
            Ok(tool::Change::Done) => print::line(&dir.display().to_string()),
            Err(error) if roots.len() > 1 => {
                print::error_chain(&error.into());
                code = exit::NO;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(code)
}

fn checked(root: &Path) -> anyhow::Result<PathBuf> {
    let real = root.canonicalize().with_context(|| root.display().to_string())?;
    if !steam::looks_like_one(&real) {
        bail!("{}: no directory of Steam's; it has no steamapps and no steam.sh", root.display());
    }
    Ok(real)
}
