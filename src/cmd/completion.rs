//! `bolt completion SHELL`: the completion script of a shell, on standard output.

use crate::ui::print;
use clap::{Command, ValueEnum};
use clap_complete::Shell;

/// Print the completion script for a shell
#[derive(Debug, clap::Args)]
pub struct CompletionArgs {
    /// Shell to write the script for
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: ShellName,
}

/// Shells whose completions are checked in below `completions/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShellName {
    /// bash(1)
    Bash,
    /// zsh(1)
    Zsh,
    /// fish(1)
    Fish,
}

/// Prints the script for the program `cli`.
pub fn run(args: &CompletionArgs, cli: Command) -> anyhow::Result<()> {
    print::stdout_bytes(&script(args.shell, cli))
}

/// The script of one shell.
pub fn script(shell: ShellName, mut cli: Command) -> Vec<u8> {
    let shell = match shell {
        ShellName::Bash => Shell::Bash,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Fish => Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli, "bolt", &mut script);
    script
}
