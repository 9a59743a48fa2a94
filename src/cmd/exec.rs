//! `bolt exec`: a further program in a running container.

use super::ending;
use super::selection::report;
use crate::container::dir::{ContainerDir, Containers};
use crate::container::state::Status;
use crate::launch;
use crate::settings::Settings;
use crate::shim::attach::End;
use crate::shim::client::ClientError;
use crate::shim::detach::DetachKeys;
use crate::shim::exec::{Options, exec};
use crate::shim::service::passed;
use crate::shim::terminal;
use crate::sys::small;
use anyhow::Context;
use bolt_shim::launch::{Process, TtySize};
use std::path::PathBuf;

/// All capabilities the kernel may know: what it lacks is dropped by the shim.
const ALL_CAPS: u64 = u64::MAX;

/// Run a command in a running container
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Do not wait for the command
    #[arg(short, long)]
    detach: bool,
    /// Keys that leave a terminal, and the command to itself; empty: none
    #[arg(long, value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    detach_keys: String,
    /// Set an environment variable; without =VALUE: the caller's
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    env: Vec<String>,
    /// Read environment variables from a file
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Give the command standard input
    #[arg(short, long)]
    interactive: bool,
    /// Give the command a terminal
    #[arg(short, long)]
    tty: bool,
    /// The container created last
    #[arg(short, long)]
    latest: bool,
    /// User of the command, USER[:GROUP]
    #[arg(short, long)]
    user: Option<String>,
    /// Working directory
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// All capabilities of the container's user namespace
    #[arg(long)]
    privileged: bool,
    /// Pass descriptors 3 to 2+N of the caller
    #[arg(long, value_name = "N", default_value_t = 0)]
    preserve_fds: u32,
    /// Read the container ID from this file
    #[arg(long, value_name = "FILE", conflicts_with = "latest")]
    cidfile: Option<PathBuf>,
    /// Container (unless --latest or --cidfile), then the command and its arguments
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required = true,
        value_name = "CONTAINER COMMAND"
    )]
    words: Vec<String>,
}

/// Runs the verb; the exit code is the command's.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let keys = DetachKeys::parse(&args.detach_keys)?;
    let passed = if args.preserve_fds > 0 { passed(args.preserve_fds)? } else { Vec::new() };
    let (dir, command) = find(&args, settings)?;
    if command.is_empty() {
        anyhow::bail!("no command was given for container {}", dir.id());
    }
    match dir.status()? {
        Status::Running => {}
        Status::Orphaned => anyhow::bail!(
            "container {} has lost its supervisor, so nothing can be started in it; restart it",
            dir.id()
        ),
        status => anyhow::bail!(
            "can only run a command in running containers: container {} is {}",
            dir.id(),
            status.word()
        ),
    }
    let mut process = plan(&args, settings, &dir, command)?;
    launch::pass(&mut process, args.preserve_fds, None);
    let conn =
        ending::connect(&dir)?.with_context(|| format!("container {} has just ended", dir.id()))?;
    let options = Options {
        stdin: args.interactive,
        detach: args.detach,
        detach_keys: keys,
        passed,
        output: None,
    };
    match exec(&conn, process, options) {
        // Its terminal is gone with us, and the program with it.
        Ok(End::OutputClosed) => Ok(crate::exit::signalled(libc::SIGPIPE)),
        Ok(end) => Ok(super::run::finish(end, dir.id())),
        Err(e @ ClientError::Refused { .. }) => {
            let code = ending::code_of_error(&e);
            report(&e.into());
            Ok(code)
        }
        Err(e) => Err(e.into()),
    }
}

fn find(args: &Args, settings: &Settings) -> anyhow::Result<(ContainerDir, Vec<String>)> {
    let named = |id: &str| -> anyhow::Result<ContainerDir> {
        Ok(Containers::open(&settings.dirs)?.find(id)?)
    };
    if let Some(file) = &args.cidfile {
        let id =
            small::read_text(file).with_context(|| format!("read cidfile {}", file.display()))?;
        return Ok((named(id.trim())?, args.words.clone()));
    }
    if args.latest {
        return Ok((super::selection::one(settings, None, true)?.1, args.words.clone()));
    }
    let (name, command) = args.words.split_first().context("no container was named")?;
    Ok((named(name)?, command.to_vec()))
}

/// The payload's own process with another program.
fn plan(
    args: &Args,
    settings: &Settings,
    dir: &ContainerDir,
    command: Vec<String>,
) -> anyhow::Result<Process> {
    let config = dir.read_config()?;
    let mut process = launch::payload(settings, &config)?;
    process.args = command;
    process.stdin = args.interactive;
    // A detached command has nobody who would hold the other end of its terminal.
    let tty = args.tty && !args.detach;
    process.tty = tty.then(|| {
        terminal::size(std::io::stdout())
            .or_else(|| terminal::size(std::io::stdin()))
            .unwrap_or(TtySize { rows: 24, cols: 80 })
    });
    if tty && !process.env.iter().any(|e| e.starts_with("TERM=")) {
        let term = settings.term.as_deref().unwrap_or("xterm");
        process.env.push(format!("TERM={term}"));
    }
    for file in &args.env_file {
        let text =
            small::read_text(file).with_context(|| format!("read env file {}", file.display()))?;
        for line in text.lines().map(str::trim_start) {
            if !line.is_empty() && !line.starts_with('#') {
                set(&mut process.env, line)?;
            }
        }
    }
    for word in &args.env {
        set(&mut process.env, word)?;
    }
    if let Some(user) = &args.user {
        // What was added belongs to the container's own user, as with podman.
        if *user != config.process.user {
            process.ambient = 0;
        }
        process.user = user.clone();
        // The home directory of another user is looked up again.
        let own = config.process.env.iter().any(|e| e.starts_with("HOME="));
        if !own {
            process.env.retain(|e| !e.starts_with("HOME="));
        }
    }
    if let Some(dir) = &args.workdir {
        process.cwd = dir.clone();
        process.make_cwd = false;
    }
    if args.privileged {
        process.caps = ALL_CAPS;
        process.seccomp = Vec::new();
        process.no_new_privs = false;
    }
    Ok(process)
}

/// `KEY=value` replaces; `KEY` alone takes the caller's value, if there is one.
fn set(env: &mut Vec<String>, word: &str) -> anyhow::Result<()> {
    let (key, value) = match word.split_once('=') {
        Some((key, value)) => (key, Some(value.to_owned())),
        None => (word, std::env::var(word).ok()),
    };
    if key.is_empty() {
        anyhow::bail!("{word:?} is not an environment variable: use KEY=VALUE");
    }
    let Some(value) = value else { return Ok(()) };
    env.retain(|e| e.split_once('=').is_none_or(|(k, _)| k != key));
    env.push(format!("{key}={value}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_replace_their_namesakes() {
        let mut env = vec!["A=1".to_owned(), "AB=2".to_owned()];
        set(&mut env, "A=3=4").unwrap();
        set(&mut env, "BOLT_TEST_NOT_SET").unwrap();
        assert_eq!(env, ["AB=2", "A=3=4"]);
        assert!(set(&mut env, "=x").is_err());
    }
}
