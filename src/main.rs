//! The `bolt` program: hands argv to the library and returns its exit code.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: bolt_engine::sys::heap::Heap = bolt_engine::sys::heap::Heap;

fn main() -> ExitCode {
    bolt_engine::cmd::main()
}
