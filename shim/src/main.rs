//! `bolt-shim`: supervisor of one container. Started by `bolt` only; plans nothing.
//!
//! Process map: **M** (monitor, this program's first process, in the user namespace P) makes
//! **I** (pid 1 of the container, becomes the payload). Both are single-threaded.

mod at;
mod clients;
mod enter;
mod event_loop;
mod events;
mod fill;
mod freeze;
mod handshake;
mod health;
mod init;
mod join;
mod journal;
mod log;
mod monitor;
mod notify;
mod outside;
mod pidfile;
mod ports;
mod remove;
mod small;
mod start;
mod state;
mod stdio;
mod step;
#[allow(unsafe_code)]
mod sys;
mod uplink;

use std::process::ExitCode;

/// musl's own allocator maps and unmaps a page for many a short-lived path, twenty times in a
/// start; this one keeps what it has.
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    let role = std::env::args().nth(1);
    match role.as_deref() {
        Some("monitor") => {
            sys::process::sanitise();
            ExitCode::from(monitor::run())
        }
        Some("--version") => {
            let line = format!(
                "bolt-shim {} contract {}\n",
                env!("CARGO_PKG_VERSION"),
                bolt_shim::launch::VERSION
            );
            sys::process::say(&line);
            ExitCode::SUCCESS
        }
        _ => {
            sys::process::complain(
                "bolt-shim is started by bolt; there is nothing to run by hand\n",
            );
            ExitCode::from(125)
        }
    }
}
