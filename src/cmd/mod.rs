//! cmd
use std::process::ExitCode;
pub mod completion;
pub mod doctor;
pub mod probe;
/// Runs.
pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
