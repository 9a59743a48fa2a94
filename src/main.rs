//! The `bolt` program: hands argv to the library and returns its exit code.

use std::process::ExitCode;

/// musl's own allocator maps and unmaps pages for almost every allocation, which a start of a
/// few milliseconds feels; this one keeps what it has.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    bolt_engine::cmd::main()
}
