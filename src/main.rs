//! The `bolt` program: hands argv to the library and returns its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    bolt::cmd::main()
}
