//! `bolt unshare`: a command in the user namespace in which containers' files are owned.

use crate::exit;
use crate::settings::Settings;
use crate::sys::exec;
use crate::userns;
use std::ffi::OsString;
use std::io;
use std::process::Command;

/// Run a command in the user namespace of the containers
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The command; without one: /bin/sh
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Runs the verb: this process becomes the command.
pub fn run(args: Args, settings: &Settings) -> anyhow::Result<u8> {
    let mut words = args.command.into_iter();
    let program = match words.next() {
        Some(program) => program,
        None => OsString::from("/bin/sh"),
    };
    userns::enter(&settings.dirs)?;
    let error = exec::replace(Command::new(&program).args(words));
    let code = match error.kind() {
        io::ErrorKind::NotFound => exit::NOT_FOUND,
        _ => exit::NOT_EXECUTABLE,
    };
    super::selection::report(
        &anyhow::Error::new(error).context(format!("run {}", program.display())),
    );
    Ok(code)
}
