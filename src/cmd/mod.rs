//! cmd
pub mod login;
pub mod logout;

use std::process::ExitCode;
/// Runs.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
