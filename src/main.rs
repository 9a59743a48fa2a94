//! The `bolt` program: hands argv to the library and returns its exit code.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: bolt::sys::heap::Heap = bolt::sys::heap::Heap;

fn main() -> ExitCode {
    bolt::cmd::main()
}
